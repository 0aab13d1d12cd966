//! The file that a command writes.

use std::fs::{self, File, Permissions};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use clap::Args;
use tempfile::NamedTempFile;

use crate::failure::Cause;
use crate::output::{BUFFER_LEN, Output};

/// The file to write, or standard output.
#[derive(Args, Debug)]
pub(crate) struct OutFile {
    /// The file to write; `-` is standard output, which must not be a terminal
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,

    /// Overwrite OUT if it exists
    #[arg(long)]
    force: bool,

    #[arg(skip)]
    temporary: Temporary,
}

/// The path of the temporary file, once there is one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Temporary(Arc<Mutex<Option<PathBuf>>>);

impl Temporary {
    fn set(&self, path: &Path) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(path.to_owned());
    }

    /// Deletes the file, if it has not got its name.
    pub(crate) fn delete(&self) {
        if let Some(path) = self.0.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // The process ends. What cannot be deleted remains.
            let _ = fs::remove_file(path);
        }
    }
}

/// How OUT is written.
enum Destination {
    /// Devices and pipes are written into, never replaced.
    Device,
    New,
    Replaced {
        /// The target if OUT is a symbolic link.
        path: PathBuf,
        permissions: Permissions,
    },
}

impl OutFile {
    /// Creates OUT from options of a command's own.
    pub(crate) fn new(output: PathBuf, force: bool) -> Self {
        OutFile { output, force, temporary: Temporary::default() }
    }

    /// Returns the temporary file, for a process that ends before it is dropped.
    pub(crate) fn temporary(&self) -> Temporary {
        self.temporary.clone()
    }

    /// Returns whether OUT is standard output.
    pub(crate) fn is_stdout(&self) -> bool {
        self.output == Path::new("-")
    }

    /// Checks that OUT can be written, before anything is read.
    pub(crate) fn check(&self) -> Result<(), Cause> {
        if self.is_stdout() {
            return Ok(());
        }
        self.place().map(drop).map_err(|error| self.refused(error))
    }

    /// Writes OUT with a function, and returns its result.
    pub(crate) fn write<T, E: Into<Cause>>(
        &self,
        out: &mut Output,
        write: impl FnOnce(&mut dyn Write) -> Result<T, E>,
    ) -> Result<T, Cause> {
        if self.is_stdout() {
            return write(out).map_err(Into::into);
        }
        self.write_file(|file| write(file))
    }

    /// Writes OUT, which is not standard output, with a function, and returns its result.
    pub(crate) fn write_file<T, E: Into<Cause>>(
        &self,
        write: impl FnOnce(&mut (dyn Write + Send)) -> Result<T, E>,
    ) -> Result<T, Cause> {
        let refused = |error| self.refused(error);
        match self.place().map_err(refused)? {
            Destination::Device => {
                let file = File::options().write(true).open(&self.output).map_err(refused)?;
                if file.is_terminal() {
                    return Err(Cause::TERMINAL);
                }
                self.write_into(&file, write)
            }
            Destination::New => {
                let (file, done) = self.write_beside(&self.output, None, write)?;
                let named = file.persist_noclobber(&self.output);
                named.map(|_| done).map_err(|error| refused(error.error))
            }
            Destination::Replaced { path, permissions } => {
                let (file, done) = self.write_beside(&path, Some(permissions), write)?;
                file.persist(&path).map(|_| done).map_err(|error| refused(error.error))
            }
        }
    }

    /// Examines OUT.
    fn place(&self) -> io::Result<Destination> {
        let metadata = match self.output.metadata() {
            // A dangling symbolic link is not a new file: its target is not created.
            Err(error)
                if error.kind() == io::ErrorKind::NotFound
                    && fs::symlink_metadata(&self.output).is_err() =>
            {
                return Ok(Destination::New);
            }
            metadata => metadata?,
        };
        match metadata.file_type() {
            kind if kind.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
            kind if !kind.is_file() => Ok(Destination::Device),
            _ if !self.force => Err(io::ErrorKind::AlreadyExists.into()),
            _ => Ok(Destination::Replaced {
                path: self.output.canonicalize()?,
                permissions: metadata.permissions(),
            }),
        }
    }

    fn refused(&self, error: io::Error) -> Cause {
        let path = self.output.clone();
        match error.kind() {
            io::ErrorKind::AlreadyExists => Cause::Taken { path, remedy: "" },
            _ => Cause::File { path, error },
        }
    }

    /// Writes a temporary file beside `path` and syncs it, so that half a CAR never has the final
    /// name.
    fn write_beside<T, E: Into<Cause>>(
        &self,
        path: &Path,
        replaced: Option<Permissions>,
        write: impl FnOnce(&mut (dyn Write + Send)) -> Result<T, E>,
    ) -> Result<(NamedTempFile, T), Cause> {
        let file = new_file(path, replaced).map_err(|error| self.refused(error))?;
        self.temporary.set(file.path());
        let done = self.write_into(file.as_file(), write)?;
        file.as_file().sync_all().map_err(|error| self.refused(error))?;
        Ok((file, done))
    }

    fn write_into<T, E: Into<Cause>>(
        &self,
        file: &File,
        write: impl FnOnce(&mut (dyn Write + Send)) -> Result<T, E>,
    ) -> Result<T, Cause> {
        let mut buffered = BufWriter::with_capacity(BUFFER_LEN, file);
        // The function flushes its output.
        write(&mut buffered).map_err(|error| match error.into() {
            Cause::Output(error) => self.refused(error),
            cause => cause,
        })
    }
}

/// Creates an empty file with a temporary name beside `path`. Its permissions are `replaced`, or
/// those of any new file.
fn new_file(path: &Path, replaced: Option<Permissions>) -> io::Result<NamedTempFile> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mut builder = tempfile::Builder::new();
    builder.prefix(".carwalk-");
    #[cfg(unix)]
    if replaced.is_none() {
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    }
    let file = builder.tempfile_in(folder.unwrap_or(Path::new(".")))?;
    // On other systems, permissions only say whether a file is read-only.
    if let Some(permissions) = replaced.filter(|_| cfg!(unix)) {
        file.as_file().set_permissions(permissions)?;
    }
    Ok(file)
}
