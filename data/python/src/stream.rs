//! A scan as a C stream.

use std::task::Poll;
use std::time::{Duration, Instant};

use arrow_array::{RecordBatch, RecordBatchReader};
use arrow_schema::{ArrowError, SchemaRef};
use pyo3::prelude::*;

use crate::interpreter::{self, Busy, Life};
use crate::running::{Fault, Polled, Running};
use crate::signals::{self, WAIT};

/// A scan that a consumer reads, from any thread, with or without the interpreter.
///
/// Consumers do not look at signals while they read, so this does, about ten times a second. Python
/// runs the handlers of signals in its main thread only. While this waits for a batch in a thread
/// of Python, other threads can have the interpreter.
///
/// At the end of the interpreter, a stream that another thread reads ends with an error: the
/// functions that Python calls then may wait for that thread.
#[derive(Debug)]
pub(crate) struct Stream {
    running: Running,
    schema: SchemaRef,
    life: Life,
    /// When signals were looked at.
    looked: Instant,
}

impl Stream {
    pub(crate) fn new(running: Running, schema: SchemaRef) -> Self {
        Stream { running, schema, life: Life::new(), looked: Instant::now() }
    }

    /// Waits for the next batch, but not long.
    fn wait(&mut self) -> Polled {
        if self.life.is_over() {
            return Poll::Ready(Some(Err(Fault::Ending)));
        }
        let running = &mut self.running;
        if self.looked.elapsed() >= WAIT {
            self.looked = Instant::now();
            if let Some(Err(fault)) = interpreter::attach(|py| check_signals(py, running)) {
                return Poll::Ready(Some(Err(fault)));
            }
        }
        let running = &mut self.running;
        if let ready @ Poll::Ready(_) = running.poll(Duration::ZERO) {
            return ready;
        }
        // The consumer may hold the interpreter.
        match interpreter::attach(|py| py.detach(|| running.poll(WAIT))) {
            Some(polled) => polled,
            None => self.running.poll(WAIT),
        }
    }
}

/// Runs the handlers of signals. If one raises, as that of Ctrl-C does, the scan ends. The consumer
/// can only be given an error, so the exception is raised again when the consumer returns.
fn check_signals(py: Python<'_>, running: &mut Running) -> Result<(), Fault> {
    py.check_signals().map_err(|signal| {
        py.detach(|| running.interrupt());
        signals::raise_again(py, signal);
        Fault::Interrupted
    })
}

impl Iterator for Stream {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        let _busy = Busy::new();
        loop {
            if let Poll::Ready(polled) = self.wait() {
                return polled.map(|batch| batch.map_err(external));
            }
        }
    }
}

impl RecordBatchReader for Stream {
    fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&self.schema)
    }
}

fn external(fault: Fault) -> ArrowError {
    ArrowError::ExternalError(Box::new(fault))
}
