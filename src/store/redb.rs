//! A CAR in a file: for more blocks than memory is to hold.
//!
//! One redb database. Blocks lie in segments, many in each: those of a collection together, in the
//! order of the CAR, since walks mostly go about so too: what is asked for next is often in a
//! segment that is open. The index names a block's segment, no more, and is read in pages as it is
//! needed.

mod backend;
mod cache;
mod file;
mod groups;
mod index;
mod meta;
mod pages;
mod places;
mod runs;
mod sections;
mod segment;
mod table;
mod transaction;
mod writer;

use core::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use redb::{Database, ReadOnlyTable, ReadTransaction, ReadableDatabase, TableDefinition};

use self::backend::{FirstError, KeptBackend};
use self::cache::{OpenSegments, Shared, pages_of};
pub use self::file::SpillFile;
use self::file::{MAX_SEGMENT_LEN, Opened, Settings, builder};
use self::index::{PageCache, PagedIndex};
use self::meta::{Meta, SEGMENTS};
pub(crate) use self::places::{PlaceIndex, PlaceSink};
use self::sections::Sections;
use self::transaction::Budget;
pub(crate) use self::writer::{SpillSink, Writer};
use super::intake::Intake;
use super::loading::Loading;
use super::packed::{Packed, State};
use super::{BlockStore, CarStats, CarStore, Form, Found};
use crate::car::{Header, Reader, SectionHead};
use crate::cid::Cid;
use crate::error::{Error, KeptFault, Result};

type Table = ReadOnlyTable<u32, &'static [u8]>;

/// The blocks of a CAR in a file, with bounded caches in memory.
///
/// Made by [`Suspended::spill`](crate::Suspended::spill), or [`open`](RedbStore::open)ed if it was
/// kept. Holding a block takes its own bytes, or at most about twice as many if it is a long one.
pub struct RedbStore {
    // Dropped before the database that they read.
    segments: Table,
    index: PagedIndex,
    caches: Mutex<Caches>,
    meta: Meta,
    /// Whether good blocks were hashed, since the file was opened or before they came into it.
    is_hashed: bool,
    fault: Option<Error>,
    first: FirstError,
    database: Database,
    /// The file, if it can be used again, or waits for its name.
    file: Option<(Opened, Settings)>,
}

/// What is held of the file.
struct Caches {
    segments: OpenSegments,
    pages: PageCache,
}

/// A block of a [`RedbStore`]: a copy of its bytes, or if it is a long one, what was read.
#[derive(Clone)]
pub struct StoredBlock(Bytes);

#[derive(Clone)]
enum Bytes {
    Copy(Box<[u8]>),
    /// The end of a segment.
    Shared(Shared, usize),
}

impl StoredBlock {
    /// The block that is packed in a segment.
    fn new(packed: &[u8], segment: &Shared) -> Self {
        let len = segment.value().len();
        // Holding a block must not hold much more than its bytes.
        let is_most = len > SHARED_LEN && packed.len() > pages_of(segment.value()) / 2;
        let start = len.checked_sub(packed.len()).filter(|_| is_most);
        let is_there = |start: &usize| {
            segment.value().get(*start..).is_some_and(|end| core::ptr::eq(end, packed))
        };
        match start.filter(is_there) {
            Some(start) => StoredBlock(Bytes::Shared(segment.clone(), start)),
            None => StoredBlock(Bytes::Copy(packed.into())),
        }
    }
}

impl AsRef<[u8]> for StoredBlock {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        match &self.0 {
            Bytes::Copy(bytes) => bytes,
            Bytes::Shared(segment, start) => segment.value().get(*start..).unwrap_or_default(),
        }
    }
}

impl fmt::Debug for StoredBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredBlock").field("len", &self.as_ref().len()).finish()
    }
}

/// Length of the longest segment whose blocks are copied in any case.
const SHARED_LEN: usize = 1 << 14;

/// Bytes of memory that caches take if nobody says how many.
const USUAL_CACHE: u64 = 16 << 20;

impl RedbStore {
    /// Reads a CAR into a file, hashes every block, and indexes them, by the default limits.
    ///
    /// For CARs that hold no commit; [`Suspended::spill`](crate::Suspended::spill) opens
    /// repositories.
    ///
    /// # Errors
    ///
    /// Those of [`Reader`], `HashMismatch` for a block that does not have its CID, and those of the
    /// file: `Store`, or `Limit` if more is stored than it may be.
    pub fn new<R: Read>(input: R, file: SpillFile) -> Result<Self> {
        let mut intake = Intake::default();
        let mut reader = Reader::with_limits(input, intake.limits.clone())?;
        let mut loading =
            Loading::new(SpillSink(Writer::new(file, USUAL_CACHE, intake.verification)?));
        loading.go_to_end(&mut reader, &mut intake, None)?;
        let mut store = loading.finish(&reader)?;
        store.publish()?;
        Ok(store)
    }

    /// Opens a file that was kept, with `cache_size` bytes of memory for what is held of it.
    ///
    /// Reads all of the file once, to see that it is as it was written. It is not changed, and need
    /// not be writable. Nobody else may change it as long as the store lives: then lookups could
    /// panic, or give blocks that are not hashed again. [`Loader::reopen`](crate::Loader::reopen)
    /// opens the repository in it.
    ///
    /// Open only files that you made yourself, or somebody whom you trust. Damage is found, but not
    /// forgery: redb is not hardened against files that were made to harm it, checksums included,
    /// and such a file can make it panic.
    ///
    /// # Errors
    ///
    /// `Io` if the file cannot be opened, `Store` if reading fails, `Kept` for a file that is
    /// damaged, not complete, of another version or no spill file at all.
    pub fn open(path: impl AsRef<Path>, cache_size: u64) -> Result<Self> {
        let budget = Budget::of(cache_size);
        let file = File::open(path)?;
        let len = file.metadata()?.len();
        let (database, first) = open_kept(file, budget, true)?;
        let txn = database.begin_read().map_err(|error| first.explain(error))?;
        let meta = Meta::read(&txn, |error| first.explain(error))?;
        drop(txn);
        meta.check_len(len)?;
        Self::read(database, first, meta, budget)
    }

    /// The store in a database that is complete.
    fn read(database: Database, first: FirstError, mut meta: Meta, budget: Budget) -> Result<Self> {
        let txn = database.begin_read().map_err(|error| first.explain(error))?;
        let secret = meta.secret;
        let index = PagedIndex::open(&txn, meta.shape, secret, &first)?;
        let segments = open_table(&txn, SEGMENTS, &first)?;
        let (pages, open) = budget.share_caches(meta.shape.pages);
        let repeats = core::mem::take(&mut meta.repeats);
        let segments_open = OpenSegments::new(open, meta.stored, secret, repeats);
        let caches = Mutex::new(Caches { segments: segments_open, pages: PageCache::new(pages) });
        Ok(RedbStore {
            segments,
            index,
            caches,
            meta,
            is_hashed: false,
            fault: None,
            first,
            database,
            file: None,
        })
    }

    /// Gives a file that is to be kept its name.
    pub(crate) fn publish(&mut self) -> Result<()> {
        if let Some((file, settings)) = self.file.take() {
            self.file = file.publish()?.map(|file| (Opened::Temporary(file), settings));
        }
        Ok(())
    }

    /// Hashes every block that is there as it was.
    pub(crate) fn verify(&mut self) -> Result<()> {
        for number in 0..self.meta.segments {
            let segment = self.segment(number)?;
            let mut blocks = segment::blocks(segment.value()).map(|(_, packed)| packed);
            blocks.try_for_each(|packed| match packed.form() {
                Form::Raw => packed.verify(),
                Form::Reduced => Ok(()),
            })?;
        }
        self.is_hashed = true;
        Ok(())
    }

    /// Whether records were reduced by a process function before they were stored.
    #[must_use]
    pub fn is_reduced(&self) -> bool {
        self.meta.reduced
    }

    /// Whether blocks were hashed before they were stored.
    pub(crate) fn was_hashed(&self) -> bool {
        self.meta.hashed
    }

    /// Bytes that blocks and index take in the file.
    #[must_use]
    pub fn bytes_stored(&self) -> u64 {
        self.meta.stored
    }

    /// Empties the file, to be filled again by the same settings; what it held is lost.
    ///
    /// # Errors
    ///
    /// `Store` if that fails, or if the file was kept: that stays as it is.
    pub fn reset(self) -> Result<SpillFile> {
        let RedbStore { segments, index, caches, first, database, file, .. } = self;
        let Some((Opened::Temporary(file), settings)) = file else {
            return Err(Error::store("a file that was kept is not emptied"));
        };
        drop((segments, index, caches));
        database.close().map_err(|error| first.explain(error))?;
        file.set_len(0).map_err(Error::spill_io)?;
        Ok(SpillFile::again(file, settings))
    }

    /// Finds a block, and gives it to `take` with its segment.
    fn find<T>(&self, cid: &Cid, take: impl Fn(&Packed<'_>, &Shared) -> T) -> Result<Option<T>> {
        let Caches { segments, pages } =
            &mut *self.caches.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((packed, segment)) = segments.block(cid) {
            return Ok(Some(take(&packed, segment)));
        }
        let find = |segment: &Shared| {
            let packed = segment::find(segment.value(), cid)?;
            Some((packed.state == State::Bad, take(&packed, segment)))
        };
        self.index.find(pages, &self.first, cid, |number| {
            let number = u32::try_from(number).unwrap_or(u32::MAX);
            if let Some(segment) = segments.segment(number) {
                return Ok(find(segment));
            }
            let segment = self.segment(number)?;
            if segments.open(number, segment.clone())
                && let Some((packed, segment)) = segments.block(cid)
            {
                return Ok(Some((false, take(&packed, segment))));
            }
            Ok(find(&segment))
        })
    }

    fn segment(&self, number: u32) -> Result<Shared> {
        let value = self.segments.get_owned(number).map_err(|error| self.first.explain(error))?;
        let value = value
            .ok_or_else(|| Error::kept(KeptFault::Damaged("a segment is not there".into())))?;
        // What is noted of each block of a segment is bounded by the length of segments.
        let bytes = value.value();
        if bytes.len() > MAX_SEGMENT_LEN && !segment::is_one_block(bytes) {
            return Err(Error::kept(KeptFault::Damaged("a segment is too long".into())));
        }
        Ok(Shared::new(value))
    }
}

/// The database in a file that was kept; `check` reads all of it first.
fn open_kept(file: File, budget: Budget, check: bool) -> Result<(Database, FirstError)> {
    let first = FirstError::default();
    let backend = KeptBackend::new(file, first.clone())?;
    backend.check_signature()?;
    let mut builder = builder(budget.redb);
    builder.set_check_integrity_on_open(check);
    let database = builder.create_with_backend(backend).map_err(|error| first.explain(error))?;
    Ok((database, first))
}

/// A table that every spill file has.
fn open_table(
    txn: &ReadTransaction,
    table: TableDefinition<'static, u32, &'static [u8]>,
    first: &FirstError,
) -> Result<Table> {
    match txn.open_table(table) {
        Ok(table) => Ok(table),
        Err(redb::TableError::TableDoesNotExist(_)) => Err(Error::kept(KeptFault::Incomplete)),
        Err(error) => Err(first.explain(error)),
    }
}

impl BlockStore for RedbStore {
    type Block<'a> = StoredBlock;

    fn get(&self, cid: &Cid) -> Result<Option<Found<StoredBlock>>> {
        let found = self.find(cid, |packed, segment| {
            let found = packed.found(self.is_hashed);
            (packed.min_end(), found.map(|bytes| StoredBlock::new(bytes, segment)))
        })?;
        // Callers take memory by the offsets that they are told.
        if found.as_ref().is_some_and(|&(end, _)| end > self.meta.stats.bytes) {
            return Err(sections::beyond_car());
        }
        Ok(found.map(|(_, found)| found))
    }

    fn contains(&self, cid: &Cid) -> Result<bool> {
        Ok(self.find(cid, |_, _| ())?.is_some())
    }

    fn block_cost(&self, block: &StoredBlock) -> u64 {
        match &block.0 {
            Bytes::Copy(bytes) => bytes.len() as u64,
            Bytes::Shared(segment, _) => pages_of(segment.value()) as u64,
        }
    }
}

impl CarStore for RedbStore {
    fn header(&self) -> &Header {
        &self.meta.header
    }

    fn stats(&self) -> CarStats {
        self.meta.stats
    }

    fn fault(&self) -> Option<&Error> {
        self.fault.as_ref()
    }

    fn sections(&self) -> impl Iterator<Item = Result<SectionHead>> {
        let mut failed = false;
        let Meta { segments, stats, .. } = self.meta;
        let sections = Sections::new(segments, stats.bytes, |number| self.segment(number));
        // Nothing comes after an error.
        sections.take_while(move |section| !core::mem::replace(&mut failed, section.is_err()))
    }
}

impl fmt::Debug for RedbStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedbStore")
            .field("header", &self.meta.header)
            .field("stats", &self.meta.stats)
            .field("is_reduced", &self.meta.reduced)
            .finish_non_exhaustive()
    }
}
