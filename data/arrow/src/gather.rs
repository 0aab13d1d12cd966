//! Conversion of tables into batches: small tables are copied together, large ones are sliced.

use std::mem;
use std::ops::ControlFlow;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{ArrowError, DataType};

use crate::rows::Table;

/// Most bytes of the columns of a batch with several rows.
const BATCH: usize = 16 << 20;

/// Tables of at least this many bytes are sliced, not copied.
const LARGE: usize = 1 << 20;

/// Makes batches of the tables that are added, in their order.
///
/// A table of at least 1 MiB becomes batches of its own, without a copy. Smaller ones are copied
/// together. A batch ends at the given number of rows, or before its columns would exceed 16 MiB;
/// a longer row is a batch of its own.
pub(crate) struct Gather<F> {
    batch_rows: usize,
    pending: Table,
    emit: F,
}

impl<F: FnMut(RecordBatch) -> ControlFlow<()>> Gather<F> {
    /// Creates a gatherer that passes batches to `emit` until that breaks. `pending` is an empty
    /// table.
    pub(crate) fn new(pending: Table, batch_rows: usize, emit: F) -> Self {
        Gather { batch_rows, pending, emit }
    }

    /// Adds the first `rows` rows of a table.
    pub(crate) fn add(
        &mut self,
        table: &mut Table,
        rows: usize,
    ) -> Result<ControlFlow<()>, ArrowError> {
        let is_large = table.bytes() >= LARGE;
        let is_full = table.bytes().saturating_add(self.pending.bytes()) > BATCH;
        if (is_large || is_full) && self.flush()?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
        if is_large { self.slice(&table.batch()?, rows) } else { self.copy(table, rows) }
    }

    /// Passes a large table on.
    fn slice(&mut self, batch: &RecordBatch, rows: usize) -> Result<ControlFlow<()>, ArrowError> {
        let mut rest = batch.slice(0, rows.min(batch.num_rows()));
        while rest.num_rows() > 0 {
            let len = rows_in_a_batch(&rest).min(self.batch_rows);
            if (self.emit)(rest.slice(0, len)).is_break() {
                return Ok(ControlFlow::Break(()));
            }
            rest = rest.slice(len, rest.num_rows().saturating_sub(len));
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Copies a small table.
    fn copy(&mut self, table: &Table, rows: usize) -> Result<ControlFlow<()>, ArrowError> {
        let (mut start, mut bytes) = (0, table.bytes());
        while start < rows {
            let room = self.batch_rows.saturating_sub(self.pending.rows());
            let end = start.saturating_add(room).min(rows);
            // All of its bytes count for the first of several batches.
            self.pending.append(table, start..end, mem::take(&mut bytes));
            start = end;
            if self.pending.rows() >= self.batch_rows && self.flush()?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Emits the pending rows as a batch.
    pub(crate) fn flush(&mut self) -> Result<ControlFlow<()>, ArrowError> {
        if self.pending.rows() == 0 {
            return Ok(ControlFlow::Continue(()));
        }
        let batch = self.pending.batch()?;
        Ok((self.emit)(batch))
    }
}

/// Returns how many rows of a piece a batch may have: at least one.
fn rows_in_a_batch(piece: &RecordBatch) -> usize {
    let (mut fits, mut exceeds) = (1, piece.num_rows().saturating_add(1));
    while exceeds.saturating_sub(fits) > 1 {
        let middle = fits.midpoint(exceeds);
        if bytes(piece, middle) <= BATCH {
            fits = middle;
        } else {
            exceeds = middle;
        }
    }
    fits
}

/// Returns the bytes of the first `rows` rows in all columns.
pub(crate) fn bytes(piece: &RecordBatch, rows: usize) -> usize {
    let columns = piece.columns().iter().map(|column| column_bytes(column, rows));
    columns.fold(0, usize::saturating_add)
}

fn column_bytes(column: &ArrayRef, rows: usize) -> usize {
    let offsets = match column.data_type() {
        DataType::Utf8 => column.as_string::<i32>().offsets(),
        DataType::Binary => column.as_binary::<i32>().offsets(),
        _ => return rows.saturating_mul(size_of::<i64>()),
    };
    let end = |row: usize| offsets.get(row).map_or(0, |end| usize::try_from(*end).unwrap_or(0));
    let values = end(rows).saturating_sub(end(0));
    values.saturating_add(rows.saturating_mul(size_of::<i32>()))
}

#[cfg(test)]
mod tests {
    use carwalk::RepoPath;
    use carwalk::cid::{Cid, Codec};
    use carwalk_batch::columns::Columns;
    use carwalk_batch::row::Row;

    use super::*;

    fn table(lens: &[usize]) -> Table {
        let mut table = Table::new(columns());
        let path = RepoPath::parse(b"a.b.c/d").unwrap();
        for len in lens {
            let block = vec![7; *len];
            let cid = Cid::of(Codec::Raw, &block);
            table.push(&Row::new("did:plc:a", "", path, cid, Some(&block)));
        }
        table
    }

    fn columns() -> Columns {
        "size,record_cbor".parse().unwrap()
    }

    /// Returns the lengths of the blocks in each batch.
    fn gathered(tables: &[&[usize]], batch_rows: usize) -> Vec<Vec<usize>> {
        let mut batches = Vec::new();
        let mut gather = Gather::new(table(&[]), batch_rows, |batch: RecordBatch| {
            let blocks = batch["record_cbor"].as_binary::<i32>();
            batches.push(blocks.iter().map(|block| block.unwrap().len()).collect::<Vec<_>>());
            let is_larger = bytes(&batch, batch.num_rows()) > BATCH;
            assert!(!is_larger || batch.num_rows() == 1);
            ControlFlow::Continue(())
        });
        for lens in tables {
            assert!(gather.add(&mut table(lens), lens.len()).unwrap().is_continue());
        }
        assert!(gather.flush().unwrap().is_continue());
        let found: Vec<_> = batches.iter().flatten().copied().collect();
        assert_eq!(found, tables.concat());
        batches
    }

    #[test]
    fn small_tables_are_gathered_up_to_16_mib() {
        let batches = gathered(&[&[500 << 10][..]; 70], 65_536);
        assert_eq!(batches.iter().map(Vec::len).collect::<Vec<_>>(), [32, 32, 6]);
    }

    #[test]
    fn small_tables_fill_batches_of_any_number_of_rows() {
        let tables: [&[usize]; 4] = [&[1, 2, 3], &[4], &[], &[5, 6, 7]];
        assert_eq!(gathered(&tables, 65_536), [[1, 2, 3, 4, 5, 6, 7]]);
        assert_eq!(gathered(&tables, 3), [&[1, 2, 3][..], &[4, 5, 6], &[7]]);
        assert_eq!(gathered(&tables, 1).len(), 7);
    }

    #[test]
    fn large_tables_are_sliced_and_end_what_was_gathered() {
        let large: &[usize] = &[1 << 20, 5, 6, 7];
        let tables = [&[1, 2][..], large, &[3]];
        assert_eq!(gathered(&tables, 65_536), [&[1, 2][..], large, &[3]]);
        assert_eq!(gathered(&tables, 3), [&[1, 2][..], &[1 << 20, 5, 6], &[7], &[3]]);
    }

    #[test]
    fn a_batch_ends_before_16_mib_and_a_longer_row_is_alone() {
        let mib = 1 << 20;
        let table: &[usize] = &[1, 15 * mib, 2, mib, 17 * mib, 20 * mib, 3, 4];
        let batches = gathered(&[table], 65_536);
        let expected: [&[usize]; 5] =
            [&[1, 15 * mib, 2], &[mib], &[17 * mib], &[20 * mib], &[3, 4]];
        assert_eq!(batches, expected);
    }

    #[test]
    fn only_the_first_rows_are_taken_and_nothing_after_a_break() {
        for lens in [&[1, 2, 3][..], &[1 << 20, 2, 3]] {
            let mut rows = 0;
            let mut gather = Gather::new(table(&[]), 65_536, |batch: RecordBatch| {
                rows += batch.num_rows();
                ControlFlow::Break(())
            });
            let is_break = gather.add(&mut table(lens), 2).unwrap().is_break();
            // A small table waits for more.
            assert_eq!(is_break, lens[0] > 1);
            assert!(is_break || gather.flush().unwrap().is_break());
            assert_eq!(rows, 2);
        }
    }
}
