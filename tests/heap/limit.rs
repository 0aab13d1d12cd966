//! Loads with a memory limit: they stay within it, and can be suspended and resumed without loss.

use crate::common::{self, complete, suspended};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::heap::Before;
use carwalk::error::Malformed;
use carwalk::{CommitRules, ErrorKind, Loaded, Loader};
use carwalk_testkit::car::{Car, section};
use carwalk_testkit::cid::{Cid, RAW};
use carwalk_testkit::commit::Commit;
use carwalk_testkit::readers::{OneByte, Ragged};
use carwalk_testkit::repo::{Order, Record, Repo as KitRepo};
use carwalk_testkit::rng::Rng;
use carwalk_testkit::{breakage, key, random};
use carwalk_testkit::{cases, step};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// Memory that the limit does not cover, because it does not grow with the input: header, settings,
/// the objects themselves.
const REST: u64 = 4 * KIB;

/// Runs a load. Asserts that the heap never grows beyond `limit`, counted from `before`.
#[track_caller]
fn load_within<T>(before: &Before, limit: u64, load: impl FnOnce() -> T) -> T {
    before.within("the load", (limit + REST) as usize, load)
}

/// The number of hashing threads that every load of a test uses.
static THREADS: AtomicUsize = AtomicUsize::new(0);

fn loader() -> Loader {
    Loader::new().threads(THREADS.load(Ordering::Relaxed))
}

tests![
    large_exports_stop_at_their_limit_and_go_on,
    random_limits_change_nothing_but_the_time,
    tiny_blocks_do_not_cheat_the_limit,
    repeated_blocks_do_not_cheat_the_limit,
    one_block_larger_than_the_limit_stops_in_mid_section,
    the_commit_is_told_once_it_was_read,
    the_commit_that_is_told_follows_the_rules,
    a_suspended_load_goes_to_another_thread,
    errors_after_a_stop_are_those_without_one,
    no_limit_is_exceeded_on_the_way_to_the_end,
    what_is_held_is_what_the_heap_has,
    a_lower_limit_stops_again,
    progress_is_told_as_without_stops,
    limits_hold_with_2_threads,
    limits_hold_with_8_threads,
];

fn limits_hold_with_2_threads() {
    limits_hold_with_threads(2);
}

fn limits_hold_with_8_threads() {
    limits_hold_with_threads(8);
    THREADS.store(8, Ordering::Relaxed);
    large_exports_stop_at_their_limit_and_go_on();
    THREADS.store(0, Ordering::Relaxed);
}

fn limits_hold_with_threads(threads: usize) {
    THREADS.store(threads, Ordering::Relaxed);
    tiny_blocks_do_not_cheat_the_limit();
    no_limit_is_exceeded_on_the_way_to_the_end();
    what_is_held_is_what_the_heap_has();
    errors_after_a_stop_are_those_without_one();
    threads_that_begin_just_before_a_chunk_ends_do_not_cheat_the_limit();
    THREADS.store(0, Ordering::Relaxed);
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
    let mut loaded =
        load_within(&before, limit, || loader().memory_limit(limit).from_reader(&car[..]).unwrap());
    let mut stops = 0;
    let repo = loop {
        match loaded {
            Loaded::Complete(repo) => break repo,
            Loaded::Suspended(load) => {
                stops += 1;
                assert!(
                    load.bytes_held() <= limit && load.bytes_held() > limit / 4,
                    "{}",
                    load.bytes_held()
                );
                assert!(load.bytes_read() > limit / 4 && load.bytes_read() <= limit);
                assert_eq!(load.memory_limit(), limit);
                limit += limit / 2;
                loaded = load_within(&before, limit, || load.resume(limit).unwrap());
            }
        }
    };
    assert!(stops > 3);
    assert!(common::rows(&repo).unwrap() == expected);
}

/// The threads' shared memory is allocated after the reader received its part of the limit.
fn threads_that_begin_just_before_a_chunk_ends_do_not_cheat_the_limit() {
    let chunks_end = 1984 << 10;
    let mut car = Car::new(&[Cid::dag_cbor(b"x")]).to_bytes();
    let mut number = 0u64;
    let mut put = |car: &mut Vec<u8>, len: usize| {
        let block = [number.to_be_bytes().as_slice(), &vec![7; len - 8]].concat();
        number += 1;
        car.extend(section(Cid::raw(&block).as_bytes(), &block));
    };
    (0..240).for_each(|_| put(&mut car, 4000));
    (0..750).for_each(|_| put(&mut car, 134));
    let long = chunks_end - (60 << 10) - car.len();
    put(&mut car, long);
    (0..1100).for_each(|_| put(&mut car, 2000));
    for limit in (2900 * KIB..3200 * KIB).step_by(step(4) << 13) {
        let loaded = load_within(&Before::now(), limit, || {
            loader().memory_limit(limit).from_reader(&car[..]).unwrap()
        });
        assert!(suspended(loaded).bytes_held() <= limit);
    }
}

fn random_limits_change_nothing_but_the_time() {
    for seed in 0..cases(20) {
        let random = random::repo(seed, 400);
        let mut rng = Rng::new(seed);
        let streams: [Box<dyn std::io::Read + '_>; 3] = [
            Box::new(&random.car[..]),
            Box::new(OneByte(&random.car[..])),
            Box::new(Ragged::new(&random.car[..], seed)),
        ];
        let expected = common::oracle_rows(&random.car);
        for stream in streams {
            let mut loaded =
                loader().memory_limit(rng.below(600 << 10) as u64).from_reader(stream).unwrap();
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

/// A CAR of blocks of 4 bytes. The index takes more than half of their memory.
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
        let load = suspended(load_within(&Before::now(), limit, || {
            loader().memory_limit(limit).from_reader(&car[..]).unwrap()
        }));
        assert!(load.bytes_read() * 3 > limit, "{} at {limit}", load.bytes_read());
    }
    let needed = car.len() as u64 + 20 * 300_000 + 3 * MIB;
    let loaded = load_within(&Before::now(), needed, || {
        loader().memory_limit(needed).from_reader(&car[..]).unwrap()
    });
    assert!(matches!(loaded, Loaded::Complete(_)));
}

fn repeated_blocks_do_not_cheat_the_limit() {
    let car = tiny_blocks(300_000, 3);
    let before = Before::now();
    let load = suspended(load_within(&before, 4 * MIB, || {
        loader().memory_limit(4 * MIB).from_reader(&car[..]).unwrap()
    }));
    assert!(load.bytes_read() > 2 * MIB);
    // Until the index is made, a repeated block takes as much memory as any other section.
    let needed = car.len() as u64 + 20 * 300_000 + 3 * MIB;
    let repo = complete(load_within(&before, needed, || load.resume(needed).unwrap()));
    assert_eq!(repo.stats().repeated_blocks(), 300_000 - 3);
}

fn one_block_larger_than_the_limit_stops_in_mid_section() {
    let mut car = breakage::sample().to_car(Order::Preorder);
    car.push_block(&vec![0; 2 << 20]);
    let car = car.to_bytes();
    let limit = 700 * KIB;
    let load = suspended(load_within(&Before::now(), limit, || {
        loader().memory_limit(limit).from_reader(&car[..]).unwrap()
    }));
    assert!(load.bytes_read() < limit);
    // Resuming with the same limit is allowed and stops at once.
    let load = suspended(load.resume(limit).unwrap());
    let repo = complete(load.resume(u64::MAX).unwrap());
    assert_eq!(repo.records().filter(Result::is_ok).count(), 11);
}

fn the_commit_is_told_once_it_was_read() {
    let random = random::repo(1, 3000);
    for (order, is_seen) in [(Order::Preorder, true), (Order::CommitLast, false)] {
        let car = random.repo.to_bytes(order);
        let load = suspended(loader().memory_limit(80 * KIB).from_reader(&car[..]).unwrap());
        assert!(load.bytes_read() < car.len() as u64);
        assert_eq!(load.bytes_read() + load.get_ref().len() as u64, car.len() as u64);
        let commit = load.commit().unwrap();
        assert_eq!(commit.is_some(), is_seen);
        if let Some(commit) = commit {
            assert_eq!(commit.cid(), common::cid(&random.repo.commit_cid()));
        }
    }
}

fn a_suspended_load_goes_to_another_thread() {
    let random = random::repo(2, 3000);
    let load = suspended(loader().memory_limit(80 * KIB).from_reader(&random.car[..]).unwrap());
    let records = thread::scope(|scope| {
        let worker =
            scope.spawn(move || common::rows(&complete(load.resume(u64::MAX).unwrap())).unwrap());
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
        let load = suspended(loader().memory_limit(80 * KIB).from_reader(&car[..]).unwrap());
        let found = load.resume(u64::MAX).unwrap_err();
        assert_eq!(common::details(&found), common::details(&expected));
    }
}

/// The sample, then raw blocks of these lengths.
fn with_blocks(lengths: &[usize]) -> Vec<u8> {
    let mut car = breakage::sample().to_car(Order::Preorder);
    for (number, &len) in lengths.iter().enumerate() {
        car.push_block(&vec![number as u8; len]);
    }
    car.to_bytes()
}

/// Blocks that straddle chunks, so that chunks are copied, closed and freed in every way, and tiny
/// blocks, for the index.
fn no_limit_is_exceeded_on_the_way_to_the_end() {
    let blocks: [&[usize]; 5] = [
        &[600_000, 500_000, 500_000, 700_000],
        &[2 << 20, 1_500_000, 1_900_000, 300_000, 600_000],
        &[70_000; 40],
        &[1 << 20, 10, 1 << 20, 10],
        &[40_000; 30],
    ];
    let mut cars: Vec<_> = blocks.into_iter().map(with_blocks).collect();
    cars.push(tiny_blocks(60_000, u32::MAX));
    for car in cars {
        let mut limit = 64 * KIB;
        let mut stops = 0;
        loop {
            let before = Before::now();
            let loaded = load_within(&before, limit, || {
                loader().memory_limit(limit).from_reader(&car[..]).unwrap()
            });
            match loaded {
                Loaded::Complete(repo) => {
                    assert_eq!(repo.records().filter(Result::is_ok).count(), 11);
                    break;
                }
                Loaded::Suspended(load) => {
                    stops += 1;
                    let more = limit + 333 * KIB;
                    let _ = load_within(&before, more, || load.resume(more).unwrap());
                }
            }
            limit += 130 * KIB * step(4) as u64;
        }
        assert!(stops > 3);
        assert!(limit < 3 * car.len() as u64 + 2 * MIB, "{limit} for {} bytes", car.len());
    }
}

fn what_is_held_is_what_the_heap_has() {
    for car in [tiny_blocks(100_000, u32::MAX), with_blocks(&[600_000; 12])] {
        for limit in [MIB, 3 * MIB, 6 * MIB] {
            let before = Before::now();
            let Loaded::Suspended(load) =
                loader().memory_limit(limit).from_reader(&car[..]).unwrap()
            else {
                continue;
            };
            let heap = before.held() as u64;
            assert!(heap <= load.bytes_held() + REST, "{heap} bytes, {} told", load.bytes_held());
            assert!(load.bytes_held() <= heap, "{heap} bytes, {} told", load.bytes_held());
        }
    }
    // Without a limit, the unused part of a chunk is freed.
    let car = with_blocks(&[600_000; 12]);
    let before = Before::now();
    let repo = carwalk::Repo::from_reader(&car[..]).unwrap();
    let heap = before.held();
    assert!(heap < car.len() + car.len() / 8, "{heap} bytes for {}", car.len());
    drop(repo);
}

fn a_lower_limit_stops_again() {
    let car = with_blocks(&[40_000; 60]);
    let load = suspended(loader().memory_limit(MIB).from_reader(&car[..]).unwrap());
    let (read, held) = (load.bytes_read(), load.bytes_held());
    let load = suspended(load.resume(100 * KIB).unwrap());
    assert_eq!(
        (load.memory_limit(), load.bytes_read(), load.bytes_held()),
        (100 * KIB, read, held)
    );
}

fn progress_is_told_as_without_stops() {
    use std::sync::{Arc, Mutex};
    let car = with_blocks(&[40_000; 200]);
    let told = |limit: Option<u64>| {
        let told = Arc::new(Mutex::new(Vec::new()));
        let loader = loader().progress(common::collect(&told));
        match limit {
            None => drop(loader.from_reader(&car[..]).unwrap()),
            Some(limit) => {
                let mut loaded = loader.memory_limit(limit).from_reader(&car[..]).unwrap();
                while let Loaded::Suspended(load) = loaded {
                    let more = load.memory_limit() + 300 * KIB;
                    loaded = load.resume(more).unwrap();
                }
            }
        }
        told.lock().unwrap().clone()
    };
    let whole = told(None);
    assert!(whole.len() > 6 && whole.last() == Some(&(car.len() as u64)));
    // Suspending reports the position too, so the steps in between are never longer.
    let stopped = told(Some(100 * KIB));
    assert_eq!(stopped.last(), whole.last());
    assert!(
        stopped.windows(2).all(|pair| pair[1] - pair[0] < 2 * MIB && pair[0] <= pair[1]),
        "{stopped:?}"
    );
}

fn the_commit_that_is_told_follows_the_rules() {
    let mut repo = random::repo(1, 3000).repo;
    repo.commit = Commit::version_2(Cid::dag_cbor(b"before"));
    let car = repo.to_car(Order::Preorder);
    let (bytes, offset) = (car.to_bytes(), car.offset_of(&repo.commit_cid()));
    let stopped = |rules| {
        suspended(loader().commits(rules).memory_limit(80 * KIB).from_reader(&bytes[..]).unwrap())
    };
    assert_eq!(stopped(CommitRules::Legacy).commit().unwrap().unwrap().version(), 2);
    let current = stopped(CommitRules::Current);
    let error = current.commit().unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Malformed(Malformed::LegacyCommit(_))), "{error}");
    assert_eq!(error.position().offset(), Some(offset as u64));
    let resumed = current.resume(u64::MAX).unwrap_err();
    assert_eq!(common::details(&resumed), common::details(&error));
}
