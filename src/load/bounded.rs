//! Loads with a memory limit.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::open::{Load, with_file};
#[cfg(feature = "redb")]
use super::open::{open, slice_store};
use super::{Loaded, Loader};
use crate::budget::Budget;
use crate::cid::Cid;
use crate::commit::Commit;
use crate::error::Result;
use crate::process::{Keep, Process};
#[cfg(feature = "redb")]
use crate::repo::Opening;
use crate::repo::Repo;
use crate::store::BlockStore;
#[cfg(feature = "redb")]
use crate::store::index::Notes;
#[cfg(feature = "redb")]
use crate::store::{RedbStore, SliceStore, SpillFile};

/// Memory of buffers that are taken under every limit, in bytes: the first one of a stream, and
/// those of a spill file.
const BUFFERS: u64 = 3 << 20;

/// A [`Loader`] with a memory limit. Returned by [`Loader::memory_limit`].
///
/// It has no setters: configure the [`Loader`] first. Openers borrow it, as those of the loader do.
/// A stream that exceeds the memory limit is not an error: see [`Loaded`].
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
/// // In memory if the load fits into the memory limit, otherwise in a temporary file.
/// let repo = loader.from_reader(stream)?.or_spill(SpillFile::temporary())?;
/// assert_eq!(repo.records().try_count()?, 40);
/// # }
/// # Ok::<(), carwalk::Error>(())
/// ```
#[must_use]
#[derive(Clone, Debug)]
pub struct BoundedLoader<P = Keep> {
    pub(super) loader: Loader<P>,
    pub(super) memory_limit: u64,
}

impl<P> BoundedLoader<P> {
    pub(super) fn new(loader: Loader<P>, memory_limit: u64) -> Self {
        BoundedLoader { loader, memory_limit }
    }

    /// Returns an upper bound on the heap memory of one load and one walk over the result, in
    /// bytes. For reservations in a program that runs several loads.
    ///
    /// Ordinary repositories stay near the memory limit. The bound is the sum of
    ///
    /// - the memory limit,
    /// - the limit of the walk: an eighth of the memory limit, but at least 1 MiB,
    /// - 3 MiB of buffers,
    /// - four times the longest block and header that the [`Limits`](crate::Limits) accept,
    /// - 3 MiB for each GiB of the stream limit.
    ///
    /// Not included:
    ///
    /// - for a kept spill file, up to 16 MiB and a sixteenth of the file's length,
    /// - the excess of `SpillFile::cache_size` over the memory limit,
    /// - processed values that are longer than a block,
    /// - records that you hold,
    /// - stacks of hashing threads,
    /// - freed memory that the allocator keeps.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::Loader;
    ///
    /// let loader = Loader::new().memory_limit(8 << 20);
    /// assert_eq!(loader.peak_memory(), (8 + 1 + 3 + 4 * (2 + 1) + 3) << 20);
    /// ```
    #[must_use]
    pub fn peak_memory(&self) -> u64 {
        let limits = &self.loader.settings.limits;
        let longest = u64::from(limits.block_len()).saturating_add(limits.header_len().into());
        let parts = [
            self.memory_limit,
            Budget::new(self.memory_limit).walk(),
            BUFFERS,
            longest.saturating_mul(4),
            (limits.stream_len() / 1024).saturating_mul(3),
        ];
        parts.into_iter().fold(0, u64::saturating_add)
    }
}

impl<P: Process + Clone> BoundedLoader<P> {
    /// Reads a stream to its end or up to the memory limit.
    ///
    /// # Errors
    ///
    /// Those of [`Loader::from_reader`]. Reaching the memory limit is not an error.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::{Loaded, Loader};
    ///
    /// # let stream: &[u8] = include_bytes!("../../samples/repo.car");
    /// let loaded = Loader::new().memory_limit(4 << 10).from_reader(stream)?;
    /// let Loaded::Suspended(load) = loaded else { panic!("4 KiB are too few") };
    /// assert_eq!(load.memory_limit(), 4 << 10);
    /// assert!(load.bytes_read() > 0);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn from_reader<R: Read>(&self, reader: R) -> Result<Loaded<R, P>> {
        Loaded::of(Load::stream(reader, &self.loader, self.memory_limit)?, self.memory_limit)
    }

    /// Reads a file to its end or up to the memory limit. The file is not mapped.
    ///
    /// # Errors
    ///
    /// Those of [`Loader::from_path`]. Reaching the memory limit is not an error. Later errors of a
    /// suspended load name the file, too.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::{Loaded, Loader};
    ///
    /// let loaded = Loader::new().memory_limit(16 << 20).from_path("samples/repo.car")?;
    /// let Loaded::Complete(repo) = loaded else { panic!("16 MiB are enough") };
    /// assert_eq!(repo.records().try_count()?, 40);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn from_path(&self, path: impl AsRef<Path>) -> Result<Loaded<File, P>> {
        let path = path.as_ref();
        Ok(with_file(path, |file| self.from_reader(file))?.of_file(Some(path.into())))
    }

    /// Opens the repository in a store. `commit` is the CID of its commit.
    ///
    /// The limit of a walk is an eighth of the memory limit, but at least 1 MiB. Otherwise the same
    /// as [`Loader::from_store`].
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
    /// # #[cfg(feature = "redb")]
    /// # {
    /// use carwalk::Loader;
    /// use carwalk::store::{CarStore, SpillFile};
    ///
    /// # let stream: &[u8] = include_bytes!("../../samples/repo.car");
    /// let loader = Loader::new().memory_limit(16 << 20);
    /// let store = loader.spill(stream, SpillFile::temporary())?.into_store();
    /// // Two repositories over one spill file. A walk over either takes at most 2 MiB.
    /// let commit = store.header().root();
    /// let (one, other) = (loader.from_store(&store, commit)?, loader.from_store(&store, commit)?);
    /// for (record, same) in one.records().zip(&other) {
    ///     assert_eq!(record?.path(), same?.path());
    /// }
    /// # }
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn from_store<S: BlockStore>(&self, store: S, commit: Cid) -> Result<Repo<S, P>> {
        self.loader.open_store(store, commit, self.memory_limit)
    }

    /// Reads a stream until the commit of the repository in it is complete: see
    /// [`Loader::peek_commit`]. The memory limit has no effect.
    ///
    /// # Errors
    ///
    /// Those of [`Loader::peek_commit`].
    ///
    /// # Examples
    ///
    /// ```
    /// use std::fs::File;
    ///
    /// use carwalk::{Loaded, Loader};
    ///
    /// let loader = Loader::new().memory_limit(16 << 20);
    /// // Loads the file only if it is newer than the revision that is known.
    /// if loader.peek_commit(File::open("samples/repo.car")?)?.rev() > "3l4ozvcohu222" {
    ///     let loaded = loader.from_path("samples/repo.car")?;
    ///     assert!(matches!(loaded, Loaded::Complete(_)));
    /// }
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn peek_commit<R: Read>(&self, reader: R) -> Result<Commit<'static>> {
        self.loader.peek_commit(reader)
    }
}

#[cfg(feature = "redb")]
impl<P: Process + Clone> BoundedLoader<P> {
    /// Reads a stream to its end into a spill file, however short the stream is.
    ///
    /// # Errors
    ///
    /// - `Store` if the file cannot be created, written or read
    /// - `Limit` if more is stored than [`SpillFile::max_stored`] allows, or in more than 2^24
    ///   segments
    /// - `Argument` if the segment length of the file is out of range
    /// - any of [`Loader::from_reader`]
    /// - the fault of a salvaged CAR, if the file is a kept spill file
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::store::SpillFile;
    /// use carwalk::{ErrorClass, Loader};
    ///
    /// # let stream: &[u8] = include_bytes!("../../samples/repo.car");
    /// let loader = Loader::new().memory_limit(16 << 20);
    /// let repo = loader.spill(stream, SpillFile::temporary())?;
    /// assert_eq!(repo.records().try_count()?, 40);
    ///
    /// let small = SpillFile::temporary().max_stored(4 << 10);
    /// assert_eq!(loader.spill(stream, small).unwrap_err().class(), ErrorClass::Limit);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn spill<R: Read>(&self, reader: R, file: SpillFile) -> Result<Repo<RedbStore, P>> {
        Load::stream(reader, &self.loader, self.memory_limit)?.spill(file, self.memory_limit)
    }

    /// Opens the repository in the CAR `bytes`, which stay where they are.
    ///
    /// Only the index takes memory. If it would exceed the memory limit, it is written to the spill
    /// file `index`, which must be a temporary one. The file is created only if it is needed.
    ///
    /// # Errors
    ///
    /// - `Argument` if `index` is a kept spill file, or its segment length is out of range, whether
    ///   or not the file is needed
    /// - `Store` if the file cannot be created, written or read
    /// - `Limit` if more is stored than [`SpillFile::max_stored`] allows
    /// - any of [`Loader::from_slice`]
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::Loader;
    /// use carwalk::store::SpillFile;
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// let loader = Loader::new().memory_limit(0);
    /// let repo = loader.from_slice(bytes, SpillFile::temporary())?;
    /// // With a limit of 0, every index is in the file.
    /// assert!(repo.store().index_stored().is_some());
    /// assert_eq!(repo.records().try_count()?, 40);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn from_slice<B: AsRef<[u8]>>(
        &self,
        bytes: B,
        index: SpillFile,
    ) -> Result<Repo<SliceStore<B>, P>> {
        let (store, opening) = self.slice_store(bytes, index)?;
        open(store, &self.loader.settings, opening)
    }

    /// Creates a store over `bytes`, with its index in `index` if that exceeds the memory limit.
    pub(super) fn slice_store<B: AsRef<[u8]>>(
        &self,
        bytes: B,
        index: SpillFile,
    ) -> Result<(SliceStore<B>, Opening<P>)> {
        slice_store(bytes, |bytes| {
            let load = Load::slice(bytes, &self.loader, self.memory_limit, Notes::new())?;
            load.into_index_within(self.memory_limit, index)
        })
    }

    /// Opens the repository in a kept spill file.
    ///
    /// The memory limit covers the caches (at least 512 KiB) and one walk (at least 1 MiB). While
    /// the repository exists, up to 16 MiB and a sixteenth of the file's length may be held in
    /// addition. Otherwise the same as [`Loader::from_spill_file`]. Open only files that you, or
    /// somebody you trust, wrote: a crafted file can crash redb.
    ///
    /// # Errors
    ///
    /// Those of [`Loader::from_spill_file`].
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::Loader;
    /// use carwalk::store::SpillFile;
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("repo.carwalk");
    /// # let stream: &[u8] = include_bytes!("../../samples/repo.car");
    /// let loader = Loader::new().memory_limit(1 << 20);
    /// loader.spill(stream, SpillFile::keep(&path))?;
    /// // The file is not changed, and can be opened several times.
    /// let (one, other) = (loader.from_spill_file(&path)?, loader.from_spill_file(&path)?);
    /// assert_eq!(one.records().try_count()?, other.records().try_count()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_spill_file(&self, path: impl AsRef<Path>) -> Result<Repo<RedbStore, P>> {
        self.loader.open_spill_file(path.as_ref(), Some(self.memory_limit))
    }
}
