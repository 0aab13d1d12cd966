//! Maps files into memory: the only module with `unsafe` code.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;

use carwalk::store::MappedFile;
use carwalk::{ErrorKind, Result};

/// Length from which on a [`Worker`](crate::Worker) maps files, in bytes. Mapping a small file
/// takes longer than reading it.
pub const MAPPED_LEN: u64 = 8 << 20;

/// Maps a file into memory. Returns `None` if it cannot be mapped but can be read: some file
/// systems cannot map.
///
/// The function is for programs that read files which nobody changes. It is not `unsafe`, because
/// no caller could prove that: if another process truncates the file, a signal ends this process,
/// and if it overwrites the file, results can be wrong. Whoever cannot accept this reads the file
/// as a stream.
///
/// # Errors
///
/// `Io` if the file exceeds the address space. Reading it instead would take the same memory.
///
/// # Examples
///
/// ```
/// use std::fs::File;
///
/// use carwalk::Repo;
/// use carwalk_batch::map_file;
///
/// let file = File::open("../samples/repo.car")?;
/// let repo = match map_file(&file)? {
///     Some(bytes) => Repo::from_slice(bytes)?,
///     None => panic!("this file system cannot map"),
/// };
/// assert_eq!(repo.records().try_count()?, 40);
/// # Ok::<(), carwalk::Error>(())
/// ```
pub fn map_file(file: &File) -> Result<Option<MappedFile>> {
    // SAFETY: this process does not change the file. Another process could: truncating the file
    // ends this process with a signal, and overwriting it can make results wrong. Programs that map
    // their input commonly accept this risk. All that offer a mapped file document it, and how to
    // avoid it: `Settings::map`, `--no-mmap`, and bytes instead of a path in Python.
    match unsafe { MappedFile::map(file) } {
        Ok(mapped) => Ok(Some(mapped)),
        Err(error) => match error.kind() {
            ErrorKind::Io(cause) if is_too_large(cause.kind()) => Err(error),
            _ => Ok(None),
        },
    }
}

/// Returns whether a file could not be mapped because it exceeds the address space.
fn is_too_large(kind: io::ErrorKind) -> bool {
    // On 32-bit systems, memmap2's check of the length returns `InvalidData`.
    matches!(kind, io::ErrorKind::OutOfMemory | io::ErrorKind::InvalidData)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_too_large_if_reading_does_not_help() {
        use io::ErrorKind::{InvalidData, OutOfMemory, PermissionDenied, Unsupported};
        assert!(is_too_large(OutOfMemory) && is_too_large(InvalidData));
        assert!(!is_too_large(Unsupported) && !is_too_large(PermissionDenied));
    }

    #[test]
    fn what_cannot_be_mapped_is_not_an_error() {
        let folder = tempfile::tempdir().unwrap();
        assert!(map_file(&File::open(folder.path()).unwrap()).unwrap().is_none());
        let file = File::open("../samples/repo.car").unwrap();
        assert_eq!(map_file(&file).unwrap().unwrap().as_ref().len(), 12_641);
    }
}
