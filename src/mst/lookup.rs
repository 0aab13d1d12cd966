//! Lookups of one key, with three answers.

use core::fmt;

use super::key::Layer;
use crate::cid::Cid;
use crate::error::KeyInterval;

/// The answer to the lookup of one key in a tree of which blocks may be missing.
///
/// Each answer is valid for every tree with this root, whatever the missing blocks contain,
/// provided that blocks are verified. The entries before and after a key do not prove that it is
/// absent: a missing subtree between them may have it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there is no fourth answer")]
pub enum Lookup<V> {
    /// The tree has the key.
    Present {
        /// The CID of its record.
        cid: Cid,
        /// The record; `None` if it is missing.
        record: Option<V>,
    },
    /// The tree does not have the key.
    Absent,
    /// The node that would decide is missing.
    Unknown(Gap),
}

impl<V> Lookup<V> {
    /// Returns the record; `None` if the key is absent or unknown, or the record is missing.
    #[must_use]
    pub fn record(self) -> Option<V> {
        match self {
            Lookup::Present { record, .. } => record,
            Lookup::Absent | Lookup::Unknown(_) => None,
        }
    }
}

/// A missing node, and the interval of keys that it hides.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Gap {
    /// The CID of the node.
    pub cid: Cid,
    /// The interval of keys that the subtree can have.
    pub interval: KeyInterval,
    /// The layer of the node; `None` for the root.
    pub layer: Option<Layer>,
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the node {} is missing, which hides {}", self.cid, self.interval)
    }
}
