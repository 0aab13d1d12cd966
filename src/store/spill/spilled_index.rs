//! Spilled indexes: the blocks of the CAR stay in memory or in a mapped file.

use std::sync::{Mutex, PoisonError};

use redb::{Database, ReadableDatabase};

use super::file::SpillFile;
use super::file_errors::FileErrors;
use super::paged_index::{Candidate, PageCache, PagedIndex};
use super::unfinished_file::{UnfinishedFile, WrittenFile};
use crate::car::Placement;
use crate::cid::Cid;
use crate::error::{ArgumentFault, Error, Result};
use crate::store::index::check_placement;

/// An index in a spill file, from CIDs to placements.
pub(crate) struct SpilledIndex {
    // Declared before the database, so that it is dropped before it.
    index: PagedIndex,
    cache: Mutex<PageCache>,
    errors: FileErrors,
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
        let found = self.find_unnamed(cid, read);
        found.map_err(|error| self.errors.name(error))
    }

    fn find_unnamed<T>(
        &self,
        cid: &Cid,
        read: impl Fn(Placement) -> Option<T>,
    ) -> Result<Option<T>> {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        self.index.find(&mut cache, &self.errors, cid, |bits| {
            let value = read(Placement::from_bits(bits));
            // Of several sections with one CID, sorting kept the one that counts.
            Ok(value.map(|value| Candidate { is_bad: false, value }))
        })
    }
}

/// Writes a [`SpilledIndex`].
pub(crate) struct SpilledIndexWriter {
    file: UnfinishedFile,
    last: u64,
}

impl SpilledIndexWriter {
    /// Checks the settings of a file, and that it is a temporary one: an index is of no use without
    /// its CAR.
    pub(crate) fn check(file: &SpillFile) -> Result<()> {
        match file.kept_path() {
            Some(path) => Err(Error::argument(ArgumentFault::KeptIndex).in_file(path)),
            None => file.check(),
        }
    }

    pub(crate) fn new(file: SpillFile, memory_limit: u64) -> Result<Self> {
        let file = UnfinishedFile::begin(file, memory_limit, false)?;
        Ok(SpilledIndexWriter { file, last: 0 })
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
        let (secret, stored) = (self.file.secret(), self.file.stored());
        let WrittenFile { database, errors, budget, .. } = self.file.finish()?;
        let txn = errors.of(database.begin_read())?;
        let index = PagedIndex::open(&txn, written.layout, secret, &errors)?;
        let cache = Mutex::new(PageCache::new(budget.caches()));
        Ok((SpilledIndex { index, cache, errors, stored, _database: database }, written.distinct))
    }
}
