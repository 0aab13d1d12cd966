//! Memory-mapped files.
#![expect(unsafe_code, reason = "a file can be mapped in no other way")]

use std::fs::File;
use std::path::Path;

use memmap2::Mmap;

#[cfg(feature = "redb")]
use super::MemoryLimit;
use super::{Loader, Unlimited};
use crate::error::Result;
use crate::process::Process;
use crate::repo::Repo;
use crate::store::SliceStore;
#[cfg(feature = "redb")]
use crate::store::SpillFile;

impl<P: Process> Loader<'_, Unlimited, P> {
    /// Maps a file into memory and opens the repository in it. Nothing is copied but the commit.
    ///
    /// # Errors
    ///
    /// As [`Repo::map`].
    ///
    /// # Safety
    ///
    /// As for [`Repo::map`].
    pub unsafe fn map(self, path: impl AsRef<Path>) -> Result<Repo<SliceStore<Mmap>, P>> {
        let file = File::open(path)?;
        // SAFETY: the caller makes the same promise to this function.
        unsafe { self.map_file(&file) }
    }

    /// As [`map`](Loader::map), for a file that is open.
    ///
    /// # Errors
    ///
    /// As [`Repo::map`].
    ///
    /// # Safety
    ///
    /// As for [`Repo::map`].
    pub unsafe fn map_file(self, file: &File) -> Result<Repo<SliceStore<Mmap>, P>> {
        // SAFETY: the caller promises that nobody changes the file while it is mapped.
        let mapped = unsafe { Mmap::map(file) }?;
        self.slice(mapped)
    }
}

#[cfg(feature = "redb")]
impl<P: Process> Loader<'_, MemoryLimit, P> {
    /// Maps a file into memory and opens the repository in it. Nothing is copied but the commit.
    /// Only the index takes memory; if that is more than the limit, it goes into `index`, which
    /// must not be one that is kept.
    ///
    /// # Errors
    ///
    /// As [`Repo::map`], and `Store` if the index's file fails, or `Limit` if more is stored than
    /// it may be.
    ///
    /// # Safety
    ///
    /// As for [`Repo::map`].
    pub unsafe fn map(
        self,
        path: impl AsRef<Path>,
        index: SpillFile,
    ) -> Result<Repo<SliceStore<Mmap>, P>> {
        let file = File::open(path)?;
        // SAFETY: the caller makes the same promise to this function.
        unsafe { self.map_file(&file, index) }
    }

    /// As [`map`](Loader::map), for a file that is open.
    ///
    /// # Errors
    ///
    /// As [`Repo::map`], and `Store` if the index's file fails, or `Limit` if more is stored than
    /// it may be.
    ///
    /// # Safety
    ///
    /// As for [`Repo::map`].
    pub unsafe fn map_file(
        self,
        file: &File,
        index: SpillFile,
    ) -> Result<Repo<SliceStore<Mmap>, P>> {
        // SAFETY: the caller promises that nobody changes the file while it is mapped.
        let mapped = unsafe { Mmap::map(file) }?;
        self.slice(mapped, index)
    }
}

impl Repo<SliceStore<Mmap>> {
    /// Maps a file into memory and opens the repository in it. Nothing is copied but the commit.
    ///
    /// [`Repo::from_reader`] is the safe way to open a file.
    ///
    /// # Errors
    ///
    /// `Io` if the file cannot be opened or mapped; else as [`Repo::from_slice`].
    ///
    /// # Safety
    ///
    /// Nobody may change the file as long as the repository lives, this process or another: a write
    /// breaks what borrows promise, and a truncated file kills the process with a signal when the
    /// missing part is read.
    pub unsafe fn map(path: impl AsRef<Path>) -> Result<Self> {
        // SAFETY: the caller makes the same promise to this function.
        unsafe { Loader::new().map(path) }
    }
}
