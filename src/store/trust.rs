//! How far the blocks of a store are verified.

use crate::cid::Cid;

/// Which blocks of a store are checked against their CIDs, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trust {
    /// Every block was hashed while loading.
    Hashed,
    /// A walk hashes the blocks that it reaches.
    HashWhenReached,
    /// No block is hashed.
    Unchecked,
}

impl Trust {
    /// Returns the verification mark of an intact block with this CID.
    #[inline]
    pub(crate) fn mark(self, cid: &Cid) -> Option<Cid> {
        (self == Trust::Hashed).then_some(*cid)
    }

    /// Returns whether a walk has to verify blocks without a mark. If all blocks of a store were
    /// hashed, it ignores marks.
    #[inline]
    pub(crate) fn verifies_when_reached(self) -> bool {
        self == Trust::HashWhenReached
    }

    /// Returns the trust in a store of the caller's, where only marks show which blocks were
    /// hashed.
    pub(crate) fn in_any_store(self) -> Self {
        if self == Trust::Unchecked { Trust::Unchecked } else { Trust::HashWhenReached }
    }

    /// Returns the trust in blocks that were copied while loading. Unless no block is hashed, they
    /// were hashed before they were copied, and bad ones were marked.
    pub(crate) fn once_copied(self) -> Self {
        if self == Trust::Unchecked { Trust::Unchecked } else { Trust::Hashed }
    }
}
