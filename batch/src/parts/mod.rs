//! A folder of parts: files of about one size, each with the rows of whole inputs.
//!
//! The order of writing makes a run safe against a kill after any step:
//!
//! 1. The rows are written into a file with a temporary name, and synced.
//! 2. The lines of its inputs are appended to the report, and synced.
//! 3. The file gets its final name, and the folder is synced.
//!
//! A `done` line therefore counts only if the part that it names exists. A later run with the same
//! report keeps the inputs of such lines, deletes files with temporary names, and processes the
//! other inputs into new parts. Names are never used again: numbers continue after the highest that
//! the folder has or the report ever named.
//!
//! A report belongs to one folder. The file `.carwalk-run` in it has a random number, which the
//! lines of the report have too, so the folder can be moved, but not be taken for another.

mod error;
mod identity;
mod names;
mod part;
mod sheet;

use std::fmt;
use std::fs::File;
use std::io;
use std::path::PathBuf;

pub use self::error::PartsError;
use self::identity::Identity;
use self::names::Listed;
use self::part::Part;
pub use self::sheet::{Sheet, TextSheet};
use crate::report::{History, Line, Report};

/// Bytes from which on a part is closed. Default of [`Parts::size`].
const SIZE: u64 = 256 << 20;

/// Most inputs of a part: their lines wait in memory, about 500 bytes each.
const MOST_INPUTS: usize = 1 << 15;

/// A step of writing a part. The order of the variants is that of the steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_enums, reason = "so that a match over all steps is checked")]
pub enum Step {
    /// The file was created under its temporary name.
    Created,
    /// A piece was written.
    Piece,
    /// All of the file was written.
    Written,
    /// The file was synced.
    Synced,
    /// The lines were appended to the report.
    Reported,
    /// The report was synced.
    ReportSynced,
    /// The file got its final name.
    Named,
    /// The folder was synced.
    FolderSynced,
}

/// Opens the sheet of a new part.
type Open<S> = Box<dyn FnMut(File) -> io::Result<S>>;

/// Is called after each step.
type Watch = Box<dyn FnMut(Step) -> io::Result<()>>;

/// A folder of parts, which is written by one thread.
///
/// Parts are named `part-00000.jsonl` and so on, with the extension of the format. A part is closed
/// when it has the wished size after an input, or 32,768 inputs. While a part is written, its name
/// is `.carwalk-part-00000.jsonl.tmp`; if the parts are dropped before, it is deleted.
///
/// # Examples
///
/// ```
/// use carwalk_batch::parts::{Parts, TextSheet};
/// use carwalk_batch::{History, Input, Line, Outcome, Report};
///
/// let folder = tempfile::tempdir()?;
/// let (rows, report) = (folder.path().join("rows"), folder.path().join("report.jsonl"));
/// let mut line = Line::of(&Input::new("../samples/repo.car"));
/// line.outcome = Outcome::Done;
///
/// let (file, mut history) = Report::open(&report, "a digest")?;
/// let open = |file| TextSheet::begin(file, b"rkey\n");
/// let mut parts = Parts::open(&rows, "csv", Some(file), &mut history, open)?;
/// parts.write(b"self\n".to_vec())?;
/// parts.take(line)?;
/// parts.finish()?;
/// assert_eq!(std::fs::read(rows.join("part-00000.csv"))?, b"rkey\nself\n");
///
/// // A later run finds the input finished, until the part is gone.
/// let (_, history) = Report::open(&report, "a digest")?;
/// let input = Input::new("../samples/repo.car");
/// let finished = history.finished(&input).unwrap();
/// assert_eq!(finished.output.as_deref(), Some("part-00000.csv"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Parts<S> {
    folder: PathBuf,
    extension: String,
    size: u64,
    /// The number of the next part.
    next: u64,
    report: Option<Report>,
    open: Open<S>,
    watch: Watch,
    part: Option<Part<S>>,
    /// Whether pieces of an input were written whose line was not taken.
    has_pieces: bool,
}

impl<S: Sheet> Parts<S> {
    /// Opens a folder, or creates it, and begins the first part: so it is known before anything is
    /// read whether the folder can be written.
    ///
    /// Lines whose part does not exist are removed from `history`. Files with temporary names are
    /// deleted. `open` begins the contents of each part. Numbers continue after the highest that a
    /// part has or a line of the report names. With a report, a folder without the file
    /// `.carwalk-run` gets one.
    ///
    /// Parts are known by their names only: one that was changed or emptied still counts.
    ///
    /// # Errors
    ///
    /// - `OtherFolder` if the report has lines about parts in another folder
    /// - `OtherParts` if the folder has a part that the report does not know
    /// - `Locked` if another process writes parts into the folder
    /// - `Numbers` if no number is left
    /// - `Io` if the folder or a file in it cannot be created, read or deleted
    ///
    /// After an error, a report that is new and empty is deleted.
    pub fn open(
        folder: impl Into<PathBuf>,
        extension: &str,
        report: Option<Report>,
        history: &mut History,
        open: impl FnMut(File) -> io::Result<S> + 'static,
    ) -> Result<Self, PartsError> {
        let mut parts = Parts {
            folder: folder.into(),
            extension: extension.to_owned(),
            size: SIZE,
            next: 0,
            report,
            open: Box::new(open),
            watch: Box::new(|_step| Ok(())),
            part: None,
            has_pieces: false,
        };
        match parts.start(history) {
            Ok(()) => Ok(parts),
            Err(error) => {
                if let Some(report) = parts.report {
                    report.discard();
                }
                Err(error)
            }
        }
    }

    /// Sets the size in bytes from which on a part is closed, in written bytes: compressed if its
    /// rows are. Default: 256 MiB.
    #[must_use]
    pub fn size(mut self, bytes: u64) -> Self {
        self.size = bytes;
        self
    }

    /// Sets a function that is called after each step of writing, except for the first part's
    /// `Created`. If it fails, so does the call, and the part keeps its temporary name.
    #[must_use]
    pub fn watch(mut self, watch: impl FnMut(Step) -> io::Result<()> + 'static) -> Self {
        self.watch = Box::new(watch);
        self
    }

    /// Writes a piece of the rows of an input.
    ///
    /// # Errors
    ///
    /// `Io` if the part cannot be created or written. The parts cannot be used after that.
    pub fn write(&mut self, piece: S::Piece) -> Result<(), PartsError> {
        self.begin()?;
        self.has_pieces = true;
        if let Some(part) = &mut self.part {
            part.write(piece)?;
            part.step(Step::Piece, &mut self.watch)?;
        }
        Ok(())
    }

    /// Takes the line of an input all of whose pieces were written. If it is done, its line is
    /// reported together with the part; others are reported at once.
    ///
    /// # Errors
    ///
    /// - `Torn` if an input failed after pieces of it were written
    /// - `Io` if the part cannot be created, written, synced or named
    /// - `Report` if the report cannot be written
    ///
    /// The parts cannot be used after that.
    pub fn take(&mut self, mut line: Line) -> Result<(), PartsError> {
        let has_pieces = std::mem::take(&mut self.has_pieces);
        if !line.is_done() {
            if has_pieces {
                let error = line.error.unwrap_or_default();
                return Err(PartsError::Torn { path: line.path, error });
            }
            return self.report([line]);
        }
        self.begin()?;
        let Some(part) = &mut self.part else { return Ok(()) };
        line.output = Some(part.name.clone());
        part.lines.push(line);
        if part.len() >= self.size || part.lines.len() >= MOST_INPUTS {
            self.close()?;
        }
        Ok(())
    }

    /// Closes the last part, if it has inputs.
    ///
    /// # Errors
    ///
    /// Those of [`take`](Parts::take).
    pub fn finish(mut self) -> Result<(), PartsError> {
        if self.has_pieces {
            let (path, error) = ("the last input".to_owned(), "it did not end".to_owned());
            return Err(PartsError::Torn { path, error });
        }
        if self.part.as_ref().is_some_and(|part| !part.lines.is_empty()) {
            self.close()?;
        }
        Ok(())
    }

    /// Checks that the folder is that of the report, and begins the first part.
    fn start(&mut self, history: &mut History) -> Result<(), PartsError> {
        let folder = &self.folder;
        let identity = Identity::of(folder)?;
        if self.report.is_some() && !history.is_of(identity.known()) {
            return Err(PartsError::OtherFolder { folder: folder.clone() });
        }
        let listed = Listed::of(folder)?;
        if let Some(name) = listed.names.iter().find(|name| !history.has_output(name)) {
            return Err(PartsError::OtherParts { path: folder.join(name) });
        }
        listed.delete_temporaries(folder)?;
        self.next = listed.next(folder, history)?;
        if let Some(report) = &mut self.report {
            report.bind(&identity.establish()?);
        }
        let exists = |output: &String| listed.names.contains(output);
        history.retain(|_, finished| finished.output.as_ref().is_some_and(exists));
        self.begin()
    }

    /// Begins a part if none is open.
    fn begin(&mut self) -> Result<(), PartsError> {
        if self.part.is_some() {
            return Ok(());
        }
        let name = names::of_part(self.next, &self.extension);
        self.next = self.next.saturating_add(1);
        let part = Part::create(&self.folder, name, &mut self.open)?;
        part.step(Step::Created, &mut self.watch)?;
        self.part = Some(part);
        Ok(())
    }

    /// Closes the current part: see the order of writing.
    fn close(&mut self) -> Result<(), PartsError> {
        let Some(mut part) = self.part.take() else { return Ok(()) };
        part.end()?;
        part.step(Step::Written, &mut self.watch)?;
        part.sync()?;
        part.step(Step::Synced, &mut self.watch)?;
        if self.report.is_some() {
            self.report(std::mem::take(&mut part.lines))?;
            part.step(Step::Reported, &mut self.watch)?;
            self.report.as_ref().map_or(Ok(()), Report::sync)?;
            part.step(Step::ReportSynced, &mut self.watch)?;
        }
        part.name_it()?;
        part.step(Step::Named, &mut self.watch)?;
        part.sync_folder()?;
        part.step(Step::FolderSynced, &mut self.watch)
    }

    fn report(&mut self, lines: impl IntoIterator<Item = Line>) -> Result<(), PartsError> {
        match &mut self.report {
            Some(report) => Ok(report.append(lines)?),
            None => Ok(()),
        }
    }
}

impl<S> fmt::Debug for Parts<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts")
            .field("folder", &self.folder)
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}
