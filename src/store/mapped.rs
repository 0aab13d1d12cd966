//! Memory-mapped files.
#![expect(unsafe_code, reason = "a file can be mapped in no other way")]

use core::fmt;
use std::fs::File;
use std::io;

use memmap2::Mmap;

use crate::error::Result;

/// The bytes of a memory-mapped file.
///
/// It can be passed to every function that takes bytes, such as
/// [`Repo::from_slice`](crate::Repo::from_slice) and [`SliceStore::new`](super::SliceStore::new).
/// [`Repo::map`](crate::Repo::map) maps a file and opens the repository in it.
///
/// # Examples
///
/// ```
/// use std::fs::File;
///
/// use carwalk::store::{CarStore, MappedFile, SliceStore};
///
/// let file = File::open("samples/repo.car")?;
/// // SAFETY: nobody changes this file.
/// let store = SliceStore::new(unsafe { MappedFile::map(&file) }?)?;
/// assert_eq!(store.stats().distinct_blocks, 50);
/// # Ok::<(), carwalk::Error>(())
/// ```
pub struct MappedFile(Mmap);

impl MappedFile {
    /// Maps a file into memory, with the length that it has now.
    ///
    /// # Errors
    ///
    /// `Io` if the file cannot be mapped, for example because it is a directory or a pipe.
    ///
    /// # Safety
    ///
    /// Nobody may change the file while it is mapped, neither this process nor another: a write
    /// breaks the guarantees of borrowed slices, and reading the missing part of a truncated file
    /// kills the process with a signal.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::fs::File;
    ///
    /// use carwalk::car::SliceReader;
    /// use carwalk::store::MappedFile;
    ///
    /// let file = File::open("samples/repo.car")?;
    /// // SAFETY: nobody changes this file.
    /// let bytes = unsafe { MappedFile::map(&file) }?;
    /// assert_eq!(SliceReader::new(bytes.as_ref())?.count(), 50);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub unsafe fn map(file: &File) -> Result<Self> {
        if file.metadata()?.is_dir() {
            return Err(io::Error::from(io::ErrorKind::IsADirectory).into());
        }
        // SAFETY: the caller promises that nobody changes the file while it is mapped.
        Ok(MappedFile(unsafe { Mmap::map(file) }?))
    }
}

impl AsRef<[u8]> for MappedFile {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for MappedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MappedFile").field("len", &self.0.len()).finish()
    }
}
