//! Loads that stopped at their memory limit.

use core::fmt;
use std::io::Read;

use crate::car::{Reader, Source};
use crate::commit::Commit;
#[cfg(feature = "redb")]
use crate::error::Error;
use crate::error::Result;
use crate::load::{Loader, MemoryLimit};
use crate::process::{Keep, Process};
use crate::repo::Repo;
use crate::store::MemoryStore;
use crate::store::intake::Intake;
use crate::store::loading::{Loading, Reducer};
use crate::store::memory::MemorySink;
#[cfg(feature = "redb")]
use crate::store::redb::{RedbStore, SpillFile, SpillSink, Writer};

/// What came of a load with a memory limit.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "a load is at its end or it is not")]
pub enum Loaded<'p, R, P = Keep> {
    /// The whole CAR is loaded.
    Complete(Repo<MemoryStore, P>),
    /// The memory limit was reached before the end.
    Suspended(Suspended<'p, R, P>),
}

/// A load that stopped at its memory limit: the reader, and what was loaded of it.
///
/// Nothing is lost and nothing was copied: it can be put into a queue, sent to another thread, gone
/// on with as often as one likes, or dropped.
///
/// ```
/// use carwalk::{Loaded, Loader};
///
/// # let stream: &[u8] = include_bytes!("../samples/repo.car");
/// let mut loaded = Loader::new().memory_limit(64 << 10).read(stream)?;
/// while let Loaded::Suspended(load) = loaded {
///     let more = load.memory_limit() + (1 << 20);
///     loaded = load.resume(more)?;
/// }
/// # Ok::<(), carwalk::Error>(())
/// ```
#[must_use]
pub struct Suspended<'p, R, P = Keep> {
    reader: Reader<R>,
    loading: Loading<MemorySink>,
    loader: Loader<'p, MemoryLimit, P>,
}

impl<R, P> Suspended<'_, R, P> {
    /// The memory limit that was reached.
    #[must_use]
    pub fn memory_limit(&self) -> u64 {
        self.loader.memory.0
    }

    /// Bytes that were taken from the reader.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        self.reader.bytes_read()
    }

    /// The reader.
    pub fn get_ref(&self) -> &R {
        self.reader.get_ref()
    }
}

impl<'p, R: Read, P: Process> Suspended<'p, R, P> {
    /// A load that has not begun but for the header.
    pub(crate) fn new(input: R, loader: Loader<'p, MemoryLimit, P>) -> Result<Self> {
        let limits = loader.intake.limits.clone();
        // Sections stay where they were read, unless something else is made of them.
        let keep = P::REDUCE.is_none();
        let reader =
            if keep { Reader::keeping(input, limits) } else { Reader::with_limits(input, limits) }?;
        let loading = Loading::new(MemorySink::new(keep, loader.intake.verification));
        Ok(Suspended { reader, loading, loader })
    }

    /// Bytes of memory that are held, counted as the limit counts them.
    #[must_use]
    pub fn bytes_held(&self) -> u64 {
        self.reader.held().saturating_add(self.loading.held())
    }

    /// The commit, if it was among the sections so far. It was hashed, if every block is.
    ///
    /// # Errors
    ///
    /// `Malformed`, `NonCanonical`, `LookAlike` or `Limit` if it is no commit, or the header does
    /// not name one.
    pub fn commit(&self) -> Result<Option<Commit<'_>>> {
        self.reader.header().commit()?;
        let Some(section) = self.loading.commit(&self.reader) else {
            return Ok(None);
        };
        let commit = Commit::parse(section.cid, section.bytes, self.loader.commits);
        commit.map(Some).map_err(|error| error.at(Some(section.offset)))
    }

    /// Goes on in memory, up to another limit.
    ///
    /// # Errors
    ///
    /// As [`Loader::read`].
    pub fn resume(mut self, memory_limit: u64) -> Result<Loaded<'p, R, P>> {
        self.loader.memory = MemoryLimit(memory_limit);
        self.go_on()
    }

    /// Goes on into a file: moves there what is held, and then what else comes.
    ///
    /// From then on the load takes about as much memory as the limit says, however long the CAR is,
    /// and so does the store.
    ///
    /// # Errors
    ///
    /// As [`Loader::read`], and `Store` if the file fails, or `Limit` if more is stored than it may
    /// be. If the file failed before anything was moved, the error has the load.
    #[cfg(feature = "redb")]
    pub fn spill(self, file: SpillFile) -> Result<Repo<RedbStore, P>, SpillError<'p, R, P>> {
        let verification = self.loader.intake.verification;
        match Writer::new(file, self.memory_limit(), verification) {
            Ok(writer) => self.spill_into(writer).map_err(|error| SpillError { error, load: None }),
            Err(error) => Err(SpillError { error, load: Some(Box::new(self)) }),
        }
    }

    #[cfg(feature = "redb")]
    fn spill_into(self, mut writer: Writer) -> Result<Repo<RedbStore, P>> {
        let Suspended { mut reader, loading, mut loader } = self;
        let progress = loading.move_into(&mut writer, &mut reader, loader.intake.verification)?;
        let mut loading = Loading { sink: SpillSink(writer), progress };
        with_reducer(&mut loader, |intake, reduce| loading.go_to_end(&mut reader, intake, reduce))?;
        let mut repo = loader.open(loading.finish(&reader)?)?;
        // Only now: what is no repository is not kept.
        repo.store_mut().publish()?;
        Ok(repo)
    }

    pub(crate) fn go_on(mut self) -> Result<Loaded<'p, R, P>> {
        let MemoryLimit(limit) = self.loader.memory;
        let Suspended { reader, loading, loader } = &mut self;
        if !with_reducer(loader, |intake, reduce| loading.go_on(reader, intake, reduce, limit))? {
            return Ok(Loaded::Suspended(self));
        }
        self.complete().map(Loaded::Complete)
    }

    /// Goes on in memory, whatever that takes.
    pub(crate) fn go_to_end(mut self) -> Result<Repo<MemoryStore, P>> {
        let Suspended { reader, loading, loader } = &mut self;
        with_reducer(loader, |intake, reduce| loading.go_to_end(reader, intake, reduce))?;
        self.complete()
    }

    /// The repository of a load that came to its end.
    fn complete(self) -> Result<Repo<MemoryStore, P>> {
        let store = MemoryStore::finish(self.reader, self.loading)?;
        self.loader.open(store)
    }
}

/// Runs `work` with a loader's settings and what its process function makes of records, if it has
/// one.
fn with_reducer<P: Process, T>(
    loader: &mut Loader<'_, MemoryLimit, P>,
    work: impl FnOnce(&mut Intake<'_>, Option<Reducer<'_>>) -> T,
) -> T {
    let Loader { intake, process, .. } = loader;
    let reduce = P::REDUCE
        .map(|reduce| move |record: &[u8], out: &mut Vec<u8>| reduce(process, record, out));
    work(intake, reduce.as_ref().map(|reduce| reduce as Reducer<'_>))
}

impl<R, P: fmt::Debug> fmt::Debug for Suspended<'_, R, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Suspended");
        debug
            .field("reader", &self.reader)
            .field("loading", &self.loading)
            .field("loader", &self.loader)
            .finish()
    }
}

/// Why a load could not be spilled, and the load if nothing was lost of it.
#[cfg(feature = "redb")]
pub struct SpillError<'p, R, P = Keep> {
    error: Error,
    load: Option<Box<Suspended<'p, R, P>>>,
}

#[cfg(feature = "redb")]
impl<'p, R, P> SpillError<'p, R, P> {
    /// What went wrong.
    #[must_use]
    pub fn error(&self) -> &Error {
        &self.error
    }

    /// The load, if the file failed before anything was moved: it can be gone on with in another
    /// way.
    #[must_use]
    pub fn into_load(self) -> Option<Suspended<'p, R, P>> {
        self.load.map(|load| *load)
    }
}

#[cfg(feature = "redb")]
impl<R, P> From<SpillError<'_, R, P>> for Error {
    fn from(error: SpillError<'_, R, P>) -> Self {
        error.error
    }
}

#[cfg(feature = "redb")]
impl<R, P> fmt::Display for SpillError<'_, R, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

#[cfg(feature = "redb")]
impl<R, P> fmt::Debug for SpillError<'_, R, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("SpillError");
        debug.field("error", &self.error).field("has_load", &self.load.is_some()).finish()
    }
}

#[cfg(feature = "redb")]
impl<R, P> std::error::Error for SpillError<'_, R, P> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.source()
    }
}
