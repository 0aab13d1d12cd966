//! Spill files before they are written, and how kept ones get their names.

use core::fmt;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use redb::Database;
use tempfile::NamedTempFile;

use super::backend::SpillBackend;
use super::file_errors::FileErrors;
use crate::car::SPILL_SIGNATURE;
use crate::error::{Error, Result};

/// Longest segment in bytes, unless one block is longer. It fills a page of redb's of 64 KiB; one
/// byte more, and it would take two.
pub(super) const MAX_SEGMENT_LEN: usize = 65_524;

/// Default length of a segment in bytes: it fills a page of 16 KiB.
const SEGMENT_LEN: usize = 16_372;

/// A file that blocks will be spilled into.
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
///         let repo = load.spill(SpillFile::temporary())?;
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
    pub(super) settings: FileSettings,
}

/// The settings of a spill file.
#[derive(Clone, Copy, Debug)]
pub(super) struct FileSettings {
    /// Bytes of memory for caches. Default: the memory limit of the load.
    pub(super) cache_size: Option<u64>,
    /// Most bytes that may be stored.
    pub(super) max_stored: u64,
    /// Length in bytes from which on a segment is full.
    pub(super) segment_len: usize,
}

/// Where a file will be.
pub(super) enum Target {
    Temporary {
        folder: PathBuf,
    },
    Kept {
        path: PathBuf,
    },
    /// A temporary file that was emptied.
    Again(File),
}

/// A file that was created and is not complete.
pub(super) enum NewFile {
    /// It has no name, and is gone when it is closed, whatever happens.
    Temporary(File),
    /// It has a temporary name, and gets its own when it is complete.
    Kept { file: NamedTempFile, path: PathBuf },
}

impl SpillFile {
    /// The bytes that kept files begin with. No CAR begins with them.
    pub const SIGNATURE: [u8; 9] = SPILL_SIGNATURE;

    /// A temporary file in the [`default_folder`](SpillFile::default_folder). It has no name, and
    /// is gone with the store or with the process, even if that is killed.
    ///
    /// Like every spill file, it is created when it is needed.
    pub fn temporary() -> Self {
        Self::temporary_in(Self::default_folder())
    }

    /// A [`temporary`](SpillFile::temporary) file in another folder.
    pub fn temporary_in(folder: impl Into<PathBuf>) -> Self {
        Self::new(Target::Temporary { folder: folder.into() })
    }

    /// Returns the folder of temporary files: the one that `TMPDIR` names; else, on Unix,
    /// `/var/tmp`, because `/tmp` is often memory; else the system's folder for temporary files.
    #[must_use]
    pub fn default_folder() -> PathBuf {
        let usual = Path::new("/var/tmp");
        if cfg!(unix)
            && std::env::var_os("TMPDIR").is_none_or(|folder| folder.is_empty())
            && usual.is_dir()
        {
            return usual.to_owned();
        }
        std::env::temp_dir()
    }

    /// A file that is kept, for [`RedbStore::open`](super::RedbStore::open).
    ///
    /// Written under a temporary name in the same directory, synced, then renamed. A file that has
    /// the name already is never overwritten: creating the spill file fails, and so does renaming
    /// it if the name was taken meanwhile. Nobody else may change the file as long as the store
    /// lives.
    pub fn keep(path: impl Into<PathBuf>) -> Self {
        Self::new(Target::Kept { path: path.into() })
    }

    pub(super) fn again(file: File, settings: FileSettings) -> Self {
        SpillFile { target: Target::Again(file), settings }
    }

    fn new(target: Target) -> Self {
        let settings =
            FileSettings { cache_size: None, max_stored: u64::MAX, segment_len: SEGMENT_LEN };
        SpillFile { target, settings }
    }

    /// Sets how many bytes of memory the store takes for what it caches of the file. Default: the
    /// memory limit of the load. At least 512 KiB.
    ///
    /// The long block that was requested last may be held in addition.
    pub fn cache_size(mut self, bytes: u64) -> Self {
        self.settings.cache_size = Some(bytes);
        self
    }

    /// Sets how many bytes may be stored. Default: no limit.
    ///
    /// Counts what blocks and index take in the file: a power of two for each segment, at least
    /// 4 KiB. The file itself takes up to about twice as much, at least 1 MiB.
    pub fn max_stored(mut self, bytes: u64) -> Self {
        self.settings.max_stored = bytes;
        self
    }

    /// Sets the length of a segment in bytes, which is what is read at once. Default: 16,372. At
    /// most 65,524.
    ///
    /// With shorter segments, walks over CARs in random order are faster, and the file takes more
    /// room besides the blocks.
    pub fn segment_len(mut self, bytes: u32) -> Self {
        self.settings.segment_len =
            usize::try_from(bytes).unwrap_or(MAX_SEGMENT_LEN).min(MAX_SEGMENT_LEN);
        self
    }
}

impl Target {
    /// Creates the file.
    pub(super) fn create(self) -> Result<NewFile> {
        let created = match self {
            Target::Temporary { folder } => tempfile::tempfile_in(folder).map(NewFile::Temporary),
            Target::Again(file) => Ok(NewFile::Temporary(file)),
            Target::Kept { path } if !names_a_file(&path) => {
                Err(io::ErrorKind::InvalidFilename.into())
            }
            Target::Kept { path } if fs::symlink_metadata(&path).is_ok() => {
                Err(io::ErrorKind::AlreadyExists.into())
            }
            Target::Kept { path } => {
                named_temporarily(folder_of(&path)).map(|file| NewFile::Kept { file, path })
            }
        };
        created.map_err(Error::spill_io)
    }
}

impl NewFile {
    pub(super) fn is_kept(&self) -> bool {
        matches!(self, NewFile::Kept { .. })
    }

    /// Makes an empty database in the file.
    pub(super) fn database(&self, cache_size: u64, errors: &FileErrors) -> Result<Database> {
        let file = match self {
            NewFile::Temporary(file) => file.try_clone(),
            NewFile::Kept { file, .. } => file.reopen(),
        };
        let backend = SpillBackend::new(file.map_err(Error::spill_io)?, errors.clone())?;
        let mut builder = Database::builder();
        builder.set_cache_size(usize::try_from(cache_size).unwrap_or(usize::MAX));
        errors.of(builder.create_with_backend(backend))
    }

    /// Gives a complete file its name, which must still be free. Returns the file if it has no
    /// name.
    pub(super) fn publish(self) -> Result<Option<File>> {
        let (file, path) = match self {
            NewFile::Temporary(file) => return Ok(Some(file)),
            NewFile::Kept { file, path } => (file, path),
        };
        file.persist_noclobber(&path).map_err(|error| Error::spill_io(error.error))?;
        // The name is on the disk when the folder is. Some systems cannot open folders; then
        // nothing more can be done.
        if let Ok(folder) = File::open(folder_of(&path)) {
            let _ = folder.sync_all();
        }
        Ok(None)
    }
}

/// Returns whether a path can be that of a file, and not only of a folder.
fn names_a_file(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| path.as_os_str().as_encoded_bytes().ends_with(name.as_encoded_bytes()))
}

/// Creates a file with a temporary name and the permissions that new files have.
fn named_temporarily(folder: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".carwalk-");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder)
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

impl fmt::Debug for SpillFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = match &self.target {
            Target::Temporary { folder } => Some(folder),
            Target::Kept { path } => Some(path),
            Target::Again(_) => None,
        };
        f.debug_struct("SpillFile").field("path", &path).field("settings", &self.settings).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_of_a_bare_name_is_the_present_one() {
        for (path, folder) in
            [("kept", "."), ("a/kept", "a"), ("./kept", "."), ("/kept", "/"), ("/", ".")]
        {
            assert_eq!(folder_of(Path::new(path)), Path::new(folder), "{path}");
        }
    }
}
