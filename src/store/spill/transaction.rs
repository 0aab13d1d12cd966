//! What all that is written into a spill file has in common: transactions, an index, and a limit on
//! what is stored.
//!
//! What redb has no memory for is written before its transaction ends, and then read and written
//! again to be given its checksum. So a transaction ends before that, though only the last one
//! makes the file whole.

use redb::{Database, TableDefinition, WriteTransaction};

use super::backend::FirstError;
use super::cache::pages_of;
use super::file::{Opened, Settings, SpillFile};
use super::meta::RUNS;
use super::pages::{self, Written};
use super::runs::{Entry, Runs};
use crate::budget::Budget;
use crate::cid::Cid;
use crate::error::{Error, LimitName, Result};
use crate::store::hash::Secret;

/// Bytes that redb takes for a value beside its own, about.
const VALUE_COST: u64 = 64;

/// A spill file that is being written.
pub(super) struct Transaction {
    // Dropped first: a database waits for its transactions. There is none after one that failed.
    txn: Option<WriteTransaction>,
    /// Bytes that were stored since it began.
    unwritten: u64,
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
        let budget = Budget::new(settings.cache_size.unwrap_or(memory_limit));
        let first = FirstError::default();
        let database = target.create(budget.redb(), &first)?;
        let txn = database.begin_write().map_err(|error| first.explain(error))?;
        let secrets = [Secret::random(), Secret::random()];
        let runs = Runs::new(budget.sorting(), of_segments);
        let txn = Some(txn);
        Ok(Transaction {
            txn,
            unwritten: 0,
            database,
            target,
            first,
            budget,
            secrets,
            stored: 0,
            settings,
            runs,
        })
    }

    /// Enters a block in the index.
    pub(super) fn note(&mut self, cid: &Cid, is_good: bool, payload: u64) -> Result<()> {
        self.runs.push(Entry::new(&self.secrets, cid, is_good, payload));
        if self.runs.is_full() {
            let txn = self.txn.as_ref().ok_or(redb::Error::PreviousIo);
            let written = txn
                .and_then(|txn| self.runs.flush(txn))
                .map_err(|error| self.first.explain(error))?;
            self.count(written)?;
            self.go_on_anew()?;
        }
        Ok(())
    }

    /// Stores a value.
    pub(super) fn insert(
        &mut self,
        table: TableDefinition<'_, u32, &[u8]>,
        key: u32,
        value: &[u8],
    ) -> Result<()> {
        let len = pages_of(value) as u64;
        self.count(len)?;
        self.write(|txn| {
            txn.open_table(table)?.insert(key, value)?;
            Ok(())
        })?;
        // redb has short values together in pages.
        self.unwritten =
            self.unwritten.saturating_add(len.min((value.len() as u64).saturating_add(VALUE_COST)));
        if self.unwritten >= self.budget.transaction() { self.go_on_anew() } else { Ok(()) }
    }

    /// Does something in the transaction.
    pub(super) fn write<T>(
        &self,
        write: impl FnOnce(&WriteTransaction) -> Result<T, redb::Error>,
    ) -> Result<T> {
        let txn = self.txn.as_ref().ok_or(redb::Error::PreviousIo);
        txn.and_then(write).map_err(|error| self.first.explain(error))
    }

    /// Ends the transaction, and begins another.
    fn go_on_anew(&mut self) -> Result<()> {
        self.commit()?;
        self.txn = Some(self.database.begin_write().map_err(|error| self.first.explain(error))?);
        self.unwritten = 0;
        Ok(())
    }

    fn commit(&mut self) -> Result<()> {
        let txn = self.txn.take().ok_or(redb::Error::PreviousIo);
        txn.and_then(|txn| Ok(txn.commit()?)).map_err(|error| self.first.explain(error))
    }

    /// Ends the last transaction, and one more that is empty. Freeing pages, redb leaves some
    /// unwritten after a transaction, for which it would look at each read; it leaves none if
    /// nothing was freed.
    pub(super) fn end(&mut self) -> Result<()> {
        self.go_on_anew()?;
        self.commit()
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
        let is_kept = matches!(self.target, Opened::Kept { .. });
        let written = self.write(|txn| {
            let written = pages::write(runs, max_payload, txn)?;
            // redb would read all of it only to free its pages, which nobody needs in a file that
            // goes with its store.
            if is_kept {
                txn.delete_table(RUNS)?;
            }
            Ok(written)
        })?;
        self.count(written.bytes)?;
        Ok(written)
    }
}
