//! The open nodes of a descent.
//!
//! A frame is an open node with a position between two of its entries, here after two of four:
//!
//! ```text
//!         from side           to side
//!             |                  |
//!   l  k0 t0  k1       t1        k2 t2  k3 t3        k: keys    l, t: links to subtrees, or null
//!             |         |        |
//!            key     link_at  next_key               passed = 2
//! ```
//!
//! The keys below a link lie between the keys on both sides of it. Before a node's first key and
//! after its last, the bound is that of the node itself, which is a key of a frame above. So a
//! [`Link`] names the frames that hold its bounds, and no bound is copied. In descending order, the
//! picture is read from right to left: the side that the walk comes from has the greater key.

mod equal;

use super::key::{Key, Layer};
use super::layout::{EntryLayout, NodeLayout, cid_at, is_empty_node};
use crate::cid::Cid;
use crate::error::{Error, KeyInterval, Result, Structure, TreeRule};
use crate::reuse::MAX_KEPT;
use crate::store::Block;

/// The largest buffers that are kept for another node, in bytes: enough for hundreds of entries,
/// more than any node has by chance.
const MAX_SPARE: u64 = 1 << 13;

/// The order in which a walk takes keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Ascending,
    Descending,
}

impl Order {
    /// Returns the number of the next entry after `passed` of `len` entries. After the last entry,
    /// returns `None` or `len`.
    #[inline]
    fn next(self, passed: usize, len: usize) -> Option<usize> {
        match self {
            Order::Ascending => Some(passed),
            Order::Descending => len.checked_sub(passed)?.checked_sub(1),
        }
    }

    /// Returns the position in the block of the link before the first entry.
    #[inline]
    fn first_link(self, layout: &NodeLayout) -> Option<u32> {
        match self {
            Order::Ascending => layout.left_at(),
            Order::Descending => layout.link_before(layout.entries().len()),
        }
    }

    /// Returns the position in the block of the link after an entry.
    #[inline]
    fn link_after(self, layout: &NodeLayout, number: usize, entry: &EntryLayout) -> Option<u32> {
        match self {
            Order::Ascending => entry.tree_at(),
            Order::Descending => layout.link_before(number),
        }
    }
}

/// A position between two entries of a node, in the order of a walk.
#[derive(Clone, Copy)]
struct NodeCursor {
    order: Order,
    /// The number of passed entries.
    passed: usize,
    /// The position in the block of the link before the next entry, or `None` if it is null or was
    /// passed.
    link_at: Option<u32>,
}

impl NodeCursor {
    /// The position before the first link.
    fn start(order: Order, layout: &NodeLayout) -> Self {
        NodeCursor { order, passed: 0, link_at: order.first_link(layout) }
    }

    /// Returns the next entry and its number, or `None` after the last.
    #[inline]
    fn next_entry<'n>(&self, layout: &'n NodeLayout) -> Option<(usize, &'n EntryLayout)> {
        let entries = layout.entries();
        let number = self.order.next(self.passed, entries.len())?;
        Some((number, entries.get(number)?))
    }

    /// Passes the next entry.
    #[inline]
    fn pass(&mut self, layout: &NodeLayout, number: usize, entry: &EntryLayout) {
        debug_assert!(self.passed < layout.entries().len());
        self.passed = self.passed.saturating_add(1);
        self.link_at = self.order.link_after(layout, number, entry);
    }
}

/// An iterator over the remaining links and entries of a node, in the order of a walk.
pub(super) struct Steps<'n> {
    cursor: NodeCursor,
    layout: &'n NodeLayout,
}

/// A link or entry of a node, as the position of its CID in the block.
#[derive(Clone, Copy)]
pub(super) enum NodeStep {
    Link(u32),
    Record(u32),
}

impl NodeStep {
    /// Returns the position of a link's CID.
    #[inline]
    pub(super) fn link(self) -> Option<u32> {
        match self {
            NodeStep::Link(at) => Some(at),
            NodeStep::Record(_) => None,
        }
    }

    /// Returns the position of the CID of a link or record.
    #[inline]
    pub(super) fn any(self) -> u32 {
        match self {
            NodeStep::Link(at) | NodeStep::Record(at) => at,
        }
    }
}

impl<'n> Steps<'n> {
    /// Returns all links and entries of a node.
    #[inline]
    pub(super) fn all(order: Order, layout: &'n NodeLayout) -> Self {
        Steps { cursor: NodeCursor::start(order, layout), layout }
    }
}

impl Iterator for Steps<'_> {
    type Item = NodeStep;

    #[inline]
    fn next(&mut self) -> Option<NodeStep> {
        if let Some(at) = self.cursor.link_at.take() {
            return Some(NodeStep::Link(at));
        }
        let (number, entry) = self.cursor.next_entry(self.layout)?;
        self.cursor.pass(self.layout, number, entry);
        Some(NodeStep::Record(entry.value_at()))
    }
}

/// A link, and what is known of its node before it is read.
#[derive(Clone, Copy)]
pub(super) struct Link {
    pub(super) cid: Cid,
    /// The layer of the node, or `None` for the root, which has the layer of its first key.
    pub(super) layer: Option<Layer>,
    /// The depth of the frame whose `key` is the bound on the side that the walk comes from.
    pub(super) from_side: Option<usize>,
    /// The depth of the frame whose `next_key` is the bound on the side that the walk goes to.
    pub(super) to_side: Option<usize>,
}

impl Link {
    /// Creates the link to a root, which has no bounds.
    pub(super) fn root(cid: Cid) -> Self {
        Link { cid, layer: None, from_side: None, to_side: None }
    }

    /// Returns whether this is the link to the root of an empty tree.
    pub(super) fn is_empty_tree(&self) -> bool {
        self.layer.is_none() && is_empty_node(&self.cid)
    }
}

/// An open node.
pub(super) struct Frame<B> {
    pub(super) block: B,
    /// Bytes of memory that the block takes.
    pub(super) memory_cost: u64,
    /// The section offset of the node.
    pub(super) offset: Option<u64>,
    pub(super) layer: Layer,
    /// The link that led here.
    pub(super) link: Link,
    pub(super) buffers: Box<Buffers>,
    /// Whether the walk wants all keys below. Set by the walk.
    pub(super) is_covered: bool,
    cursor: NodeCursor,
    /// Whether `buffers.next_key` is the key of the next entry.
    has_next_key: bool,
}

/// The buffers that a node is parsed into. They are reused for other nodes.
#[derive(Default)]
pub(super) struct Buffers {
    pub(super) layout: NodeLayout,
    /// The key of the last entry that was passed.
    pub(super) key: Key,
    /// The key of the next entry, while the subtree before it is walked.
    pub(super) next_key: Key,
}

impl<B: AsRef<[u8]>> Frame<B> {
    /// Opens a checked node, before its first entry.
    pub(super) fn new(
        link: Link,
        layer: Layer,
        found: Block<B>,
        memory_cost: u64,
        mut buffers: Box<Buffers>,
        order: Order,
    ) -> Self {
        buffers.key.clear();
        let Block { bytes: block, offset, .. } = found;
        if order == Order::Descending {
            buffers.layout.chain_prefixes();
        }
        let cursor = NodeCursor::start(order, &buffers.layout);
        Frame {
            block,
            memory_cost,
            offset,
            layer,
            link,
            buffers,
            is_covered: false,
            cursor,
            has_next_key: false,
        }
    }

    /// Passes the link before the next entry and returns it, or `None` if it is null or was passed.
    /// `depth` is that of this frame.
    #[inline]
    pub(super) fn next_link(&mut self, depth: usize) -> Result<Option<Link>> {
        let Some(link_at) = self.cursor.link_at.take() else {
            return Ok(None);
        };
        let block = self.block.as_ref();
        let cid = cid_at(block, link_at).ok_or_else(|| self.changed())?;
        let from_side = if self.cursor.passed > 0 { Some(depth) } else { self.link.from_side };
        let Buffers { layout, key, next_key } = &mut *self.buffers;
        let to_side = match self.cursor.next_entry(layout) {
            Some((number, entry)) => {
                match self.cursor.order {
                    Order::Ascending => {
                        next_key.follow(key, entry.prefix_len(), entry.suffix(block))
                    }
                    Order::Descending => layout.unfold(number, block, next_key),
                }
                self.has_next_key = true;
                Some(depth)
            }
            None => self.link.to_side,
        };
        Ok(Some(Link { cid, layer: self.layer.below(), from_side, to_side }))
    }

    /// Returns the remaining links and entries.
    pub(super) fn steps_to_come(&self) -> Steps<'_> {
        Steps { cursor: self.cursor, layout: &self.buffers.layout }
    }

    /// Returns the CIDs of the remaining links.
    pub(super) fn links_to_come(&self) -> impl Iterator<Item = Cid> {
        let links = self.steps_to_come().filter_map(NodeStep::link);
        links.filter_map(|at| cid_at(self.block.as_ref(), at))
    }

    /// Passes the next entry and returns the CID of its record, or `None` after the last entry.
    #[inline]
    pub(super) fn next_entry(&mut self) -> Result<Option<Cid>> {
        let Buffers { layout, key, next_key } = &mut *self.buffers;
        let Some((number, entry)) = self.cursor.next_entry(layout) else {
            return Ok(None);
        };
        let block = self.block.as_ref();
        // The link before this entry may have needed its key already.
        if self.has_next_key {
            core::mem::swap(key, next_key);
            self.has_next_key = false;
        } else {
            match self.cursor.order {
                Order::Ascending => key.advance(entry.prefix_len(), entry.suffix(block)),
                Order::Descending => layout.unfold(number, block, key),
            }
        }
        self.cursor.pass(layout, number, entry);
        let cid = cid_at(block, entry.value_at()).ok_or_else(|| self.changed())?;
        Ok(Some(cid))
    }

    /// Returns the bytes of memory that are held.
    pub(super) fn held(&self) -> u64 {
        self.buffers.held().saturating_add(self.memory_cost)
    }

    /// Returns the error for an `AsRef` that returned other bytes than before.
    #[cold]
    fn changed(&self) -> Error {
        let error = Error::store("`as_ref` of a block returned other bytes than before");
        error.in_structure(Structure::Node).at(self.offset).of_cid(self.link.cid)
    }
}

impl Buffers {
    /// Returns the bytes of memory that are held.
    pub(super) fn held(&self) -> u64 {
        let keys = self.key.held().saturating_add(self.next_key.held());
        self.layout.held().saturating_add(keys).saturating_add(size_of::<Buffers>()) as u64
    }

    /// Parses a node, checks all rules in it, and returns its layer.
    pub(super) fn check(
        &mut self,
        block: &[u8],
        interval: KeyInterval<&[u8]>,
        link_layer: Option<Layer>,
    ) -> Result<Layer> {
        let KeyInterval { lower, upper } = interval;
        let outside = || Error::tree(TreeRule::KeyOutside { interval: interval.to_owned() });
        let mut layer = link_layer;
        self.layout.parse(block, &mut self.key, |entry, key| {
            check_layer(entry, Layer::of(key), &mut layer, link_layer)?;
            // The first key is compared with both bounds. It fits only one of several links to the
            // node, so the others cost no more than this key.
            let is_outside = || {
                lower.is_some_and(|lower| key <= lower) || upper.is_some_and(|upper| key >= upper)
            };
            if entry == 0 && is_outside() { Err(outside()) } else { Ok(()) }
        })?;
        let last = self.key.as_bytes();
        if !self.layout.entries().is_empty() && upper.is_some_and(|upper| last >= upper) {
            return Err(outside().of_key(last));
        }
        let layer = layer.unwrap_or(Layer::BOTTOM);
        self.check_links(layer, link_layer.is_none())?;
        Ok(layer)
    }

    /// Parses a node that is not the root, and checks all rules except those about the layers and
    /// bounds of keys. Calls `on_key` with each key.
    pub(super) fn read(
        &mut self,
        block: &[u8],
        layer: Layer,
        mut on_key: impl FnMut(&[u8]),
    ) -> Result<()> {
        self.layout.parse(block, &mut self.key, |_, key| {
            on_key(key);
            Ok(())
        })?;
        self.check_links(layer, false)
    }

    /// Returns the first and the last key of the node that was read last.
    #[inline]
    pub(super) fn ends<'n>(&'n self, block: &'n [u8]) -> Option<(&'n [u8], &'n [u8])> {
        // The first key has no prefix, and parsing leaves the last key in the buffer.
        Some((self.layout.entries().first()?.suffix(block), self.key.as_bytes()))
    }

    /// Returns whether the keys of the node that was read last lie in an interval.
    #[inline]
    pub(super) fn are_within(&self, block: &[u8], interval: &KeyInterval<&[u8]>) -> bool {
        let Some((first, last)) = self.ends(block) else { return true };
        interval.lower.is_none_or(|lower| lower < first)
            && interval.upper.is_none_or(|upper| last < upper)
    }

    /// Checks rules N10 to N12: where a node must have links, and where it must not.
    pub(super) fn check_links(&self, layer: Layer, is_root: bool) -> Result<()> {
        if self.layout.entries().is_empty() {
            match (is_root, self.layout.has_links()) {
                (true, true) => return Err(Error::tree(TreeRule::RootWithoutEntry)),
                (false, false) => return Err(Error::tree(TreeRule::EmptyNode)),
                _ => {}
            }
        }
        if layer == Layer::BOTTOM && self.layout.has_links() {
            return Err(Error::tree(TreeRule::LinkBelowLayer0));
        }
        Ok(())
    }
}

/// Buffers of closed nodes, for reuse.
#[derive(Default)]
pub(super) struct Spare {
    #[expect(clippy::vec_box, reason = "buffers move from node to node, as one pointer")]
    buffers: Vec<Box<Buffers>>,
    /// Bytes of memory that all buffers take together.
    len: u64,
}

impl Spare {
    #[inline]
    pub(super) fn take(&mut self) -> Box<Buffers> {
        let Some(buffers) = self.buffers.pop() else { return Box::default() };
        debug_assert!(buffers.held() <= self.len);
        self.len = self.len.saturating_sub(buffers.held());
        buffers
    }

    /// Keeps buffers for reuse, unless they grew for a huge node.
    #[inline]
    pub(super) fn put(&mut self, buffers: Box<Buffers>) {
        let held = buffers.held();
        if held <= MAX_SPARE {
            self.len = self.len.saturating_add(held);
            self.buffers.push(buffers);
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Spare::default();
    }

    /// Frees memory beyond a bound.
    pub(super) fn reset(&mut self) {
        if self.held() > MAX_KEPT as u64 {
            self.clear();
        }
    }

    /// Returns the bytes of memory that are held.
    pub(super) fn held(&self) -> u64 {
        let places = self.buffers.capacity().saturating_mul(size_of::<Box<Buffers>>());
        self.len.saturating_add(places as u64)
    }
}

/// Checks that a key is on the layer of its node. The first key of the root sets its layer.
#[inline]
fn check_layer(
    entry: usize,
    found: Layer,
    layer: &mut Option<Layer>,
    link_layer: Option<Layer>,
) -> Result<()> {
    let expected = *layer.get_or_insert(found);
    if found == expected {
        return Ok(());
    }
    let (expected, found) = (expected.get(), found.get());
    Err(Error::tree(match (entry, link_layer) {
        (0, Some(_)) => TreeRule::ChildLayer { expected, found },
        _ => TreeRule::KeyLayer { entry, expected, found },
    }))
}
