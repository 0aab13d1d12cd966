//! The tables of a spill file, and the memory that their values take.

use redb::{ReadOnlyTable, ReadTransaction, TableDefinition};

use super::file_errors::FileErrors;
use crate::error::{Error, Result, SpillFileFault};

/// The definition of a table: byte strings by number.
pub(super) type Definition = TableDefinition<'static, u32, &'static [u8]>;

/// A read-only table.
pub(super) type Table = ReadOnlyTable<u32, &'static [u8]>;

/// The segments.
pub(super) const SEGMENTS: Definition = TableDefinition::new("carwalk segments");

/// The pages of the index.
pub(super) const PAGES: Definition = TableDefinition::new("carwalk index");

/// Sorted pieces of the index while it is made.
pub(super) const PIECES: Definition = TableDefinition::new("carwalk runs");

/// The description of the file.
pub(super) const DESCRIPTION: Definition = TableDefinition::new("carwalk");

/// Number of bytes that redb adds to a value which has a page of its own.
const PAGE_OVERHEAD: usize = 12;

/// Length of redb's shortest page, in bytes.
const MIN_PAGE_LEN: usize = 1 << 12;

/// Approximate number of bytes that redb adds to a short value.
const VALUE_OVERHEAD: usize = 64;

/// Returns the length of a page with only this value, in bytes: a power of two, at least 4 KiB.
pub(super) fn page_len(value_len: usize) -> usize {
    let len = value_len.saturating_add(PAGE_OVERHEAD).max(MIN_PAGE_LEN);
    len.checked_next_power_of_two().unwrap_or(usize::MAX)
}

/// Returns how many bytes a value adds to a transaction. Short values share pages.
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
