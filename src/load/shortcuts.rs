//! Opening with default settings: the functions of `Repo` and of the stores.

use std::io::Read;
use std::path::Path;

use super::Loader;
use super::open::{Load, slice_store};
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
    /// Opens the repository in the CAR `bytes`: a slice, a `Vec<u8>`, a memory map.
    ///
    /// Every block is hashed; nothing is copied but the commit. The index takes 10 bytes a block.
    /// The tree is not walked yet.
    ///
    /// # Errors
    ///
    /// - `LookAlike` for well-known formats other than a CAR of version 1
    /// - `Truncated`, `Malformed`, `NonCanonical` or `Limit` for the header, a section or the
    ///   commit
    /// - `HashMismatch` for a block that does not have its CID
    /// - `MissingCommit` if the commit is missing
    ///
    /// ```
    /// use carwalk::Repo;
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// let repo = Repo::from_slice(bytes)?;
    /// assert_eq!(repo.commit().did(), "did:plc:ewvi7nxzyoun6zhxrhs64oiz");
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn from_slice(bytes: B) -> Result<Self> {
        Loader::new().from_slice(bytes)
    }
}

impl Repo {
    /// Reads a stream to its end and opens the repository in it.
    ///
    /// Every block is hashed. The stream is held in memory, 1 GiB at most: [`Loader`] sets other
    /// limits. Do not wrap it in a `BufReader`: it is read in large pieces.
    ///
    /// # Errors
    ///
    /// `Io` if reading fails; otherwise those of [`from_slice`](Repo::from_slice).
    ///
    /// ```
    /// use carwalk::Repo;
    ///
    /// # let stream: &[u8] = include_bytes!("../../samples/repo.car");
    /// let repo = Repo::from_reader(stream)?;
    /// assert_eq!(repo.records().try_count()?, 40);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn from_reader<R: Read>(reader: R) -> Result<Self> {
        Loader::new().from_reader(reader)
    }

    /// Reads a file to its end and opens the repository in it.
    ///
    /// Every block is hashed. The file is held in memory, 1 GiB at most, and not mapped.
    ///
    /// # Errors
    ///
    /// `Io` if the file cannot be opened or read; otherwise those of
    /// [`from_slice`](Repo::from_slice). The error names the file.
    ///
    /// ```
    /// use carwalk::Repo;
    ///
    /// let repo = Repo::from_path("samples/repo.car")?;
    /// assert_eq!(repo.records().try_count()?, 40);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn from_path(path: impl AsRef<Path>) -> Result<Self> {
        Loader::new().from_path(path)
    }
}

#[cfg(feature = "redb")]
impl Repo<RedbStore> {
    /// Opens the repository in a kept spill file, with a cache of 16 MiB. Every block is hashed
    /// again.
    ///
    /// Open only files that you or somebody you trust made: a crafted file can crash redb. See
    /// [`RedbStore::open`].
    ///
    /// # Errors
    ///
    /// Those of [`Loader::from_spill_file`]. The error names the file.
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
    /// Opens the repository whose commit is the block `commit` of a store. The commit is hashed
    /// now, all other blocks when a walk reaches them.
    ///
    /// # Errors
    ///
    /// - `Argument` if `commit` has the codec raw
    /// - `MissingCommit` if the store does not have the block
    /// - `HashMismatch`, `LookAlike`, `Malformed` or `NonCanonical` for the commit; `Limit` if it
    ///   exceeds a fixed limit
    /// - `Store` or `Io` if the store fails
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use carwalk::Repo;
    /// use carwalk::store::MemoryStore;
    ///
    /// # let stream: &[u8] = include_bytes!("../../samples/repo.car");
    /// # let commit = carwalk::peek_commit(stream)?.cid();
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
    /// Reads all sections of the CAR in `bytes`, hashes every block, and indexes them, with default
    /// limits.
    ///
    /// For CARs that hold no commit; [`Repo::from_slice`] opens repositories.
    ///
    /// # Errors
    ///
    /// Those of [`SliceReader`](crate::car::SliceReader), and `HashMismatch` for a block that does
    /// not have its CID.
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
        let load = |bytes: &[u8]| Load::slice(bytes, &Loader::new(), u64::MAX)?.into_index();
        Ok(slice_store(bytes, load)?.0)
    }

    /// Reads all sections of the CAR in `bytes`, hashes every block, and stores the index in `file`.
    ///
    /// # Errors
    ///
    /// Those of [`new`](SliceStore::new); `Store` if the file cannot be created or written; `Limit`
    /// if more is stored than [`SpillFile::max_stored`] allows; `Argument` if the file is a kept one,
    /// or its segment length is out of range.
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
        let load =
            |bytes: &[u8]| Load::slice(bytes, &Loader::new(), u64::MAX)?.into_index_within(0, file);
        Ok(slice_store(bytes, load)?.0)
    }
}

impl MemoryStore {
    /// Reads a CAR to its end, hashes every block, and indexes them, with default limits.
    ///
    /// For CARs that hold no commit; [`Repo::from_reader`] opens repositories.
    ///
    /// # Errors
    ///
    /// Those of [`Reader`](crate::car::Reader), and `HashMismatch` for a block that does not have
    /// its CID.
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
        let mut load = Load::stream(reader, &Loader::new(), u64::MAX)?;
        load.run_to_end()?;
        Ok(load.into_store()?.0)
    }
}

#[cfg(feature = "redb")]
impl RedbStore {
    /// Reads a CAR into a file, hashes every block, and indexes them, with default limits.
    ///
    /// For CARs that hold no commit; [`Suspended::spill`](crate::Suspended::spill) opens
    /// repositories.
    ///
    /// # Errors
    ///
    /// Those of [`Reader`](crate::car::Reader), `HashMismatch` for a block that does not have its
    /// CID, and those of the file: `Store`, `Limit` if more is stored than
    /// [`SpillFile::max_stored`] allows, or `Argument` if its segment length is out of range.
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
