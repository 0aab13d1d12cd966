//! The worker: a process that runs one reader on one file, and the report that it prints.

use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::medians::median;
use crate::readers::{Input, Mode, Reader, Work};
use crate::source::{self, Source};
use crate::tally::Tally;

/// Minimum total time of the repeated readings of a small file.
const REPEAT_FOR: Duration = Duration::from_millis(200);

/// Approximate time of one timed batch of readings.
const BATCH: Duration = Duration::from_millis(2);

/// A worker's report, which it prints as a line of JSON.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Report {
    /// Number of records, entries or blocks.
    pub items: u64,
    /// Total length of the records or blocks in bytes; 0 for entries.
    pub bytes: u64,
    /// Digest of a check over all keys and CIDs in their order: see [`Tally::digest`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Number of files: more than one if the path is a folder.
    #[serde(default = "one")]
    pub files: u64,
    /// Number of times that the file or the folder was read.
    pub iterations: u64,
    /// Time of one reading in seconds, from before the file is opened until everything is dropped.
    /// If the file was read repeatedly, the median over the batches.
    pub seconds: f64,
    /// User time of all threads of the process for one reading, in seconds.
    pub user_seconds: f64,
    /// System time of all threads of the process for one reading, in seconds.
    pub system_seconds: f64,
    /// Peak of the process's resident memory in bytes, including pages of mapped files.
    pub peak_rss: u64,
}

/// Runs a reader in this process, on a file or on all files in a folder.
///
/// # Errors
///
/// If the reader is a script or fails on a file, or if the system does not report the use of
/// processor and memory.
pub fn run(reader: &Reader, file: &Path, mode: Mode) -> Result<Report> {
    let Work::Rust(work) = reader.work else {
        return Err("a script does not run in this worker".into());
    };
    let files = source::files(file)?;
    let in_memory = match mode {
        Mode::Repeat => files.iter().map(fs::read).collect::<io::Result<_>>()?,
        Mode::Once | Mode::Check => Vec::new(),
    };
    let sources: Vec<_> = match (mode, reader.input) {
        (Mode::Repeat, _) => in_memory.iter().map(|bytes| Source::Memory(bytes)).collect(),
        (_, Input::Pipe) => vec![Source::Pipe],
        (_, Input::File) => files.iter().map(|file| Source::File(file)).collect(),
    };
    let mut work = work();
    let mut read = |mut tally: Tally| {
        sources.iter().try_for_each(|source| work(source, &mut tally)).map(|()| tally)
    };
    let tally = if mode == Mode::Check { Tally::checking() } else { Tally::default() };
    let (cpu, start) = (Cpu::now()?, Instant::now());
    let (tally, seconds, iterations) = match mode {
        Mode::Once | Mode::Check => (read(tally)?, start.elapsed().as_secs_f64(), 1),
        Mode::Repeat => repeat(|| read(Tally::default()))?,
    };
    let (user, system) = Cpu::now()?.since(&cpu);
    let (items, bytes, digest) = (tally.items, tally.bytes, tally.digest()?);
    let each = |total: f64| total / iterations as f64;
    let (user_seconds, system_seconds, peak_rss) = (each(user), each(system), peak_rss()?);
    let files = files.len() as u64;
    Ok(Report {
        items,
        bytes,
        digest,
        files,
        iterations,
        seconds,
        user_seconds,
        system_seconds,
        peak_rss,
    })
}

/// In records of single files, and in the reports of scripts.
fn one() -> u64 {
    1
}

/// Returns the last tally, the median time of one reading, and the number of readings.
fn repeat(mut read: impl FnMut() -> Result<Tally>) -> Result<(Tally, f64, u64)> {
    let start = Instant::now();
    let mut tally = read()?;
    let batch = (BATCH.as_nanos() / start.elapsed().as_nanos().max(1)).max(1) as u32;
    let (mut times, mut iterations) = (Vec::new(), 1);
    while start.elapsed() < REPEAT_FOR || times.len() < 5 {
        let start = Instant::now();
        for _ in 0..batch {
            tally = read()?;
        }
        times.push(start.elapsed().as_secs_f64() / f64::from(batch));
        iterations += u64::from(batch);
    }
    Ok((tally, median(times), iterations))
}

/// Processor time of all threads of this process, in seconds.
struct Cpu {
    user: f64,
    system: f64,
}

impl Cpu {
    fn now() -> Result<Self> {
        let usage = getrusage(UsageWho::RUSAGE_SELF)?;
        let seconds = |time: TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
        Ok(Self { user: seconds(usage.user_time()), system: seconds(usage.system_time()) })
    }

    fn since(&self, start: &Self) -> (f64, f64) {
        (self.user - start.user, self.system - start.system)
    }
}

/// Returns the peak of this process's resident memory. That of `getrusage` would include the memory
/// of the parent process before `exec`.
fn peak_rss() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .ok_or("no VmHWM in /proc/self/status")?;
    let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kibibytes << 10)
}
