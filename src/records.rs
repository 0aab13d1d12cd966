//! Records and entries as plain iterators: owned items over the walk.

use core::fmt;
use core::iter::FusedIterator;

use crate::cid::Cid;
use crate::error::{Error, Result};
use crate::mst::{KeyRange, Walker};
use crate::path::{RepoPath, RepoPathBuf};
use crate::process::{Keep, Process, restore};
use crate::record::Record;
use crate::store::{Block, BlockStore};

/// Items that a chunk has room for at first, however many are requested.
const FIRST_CHUNK: usize = 1024;

/// The path of a record and its CID, without the record.
#[derive(Clone, Debug, PartialEq, Eq)]
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

    /// Returns the items of another walk, from its beginning.
    fn over(self, walk: impl FnOnce(Walker<'s, S>) -> Walker<'s, S>) -> Self {
        Items::new(walk(self.walk), self.strict_paths)
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

/// An iterator over the records of a tree in key order.
///
/// Complete: if it ends without an error, it has returned every record. An item costs one
/// allocation, for the path; [`Walker`] allocates nothing per record. After an error, every later
/// call returns `None`.
#[must_use]
pub struct Records<'s, S: BlockStore, P: Process = Keep> {
    items: Items<'s, S>,
    process: &'s P,
}

impl<'s, S: BlockStore, P: Process> Records<'s, S, P> {
    pub(crate) fn new(walk: Walker<'s, S>, strict_paths: bool, process: &'s P) -> Self {
        Records { items: Items::new(walk, strict_paths), process }
    }

    /// Restricts the iterator to the keys in a range. If it ends without an error, nothing in the
    /// range is missing.
    ///
    /// Subtrees that cannot have such a key are not requested, so the first call goes straight down
    /// to the first key of the range. Ranges narrow each other. Call it before the first item is
    /// taken: the iterator starts again from its beginning.
    ///
    /// ```
    /// use carwalk::Repo;
    ///
    /// # let bytes: &[u8] = include_bytes!("../samples/repo.car");
    /// let repo = Repo::from_slice(bytes)?;
    /// let likes = repo.records().range("app.bsky.feed.like/".."app.bsky.feed.post/");
    /// # let mut count = 0;
    /// for like in likes {
    ///     println!("{}", like?.path());
    /// #   count += 1;
    /// }
    /// # assert!(count > 0 && count < repo.records().count());
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn range(self, range: impl Into<KeyRange>) -> Self {
        Records { items: self.items.over(|walk| walk.range(range)), ..self }
    }

    /// Restricts the iterator to the keys that begin with `prefix`, as [`range`](Self::range) does.
    pub fn prefix(self, prefix: impl AsRef<[u8]>) -> Self {
        self.range(KeyRange::prefix(prefix))
    }

    /// Restricts the iterator to the keys of a collection, such as `app.bsky.feed.post`, as
    /// [`range`](Self::range) does.
    pub fn collection(self, collection: &str) -> Self {
        self.range(KeyRange::collection(collection))
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
        self.items.next_chunk(len, |item| record(self.process, item))
    }
}

impl<'s, S: BlockStore, P: Process> Iterator for Records<'s, S, P> {
    type Item = Result<Record<P::Value<S::Bytes<'s>>>>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.items.next(End::Front, |item| record(self.process, item))
    }
}

/// From the last key down, by a second walk with its own memory. If items are taken from both ends,
/// each is returned once.
impl<S: BlockStore, P: Process> DoubleEndedIterator for Records<'_, S, P> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        self.items.next(End::Back, |item| record(self.process, item))
    }
}

impl<S: BlockStore, P: Process> FusedIterator for Records<'_, S, P> {}

impl<S: BlockStore, P: Process> fmt::Debug for Records<'_, S, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Records").field(&self.items.walk).finish()
    }
}

/// Makes a record of an item, by the process function if there is one.
#[inline]
fn record<B: AsRef<[u8]>, P: Process>(
    process: &P,
    Item { path, cid, record }: Item<B>,
) -> Result<Record<P::Value<B>>> {
    debug_assert!(record.is_some(), "a complete walk that looks records up came to an entry");
    let found =
        record.ok_or_else(|| Error::store("a walk over records came to an entry without one"))?;
    let offset = found.offset;
    let value = restore(process, found, cid, path.as_path().as_str().as_bytes())?;
    Ok(Record::new(path, cid, value, offset))
}

/// An iterator over the paths and CIDs of a tree's records in key order. It never requests the
/// records.
///
/// If it ends without an error, no node is missing and it has returned every entry; records may be
/// missing. An item costs one allocation, for the path. After an error, every later call returns
/// `None`.
#[must_use]
pub struct RepoEntries<'s, S: BlockStore> {
    items: Items<'s, S>,
}

impl<'s, S: BlockStore> RepoEntries<'s, S> {
    pub(crate) fn new(walk: Walker<'s, S>, strict_paths: bool) -> Self {
        RepoEntries { items: Items::new(walk, strict_paths) }
    }

    /// Restricts the iterator to the keys in a range. If it ends without an error, nothing in the
    /// range is missing.
    ///
    /// Subtrees that cannot have such a key are not requested, so the first call goes straight down
    /// to the first key of the range. Ranges narrow each other. Call it before the first item is
    /// taken: the iterator starts again from its beginning.
    ///
    /// ```
    /// use carwalk::Repo;
    ///
    /// # let bytes: &[u8] = include_bytes!("../samples/repo.car");
    /// let repo = Repo::from_slice(bytes)?;
    /// let likes = repo.entries().range("app.bsky.feed.like/".."app.bsky.feed.post/");
    /// # let mut count = 0;
    /// for like in likes {
    ///     println!("{}", like?.path());
    /// #   count += 1;
    /// }
    /// # assert!(count > 0 && count < repo.entries().count());
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn range(self, range: impl Into<KeyRange>) -> Self {
        RepoEntries { items: self.items.over(|walk| walk.range(range)) }
    }

    /// Restricts the iterator to the keys that begin with `prefix`, as [`range`](Self::range) does.
    pub fn prefix(self, prefix: impl AsRef<[u8]>) -> Self {
        self.range(KeyRange::prefix(prefix))
    }

    /// Restricts the iterator to the keys of a collection, such as `app.bsky.feed.post`, as
    /// [`range`](Self::range) does.
    pub fn collection(self, collection: &str) -> Self {
        self.range(KeyRange::collection(collection))
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

impl<'s, S: BlockStore> Iterator for RepoEntries<'s, S> {
    type Item = Result<RepoEntry>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.items.next(End::Front, entry)
    }
}

/// From the last key down, by a second walk with its own memory. If items are taken from both ends,
/// each is returned once.
impl<S: BlockStore> DoubleEndedIterator for RepoEntries<'_, S> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        self.items.next(End::Back, entry)
    }
}

impl<S: BlockStore> FusedIterator for RepoEntries<'_, S> {}

impl<S: BlockStore> fmt::Debug for RepoEntries<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RepoEntries").field(&self.items.walk).finish()
    }
}

#[inline]
fn entry<B>(Item { path, cid, .. }: Item<B>) -> Result<RepoEntry> {
    Ok(RepoEntry { path, cid })
}
