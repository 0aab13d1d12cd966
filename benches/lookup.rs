//! Lookups of keys, one collection, the newest records and proofs, compared with the complete walk.
//!
//! `cargo bench --bench lookup [-- RECORDS ROUNDS]` maps an export of 1.2 million records (newest
//! revision first) and runs all rows in turn, for 5 rounds by default. It prints the median times
//! and the number of requested blocks.
#![allow(missing_docs, unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::print_stdout,
    clippy::cast_precision_loss
)]

mod common;

use std::cell::Cell;
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use carwalk::mst::Event;
use carwalk::store::{Block, BlockStore};
use carwalk::{Cid, KeyRange, Lookup, Repo, Result};
use carwalk_testkit::export::Order;
use common::{machine, median, walk};

/// Number of keys that are looked up in each round.
const LOOKUPS: usize = 20_000;

/// Number of records that are read from the end of a collection.
const NEWEST: usize = 50;

/// Counts the requested blocks.
struct Counting<'s, S> {
    store: &'s S,
    gets: Cell<u64>,
}

impl<S: BlockStore> BlockStore for Counting<'_, S> {
    type Bytes<'a>
        = S::Bytes<'a>
    where
        Self: 'a;

    fn get(&self, cid: &Cid) -> Result<Option<Block<Self::Bytes<'_>>>> {
        self.gets.set(self.gets.get() + 1);
        self.store.get(cid)
    }

    fn contains(&self, cid: &Cid) -> Result<bool> {
        self.store.contains(cid)
    }
}

struct Row<S: BlockStore> {
    name: &'static str,
    run: fn(&Repo<S>, &[Vec<u8>]) -> Result<usize>,
    /// Number of operations in each run.
    each: usize,
    times: Vec<Duration>,
}

fn main() {
    let mut args = std::env::args().skip(1).filter(|arg| !arg.starts_with("--"));
    let records = args.next().map_or(1_200_000, |arg| arg.parse().unwrap());
    let rounds = args.next().map_or(5, |arg| arg.parse().unwrap());
    let path = common::export(Order::Pds, records);
    let repo = open(&path);
    let keys: Vec<Vec<u8>> =
        repo.entries().map(|entry| entry.unwrap().path().as_str().into()).collect();
    println!("{}", machine());
    println!(
        "{} records, {} blocks, medians of {rounds} rounds",
        keys.len(),
        repo.stats().distinct_blocks
    );
    let keys = spread(&keys);
    count_reads(&repo, &keys);
    time(&repo, &keys, rounds);
}

#[track_caller]
fn open(path: &Path) -> Repo<impl carwalk::store::CarStore> {
    // SAFETY: no other program uses the file.
    unsafe { Repo::map(&std::fs::File::open(path).unwrap()) }.unwrap()
}

/// Returns [`LOOKUPS`] keys from all parts of the export, not in key order.
fn spread(keys: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let step = (keys.len() / 2) | 1;
    (0..LOOKUPS).map(|number| keys.get(number * step * 31 % keys.len()).unwrap().clone()).collect()
}

/// Prints how many blocks the lookup of a present or absent key requests, and checks the bound.
fn count_reads<S: BlockStore>(repo: &Repo<S>, keys: &[Vec<u8>]) {
    let counting = Counting { store: repo.store(), gets: Cell::new(0) };
    let counted = Repo::from_store(counting, repo.commit().cid()).unwrap();
    let mut nodes = repo.walk().nodes(true).start();
    // The root comes first.
    let Some(Event::Node { layer: height, .. }) = nodes.next_event().unwrap() else { return };
    let (mut most, mut all) = (0, 0);
    for key in keys.iter().flat_map(|key| [key.clone(), [key, &b"-"[..]].concat()]) {
        counted.store().gets.set(0);
        black_box(counted.tree().get_key(key).unwrap());
        most = most.max(counted.store().gets.get());
        all += counted.store().gets.get();
    }
    let bound = u64::from(height.get()) + 2;
    let mean = all as f64 / (2 * keys.len()) as f64;
    println!(
        "height {height}: a lookup requests at most {most} blocks (bound {bound}), {mean:.1} on average"
    );
    assert!(most <= bound);
}

fn time<S: BlockStore>(repo: &Repo<S>, keys: &[Vec<u8>], rounds: usize) {
    let row = |name, each, run| Row { name, run, each, times: Vec::new() };
    let mut rows: [Row<S>; 6] = [
        row("complete walk", 1, |repo, _| Ok(walk(repo)?.records)),
        row("lookup of a present key", keys.len(), present),
        row("lookup of an absent key", keys.len(), absent),
        row("one collection, records()", 1, |repo, _| {
            count(repo.records_in(KeyRange::collection("app.bsky.graph.follow").unwrap()))
        }),
        row("the newest posts, records().rev()", 1, |repo, _| {
            count(
                repo.records_in(KeyRange::collection("app.bsky.feed.post").unwrap())
                    .rev()
                    .take(NEWEST),
            )
        }),
        row("proof of a key", keys.len(), prove),
    ];
    for _ in 0..rounds {
        for row in &mut rows {
            let start = Instant::now();
            black_box((row.run)(repo, keys).unwrap());
            row.times.push(start.elapsed());
        }
    }
    for Row { name, run, each, times } in rows {
        let items = run(repo, keys).unwrap() / each;
        let seconds = median(times).as_secs_f64() / each as f64;
        let one = seconds * 1e9 / items as f64;
        println!("{name:<36} {:>12.1} us, {items:>8} items, {one:>9.0} ns each", seconds * 1e6);
    }
}

fn present<S: BlockStore>(repo: &Repo<S>, keys: &[Vec<u8>]) -> Result<usize> {
    let found = keys.iter().map(|key| {
        Ok(matches!(repo.tree().get_key(key)?, Lookup::Present { record: Some(_), .. }))
    });
    Ok(found.collect::<Result<Vec<_>>>()?.into_iter().filter(|&found| found).count())
}

fn absent<S: BlockStore>(repo: &Repo<S>, keys: &[Vec<u8>]) -> Result<usize> {
    let mut absent = 0;
    for key in keys {
        absent +=
            usize::from(matches!(repo.tree().get_key([key, &b"-"[..]].concat())?, Lookup::Absent));
    }
    Ok(absent)
}

fn prove<S: BlockStore>(repo: &Repo<S>, keys: &[Vec<u8>]) -> Result<usize> {
    for key in keys {
        black_box(repo.prove().range(KeyRange::key(key)).write(Vec::new())?);
    }
    Ok(keys.len())
}

fn count<T>(mut items: impl Iterator<Item = Result<T>>) -> Result<usize> {
    items.try_fold(0, |count, item| item.map(|_| count + 1))
}
