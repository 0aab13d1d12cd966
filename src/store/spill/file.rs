//! Spill files and their settings.

use core::fmt;
use std::path::{Path, PathBuf};

use super::new_file::{NewFile, Target};
use crate::car::SPILL_SIGNATURE;
use crate::error::{ArgumentFault, Error, Result};

/// Length of the longest segment in bytes, unless one block is longer. It fills a page of redb's of
/// 64 KiB; with one byte more, it would take two.
pub(super) const MAX_SEGMENT_LEN: u32 = 65_524;

/// Default length of a segment in bytes: it fills a page of 16 KiB.
const SEGMENT_LEN: u32 = 16_372;

/// The file that a load spills its blocks or its index into, temporary or kept, and its settings.
///
/// The file is created on first use, or earlier by [`create`](SpillFile::create). Errors of
/// creating and writing it name the file, or the folder of a temporary one.
///
/// # Examples
///
/// ```
/// use carwalk::store::SpillFile;
/// use carwalk::{Loaded, Loader};
///
/// # let stream: &[u8] = include_bytes!("../../../samples/repo.car");
/// let records = match Loader::new().memory_limit(4 << 10).from_reader(stream)? {
///     Loaded::Complete(repo) => repo.records().try_count()?,
///     Loaded::Suspended(load) => load.spill(SpillFile::temporary())?.records().try_count()?,
/// };
/// assert_eq!(records, 40);
/// # Ok::<(), carwalk::Error>(())
/// ```
#[must_use]
pub struct SpillFile {
    target: Target,
    settings: FileSettings,
}

/// The settings of a spill file.
#[derive(Clone, Copy, Debug)]
pub(super) struct FileSettings {
    /// Bytes of memory for caches. Default: the memory limit of the load.
    pub(super) cache_size: Option<u64>,
    /// Maximum number of bytes stored.
    pub(super) max_stored: u64,
    /// Maximum length of a segment in bytes, unless one block is longer.
    pub(super) segment_len: u32,
}

impl SpillFile {
    /// The first bytes of a kept spill file. No CAR begins with them; every redb database does.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::Loader;
    /// use carwalk::store::SpillFile;
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("repo.carwalk");
    /// # let stream: &[u8] = include_bytes!("../../../samples/repo.car");
    /// Loader::new().memory_limit(1 << 20).spill(stream, SpillFile::keep(&path))?;
    /// assert!(std::fs::read(&path)?.starts_with(&SpillFile::SIGNATURE));
    /// assert!(!stream.starts_with(&SpillFile::SIGNATURE));
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub const SIGNATURE: [u8; 9] = SPILL_SIGNATURE;

    /// Returns a temporary file in the [`default_folder`](SpillFile::default_folder). It is deleted
    /// with the store or with the process, even if that is killed. On Unix, it has no name.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::Loader;
    /// use carwalk::store::{AnyStore, SpillFile};
    ///
    /// # let stream: &[u8] = include_bytes!("../../../samples/repo.car");
    /// let loaded = Loader::new().memory_limit(1 << 20).from_reader(stream)?;
    /// // The load takes less than 1 MiB, so the file is never created.
    /// let repo = loaded.or_spill(SpillFile::temporary())?;
    /// assert!(matches!(repo.store(), AnyStore::Memory(_)));
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn temporary() -> Self {
        Self::temporary_in(Self::default_folder())
    }

    /// Returns a temporary file in `folder`, which must exist when the file is created. It is
    /// deleted with the store or with the process, even if that is killed. On Unix, it has no name.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::Loader;
    /// use carwalk::store::SpillFile;
    ///
    /// # let stream: &[u8] = include_bytes!("../../../samples/repo.car");
    /// # let dir = tempfile::tempdir()?;
    /// # let folder = dir.path();
    /// let file = SpillFile::temporary_in(folder);
    /// let repo = Loader::new().memory_limit(1 << 20).spill(stream, file)?;
    /// assert_eq!(repo.records().try_count()?, 40);
    /// // On Unix, the file has no name.
    /// # #[cfg(unix)]
    /// assert_eq!(std::fs::read_dir(folder)?.count(), 0);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn temporary_in(folder: impl Into<PathBuf>) -> Self {
        Self::new(Target::Temporary { folder: folder.into() })
    }

    /// Returns the folder of [`temporary`](SpillFile::temporary) files.
    ///
    /// On Unix, it is the folder that `TMPDIR` names. If that is not set or empty, it is
    /// `/var/tmp`, because `/tmp` is often memory. Without a `/var/tmp`, and on other systems, it
    /// is [`std::env::temp_dir`], except on WebAssembly, where that panics: there it is the current
    /// folder.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::store::SpillFile;
    ///
    /// let folder = SpillFile::default_folder();
    /// # #[cfg(unix)]
    /// match std::env::var_os("TMPDIR") {
    ///     Some(named) if !named.is_empty() => assert_eq!(folder, named),
    ///     _ => assert!(folder.ends_with("tmp")),
    /// }
    /// ```
    #[must_use]
    pub fn default_folder() -> PathBuf {
        if cfg!(target_family = "wasm") {
            return PathBuf::from(".");
        }
        let usual = Path::new("/var/tmp");
        if cfg!(unix)
            && std::env::var_os("TMPDIR").is_none_or(|folder| folder.is_empty())
            && usual.is_dir()
        {
            return usual.to_owned();
        }
        std::env::temp_dir()
    }

    /// Returns a file that is kept, for [`Repo::from_spill_file`](crate::Repo::from_spill_file).
    ///
    /// The file is written under a temporary name in the same folder, synced, then renamed. After
    /// an error, no file is left. A killed process may leave a file whose name begins with
    /// `.carwalk-`; delete it. An existing file is never overwritten: creating and renaming both
    /// fail if the name is taken. Nobody may change the file while the store exists.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::store::SpillFile;
    /// use carwalk::{ErrorClass, Loader, Repo};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("repo.carwalk");
    /// # let stream: &[u8] = include_bytes!("../../../samples/repo.car");
    /// let loader = Loader::new().memory_limit(1 << 20);
    /// drop(loader.spill(stream, SpillFile::keep(&path))?);
    /// assert_eq!(Repo::from_spill_file(&path)?.records().try_count()?, 40);
    ///
    /// let again = loader.spill(stream, SpillFile::keep(&path)).unwrap_err();
    /// assert_eq!(again.class(), ErrorClass::Environment);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn keep(path: impl Into<PathBuf>) -> Self {
        Self::new(Target::Kept { path: path.into() })
    }

    /// Creates the file now, so that a failure does not cost a load:
    /// [`Suspended::spill`](crate::Suspended::spill) consumes the load before it creates the file.
    ///
    /// # Errors
    ///
    /// - `Store` if the file cannot be created: the folder does not exist or is not writable, the
    ///   name is taken, or the path does not name a file
    /// - `Argument` if the segment length is above 65,524
    ///
    /// The error names the file, or the folder of a temporary one.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::ErrorClass;
    /// use carwalk::store::SpillFile;
    ///
    /// let error = SpillFile::keep("no/such/folder/file").create().unwrap_err();
    /// assert_eq!(error.class(), ErrorClass::Environment);
    /// let message = r#""no/such/folder/file": the spill file failed"#;
    /// assert_eq!(error.to_string(), message);
    /// ```
    pub fn create(self) -> Result<Self> {
        let (file, settings) = self.open()?;
        Ok(SpillFile { target: Target::Created(file), settings })
    }

    /// Creates the file, unless it was created already, and returns it.
    pub(super) fn open(self) -> Result<(NewFile, FileSettings)> {
        self.check()?;
        Ok((self.target.create()?, self.settings))
    }

    /// Checks the settings. An error names the file, or the folder of a temporary one.
    pub(crate) fn check(&self) -> Result<()> {
        self.settings.check().map_err(|error| error.in_file(self.target.place()))
    }

    /// Returns the path of a file that is kept.
    pub(super) fn kept_path(&self) -> Option<&Path> {
        self.target.kept_path()
    }

    /// Returns a file that exists and was emptied, to be filled again.
    pub(super) fn again(file: NewFile, settings: FileSettings) -> Self {
        SpillFile { target: Target::Created(file), settings }
    }

    fn new(target: Target) -> Self {
        let settings =
            FileSettings { cache_size: None, max_stored: u64::MAX, segment_len: SEGMENT_LEN };
        SpillFile { target, settings }
    }

    /// Sets the memory for the store's caches, in bytes. Seven eighths of it are used, but at least
    /// 512 KiB; the rest is left for a walk.
    ///
    /// Default: the memory limit of the load; 16 MiB in [`RedbStore::new`](super::RedbStore::new);
    /// 0 in [`SliceStore::with_index_in`](crate::store::SliceStore::with_index_in).
    ///
    /// While the file is written, an eighth of this size (at least 1 MiB, at most 64 MiB) is used
    /// to sort the index. The last long block that was requested may be held in addition to the
    /// caches.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::Loader;
    /// use carwalk::store::SpillFile;
    ///
    /// # let stream: &[u8] = include_bytes!("../../../samples/repo.car");
    /// // A load may take 64 MiB, its store only the smallest caches.
    /// let loader = Loader::new().memory_limit(64 << 20);
    /// let repo = loader.spill(stream, SpillFile::temporary().cache_size(0))?;
    /// assert_eq!(repo.records().try_count()?, 40);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn cache_size(mut self, bytes: u64) -> Self {
        self.settings.cache_size = Some(bytes);
        self
    }

    /// Sets the maximum number of bytes stored. Default: no limit.
    ///
    /// These are the pages of blocks and index: each segment counts as the next power of two, at
    /// least 4 KiB. The file itself can be about twice as long as their sum, and has at least 1
    /// MiB. A load that would store more fails with the kind `Limit`.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::store::{RedbStore, SpillFile};
    /// use carwalk::{ErrorClass, ErrorKind};
    ///
    /// # let stream: &[u8] = include_bytes!("../../../samples/repo.car");
    /// let error = RedbStore::new(stream, SpillFile::temporary().max_stored(10_000)).unwrap_err();
    /// assert_eq!(error.class(), ErrorClass::Limit);
    /// assert!(matches!(error.kind(), ErrorKind::Limit { max: 10_000, found: 10_001.., .. }));
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn max_stored(mut self, bytes: u64) -> Self {
        self.settings.max_stored = bytes;
        self
    }

    /// Sets the maximum length of a segment in bytes: the blocks that are stored and read together.
    /// Default: 16,372. At most 65,524: openers and [`create`](SpillFile::create) refuse more, even
    /// if the file is not needed. With 0, each block is a segment.
    ///
    /// If the blocks of the CAR are in random order, shorter segments make walks faster. They make
    /// the file larger.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::ErrorClass;
    /// use carwalk::store::{RedbStore, SpillFile};
    ///
    /// # let stream: &[u8] = include_bytes!("../../../samples/repo.car");
    /// let store = RedbStore::new(stream, SpillFile::temporary().segment_len(0))?;
    /// // A page of 4 KiB for each of 50 blocks, and one for the index.
    /// assert!(store.bytes_stored() >= 51 * 4096);
    ///
    /// let error = SpillFile::temporary().segment_len(65_525).create().unwrap_err();
    /// assert_eq!(error.class(), ErrorClass::Caller);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn segment_len(mut self, bytes: u32) -> Self {
        self.settings.segment_len = bytes;
        self
    }
}

impl FileSettings {
    fn check(self) -> Result<()> {
        let (found, max) = (self.segment_len, MAX_SEGMENT_LEN);
        if found <= max {
            return Ok(());
        }
        Err(Error::argument(ArgumentFault::SegmentLen { found, max }))
    }
}

impl fmt::Debug for SpillFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpillFile")
            .field("path", &self.target.place())
            .field("settings", &self.settings)
            .finish()
    }
}
