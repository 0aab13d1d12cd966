//! Rows of any repositories, which become a batch.

use std::fmt;
use std::io;
use std::ops::Range;

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::{ArrowError, SchemaRef};
use carwalk_batch::columns::{Column, Columns};
use carwalk_batch::row::{Fields, Row};

use super::builder::Builder;
use crate::schema::schema;

/// Rows in columns.
pub(crate) struct Table {
    schema: SchemaRef,
    builders: Vec<Builder>,
    /// Whether a column is read from the record's members.
    has_fields: bool,
    rows: usize,
    bytes: usize,
}

impl Table {
    pub(crate) fn new(columns: Columns) -> Self {
        Table {
            schema: schema(columns),
            builders: columns.iter().map(Builder::new).collect(),
            has_fields: columns.contains(Column::CreatedAt) || columns.contains(Column::Subject),
            rows: 0,
            bytes: 0,
        }
    }

    pub(crate) fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&self.schema)
    }

    /// Returns the number of rows.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Returns the bytes of the values.
    #[inline]
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns the bytes of memory, including spare capacity.
    pub(crate) fn capacity(&self) -> usize {
        self.builders.iter().map(Builder::capacity).fold(0, usize::saturating_add)
    }

    #[inline]
    pub(crate) fn push(&mut self, row: &Row<'_>) {
        let fields = if self.has_fields { row.fields() } else { Fields::default() };
        for builder in &mut self.builders {
            self.bytes = self.bytes.saturating_add(builder.push(row, &fields));
        }
        self.rows = self.rows.saturating_add(1);
    }

    /// Adds some rows of another table of the same columns. `bytes` are those of their values.
    pub(crate) fn append(&mut self, other: &Table, rows: Range<usize>, bytes: usize) {
        self.rows = self.rows.saturating_add(rows.len());
        self.bytes = self.bytes.saturating_add(bytes);
        for (to, from) in self.builders.iter_mut().zip(&other.builders) {
            to.append(from, rows.clone());
        }
    }

    /// Takes all rows as a batch.
    pub(crate) fn batch(&mut self) -> Result<RecordBatch, ArrowError> {
        let columns = self.builders.iter_mut().map(Builder::take).collect::<Result<_, _>>()?;
        let rows = RecordBatchOptions::new().with_row_count(Some(self.rows));
        (self.rows, self.bytes) = (0, 0);
        RecordBatch::try_new_with_options(self.schema(), columns, &rows)
    }

    /// Drops the rows after the first `rows`. `bytes` are those of the rows that stay.
    pub(crate) fn truncate(&mut self, rows: usize, bytes: usize) {
        self.builders.iter_mut().for_each(|builder| builder.truncate(rows));
        (self.rows, self.bytes) = (rows, bytes);
    }

    /// Checks that no value was too long for Arrow's offsets.
    pub(crate) fn check(&self) -> io::Result<()> {
        match self.builders.iter().find(|builder| builder.is_over()) {
            Some(builder) => {
                let (column, error) = (builder.column(), io::ErrorKind::FileTooLarge);
                let message = format!(
                    "a value of the column {column} has nearly 2 GiB or more, the limit of its \
                     Arrow type: leave the column out, or lower the limit on blocks"
                );
                Err(io::Error::new(error, message))
            }
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns: Vec<_> = self.builders.iter().map(Builder::column).collect();
        f.debug_struct("Table")
            .field("columns", &columns)
            .field("rows", &self.rows)
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}
