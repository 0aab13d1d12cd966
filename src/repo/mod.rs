//! Repositories: a commit, its tree, and their store.

mod diff;
mod opening;
mod tree;
mod write;

use core::fmt;

pub(crate) use self::opening::{Opening, read_commit};
pub use self::tree::Tree;
pub use self::write::{RepoWriter, WriteStats};
use crate::commit::Commit;
use crate::error::Result;
use crate::mst::{KeyRange, Lookup, Walk};
use crate::path::RepoPath;
use crate::process::{Keep, Process};
use crate::record::Record;
use crate::records::{Collections, Entries, Records};
use crate::store::{BlockStore, CarStats, CarStore, MemoryStore, Reached, look_up};

/// A repository: a commit, its tree, and their store.
///
/// The `from_` functions open a repository from memory, a stream, a file, a spill file or a store
/// of your own; a [`Loader`](crate::Loader) does so with other settings. `S` is the store. `P` is
/// the process function, or [`Keep`] without one. See the [repository
/// specification](https://atproto.com/specs/repository).
///
/// # Examples
///
/// ```
/// use carwalk::Repo;
/// use carwalk::store::BlockStore;
///
/// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
/// let repo = Repo::from_slice(bytes)?;
/// assert_eq!(repo.to_string(), "did:plc:ewvi7nxzyoun6zhxrhs64oiz at 3l4ozvcohu22l");
/// assert_eq!(repo.commit().rev(), "3l4ozvcohu22l");
/// assert_eq!(repo.commit().data(), repo.tree().root());
/// assert_eq!(repo.stats().sections, 50);
/// assert!(repo.store().contains(&repo.commit().cid())?);
/// let mut total = 0;
/// for record in &repo {
///     let record = record?;
///     println!("{}\t{}\t{} bytes", record.path(), record.cid(), record.bytes().len());
///     total += record.bytes().len();
/// }
/// assert_eq!(total, 7338);
/// # Ok::<(), carwalk::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Repo<S = MemoryStore, P = Keep> {
    commit: Commit<'static>,
    tree: Tree<S, P>,
}

impl<S: BlockStore, P: Process> Repo<S, P> {
    /// Creates a repository from a commit that was found in `store`.
    pub(crate) fn of(commit: Commit<'static>, store: S, opening: Opening<P>) -> Self {
        let tree = Tree::of(commit.data(), store, opening);
        Repo { commit, tree }
    }

    /// Returns the commit.
    #[must_use]
    pub fn commit(&self) -> &Commit<'static> {
        &self.commit
    }

    /// Returns the tree.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::{Lookup, Repo};
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// let repo = Repo::from_slice(bytes)?;
    /// // `Repo::get` looks up repo paths. A tree also looks up other keys.
    /// assert!(repo.get("no path").is_err());
    /// assert!(matches!(repo.tree().get_key("no path")?, Lookup::Absent));
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    #[must_use]
    pub fn tree(&self) -> &Tree<S, P> {
        &self.tree
    }

    /// Returns the store.
    pub fn store(&self) -> &S {
        &self.tree.store
    }

    /// Returns the store and drops the commit.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::Repo;
    /// use carwalk::store::BlockStore;
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// let repo = Repo::from_slice(bytes)?;
    /// let data = repo.commit().data();
    /// let store = repo.into_store();
    /// assert_eq!(store.get(&data)?.unwrap().bytes.len(), 949);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn into_store(self) -> S {
        self.tree.store
    }

    /// Returns a builder for a walk over the tree. A walk allocates nothing per record, can return
    /// nodes, and can continue where blocks are missing.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::Repo;
    /// use carwalk::mst::Event;
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// let repo = Repo::from_slice(bytes)?;
    /// let (mut nodes, mut records) = (0, 0);
    /// let mut walk = repo.walk().nodes(true).start();
    /// while let Some(event) = walk.next_event()? {
    ///     match event {
    ///         Event::Node { .. } => nodes += 1,
    ///         Event::Record { .. } => records += 1,
    ///         // Only in partial walks and entries-only walks.
    ///         _ => {}
    ///     }
    /// }
    /// assert_eq!((nodes, records), (9, 40));
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn walk(&self) -> Walk<'_, S> {
        self.tree.walk()
    }

    /// Returns an iterator over the records in key order. `&repo` converts into the same iterator.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::Repo;
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// let repo = Repo::from_slice(bytes)?;
    /// let first = repo.records().next().unwrap()?;
    /// assert_eq!(first.path(), "app.bsky.actor.profile/self");
    /// let last = repo.records().next_back().unwrap()?;
    /// assert_eq!(last.path().collection(), "app.bsky.graph.follow");
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn records(&self) -> Records<'_, S, P> {
        self.tree.records()
    }

    /// Returns an iterator over the records in a range of keys. If it ends without an error,
    /// nothing in the range is missing.
    ///
    /// Subtrees that cannot have such a key are not requested, so the first item costs at most
    /// `height + 1` node lookups, where the [height](crate::mst) is the layer of the root node. If
    /// the range ends before it starts, the first item is an error of kind `Argument`.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::{KeyRange, Repo};
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// let repo = Repo::from_slice(bytes)?;
    /// let likes = repo.records_in("app.bsky.feed.like/".."app.bsky.feed.post/");
    /// assert_eq!(likes.try_count()?, 16);
    ///
    /// // The keys of posts ascend with time, so the last is the newest.
    /// let posts = KeyRange::collection("app.bsky.feed.post")?;
    /// let newest = repo.records_in(posts).next_back().unwrap()?;
    /// assert_eq!(newest.path(), "app.bsky.feed.post/3l4ozvargq22l");
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn records_in(&self, range: impl Into<KeyRange>) -> Records<'_, S, P> {
        self.tree.records_in(range)
    }

    /// Returns an iterator over the paths and CIDs of the records in key order. The records are not
    /// looked up.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::Repo;
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// let repo = Repo::from_slice(bytes)?;
    /// let first = repo.entries().next().unwrap()?;
    /// assert_eq!(first.path(), "app.bsky.actor.profile/self");
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn entries(&self) -> Entries<'_, S> {
        self.tree.entries()
    }

    /// Returns an iterator over the paths and CIDs of the records in a range of keys. The records
    /// are not looked up, and may be missing. If the range ends before it starts, the first item is
    /// an error of kind `Argument`.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::Repo;
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// # let repo = Repo::from_slice(bytes)?;
    /// # let mut bytes = Vec::new();
    /// # repo.prove().range(..).records(false).write(&mut bytes)?;
    /// // A CAR with all nodes and no records.
    /// let repo = Repo::from_slice(&bytes)?;
    /// let likes = repo.entries_in("app.bsky.feed.like/".."app.bsky.feed.post/");
    /// assert_eq!(likes.try_count()?, 16);
    /// assert!(repo.records().try_count().is_err());
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn entries_in(&self, range: impl Into<KeyRange>) -> Entries<'_, S> {
        self.tree.entries_in(range)
    }

    /// Returns an iterator over the names of the collections in key order.
    ///
    /// Goes from the first key of one collection to the first key of the next. Makes at most
    /// `height + 1` node lookups for each collection, and as many at the end. The
    /// [height](crate::mst) is the layer of the root node. Records are not requested.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::Repo;
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// let repo = Repo::from_slice(bytes)?;
    /// let names: Vec<String> = repo.collections().collect::<Result<_, _>>()?;
    /// assert_eq!(names.len(), 4);
    /// assert_eq!(names[0], "app.bsky.actor.profile");
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn collections(&self) -> Collections<'_, S> {
        self.tree.collections()
    }

    /// Looks up the record of a path, such as `app.bsky.actor.profile/self`.
    ///
    /// Reads only the nodes on the path's [search path](crate::mst), at most `height + 1`, and the
    /// record. All rules of the tree are checked in these nodes. Nothing is cached between lookups.
    ///
    /// # Errors
    ///
    /// - `Path`, with the argument, if `path` is not a repo path
    /// - `HashMismatch` if a node or the record does not hash to its CID
    /// - `Tree`, `Malformed`, `NonCanonical` or `Limit` if a node breaks a rule
    /// - `Limit` if the nodes on the search path exceed the memory limit of walks, which
    ///   [`Loader::memory_limit`](crate::Loader::memory_limit) sets
    /// - `Store`, `Io` or `InvalidSpillFile` if the store fails
    /// - `Decode` if the stored value of a process function cannot be decoded
    ///
    /// A missing node or record is not an error: [`Lookup::into_result`] makes it one.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::{Lookup, Repo};
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// let repo = Repo::from_slice(bytes)?;
    /// match repo.get("app.bsky.actor.profile/self")? {
    ///     Lookup::Present { record: Some(record), .. } => assert_eq!(record.bytes().len(), 128),
    ///     Lookup::Present { cid, record: None } => println!("{cid} is missing"),
    ///     Lookup::Absent => println!("no such record"),
    ///     Lookup::Unknown(gap) => println!("cannot tell: {gap}"),
    /// }
    /// // An AT URI is not a repo path. That is an error, and not `Absent`.
    /// assert!(repo.get("at://example.com/app.bsky.actor.profile/self").is_err());
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    #[expect(clippy::type_complexity, reason = "an alias would hide it from the documentation")]
    pub fn get(&self, path: impl AsRef<str>) -> Result<Lookup<Record<P::Value<S::Bytes<'_>>>>> {
        self.tree.get(RepoPath::try_from(path.as_ref())?)
    }

    /// Replaces the store with one that has the same blocks.
    #[cfg(feature = "redb")]
    pub(crate) fn map_store<T>(self, f: impl FnOnce(S) -> T) -> Repo<T, P> {
        let Repo { commit, tree: Tree { store, root, options, buffers, process } } = self;
        Repo { commit, tree: Tree { store: f(store), root, options, buffers, process } }
    }
}

impl<'r, S: BlockStore, P: Process> IntoIterator for &'r Repo<S, P> {
    type Item = Result<Record<P::Value<S::Bytes<'r>>>>;
    type IntoIter = Records<'r, S, P>;

    fn into_iter(self) -> Records<'r, S, P> {
        self.records()
    }
}

impl<S: CarStore, P: Process> Repo<S, P> {
    /// Returns the counts of the loaded CAR: bytes, sections and distinct blocks.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::Repo;
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// let stats = Repo::from_slice(bytes)?.stats();
    /// assert_eq!(stats.bytes, bytes.len() as u64);
    /// // Each block is in the CAR once: the commit, 9 nodes and 40 records.
    /// assert_eq!((stats.sections, stats.distinct_blocks), (50, 50));
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    #[must_use]
    pub fn stats(&self) -> CarStats {
        self.store().stats()
    }

    /// Returns a set of reached blocks, which has only the commit at first. Insert the
    /// [`Event::offset`](crate::mst::Event::offset) of each event of a walk to count the blocks
    /// that the walk reaches.
    ///
    /// # Errors
    ///
    /// `Store` or `InvalidSpillFile` if the spill file fails.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::Repo;
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// let repo = Repo::from_slice(bytes)?;
    /// let mut reached = repo.reached()?;
    /// let mut walk = repo.walk().nodes(true).records(false).start();
    /// while let Some(event) = walk.next_event()? {
    ///     event.offset().map(|offset| reached.insert(offset));
    /// }
    /// // The commit and 9 nodes. The other 40 sections are records.
    /// assert_eq!(reached.len(), 10);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn reached(&self) -> Result<Reached> {
        let mut reached = Reached::new(self.stats().bytes);
        let commit = look_up(self.store(), &self.commit.cid())?;
        commit.and_then(|found| found.offset).map(|offset| reached.insert(offset));
        Ok(reached)
    }

    /// Returns the number of unreached blocks: distinct blocks that are neither the commit nor
    /// reached by a complete walk. Such blocks are legal and otherwise ignored. Large numbers of
    /// them are a sign of abuse.
    ///
    /// Costs a complete walk, and the memory of a [`Reached`]: at most about one bit per 37 bytes
    /// of the CAR.
    ///
    /// # Errors
    ///
    /// Those of a complete walk: see [`Walker::next_event`](crate::mst::Walker::next_event).
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::Repo;
    /// use carwalk::car::{SliceReader, Writer};
    /// use carwalk::cid::{Cid, Codec};
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// let sections = SliceReader::new(bytes)?;
    /// let mut copy = Writer::new(Vec::new(), sections.header().roots())?;
    /// for section in sections {
    ///     let section = section?;
    ///     copy.write(section.cid(), section.block())?;
    /// }
    /// copy.write(Cid::of(Codec::Raw, b"not linked"), b"not linked")?;
    ///
    /// let repo = Repo::from_slice(copy.finish()?)?;
    /// assert_eq!(repo.records().try_count()?, 40);
    /// assert_eq!(repo.unreached_blocks()?, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn unreached_blocks(&self) -> Result<u64> {
        let mut reached = self.reached()?;
        let mut walk = self.walk().nodes(true).start();
        while let Some(event) = walk.next_event()? {
            event.offset().map(|offset| reached.insert(offset));
        }
        Ok(self.stats().distinct_blocks.saturating_sub(reached.len()))
    }
}

impl<S, P> fmt::Display for Repo<S, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.commit.did(), self.commit.rev())
    }
}
