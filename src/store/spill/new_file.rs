//! Creating and naming spill files.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use redb::Database;
use tempfile::NamedTempFile;

use super::backend::SpillBackend;
use super::file_errors::FileErrors;
use crate::error::{Error, Result};

/// Where a file will be.
pub(super) enum Target {
    Temporary {
        folder: PathBuf,
    },
    Kept {
        path: PathBuf,
    },
    /// A file that exists and is empty.
    Created(NewFile),
}

/// A new spill file that is not published yet.
pub(super) enum NewFile {
    /// Has no name on Unix. The system deletes it when it is closed, even if the process is killed.
    Temporary { file: File, folder: PathBuf },
    /// Has a temporary name until it is complete.
    Kept { file: NamedTempFile, path: PathBuf },
}

impl Target {
    /// Creates the file, unless it exists.
    pub(super) fn create(self) -> Result<NewFile> {
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

    /// Returns the path of a file that is kept, or the folder of a temporary one.
    pub(super) fn place(&self) -> &Path {
        match self {
            Target::Temporary { folder } => folder,
            Target::Kept { path } => path,
            Target::Created(file) => file.place(),
        }
    }

    /// Returns the path of a file that is kept.
    pub(super) fn kept_path(&self) -> Option<&Path> {
        match self {
            Target::Kept { path } | Target::Created(NewFile::Kept { path, .. }) => Some(path),
            Target::Temporary { .. } | Target::Created(NewFile::Temporary { .. }) => None,
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
        // The name is invalid, or the folder cannot be searched.
        Err(error) => return Err(error),
    }
    let file = named_temporarily(folder_of(path))?;
    Ok(NewFile::Kept { file, path: path.to_owned() })
}

impl NewFile {
    pub(super) fn is_kept(&self) -> bool {
        matches!(self, NewFile::Kept { .. })
    }

    /// Returns the path that the file will have, or the folder of a temporary one.
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

    /// Creates an empty database in the file.
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

    /// Renames a complete kept file; the name must still be free. Returns a temporary file
    /// unchanged.
    pub(super) fn publish(self) -> Result<Option<Self>> {
        let (file, path) = match self {
            NewFile::Temporary { .. } => return Ok(Some(self)),
            NewFile::Kept { file, path } => (file, path),
        };
        file.persist_noclobber(&path)
            .map_err(|error| Error::spill_io(error.error).in_file(&path))?;
        // The new name survives a crash only if the folder is synced too. Some systems cannot open
        // folders; then nothing more can be done.
        if let Ok(folder) = File::open(folder_of(&path)) {
            let _ = folder.sync_all();
        }
        Ok(None)
    }
}

/// Returns whether a path can be that of a file: `a/` and `a/.` can only be folders.
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
