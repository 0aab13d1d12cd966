//! Ctrl-C while Rust works: signals are looked at ten times a second.

use std::panic;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use carwalk_batch::Stop;
use pyo3::exceptions::{PyKeyboardInterrupt, PyOSError};
use pyo3::prelude::*;

use crate::interpreter;

/// Time between two looks at signals.
pub(crate) const WAIT: Duration = Duration::from_millis(100);

/// Longest wait for threads that were told to end. A thread that reads a silent pipe does not end:
/// it is left alone then.
const PATIENCE: Duration = Duration::from_millis(500);

/// Runs long work in a thread of its own, while this thread looks at signals, without holding the
/// interpreter. The work should end soon after `Stop` is set; its result is dropped then.
///
/// # Errors
///
/// - the exception of a signal's handler: `KeyboardInterrupt` after Ctrl-C
/// - `OSError` if there can be no more threads
pub(crate) fn run<T: Send + 'static>(
    py: Python<'_>,
    work: impl FnOnce(&Stop) -> T + Send + 'static,
) -> PyResult<T> {
    // Loops in C over short calls do not look at signals.
    py.check_signals()?;
    let stop = Stop::new();
    let (sender, ended) = mpsc::sync_channel(1);
    let stop_of_work = stop.clone();
    let worker = thread::Builder::new().name("carwalk".to_owned()).spawn(move || {
        let _ = sender.send(work(&stop_of_work));
    });
    let worker = worker.map_err(PyOSError::new_err)?;
    py.detach(move || match watch(&ended) {
        Ok(Some(result)) => Ok(result),
        Ok(None) => match worker.join() {
            Err(panic) => panic::resume_unwind(panic),
            Ok(()) => Err(PyOSError::new_err("a thread of carwalk ended without a result (a bug)")),
        },
        Err(signal) => {
            stop.set();
            let _ = ended.recv_timeout(PATIENCE);
            Err(signal)
        }
    })
}

/// Waits for a result, or for a signal whose handler raises. `None`: the thread panicked.
fn watch<T>(ended: &Receiver<T>) -> PyResult<Option<T>> {
    loop {
        match ended.recv_timeout(WAIT) {
            Ok(result) => return Ok(Some(result)),
            Err(RecvTimeoutError::Disconnected) => return Ok(None),
            Err(RecvTimeoutError::Timeout) => {
                // At its end, the interpreter has no signals.
                Python::try_attach(|py| py.check_signals()).unwrap_or(Ok(()))?;
            }
        }
    }
}

/// Drops a value whose threads end with it, and waits for them, but not long.
pub(crate) fn drop_patiently<T: Send + 'static>(value: T) {
    let (sender, ended) = mpsc::sync_channel::<()>(1);
    let dropper = thread::Builder::new().name("carwalk".to_owned()).spawn(move || {
        drop(value);
        drop(sender);
    });
    // Without a thread, the value was dropped here. At the end of the interpreter, nobody waits.
    if dropper.is_err() || interpreter::is_ending_elsewhere() {
        return;
    }
    let mut wait = move || ended.recv_timeout(PATIENCE).is_ok();
    // Others can have the interpreter meanwhile.
    if interpreter::attach(|py| py.detach(&mut wait)).is_none() {
        wait();
    }
}

/// Raises the exception of a signal's handler again, soon after the main thread returns to Python.
pub(crate) fn raise_again(py: Python<'_>, signal: PyErr) {
    let is_default = signal.is_instance_of::<PyKeyboardInterrupt>(py) && has_default_handler(py);
    // Consumers that look at signals then raise `KeyboardInterrupt` instead of their own error.
    // Other handlers should not run twice.
    if !is_default || interrupt_again(py).is_err() {
        interpreter::raise_later(signal);
    }
}

/// Returns whether Ctrl-C raises `KeyboardInterrupt` and does nothing else.
fn has_default_handler(py: Python<'_>) -> bool {
    let is_default = |signal: Bound<'_, PyModule>| {
        let handler = signal.call_method1("getsignal", (signal.getattr("SIGINT")?,))?;
        Ok::<_, PyErr>(handler.is(&signal.getattr("default_int_handler")?))
    };
    py.import("signal").and_then(is_default).unwrap_or(false)
}

/// Makes the interpreter see Ctrl-C again.
fn interrupt_again(py: Python<'_>) -> PyResult<()> {
    py.import("_thread")?.call_method0("interrupt_main").map(drop)
}
