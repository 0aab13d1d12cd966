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
/// `or_spill` (feature `redb`) turns either outcome into a `Repo<AnyStore>`.
///
/// # Examples
///
/// ```
/// use carwalk::{Loaded, Loader};
///
/// fn outcome(stream: &[u8], limit: u64) -> carwalk::Result<String> {
///     Ok(match Loader::new().memory_limit(limit).from_reader(stream)? {
///         Loaded::Complete(repo) => format!("{} records", repo.records().try_count()?),
///         Loaded::Suspended(load) => format!("{} bytes read", load.bytes_read()),
///     })
/// }
///
/// # let stream: &[u8] = include_bytes!("../../samples/repo.car");
/// assert_eq!(outcome(stream, 1 << 20)?, "40 records");
/// assert_eq!(outcome(stream, 4 << 10)?, "12641 bytes read");
/// # Ok::<(), carwalk::Error>(())
/// ```
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "a load is complete or it is not")]
#[expect(clippy::large_enum_variant, reason = "one for each load, and short-lived")]
pub enum Loaded<R, P = Keep> {
    /// The whole CAR is loaded.
    Complete(Repo<MemoryStore, P>),
    /// The memory limit was reached before the end.
    Suspended(Suspended<R, P>),
}

/// A load that stopped at its memory limit: the source, and the loaded sections.
///
/// Stopping copies nothing and loses nothing. The load can be queued, sent to another thread,
/// resumed any number of times, spilled, or dropped. While it is suspended, it holds
/// [`bytes_held`](Suspended::bytes_held) bytes of memory and keeps the source open. Dropping it
/// loses the loaded sections and the source; [`into_inner`](Suspended::into_inner) returns the
/// source.
///
/// # Examples
///
/// ```
/// use carwalk::{Loaded, Loader};
///
/// # let mut car = include_bytes!("../../samples/repo.car").to_vec();
/// # (0..9).for_each(|_| car.extend_from_within(59..12_641));
/// # let stream = &car[..];
/// // A stream of 125,879 bytes, and buffers of at most 100 KiB.
/// let loaded = Loader::new().memory_limit(100 << 10).from_reader(stream)?;
/// let Loaded::Suspended(load) = loaded else { panic!("the stream exceeds the limit") };
/// assert_eq!(load.memory_limit(), 102_400);
/// assert_eq!(load.bytes_read(), 65_536);
/// assert_eq!(load.get_ref().len(), 125_879 - 65_536);
/// assert!(load.bytes_held() > 65_536 && load.bytes_held() <= 102_400);
/// # Ok::<(), carwalk::Error>(())
/// ```
#[must_use]
pub struct Suspended<R, P = Keep> {
    load: Load<Reader<R>, P>,
    memory_limit: u64,
    /// The path of the source, if the source is a file that was opened by its path.
    path: Option<Box<Path>>,
}

/// Adds the path of the source to an error, if there is one.
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

    /// Returns a reference to the source.
    pub fn get_ref(&self) -> &R {
        self.load.source.get_ref()
    }

    /// Returns the source and drops the loaded sections. Their bytes were taken from the source, so
    /// what remains in it is not a CAR.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::fs::File;
    /// use std::io::Seek;
    ///
    /// use carwalk::{Loaded, Loader};
    ///
    /// let loader = Loader::new().memory_limit(4 << 10);
    /// if let Loaded::Suspended(load) = loader.from_reader(File::open("samples/repo.car")?)? {
    ///     let mut file = load.into_inner();
    ///     file.rewind()?;
    ///     // Only the length of each record is loaded.
    ///     let repo = Loader::new().process(|record| record.len()).from_reader(file)?;
    ///     assert_eq!(repo.records().try_count()?, 40);
    /// }
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn into_inner(self) -> R {
        self.load.source.into_inner()
    }

    /// Returns the memory that counts against the memory limit, in bytes. It exceeds a memory limit
    /// that is less than the first buffer of 64 KiB.
    #[must_use]
    pub fn bytes_held(&self) -> u64 {
        self.load.source.bytes_held().saturating_add(self.load.loading.held())
    }

    /// Returns the commit, or `None` if its section is not loaded yet. Most exports have it among
    /// their first blocks.
    ///
    /// Verified only under [`Verification::EveryBlock`](crate::Verification::EveryBlock).
    ///
    /// # Errors
    ///
    /// - `Malformed` if the commit to open is the first root of the CAR, and that has the codec raw
    /// - `LookAlike` if the block is a tree node
    /// - `Malformed` or `NonCanonical` if the block is not a commit
    /// - `Limit` if the commit exceeds a fixed limit
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::{Loaded, Loader};
    ///
    /// # let mut car = include_bytes!("../../samples/repo.car").to_vec();
    /// # (0..9).for_each(|_| car.extend_from_within(59..12_641));
    /// # let stream = &car[..];
    /// let loaded = Loader::new().memory_limit(100 << 10).from_reader(stream)?;
    /// let Loaded::Suspended(load) = loaded else { panic!("the stream exceeds the limit") };
    /// // Is the rest of this export worth a file?
    /// let commit = load.commit()?.expect("the commit is in the first section");
    /// assert_eq!(commit.did(), "did:plc:ewvi7nxzyoun6zhxrhs64oiz");
    /// # Ok::<(), carwalk::Error>(())
    /// ```
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
    /// Continues the load in memory. `memory_limit`, in bytes, replaces the old memory limit: it
    /// covers the loaded sections, too.
    ///
    /// # Errors
    ///
    /// Those of [`Loader::from_reader`](crate::Loader::from_reader). Reaching the new memory limit
    /// is not an error.
    ///
    /// # Examples
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
    pub fn resume(self, memory_limit: u64) -> Result<Loaded<R, P>> {
        let Suspended { mut load, path, .. } = self;
        load.opening.walk_memory = Budget::new(memory_limit).walk();
        let loaded = naming(path.as_deref(), Loaded::of(load, memory_limit))?;
        Ok(loaded.of_file(path))
    }

    /// Continues the load in a file: moves the loaded blocks there, then reads the rest of the
    /// stream into it.
    ///
    /// The load takes about as much memory as the memory limit, however long the CAR is. So do the
    /// caches of the store and one walk together. Blocks are hashed before they are stored, unless
    /// verification is off. An error drops the loaded sections. To keep them if the file cannot be
    /// created, call [`SpillFile::create`] first.
    ///
    /// # Errors
    ///
    /// - `Store` if the file cannot be created, written or read
    /// - `Limit` if more is stored than [`SpillFile::max_stored`] allows, or in more than 2^24
    ///   segments
    /// - `Argument` if the segment length of the file is out of range
    /// - any of [`Loader::from_reader`](crate::Loader::from_reader) for the rest of the stream
    /// - the fault of a salvaged CAR, if the file is a kept spill file
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::store::SpillFile;
    /// use carwalk::{Loaded, Loader};
    ///
    /// # let stream: &[u8] = include_bytes!("../../samples/repo.car");
    /// if let Loaded::Suspended(load) = Loader::new().memory_limit(4 << 10).from_reader(stream)? {
    ///     let count = match SpillFile::temporary().create() {
    ///         Ok(file) => load.spill(file)?.records().try_count()?,
    ///         // No file can be created, but the load can continue in memory.
    ///         Err(_) => match load.resume(16 << 20)? {
    ///             Loaded::Complete(repo) => repo.records().try_count()?,
    ///             Loaded::Suspended(_) => 0,
    ///         },
    ///     };
    ///     assert_eq!(count, 40);
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
    /// - `Argument` if the segment length of the file is out of range, whether or not the file is
    ///   needed
    /// - those of [`Suspended::spill`], if the load is suspended
    ///
    /// # Examples
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
        // Also if the file is not needed: the error must not depend on the length of the CAR.
        file.check()?;
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

    /// Sets the path that errors of a suspended load name.
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
