//! The report: one JSON line for each input, which a later run continues.

mod line;
mod read;

use std::collections::{HashMap, HashSet};
use std::fs::{File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use carwalk::cid::{Cid, Codec};
use thiserror::Error;

pub use self::line::Line;
use crate::inputs::Input;

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
    /// A line before the last is not a line of a report.
    #[error("report {path:?}, line {line}: {fault}")]
    Line {
        /// The file.
        path: PathBuf,
        /// The number of the line, from 1 on.
        line: u64,
        /// What is wrong.
        fault: String,
    },
    /// The report is that of a run with other options.
    #[error("report {path:?}, line {line}: it is of a run with other options: use another report")]
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
}

/// The inputs that are done according to a report. About 200 bytes of memory each.
///
/// [`Report`] has an example.
#[derive(Clone, Debug, Default)]
pub struct History {
    finished: HashMap<String, Finished>,
    outputs: HashSet<String>,
}

impl History {
    /// Returns the last line about an input if it is done and the file has not changed since: same
    /// path, length and time of modification. Lines about skipped inputs are ignored.
    #[must_use]
    pub fn finished(&self, input: &Input) -> Option<&Finished> {
        // Without a report, no name is made.
        let found = if self.finished.is_empty() { None } else { self.finished.get(&input.name()) }?;
        let is_same = found.bytes == input.bytes() && found.modified == input.modified();
        is_same.then_some(found)
    }

    /// Returns the paths of all finished inputs and what is known of them, in any order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Finished)> {
        self.finished.iter().map(|(path, finished)| (path.as_str(), finished))
    }

    /// Removes the inputs for which `keep` returns false: those whose output is gone, for example.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, &Finished) -> bool) {
        self.finished.retain(|path, finished| keep(path, finished));
    }

    /// Returns whether any line about a finished input names this output, also if a later line is
    /// about the same input.
    #[must_use]
    pub fn has_output(&self, output: &str) -> bool {
        self.outputs.contains(output)
    }

    /// Takes in a line of the report.
    fn take(&mut self, line: Line) {
        if line.is_done() {
            let Line { path, bytes, modified, output, records, .. } = line;
            if let Some(output) = output.as_ref().filter(|output| !self.has_output(output)) {
                self.outputs.insert(output.clone());
            }
            self.finished.insert(path, Finished { bytes, modified, output, records });
        } else if !line.is_skipped() {
            self.finished.remove(&line.path);
        }
    }
}

/// An input that is done according to a report.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finished {
    /// The length of the input in bytes.
    pub bytes: Option<u64>,
    /// When the input was last modified.
    pub modified: Option<String>,
    /// Where its rows are.
    pub output: Option<String>,
    /// The number of its records.
    pub records: Option<u64>,
}

impl Report {
    /// Opens a report, or creates one. `run` is the digest of the options: see [`run_digest`].
    ///
    /// A last line that is not valid was being written when its process ended. It is removed from
    /// the file. The file is locked until the report is dropped, where the system has locks. A
    /// device or pipe is written only.
    ///
    /// # Errors
    ///
    /// - `Io` if the file cannot be opened, read or cut
    /// - `Locked` if another process has opened the report
    /// - `Line` if another line than the last is not valid, or longer than 1 MiB
    /// - `OtherRun` if a line is of a run with another digest
    pub fn open(path: impl AsRef<Path>, run: &str) -> Result<(Self, History), ReportError> {
        let path = path.as_ref().to_path_buf();
        let failed = |error| ReportError::Io { path: path.clone(), error };
        let is_file = !path.exists() || path.is_file();
        let mut options = File::options();
        options.append(true).create(true).read(is_file);
        let file = options.open(&path).map_err(failed)?;
        let mut report = Report { path, file, run: run.to_owned() };
        let mut history = History::default();
        if is_file {
            report.lock()?;
            read::lines(&mut report, &mut history)?;
        }
        Ok((report, history))
    }

    fn lock(&self) -> Result<(), ReportError> {
        match self.file.try_lock() {
            Err(TryLockError::WouldBlock) => Err(ReportError::Locked { path: self.path.clone() }),
            // Some file systems have no locks.
            Ok(()) | Err(TryLockError::Error(_)) => Ok(()),
        }
    }

    /// Appends lines, with the digest of this run, in one write.
    ///
    /// # Errors
    ///
    /// `Io` if writing fails. A part of the lines may be in the file.
    pub fn append(&mut self, lines: impl IntoIterator<Item = Line>) -> Result<(), ReportError> {
        let mut text = Vec::new();
        for mut line in lines {
            line.run = Some(self.run.clone());
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
