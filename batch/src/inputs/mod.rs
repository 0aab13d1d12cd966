//! The files to process: files, folders and lists.

mod folder;
mod name;
mod paths;

use std::collections::HashMap;
use std::fs::{self, Metadata};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use thiserror::Error;

pub(crate) use self::name::key;
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
    /// How many equal inputs are before it in its list.
    copy: usize,
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
        Input { path, bytes, modified, copy: 0, problem: None }
    }

    fn unreadable(path: PathBuf, error: io::Error) -> Self {
        let problem = Some(Arc::new(error));
        Input { path, bytes: None, modified: None, copy: 0, problem }
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

    /// Returns when the file was last modified, as of its listing: `2026-01-02T03:04:05.000006Z`.
    /// `None` for pipes and the like, and for years after 9999.
    #[must_use]
    pub fn modified(&self) -> Option<String> {
        self.modified.and_then(utc)
    }

    /// Returns why the file or folder cannot be read, if that was seen while listing. A file that
    /// is there later is read all the same.
    #[must_use]
    pub fn problem(&self) -> Option<&io::Error> {
        self.problem.as_deref()
    }

    /// Returns how many inputs with the same path, length and time are before it in its list.
    pub(crate) fn copy(&self) -> usize {
        self.copy
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
    /// A line of a list is `-`.
    #[error("{list}: line {line}: standard input cannot be one of several inputs")]
    StandardInput {
        /// The name of the list, safe to print.
        list: String,
        /// The number of the line, from 1 on.
        line: u64,
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
    #[error("{list}: line {line}: {fault}")]
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
pub struct Inputs {
    list: Vec<Input>,
    copies: Copies,
    /// The first folder without CARs, and how many there are.
    empty: (Option<PathBuf>, usize),
}

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
        let found = list(path.into()).map_err(|folder| ListError::NoCars { folder })?;
        self.extend(found);
        Ok(())
    }

    /// Adds a path of several, as [`add`](Inputs::add) does. A folder without CARs is an input that
    /// fails, so that it does not stop the others: see [`check`](Inputs::check).
    pub fn add_one_of(&mut self, path: impl Into<PathBuf>) {
        match list(path.into()) {
            Ok(found) => self.extend(found),
            Err(folder) => {
                let error = io::Error::new(io::ErrorKind::NotFound, "the folder has no CARs");
                self.extend([Input::unreadable(folder.clone(), error)]);
                let (first, count) = &mut self.empty;
                first.get_or_insert(folder);
                *count = count.saturating_add(1);
            }
        }
    }

    /// Adds the paths in a list, one for each line, as [`add_one_of`](Inputs::add_one_of) does.
    /// Empty lines are ignored, and a CR before the line break is removed. `name` is the name of
    /// the list for messages, safe to print.
    ///
    /// # Errors
    ///
    /// - `Read` if the list cannot be read
    /// - `Line` if a line has more than 1 MiB, or on other systems than Unix is not UTF-8
    /// - `StandardInput` if a line is `-`
    pub fn add_list(&mut self, list: impl Read, name: &str) -> Result<(), ListError> {
        paths::each(list, name, |path| self.add_one_of(path))
    }

    /// Checks that something is to be read.
    ///
    /// # Errors
    ///
    /// `NoCars` if all inputs are folders without CARs, and there is at least one.
    pub fn check(&self) -> Result<(), ListError> {
        match &self.empty {
            (Some(folder), count) if *count == self.list.len() => {
                Err(ListError::NoCars { folder: folder.clone() })
            }
            _ => Ok(()),
        }
    }

    fn extend(&mut self, found: impl IntoIterator<Item = Input>) {
        for mut input in found {
            input.copy = self.copies.count(&input);
            self.list.push(input);
        }
    }

    /// Returns the inputs.
    #[must_use]
    pub fn as_slice(&self) -> &[Input] {
        &self.list
    }

    /// Returns the length of all inputs together, in bytes, as far as it is known.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let bytes = self.list.iter().filter_map(Input::bytes);
        bytes.fold(0, u64::saturating_add)
    }
}

/// Lists a file, or the CARs in a folder. Returns the folder if it has none.
fn list(path: PathBuf) -> Result<Vec<Input>, PathBuf> {
    if !path.is_dir() {
        return Ok(vec![Input::new(path)]);
    }
    let found = folder::list(path.clone());
    if found.is_empty() { Err(path) } else { Ok(found) }
}

/// Counts equal inputs, by hashes of 128 bits with random keys: paths would need more memory.
#[derive(Clone, Debug, Default)]
struct Copies {
    counts: HashMap<(u64, u64), usize>,
    hashers: (RandomState, RandomState),
}

impl Copies {
    /// Counts an input. Returns how many were equal to it before.
    fn count(&mut self, input: &Input) -> usize {
        let name = input.name();
        let what = (key(&name), input.bytes, input.modified);
        let hash = (self.hashers.0.hash_one(&what), self.hashers.1.hash_one(&what));
        let count = self.counts.entry(hash).or_insert(0);
        let before = *count;
        *count = before.saturating_add(1);
        before
    }
}
