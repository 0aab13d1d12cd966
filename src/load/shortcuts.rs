//! Opens repositories and stores with default settings: the constructors of `Repo` and the stores.

use std::io::Read;
use std::path::Path;

use super::Loader;
#[cfg(feature = "redb")]
use super::open::Load;
#[cfg(feature = "redb")]
use crate::budget;
use crate::cid::Cid;
use crate::error::Result;
use crate::repo::Repo;
#[cfg(feature = "redb")]
use crate::store::spill::SpillWriter;
use crate::store::{BlockStore, MemoryStore, SliceStore};
#[cfg(feature = "redb")]
use crate::store::{RedbStore, SpillFile};

impl<B: AsRef<[u8]>> Repo<SliceStore<B>> {
    /// Opens the repository in the CAR `bytes`: a slice, a `Vec<u8>`, a mapped file.
    ///
    /// Every block is verified; nothing is copied but the commit. The index takes 10 bytes a block,
    /// and up to 20 bytes a section while it is made. The tree is not walked yet.
    ///
    /// # Errors
    ///
    /// - `LookAlike` if the input is empty, JSON, HTML, gzip data, a CAR of version 2 or a spill
    ///   file
    /// - `LookAlike` if the commit is a tree node
    /// - `Truncated` if the input ends inside the header or a section
    /// - `Malformed` or `NonCanonical` if the header, a section or the commit is invalid
    /// - `Limit` if the header or a block exceeds its limit, or the commit a fixed one, or if there
    ///   are more than 1 TiB of bytes
    /// - `HashMismatch` for a block that does not have its CID
    /// - `MissingCommit` if no section has the CID of the commit
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::Repo;
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// let repo = Repo::from_slice(bytes)?;
    /// assert_eq!(repo.commit().did(), "did:plc:ewvi7nxzyoun6zhxrhs64oiz");
    /// // The commit, 9 nodes and 40 records.
    /// assert_eq!(repo.stats().distinct_blocks, 50);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn from_slice(bytes: B) -> Result<Self> {
        Loader::new().from_slice(bytes)
    }
}

impl Repo {
    /// Reads a stream to its end and opens the repository in it.
    ///
    /// Every block is verified. The stream is held in memory, at most 1 GiB: [`Loader`] sets other
    /// limits. Do not wrap the source in a `BufReader`: it is read in large pieces.
    ///
    /// # Errors
    ///
    /// - `Io` if reading fails, or if memory for a long block cannot be allocated
    /// - `LookAlike` if the input is empty, JSON, HTML, gzip data, a CAR of version 2 or a spill
    ///   file
    /// - `LookAlike` if the commit is a tree node
    /// - `Truncated` if the input ends inside the header or a section
    /// - `Malformed` or `NonCanonical` if the header, a section or the commit is invalid
    /// - `Limit` if the stream, the header or a block exceeds its limit, or the commit a fixed one
    /// - `HashMismatch` for a block that does not have its CID
    /// - `MissingCommit` if no section has the CID of the commit
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::Repo;
    ///
    /// # let stream: &[u8] = include_bytes!("../../samples/repo.car");
    /// let repo = Repo::from_reader(stream)?;
    /// assert_eq!(repo.records().try_count()?, 40);
    ///
    /// // The connection closed too early.
    /// let error = Repo::from_reader(&stream[..12_000]).unwrap_err();
    /// assert_eq!(error.class(), carwalk::ErrorClass::Truncated);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn from_reader<R: Read>(reader: R) -> Result<Self> {
        Loader::new().from_reader(reader)
    }

    /// Reads a file to its end and opens the repository in it.
    ///
    /// Every block is verified. The file is held in memory, at most 1 GiB, and not mapped.
    ///
    /// # Errors
    ///
    /// `Io` if the file cannot be opened or read; otherwise those of
    /// [`from_reader`](Repo::from_reader). The error names the file.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::Repo;
    ///
    /// let repo = Repo::from_path("samples/repo.car")?;
    /// assert_eq!(repo.records().try_count()?, 40);
    /// assert!(Repo::from_path("samples/none.car").is_err());
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn from_path(path: impl AsRef<Path>) -> Result<Self> {
        Loader::new().from_path(path)
    }
}

#[cfg(feature = "redb")]
impl Repo<RedbStore> {
    /// Opens the repository in a kept spill file, with a cache size of 16 MiB. Every block is
    /// hashed again.
    ///
    /// Open only files that you, or somebody you trust, wrote: a crafted file can crash redb. See
    /// [`RedbStore::open`].
    ///
    /// # Errors
    ///
    /// - `Io` if the file cannot be opened
    /// - `Store` if reading fails
    /// - `InvalidSpillFile` if the file is damaged, not complete, of another version, or not a
    ///   spill file
    /// - `InvalidSpillFile` if it has processed values, which need [`Loader::from_spill_file`]
    /// - `HashMismatch` for a block that does not have its CID
    /// - `MissingCommit` if the commit is missing
    /// - `LookAlike`, `Malformed`, `NonCanonical` or `Limit` if the commit is not a valid one
    ///
    /// The error names the file.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::store::SpillFile;
    /// use carwalk::{Loader, Repo};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("repo.carwalk");
    /// # let stream: &[u8] = include_bytes!("../../samples/repo.car");
    /// Loader::new().memory_limit(16 << 20).spill(stream, SpillFile::keep(&path))?;
    /// let repo = Repo::from_spill_file(&path)?;
    /// assert_eq!(repo.records().try_count()?, 40);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_spill_file(path: impl AsRef<Path>) -> Result<Self> {
        Loader::new().from_spill_file(path)
    }
}

impl<S: BlockStore> Repo<S> {
    /// Opens the repository in a store. `commit` is the CID of its commit.
    ///
    /// The commit is hashed now, each other block when a walk reaches it. Blocks that a store of
    /// this library has verified are not hashed again. For a store of your own see [`BlockStore`].
    ///
    /// # Errors
    ///
    /// - `Argument` if the CID `commit` has the codec raw
    /// - `MissingCommit` if the store does not have the commit
    /// - `HashMismatch` if the commit does not have its CID
    /// - `LookAlike` if the commit is a tree node
    /// - `Malformed` or `NonCanonical` if the commit is invalid, or if the store has a processed
    ///   value for it
    /// - `Limit` if the commit exceeds a fixed limit
    /// - any of [`BlockStore::get`]: `Store`, `InvalidSpillFile` for a damaged spill file, or the
    ///   errors of a store of your own
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use carwalk::Repo;
    /// use carwalk::store::MemoryStore;
    ///
    /// # let stream: &[u8] = include_bytes!("../../samples/repo.car");
    /// # let commit = carwalk::peek_commit(stream)?.cid();
    /// // An `Arc` of a store is a store: repositories can share one.
    /// let store = Arc::new(MemoryStore::new(stream)?);
    /// let repo: Repo<Arc<MemoryStore>> = Repo::from_store(Arc::clone(&store), commit)?;
    /// assert_eq!(repo.records().try_count()?, 40);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn from_store(store: S, commit: Cid) -> Result<Self> {
        Loader::new().from_store(store, commit)
    }
}

impl<B: AsRef<[u8]>> SliceStore<B> {
    /// Loads the CAR in `bytes` with default limits: verifies every block and makes the index.
    ///
    /// For CARs without a commit. [`Repo::from_slice`] opens repositories. The index takes 10 bytes
    /// a block, and up to 20 bytes a section while it is made.
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
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::store::{BlockStore, CarStore, SliceStore};
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// let store = SliceStore::new(bytes)?;
    /// assert_eq!(store.stats().distinct_blocks, 50);
    /// assert!(store.contains(&store.header().root())?);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn new(bytes: B) -> Result<Self> {
        Loader::new().load_slice(bytes)
    }

    /// Loads the CAR in `bytes` with default limits: verifies every block and writes the index to
    /// the spill file `file`, which must be a temporary one.
    ///
    /// # Errors
    ///
    /// - `Argument` if `file` is a kept spill file, or its segment length is out of range
    /// - `Store` if the file cannot be created, written or read
    /// - `Limit` if more is stored than [`SpillFile::max_stored`] allows
    /// - any of [`new`](SliceStore::new)
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::store::{CarStore, SliceStore, SpillFile};
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// let store = SliceStore::with_index_in(bytes, SpillFile::temporary())?;
    /// assert_eq!(store.stats().distinct_blocks, 50);
    /// assert!(store.index_stored().is_some());
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    #[cfg(feature = "redb")]
    pub fn with_index_in(bytes: B, file: SpillFile) -> Result<Self> {
        Loader::new().memory_limit(0).load_slice(bytes, file)
    }
}

impl MemoryStore {
    /// Loads a CAR from a stream with default limits: reads it to its end, verifies every block and
    /// makes the index.
    ///
    /// For CARs without a commit. [`Repo::from_reader`] opens repositories. The stream is held in
    /// memory, at most 1 GiB.
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
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::store::{BlockStore, CarStore, MemoryStore};
    ///
    /// # let stream: &[u8] = include_bytes!("../../samples/repo.car");
    /// let store = MemoryStore::new(stream)?;
    /// assert_eq!(store.stats().distinct_blocks, 50);
    /// let commit = store.get(&store.header().root())?.unwrap();
    /// assert_eq!(commit.bytes.len(), 188);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn new<R: Read>(reader: R) -> Result<Self> {
        Loader::new().load_reader(reader)
    }
}

#[cfg(feature = "redb")]
impl RedbStore {
    /// Loads a CAR from a stream into a spill file with default limits: reads it to its end,
    /// verifies every block and makes the index.
    ///
    /// For CARs without a commit. [`BoundedLoader::spill`](crate::BoundedLoader::spill) opens
    /// repositories. Default cache size: 16 MiB.
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
    /// - `Store` if the file cannot be created, written or read
    /// - `Limit` if more is stored than [`SpillFile::max_stored`] allows, or in more than 2^24
    ///   segments
    /// - `Argument` if the segment length of the file is out of range
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::store::{CarStore, RedbStore, SpillFile};
    ///
    /// # let stream: &[u8] = include_bytes!("../../samples/repo.car");
    /// let store = RedbStore::new(stream, SpillFile::temporary().cache_size(1 << 20))?;
    /// assert_eq!(store.stats().distinct_blocks, 50);
    /// assert!(store.bytes_stored() > store.stats().bytes);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn new<R: Read>(reader: R, file: SpillFile) -> Result<Self> {
        let load = Load::stream(reader, &Loader::new(), u64::MAX)?;
        let writer = SpillWriter::new(file, budget::DEFAULT_CACHE, load.opening.trust)?;
        load.into_file(writer)?.0.publish()
    }
}
