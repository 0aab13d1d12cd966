//! Repositories in memory-mapped files.
#![expect(unsafe_code, reason = "a file can be mapped in no other way")]

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
    /// Maps a file into memory and opens the repository in it: see [`Repo::map`].
    ///
    /// # Errors
    ///
    /// `Io` if the file cannot be mapped; otherwise those of [`from_slice`](Loader::from_slice).
    ///
    /// # Safety
    ///
    /// As for [`Repo::map`]: nobody may change the file while the repository exists.
    ///
    /// ```
    /// use std::fs::File;
    ///
    /// use carwalk::Loader;
    ///
    /// let file = File::open("samples/repo.car")?;
    /// // SAFETY: nobody changes the sample.
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
    /// Maps a file into memory and opens the repository in it: see [`Repo::map`]. Only the index
    /// takes memory; if it would exceed the limit, it goes into the file `index`, which must be a
    /// temporary one.
    ///
    /// # Errors
    ///
    /// `Io` if the file cannot be mapped; otherwise those of
    /// [`from_slice`](BoundedLoader::from_slice).
    ///
    /// # Safety
    ///
    /// As for [`Repo::map`]: nobody may change the file while the repository exists.
    ///
    /// ```
    /// use std::fs::File;
    ///
    /// use carwalk::Loader;
    /// use carwalk::store::SpillFile;
    ///
    /// let loader = Loader::new().memory_limit(16 << 20);
    /// let file = File::open("samples/repo.car")?;
    /// // SAFETY: nobody changes the sample.
    /// let repo = unsafe { loader.map(&file, SpillFile::temporary()) }?;
    /// // The index fits into memory.
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
    /// [`Repo::from_path`] is the safe way to open a file.
    ///
    /// # Errors
    ///
    /// `Io` if the file cannot be mapped; otherwise those of [`Repo::from_slice`].
    ///
    /// # Safety
    ///
    /// Nobody may change the file while the repository exists, neither this process nor another: a
    /// write breaks the guarantees of borrowed slices, and reading the missing part of a truncated
    /// file kills the process with a signal.
    ///
    /// ```
    /// use std::fs::File;
    ///
    /// use carwalk::Repo;
    ///
    /// // SAFETY: nobody changes the sample.
    /// let repo = unsafe { Repo::map(&File::open("samples/repo.car")?) }?;
    /// assert_eq!(repo.records().try_count()?, 40);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub unsafe fn map(file: &File) -> Result<Self> {
        // SAFETY: the caller makes the same promise to this function.
        unsafe { Loader::new().map(file) }
    }
}
