//! Chunks of records: what they do at an error and at the end, and how threads share them.

use carwalk::ErrorClass;
use std::sync::mpsc;
use std::thread;

use carwalk::{Record, Repo};
use carwalk_testkit::cases;
use carwalk_testkit::repo::{Order, Repo as KitRepo};
use carwalk_testkit::{breakage, random};

/// The sample without the record of one entry.
fn without_record(index: usize) -> Vec<u8> {
    let repo = breakage::sample();
    let mut car = repo.to_car(Order::Preorder);
    car.remove(&repo.entries()[index].1);
    car.to_bytes()
}

#[test]
fn an_error_comes_after_the_items_before_it_and_then_nothing() {
    for missing in 0..11 {
        let car = without_record(missing);
        let repo = Repo::from_slice(&car).unwrap();
        for len in 1..13 {
            let mut records = repo.records();
            for before in (0..missing).step_by(len) {
                let chunk = records.next_chunk(len).unwrap();
                assert_eq!(
                    chunk.len(),
                    len.min(missing - before),
                    "record {missing}, chunks of {len}"
                );
            }
            assert_eq!(records.next_chunk(len).unwrap_err().class(), ErrorClass::Missing);
            assert!(records.next_chunk(len).unwrap().is_empty());
            assert!(records.next().is_none());
        }
    }
}

#[test]
fn an_error_that_ended_a_chunk_comes_with_the_next_item_too() {
    let car = without_record(3);
    let repo = Repo::from_slice(&car).unwrap();
    let mut records = repo.records();
    assert_eq!(records.next_chunk(5).unwrap().len(), 3);
    assert_eq!(records.next().unwrap().unwrap_err().class(), ErrorClass::Missing);
    assert!(records.next().is_none());
}

#[test]
fn entries_have_chunks_of_their_own() {
    let car = breakage::case("leaf_absent").broken;
    let repo = Repo::from_slice(&car).unwrap();
    assert_eq!(repo.entries().next_chunk(100).unwrap_err().class(), ErrorClass::Missing);
    let car = without_record(0);
    let repo = Repo::from_slice(&car).unwrap();
    let mut entries = repo.entries();
    assert_eq!(entries.next_chunk(8).unwrap().len(), 8);
    assert_eq!(entries.next_chunk(8).unwrap().len(), 3);
    assert!(entries.next_chunk(8).unwrap().is_empty());
}

/// The walk could go on after a key that is no path; the iterators do not.
#[test]
fn a_key_that_is_no_path_ends_the_records() {
    let keys: [&[u8]; 3] = [b"com.example.test/a", b"com.example.test/b b", b"com.example.test/c"];
    let car = KitRepo::sample(keys).to_bytes(Order::Preorder);
    let repo = Repo::from_slice(&car).unwrap();
    let mut records = repo.records();
    assert_eq!(records.next_chunk(3).unwrap().len(), 1);
    assert_eq!(records.next_chunk(3).unwrap_err().key(), Some(keys[1]));
    assert!(records.next_chunk(3).unwrap().is_empty() && records.next().is_none());
    let mut entries = repo.entries();
    assert!(entries.next().unwrap().is_ok());
    assert!(entries.next().unwrap().is_err());
    assert!(entries.next().is_none());
}

#[test]
fn a_chunk_is_empty_only_at_the_end() {
    let car = breakage::sample().to_bytes(Order::Preorder);
    let repo = Repo::from_slice(&car).unwrap();
    let mut records = repo.records();
    assert_eq!(records.next_chunk(0).unwrap().len(), 1);
    assert_eq!(records.next_chunk(usize::MAX).unwrap().len(), 10);
    assert!(records.next_chunk(0).unwrap().is_empty());
    let mut entries = repo.entries();
    for left in (0..11).rev() {
        assert_eq!(entries.next_chunk(0).unwrap().len(), 1, "{left} left");
    }
    assert!(entries.next_chunk(0).unwrap().is_empty() && entries.next().is_none());
    let car = KitRepo::new([]).to_bytes(Order::Preorder);
    let repo = Repo::from_slice(&car).unwrap();
    assert!(repo.records().next_chunk(4).unwrap().is_empty());
}

#[test]
fn threads_take_chunks_and_find_every_byte() {
    for seed in 0..cases(10) {
        let random = random::repo(seed, 2000);
        let repo = Repo::from_reader(&random.car[..]).unwrap();
        let (sender, receiver) = mpsc::channel::<Vec<Record<&[u8]>>>();
        let len: usize = thread::scope(|scope| {
            let worker = scope.spawn(move || {
                receiver.into_iter().flatten().map(|record| record.bytes().len()).sum()
            });
            let mut records = repo.records();
            loop {
                let chunk = records.next_chunk(64).unwrap();
                if chunk.is_empty() {
                    break;
                }
                sender.send(chunk).unwrap();
            }
            drop(sender);
            worker.join().unwrap()
        });
        assert_eq!(len, random.records.values().map(|record| record.bytes.len()).sum::<usize>());
    }
}

#[test]
fn threads_walk_one_repository_side_by_side() {
    let random = random::repo(7, 500);
    let repo = Repo::from_slice(&random.car).unwrap();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                assert_eq!(repo.records().filter(Result::is_ok).count(), random.records.len())
            });
        }
    });
}
