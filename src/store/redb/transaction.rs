//! What all that is written into a spill file has in common: one transaction, so that the file has all of it or nothing; an
//! index; and a limit on what is stored.

use redb::{Database, WriteTransaction};

use super::backend::FirstError;
use super::file::{Opened, Settings, SpillFile};
use super::pages::{self, Written};
use super::runs::{Entry, Runs};
use crate::cid::Cid;
use crate::error::{Error, LimitName, Result};
use crate::load::WALK_PART;
use crate::store::hash::Secret;

/// Most bytes that a page of an index takes in a cache, but for few.
const PAGE_COST: u64 = 4096 + 128;

/// How memory is shared out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    /// For redb's own pages: more is of no use, since what is read is held here.
    pub(super) redb: u64,
    /// For sorting the index, while loading.
    runs: u64,
    /// For what is held of the file once it is loaded.
    pub(super) caches: u64,
}

impl Budget {
    pub(super) fn of(memory: u64) -> Self {
        let redb = (memory / 4).clamp(1 << 18, 1 << 22);
        let caches = memory.saturating_sub(redb).saturating_sub(memory / WALK_PART).max(1 << 18);
        Budget { redb, runs: (memory / 8).min(1 << 26), caches }
    }

    /// What of the caches is for the pages of an index, and what for segments. Pages are asked for in random order, so that
    /// only having nearly all of them is of use; segments mostly one after the other.
    pub(super) fn share_caches(&self, pages: u32) -> (u64, u64) {
        let all = u64::from(pages).saturating_mul(PAGE_COST);
        let pages = all.min(self.caches.saturating_sub(self.caches / 4));
        (pages, self.caches.saturating_sub(pages))
    }
}

/// A spill file that is being written.
pub(super) struct Transaction {
    // Dropped first: a database waits for its transactions.
    pub(super) txn: WriteTransaction,
    pub(super) database: Database,
    pub(super) target: Opened,
    pub(super) first: FirstError,
    pub(super) budget: Budget,
    pub(super) secrets: [Secret; 2],
    pub(super) stored: u64,
    pub(super) settings: Settings,
    runs: Runs,
}

impl Transaction {
    pub(super) fn begin(file: SpillFile, memory_limit: u64, of_segments: bool) -> Result<Self> {
        let SpillFile { target, settings } = file;
        let target = target.open()?;
        let budget = Budget::of(settings.cache_size.unwrap_or(memory_limit));
        let first = FirstError::default();
        let database = target.create(budget.redb, &first)?;
        let txn = database.begin_write().map_err(|error| first.explain(error))?;
        let secrets = [Secret::random(), Secret::random()];
        let runs = Runs::new(budget.runs, of_segments);
        Ok(Transaction { txn, database, target, first, budget, secrets, stored: 0, settings, runs })
    }

    /// Enters a block in the index.
    pub(super) fn note(&mut self, cid: &Cid, is_good: bool, payload: u64) -> Result<()> {
        self.runs.push(Entry::new(&self.secrets, cid, is_good, payload));
        if self.runs.is_full() {
            let written = self.runs.flush(&self.txn).map_err(|error| self.first.explain(error))?;
            self.count(written)?;
        }
        Ok(())
    }

    /// Counts bytes that are stored.
    pub(super) fn count(&mut self, bytes: u64) -> Result<()> {
        self.stored = self.stored.saturating_add(bytes);
        let max = self.settings.max_stored;
        if self.stored > max {
            return Err(Error::limit(LimitName::Stored, max, self.stored));
        }
        Ok(())
    }

    /// Writes the index, in which no payload is larger than `max_payload`.
    pub(super) fn write_index(&mut self, max_payload: u64) -> Result<Written> {
        let runs = core::mem::replace(&mut self.runs, Runs::new(0, true));
        let written = pages::write(runs, max_payload, &self.txn).map_err(|error| self.first.explain(error))?;
        self.count(written.bytes)?;
        Ok(written)
    }
}
