//! Loads a CAR into a store and opens the repository in it.
//!
//! ```text
//! open       runs a load, made of a source, a sink and settings, and opens the result
//!   |
//! pipeline   each section: framed by the source, verified, handed to the sink
//!   |   \
//!   |    hashing    verifies batches of blocks, on one or more threads
//!   |
//! memory, spill     the sinks: into memory, into a spill file, into a spilled index
//! ```
//!
//! A load that reaches its memory limit becomes a [`Suspended`]. Several loaded CARs are opened as
//! one repository in `cars`, and CARs without a commit in `trees`. A stream in pre-order needs no
//! load: `stream` walks over it while it is read.

mod bounded;
mod cars;
mod hashing;
mod memory;
#[cfg(feature = "mmap")]
mod mmap;
mod open;
mod peek;
mod pipeline;
mod scratch;
mod setters;
mod settings;
mod shortcuts;
#[cfg(feature = "redb")]
mod spill;
mod stream;
mod suspended;
mod trees;

use core::fmt;

pub use self::bounded::BoundedLoader;
pub use self::peek::peek_commit;
pub use self::scratch::LoadScratch;
use self::settings::Settings;
pub use self::settings::Verification;
pub use self::stream::{StreamEntries, StreamRecords, StreamStats, StreamWalk, Streamed};
pub use self::suspended::{Loaded, Suspended};
use crate::budget::Budget;
use crate::commit::CommitRules;
use crate::process::{Keep, Processed, Value};
use crate::repo::Opening;

/// Configures and opens a repository.
///
/// Setters take the loader by value and can be called in any order, with two exceptions:
/// [`process`](Loader::process) can be called once, and [`memory_limit`](Loader::memory_limit)
/// comes last. Openers (`from_..`, `tree_from_..`, `load_..`, `map`, `stream`) borrow the loader:
/// one loader opens any number of repositories, also on several threads at the same time if its
/// process function is `Sync`.
///
/// # Examples
///
/// ```
/// use carwalk::{Limits, Loader, Verification};
///
/// # let stream: &[u8] = include_bytes!("../../samples/repo.car");
/// let loader = Loader::new()
///     .limits(Limits::new().max_stream_len(16 << 30))
///     .verification(Verification::EveryBlock);
/// let repo = loader.from_reader(stream)?;
/// assert_eq!(repo.records().try_count()?, 40);
/// # Ok::<(), carwalk::Error>(())
/// ```
///
/// A service keeps its loader in a `static`:
///
/// ```
/// use std::sync::LazyLock;
///
/// use carwalk::{BoundedLoader, Loaded, Loader};
///
/// static LOADER: LazyLock<BoundedLoader> = LazyLock::new(|| Loader::new().memory_limit(8 << 20));
///
/// /// The number of records, or `None` if loading the repository takes more than 8 MiB.
/// fn records(stream: impl std::io::Read) -> carwalk::Result<Option<u64>> {
///     match LOADER.from_reader(stream)? {
///         Loaded::Complete(repo) => repo.records().try_count().map(Some),
///         Loaded::Suspended(_) => Ok(None),
///     }
/// }
///
/// # let stream: &[u8] = include_bytes!("../../samples/repo.car");
/// assert_eq!(records(stream)?, Some(40));
/// # Ok::<(), carwalk::Error>(())
/// ```
#[must_use]
#[derive(Clone)]
pub struct Loader<P = Keep> {
    settings: Settings,
    commits: CommitRules,
    strict_paths: bool,
    process: P,
}

impl Default for Loader {
    /// Returns [`Loader::new`].
    fn default() -> Self {
        Loader::new()
    }
}

impl Loader {
    /// Creates a loader with default settings, those of
    /// [`Repo::from_reader`](crate::Repo::from_reader): default limits, every block is verified,
    /// current commits only, one thread, no memory limit.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::Loader;
    ///
    /// static LOADER: Loader = Loader::new();
    /// assert_eq!(LOADER.from_path("samples/repo.car")?.records().try_count()?, 40);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub const fn new() -> Self {
        Loader {
            settings: Settings::new(),
            commits: CommitRules::Current,
            strict_paths: false,
            process: Keep,
        }
    }

    /// Applies `function` to each record while loading and stores its result instead of the record.
    ///
    /// Saves memory for streams and spill files if values are much shorter than records. A slice, a
    /// mapped file or a store of your own keeps its records: there the function is called each time
    /// a walk reaches a record.
    ///
    /// - The function sees verified blocks, unless verification is off. During a load, the calling
    ///   thread calls it.
    /// - The argument is the bytes of the block, without path and CID. To tell posts from likes,
    ///   read the record's field `$type`.
    /// - The function may also see blocks that are not records: any block that cannot be a tree
    ///   node, except the commit.
    /// - A record that begins like a node is stored unchanged; the function is called each time a
    ///   walk reaches it.
    /// - If the function can fail, let `T` be a `Result<V, E>` of two [`Value`]s, such as
    ///   `Result<u64, String>`. A value that cannot be encoded ends the load with an error of kind
    ///   `Encode`.
    /// - [`Walker`] and [`Event`] do not call the function. They return stored bytes, and their
    ///   [`Form`] is `Value` for processed values.
    /// - Each repository has its own copy of the function, which is therefore [`Clone`]. Share
    ///   captured state by reference or with an [`Arc`](std::sync::Arc).
    ///
    /// To name the type of the repository, pass a function pointer: see [`Processed`].
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::Loader;
    ///
    /// # let stream: &[u8] = include_bytes!("../../samples/repo.car");
    /// let repo = Loader::new().process(|record| record.len() as u64).from_reader(stream)?;
    /// let mut total = 0;
    /// for record in &repo {
    ///     total += record?.into_value();
    /// }
    /// assert_eq!(total, 7338);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    ///
    /// A function that counts its calls, with a counter that all copies share:
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicU64, Ordering};
    ///
    /// use carwalk::Loader;
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// let calls = Arc::new(AtomicU64::new(0));
    /// let shared = Arc::clone(&calls);
    /// let loader = Loader::new().process(move |_| _ = shared.fetch_add(1, Ordering::Relaxed));
    /// // A slice keeps its records, so each walk calls the function.
    /// let repo = loader.from_slice(bytes)?;
    /// assert_eq!(repo.records().try_count()?, 40);
    /// assert_eq!(calls.load(Ordering::Relaxed), 40);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    ///
    /// Without the `Arc`, the function cannot be copied:
    ///
    /// ```compile_fail,E0277
    /// # use std::sync::atomic::{AtomicU64, Ordering};
    /// # use carwalk::Loader;
    /// let calls = AtomicU64::new(0);
    /// Loader::new().process(move |_| _ = calls.fetch_add(1, Ordering::Relaxed));
    /// ```
    ///
    /// [`Walker`]: crate::mst::Walker
    /// [`Event`]: crate::mst::Event
    /// [`Form`]: crate::store::Form
    pub fn process<F, T>(self, function: F) -> Loader<Processed<F, T>>
    where
        F: Fn(&[u8]) -> T + Clone,
        T: Value,
    {
        let Loader { settings, commits, strict_paths, process: Keep } = self;
        Loader { settings, commits, strict_paths, process: Processed::new(function) }
    }
}

impl<P> Loader<P> {
    /// Sets the memory limit of a load, in bytes. No limit by default.
    ///
    /// This is the last setter: it returns a [`BoundedLoader`], whose openers have other results.
    /// Reaching the memory limit is not an error: [`from_reader`](BoundedLoader::from_reader)
    /// returns [`Loaded::Suspended`], which can be resumed, spilled or dropped.
    ///
    /// The memory limit covers the buffers that the stream is read into, including spare capacity,
    /// the index, and copies made while either grows. Two things are taken under every memory
    /// limit: the first buffer of 64 KiB, and the header, which has its own limit.
    /// [`BoundedLoader::peak_memory`] bounds everything.
    ///
    /// A walk over the loaded repository has a limit of its own: an eighth of this one, but at
    /// least 1 MiB. See [`Walk::memory_limit`](crate::mst::Walk::memory_limit).
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "redb")]
    /// # {
    /// use carwalk::store::SpillFile;
    /// use carwalk::{Loaded, Loader};
    ///
    /// # let stream: &[u8] = include_bytes!("../../samples/repo.car");
    /// let count = match Loader::new().memory_limit(4 << 10).from_reader(stream)? {
    ///     Loaded::Complete(repo) => repo.records().try_count()?,
    ///     // The load takes more than 4 KiB, and continues in a temporary file.
    ///     Loaded::Suspended(load) => load.spill(SpillFile::temporary())?.records().try_count()?,
    /// };
    /// assert_eq!(count, 40);
    /// # }
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn memory_limit(self, bytes: u64) -> BoundedLoader<P> {
        BoundedLoader::new(self, bytes)
    }

    /// Returns what opening a repository needs besides its store.
    fn opening(&self, memory_limit: u64) -> Opening<P>
    where
        P: Clone,
    {
        Opening {
            trust: self.settings.trust,
            commits: self.commits,
            strict_paths: self.strict_paths,
            walk_memory: Budget::new(memory_limit).walk(),
            buffers: None,
            process: self.process.clone(),
        }
    }
}

impl<P: fmt::Debug> fmt::Debug for Loader<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loader")
            .field("settings", &self.settings)
            .field("commits", &self.commits)
            .field("strict_paths", &self.strict_paths)
            .field("process", &self.process)
            .finish()
    }
}
