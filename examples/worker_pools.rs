//! Loads many CARs at once within bounded memory: `cargo run --example worker_pools --
//! [--memory-limit BYTES] [CAR]..`.
//!
//! Memory workers load CARs, each up to the limit. A load that reaches the limit is suspended and
//! queued. The disk worker takes loads from the queue and spills them, one after the other, into a
//! temporary file that it reuses. With a small limit, such as `--memory-limit 10000`, even the
//! sample is spilled.
//!
//! Threads and channels are those of `std`. A channel is closed when its last sender is dropped. A
//! worker ends when its channel is closed.

use std::error::Error;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use std::thread;

use carwalk::store::{BlockStore, SpillFile};
use carwalk::{Loaded, Loader, Repo, Suspended};

/// Number of memory workers. Each holds one load.
const MEMORY_WORKERS: usize = 2;

/// Maximum number of queued loads. Each holds its memory while it waits.
const QUEUE: usize = 4;

/// Maximum number of bytes stored for one load.
const MAX_STORED: u64 = 64 << 30;

/// A suspended load in the queue.
struct Job {
    path: PathBuf,
    load: Suspended<File>,
}

/// The outcome for one CAR.
struct Outcome {
    path: PathBuf,
    place: &'static str,
    result: carwalk::Result<Summary>,
}

struct Summary {
    did: String,
    records: u64,
    bytes: u64,
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let (memory_limit, paths) = arguments()?;
    let paths = Mutex::new(paths.into_iter());
    let (queue, jobs) = mpsc::sync_channel(QUEUE);
    let (outcomes, results) = mpsc::channel();
    let all_good = thread::scope(|scope| {
        for _ in 0..MEMORY_WORKERS {
            let (queue, outcomes) = (queue.clone(), outcomes.clone());
            scope.spawn(|| load_all(&paths, memory_limit, queue, outcomes));
        }
        scope.spawn(|| spill_all(jobs, outcomes));
        // Otherwise the queue would never be closed, and the disk worker would not end.
        drop(queue);
        print_all(results)
    })?;
    Ok(if all_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn arguments() -> Result<(u64, Vec<PathBuf>), Box<dyn Error>> {
    let (mut memory_limit, mut paths) = (16 << 20, Vec::new());
    let mut arguments = std::env::args_os().skip(1);
    while let Some(argument) = arguments.next() {
        if argument == "--memory-limit" {
            let bytes = arguments.next().and_then(|value| value.to_str()?.parse().ok());
            memory_limit = bytes.ok_or("--memory-limit takes a number of bytes")?;
        } else {
            paths.push(argument.into());
        }
    }
    if paths.is_empty() {
        paths.push("samples/repo.car".into());
    }
    Ok((memory_limit, paths))
}

/// The work of a memory worker: loads CARs until no path is left.
fn load_all(
    paths: &Mutex<impl Iterator<Item = PathBuf>>,
    memory_limit: u64,
    queue: SyncSender<Job>,
    outcomes: Sender<Outcome>,
) {
    while let Some(path) = next_path(paths) {
        let result = match load(&path, memory_limit) {
            Ok(Loaded::Complete(repo)) => summarize(&repo),
            Ok(Loaded::Suspended(load)) => {
                // Waits while the queue is full, which bounds the memory of all loads together.
                if queue.send(Job { path, load }).is_err() {
                    return;
                }
                continue;
            }
            Err(error) => Err(error),
        };
        if outcomes.send(Outcome { path, place: "in memory", result }).is_err() {
            return;
        }
    }
}

/// Takes the next path. The lock is released before the file is read.
fn next_path(paths: &Mutex<impl Iterator<Item = PathBuf>>) -> Option<PathBuf> {
    paths.lock().ok()?.next()
}

fn load(path: &Path, memory_limit: u64) -> carwalk::Result<Loaded<File>> {
    Loader::new().memory_limit(memory_limit).from_path(path)
}

/// The work of the disk worker: spills queued loads, one after the other.
fn spill_all(jobs: Receiver<Job>, outcomes: Sender<Outcome>) {
    let mut spare = None;
    for Job { path, load } in jobs {
        let result = spill(load, &mut spare);
        if outcomes.send(Outcome { path, place: "on disk", result }).is_err() {
            return;
        }
    }
}

/// Spills a load and walks the repository. Afterwards the file is in `spare`, unless it failed.
fn spill(load: Suspended<File>, spare: &mut Option<SpillFile>) -> carwalk::Result<Summary> {
    // A reset file keeps its settings.
    let file = spare.take().unwrap_or_else(|| SpillFile::temporary().max_stored(MAX_STORED));
    let repo = load.spill(file)?;
    let summary = summarize(&repo);
    *spare = repo.into_store().reset().ok();
    summary
}

/// Counts the records of a repository in any store.
fn summarize<S: BlockStore>(repo: &Repo<S>) -> carwalk::Result<Summary> {
    let mut summary = Summary { did: repo.commit().did().to_owned(), records: 0, bytes: 0 };
    for record in repo.records() {
        let len = record?.bytes().len() as u64;
        summary.records = summary.records.saturating_add(1);
        summary.bytes = summary.bytes.saturating_add(len);
    }
    Ok(summary)
}

/// Prints each outcome as it arrives. Returns whether all were good.
fn print_all(results: Receiver<Outcome>) -> io::Result<bool> {
    let mut all_good = true;
    for Outcome { path, place, result } in results {
        match result {
            Ok(Summary { did, records, bytes }) => {
                writeln!(io::stdout(), "{did}\t{records} records\t{bytes} bytes\t{place}")?;
            }
            Err(error) => {
                all_good = false;
                writeln!(io::stderr(), "{}: {}", path.display(), chain(&error))?;
            }
        }
    }
    Ok(all_good)
}

/// Formats an error with its sources.
fn chain(error: &dyn Error) -> String {
    let sources = std::iter::successors(error.source(), |&error| error.source());
    sources.fold(error.to_string(), |text, source| format!("{text}: {source}"))
}
