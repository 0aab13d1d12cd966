//! The driver of every load: where sections come from, where they go, and what is opened at the
//! end.

use std::io::Read;

#[cfg(feature = "redb")]
use super::MemoryLimit;
use super::memory::MemorySink;
use super::pipeline::{Loading, ValueFn};
use super::settings::Settings;
#[cfg(feature = "redb")]
use super::spill::{IndexSink, SpillSink};
use super::{Loader, Memory, Unlimited};
#[cfg(feature = "redb")]
use crate::budget;
use crate::car::{Reader, SliceReader, Source};
use crate::cid::Cid;
use crate::error::Result;
#[cfg(feature = "redb")]
use crate::error::{Error, ErrorKind, SpillFileFault};
use crate::limits::Limits;
use crate::process::Process;
use crate::repo::{Opening, Repo};
use crate::store::contents::Contents;
use crate::store::slice::SliceIndex;
#[cfg(feature = "redb")]
use crate::store::spill::{FinishedFile, SpillWriter, SpilledIndexWriter};
#[cfg(feature = "redb")]
use crate::store::trust::Trust;
use crate::store::{BlockStore, CarStore, MemoryStore, SliceStore};
#[cfg(feature = "redb")]
use crate::store::{RedbStore, SpillFile};

/// A load that goes into memory, as far as it has come.
pub(super) struct Load<'p, S, P> {
    pub(super) source: S,
    pub(super) loading: Loading<MemorySink>,
    settings: Settings<'p>,
    pub(super) opening: Opening<P>,
}

impl<P: Process> Opening<P> {
    /// Runs `work` with what the process function makes of records, if there is one.
    fn with_value_fn<T>(&self, work: impl FnOnce(Option<ValueFn<'_>>) -> T) -> T {
        let value_fn = P::STORE.map(|value_fn| {
            move |record: &[u8], out: &mut Vec<u8>| value_fn(&self.process, record, out)
        });
        work(value_fn.as_ref().map(|value_fn| value_fn as ValueFn<'_>))
    }
}

impl<'p, S: Source, P: Process> Load<'p, S, P> {
    /// Prepares a load: nothing is read but the header, to which `open` gets its limits.
    fn begin<M: Memory>(
        loader: Loader<'p, M, P>,
        in_place: bool,
        open: impl FnOnce(Limits) -> Result<S>,
    ) -> Result<Self> {
        let (settings, opening) = loader.into_parts();
        let source = open(settings.limits.clone())?;
        let loading = Loading::new(MemorySink::new(in_place, settings.trust));
        Ok(Load { source, loading, settings, opening })
    }

    /// Loads until there are no more sections, or more than `memory_limit` bytes would be held.
    /// Returns true if there are no more.
    pub(super) fn run(&mut self, memory_limit: u64) -> Result<bool> {
        let Load { source, loading, settings, opening } = self;
        opening.with_value_fn(|value_fn| loading.run(source, settings, value_fn, memory_limit))
    }

    /// Loads all sections without a memory limit.
    fn run_to_end(&mut self) -> Result<()> {
        let Load { source, loading, settings, opening } = self;
        opening.with_value_fn(|value_fn| loading.run_to_end(source, settings, value_fn))
    }
}

impl<'p, R: Read, P: Process> Load<'p, Reader<R>, P> {
    /// Prepares the load of a stream.
    pub(super) fn stream<M: Memory>(input: R, loader: Loader<'p, M, P>) -> Result<Self> {
        // Sections stay where they were read, unless a process function makes something else of
        // them.
        let in_place = P::STORE.is_none();
        Load::begin(loader, in_place, |limits| Reader::open(input, limits, in_place))
    }

    /// Returns the store and what else opening needs, of a complete load.
    fn into_store(self) -> Result<(MemoryStore, Opening<P>)> {
        Ok((self.loading.into_store(self.source)?, self.opening))
    }

    /// Opens the repository of a complete load.
    pub(super) fn into_repo(self) -> Result<Repo<MemoryStore, P>> {
        let (store, opening) = self.into_store()?;
        open(store, opening)
    }

    /// Moves the loaded sections into a spill file, and loads the rest into it.
    #[cfg(feature = "redb")]
    fn into_file(self, mut writer: SpillWriter) -> Result<(FinishedFile, Opening<P>)> {
        let Load { mut source, loading, mut settings, opening } = self;
        // Chunk by chunk, so that their memory is free before the file's caches take any.
        let state = loading.move_into(&mut writer, &mut source)?;
        let mut loading = Loading { sink: SpillSink(writer), state };
        opening
            .with_value_fn(|value_fn| loading.run_to_end(&mut source, &mut settings, value_fn))?;
        Ok((loading.into_file(&source)?, opening))
    }

    /// Loads the rest into a spill file, and opens the repository in it.
    #[cfg(feature = "redb")]
    pub(super) fn spill(self, writer: SpillWriter) -> Result<Repo<RedbStore, P>> {
        let (file, opening) = self.into_file(writer)?;
        let store = file.store();
        // A file without a repository gets no name.
        let commit = opening.commit(store, store.header().commit()?)?;
        Ok(Repo::of(commit, file.publish()?, opening))
    }
}

impl<'p, 'b, P: Process> Load<'p, SliceReader<'b>, P> {
    /// Prepares the load of a CAR that stays where it is.
    pub(super) fn slice<M: Memory>(bytes: &'b [u8], loader: Loader<'p, M, P>) -> Result<Self> {
        Load::begin(loader, true, |limits| SliceReader::with_limits(bytes, limits))
    }

    /// Loads all sections, and returns their index.
    pub(super) fn into_index(mut self) -> Result<(SliceIndex, Contents, Opening<P>)> {
        self.run_to_end()?;
        self.finish_index()
    }

    /// Returns the index of a complete load.
    fn finish_index(self) -> Result<(SliceIndex, Contents, Opening<P>)> {
        let (index, contents) = self.loading.into_index(&self.source)?;
        Ok((SliceIndex::Memory(index), contents, self.opening))
    }

    /// As [`into_index`](Load::into_index), with the index in a spill file if it would exceed
    /// `memory_limit`.
    #[cfg(feature = "redb")]
    fn into_index_within(
        mut self,
        memory_limit: u64,
        file: SpillFile,
    ) -> Result<(SliceIndex, Contents, Opening<P>)> {
        SpilledIndexWriter::check(&file)?;
        if self.run(memory_limit)? {
            return self.finish_index();
        }
        let Load { mut source, loading: Loading { sink, state }, mut settings, opening } = self;
        // The index in memory has to go before the file takes any.
        drop(sink);
        let writer = SpilledIndexWriter::new(file, memory_limit)?;
        let mut sink = IndexSink::new(writer, opening.trust);
        sink.replay(&state, &source)?;
        let mut loading = Loading { sink, state };
        loading.run_to_end(&mut source, &mut settings, None)?;
        let (index, contents) = loading.into_index(&source)?;
        Ok((SliceIndex::Spilled(Box::new(index)), contents, opening))
    }
}

/// Opens the repository whose commit a CAR's header names.
fn open<S: CarStore, P: Process>(store: S, opening: Opening<P>) -> Result<Repo<S, P>> {
    let commit = opening.commit(&store, store.header().commit()?)?;
    Ok(Repo::of(commit, store, opening))
}

fn slice_store<B: AsRef<[u8]>, P>(
    bytes: B,
    load: impl FnOnce(&[u8]) -> Result<(SliceIndex, Contents, Opening<P>)>,
) -> Result<(SliceStore<B>, Opening<P>)> {
    let (index, contents, opening) = load(bytes.as_ref())?;
    Ok((SliceStore::of(bytes, index, opening.trust, contents), opening))
}

impl<'p, P: Process> Loader<'p, Unlimited, P> {
    /// Opens the repository in the CAR `bytes`, which stay where they are.
    ///
    /// # Errors
    ///
    /// As [`Repo::from_slice`].
    pub fn slice<B: AsRef<[u8]>>(self, bytes: B) -> Result<Repo<SliceStore<B>, P>> {
        let (store, opening) = slice_store(bytes, |bytes| Load::slice(bytes, self)?.into_index())?;
        open(store, opening)
    }

    /// Reads a stream to its end and opens the repository in it.
    ///
    /// # Errors
    ///
    /// As [`Repo::from_reader`].
    pub fn read<R: Read>(self, input: R) -> Result<Repo<MemoryStore, P>> {
        let mut load = Load::stream(input, self)?;
        load.run_to_end()?;
        load.into_repo()
    }
}

#[cfg(feature = "redb")]
impl<P: Process> Loader<'_, MemoryLimit, P> {
    /// Reads a stream to its end into a spill file, however short the stream is.
    ///
    /// # Errors
    ///
    /// As [`Repo::from_reader`], and `Store` if the file fails, or `Limit` if more is stored than
    /// it may be.
    pub fn spill<R: Read>(self, input: R, file: SpillFile) -> Result<Repo<RedbStore, P>> {
        let MemoryLimit(limit) = self.memory;
        let load = Load::stream(input, self)?;
        let writer = SpillWriter::new(file, limit, load.opening.trust)?;
        load.spill(writer)
    }

    /// Opens the repository in the CAR `bytes`, which stay where they are. Only the index takes
    /// memory; if it would exceed the limit, it goes into `file`, which must be a temporary one.
    ///
    /// # Errors
    ///
    /// As [`Repo::from_slice`], and `Store` if the file fails, or `Limit` if more is stored than it
    /// may be.
    pub fn slice<B: AsRef<[u8]>>(
        self,
        bytes: B,
        file: SpillFile,
    ) -> Result<Repo<SliceStore<B>, P>> {
        let MemoryLimit(limit) = self.memory;
        let (store, opening) =
            slice_store(bytes, |bytes| Load::slice(bytes, self)?.into_index_within(limit, file))?;
        open(store, opening)
    }
}

impl<M: Memory, P: Process> Loader<'_, M, P> {
    /// Opens the repository whose commit is the block `commit` of a store. The commit is verified
    /// now, other blocks when a walk reaches them, unless verification is off. Limits and the
    /// progress function are ignored.
    ///
    /// # Errors
    ///
    /// As [`Repo::from_store`].
    pub fn store<S: BlockStore>(self, store: S, commit: Cid) -> Result<Repo<S, P>> {
        let (_, mut opening) = self.into_parts();
        opening.trust = opening.trust.in_any_store();
        let commit = opening.commit(&store, commit)?;
        Ok(Repo::of(commit, store, opening))
    }

    /// Opens the repository in a kept spill file. Blocks are verified as
    /// [`verification`](Loader::verification) says; values stored by a process function cannot be
    /// verified. Limits and the progress function are ignored.
    ///
    /// # Errors
    ///
    /// `InvalidSpillFile` if the file holds processed values and this loader has no process
    /// function, or they were made of records that were never hashed; `HashMismatch` for a block
    /// that does not have its CID; else as [`Repo::from_store`].
    ///
    /// ```
    /// use carwalk::Loader;
    /// use carwalk::store::{RedbStore, SpillFile};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("repo.carwalk");
    /// # let stream: &[u8] = include_bytes!("../../samples/repo.car");
    /// Loader::new().memory_limit(16 << 20).spill(stream, SpillFile::keep(&path))?;
    /// let repo = Loader::new().reopen(RedbStore::open(&path, 1 << 20)?)?;
    /// for record in repo.records() {
    ///     println!("{}", record?.path());
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(feature = "redb")]
    pub fn reopen(self, mut store: RedbStore) -> Result<Repo<RedbStore, P>> {
        if store.is_processed() && P::STORE.is_none() {
            return Err(Error::new(ErrorKind::InvalidSpillFile(SpillFileFault::Processed)));
        }
        let (_, opening) = self.into_parts();
        if store.is_processed() && !store.was_hashed() && opening.trust != Trust::Unchecked {
            return Err(Error::new(ErrorKind::InvalidSpillFile(SpillFileFault::NotHashed)));
        }
        if opening.trust == Trust::Hashed {
            store.verify()?;
        }
        open(store, opening)
    }
}

impl<B: AsRef<[u8]>> Repo<SliceStore<B>> {
    /// Opens the repository in the CAR `bytes`: a slice, a `Vec<u8>`, a memory map.
    ///
    /// Every block is hashed; nothing is copied but the commit. The tree is not walked yet.
    ///
    /// # Errors
    ///
    /// `LookAlike` for well-known files that are no CAR of version 1; `Truncated`, `Malformed`,
    /// `NonCanonical`, `Limit` or `HashMismatch` for header, sections and commit, each with its
    /// offset; `MissingCommit` if the commit is missing.
    pub fn from_slice(bytes: B) -> Result<Self> {
        Loader::new().slice(bytes)
    }
}

impl Repo<MemoryStore> {
    /// Reads a stream to its end and opens the repository in the CAR that it is.
    ///
    /// Every block is hashed. The stream is held in memory, 1 GiB at most: [`Loader`] sets other
    /// limits. There is no use in a `BufReader` around it.
    ///
    /// # Errors
    ///
    /// `Io` if reading fails; else as [`from_slice`](Repo::from_slice).
    pub fn from_reader<R: Read>(input: R) -> Result<Self> {
        Loader::new().read(input)
    }
}

impl<S: BlockStore> Repo<S> {
    /// Opens the repository whose commit is the block `commit` of a store. The commit is hashed
    /// now, all other blocks when the walk reaches them.
    ///
    /// # Errors
    ///
    /// `MissingCommit`, `HashMismatch`, `LookAlike`, `Malformed`, `NonCanonical` or `Limit` for the
    /// commit; `Store` or `Io` if the store fails.
    pub fn from_store(store: S, commit: Cid) -> Result<Self> {
        Loader::new().store(store, commit)
    }
}

impl<B: AsRef<[u8]>> SliceStore<B> {
    /// Reads all sections of the CAR in `bytes`, hashes every block, and indexes them, with default
    /// limits.
    ///
    /// For CARs that hold no commit; [`Repo::from_slice`] opens repositories.
    ///
    /// # Errors
    ///
    /// Those of [`SliceReader`], and `HashMismatch` for a block that does not have its CID.
    pub fn new(bytes: B) -> Result<Self> {
        let load = |bytes: &[u8]| Load::slice(bytes, Loader::new())?.into_index();
        Ok(slice_store(bytes, load)?.0)
    }

    /// As [`new`](SliceStore::new), with the index in a file.
    ///
    /// # Errors
    ///
    /// Those of [`new`](SliceStore::new) and of the file: `Store`, or `Limit` if more is stored
    /// than it may be.
    #[cfg(feature = "redb")]
    pub fn with_index_in(bytes: B, file: SpillFile) -> Result<Self> {
        let load = |bytes: &[u8]| Load::slice(bytes, Loader::new())?.into_index_within(0, file);
        Ok(slice_store(bytes, load)?.0)
    }
}

impl MemoryStore {
    /// Reads a CAR to its end, hashes every block, and indexes them, with default limits.
    ///
    /// For CARs that hold no commit; [`Repo::from_reader`] opens repositories.
    ///
    /// # Errors
    ///
    /// Those of [`Reader`], and `HashMismatch` for a block that does not have its CID.
    pub fn new<R: Read>(input: R) -> Result<Self> {
        let mut load = Load::stream(input, Loader::new())?;
        load.run_to_end()?;
        Ok(load.into_store()?.0)
    }
}

#[cfg(feature = "redb")]
impl RedbStore {
    /// Reads a CAR into a file, hashes every block, and indexes them, with default limits.
    ///
    /// For CARs that hold no commit; [`Suspended::spill`](crate::Suspended::spill) opens
    /// repositories.
    ///
    /// # Errors
    ///
    /// Those of [`Reader`], `HashMismatch` for a block that does not have its CID, and those of the
    /// file: `Store`, or `Limit` if more is stored than it may be.
    pub fn new<R: Read>(input: R, file: SpillFile) -> Result<Self> {
        let load = Load::stream(input, Loader::new())?;
        let writer = SpillWriter::new(file, budget::DEFAULT_CACHE, load.opening.trust)?;
        load.into_file(writer)?.0.publish()
    }
}
