//! One Parquet file while it is written.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, ErrorKind, Write};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use carwalk_batch::columns::Columns;
use carwalk_batch::parts::Sheet;
use parquet::arrow::ArrowSchemaConverter;
use parquet::arrow::arrow_writer::ArrowRowGroupWriterFactory;
use parquet::errors::Result;
use parquet::file::writer::SerializedFileWriter;

use super::encode::{Encoder, Lane, io_error};
use super::group::Group;
use super::properties::properties;
use crate::schema::schema;

/// Estimated bytes of values per byte in the file, until a row group is written.
const RATIO: u64 = 4;

/// A Parquet file while it is written. [`ParquetEncoding`](super::ParquetEncoding) begins it.
///
/// Batches are collected in row groups. A row group is written when it is encoded completely, so
/// `flush` does nothing, and `len` is the number of bytes written so far plus an estimate of the
/// rest. A file without rows has no row groups.
pub struct ParquetSheet<W: Write + Send> {
    file: SerializedFileWriter<W>,
    factory: ArrowRowGroupWriterFactory,
    schema: SchemaRef,
    /// The row group that gets the next batches.
    group: Option<Group>,
    /// Row groups before it that are not in the file yet, in their order.
    ended: VecDeque<Group>,
    /// Most row groups that are encoded at the same time, on threads of their own. With 0, they are
    /// encoded on the calling thread.
    lanes: usize,
    /// The number of the next row group.
    next: usize,
    /// Bytes of the values that are written.
    encoded: u64,
}

impl<W: Write + Send> ParquetSheet<W> {
    pub(super) fn begin(out: W, columns: Columns, lanes: usize) -> io::Result<Self> {
        let schema = schema(columns);
        if schema.fields().is_empty() {
            let error = "a Parquet file needs at least one column";
            return Err(io::Error::new(ErrorKind::InvalidInput, error));
        }
        Self::with_schema(out, schema, columns, lanes).map_err(io_error)
    }

    fn with_schema(out: W, schema: SchemaRef, columns: Columns, lanes: usize) -> Result<Self> {
        let root = ArrowSchemaConverter::new().convert(&schema)?.root_schema_ptr();
        let file = SerializedFileWriter::new(out, root, properties(columns)?)?;
        let factory = ArrowRowGroupWriterFactory::new(&file, SchemaRef::clone(&schema));
        Ok(ParquetSheet {
            file,
            factory,
            schema,
            group: None,
            ended: VecDeque::new(),
            lanes,
            next: 0,
            encoded: 0,
        })
    }

    /// Begins a row group, on another thread if there are lanes.
    fn begin_group(&mut self) -> io::Result<Group> {
        self.append_ended(self.lanes.saturating_sub(1))?;
        let writers = self.factory.create_column_writers(self.next).map_err(io_error)?;
        self.next = self.next.saturating_add(1);
        let encoder = Encoder::new(writers, SchemaRef::clone(&self.schema));
        let lane = if self.lanes == 0 { Lane::Here(encoder) } else { Lane::there(encoder)? };
        Ok(Group::new(lane))
    }

    fn end_group(&mut self) {
        if let Some(mut group) = self.group.take() {
            group.end();
            self.ended.push_back(group);
        }
    }

    /// Appends the row groups that are encoded, in their order. Waits until at most `left` remain.
    fn append_ended(&mut self, left: usize) -> io::Result<()> {
        while self.ended.front().is_some_and(|group| self.ended.len() > left || group.is_done()) {
            let Some(group) = self.ended.pop_front() else { break };
            let bytes = group.bytes();
            self.append(group).map_err(io_error)?;
            self.encoded = self.encoded.saturating_add(bytes);
        }
        Ok(())
    }

    /// Appends a row group to the file.
    fn append(&mut self, group: Group) -> Result<()> {
        let chunks = group.wait()?;
        let mut group = self.file.next_row_group()?;
        for chunk in chunks {
            chunk.append_to_row_group(&mut group)?;
        }
        group.close().map(drop)
    }

    /// Estimates the bytes in the file of the rows that are not written.
    fn rest(&self, written: u64) -> u64 {
        let groups = self.ended.iter().chain(&self.group).map(Group::bytes);
        let bytes = groups.fold(0, u64::saturating_add);
        match self.encoded {
            0 => bytes.div_euclid(RATIO),
            encoded => {
                let bytes = u128::from(bytes).saturating_mul(written.into());
                u64::try_from(bytes.div_euclid(encoded.into())).unwrap_or(u64::MAX)
            }
        }
    }
}

impl<W: Write + Send> Sheet for ParquetSheet<W> {
    type Piece = RecordBatch;

    fn write(&mut self, batch: RecordBatch) -> io::Result<()> {
        if self.group.as_ref().is_some_and(|group| group.is_full_for(&batch)) {
            self.end_group();
        }
        self.append_ended(self.lanes)?;
        let group = match self.group.take() {
            Some(group) => group,
            None => self.begin_group()?,
        };
        self.group.insert(group).write(batch).map_err(io_error)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn len(&self) -> u64 {
        let written = self.file.bytes_written() as u64;
        written.saturating_add(self.rest(written))
    }

    fn end(&mut self) -> io::Result<()> {
        self.end_group();
        self.append_ended(0)?;
        self.file.finish().map(drop).map_err(io_error)
    }
}

impl<W: Write + Send> fmt::Debug for ParquetSheet<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ParquetSheet")
            .field("schema", &self.schema)
            .field("row_groups", &self.next)
            .finish_non_exhaustive()
    }
}
