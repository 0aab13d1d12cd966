//! Ctrl-C during long work: first the work ends in order, then the process.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use carwalk_batch::Stop;
use signal_hook::consts::SIGINT;
use signal_hook::{flag, low_level};

/// Time between two looks at the flag.
const STRIDE: Duration = Duration::from_millis(100);

/// Time for the work to end. A read from a pipe or a network may take longer.
const PATIENCE: Duration = Duration::from_millis(600);

/// Whether the user pressed Ctrl-C.
pub(crate) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Watches for Ctrl-C from now on. Pressed twice, it ends the process at once; pressed once,
    /// the process ends when the work has ended, or within a second.
    pub(crate) fn watch() -> Self {
        Self::watch_with(|| {})
    }

    /// Does so too. `clean` is called if the work has not ended within a second, on another thread.
    pub(crate) fn watch_with(clean: impl FnOnce() + Send + 'static) -> Self {
        let flag = Arc::new(AtomicBool::new(false));
        // In this order, the first signal sets the flag and the second ends the process. Without
        // handlers, each ends it.
        let second = flag::register_conditional_default(SIGINT, Arc::clone(&flag));
        if second.and_then(|_| flag::register(SIGINT, Arc::clone(&flag))).is_ok() {
            let watched = Arc::clone(&flag);
            thread::spawn(move || end_late(&watched, clean));
        }
        Interrupt(flag)
    }

    /// Returns the flag for a batch.
    pub(crate) fn stop(&self) -> Stop {
        Stop::watching(Arc::clone(&self.0))
    }

    /// Ends the process as the signal does, if it came.
    pub(crate) fn end(&self) {
        if self.0.load(Ordering::Relaxed) {
            end();
        }
    }
}

/// Ends the process some time after the signal.
fn end_late(flag: &AtomicBool, clean: impl FnOnce()) {
    while !flag.load(Ordering::Relaxed) {
        thread::sleep(STRIDE);
    }
    thread::sleep(PATIENCE);
    clean();
    end();
}

fn end() {
    // If that fails, the work goes on to its regular end.
    let _ = low_level::emulate_default_handler(SIGINT);
}
