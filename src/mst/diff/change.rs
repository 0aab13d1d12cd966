//! The items of a diff.

use crate::cid::Cid;
use crate::error::{KeyInterval, Result};
use crate::mst::Layer;
use crate::path::RepoPath;

/// A difference between two trees: an item of [`Diff`](super::Diff).
///
/// # Examples
///
/// ```
/// use carwalk::Cid;
/// use carwalk::cid::Codec;
/// use carwalk::mst::Change;
///
/// let cid = Cid::of(Codec::DagCbor, b"\xa0");
/// let change = Change::Created { key: (*b"app.bsky.actor.profile/self").into(), cid };
/// assert_eq!((change.new_cid(), change.old_cid()), (Some(cid), None));
/// assert_eq!(change.path().unwrap()?.collection(), "app.bsky.actor.profile");
/// # Ok::<(), carwalk::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there is no other difference")]
pub enum Change {
    /// Only the new side has the key.
    Created {
        /// The key.
        key: Box<[u8]>,
        /// The CID of the record.
        cid: Cid,
    },
    /// Both sides have the key, with different records.
    Updated {
        /// The key.
        key: Box<[u8]>,
        /// The CID of the record on the old side.
        old: Cid,
        /// The CID of the record on the new side.
        new: Cid,
    },
    /// Only the old side has the key.
    Deleted {
        /// The key.
        key: Box<[u8]>,
        /// The CID of the record.
        old: Cid,
    },
    /// A node is missing on one side, so that nothing is known of the keys in its interval. Only
    /// with [`Diff::partial`](super::Diff::partial). No change is returned for keys in the
    /// interval.
    Unknown {
        /// The side whose node is missing.
        side: DiffSide,
        /// The missing node.
        node: Cid,
        /// Its layer; `None` for a root.
        layer: Option<Layer>,
        /// The keys that it can have.
        interval: KeyInterval,
    },
}

/// One of the two sides of a diff.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "there are two sides")]
pub enum DiffSide {
    /// The old tree, or the rows.
    Old,
    /// The new tree.
    New,
}

impl Change {
    /// Returns the key, or `None` if the change is `Unknown`.
    #[must_use]
    pub fn key(&self) -> Option<&[u8]> {
        match self {
            Change::Created { key, .. }
            | Change::Updated { key, .. }
            | Change::Deleted { key, .. } => Some(key),
            Change::Unknown { .. } => None,
        }
    }

    /// Returns the key as a repo path, or `None` if the change is `Unknown`.
    ///
    /// # Errors
    ///
    /// `Path` if the key is not a repo path.
    #[must_use]
    pub fn path(&self) -> Option<Result<RepoPath<'_>>> {
        self.key().map(RepoPath::parse)
    }

    /// Returns the CID of the record on the old side, if it has the key.
    #[must_use]
    pub fn old_cid(&self) -> Option<Cid> {
        match self {
            Change::Updated { old, .. } | Change::Deleted { old, .. } => Some(*old),
            Change::Created { .. } | Change::Unknown { .. } => None,
        }
    }

    /// Returns the CID of the record on the new side, if it has the key.
    #[must_use]
    pub fn new_cid(&self) -> Option<Cid> {
        match self {
            Change::Created { cid, .. } => Some(*cid),
            Change::Updated { new, .. } => Some(*new),
            Change::Deleted { .. } | Change::Unknown { .. } => None,
        }
    }
}
