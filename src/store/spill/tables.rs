//! The tables of a spill file, and what a value in them takes.

use redb::{ReadOnlyTable, ReadTransaction, TableDefinition};

use super::file_errors::FileErrors;
use crate::error::{Error, Result, SpillFileFault};

/// Byte strings by number: the form of every table.
pub(super) type Definition = TableDefinition<'static, u32, &'static [u8]>;

/// A table that is read.
pub(super) type Table = ReadOnlyTable<u32, &'static [u8]>;

/// The segments.
pub(super) const SEGMENTS: Definition = TableDefinition::new("carwalk segments");

/// The pages of the index.
pub(super) const PAGES: Definition = TableDefinition::new("carwalk index");

/// Sorted pieces of the index while it is made.
pub(super) const PIECES: Definition = TableDefinition::new("carwalk runs");

/// The description of the file.
pub(super) const DESCRIPTION: Definition = TableDefinition::new("carwalk");

/// Bytes of a value's page that redb takes for its own purposes.
const PAGE_OVERHEAD: usize = 12;

/// Length of redb's shortest page.
const MIN_PAGE_LEN: usize = 1 << 12;

/// Bytes that redb takes for a short value besides the value itself, roughly.
const VALUE_OVERHEAD: usize = 64;

/// Returns the length of the pages that a value would fill alone: a power of two, at least 4 KiB.
pub(super) fn page_len(value_len: usize) -> usize {
    let len = value_len.saturating_add(PAGE_OVERHEAD).max(MIN_PAGE_LEN);
    len.checked_next_power_of_two().unwrap_or(usize::MAX)
}

/// Returns how many bytes a transaction grows by with a value: short values share pages.
pub(super) fn growth(value_len: usize) -> usize {
    page_len(value_len).min(value_len.saturating_add(VALUE_OVERHEAD))
}

/// Opens a table that every spill file has.
pub(super) fn open_table(
    txn: &ReadTransaction,
    table: Definition,
    errors: &FileErrors,
) -> Result<Table> {
    match txn.open_table(table) {
        Ok(table) => Ok(table),
        Err(redb::TableError::TableDoesNotExist(_)) => {
            Err(Error::spill_file(SpillFileFault::Incomplete))
        }
        Err(error) => Err(errors.explain(error)),
    }
}
