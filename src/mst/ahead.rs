//! Nodes that are read before a walk comes to them: some siblings together.
//!
//! Their keys are hashed together, and all blocks that they link to are prefetched together, so
//! that the walk does not wait for each alone. A node that may be bad is checked from its start
//! when the walk comes to it: errors are the same as without reading ahead, and come in the same
//! order.

use super::descent::{Descent, Fetched};
use super::frame::{Buffers, Frame, Link, Order, Spare};
use super::key::Layer;
use super::node::{EntryLayout, NodeLayout, cid_at};
use crate::cid::Cid;
use crate::error::Result;
use crate::sha256::sha256_each;
use crate::store::{BlockStore, Form};

/// Entries that a walk comes to before it reads ahead: somebody who wants only the first few should
/// not pay for more.
const RESERVE: u32 = 32;

/// Siblings that are read together: a node has about five links to nodes.
const MAX_NODES: usize = 8;

/// Longest block that is read ahead, in bytes: chance makes few nodes longer.
const MAX_LEN: usize = 1 << 12;

/// Bytes that the keys of nodes which are read together have at most. Prefixes make keys of few
/// bytes long.
const MAX_KEYS_LEN: usize = 1 << 13;

/// Bytes of memory that nodes which are read together may take, with their keys and copies of their
/// blocks.
const COST: u64 = (MAX_NODES * MAX_LEN * 2 + MAX_KEYS_LEN * 4) as u64;

/// Entries of a node whose links are prefetched; chance makes no node longer.
const MAX_PREFETCH: usize = 64;

/// Where a walk over a store gets its nodes: some were read ahead, below any of the open nodes.
pub(super) struct ReadAhead<'s, S: BlockStore> {
    store: &'s S,
    /// The one that the walk comes to first is the last.
    nodes: Vec<ReadNode<S::Bytes<'s>>>,
    keys: Keys,
    /// Entries until nodes are read ahead.
    reserve: u32,
    /// CIDs of blocks that are needed soon.
    soon: Vec<Cid>,
}

/// A node that the walk comes to later.
struct ReadNode<B> {
    cid: Cid,
    /// The depth of the node that links to this one.
    depth: usize,
    /// What the store gave. It is not asked again.
    fetched: Result<Option<Fetched<B>>>,
}

impl<'s, S: BlockStore> ReadAhead<'s, S> {
    pub(super) fn new(store: &'s S) -> Self {
        ReadAhead {
            store,
            nodes: Vec::new(),
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
        self.keys.clear();
        for &cid in &soon {
            let node = ReadNode { cid, depth, fetched: self.read_node(cid, layer, descent) };
            let is_good = node.buffers().is_some();
            self.nodes.push(node);
            if !is_good {
                break;
            }
        }
        // The walk takes them from the end.
        self.nodes.get_mut(start..).unwrap_or_default().reverse();
        self.check_layers(start, layer);
        self.make_room(descent);
        soon.clear();
        for node in self.nodes.iter().skip(start).rev() {
            node.push_links(descent.manner.order, records, &mut soon);
        }
        self.store.prefetch(&soon);
        self.soon = soon;
    }

    /// Looks a node up and parses it, unless it is too long or bad: then the walk finds out itself
    /// what is wrong, when it comes there.
    fn read_node(
        &mut self,
        cid: Cid,
        layer: Layer,
        descent: &mut Descent<S::Bytes<'s>>,
    ) -> Result<Option<Fetched<S::Bytes<'s>>>> {
        let mut fetched = Fetched::get(self.store, cid)?;
        if let Some(Fetched { found, read, .. }) = &mut fetched {
            let is_node = cid.into_dag_cbor().is_ok() && found.form == Form::Original;
            let is_short = found.bytes.as_ref().len() <= MAX_LEN;
            if is_node && is_short && descent.verify(cid, found).is_ok() {
                *read = self.parse(found.bytes.as_ref(), layer, &mut descent.spare);
            }
        }
        Ok(fetched)
    }

    /// Parses a node, if it keeps the rules and its keys have room.
    fn parse(&mut self, block: &[u8], layer: Layer, spare: &mut Spare) -> Option<Buffers> {
        let mut buffers = spare.take();
        let mut has_room = true;
        let read = buffers.read(block, layer, |key| has_room &= self.keys.push(key));
        if read.is_ok() && has_room {
            return Some(buffers);
        }
        spare.put(buffers);
        None
    }

    /// Drops what was parsed of the nodes from `start` on, from the first on that has a key of
    /// another layer.
    fn check_layers(&mut self, start: usize, layer: Layer) {
        let keys = self.keys.count_of(layer);
        let mut end = 0usize;
        for node in self.nodes.iter_mut().skip(start).rev() {
            let entries = node.buffers().map_or(0, |buffers| buffers.layout.entries().len());
            end = end.saturating_add(entries);
            if end > keys
                && let Ok(Some(fetched)) = &mut node.fetched
            {
                fetched.read = None;
            }
        }
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
        self.nodes.iter().map(ReadNode::held).fold(self.keys.held(), u64::saturating_add)
    }

    /// Gives all of it back if there is no room for it beside a descent.
    #[inline]
    pub(super) fn make_room(&mut self, descent: &Descent<S::Bytes<'s>>) {
        if !descent.has_room(|| self.held()) {
            self.nodes = Vec::new();
            self.keys = Keys::default();
        }
    }
}

impl<B> ReadNode<B> {
    fn buffers(&self) -> Option<&Buffers> {
        self.fetched.as_ref().ok()?.as_ref()?.read.as_ref()
    }

    fn into_buffers(self) -> Option<Buffers> {
        self.fetched.ok()??.read
    }

    fn held(&self) -> u64 {
        let Ok(Some(Fetched { cost, read, .. })) = &self.fetched else { return 0 };
        read.as_ref().map_or(0, Buffers::held).saturating_add(*cost)
    }
}

impl<B: AsRef<[u8]>> ReadNode<B> {
    /// Appends what the node links to, if it is good.
    fn push_links(&self, order: Order, records: bool, soon: &mut Vec<Cid>) {
        if let Ok(Some(Fetched { found, read: Some(buffers), .. })) = &self.fetched {
            push_links(found.bytes.as_ref(), &buffers.layout, order, records, soon);
        }
    }
}

/// The keys of nodes, one after the other.
#[derive(Default)]
struct Keys {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Keys {
    fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    /// Appends a key, if there is room for it.
    #[inline]
    fn push(&mut self, key: &[u8]) -> bool {
        let has_room = self.bytes.len().saturating_add(key.len()) <= MAX_KEYS_LEN;
        if has_room {
            self.bytes.extend_from_slice(key);
            self.ends.push(self.bytes.len());
        }
        has_room
    }

    /// Returns the bytes of memory that are held.
    fn held(&self) -> u64 {
        let ends = self.ends.capacity().saturating_mul(size_of::<usize>());
        self.bytes.capacity().saturating_add(ends) as u64
    }

    fn get(&self, number: usize) -> &[u8] {
        debug_assert!(number < self.ends.len());
        let end = |number: usize| self.ends.get(number).copied();
        let start = number.checked_sub(1).and_then(end).unwrap_or(0);
        self.bytes.get(start..end(number).unwrap_or(0)).unwrap_or_default()
    }

    /// Returns the number of keys before the first that belongs to another layer.
    fn count_of(&self, layer: Layer) -> usize {
        let mut count = self.ends.len();
        sha256_each(
            count,
            |number| self.get(number),
            |number, digest| {
                if Layer::of_digest(digest) != layer {
                    count = count.min(number);
                }
            },
        );
        count
    }
}

/// Appends the CIDs of the blocks that a node links to, of records only if they are wanted. Of a
/// huge node only the first entries count.
fn push_links(block: &[u8], layout: &NodeLayout, order: Order, records: bool, soon: &mut Vec<Cid>) {
    let entries = layout.entries();
    let mut push = |at: Option<u32>| soon.extend(at.and_then(|at| cid_at(block, at)));
    let value = |entry: &EntryLayout| records.then_some(entry.value_at());
    match order {
        Order::Ascending => {
            push(layout.left_at());
            for entry in entries.iter().take(MAX_PREFETCH) {
                push(value(entry));
                push(entry.tree_at());
            }
        }
        Order::Descending => {
            for entry in entries.iter().rev().take(MAX_PREFETCH) {
                push(value(entry));
                push(entry.tree_at());
            }
            push(layout.left_at().filter(|_| entries.len() <= MAX_PREFETCH));
        }
    }
}
