//! How a CAR gets into a store, and a repository out of it.
//!
//! ```text
//! open       makes a source, a sink and the settings into a load, and opens what it became
//!   |
//! pipeline   each section: framed by its source, verified, handed to a sink
//!   |   \
//!   |    hashing    batches of blocks against their CIDs, on one thread or several
//!   |
//! memory, spill     the sinks: into memory, into a spill file, into a spilled index
//! ```
//!
//! A load that reaches its memory limit is a [`Suspended`] value.

mod hashing;
mod memory;
#[cfg(feature = "mmap")]
mod mmap;
mod open;
mod peek;
mod pipeline;
mod settings;
#[cfg(feature = "redb")]
mod spill;
mod suspended;

use core::fmt;

pub use self::peek::peek_commit;
use self::settings::Settings;
pub use self::settings::Verification;
#[cfg(feature = "redb")]
pub use self::suspended::SpillError;
pub use self::suspended::{Loaded, Suspended};
use crate::budget::Budget;
use crate::commit::CommitRules;
use crate::limits::Limits;
use crate::process::{Keep, Process, Processed, Value};
use crate::repo::Opening;

/// Configures and opens a repository.
///
/// The setters can be called in any order. The load begins with one of the openers.
///
/// ```
/// use carwalk::{Limits, Loader};
///
/// # let stream: &[u8] = include_bytes!("../../samples/repo.car");
/// let repo = Loader::new()
///     .limits(Limits::default().max_stream_len(16 << 30))
///     .progress(|bytes| eprintln!("{bytes} bytes"))
///     .read(stream)?;
/// assert_eq!(repo.commit().version(), 3);
/// # Ok::<(), carwalk::Error>(())
/// ```
#[must_use]
#[derive(Default)]
pub struct Loader<'p, M = Unlimited, P = Keep> {
    settings: Settings<'p>,
    commits: CommitRules,
    strict_paths: bool,
    memory: M,
    process: P,
}

/// A [`Loader`] without a memory limit: a stream is held in memory in full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unlimited;

/// A [`Loader`] with a memory limit: reading stops when the limit is reached. See
/// [`Loader::memory_limit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryLimit(u64);

/// The memory that a load may take: [`Unlimited`], or a [`MemoryLimit`].
pub trait Memory: sealed::Sealed {
    /// Returns the memory limit; `u64::MAX` is none.
    #[doc(hidden)]
    fn limit(&self) -> u64;
}

mod sealed {
    pub trait Sealed {}

    impl Sealed for super::Unlimited {}

    impl Sealed for super::MemoryLimit {}
}

impl Memory for Unlimited {
    fn limit(&self) -> u64 {
        u64::MAX
    }
}

impl Memory for MemoryLimit {
    fn limit(&self) -> u64 {
        self.0
    }
}

impl<'p> Loader<'p> {
    /// Creates a loader with the settings of [`Repo`](crate::Repo)'s own constructors: default
    /// limits, every block verified, current commits only, the form of paths checked.
    pub fn new() -> Self {
        Self::default()
    }
}

impl<'p, P: Process> Loader<'p, Unlimited, P> {
    /// Sets the memory limit of a load, in bytes. No limit by default.
    ///
    /// Reaching the limit is not an error: [`read`](Loader::read) returns [`Loaded::Suspended`],
    /// which can be resumed, spilled or dropped. The limit covers all heap memory of the load: the
    /// buffers that the stream is read into, including spare capacity, the index, and copies made
    /// while either grows. The first buffer of 64 KiB is always taken. The header is not counted:
    /// [`Limits::max_header_len`] bounds it.
    ///
    /// A walk over the loaded repository may take an eighth of the limit, at least 1 MiB.
    ///
    /// ```
    /// use carwalk::{Loaded, Loader};
    ///
    /// # let stream: &[u8] = include_bytes!("../../samples/repo.car");
    /// match Loader::new().memory_limit(16 << 20).read(stream)? {
    ///     Loaded::Complete(repo) => println!("{} records", repo.records().count()),
    ///     Loaded::Suspended(load) => println!("{} bytes read, more to come", load.bytes_read()),
    /// }
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn memory_limit(self, bytes: u64) -> Loader<'p, MemoryLimit, P> {
        let Loader { settings, commits, strict_paths, memory: Unlimited, process } = self;
        Loader { settings, commits, strict_paths, memory: MemoryLimit(bytes), process }
    }
}

impl<'p, M> Loader<'p, M> {
    /// Applies `function` to each record while loading and stores its result instead of the record.
    ///
    /// Blocks are verified first, unless verification is off. The function may also see blocks that
    /// are not records: any block that cannot be a tree node, except the commit. A record that
    /// begins like a node is stored as it is, and so is every record of a slice, a map or a store
    /// of the caller's: the function is applied to these each time a walk reaches them. [`Walker`]
    /// and [`Event`] do not apply it: [`Form`] says what the bytes of a block are.
    ///
    /// The function can fail: let `T` be a [`Result`].
    ///
    /// ```
    /// use carwalk::Loader;
    ///
    /// # let stream: &[u8] = include_bytes!("../../samples/repo.car");
    /// let repo = Loader::new().process(|record: &[u8]| record.len() as u64).read(stream)?;
    /// let mut total = 0;
    /// for record in repo.records() {
    ///     total += record?.into_value();
    /// }
    /// # assert!(total > 0);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    ///
    /// [`Walker`]: crate::mst::Walker
    /// [`Event`]: crate::mst::Event
    /// [`Form`]: crate::store::Form
    pub fn process<F: Fn(&[u8]) -> T, T: Value>(
        self,
        function: F,
    ) -> Loader<'p, M, Processed<F, T>> {
        let Loader { settings, commits, strict_paths, memory, process: Keep } = self;
        Loader { settings, commits, strict_paths, memory, process: Processed::new(function) }
    }
}

impl<'p, M: Memory, P: Process> Loader<'p, M, P> {
    /// Sets the limits on the input. Default: [`Limits::default`].
    pub fn limits(mut self, limits: Limits) -> Self {
        self.settings.limits = limits;
        self
    }

    /// Sets which blocks are verified. Default: [`Verification::EveryBlock`].
    pub fn verification(mut self, verification: Verification) -> Self {
        self.settings.trust = verification.trust();
        self
    }

    /// Opens damaged CARs: sections before the first malformed or truncated one are loaded. Off by
    /// default.
    ///
    /// [`CarStore::fault`] returns the error that ended the load. The commit must be among the
    /// loaded sections. Exceeded limits remain errors. Together with
    /// [`Verification::ReachedBlocks`] and a partial walk, everything that is intact in a damaged
    /// file can be read.
    ///
    /// ```
    /// # let whole: &[u8] = include_bytes!("../../samples/repo.car");
    /// use carwalk::mst::Event;
    /// use carwalk::store::CarStore;
    /// use carwalk::{Loader, Verification};
    ///
    /// let cut = &whole[..whole.len() / 2];
    /// assert!(Loader::new().slice(cut).is_err());
    /// let loader = Loader::new().verification(Verification::ReachedBlocks).salvage(true);
    /// let repo = loader.slice(cut)?;
    /// println!("{:?}", repo.store().fault());
    /// let mut walk = repo.walk().partial(true);
    /// while let Some(event) = walk.next_event()? {
    ///     if let Event::Record { entry, .. } = event {
    ///         println!("{}", entry.path()?);
    ///     }
    /// }
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    ///
    /// [`CarStore::fault`]: crate::store::CarStore::fault
    pub fn salvage(mut self, yes: bool) -> Self {
        self.settings.salvage = yes;
        self
    }

    /// Sets the number of threads that hash blocks, including the calling thread. 0 and 1 use the
    /// calling thread only. Default: 1.
    ///
    /// The result does not depend on the number of threads. Of several errors, the first in the CAR
    /// is returned. Threads work for slices, maps and streams under [`Verification::EveryBlock`].
    /// Blocks that are copied are hashed by the calling thread: those of a stream with a process
    /// function, and those of a spilled load.
    ///
    /// The calling thread hashes the first MiB alone, because starting a thread costs as much as
    /// hashing some 100 KiB. Further threads are started only while the others fall behind. Framing
    /// takes about as long as hashing on one core, so more than 2 or 3 threads are rarely of use;
    /// at most 64 are used. If the system has no thread to give, the load continues with those that
    /// run. All threads have ended when the load ends, is suspended, or panics.
    ///
    /// Takes 25 KiB and 1 KiB for each thread, which count against the memory limit; without room
    /// for that, the calling thread works alone. Stacks of 256 KiB each do not count. To load many
    /// CARs, load each on one thread.
    ///
    /// ```
    /// use carwalk::Loader;
    ///
    /// # let path = "samples/repo.car";
    /// let repo = Loader::new().threads(2).read(std::fs::File::open(path)?)?;
    /// println!("{} records", repo.records().count());
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn threads(mut self, n: usize) -> Self {
        self.settings.threads = n;
        self
    }

    /// Sets which commits are accepted. Default: [`CommitRules::Current`].
    pub fn commits(mut self, rules: CommitRules) -> Self {
        self.commits = rules;
        self
    }

    /// Makes the iterators over records and entries check the full syntax of repo paths, as
    /// [`RepoPath::check_syntax`](crate::RepoPath::check_syntax) does. Off by default.
    pub fn strict_paths(mut self, yes: bool) -> Self {
        self.strict_paths = yes;
        self
    }

    /// Calls a function with the number of bytes loaded so far, about every MiB and at the end.
    pub fn progress(mut self, tell: impl FnMut(u64) + Send + 'p) -> Self {
        self.settings.progress = Some(Box::new(tell));
        self
    }

    /// Splits the loader into the settings of a load and those of the repository.
    fn into_parts(self) -> (Settings<'p>, Opening<P>) {
        let Loader { settings, commits, strict_paths, memory, process } = self;
        let opening = Opening {
            trust: settings.trust,
            commits,
            strict_paths,
            walk_memory: Budget::new(memory.limit()).walk(),
            process,
        };
        (settings, opening)
    }
}

impl<M: fmt::Debug, P: fmt::Debug> fmt::Debug for Loader<'_, M, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loader")
            .field("settings", &self.settings)
            .field("commits", &self.commits)
            .field("strict_paths", &self.strict_paths)
            .field("memory", &self.memory)
            .field("process", &self.process)
            .finish()
    }
}
