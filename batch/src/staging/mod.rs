//! The rows of a repository: all of them are passed on, or none.
//!
//! A [`Staging`] walks a repository and makes rows. [`Rows`] collects them in the form of a format.
//! Up to 8 MiB of them wait until the walk has come to its end, and are dropped if it fails. If
//! there are more, the rest of the tree is first walked without making rows, which finds every
//! missing block; then the rows are passed on in pieces.
//!
//! An [`Exporter`] does so for the inputs of a thread.

mod encode;
mod exporter;
mod paths;
mod selection;
mod text;

use std::fmt;
use std::io;
use std::mem;
use std::ops::Bound;

use carwalk::Repo;
use carwalk::mst::{Entry, Event};
use carwalk::store::CarStore;

pub use self::encode::Encode;
pub use self::exporter::Exporter;
pub use self::paths::InvalidPaths;
pub use self::selection::Selection;
pub use self::text::{Encoding, TextRows};
use crate::outcome::{Failure, Reason};
use crate::reading::Visit;
use crate::report::Line;
use crate::row::Row;
use crate::stop::Stop;

/// Bytes of rows that wait until their repository is known to be complete.
const STAGED: usize = 8 << 20;

/// Rows of one repository after the other, in the form of a format.
///
/// Each thread has one. [`TextRows`] is one for text.
pub trait Rows {
    /// A piece of rows that is passed on: encoded rows, for example.
    type Piece: Send;

    /// Bytes of memory from which on rows are taken that need not wait: see [`Staging`].
    const PIECE: usize = 256 << 10;

    /// Adds a row.
    fn push(&mut self, row: &Row<'_>);

    /// Returns how many bytes of memory the rows need that were added and not taken.
    fn bytes(&self) -> usize;

    /// Takes the rows that were added, and returns the piece with its bytes of memory. `None` if
    /// there is nothing to pass on yet. `is_end` says that they are the last of a repository.
    ///
    /// # Errors
    ///
    /// Those of encoding. `FileTooLarge` says that the format cannot express a value: the input
    /// fails as `limit`.
    fn take(&mut self, is_end: bool) -> io::Result<Option<(Self::Piece, u64)>>;

    /// Drops all that was added since the last end.
    fn clear(&mut self);
}

/// Makes the rows of a repository.
///
/// Up to 8 MiB of rows wait until the walk has come to its end. If the visit fails, no piece was
/// sent, with one exception: a repository of more rows, in a mapped file that another process
/// changes at the same time. Then the pieces before the failure were sent. If the selection is not
/// [`whole`](Selection::whole), nothing waits.
///
/// # Examples
///
/// ```
/// use carwalk_batch::columns::Columns;
/// use carwalk_batch::staging::{Encode, Encoding, Selection, Staging};
/// use carwalk_batch::text::Format;
/// use carwalk_batch::{Input, Settings, Stop, Worker};
///
/// let (stop, selection) = (Stop::new(), Selection::new(Columns::DEFAULT));
/// let mut rows = Encoding::new(Format::JsonLines, Columns::DEFAULT).rows();
/// let mut text = Vec::new();
/// let mut staging = Staging::new(&mut rows, &selection, &stop, |piece: Vec<u8>, _bytes| {
///     text.extend(piece);
///     Ok(())
/// });
/// let mut worker = Worker::new(Settings::new(), stop.clone(), |_bytes| {});
/// let line = worker.process(&Input::new("../samples/repo.car"), &mut staging);
/// assert!(line.is_done());
/// assert_eq!(text.iter().filter(|byte| **byte == b'\n').count(), 40);
/// ```
pub struct Staging<'s, R, F> {
    rows: &'s mut R,
    selection: &'s Selection,
    stop: &'s Stop,
    send: F,
}

impl<'s, R, F> Staging<'s, R, F>
where
    R: Rows,
    F: FnMut(R::Piece, u64) -> Result<(), Failure>,
{
    /// Creates the visit. `send` gets the pieces of rows, with their bytes of memory.
    pub fn new(rows: &'s mut R, selection: &'s Selection, stop: &'s Stop, send: F) -> Self {
        Staging { rows, selection, stop, send }
    }

    fn pass<S: CarStore>(&mut self, repo: &Repo<S>, line: &mut Line) -> Result<(), Failure> {
        let (did, rev) = (repo.commit().did(), repo.commit().rev());
        let (mut records, mut invalid) = (0_u64, InvalidPaths::default());
        let (mut waits, most) = (self.selection.is_whole(), self.selection.most_rows());
        let mut walk = self.selection.walk(repo).start();
        while records < most
            && let Some(event) = walk.next_event()?
        {
            self.stop.check()?;
            let Some((entry, block)) = entry(&event) else { continue };
            if let Some(path) = invalid.check(entry) {
                records = records.saturating_add(1);
                self.rows.push(&Row::new(did, rev, path, entry.cid(), block));
            }
            if self.rows.bytes() >= if waits { STAGED } else { R::PIECE } {
                if mem::take(&mut waits) {
                    self.check_rest(repo, entry.key(), most.saturating_sub(records))?;
                }
                self.send(false)?;
            }
        }
        self.send(true)?;
        line.records = Some(records);
        line.invalid_paths = Some(invalid.count());
        line.error = invalid.message();
        Ok(())
    }

    /// Walks over the keys after `key`, so that every missing block is found before rows are sent:
    /// over `most` of them, and over those that are not valid paths.
    fn check_rest<S: CarStore>(
        &self,
        repo: &Repo<S>,
        key: &[u8],
        mut most: u64,
    ) -> Result<(), Failure> {
        let rest = (Bound::Excluded(key), Bound::Unbounded);
        let mut walk = self.selection.walk(repo).range(rest).start();
        while most > 0
            && let Some(event) = walk.next_event()?
        {
            self.stop.check()?;
            if entry(&event).is_some_and(|(entry, _)| entry.path().is_ok()) {
                most = most.saturating_sub(1);
            }
        }
        Ok(())
    }

    fn send(&mut self, is_end: bool) -> Result<(), Failure> {
        let piece = self.rows.take(is_end).map_err(|error| refused(&error))?;
        match piece {
            Some((piece, bytes)) => (self.send)(piece, bytes),
            None => Ok(()),
        }
    }
}

impl<R, F> Visit for Staging<'_, R, F>
where
    R: Rows,
    F: FnMut(R::Piece, u64) -> Result<(), Failure>,
{
    /// Sends the rows of the repository: one for each key that has the two halves of a repo path,
    /// also if their syntax is invalid. Sets the number of rows in `line`, and that of keys which
    /// are not valid repo paths; `error` then names the first.
    ///
    /// # Errors
    ///
    /// Those of the walk, of the rows, and of sending.
    fn visit<S: CarStore>(&mut self, repo: &Repo<S>, line: &mut Line) -> Result<(), Failure> {
        let done = self.pass(repo, line);
        if done.is_err() {
            self.rows.clear();
        }
        done
    }
}

impl<R, F> fmt::Debug for Staging<'_, R, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Staging").field("selection", self.selection).finish_non_exhaustive()
    }
}

/// Returns the failure of an input whose rows a format cannot take.
fn refused(error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::FileTooLarge => Failure::new(Reason::Limit, &error.to_string()),
        _ => Failure::new(Reason::Io, &format!("encoding failed: {error}")),
    }
}

/// Returns the entry of an event, and its block if it was looked up. Copying the entry would take
/// longer than reading it.
#[inline]
fn entry<'e, 'w>(event: &'e Event<'w>) -> Option<(&'e Entry<'w>, Option<&'w [u8]>)> {
    match event {
        Event::Record { entry, block, .. } => Some((entry, Some(block))),
        Event::Entry { entry, .. } => Some((entry, None)),
        // A complete walk of a loaded repository has no others.
        _ => None,
    }
}
