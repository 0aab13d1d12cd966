//! One part while it is written.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::sheet::Sheet;
use super::{Open, PartsError, Step, Watch, names};
use crate::report::Line;

/// A part under its temporary name.
pub(super) struct Part<S> {
    /// The final name.
    pub(super) name: String,
    /// The lines of the inputs whose rows it has.
    pub(super) lines: Vec<Line>,
    folder: PathBuf,
    sheet: S,
    file: File,
    temporary: Temporary,
}

impl<S: Sheet> Part<S> {
    /// Creates the file and begins its contents.
    pub(super) fn create(
        folder: &Path,
        name: String,
        open: &mut Open<S>,
    ) -> Result<Self, PartsError> {
        let path = folder.join(names::temporary(&name));
        let failed = |error| PartsError::Io { path: path.clone(), error };
        let file = File::options().write(true).create_new(true).open(&path).map_err(failed)?;
        let temporary = Temporary { path: path.clone(), is_named: false };
        // So that no other process deletes it. Some file systems have no locks.
        let _ = file.try_lock();
        let sheet = file.try_clone().and_then(open).map_err(failed)?;
        Ok(Part { name, lines: Vec::new(), folder: folder.to_owned(), sheet, file, temporary })
    }

    /// Returns the number of bytes in the file.
    pub(super) fn len(&self) -> u64 {
        self.sheet.len()
    }

    pub(super) fn write(&mut self, piece: S::Piece) -> Result<(), PartsError> {
        self.sheet.write(piece).map_err(|error| self.failed(error))
    }

    /// Writes what follows the last row.
    pub(super) fn end(&mut self) -> Result<(), PartsError> {
        self.sheet.end().map_err(|error| self.failed(error))
    }

    pub(super) fn sync(&self) -> Result<(), PartsError> {
        self.file.sync_all().map_err(|error| self.failed(error))
    }

    /// Gives the file its final name.
    pub(super) fn name_it(&mut self) -> Result<(), PartsError> {
        let path = self.folder.join(&self.name);
        // Renaming replaces files on most systems.
        let named = if path.exists() {
            Err(io::ErrorKind::AlreadyExists.into())
        } else {
            fs::rename(&self.temporary.path, &path)
        };
        named.map_err(|error| PartsError::Io { path, error })?;
        self.temporary.is_named = true;
        Ok(())
    }

    /// Syncs the folder, so that the name is on the disk.
    pub(super) fn sync_folder(&self) -> Result<(), PartsError> {
        // Elsewhere folders cannot be opened.
        if cfg!(unix) {
            let synced = File::open(&self.folder).and_then(|folder| folder.sync_all());
            return synced.map_err(|error| PartsError::Io { path: self.folder.clone(), error });
        }
        Ok(())
    }

    /// Reports a step.
    pub(super) fn step(&self, step: Step, watch: &mut Watch) -> Result<(), PartsError> {
        watch(step).map_err(|error| self.failed(error))
    }

    fn failed(&self, error: io::Error) -> PartsError {
        PartsError::Io { path: self.folder.join(&self.name), error }
    }
}

/// A file with a temporary name. It is deleted on drop unless it was named.
struct Temporary {
    path: PathBuf,
    is_named: bool,
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.is_named {
            // If that fails, the next run deletes it.
            let _ = fs::remove_file(&self.path);
        }
    }
}
