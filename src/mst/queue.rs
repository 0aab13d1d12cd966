//! Records that are requested before a walk comes to them, so that they are hashed together.

use std::collections::VecDeque;

use super::descent::Descent;
use super::digests::Answer;
use crate::cid::Cid;
use crate::error::Result;
use crate::store::{Block, BlockStore, look_up};

/// Records that are requested together: there are some 250 below a node of layer 3.
pub(super) const MAX_RECORDS: usize = 384;

/// Bytes of records in the queue, not counting the last: they should fit into a CPU cache.
const MAX_LEN: usize = 1 << 18;

/// Records in the order in which a walk comes to them.
pub(super) struct RecordQueue<B> {
    records: VecDeque<Requested<B>>,
}

/// The answer to the request for a record. The store is not asked again.
struct Requested<B> {
    cid: Cid,
    found: Result<Option<Block<B>>>,
    /// Bytes of memory that the block takes.
    cost: u64,
}

impl<B> Default for RecordQueue<B> {
    fn default() -> Self {
        RecordQueue { records: VecDeque::new() }
    }
}

impl<B> RecordQueue<B> {
    /// Takes the answer for the record that the walk has come to, if that was requested. The walk
    /// has passed those before it over.
    #[inline]
    pub(super) fn take(&mut self, cid: Cid) -> Option<Result<Option<Block<B>>>> {
        while let Some(record) = self.records.pop_front() {
            if record.cid == cid {
                return Some(record.found);
            }
        }
        None
    }

    /// Returns the bytes of memory that are held.
    pub(super) fn held(&self) -> u64 {
        let records = self.records.capacity().saturating_mul(size_of::<Requested<B>>());
        let costs = self.records.iter().map(|record| record.cost);
        costs.fold(records as u64, u64::saturating_add)
    }
}

impl<B: AsRef<[u8]>> RecordQueue<B> {
    /// Returns the bytes of memory that a full queue takes, but for the blocks.
    pub(super) const fn cost() -> u64 {
        // At most this many are added to a buffer that at most doubles.
        (MAX_RECORDS.saturating_mul(2)).saturating_mul(size_of::<Requested<B>>()) as u64
    }

    /// Requests records after the first, which is already found, and hashes all of them together.
    /// Stops after a missing record and at the descent's memory limit. `held` is the number of
    /// bytes held besides the queue.
    pub(super) fn fill<'s, S: BlockStore<Bytes<'s> = B>>(
        &mut self,
        store: &'s S,
        (first, found): (Cid, Block<B>),
        others: &[Cid],
        descent: &mut Descent<B>,
        held: u64,
    ) {
        debug_assert!(others.len() < MAX_RECORDS);
        self.records.clear();
        let mut len = found.bytes.as_ref().len();
        let mut held = held.saturating_add(Self::cost());
        // The walk holds the record that it has come to in any case.
        self.records.push_back(Requested { cid: first, found: Ok(Some(found)), cost: 0 });
        for &cid in others {
            if len > MAX_LEN {
                break;
            }
            let found = look_up(store, &cid);
            let Ok(Some(block)) = &found else {
                self.records.push_back(Requested { cid, found, cost: 0 });
                break;
            };
            let cost = store.memory_cost(&block.bytes);
            len = len.saturating_add(block.bytes.as_ref().len());
            held = held.saturating_add(cost);
            if !descent.has_room(|| held) {
                break;
            }
            self.records.push_back(Requested { cid, found, cost });
        }
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
