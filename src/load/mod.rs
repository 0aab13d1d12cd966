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
//! A load that reaches its memory limit becomes a [`Suspended`].

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
    /// Returns [`Loader::new`].
    fn default() -> Self {
        Loader::new()
    }
}

impl Loader {
    /// Creates a loader with the settings of the constructors of [`Repo`](crate::Repo): default
    /// limits, every block verified, current commits only, one thread, no memory limit.
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
    /// - Blocks are verified before the function sees them, unless verification is off. It is
    ///   called by the calling thread.
    /// - The argument is the block only. To tell posts from likes, look at its `$type`.
    /// - The function may also see blocks that are not records: any block that cannot be a tree
    ///   node, except the commit.
    /// - A record that begins like a node is stored unchanged; the function is called each time a
    ///   walk reaches it.
    /// - If the function can fail, let `T` be a [`Result`]. A value that cannot be encoded ends the
    ///   load with an error of kind `Encode`.
    /// - [`Walker`] and [`Event`] do not apply the function: [`Form`] shows what their bytes are.
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
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::{ErrorClass, Limits, Loader};
    ///
    /// # let stream: &[u8] = include_bytes!("../../samples/repo.car");
    /// let loader = Loader::new().limits(Limits::new().max_stream_len(12_640));
    /// let error = loader.from_reader(stream).unwrap_err();
    /// assert_eq!(error.class(), ErrorClass::Limit);
    /// // The last section begins before the limit and ends after it.
    /// assert_eq!(error.position().offset(), Some(12_475));
    /// ```
    pub fn limits(mut self, limits: Limits) -> Self {
        self.settings.limits = limits;
        self
    }

    /// Sets which blocks are verified. Default: [`Verification::EveryBlock`].
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::{Loader, Verification};
    ///
    /// # let mut damaged = include_bytes!("../../samples/repo.car").to_vec();
    /// // The last block, a record, has a wrong byte.
    /// *damaged.last_mut().unwrap() ^= 1;
    /// let error = Loader::new().from_slice(&damaged).unwrap_err();
    /// assert_eq!(error.position().offset(), Some(12_475));
    ///
    /// let loader = Loader::new().verification(Verification::ReachedBlocks);
    /// let repo = loader.from_slice(&damaged)?;
    /// // No record is reached by a walk over the entries.
    /// assert_eq!(repo.entries().try_count()?, 40);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn verification(mut self, verification: Verification) -> Self {
        self.settings.trust = verification.trust();
        self
    }

    /// Opens damaged CARs: sections before the first malformed or truncated one are loaded. Off by
    /// default.
    ///
    /// [`CarStore::fault`] returns the error that ended the load. The commit must be among the
    /// loaded sections; otherwise that error is returned. Exceeded limits and failures of the
    /// stream remain errors, and nothing salvaged is written to a kept spill file. To read all that
    /// is intact in a damaged file, add [`Verification::ReachedBlocks`] and walk with
    /// [`Walk::partial`](crate::mst::Walk::partial).
    ///
    /// # Examples
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
    /// is returned. To load many CARs, load each on one thread of your own instead.
    ///
    /// Threads are used under [`Verification::EveryBlock`] for blocks that stay in place: those of
    /// slices, mapped files and streams in memory. The calling thread hashes the first MiB, and the
    /// blocks of spilled loads and of streams with a process function.
    ///
    /// At most 64 threads are used; more than 2 or 3 rarely help, because framing is not shared.
    /// Each is started only when the running ones fall behind. If the system refuses a thread, the
    /// load continues without it. No thread outlives the load, its suspension or its panic.
    ///
    /// The threads take 25 KiB together and 1 KiB each, which count against the memory limit.
    /// Without room for that, the calling thread works alone. Stacks of 256 KiB each do not count.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::Loader;
    ///
    /// # let mut damaged = include_bytes!("../../samples/repo.car").to_vec();
    /// # (0..200).for_each(|_| damaged.extend_from_within(59..12_641));
    /// # damaged[1_259_000] ^= 1;
    /// # *damaged.last_mut().unwrap() ^= 1;
    /// // Two blocks of this CAR are damaged, both behind the first MiB.
    /// for n in [1, 2, 8] {
    ///     let error = Loader::new().threads(n).from_slice(&damaged).unwrap_err();
    ///     assert_eq!(error.position().offset(), Some(1_258_882));
    /// }
    /// ```
    pub fn threads(mut self, n: usize) -> Self {
        self.settings.threads = n;
        self
    }

    /// Sets which commits are accepted. Default: [`CommitRules::Current`].
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::{CommitRules, Loader};
    ///
    /// # use carwalk::car::Writer;
    /// # use carwalk::cid::{Cid, Codec};
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// # let mut block = carwalk::Repo::from_slice(bytes)?.commit().bytes().to_vec();
    /// # let prev = block.windows(6).position(|pair| pair == b"\x64prev\xf6").unwrap();
    /// # block.drain(prev..prev + 6);
    /// # block[0] = 0xa5;
    /// # let cid = Cid::of(Codec::DagCbor, &block);
    /// # let mut car = Writer::new(Vec::new(), &[cid])?;
    /// # car.write(cid, &block)?;
    /// # let car = car.finish()?;
    /// // The commit in `car` is of version 3 and has no field `prev`.
    /// let error = Loader::new().from_slice(&car).unwrap_err();
    /// assert!(error.to_string().contains("legacy commit"));
    /// let repo = Loader::new().commits(CommitRules::Legacy).from_slice(&car)?;
    /// assert_eq!(repo.commit().rev(), "3l4ozvcohu22l");
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn commits(mut self, rules: CommitRules) -> Self {
        self.commits = rules;
        self
    }

    /// Checks the full [syntax](crate::RepoPath::check_syntax) of repo paths in the iterators over
    /// records, entries and collections. Off by default.
    ///
    /// Without this, a path has two parts of record-key characters around a slash. With it, the
    /// first part is an NSID and the second a valid record key. The first other path ends the
    /// iterator with an error of kind `Path`.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::{ErrorKind, Loader};
    ///
    /// # use carwalk::car::Writer;
    /// # use carwalk::cid::{Cid, Codec};
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// # let sample = carwalk::Repo::from_slice(bytes)?;
    /// # let of = |block: &[u8]| Cid::of(Codec::DagCbor, block);
    /// # let record = of(b"\xa0");
    /// # let entry = b"\xa2\x61e\x81\xa4\x61k\x47notes/1\x61p\x00\x61t\xf6\x61v";
    /// # let link = [b"\xd8\x2a\x58\x25\x00", &record.as_bytes()[..]].concat();
    /// # let node = [&entry[..], &link, b"\x61l\xf6"].concat();
    /// # let mut block = sample.commit().bytes().to_vec();
    /// # let data = sample.commit().data();
    /// # let at = block.windows(36).position(|cid| cid == data.as_bytes()).unwrap();
    /// # block[at..at + 36].copy_from_slice(of(&node).as_bytes());
    /// # let mut car = Writer::new(Vec::new(), &[of(&block)])?;
    /// # car.write(of(&block), &block)?;
    /// # car.write(of(&node), &node)?;
    /// # car.write(record, b"\xa0")?;
    /// # let car = car.finish()?;
    /// // The one record of this repository is `notes/1`, and `notes` is not an NSID.
    /// assert_eq!(Loader::new().from_slice(&car)?.records().try_count()?, 1);
    /// let strict = Loader::new().strict_paths(true).from_slice(&car)?;
    /// let error = strict.records().try_count().unwrap_err();
    /// assert!(matches!(error.kind(), ErrorKind::Path(_)));
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn strict_paths(mut self, yes: bool) -> Self {
        self.strict_paths = yes;
        self
    }

    /// Sets the commit to open, for CARs with several. Default: the first root of the CAR.
    ///
    /// [`store::commits`](crate::store::commits) lists the commits in a CAR. With a CID of codec
    /// raw, openers fail with an error of kind `Argument`.
    ///
    /// # Examples
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
    /// at the end. If it returns `Break`, the load ends with an error of kind `Cancelled`.
    ///
    /// The calling thread calls it. [`peek_commit`](Loader::peek_commit), `from_store` and
    /// `from_spill_file` do not.
    ///
    /// # Examples
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
    /// This is the last setter: it returns a [`BoundedLoader`], whose openers have other results.
    /// Reaching the limit is not an error: [`from_reader`](BoundedLoader::from_reader) returns
    /// [`Loaded::Suspended`], which can be resumed, spilled or dropped.
    ///
    /// The limit covers all heap memory of the load: the buffers that the stream is read into,
    /// including spare capacity, the index, and copies made while either grows. The first buffer of
    /// 64 KiB is always taken. The header is not counted: [`Limits::max_header_len`] bounds it.
    /// [`BoundedLoader::peak_memory`] is the bound on all memory.
    ///
    /// A walk over the loaded repository has a limit of its own: an eighth of this one, but at
    /// least 1 MiB. See [`Walk::memory_limit`](crate::mst::Walk::memory_limit).
    ///
    /// # Examples
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
