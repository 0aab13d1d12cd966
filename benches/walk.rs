//! Opening, verifying and walking a whole export, compared with hashing its blocks alone.
//!
//! `cargo bench --bench walk [-- RECORDS ROUNDS]` writes an export of 1.2 million records (some 410
//! MB, newest revision first) below `benches/data` if it is missing. All rows run in turn, so that
//! changes in the machine's speed affect all of them. Prints median times, their ratio to the
//! hashing, and the peak of the heap.
#![allow(missing_docs, unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::print_stdout,
    clippy::cast_precision_loss
)]

mod common;

use std::fs::{self, File};
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use carwalk::{Repo, Result};
use carwalk_testkit::export::Order;
use common::{Tally, machine, median, walk};
use peak_alloc::PeakAlloc;
use sha2::{Digest, Sha256};

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

struct Row {
    name: &'static str,
    run: fn(&Path) -> Result<Tally>,
    times: Vec<Duration>,
    peak: usize,
}

fn main() {
    let mut args = std::env::args().skip(1).filter(|arg| !arg.starts_with("--"));
    let records = args.next().map_or(1_200_000, |arg| arg.parse().unwrap());
    let rounds = args.next().map_or(5, |arg| arg.parse().unwrap());
    let path = common::export(Order::Pds, records);
    let bytes = fs::read(&path).unwrap();
    let blocks = blocks(&bytes);
    let mut hashing = Vec::new();
    let mut rows = [
        Row { name: "mapped: open, verify, walk", run: mapped, times: Vec::new(), peak: 0 },
        Row {
            name: "mapped: open, verify, records()",
            run: mapped_records,
            times: Vec::new(),
            peak: 0,
        },
        Row { name: "reader: open, verify, walk", run: reader, times: Vec::new(), peak: 0 },
    ];
    let mut tally = None;
    for _ in 0..rounds {
        let start = Instant::now();
        for block in &blocks {
            black_box(Sha256::digest(block));
        }
        hashing.push(start.elapsed());
        for row in &mut rows {
            let before = HEAP.current_usage();
            HEAP.reset_peak_usage();
            let start = Instant::now();
            let found = (row.run)(&path).unwrap();
            row.times.push(start.elapsed());
            row.peak = row.peak.max(HEAP.peak_usage() - before);
            assert_eq!(*tally.get_or_insert(found), found);
        }
    }
    report(&bytes, blocks.len(), tally.unwrap_or_default(), hashing, rows);
}

fn report(bytes: &[u8], blocks: usize, tally: Tally, hashing: Vec<Duration>, rows: [Row; 3]) {
    let rounds = hashing.len();
    println!("{}", machine());
    println!(
        "{} bytes, {blocks} blocks, {} records, medians of {rounds} rounds",
        bytes.len(),
        tally.records
    );
    let floor = median(hashing);
    let print = |name: &str, time: Duration, heap: &str| {
        let (seconds, ratio) = (time.as_secs_f64(), time.as_secs_f64() / floor.as_secs_f64());
        let speed = bytes.len() as f64 / seconds / 1e6;
        println!("{name:<34} {seconds:>7.3} s  x{ratio:<5.2} {speed:>6.0} MB/s {heap}");
    };
    print("hashing alone, bytes in RAM", floor, "");
    for Row { name, times, peak, .. } in rows {
        let above = if name.starts_with("reader") { peak as f64 / bytes.len() as f64 } else { 0.0 };
        let each = peak as f64 / blocks as f64;
        print(
            name,
            median(times),
            &format!("heap {peak} bytes = {each:.1} per block, {above:.3} of the file"),
        );
    }
}

fn mapped(path: &Path) -> Result<Tally> {
    // SAFETY: no other program uses the file.
    walk(&unsafe { Repo::map(&std::fs::File::open(path)?) }?)
}

fn mapped_records(path: &Path) -> Result<Tally> {
    // SAFETY: no other program uses the file.
    let repo = unsafe { Repo::map(&std::fs::File::open(path)?) }?;
    let mut tally = Tally::default();
    for record in repo.records() {
        tally.records += 1;
        tally.bytes += record?.bytes().len();
    }
    Ok(tally)
}

fn reader(path: &Path) -> Result<Tally> {
    walk(&Repo::from_reader(File::open(path)?)?)
}

/// Returns the blocks of a CAR, so that finding them is not part of the measured time.
fn blocks(bytes: &[u8]) -> Vec<&[u8]> {
    carwalk::car::SliceReader::new(bytes).unwrap().map(|section| section.unwrap().block()).collect()
}
