//! The process that one reader is alone in, and what it tells of itself.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::medians::median;
use crate::readers::{Input, Mode, Reader, Work};
use crate::source::Source;
use crate::tally::Tally;

/// For how long a small file is read again and again, at least.
const REPEAT_FOR: Duration = Duration::from_millis(200);

/// How long one clocked batch of readings takes, about.
const BATCH: Duration = Duration::from_millis(2);

/// What a worker tells, the line that it writes.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Report {
    /// Records, entries or blocks.
    pub items: u64,
    /// The sum of the lengths of the records or blocks; 0 for entries.
    pub bytes: u64,
    /// Over all keys and CIDs in order, if this was a check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// How often the file was read.
    pub iterations: u64,
    /// From before the file is opened until all is dropped; the median of batches if the file was
    /// read often.
    pub seconds: f64,
    /// What all threads of the process used for one reading.
    pub user_seconds: f64,
    /// What the system did for it meanwhile.
    pub system_seconds: f64,
    /// The most memory that the process had resident since it began, mapped files included.
    pub peak_rss: u64,
}

/// Runs a reader that is Rust, in this process.
///
/// # Errors
///
/// Whatever the reader says is wrong with the file, or what the system does not tell.
pub fn run(reader: &Reader, file: &Path, mode: Mode) -> Result<Report> {
    let Work::Rust(work) = reader.work else {
        return Err("a script has a worker of its own".into());
    };
    let read = |source: &Source<'_>, mut tally: Tally| work(source, &mut tally).map(|()| tally);
    let source = if reader.input == Input::Pipe { Source::Pipe } else { Source::File(file) };
    let in_memory = if mode == Mode::Repeat { fs::read(file)? } else { Vec::new() };
    let tally = if mode == Mode::Check { Tally::checking() } else { Tally::default() };
    let (cpu, start) = (Cpu::now()?, Instant::now());
    let (tally, seconds, iterations) = match mode {
        Mode::Once | Mode::Check => (read(&source, tally)?, start.elapsed().as_secs_f64(), 1),
        Mode::Repeat => repeat(|| read(&Source::Memory(&in_memory), Tally::default()))?,
    };
    let (user, system) = Cpu::now()?.since(&cpu);
    let (items, bytes, digest) = (tally.items, tally.bytes, tally.digest()?);
    let each = |total: f64| total / iterations as f64;
    let (user_seconds, system_seconds, peak_rss) = (each(user), each(system), peak_rss()?);
    Ok(Report { items, bytes, digest, iterations, seconds, user_seconds, system_seconds, peak_rss })
}

/// The last tally, the median time of one reading, and how many there were.
fn repeat(read: impl Fn() -> Result<Tally>) -> Result<(Tally, f64, u64)> {
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

/// What all threads of this process have used of the processors, in seconds.
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

/// Of this program alone: what `getrusage` tells began with the process that started it.
fn peak_rss() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .ok_or("no VmHWM in /proc/self/status")?;
    let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kibibytes << 10)
}
