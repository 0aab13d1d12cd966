//! Spill files: the blocks of a CAR, or only its index, in a redb database.
//!
//! Many blocks are stored together in a segment: those of a collection, in the order of the CAR.
//! Most walks request blocks in about that order, so the next one is often in a segment that is
//! held in memory. The index maps a CID to the segment of its block, and is read page by page.
//!
//! | files | what they do |
//! |---|---|
//! | `file`, `new_file`, `finished_file` | the settings of a spill file; creating and naming it |
//! | `backend`, `kept`, `file_errors` | reading and writing the file for redb; its errors |
//! | `tables`, `description` | the tables of the database; the file's description |
//! | `writer`, `groups`, `segment` | writing blocks into segments |
//! | `unfinished_file` | transactions, and the limit on the bytes stored |
//! | `index_entry`, `index_sort`, `index_merge`, `repeats`, `index_page` | making the index |
//! | `paged_index`, `spilled_index` | reading the index; an index without blocks |
//! | `clock`, `open_segments`, `block_table`, `stored_block`, `sections` | reading blocks |

mod backend;
mod block_table;
mod clock;
mod description;
mod file;
mod file_errors;
mod finished_file;
mod groups;
mod index_entry;
mod index_merge;
mod index_page;
mod index_sort;
mod kept;
mod new_file;
mod open_segments;
mod paged_index;
mod repeats;
mod sections;
mod segment;
mod spilled_index;
#[cfg(test)]
mod steps;
mod stored_block;
mod tables;
mod unfinished_file;
mod writer;

use core::fmt;
use std::fs::File;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use redb::{Database, ReadableDatabase, ReadableTable, ReadableTableMetadata};

use self::description::Description;
pub use self::file::SpillFile;
use self::file::{FileSettings, MAX_SEGMENT_LEN};
use self::file_errors::FileErrors;
pub(crate) use self::finished_file::FinishedFile;
use self::new_file::NewFile;
use self::open_segments::{OpenSegments, Opened, Shared};
use self::paged_index::{Candidate, PageCache, PagedIndex};
use self::sections::Sections;
pub(crate) use self::spilled_index::{SpilledIndex, SpilledIndexWriter};
pub use self::stored_block::StoredBlock;
use self::tables::{SEGMENTS, Table, open_table};
pub(crate) use self::writer::SpillWriter;
use super::contents::CarStats;
use super::packed::{Packed, State};
use super::trust::Trust;
use super::{Block, BlockStore, CarStore, Form, sealed};
use crate::budget::Budget;
use crate::car::{Header, SectionHead};
use crate::cid::Cid;
use crate::error::{ArgumentFault, Error, Result};

/// The blocks of a CAR in a spill file, with bounded caches in memory.
///
/// [`Suspended::spill`](crate::Suspended::spill) and
/// [`BoundedLoader::spill`](crate::BoundedLoader::spill) return a repository over it;
/// [`open`](RedbStore::open) opens a kept spill file. A lookup returns a block that does not
/// borrow the store. A block of more than 16 KiB may take up to twice its length in memory.
///
/// # Examples
///
/// ```
/// use carwalk::Loader;
/// use carwalk::store::{RedbStore, SpillFile};
///
/// # let stream: &[u8] = include_bytes!("../../../samples/repo.car");
/// let loader = Loader::new().memory_limit(1 << 20);
/// let store: RedbStore = loader.spill(stream, SpillFile::temporary())?.into_store();
/// assert!(!store.is_processed());
/// // Segments and index pages take more than the CAR's 12,641 bytes.
/// assert!(store.bytes_stored() > 12_641);
/// # Ok::<(), carwalk::Error>(())
/// ```
pub struct RedbStore {
    // The tables are declared before the database, so they are dropped before it.
    segments: Table,
    index: PagedIndex,
    caches: Mutex<Caches>,
    description: Description,
    /// Whether intact blocks were hashed, since the file was opened or before they were stored.
    trust: Trust,
    fault: Option<Error>,
    errors: FileErrors,
    database: Database,
    /// The file and its settings if it is a temporary one, which can be filled again.
    reusable: Option<(NewFile, FileSettings)>,
}

/// The parts of the file that are held in memory.
struct Caches {
    segments: OpenSegments,
    pages: PageCache,
}

impl RedbStore {
    /// Opens a kept spill file, with caches of at most `cache_size` bytes, but at least 512 KiB:
    /// see [`SpillFile::cache_size`].
    ///
    /// For files without a commit; [`Repo::from_spill_file`](crate::Repo::from_spill_file) opens
    /// the repository in a file.
    ///
    /// Opening reads the whole file to check its checksums. Blocks are not hashed; a walk hashes
    /// those that it reaches. The file is not changed, and need not be writable. While the store is
    /// open, up to 16 MiB and a sixteenth of the file's length may be held in addition to the
    /// caches.
    ///
    /// Open only files that you, or somebody you trust, wrote. A damaged file is an error. A file
    /// crafted to do harm, with matching checksums, can crash redb. Nobody may change the file
    /// while the store exists: otherwise lookups can panic or return wrong bytes.
    ///
    /// # Errors
    ///
    /// - `Io` if the file cannot be opened
    /// - `Store` if reading fails
    /// - `InvalidSpillFile` if the file is damaged, not complete, of another version, or not a
    ///   spill file
    ///
    /// The error names the file.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::store::{CarStore, RedbStore, SpillFile};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("blocks.carwalk");
    /// # let stream: &[u8] = include_bytes!("../../../samples/repo.car");
    /// drop(RedbStore::new(stream, SpillFile::keep(&path))?);
    /// let store = RedbStore::open(&path, 4 << 20)?;
    /// assert_eq!(store.stats().distinct_blocks, 50);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn open(path: impl AsRef<Path>, cache_size: u64) -> Result<Self> {
        let path = path.as_ref();
        Self::open_file(path, cache_size).map_err(|error| error.in_file(path))
    }

    fn open_file(path: &Path, cache_size: u64) -> Result<Self> {
        let budget = Budget::new(cache_size);
        let file = File::open(path)?;
        let file_len = file.metadata()?.len();
        let errors = FileErrors::new(path);
        let database = kept::open(file, budget, true, &errors)?;
        let txn = errors.of(database.begin_read())?;
        let description = Description::read(&txn, &errors)?;
        drop(txn);
        description.check_len(file_len)?;
        let store = Self::of(database, errors, description, budget)?;
        store.check_numbers()?;
        Ok(store)
    }

    /// Creates the store of a complete file.
    fn of(
        database: Database,
        errors: FileErrors,
        mut description: Description,
        budget: Budget,
    ) -> Result<Self> {
        let txn = errors.of(database.begin_read())?;
        let Description { secret, layout, stored, .. } = description;
        let index = PagedIndex::open(&txn, layout, secret, &errors)?;
        let segments = open_table(&txn, SEGMENTS, &errors)?;
        let (for_pages, for_segments) = budget.share_caches(layout.pages);
        let repeats = core::mem::take(&mut description.repeats);
        let caches = Mutex::new(Caches {
            segments: OpenSegments::new(for_segments, stored, secret, repeats),
            pages: PageCache::new(for_pages),
        });
        Ok(RedbStore {
            segments,
            index,
            caches,
            description,
            trust: Trust::HashWhenReached,
            fault: None,
            errors,
            database,
            reusable: None,
        })
    }

    /// Checks that the segments are numbered from 0 to one less than the description's number.
    fn check_numbers(&self) -> Result<()> {
        let len = self.errors.of(self.segments.len())?;
        let last = self.errors.of(self.segments.last())?;
        let end = last.map_or(0, |(number, _)| u64::from(number.value()).saturating_add(1));
        // Keys are distinct, so none is missing if there are as many as the last key and one.
        if len == end && end == u64::from(self.description.segments) {
            Ok(())
        } else {
            Err(Error::damaged("it does not have as many segments as its description says"))
        }
    }

    /// Hashes every block except processed values, and compares the numbers of segments, blocks and
    /// index entries with the description.
    pub(crate) fn verify(&mut self) -> Result<()> {
        let (mut number, mut sections) = (0_u32, 0_u64);
        for segment in self.errors.of(self.segments.iter())? {
            let (key, segment) = self.errors.of(segment)?;
            if key.value() != number {
                return Err(Error::damaged("a segment is missing"));
            }
            number = number.saturating_add(1);
            sections = sections.saturating_add(self.verify_segment(segment.value())?);
        }
        let Description { stats, segments, .. } = self.description;
        if number != segments || sections != stats.sections {
            return Err(Error::damaged("it does not have as many blocks as its description says"));
        }
        self.index.verify(stats.distinct_blocks, u64::from(segments), &self.errors)?;
        self.trust = Trust::Hashed;
        Ok(())
    }

    /// Verifies the blocks of a segment and returns their number.
    fn verify_segment(&self, segment: &[u8]) -> Result<u64> {
        let mut count = 0_u64;
        let mut blocks = segment::blocks(segment);
        for (_, packed) in blocks.by_ref() {
            self.check(&packed)?;
            if packed.form() == Form::Original {
                packed.verify()?;
            }
            count = count.saturating_add(1);
        }
        blocks.check_end()?;
        Ok(count)
    }

    /// Checks the offset and state that are stored with a block, which no hash covers.
    fn check(&self, packed: &Packed<'_>) -> Result<()> {
        // Processed values are never hashed, so a forged state would skip the hash.
        if packed.form() == Form::Value && !self.description.processed {
            return Err(Error::damaged(
                "it has a processed value, but its description says that there are none",
            ));
        }
        if packed.min_end() > self.description.stats.bytes {
            return Err(sections::beyond_car());
        }
        Ok(())
    }

    /// Returns whether a process function was applied to records before they were stored.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::Loader;
    /// use carwalk::store::SpillFile;
    ///
    /// # let stream: &[u8] = include_bytes!("../../../samples/repo.car");
    /// let loader = Loader::new().process(|record| record.len() as u64).memory_limit(1 << 20);
    /// let repo = loader.spill(stream, SpillFile::temporary())?;
    /// assert!(repo.store().is_processed());
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    #[must_use]
    pub fn is_processed(&self) -> bool {
        self.description.processed
    }

    /// Returns whether blocks were hashed before they were stored.
    pub(crate) fn was_hashed(&self) -> bool {
        self.description.hashed
    }

    /// Returns how many bytes were stored in the file: the pages of blocks and index, including
    /// temporary data of sorting the index. This is the number that
    /// [`max_stored`](SpillFile::max_stored) limits.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::store::{RedbStore, SpillFile};
    ///
    /// # let stream: &[u8] = include_bytes!("../../../samples/repo.car");
    /// let stored = RedbStore::new(stream, SpillFile::temporary())?.bytes_stored();
    /// let store = |max| RedbStore::new(stream, SpillFile::temporary().max_stored(max));
    /// assert!(store(stored).is_ok() && store(stored - 1).is_err());
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    #[must_use]
    pub fn bytes_stored(&self) -> u64 {
        self.description.stored
    }

    /// Empties a temporary file and returns it, to be filled again with the same settings.
    ///
    /// # Errors
    ///
    /// - `Store` if the file cannot be emptied
    /// - `Argument` if the file is a kept spill file, which is not changed
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::Loader;
    /// use carwalk::store::SpillFile;
    ///
    /// # let streams = [&include_bytes!("../../../samples/repo.car")[..]; 2];
    /// let loader = Loader::new().memory_limit(1 << 20);
    /// let mut file = SpillFile::temporary();
    /// let mut records = 0;
    /// for stream in streams {
    ///     let repo = loader.spill(stream, file)?;
    ///     records += repo.records().try_count()?;
    ///     file = repo.into_store().reset()?;
    /// }
    /// assert_eq!(records, 80);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn reset(self) -> Result<SpillFile> {
        let RedbStore { segments, index, caches, errors, database, reusable, .. } = self;
        let Some((file, settings)) = reusable else {
            return Err(Error::argument(ArgumentFault::KeptFile));
        };
        drop((segments, index, caches));
        errors.of(database.close())?;
        file.clear().map_err(|error| errors.io(error))?;
        Ok(SpillFile::again(file, settings))
    }

    /// Finds a block, and returns the result of `take` for it and its segment.
    fn find<T>(
        &self,
        cid: &Cid,
        take: impl Fn(&Packed<'_>, &Shared) -> Result<T>,
    ) -> Result<Option<T>> {
        self.find_unnamed(cid, take).map_err(|error| self.errors.name(error))
    }

    fn find_unnamed<T>(
        &self,
        cid: &Cid,
        take: impl Fn(&Packed<'_>, &Shared) -> Result<T>,
    ) -> Result<Option<T>> {
        let Caches { segments, pages } =
            &mut *self.caches.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((packed, segment)) = segments.block(cid) {
            return take(&packed, segment).map(Some);
        }
        self.index.find(pages, &self.errors, cid, |number| {
            // A number beyond 32 bits is forged: no segment has it.
            let number = u32::try_from(number).unwrap_or(u32::MAX);
            match segments.segment(number) {
                Some(segment) => in_segment(segment, cid, &take),
                None => self.in_file(segments, number, cid, &take),
            }
        })
    }

    /// Looks for a block in a segment that has to be read.
    fn in_file<T>(
        &self,
        segments: &mut OpenSegments,
        number: u32,
        cid: &Cid,
        take: &impl Fn(&Packed<'_>, &Shared) -> Result<T>,
    ) -> Result<Option<Candidate<T>>> {
        let segment = self.segment(number)?;
        let found = match segments.open(number, segment.clone()) {
            Opened::InTable => in_table(segments, cid, take)?,
            Opened::NotInTable => None,
        };
        match found {
            Some(found) => Ok(Some(found)),
            None => in_segment(&segment, cid, take),
        }
    }

    fn segment(&self, number: u32) -> Result<Shared> {
        let value = self.errors.of(self.segments.get_owned(number))?;
        let value = value.ok_or_else(|| Error::damaged("a segment is missing"))?;
        // The table of blocks has one entry for each block of a segment: their number is bounded by
        // the segment's length.
        let segment = value.value();
        if segment.len() > MAX_SEGMENT_LEN as usize && !segment::is_one_block(segment) {
            return Err(Error::damaged("a segment is too long"));
        }
        Ok(Shared::new(value))
    }
}

/// Looks for a block in an open segment, from its first block on.
fn in_segment<T>(
    segment: &Shared,
    cid: &Cid,
    take: &impl Fn(&Packed<'_>, &Shared) -> Result<T>,
) -> Result<Option<Candidate<T>>> {
    let Some(packed) = segment::find(segment.value(), cid)? else { return Ok(None) };
    let is_bad = packed.state == State::Bad;
    take(&packed, segment).map(|value| Some(Candidate { is_bad, value }))
}

/// Looks for a block in the table, which has only intact ones.
fn in_table<T>(
    segments: &OpenSegments,
    cid: &Cid,
    take: &impl Fn(&Packed<'_>, &Shared) -> Result<T>,
) -> Result<Option<Candidate<T>>> {
    let Some((packed, segment)) = segments.block(cid) else { return Ok(None) };
    take(&packed, segment).map(|value| Some(Candidate { is_bad: false, value }))
}

impl BlockStore for RedbStore {
    type Bytes<'a> = StoredBlock;

    fn get(&self, cid: &Cid) -> Result<Option<Block<StoredBlock>>> {
        self.find(cid, |packed, segment| {
            self.check(packed)?;
            Ok(packed.found(self.trust).map(|bytes| StoredBlock::new(bytes, segment)))
        })
    }

    fn contains(&self, cid: &Cid) -> Result<bool> {
        Ok(self.find(cid, |_, _| Ok(()))?.is_some())
    }

    fn memory_cost(&self, block: &StoredBlock) -> u64 {
        block.cost()
    }

    fn has_unique_offsets(&self) -> bool {
        true
    }
}

impl sealed::Sealed for RedbStore {}

impl CarStore for RedbStore {
    fn header(&self) -> &Header {
        &self.description.header
    }

    fn stats(&self) -> CarStats {
        self.description.stats
    }

    fn fault(&self) -> Option<&Error> {
        self.fault.as_ref()
    }

    fn sections(&self) -> impl Iterator<Item = Result<SectionHead>> {
        let Description { segments, stats, .. } = self.description;
        Sections::new(segments, stats, |number| self.segment(number))
            .map(|section| section.map_err(|error| self.errors.name(error)))
    }
}

impl fmt::Debug for RedbStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedbStore")
            .field("header", &self.description.header)
            .field("stats", &self.description.stats)
            .field("is_processed", &self.description.processed)
            .finish_non_exhaustive()
    }
}
