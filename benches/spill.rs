//! Verified loads of exports from a pipe, with and without a memory limit, in three block orders.
//!
//! `cargo bench --bench spill [-- RECORDS ROUNDS MIB]`: 1.2 million records, 3 rounds and a limit
//! of 16 MiB by default. Prints median times, their ratio to the load without a limit, the peak of
//! the heap, and the size of the spill file on disk.
#![allow(missing_docs)]
#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::print_stdout,
    clippy::cast_precision_loss
)]

mod common;

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use carwalk::store::SpillFile;
use carwalk::{Loaded, Loader, Repo, Result};
use carwalk_testkit::export::Order;
use common::{Tally, machine, median, walk};
use peak_alloc::PeakAlloc;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// The measurements of one run.
#[derive(Clone, Copy, Default)]
struct Run {
    tally: Tally,
    time: Duration,
    peak: usize,
    /// Bytes stored in the spill file.
    stored: u64,
    /// Bytes that the spill file takes on disk.
    on_disk: u64,
}

fn main() {
    let mut args = std::env::args().skip(1).filter(|arg| !arg.starts_with("--"));
    let records = args.next().map_or(1_200_000, |arg| arg.parse().unwrap());
    let rounds = args.next().map_or(3, |arg| arg.parse().unwrap());
    let limit = args.next().map_or(16, |arg| arg.parse().unwrap()) << 20;
    println!("{}", machine());
    for order in [Order::Pds, Order::Preorder, Order::Random] {
        let path = common::export(order, records);
        let (mut free, mut bound) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            free.push(run(&path, unlimited));
            bound.push(run(&path, |input| spilled(input, limit)));
        }
        report(order, &path, &free, &bound);
    }
}

fn run(path: &Path, work: impl FnOnce(io::PipeReader) -> Result<Run>) -> Run {
    let (reader, mut writer) = io::pipe().unwrap();
    let path = path.to_owned();
    let feeder =
        thread::spawn(move || io::copy(&mut File::open(path).unwrap(), &mut writer).unwrap());
    let before = HEAP.current_usage();
    HEAP.reset_peak_usage();
    let start = Instant::now();
    let run = work(reader).unwrap();
    let (time, peak) = (start.elapsed(), HEAP.peak_usage() - before);
    feeder.join().unwrap();
    Run { time, peak, ..run }
}

fn unlimited(input: impl Read) -> Result<Run> {
    let tally = walk(&Repo::from_reader(input)?)?;
    Ok(Run { tally, ..Run::default() })
}

fn spilled(input: impl Read, limit: u64) -> Result<Run> {
    match Loader::new().memory_limit(limit).from_reader(input)? {
        Loaded::Complete(repo) => Ok(Run { tally: walk(&repo)?, ..Run::default() }),
        Loaded::Suspended(load) => {
            let repo = load.spill(SpillFile::temporary())?;
            let stored = repo.store().bytes_stored();
            Ok(Run { tally: walk(&repo)?, stored, on_disk: on_disk(), ..Run::default() })
        }
    }
}

fn report(order: Order, path: &Path, free: &[Run], bound: &[Run]) {
    let bytes = fs::metadata(path).unwrap().len();
    let time = |runs: &[Run]| median(runs.iter().map(|run| run.time).collect()).as_secs_f64();
    let peak = |runs: &[Run]| runs.iter().map(|run| run.peak).max().unwrap_or(0);
    let last = bound.last().copied().unwrap_or_default();
    assert!(free.iter().chain(bound).all(|run| run.tally == last.tally));
    println!(
        "{order:?}: {bytes} bytes, {} records, medians of {} rounds",
        last.tally.records,
        bound.len()
    );
    println!("  without a limit  {:>7.3} s         heap {:>11} bytes", time(free), peak(free));
    println!(
        "  with a limit     {:>7.3} s  x{:<5.2}  heap {:>11} bytes, {} stored, {:.2} of the CAR on disk",
        time(bound),
        time(bound) / time(free),
        peak(bound),
        last.stored,
        last.on_disk as f64 / bytes as f64,
    );
}

/// Returns the size on disk of the largest unnamed file that this process has open. 0 on systems
/// without `/proc`.
fn on_disk() -> u64 {
    let open = fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    let unnamed = open.filter(|file| {
        let target = fs::read_link(file.path()).unwrap_or_default();
        target.to_string_lossy().ends_with("(deleted)")
    });
    unnamed.map(|file| blocks(&file.path()) * 512).max().unwrap_or(0)
}

#[cfg(unix)]
fn blocks(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |metadata| std::os::unix::fs::MetadataExt::blocks(&metadata))
}

#[cfg(not(unix))]
fn blocks(_: &Path) -> u64 {
    0
}
