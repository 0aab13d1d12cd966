//! Lookups of one key, with three answers.

use core::fmt;

use super::key::Layer;
use crate::cid::Cid;
use crate::error::KeyInterval;

/// What the blocks at hand say about one key.
///
/// Each answer holds in every tree with this root, whatever the blocks are that are not at hand, if
/// blocks are hashed; that is as much as a part of a tree can prove. Keys before and after the one
/// in question prove nothing by themselves: a subtree that is not there may hold it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there is no fourth answer")]
pub enum Lookup<V> {
    /// The tree has the key.
    Present {
        /// The CID of its record.
        cid: Cid,
        /// The record, if its block is at hand.
        record: Option<V>,
    },
    /// The tree does not have the key.
    Absent,
    /// A node is not at hand that alone could tell.
    Unknown(Gap),
}

impl<V> Lookup<V> {
    /// The record, if the key is there and its record at hand.
    #[must_use]
    pub fn record(self) -> Option<V> {
        match self {
            Lookup::Present { record, .. } => record,
            Lookup::Absent | Lookup::Unknown(_) => None,
        }
    }
}

/// A node that is not at hand, and what it hides.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Gap {
    /// The node's CID.
    pub cid: Cid,
    /// The keys that the node and all below it can have.
    pub interval: KeyInterval,
    /// The node's layer, unless it is the root.
    pub layer: Option<Layer>,
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the node {} is missing, which hides {}", self.cid, self.interval)
    }
}
