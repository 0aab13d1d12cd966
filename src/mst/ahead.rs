//! Nodes that are read before a walk comes to them: some siblings together.
//!
//! Their keys are hashed together, and the store fetches at once all that they link to, where each
//! alone would wait for its own. Only good nodes come of it: at any other the walk finds out itself
//! what is wrong, when it comes there.

use super::frame::{Buffers, Order, Spare};
use super::key::Layer;
use super::node::{EntryLayout, Layout, cid_at};
use crate::cid::Cid;
use crate::error::Result;
use crate::sha256::sha256_each;
use crate::store::Found;

/// Entries that a walk comes to before it reads ahead: somebody who wants only the first few should
/// not pay for more.
pub(super) const RESERVE: u32 = 32;

/// Siblings that are read together: a node has about five links to nodes.
pub(super) const MAX_NODES: usize = 8;

/// Longest block that is read ahead, in bytes: chance makes few nodes longer.
pub(super) const MAX_LEN: usize = 1 << 12;

/// Bytes that the keys of nodes which are read together have at most. Prefixes make keys of few
/// bytes long.
const MAX_KEYS_LEN: usize = 1 << 13;

/// Bytes of memory that nodes which are read together may take, with their keys and copies of their
/// blocks.
pub(super) const COST: u64 = (MAX_NODES * MAX_LEN * 2 + MAX_KEYS_LEN * 4) as u64;

/// Entries of a node whose links are prefetched; chance makes no node longer.
const MAX_PREFETCH: usize = 64;

/// Nodes that were read ahead, under any of the open ones.
pub(super) struct Ahead<B> {
    /// The one that the walk comes to first is the last.
    nodes: Vec<ReadNode<B>>,
    keys: Keys,
}

/// A node that the walk comes to later.
pub(super) struct ReadNode<B> {
    /// What the store gave. It is not asked again.
    pub(super) found: Result<Option<Found<B>>>,
    /// What the node was read into, with its last key, if it keeps all rules; but its bounds are
    /// not known yet.
    pub(super) buffers: Option<Buffers>,
    cid: Cid,
    /// The depth of the node that links to this one.
    depth: usize,
}

impl<B> Default for Ahead<B> {
    fn default() -> Self {
        Ahead { nodes: Vec::new(), keys: Keys::default() }
    }
}

impl<B: AsRef<[u8]>> Ahead<B> {
    /// The node of a CID under the node at `depth`, if it was read. The walk has passed by all that
    /// were to come before it.
    #[inline]
    pub(super) fn take(
        &mut self,
        depth: usize,
        cid: &Cid,
        spare: &mut Spare,
    ) -> Option<ReadNode<B>> {
        while let Some(node) = self.nodes.pop_if(|node| node.depth >= depth) {
            if node.depth == depth && node.cid == *cid {
                return Some(node);
            }
            node.buffers.into_iter().for_each(|buffers| spare.put(buffers));
        }
        None
    }

    /// Reads nodes of one layer under the node at `depth`, in the order in which the walk comes to
    /// them, up to the first that is not good. `found` says of each whether it may be.
    pub(super) fn read(
        &mut self,
        found: impl Iterator<Item = (Cid, Result<Option<Found<B>>>, bool)>,
        layer: Layer,
        depth: usize,
        spare: &mut Spare,
    ) {
        let first = self.nodes.len();
        self.keys.clear();
        for (cid, found, may_be_good) in found {
            let mut node = ReadNode { found, buffers: None, cid, depth };
            if let Some(block) = node.block().filter(|_| may_be_good) {
                let mut buffers = spare.take();
                let mut has_room = true;
                let read = buffers.read(block, layer, |key| has_room &= self.keys.push(key));
                let is_good = read.is_ok() && has_room;
                node.buffers = Some(buffers).filter(|_| is_good);
            }
            let is_good = node.buffers.is_some();
            self.nodes.push(node);
            if !is_good {
                break;
            }
        }
        self.nodes.get_mut(first..).unwrap_or_default().reverse();
        let keys = self.keys.count_of(layer);
        let mut end = 0usize;
        for node in self.nodes.iter_mut().skip(first).rev() {
            let entries = node.buffers.as_ref().map_or(0, |buffers| buffers.layout.entries().len());
            end = end.saturating_add(entries);
            if end > keys {
                node.buffers = None;
            }
        }
    }

    /// The good ones of the nodes that were just read under the node at `depth`, in the order in
    /// which the walk comes to them.
    pub(super) fn good(&self, depth: usize) -> impl Iterator<Item = (&[u8], &Layout)> {
        let read = self.nodes.iter().rev().take_while(move |node| node.depth == depth);
        read.filter_map(|node| Some((node.block()?, &node.buffers.as_ref()?.layout)))
    }

    /// Bytes of memory that are held; `cost` tells what a block takes.
    pub(super) fn held(&self, cost: impl Fn(&B) -> u64) -> u64 {
        let found = |node: &ReadNode<B>| match &node.found {
            Ok(Some(found)) => cost(&found.bytes),
            _ => 0,
        };
        let buffers = |node: &ReadNode<B>| node.buffers.as_ref().map_or(0, Buffers::held);
        let nodes = self.nodes.iter().map(|node| found(node).saturating_add(buffers(node)));
        nodes.fold(self.keys.held(), u64::saturating_add)
    }

    /// Gives all of it back.
    pub(super) fn clear(&mut self) {
        *self = Ahead::default();
    }
}

impl<B: AsRef<[u8]>> ReadNode<B> {
    fn block(&self) -> Option<&[u8]> {
        self.found.as_ref().ok()?.as_ref().map(|found| found.bytes.as_ref())
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

    /// Bytes of memory that are held.
    fn held(&self) -> u64 {
        let ends = self.ends.capacity().saturating_mul(size_of::<usize>());
        self.bytes.capacity().saturating_add(ends) as u64
    }

    fn get(&self, number: usize) -> &[u8] {
        let end = |number: usize| self.ends.get(number).copied();
        let start = number.checked_sub(1).and_then(end).unwrap_or(0);
        self.bytes.get(start..end(number).unwrap_or(0)).unwrap_or_default()
    }

    /// How many keys there are before the first that belongs to another layer.
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

/// Appends the CIDs of the blocks that a node leads to, of records only if they are wanted: of the
/// first entries, if it is a huge node.
pub(super) fn links(
    block: &[u8],
    layout: &Layout,
    order: Order,
    records: bool,
    soon: &mut Vec<Cid>,
) {
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
