//! The CARs in a folder and in the folders below it.

use std::fs::{self, DirEntry};
use std::io;
use std::path::{Path, PathBuf};

use super::Input;

/// Ends of the names of CARs.
const ENDS: [&[u8]; 3] = [b".car", b".car.gz", b".car.zst"];

/// Lists the CARs below `folder` in byte order of their paths.
///
/// Symbolic links to folders are not followed, so there are no loops.
pub(super) fn list(folder: PathBuf) -> Vec<Input> {
    let (mut folders, mut found) = (vec![folder], Vec::new());
    while let Some(folder) = folders.pop() {
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) => {
                found.push(Input::unreadable(folder, error));
                continue;
            }
        };
        for entry in entries {
            let taken = entry.and_then(|entry| take(&entry, &mut folders, &mut found));
            // The rest of the folder is unknown.
            if let Err(error) = taken {
                found.push(Input::unreadable(folder.clone(), error));
                break;
            }
        }
    }
    found.sort_by(|one, other| bytes(&one.path).cmp(bytes(&other.path)));
    found
}

fn bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_encoded_bytes()
}

fn take(entry: &DirEntry, folders: &mut Vec<PathBuf>, found: &mut Vec<Input>) -> io::Result<()> {
    let kind = entry.file_type()?;
    if kind.is_dir() {
        folders.push(entry.path());
        return Ok(());
    }
    let name = entry.file_name();
    if !ENDS.iter().any(|end| name.as_encoded_bytes().ends_with(end)) {
        return Ok(());
    }
    if kind.is_file() {
        found.push(Input::new(entry.path()));
    } else if kind.is_symlink() {
        take_link(entry.path(), found);
    }
    Ok(())
}

/// Takes the file that a symbolic link leads to. A link that leads nowhere is an input that fails.
fn take_link(path: PathBuf, found: &mut Vec<Input>) {
    match fs::metadata(&path) {
        Ok(metadata) if metadata.is_file() => found.push(Input::of(path, &metadata)),
        Ok(_) => {}
        Err(error) => found.push(Input::unreadable(path, error)),
    }
}
