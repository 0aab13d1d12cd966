//! Spill files before they are filled, and the names of those that are kept.

use core::fmt;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use redb::Database;
use tempfile::NamedTempFile;

use super::backend::{FirstError, SpillBackend};
use crate::error::{Error, Result};
use crate::store::SPILL_SIGNATURE;

/// Most bytes of a segment, unless one block is longer. redb gives such a value a page of 64 KiB;
/// one byte more, and it would take two.
pub(super) const MAX_SEGMENT_LEN: usize = 65_524;

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
    pub(super) settings: Settings,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    pub(super) cache_size: Option<u64>,
    pub(super) max_stored: u64,
    pub(super) segment_len: usize,
}

/// Where a file is to be.
pub(super) enum Target {
    Temporary {
        folder: PathBuf,
    },
    Kept {
        path: PathBuf,
    },
    /// Where one was before.
    Again(File),
}

/// A file that was made.
pub(super) enum Opened {
    /// It has no name, and is gone when it is closed, whatever happens.
    Temporary(File),
    /// It gets its name when it is complete.
    Kept { file: NamedTempFile, path: PathBuf },
}

impl SpillFile {
    /// The bytes that files which were kept begin with. No CAR does.
    pub const SIGNATURE: [u8; 9] = SPILL_SIGNATURE;

    /// A file that nobody else sees, and that is gone with the store or with the process, even if
    /// that is killed.
    ///
    /// It will lie in the [`default_folder`](SpillFile::default_folder). It is made when it is
    /// needed, as all spill files.
    pub fn temporary() -> Self {
        Self::temporary_in(Self::default_folder())
    }

    /// As [`temporary`](SpillFile::temporary), in a folder of the caller's choice.
    pub fn temporary_in(folder: impl Into<PathBuf>) -> Self {
        Self::new(Target::Temporary { folder: folder.into() })
    }

    /// The folder that temporary files lie in if no other is named: the one that `TMPDIR` names;
    /// else, on Unix, `/var/tmp`, since `/tmp` is often memory; else the system's folder for
    /// temporary files.
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

    /// A file that stays, for [`RedbStore::open`](super::RedbStore::open).
    ///
    /// It is written under a passing name in the same folder, and gets its own when it is complete
    /// and on the disk. A file that has this name already is not touched: then making the file is
    /// an error, as is giving it the name if another came to be there meanwhile. Nobody else may
    /// change it as long as the store lives.
    pub fn keep(path: impl Into<PathBuf>) -> Self {
        Self::new(Target::Kept { path: path.into() })
    }

    pub(super) fn again(file: File, settings: Settings) -> Self {
        SpillFile { target: Target::Again(file), settings }
    }

    fn new(target: Target) -> Self {
        let settings =
            Settings { cache_size: None, max_stored: u64::MAX, segment_len: SEGMENT_LEN };
        SpillFile { target, settings }
    }

    /// Sets how many bytes of memory the store takes for what it holds of the file; by default the
    /// memory limit of the load, and 512 KiB at least. The one long block that was asked for last
    /// comes on top.
    pub fn cache_size(mut self, bytes: u64) -> Self {
        self.settings.cache_size = Some(bytes);
        self
    }

    /// Sets how many bytes may be stored; there is no limit by default.
    ///
    /// Counted is what blocks and index take in the file: each segment a power of two, 4 KiB at
    /// least. Around that the file takes more, up to about twice as much, and 1 MiB at least.
    pub fn max_stored(mut self, bytes: u64) -> Self {
        self.settings.max_stored = bytes;
        self
    }

    /// Sets how many bytes a segment has, which is what is read at once; 16,372 by default, and
    /// 65,524 at most.
    ///
    /// Smaller ones make walks over CARs in random order faster, and take more room for what is
    /// around them.
    pub fn segment_len(mut self, bytes: u32) -> Self {
        self.settings.segment_len =
            usize::try_from(bytes).unwrap_or(MAX_SEGMENT_LEN).min(MAX_SEGMENT_LEN);
        self
    }
}

impl Target {
    /// Makes the file.
    pub(super) fn open(self) -> Result<Opened> {
        let opened = match self {
            Target::Temporary { folder } => tempfile::tempfile_in(folder).map(Opened::Temporary),
            Target::Again(file) => Ok(Opened::Temporary(file)),
            Target::Kept { path } if !names_a_file(&path) => {
                Err(io::ErrorKind::InvalidFilename.into())
            }
            Target::Kept { path } if fs::symlink_metadata(&path).is_ok() => {
                Err(io::ErrorKind::AlreadyExists.into())
            }
            Target::Kept { path } => {
                passing_file(folder_of(&path)).map(|file| Opened::Kept { file, path })
            }
        };
        opened.map_err(Error::spill_io)
    }
}

impl Opened {
    /// An empty database in the file.
    pub(super) fn create(&self, cache_size: u64, first: &FirstError) -> Result<Database> {
        let file = match self {
            Opened::Temporary(file) => file.try_clone(),
            Opened::Kept { file, .. } => file.reopen(),
        };
        let backend = SpillBackend::new(file.map_err(Error::spill_io)?, first.clone())?;
        let database = builder(cache_size).create_with_backend(backend);
        database.map_err(|error| first.explain(error))
    }

    /// Gives a complete file its name, which must still be free. A file without a name comes back.
    pub(super) fn publish(self) -> Result<Option<File>> {
        let (file, path) = match self {
            Opened::Temporary(file) => return Ok(Some(file)),
            Opened::Kept { file, path } => (file, path),
        };
        file.persist_noclobber(&path).map_err(|error| Error::spill_io(error.error))?;
        // The name is on the disk when the folder is. Some systems cannot open folders; there is
        // nothing more to be done.
        if let Ok(folder) = File::open(folder_of(&path)) {
            let _ = folder.sync_all();
        }
        Ok(None)
    }
}

/// Whether a path could be a file's, and not only a folder's.
fn names_a_file(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| path.as_os_str().as_encoded_bytes().ends_with(name.as_encoded_bytes()))
}

/// A file under a passing name, with the rights that new files have.
fn passing_file(folder: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".carwalk-");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder)
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
