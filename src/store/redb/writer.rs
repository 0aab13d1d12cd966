//! How blocks come into a spill file: in one transaction, so that it has all of them or none.

use redb::{Database, Durability, WriteTransaction};

use super::RedbStore;
use super::backend::FirstError;
use super::file::{SpillFile, Target, publish};
use super::meta::{Meta, PAGES, SEGMENTS};
use super::pages::{self, Written};
use super::runs::{Entry, Runs};
use super::segment::SegmentBuilder;
use crate::car::Source;
use crate::error::{Error, LimitName, Result};
use crate::store::hash::Secret;
use crate::store::loading::{Contents, Loading, Sink};
use crate::store::packed::{Packed, State};
use crate::store::{Form, Verification};

/// Most segments: their numbers take three bytes of an index entry.
const MAX_SEGMENTS: u32 = 1 << 24;

/// How memory is shared out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    /// For redb's own pages: more is of no use, since what is read is held here.
    pub(super) redb: u64,
    /// For sorting the index, while loading.
    runs: u64,
    /// For open segments and pages of the index, once loaded.
    pub(super) caches: u64,
}

impl Budget {
    pub(super) fn of(memory: u64) -> Self {
        let redb = (memory / 4).clamp(1 << 18, 1 << 22);
        Budget { redb, runs: (memory / 8).min(1 << 26), caches: memory.saturating_sub(redb).max(1 << 18) }
    }
}

/// Takes blocks into a spill file.
pub(crate) struct Writer {
    // Dropped first: a database waits for its transactions.
    txn: WriteTransaction,
    database: Database,
    target: Target,
    first: FirstError,
    budget: Budget,
    secrets: [Secret; 2],
    hashed: bool,
    segment: SegmentBuilder,
    segment_len: usize,
    segments: u32,
    runs: Runs,
    reduced: bool,
    stored: u64,
    max_stored: u64,
}

impl Writer {
    pub(crate) fn new(file: SpillFile, memory_limit: u64, verification: Verification) -> Result<Self> {
        let SpillFile { target, cache_size, max_stored, segment_len } = file;
        let budget = Budget::of(cache_size.unwrap_or(memory_limit));
        let first = FirstError::default();
        let database = target.create(budget.redb, &first)?;
        let mut txn = database.begin_write().map_err(|error| first.explain(error))?;
        if matches!(target, Target::Temporary(_)) {
            txn.set_durability(Durability::None).map_err(|error| first.explain(error))?;
        }
        Ok(Writer {
            txn,
            database,
            target,
            first,
            budget,
            secrets: [Secret::random(), Secret::random()],
            hashed: verification != Verification::DangerouslyNone,
            segment: SegmentBuilder::new(),
            segment_len,
            segments: 0,
            runs: Runs::new(budget.runs),
            reduced: false,
            stored: 0,
            max_stored,
        })
    }

    pub(crate) fn push(&mut self, packed: &Packed<'_>) -> Result<()> {
        let len = packed.bytes.len().saturating_add(super::super::packed::MAX_HEAD_LEN);
        if self.segment.bytes().len().saturating_add(len) > self.segment_len {
            self.flush_segment()?;
        }
        self.segment.push(packed);
        self.reduced |= packed.form() == Form::Reduced;
        let is_good = packed.state != State::Bad;
        self.runs.push(Entry::new(&self.secrets, &packed.cid, is_good, u64::from(self.segments)));
        if self.runs.is_full() {
            let written = self.runs.flush(&self.txn).map_err(|error| self.first.explain(error))?;
            self.count(written)?;
        }
        Ok(())
    }

    fn flush_segment(&mut self) -> Result<()> {
        if self.segment.bytes().is_empty() {
            return Ok(());
        }
        if self.segments >= MAX_SEGMENTS {
            let (max, found) = (u64::from(MAX_SEGMENTS), u64::from(self.segments).saturating_add(1));
            return Err(Error::limit(LimitName::Stored, max, found));
        }
        self.count(self.segment.bytes().len() as u64)?;
        self.insert_segment().map_err(|error| self.first.explain(error))?;
        self.segment.clear(self.segment_len);
        self.segments = self.segments.saturating_add(1);
        Ok(())
    }

    fn insert_segment(&self) -> Result<(), redb::Error> {
        self.txn.open_table(SEGMENTS)?.insert(self.segments, self.segment.bytes())?;
        Ok(())
    }

    /// Counts bytes that are stored.
    fn count(&mut self, bytes: u64) -> Result<()> {
        self.stored = self.stored.saturating_add(bytes);
        if self.stored > self.max_stored {
            return Err(Error::limit(LimitName::Stored, self.max_stored, self.stored));
        }
        Ok(())
    }

    /// Makes the tables, so that they are there even if nothing is in them.
    fn create_tables(&self) -> Result<(), redb::Error> {
        self.txn.open_table(SEGMENTS)?;
        self.txn.open_table(PAGES)?;
        Ok(())
    }

    /// Writes the index and all the rest, and opens the store. `contents` tells what the CAR is, given the number of distinct
    /// blocks in it.
    pub(crate) fn finish(mut self, contents: impl FnOnce(u64) -> Result<Contents>) -> Result<RedbStore> {
        self.flush_segment()?;
        self.create_tables().map_err(|error| self.first.explain(error))?;
        let runs = core::mem::replace(&mut self.runs, Runs::new(0));
        let max_payload = u64::from(self.segments);
        let written = pages::write(runs, max_payload, &self.txn).map_err(|error| self.first.explain(error))?;
        let Written { shape, distinct, bytes } = written;
        self.count(bytes)?;
        let contents = contents(distinct)?;
        let meta = Meta {
            secrets: self.secrets,
            stats: contents.stats,
            segments: self.segments,
            pages: shape.pages,
            payload_len: shape.payload_len,
            hashed: self.hashed,
            reduced: self.reduced,
            header: contents.header,
        };
        meta.write(&self.txn).map_err(|error| self.first.explain(error))?;
        let Writer { txn, database, target, first, budget, stored, .. } = self;
        txn.commit().map_err(|error| first.explain(error))?;
        match target {
            Target::Temporary(file) => {
                let store = RedbStore::read(database, first, meta, budget, stored)?;
                Ok(store.with_file(file).with_fault(contents.fault))
            }
            // Half a CAR is not what somebody who keeps it wants to find.
            Target::Kept { .. } if contents.fault.is_some() => match contents.fault {
                Some(fault) => Err(fault),
                None => Err(Error::store("no fault")),
            },
            Target::Kept { file, path } => {
                database.close().map_err(|error| first.explain(error))?;
                let file = publish(file, &path)?;
                RedbStore::open_file(file, budget, false)
            }
        }
    }
}

/// Spills the sections of a load.
pub(crate) struct SpillSink(pub(crate) Writer);

impl Sink for SpillSink {
    fn make_room(&mut self, _: &impl Source, _: bool, _: u64) -> Result<bool> {
        Ok(true)
    }

    fn take(&mut self, section: &Packed<'_>, place: u64, _: u64) -> Result<Option<u64>> {
        self.0.push(section)?;
        Ok(Some(place))
    }

    fn held(&self) -> u64 {
        0
    }
}

impl Loading<SpillSink> {
    /// The store of a load that came to its end.
    pub(crate) fn finish(self, source: &impl Source) -> Result<RedbStore> {
        let Loading { sink: SpillSink(writer), progress } = self;
        writer.finish(|distinct_blocks| progress.finish(source, distinct_blocks))
    }
}
