//! Comparing two revisions of a large repository, and rows with it: `cargo bench --bench diff`.
//!
//! `cargo bench --bench diff [-- RECORDS ROUNDS]` writes an export of 1.2 million records below
//! `benches/data` if it is missing. The files are opened and verified before, and not counted. All
//! rows run in turn. Prints median times, the nodes that are read on both sides together, and the
//! time divided by that of an entries-only walk over as many nodes.
#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::indexing_slicing
)]

mod common;

use std::cell::Cell;
use std::fs;
use std::time::{Duration, Instant};

use carwalk::car::Writer;
use carwalk::cid::Codec;
use carwalk::mst::{Builder, Event};
use carwalk::store::{Block, BlockStore, SliceStore};
use carwalk::{Cid, Repo, Result, Tree};
use carwalk_testkit::export::Order;
use carwalk_testkit::rng::Rng;
use common::{machine, median};

type Row = (Vec<u8>, Cid);

fn main() {
    let mut args = std::env::args().skip(1).filter(|arg| !arg.starts_with("--"));
    let records = args.next().map_or(1_200_000, |arg| arg.parse().unwrap());
    let rounds = args.next().map_or(11, |arg| arg.parse().unwrap());
    let bytes = fs::read(common::export(Order::Pds, records)).unwrap();
    let repo = Repo::from_slice(&bytes[..]).unwrap();
    let old = repo.tree();
    let rows = rows(&repo);
    let mut rng = Rng::new(1);
    let random: Vec<usize> = (0..1_000).map(|_| rng.below(rows.len())).collect();
    let last: Vec<usize> = (rows.len() - 1_000..rows.len()).collect();
    let (random, last) = (edited(&rows, &random), edited(&rows, &last));
    let text = text(&rows);

    println!("{}", machine());
    println!("{records} records, {} nodes, medians of {rounds} rounds", nodes(old));
    let mut times: [Vec<Duration>; 5] = Default::default();
    // The first round finds nothing in the caches.
    for round in 0..=rounds {
        times[0].push(time(|| assert_eq!(walk(old), rows.len())));
        times[1].push(time(|| assert!(count(old.diff(&random)) > 900)));
        times[2].push(time(|| assert_eq!(count(old.diff(&last)), 1_000)));
        let parsed = rows.iter().map(|(key, cid)| Ok((key, *cid)));
        times[3].push(time(|| assert_eq!(count(old.diff_rows(parsed)), 0)));
        times[4].push(time(|| assert_eq!(count(old.diff_rows(parse(&text))), 0)));
        if round == 0 {
            times = Default::default();
        }
    }
    let [walk, random_time, last_time, parsed, from_text] = times.map(median);
    let each = walk.as_secs_f64() / nodes(old) as f64;
    println!("entries-only walk: {walk:?}");
    for (name, tree, time, most) in [
        ("1,000 at random places", &random, random_time, 10_000),
        ("the last 1,000", &last, last_time, 700),
    ] {
        let reads = reads(old, tree);
        assert!(records != 1_200_000 || reads <= most, "{reads} nodes read");
        let ratio = time.as_secs_f64() / (each * reads as f64);
        println!("{name}: {time:?}, {reads} nodes read, {ratio:.2} of a walk over as many nodes");
    }
    let ratio = |time: Duration| time.as_secs_f64() / walk.as_secs_f64();
    println!("rows in memory: {parsed:?}, {:.2} of the walk", ratio(parsed));
    println!("rows of text: {from_text:?}, {:.2} of the walk", ratio(from_text));
}

fn time(run: impl FnOnce()) -> Duration {
    let start = Instant::now();
    run();
    start.elapsed()
}

fn count<T>(diff: impl Iterator<Item = Result<T>>) -> usize {
    diff.map(|change| drop(change.unwrap())).count()
}

fn walk<S: BlockStore>(tree: &Tree<S>) -> usize {
    let (mut walk, mut entries) = (tree.walk().records(false).start(), 0);
    while walk.next_event().unwrap().is_some() {
        entries += 1;
    }
    entries
}

fn nodes<S: BlockStore>(tree: &Tree<S>) -> usize {
    let (mut walk, mut nodes) = (tree.walk().records(false).nodes(true).start(), 0);
    while let Some(event) = walk.next_event().unwrap() {
        nodes += usize::from(matches!(event, Event::Node { .. }));
    }
    nodes
}

fn rows<S: BlockStore>(repo: &Repo<S>) -> Vec<Row> {
    let row = |entry: Result<carwalk::RepoEntry>| {
        let entry = entry.unwrap();
        (entry.path().as_str().as_bytes().to_vec(), entry.cid())
    };
    repo.entries().map(row).collect()
}

/// The rows as `carwalk ls` prints them.
fn text(rows: &[Row]) -> String {
    let line = |(key, cid): &Row| format!("{}\t{cid}\n", String::from_utf8_lossy(key));
    rows.iter().map(line).collect()
}

fn parse(text: &str) -> impl Iterator<Item = Result<(&str, Cid)>> {
    text.lines().map(|line| {
        let (key, cid) = line.split_once('\t').unwrap();
        Ok((key, cid.parse()?))
    })
}

/// The tree in which these rows have another record.
fn edited(rows: &[Row], changed: &[usize]) -> Tree<SliceStore<Vec<u8>>> {
    let mut blocks = Vec::new();
    let mut tree = Builder::new(|cid, _, block| {
        blocks.push((*cid, block.to_vec()));
        Ok(())
    });
    let mut changed = changed.to_vec();
    changed.sort_unstable();
    for (number, (key, cid)) in rows.iter().enumerate() {
        let is_changed = changed.binary_search(&number).is_ok();
        let cid = if is_changed { Cid::of(Codec::DagCbor, key) } else { *cid };
        tree.entry(key, cid).unwrap();
    }
    let root = tree.finish().unwrap();
    let mut car = Writer::new(Vec::new(), &[root]).unwrap();
    blocks.iter().for_each(|(cid, block)| car.write(*cid, block).unwrap());
    Tree::new(SliceStore::new(car.finish().unwrap()).unwrap(), root)
}

/// How many nodes a diff reads on both sides together.
fn reads<S: BlockStore, T: BlockStore>(old: &Tree<S>, new: &Tree<T>) -> u64 {
    let (old_store, new_store) = (Counting::new(old.store()), Counting::new(new.store()));
    let (old, new) = (Tree::new(&old_store, old.root()), Tree::new(&new_store, new.root()));
    count(old.diff(&new));
    old_store.gets.get() + new_store.gets.get()
}

struct Counting<'s, S> {
    store: &'s S,
    gets: Cell<u64>,
}

impl<'s, S> Counting<'s, S> {
    fn new(store: &'s S) -> Self {
        Counting { store, gets: Cell::new(0) }
    }
}

impl<S: BlockStore> BlockStore for Counting<'_, S> {
    type Bytes<'a>
        = S::Bytes<'a>
    where
        Self: 'a;

    fn get(&self, cid: &Cid) -> Result<Option<Block<S::Bytes<'_>>>> {
        self.gets.set(self.gets.get() + 1);
        self.store.get(cid)
    }
}
