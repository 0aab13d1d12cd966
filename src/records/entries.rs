//! The iterator over entries: paths and CIDs.

use core::fmt;
use core::iter::FusedIterator;

use super::items::{End, Item, Items, try_count};
use crate::cid::Cid;
use crate::error::Result;
use crate::mst::Walker;
use crate::path::{RepoPath, RepoPathBuf};
use crate::store::BlockStore;

/// The path and CID of a record, without the record: an item of [`Entries`].
///
/// With the feature `serde`, serializes as `{"path": "..", "cid": {"$link": "b.."}}`.
///
/// # Examples
///
/// ```
/// use carwalk::Repo;
///
/// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
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
    pub(crate) fn new(path: RepoPathBuf, cid: Cid) -> Self {
        RepoEntry { path, cid }
    }

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
/// - `Path` if a key is not a repo path or, with `strict_paths`, breaks the full syntax
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
/// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
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
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// let repo = Repo::from_slice(bytes)?;
    /// let follows = KeyRange::collection("app.bsky.graph.follow")?;
    /// assert_eq!(repo.entries_in(follows.clone()).try_count()?, 9);
    /// // A CAR with only the nodes that prove the profile.
    /// let mut proof = Vec::new();
    /// repo.prove().key("app.bsky.actor.profile/self").write(&mut proof)?;
    /// let repo = Repo::from_slice(&proof)?;
    /// assert!(repo.entries_in(follows.clone()).count() < 9);
    /// assert!(repo.entries_in(follows).try_count().is_err());
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
    /// Those of the iterator: see [`Entries`](Entries#errors).
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::Repo;
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
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
