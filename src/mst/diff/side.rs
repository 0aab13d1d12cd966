//! What a diff compares: a sequence of entries and links in key order.

use crate::cid::Cid;
use crate::error::{KeyInterval, Result};
use crate::mst::Layer;
use crate::mst::frame::Frame;
use crate::mst::read_node::Keys;

/// One side of a diff.
#[expect(private_interfaces, reason = "the trait cannot be named outside of this module")]
pub trait Side {
    /// The blocks of nodes.
    type Bytes: AsRef<[u8]>;

    /// Returns the node that was opened last, if no item is the current one.
    fn node(&mut self) -> Option<&mut Frame<Self::Bytes>>;

    /// Moves to the next item, unless the current one was not passed or opened.
    fn advance(&mut self) -> Result<()>;

    /// Returns the current item.
    fn item(&self) -> Item<'_>;

    /// Passes the current item: an entry, or a link, whose subtree is skipped.
    fn pass(&mut self);

    /// Announces that a node is needed soon.
    fn prefetch(&self, _cid: &Cid) {}

    /// Returns the links of the node that was read, in order.
    fn links(&self) -> impl Iterator<Item = Cid> {
        core::iter::empty()
    }

    /// Returns the first link after the current entry in its node, with the layer that it leads to.
    fn next_link(&self) -> Option<(Cid, Layer)> {
        None
    }

    /// Reads the node of the current item, if it is a link to a node of known layer, and appends
    /// its keys, whose layers are not checked yet.
    fn read(&mut self, _keys: &mut Keys) {}

    /// Sets whether all keys of the node that was read are on its layer. If not, the node is
    /// checked from its start when it is opened.
    fn judge(&mut self, _is_good: bool) {}

    /// Enters the node of the current item, which is a link. With `partial`, a missing node is no
    /// error.
    fn open(&mut self, partial: bool) -> Result<Opened>;

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
        cid: &'i Cid,
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
        cid: &'i Cid,
    },
    /// The end.
    End,
}

/// The result of opening a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opened {
    /// The items of the node follow.
    Node,
    /// The node is missing. The link is still the current item.
    Missing,
}
