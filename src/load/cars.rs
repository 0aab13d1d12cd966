//! Several CARs as one repository, and stores of CARs whose commit is not opened.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io::Read;

use super::open::{Load, slice_store};
use super::{BoundedLoader, Loader};
use crate::cid::Cid;
use crate::commit::Commit;
use crate::error::{ArgumentFault, Error, ErrorKind, Result, RevisionFault, Structure};
use crate::process::Process;
use crate::repo::{Opening, Repo};
use crate::store::index::Notes;
#[cfg(feature = "redb")]
use crate::store::spill::SpillWriter;
#[cfg(feature = "redb")]
use crate::store::{AnyStore, SpillFile};
use crate::store::{BlockStore, CarStore, MemoryStore, SliceStore, Union};

impl<P: Process + Clone> Loader<P> {
    /// Opens several CARs as one repository: a snapshot, and then the responses to
    /// `com.atproto.sync.getRepo` with `since`, in any order.
    ///
    /// - The commit of each CAR is its first root. All commits are looked up in the blocks of all
    ///   CARs, so a CAR may have only a header.
    /// - All commits have one DID. No commit has a revision before that of the first CAR, the
    ///   snapshot. Two commits with one revision are the same commit.
    /// - The commit with the greatest revision is opened. Blocks of its tree may be in any of the
    ///   CARs. As in every repository, a walk finds missing ones.
    /// - [`Loader::commit`] opens another commit, and the rules above are not checked.
    ///
    /// The CARs are loaded already, for example with [`load_slice`](Loader::load_slice). Blocks
    /// that were not verified then are verified when a walk reaches them, unless verification is
    /// off.
    ///
    /// # Errors
    ///
    /// - `Argument` if there is no CAR
    /// - `MissingCommit` if none of the CARs has the commit of one of them
    /// - `OtherAccount` if a commit has another DID than that of the first CAR
    /// - `Revision` if a commit has a revision before that of the first CAR, or the revision of
    ///   another commit
    /// - `HashMismatch` if a commit does not have its CID
    /// - `LookAlike` if a commit is a tree node
    /// - `Malformed` or `NonCanonical` if a commit is invalid, or if a store has a processed value
    ///   for it
    /// - `Limit` if a commit exceeds a fixed limit
    /// - `Store` or `InvalidSpillFile` if a spill file fails
    /// - `Argument` if the CID that [`Loader::commit`] was given has the codec raw
    ///
    /// [`Error::input`] is the number of the CAR, except for the kind `Argument`, and with
    /// [`Loader::commit`].
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::{Loader, Repo};
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// # let whole = Repo::from_slice(bytes)?;
    /// # let (mut nodes, mut profile) = (Vec::new(), Vec::new());
    /// # whole.writer().records(false).write(&mut nodes)?;
    /// # whole.writer().key("app.bsky.actor.profile/self").write(&mut profile)?;
    /// // Two parts of one repository: all nodes, and one record with its proof.
    /// let loader = Loader::new();
    /// let cars = vec![loader.load_slice(&nodes)?, loader.load_slice(&profile)?];
    /// let repo = loader.from_cars(cars)?;
    /// assert_eq!(repo.entries().try_count()?, 40);
    /// assert!(repo.get("app.bsky.actor.profile/self")?.into_result()?.is_some());
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn from_cars<S: CarStore>(&self, cars: Vec<S>) -> Result<Repo<Union<S>, P>> {
        self.open_cars(cars, u64::MAX)
    }

    /// Opens the newest of several commits in a store. `commits` are those of several CARs, the
    /// first of which is the snapshot, by the rules of [`from_cars`](Loader::from_cars).
    ///
    /// For stores that are not of this library. [`Loader::commit`] has no effect.
    ///
    /// # Errors
    ///
    /// - `Argument` if there is no commit
    /// - `MissingCommit` if the store does not have one of the commits
    /// - `OtherAccount` if a commit has another DID than the first
    /// - `Revision` if a commit has a revision before that of the first, or the revision of another
    ///   commit
    /// - `HashMismatch` if a commit does not have its CID
    /// - `LookAlike` if a commit is a tree node
    /// - `Malformed` or `NonCanonical` if a commit is invalid or its CID has the codec raw, or if
    ///   the store has a processed value for it
    /// - `Limit` if a commit exceeds a fixed limit
    /// - any of [`BlockStore::get`]
    ///
    /// [`Error::input`] is the number of the commit, except for the kind `Argument`.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::store::SliceStore;
    /// use carwalk::{Loader, Repo};
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// let store = SliceStore::new(bytes)?;
    /// # let commit = Repo::from_slice(bytes)?.commit().cid();
    /// // Nothing has changed since the snapshot.
    /// let repo = Loader::new().from_newest(store, &[commit, commit])?;
    /// assert_eq!(repo.records().try_count()?, 40);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn from_newest<S: BlockStore>(&self, store: S, commits: &[Cid]) -> Result<Repo<S, P>> {
        self.open_newest(store, commits, u64::MAX)
    }

    fn open_newest<S: BlockStore>(
        &self,
        store: S,
        commits: &[Cid],
        memory_limit: u64,
    ) -> Result<Repo<S, P>> {
        let commit = newest(&store, commits, &self.opening(memory_limit))?;
        self.open_store(store, commit, memory_limit)
    }

    fn open_cars<S: CarStore>(&self, cars: Vec<S>, memory_limit: u64) -> Result<Repo<Union<S>, P>> {
        if let Some(commit) = self.settings.commit {
            return self.open_store(Union::new(cars), commit, memory_limit);
        }
        let roots = cars
            .iter()
            .enumerate()
            .map(|(input, car)| car.header().commit().map_err(|error| error.in_input(input)));
        let roots: Vec<Cid> = roots.collect::<Result<_>>()?;
        self.open_newest(Union::new(cars), &roots, memory_limit)
    }

    /// Loads the CAR in `bytes` without opening its commit: a slice, a `Vec<u8>`, a mapped file.
    ///
    /// For CARs without a commit, and for [`from_cars`](Loader::from_cars). The index takes 10
    /// bytes a block, and up to 20 bytes a section while it is made.
    ///
    /// # Errors
    ///
    /// - `LookAlike` if the input is empty, JSON, HTML, gzip data, a CAR of version 2 or a spill
    ///   file
    /// - `Truncated` if the input ends inside the header or a section
    /// - `Malformed` or `NonCanonical` if the header or a section is invalid
    /// - `Limit` if the header or a block exceeds its limit, or if there are more than 1 TiB of
    ///   bytes
    /// - `HashMismatch` for a block that does not have its CID
    /// - `Argument` if the CID that [`Loader::commit`] was given has the codec raw
    /// - `Cancelled` if the progress function ends the load
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::store::CarStore;
    /// use carwalk::{Limits, Loader};
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// let loader = Loader::new().limits(Limits::new().max_block_len(1 << 20));
    /// let store = loader.load_slice(bytes)?;
    /// assert_eq!(store.stats().distinct_blocks, 50);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn load_slice<B: AsRef<[u8]>>(&self, bytes: B) -> Result<SliceStore<B>> {
        let load = |bytes: &[u8]| Load::slice(bytes, self, u64::MAX, Notes::new())?.into_index();
        Ok(slice_store(bytes, load)?.0)
    }

    /// Reads a stream to its end without opening the commit of the CAR in it.
    ///
    /// For CARs without a commit, and for [`from_cars`](Loader::from_cars). The stream is held in
    /// memory, at most 1 GiB by default.
    ///
    /// # Errors
    ///
    /// - `Io` if reading fails, or if memory for a long block cannot be allocated
    /// - `LookAlike` if the input is empty, JSON, HTML, gzip data, a CAR of version 2 or a spill
    ///   file
    /// - `Truncated` if the input ends inside the header or a section
    /// - `Malformed` or `NonCanonical` if the header or a section is invalid
    /// - `Limit` if the stream, the header or a block exceeds its limit
    /// - `HashMismatch` for a block that does not have its CID
    /// - `Argument` if the CID that [`Loader::commit`] was given has the codec raw
    /// - `Encode` if a processed value cannot be encoded
    /// - `Cancelled` if the progress function ends the load
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::Loader;
    /// use carwalk::store::CarStore;
    ///
    /// # let stream: &[u8] = include_bytes!("../../samples/repo.car");
    /// let store = Loader::new().threads(2).load_reader(stream)?;
    /// assert_eq!(store.stats().distinct_blocks, 50);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn load_reader<R: Read>(&self, reader: R) -> Result<MemoryStore> {
        let mut load = Load::stream(reader, self, u64::MAX)?;
        load.run_to_end()?;
        Ok(load.into_store()?.0)
    }
}

impl<P: Process + Clone> BoundedLoader<P> {
    /// Opens several CARs as one repository.
    ///
    /// The limit of a walk is an eighth of the memory limit, but at least 1 MiB. Otherwise the same
    /// as [`Loader::from_cars`].
    ///
    /// # Errors
    ///
    /// Those of [`Loader::from_cars`].
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "redb")]
    /// # {
    /// use carwalk::Loader;
    /// use carwalk::store::SpillFile;
    ///
    /// # let stream: &[u8] = include_bytes!("../../samples/repo.car");
    /// let loader = Loader::new().memory_limit(4 << 10);
    /// let snapshot = loader.load_reader(stream, SpillFile::temporary())?;
    /// let repo = loader.from_cars(vec![snapshot])?;
    /// assert_eq!(repo.records().try_count()?, 40);
    /// # }
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn from_cars<S: CarStore>(&self, cars: Vec<S>) -> Result<Repo<Union<S>, P>> {
        self.loader.open_cars(cars, self.memory_limit)
    }

    /// Opens the newest of several commits in a store.
    ///
    /// The limit of a walk is an eighth of the memory limit, but at least 1 MiB. Otherwise the same
    /// as [`Loader::from_newest`].
    ///
    /// # Errors
    ///
    /// Those of [`Loader::from_newest`].
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::store::SliceStore;
    /// use carwalk::{Loader, Repo};
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// # let commit = Repo::from_slice(bytes)?.commit().cid();
    /// let loader = Loader::new().memory_limit(16 << 20);
    /// let repo = loader.from_newest(SliceStore::new(bytes)?, &[commit])?;
    /// assert_eq!(repo.records().try_count()?, 40);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn from_newest<S: BlockStore>(&self, store: S, commits: &[Cid]) -> Result<Repo<S, P>> {
        self.loader.open_newest(store, commits, self.memory_limit)
    }
}

#[cfg(feature = "redb")]
impl<P: Process + Clone> BoundedLoader<P> {
    /// Loads the CAR in `bytes` without opening its commit. If the index would exceed the memory
    /// limit, it is written to the spill file `index`, which must be a temporary one.
    ///
    /// # Errors
    ///
    /// - `Argument` if `index` is a kept spill file, or its segment length is out of range, whether
    ///   or not the file is needed
    /// - `Store` if the file cannot be created, written or read
    /// - `Limit` if more is stored than [`SpillFile::max_stored`] allows
    /// - any of [`Loader::load_slice`]
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::Loader;
    /// use carwalk::store::{CarStore, SpillFile};
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// let store = Loader::new().memory_limit(0).load_slice(bytes, SpillFile::temporary())?;
    /// assert_eq!(store.stats().distinct_blocks, 50);
    /// assert!(store.index_stored().is_some());
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn load_slice<B: AsRef<[u8]>>(&self, bytes: B, index: SpillFile) -> Result<SliceStore<B>> {
        Ok(self.load_index(bytes, index)?.0)
    }

    /// Reads a stream to its end without opening the commit of the CAR in it: into memory, or into
    /// the spill file `file` if it exceeds the memory limit. The file is created only if it is
    /// needed.
    ///
    /// # Errors
    ///
    /// - `Argument` if the segment length of the file is out of range, whether or not the file is
    ///   needed
    /// - `Store` if the file cannot be created, written or read
    /// - `Limit` if more is stored than [`SpillFile::max_stored`] allows, or in more than 2^24
    ///   segments
    /// - any of [`Loader::load_reader`]
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::Loader;
    /// use carwalk::store::{AnyStore, CarStore, SpillFile};
    ///
    /// # let stream: &[u8] = include_bytes!("../../samples/repo.car");
    /// for limit in [4 << 10, 16 << 20] {
    ///     let loader = Loader::new().memory_limit(limit);
    ///     let store = loader.load_reader(stream, SpillFile::temporary())?;
    ///     assert_eq!(matches!(store, AnyStore::File(_)), limit == 4 << 10);
    ///     assert_eq!(store.stats().distinct_blocks, 50);
    /// }
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn load_reader<R: Read>(&self, reader: R, file: SpillFile) -> Result<AnyStore> {
        // Also if the file is not needed: the error must not depend on the length of the CAR.
        file.check()?;
        let mut load = Load::stream(reader, &self.loader, self.memory_limit)?;
        if load.run(self.memory_limit)? {
            return Ok(AnyStore::Memory(load.into_store()?.0));
        }
        let writer = SpillWriter::new(file, self.memory_limit, load.opening.trust)?;
        Ok(AnyStore::File(load.into_file(writer)?.0.publish()?))
    }
}

impl<S: CarStore> Repo<Union<S>> {
    /// Opens several CARs as one repository: a snapshot, and then the responses to
    /// `com.atproto.sync.getRepo` with `since`, in any order.
    ///
    /// The commit with the greatest revision is opened. See [`Loader::from_cars`] for the rules
    /// that the CARs must keep.
    ///
    /// # Errors
    ///
    /// - `Argument` if there is no CAR
    /// - `MissingCommit` if none of the CARs has the commit of one of them
    /// - `OtherAccount` if a commit has another DID than that of the first CAR
    /// - `Revision` if a commit has a revision before that of the first CAR, or the revision of
    ///   another commit
    /// - `HashMismatch` if a commit does not have its CID
    /// - `LookAlike` if a commit is a tree node
    /// - `Malformed` or `NonCanonical` if a commit is invalid, or if a store has a processed value
    ///   for it
    /// - `Limit` if a commit exceeds a fixed limit
    /// - `Store` or `InvalidSpillFile` if a spill file fails
    ///
    /// [`Error::input`] is the number of the CAR, except for the kind `Argument`.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::Repo;
    /// use carwalk::store::MemoryStore;
    ///
    /// # let snapshot: &[u8] = include_bytes!("../../samples/repo.car");
    /// # let since = &snapshot[..59];
    /// // Nothing has changed: the answer has only a header.
    /// assert_eq!(since.len(), 59);
    /// let cars = vec![MemoryStore::new(snapshot)?, MemoryStore::new(since)?];
    /// let repo = Repo::from_cars(cars)?;
    /// assert_eq!(repo.records().try_count()?, 40);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn from_cars(cars: Vec<S>) -> Result<Self> {
        Loader::new().from_cars(cars)
    }
}

/// Returns the commit with the greatest revision, if the commits can be those of one repository.
fn newest<S: BlockStore, P>(store: &S, commits: &[Cid], opening: &Opening<P>) -> Result<Cid> {
    let mut revisions = Revisions::default();
    for (input, cid) in commits.iter().enumerate() {
        let commit = opening.commit(store, *cid);
        let added = commit.and_then(|commit| revisions.add(commit));
        added.map_err(|error| error.in_input(input))?;
    }
    revisions.newest().ok_or_else(|| Error::argument(ArgumentFault::NoCar))
}

/// The commits of several CARs.
#[derive(Default)]
struct Revisions {
    first: Option<Commit<'static>>,
    commits: BTreeMap<Box<str>, Cid>,
}

impl Revisions {
    /// Adds the commit of the next CAR, unless it is refused.
    fn add(&mut self, commit: Commit<'static>) -> Result<()> {
        let refused = |error: Error| error.in_structure(Structure::Commit).of_cid(commit.cid());
        if let Some(first) = &self.first {
            commit.verify_account(first.did()).map_err(refused)?;
            if commit.rev() < first.rev() {
                let (first, found) = (first.rev().into(), commit.rev().into());
                let fault = RevisionFault::Older { first, found };
                return Err(refused(Error::new(ErrorKind::Revision(fault))));
            }
        }
        match self.commits.entry(commit.rev().into()) {
            Entry::Vacant(room) => {
                room.insert(commit.cid());
            }
            Entry::Occupied(known) if *known.get() == commit.cid() => {}
            Entry::Occupied(known) => {
                let fault =
                    RevisionFault::Conflict { rev: commit.rev().into(), other: *known.get() };
                return Err(refused(Error::new(ErrorKind::Revision(fault))));
            }
        }
        self.first.get_or_insert(commit);
        Ok(())
    }

    fn newest(&self) -> Option<Cid> {
        self.commits.last_key_value().map(|(_, cid)| *cid)
    }
}
