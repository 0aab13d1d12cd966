//! The interpreter, from threads that may not hold it, and at its end.
#![allow(unsafe_code)]

use std::ffi::{c_int, c_void};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

/// Whether the interpreter is ending.
static ENDING: AtomicBool = AtomicBool::new(false);

/// The thread that ends the interpreter: the main thread.
static ENDER: OnceLock<ThreadId> = OnceLock::new();

/// The number of threads that are [`Busy`].
static BUSY: AtomicUsize = AtomicUsize::new(0);

/// The number of imported modules when [`end`] was registered last.
static MODULES: AtomicUsize = AtomicUsize::new(0);

/// Longest wait for threads that are [`Busy`] when the interpreter ends.
const PATIENCE: Duration = Duration::from_millis(500);

/// Time between two looks at the number of these threads.
const PAUSE: Duration = Duration::from_millis(5);

/// Takes the interpreter and calls `work`. Returns `None` if this thread may not wait for the
/// interpreter.
///
/// Only Python's threads may. A consumer can hold the interpreter while it waits for its own
/// threads, which Python does not know, and then they would wait for each other. At the end of the
/// interpreter, only the thread that ends it may.
pub(crate) fn attach<T>(work: impl FnOnce(Python<'_>) -> T) -> Option<T> {
    if !is_python_thread() {
        return None;
    }
    // Counted first: the end then either waits for this thread or is seen here.
    let _busy = Busy::new();
    if is_ending_elsewhere() { None } else { Python::try_attach(work) }
}

/// Returns whether this thread has a Python thread state: it runs Python code, and holds the
/// interpreter or released it on the way here.
fn is_python_thread() -> bool {
    // SAFETY: the function reads a thread-local variable. It may be called in any thread, with and
    // without the interpreter, also before it begins and after it ends. The pointer is not used.
    !unsafe { ffi::PyGILState_GetThisThreadState() }.is_null()
}

/// Raises an exception in the main thread as soon as it runs Python code.
pub(crate) fn raise_later(error: PyErr) {
    let error = Box::into_raw(Box::new(error)).cast::<c_void>();
    // SAFETY: the interpreter calls `raise` with the pointer, at most once. The function may be
    // called in any thread.
    let added = unsafe { ffi::Py_AddPendingCall(Some(raise), error) };
    if added != 0 {
        // Too many calls wait. The consumer's error is all that is seen.
        // SAFETY: the pointer is that of the box, and nobody else has it.
        drop(unsafe { Box::from_raw(error.cast::<PyErr>()) });
    }
}

extern "C" fn raise(error: *mut c_void) -> c_int {
    // SAFETY: the pointer is that of a box of `raise_later`, and the interpreter gives it once.
    let error = unsafe { Box::from_raw(error.cast::<PyErr>()) };
    Python::attach(|py| error.restore(py));
    -1
}

/// Returns whether another thread ends the interpreter.
pub(crate) fn is_ending_elsewhere() -> bool {
    ENDING.load(Ordering::SeqCst) && ENDER.get() != Some(&thread::current().id())
}

/// A thread that waits for the interpreter or for a batch: the end of the interpreter waits for it.
#[derive(Debug)]
pub(crate) struct Busy(());

impl Busy {
    /// Begins now.
    pub(crate) fn new() -> Self {
        BUSY.fetch_add(1, Ordering::SeqCst);
        Busy(())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        BUSY.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The time in which something was made: before the interpreter ends, or while it does.
#[derive(Debug)]
pub(crate) struct Life {
    is_late: bool,
}

impl Life {
    /// Begins now.
    pub(crate) fn new() -> Self {
        Life { is_late: ENDING.load(Ordering::SeqCst) }
    }

    /// Returns whether the interpreter has begun to end since, in another thread.
    pub(crate) fn is_over(&self) -> bool {
        !self.is_late && is_ending_elsewhere()
    }
}

/// Registers [`end`] as the first of the functions that Python calls when it ends, before those of
/// other modules, which may wait for queries that read our streams.
pub(crate) fn watch_end(py: Python<'_>) -> PyResult<()> {
    static END: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    // Other modules register their functions when they are imported.
    let modules = py.import("sys")?.getattr("modules")?.len()?;
    if MODULES.swap(modules, Ordering::Relaxed) == modules {
        return Ok(());
    }
    let end = END.get_or_try_init(py, || {
        wrap_pyfunction!(end, py).map(|function| function.into_any().unbind())
    })?;
    let atexit = py.import("atexit")?;
    atexit.call_method1("unregister", (end,))?;
    atexit.call_method1("register", (end,))?;
    Ok(())
}

/// Ends the streams that other threads read, and waits for these threads, but not long.
#[pyfunction]
fn end(py: Python<'_>) {
    let _ = ENDER.set(thread::current().id());
    ENDING.store(true, Ordering::SeqCst);
    py.detach(|| {
        let begun = Instant::now();
        while BUSY.load(Ordering::SeqCst) > 0 && begun.elapsed() < PATIENCE {
            thread::sleep(PAUSE);
        }
    });
}
