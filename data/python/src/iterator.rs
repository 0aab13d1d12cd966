//! An iterator over the batches of a scan.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use pyo3::exceptions::{PyRuntimeError, PyStopIteration};
use pyo3::prelude::*;

use crate::batch::Batch;
use crate::errors::of_scan;
use crate::running::{Fault, Polled, ProcessId, Running, lock};
use crate::signals::WAIT;

/// An iterator over the batches of a scan, which begins at the first one.
///
/// Several threads can share it: each batch is returned once.
#[pyclass(frozen, module = "carwalk")]
#[derive(Debug)]
pub(crate) struct BatchIterator {
    /// `None` while a thread waits for a batch.
    running: Mutex<Option<Running>>,
    /// Notified when a thread has waited.
    returned: Condvar,
    is_interrupted: AtomicBool,
    /// The process that asked first. After a fork, the scan may be with a thread that the new
    /// process does not have.
    process: ProcessId,
}

impl BatchIterator {
    pub(crate) fn new(running: Running) -> Self {
        BatchIterator {
            running: Mutex::new(Some(running)),
            returned: Condvar::new(),
            is_interrupted: AtomicBool::new(false),
            process: ProcessId::default(),
        }
    }

    /// Waits for the next batch, but not long.
    fn poll(&self) -> Polled {
        if !self.process.is_here() {
            return Poll::Ready(Some(Err(Fault::OtherProcess)));
        }
        match self.turn(WAIT) {
            Some(mut turn) => turn.poll(),
            None => Poll::Pending,
        }
    }

    /// Ends the scan early, at once or when the thread that waits for a batch has waited.
    fn interrupt(&self) {
        self.is_interrupted.store(true, Ordering::SeqCst);
        if self.process.is_here() {
            drop(self.turn(Duration::ZERO));
        }
    }

    /// Waits for the scan, which another thread may have, at most so long.
    fn turn(&self, wait: Duration) -> Option<Turn<'_>> {
        let running = self.take(wait)?;
        let mut turn = Turn { iterator: self, running: Some(running) };
        if self.is_interrupted.load(Ordering::SeqCst) {
            turn.interrupt();
        }
        Some(turn)
    }

    fn take(&self, wait: Duration) -> Option<Running> {
        let running = lock(&self.running);
        let waited = self.returned.wait_timeout_while(running, wait, |running| running.is_none());
        let (mut running, _) = waited.unwrap_or_else(PoisonError::into_inner);
        running.take()
    }
}

/// The scan in the hands of one thread. Dropping it returns the scan.
struct Turn<'a> {
    iterator: &'a BatchIterator,
    /// `None` only when it is dropped.
    running: Option<Running>,
}

impl Turn<'_> {
    fn poll(&mut self) -> Polled {
        self.running.as_mut().map_or(Poll::Ready(None), |running| running.poll(WAIT))
    }

    fn interrupt(&mut self) {
        if let Some(running) = &mut self.running {
            running.interrupt();
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        *lock(&self.iterator.running) = self.running.take();
        self.iterator.returned.notify_one();
    }
}

#[pymethods]
impl BatchIterator {
    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Batch>> {
        loop {
            if let Poll::Ready(batch) = self.poll_with_signals(py) {
                return batch.transpose();
            }
        }
    }

    /// Waits for the next batch, at most about a tenth of a second. Returns `None` if there is none
    /// yet. Raises `StopIteration` at the end. For the engines of this package.
    #[pyo3(name = "_poll")]
    fn poll_once(&self, py: Python<'_>) -> PyResult<Option<Batch>> {
        match self.poll_with_signals(py) {
            Poll::Ready(Some(batch)) => batch.map(Some),
            Poll::Ready(None) => Err(PyStopIteration::new_err(())),
            Poll::Pending => Ok(None),
        }
    }
}

impl BatchIterator {
    /// Looks at signals, then waits for the next batch, but not long.
    fn poll_with_signals(&self, py: Python<'_>) -> Poll<Option<PyResult<Batch>>> {
        // Each time: loops in C over the batches do not look at signals.
        if let Err(signal) = py.check_signals() {
            py.detach(|| self.interrupt());
            return Poll::Ready(Some(Err(signal)));
        }
        py.detach(|| self.poll()).map(|polled| {
            polled.map(|batch| match batch {
                Ok(batch) => Ok(Batch::new(batch)),
                Err(Fault::Scan(error)) => Err(of_scan(py, &error)),
                Err(fault) => Err(PyRuntimeError::new_err(fault.to_string())),
            })
        })
    }
}
