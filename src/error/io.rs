//! Errors of `std::io`: their kind, and conversions from and to them.

use std::io;

use super::{Error, ErrorClass, ErrorKind};

impl Error {
    /// Returns the kind of the first I/O error among the causes, whether it came from a stream, a
    /// file, an output or a store. `None` if there is none.
    ///
    /// # Examples
    ///
    /// ```
    /// let error = carwalk::Repo::from_path("no/such.car").unwrap_err();
    /// assert_eq!(error.io_kind(), Some(std::io::ErrorKind::NotFound));
    /// ```
    #[must_use]
    pub fn io_kind(&self) -> Option<io::ErrorKind> {
        std::error::Error::source(self).and_then(io_kind)
    }
}

/// Converts the error of a stream: the kind is `Io`. With `?`, errors of `std::io` can be returned
/// as errors of this library.
///
/// # Examples
///
/// ```
/// use carwalk::{Error, ErrorClass};
/// use std::io;
///
/// let error = Error::from(io::Error::from(io::ErrorKind::TimedOut));
/// assert_eq!(error.class(), ErrorClass::Io);
/// ```
impl From<io::Error> for Error {
    #[cold]
    fn from(source: io::Error) -> Self {
        Error::new(ErrorKind::Io(source))
    }
}

/// Returns the kind of the first I/O error among an error and its causes.
fn io_kind(error: &(dyn std::error::Error + 'static)) -> Option<io::ErrorKind> {
    let mut causes = core::iter::successors(Some(error), |error| error.source());
    causes.find_map(|error| error.downcast_ref::<io::Error>().map(io::Error::kind))
}

/// Converts into an I/O error that has this error as its source.
///
/// | class | kind of the I/O error |
/// |---|---|
/// | `Io`, `Environment` | that of the underlying I/O error; without one, `Other` |
/// | `Environment`, an invalid spill file | `InvalidData` |
/// | `Invalid`, `Missing`, `Limit` | `InvalidData` |
/// | `Truncated` | `UnexpectedEof` |
/// | `Caller` | `InvalidInput` |
/// | `Cancelled` | `Other` |
///
/// # Examples
///
/// ```
/// use std::io;
///
/// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
/// let cut = carwalk::Repo::from_slice(&bytes[..1000]).unwrap_err();
/// assert_eq!(io::Error::from(cut).kind(), io::ErrorKind::UnexpectedEof);
/// ```
impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match error.class() {
            ErrorClass::Truncated => io::ErrorKind::UnexpectedEof,
            ErrorClass::Caller => io::ErrorKind::InvalidInput,
            ErrorClass::Cancelled => io::ErrorKind::Other,
            ErrorClass::Environment if matches!(error.kind(), ErrorKind::InvalidSpillFile(_)) => {
                io::ErrorKind::InvalidData
            }
            ErrorClass::Environment | ErrorClass::Io => {
                error.io_kind().unwrap_or(io::ErrorKind::Other)
            }
            ErrorClass::Invalid | ErrorClass::Missing | ErrorClass::Limit => {
                io::ErrorKind::InvalidData
            }
        };
        io::Error::new(kind, error)
    }
}
