//! Trees without a commit.

use std::sync::Arc;

use super::opening::Opening;
use crate::cid::Cid;
use crate::error::Result;
use crate::mst::{KeyRange, Lookup, Walk, WalkBuffers};
use crate::path::RepoPath;
use crate::process::{Keep, Process, restore};
use crate::record::Record;
use crate::records::{Collections, Entries, Records, record};
use crate::reuse::Shelf;
use crate::store::BlockStore;
use crate::store::trust::Trust;

/// A tree without a commit: a store and the CID of the root node.
///
/// [`Repo::tree`](crate::Repo::tree) returns one, and [`Tree::new`] makes one over any store. `S`
/// is the store, `P` the process function: see [`Repo`](crate::Repo). The module
/// [`mst`](crate::mst) describes the structure.
///
/// Walks, iterators and lookups hash the blocks that they reach, unless the store has verified
/// them, or the repository was opened with
/// [`Verification::DangerouslyNone`](crate::Verification::DangerouslyNone).
///
/// # Examples
///
/// ```
/// use carwalk::store::{CarStore, SliceStore};
/// use carwalk::{Repo, Tree};
///
/// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
/// # let data = Repo::from_slice(bytes)?.commit().data();
/// let tree = Tree::new(SliceStore::new(bytes)?, data);
/// assert_eq!(tree.entries().try_count()?, 40);
/// assert_eq!(tree.root(), data);
/// // The store has the whole CAR: the commit, 9 nodes and 40 records.
/// assert_eq!(tree.store().stats().sections, 50);
/// # Ok::<(), carwalk::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Tree<S, P = Keep> {
    pub(super) store: S,
    pub(super) root: Cid,
    pub(super) options: TreeOptions,
    /// Where walks take their buffers from.
    pub(super) buffers: Option<Arc<Shelf<WalkBuffers>>>,
    pub(super) process: P,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct TreeOptions {
    pub(super) trust: Trust,
    pub(super) strict_paths: bool,
    /// Bytes of memory that a walk may take.
    pub(super) walk_memory: u64,
}

impl<S: BlockStore> Tree<S> {
    /// Creates the tree below the node `root`, whose blocks are in `store`. Reads nothing yet.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::cid::{Cid, Codec};
    /// use carwalk::store::SliceStore;
    /// use carwalk::{ErrorClass, Tree};
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// // The store does not have this root, which the first lookup or walk finds.
    /// let root = Cid::of(Codec::DagCbor, b"another node");
    /// let tree = Tree::new(SliceStore::new(bytes)?, root);
    /// assert_eq!(tree.entries().try_count().unwrap_err().class(), ErrorClass::Missing);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn new(store: S, root: Cid) -> Self {
        let options = TreeOptions {
            trust: Trust::HashWhenReached,
            strict_paths: false,
            walk_memory: u64::MAX,
        };
        Tree { store, root, options, buffers: None, process: Keep }
    }
}

impl<S: BlockStore, P: Process> Tree<S, P> {
    /// Creates the tree below the node `root` of a loaded CAR.
    pub(crate) fn of(root: Cid, store: S, opening: Opening<P>) -> Self {
        let Opening { trust, strict_paths, walk_memory, buffers, process, .. } = opening;
        let options = TreeOptions { trust, strict_paths, walk_memory };
        Tree { store, root, options, buffers, process }
    }

    /// Sets whether the iterators check the full syntax of repo paths, as
    /// [`RepoPath::check_syntax`](crate::RepoPath::check_syntax) does. Off by default. If on, a
    /// path that breaks the syntax is an error of kind `Path`. Lookups and [`walk`](Tree::walk) are
    /// not affected.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::Tree;
    /// use carwalk::car::Writer;
    /// use carwalk::cid::{Cid, Codec};
    /// use carwalk::store::SliceStore;
    ///
    /// // A node with one entry, `posts/1`: a repo path, but `posts` is not an NSID.
    /// let record = Cid::of(Codec::DagCbor, b"\xa0");
    /// let mut node = b"\xa2\x61e\x81\xa4\x61k\x47posts/1\x61p\x00\x61t\xf6\x61v".to_vec();
    /// node.extend([b"\xd8\x2a\x58\x25\x00", record.as_bytes().as_slice(), b"\x61l\xf6"].concat());
    /// let root = Cid::of(Codec::DagCbor, &node);
    /// let mut car = Writer::new(Vec::new(), &[root])?;
    /// car.write(root, &node)?;
    ///
    /// let tree = Tree::new(SliceStore::new(car.finish()?)?, root);
    /// assert_eq!(tree.entries().try_count()?, 1);
    /// let error = tree.strict_paths(true).entries().try_count().unwrap_err();
    /// assert_eq!(error.key(), Some(&b"posts/1"[..]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
    /// let mut nodes = 0;
    /// let mut walk = repo.tree().walk().nodes(true).records(false).start();
    /// while let Some(event) = walk.next_event()? {
    ///     if let Event::Node { .. } = event {
    ///         nodes += 1;
    ///     }
    /// }
    /// assert_eq!(nodes, 9);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn walk(&self) -> Walk<'_, S> {
        let TreeOptions { trust, walk_memory, .. } = self.options;
        let walk = Walk::new(&self.store, self.root).trust(trust).memory_limit(walk_memory);
        walk.buffers(self.buffers.as_deref())
    }

    /// Returns an iterator over the records in key order.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::Repo;
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// let repo = Repo::from_slice(bytes)?;
    /// let mut len = 0;
    /// for record in repo.tree().records() {
    ///     len += record?.bytes().len();
    /// }
    /// assert_eq!(len, 7338);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn records(&self) -> Records<'_, S, P> {
        self.records_in(..)
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
    /// let likes = KeyRange::collection("app.bsky.feed.like")?;
    /// assert_eq!(repo.tree().records_in(likes).try_count()?, 16);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn records_in(&self, range: impl Into<KeyRange>) -> Records<'_, S, P> {
        let walk = self.walk().range(range).start();
        Records::new(walk, self.options.strict_paths, &self.process)
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
    /// let last = repo.tree().entries().next_back().unwrap()?;
    /// assert_eq!(last.path(), "app.bsky.graph.follow/3l4ojejn3g22l");
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn entries(&self) -> Entries<'_, S> {
        self.entries_in(..)
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
    /// let repo = Repo::from_slice(bytes)?;
    /// assert_eq!(repo.tree().entries_in("app.bsky.feed."..).try_count()?, 39);
    /// assert!(repo.tree().entries_in("b".."a").try_count().is_err());
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn entries_in(&self, range: impl Into<KeyRange>) -> Entries<'_, S> {
        let walk = self.walk().records(false).range(range).start();
        Entries::new(walk, self.options.strict_paths)
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
    /// let last = repo.tree().collections().last().unwrap()?;
    /// assert_eq!(last, "app.bsky.graph.follow");
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn collections(&self) -> Collections<'_, S> {
        Collections::new(self.walk().records(false), self.options.strict_paths)
    }

    /// Looks up one key, which need not be a repo path. So it returns the record's value instead of
    /// a [`Record`], which has a repo path.
    ///
    /// Reads only the nodes on the key's [search path](crate::mst), at most `height + 1`, and the
    /// record. All rules of the tree are checked in these nodes. Nothing is cached between lookups.
    ///
    /// # Errors
    ///
    /// - `HashMismatch` if a node or the record does not hash to its CID
    /// - `Tree`, `Malformed`, `NonCanonical` or `Limit` if a node breaks a rule
    /// - `Limit` if the nodes on the search path exceed the memory limit of walks, which
    ///   [`Loader::memory_limit`](crate::Loader::memory_limit) sets
    /// - `Store`, `Io` or `InvalidSpillFile` if the store fails
    /// - `Decode` if the stored value of a process function cannot be decoded
    ///
    /// A missing node or record is not an error: see [`Lookup`].
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::{Lookup, Repo};
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
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
        let found = self.walk().partial(true).key(key).start().find()?;
        found.try_map(|cid, block| restore(&self.process, block, cid, key))
    }

    /// Looks up the record of a path.
    #[expect(clippy::type_complexity, reason = "as that of `Repo::get`")]
    pub(super) fn get(&self, path: RepoPath<'_>) -> Result<Lookup<Record<P::Value<S::Bytes<'_>>>>> {
        let key = path.as_str().as_bytes();
        let found = self.walk().partial(true).key(key).start().find()?;
        found.try_map(|cid, block| record(&self.process, path.to_owned(), cid, block))
    }
}
