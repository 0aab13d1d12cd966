//! Repositories: a commit, its tree, and the store that they lie in.

use core::fmt;

use crate::cid::Cid;
use crate::commit::{Commit, CommitRules};
use crate::error::{Error, ErrorKind, Malformed, Result, Structure};
use crate::mst::{KeyRange, Lookup, Walk};
use crate::path::RepoPath;
use crate::process::{Keep, Process, restore};
use crate::record::Record;
use crate::records::{Collections, Entries, Records, record};
use crate::store::trust::Trust;
use crate::store::{BlockStore, CarStats, CarStore, Form, MemoryStore, Reached, look_up};

/// A tree without a commit: a store and the CID of the root node.
///
/// A walk hashes the blocks that it reaches, unless the store has verified them.
///
/// ```
/// use carwalk::store::{CarStore, SliceStore};
/// use carwalk::{Repo, Tree};
///
/// # let bytes: &[u8] = include_bytes!("../samples/repo.car");
/// # let data = Repo::from_slice(bytes)?.commit().data();
/// let store = SliceStore::new(bytes)?;
/// let tree = Tree::new(store, data);
/// assert_eq!(tree.entries().try_count()?, 40);
/// # Ok::<(), carwalk::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Tree<S, P = Keep> {
    store: S,
    root: Cid,
    options: TreeOptions,
    process: P,
}

#[derive(Clone, Copy, Debug)]
struct TreeOptions {
    trust: Trust,
    strict_paths: bool,
    /// Bytes of memory that a walk may take.
    memory_limit: u64,
}

impl<S: BlockStore> Tree<S> {
    /// Creates the tree under the node `root` in `store`. Reads nothing yet.
    pub fn new(store: S, root: Cid) -> Self {
        let options = TreeOptions {
            trust: Trust::HashWhenReached,
            strict_paths: false,
            memory_limit: u64::MAX,
        };
        Tree { store, root, options, process: Keep }
    }
}

impl<S: BlockStore, P: Process> Tree<S, P> {
    /// Makes the iterators check the full syntax of repo paths, as
    /// [`RepoPath::check_syntax`](crate::RepoPath::check_syntax) does. Off by default.
    #[must_use]
    pub fn strict_paths(mut self, yes: bool) -> Self {
        self.options.strict_paths = yes;
        self
    }

    /// Returns the CID of the root node.
    #[must_use]
    pub fn root(&self) -> Cid {
        self.root
    }

    /// Returns the store.
    pub fn store(&self) -> &S {
        &self.store
    }

    /// Returns a builder for a walk over the tree. A walk allocates nothing per record, and can show
    /// nodes and continue where blocks are missing.
    pub fn walk(&self) -> Walk<'_, S> {
        let TreeOptions { trust, memory_limit, .. } = self.options;
        Walk::new(&self.store, self.root).trust(trust).memory_limit(memory_limit)
    }

    /// Returns an iterator over the records in key order.
    pub fn records(&self) -> Records<'_, S, P> {
        self.records_in(..)
    }

    /// Returns an iterator over the records in a range of keys: see [`Repo::records_in`].
    pub fn records_in(&self, range: impl Into<KeyRange>) -> Records<'_, S, P> {
        let walk = self.walk().range(range).start();
        Records::new(walk, self.options.strict_paths, &self.process)
    }

    /// Returns an iterator over the paths and CIDs of the records in key order. The records are not
    /// looked up.
    pub fn entries(&self) -> Entries<'_, S> {
        self.entries_in(..)
    }

    /// Returns an iterator over the paths and CIDs of the records in a range of keys. The records
    /// are not looked up.
    pub fn entries_in(&self, range: impl Into<KeyRange>) -> Entries<'_, S> {
        let walk = self.walk().records(false).range(range).start();
        Entries::new(walk, self.options.strict_paths)
    }

    /// Returns an iterator over the names of the collections: see [`Repo::collections`].
    pub fn collections(&self) -> Collections<'_, S> {
        Collections::new(self.walk().records(false), self.options.strict_paths)
    }

    /// Looks up one key, which need not be a repo path. Reads the nodes on its search path and its
    /// record, and nothing else. Every rule is checked in each of these nodes. Nothing is cached
    /// between lookups.
    ///
    /// # Errors
    ///
    /// - `HashMismatch` for a node or record that does not have its CID
    /// - `Tree`, `Malformed`, `NonCanonical` or `Limit` for a node that breaks a rule
    /// - `Store` or `Io` if the store fails
    /// - `Decode` if the stored value of a process function cannot be decoded
    ///
    /// A missing node or record is not an error.
    ///
    /// ```
    /// use carwalk::{Lookup, Repo};
    ///
    /// # let bytes: &[u8] = include_bytes!("../samples/repo.car");
    /// let repo = Repo::from_slice(bytes)?;
    /// let found = repo.tree().get_key("app.bsky.actor.profile/self")?;
    /// let Lookup::Present { record: Some(record), .. } = found else { panic!() };
    /// assert_eq!(record.len(), 128);
    /// // Any bytes can be a key. `Repo::get` would return an error: this is not a path.
    /// assert!(matches!(repo.tree().get_key(b"\xff")?, Lookup::Absent));
    /// assert!(repo.get("no path").is_err());
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn get_key(&self, key: impl AsRef<[u8]>) -> Result<Lookup<P::Value<S::Bytes<'_>>>> {
        let key = key.as_ref();
        let found = self.walk().partial(true).one(key).start().find()?;
        found.try_map(|cid, block| restore(&self.process, block, cid, key))
    }

    /// Looks up the record of a path: see [`Repo::get`].
    #[expect(clippy::type_complexity, reason = "as that of `Repo::get`")]
    fn get(&self, path: RepoPath<'_>) -> Result<Lookup<Record<P::Value<S::Bytes<'_>>>>> {
        let key = path.as_str().as_bytes();
        let found = self.walk().partial(true).one(key).start().find()?;
        found.try_map(|cid, block| record(&self.process, path.to_owned(), cid, block))
    }
}

/// A repository: a commit, its tree, and the store that they lie in.
///
/// ```
/// use carwalk::Repo;
///
/// # let bytes: &[u8] = include_bytes!("../samples/repo.car");
/// let repo = Repo::from_slice(bytes)?;
/// assert_eq!(repo.to_string(), "did:plc:ewvi7nxzyoun6zhxrhs64oiz at 3l4ozvcohu22l");
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
    /// Puts a repository together from a commit that was found in its store.
    pub(crate) fn of(commit: Commit<'static>, store: S, opening: Opening<P>) -> Self {
        let Opening { trust, strict_paths, walk_memory, process, .. } = opening;
        let options = TreeOptions { trust, strict_paths, memory_limit: walk_memory };
        let tree = Tree { store, root: commit.data(), options, process };
        Repo { commit, tree }
    }

    /// Returns the commit.
    #[must_use]
    pub fn commit(&self) -> &Commit<'static> {
        &self.commit
    }

    /// Returns the tree.
    #[must_use]
    pub fn tree(&self) -> &Tree<S, P> {
        &self.tree
    }

    /// Returns the store.
    pub fn store(&self) -> &S {
        &self.tree.store
    }

    /// Returns the store and drops the rest.
    pub fn into_store(self) -> S {
        self.tree.store
    }

    /// Returns a builder for a walk over the tree. A walk allocates nothing per record, and can show
    /// nodes and continue where blocks are missing.
    ///
    /// ```
    /// use carwalk::Repo;
    /// use carwalk::mst::Event;
    ///
    /// # let bytes: &[u8] = include_bytes!("../samples/repo.car");
    /// let repo = Repo::from_slice(bytes)?;
    /// let (mut nodes, mut records) = (0, 0);
    /// let mut walk = repo.walk().nodes(true).start();
    /// while let Some(event) = walk.next_event()? {
    ///     match event {
    ///         Event::Node { .. } => nodes += 1,
    ///         Event::Record { .. } => records += 1,
    ///         // Only in partial walks, or in walks that do not look records up.
    ///         _ => {}
    ///     }
    /// }
    /// assert_eq!((nodes, records), (9, 40));
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn walk(&self) -> Walk<'_, S> {
        self.tree.walk()
    }

    /// Returns an iterator over the records in key order. `&repo` is one, too.
    ///
    /// ```
    /// use carwalk::Repo;
    ///
    /// # let bytes: &[u8] = include_bytes!("../samples/repo.car");
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

    /// Returns an iterator over the records in a range of keys. If it ends without an error, nothing
    /// in the range is missing.
    ///
    /// Subtrees that cannot have such a key are not requested: the first call goes straight down to
    /// the first key of the range. If the range ends before it starts, the first item is an error of
    /// kind `Argument`.
    ///
    /// ```
    /// use carwalk::{KeyRange, Repo};
    ///
    /// # let bytes: &[u8] = include_bytes!("../samples/repo.car");
    /// let repo = Repo::from_slice(bytes)?;
    /// let likes = repo.records_in("app.bsky.feed.like/".."app.bsky.feed.post/");
    /// assert_eq!(likes.try_count()?, 16);
    ///
    /// // The newest posts first: their keys ascend with time.
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
    /// ```
    /// use carwalk::Repo;
    ///
    /// # let bytes: &[u8] = include_bytes!("../samples/repo.car");
    /// let repo = Repo::from_slice(bytes)?;
    /// let first = repo.entries().next().unwrap()?;
    /// assert_eq!(first.path(), "app.bsky.actor.profile/self");
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn entries(&self) -> Entries<'_, S> {
        self.tree.entries()
    }

    /// Returns an iterator over the paths and CIDs of the records in a range of keys: see
    /// [`records_in`](Repo::records_in). The records are not looked up.
    ///
    /// ```
    /// use carwalk::Repo;
    ///
    /// # let bytes: &[u8] = include_bytes!("../samples/repo.car");
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
    /// Goes from the first key of one collection to the first of the next, and reads no record: at
    /// most `2 * (height + 1)` node lookups for each collection.
    ///
    /// ```
    /// use carwalk::Repo;
    ///
    /// # let bytes: &[u8] = include_bytes!("../samples/repo.car");
    /// let repo = Repo::from_slice(bytes)?;
    /// let names: Vec<String> = repo.collections().collect::<Result<_, _>>()?;
    /// assert_eq!(names.len(), 4);
    /// assert_eq!(names[0], "app.bsky.actor.profile");
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn collections(&self) -> Collections<'_, S> {
        self.tree.collections()
    }

    /// Looks up the record of a path, such as `app.bsky.actor.profile/self`. Reads the nodes on its
    /// search path and the record, and nothing else.
    ///
    /// Every rule is checked in each of these nodes. Nothing is cached between lookups.
    ///
    /// # Errors
    ///
    /// - `Path`, with the argument, if it does not have the form of a repo path
    /// - `HashMismatch` for a node or record that does not have its CID
    /// - `Tree`, `Malformed`, `NonCanonical` or `Limit` for a node that breaks a rule
    /// - `Store` or `Io` if the store fails
    /// - `Decode` if the stored value of a process function cannot be decoded
    ///
    /// A missing node or record is not an error: see [`Lookup::into_result`].
    ///
    /// ```
    /// use carwalk::{Lookup, Repo};
    ///
    /// # let bytes: &[u8] = include_bytes!("../samples/repo.car");
    /// let repo = Repo::from_slice(bytes)?;
    /// match repo.get("app.bsky.actor.profile/self")? {
    ///     Lookup::Present { record: Some(record), .. } => assert_eq!(record.bytes().len(), 128),
    ///     Lookup::Present { cid, record: None } => println!("{cid}, which is missing"),
    ///     Lookup::Absent => println!("no such record"),
    ///     Lookup::Unknown(gap) => println!("cannot tell: {gap}"),
    /// }
    /// // Not a path: an error, and not "absent".
    /// assert!(repo.get("at://did:plc:ewvi7nxzyoun6zhxrhs64oiz/app.bsky.actor.profile/self").is_err());
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    #[expect(clippy::type_complexity, reason = "an alias would hide it from the documentation")]
    pub fn get(&self, path: impl AsRef<str>) -> Result<Lookup<Record<P::Value<S::Bytes<'_>>>>> {
        self.tree.get(RepoPath::try_from(path.as_ref())?)
    }

    /// Replaces the store by one with the same blocks.
    #[cfg(feature = "redb")]
    pub(crate) fn map_store<T>(self, f: impl FnOnce(S) -> T) -> Repo<T, P> {
        let Repo { commit, tree: Tree { store, root, options, process } } = self;
        Repo { commit, tree: Tree { store: f(store), root, options, process } }
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
    /// Returns the counts of the loaded CAR.
    #[must_use]
    pub fn stats(&self) -> CarStats {
        self.store().stats()
    }

    /// Returns a set of section offsets that contains only the commit's. Insert the
    /// [`Event::offset`](crate::mst::Event::offset) of each event of a walk.
    ///
    /// # Errors
    ///
    /// `Store` or `Io` if the store fails.
    pub fn reached(&self) -> Result<Reached> {
        let mut reached = Reached::new(self.stats().bytes);
        let commit = look_up(self.store(), &self.commit.cid())?;
        commit.and_then(|found| found.offset).map(|offset| reached.insert(offset));
        Ok(reached)
    }

    /// Returns the number of distinct blocks that are neither the commit nor reached by a complete
    /// walk. Such blocks are legal and otherwise ignored; unreasonable numbers are a sign of abuse.
    ///
    /// Costs a walk, and one bit of memory for 37 bytes of the CAR.
    ///
    /// # Errors
    ///
    /// Those of [`Walker::next_event`](crate::mst::Walker::next_event) in a complete walk.
    ///
    /// ```
    /// use carwalk::Repo;
    /// use carwalk::car::{SliceReader, Writer};
    /// use carwalk::cid::{Cid, Codec};
    ///
    /// # let bytes: &[u8] = include_bytes!("../samples/repo.car");
    /// let sections = SliceReader::new(bytes)?;
    /// let mut copy = Writer::new(Vec::new(), sections.header().roots())?;
    /// for section in sections {
    ///     let section = section?;
    ///     copy.write(section.cid(), section.block())?;
    /// }
    /// copy.write(Cid::of(Codec::Raw, b"no record"), b"no record")?;
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

/// What opening a repository needs besides its store.
#[derive(Debug)]
pub(crate) struct Opening<P> {
    pub(crate) trust: Trust,
    pub(crate) commits: CommitRules,
    pub(crate) strict_paths: bool,
    /// Bytes of memory that a walk may take.
    pub(crate) walk_memory: u64,
    pub(crate) process: P,
}

impl<P> Opening<P> {
    /// Finds the commit in a store.
    pub(crate) fn commit<S: BlockStore>(&self, store: &S, cid: Cid) -> Result<Commit<'static>> {
        let find = || {
            let cid = cid.into_dag_cbor()?;
            let found = look_up(store, &cid)?;
            let found = found.ok_or_else(|| Error::new(ErrorKind::MissingCommit))?;
            if found.form == Form::Value {
                return Err(Error::malformed(Malformed::ProcessedNode).at(found.offset));
            }
            let trusted = self.trust == Trust::Unchecked || found.verified == Some(cid);
            read_commit(cid, found.bytes.as_ref(), self.commits, !trusted)
                .map_err(|error| error.at(found.offset))
        };
        find().map_err(|error| error.in_structure(Structure::Commit).of_cid(cid))
    }
}

/// Parses a commit, after comparing it with its CID if `hash` is set.
pub(crate) fn read_commit(
    cid: Cid,
    block: &[u8],
    rules: CommitRules,
    hash: bool,
) -> Result<Commit<'static>> {
    if hash {
        cid.verify(block).map_err(|error| error.in_structure(Structure::Commit))?;
    }
    let commit = Commit::parse(cid, block, rules).map_err(|error| error.of_block(block))?;
    Ok(commit.into_owned())
}

impl<S, P> fmt::Display for Repo<S, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.commit.did(), self.commit.rev())
    }
}
