//! Repositories in memory-mapped files.
#![expect(unsafe_code, reason = "mapping a file is unsafe")]

use std::fs::File;

#[cfg(feature = "redb")]
use super::BoundedLoader;
use super::Loader;
use crate::error::Result;
use crate::process::Process;
use crate::repo::Repo;
#[cfg(feature = "redb")]
use crate::store::SpillFile;
use crate::store::{MappedFile, SliceStore};

impl<P: Process + Clone> Loader<P> {
    /// Maps a file into memory and opens the repository in it. Nothing is copied but the commit.
    ///
    /// The index takes 10 bytes a block, and up to 20 bytes a section while it is made.
    /// [`from_path`](Loader::from_path) is the safe way to open a file.
    ///
    /// # Errors
    ///
    /// `Io` if the file cannot be mapped, for example because it is a pipe; otherwise those of
    /// [`from_slice`](Loader::from_slice).
    ///
    /// # Safety
    ///
    /// Nobody may change the file while the repository exists, neither this process nor another: a
    /// write breaks the guarantees of borrowed slices, and reading the missing part of a truncated
    /// file kills the process with a signal.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::fs::File;
    ///
    /// use carwalk::Loader;
    ///
    /// let file = File::open("samples/repo.car")?;
    /// // SAFETY: nobody changes this file.
    /// let repo = unsafe { Loader::new().threads(2).map(&file) }?;
    /// assert_eq!(repo.records().try_count()?, 40);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub unsafe fn map(&self, file: &File) -> Result<Repo<SliceStore<MappedFile>, P>> {
        // SAFETY: the caller promises that nobody changes the file while it is mapped.
        self.from_slice(unsafe { MappedFile::map(file) }?)
    }
}

#[cfg(feature = "redb")]
impl<P: Process + Clone> BoundedLoader<P> {
    /// Maps a file into memory and opens the repository in it. Nothing is copied but the commit.
    ///
    /// Only the index takes memory. If it would exceed the memory limit, it is written to the spill
    /// file `index`, which must be a temporary one. The file is created only if it is needed.
    ///
    /// # Errors
    ///
    /// `Io` if the file cannot be mapped, for example because it is a pipe; otherwise those of
    /// [`from_slice`](BoundedLoader::from_slice).
    ///
    /// # Safety
    ///
    /// Nobody may change the file while the repository exists, neither this process nor another: a
    /// write breaks the guarantees of borrowed slices, and reading the missing part of a truncated
    /// file kills the process with a signal.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::fs::File;
    ///
    /// use carwalk::Loader;
    /// use carwalk::store::SpillFile;
    ///
    /// let loader = Loader::new().memory_limit(16 << 20);
    /// let file = File::open("samples/repo.car")?;
    /// // SAFETY: nobody changes this file.
    /// let repo = unsafe { loader.map(&file, SpillFile::temporary()) }?;
    /// // The index fits into 16 MiB, so no file was created.
    /// assert_eq!(repo.store().index_stored(), None);
    /// assert_eq!(repo.records().try_count()?, 40);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub unsafe fn map(
        &self,
        file: &File,
        index: SpillFile,
    ) -> Result<Repo<SliceStore<MappedFile>, P>> {
        // SAFETY: the caller promises that nobody changes the file while it is mapped.
        self.from_slice(unsafe { MappedFile::map(file) }?, index)
    }
}

impl Repo<SliceStore<MappedFile>> {
    /// Maps a file into memory and opens the repository in it. Nothing is copied but the commit.
    ///
    /// Every block is verified. The index takes 10 bytes a block, and up to 20 bytes a section
    /// while it is made. [`Repo::from_path`] is the safe way to open a file.
    ///
    /// # Errors
    ///
    /// `Io` if the file cannot be mapped, for example because it is a pipe; otherwise those of
    /// [`Repo::from_slice`].
    ///
    /// # Safety
    ///
    /// Nobody may change the file while the repository exists, neither this process nor another: a
    /// write breaks the guarantees of borrowed slices, and reading the missing part of a truncated
    /// file kills the process with a signal.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::fs::File;
    ///
    /// use carwalk::Repo;
    ///
    /// let file = File::open("samples/repo.car")?;
    /// // SAFETY: nobody changes this file.
    /// let repo = unsafe { Repo::map(&file) }?;
    /// // The mapping does not need the open file.
    /// drop(file);
    /// assert_eq!(repo.records().try_count()?, 40);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub unsafe fn map(file: &File) -> Result<Self> {
        // SAFETY: the caller makes the same promise to this function.
        unsafe { Loader::new().map(file) }
    }
}
