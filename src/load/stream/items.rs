//! Iterators over the records and entries of a stream, with owned items.

use core::fmt;
use core::iter::FusedIterator;
use std::io::Read;

use super::unexpected;
use super::walk::{Step, StreamWalk};
use crate::cid::Cid;
use crate::error::Result;
use crate::path::RepoPathBuf;
use crate::process::{Keep, Process};
use crate::record::Record;
use crate::records::{RepoEntry, record, try_count};
use crate::store::Block;

/// An iterator over the records of a stream in pre-order, in key order:
/// [`StreamWalk::into_records`] returns it.
///
/// If it ends without an error, it has returned every record, and every block of the stream was
/// verified. Each item costs two allocations, for the path and the bytes; a [`StreamWalk`]
/// allocates nothing per record.
///
/// # Errors
///
/// - those of [`StreamWalk::next_event`]
/// - `Limit` for a repeated record whose bytes are not kept: the error has the number of bytes that
///   [`Loader::keep_repeats`](crate::Loader::keep_repeats) would have to keep
/// - `Path` if a key is not a repo path or, with `strict_paths`, breaks the full syntax
///
/// After an error, every later call returns `None`.
///
/// # Examples
///
/// ```
/// use carwalk::{Loader, Repo, Streamed};
///
/// # let bytes: &[u8] = include_bytes!("../../../samples/repo.car");
/// # let mut packed = Vec::new();
/// # Repo::from_slice(bytes)?.prove().range(..).write(&mut packed)?;
/// # let stream = &packed[..];
/// let Streamed::PreOrder(walk) = Loader::new().stream(stream)? else { panic!() };
/// let mut records = walk.into_records();
/// let first = records.next().unwrap()?;
/// assert_eq!(first.path(), "app.bsky.actor.profile/self");
/// assert_eq!(first.bytes().len(), 128);
/// assert_eq!(records.try_count()?, 39);
/// # Ok::<(), carwalk::Error>(())
/// ```
#[must_use]
pub struct StreamRecords<R, P = Keep>(Items<R, P>);

/// An iterator over the paths and CIDs of the records of a stream in pre-order, in key order:
/// [`StreamWalk::into_entries`] returns it.
///
/// If it ends without an error, it has returned every entry; records may be missing.
///
/// # Errors
///
/// - those of [`StreamWalk::next_event`]
/// - `Path` if a key is not a repo path or, with `strict_paths`, breaks the full syntax
///
/// After an error, every later call returns `None`.
///
/// # Examples
///
/// ```
/// use carwalk::{Loader, Repo, Streamed};
///
/// # let bytes: &[u8] = include_bytes!("../../../samples/repo.car");
/// # let mut packed = Vec::new();
/// # let repo = Repo::from_slice(bytes)?;
/// # repo.prove().range(..).write(&mut packed)?;
/// # let stream = &packed[..];
/// let Streamed::PreOrder(walk) = Loader::new().stream(stream)? else { panic!() };
/// for (entry, same) in walk.into_entries().zip(repo.entries()) {
///     assert_eq!(entry?, same?);
/// }
/// # Ok::<(), carwalk::Error>(())
/// ```
#[must_use]
pub struct StreamEntries<R, P = Keep>(Items<R, P>);

/// A walk from which items are taken.
struct Items<R, P> {
    walk: StreamWalk<R, P>,
    done: bool,
}

impl<R: Read, P> Items<R, P> {
    /// Takes one step and makes an item of it, or returns `None` at the end. An error ends the
    /// iterator.
    fn next<T>(
        &mut self,
        make: impl FnOnce(&StreamWalk<R, P>, Step) -> Result<Option<T>>,
    ) -> Option<Result<T>> {
        if self.done {
            return None;
        }
        let step = self.walk.advance();
        let item = step.and_then(|step| make(&self.walk, step));
        self.done = !matches!(item, Ok(Some(_)));
        item.transpose()
    }
}

impl<R: Read, P> StreamWalk<R, P> {
    /// Returns an iterator over the remaining records, with the process function if there is one.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::{Loader, Repo, Streamed};
    ///
    /// # let bytes: &[u8] = include_bytes!("../../../samples/repo.car");
    /// # let mut packed = Vec::new();
    /// # Repo::from_slice(bytes)?.prove().range(..).write(&mut packed)?;
    /// # let stream = &packed[..];
    /// let loader = Loader::new().process(|record| record.len());
    /// let Streamed::PreOrder(walk) = loader.stream(stream)? else { panic!() };
    /// let mut total = 0;
    /// for record in walk.into_records() {
    ///     total += record?.into_value();
    /// }
    /// assert_eq!(total, 7338);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn into_records(self) -> StreamRecords<R, P> {
        StreamRecords::new(self.nodes(false).records(true))
    }

    /// Returns an iterator over the remaining entries: paths and CIDs. Records are passed over.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::{Loader, Repo, Streamed};
    ///
    /// # let bytes: &[u8] = include_bytes!("../../../samples/repo.car");
    /// // A CAR with all nodes and no records.
    /// let mut nodes = Vec::new();
    /// Repo::from_slice(bytes)?.prove().range(..).records(false).write(&mut nodes)?;
    /// let Streamed::PreOrder(walk) = Loader::new().stream(&nodes[..])? else { panic!() };
    /// assert_eq!(walk.into_entries().count(), 40);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn into_entries(self) -> StreamEntries<R, P> {
        StreamEntries::new(self.nodes(false).records(false))
    }

    /// Returns the path of the last entry.
    fn path(&self, cid: Cid, offset: Option<u64>) -> Result<RepoPathBuf> {
        let entry = self.entry(cid);
        let path = if self.opening.strict_paths { entry.strict_path() } else { entry.path() };
        Ok(path.map_err(|error| error.at(offset))?.to_owned())
    }
}

impl<R: Read, P> StreamRecords<R, P> {
    pub(super) fn new(walk: StreamWalk<R, P>) -> Self {
        StreamRecords(Items { walk, done: false })
    }
}

impl<R: Read, P: Process> StreamRecords<R, P> {
    /// Counts the remaining records. Unlike [`count`](Iterator::count), it does not count an error
    /// as a record.
    ///
    /// # Errors
    ///
    /// The first error of the iterator: see [`StreamRecords`](StreamRecords#errors).
    pub fn try_count(self) -> Result<u64> {
        try_count(self)
    }
}

impl<R: Read, P: Process> Iterator for StreamRecords<R, P> {
    type Item = Result<Record<P::Value<Vec<u8>>>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next(|walk, step| {
            let (cid, block) = match step {
                Step::Record(cid, located) => {
                    let section = walk.section(&located)?;
                    (cid, Block::new(section.block().to_vec()).at(section.offset()))
                }
                Step::Repeat(repeat) => (repeat.cid, Block::new(walk.repeated(repeat)?.to_vec())),
                Step::Done => return Ok(None),
                Step::Node | Step::EmptyTree(_) | Step::Entry(_) => return Err(unexpected()),
            };
            let path = walk.path(cid, block.offset)?;
            record(&walk.opening.process, path, cid, block).map(Some)
        })
    }
}

impl<R: Read, P: Process> FusedIterator for StreamRecords<R, P> {}

impl<R: Read, P> StreamEntries<R, P> {
    pub(super) fn new(walk: StreamWalk<R, P>) -> Self {
        StreamEntries(Items { walk, done: false })
    }

    /// Counts the remaining entries. Unlike [`count`](Iterator::count), it does not count an error
    /// as an entry.
    ///
    /// # Errors
    ///
    /// The first error of the iterator: see [`StreamEntries`](StreamEntries#errors).
    pub fn try_count(self) -> Result<u64> {
        try_count(self)
    }
}

impl<R: Read, P> Iterator for StreamEntries<R, P> {
    type Item = Result<RepoEntry>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next(|walk, step| match step {
            Step::Entry(cid) => Ok(Some(RepoEntry::new(walk.path(cid, None)?, cid))),
            Step::Done => Ok(None),
            _ => Err(unexpected()),
        })
    }
}

impl<R: Read, P> FusedIterator for StreamEntries<R, P> {}

impl<R, P> fmt::Debug for StreamRecords<R, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StreamRecords").field(&self.0.walk).finish()
    }
}

impl<R, P> fmt::Debug for StreamEntries<R, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StreamEntries").field(&self.0.walk).finish()
    }
}
