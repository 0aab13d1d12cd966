//! Measures what scans cost, in CPU seconds of one thread, beside plain walks of the same inputs.
//!
//! ```sh
//! cargo run --release --example scan_cost -- ROUNDS INPUT...
//! ```
//!
//! Prints medians, and for each scan the ratio to its walk. The peak of anonymous memory is sampled
//! in a round of its own.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::print_stdout,
    reason = "numbers are small, and printing them is the purpose"
)]

use std::env;
use std::fs;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use carwalk::Repo;
use carwalk::store::CarStore;
use carwalk_arrow::Scan;
use carwalk_batch::columns::Columns;
use carwalk_batch::staging::{Encode, Encoding, Exporter, Selection};
use carwalk_batch::text::Format;
use carwalk_batch::{
    Delivery, Failure, History, Inputs, Line, Settings, Stop, Threads, Visit, Worker,
};
use rustix::time::{ClockId, clock_gettime};

type Error = Box<dyn std::error::Error>;

/// What is measured.
#[derive(Clone, Copy)]
enum Work {
    Walk { records: bool },
    Scan(Columns),
    JsonLines,
}

/// A walk without anything else.
struct Count {
    records: bool,
    rows: u64,
}

impl Visit for Count {
    fn visit<S: CarStore>(&mut self, repo: &Repo<S>, _line: &mut Line) -> Result<(), Failure> {
        let mut walk = repo.walk().records(self.records).start();
        while walk.next_event()?.is_some() {
            self.rows += 1;
        }
        Ok(())
    }
}

impl Work {
    /// Reads the inputs. Returns the number of rows.
    fn run(self, inputs: &Inputs) -> Result<u64, Error> {
        match self {
            Work::Walk { records } => {
                let mut worker = Worker::new(Settings::new(), Stop::new(), |_bytes| {});
                let mut count = Count { records, rows: 0 };
                for input in inputs.as_slice() {
                    worker.process(input, &mut count);
                }
                Ok(count.rows)
            }
            Work::Scan(columns) => {
                let scan = Scan::new(inputs.clone()).columns(columns).threads(NonZeroUsize::MIN);
                scan.batches().try_fold(0, |rows, batch| Ok(rows + batch?.num_rows() as u64))
            }
            Work::JsonLines => Ok(json_lines(inputs)),
        }
    }
}

/// Makes the rows as JSON Lines on one thread, as `carwalk export` does, and drops them.
fn json_lines(inputs: &Inputs) -> u64 {
    let (stop, history) = (Stop::new(), History::default());
    let selection = Selection::new(Columns::DEFAULT);
    let encoding = Encoding::new(Format::JsonLines, Columns::DEFAULT);
    let mut rows = 0;
    Threads::new(NonZeroUsize::MIN).stop(stop.clone()).run(
        inputs.as_slice(),
        || {
            let worker = Worker::new(Settings::new(), stop.clone(), |_bytes| {});
            Exporter::new(worker, encoding.rows(), &selection, &history, &stop)
        },
        |exporter, input, sender| exporter.export(input, sender),
        |delivery| {
            if let Delivery::Result { result, .. } = delivery {
                rows += result.records.unwrap_or_default();
            }
            ControlFlow::Continue(())
        },
    );
    rows
}

/// Returns the CPU seconds of all threads of this process.
fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Returns the resident bytes that no file is behind.
fn anonymous() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes << 10)
}

/// Returns the peak of anonymous memory during `work`, in MiB.
fn peak(work: impl FnOnce() -> Result<u64, Error>) -> Result<f64, Error> {
    let (peak, is_over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let sampler = {
        let (peak, is_over) = (Arc::clone(&peak), Arc::clone(&is_over));
        thread::spawn(move || {
            while !is_over.load(Ordering::Relaxed) {
                peak.fetch_max(anonymous().unwrap_or_default(), Ordering::Relaxed);
                thread::sleep(Duration::from_micros(500));
            }
        })
    };
    let done = work();
    is_over.store(true, Ordering::Relaxed);
    sampler.join().map_err(|_| "the sampler panicked")?;
    done?;
    Ok(peak.load(Ordering::Relaxed) as f64 / f64::from(1 << 20))
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or_default()
}

/// A name, what is measured, and the number of the work to compare with.
type Measured = (&'static str, Work, Option<usize>);

fn works() -> Result<Vec<Measured>, Error> {
    let of_entries: Columns = "did,rev,collection,rkey,cid,time".parse()?;
    Ok(vec![
        ("entries-only walk", Work::Walk { records: false }, None),
        ("scan without record columns", Work::Scan(of_entries), Some(0)),
        ("scan of collection", Work::Scan("collection".parse()?), Some(0)),
        ("scan without columns", Work::Scan(Columns::NONE), Some(0)),
        ("walk of all records", Work::Walk { records: true }, None),
        ("scan of all columns", Work::Scan(Columns::DEFAULT), Some(4)),
        ("scan with record_cbor too", Work::Scan(Columns::ALL), Some(4)),
        ("JSON Lines", Work::JsonLines, Some(4)),
    ])
}

/// Measures all works, round by round. Returns their medians.
fn measure(works: &[Measured], inputs: &Inputs, rounds: usize) -> Result<Vec<f64>, Error> {
    let mut seconds = vec![Vec::new(); works.len()];
    // The first round fills caches.
    for round in 0..=rounds {
        for ((_, work, _), seconds) in works.iter().zip(&mut seconds) {
            let start = cpu_seconds();
            work.run(inputs)?;
            if round > 0 {
                seconds.push(cpu_seconds() - start);
            }
        }
    }
    Ok(seconds.into_iter().map(median).collect())
}

fn main() -> Result<(), Error> {
    let mut args = env::args().skip(1);
    let rounds = args.next().ok_or("usage: scan_cost ROUNDS INPUT...")?.parse()?;
    let works = works()?;
    for path in args {
        let mut inputs = Inputs::new();
        inputs.add(Path::new(&path))?;
        println!("{path}: {} inputs, {} bytes", inputs.as_slice().len(), inputs.bytes());
        let medians = measure(&works, &inputs, rounds)?;
        for ((name, work, base), median) in works.iter().zip(&medians) {
            let rows = work.run(&inputs)?;
            let peak = peak(|| work.run(&inputs))?;
            let base = base.and_then(|base| medians.get(base));
            let ratio = base.map_or(String::new(), |base| format!("{:.2} times", median / base));
            println!("  {name:28} {median:7.3} s {ratio:>12} {rows:9} rows {peak:6.1} MiB");
        }
    }
    Ok(())
}
