//! The driver of every load: combines a source, a sink and settings, and opens the result.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use super::memory::MemorySink;
use super::pipeline::{Loading, ValueFn};
use super::settings::{Settings, check_commit_cid};
#[cfg(feature = "redb")]
use super::spill::{IndexSink, SpillSink};
use super::{LoadScratch, Loader};
#[cfg(feature = "redb")]
use crate::budget;
use crate::car::{Reader, SliceReader, Source};
use crate::cid::Cid;
#[cfg(feature = "redb")]
use crate::error::SpillFileFault;
use crate::error::{Error, Result};
use crate::limits::Limits;
use crate::mst::WalkBuffers;
use crate::process::Process;
use crate::repo::{Opening, Repo};
use crate::reuse::Shelf;
use crate::store::contents::Contents;
use crate::store::index::Notes;
use crate::store::slice::SliceIndex;
#[cfg(feature = "redb")]
use crate::store::spill::{FinishedFile, SpillWriter, SpilledIndexWriter};
#[cfg(feature = "redb")]
use crate::store::trust::Trust;
use crate::store::{BlockStore, CarStore, MemoryStore, SliceStore};
#[cfg(feature = "redb")]
use crate::store::{RedbStore, SpillFile};

/// A load into memory that may be unfinished.
pub(super) struct Load<S, P> {
    pub(super) source: S,
    pub(super) loading: Loading<MemorySink>,
    pub(super) settings: Settings,
    pub(super) opening: Opening<P>,
}

impl<P: Process> Opening<P> {
    /// Runs `work` with the process function, if there is one.
    fn with_value_fn<T>(&self, work: impl FnOnce(Option<ValueFn<'_>>) -> T) -> T {
        let value_fn = P::STORE.map(|value_fn| {
            move |record: &[u8], out: &mut Vec<u8>| value_fn(&self.process, record, out)
        });
        work(value_fn.as_ref().map(|value_fn| value_fn as ValueFn<'_>))
    }
}

impl<S: Source, P: Process> Load<S, P> {
    /// Prepares a load. `open` gets the limits and reads only the header.
    fn begin(
        loader: &Loader<P>,
        memory_limit: u64,
        in_place: bool,
        notes: Notes,
        open: impl FnOnce(Limits) -> Result<S>,
    ) -> Result<Self>
    where
        P: Clone,
    {
        let settings = loader.settings.clone();
        settings.check()?;
        let source = open(settings.limits.clone())?;
        let loading = Loading::new(MemorySink::new(in_place, settings.trust, notes));
        Ok(Load { source, loading, settings, opening: loader.opening(memory_limit) })
    }

    /// Loads until there are no more sections, or more than `memory_limit` bytes would be held.
    /// Returns true if the load is complete.
    pub(super) fn run(&mut self, memory_limit: u64) -> Result<bool> {
        let Load { source, loading, settings, opening } = self;
        opening.with_value_fn(|value_fn| loading.run(source, settings, value_fn, memory_limit))
    }

    /// Loads all sections without a memory limit.
    pub(super) fn run_to_end(&mut self) -> Result<()> {
        let Load { source, loading, settings, opening } = self;
        opening.with_value_fn(|value_fn| loading.run_to_end(source, settings, value_fn))
    }
}

impl<R: Read, P: Process> Load<Reader<R>, P> {
    /// Whether sections stay where they were read: only without a process function.
    pub(super) const KEEPS_SECTIONS: bool = P::STORE.is_none();

    /// Prepares the load of a stream.
    pub(super) fn stream(input: R, loader: &Loader<P>, memory_limit: u64) -> Result<Self>
    where
        P: Clone,
    {
        Load::begin(loader, memory_limit, Self::KEEPS_SECTIONS, Notes::new(), |limits| {
            Reader::open(input, limits, Self::KEEPS_SECTIONS)
        })
    }

    /// Prepares the load of the sections that are left in a reader, which keeps them in memory if
    /// [`KEEPS_SECTIONS`](Self::KEEPS_SECTIONS) is set.
    pub(super) fn reader(reader: Reader<R>, loader: &Loader<P>, memory_limit: u64) -> Result<Self>
    where
        P: Clone,
    {
        Load::begin(loader, memory_limit, Self::KEEPS_SECTIONS, Notes::new(), |_| Ok(reader))
    }

    /// Returns the store of a complete load, and what else opening needs.
    pub(super) fn into_store(self) -> Result<(MemoryStore, Opening<P>)> {
        Ok((self.loading.into_store(self.source)?, self.opening))
    }

    /// Opens the repository of a complete load.
    pub(super) fn into_repo(self) -> Result<Repo<MemoryStore, P>> {
        let settings = self.settings.clone();
        let (store, opening) = self.into_store()?;
        open(store, &settings, opening)
    }

    /// Moves the loaded sections into a spill file, and loads the rest into it.
    #[cfg(feature = "redb")]
    pub(super) fn into_file(self, mut writer: SpillWriter) -> Result<(FinishedFile, Opening<P>)> {
        let Load { mut source, loading, settings, opening } = self;
        // Chunk by chunk: their memory is free before the caches of the file take any.
        let state = loading.move_into(&mut writer, &mut source)?;
        let mut loading = Loading { sink: SpillSink(writer), state };
        opening.with_value_fn(|value_fn| loading.run_to_end(&mut source, &settings, value_fn))?;
        Ok((loading.into_file(&source)?, opening))
    }

    /// Loads the rest into a spill file, and opens the repository in it.
    #[cfg(feature = "redb")]
    pub(super) fn spill(self, file: SpillFile, memory_limit: u64) -> Result<Repo<RedbStore, P>> {
        let settings = self.settings.clone();
        let writer = SpillWriter::new(file, memory_limit, self.opening.trust)?;
        let (file, opening) = self.into_file(writer)?;
        let store = file.store();
        // Before `publish`: a file without a repository gets no name.
        let commit = opening.commit(store, settings.commit(store.header())?)?;
        Ok(Repo::of(commit, file.publish()?, opening))
    }
}

impl<'b, P: Process> Load<SliceReader<'b>, P> {
    /// Prepares the load of a CAR in a slice, whose sections stay in place.
    pub(super) fn slice(
        bytes: &'b [u8],
        loader: &Loader<P>,
        memory_limit: u64,
        notes: Notes,
    ) -> Result<Self>
    where
        P: Clone,
    {
        Load::begin(loader, memory_limit, true, notes, |limits| {
            SliceReader::with_limits(bytes, limits)
        })
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

    /// Loads all sections, and returns their index: in memory, or in a spill file if it would
    /// exceed `memory_limit`.
    #[cfg(feature = "redb")]
    pub(super) fn into_index_within(
        mut self,
        memory_limit: u64,
        file: SpillFile,
    ) -> Result<(SliceIndex, Contents, Opening<P>)> {
        SpilledIndexWriter::check(&file)?;
        if self.run(memory_limit)? {
            return self.finish_index();
        }
        let Load { mut source, loading: Loading { sink, state }, settings, opening } = self;
        // Frees the index in memory before the file takes any.
        drop(sink);
        let writer = SpilledIndexWriter::new(file, memory_limit)?;
        let mut sink = IndexSink::new(writer, opening.trust);
        sink.replay(&state, &source)?;
        let mut loading = Loading { sink, state };
        loading.run_to_end(&mut source, &settings, None)?;
        let (index, contents) = loading.into_index(&source)?;
        Ok((SliceIndex::Spilled(Box::new(index)), contents, opening))
    }
}

/// Opens the repository in a loaded CAR.
pub(super) fn open<S: CarStore, P: Process>(
    store: S,
    settings: &Settings,
    opening: Opening<P>,
) -> Result<Repo<S, P>> {
    let commit = opening.commit(&store, settings.commit(store.header())?)?;
    Ok(Repo::of(commit, store, opening))
}

/// Creates a store over `bytes` with the index that `load` returns.
pub(super) fn slice_store<B: AsRef<[u8]>, P>(
    bytes: B,
    load: impl FnOnce(&[u8]) -> Result<(SliceIndex, Contents, Opening<P>)>,
) -> Result<(SliceStore<B>, Opening<P>)> {
    let (index, contents, opening) = load(bytes.as_ref())?;
    Ok((SliceStore::of(bytes, index, opening.trust, contents), opening))
}

/// Opens a file by its path. Every error names the file.
pub(super) fn with_file<T>(path: &Path, open: impl FnOnce(File) -> Result<T>) -> Result<T> {
    File::open(path).map_err(Error::from).and_then(open).map_err(|error| error.in_file(path))
}

impl<P: Process + Clone> Loader<P> {
    /// Reads a stream to its end and opens the repository in it.
    ///
    /// The stream is held in memory, at most 1 GiB by default, with an index of 10 bytes a block;
    /// while the index is made, it takes up to 20 bytes a section. With a [process
    /// function](Loader::process), only nodes and processed values are held. Do not wrap the source
    /// in a `BufReader`: it is read in large pieces.
    ///
    /// # Errors
    ///
    /// - `Io` if reading fails, or if memory for a long block cannot be allocated
    /// - `LookAlike` if the input is empty, JSON, HTML, gzip data, a CAR of version 2 or a spill
    ///   file
    /// - `LookAlike` if the commit is a tree node
    /// - `Truncated` if the input ends inside the header or a section
    /// - `Malformed` or `NonCanonical` if the header, a section or the commit is invalid
    /// - `Limit` if the stream, the header or a block exceeds its limit, or the commit a fixed one
    /// - `HashMismatch` for a block that does not have its CID
    /// - `MissingCommit` if no section has the CID of the commit
    /// - `Argument` if the CID that [`Loader::commit`] was given has the codec raw
    /// - `Encode` if a processed value cannot be encoded
    /// - `Cancelled` if the progress function ends the load
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::Loader;
    ///
    /// # let stream: &[u8] = include_bytes!("../../samples/repo.car");
    /// // Anything that implements `Read`, here two readers one after the other.
    /// let stream = std::io::Read::chain(&stream[..5000], &stream[5000..]);
    /// let repo = Loader::new().from_reader(stream)?;
    /// assert_eq!(repo.stats().bytes, 12_641);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn from_reader<R: Read>(&self, reader: R) -> Result<Repo<MemoryStore, P>> {
        let mut load = Load::stream(reader, self, u64::MAX)?;
        load.run_to_end()?;
        load.into_repo()
    }

    /// Reads a file to its end and opens the repository in it. The file is not mapped.
    ///
    /// # Errors
    ///
    /// `Io` if the file cannot be opened or read; otherwise those of
    /// [`from_reader`](Loader::from_reader). The error names the file.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::path::Path;
    ///
    /// use carwalk::{Limits, Loader};
    ///
    /// let loader = Loader::new().limits(Limits::new().max_block_len(948));
    /// let error = loader.from_path("samples/repo.car").unwrap_err();
    /// assert_eq!(error.path(), Some(Path::new("samples/repo.car")));
    /// assert_eq!(error.position().offset(), Some(808));
    /// ```
    pub fn from_path(&self, path: impl AsRef<Path>) -> Result<Repo<MemoryStore, P>> {
        with_file(path.as_ref(), |file| self.from_reader(file))
    }

    /// Opens the repository in the CAR `bytes`: a slice, a `Vec<u8>`, a mapped file.
    ///
    /// Nothing is copied but the commit. The index takes 10 bytes a block, and up to 20 bytes a
    /// section while it is made.
    ///
    /// # Errors
    ///
    /// Those of [`from_reader`](Loader::from_reader) except `Io`, `Encode` and the stream limit;
    /// `Limit` if there are more than 1 TiB of bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::Loader;
    ///
    /// # let bytes = include_bytes!("../../samples/repo.car").to_vec();
    /// // `bytes` is a `Vec<u8>`, which the repository then owns.
    /// let repo = Loader::new().process(|record| record.len()).from_slice(bytes)?;
    /// let mut longest = 0;
    /// for record in &repo {
    ///     longest = longest.max(record?.into_value());
    /// }
    /// assert_eq!(longest, 441);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn from_slice<B: AsRef<[u8]>>(&self, bytes: B) -> Result<Repo<SliceStore<B>, P>> {
        self.open_slice(bytes, Notes::new(), None)
    }

    /// Opens the repository in the CAR `bytes` in memory that earlier loads and walks used: for
    /// many small repositories, one after the other.
    ///
    /// The result is the same as that of [`from_slice`](Loader::from_slice). It does not borrow the
    /// scratch.
    ///
    /// # Errors
    ///
    /// Those of [`from_slice`](Loader::from_slice). The scratch can be used again after any error.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::{LoadScratch, Loader};
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// let (loader, mut scratch) = (Loader::new(), LoadScratch::new());
    /// let repo = loader.from_slice_in(&mut scratch, bytes)?;
    /// let held = scratch.bytes_held();
    /// drop(repo);
    /// // The index of the repository is there for the next one.
    /// assert!(scratch.bytes_held() > held);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn from_slice_in<B: AsRef<[u8]>>(
        &self,
        scratch: &mut LoadScratch,
        bytes: B,
    ) -> Result<Repo<SliceStore<B>, P>> {
        self.open_slice(bytes, scratch.notes(), Some(scratch.walk()))
    }

    fn open_slice<B: AsRef<[u8]>>(
        &self,
        bytes: B,
        notes: Notes,
        buffers: Option<Arc<Shelf<WalkBuffers>>>,
    ) -> Result<Repo<SliceStore<B>, P>> {
        let load = |bytes: &[u8]| Load::slice(bytes, self, u64::MAX, notes)?.into_index();
        let (store, opening) = slice_store(bytes, load)?;
        open(store, &self.settings, Opening { buffers, ..opening })
    }

    /// Opens the repository in a store. `commit` is the CID of its commit.
    ///
    /// Unless verification is off, the commit is verified now and each other block when a walk
    /// reaches it. Blocks that a store of this library has verified are not hashed again. Nothing
    /// is loaded, so [`Limits`], [`Loader::commit`], `salvage`, `threads` and `progress` have no
    /// effect.
    ///
    /// # Errors
    ///
    /// - `Argument` if the CID `commit` has the codec raw
    /// - `MissingCommit` if the store does not have the commit
    /// - `HashMismatch` if the commit does not have its CID
    /// - `LookAlike` if the commit is a tree node
    /// - `Malformed` or `NonCanonical` if the commit is invalid, or if the store has a processed
    ///   value for it
    /// - `Limit` if the commit exceeds a fixed limit
    /// - any of [`BlockStore::get`]: `Store`, `InvalidSpillFile` for a damaged spill file, or the
    ///   errors of a store of your own
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::Loader;
    /// use carwalk::store::{CarStore, SliceStore};
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// let store = SliceStore::new(bytes)?;
    /// let commit = store.header().root();
    /// // The store keeps its records: the function is called when a walk reaches one.
    /// let repo = Loader::new().process(|record| record.len()).from_store(&store, commit)?;
    /// assert_eq!(repo.records().next().unwrap()?.into_value(), 128);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn from_store<S: BlockStore>(&self, store: S, commit: Cid) -> Result<Repo<S, P>> {
        self.open_store(store, commit, u64::MAX)
    }

    pub(super) fn open_store<S: BlockStore>(
        &self,
        store: S,
        commit: Cid,
        memory_limit: u64,
    ) -> Result<Repo<S, P>> {
        check_commit_cid(commit)?;
        let mut opening = self.opening(memory_limit);
        opening.trust = opening.trust.in_any_store();
        let commit = opening.commit(&store, commit)?;
        Ok(Repo::of(commit, store, opening))
    }

    /// Opens the repository in a kept spill file, with a cache size of 16 MiB.
    ///
    /// Opening reads the whole file to check its checksums. Under
    /// [`Verification::EveryBlock`](crate::Verification::EveryBlock), the default, every block is
    /// hashed again. Processed values cannot be verified. The file does not record which process
    /// function made them: the loader must have the same one. [`Limits`], `salvage`, `threads` and
    /// `progress` have no effect.
    ///
    /// Open only files that you, or somebody you trust, wrote: a crafted file can crash redb. See
    /// [`RedbStore::open`].
    ///
    /// # Errors
    ///
    /// - `Io` if the file cannot be opened
    /// - `Store` if reading fails
    /// - `InvalidSpillFile` if the file is damaged, not complete, of another version, or not a
    ///   spill file
    /// - `InvalidSpillFile` if the file has processed values and the loader no process function
    /// - `InvalidSpillFile` if processed values were made of records that were never hashed, and
    ///   verification is on
    /// - `HashMismatch` for a block that does not have its CID
    /// - `MissingCommit` if the commit is missing
    /// - `LookAlike`, `Malformed`, `NonCanonical` or `Limit` if the commit is not a valid one
    /// - `Argument` if the CID that [`Loader::commit`] was given has the codec raw
    ///
    /// The error names the file.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::Loader;
    /// use carwalk::store::SpillFile;
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("repo.carwalk");
    /// # let stream: &[u8] = include_bytes!("../../samples/repo.car");
    /// let loader = Loader::new().process(|record| record.len() as u64);
    /// loader.clone().memory_limit(16 << 20).spill(stream, SpillFile::keep(&path))?;
    /// let repo = loader.from_spill_file(&path)?;
    /// assert_eq!(*repo.records().next().unwrap()?.value(), 128);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(feature = "redb")]
    pub fn from_spill_file(&self, path: impl AsRef<Path>) -> Result<Repo<RedbStore, P>> {
        self.open_spill_file(path.as_ref(), None)
    }

    #[cfg(feature = "redb")]
    pub(super) fn open_spill_file(
        &self,
        path: &Path,
        memory_limit: Option<u64>,
    ) -> Result<Repo<RedbStore, P>> {
        self.settings.check()?;
        let store = RedbStore::open(path, memory_limit.unwrap_or(budget::DEFAULT_CACHE))?;
        let repo = self.spilled(store, memory_limit.unwrap_or(u64::MAX));
        repo.map_err(|error| error.in_file(path))
    }

    /// Verifies an open spill file, and opens the repository in it.
    #[cfg(feature = "redb")]
    fn spilled(&self, mut store: RedbStore, memory_limit: u64) -> Result<Repo<RedbStore, P>> {
        if store.is_processed() && P::STORE.is_none() {
            return Err(Error::spill_file(SpillFileFault::Processed));
        }
        let opening = self.opening(memory_limit);
        if store.is_processed() && !store.was_hashed() && opening.trust != Trust::Unchecked {
            return Err(Error::spill_file(SpillFileFault::NotHashed));
        }
        if opening.trust == Trust::Hashed {
            store.verify()?;
        }
        open(store, &self.settings, opening)
    }
}
