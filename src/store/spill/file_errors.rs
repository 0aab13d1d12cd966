//! The errors of a spill file.

use core::fmt;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::{Error, Result, SpillFileFault};

/// Converts the errors of a file and names the file in them. Its backend and its store share one.
#[derive(Clone)]
pub(super) struct FileErrors {
    /// The path of the file, or the folder of a temporary one.
    place: Arc<Path>,
    /// The first I/O error. redb returns it only from the call in which it occurs; later calls fail
    /// without a cause.
    first: Arc<Mutex<Option<io::Error>>>,
}

impl FileErrors {
    pub(super) fn new(place: &Path) -> Self {
        FileErrors { place: place.into(), first: Arc::default() }
    }

    /// Names the file in an error that is about it.
    #[cold]
    pub(super) fn name(&self, error: Error) -> Error {
        error.in_file(&self.place)
    }

    /// Converts an error of the system.
    #[cold]
    pub(super) fn io(&self, error: io::Error) -> Error {
        self.name(Error::spill_io(error))
    }

    /// Remembers the first error of file operations.
    pub(super) fn note<T>(&self, result: io::Result<T>) -> io::Result<T> {
        result.inspect_err(|error| {
            let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
            first.get_or_insert_with(|| copy_of(error));
        })
    }

    /// Converts an error of redb's. If a file operation failed before, that is the cause.
    #[cold]
    pub(super) fn explain(&self, error: impl Into<redb::Error>) -> Error {
        let first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        let error = error.into();
        // The message may quote bytes of the file.
        let text = || error.to_string().escape_debug().to_string();
        self.name(match (first.as_ref(), &error) {
            (Some(first), _) => Error::spill_io(copy_of(first)),
            (None, redb::Error::ValueTooLarge(_)) => Error::store(text()),
            // No file operation failed, so the contents of the file are invalid.
            (None, _) => Error::spill_file(SpillFileFault::Damaged(text().into())),
        })
    }

    /// Converts the error of a result.
    #[inline]
    pub(super) fn of<T>(&self, result: Result<T, impl Into<redb::Error>>) -> Result<T> {
        result.map_err(|error| self.explain(error))
    }
}

impl fmt::Debug for FileErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileErrors").finish_non_exhaustive()
    }
}

/// Returns a copy of an error: `io::Error` is not `Clone`.
fn copy_of(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn the_first_error_of_the_file_is_what_is_told() {
        let first = FileErrors::new(Path::new("kept"));
        let later = || redb::Error::Corrupted("\u{1b}[2J".to_owned());
        let damaged = first.explain(later());
        let ErrorKind::InvalidSpillFile(SpillFileFault::Damaged(text)) = damaged.kind() else {
            panic!("{damaged}")
        };
        assert!(!text.contains('\u{1b}'));
        assert_eq!(damaged.path(), Some(Path::new("kept")));
        assert!(matches!(first.explain(redb::Error::ValueTooLarge(7)).kind(), ErrorKind::Store(_)));
        first.note(Ok(())).unwrap();
        for error in [io::Error::from_raw_os_error(28), io::ErrorKind::TimedOut.into()] {
            let first = FileErrors::new(Path::new("kept"));
            let kind = error.kind();
            first.note::<()>(Err(error)).unwrap_err();
            first.note::<()>(Err(io::ErrorKind::NotFound.into())).unwrap_err();
            let told = first.explain(later());
            assert!(matches!(told.kind(), ErrorKind::Store(_)), "{told}");
            assert_eq!(io::Error::from(told).kind(), kind);
        }
    }
}
