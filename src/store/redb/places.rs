//! The index of a CAR that lies in memory or is mapped, if that is too large for memory: then it is
//! in a spill file, and the blocks stay where they are.

use std::sync::{Mutex, PoisonError};

use redb::{Database, ReadableDatabase};

use super::backend::FirstError;
use super::file::{SpillFile, Target};
use super::index::{PageCache, PagedIndex};
use super::transaction::Transaction;
use crate::car::Source;
use crate::cid::Cid;
use crate::error::{Error, Result};
use crate::store::Verification;
use crate::store::loading::{Sink, changed, out_of_place};
use crate::store::packed::{Packed, State};

/// From CIDs to places in the CAR.
pub(crate) struct PlaceIndex {
    // Dropped before the database that it reads.
    index: PagedIndex,
    cache: Mutex<PageCache>,
    first: FirstError,
    stored: u64,
    _database: Database,
}

impl PlaceIndex {
    /// Bytes that were put into the file.
    pub(crate) fn stored(&self) -> u64 {
        self.stored
    }

    /// What `read` makes of the place of a CID. `read` is asked about each place that may be the
    /// one, and gives `None` for another CID's.
    pub(crate) fn find<T>(&self, cid: &Cid, read: impl Fn(u64) -> Option<T>) -> Result<Option<T>> {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        self.index
            .find(&mut cache, &self.first, cid, |place| Ok(read(place).map(|found| (false, found))))
    }
}

/// Enters places in an index.
pub(crate) struct PlaceSink {
    file: Transaction,
    verification: Verification,
    last: u64,
}

impl PlaceSink {
    /// Refuses files that are to be kept.
    pub(crate) fn check(file: &SpillFile) -> Result<()> {
        match file.target {
            Target::Kept { .. } => Err(Error::store("an index without its blocks is not kept")),
            _ => Ok(()),
        }
    }

    pub(crate) fn new(
        file: SpillFile,
        memory_limit: u64,
        verification: Verification,
    ) -> Result<Self> {
        Ok(PlaceSink {
            file: Transaction::begin(file, memory_limit, false)?,
            verification,
            last: 0,
        })
    }

    /// Enters a section.
    pub(crate) fn enter(&mut self, section: &Packed<'_>, place: u64) -> Result<()> {
        // Of two blocks with one CID the good one is found.
        let is_good = self.verification != Verification::ReachedBlocks
            || section.cid.verify(section.bytes).is_ok();
        self.last = place;
        self.file.note(&section.cid, is_good, place)
    }

    /// The index, and the number of distinct CIDs in it.
    pub(crate) fn finish(mut self) -> Result<(PlaceIndex, u64)> {
        let written = self.file.write_index(self.last)?;
        self.file.end()?;
        let Transaction { database, first, budget, secrets: [secret, _], stored, .. } = self.file;
        let txn = database.begin_read().map_err(|error| first.explain(error))?;
        let index = PagedIndex::open(&txn, written.shape, secret, &first)?;
        let cache = Mutex::new(PageCache::new(budget.caches));
        Ok((PlaceIndex { index, cache, first, stored, _database: database }, written.distinct))
    }
}

impl Sink for PlaceSink {
    fn is_in_place(&self) -> bool {
        true
    }

    fn make_room(&mut self, _: &impl Source, _: bool, _: u64) -> Result<bool> {
        Ok(true)
    }

    fn room(&self) -> usize {
        usize::MAX
    }

    fn note(&mut self, source: &impl Source, _: &Cid, place: u64) -> Result<()> {
        let section = source.section_at(place).ok_or_else(changed)?;
        let (offset, cid, bytes) = (section.offset(), section.cid(), section.block());
        self.enter(&Packed { offset, cid, state: State::Raw, bytes }, place)
    }

    fn take(&mut self, _: &Packed<'_>, _: u64, _: u64) -> Result<Option<u64>> {
        Err(out_of_place())
    }

    fn held(&self) -> u64 {
        0
    }
}
