//! Kept spill files with matching checksums, and with offsets and lengths that no CAR has: memory
//! depends on these numbers, so they are errors.

use std::fs;
use std::path::{Path, PathBuf};

use crate::common::kept::{DESCRIPTION, Kept, TABLES, change, open};
use crate::common::spill;
use carwalk::error::SpillFileFault;
use carwalk::store::{BlockStore, CarStore, RedbStore, SpillFile};
use carwalk::{ErrorKind, Loader, Result, Verification};
use carwalk_testkit::cbor::Value;
use carwalk_testkit::random;
use carwalk_testkit::repo::{Order, Record, Repo};

#[track_caller]
fn assert_damaged<T>(result: Result<T>, text: &str) {
    let Err(error) = result else { panic!("expected: {text}") };
    let ErrorKind::InvalidSpillFile(SpillFileFault::Damaged(found)) = error.kind() else {
        panic!("{error}")
    };
    assert_eq!(&**found, text);
}

/// Moves the sections of a segment.
fn move_sections(path: &Path, segment: u32, by: u64) {
    change(path, TABLES[0], segment, |value| {
        let (base, _) = value.split_first_chunk_mut().unwrap();
        *base = u64::from_le_bytes(*base).wrapping_add(by).to_le_bytes();
    });
}

/// Gives the CAR another length.
fn set_len(path: &Path, old: u64, len: u64) {
    change(path, DESCRIPTION, 0, |value| {
        let at = value.windows(8).position(|found| found == old.to_le_bytes()).unwrap();
        value[at..at + 8].copy_from_slice(&len.to_le_bytes());
    });
}

/// Asks for all sections in their order, and for each block.
fn ask(path: &Path) -> (Result<u64>, Result<u64>) {
    let store = RedbStore::open(path, 1 << 20).unwrap();
    let sections = store.sections().try_fold(0, |count, section| section.map(|_| count + 1));
    let sound = RedbStore::open(path.with_file_name("kept"), 1 << 20).unwrap();
    let blocks = sound.sections().try_fold(0, |count, section| {
        let found = store.get(&section?.cid())?.unwrap();
        assert!(found.offset.unwrap() < store.stats().bytes);
        Ok(count + 1)
    });
    (sections, blocks)
}

fn copy(kept: &Kept) -> PathBuf {
    let path = kept.other("forged");
    fs::copy(&kept.path, &path).unwrap();
    path
}

#[test]
fn sections_beyond_the_end_of_the_car_are_damage() {
    let kept = Kept::new();
    let stats = open(&kept.path).unwrap().stats();
    let path = copy(&kept);
    assert!(matches!(ask(&path), (Ok(a), Ok(b)) if a == b && a == stats.sections));
    let beyond = "a section is beyond the end of the CAR";
    for by in [stats.bytes - 100, stats.bytes, 1 << 40, 1 << 62] {
        let path = copy(&kept);
        // The commit is not in this segment.
        move_sections(&path, 9, by);
        let (sections, blocks) = ask(&path);
        assert_damaged(sections, beyond);
        assert_damaged(blocks, beyond);
        assert_damaged(open(&path), beyond);
        let loader = Loader::new().verification(Verification::ReachedBlocks);
        let repo = loader.from_spill_file(&path).unwrap();
        let mut walk = repo.walk().partial(true).start();
        let error = loop {
            match walk.next_event() {
                Ok(event) => assert!(event.is_some(), "{by}"),
                Err(error) => break error,
            }
        };
        assert_damaged::<()>(Err(error), beyond);
    }
}

#[test]
fn sections_that_overlap_are_damage() {
    let kept = Kept::new();
    for by in [1_u64, 36, 200] {
        let path = copy(&kept);
        move_sections(&path, 2, by.wrapping_neg());
        assert_damaged(ask(&path).0, "its segments are not in order");
    }
}

#[test]
fn a_car_that_the_file_cannot_hold_is_damage() {
    let kept = Kept::new();
    let stats = open(&kept.path).unwrap().stats();
    let header = u64::from(u32::MAX) + 9;
    // A change may make the file shorter, always by the same.
    let file_len = || fs::metadata(kept.other("forged")).unwrap().len();
    set_len(&copy(&kept), stats.bytes, 0);
    let most = file_len() + header;
    for len in [stats.bytes, header, most] {
        let path = copy(&kept);
        set_len(&path, stats.bytes, len);
        assert_eq!(file_len() + header, most);
        assert_eq!(open(&path).map(|repo| repo.stats().bytes).unwrap(), len);
    }
    let long = "the CAR is longer than the file can hold";
    let impossible = "its description contradicts itself";
    for (len, text) in [(most + 1, long), (1 << 40, long), (u64::MAX, impossible)] {
        let path = copy(&kept);
        set_len(&path, stats.bytes, len);
        assert_eq!(file_len() + header, most);
        assert_damaged(open(&path), text);
    }
}

/// Nobody knows how long the records were.
#[test]
fn a_car_of_any_length_is_believed_if_records_were_processed() {
    let kept = Kept::new();
    let path = kept.other("processed");
    let car = random::repo(11, 600).car;
    let loader = || crate::common::summarizing(Loader::new());
    let bytes = spill::all_into(loader(), &car[..], SpillFile::keep(&path)).unwrap().stats().bytes;
    set_len(&path, bytes, 1 << 40);
    let repo = loader().from_spill_file(&path).unwrap();
    assert_eq!(repo.stats().bytes, 1 << 40);
    repo.unreached_blocks().unwrap();
}

#[test]
fn a_long_segment_has_one_block() {
    let kept = Kept::new();
    let long = Record::new(Value::map([("text", Value::text("a".repeat(100_000)))]).encode());
    let repo = Repo::new([(b"com.example.test/long".to_vec(), long)]);
    let path = kept.other("long");
    let car = repo.to_bytes(Order::Preorder);
    drop(spill::all_into(Loader::new(), &car[..], SpillFile::keep(&path)).unwrap());
    assert_eq!(open(&path).unwrap().records().map(Result::unwrap).count(), 1);

    let path = copy(&kept);
    change(&path, TABLES[0], 2, |value| {
        let blocks = value[8..].to_vec();
        while value.len() <= 1 << 16 {
            value.extend_from_slice(&blocks);
        }
    });
    let (sections, blocks) = ask(&path);
    assert_damaged(sections, "a segment is too long");
    assert_damaged(blocks, "a segment is too long");
}
