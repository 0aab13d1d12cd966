//! What a command reads: a repository, or the tree of a CAR without a commit.

use std::fs::File;
use std::path::Path;

use carwalk::store::{
    AnyStore, CarStore, MappedFile, MemoryStore, RedbStore, SliceStore, SpillFile,
};
use carwalk::{BoundedLoader, Error, Loaded, Loader, Repo, Result, Tree};

use super::storage::Storage;
use super::stream::Stream;
use crate::failure::Cause;
use crate::map;
use crate::progress::SharedProgress;

/// An opened CAR.
pub(super) trait Opened: Sized {
    /// Maps a file. `index` is the memory limit of its index in bytes, and the file for a larger
    /// index. Also returns the bytes that were stored in that file, if any.
    fn map(
        loader: Loader,
        file: &File,
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

impl Opened for OpenedRepo {
    fn map(
        loader: Loader,
        file: &File,
        index: Option<(u64, SpillFile)>,
    ) -> Result<(Self, Option<u64>)> {
        let bytes = map::bytes(file)?;
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

/// A tree without a commit, by the location of its blocks.
pub(super) enum OpenedTree {
    Mapped(Box<Tree<SliceStore<MappedFile>>>),
    Read(Box<Tree<AnyStore>>),
}

impl OpenedTree {
    /// Options that need a commit, or a spill file of a repository.
    pub(super) const REFUSED: Cause =
        Cause::Usage("--bare-tree cannot be combined with --commit, --legacy, --keep or --kept");
}

impl Opened for OpenedTree {
    fn map(
        loader: Loader,
        file: &File,
        index: Option<(u64, SpillFile)>,
    ) -> Result<(Self, Option<u64>)> {
        let bytes = map::bytes(file)?;
        let tree = match index {
            Some((limit, index)) => loader.memory_limit(limit).tree_from_slice(bytes, index),
            None => loader.tree_from_slice(bytes),
        }?;
        let stored = tree.store().index_stored();
        Ok((OpenedTree::Mapped(Box::new(tree)), stored))
    }

    fn load(
        loader: &BoundedLoader,
        stream: &mut Stream<'_>,
        storage: &Storage,
        progress: &SharedProgress,
    ) -> std::result::Result<Self, Cause> {
        let tree = loader.tree_from_reader(stream, storage.file())?;
        if let AnyStore::File(store) = tree.store() {
            storage.tell("spilled", store.bytes_stored(), |note| progress.note(note));
        }
        Ok(OpenedTree::Read(Box::new(tree)))
    }

    fn kept(_: &BoundedLoader, _: &Path) -> std::result::Result<Self, Cause> {
        Err(Self::REFUSED)
    }

    fn fault(&self) -> Option<&Error> {
        match self {
            OpenedTree::Mapped(tree) => tree.store().fault(),
            OpenedTree::Read(tree) => tree.store().fault(),
        }
    }
}
