//! Scans: what they read, and one that runs.

use std::process;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;
use std::{fmt, mem};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use carwalk_arrow::{Batches, Failures, InputFailure, Scan, ScanError, files_schema};
use pyo3::prelude::*;

use crate::signals;

/// The number of scans that began.
static BEGUN: AtomicU64 = AtomicU64::new(0);

/// Returns how many scans have begun in this process. For tests.
#[pyfunction]
#[pyo3(name = "_scans_begun")]
pub(crate) fn scans_begun() -> u64 {
    BEGUN.load(Ordering::Relaxed)
}

/// What a scan reads: rows of records or of files.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    Records(Scan),
    Files(Scan),
}

impl Source {
    /// Returns the batches of a new scan, which has not begun.
    fn batches(&self) -> Batches {
        match self {
            Source::Records(scan) => scan.batches(),
            Source::Files(scan) => scan.files(),
        }
    }

    /// Returns the columns.
    pub(crate) fn schema(&self) -> SchemaRef {
        match self {
            Source::Records(scan) => scan.schema(),
            Source::Files(_) => files_schema(),
        }
    }
}

/// The failures of the scan that began last.
#[derive(Clone, Debug, Default)]
pub(crate) struct LastFailures(Arc<Mutex<Failures>>);

impl LastFailures {
    /// Returns the failures so far.
    pub(crate) fn list(&self) -> Vec<InputFailure> {
        lock(&self.0).list()
    }

    fn set(&self, failures: Failures) {
        *lock(&self.0) = failures;
    }
}

/// One scan. It begins when it is polled for the first time.
///
/// Dropping it ends its threads.
pub(crate) struct Running {
    state: State,
    last: LastFailures,
}

enum State {
    New(Source),
    Begun {
        batches: Batches,
        /// The process that began it: its threads are not in others.
        process: u32,
    },
    /// All batches, or an error, were returned.
    Ended,
    /// It was ended early, and not all was returned.
    Interrupted,
}

/// Why there is no next batch.
#[derive(Debug)]
pub(crate) enum Fault {
    Scan(ScanError),
    /// It was interrupted before.
    Interrupted,
    /// It began before a fork.
    OtherProcess,
    /// The interpreter is ending.
    Ending,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Scan(error) => error.fmt(f),
            Fault::Interrupted => f.write_str("the scan was interrupted"),
            Fault::OtherProcess => f.write_str(
                "the scan began before a fork, in another process: start a new scan of the Records",
            ),
            Fault::Ending => f.write_str("the interpreter is ending"),
        }
    }
}

impl std::error::Error for Fault {}

/// What polling returns: the next batch, the end, or nothing yet.
pub(crate) type Polled = Poll<Option<Result<RecordBatch, Fault>>>;

impl Running {
    pub(crate) fn new(source: Source, last: LastFailures) -> Self {
        Running { state: State::New(source), last }
    }

    /// Waits for the next batch, at most so long. After an error the scan has ended.
    pub(crate) fn poll(&mut self, wait: Duration) -> Polled {
        if let State::New(source) = &self.state {
            let (batches, process) = (source.batches(), process::id());
            BEGUN.fetch_add(1, Ordering::Relaxed);
            self.last.set(batches.failures_handle());
            self.state = State::Begun { batches, process };
        }
        let batches = match &mut self.state {
            State::Begun { process, .. } if *process != process::id() => {
                return Poll::Ready(Some(Err(Fault::OtherProcess)));
            }
            State::Begun { batches, .. } => batches,
            State::Interrupted => return Poll::Ready(Some(Err(Fault::Interrupted))),
            State::New(_) | State::Ended => return Poll::Ready(None),
        };
        match batches.poll(wait) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some(Ok(batch))) => Poll::Ready(Some(Ok(batch))),
            Poll::Ready(Some(Err(error))) => {
                mem::replace(&mut self.state, State::Ended).end();
                Poll::Ready(Some(Err(Fault::Scan(error))))
            }
            Poll::Ready(None) => {
                // Its threads have ended.
                self.state = State::Ended;
                Poll::Ready(None)
            }
        }
    }

    /// Ends the scan early. From now on, polling returns `Interrupted`.
    pub(crate) fn interrupt(&mut self) {
        let old = mem::replace(&mut self.state, State::Interrupted);
        if matches!(old, State::Ended) {
            self.state = old;
        } else {
            old.end();
        }
    }
}

impl State {
    fn end(self) {
        match self {
            // The threads are those of the other process: waiting for them would never end.
            State::Begun { batches, process, .. } if process != process::id() => {
                mem::forget(batches);
            }
            State::Begun { batches, .. } => signals::drop_patiently(batches),
            State::New(_) | State::Ended | State::Interrupted => {}
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        mem::replace(&mut self.state, State::Ended).end();
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::New(_) => "New",
            State::Begun { .. } => "Begun",
            State::Ended => "Ended",
            State::Interrupted => "Interrupted",
        };
        f.debug_struct("Running").field("state", &state).finish_non_exhaustive()
    }
}

/// The process that asked first, for objects that threads share: after a fork, the new process does
/// not have the other threads.
#[derive(Debug, Default)]
pub(crate) struct ProcessId(AtomicU32);

impl ProcessId {
    /// Returns whether this is the process that asked first.
    pub(crate) fn is_here(&self) -> bool {
        let here = process::id();
        match self.0.compare_exchange(0, here, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => true,
            Err(process) => process == here,
        }
    }

    /// Makes this process the one that asked first.
    pub(crate) fn set_here(&self) {
        self.0.store(process::id(), Ordering::Relaxed);
    }
}

/// Locks a mutex. What it guards is whole at any time, so a panic of another thread is no matter.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
