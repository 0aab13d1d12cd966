//! The work of a scan in the background: rows from threads, batches to the consumer.

use std::num::NonZeroUsize;
use std::ops::{ControlFlow, Range};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_array::RecordBatch;
use arrow_schema::ArrowError;
use carwalk_batch::staging::{Selection, Staging};
use carwalk_batch::{Delivery, Inputs, Sender, Settings, Stop, Threads, Worker};

use crate::batches::Outlet;
use crate::error::{InputFailure, ScanError};
use crate::gather::Gather;
use crate::groups::groups;
use crate::meter::Meter;
use crate::on_failure::OnFailure;
use crate::rows::{Pool, PooledRows, Table};

/// Bytes of rows that may wait for delivery, for each thread.
const WAITING: u64 = 16 << 20;

/// Approximate bytes of a row, to convert a limit of rows into bytes that may wait.
const ROW: u64 = 64;

/// A scan as it is run.
pub(crate) struct Job {
    pub(crate) inputs: Arc<Inputs>,
    pub(crate) selection: Selection,
    pub(crate) settings: Settings,
    /// Most rows; `u64::MAX` without a limit.
    pub(crate) limit: u64,
    pub(crate) batch_rows: usize,
    pub(crate) threads: NonZeroUsize,
    pub(crate) on_failure: OnFailure,
    pub(crate) meter: Meter,
}

/// A group of inputs, and the failures among them.
type Delivered<'g> = Delivery<'g, Range<usize>, Table, Vec<InputFailure>>;

impl Job {
    /// Reads the inputs, and sends batches and failures.
    pub(crate) fn run(self, outlet: &Outlet, stop: &Stop) {
        let (pool, left) = (Pool::new(self.selection.columns()), AtomicU64::new(self.limit));
        if self.limit == 0 {
            return;
        }
        let mut sink = Sink {
            gather: Gather::new(pool.get(), self.batch_rows, |batch| outlet.batch(batch)),
            pool: &pool,
            outlet,
            left: &left,
            on_failure: self.on_failure,
        };
        let threads = Threads::new(self.threads).waiting(waiting(self.limit)).stop(stop.clone());
        threads.run(
            &groups(self.inputs.as_slice(), self.threads.get()),
            || self.reader(&pool, stop),
            |reader, group, sender| self.read(reader, group, sender, &left, stop),
            |delivery| sink.take(delivery),
        );
        // After an error or the last row of a limit, nothing waits.
        let _ = sink.flush();
    }

    fn reader(&self, pool: &Pool, stop: &Stop) -> Reader {
        let meter = Meter::clone(&self.meter);
        let worker = Worker::new(self.settings.clone(), stop.clone(), move |bytes| meter(bytes));
        Reader { worker, rows: pool.rows() }
    }

    /// Reads a group of inputs, as far as rows are wanted. Returns the failures.
    fn read(
        &self,
        reader: &mut Reader,
        group: &Range<usize>,
        sender: &Sender<'_, Table, Vec<InputFailure>>,
        left: &AtomicU64,
        stop: &Stop,
    ) -> Vec<InputFailure> {
        let Reader { worker, rows } = reader;
        // Rows of earlier groups may still be on their way, so these are at least enough.
        let wanted = left.load(Ordering::Relaxed);
        let mut failures = Vec::new();
        for input in self.inputs.as_slice().get(group.clone()).unwrap_or_default() {
            let send = |table, bytes| sender.send(table, bytes);
            let line = worker.process(input, &mut Staging::new(rows, &self.selection, stop, send));
            failures.extend(InputFailure::of(&line, rows.end_input()));
            let is_last = !failures.is_empty() && self.on_failure == OnFailure::Fail;
            if is_last || stop.is_set() || rows.rows() >= wanted {
                break;
            }
        }
        if let Some((table, bytes)) = rows.flush() {
            // Nobody wants rows of a scan that was stopped.
            let _ = sender.send(table, bytes);
        }
        failures
    }
}

/// Returns how many bytes may wait. With a limit, about as many rows as it allows, so that inputs
/// which are not needed are not read: a thread that has rows waiting takes no others.
fn waiting(limit: u64) -> u64 {
    limit.saturating_mul(ROW).min(WAITING)
}

/// What a thread keeps between inputs.
struct Reader {
    worker: Worker,
    rows: PooledRows,
}

/// Where the rows go.
struct Sink<'o, F> {
    gather: Gather<F>,
    pool: &'o Pool,
    outlet: &'o Outlet,
    /// Rows that are left of the limit. Only the sink changes it.
    left: &'o AtomicU64,
    on_failure: OnFailure,
}

impl<F: FnMut(RecordBatch) -> ControlFlow<()>> Sink<'_, F> {
    fn take(&mut self, delivery: Delivered<'_>) -> ControlFlow<()> {
        match delivery {
            Delivery::Piece { piece, .. } => self.table(piece),
            Delivery::Result { result: failures, .. } => {
                failures.into_iter().try_for_each(|failure| self.failure(failure))
            }
        }
    }

    /// Takes rows, as far as the limit allows.
    fn table(&mut self, mut table: Table) -> ControlFlow<()> {
        let left = self.left.load(Ordering::Relaxed);
        let rows = left.min(table.rows() as u64);
        let left = left.saturating_sub(rows);
        self.left.store(left, Ordering::Relaxed);
        let flow = self.gather.add(&mut table, usize::try_from(rows).unwrap_or(usize::MAX));
        self.checked(flow)?;
        self.pool.put(table);
        if left == 0 {
            self.flush()?;
            return self.outlet.end();
        }
        ControlFlow::Continue(())
    }

    /// Sends a failure. The rows before it are sent first, so that the consumer has them when it
    /// learns of the failure.
    fn failure(&mut self, failure: InputFailure) -> ControlFlow<()> {
        match self.on_failure {
            OnFailure::Fail => {
                self.flush()?;
                self.outlet.failure(failure.clone())?;
                self.outlet.error(ScanError::Input(failure))
            }
            OnFailure::Skip => {
                if failure.rows > 0 {
                    self.flush()?;
                }
                self.outlet.failure(failure)
            }
        }
    }

    fn flush(&mut self) -> ControlFlow<()> {
        let flow = self.gather.flush();
        self.checked(flow)
    }

    fn checked(&self, flow: Result<ControlFlow<()>, ArrowError>) -> ControlFlow<()> {
        flow.unwrap_or_else(|error| self.outlet.error(ScanError::Arrow(error)))
    }
}
