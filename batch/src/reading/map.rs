//! Maps files into memory.

use std::fs::File;
use std::io;

use carwalk::ErrorKind;
use carwalk::store::MappedFile;

/// Length from which on a [`Worker`](crate::Worker) maps files, in bytes. Mapping a small file
/// takes longer than reading it.
pub const MAPPED_LEN: u64 = 8 << 20;

/// Maps a file into memory. Returns `None` if it cannot be mapped, for example because the file
/// system has no maps: it may be possible to read it.
///
/// # Errors
///
/// The file exceeds the address space. Reading it instead would take the same memory.
///
/// # Safety
///
/// Nobody may change the file while the map exists, neither this process nor another one. If the
/// file is overwritten, borrowed bytes change. If it is truncated, a signal ends this process. A
/// program that cannot exclude this can read the file as a stream.
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
/// // SAFETY: nobody changes this sample.
/// let records = match unsafe { map_file(&file) }? {
///     Some(bytes) => Repo::from_slice(bytes)?.records().try_count()?,
///     None => Repo::from_reader(file)?.records().try_count()?,
/// };
/// assert_eq!(records, 40);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[allow(unsafe_code, reason = "a file can be mapped in no other way")]
pub unsafe fn map_file(file: &File) -> io::Result<Option<MappedFile>> {
    // SAFETY: the caller guarantees that the file does not change.
    let error = match unsafe { MappedFile::map(file) } {
        Ok(mapped) => return Ok(Some(mapped)),
        Err(error) => error,
    };
    match error.into_kind() {
        ErrorKind::Io(error) if is_too_large(error.kind()) => Err(error),
        _ => Ok(None),
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
    #[cfg(unix)]
    #[allow(unsafe_code, reason = "a file can be mapped in no other way")]
    fn what_cannot_be_mapped_is_not_an_error() {
        // SAFETY: nobody changes these files.
        let map = |file: File| unsafe { map_file(&file) }.unwrap();
        let folder = tempfile::tempdir().unwrap();
        assert!(map(File::open(folder.path()).unwrap()).is_none());
        let file = File::open("../samples/repo.car").unwrap();
        assert_eq!(map(file).unwrap().as_ref().len(), 12_641);
    }
}
