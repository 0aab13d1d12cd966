//! Tables that are reused after their rows have become a batch.

use std::io;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use carwalk_batch::columns::Columns;
use carwalk_batch::row::Row;
use carwalk_batch::staging::Rows;

use super::table::Table;
use super::{OVERHEAD, PIECE};

/// Most bytes of memory of a table that is used again.
const MOST: usize = 2 * PIECE;

/// Empty tables for reuse. Allocating one for each small repository would slow a scan down.
#[derive(Clone)]
pub(crate) struct Pool {
    columns: Columns,
    tables: Arc<Mutex<Vec<Table>>>,
}

impl Pool {
    pub(crate) fn new(columns: Columns) -> Self {
        Pool { columns, tables: Arc::default() }
    }

    /// Creates the rows of a thread.
    pub(crate) fn rows(&self) -> PooledRows {
        let (table, pool) = (self.get(), self.clone());
        PooledRows { table, pool, before: (0, 0), taken: 0, all_taken: 0 }
    }

    /// Returns an empty table.
    pub(crate) fn get(&self) -> Table {
        let table = self.lock().pop();
        table.unwrap_or_else(|| Table::new(self.columns))
    }

    /// Takes a table back, unless it has much more memory than most rows need.
    pub(crate) fn put(&self, mut table: Table) {
        if table.capacity() <= MOST {
            table.truncate(0, 0);
            self.lock().push(table);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Table>> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Rows in tables of a [`Pool`]. Rows of several inputs share a table, which is taken when it has
/// 2 MiB.
pub(crate) struct PooledRows {
    table: Table,
    pool: Pool,
    /// The rows and bytes of earlier inputs in the table.
    before: (usize, usize),
    /// The rows of the current input that were taken.
    taken: u64,
    /// The rows of all inputs that were taken.
    all_taken: u64,
}

impl PooledRows {
    /// Ends an input. Returns how many of its rows were taken before its end.
    pub(crate) fn end_input(&mut self) -> u64 {
        mem::take(&mut self.taken)
    }

    /// Returns the number of rows since the last call of [`flush`](PooledRows::flush).
    pub(crate) fn rows(&self) -> u64 {
        self.all_taken.saturating_add(self.table.rows() as u64)
    }

    /// Takes the rows that wait, with their bytes of memory.
    pub(crate) fn flush(&mut self) -> Option<(Table, u64)> {
        let taken = self.take_table();
        self.all_taken = 0;
        taken
    }

    fn take_table(&mut self) -> Option<(Table, u64)> {
        let rows = self.table.rows();
        if rows == 0 {
            return None;
        }
        self.before = (0, 0);
        self.all_taken = self.all_taken.saturating_add(rows as u64);
        let table = mem::replace(&mut self.table, self.pool.get());
        // Spare capacity occupies memory too.
        let bytes = (table.capacity() as u64).saturating_add(OVERHEAD);
        Some((table, bytes))
    }
}

impl Rows for PooledRows {
    type Piece = Table;

    const PIECE: usize = PIECE;

    #[inline]
    fn push(&mut self, row: &Row<'_>) {
        self.table.push(row);
    }

    #[inline]
    fn bytes(&self) -> usize {
        self.table.bytes()
    }

    fn take(&mut self, is_end: bool) -> io::Result<Option<(Table, u64)>> {
        self.table.check()?;
        let (before, _) = self.before;
        self.before = (self.table.rows(), self.table.bytes());
        if is_end && self.table.bytes() < PIECE {
            return Ok(None);
        }
        let rows = self.table.rows().saturating_sub(before) as u64;
        self.taken = self.taken.saturating_add(rows);
        Ok(self.take_table())
    }

    fn clear(&mut self) {
        let (rows, bytes) = self.before;
        self.table.truncate(rows, bytes);
    }
}
