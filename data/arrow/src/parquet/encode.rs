//! Encoding of row groups, on the calling thread or on others.

use std::io;
use std::panic;
use std::sync::mpsc::{self, Sender};
use std::thread::{self, JoinHandle};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowColumnWriter, compute_leaves};
use parquet::errors::{ParquetError, Result};

/// The chunks of a row group, one for each column.
pub(super) type Chunks = Vec<ArrowColumnChunk>;

/// Encodes the batches of a row group.
pub(super) struct Encoder {
    /// One for each column.
    writers: Vec<ArrowColumnWriter>,
    schema: SchemaRef,
}

impl Encoder {
    pub(super) fn new(writers: Vec<ArrowColumnWriter>, schema: SchemaRef) -> Self {
        Encoder { writers, schema }
    }

    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let columns = self.schema.fields().iter().zip(batch.columns());
        for (writer, (field, array)) in self.writers.iter_mut().zip(columns) {
            for leaf in compute_leaves(field, array)? {
                writer.write(&leaf)?;
            }
        }
        Ok(())
    }

    fn close(self) -> Result<Chunks> {
        self.writers.into_iter().map(ArrowColumnWriter::close).collect()
    }
}

/// Where a row group is encoded.
pub(super) enum Lane {
    /// On the calling thread.
    Here(Encoder),
    /// On a thread of its own, until the sender is dropped.
    There(Option<Sender<RecordBatch>>, JoinHandle<Result<Chunks>>),
}

impl Lane {
    /// Begins a thread.
    pub(super) fn there(mut encoder: Encoder) -> io::Result<Self> {
        let (sender, batches) = mpsc::channel::<RecordBatch>();
        let builder = thread::Builder::new().name("parquet".to_owned());
        let thread = builder.spawn(move || {
            for batch in batches {
                encoder.write(&batch)?;
            }
            encoder.close()
        })?;
        Ok(Lane::There(Some(sender), thread))
    }

    pub(super) fn write(&mut self, batch: RecordBatch) -> Result<()> {
        match self {
            Lane::Here(encoder) => encoder.write(&batch)?,
            Lane::There(Some(sender), _) => {
                // A thread that failed receives nothing. `wait` returns its error.
                let _ = sender.send(batch);
            }
            Lane::There(None, _) => {}
        }
        Ok(())
    }

    /// Ends the batches.
    pub(super) fn end(&mut self) {
        if let Lane::There(sender, _) = self {
            *sender = None;
        }
    }

    /// Returns whether [`wait`](Lane::wait) returns at once.
    pub(super) fn is_done(&self) -> bool {
        match self {
            Lane::Here(_) => true,
            Lane::There(_, thread) => thread.is_finished(),
        }
    }

    /// Waits until all batches are encoded. A panic continues here.
    pub(super) fn wait(mut self) -> Result<Chunks> {
        self.end();
        match self {
            Lane::Here(encoder) => encoder.close(),
            Lane::There(_, thread) => {
                thread.join().unwrap_or_else(|payload| panic::resume_unwind(payload))
            }
        }
    }
}

/// Converts an error. An I/O error inside is returned unchanged.
pub(super) fn io_error(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(source) => match source.downcast::<io::Error>() {
            Ok(error) => *error,
            Err(source) => io::Error::other(source),
        },
        error => io::Error::other(error),
    }
}
