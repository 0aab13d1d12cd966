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
use crate::process::{Keep, Process, Processable, Reduce};
use crate::repo::Opening;

/// Opens repositories by other settings than [`Repo`]'s own constructors have.
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

/// Says of a [`Loader`] that it takes as much memory as the CAR does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unlimited;

/// Says of a [`Loader`] that it stops to read at a limit: see [`Loader::memory_limit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryLimit(u64);

/// How much memory is there: [`Unlimited`], or a [`MemoryLimit`].
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
    /// The settings that [`Repo`]'s constructors have: default limits, every block hashed, current
    /// commits only, paths checked for form.
    pub fn new() -> Self {
        Self::default()
    }
}

impl<'p, P: Process> Loader<'p, Unlimited, P> {
    /// Sets how much memory a load from a reader may take, in bytes.
    ///
    /// Reaching it is no error: [`read`](Loader::read) then gives what is loaded, with the reader,
    /// to go on with or to put aside. What counts is what the allocator gave, at any time: the
    /// buffers that the stream is read into, the index with all its slack, and copies while either
    /// grows. The first buffer of 64 KiB is taken in any case, and the header is not counted: it
    /// has a limit of its own.
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
    /// Sets what is kept of records: what `function` makes of each.
    ///
    /// A load from a reader then holds the values instead of the records, in memory and on disk.
    /// The function is called with each record once its hash is checked, unless none is, and with
    /// other blocks that no tree can have for a node; not with the block of the first root. A
    /// record that begins like a node is kept as it is until a walk reaches it, as are all records
    /// of slices, maps and stores of the caller's: these are given to the function each time.
    /// [`Walker`]s and [`Event`]s do not know of it: there [`Form`] tells what a block is.
    ///
    /// Errors are values too: let `T` be a [`Result`].
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
    pub fn process<F: Fn(&[u8]) -> T, T: Processable>(
        self,
        function: F,
    ) -> Loader<'p, M, Reduce<F, T>> {
        let Loader { settings, commits, strict_paths, memory, process: Keep } = self;
        Loader { settings, commits, strict_paths, memory, process: Reduce::new(function) }
    }
}

impl<'p, M: Memory, P: Process> Loader<'p, M, P> {
    /// Sets the limits.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.settings.limits = limits;
        self
    }

    /// Sets which blocks are hashed.
    pub fn verification(mut self, verification: Verification) -> Self {
        self.settings.verification = verification;
        self
    }

    /// Sets whether a CAR is opened whose framing is bad from some section on, or that ends too
    /// soon; it is not by default.
    ///
    /// Then the sections before are all there is, and [`CarStore::fault`] tells what is wrong with
    /// the rest; the commit must be among them. Limits that are exceeded are errors all the same.
    /// With [`Verification::ReachedBlocks`] and a partial walk, this saves what can be saved of a
    /// damaged file.
    ///
    /// ```
    /// # let whole: &[u8] = include_bytes!("../../samples/repo.car");
    /// use carwalk::mst::Event;
    /// use carwalk::store::CarStore;
    /// use carwalk::{Loader, Verification};
    ///
    /// let cut = &whole[..whole.len() / 2];
    /// assert!(Loader::new().slice(cut).is_err());
    /// let repo = Loader::new().verification(Verification::ReachedBlocks).salvage(true).slice(cut)?;
    /// println!("{:?}", repo.store().fault());
    /// let mut walk = repo.walk().partial(true);
    /// while let Some(event) = walk.next_event()? {
    ///     if let Event::Record { entry, .. } = event {
    ///         println!("{}", entry.path()?);
    ///     }
    /// }
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn salvage(mut self, yes: bool) -> Self {
        self.settings.salvage = yes;
        self
    }

    /// Sets how many threads a load may use, the caller's included; 0 and 1 are none but the
    /// caller's, as by default.
    ///
    /// The others hash blocks while this one reads and frames, and helps when it is ahead. Whatever
    /// the number, the same comes of a load, and of several faults the one that comes first in the
    /// CAR. It holds for slices, maps and streams under [`Verification::EveryBlock`]. Blocks are
    /// hashed on the caller's thread in any case where they are copied: with a process function and
    /// a stream, which must not see a record before it is hashed, and into a spill file.
    ///
    /// None is started for the first MiB, nor for a CAR of less: to start it would cost about what
    /// it saves, which grows from some 2 MiB on. More than one come only while those that there are
    /// fall behind. Framing takes about as long as hashing does on one core, so more than 2 or 3
    /// are rarely of use; more than 64 are taken for 64. A thread that the system does not give is
    /// done without. All have ended when the load ends or stops, be it by a panic of the reader's.
    ///
    /// Takes 25 KiB and 1 KiB for each thread, which a memory limit counts; if there is no room for
    /// that, the caller's thread does all. Stacks, of 256 KiB each, are not counted. The tool for
    /// many CARs is another: a thread for each.
    ///
    /// # Errors
    ///
    /// Those of the load are the same.
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

    /// Sets which commits are accepted.
    pub fn commits(mut self, rules: CommitRules) -> Self {
        self.commits = rules;
        self
    }

    /// Sets whether the iterators over records and entries demand the full syntax of repo paths:
    /// see [`RepoPath::check_syntax`](crate::RepoPath::check_syntax).
    pub fn strict_paths(mut self, yes: bool) -> Self {
        self.strict_paths = yes;
        self
    }

    /// Sets a function that is told the bytes loaded so far, about every MiB and at the end.
    pub fn progress(mut self, tell: impl FnMut(u64) + Send + 'p) -> Self {
        self.settings.progress = Some(Box::new(tell));
        self
    }

    /// Splits the loader into the settings of a load and those of the repository.
    fn into_parts(self) -> (Settings<'p>, Opening<P>) {
        let Loader { settings, commits, strict_paths, memory, process } = self;
        let opening = Opening {
            trust: settings.verification.trust(),
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
