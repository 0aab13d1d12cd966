//! Rows as record batches.

mod builder;
mod nulls;
mod pool;
mod table;
mod values;

use std::io;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use carwalk_batch::columns::Columns;
use carwalk_batch::row::Row;
use carwalk_batch::staging::Rows;

pub(crate) use self::pool::{Pool, PooledRows};
pub(crate) use self::table::Table;

/// Approximate bytes of memory of a table besides its values.
const OVERHEAD: u64 = 4 << 10;

/// Rows that need not wait are passed on when they have this many bytes: few enough that the memory
/// is still in a core's cache when it is reused.
const PIECE: usize = 2 << 20;

/// Converts the rows of repositories, one repository after the other, into record batches. Each
/// thread has its own.
///
/// The schema is that of [`schema`](crate::schema()), and the values are those of a [`Row`]; empty
/// texts become null. Once the buffers have grown, adding a row allocates nothing, except for odd
/// records: see [`append_json`](carwalk::record::append_json()).
///
/// Memory: the rows that have been added and not yet taken. Column buffers of 64 KiB and more are
/// moved into the batch, not copied.
///
/// # Examples
///
/// ```
/// use carwalk_arrow::ArrowRows;
/// use carwalk_batch::columns::Columns;
/// use carwalk_batch::staging::{Selection, Staging};
/// use carwalk_batch::{Input, Settings, Stop, Worker};
///
/// let columns = Columns::default();
/// let (stop, selection, mut rows) =
///     (Stop::new(), Selection::new(columns), ArrowRows::new(columns));
/// let mut batches = Vec::new();
/// let mut staging = Staging::new(&mut rows, &selection, &stop, |batch, _bytes| {
///     batches.push(batch);
///     Ok(())
/// });
/// let mut worker = Worker::new(Settings::new(), stop.clone(), |_bytes| {});
/// assert!(worker.process(&Input::new("../../samples/repo.car"), &mut staging).is_done());
/// assert_eq!((batches[0].num_rows(), batches[0].num_columns()), (40, 10));
/// ```
#[derive(Debug)]
pub struct ArrowRows {
    table: Table,
}

impl ArrowRows {
    /// Creates rows of these columns.
    #[must_use]
    pub fn new(columns: Columns) -> Self {
        ArrowRows { table: Table::new(columns) }
    }

    /// Returns the schema of the batches.
    #[must_use]
    pub fn schema(&self) -> SchemaRef {
        self.table.schema()
    }
}

impl Rows for ArrowRows {
    type Piece = RecordBatch;

    const PIECE: usize = PIECE;

    #[inline]
    fn push(&mut self, row: &Row<'_>) {
        self.table.push(row);
    }

    #[inline]
    fn bytes(&self) -> usize {
        self.table.bytes()
    }

    /// Takes the rows as one batch.
    ///
    /// # Errors
    ///
    /// If the values of a column exceed 2 GiB, the limit of its Arrow type. Only a single value of
    /// nearly 2 GiB can cause this, which needs a raised limit on the length of blocks.
    fn take(&mut self, _is_end: bool) -> io::Result<Option<(RecordBatch, u64)>> {
        if self.table.rows() == 0 {
            return Ok(None);
        }
        self.table.check()?;
        let bytes = (self.table.bytes() as u64).saturating_add(OVERHEAD);
        let batch = self.table.batch().map_err(io::Error::other)?;
        Ok(Some((batch, bytes)))
    }

    fn clear(&mut self) {
        self.table.truncate(0, 0);
    }
}
