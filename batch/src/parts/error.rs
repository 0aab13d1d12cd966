//! Why parts cannot be written.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::report::ReportError;

/// Why parts cannot be written. The message names the file or folder.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PartsError {
    /// A file or folder cannot be created, read, written, synced, named or deleted.
    #[error("cannot write {path:?}: {error}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The error.
        #[source]
        error: io::Error,
    },
    /// The folder has a part that the report does not know.
    #[error("{path:?} is of another run: name a new folder, or the report of that run")]
    OtherParts {
        /// The part.
        path: PathBuf,
    },
    /// The parts that the report knows are in another folder.
    #[error(
        "{folder:?} is not the folder of the report's parts: name that folder, or a new report"
    )]
    OtherFolder {
        /// The folder.
        folder: PathBuf,
    },
    /// Another process writes parts into the folder.
    #[error("{path:?}: another process is writing it")]
    Locked {
        /// The file that the process writes.
        path: PathBuf,
    },
    /// The number of the highest part leaves no number for the next.
    #[error("no number is left for parts in {folder:?}")]
    Numbers {
        /// The folder.
        folder: PathBuf,
    },
    /// An input failed after some of its rows were written: it was changed while it was read. The
    /// part that has them gets no final name.
    #[error("{path}: it was changed while it was read: {error}")]
    Torn {
        /// The input: see [`path_name`](crate::path_name).
        path: String,
        /// The message about the failure.
        error: String,
    },
    /// The report cannot be written.
    #[error(transparent)]
    Report(#[from] ReportError),
}
