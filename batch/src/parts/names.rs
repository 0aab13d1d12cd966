//! The names of parts, and which there are in a folder.

use std::collections::BTreeSet;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;

use super::PartsError;
use crate::report::{History, sync_parent};

const PREFIX: &str = "part-";

/// Temporary names begin with a dot, so that patterns for parts do not match them.
const TEMPORARY: (&str, &str) = (".carwalk-part-", ".tmp");

/// Fewest digits of a number.
const DIGITS: usize = 5;

/// Returns the name of a part.
pub(super) fn of_part(number: u64, extension: &str) -> String {
    format!("{PREFIX}{number:0DIGITS$}.{extension}")
}

/// Returns the name of a part while it is written.
pub(super) fn temporary(name: &str) -> String {
    format!(".carwalk-{name}{}", TEMPORARY.1)
}

/// Returns the number of a part.
fn number(name: &str) -> Option<u64> {
    let (digits, _extension) = name.strip_prefix(PREFIX)?.split_once('.')?;
    let is_number = digits.len() >= DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().unwrap_or(u64::MAX))
}

fn is_temporary(name: &str) -> bool {
    name.starts_with(TEMPORARY.0) && name.ends_with(TEMPORARY.1)
}

/// The parts in a folder.
pub(super) struct Listed {
    /// The names of parts.
    pub(super) names: BTreeSet<String>,
    /// The names of files that were never completed.
    temporaries: Vec<String>,
}

impl Listed {
    /// Lists a folder, which is created if it does not exist.
    pub(super) fn of(folder: &Path) -> Result<Self, PartsError> {
        let failed = |error| PartsError::Io { path: folder.to_owned(), error };
        create(folder).map_err(failed)?;
        let (mut names, mut temporaries) = (BTreeSet::new(), Vec::new());
        for entry in fs::read_dir(folder).map_err(failed)? {
            // Names of parts are ASCII.
            let Ok(name) = entry.map_err(failed)?.file_name().into_string() else { continue };
            if number(&name).is_some() {
                names.insert(name);
            } else if is_temporary(&name) {
                temporaries.push(name);
            }
        }
        Ok(Listed { names, temporaries })
    }

    /// Deletes the files that were never completed.
    pub(super) fn delete_temporaries(&self, folder: &Path) -> Result<(), PartsError> {
        for name in &self.temporaries {
            let path = folder.join(name);
            match delete(&path) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Err(PartsError::Locked { path });
                }
                Err(error) => return Err(PartsError::Io { path, error }),
            }
        }
        Ok(())
    }

    /// Returns the number after the highest of all parts that exist or that the report ever named.
    ///
    /// A name in the report is never given to another part, also if the part is gone or was never
    /// named: its lines would seem to be about the new part.
    pub(super) fn next(&self, folder: &Path, history: &History) -> Result<u64, PartsError> {
        let names = self.names.iter().map(String::as_str).chain(history.outputs());
        let highest = names.filter_map(number).max();
        let next = highest.map_or(Some(0), |number| number.checked_add(1));
        // One more must fit, or numbers would repeat.
        let next = next.filter(|next| *next < u64::MAX);
        next.ok_or_else(|| PartsError::Numbers { folder: folder.to_path_buf() })
    }
}

/// Creates a folder and those above it. Their names are on the disk before the report says that
/// something is in them.
fn create(folder: &Path) -> io::Result<()> {
    let new: Vec<_> = folder.ancestors().take_while(|path| !path.exists()).collect();
    fs::create_dir_all(folder)?;
    for path in new.iter().filter(|path| !path.as_os_str().is_empty()) {
        sync_parent(path);
    }
    Ok(())
}

/// Deletes a file unless a process has locked it.
fn delete(path: &Path) -> io::Result<()> {
    // To open a pipe could wait for ever.
    if !fs::symlink_metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    let file = File::open(path)?;
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
        // Some file systems have no locks.
        Ok(()) | Err(TryLockError::Error(_)) => fs::remove_file(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_known_by_their_names() {
        assert_eq!(of_part(7, "csv.gz"), "part-00007.csv.gz");
        assert_eq!(number(&of_part(7, "csv.gz")), Some(7));
        assert_eq!(number(&of_part(1_234_567, "jsonl")), Some(1_234_567));
        for other in ["part-7.csv", "part-00007", "part-0000x.csv", "apart-00007.csv", "part-.csv"]
        {
            assert_eq!(number(other), None, "{other}");
        }
        assert_eq!(number("part-99999999999999999999.csv"), Some(u64::MAX));
        let temporary = temporary(&of_part(7, "csv"));
        assert_eq!(temporary, ".carwalk-part-00007.csv.tmp");
        assert!(is_temporary(&temporary) && number(&temporary).is_none());
        for other in ["part-00007.csv", ".carwalk-abcdef", ".carwalk-part-00007.csv", "a.tmp"] {
            assert!(!is_temporary(other), "{other}");
        }
    }
}
