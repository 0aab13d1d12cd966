//! Reading ahead: some blocks are requested before a walk reaches them.
//!
//! Some siblings are read together: see [`levels`](super::levels). A node that may break a rule is
//! checked from its start when the walk reaches it, so errors are the same as without reading
//! ahead, and come in the same order.
//!
//! A walk that hashes blocks also hashes records together, up to the first node that was not read:
//! see [`queue`](super::queue).

use super::descent::{Descent, Fetched};
use super::frame::Link;
use super::levels::{NodeBuffers, NodesAhead, Wanted};
use super::queue::{QueueBuffers, RecordQueue};
use crate::cid::Cid;
use crate::error::Result;
use crate::reuse::Reuse;
use crate::store::{Block, BlockStore, look_up};

/// The number of entries before a walk reads ahead. Whoever takes only the first few entries should
/// not pay for more.
const RESERVE: u32 = 32;

/// The source of a walk's blocks: the store, and what was read ahead.
pub(super) struct ReadAhead<'s, S: BlockStore> {
    store: &'s S,
    nodes: NodesAhead<'s, S>,
    records: RecordQueue<S::Bytes<'s>>,
    extent: Extent,
    /// The number of entries until blocks are requested ahead.
    reserve: u32,
}

/// The blocks that a walk that hashes requests ahead. Each extent includes the one before.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Extent {
    Siblings,
    NodesBelow,
    Records,
}

/// The buffers of blocks that are requested ahead.
#[derive(Default)]
pub(super) struct AheadBuffers {
    nodes: NodeBuffers,
    records: QueueBuffers,
}

impl Reuse for AheadBuffers {
    fn reset(&mut self) {
        self.nodes.reset();
        self.records.reset();
    }

    fn held(&self) -> u64 {
        self.nodes.held().saturating_add(self.records.held())
    }
}

impl<'s, S: BlockStore> ReadAhead<'s, S> {
    pub(super) fn new(store: &'s S, buffers: AheadBuffers) -> Self {
        ReadAhead {
            store,
            nodes: NodesAhead::new(store, buffers.nodes),
            records: RecordQueue::new(buffers.records),
            extent: Extent::Records,
            reserve: if store.is_cached() { 0 } else { RESERVE },
        }
    }

    /// Counts an entry that the walk has reached.
    #[inline]
    pub(super) fn count_entry(&mut self) {
        self.reserve = self.reserve.saturating_sub(1);
    }

    /// Drops all blocks and takes the buffers.
    pub(super) fn take_buffers(&mut self) -> AheadBuffers {
        AheadBuffers { nodes: self.nodes.take_buffers(), records: self.records.take_buffers() }
    }

    /// Stops requesting records ahead.
    pub(super) fn stop_queueing(&mut self) {
        self.extent = self.extent.min(Extent::NodesBelow);
    }

    /// Stops requesting records ahead, and nodes below siblings.
    pub(super) fn stop_reading_below(&mut self) {
        self.extent = Extent::Siblings;
    }

    /// Returns the node of a link, or `None` if it is missing. With `wants_all`, the walk wants all
    /// keys below the top of the descent, so siblings of the node are read ahead.
    #[inline]
    pub(super) fn fetch(
        &mut self,
        link: &Link,
        descent: &mut Descent<S::Bytes<'s>>,
        wants_all: bool,
        records: bool,
    ) -> Result<Option<Fetched<S::Bytes<'s>>>> {
        if let Some(depth) = descent.depth() {
            if let Some(node) = self.nodes.take(depth, &link.cid, &mut descent.spare) {
                return node.fetched;
            }
            if wants_all && self.reserve == 0 {
                let (below, held) = (self.extent >= Extent::NodesBelow, self.records.held());
                self.nodes.read(link, depth, descent, Wanted { records, below, held });
                if let Some(node) = self.nodes.take(depth, &link.cid, &mut descent.spare) {
                    return node.fetched;
                }
            }
        }
        Fetched::get(self.store, link.cid)
    }

    /// Returns the record of the current entry, or `None` if it is missing. A walk that hashes also
    /// requests some of the next records.
    #[inline]
    pub(super) fn record(
        &mut self,
        cid: Cid,
        descent: &mut Descent<S::Bytes<'s>>,
    ) -> Result<Option<Block<S::Bytes<'s>>>> {
        if let Some(found) = self.records.take(cid) {
            return found;
        }
        let found = look_up(self.store, &cid);
        if let Ok(Some(block)) = &found
            && self.reserve == 0
            && self.extent == Extent::Records
            && descent.must_hash(cid, block)
        {
            let held = self.nodes.held();
            self.records.fill(self.store, block, self.nodes.to_come(), descent, held);
        }
        found
    }

    /// Prefetches the nodes that the top of a descent links to, and the records with `records`.
    pub(super) fn prefetch(&mut self, descent: &Descent<S::Bytes<'s>>, records: bool) {
        self.nodes.prefetch(descent, records);
    }

    /// Frees everything that was read ahead if the memory limit has no room for it.
    #[inline]
    pub(super) fn make_room(&mut self, descent: &Descent<S::Bytes<'s>>) {
        if !descent.has_room(|| self.nodes.held().saturating_add(self.records.held())) {
            self.nodes.clear();
            drop(self.records.take_buffers());
        }
    }
}
