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
use crate::error::{ArgumentFault, Error, ErrorKind, Result};

/// Longest segment in bytes, unless one block is longer. It fills a page of redb's of 64 KiB; one
/// byte more, and it would take two.
pub(super) const MAX_SEGMENT_LEN: u32 = 65_524;

/// Default length of a segment in bytes: it fills a page of 16 KiB.
const SEGMENT_LEN: u32 = 16_372;

/// The file that a load spills its blocks into: temporary or kept.
///
/// Created on first use, or earlier by [`create`](SpillFile::create). Errors of creating and writing
/// it name the file, or the folder of a temporary one.
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
    /// Most bytes that may be stored.
    pub(super) max_stored: u64,
    /// Length in bytes from which on a segment is full.
    pub(super) segment_len: u32,
}

/// Where a file will be.
enum Target {
    Temporary {
        folder: PathBuf,
    },
    Kept {
        path: PathBuf,
    },
    /// A file that exists and is empty.
    Created(NewFile),
}

/// A file that was created and is not complete.
pub(super) enum NewFile {
    /// It has no name, and is gone when it is closed, whatever happens.
    Temporary { file: File, folder: PathBuf },
    /// It has a temporary name, and gets its own when it is complete.
    Kept { file: NamedTempFile, path: PathBuf },
}

impl SpillFile {
    /// The bytes that kept files begin with. No CAR begins with them.
    pub const SIGNATURE: [u8; 9] = SPILL_SIGNATURE;

    /// A temporary file in the [`default_folder`](SpillFile::default_folder). It has no name, and
    /// is deleted with the store or with the process, even if that is killed.
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

    /// A file that is kept, for [`Repo::from_spill_file`](crate::Repo::from_spill_file).
    ///
    /// Written under a temporary name in the same folder, synced, then renamed. An existing file is
    /// never overwritten: creating and renaming both fail if the name is taken. Nobody else may
    /// change the file while the store exists.
    pub fn keep(path: impl Into<PathBuf>) -> Self {
        Self::new(Target::Kept { path: path.into() })
    }

    /// Creates the file now, so that a failure does not cost a load:
    /// [`Suspended::spill`](crate::Suspended::spill) consumes the load before it creates the file.
    ///
    /// # Errors
    ///
    /// `Store` if the file cannot be created: the folder does not exist or is not writable, or the
    /// name is taken; `Argument` if the segment length is out of range. The error names the file.
    ///
    /// ```
    /// use carwalk::ErrorClass;
    /// use carwalk::store::SpillFile;
    ///
    /// let error = SpillFile::keep("no/such/folder/repo.carwalk").create().unwrap_err();
    /// assert_eq!(error.class(), ErrorClass::Environment);
    /// assert_eq!(error.to_string(), "\"no/such/folder/repo.carwalk\": the block store or spill file failed");
    /// ```
    pub fn create(self) -> Result<Self> {
        let (file, settings) = self.open()?;
        Ok(SpillFile { target: Target::Created(file), settings })
    }

    /// Returns the file, and creates it if it was not created yet.
    pub(super) fn open(self) -> Result<(NewFile, FileSettings)> {
        self.settings.check().map_err(|error| error.in_file(self.place()))?;
        Ok((self.target.create()?, self.settings))
    }

    /// Returns the name of a file that is kept, or the folder of a temporary one.
    fn place(&self) -> &Path {
        match &self.target {
            Target::Temporary { folder } => folder,
            Target::Kept { path } => path,
            Target::Created(file) => file.place(),
        }
    }

    /// Returns the name of a file that is kept.
    pub(super) fn kept_path(&self) -> Option<&Path> {
        match &self.target {
            Target::Kept { path } | Target::Created(NewFile::Kept { path, .. }) => Some(path),
            Target::Temporary { .. } | Target::Created(NewFile::Temporary { .. }) => None,
        }
    }

    /// A file that exists and was emptied.
    pub(super) fn again(file: NewFile, settings: FileSettings) -> Self {
        SpillFile { target: Target::Created(file), settings }
    }

    fn new(target: Target) -> Self {
        let settings =
            FileSettings { cache_size: None, max_stored: u64::MAX, segment_len: SEGMENT_LEN };
        SpillFile { target, settings }
    }

    /// Sets the size of the store's caches in bytes. Default: the memory limit of the load. Smaller
    /// values than 512 KiB count as 512 KiB.
    ///
    /// The last long block that was requested may be held in addition.
    pub fn cache_size(mut self, bytes: u64) -> Self {
        self.settings.cache_size = Some(bytes);
        self
    }

    /// Sets the maximum number of bytes stored. No limit by default.
    ///
    /// Counts what blocks and index take in the file: a power of two for each segment, at least
    /// 4 KiB. The file itself takes up to about twice as much, at least 1 MiB.
    pub fn max_stored(mut self, bytes: u64) -> Self {
        self.settings.max_stored = bytes;
        self
    }

    /// Sets the length of a segment in bytes. A segment is read as a whole. Default: 16,372. At most
    /// 65,524: otherwise creating the file fails. With 0, each block is a segment.
    ///
    /// Shorter segments make walks over CARs in random order faster, and the file larger.
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
        Err(Error::new(ErrorKind::Argument(ArgumentFault::SegmentLen { found, max })))
    }
}

impl Target {
    /// Creates the file, unless it exists.
    fn create(self) -> Result<NewFile> {
        match self {
            Target::Created(file) => Ok(file),
            Target::Temporary { folder } => match tempfile::tempfile_in(&folder) {
                Ok(file) => Ok(NewFile::Temporary { file, folder }),
                Err(error) => Err(Error::spill_io(error).in_file(&folder)),
            },
            Target::Kept { path } => {
                create_kept(&path).map_err(|error| Error::spill_io(error).in_file(&path))
            }
        }
    }
}

/// Creates a file that will be renamed to `path`.
fn create_kept(path: &Path) -> io::Result<NewFile> {
    if !names_a_file(path) {
        return Err(io::ErrorKind::InvalidFilename.into());
    }
    match fs::symlink_metadata(path) {
        Ok(_) => return Err(io::ErrorKind::AlreadyExists.into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        // No file can have this name, or nobody may look.
        Err(error) => return Err(error),
    }
    let file = named_temporarily(folder_of(path))?;
    Ok(NewFile::Kept { file, path: path.to_owned() })
}

impl NewFile {
    pub(super) fn is_kept(&self) -> bool {
        matches!(self, NewFile::Kept { .. })
    }

    /// Returns the name that the file gets, or the folder of a temporary one.
    pub(super) fn place(&self) -> &Path {
        match self {
            NewFile::Temporary { folder, .. } => folder,
            NewFile::Kept { path, .. } => path,
        }
    }

    /// Empties the file.
    pub(super) fn clear(&self) -> io::Result<()> {
        match self {
            NewFile::Temporary { file, .. } => file.set_len(0),
            NewFile::Kept { file, .. } => file.as_file().set_len(0),
        }
    }

    /// Makes an empty database in the file.
    pub(super) fn database(&self, cache_size: u64, errors: &FileErrors) -> Result<Database> {
        let file = match self {
            NewFile::Temporary { file, .. } => file.try_clone(),
            NewFile::Kept { file, .. } => file.reopen(),
        };
        let file = file.map_err(|error| errors.io(error))?;
        let backend = SpillBackend::new(file, errors.clone())?;
        let mut builder = Database::builder();
        builder.set_cache_size(usize::try_from(cache_size).unwrap_or(usize::MAX));
        errors.of(builder.create_with_backend(backend))
    }

    /// Gives a complete file its name, which must still be free. Returns a temporary file.
    pub(super) fn publish(self) -> Result<Option<Self>> {
        let (file, path) = match self {
            NewFile::Temporary { .. } => return Ok(Some(self)),
            NewFile::Kept { file, path } => (file, path),
        };
        file.persist_noclobber(&path)
            .map_err(|error| Error::spill_io(error.error).in_file(&path))?;
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
        f.debug_struct("SpillFile")
            .field("path", &self.place())
            .field("settings", &self.settings)
            .finish()
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
