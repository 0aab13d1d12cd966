//! How far a store's blocks are known to have their CIDs.

use crate::cid::Cid;

/// Which blocks of a store were, or will be, checked against their CIDs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trust {
    /// Every block was hashed before it could be read.
    Hashed,
    /// A walk hashes the blocks that it reaches.
    HashWhenReached,
    /// No block is hashed at all.
    Unchecked,
}

impl Trust {
    /// Returns the mark of a good block with this CID.
    #[inline]
    pub(crate) fn mark(self, cid: &Cid) -> Option<Cid> {
        (self == Trust::Hashed).then_some(*cid)
    }

    /// Returns whether a walk has to verify the blocks that it reaches, as far as they carry no
    /// mark. In a store whose blocks were all hashed it need not even look at marks.
    #[inline]
    pub(crate) fn verifies_when_reached(self) -> bool {
        self == Trust::HashWhenReached
    }

    /// Returns the trust in a store of the caller's: only marks tell which blocks were hashed.
    pub(crate) fn in_any_store(self) -> Self {
        if self == Trust::Unchecked { Trust::Unchecked } else { Trust::HashWhenReached }
    }

    /// Returns the trust in blocks that were copied while loading: these are hashed before they are
    /// copied, unless no block is, and bad ones are marked as such.
    pub(crate) fn once_copied(self) -> Self {
        if self == Trust::Unchecked { Trust::Unchecked } else { Trust::Hashed }
    }
}
