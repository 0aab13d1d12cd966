//! Iterators over records, entries and collections, with owned items.

use core::fmt;
use core::iter::FusedIterator;

use crate::cid::Cid;
use crate::error::{Error, Result};
use crate::mst::{KeyRange, Walk, Walker};
use crate::path::{RepoPath, RepoPathBuf};
use crate::process::{Keep, Process, restore};
use crate::record::Record;
use crate::store::{Block, BlockStore};

/// Items that a chunk has room for at first, however many are requested.
const FIRST_CHUNK: usize = 1024;

/// The path and CID of a record, without the record: an item of [`Entries`].
///
/// # Examples
///
/// ```
/// use carwalk::Repo;
///
/// # let bytes: &[u8] = include_bytes!("../samples/repo.car");
/// let repo = Repo::from_slice(bytes)?;
/// let first = repo.entries().next().unwrap()?;
/// assert_eq!(first.path().collection(), "app.bsky.actor.profile");
/// assert_eq!(first.cid(), repo.get("app.bsky.actor.profile/self")?.cid().unwrap());
/// # Ok::<(), carwalk::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct RepoEntry {
    path: RepoPathBuf,
    cid: Cid,
}

impl RepoEntry {
    /// Returns the path: the collection and the record key.
    #[must_use]
    pub fn path(&self) -> RepoPath<'_> {
        self.path.as_path()
    }

    /// Returns the CID of the record.
    #[must_use]
    pub fn cid(&self) -> Cid {
        self.cid
    }
}

/// The end of an iterator that an item is taken from.
#[derive(Clone, Copy)]
enum End {
    Front,
    Back,
}

/// An entry that was taken from a walk, and its record if that was looked up.
struct Item<B> {
    path: RepoPathBuf,
    cid: Cid,
    record: Option<Block<B>>,
}

/// A walk from which items are taken, at either end.
struct Items<'s, S: BlockStore> {
    walk: Walker<'s, S>,
    /// The walk from the other end, once an item was taken there.
    back: Option<Walker<'s, S>>,
    strict_paths: bool,
    /// An error that is returned after the items before it.
    postponed: Option<Error>,
    done: bool,
}

impl<'s, S: BlockStore> Items<'s, S> {
    fn new(walk: Walker<'s, S>, strict_paths: bool) -> Self {
        Items { walk, back: None, strict_paths, postponed: None, done: false }
    }

    /// Takes the next item from one end and converts it. An error ends the iterator.
    #[inline]
    fn next<T>(
        &mut self,
        end: End,
        make: impl FnOnce(Item<S::Bytes<'s>>) -> Result<T>,
    ) -> Option<Result<T>> {
        if let Some(error) = self.postponed.take() {
            return Some(Err(error));
        }
        if self.done {
            return None;
        }
        let item = self.take(end).and_then(|item| item.map(make).transpose());
        self.done = !matches!(item, Ok(Some(_)));
        item.transpose()
    }

    #[inline]
    fn take(&mut self, end: End) -> Result<Option<Item<S::Bytes<'s>>>> {
        // Each walk ends where the other one is, so no item is returned twice.
        let walk = match (end, &mut self.back) {
            (End::Front, None) => &mut self.walk,
            (End::Front, Some(back)) => {
                self.walk.stop_before(back);
                &mut self.walk
            }
            (End::Back, back) => {
                let back = back.get_or_insert_with(|| self.walk.in_reverse());
                back.stop_before(&self.walk);
                back
            }
        };
        let Some((entry, record)) = walk.next_entry()? else {
            return Ok(None);
        };
        let path = if self.strict_paths { entry.strict_path() } else { entry.path() };
        let offset = || record.as_ref().and_then(|record| record.offset);
        let path = path.map_err(|error| error.at(offset()))?.to_owned();
        Ok(Some(Item { path, cid: entry.cid(), record }))
    }

    /// Takes at least one and at most `len` items from the front, or none at the end.
    fn next_chunk<T>(
        &mut self,
        len: usize,
        make: impl Fn(Item<S::Bytes<'s>>) -> Result<T>,
    ) -> Result<Vec<T>> {
        let mut chunk = Vec::with_capacity(len.min(FIRST_CHUNK));
        while chunk.len() < len.max(1) {
            match self.next(End::Front, &make) {
                Some(Ok(item)) => chunk.push(item),
                Some(Err(error)) if chunk.is_empty() => return Err(error),
                Some(Err(error)) => {
                    self.postponed = Some(error);
                    break;
                }
                None => break,
            }
        }
        Ok(chunk)
    }
}

/// Counts the items up to the end or the first error.
fn try_count<T>(mut items: impl Iterator<Item = Result<T>>) -> Result<u64> {
    items.try_fold(0, |count: u64, item| item.map(|_| count.saturating_add(1)))
}

/// An iterator over the records of a tree in key order.
///
/// [`Repo::records`](crate::Repo::records) and [`Repo::records_in`](crate::Repo::records_in) return
/// it. If it ends without an error, it has returned every record. Each item costs one allocation,
/// for the path; a [`Walker`] allocates nothing per record.
///
/// Do not use [`count`](Iterator::count), which counts an error as a record; use
/// [`try_count`](Records::try_count).
///
/// # Errors
///
/// - `Missing` if a node or record is missing
/// - `HashMismatch` if a block does not hash to its CID
/// - `Tree`, `Malformed`, `NonCanonical` or `Limit` if a node breaks a rule
/// - `Limit` if the open nodes exceed the memory limit of the walk
/// - `Path` if a key is not a repo path
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
/// # let bytes: &[u8] = include_bytes!("../samples/repo.car");
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

    /// Counts the remaining records.
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
    /// # let bytes: &[u8] = include_bytes!("../samples/repo.car");
    /// assert_eq!(Repo::from_slice(bytes)?.records().try_count()?, 40);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn try_count(self) -> Result<u64> {
        try_count(self)
    }

    /// Returns the next items: at least one and at most `len`, or none at the end. A `len` of 0 is
    /// treated as 1.
    ///
    /// Useful for passing batches to other threads. An empty chunk means the end, or that an earlier
    /// call returned an error. If an error comes after some items, the call returns these items, and
    /// the next call returns the error.
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
    /// # let bytes: &[u8] = include_bytes!("../samples/repo.car");
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

/// An iterator over the paths and CIDs of a tree's records in key order. It never requests the
/// records.
///
/// [`Repo::entries`](crate::Repo::entries) and [`Repo::entries_in`](crate::Repo::entries_in) return
/// it. If it ends without an error, no node is missing and it has returned every entry; records may
/// be missing or damaged. Each item costs one allocation, for the path.
///
/// # Errors
///
/// - `Missing` if a node is missing
/// - `HashMismatch` if a node does not hash to its CID
/// - `Tree`, `Malformed`, `NonCanonical` or `Limit` if a node breaks a rule
/// - `Limit` if the open nodes exceed the memory limit of the walk
/// - `Path` if a key is not a repo path
/// - `Argument` if the range ends before it starts
/// - `Store`, `Io` or `InvalidSpillFile` if the store fails
///
/// After an error, every later call returns `None`.
///
/// # Examples
///
/// Entries in reverse, until the first of another collection:
///
/// ```
/// use carwalk::{Repo, RepoEntry};
///
/// # let bytes: &[u8] = include_bytes!("../samples/repo.car");
/// let repo = Repo::from_slice(bytes)?;
/// let is_follow = |entry: &RepoEntry| entry.path().collection() == "app.bsky.graph.follow";
/// let other = repo.entries().rev().find(|entry| !entry.as_ref().is_ok_and(is_follow));
/// assert_eq!(other.unwrap()?.path(), "app.bsky.feed.post/3l4ozvargq22l");
/// # Ok::<(), carwalk::Error>(())
/// ```
#[must_use]
pub struct Entries<'s, S: BlockStore> {
    items: Items<'s, S>,
}

impl<'s, S: BlockStore> Entries<'s, S> {
    pub(crate) fn new(walk: Walker<'s, S>, strict_paths: bool) -> Self {
        Entries { items: Items::new(walk, strict_paths) }
    }

    /// Counts the remaining entries. Unlike [`count`](Iterator::count), it does not count an error
    /// as an entry.
    ///
    /// # Errors
    ///
    /// The first error of the iterator: see [`Entries`](Entries#errors).
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::{KeyRange, Repo};
    ///
    /// # let bytes: &[u8] = include_bytes!("../samples/repo.car");
    /// let repo = Repo::from_slice(bytes)?;
    /// let follows = KeyRange::collection("app.bsky.graph.follow")?;
    /// assert_eq!(repo.entries_in(follows).try_count()?, 9);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn try_count(self) -> Result<u64> {
        try_count(self)
    }

    /// Returns the next items: at least one and at most `len`, or none at the end. A `len` of 0 is
    /// treated as 1.
    ///
    /// Useful for passing batches to other threads. An empty chunk means the end, or that an earlier
    /// call returned an error. If an error comes after some items, the call returns these items, and
    /// the next call returns the error.
    ///
    /// # Errors
    ///
    /// Those of the iterator: see [`Entries`](Entries#errors).
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::Repo;
    ///
    /// # let bytes: &[u8] = include_bytes!("../samples/repo.car");
    /// let repo = Repo::from_slice(bytes)?;
    /// let mut entries = repo.entries();
    /// let chunk = entries.next_chunk(2)?;
    /// assert_eq!(chunk[1].path(), "app.bsky.feed.like/3l4npkxvnm22l");
    /// assert_eq!(entries.next_chunk(100)?.len(), 38);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn next_chunk(&mut self, len: usize) -> Result<Vec<RepoEntry>> {
        self.items.next_chunk(len, entry)
    }
}

impl<'s, S: BlockStore> Iterator for Entries<'s, S> {
    type Item = Result<RepoEntry>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.items.next(End::Front, entry)
    }
}

/// Takes entries from the last key down, with a second walk that has its own memory. If items are
/// taken from both ends, each is returned once.
impl<S: BlockStore> DoubleEndedIterator for Entries<'_, S> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        self.items.next(End::Back, entry)
    }
}

impl<S: BlockStore> FusedIterator for Entries<'_, S> {}

impl<S: BlockStore> fmt::Debug for Entries<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Entries").field(&self.items.walk).finish()
    }
}

#[inline]
fn entry<B>(Item { path, cid, .. }: Item<B>) -> Result<RepoEntry> {
    Ok(RepoEntry { path, cid })
}

/// An iterator over the names of the collections of a tree in key order.
///
/// [`Repo::collections`](crate::Repo::collections) returns it. If it ends without an error, it has
/// returned every collection. Each item costs at most `height + 1` node lookups, and so does the
/// end. Records are never requested.
///
/// # Errors
///
/// - `Missing` if a node on the way to the first key of a collection is missing
/// - `HashMismatch` if such a node does not hash to its CID
/// - `Tree`, `Malformed`, `NonCanonical` or `Limit` if such a node breaks a rule
/// - `Limit` if the open nodes exceed the memory limit of the walk
/// - `Path` if the first key of a collection is not a repo path
/// - `Store`, `Io` or `InvalidSpillFile` if the store fails
///
/// After an error, every later call returns `None`.
///
/// # Examples
///
/// The number of records in each collection:
///
/// ```
/// use carwalk::{KeyRange, Repo};
///
/// # let bytes: &[u8] = include_bytes!("../samples/repo.car");
/// let repo = Repo::from_slice(bytes)?;
/// let mut counts = Vec::new();
/// for collection in repo.collections() {
///     counts.push(repo.entries_in(KeyRange::collection(&collection?)?).try_count()?);
/// }
/// assert_eq!(counts, [1, 16, 14, 9]);
/// # Ok::<(), carwalk::Error>(())
/// ```
#[must_use]
pub struct Collections<'s, S: BlockStore> {
    walk: Walk<'s, S>,
    strict_paths: bool,
    /// The keys of the collections to come; `None` at the end.
    rest: Option<KeyRange>,
}

impl<'s, S: BlockStore> Collections<'s, S> {
    pub(crate) fn new(walk: Walk<'s, S>, strict_paths: bool) -> Self {
        Collections { walk, strict_paths, rest: Some(KeyRange::all()) }
    }

    fn first_of(&self, range: KeyRange) -> Result<Option<String>> {
        let mut entries = Entries::new(self.walk.anew().range(range).start(), self.strict_paths);
        let first = entries.next().transpose()?;
        Ok(first.map(|entry| entry.path.collection().to_owned()))
    }
}

impl<S: BlockStore> Iterator for Collections<'_, S> {
    type Item = Result<String>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.rest.take()?;
        let name = self.first_of(rest);
        if let Ok(Some(name)) = &name {
            self.rest = Some(KeyRange::after_collection(name));
        }
        name.transpose()
    }
}

impl<S: BlockStore> FusedIterator for Collections<'_, S> {}

impl<S: BlockStore> fmt::Debug for Collections<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collections").field("rest", &self.rest).finish_non_exhaustive()
    }
}
