//! Loads into spill files and walks over these take about as much memory as their limit.

use std::fs;

use crate::common::{end, suspended};
use crate::heap::{Before, KIB, MIB, within};
use carwalk::store::{BlockStore, CarStore, SpillFile};
use carwalk::{Limits, Loaded, Loader, Verification};
use carwalk_testkit::breakage;
use carwalk_testkit::car::header_value;
use carwalk_testkit::cases;
use carwalk_testkit::cid::Cid;
use carwalk_testkit::repo::{Order, Record, Repo as KitRepo};

/// Memory that may be used beyond the limit, in bytes.
const REST: usize = 3 * MIB;

tests![
    large_exports_in_all_orders_stay_within_the_limit,
    blocks_of_few_bytes_stay_within_the_limit,
    long_blocks_of_many_collections_take_no_more_than_of_one,
    copies_of_one_block_stay_within_the_limit,
    one_block_beyond_the_limit_takes_little_more_than_itself,
    a_load_into_a_file_takes_at_most_four_times_the_longest_block,
    what_is_to_be_reserved_for_a_load_and_a_walk_is_never_exceeded,
    a_kept_file_is_opened_and_walked_within_its_cache,
    an_index_beyond_the_limit_takes_no_more_than_it,
];

/// The number of records: their 12 MB are far beyond each limit.
fn record_count() -> usize {
    cases(6_000).min(20_000) as usize
}

/// A repository of records of 2 kB.
fn large() -> KitRepo {
    let records = (0u32..).take(record_count()).map(|number| {
        let key = format!("com.example.test/{number:08}").into_bytes();
        let bytes =
            [b"\x82\x59\x07\x80".as_slice(), &[7; 1920], b"\x48", &key[key.len() - 8..]].concat();
        (key, Record::new(bytes).at_revision(number / 3 * 7 % 1000))
    });
    KitRepo::new(records)
}

fn large_exports_in_all_orders_stay_within_the_limit() {
    let large = large();
    for order in [Order::Pds, Order::Preorder, Order::Shuffled(1)] {
        let car = large.to_bytes(order);
        assert!(car.len() > 2_000 * record_count(), "{}", car.len());
        let before = Before::now();
        let limit = 2 * MIB;
        // Not hashed: hashing takes most of the time and no memory.
        let loader =
            Loader::new().verification(Verification::DangerouslyNone).memory_limit(limit as u64);
        let load = before.within(&format!("{order:?}, in memory"), limit + 64 * KIB, || {
            suspended(loader.from_reader(&car[..]).unwrap())
        });
        let repo = before.within(&format!("{order:?}, loading"), limit + REST, || {
            load.spill(SpillFile::temporary()).unwrap()
        });
        let walk = || end(repo.walk()).unwrap();
        assert_eq!(
            before.within(&format!("{order:?}, walking"), limit + REST, walk),
            record_count()
        );
        drop(repo);
        let left = before.held();
        assert!(left < 64 * KIB, "{left} bytes are left");
    }
}

/// The sample, and raw blocks after it.
fn with_blocks<B: AsRef<[u8]>>(blocks: impl Iterator<Item = B>) -> Vec<u8> {
    let mut car = breakage::sample().to_bytes(Order::Preorder);
    for block in blocks {
        car.extend(carwalk_testkit::car::section(
            Cid::raw(block.as_ref()).as_bytes(),
            block.as_ref(),
        ));
    }
    car
}

/// Loads into a file and walks. Asserts that each takes at most `most` bytes.
fn assert_spill_within(car: &[u8], limit: usize, most: usize, what: &str) {
    let before = Before::now();
    let repo = before.within(&format!("{what}, loading"), most, || {
        let loader = Loader::new().threads(3).memory_limit(limit as u64);
        suspended(loader.from_reader(car).unwrap()).spill(SpillFile::temporary()).unwrap()
    });
    before.within(&format!("{what}, walking"), most, || {
        assert_eq!(repo.records().filter(carwalk::Result::is_ok).count(), 11);
        let sections = repo.store().sections().filter(carwalk::Result::is_ok).count();
        assert_eq!(sections as u64, repo.stats().sections);
    });
    drop(repo);
    if car.len() > 8 * MIB {
        return;
    }
    before.within(&format!("{what}, with a process function"), most, || {
        let loader = Loader::new().process(|block: &[u8]| block.to_vec());
        let loaded = loader.memory_limit(limit as u64).from_reader(car).unwrap();
        if let Loaded::Suspended(load) = loaded {
            drop(load.spill(SpillFile::temporary()).unwrap());
        }
    });
}

fn blocks_of_few_bytes_stay_within_the_limit() {
    let car = with_blocks((0..300_000u32).map(u32::to_be_bytes));
    assert_spill_within(&car, 2 * MIB, 2 * MIB + REST, "300,000 tiny blocks");
}

/// Each collection has an unfilled segment.
fn long_blocks_of_many_collections_take_no_more_than_of_one() {
    let record = |number: u32, collection: u32| {
        let name = format!("com.example.a{collection:02}");
        let fields = [b"\xa2\x65$type\x6f", name.as_bytes(), b"\x66zzzzzz\x5a"].concat();
        [&fields[..], &2_000_000u32.to_be_bytes(), &[7; 1_999_996], &number.to_be_bytes()].concat()
    };
    for collections in [1, 17] {
        let mut car = breakage::sample().to_car(Order::Preorder);
        for number in 0..17 {
            car.push_block(&record(number, number % collections));
        }
        let car = car.to_bytes();
        let limit = 8 * MIB;
        within(&format!("long blocks of {collections} collections"), limit + 8 * MIB, || {
            let loader = Loader::new().memory_limit(limit as u64);
            drop(loader.spill(&car[..], SpillFile::temporary()).unwrap());
        });
    }
}

fn copies_of_one_block_stay_within_the_limit() {
    let car = with_blocks((0..100_000).map(|_| b"copy"));
    assert_spill_within(&car, 2 * MIB, 2 * MIB + REST, "100,000 copies");
}

fn one_block_beyond_the_limit_takes_little_more_than_itself() {
    let car = with_blocks([vec![0; 2 * MIB], vec![1; 10], vec![2; 100 * KIB]].into_iter());
    // Four times the block, and with a process function two times its value in addition.
    assert_spill_within(&car, 256 * KIB, 256 * KIB + 13 * MIB, "one block of 2 MiB");
}

/// Blocks slightly longer than a power of two: the worst case for buffers and pages that double.
fn a_load_into_a_file_takes_at_most_four_times_the_longest_block() {
    const LONGEST: usize = 8 * MIB + 1;
    const LIMIT: usize = 256 * KIB;
    let lens = [100, LONGEST, 10_000, LONGEST - 1, 70_000, LONGEST / 2, LONGEST, LONGEST, 5];
    let car = with_blocks(lens.into_iter().zip(0..).map(|(len, byte)| vec![byte; len]));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kept");
    let limits = || Limits::default().max_block_len(LONGEST as u32);
    let large_cache = SpillFile::temporary().cache_size(16 << 20);
    for file in [SpillFile::temporary(), large_cache, SpillFile::keep(&path)] {
        let before = Before::now();
        let assert_four = |what| {
            let (peak, most) = (before.peak(), 4 * LONGEST + 2 * MIB);
            assert!(peak <= most, "{what}: {peak} bytes, expected {most} at most");
        };
        let loader = Loader::new().limits(limits()).memory_limit(LIMIT as u64);
        let Loaded::Suspended(load) = loader.from_reader(&car[..]).unwrap() else {
            panic!("the limit was not reached")
        };
        let repo = load.spill(file).unwrap();
        assert_four("loading");
        let sections = || repo.store().sections().map(Result::unwrap);
        assert_eq!(sections().count() as u64, repo.stats().sections);
        // The page of a block, and the page of the one before, which is still held.
        sections().for_each(|section| assert!(repo.store().contains(&section.cid()).unwrap()));
        assert_four("looking up");
    }
    within("opening a kept file", 4 * LONGEST + 2 * MIB, || {
        drop(Loader::new().memory_limit(LIMIT as u64).from_spill_file(&path).unwrap());
    });
    // The processed value counts too, and so does its buffer while it grows.
    within("with a process function", 6 * LONGEST + 2 * MIB, || {
        let loader = Loader::new().limits(limits()).process(|block: &[u8]| block.to_vec());
        drop(loader.memory_limit(LIMIT as u64).spill(&car[..], SpillFile::temporary()).unwrap());
    });
}

fn what_is_to_be_reserved_for_a_load_and_a_walk_is_never_exceeded() {
    let longest = 3 * MIB;
    let roots = |count: usize| {
        let mut car = breakage::sample().to_car(Order::Preorder);
        let root = breakage::sample().commit_cid();
        car.set_header(header_value(&vec![root; count]).encode());
        car.to_bytes()
    };
    let cars = [
        large().to_bytes(Order::Shuffled(1)),
        with_blocks((0..200_000u32).map(u32::to_be_bytes)),
        with_blocks((0..8u8).map(|byte| vec![byte; longest])),
        roots(60_000),
    ];
    for (number, car) in cars.iter().enumerate() {
        for limit in [0, 64 * KIB, 2 * MIB, 8 * MIB] {
            let limits = Limits::new()
                .max_stream_len(car.len() as u64)
                .max_block_len(longest as u32)
                .max_header_len(3 << 20);
            // Not hashed: hashing takes most of the time and no memory.
            let loader = Loader::new().limits(limits).verification(Verification::DangerouslyNone);
            let loader = loader.memory_limit(limit as u64);
            let most = loader.peak_memory() as usize;
            within(&format!("CAR {number} at {limit}"), most, || {
                let loaded = loader.from_reader(&car[..]).unwrap();
                let repo = loaded.or_spill(SpillFile::temporary()).unwrap();
                assert!(end(repo.walk()).unwrap() > 0);
            });
        }
    }
}

fn a_kept_file_is_opened_and_walked_within_its_cache() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kept");
    let car = large().to_bytes(Order::Pds);
    let loader = Loader::new().verification(Verification::DangerouslyNone).memory_limit(MIB as u64);
    drop(loader.spill(&car[..], SpillFile::keep(&path)).unwrap());
    assert!(fs::metadata(&path).unwrap().len() > car.len() as u64);
    drop(car);
    let before = Before::now();
    let loader = Loader::new().verification(Verification::DangerouslyNone).memory_limit(MIB as u64);
    let open = || loader.from_spill_file(&path).unwrap();
    let repo = before.within("opening", MIB + REST, open);
    before.within("walking a kept file", MIB + REST, || {
        assert_eq!(end(repo.walk()).unwrap(), record_count());
    });
}

/// The blocks of a slice stay in place. Only the index takes memory: 4 MiB, and twice as much while
/// it grows.
fn an_index_beyond_the_limit_takes_no_more_than_it() {
    let car = with_blocks((0..300_000u32).map(u32::to_be_bytes));
    let before = Before::now();
    let load = |threads| {
        let loader = Loader::new().threads(threads).memory_limit(MIB as u64);
        loader.from_slice(&car[..], SpillFile::temporary()).unwrap()
    };
    before.within("loading with threads", MIB + REST, || drop(load(3)));
    let repo = before.within("loading", MIB + REST, || load(0));
    assert!(repo.store().index_stored().is_some());
    before.within("looking up", MIB + REST, || {
        for number in 0..300_000u32 {
            let cid = carwalk::Cid::parse(Cid::raw(&number.to_be_bytes()).as_bytes()).unwrap();
            assert!(repo.store().contains(&cid).unwrap());
        }
    });
    drop(repo);
    let unlimited = Before::now();
    drop(Loader::new().from_slice(&car[..]).unwrap());
    assert!(unlimited.peak() > MIB + REST, "{}", unlimited.peak());
}
