//! Loads with a memory limit: they stay inside it, stop without loss, and go on.
//!
//! One test in this file: the allocator counts for the whole process.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod common;

use std::thread;

use carwalk::{Loaded, Loader, Suspended};
use carwalk_testkit::car::Car;
use carwalk_testkit::cid::{Cid, RAW};
use carwalk_testkit::repo::{Order, Record, Repo as KitRepo};
use carwalk_testkit::rng::Rng;
use carwalk_testkit::{breakage, key, random};
use common::{OneByte, Ragged};
use peak_alloc::PeakAlloc;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// What is not counted, because it does not grow: header, settings, the objects themselves.
const REST: u64 = 4 * KIB;

/// What the heap held before a load.
struct Before(usize);

impl Before {
    fn now() -> Self {
        Before(HEAP.current_usage())
    }

    /// Runs a load, and checks that it held no more than `limit` at any time, with what it held already.
    #[track_caller]
    fn within<T>(&self, limit: u64, run: impl FnOnce() -> T) -> T {
        HEAP.reset_peak_usage();
        let done = run();
        let peak = HEAP.peak_usage().saturating_sub(self.0) as u64;
        assert!(peak <= limit + REST, "{peak} bytes at a limit of {limit}");
        done
    }
}

#[track_caller]
fn within<T>(limit: u64, run: impl FnOnce() -> T) -> T {
    Before::now().within(limit, run)
}

fn suspended<R>(loaded: Loaded<'_, R>) -> Suspended<'_, R> {
    match loaded {
        Loaded::Suspended(load) => load,
        Loaded::Complete(_) => panic!("the limit was not reached"),
    }
}

#[test]
fn memory_limits_hold() {
    large_exports_stop_at_their_limit_and_go_on();
    random_limits_change_nothing_but_the_time();
    tiny_blocks_do_not_cheat_the_limit();
    repeated_blocks_do_not_cheat_the_limit();
    one_block_larger_than_the_limit_stops_in_mid_section();
    the_commit_is_told_once_it_was_read();
    a_suspended_load_goes_to_another_thread();
    errors_after_a_stop_are_those_without_one();
}

fn large_exports_stop_at_their_limit_and_go_on() {
    let records = key::at_layer(0).take(30_000).map(|key| {
        let bytes = [b"\x81\x59\x01\x00".as_slice(), &[7; 250], &key[key.len() - 6..]].concat();
        (key, Record::new(bytes))
    });
    let car = KitRepo::new(records).to_bytes(Order::Pds);
    let expected = common::rows(&carwalk::Repo::from_slice(&car[..]).unwrap()).unwrap();
    assert!(car.len() as u64 > 10 * MIB);
    let mut limit = MIB;
    let before = Before::now();
    let mut loaded = before.within(limit, || Loader::new().memory_limit(limit).read(&car[..]).unwrap());
    let mut stops = 0;
    let repo = loop {
        match loaded {
            Loaded::Complete(repo) => break repo,
            Loaded::Suspended(load) => {
                stops += 1;
                assert!(load.bytes_held() <= limit && load.bytes_held() > limit / 4, "{}", load.bytes_held());
                assert!(load.bytes_read() > limit / 4 && load.bytes_read() <= limit);
                assert_eq!(load.memory_limit(), limit);
                limit += limit / 2;
                loaded = before.within(limit, || load.resume(limit).unwrap());
            }
        }
    };
    assert!(stops > 3);
    assert!(common::rows(&repo).unwrap() == expected);
}

fn random_limits_change_nothing_but_the_time() {
    for seed in 0..100 {
        let random = random::repo(seed, 400);
        let mut rng = Rng::new(seed);
        let streams: [Box<dyn std::io::Read + '_>; 3] = [
            Box::new(&random.car[..]),
            Box::new(OneByte(&random.car[..])),
            Box::new(Ragged::new(&random.car[..], seed)),
        ];
        let expected = common::oracle_rows(&random.car);
        for stream in streams {
            let mut loaded = Loader::new().memory_limit(rng.below(600 << 10) as u64).read(stream).unwrap();
            let repo = loop {
                match loaded {
                    Loaded::Complete(repo) => break repo,
                    Loaded::Suspended(load) => {
                        let more = load.memory_limit() + rng.below(300 << 10) as u64;
                        loaded = load.resume(more).unwrap();
                    }
                }
            };
            assert!(common::rows(&repo).unwrap() == expected, "seed {seed}");
        }
    }
}

/// A CAR of blocks of 4 bytes: more than half of what they take is the index.
fn tiny_blocks(count: u32, distinct: u32) -> Vec<u8> {
    let mut car = breakage::sample().to_bytes(Order::Preorder);
    for number in 0..count {
        let block = (number % distinct).to_be_bytes();
        car.extend(carwalk_testkit::car::section(Cid::raw(&block).as_bytes(), &block));
    }
    car
}

fn tiny_blocks_do_not_cheat_the_limit() {
    assert_eq!(RAW, 0x55);
    let car = tiny_blocks(300_000, u32::MAX);
    for limit in [2 * MIB, 5 * MIB, 16 * MIB] {
        let load = suspended(within(limit, || Loader::new().memory_limit(limit).read(&car[..]).unwrap()));
        assert!(load.bytes_read() * 3 > limit, "{} at {limit}", load.bytes_read());
    }
    let needed = car.len() as u64 + 24 * 300_000 + 3 * MIB;
    let loaded = within(needed, || Loader::new().memory_limit(needed).read(&car[..]).unwrap());
    assert!(matches!(loaded, Loaded::Complete(_)));
}

fn repeated_blocks_do_not_cheat_the_limit() {
    let car = tiny_blocks(300_000, 3);
    let before = Before::now();
    let load = suspended(before.within(4 * MIB, || Loader::new().memory_limit(4 * MIB).read(&car[..]).unwrap()));
    assert!(load.bytes_read() > 2 * MIB);
    let needed = car.len() as u64 + 3 * MIB;
    let Loaded::Complete(repo) = before.within(needed, || load.resume(needed).unwrap()) else {
        panic!("the limit was reached")
    };
    assert_eq!(repo.stats().duplicates(), 300_000 - 3);
}

fn one_block_larger_than_the_limit_stops_in_mid_section() {
    let mut car = breakage::sample().to_car(Order::Preorder);
    car.push_block(&vec![0; 2 << 20]);
    let car = car.to_bytes();
    let limit = 700 * KIB;
    let load = suspended(within(limit, || Loader::new().memory_limit(limit).read(&car[..]).unwrap()));
    assert!(load.bytes_read() < limit);
    // It can be tried again without a higher limit, and nothing comes of it.
    let load = suspended(load.resume(limit).unwrap());
    let Loaded::Complete(repo) = load.resume(u64::MAX).unwrap() else { panic!("the limit was reached") };
    assert_eq!(repo.records().filter(Result::is_ok).count(), 11);
}

fn the_commit_is_told_once_it_was_read() {
    let random = random::repo(1, 3000);
    for (order, is_seen) in [(Order::Preorder, true), (Order::CommitLast, false)] {
        let car = random.repo.to_bytes(order);
        let load = suspended(Loader::new().memory_limit(350 * KIB).read(&car[..]).unwrap());
        assert!(load.bytes_read() < car.len() as u64);
        let commit = load.commit().unwrap();
        assert_eq!(commit.is_some(), is_seen);
        if let Some(commit) = commit {
            assert_eq!(commit.cid(), common::cid(&random.repo.commit_cid()));
        }
    }
}

fn a_suspended_load_goes_to_another_thread() {
    let random = random::repo(2, 3000);
    let load = suspended(Loader::new().memory_limit(350 * KIB).read(&random.car[..]).unwrap());
    let records = thread::scope(|scope| {
        let worker = scope.spawn(move || match load.resume(u64::MAX).unwrap() {
            Loaded::Complete(repo) => common::rows(&repo).unwrap(),
            Loaded::Suspended(_) => panic!("the limit was reached"),
        });
        worker.join().unwrap()
    });
    assert!(records == common::oracle_rows(&random.car));
}

fn errors_after_a_stop_are_those_without_one() {
    let random = random::repo(3, 3000);
    let mut cut = random.car.clone();
    cut.truncate(cut.len() - 3);
    let mut flipped = random.car.clone();
    let at = flipped.len() - 3;
    flipped[at] ^= 1;
    let mut padded = Car::parse(&random.car).unwrap();
    padded.trailing = vec![0x80, 0x00];
    for car in [cut, flipped, padded.to_bytes()] {
        let expected = carwalk::Repo::from_reader(&car[..]).unwrap_err();
        let load = suspended(Loader::new().memory_limit(350 * KIB).read(&car[..]).unwrap());
        let found = load.resume(u64::MAX).unwrap_err();
        assert_eq!(common::details(&found), common::details(&expected));
    }
}
