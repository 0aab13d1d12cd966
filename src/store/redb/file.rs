//! Spill files before they are filled.

use core::fmt;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use redb::Database;
use tempfile::NamedTempFile;

use super::backend::{FirstError, SpillBackend};
use crate::error::{Error, Result};

/// Most bytes of a segment, unless one block is longer. redb gives such a value a page of 64 KiB; one byte more, and it
/// would take two.
const MAX_SEGMENT_LEN: usize = 65_524;

/// Bytes of a segment if nobody says how many: a page of 16 KiB, by the same reckoning.
const SEGMENT_LEN: usize = 16_372;

/// A file that blocks are to be spilled into.
///
/// ```
/// use carwalk::store::SpillFile;
/// use carwalk::{Loaded, Loader};
///
/// # let stream: &[u8] = include_bytes!("../../../samples/repo.car");
/// let loaded = Loader::new().memory_limit(4 << 10).read(stream)?;
/// # let mut records = 0;
/// match loaded {
///     Loaded::Complete(repo) => println!("{repo}: all of it is in memory"),
///     Loaded::Suspended(load) => {
///         let repo = load.spill(SpillFile::temporary()?)?;
///         for record in repo.records() {
///             println!("{}", record?.path());
/// #           records += 1;
///         }
///     }
/// }
/// # assert!(records > 0);
/// # Ok::<(), carwalk::Error>(())
/// ```
#[must_use]
pub struct SpillFile {
    pub(super) target: Target,
    pub(super) cache_size: Option<u64>,
    pub(super) max_stored: u64,
    pub(super) segment_len: usize,
}

pub(super) enum Target {
    /// A file without a name, gone when it is closed, whatever happens.
    Temporary(File),
    /// A file that gets its name when it is complete.
    Kept { file: NamedTempFile, path: PathBuf },
}

impl SpillFile {
    /// A file that nobody else sees, and that is gone with the store or with the process, even if that is killed.
    ///
    /// It lies in the folder that `TMPDIR` names; else, on Unix, in `/var/tmp`, since `/tmp` is often memory; else in the
    /// system's folder for temporary files.
    ///
    /// # Errors
    ///
    /// `Store` if the file cannot be made.
    pub fn temporary() -> Result<Self> {
        Self::temporary_in(default_folder())
    }

    /// As [`temporary`](SpillFile::temporary), in a folder of the caller's choice.
    ///
    /// # Errors
    ///
    /// `Store` if the file cannot be made.
    pub fn temporary_in(folder: impl AsRef<Path>) -> Result<Self> {
        let file = tempfile::tempfile_in(folder).map_err(Error::spill_io)?;
        Ok(Self::new(Target::Temporary(file)))
    }

    /// A file that stays, for [`RedbStore::open`](super::RedbStore::open).
    ///
    /// It is written under a passing name in the same folder, and gets its own when it is complete and on the disk.
    ///
    /// # Errors
    ///
    /// `Store` if the file cannot be made, or `path` exists.
    pub fn keep(path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        if fs::symlink_metadata(&path).is_ok() {
            return Err(Error::spill_io(io::ErrorKind::AlreadyExists.into()));
        }
        let file = NamedTempFile::with_prefix_in(".carwalk-", folder_of(&path)).map_err(Error::spill_io)?;
        Ok(Self::new(Target::Kept { file, path }))
    }

    pub(super) fn new(target: Target) -> Self {
        SpillFile { target, cache_size: None, max_stored: u64::MAX, segment_len: SEGMENT_LEN }
    }

    /// Sets how many bytes of memory the store takes for what it holds of the file; by default the memory limit of the
    /// load, and never less than what two segments and their tables take.
    pub fn cache_size(mut self, bytes: u64) -> Self {
        self.cache_size = Some(bytes);
        self
    }

    /// Sets how many bytes may be stored; there is no limit by default.
    ///
    /// Counted are blocks and index as they are put in. The file takes a little more on the disk.
    pub fn max_stored(mut self, bytes: u64) -> Self {
        self.max_stored = bytes;
        self
    }

    /// Sets how many bytes a segment has, which is what is read at once; 16,372 by default, and 65,524 at most.
    ///
    /// Smaller ones make walks over CARs in random order faster, and take more room for what is around them.
    pub fn segment_len(mut self, bytes: u32) -> Self {
        self.segment_len = usize::try_from(bytes).unwrap_or(MAX_SEGMENT_LEN).min(MAX_SEGMENT_LEN);
        self
    }
}

impl Target {
    /// An empty database in the file.
    pub(super) fn create(&self, cache_size: u64, first: &FirstError) -> Result<Database> {
        let (file, sync) = match self {
            Target::Temporary(file) => (file.try_clone(), false),
            Target::Kept { file, .. } => (file.reopen(), true),
        };
        let backend = SpillBackend::new(file.map_err(Error::spill_io)?, sync, first.clone())?;
        let database = builder(cache_size).create_with_backend(backend);
        database.map_err(|error| first.explain(error))
    }
}

/// Gives a complete file its name, which must still be free.
pub(super) fn publish(file: NamedTempFile, path: &Path) -> Result<File> {
    let file = file.persist_noclobber(path).map_err(|error| Error::spill_io(error.error))?;
    // The name is on the disk when the folder is. Some systems cannot open folders; there is nothing more to be done there.
    if let Ok(folder) = File::open(folder_of(path)) {
        let _ = folder.sync_all();
    }
    Ok(file)
}

pub(super) fn builder(cache_size: u64) -> redb::Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(usize::try_from(cache_size).unwrap_or(usize::MAX));
    builder
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

fn default_folder() -> PathBuf {
    let usual = Path::new("/var/tmp");
    if cfg!(unix) && std::env::var_os("TMPDIR").is_none() && usual.is_dir() {
        return usual.to_owned();
    }
    std::env::temp_dir()
}

impl fmt::Debug for SpillFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = match &self.target {
            Target::Temporary(_) => None,
            Target::Kept { path, .. } => Some(path),
        };
        f.debug_struct("SpillFile")
            .field("path", &path)
            .field("cache_size", &self.cache_size)
            .field("max_stored", &self.max_stored)
            .field("segment_len", &self.segment_len)
            .finish()
    }
}
