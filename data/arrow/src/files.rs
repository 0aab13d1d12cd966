//! The table of inputs: a row for each.

use std::convert::Infallible;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow_array::builder::{Int64Builder, StringBuilder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::ArrowError;
use carwalk_batch::{
    Check, Delivery, Ending, Input, Inputs, Line, Sender, Settings, Stop, Threads, Worker,
};

use crate::batches::Outlet;
use crate::error::ScanError;
use crate::meter::Meter;
use crate::schema::files_schema;

/// Bytes of a batch. A row has a few hundred.
const BATCH: usize = 16 << 20;

/// A check of all inputs as it is run.
pub(crate) struct FilesJob {
    pub(crate) inputs: Arc<Inputs>,
    pub(crate) settings: Settings,
    pub(crate) batch_rows: usize,
    pub(crate) threads: NonZeroUsize,
    pub(crate) meter: Meter,
}

impl FilesJob {
    /// Checks the inputs, and sends batches.
    pub(crate) fn run(self, outlet: &Outlet, stop: &Stop) {
        let mut table = Table::default();
        let meter = &self.meter;
        let ending = Threads::new(self.threads).stop(stop.clone()).run(
            self.inputs.as_slice(),
            || {
                let meter = Meter::clone(meter);
                Worker::new(self.settings.clone(), stop.clone(), move |bytes| meter(bytes))
            },
            |worker, input, _: &Sender<'_, Infallible, Line>| {
                worker.process(input, &mut Check::new(stop))
            },
            |delivery: Delivery<'_, Input, Infallible, Line>| {
                let Delivery::Result { result: line, .. } = delivery;
                table.push(&line);
                if table.rows < self.batch_rows && table.bytes < BATCH {
                    return ControlFlow::Continue(());
                }
                send(&mut table, outlet)
            },
        );
        if ending == Ending::Complete && table.rows > 0 {
            let _ = send(&mut table, outlet);
        }
    }
}

fn send(table: &mut Table, outlet: &Outlet) -> ControlFlow<()> {
    match table.take() {
        Ok(batch) => outlet.batch(batch),
        Err(error) => outlet.error(ScanError::Arrow(error)),
    }
}

/// Rows that are not a batch yet.
#[derive(Default)]
struct Table {
    path: StringBuilder,
    bytes_of_file: Int64Builder,
    outcome: StringBuilder,
    reason: StringBuilder,
    error: StringBuilder,
    did: StringBuilder,
    rev: StringBuilder,
    commit: StringBuilder,
    records: Int64Builder,
    rows: usize,
    bytes: usize,
}

impl Table {
    fn push(&mut self, line: &Line) {
        let texts = [
            (&mut self.path, Some(line.path.as_str())),
            (&mut self.outcome, Some(line.outcome.name())),
            (&mut self.reason, line.outcome.reason()),
            (&mut self.error, line.error.as_deref()),
            (&mut self.did, line.did.as_deref()),
            (&mut self.rev, line.rev.as_deref()),
            (&mut self.commit, line.commit.as_deref()),
        ];
        for (column, text) in texts {
            column.append_option(text);
            self.bytes = self.bytes.saturating_add(text.map_or(0, str::len));
        }
        let number = |number: Option<u64>| number.and_then(|number| i64::try_from(number).ok());
        self.bytes_of_file.append_option(number(line.bytes));
        self.records.append_option(number(line.records));
        self.rows = self.rows.saturating_add(1);
    }

    fn take(&mut self) -> Result<RecordBatch, ArrowError> {
        (self.rows, self.bytes) = (0, 0);
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.path.finish()),
            Arc::new(self.bytes_of_file.finish()),
            Arc::new(self.outcome.finish()),
            Arc::new(self.reason.finish()),
            Arc::new(self.error.finish()),
            Arc::new(self.did.finish()),
            Arc::new(self.rev.finish()),
            Arc::new(self.commit.finish()),
            Arc::new(self.records.finish()),
        ];
        RecordBatch::try_new(files_schema(), columns)
    }
}
