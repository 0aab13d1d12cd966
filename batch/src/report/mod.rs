//! The report: one JSON line for each input, which a later run continues.

mod history;
mod line;
mod read;

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use carwalk::cid::{Cid, Codec};
use thiserror::Error;

pub use self::history::{Finished, History};
pub use self::line::Line;

/// Why a report cannot be used. The message names the file.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReportError {
    /// The file cannot be opened, read or written.
    #[error("report {path:?}: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The error.
        #[source]
        error: io::Error,
    },
    /// Another process writes the report.
    #[error("report {path:?}: another process is writing it")]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// A line is not a line of a report.
    #[error("report {path:?}: line {line}: {fault}")]
    Line {
        /// The file.
        path: PathBuf,
        /// The number of the line, from 1 on.
        line: u64,
        /// What is wrong.
        fault: String,
    },
    /// The report is that of a run with other options.
    #[error("report {path:?}: line {line}: it is of a run with other options: use another report")]
    OtherRun {
        /// The file.
        path: PathBuf,
        /// The number of the line, from 1 on.
        line: u64,
    },
}

/// A file with one JSON line for each input, to which lines are appended.
///
/// # Examples
///
/// ```
/// use carwalk_batch::{Input, Line, Outcome, Report, run_digest};
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("report.jsonl");
/// let run = run_digest([("command", "verify")]);
/// let input = Input::new("../samples/repo.car");
///
/// let (mut report, history) = Report::open(&path, &run)?;
/// assert!(history.finished(&input).is_none());
/// let mut line = Line::of(&input);
/// line.outcome = Outcome::Done;
/// report.append([line])?;
/// drop(report);
///
/// // A later run finds it there.
/// let (_, history) = Report::open(&path, &run)?;
/// assert!(history.finished(&input).is_some());
/// // Other options need another report.
/// assert!(Report::open(&path, &run_digest([("command", "export")])).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Report {
    path: PathBuf,
    file: File,
    run: String,
    /// The identity of the folder of the outputs, which follows `run` in each line.
    folder: Option<String>,
    /// Whether the file did not exist before.
    is_new: bool,
}

impl Report {
    /// Opens a report, or creates one. `run` is the digest of the options: see [`run_digest`].
    ///
    /// A last line that was not written to its end, because its process was killed, is removed from
    /// the file: one without a line break that begins as all lines do, or zero bytes. The file is
    /// locked until the report is dropped, where the system has locks. A device or pipe is written
    /// only.
    ///
    /// # Errors
    ///
    /// - `Io` if the file cannot be opened, read or cut
    /// - `Locked` if another process has opened the report
    /// - `Line` if any other line is not valid, or longer than 1 MiB. The file stays as it is
    /// - `OtherRun` if a line is of a run with another digest
    pub fn open(path: impl AsRef<Path>, run: &str) -> Result<(Self, History), ReportError> {
        let path = path.as_ref().to_path_buf();
        let failed = |error| ReportError::Io { path: path.clone(), error };
        let is_file = !path.exists() || path.is_file();
        let mut options = File::options();
        options.append(true).read(is_file);
        let (file, is_new) = create(&path, &mut options).map_err(failed)?;
        let mut report = Report { path, file, run: run.to_owned(), folder: None, is_new };
        let mut history = History::default();
        if is_file {
            report.lock()?;
            read::lines(&mut report, &mut history)?;
        }
        Ok((report, history))
    }

    /// Adds the identity of the folder of the outputs to all lines that are appended from now on.
    pub(crate) fn bind(&mut self, identity: &str) {
        self.folder = Some(identity.to_owned());
    }

    /// Deletes the file if it was created by [`open`](Report::open) and nothing was appended: for a
    /// run that is refused.
    pub fn discard(self) {
        let is_empty = self.file.metadata().is_ok_and(|metadata| metadata.len() == 0);
        if self.is_new && is_empty {
            // An empty report does no harm.
            let _ = fs::remove_file(&self.path);
        }
    }

    fn lock(&self) -> Result<(), ReportError> {
        match self.file.try_lock() {
            Err(TryLockError::WouldBlock) => Err(ReportError::Locked { path: self.path.clone() }),
            // Some file systems have no locks.
            Ok(()) | Err(TryLockError::Error(_)) => Ok(()),
        }
    }

    /// Appends lines, with the digest of this run, in one write. Lines of
    /// [`Parts`](crate::parts::Parts) have the digest, `-`, and the identity of the folder.
    ///
    /// # Errors
    ///
    /// `Io` if writing fails. A part of the lines may be in the file.
    pub fn append(&mut self, lines: impl IntoIterator<Item = Line>) -> Result<(), ReportError> {
        let mut text = Vec::new();
        let run = match &self.folder {
            Some(folder) => format!("{}-{folder}", self.run),
            None => self.run.clone(),
        };
        for mut line in lines {
            line.run = Some(run.clone());
            line.write_to(&mut text).map_err(|error| self.failed(error))?;
        }
        self.file.write_all(&text).map_err(|error| self.failed(error))
    }

    /// Syncs the appended lines to the disk.
    ///
    /// # Errors
    ///
    /// `Io` if that fails.
    pub fn sync(&self) -> Result<(), ReportError> {
        self.file.sync_data().map_err(|error| self.failed(error))
    }

    fn failed(&self, error: io::Error) -> ReportError {
        ReportError::Io { path: self.path.clone(), error }
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        // A process that another thread starts has a copy of the open file for a moment. Closing
        // the file would leave the lock with that copy.
        let _ = self.file.unlock();
    }
}

/// Opens a file, and returns whether it was created.
fn create(path: &Path, options: &mut OpenOptions) -> io::Result<(File, bool)> {
    match options.clone().create_new(true).open(path) {
        Ok(file) => {
            sync_parent(path);
            Ok((file, true))
        }
        // This creates the target of a symbolic link.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            options.create(true).open(path).map(|file| (file, false))
        }
        Err(error) => Err(error),
    }
}

/// Syncs the folder of a new file or folder, so that its name is on the disk. Some systems cannot
/// do that.
pub(crate) fn sync_parent(path: &Path) {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    if cfg!(unix) {
        let folder = File::open(parent.unwrap_or(Path::new(".")));
        let _ = folder.and_then(|folder| folder.sync_all());
    }
}

/// Returns the digest of the options that shape the result of a run: 32 hex digits.
///
/// Different lists of names and values have different digests.
///
/// # Examples
///
/// ```
/// use carwalk_batch::run_digest;
///
/// let digest = run_digest([("command", "verify"), ("legacy", "false")]);
/// assert_eq!(digest.len(), 32);
/// assert_ne!(digest, run_digest([("command", "verify"), ("legacy", "true")]));
/// ```
#[must_use]
pub fn run_digest<'a>(options: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut text = String::new();
    for part in options.into_iter().flat_map(|(name, value)| [name, value]) {
        // The length keeps `ab`, `c` and `a`, `bc` apart.
        text.push_str(&format!("{}:{part}", part.len()));
    }
    let cid = Cid::of(Codec::Raw, text.as_bytes());
    // The first 4 bytes of a CID are not of the digest.
    cid.as_bytes().iter().skip(4).take(16).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_report_is_unlocked_while_a_copy_of_its_file_is_open() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report");
        let (report, _) = Report::open(&path, "run").unwrap();
        assert!(matches!(Report::open(&path, "run"), Err(ReportError::Locked { .. })));
        let copy = report.file.try_clone().unwrap();
        drop(report);
        assert!(Report::open(&path, "run").is_ok());
        drop(copy);
    }
}
