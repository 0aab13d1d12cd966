//! Iterators over records, entries and collections, with owned items.

mod collections;
mod entries;
mod items;

use core::fmt;
use core::iter::FusedIterator;

pub use self::collections::Collections;
pub use self::entries::{Entries, RepoEntry};
pub(crate) use self::items::try_count;
use self::items::{End, Item, Items};
use crate::cid::Cid;
use crate::error::{Error, Result};
use crate::mst::Walker;
use crate::path::RepoPathBuf;
use crate::process::{Keep, Process, restore};
use crate::record::Record;
use crate::store::{Block, BlockStore};

/// An iterator over the records of a tree in key order.
///
/// [`Repo::records`](crate::Repo::records) and [`Repo::records_in`](crate::Repo::records_in) return
/// it. If it ends without an error, it has returned every record. Each item costs one allocation,
/// for the path; a [`Walker`] allocates nothing per record.
///
/// # Errors
///
/// - `Missing` if a node or record is missing
/// - `HashMismatch` if a block does not hash to its CID
/// - `Tree`, `Malformed`, `NonCanonical` or `Limit` if a node breaks a rule
/// - `Limit` if the open nodes exceed the memory limit of the walk
/// - `Path` if a key is not a repo path or, with `strict_paths`, breaks the full syntax
/// - `Argument` if the range ends before it starts
/// - `Store`, `Io` or `InvalidSpillFile` if the store fails
/// - `Decode` if the stored value of a process function cannot be decoded
///
/// After an error, every later call returns `None`.
///
/// # Examples
///
/// Items can be taken from both ends:
///
/// ```
/// use carwalk::Repo;
///
/// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
/// let repo = Repo::from_slice(bytes)?;
/// let mut records = repo.records();
/// assert_eq!(records.next().unwrap()?.path(), "app.bsky.actor.profile/self");
/// assert_eq!(records.next_back().unwrap()?.path(), "app.bsky.graph.follow/3l4ojejn3g22l");
/// assert_eq!(records.try_count()?, 38);
/// # Ok::<(), carwalk::Error>(())
/// ```
#[must_use]
pub struct Records<'s, S: BlockStore, P: Process = Keep> {
    items: Items<'s, S>,
    process: &'s P,
}

impl<'s, S: BlockStore, P: Process> Records<'s, S, P> {
    pub(crate) fn new(walk: Walker<'s, S>, strict_paths: bool, process: &'s P) -> Self {
        Records { items: Items::new(walk, strict_paths), process }
    }

    /// Counts the remaining records. Unlike [`count`](Iterator::count), it does not count an error
    /// as a record.
    ///
    /// # Errors
    ///
    /// The first error of the iterator: see [`Records`](Records#errors).
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::Repo;
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// let repo = Repo::from_slice(bytes)?;
    /// assert_eq!(repo.records().try_count()?, 40);
    /// // A CAR with all nodes and no records.
    /// let mut nodes = Vec::new();
    /// repo.prove().range(..).records(false).write(&mut nodes)?;
    /// let repo = Repo::from_slice(&nodes)?;
    /// assert_eq!(repo.records().count(), 1);
    /// assert!(repo.records().try_count().is_err());
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn try_count(self) -> Result<u64> {
        try_count(self)
    }

    /// Returns the next items: at least one and at most `len`, or none at the end. A `len` of 0 is
    /// treated as 1.
    ///
    /// Useful for passing batches to other threads. An empty chunk means the end, or that an
    /// earlier call returned an error. If an error comes after some items, the call returns these
    /// items, and the next call returns the error.
    ///
    /// # Errors
    ///
    /// Those of the iterator: see [`Records`](Records#errors).
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::Repo;
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// let repo = Repo::from_slice(bytes)?;
    /// let mut records = repo.records();
    /// let mut lens = Vec::new();
    /// loop {
    ///     let chunk = records.next_chunk(16)?;
    ///     if chunk.is_empty() {
    ///         break;
    ///     }
    ///     lens.push(chunk.len());
    /// }
    /// assert_eq!(lens, [16, 16, 8]);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    #[expect(clippy::type_complexity, reason = "an alias would hide it from the documentation")]
    pub fn next_chunk(&mut self, len: usize) -> Result<Vec<Record<P::Value<S::Bytes<'s>>>>> {
        self.items.next_chunk(len, |item| record_of(self.process, item))
    }
}

impl<'s, S: BlockStore, P: Process> Iterator for Records<'s, S, P> {
    type Item = Result<Record<P::Value<S::Bytes<'s>>>>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.items.next(End::Front, |item| record_of(self.process, item))
    }
}

/// Takes records from the last key down, with a second walk that has its own memory. If items are
/// taken from both ends, each is returned once.
impl<S: BlockStore, P: Process> DoubleEndedIterator for Records<'_, S, P> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        self.items.next(End::Back, |item| record_of(self.process, item))
    }
}

impl<S: BlockStore, P: Process> FusedIterator for Records<'_, S, P> {}

impl<S: BlockStore, P: Process> fmt::Debug for Records<'_, S, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Records").field(&self.items.walk).finish()
    }
}

/// Converts an item into a record, with the process function if there is one.
#[inline]
fn record_of<B: AsRef<[u8]>, P: Process>(
    process: &P,
    Item { path, cid, record: block }: Item<B>,
) -> Result<Record<P::Value<B>>> {
    debug_assert!(block.is_some(), "a complete walk that looks records up returned an entry");
    let block = block
        .ok_or_else(|| Error::store("a walk over records returned an entry without its record"))?;
    record(process, path, cid, block)
}

/// Converts a block into a record, with the process function if there is one.
#[inline]
pub(crate) fn record<B: AsRef<[u8]>, P: Process>(
    process: &P,
    path: RepoPathBuf,
    cid: Cid,
    block: Block<B>,
) -> Result<Record<P::Value<B>>> {
    let offset = block.offset;
    let value = restore(process, block, cid, path.as_str().as_bytes())?;
    Ok(Record::new(path, cid, value, offset))
}
