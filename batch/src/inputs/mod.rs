//! The files to process: files, folders and lists.

mod folder;
mod name;
mod paths;

use std::fs::{self, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use thiserror::Error;

pub use self::name::path_name;
use crate::timestamp::utc;

/// A file to process.
///
/// # Examples
///
/// ```
/// use carwalk_batch::Input;
///
/// let input = Input::new("../samples/repo.car");
/// assert_eq!(input.bytes(), Some(12_641));
/// // Files that cannot be read are inputs too, which fail.
/// assert!(Input::new("no/such.car").problem().is_some());
/// ```
#[derive(Clone, Debug)]
pub struct Input {
    path: PathBuf,
    bytes: Option<u64>,
    modified: Option<SystemTime>,
    /// Why it cannot be read. Shared because the error cannot be cloned.
    problem: Option<Arc<io::Error>>,
}

impl Input {
    /// Creates an input. Symbolic links are followed.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        match fs::metadata(&path) {
            Ok(metadata) => Input::of(path, &metadata),
            Err(error) => Input::unreadable(path, error),
        }
    }

    fn of(path: PathBuf, metadata: &Metadata) -> Self {
        let bytes = metadata.is_file().then_some(metadata.len());
        let modified = bytes.and_then(|_| metadata.modified().ok());
        Input { path, bytes, modified, problem: None }
    }

    fn unreadable(path: PathBuf, error: io::Error) -> Self {
        Input { path, bytes: None, modified: None, problem: Some(Arc::new(error)) }
    }

    /// Returns the path: the one that was added, or below it.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the path as one line of text: see [`path_name`].
    #[must_use]
    pub fn name(&self) -> String {
        path_name(&self.path)
    }

    /// Returns the length of the file in bytes when it was listed. `None` for pipes and the like.
    #[must_use]
    pub fn bytes(&self) -> Option<u64> {
        self.bytes
    }

    /// Returns when the file was last modified, in the form of [`utc`], as of its listing.
    #[must_use]
    pub fn modified(&self) -> Option<String> {
        self.modified.and_then(utc)
    }

    /// Returns why the file or folder cannot be read, if that was seen while listing.
    #[must_use]
    pub fn problem(&self) -> Option<&io::Error> {
        self.problem.as_deref()
    }
}

/// Why inputs cannot be listed. The message names the folder or list.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ListError {
    /// A folder has no CARs.
    #[error("no CARs in {folder:?}: it has no files named *.car, *.car.gz or *.car.zst")]
    NoCars {
        /// The folder.
        folder: PathBuf,
    },
    /// A list of paths cannot be read.
    #[error("cannot read {list}: {error}")]
    Read {
        /// The name of the list, safe to print.
        list: String,
        /// The error.
        #[source]
        error: io::Error,
    },
    /// A line of a list of paths is not a path.
    #[error("{list}, line {line}: {fault}")]
    Line {
        /// The name of the list, safe to print.
        list: String,
        /// The number of the line, from 1 on.
        line: u64,
        /// What is wrong.
        fault: &'static str,
    },
}

/// A list of inputs, in the order in which they were added.
///
/// Nothing is removed: a file that is added twice is two inputs.
///
/// # Examples
///
/// ```
/// use carwalk_batch::Inputs;
///
/// let mut inputs = Inputs::new();
/// inputs.add("../samples")?;
/// inputs.add_list(&b"../samples/repo.car\n"[..], "the list")?;
/// let names: Vec<_> = inputs.as_slice().iter().map(|input| input.name()).collect();
/// assert_eq!(names, ["../samples/repo.car", "../samples/repo.car"]);
/// assert_eq!(inputs.bytes(), 2 * 12_641);
/// # Ok::<(), carwalk_batch::ListError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Inputs(Vec<Input>);

impl Inputs {
    /// Creates an empty list.
    #[must_use]
    pub fn new() -> Self {
        Inputs::default()
    }

    /// Adds a file, or all CARs in a folder and the folders in it.
    ///
    /// The CARs of a folder are its files with names that end in `.car`, `.car.gz` or `.car.zst`,
    /// in byte order of their paths. Symbolic links to such files are followed, links to folders
    /// are not, except for `path` itself. Folders and files that cannot be read are inputs that
    /// fail.
    ///
    /// # Errors
    ///
    /// `NoCars` if `path` is a folder without CARs.
    pub fn add(&mut self, path: impl Into<PathBuf>) -> Result<(), ListError> {
        let path = path.into();
        if !path.is_dir() {
            self.0.push(Input::new(path));
            return Ok(());
        }
        let found = folder::list(path.clone());
        if found.is_empty() {
            return Err(ListError::NoCars { folder: path });
        }
        self.0.extend(found);
        Ok(())
    }

    /// Adds the paths in a list, one for each line, as [`add`](Inputs::add) does. Empty lines are
    /// ignored. `name` is the name of the list for messages, safe to print.
    ///
    /// # Errors
    ///
    /// - `Read` if the list cannot be read
    /// - `Line` if a line has more than 1 MiB, or on other systems than Unix is not UTF-8
    /// - `NoCars` if a path is a folder without CARs
    pub fn add_list(&mut self, list: impl Read, name: &str) -> Result<(), ListError> {
        paths::each(list, name, |path| self.add(path))
    }

    /// Returns the inputs.
    #[must_use]
    pub fn as_slice(&self) -> &[Input] {
        &self.0
    }

    /// Returns the length of all inputs together, in bytes, as far as it is known.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let bytes = self.0.iter().filter_map(Input::bytes);
        bytes.fold(0, u64::saturating_add)
    }
}
