//! Nodes and records that are read before a walk comes to them.
//!
//! Some siblings are read together. Their keys are hashed together, and all blocks that they link
//! to are prefetched together, so that the walk does not wait for each alone. A node that may be
//! bad is checked from its start when the walk comes to it: errors are the same as without reading
//! ahead, and come in the same order.
//!
//! A walk that hashes blocks hashes many together: the siblings, up to [`MAX_BELOW`] nodes on each
//! layer below siblings of layer 2 or 1, and the records before the first node that was not read.
//! It requests nothing below a node whose keys do not come after all earlier keys. So no link or
//! entry is followed twice, on any input.

use super::descent::{Descent, Fetched};
use super::digests::Answer;
use super::frame::{Frame, Link, NodeStep, Order, Spare, Steps};
use super::key::Layer;
use super::node::cid_at;
use super::queue::{MAX_RECORDS, RecordQueue};
use super::read_node::{Keys, NODE_COST, ReadNode, check_keys, push_links};
use crate::cid::Cid;
use crate::error::Result;
use crate::store::{Block, BlockStore, look_up};

/// Entries that a walk comes to before it reads ahead: somebody who wants only the first few should
/// not pay for more.
const RESERVE: u32 = 32;

/// Siblings that are read together: a node has about five links to nodes.
const MAX_NODES: usize = 8;

/// The highest layer of siblings whose subtrees are read together.
const MAX_LAYER: u8 = 2;

/// Nodes on one layer that are read together below siblings.
const MAX_BELOW: usize = 128;

/// Bytes that the keys of nodes which are read together have at most. Prefixes make keys of few
/// bytes long.
const MAX_KEYS_LEN: usize = 1 << 13;

/// As many of the nodes below siblings.
const MAX_KEYS_LEN_BELOW: usize = 1 << 15;

/// Bytes of memory that siblings which are read together may take, with their keys.
const COST: u64 = MAX_NODES as u64 * NODE_COST + (MAX_KEYS_LEN * 4) as u64;

/// Where a walk over a store gets its nodes: some were read ahead, below any of the open nodes.
pub(super) struct ReadAhead<'s, S: BlockStore> {
    store: &'s S,
    /// The one that the walk comes to first is the last.
    nodes: Vec<ReadNode<S::Bytes<'s>>>,
    /// Siblings while the nodes below them are read.
    parents: Vec<ReadNode<S::Bytes<'s>>>,
    records: RecordQueue<S::Bytes<'s>>,
    /// Whether records are requested before the walk comes to them.
    queues_records: bool,
    /// Whether nodes below siblings are read together with them.
    reads_below: bool,
    keys: Keys,
    /// Entries until nodes are read ahead.
    reserve: u32,
    /// CIDs of blocks that are needed soon.
    soon: Vec<Cid>,
}

/// Nodes on one layer that are read together. They stand in the order of the walk, among those of
/// the levels above.
#[derive(Clone, Copy)]
struct Level<'l> {
    /// The number of the first node that is read together with these.
    start: usize,
    /// The depth of the nodes that link to these.
    depth: usize,
    layer: Layer,
    /// The link that the walk has come to.
    first: &'l Link,
}

impl Level<'_> {
    fn below(self) -> Option<Self> {
        Some(Level { layer: self.layer.below()?, depth: self.depth.saturating_add(1), ..self })
    }
}

/// What nodes that are read together may take.
struct Room {
    nodes: usize,
    bytes: u64,
}

impl Room {
    /// Takes the room that one node may need, if there is so much.
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

impl<'s, S: BlockStore> ReadAhead<'s, S> {
    pub(super) fn new(store: &'s S) -> Self {
        ReadAhead {
            store,
            nodes: Vec::new(),
            parents: Vec::new(),
            records: RecordQueue::default(),
            queues_records: true,
            reads_below: true,
            keys: Keys::default(),
            reserve: RESERVE,
            soon: Vec::new(),
        }
    }

    /// Notes that the walk has come to an entry.
    #[inline]
    pub(super) fn count_entry(&mut self) {
        self.reserve = self.reserve.saturating_sub(1);
    }

    /// Returns the node of a link; `None` if it is missing. If the walk `wants_all` that is below
    /// the top of the descent, nodes under the same one are read ahead.
    #[inline]
    pub(super) fn fetch(
        &mut self,
        link: &Link,
        descent: &mut Descent<S::Bytes<'s>>,
        wants_all: bool,
        records: bool,
    ) -> Result<Option<Fetched<S::Bytes<'s>>>> {
        if let Some(depth) = descent.depth() {
            if let Some(node) = self.take(depth, &link.cid, &mut descent.spare) {
                return node.fetched;
            }
            if wants_all && self.reserve == 0 {
                self.read(link, depth, descent, records);
                if let Some(node) = self.take(depth, &link.cid, &mut descent.spare) {
                    return node.fetched;
                }
            }
        }
        Fetched::get(self.store, link.cid)
    }

    /// Takes the node of a CID under the node at `depth`, if it was read ahead. The walk has passed
    /// all that were to come before it.
    #[inline]
    fn take(
        &mut self,
        depth: usize,
        cid: &Cid,
        spare: &mut Spare,
    ) -> Option<ReadNode<S::Bytes<'s>>> {
        while let Some(node) = self.nodes.pop_if(|node| node.depth >= depth) {
            if node.depth == depth && node.cid == *cid {
                return Some(node);
            }
            node.into_buffers().into_iter().for_each(|buffers| spare.put(buffers));
        }
        None
    }

    /// Reads the node of a link and some of those that come after it under the same node, up to the
    /// first that is not good.
    #[inline(never)]
    fn read(
        &mut self,
        first: &Link,
        depth: usize,
        descent: &mut Descent<S::Bytes<'s>>,
        records: bool,
    ) {
        let Some(layer) = first.layer else {
            debug_assert!(false, "a link below the root has no layer");
            return;
        };
        if !descent.has_room(|| self.held().saturating_add(COST)) {
            return;
        }
        let mut soon = core::mem::take(&mut self.soon);
        soon.clear();
        let others = descent.top().into_iter().flat_map(Frame::links_to_come);
        soon.extend(core::iter::once(first.cid).chain(others).take(MAX_NODES));
        let start = self.nodes.len();
        self.fetch_nodes(&soon, depth, &mut Room { nodes: MAX_NODES, bytes: COST });
        let must_hash = self.nodes.get(start).and_then(Answer::block);
        let must_hash = must_hash.is_some_and(|(cid, found)| descent.must_hash(cid, found));
        let mut level = Level { start, depth, first, layer };
        self.keys.max_len = MAX_KEYS_LEN;
        self.finish(level, descent);
        self.announce(level, descent.manner.order, records, &mut soon);
        while must_hash
            && self.reads_below
            && layer.get() <= MAX_LAYER
            && let Some(below) = level.below()
        {
            self.keys.max_len = MAX_KEYS_LEN_BELOW;
            self.read_below(level, below, descent, &mut soon);
            self.announce(below, descent.manner.order, records, &mut soon);
            level = below;
        }
        // The walk takes them from the end.
        self.nodes.get_mut(start..).unwrap_or_default().reverse();
        self.soon = soon;
    }

    /// Requests nodes, as many as there is room for, up to the first that cannot be a good one. Then
    /// there is room for none.
    fn fetch_nodes(&mut self, cids: &[Cid], depth: usize, room: &mut Room) {
        for &cid in cids {
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
        soon: &mut Vec<Cid>,
    ) {
        if level.start > self.nodes.len() {
            return;
        }
        let held = self.held().saturating_add((MAX_KEYS_LEN_BELOW * 4) as u64);
        let mut room = Room { nodes: MAX_BELOW, bytes: descent.room().saturating_sub(held) };
        let mut nodes = core::mem::take(&mut self.parents);
        nodes.extend(self.nodes.drain(level.start..));
        for node in nodes.drain(..) {
            soon.clear();
            if node.depth == level.depth {
                match node.read() {
                    // Nobody knows whether a node without keys comes after those before it.
                    Some((block, buffers)) if !buffers.layout.entries().is_empty() => {
                        let links = Steps::all(descent.manner.order, &buffers.layout).links();
                        soon.extend(links.filter_map(|at| cid_at(block, at)));
                    }
                    Some(_) => {}
                    // After a gap, the others are of no use.
                    None => room.nodes = 0,
                }
            }
            self.nodes.push(node);
            self.fetch_nodes(soon, below.depth, &mut room);
        }
        self.parents = nodes;
        self.finish(below, descent);
    }

    /// Verifies, parses and checks the nodes of a level up to the first faulty one. The walk
    /// reports the fault when it comes to that node.
    fn finish(&mut self, level: Level<'_>, descent: &mut Descent<S::Bytes<'s>>) {
        let ReadAhead { nodes, keys, .. } = self;
        let nodes = nodes.get_mut(level.start..).unwrap_or_default();
        descent.verify_together(nodes);
        keys.clear();
        for node in nodes.iter_mut().filter(|node| node.depth == level.depth) {
            if !node.parse(level.layer, keys, descent) {
                break;
            }
        }
        let nodes = nodes.iter_mut().filter(|node| node.depth == level.depth);
        let interval = descent.interval(level.first);
        check_keys(nodes, keys, level.layer, (descent.manner.order, interval));
        self.make_room(descent);
    }

    /// Prefetches what the nodes of a level link to.
    fn announce(&self, level: Level<'_>, order: Order, records: bool, soon: &mut Vec<Cid>) {
        soon.clear();
        let nodes = self.nodes.get(level.start..).unwrap_or_default();
        for node in nodes.iter().filter(|node| node.depth == level.depth) {
            if let Some((block, buffers)) = node.read() {
                push_links(block, &buffers.layout, order, records, soon);
            }
        }
        self.store.prefetch(soon);
    }

    /// Returns the record of the entry that the walk has come to; `None` if it is missing. A walk
    /// that hashes requests some of those that come next, too.
    #[inline]
    pub(super) fn record(
        &mut self,
        cid: Cid,
        descent: &mut Descent<S::Bytes<'s>>,
    ) -> Result<Option<Block<S::Bytes<'s>>>> {
        if let Some(found) = self.records.take(cid) {
            return found;
        }
        match look_up(self.store, &cid) {
            Ok(Some(found))
                if self.reserve == 0 && self.queues_records && descent.must_hash(cid, &found) =>
            {
                self.queue(cid, found, descent)
            }
            found => found,
        }
    }

    /// Requests the records that come after the one of the entry that the walk has come to, as far
    /// as all nodes up to them are there, and returns that one.
    #[inline(never)]
    fn queue(
        &mut self,
        cid: Cid,
        found: Block<S::Bytes<'s>>,
        descent: &mut Descent<S::Bytes<'s>>,
    ) -> Result<Option<Block<S::Bytes<'s>>>> {
        self.soon.clear();
        if descent.has_room(|| self.held().saturating_add(RecordQueue::<S::Bytes<'s>>::cost())) {
            push_records_to_come(&self.nodes, descent, &mut self.soon);
        }
        if self.soon.is_empty() {
            return Ok(Some(found));
        }
        let held = self.held();
        self.records.fill(self.store, (cid, found), &self.soon, descent, held);
        debug_assert!(self.records.held() > 0);
        self.records.take(cid).unwrap_or(Ok(None))
    }

    /// Stops requesting records ahead.
    pub(super) fn stop_queueing(&mut self) {
        self.queues_records = false;
    }

    /// Stops requesting records ahead, and nodes below siblings.
    pub(super) fn stop_reading_below(&mut self) {
        self.queues_records = false;
        self.reads_below = false;
    }

    /// Prefetches what the top of a descent links to, of records only if they are wanted.
    pub(super) fn prefetch(&mut self, descent: &Descent<S::Bytes<'s>>, records: bool) {
        let Some(Frame { block, buffers, .. }) = descent.top() else { return };
        self.soon.clear();
        let Descent { manner, .. } = descent;
        push_links(block.as_ref(), &buffers.layout, manner.order, records, &mut self.soon);
        self.store.prefetch(&self.soon);
    }

    /// Returns the bytes of memory that are held.
    fn held(&self) -> u64 {
        let nodes = self.nodes.capacity().saturating_add(self.parents.capacity());
        let nodes = nodes.saturating_mul(size_of::<ReadNode<S::Bytes<'s>>>()) as u64;
        let others = self.keys.held().saturating_add(self.records.held());
        let blocks = self.nodes.iter().map(ReadNode::held);
        blocks.fold(nodes.saturating_add(others), u64::saturating_add)
    }

    /// Gives all of it back if there is no room for it beside a descent.
    #[inline]
    pub(super) fn make_room(&mut self, descent: &Descent<S::Bytes<'s>>) {
        if !descent.has_room(|| self.held()) {
            self.nodes = Vec::new();
            self.parents = Vec::new();
            self.records = RecordQueue::default();
            self.keys = Keys::default();
        }
    }
}

/// Appends the CIDs of the records that a walk comes to next, as far as all nodes up to them were
/// read. `nodes` are those that were read ahead.
fn push_records_to_come<B: AsRef<[u8]>>(
    nodes: &[ReadNode<B>],
    descent: &Descent<B>,
    soon: &mut Vec<Cid>,
) {
    let mut nodes = nodes.iter().rev();
    for (depth, frame) in descent.frames().iter().enumerate().rev() {
        let node = (frame.block.as_ref(), frame.steps_to_come());
        // Not all that is under a node that is not covered is wanted.
        if !frame.is_covered || !push_records(node, depth, descent.manner.order, &mut nodes, soon) {
            return;
        }
    }
}

/// Appends the CIDs of the records that come in a node at `depth` and below it. Returns whether all
/// nodes below it were read, and all records had room.
fn push_records<B: AsRef<[u8]>>(
    (block, steps): (&[u8], Steps<'_>),
    depth: usize,
    order: Order,
    nodes: &mut core::iter::Rev<core::slice::Iter<'_, ReadNode<B>>>,
    soon: &mut Vec<Cid>,
) -> bool {
    for step in steps {
        match step {
            NodeStep::Record(at) => match cid_at(block, at) {
                Some(cid) if soon.len() < MAX_RECORDS.saturating_sub(1) => soon.push(cid),
                _ => return false,
            },
            NodeStep::Link(at) => {
                let node = nodes.next().filter(|node| node.depth == depth);
                let node = node.filter(|node| Some(node.cid) == cid_at(block, at));
                let Some((block, buffers)) = node.and_then(ReadNode::read) else { return false };
                let node = (block, Steps::all(order, &buffers.layout));
                if !push_records(node, depth.saturating_add(1), order, nodes, soon) {
                    return false;
                }
            }
        }
    }
    true
}
