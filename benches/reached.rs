//! Hashing blocks when a walk reaches them, compared with hashing all of them while loading.
//!
//! `cargo bench --bench reached [-- RECORDS ROUNDS]` writes an export of 1.2 million records (some
//! 410 MB, blocks in random order) below `benches/data` if it is missing. All rows run in turn, so
//! that changes in the machine's speed affect all of them. Prints two ratios, each the median over
//! the rounds:
//!
//! - the time to load and walk with `ReachedBlocks`, divided by the same with `EveryBlock`;
//! - the time of a hashing walk over a `HashMap<Cid, Vec<u8>>`, divided by the sum of the same walk
//!   with `DangerouslyNone` and of hashing these blocks as a load does.
//!
//! The library hashes blocks in batches only while it loads or walks. The time of hashing alone is
//! therefore the time of a load that hashes minus the time of one that does not. Both load a CAR in
//! walk order, so that the order of the blocks does not slow them down.
//!
//! `RUSTFLAGS='--cfg sha2_backend="soft"'` simulates a CPU without instructions for SHA-256.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::print_stdout,
    clippy::cast_precision_loss
)]

mod common;

use std::collections::HashMap;
use std::fs;
use std::time::{Duration, Instant};

use carwalk::car::SliceReader;
use carwalk::store::{Block, BlockStore};
use carwalk::{Cid, Loader, Repo, Result, Verification};
use carwalk_testkit::export::Order;
use common::{Tally, machine, median, walk};

/// The simplest store that a user would write.
struct Map(HashMap<Cid, Vec<u8>>);

impl BlockStore for Map {
    type Bytes<'a> = &'a [u8];

    fn get(&self, cid: &Cid) -> Result<Option<Block<&[u8]>>> {
        Ok(self.0.get(cid).map(|block| Block::new(&block[..])))
    }

    fn contains(&self, cid: &Cid) -> Result<bool> {
        Ok(self.0.contains_key(cid))
    }
}

struct Row {
    name: &'static str,
    times: Vec<Duration>,
}

/// The names of the rows, in the order of a round.
const ROWS: [&str; 7] = [
    "load and walk, EveryBlock",
    "load and walk, ReachedBlocks",
    "load and walk, DangerouslyNone",
    "map: walk, hashed when reached",
    "map: walk, DangerouslyNone",
    "load in walk order, EveryBlock",
    "load in walk order, DangerouslyNone",
];

fn main() {
    let mut args = std::env::args().skip(1).filter(|arg| !arg.starts_with("--"));
    let records = args.next().map_or(1_200_000, |arg| arg.parse().unwrap());
    let rounds = args.next().map_or(5, |arg| arg.parse().unwrap());
    let random = fs::read(common::export(Order::Random, records)).unwrap();
    let in_order = fs::read(common::export(Order::Preorder, records)).unwrap();
    let commit = Repo::from_slice(&random[..]).unwrap().commit().cid();
    let sections = SliceReader::new(&random).unwrap().map(Result::unwrap);
    let map = Map(sections.map(|section| (section.cid(), section.block().to_vec())).collect());
    let mut rows = ROWS.map(|name| Row { name, times: Vec::new() });
    for _ in 0..rounds {
        let works: [&dyn Fn() -> Tally; 7] = [
            &|| walk(&load(&random, Verification::EveryBlock)).unwrap(),
            &|| walk(&load(&random, Verification::ReachedBlocks)).unwrap(),
            &|| walk(&load(&random, Verification::DangerouslyNone)).unwrap(),
            &|| walk(&over(&map, commit, Verification::ReachedBlocks)).unwrap(),
            &|| walk(&over(&map, commit, Verification::DangerouslyNone)).unwrap(),
            &|| loaded(&load(&in_order, Verification::EveryBlock)),
            &|| loaded(&load(&in_order, Verification::DangerouslyNone)),
        ];
        let mut tally = None;
        for (row, work) in rows.iter_mut().zip(works) {
            let start = Instant::now();
            let found = work();
            row.times.push(start.elapsed());
            assert!(found == Tally::default() || *tally.get_or_insert(found) == found);
        }
    }
    report(&rows, random.len(), map.0.len());
}

fn load(car: &[u8], verification: Verification) -> Repo<carwalk::store::SliceStore<&[u8]>> {
    Loader::new().verification(verification).from_slice(car).unwrap()
}

fn loaded<S>(_: &Repo<S>) -> Tally {
    Tally::default()
}

fn over(map: &Map, commit: Cid, verification: Verification) -> Repo<&Map> {
    Loader::new().verification(verification).from_store(map, commit).unwrap()
}

fn report(rows: &[Row; 7], bytes: usize, blocks: usize) {
    let rounds = rows.iter().map(|row| row.times.len()).max().unwrap_or(0);
    println!("{}", machine());
    println!("{bytes} bytes, {blocks} blocks in random order, medians of {rounds} rounds");
    for Row { name, times } in rows {
        let seconds = median(times.clone()).as_secs_f64();
        println!("{name:<40} {seconds:>7.3} s {:>6.0} MB/s", bytes as f64 / seconds / 1e6);
    }
    let ratio = |of: fn(&[f64; 7]) -> f64| {
        let round =
            |number: usize| rows.each_ref().map(|row| row.times.get(number).unwrap().as_secs_f64());
        let mut ratios: Vec<f64> = (0..rounds).map(|number| of(&round(number))).collect();
        ratios.sort_by(f64::total_cmp);
        ratios.swap_remove(rounds / 2)
    };
    println!("ReachedBlocks / EveryBlock: {:.2}", ratio(|[every, reached, ..]| reached / every));
    println!(
        "hashing walk over a map / (walk with DangerouslyNone + hashing): {:.2}",
        ratio(|[.., hashing, trusting, hashed, framed]| hashing / (trusting + hashed - framed))
    );
}
