//! An index in a spill file, of a CAR whose blocks stay in memory or in a mapped file.

use std::sync::{Mutex, PoisonError};

use redb::{Database, ReadableDatabase};

use super::backend::FirstError;
use super::file::{SpillFile, Target};
use super::paged_index::{PageCache, PagedIndex};
use super::transaction::Transaction;
use crate::car::Placement;
use crate::cid::Cid;
use crate::error::{Error, Result};
use crate::store::index::check_placement;

/// From CIDs to placements.
pub(crate) struct SpilledIndex {
    // Dropped before the database that it reads.
    index: PagedIndex,
    cache: Mutex<PageCache>,
    first: FirstError,
    stored: u64,
    _database: Database,
}

impl SpilledIndex {
    /// Returns how many bytes were stored in the file.
    pub(crate) fn stored(&self) -> u64 {
        self.stored
    }

    /// Returns what `read` returns for the placement of a CID. `read` is called with each placement
    /// that may be the one, and returns `None` for another CID's.
    pub(crate) fn find<T>(
        &self,
        cid: &Cid,
        read: impl Fn(Placement) -> Option<T>,
    ) -> Result<Option<T>> {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        self.index.find(&mut cache, &self.first, cid, |bits| {
            Ok(read(Placement::from_bits(bits)).map(|found| (false, found)))
        })
    }
}

/// Writes a [`SpilledIndex`].
pub(crate) struct SpilledIndexWriter {
    file: Transaction,
    last: u64,
}

impl SpilledIndexWriter {
    /// Refuses files that are to be kept: without its CAR, an index is of no use.
    pub(crate) fn check(file: &SpillFile) -> Result<()> {
        match file.target {
            Target::Kept { .. } => Err(Error::store("an index without its blocks is not kept")),
            _ => Ok(()),
        }
    }

    pub(crate) fn new(file: SpillFile, memory_limit: u64) -> Result<Self> {
        Ok(SpilledIndexWriter { file: Transaction::begin(file, memory_limit, false)?, last: 0 })
    }

    /// Enters a block. Placements ascend.
    pub(crate) fn enter(&mut self, cid: &Cid, is_good: bool, at: Placement) -> Result<()> {
        check_placement(at, || None)?;
        let bits = at.to_bits();
        debug_assert!(bits >= self.last, "placements ascend");
        self.last = bits;
        self.file.note(cid, is_good, bits)
    }

    /// Returns the index, and the number of distinct CIDs in it.
    pub(crate) fn finish(mut self) -> Result<(SpilledIndex, u64)> {
        let written = self.file.write_index(self.last)?;
        self.file.end()?;
        let Transaction { database, first, budget, secrets: [secret, _], stored, .. } = self.file;
        let txn = database.begin_read().map_err(|error| first.explain(error))?;
        let index = PagedIndex::open(&txn, written.shape, secret, &first)?;
        let cache = Mutex::new(PageCache::new(budget.caches()));
        Ok((SpilledIndex { index, cache, first, stored, _database: database }, written.distinct))
    }
}
