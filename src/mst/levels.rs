//! Nodes that are read together, layer by layer.
//!
//! Their keys are hashed together, and all blocks that they link to are prefetched together, so
//! that the walk does not wait for each of them. A walk that hashes blocks also reads up to
//! [`MAX_BELOW`] nodes on each layer below siblings of layer 2 or 1. It requests nothing below a
//! node whose keys do not come after all earlier keys, so no link is followed twice on any input.

use core::mem::take;

use super::descent::{Descent, Fetched};
use super::digests::Answer;
use super::frame::{Frame, Link, NodeStep, Order, Spare, Steps};
use super::key::Layer;
use super::layout::cid_at;
use super::read_node::{Keys, MAX_PREFETCH, NODE_COST, ReadNode, check_keys, push_links};
use crate::cid::Cid;
use crate::reuse::{Reuse, recycle};
use crate::store::BlockStore;

/// The most siblings that are read together. A node has about five links to nodes.
const MAX_SIBLINGS: usize = 8;

/// The highest layer of siblings whose subtrees are read together.
const MAX_LAYER: u8 = 2;

/// The most nodes on one layer that are read together below siblings.
const MAX_BELOW: usize = 128;

/// The most bytes of keys of siblings that are read together. Prefixes can make a few bytes of a
/// node into long keys.
pub(super) const MAX_SIBLING_KEYS_LEN: usize = 1 << 13;

/// The same for nodes below siblings.
const MAX_KEYS_LEN_BELOW: usize = 1 << 15;

/// Number of CIDs from which on they are prefetched. The last ones of a level may be fewer.
const MIN_SOON: usize = 128;

/// Bytes of memory that siblings may take that are read together, with their keys and the CIDs of
/// their links. A list may have room for twice its number of elements.
const COST: u64 = MAX_SIBLINGS as u64 * NODE_COST
    + (MAX_SIBLING_KEYS_LEN * 4) as u64
    + ((MIN_SOON + MAX_PREFETCH) * 2 * size_of::<Cid>()) as u64;

/// The nodes that were read ahead, below any of the open nodes.
pub(super) struct NodesAhead<'s, S: BlockStore> {
    store: &'s S,
    /// Whether the store has its blocks in the CPU's cache, and needs no hints.
    is_cached: bool,
    /// In reverse: the walk takes the last one first.
    nodes: Vec<ReadNode<S::Bytes<'s>>>,
    /// Bytes of memory that the nodes take together, without their places in the list.
    len: u64,
    /// Siblings while the nodes below them are read.
    parents: Vec<ReadNode<S::Bytes<'s>>>,
    keys: Keys,
    /// CIDs of blocks that are needed soon.
    soon: Vec<Cid>,
}

/// The buffers of the nodes that are read ahead.
#[derive(Default)]
pub(super) struct NodeBuffers {
    nodes: Vec<ReadNode<&'static [u8]>>,
    parents: Vec<ReadNode<&'static [u8]>>,
    keys: Keys,
    links: Vec<Cid>,
}

impl Reuse for NodeBuffers {
    fn reset(&mut self) {
        self.nodes.reset();
        self.parents.reset();
        self.keys.reset();
        self.links.reset();
    }

    fn held(&self) -> u64 {
        let nodes = self.nodes.held().saturating_add(self.parents.held());
        nodes.saturating_add(self.keys.held()).saturating_add(self.links.held())
    }
}

/// What to read ahead.
#[derive(Clone, Copy)]
pub(super) struct Wanted {
    /// Whether records are prefetched.
    pub(super) records: bool,
    /// Whether nodes below siblings are read, if they have to be hashed.
    pub(super) below: bool,
    /// Bytes of memory that the walk takes besides the descent and these nodes.
    pub(super) held: u64,
}

/// The nodes on one layer that are read together. They are in the order of the walk, among the
/// nodes of the levels above.
#[derive(Clone, Copy)]
struct Level<'l> {
    /// The index in [`NodesAhead::nodes`] of the first of these nodes.
    start: usize,
    /// The depth of the nodes that link to these.
    depth: usize,
    layer: Layer,
    /// The link that the walk has reached.
    first: &'l Link,
    max_keys_len: usize,
}

impl Level<'_> {
    fn below(self) -> Option<Self> {
        let (layer, depth) = (self.layer.below()?, self.depth.saturating_add(1));
        Some(Level { layer, depth, max_keys_len: MAX_KEYS_LEN_BELOW, ..self })
    }
}

/// The room for nodes that are read together.
struct Room {
    nodes: usize,
    bytes: u64,
}

impl Room {
    /// Takes the room that one node may need. Returns whether there was enough.
    fn take_node(&mut self) -> bool {
        let nodes = self.nodes.checked_sub(1);
        let bytes = self.bytes.checked_sub(NODE_COST);
        if let (Some(nodes), Some(bytes)) = (nodes, bytes) {
            *self = Room { nodes, bytes };
            return true;
        }
        self.nodes = 0;
        false
    }

    fn give_back(&mut self, bytes: u64) {
        self.bytes = self.bytes.saturating_add(bytes);
    }
}

impl<'s, S: BlockStore> NodesAhead<'s, S> {
    pub(super) fn new(store: &'s S, buffers: NodeBuffers) -> Self {
        let NodeBuffers { nodes, parents, keys, links: soon } = buffers;
        let (nodes, parents) = (recycle(nodes), recycle(parents));
        let is_cached = store.is_cached();
        NodesAhead { store, is_cached, nodes, len: 0, parents, keys, soon }
    }

    /// Drops all nodes and takes the buffers.
    pub(super) fn take_buffers(&mut self) -> NodeBuffers {
        self.len = 0;
        NodeBuffers {
            nodes: recycle(take(&mut self.nodes)),
            parents: recycle(take(&mut self.parents)),
            keys: take(&mut self.keys),
            links: take(&mut self.soon),
        }
    }

    /// Returns the nodes in the order of the walk.
    pub(super) fn to_come(&self) -> impl Iterator<Item = &ReadNode<S::Bytes<'s>>> {
        self.nodes.iter().rev()
    }

    /// Takes the node of a CID below the node at `depth`, if it was read ahead. Drops the nodes
    /// before it, which the walk has passed.
    #[inline]
    pub(super) fn take(
        &mut self,
        depth: usize,
        cid: &Cid,
        spare: &mut Spare,
    ) -> Option<ReadNode<S::Bytes<'s>>> {
        while let Some(node) = self.nodes.pop_if(|node| node.depth >= depth) {
            debug_assert!(node.held() <= self.len);
            self.len = self.len.saturating_sub(node.held());
            if node.depth == depth && node.cid == *cid {
                return Some(node);
            }
            node.into_buffers().into_iter().for_each(|buffers| spare.put(buffers));
        }
        None
    }

    /// Reads the node of a link and some of the next nodes below the same one, up to the first that
    /// is not good.
    #[inline(never)]
    pub(super) fn read(
        &mut self,
        first: &Link,
        depth: usize,
        descent: &mut Descent<S::Bytes<'s>>,
        wanted: Wanted,
    ) {
        let Some(layer) = first.layer else {
            debug_assert!(false, "a link below the root has no layer");
            return;
        };
        if !descent.has_room(|| self.held().saturating_add(wanted.held).saturating_add(COST)) {
            return;
        }
        let others = descent.top().into_iter().flat_map(Frame::links_to_come);
        self.soon.clear();
        self.soon.extend(core::iter::once(first.cid).chain(others).take(MAX_SIBLINGS));
        let start = self.nodes.len();
        self.request(depth, &mut Room { nodes: MAX_SIBLINGS, bytes: COST });
        let must_hash = self.nodes.get(start).and_then(Answer::block);
        let must_hash = must_hash.is_some_and(|(cid, found)| descent.must_hash(cid, found));
        let mut level = Level { start, depth, layer, first, max_keys_len: MAX_SIBLING_KEYS_LEN };
        self.finish(level, descent, wanted);
        while must_hash
            && wanted.below
            && layer.get() <= MAX_LAYER
            && let Some(below) = level.below()
        {
            self.read_below(level, below, descent, wanted);
            level = below;
        }
        // The walk takes nodes from the end.
        self.nodes.get_mut(start..).unwrap_or_default().reverse();
    }

    /// Requests the nodes in `soon`, until there is no more room or a block cannot be a valid node.
    fn request(&mut self, depth: usize, room: &mut Room) {
        for &cid in &self.soon {
            if !room.take_node() {
                return;
            }
            let node = ReadNode { cid, depth, fetched: Fetched::get(self.store, cid) };
            if !node.may_be_good() {
                room.nodes = 0;
            }
            room.give_back(node.unused());
            self.nodes.push(node);
        }
    }

    /// Reads the nodes below those of a level, and puts each after its parent.
    fn read_below(
        &mut self,
        level: Level<'_>,
        below: Level<'_>,
        descent: &mut Descent<S::Bytes<'s>>,
        wanted: Wanted,
    ) {
        if level.start > self.nodes.len() {
            return;
        }
        let keys = (MAX_KEYS_LEN_BELOW * 4) as u64;
        let held = self.held().saturating_add(wanted.held).saturating_add(keys);
        let mut room = Room { nodes: MAX_BELOW, bytes: descent.room().saturating_sub(held) };
        let mut nodes = take(&mut self.parents);
        nodes.extend(self.nodes.drain(level.start..));
        for node in nodes.drain(..) {
            self.soon.clear();
            if node.depth == level.depth {
                match node.read() {
                    // A node without keys does not tell whether it comes after those before it.
                    Some((block, buffers)) if !buffers.layout.entries().is_empty() => {
                        let steps = Steps::all(descent.manner.order, &buffers.layout);
                        let links = steps.filter_map(NodeStep::link);
                        self.soon.extend(links.filter_map(|at| cid_at(block, at)));
                    }
                    Some(_) => {}
                    // The walk ends at a node that is not good, so the others are of no use.
                    None => room.nodes = 0,
                }
            }
            self.nodes.push(node);
            self.request(below.depth, &mut room);
        }
        self.parents = nodes;
        self.finish(below, descent, wanted);
    }

    /// Verifies, parses and checks the nodes of a level up to the first faulty one, and prefetches
    /// the blocks that they link to. The walk returns the error when it reaches the faulty node.
    fn finish(&mut self, level: Level<'_>, descent: &mut Descent<S::Bytes<'s>>, wanted: Wanted) {
        let order = descent.manner.order;
        let NodesAhead { nodes: all, keys, .. } = self;
        let nodes = all.get_mut(level.start..).unwrap_or_default();
        descent.verify_together(nodes);
        keys.clear();
        for node in nodes.iter_mut().filter(|node| node.depth == level.depth) {
            if !node.parse(level.layer, (keys, level.max_keys_len), descent) {
                break;
            }
        }
        let nodes = nodes.iter_mut().filter(|node| node.depth == level.depth);
        let interval = descent.interval(level.first);
        check_keys(nodes, keys, level.layer, (order, interval));
        self.len = all.iter().map(ReadNode::held).fold(0, u64::saturating_add);
        if descent.has_room(|| self.held().saturating_add(wanted.held)) {
            self.prefetch_below(level, order, wanted.records);
        } else {
            self.clear();
        }
    }

    /// Prefetches the blocks that the nodes of a level link to.
    fn prefetch_below(&mut self, level: Level<'_>, order: Order, records: bool) {
        let NodesAhead { store, nodes, soon, is_cached: false, .. } = self else { return };
        soon.clear();
        let nodes = nodes.get(level.start..).unwrap_or_default();
        for node in nodes.iter().filter(|node| node.depth == level.depth) {
            if let Some((block, buffers)) = node.read() {
                push_links(block, &buffers.layout, order, records, soon);
            }
            // Stores gain nothing from more CIDs at once, and the list stays short.
            if soon.len() >= MIN_SOON {
                store.prefetch(soon);
                soon.clear();
            }
        }
        store.prefetch(soon);
    }

    /// Prefetches the nodes that the top of a descent links to, and the records with `records`.
    pub(super) fn prefetch(&mut self, descent: &Descent<S::Bytes<'s>>, records: bool) {
        if self.is_cached {
            return;
        }
        let Some(Frame { block, buffers, .. }) = descent.top() else { return };
        let order = descent.manner.order;
        self.soon.clear();
        push_links(block.as_ref(), &buffers.layout, order, records, &mut self.soon);
        self.store.prefetch(&self.soon);
    }

    /// Returns the bytes of memory that are held.
    pub(super) fn held(&self) -> u64 {
        let nodes = self.nodes.capacity().saturating_add(self.parents.capacity());
        let nodes = nodes.saturating_mul(size_of::<ReadNode<S::Bytes<'s>>>());
        let soon = self.soon.capacity().saturating_mul(size_of::<Cid>());
        let lists = nodes.saturating_add(soon) as u64;
        lists.saturating_add(self.keys.held()).saturating_add(self.len)
    }

    /// Drops all nodes and frees their memory.
    pub(super) fn clear(&mut self) {
        drop(self.take_buffers());
    }
}
