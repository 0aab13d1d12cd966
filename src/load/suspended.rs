//! Loads that stopped at their memory limit.

use core::fmt;
use std::io::Read;
use std::path::Path;

use super::open::Load;
use crate::budget::Budget;
use crate::car::Reader;
use crate::commit::Commit;
use crate::error::Result;
use crate::process::{Keep, Process};
use crate::repo::Repo;
use crate::store::MemoryStore;
#[cfg(feature = "redb")]
use crate::store::{AnyStore, RedbStore, SpillFile};

/// The outcome of a load with a memory limit.
///
/// [`or_spill`](Loaded::or_spill) turns both cases into one repository type.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "a load is at its end or it is not")]
#[expect(clippy::large_enum_variant, reason = "there is one at a time, and it is soon taken apart")]
pub enum Loaded<R, P = Keep> {
    /// The whole CAR is loaded.
    Complete(Repo<MemoryStore, P>),
    /// The memory limit was reached before the end.
    Suspended(Suspended<R, P>),
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
/// let mut loaded = Loader::new().memory_limit(4 << 10).from_reader(stream)?;
/// let repo = loop {
///     match loaded {
///         Loaded::Complete(repo) => break repo,
///         Loaded::Suspended(load) => {
///             let more = load.memory_limit() + (1 << 20);
///             loaded = load.resume(more)?;
///         }
///     }
/// };
/// assert_eq!(repo.records().try_count()?, 40);
/// # Ok::<(), carwalk::Error>(())
/// ```
#[must_use]
pub struct Suspended<R, P = Keep> {
    load: Load<Reader<R>, P>,
    memory_limit: u64,
    /// The file that is read, if it was opened by its path.
    path: Option<Box<Path>>,
}

/// Names the file that is read in an error, if it was opened by its path.
fn naming<T>(path: Option<&Path>, result: Result<T>) -> Result<T> {
    result.map_err(|error| match path {
        Some(path) => error.in_file(path),
        None => error,
    })
}

impl<R, P> Suspended<R, P> {
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

    /// Returns the memory that the load takes, in bytes, counted as the memory limit counts it.
    #[must_use]
    pub fn bytes_held(&self) -> u64 {
        self.load.source.bytes_held().saturating_add(self.load.loading.held())
    }

    /// Returns the commit, if its section is already loaded. It is verified only under
    /// [`Verification::EveryBlock`](crate::Verification::EveryBlock).
    ///
    /// # Errors
    ///
    /// `Malformed`, `NonCanonical`, `LookAlike` or `Limit` if the block is not a commit, or if the
    /// header does not name one.
    pub fn commit(&self) -> Result<Option<Commit<'_>>> {
        naming(self.path.as_deref(), self.parse_commit())
    }

    fn parse_commit(&self) -> Result<Option<Commit<'_>>> {
        let Load { source, loading, opening, settings } = &self.load;
        settings.commit(source.header())?;
        let Some(section) = loading.commit(source) else {
            return Ok(None);
        };
        let commit = Commit::parse(section.cid, section.bytes, opening.commits);
        commit.map(Some).map_err(|error| error.at(Some(section.offset)))
    }
}

impl<R: Read, P: Process> Suspended<R, P> {
    /// Continues the load in memory. `memory_limit` replaces the old limit: it covers the loaded
    /// sections, too.
    ///
    /// # Errors
    ///
    /// Those of [`Loader::from_reader`](crate::Loader::from_reader). Reaching the new limit is not
    /// an error.
    pub fn resume(self, memory_limit: u64) -> Result<Loaded<R, P>> {
        let Suspended { mut load, path, .. } = self;
        load.opening.walk_memory = Budget::new(memory_limit).walk();
        let loaded = naming(path.as_deref(), Loaded::of(load, memory_limit))?;
        Ok(loaded.of_file(path))
    }

    /// Continues the load in a file: moves the loaded blocks there, then reads the rest of the
    /// stream into it.
    ///
    /// From then on the load takes about as much memory as the limit, however long the CAR is, and
    /// so does the store. An error ends the load. To find out first whether the file can be
    /// created, call [`SpillFile::create`].
    ///
    /// # Errors
    ///
    /// - `Store` if the file cannot be created, written or read
    /// - `Limit` if more is stored than [`SpillFile::max_stored`] allows
    /// - `Argument` if the file's segment length is out of range
    /// - those of [`Loader::from_reader`](crate::Loader::from_reader) for the rest of the stream
    ///
    /// ```
    /// use carwalk::store::SpillFile;
    /// use carwalk::{Loaded, Loader};
    ///
    /// # let stream: &[u8] = include_bytes!("../../samples/repo.car");
    /// if let Loaded::Suspended(load) = Loader::new().memory_limit(4 << 10).from_reader(stream)? {
    ///     let repo = match SpillFile::temporary().create() {
    ///         Ok(file) => load.spill(file)?.records().try_count()?,
    ///         // No file can be created: the load is still there.
    ///         Err(_) => match load.resume(16 << 20)? {
    ///             Loaded::Complete(repo) => repo.records().try_count()?,
    ///             Loaded::Suspended(_) => 0,
    ///         },
    ///     };
    ///     assert_eq!(repo, 40);
    /// }
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    #[cfg(feature = "redb")]
    pub fn spill(self, file: SpillFile) -> Result<Repo<RedbStore, P>> {
        let Suspended { load, memory_limit, path } = self;
        naming(path.as_deref(), load.spill(file, memory_limit))
    }
}

impl<R: Read, P: Process> Loaded<R, P> {
    /// Returns the complete repository, or continues a suspended load in a file: see
    /// [`Suspended::spill`]. The file is created only if it is needed.
    ///
    /// # Errors
    ///
    /// Those of [`Suspended::spill`].
    ///
    /// ```
    /// use carwalk::Loader;
    /// use carwalk::store::{AnyStore, SpillFile};
    ///
    /// # let stream: &[u8] = include_bytes!("../../samples/repo.car");
    /// for limit in [4 << 10, 16 << 20] {
    ///     let loaded = Loader::new().memory_limit(limit).from_reader(stream)?;
    ///     let repo = loaded.or_spill(SpillFile::temporary())?;
    ///     assert_eq!(matches!(repo.store(), AnyStore::File(_)), limit == 4 << 10);
    ///     assert_eq!(repo.records().try_count()?, 40);
    /// }
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    #[cfg(feature = "redb")]
    pub fn or_spill(self, file: SpillFile) -> Result<Repo<AnyStore, P>> {
        Ok(match self {
            Loaded::Complete(repo) => repo.map_store(AnyStore::Memory),
            Loaded::Suspended(load) => load.spill(file)?.map_store(AnyStore::File),
        })
    }

    /// Runs a load up to a memory limit.
    pub(super) fn of(mut load: Load<Reader<R>, P>, memory_limit: u64) -> Result<Self> {
        if load.run(memory_limit)? {
            load.into_repo().map(Loaded::Complete)
        } else {
            Ok(Loaded::Suspended(Suspended { load, memory_limit, path: None }))
        }
    }

    /// Has errors of a suspended load name the file that is read.
    pub(super) fn of_file(self, path: Option<Box<Path>>) -> Self {
        match self {
            Loaded::Complete(repo) => Loaded::Complete(repo),
            Loaded::Suspended(load) => Loaded::Suspended(Suspended { path, ..load }),
        }
    }
}

impl<R, P: fmt::Debug> fmt::Debug for Suspended<R, P> {
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
