//! An iterator over the records of a repository.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use carwalk::RepoPathBuf;
use carwalk_batch::Failure;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::sync::MutexExt;

use super::walk::{self, Taken};
use super::{Opened, Shared};
use crate::record::Record;
use crate::running::ProcessId;

/// An iterator over the records of a repository, in the order of their keys.
///
/// Several threads can share it: each record is returned once.
#[pyclass(frozen, module = "carwalk")]
#[derive(Debug)]
pub(crate) struct RecordIterator {
    shared: Arc<Shared>,
    state: Mutex<State>,
    process: ProcessId,
}

#[derive(Debug, Default)]
struct State {
    piece: VecDeque<Taken>,
    /// The last path of all pieces so far.
    last: Option<RepoPathBuf>,
    /// The error after the piece.
    failure: Option<Failure>,
    /// Whether there is no piece after this one.
    is_last: bool,
}

impl RecordIterator {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        RecordIterator { shared, state: Mutex::default(), process: ProcessId::default() }
    }

    /// Locks the state. A thread that panicked cannot have left it in the middle of a change.
    fn lock(&self, py: Python<'_>) -> PyResult<MutexGuard<'_, State>> {
        if self.process.is_here() {
            return Ok(self.state.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner));
        }
        let state = match self.state.try_lock() {
            Ok(state) => state,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => {
                let message = "another thread was reading records when this process was forked: \
                               iterate over the Repo again";
                return Err(PyRuntimeError::new_err(message));
            }
        };
        self.process.set_here();
        Ok(state)
    }
}

impl State {
    /// Takes the next piece.
    fn fill(&mut self, opened: &Opened) {
        let last = self.last.as_ref();
        let (records, result) = each!(opened, repo => walk::piece(repo, last));
        self.is_last = records.is_empty() || result.is_err();
        self.failure = result.err().map(Failure::from);
        if let Some((path, ..)) = records.last() {
            self.last = Some(path.clone());
        }
        self.piece = records.into();
    }
}

#[pymethods]
impl RecordIterator {
    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Record>> {
        // Loops in C over the records do not look at signals.
        py.check_signals()?;
        let shared = &self.shared;
        let mut state = self.lock(py)?;
        if state.piece.is_empty() && !state.is_last {
            let filling = &mut *state;
            py.detach(|| filling.fill(&shared.opened));
        }
        if let Some(taken) = state.piece.pop_front() {
            return Ok(Some(shared.record(py, taken)));
        }
        match state.failure.take() {
            Some(failure) => Err(shared.error(py, &failure)),
            None => Ok(None),
        }
    }
}
