//! Records that are requested before a walk reaches them, so that they are hashed together.
//!
//! They are the records before the first node that was not read. So no entry is followed twice on
//! any input.

use core::mem::take;
use std::collections::VecDeque;

use super::descent::Descent;
use super::digests::Answer;
use super::frame::{NodeStep, Order, Steps};
use super::layout::cid_at;
use super::read_node::ReadNode;
use crate::cid::Cid;
use crate::error::Result;
use crate::reuse::{Reuse, recycle};
use crate::store::{Block, BlockStore, look_up};

/// The most records that are requested together. There are some 250 below a node of layer 3.
const MAX_RECORDS: usize = 384;

/// The most bytes of records in the queue, without the last one. They should fit into a CPU cache.
const MAX_LEN: usize = 1 << 18;

/// A queue of records in the order of the walk.
pub(super) struct RecordQueue<B> {
    records: VecDeque<Requested<B>>,
    /// Bytes of memory that the blocks in the queue take together.
    len: u64,
    /// The CIDs of records to request.
    soon: Vec<Cid>,
}

/// The answer to the request for a record. The store is not asked again.
struct Requested<B> {
    cid: Cid,
    found: Result<Option<Block<B>>>,
    /// Bytes of memory that the block takes.
    cost: u64,
}

/// The buffers of a queue.
#[derive(Default)]
pub(super) struct QueueBuffers {
    records: Vec<Requested<&'static [u8]>>,
    links: Vec<Cid>,
}

impl Reuse for QueueBuffers {
    fn reset(&mut self) {
        self.records.reset();
        self.links.reset();
    }

    fn held(&self) -> u64 {
        self.records.held().saturating_add(self.links.held())
    }
}

impl<B> RecordQueue<B> {
    pub(super) fn new(buffers: QueueBuffers) -> Self {
        let QueueBuffers { records, links: soon } = buffers;
        RecordQueue { records: recycle(records).into(), len: 0, soon }
    }

    /// Drops all records and takes the buffers.
    pub(super) fn take_buffers(&mut self) -> QueueBuffers {
        self.len = 0;
        QueueBuffers {
            records: recycle(take(&mut self.records).into()),
            links: take(&mut self.soon),
        }
    }

    /// Takes the answer for the current record of the walk, if it was requested. Drops the answers
    /// before it, which the walk has skipped.
    #[inline]
    pub(super) fn take(&mut self, cid: Cid) -> Option<Result<Option<Block<B>>>> {
        while let Some(record) = self.records.pop_front() {
            debug_assert!(record.cost <= self.len);
            self.len = self.len.saturating_sub(record.cost);
            if record.cid == cid {
                return Some(record.found);
            }
        }
        None
    }

    /// Returns the bytes of memory that are held.
    pub(super) fn held(&self) -> u64 {
        let records = self.records.capacity().saturating_mul(size_of::<Requested<B>>());
        let soon = self.soon.capacity().saturating_mul(size_of::<Cid>());
        self.len.saturating_add(records.saturating_add(soon) as u64)
    }

    /// Returns the bytes of memory that a full queue takes, without the blocks.
    const fn cost() -> u64 {
        // At most this many are added to buffers that at most double.
        let one = size_of::<Requested<B>>().saturating_add(size_of::<Cid>());
        MAX_RECORDS.saturating_mul(2).saturating_mul(one) as u64
    }

    fn push(&mut self, record: Requested<B>) {
        self.len = self.len.saturating_add(record.cost);
        self.records.push_back(record);
    }
}

impl<B: AsRef<[u8]>> RecordQueue<B> {
    /// Requests the records after the current one, `before`, and hashes them together. Stops at the
    /// first node that is not among `nodes`, which were read ahead, after a missing record, and at
    /// the descent's memory limit. `held` is the number of bytes that are held besides the queue.
    #[inline(never)]
    pub(super) fn fill<'s, 'n, S: BlockStore<Bytes<'s> = B>>(
        &mut self,
        store: &'s S,
        before: &Block<B>,
        nodes: impl Iterator<Item = &'n ReadNode<B>>,
        descent: &mut Descent<B>,
        held: u64,
    ) where
        B: 'n,
    {
        debug_assert!(self.records.is_empty(), "the walk has not come to a record in the queue");
        let others = held.saturating_add(Self::cost());
        let Some(mut room) = descent.room().checked_sub(others) else { return };
        let mut soon = take(&mut self.soon);
        soon.clear();
        push_records_to_come(nodes, descent, &mut soon);
        let mut len = before.bytes.as_ref().len();
        for &cid in &soon {
            if len > MAX_LEN {
                break;
            }
            let found = look_up(store, &cid);
            let Ok(Some(block)) = &found else {
                self.push(Requested { cid, found, cost: 0 });
                break;
            };
            let cost = store.memory_cost(&block.bytes);
            len = len.saturating_add(block.bytes.as_ref().len());
            let Some(rest) = room.checked_sub(cost) else { break };
            room = rest;
            self.push(Requested { cid, found, cost });
        }
        self.soon = soon;
        descent.verify_together(self.records.make_contiguous());
    }
}

impl<B> Answer<B> for Requested<B> {
    #[inline]
    fn block(&self) -> Option<(Cid, &Block<B>)> {
        Some((self.cid, self.found.as_ref().ok()?.as_ref()?))
    }

    #[inline]
    fn block_mut(&mut self) -> Option<&mut Block<B>> {
        self.found.as_mut().ok()?.as_mut()
    }
}

/// Appends the CIDs of the next records of a walk, up to the first node that was not read. `nodes`
/// are the nodes that were read ahead.
fn push_records_to_come<'n, B: AsRef<[u8]> + 'n>(
    mut nodes: impl Iterator<Item = &'n ReadNode<B>>,
    descent: &Descent<B>,
    soon: &mut Vec<Cid>,
) {
    for (depth, frame) in descent.frames().iter().enumerate().rev() {
        let node = (frame.block.as_ref(), frame.steps_to_come());
        // Not all records below a node that is not covered are wanted.
        if !frame.is_covered || !push_records(node, depth, descent.manner.order, &mut nodes, soon) {
            return;
        }
    }
}

/// Appends the CIDs of the records in a node at `depth` and below it. Returns whether all nodes
/// below it were read and all records had room.
///
/// Calls itself once per layer below, at most as many as are read ahead.
fn push_records<'n, B: AsRef<[u8]> + 'n>(
    (block, steps): (&[u8], Steps<'_>),
    depth: usize,
    order: Order,
    nodes: &mut impl Iterator<Item = &'n ReadNode<B>>,
    soon: &mut Vec<Cid>,
) -> bool {
    for step in steps {
        match step {
            NodeStep::Record(at) => match cid_at(block, at) {
                Some(cid) if soon.len() < MAX_RECORDS => soon.push(cid),
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
