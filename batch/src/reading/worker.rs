//! A worker: opens inputs one after the other, and keeps its memory between them.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;
use std::time::Instant;

use carwalk::store::CarStore;
use carwalk::{Commit, ErrorKind, LoadScratch, Loader, Repo};

use super::bytes::Bytes;
use super::gauge::{Gauge, Gauged};
use super::map;
use super::settings::Settings;
use crate::compressed::{Decompressed, Format, is_compressed};
use crate::inputs::Input;
use crate::outcome::{Failure, Outcome, Skip};
use crate::report::Line;
use crate::stop::Stop;

/// Length from which on files are mapped, in bytes. Mapping a small file takes longer than reading
/// it.
const MAPPED_LEN: u64 = 8 << 20;

/// What is done with each repository.
///
/// # Examples
///
/// Counts the records of each repository:
///
/// ```
/// use carwalk::Repo;
/// use carwalk::store::CarStore;
/// use carwalk_batch::{Failure, Input, Line, Outcome, Settings, Stop, Visit, Worker};
///
/// struct Count;
///
/// impl Visit for Count {
///     fn visit<S: CarStore>(&mut self, repo: &Repo<S>, line: &mut Line) -> Result<(), Failure> {
///         line.records = Some(repo.records().try_count()?);
///         Ok(())
///     }
/// }
///
/// let mut worker = Worker::new(Settings::new(), Stop::new(), |_bytes| {});
/// let line = worker.process(&Input::new("../samples/repo.car"), &mut Count);
/// assert_eq!((line.outcome, line.records), (Outcome::Done, Some(40)));
/// assert_eq!(line.did.as_deref(), Some("did:plc:ewvi7nxzyoun6zhxrhs64oiz"));
/// ```
pub trait Visit {
    /// Visits a repository whose blocks are verified. The tree is not walked yet.
    ///
    /// Sets the counts in `line`, as far as they are known, also before an error.
    ///
    /// # Errors
    ///
    /// The reason why the input fails.
    fn visit<S: CarStore>(&mut self, repo: &Repo<S>, line: &mut Line) -> Result<(), Failure>;
}

/// Opens inputs one after the other. Each thread has one.
///
/// Keeps a buffer of at most 8 MiB for files below 8 MiB, which are never mapped, and the memory of
/// loads and walks: a [`LoadScratch`]. Larger files are mapped. Compressed files, pipes, and files
/// that cannot be mapped are read as streams into memory.
pub struct Worker {
    settings: Settings,
    loader: Loader,
    scratch: LoadScratch,
    buffer: Vec<u8>,
    gauge: Arc<Gauge>,
}

impl Worker {
    /// Creates a worker. `meter` is called with the numbers of bytes that were read: for each input
    /// they add up to its length when it was listed.
    pub fn new(
        settings: Settings,
        stop: Stop,
        meter: impl Fn(u64) + Send + Sync + 'static,
    ) -> Self {
        let gauge = Arc::new(Gauge::new(stop, Arc::new(meter)));
        let follower = Arc::clone(&gauge);
        let loader = settings.loader().progress(move |position| follower.loaded(position));
        Worker { settings, loader, scratch: LoadScratch::new(), buffer: Vec::new(), gauge }
    }

    /// Opens an input and visits its repository. Returns the line for the report.
    ///
    /// Errors are outcomes: `visit` is called at most once, and not at all if the input cannot be
    /// opened or is of another account than the settings select.
    pub fn process<V: Visit>(&mut self, input: &Input, visit: &mut V) -> Line {
        let started = Instant::now();
        self.gauge.begin(input.bytes().unwrap_or(0));
        let mut line = Line::of(input);
        match self.open(input, visit, &mut line) {
            Ok(outcome) => line.outcome = outcome,
            Err(failure) => line.fail(failure),
        }
        self.gauge.finish();
        line.seconds = Some(started.elapsed().as_secs_f64());
        line
    }

    fn open<V: Visit>(
        &mut self,
        input: &Input,
        visit: &mut V,
        line: &mut Line,
    ) -> Result<Outcome, Failure> {
        if let Some(error) = input.problem() {
            return Err(Failure::of_io(error));
        }
        let file = File::open(input.path()).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        match metadata.len() {
            len if metadata.is_file() && len < MAPPED_LEN => self.read(&file, len, visit, line),
            _ if metadata.is_file() && self.settings.maps() => {
                if is_compressed(&file).map_err(failed)? {
                    return self.stream(&file, visit, line);
                }
                self.map(&file, visit, line)
            }
            _ => self.stream(&file, visit, line),
        }
    }

    /// Reads a small file into the buffer.
    fn read<V: Visit>(
        &mut self,
        file: &File,
        len: u64,
        visit: &mut V,
        line: &mut Line,
    ) -> Result<Outcome, Failure> {
        self.buffer.clear();
        // One byte more, so that the end is found without a longer buffer.
        let room = usize::try_from(len).unwrap_or(usize::MAX).saturating_add(1);
        self.buffer.try_reserve_exact(room).map_err(|error| failed(io::Error::other(error)))?;
        let read = file.take(MAPPED_LEN).read_to_end(&mut self.buffer).map_err(failed)?;
        self.gauge.count_to(read as u64);
        let is_plain = Format::of(&self.buffer).is_none();
        // A file that has grown has more bytes.
        if is_plain && (read as u64) < MAPPED_LEN && read as u64 <= self.settings.stream_len() {
            return self.load(None, visit, line);
        }
        let Worker { settings, loader, buffer, .. } = self;
        stream(settings, loader, buffer.chain(file), visit, line)
    }

    /// Maps a file.
    fn map<V: Visit>(
        &mut self,
        file: &File,
        visit: &mut V,
        line: &mut Line,
    ) -> Result<Outcome, Failure> {
        match map::bytes(file) {
            Ok(mapped) => {
                self.gauge.follow_load();
                self.load(Some(Bytes::Mapped(mapped)), visit, line)
            }
            Err(error) => match error.kind() {
                ErrorKind::Io(cause) if is_too_large(cause) => Err(error.into()),
                // Some file systems cannot map.
                _ => self.stream(file, visit, line),
            },
        }
    }

    /// Loads mapped bytes, or those in the buffer.
    fn load<V: Visit>(
        &mut self,
        mapped: Option<Bytes<'_>>,
        visit: &mut V,
        line: &mut Line,
    ) -> Result<Outcome, Failure> {
        let Worker { settings, loader, scratch, buffer, .. } = self;
        let bytes = mapped.unwrap_or(Bytes::Buffer(buffer));
        if settings.selects()
            && let Ok(commit) = loader.peek_commit(bytes.as_ref())
            && settings.skips(commit.did())
        {
            line.identify(&commit);
            return Ok(Outcome::Skipped(Skip::NotSelected));
        }
        let head = head(bytes.as_ref());
        let repo = loader.from_slice_in(scratch, bytes);
        visited(settings, repo, &head, visit, line)
    }

    /// Reads a stream into memory.
    fn stream<V: Visit>(
        &self,
        file: &File,
        visit: &mut V,
        line: &mut Line,
    ) -> Result<Outcome, Failure> {
        let source = Gauged::new(file, &self.gauge);
        stream(&self.settings, &self.loader, source, visit, line)
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// Decompresses a stream, and reads it into memory.
fn stream<V: Visit>(
    settings: &Settings,
    loader: &Loader,
    source: impl Read,
    visit: &mut V,
    line: &mut Line,
) -> Result<Outcome, Failure> {
    let plain = Decompressed::new(source, false);
    let plain = plain.map_err(|error| Failure::from(carwalk::Error::from(error)))?;
    let head = plain.head().to_vec();
    visited(settings, loader.from_reader(plain), &head, visit, line)
}

/// Visits an opened repository, unless it is of another account.
fn visited<S: CarStore, V: Visit>(
    settings: &Settings,
    repo: carwalk::Result<Repo<S>>,
    head: &[u8],
    visit: &mut V,
    line: &mut Line,
) -> Result<Outcome, Failure> {
    let repo = repo.map_err(|error| Failure::of(&error, head))?;
    let commit: &Commit<'_> = repo.commit();
    line.identify(commit);
    if settings.skips(commit.did()) {
        return Ok(Outcome::Skipped(Skip::NotSelected));
    }
    visit.visit(&repo, line)?;
    Ok(Outcome::Done)
}

/// Returns the first bytes of a CAR: enough to recognize a header.
fn head(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().copied().take(16).collect()
}

fn failed(error: io::Error) -> Failure {
    Failure::of_io(&error)
}

/// Returns whether a file could not be mapped because it exceeds the address space. Reading it
/// instead would take the same memory.
fn is_too_large(error: &io::Error) -> bool {
    // On 32-bit systems, memmap2's check of the length returns `InvalidData`.
    matches!(error.kind(), io::ErrorKind::OutOfMemory | io::ErrorKind::InvalidData)
}
