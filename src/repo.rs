//! Repositories: a commit, its tree, and the store that they lie in.

use core::fmt;

use crate::cid::Cid;
use crate::commit::{Commit, CommitRules};
use crate::error::{Error, ErrorKind, Malformed, Result, Structure};
use crate::mst::{Lookup, Walker};
use crate::process::{Keep, Process, restore};
use crate::records::{Records, RepoEntries};
use crate::store::trust::Trust;
use crate::store::{BlockStore, CarStats, CarStore, Form, Reached};

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
/// for entry in tree.entries() {
///     println!("{}", entry?.path());
/// }
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

    /// Returns a walk over the tree: the form that shows nodes, continues where blocks are missing,
    /// and allocates nothing per record.
    pub fn walk(&self) -> Walker<'_, S> {
        let TreeOptions { trust, memory_limit, .. } = self.options;
        Walker::new(&self.store, self.root).trust(trust).memory_limit(memory_limit)
    }

    /// Returns an iterator over the records in key order.
    pub fn records(&self) -> Records<'_, S, P> {
        Records::new(self.walk(), self.options.strict_paths, &self.process)
    }

    /// Looks one key up: reads the nodes on its search path and its record, and nothing else.
    ///
    /// Every rule is checked in each node on the path. Nothing is cached between lookups. The key
    /// need not be a repo path.
    ///
    /// # Errors
    ///
    /// `HashMismatch` for a node or record that does not have its CID; `Tree`, `Malformed`,
    /// `NonCanonical` or `Limit` for a node on the way that breaks a rule; `Store` or `Io` if the
    /// store fails; `Decode` if the record's stored value cannot be decoded. A missing node or
    /// record is not an error.
    ///
    /// ```
    /// use carwalk::{Lookup, Repo};
    ///
    /// # let bytes: &[u8] = include_bytes!("../samples/repo.car");
    /// let repo = Repo::from_slice(bytes)?;
    /// match repo.get("app.bsky.actor.profile/self")? {
    ///     Lookup::Present { cid, record: Some(record) } => {
    ///         println!("{cid} has {} bytes", record.len());
    ///     }
    ///     Lookup::Present { cid, record: None } => println!("{cid}, which is not here"),
    ///     Lookup::Absent => println!("no such record"),
    ///     Lookup::Unknown(gap) => println!("cannot tell: {gap}"),
    /// }
    /// # assert!(repo.get("app.bsky.actor.profile/self")?.record().is_some());
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn get(&self, key: impl AsRef<[u8]>) -> Result<Lookup<P::Value<S::Bytes<'_>>>> {
        let key = key.as_ref();
        Ok(match self.walk().partial(true).one(key).find()? {
            Lookup::Present { cid, record } => {
                let record =
                    record.map(|found| restore(&self.process, found, cid, key)).transpose()?;
                Lookup::Present { cid, record }
            }
            Lookup::Absent => Lookup::Absent,
            Lookup::Unknown(gap) => Lookup::Unknown(gap),
        })
    }

    /// Returns an iterator over the paths and CIDs of the records in key order. The records are not
    /// looked up.
    pub fn entries(&self) -> RepoEntries<'_, S> {
        RepoEntries::new(self.walk().records(false), self.options.strict_paths)
    }
}

/// A repository: a commit, its tree, and the store that they lie in.
///
/// ```
/// use carwalk::Repo;
///
/// # let bytes: &[u8] = include_bytes!("../samples/repo.car");
/// let repo = Repo::from_slice(bytes)?;
/// println!("{} at {}", repo.commit().did(), repo.commit().rev());
/// for record in repo.records() {
///     let record = record?;
///     println!("{}\t{}\t{} bytes", record.path(), record.cid(), record.bytes().len());
/// }
/// # Ok::<(), carwalk::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Repo<S, P = Keep> {
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

    /// Returns a walk over the tree: the form that shows nodes, continues where blocks are missing,
    /// and allocates nothing per record.
    pub fn walk(&self) -> Walker<'_, S> {
        self.tree.walk()
    }

    /// Returns an iterator over the records in key order.
    pub fn records(&self) -> Records<'_, S, P> {
        self.tree.records()
    }

    /// Looks one key up: see [`Tree::get`].
    ///
    /// # Errors
    ///
    /// As [`Tree::get`].
    pub fn get(&self, key: impl AsRef<[u8]>) -> Result<Lookup<P::Value<S::Bytes<'_>>>> {
        self.tree.get(key)
    }

    /// Returns an iterator over the paths and CIDs of the records in key order. The records are not
    /// looked up.
    pub fn entries(&self) -> RepoEntries<'_, S> {
        self.tree.entries()
    }
}

impl<S: CarStore, P: Process> Repo<S, P> {
    /// Returns the counts of the loaded CAR.
    #[must_use]
    pub fn stats(&self) -> CarStats {
        self.store().stats()
    }

    /// Returns an empty record of reached sections, in which only the commit is marked. Insert the
    /// [`Event::offset`](crate::mst::Event::offset) of each event of a walk.
    ///
    /// # Errors
    ///
    /// `Store` or `Io` if the store fails.
    pub fn reached(&self) -> Result<Reached> {
        let mut reached = Reached::new(self.stats().bytes);
        let commit = self.store().get(&self.commit.cid())?;
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
    pub fn unreached_blocks(&self) -> Result<u64> {
        let mut reached = self.reached()?;
        let mut walk = self.walk().nodes(true);
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
            let found = store.get(&cid)?.ok_or_else(|| Error::new(ErrorKind::MissingCommit))?;
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
    Ok(Commit::parse(cid, block, rules)?.into_owned())
}

impl<S, P> fmt::Display for Repo<S, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.commit.did(), self.commit.rev())
    }
}
