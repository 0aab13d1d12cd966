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

mod bounded;
mod hashing;
mod memory;
#[cfg(feature = "mmap")]
mod mmap;
mod open;
mod peek;
mod pipeline;
mod settings;
mod shortcuts;
#[cfg(feature = "redb")]
mod spill;
mod suspended;

use core::fmt;
use core::ops::ControlFlow;
use std::sync::Arc;

pub use self::bounded::BoundedLoader;
pub use self::peek::peek_commit;
use self::settings::Settings;
pub use self::settings::Verification;
pub use self::suspended::{Loaded, Suspended};
use crate::budget::Budget;
use crate::cid::Cid;
use crate::commit::CommitRules;
use crate::limits::Limits;
use crate::process::{Keep, Processed, Value};
use crate::repo::Opening;

/// Configures and opens a repository.
///
/// Setters take the loader by value and can be called in any order, except
/// [`memory_limit`](Loader::memory_limit), which comes last. Openers (`from_..` and `map`) borrow
/// the loader: one loader opens any number of repositories, on any number of threads.
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
/// use carwalk::{BoundedLoader, Loader};
///
/// static LOADER: LazyLock<BoundedLoader> = LazyLock::new(|| Loader::new().memory_limit(8 << 20));
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
    fn default() -> Self {
        Loader::new()
    }
}

impl Loader {
    /// Creates a loader with the settings of [`Repo`](crate::Repo)'s own constructors: default
    /// limits, every block verified, current commits only, one thread.
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
    /// Blocks are verified first, unless verification is off. The function gets the block and
    /// nothing else: to tell posts from likes it has to look at `$type`. It may also see blocks
    /// that are not records: any block that cannot be a tree node, except the commit. A record whose
    /// first bytes could be those of a node is stored unchanged, as are all records of a slice, a map
    /// or a store of your own: for these, the function is called each time a walk reaches them.
    /// [`Walker`] and [`Event`] do not apply it: [`Form`] shows what the bytes of a block are.
    ///
    /// The function can fail: let `T` be a [`Result`]. To name the type of the repository, for
    /// example in a struct, pass a function pointer: `.process(row as fn(&[u8]) -> Row)` makes a
    /// `Repo<MemoryStore, Processed<fn(&[u8]) -> Row, Row>>`.
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
    /// [`Walker`]: crate::mst::Walker
    /// [`Event`]: crate::mst::Event
    /// [`Form`]: crate::store::Form
    pub fn process<F: Fn(&[u8]) -> T, T: Value>(self, function: F) -> Loader<Processed<F, T>> {
        let Loader { settings, commits, strict_paths, process: Keep } = self;
        Loader { settings, commits, strict_paths, process: Processed::new(function) }
    }
}

impl<P> Loader<P> {
    /// Sets the limits on the input. Default: [`Limits::new`].
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
    /// assert!(Loader::new().from_slice(cut).is_err());
    /// let loader = Loader::new().verification(Verification::ReachedBlocks).salvage(true);
    /// let repo = loader.from_slice(cut)?;
    /// assert!(repo.store().fault().is_some());
    /// let mut walk = repo.walk().partial(true).start();
    /// let mut intact = 0;
    /// while let Some(event) = walk.next_event()? {
    ///     if let Event::Record { .. } = event {
    ///         intact += 1;
    ///     }
    /// }
    /// assert_eq!(intact, 17);
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
    /// let repo = Loader::new().threads(2).from_path(path)?;
    /// assert_eq!(repo.records().try_count()?, 40);
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
    /// [`RepoPath::check_syntax`](crate::RepoPath::check_syntax) does. A path that fails ends the
    /// iterator with an error of kind `Path`. Off by default.
    pub fn strict_paths(mut self, yes: bool) -> Self {
        self.strict_paths = yes;
        self
    }

    /// Sets the commit to open, for CARs with several. Default: the first root of the CAR. A CID of
    /// the codec raw is an error of the opener, of kind `Argument`.
    ///
    /// [`store::commits`](crate::store::commits) lists the commits in a CAR.
    ///
    /// ```
    /// use carwalk::store::{SliceStore, commits};
    /// use carwalk::{CommitRules, Loader};
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// let store = SliceStore::new(bytes)?;
    /// for commit in commits(&store, CommitRules::Current) {
    ///     let repo = Loader::new().commit(commit?.cid()).from_slice(bytes)?;
    ///     assert_eq!(repo.commit().rev(), "3l4ozvcohu22l");
    /// }
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn commit(mut self, cid: Cid) -> Self {
        self.settings.commit = Some(cid);
        self
    }

    /// Sets a function that is called with the number of bytes loaded so far, about every MiB and
    /// at the end. If it returns `Break`, the load ends with an error of kind `Cancelled`. Not
    /// called by [`peek_commit`](Loader::peek_commit), `from_store` and `from_spill_file`.
    ///
    /// ```
    /// use std::ops::ControlFlow;
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicBool, Ordering};
    ///
    /// use carwalk::{ErrorClass, Loader};
    ///
    /// # let stream: &[u8] = include_bytes!("../../samples/repo.car");
    /// let stop = Arc::new(AtomicBool::new(true));
    /// let flag = Arc::clone(&stop);
    /// let loader = Loader::new().progress(move |_| match flag.load(Ordering::Relaxed) {
    ///     true => ControlFlow::Break(()),
    ///     false => ControlFlow::Continue(()),
    /// });
    /// let error = loader.from_reader(stream).unwrap_err();
    /// assert_eq!(error.class(), ErrorClass::Cancelled);
    /// stop.store(false, Ordering::Relaxed);
    /// assert!(loader.from_reader(stream).is_ok());
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn progress(
        mut self,
        function: impl Fn(u64) -> ControlFlow<()> + Send + Sync + 'static,
    ) -> Self {
        self.settings.progress = Some(Arc::new(function));
        self
    }

    /// Sets the memory limit of a load, in bytes. No limit by default.
    ///
    /// This is the last setter: a [`BoundedLoader`] has no setters, because a load that stops at
    /// its limit, or continues in a file, has other results.
    ///
    /// Reaching the limit is not an error: [`from_reader`](BoundedLoader::from_reader) returns
    /// [`Loaded::Suspended`], which can be resumed, spilled or dropped. The limit covers all heap
    /// memory of the load: the buffers that the stream is read into, including spare capacity, the
    /// index, and copies made while either grows. The first buffer of 64 KiB is always taken. The
    /// header is not counted: [`Limits::max_header_len`] bounds it.
    /// [`BoundedLoader::peak_memory`] is the bound on all memory.
    ///
    /// A walk over the loaded repository may take an eighth of the limit, at least 1 MiB.
    ///
    /// ```
    /// use carwalk::{Loaded, Loader};
    ///
    /// # let stream: &[u8] = include_bytes!("../../samples/repo.car");
    /// match Loader::new().memory_limit(16 << 20).from_reader(stream)? {
    ///     Loaded::Complete(repo) => assert_eq!(repo.records().try_count()?, 40),
    ///     Loaded::Suspended(load) => println!("{} bytes read, more to come", load.bytes_read()),
    /// }
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn memory_limit(self, bytes: u64) -> BoundedLoader<P> {
        BoundedLoader::new(self, bytes)
    }

    /// Returns what opening needs besides the store.
    fn opening(&self, memory_limit: u64) -> Opening<P>
    where
        P: Clone,
    {
        Opening {
            trust: self.settings.trust,
            commits: self.commits,
            strict_paths: self.strict_paths,
            walk_memory: Budget::new(memory_limit).walk(),
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
