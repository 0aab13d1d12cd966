//! A warning while more of the input is read to explain an error: a pipe may stall.

use std::io::Write;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use carwalk::Error;

use crate::failure::YELLOW;

/// Time after which the warning is printed. Reading takes this long only if the input is slow or
/// huge.
const PATIENCE: Duration = Duration::from_secs(5);

/// Stack of the waiting thread, in bytes.
const STACK_LEN: usize = 1 << 17;

/// Prints the warning unless it is dropped in time.
pub(super) struct Delay {
    /// Dropping it ends the thread.
    _done: mpsc::Sender<()>,
}

impl Delay {
    pub(super) fn after(error: &Error) -> Self {
        let (done, is_done) = mpsc::channel();
        let error = error.to_string();
        let wait = move || {
            if is_done.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
                let _ = writeln!(
                    anstream::stderr().lock(),
                    "{YELLOW}warning:{YELLOW:#} waiting for more of the input, to explain this \
                     error: {error}"
                );
            }
        };
        // If no thread can be started, there is no warning.
        let _ = thread::Builder::new().stack_size(STACK_LEN).spawn(wait);
        Delay { _done: done }
    }
}
