//! What a command reads: a repository, or a CAR whose commit is not opened.

use std::path::Path;

use carwalk::store::{
    AnyStore, CarStore, MappedFile, MemoryStore, RedbStore, SliceStore, SpillFile,
};
use carwalk::{BoundedLoader, Commit, Error, Loaded, Loader, Repo, Result};

use super::loaded::LoadedCar;
use super::storage::Storage;
use super::stream::Stream;
use crate::failure::Cause;
use crate::progress::SharedProgress;

/// An opened CAR.
pub(super) trait Opened: Sized {
    /// Loads a mapped file. `index` is the memory limit of its index in bytes, and the file for a
    /// larger index. Also returns the bytes that were stored in that file, if any.
    fn map(
        loader: Loader,
        bytes: MappedFile,
        index: Option<(u64, SpillFile)>,
    ) -> Result<(Self, Option<u64>)>;

    /// Loads a stream into memory, and into a file from the memory limit on.
    fn load(
        loader: &BoundedLoader,
        stream: &mut Stream<'_>,
        storage: &Storage,
        progress: &SharedProgress,
    ) -> std::result::Result<Self, Cause>;

    /// Opens a kept spill file.
    fn kept(loader: &BoundedLoader, path: &Path) -> std::result::Result<Self, Cause>;

    /// Returns the error that ended a salvaged load.
    fn fault(&self) -> Option<&Error>;
}

/// A repository, by the location of its blocks.
pub(super) enum OpenedRepo {
    Mapped(Box<Repo<SliceStore<MappedFile>>>),
    InMemory(Box<Repo<MemoryStore>>),
    InFile(Box<Repo<RedbStore>>),
}

impl OpenedRepo {
    /// Returns the blocks in one type of store, and the commit.
    pub(super) fn into_parts(self) -> (LoadedCar, Commit<'static>) {
        match self {
            OpenedRepo::Mapped(repo) => {
                let commit = repo.commit().clone();
                (LoadedCar::Mapped(repo.into_store()), commit)
            }
            OpenedRepo::InMemory(repo) => {
                let commit = repo.commit().clone();
                (LoadedCar::Read(AnyStore::Memory(repo.into_store())), commit)
            }
            OpenedRepo::InFile(repo) => {
                let commit = repo.commit().clone();
                (LoadedCar::Read(AnyStore::File(repo.into_store())), commit)
            }
        }
    }
}

impl Opened for OpenedRepo {
    fn map(
        loader: Loader,
        bytes: MappedFile,
        index: Option<(u64, SpillFile)>,
    ) -> Result<(Self, Option<u64>)> {
        let repo = match index {
            Some((limit, index)) => loader.memory_limit(limit).from_slice(bytes, index),
            None => loader.from_slice(bytes),
        }?;
        let stored = repo.store().index_stored();
        Ok((OpenedRepo::Mapped(Box::new(repo)), stored))
    }

    fn load(
        loader: &BoundedLoader,
        stream: &mut Stream<'_>,
        storage: &Storage,
        progress: &SharedProgress,
    ) -> std::result::Result<Self, Cause> {
        match loader.from_reader(stream)? {
            Loaded::Complete(repo) => Ok(OpenedRepo::InMemory(Box::new(repo))),
            Loaded::Suspended(load) => storage
                .spill(load, |note| progress.note(note))
                .map(|repo| OpenedRepo::InFile(Box::new(repo))),
        }
    }

    fn kept(loader: &BoundedLoader, path: &Path) -> std::result::Result<Self, Cause> {
        Ok(OpenedRepo::InFile(Box::new(loader.from_spill_file(path)?)))
    }

    fn fault(&self) -> Option<&Error> {
        match self {
            OpenedRepo::Mapped(repo) => repo.store().fault(),
            OpenedRepo::InMemory(repo) => repo.store().fault(),
            OpenedRepo::InFile(repo) => repo.store().fault(),
        }
    }
}
