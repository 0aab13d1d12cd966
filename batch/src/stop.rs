//! Ending a batch early.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::outcome::Failure;

/// A flag that ends a batch. Its clones are one flag.
///
/// Workers look at it while they wait, during loads about every MiB, and wherever their caller
/// calls [`check`](Stop::check): once per row is cheap. Once it is set, nothing more is delivered,
/// so nobody sees what a worker returns that gave up.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicBool, Ordering};
///
/// use carwalk_batch::Stop;
///
/// // A signal handler sets this flag.
/// let interrupted = Arc::new(AtomicBool::new(false));
/// let stop = Stop::watching(Arc::clone(&interrupted));
/// assert!(stop.check().is_ok());
/// interrupted.store(true, Ordering::Relaxed);
/// assert!(stop.is_set() && stop.check().is_err());
/// ```
#[derive(Clone, Debug, Default)]
pub struct Stop {
    flag: Arc<AtomicBool>,
    /// The flag of somebody else, which is only read.
    other: Arc<AtomicBool>,
}

impl Stop {
    /// Creates a flag that is not set.
    #[must_use]
    pub fn new() -> Self {
        Stop::default()
    }

    /// Creates a flag that is also set if `other` is. `other` itself is never changed.
    #[must_use]
    pub fn watching(other: Arc<AtomicBool>) -> Self {
        Stop { flag: Arc::default(), other }
    }

    /// Sets the flag.
    pub fn set(&self) {
        self.flag.store(true, Ordering::Relaxed);
    }

    /// Returns whether the flag is set.
    #[inline]
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.flag.load(Ordering::Relaxed) || self.other.load(Ordering::Relaxed)
    }

    /// Returns an error if the flag is set: for the loops of long walks.
    ///
    /// # Errors
    ///
    /// [`Failure::stopped`] if the flag is set.
    #[inline]
    pub fn check(&self) -> Result<(), Failure> {
        if self.is_set() { Err(Failure::stopped()) } else { Ok(()) }
    }
}
