//! Threads that hash while a load goes on: whatever comes of a CAR is what comes of it without
//! them, to the last detail.

use crate::common;
use carwalk::ErrorClass;
use std::cell::Cell;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::common::Told;
use carwalk::{ErrorKind, Loaded, Loader, Result, Verification};
use carwalk_testkit::car::{Car, Section};
use carwalk_testkit::cases;
use carwalk_testkit::readers::{FailsAt, OneByte, PANIC, PanicsAt, Ragged};
use carwalk_testkit::repo::Order;
use carwalk_testkit::rng::Rng;
use carwalk_testkit::{breakage, random};

const COUNTS: [usize; 4] = [1, 2, 3, 8];

const KIB: usize = 1 << 10;

/// What came of a load, as text where it is an error.
type Outcome = Result<Told<Vec<u8>>, String>;

fn outcome<S: carwalk::store::CarStore>(repo: Result<carwalk::Repo<S>>) -> Outcome {
    repo.and_then(|repo| common::told(&repo)).map_err(|error| common::details(&error))
}

/// A raw block that no other is like.
fn filler(number: usize, len: usize) -> Section {
    let block = [&number.to_be_bytes()[..], &vec![number as u8; len]].concat();
    Section::new(carwalk_testkit::cid::Cid::raw(&block).as_bytes(), &block)
}

/// A CAR with 60 times `len` bytes more between its sections: with 26 KiB, stretches of a slice are
/// handed to threads, with 46 KiB, those of a stream too.
fn lengthened(mut car: Car, len: usize) -> Car {
    let sections = std::mem::take(&mut car.sections);
    let each = sections.len().div_ceil(60).max(1);
    let few = 60 / sections.len().max(1) + 1;
    for (number, section) in sections.into_iter().enumerate() {
        car.sections.push(section);
        if number % each == 0 {
            car.sections.extend((0..few).map(|more| filler(number * 100 + more, len)));
        }
    }
    car
}

fn long() -> Car {
    lengthened(random::repo(5, 300).repo.to_car(Order::Pds), 46 * KIB)
}

fn spoil(car: &mut Car, index: usize) {
    let last = car.sections[index].data.last_mut().unwrap();
    *last ^= 0x40;
}

fn spoiled(good: &Car, indexes: &[usize]) -> Car {
    let mut car = good.clone();
    for &index in indexes {
        spoil(&mut car, index);
    }
    car
}

/// All ways that a CAR can come by, with what came of it.
fn each_way(car: &[u8], loader: impl Fn() -> Loader, mut seen: impl FnMut(String, Outcome)) {
    seen("slice".to_owned(), outcome(loader().from_slice(car)));
    seen("reader".to_owned(), outcome(loader().from_reader(car)));
    seen("ragged".to_owned(), outcome(loader().from_reader(Ragged::new(car, 1))));
    for (first, step) in [(0, 700 * KIB), (90 * KIB, 300 * KIB), (2100 * KIB, 10 * KIB)] {
        seen(
            format!("from {first} by {step}"),
            outcome(stepwise(car, loader(), first as u64, step as u64)),
        );
    }
    #[cfg(feature = "redb")]
    for limit in [0, 2100 * KIB as u64] {
        use carwalk::store::SpillFile;
        let spilled = loader().memory_limit(limit).spill(car, SpillFile::temporary());
        seen(format!("spilled at {limit}"), outcome(spilled));
        let suspended = match loader().memory_limit(limit).from_reader(car) {
            Ok(Loaded::Suspended(load)) => outcome(load.spill(SpillFile::temporary())),
            Ok(Loaded::Complete(repo)) => outcome(Ok(repo)),
            Err(error) => Err(common::details(&error)),
        };
        seen(format!("suspended and spilled at {limit}"), suspended);
        let indexed = loader().memory_limit(limit / 1000).from_slice(car, SpillFile::temporary());
        seen(format!("index in a file at {limit}"), outcome(indexed));
    }
}

/// Loads with a limit that grows by steps.
fn stepwise(
    car: &[u8],
    loader: Loader,
    first: u64,
    step: u64,
) -> Result<carwalk::Repo<carwalk::store::MemoryStore>> {
    let mut loaded = loader.memory_limit(first).from_reader(car)?;
    loop {
        loaded = match loaded {
            Loaded::Complete(repo) => return Ok(repo),
            Loaded::Suspended(load) => {
                let _ = load.commit();
                let limit = load.memory_limit() + step;
                load.resume(limit)?
            }
        };
    }
}

/// Checks that all ways come to the same, each with another number of threads from time to time,
/// and gives it.
#[track_caller]
fn same(name: &str, car: &[u8], loader: impl Fn() -> Loader) -> Outcome {
    static TURN: AtomicUsize = AtomicUsize::new(0);
    let expected = outcome(loader().from_slice(car));
    let threads = Cell::new(0);
    let threaded = || {
        threads.set(COUNTS[TURN.fetch_add(1, Ordering::Relaxed) % COUNTS.len()]);
        loader().threads(threads.get())
    };
    each_way(car, threaded, |way, found| {
        let threads = threads.get();
        assert!(
            found == expected,
            "{name}, {threads} threads, {way}: {found:.300?}, not {expected:.300?}"
        );
    });
    expected
}

fn every_block() -> Loader {
    Loader::new()
}

#[test]
fn good_cars_come_to_the_same() {
    let car = long();
    let bytes = car.to_bytes();
    assert!(bytes.len() > 2200 * KIB, "{}", bytes.len());
    for verification in
        [Verification::EveryBlock, Verification::ReachedBlocks, Verification::DangerouslyNone]
    {
        let told = same("good", &bytes, || Loader::new().verification(verification)).unwrap();
        assert!(told.records == common::oracle_rows(&bytes));
    }
    let one_byte = outcome(every_block().threads(3).from_reader(OneByte(&bytes[..])));
    assert!(one_byte == outcome(every_block().from_slice(&bytes)));
}

#[test]
fn the_first_bad_block_is_told() {
    let good = long();
    let count = good.sections.len();
    let (offsets, last) = (good.offsets(), count - 1);
    // In all stretches, in the last chunk that is still open, and several at once.
    let cases: [&[usize]; 8] = [
        &[0],
        &[1],
        &[count / 3, count / 3 + 1],
        &[count / 2],
        &[last - 1, last],
        &[last],
        &[count / 2, count / 4, last],
        &(0..count).step_by(7).skip(3).collect::<Vec<_>>(),
    ];
    for bad in cases {
        let first = *bad.iter().min().unwrap();
        let car = spoiled(&good, bad);
        let bytes = car.to_bytes();
        let error = same(&format!("{bad:?}"), &bytes, every_block).unwrap_err();
        let expected = every_block().threads(3).from_slice(&bytes).unwrap_err();
        assert!(matches!(expected.kind(), ErrorKind::HashMismatch { .. }), "{expected}");
        assert_eq!(expected.position().offset(), Some(offsets[first] as u64));
        assert_eq!(expected.cid().unwrap().as_bytes(), &car.sections[first].cid[..]);
        // What comes after it does not matter, even where the framing is bad.
        for (cut, salvage) in [(3, false), (3, true), (car.sections[last].len() + 1, true)] {
            if first + 2 < last {
                let cut = &bytes[..bytes.len() - cut];
                let loader = || every_block().salvage(salvage).threads(3);
                assert!(outcome(loader().from_slice(cut)).unwrap_err() == error);
                assert!(outcome(loader().from_reader(cut)).unwrap_err() == error);
            }
        }
    }
    let bytes = spoiled(&good, &[count / 2]).to_bytes();
    let _ = same("reached", &bytes, || Loader::new().verification(Verification::ReachedBlocks));
}

#[test]
fn bad_framing_after_good_blocks_is_told() {
    let good = long();
    let bytes = good.to_bytes();
    for cut in [1, good.sections.last().unwrap().len() - 1, bytes.len() / 2] {
        let cut = &bytes[..bytes.len() - cut];
        same("cut", cut, every_block).unwrap_err();
        let _ = same("cut, salvaged", cut, || every_block().salvage(true));
    }
    let padded = [&bytes[..], &[0x80, 0x00]].concat();
    same("padded", &padded, every_block).unwrap_err();
    same("padded, salvaged", &padded, || every_block().salvage(true)).unwrap();
}

#[test]
fn blocks_longer_than_a_stretch_and_a_chunk() {
    let mut car = long();
    for (at, len) in [(2, 1900 * KIB), (2, 300 * KIB), (20, 1100 * KIB)] {
        car.sections.insert(at, filler(at * 1000 + len, len));
    }
    same("long blocks", &car.to_bytes(), every_block).unwrap();
    for bad in [2, 3, 22, 30] {
        let bytes = spoiled(&car, &[bad]).to_bytes();
        same("a bad one among long blocks", &bytes, every_block).unwrap_err();
    }
}

/// All that can be wrong with a CAR, most of which threads have nothing to do with.
#[test]
fn every_violation_is_told_as_without_threads() {
    for breakage in breakage::each_rule() {
        let case = breakage.make();
        let Ok(broken) = Car::parse(&case.broken) else { continue };
        let bytes = lengthened(broken, 26 * KIB).to_bytes();
        let expected = outcome(every_block().from_slice(&bytes));
        assert!(
            outcome(every_block().threads(3).from_slice(&bytes)) == expected,
            "{}",
            breakage.name
        );
    }
}

#[test]
fn a_process_function_sees_no_record_that_was_not_hashed() {
    let good = long();
    let bytes = good.to_bytes();
    let load = |bytes: &[u8], threads| {
        let seen = Arc::new(Mutex::new(0));
        let count = Arc::clone(&seen);
        let loader = Loader::new().threads(threads).process(move |record: &[u8]| {
            *count.lock().unwrap() += 1;
            record.len() as u64
        });
        let values = loader.from_reader(bytes).and_then(|repo| {
            repo.records()
                .map(|record| record.map(|record| record.into_value()))
                .collect::<Result<Vec<_>>>()
        });
        let seen = *seen.lock().unwrap();
        (values.map_err(|error| common::details(&error)), seen)
    };
    let bad = spoiled(&good, &[good.sections.len() / 2]).to_bytes();
    let (expected, expected_bad) = (load(&bytes, 0), load(&bad, 0));
    assert!(expected.0.is_ok() && expected_bad.0.is_err() && expected_bad.1 < expected.1);
    for threads in COUNTS {
        assert!(
            load(&bytes, threads) == expected && load(&bad, threads) == expected_bad,
            "{threads} threads"
        );
    }
}

#[test]
fn progress_is_told_on_the_callers_thread_and_rises() {
    let bytes = long().to_bytes();
    let told = |threads| {
        let positions = Arc::new(Mutex::new(Vec::new()));
        let here = std::thread::current().id();
        let collect = common::collect(&positions);
        let loader = Loader::new().threads(threads).progress(move |position| {
            assert_eq!(std::thread::current().id(), here);
            collect(position)
        });
        drop(loader.from_slice(&bytes).unwrap());
        positions.lock().unwrap().clone()
    };
    let expected = told(0);
    assert!(expected.is_sorted() && expected.len() >= 2, "{expected:?}");
    for threads in COUNTS {
        assert_eq!(told(threads), expected);
    }
}

#[test]
fn a_stream_that_panics_leaves_no_thread_waiting() {
    let bytes = long().to_bytes();
    for len in [0, 100, 2100 * KIB, bytes.len()] {
        let read =
            || Loader::new().threads(4).from_reader(PanicsAt::new(&bytes[..], len)).map(drop);
        let panic = catch_unwind(AssertUnwindSafe(read)).unwrap_err();
        assert_eq!(panic.downcast_ref::<String>().map(String::as_str), Some(PANIC));
    }
}

#[test]
fn a_stream_that_fails_is_told_after_bad_blocks_only() {
    let good = long();
    let bad = spoiled(&good, &[good.sections.len() / 2]).to_bytes();
    let good = good.to_bytes();
    for threads in COUNTS {
        let load = |bytes: &[u8]| {
            let stream = FailsAt::new(bytes, bytes.len() - 100, io::ErrorKind::ConnectionReset);
            Loader::new().threads(threads).from_reader(stream).unwrap_err()
        };
        assert_eq!(load(&good).class(), ErrorClass::Io);
        assert!(matches!(load(&bad).kind(), ErrorKind::HashMismatch { .. }));
    }
}

/// Wherever a load stops, it can be dropped, or sent to another thread, which goes on with threads
/// of its own.
#[test]
fn a_suspended_load_has_no_threads() {
    let bytes = long().to_bytes();
    let expected = outcome(every_block().from_slice(&bytes));
    let mut rng = Rng::new(1);
    for _ in 0..cases(4) {
        let limit = rng.range(700 * KIB, 3000 * KIB) as u64;
        let Loaded::Suspended(load) =
            every_block().threads(3).memory_limit(limit).from_reader(&bytes[..]).unwrap()
        else {
            continue;
        };
        assert!(load.bytes_held() <= limit, "{} at {limit}", load.bytes_held());
        if rng.chance(1, 2) {
            continue;
        }
        let resumed = std::thread::scope(|scope| {
            let worker = scope.spawn(|| match load.resume(u64::MAX) {
                Ok(Loaded::Complete(repo)) => outcome(Ok(repo)),
                _ => panic!("not complete"),
            });
            worker.join().unwrap()
        });
        assert!(resumed == expected);
    }
}
