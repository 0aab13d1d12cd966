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
use super::map::{MAPPED_LEN, map_file};
use super::settings::Settings;
use crate::compressed::{Decompressed, Format, is_compressed};
use crate::inputs::Input;
use crate::outcome::{Failure, Outcome, Skip};
use crate::report::Line;
use crate::stop::Stop;

/// Bytes at the beginning of a CAR in which its commit is looked for, to skip other accounts. The
/// same for mapped files and streams, so that the outcome does not depend on how a CAR is read.
const PEEKED_LEN: u64 = 1 << 20;

/// Bytes that recognize a header.
const HEAD_LEN: usize = 16;

/// A visitor, which reads each repository that a [`Worker`] opens.
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
///
/// If the settings select accounts, the commit is looked for in the first MiB, decompressed. If it
/// is there and of another account, the input is skipped, and what follows is not read. Otherwise
/// the whole input is loaded first. A stream needs up to 1 MiB more memory for that.
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
        if let Some(error) = input.problem()
            && !input.path().is_file()
        {
            return Err(Failure::of_io(error));
        }
        let file = File::open(input.path()).map_err(failed)?;
        // The length of the listing is enough for small files: that it still holds is seen while
        // reading.
        if let Some(len) = input.bytes().filter(|len| *len < MAPPED_LEN) {
            return self.read(&file, len, visit, line);
        }
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

    /// Reads a small file into the buffer. If it is of another account, only as far as its commit.
    fn read<V: Visit>(
        &mut self,
        file: &File,
        len: u64,
        visit: &mut V,
        line: &mut Line,
    ) -> Result<Outcome, Failure> {
        let Worker { settings, loader, scratch, buffer, gauge } = self;
        let mut begun = 0;
        if settings.selects() {
            buffer.clear();
            let tee = Tee { source: &mut &*file, kept: buffer };
            if is_skipped(settings, loader, tee, line)? {
                return Ok(Outcome::Skipped(Skip::NotSelected));
            }
            begun = buffer.len();
        }
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        let read = fill(buffer, begun, file, len).map_err(failed)?;
        gauge.count_to(read as u64);
        let bytes = buffer.get(..read).unwrap_or_default();
        let is_plain = Format::of(bytes).is_none();
        // A file that has grown has more bytes.
        if is_plain && (read as u64) < MAPPED_LEN && read as u64 <= settings.stream_len() {
            return load((settings, loader, scratch), Bytes::Buffer(bytes), visit, line);
        }
        stream(settings, loader, bytes.chain(file), visit, line)
    }

    /// Maps a file, or reads it as a stream if it cannot be mapped.
    #[allow(unsafe_code, reason = "a file can be mapped in no other way")]
    fn map<V: Visit>(
        &mut self,
        file: &File,
        visit: &mut V,
        line: &mut Line,
    ) -> Result<Outcome, Failure> {
        // SAFETY: the worker does not change the file. Others can, as `Settings::map` documents.
        let mapped = unsafe { map_file(file) }.map_err(failed)?;
        let Some(mapped) = mapped else { return self.stream(file, visit, line) };
        self.gauge.follow_load();
        let Worker { settings, loader, scratch, .. } = self;
        load((settings, loader, scratch), Bytes::Mapped(mapped), visit, line)
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

/// Reads a file that had `len` bytes into the buffer, whose first `begun` bytes were read before:
/// all of it, or as much as files have that are not mapped. Returns how much that is; the buffer
/// may be longer.
fn fill(buffer: &mut Vec<u8>, begun: usize, mut file: &File, len: usize) -> io::Result<usize> {
    // One byte more shows whether there is more.
    let room = len.saturating_add(1);
    if buffer.len() < room {
        buffer.try_reserve_exact(room.saturating_sub(buffer.len())).map_err(io::Error::other)?;
        buffer.resize(room, 0);
    }
    let read = loop {
        match file.read(buffer.get_mut(begun..room).unwrap_or_default()) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => break begun.saturating_add(read?),
        }
    };
    if read == len {
        return Ok(read);
    }
    // The file has changed since, or comes in pieces.
    buffer.truncate(read);
    let more = MAPPED_LEN.saturating_sub(read as u64);
    Ok(read.saturating_add(file.take(more).read_to_end(buffer)?))
}

/// Loads bytes that are in memory or mapped.
fn load<V: Visit>(
    (settings, loader, scratch): (&Settings, &Loader, &mut LoadScratch),
    bytes: Bytes<'_>,
    visit: &mut V,
    line: &mut Line,
) -> Result<Outcome, Failure> {
    if settings.selects() && is_skipped(settings, loader, bytes.as_ref(), line)? {
        return Ok(Outcome::Skipped(Skip::NotSelected));
    }
    let head = head(bytes.as_ref());
    let repo = loader.from_slice_in(scratch, bytes);
    visited(settings, repo, &head, visit, line)
}

/// Returns whether the first bytes have the commit of an account that is skipped.
fn is_skipped(
    settings: &Settings,
    loader: &Loader,
    source: impl Read,
    line: &mut Line,
) -> Result<bool, Failure> {
    match loader.peek_commit(source.take(PEEKED_LEN)) {
        Ok(commit) if settings.skips(commit.did()) => {
            line.identify(&commit);
            Ok(true)
        }
        // A source that failed may not fail again.
        Err(error) if matches!(error.kind(), ErrorKind::Io(_)) => Err(error.into()),
        _ => Ok(false),
    }
}

/// A source that keeps what is read.
struct Tee<'t, R> {
    source: &'t mut R,
    kept: &'t mut Vec<u8>,
}

impl<R: Read> Read for Tee<'_, R> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let len = self.source.read(room)?;
        self.kept.extend_from_slice(room.get(..len).unwrap_or_default());
        Ok(len)
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
    let refused = |error| Failure::from(carwalk::Error::from(error));
    let mut plain = plain.map_err(refused)?;
    let mut head = Vec::new();
    plain.by_ref().take(HEAD_LEN as u64).read_to_end(&mut head).map_err(refused)?;
    let mut start = head.clone();
    if settings.selects() {
        let tee = Tee { source: &mut plain, kept: &mut start };
        if is_skipped(settings, loader, head.as_slice().chain(tee), line)? {
            return Ok(Outcome::Skipped(Skip::NotSelected));
        }
    }
    visited(settings, loader.from_reader(start.as_slice().chain(plain)), &head, visit, line)
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
    bytes.iter().copied().take(HEAD_LEN).collect()
}

fn failed(error: io::Error) -> Failure {
    Failure::of_io(&error)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_is_read_to_its_end_also_if_its_length_has_changed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.car");
        let mut buffer = Vec::new();
        // What another file left in the buffer is not read.
        for bytes in [&[1; 9][..], &[2; 5], &[], &[3; 7]] {
            fs::write(&path, bytes).unwrap();
            for len in [bytes.len(), 0, 3, 20] {
                let file = File::open(&path).unwrap();
                let read = fill(&mut buffer, 0, &file, len).unwrap();
                assert_eq!(&buffer[..read], bytes, "{len}");
                // The same if the beginning was read before, also if that was all.
                for begun in [bytes.len().min(2), bytes.len()] {
                    let mut file = File::open(&path).unwrap();
                    buffer.clear();
                    file.by_ref().take(begun as u64).read_to_end(&mut buffer).unwrap();
                    let read = fill(&mut buffer, begun, &file, len).unwrap();
                    assert_eq!(&buffer[..read], bytes, "{len}, {begun}");
                }
            }
        }
    }

    #[test]
    fn of_a_file_that_has_grown_no_more_is_read_than_of_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.car");
        let file = File::create_new(&path).unwrap();
        file.set_len(MAPPED_LEN + 5).unwrap();
        let mut buffer = Vec::new();
        let read = fill(&mut buffer, 0, &File::open(&path).unwrap(), 10).unwrap();
        assert_eq!(read as u64, MAPPED_LEN);
    }
}
