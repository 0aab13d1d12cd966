//! Records, entries and collections as plain iterators: owned items over the walk.

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

/// The path of a record and its CID, without the record.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct RepoEntry {
    path: RepoPathBuf,
    cid: Cid,
}

impl RepoEntry {
    /// Returns the path: collection and record key.
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

/// The end of a walk that an item is taken from.
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
        // Whichever walk comes to where the other one is ends both.
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
/// If it ends without an error, it has returned every record. An item costs one allocation, for the
/// path; [`Walker`] allocates nothing per record. The errors are those of [`Walker::next_event`] in
/// a complete walk, `Path` for a key that is not a repo path, and `Decode` for a processed value
/// that cannot be decoded. After an error, every later call returns `None`.
///
/// Do not count with [`count`](Iterator::count), which counts an error as a record:
/// [`try_count`](Records::try_count) returns it.
#[must_use]
pub struct Records<'s, S: BlockStore, P: Process = Keep> {
    items: Items<'s, S>,
    process: &'s P,
}

impl<'s, S: BlockStore, P: Process> Records<'s, S, P> {
    pub(crate) fn new(walk: Walker<'s, S>, strict_paths: bool, process: &'s P) -> Self {
        Records { items: Items::new(walk, strict_paths), process }
    }

    /// Counts the records that are left.
    ///
    /// # Errors
    ///
    /// Those of the iterator.
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
    /// For passing batches to other threads. Only an empty chunk is the end. An error ends a chunk
    /// early and is returned by the next call, after the items before it.
    ///
    /// # Errors
    ///
    /// Those of the iterator.
    ///
    /// ```
    /// use carwalk::Repo;
    ///
    /// # let bytes: &[u8] = include_bytes!("../samples/repo.car");
    /// let repo = Repo::from_slice(bytes)?;
    /// let mut records = repo.records();
    /// assert_eq!(records.next_chunk(2)?.len(), 2);
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

/// From the last key down, by a second walk with its own memory. If items are taken from both ends,
/// each is returned once.
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

/// Makes a record of an item, with the process function if there is one.
#[inline]
fn record_of<B: AsRef<[u8]>, P: Process>(
    process: &P,
    Item { path, cid, record: block }: Item<B>,
) -> Result<Record<P::Value<B>>> {
    debug_assert!(block.is_some(), "a complete walk that looks records up came to an entry");
    let block =
        block.ok_or_else(|| Error::store("a walk over records came to an entry without one"))?;
    record(process, path, cid, block)
}

/// Makes a record of a block, with the process function if there is one.
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
/// If it ends without an error, no node is missing and it has returned every entry; records may be
/// missing. An item costs one allocation, for the path. The errors are those of
/// [`Walker::next_event`] in a complete walk, and `Path` for a key that is not a repo path. After an
/// error, every later call returns `None`.
#[must_use]
pub struct Entries<'s, S: BlockStore> {
    items: Items<'s, S>,
}

impl<'s, S: BlockStore> Entries<'s, S> {
    pub(crate) fn new(walk: Walker<'s, S>, strict_paths: bool) -> Self {
        Entries { items: Items::new(walk, strict_paths) }
    }

    /// Counts the entries that are left.
    ///
    /// # Errors
    ///
    /// Those of the iterator.
    pub fn try_count(self) -> Result<u64> {
        try_count(self)
    }

    /// Returns the next items: at least one and at most `len`, or none at the end. A `len` of 0 is
    /// treated as 1.
    ///
    /// For passing batches to other threads. Only an empty chunk is the end. An error ends a chunk
    /// early and is returned by the next call, after the items before it.
    ///
    /// # Errors
    ///
    /// Those of the iterator.
    ///
    /// ```
    /// use carwalk::Repo;
    ///
    /// # let bytes: &[u8] = include_bytes!("../samples/repo.car");
    /// let repo = Repo::from_slice(bytes)?;
    /// let mut entries = repo.entries();
    /// assert_eq!(entries.next_chunk(2)?.len(), 2);
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

/// From the last key down, by a second walk with its own memory. If items are taken from both ends,
/// each is returned once.
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
/// An item costs a descent from the root. If it ends without an error, it has returned every
/// collection. The errors are those of [`Walker::next_event`] in a complete walk, and `Path` for a
/// key that is not a repo path. After an error, every later call returns `None`.
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
