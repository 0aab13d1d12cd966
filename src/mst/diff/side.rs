//! What a diff compares: a sequence of entries and links in key order.

use crate::cid::Cid;
use crate::error::{KeyInterval, Result};
use crate::mst::Layer;

/// One side of a diff.
pub trait Side {
    /// Moves to the next item, unless the current one was not passed or opened.
    fn advance(&mut self) -> Result<()>;

    /// Returns the current item.
    fn item(&self) -> Item<'_>;

    /// Passes the current item: an entry, or a link, whose subtree is skipped.
    fn pass(&mut self);

    /// Enters the node of the current item, which is a link. With `partial`, a missing node is no
    /// error.
    fn open(&mut self, partial: bool) -> Result<Opened>;

    /// Sets whether missing nodes are expected.
    fn set_partial(&mut self, _yes: bool) {}

    /// Sets whether the CIDs of opened nodes are kept.
    fn keep_opened(&mut self, _yes: bool) {}

    /// Returns the opened nodes.
    fn opened(&self) -> impl Iterator<Item = Cid>;

    /// Returns whether a node was opened.
    fn has_opened(&self, cid: &Cid) -> bool;
}

/// An item of a side.
#[derive(Clone, Copy, Debug)]
pub enum Item<'i> {
    /// A link to a subtree.
    Link {
        /// The node.
        cid: Cid,
        /// Its layer; `None` for a root.
        layer: Option<Layer>,
        /// The keys that the subtree can have.
        interval: KeyInterval<&'i [u8]>,
    },
    /// An entry.
    Entry {
        /// The key.
        key: &'i [u8],
        /// The CID of the record.
        cid: Cid,
    },
    /// The end.
    End,
}

/// The result of opening a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opened {
    /// The items of the node follow.
    Node,
    /// The node is missing. The item was passed.
    Missing,
}
