//! A row group until it is in the file.

use arrow_array::RecordBatch;
use parquet::errors::Result;

use super::encode::{Chunks, Lane};
use crate::gather::bytes;

/// Most rows of a row group with several batches.
const MOST_ROWS: usize = 1 << 20;

/// Most bytes of the values of a row group with several batches.
const MOST_BYTES: usize = 32 << 20;

/// A row group while it is encoded.
pub(super) struct Group {
    lane: Lane,
    rows: usize,
    /// The bytes of the values of all batches, also of those that are encoded.
    bytes: usize,
}

impl Group {
    pub(super) fn new(lane: Lane) -> Self {
        Group { lane, rows: 0, bytes: 0 }
    }

    /// Returns whether a batch must begin another row group.
    pub(super) fn is_full_for(&self, batch: &RecordBatch) -> bool {
        let rows = self.rows.saturating_add(batch.num_rows());
        let bytes = self.bytes.saturating_add(bytes(batch, batch.num_rows()));
        self.rows > 0 && (rows > MOST_ROWS || bytes > MOST_BYTES)
    }

    pub(super) fn write(&mut self, batch: RecordBatch) -> Result<()> {
        self.rows = self.rows.saturating_add(batch.num_rows());
        self.bytes = self.bytes.saturating_add(bytes(&batch, batch.num_rows()));
        self.lane.write(batch)
    }

    /// Ends the batches.
    pub(super) fn end(&mut self) {
        self.lane.end();
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes as u64
    }

    /// Returns whether [`wait`](Group::wait) returns at once.
    pub(super) fn is_done(&self) -> bool {
        self.lane.is_done()
    }

    /// Waits until it is encoded.
    pub(super) fn wait(self) -> Result<Chunks> {
        self.lane.wait()
    }
}
