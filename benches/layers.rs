//! Throughput of each layer by itself, on an export of 100,000 records (34 MB, newest revision
//! first) in memory.
//!
//! `cargo bench --bench layers [-- NAME]`; `-- --help` lists the other options. Other benches, such
//! as `walk`, use an export that no CPU cache can hold.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing
)]

mod common;

use std::fs;
use std::hint::black_box;
use std::sync::LazyLock;

use carwalk::car::{Section, SliceReader};
use carwalk::mst::{Event, Node};
use carwalk::store::{BlockStore, MemoryStore, RedbStore, SliceStore, SpillFile};
use carwalk::{Cid, KeyRange, Loaded, Loader, Lookup, Repo, Verification, varint};
use carwalk_testkit::export::Order;
use carwalk_testkit::rng::Rng;
use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};

const RECORDS: usize = 100_000;

static CAR: LazyLock<Vec<u8>> =
    LazyLock::new(|| fs::read(common::export(Order::Pds, RECORDS)).unwrap());

static REPO: LazyLock<Repo<SliceStore<&[u8]>>> =
    LazyLock::new(|| Repo::from_slice(&CAR[..]).unwrap());

fn main() {
    divan::main();
}

fn sections() -> impl Iterator<Item = Section<'static>> {
    SliceReader::new(&CAR).unwrap().map(Result::unwrap)
}

/// Returns 10,000 keys of the export in random order.
fn keys() -> Vec<Vec<u8>> {
    let mut keys: Vec<_> =
        REPO.entries().map(|entry| entry.unwrap().path().as_str().as_bytes().to_vec()).collect();
    Rng::new(1).shuffle(&mut keys);
    keys.truncate(10_000);
    keys
}

fn spilled() -> Repo<RedbStore> {
    match Loader::new().memory_limit(1 << 20).from_reader(&CAR[..]).unwrap() {
        Loaded::Suspended(load) => load.spill(SpillFile::temporary()).unwrap(),
        Loaded::Complete(_) => panic!("34 MB were loaded within 1 MiB"),
    }
}

fn walk<S: BlockStore>(repo: &Repo<S>, records: bool) -> u64 {
    let mut walk = repo.walk().records(records).start();
    let mut count = 0;
    while let Some(event) = walk.next_event().unwrap() {
        black_box(&event);
        count += 1;
    }
    count
}

#[divan::bench]
fn varints(bencher: Bencher<'_, '_>) {
    let lens: Vec<u8> = sections().flat_map(|section| section_len(&section)).collect();
    bencher.counter(ItemsCount::new(sections().count())).bench(|| {
        let (mut rest, mut sum) = (&lens[..], 0);
        while let Some((value, len)) = varint::decode(rest).unwrap() {
            (rest, sum) = (&rest[len..], sum + value);
        }
        sum
    });
}

/// Returns the length prefix of a section.
fn section_len(section: &Section<'_>) -> Vec<u8> {
    let at = usize::try_from(section.offset()).unwrap();
    let (_, len) = varint::decode(&CAR[at..]).unwrap().unwrap();
    CAR[at..at + len].to_vec()
}

#[divan::bench]
fn framing(bencher: Bencher<'_, '_>) {
    bencher
        .counter(BytesCount::new(CAR.len()))
        .bench(|| sections().map(|section| section.block().len()).sum::<usize>());
}

#[divan::bench]
fn hashing_one_by_one(bencher: Bencher<'_, '_>) {
    let sections: Vec<_> = sections().collect();
    let bytes: usize = sections.iter().map(|section| section.block().len()).sum();
    bencher
        .counter(BytesCount::new(bytes))
        .bench(|| sections.iter().for_each(|section| section.verify().unwrap()));
}

/// Framing and the index.
#[divan::bench]
fn open_without_hashing(bencher: Bencher<'_, '_>) {
    let open =
        || Loader::new().verification(Verification::DangerouslyNone).from_slice(&CAR[..]).unwrap();
    bencher.counter(ItemsCount::new(sections().count())).bench(open);
}

#[divan::bench]
fn open_slice(bencher: Bencher<'_, '_>) {
    bencher.counter(BytesCount::new(CAR.len())).bench(|| Repo::from_slice(&CAR[..]).unwrap());
}

#[divan::bench]
fn open_reader(bencher: Bencher<'_, '_>) {
    bencher.counter(BytesCount::new(CAR.len())).bench(|| MemoryStore::new(&CAR[..]).unwrap());
}

#[divan::bench]
fn blocks_by_cid(bencher: Bencher<'_, '_>) {
    let mut cids: Vec<Cid> = sections().map(|section| section.cid()).collect();
    Rng::new(1).shuffle(&mut cids);
    let get = |cid: &Cid| REPO.store().get(cid).unwrap().unwrap().bytes.len();
    bencher.counter(ItemsCount::new(cids.len())).bench(|| cids.iter().map(get).sum::<usize>());
}

#[divan::bench]
fn nodes(bencher: Bencher<'_, '_>) {
    let mut blocks = Vec::new();
    let mut walk = REPO.walk().nodes(true).records(false).start();
    while let Some(event) = walk.next_event().unwrap() {
        if let Event::Node { block, .. } = event {
            blocks.push(block.to_vec());
        }
    }
    let parse = |block: &Vec<u8>| Node::parse(block).unwrap().entries().len();
    bencher
        .counter(ItemsCount::new(blocks.len()))
        .bench(|| blocks.iter().map(parse).sum::<usize>());
}

#[divan::bench(args = [true, false])]
fn walk_with_records(bencher: Bencher<'_, '_>, records: bool) {
    bencher.counter(ItemsCount::new(RECORDS)).bench(|| walk(&REPO, records));
}

#[divan::bench]
fn records(bencher: Bencher<'_, '_>) {
    bencher
        .counter(ItemsCount::new(RECORDS))
        .bench(|| REPO.records().map(|record| record.unwrap().bytes().len()).sum::<usize>());
}

#[divan::bench]
fn records_reversed(bencher: Bencher<'_, '_>) {
    let reversed =
        || REPO.records().rev().map(|record| record.unwrap().bytes().len()).sum::<usize>();
    bencher.counter(ItemsCount::new(RECORDS)).bench(reversed);
}

#[divan::bench]
fn one_collection(bencher: Bencher<'_, '_>) {
    let collection = || REPO.records_in(KeyRange::collection("app.bsky.feed.post").unwrap());
    bencher
        .counter(ItemsCount::new(collection().count()))
        .bench(|| collection().map(Result::unwrap).count());
}

#[divan::bench]
fn lookups(bencher: Bencher<'_, '_>) {
    let keys = keys();
    let look_up = |key: &Vec<u8>| {
        assert!(matches!(REPO.tree().get_key(key).unwrap(), Lookup::Present { .. }))
    };
    bencher.counter(ItemsCount::new(keys.len())).bench(|| keys.iter().for_each(look_up));
}

#[divan::bench(sample_count = 10)]
fn spill_write(bencher: Bencher<'_, '_>) {
    bencher.counter(BytesCount::new(CAR.len())).bench(spilled);
}

#[divan::bench(sample_count = 10)]
fn spill_read(bencher: Bencher<'_, '_>) {
    let repo = spilled();
    bencher.counter(ItemsCount::new(RECORDS)).bench(|| walk(&repo, true));
}
