//! Loads that stopped at their memory limit.

use core::fmt;
use std::io::Read;

use super::open::Load;
use super::{Loader, MemoryLimit};
use crate::budget::Budget;
use crate::car::{Reader, Source};
use crate::commit::Commit;
#[cfg(feature = "redb")]
use crate::error::Error;
use crate::error::Result;
use crate::process::{Keep, Process};
use crate::repo::Repo;
use crate::store::MemoryStore;
#[cfg(feature = "redb")]
use crate::store::spill::SpillWriter;
#[cfg(feature = "redb")]
use crate::store::{RedbStore, SpillFile};

/// The outcome of a load with a memory limit.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "a load is at its end or it is not")]
pub enum Loaded<'p, R, P = Keep> {
    /// The whole CAR is loaded.
    Complete(Repo<MemoryStore, P>),
    /// The memory limit was reached before the end.
    Suspended(Suspended<'p, R, P>),
}

/// A load that stopped at its memory limit: the source, and the loaded sections.
///
/// Nothing is lost and nothing was copied. It can be queued, sent to another thread, resumed any
/// number of times, spilled, or dropped.
///
/// ```
/// use carwalk::{Loaded, Loader};
///
/// # let stream: &[u8] = include_bytes!("../../samples/repo.car");
/// let mut loaded = Loader::new().memory_limit(64 << 10).read(stream)?;
/// while let Loaded::Suspended(load) = loaded {
///     let more = load.memory_limit() + (1 << 20);
///     loaded = load.resume(more)?;
/// }
/// # Ok::<(), carwalk::Error>(())
/// ```
#[must_use]
pub struct Suspended<'p, R, P = Keep> {
    load: Load<'p, Reader<R>, P>,
    memory_limit: u64,
}

impl<R, P> Suspended<'_, R, P> {
    /// Returns the memory limit that was reached, in bytes.
    #[must_use]
    pub fn memory_limit(&self) -> u64 {
        self.memory_limit
    }

    /// Returns the number of bytes taken from the source.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        self.load.source.bytes_read()
    }

    /// Returns the source.
    pub fn get_ref(&self) -> &R {
        self.load.source.get_ref()
    }
}

impl<'p, R: Read, P: Process> Suspended<'p, R, P> {
    /// Returns the memory that the load takes, in bytes, counted as the memory limit counts it.
    #[must_use]
    pub fn bytes_held(&self) -> u64 {
        self.load.source.held().saturating_add(self.load.loading.held())
    }

    /// Returns the commit, if its section was loaded already. It is verified if every block is.
    ///
    /// # Errors
    ///
    /// `Malformed`, `NonCanonical`, `LookAlike` or `Limit` if it is no commit, or the header does
    /// not name one.
    pub fn commit(&self) -> Result<Option<Commit<'_>>> {
        let Load { source, loading, opening, .. } = &self.load;
        source.header().commit()?;
        let Some(section) = loading.commit(source) else {
            return Ok(None);
        };
        let commit = Commit::parse(section.cid, section.bytes, opening.commits);
        commit.map(Some).map_err(|error| error.at(Some(section.offset)))
    }

    /// Continues the load in memory, with another memory limit.
    ///
    /// # Errors
    ///
    /// As [`Loader::read`].
    pub fn resume(self, memory_limit: u64) -> Result<Loaded<'p, R, P>> {
        let mut load = self.load;
        load.opening.walk_memory = Budget::new(memory_limit).walk();
        Loaded::of(load, memory_limit)
    }

    /// Continues the load in a file: moves the loaded blocks there, then reads the rest of the
    /// stream into it.
    ///
    /// From then on the load takes about as much memory as the limit, however long the CAR is, and
    /// so does the store.
    ///
    /// # Errors
    ///
    /// As [`Loader::read`], and `Store` if the file fails, or `Limit` if more is stored than it may
    /// be. If the file failed before anything was moved, the error has the load.
    #[cfg(feature = "redb")]
    pub fn spill(self, file: SpillFile) -> Result<Repo<RedbStore, P>, SpillError<'p, R, P>> {
        match SpillWriter::new(file, self.memory_limit, self.load.opening.trust) {
            Ok(writer) => self.load.spill(writer).map_err(|error| SpillError { error, load: None }),
            Err(error) => Err(SpillError { error, load: Some(Box::new(self)) }),
        }
    }
}

impl<'p, P: Process> Loader<'p, MemoryLimit, P> {
    /// Reads a stream to its end, or up to the memory limit.
    ///
    /// # Errors
    ///
    /// As [`Repo::from_reader`]. Reaching the memory limit is not an error.
    pub fn read<R: Read>(self, input: R) -> Result<Loaded<'p, R, P>> {
        let MemoryLimit(limit) = self.memory;
        Loaded::of(Load::stream(input, self)?, limit)
    }
}

impl<'p, R: Read, P: Process> Loaded<'p, R, P> {
    /// Runs a load up to a memory limit.
    pub(super) fn of(mut load: Load<'p, Reader<R>, P>, memory_limit: u64) -> Result<Self> {
        if load.run(memory_limit)? {
            load.into_repo().map(Loaded::Complete)
        } else {
            Ok(Loaded::Suspended(Suspended { load, memory_limit }))
        }
    }
}

impl<R, P: fmt::Debug> fmt::Debug for Suspended<'_, R, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Suspended");
        debug
            .field("reader", &self.load.source)
            .field("loading", &self.load.loading)
            .field("opening", &self.load.opening)
            .field("memory_limit", &self.memory_limit)
            .finish()
    }
}

/// The error of [`Suspended::spill`], with the load if it can still be resumed.
#[cfg(feature = "redb")]
pub struct SpillError<'p, R, P = Keep> {
    error: Error,
    load: Option<Box<Suspended<'p, R, P>>>,
}

#[cfg(feature = "redb")]
impl<'p, R, P> SpillError<'p, R, P> {
    /// Returns the error.
    #[must_use]
    pub fn error(&self) -> &Error {
        &self.error
    }

    /// Returns the load, if the file failed before anything was moved: it can be resumed or spilled
    /// elsewhere.
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
