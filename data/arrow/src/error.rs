//! Errors of scans, and the inputs that failed.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow_schema::ArrowError;
use carwalk_batch::{Line, Outcome, Reason};
use thiserror::Error;

/// An input that failed.
///
/// Displays as `path: reason: error`.
///
/// # Examples
///
/// ```
/// use carwalk_arrow::{OnFailure, Scan};
/// use carwalk_batch::{Inputs, Reason};
///
/// let mut inputs = Inputs::new();
/// inputs.add("no-such.car")?;
/// let mut batches = Scan::new(inputs).on_failure(OnFailure::Skip).batches();
/// assert!(batches.next().is_none());
/// let failures = batches.failures();
/// assert_eq!((failures[0].reason, failures[0].rows), (Reason::Io, 0));
/// assert!(failures[0].to_string().starts_with("no-such.car: io: reading failed: "));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InputFailure {
    /// The input: see [`path_name`](carwalk_batch::path_name).
    pub path: String,
    /// Why it failed.
    pub reason: Reason,
    /// The message, one line.
    pub error: String,
    /// The number of its rows that were returned before the failure. With
    /// [`OnFailure::Skip`](crate::OnFailure::Skip) it is 0, unless collections, a range or a limit
    /// narrow the scan, or another process changes the file meanwhile.
    pub rows: u64,
}

impl InputFailure {
    /// Returns the failure of an input, of which `rows` rows were passed on. `None` if it did not
    /// fail.
    pub(crate) fn of(line: &Line, rows: u64) -> Option<Self> {
        let Outcome::Failed(reason) = line.outcome else { return None };
        let error = line.error.clone().unwrap_or_default();
        Some(InputFailure { path: line.path.clone(), reason, error, rows })
    }
}

impl fmt::Display for InputFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.path, self.reason.name(), self.error)
    }
}

/// The list of inputs that have failed in a scan so far. Clones share the list.
///
/// # Examples
///
/// ```
/// use carwalk_arrow::{OnFailure, Scan};
/// use carwalk_batch::Inputs;
///
/// let mut inputs = Inputs::new();
/// inputs.add("no-such.car")?;
/// let batches = Scan::new(inputs).on_failure(OnFailure::Skip).batches();
/// let failures = batches.failures_handle();
/// assert!(failures.is_empty());
/// assert_eq!(batches.into_reader().count(), 0);
/// assert_eq!(failures.list()[0].path, "no-such.car");
/// # Ok::<(), carwalk_batch::ListError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Failures {
    list: Arc<Mutex<Vec<InputFailure>>>,
}

impl Failures {
    /// Returns the failures, in the order of the inputs.
    #[must_use]
    pub fn list(&self) -> Vec<InputFailure> {
        self.lock().clone()
    }

    /// Returns the number of failures, in constant time.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Returns whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn push(&self, failure: InputFailure) {
        self.lock().push(failure);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<InputFailure>> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The error of a scan.
///
/// Converts into an [`ArrowError`].
///
/// # Examples
///
/// ```
/// use carwalk_arrow::{Scan, ScanError};
/// use carwalk_batch::Inputs;
///
/// let mut inputs = Inputs::new();
/// inputs.add("no-such.car")?;
/// let error = Scan::new(inputs).batches().next().unwrap().unwrap_err();
/// assert!(matches!(error, ScanError::Input(_)));
/// assert_eq!(error.path(), Some("no-such.car"));
/// assert_eq!(error.to_string(), format!("no-such.car: io: {}", error.message()));
/// # Ok::<(), carwalk_batch::ListError>(())
/// ```
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ScanError {
    /// An input failed. Displays as `path: reason: error`.
    #[error("{0}")]
    Input(InputFailure),
    /// The name of a collection is empty or has a character that is not allowed.
    #[error("{name:?} is not the name of a collection: {error}")]
    Collection {
        /// The name.
        name: String,
        /// The error.
        #[source]
        error: carwalk::Error,
    },
    /// No key can be selected: the range is empty, or none of the collections overlaps it.
    #[error("no key can be selected: the range is empty, or no collection overlaps it")]
    NoKeys,
    /// The threads could not be started.
    #[error("cannot start a thread: {0}")]
    Thread(#[source] io::Error),
    /// A batch could not be built.
    #[error("cannot build a batch: {0}")]
    Arrow(#[from] ArrowError),
    /// A thread panicked, which is a bug in carwalk.
    #[error("a thread panicked: {0}")]
    Panicked(String),
}

impl ScanError {
    /// Returns the input that failed: see [`path_name`](carwalk_batch::path_name). `None` if the
    /// error is not about an input.
    #[must_use]
    pub fn path(&self) -> Option<&str> {
        self.failure().map(|failure| failure.path.as_str())
    }

    /// Returns why the input failed. `None` if the error is not about an input.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        self.failure().map(|failure| failure.reason)
    }

    /// Returns the message, without the path and the reason.
    #[must_use]
    pub fn message(&self) -> String {
        self.failure().map_or_else(|| self.to_string(), |failure| failure.error.clone())
    }

    fn failure(&self) -> Option<&InputFailure> {
        match self {
            ScanError::Input(failure) => Some(failure),
            _ => None,
        }
    }
}

impl From<ScanError> for ArrowError {
    fn from(error: ScanError) -> Self {
        match error {
            ScanError::Arrow(error) => error,
            error => ArrowError::ExternalError(Box::new(error)),
        }
    }
}
