//! Spill files that are being written: transactions, the index, and the limit on bytes stored.

use std::fs::File;

use redb::{Database, WriteTransaction};

use super::file::{FileSettings, SpillFile};
use super::file_errors::FileErrors;
use super::index_entry::IndexEntry;
use super::index_page::{self, WrittenIndex};
use super::index_sort::IndexSorter;
use super::kept;
use super::new_file::NewFile;
use super::tables::{Definition, PIECES, growth, page_len};
use crate::budget::Budget;
use crate::cid::Cid;
use crate::error::{Error, LimitName, Result};
use crate::store::hash::Secret;

/// A spill file that is being written.
pub(super) struct UnfinishedFile {
    // Declared first, so that it is dropped first: a database waits for its transactions.
    transactions: Transactions,
    database: Database,
    file: NewFile,
    settings: FileSettings,
    budget: Budget,
    secrets: [Secret; 2],
    sorter: IndexSorter,
    /// Number of bytes of blocks and index.
    stored: u64,
}

/// A spill file that was written and can be read.
pub(super) struct WrittenFile {
    pub(super) database: Database,
    pub(super) errors: FileErrors,
    pub(super) file: NewFile,
    pub(super) settings: FileSettings,
    pub(super) budget: Budget,
}

impl UnfinishedFile {
    /// Creates the file. With `of_segments`, the payloads of the index are the numbers of segments.
    pub(super) fn begin(file: SpillFile, memory_limit: u64, of_segments: bool) -> Result<Self> {
        let (file, settings) = file.open()?;
        let budget = Budget::new(settings.cache_size.unwrap_or(memory_limit));
        let errors = FileErrors::new(file.place());
        let database = file.database(budget.redb(), &errors)?;
        let transactions = Transactions::begin(&database, errors, budget.transaction())?;
        let secrets = [Secret::random(), Secret::random()];
        let sorter = IndexSorter::new(budget.sorting(), of_segments);
        let stored = 0;
        Ok(UnfinishedFile {
            transactions,
            database,
            file,
            settings,
            budget,
            secrets,
            sorter,
            stored,
        })
    }

    pub(super) fn settings(&self) -> FileSettings {
        self.settings
    }

    /// Returns the random numbers that the finished index mixes with digests.
    pub(super) fn secret(&self) -> Secret {
        let [secret, _] = self.secrets;
        secret
    }

    /// Returns the number of bytes of blocks and index that were stored.
    pub(super) fn stored(&self) -> u64 {
        self.stored
    }

    /// Names the file in an error that is about it.
    #[cold]
    pub(super) fn name(&self, error: Error) -> Error {
        self.transactions.errors.name(error)
    }

    /// Returns whether the file is kept.
    pub(super) fn is_kept(&self) -> bool {
        self.file.is_kept()
    }

    /// Enters a block in the index.
    pub(super) fn note(&mut self, cid: &Cid, is_good: bool, payload: u64) -> Result<()> {
        self.sorter.push(IndexEntry::new(&self.secrets, cid, is_good, payload));
        if self.sorter.is_full() {
            let written = self.transactions.write(|txn| self.sorter.flush(txn))?;
            self.count(written)?;
            self.transactions.renew(&self.database)?;
        }
        Ok(())
    }

    /// Stores a value.
    pub(super) fn insert(&mut self, table: Definition, key: u32, value: &[u8]) -> Result<()> {
        self.count(page_len(value.len()) as u64)?;
        self.transactions.write(|txn| {
            txn.open_table(table)?.insert(key, value)?;
            Ok(())
        })?;
        self.transactions.grow(growth(value.len()), &self.database)
    }

    /// Stores a long value with as little memory as redb allows.
    pub(super) fn insert_long(
        &mut self,
        table: Definition,
        key: u32,
        value: Vec<u8>,
    ) -> Result<()> {
        let len = value.len();
        self.count(page_len(len) as u64)?;
        self.transactions.write(|txn| {
            let mut table = txn.open_table(table)?;
            // redb reads the neighbour of a new key, which may be as long. With an empty value
            // first, it no longer holds the neighbour when it stores the long one.
            table.insert(key, &[][..])?;
            table.insert(key, value.as_slice())?;
            Ok(())
        })?;
        // If the transaction ends now, redb reads the value's page again for its checksum.
        drop(value);
        self.transactions.grow(growth(len), &self.database)
    }

    /// Writes in the current transaction without counting bytes.
    pub(super) fn write(
        &self,
        write: impl FnOnce(&WriteTransaction) -> Result<(), redb::Error>,
    ) -> Result<()> {
        self.transactions.write(write)
    }

    /// Adds to the number of bytes stored.
    ///
    /// # Errors
    ///
    /// `Limit` if that is more than the settings allow.
    pub(super) fn count(&mut self, bytes: u64) -> Result<()> {
        self.stored = self.stored.saturating_add(bytes);
        let max = self.settings.max_stored;
        if self.stored > max {
            return Err(self.name(Error::limit(LimitName::Stored, max, self.stored)));
        }
        Ok(())
    }

    /// Writes the index. Payloads are at most `max_payload`.
    pub(super) fn write_index(&mut self, max_payload: u64) -> Result<WrittenIndex> {
        while let Some(written) = self.transactions.write(|txn| self.sorter.prepare(txn))? {
            self.count(written)?;
            self.transactions.renew(&self.database)?;
        }
        let sorter = core::mem::replace(&mut self.sorter, IndexSorter::new(0, false));
        let is_kept = self.is_kept();
        let index = self.transactions.write(|txn| {
            let index = index_page::write(sorter, max_payload, txn)?;
            // redb would read all pieces to free their pages, which is of no use in a temporary
            // file.
            if is_kept {
                txn.delete_table(PIECES)?;
            }
            Ok(index)
        })?;
        self.count(index.bytes)?;
        Ok(index)
    }

    /// Ends the last transaction and opens the file for reading. A kept spill file is synced
    /// before.
    pub(super) fn finish(mut self) -> Result<WrittenFile> {
        self.transactions.end(&self.database)?;
        let UnfinishedFile { transactions, database, file, settings, budget, .. } = self;
        let errors = transactions.errors;
        let database = match &file {
            NewFile::Temporary { .. } => database,
            NewFile::Kept { file, .. } => {
                errors.of(database.close())?;
                file.as_file().sync_all().map_err(|error| errors.io(error))?;
                let file: File = file.reopen().map_err(|error| errors.io(error))?;
                kept::open(file, budget, false, &errors)?
            }
        };
        Ok(WrittenFile { database, errors, file, settings, budget })
    }
}

/// The transactions of a file.
///
/// redb writes pages that exceed its cache before their transaction ends, and reads and writes them
/// again at the end to add checksums. So a transaction ends before it exceeds the cache. The file
/// is complete after the last one.
struct Transactions {
    /// `None` after one that failed.
    current: Option<WriteTransaction>,
    /// Number of bytes that were written in the current one.
    unwritten: u64,
    max_unwritten: u64,
    errors: FileErrors,
}

impl Transactions {
    fn begin(database: &Database, errors: FileErrors, max_unwritten: u64) -> Result<Self> {
        let current = Some(errors.of(database.begin_write())?);
        Ok(Transactions { current, unwritten: 0, max_unwritten, errors })
    }

    /// Writes in the current transaction.
    fn write<T>(
        &self,
        write: impl FnOnce(&WriteTransaction) -> Result<T, redb::Error>,
    ) -> Result<T> {
        let current = self.current.as_ref().ok_or(redb::Error::PreviousIo);
        self.errors.of(current.and_then(write))
    }

    /// Adds to the bytes of the current transaction, and begins another if they are too many.
    fn grow(&mut self, bytes: usize, database: &Database) -> Result<()> {
        self.unwritten = self.unwritten.saturating_add(bytes as u64);
        if self.unwritten >= self.max_unwritten { self.renew(database) } else { Ok(()) }
    }

    /// Ends the current transaction and begins another.
    fn renew(&mut self, database: &Database) -> Result<()> {
        self.commit()?;
        self.current = Some(self.errors.of(database.begin_write())?);
        self.unwritten = 0;
        Ok(())
    }

    fn commit(&mut self) -> Result<()> {
        let current = self.current.take().ok_or(redb::Error::PreviousIo);
        self.errors.of(current.and_then(|txn| Ok(txn.commit()?)))
    }

    /// Ends the last transaction, and one more that is empty. A transaction that frees pages leaves
    /// some unwritten, for which redb would look at each read; an empty one leaves none.
    fn end(&mut self, database: &Database) -> Result<()> {
        self.renew(database)?;
        self.commit()
    }
}
