//! Kept spill files that were changed: refused, or read correctly. Never a panic, a wrong record,
//! or more work than an intact file takes.

use std::fs::{self, OpenOptions};
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;

use crate::common::kept::{self, DESCRIPTION, Kept, TABLES, change};
use crate::common::{self, CountingStore, Row, spill};
use carwalk::store::{CarStore, RedbStore, SpillFile};
use carwalk::{Error, ErrorKind, Loader, Repo, Result, Tree, Verification};
use carwalk_testkit::random;
use carwalk_testkit::rng::Rng;
use carwalk_testkit::{cases, step};
use redb::{Database, ReadableDatabase, ReadableTable};
use tempfile::TempDir;

/// Counts of what reading a file takes.
#[derive(Clone, Copy, Debug, Default)]
struct Work {
    /// Sections that are listed.
    sections: usize,
    /// Blocks that a walk asks for.
    gets: u64,
    events: usize,
}

impl Work {
    /// Lists the sections of a file and walks its tree. Stops listing at `most` sections.
    fn add(&mut self, repo: &Repo<RedbStore>, most: usize) -> Result<()> {
        self.sections = repo.store().sections().take(most).filter(Result::is_ok).count();
        let store = CountingStore::new(repo.store());
        let tree = Tree::new(&store, repo.commit().data());
        let mut walk = tree.walk().partial(true).nodes(true).start();
        let walked = loop {
            match walk.next_event() {
                Ok(Some(_)) => self.events += 1,
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        self.gets = store.gets();
        walked
    }

    /// Returns the work that a good file takes.
    fn of(kept: &Kept) -> Self {
        let mut work = Work::default();
        work.add(&kept::open(&kept.path).unwrap(), usize::MAX).unwrap();
        assert!(work.sections > kept.rows.len() && work.gets > kept.rows.len() as u64, "{work:?}");
        work
    }

    /// Returns whether this is no more than a file takes that was `good`. Whatever is in it, nodes
    /// are hashed: so no more of them are asked for. Stored sections may be repeated.
    fn is_within(&self, good: &Work) -> bool {
        self.gets <= good.gets && self.events <= good.events && self.sections <= 2 * good.sections
    }
}

fn is_of_file(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::InvalidSpillFile(_))
}

/// Opens a file that is not what it was: an error, or the very same records, with no more work than
/// `good` says. Returns what else it did, and whether it gave the records.
fn judge(path: &Path, rows: &[Row], good: &Work, number: u64) -> (Option<String>, bool) {
    let verification =
        if number & 1 == 0 { Verification::EveryBlock } else { Verification::ReachedBlocks };
    let mut work = Work::default();
    let read = AssertUnwindSafe(|| -> Result<Vec<Row>> {
        let loader = Loader::new().verification(verification);
        let loader = loader.memory_limit(if number & 2 == 0 { 0 } else { 1 << 20 });
        let repo = loader.from_spill_file(path)?;
        work.add(&repo, 3 * good.sections)?;
        let rows = common::rows(&repo)?;
        let _ = format!("{:?} {:?}", repo.store(), repo.stats());
        Ok(rows)
    });
    let found = panic::catch_unwind(read);
    if !work.is_within(good) {
        return (Some(format!("took {work:?}, a good file takes {good:?}")), false);
    }
    match found {
        Err(_) => (Some("panicked".to_owned()), false),
        Ok(Ok(found)) if found != rows => (Some("gave other records".to_owned()), false),
        Ok(Err(error)) if is_of_file(&error) && error.path() != Some(path) => {
            (Some(format!("{error} does not name the file")), false)
        }
        Ok(found) => (None, found.is_ok()),
    }
}

#[test]
fn damaged_files_are_refused_or_give_the_right_records() {
    let kept = Kept::new();
    let (bytes_before, good) = (kept.bytes(), Work::of(&kept));
    let path = kept.other("damaged");
    let (mut failures, mut accepted) = (Vec::new(), 0u64);
    let count = cases(80);
    for number in 0..count {
        let mut rng = Rng::new(number);
        let mut bytes = bytes_before.clone();
        let what = match rng.below(8) {
            0 | 1 => {
                let at = rng.below(bytes.len());
                bytes[at] ^= 1 << rng.below(8);
                "one bit flipped"
            }
            2 => {
                // What says where all else is stands first.
                let at = rng.below(512);
                bytes[at] ^= 1 + rng.below(255) as u8;
                "one byte of the beginning changed"
            }
            3 => {
                for _ in 0..rng.range(2, 200) {
                    let at = rng.below(bytes.len());
                    bytes[at] ^= 1 + rng.below(255) as u8;
                }
                "many bytes changed"
            }
            4 => {
                bytes.truncate(rng.below(bytes_before.len()));
                "cut short"
            }
            5 => {
                for _ in 0..rng.range(1, 4) {
                    let at = rng.below(bytes.len() / 4096) * 4096;
                    bytes[at..at + 4096].fill(0);
                }
                "blocks zeroed"
            }
            6 => {
                let len = rng.range(1, 200_000);
                bytes.extend(rng.bytes(len));
                "garbage at the end"
            }
            _ => {
                let (from, to) =
                    (rng.below(bytes.len() / 4096) * 4096, rng.below(bytes.len() / 4096) * 4096);
                bytes.copy_within(from..from + 4096, to);
                "a block moved"
            }
        };
        fs::write(&path, &bytes).unwrap();
        let (failure, is_good) = judge(&path, &kept.rows, &good, number);
        failures.extend(failure.map(|failure| format!("{number}, {what}: {failure}")));
        accepted += u64::from(is_good);
        if fs::read(&path).unwrap() != bytes {
            failures.push(format!("{number}, {what}: the file was changed"));
        }
    }
    assert!(failures.is_empty(), "{} failures: {failures:#?}", failures.len());
    // Much of a file is free, and what is there is free to change.
    assert!(4 * accepted < 3 * count, "{accepted} of them were accepted");
}

/// Any change of values and keys, in tables that stay whole.
fn tamper(path: &Path, rng: &mut Rng) -> String {
    let database = Database::open(path).unwrap();
    let txn = database.begin_write().unwrap();
    let mut done = String::new();
    for _ in 0..rng.range(1, 4) {
        let number = rng.below(4).min(2);
        let mut table = txn.open_table(TABLES[number]).unwrap();
        let keys: Vec<u32> = table.iter().unwrap().map(|entry| entry.unwrap().0.value()).collect();
        let Some(&key) = keys.get(rng.below(keys.len().max(1))) else { continue };
        let mut value = table.get(key).unwrap().unwrap().value().to_vec();
        let what = rng.below(10);
        done += &format!("table {number}, key {key} of {}, change {what}; ", keys.len());
        let at = rng.below(value.len().max(1));
        match what {
            0 | 1 if !value.is_empty() => value[at] ^= 1 << rng.below(8),
            2 | 3 if !value.is_empty() => {
                let end = value.len().min(at + rng.range(1, 9));
                let byte = *rng.pick(&[0, 1, 0x7f, 0x80, 0xff]);
                value[at..end].fill(byte);
            }
            4 => value.truncate(at),
            5 => value = rng.bytes(at),
            6 => {
                let len = rng.below(300);
                value.extend(rng.bytes(len));
            }
            7 => {
                let other = *rng.pick(&keys);
                value = table.get(other).unwrap().unwrap().value().to_vec();
            }
            8 => {
                table.insert(rng.next_u64() as u32, value.as_slice()).unwrap();
            }
            _ => {
                table.remove(key).unwrap();
                continue;
            }
        }
        table.insert(key, value.as_slice()).unwrap();
    }
    txn.commit().unwrap();
    done
}

#[test]
fn files_with_hostile_values_are_refused_or_give_the_right_records() {
    let kept = Kept::new();
    let good = Work::of(&kept);
    let path = kept.other("hostile");
    let (mut failures, mut accepted) = (Vec::new(), 0u64);
    let count = cases(60);
    for number in 0..count {
        let mut rng = Rng::new(number);
        fs::copy(&kept.path, &path).unwrap();
        let what = tamper(&path, &mut rng);
        let (failure, is_good) = judge(&path, &kept.rows, &good, number);
        failures.extend(failure.map(|failure| format!("{number}, {what}: {failure}")));
        accepted += u64::from(is_good);
    }
    assert!(failures.is_empty(), "{} failures: {failures:#?}", failures.len());
    assert!(3 * accepted < 2 * count, "{accepted} of them were accepted");
}

/// Values of records cannot be hashed, so they may be any; all else is an error.
#[test]
fn hostile_processed_values_do_no_harm() {
    let folder = TempDir::new().unwrap();
    let (good, path) = (folder.path().join("good"), folder.path().join("hostile"));
    let car = random::repo(5, 300).car;
    let loader = || common::summarizing(Loader::new());
    drop(spill::all_into(loader(), &car[..], SpillFile::keep(&good).segment_len(1000)).unwrap());
    let keys: Vec<_> =
        common::oracle_rows(&car).into_iter().map(|(key, cid, _)| (key, cid)).collect();
    let mut failures = Vec::new();
    for number in 0..cases(20) {
        let mut rng = Rng::new(number);
        fs::copy(&good, &path).unwrap();
        let what = tamper(&path, &mut rng);
        let read = AssertUnwindSafe(|| -> Result<bool> {
            let repo = loader().from_spill_file(&path)?;
            let found = common::summaries(&repo)?.into_iter().map(|(key, cid, _)| (key, cid));
            Ok(found.eq(keys.iter().cloned()))
        });
        match panic::catch_unwind(read) {
            Err(_) => failures.push(format!("{number}, {what}: panicked")),
            Ok(Ok(false)) => failures.push(format!("{number}, {what}: other keys")),
            Ok(_) => {}
        }
    }
    assert!(failures.is_empty(), "{} failures: {failures:#?}", failures.len());
}

/// Numbers of a description that stand for as much as can be.
#[test]
fn a_hostile_description_asks_for_nothing_without_end() {
    let kept = Kept::new();
    let good = Work::of(&kept);
    let path = kept.other("hostile");
    let len = {
        let database = Database::open(&kept.path).unwrap();
        let txn = database.begin_read().unwrap();
        let table = txn.open_table(DESCRIPTION).unwrap();
        table.get(0).unwrap().unwrap().value().len()
    };
    let mut failures = Vec::new();
    for at in (18..len).step_by(2 * step(3)) {
        for (number, bytes) in [[0xffu8; 8], [0; 8], [0x80; 8]].into_iter().enumerate() {
            fs::copy(&kept.path, &path).unwrap();
            change(&path, DESCRIPTION, 0, |value| {
                let end = value.len().min(at + 8);
                value[at..end].copy_from_slice(&bytes[..end - at]);
            });
            let (failure, _) = judge(&path, &kept.rows, &good, number as u64);
            failures.extend(failure.map(|failure| format!("{number} at {at}: {failure}")));
        }
    }
    assert!(failures.is_empty(), "{} failures: {failures:#?}", failures.len());
}

#[test]
fn a_file_that_is_cut_while_it_is_read_gives_errors_and_no_panic() {
    let kept = Kept::new();
    let len = kept.bytes().len() as u64;
    let repo = Loader::new()
        .verification(Verification::ReachedBlocks)
        .memory_limit(0)
        .from_spill_file(&kept.path);
    let repo = repo.unwrap();
    let mut records = repo.records();
    assert!(records.by_ref().take(5).all(|record| record.is_ok()));
    OpenOptions::new().write(true).open(&kept.path).unwrap().set_len(len / 8).unwrap();
    let rest = panic::catch_unwind(AssertUnwindSafe(|| records.find_map(Result::err)));
    if let Some(error) = rest.expect("a walk panicked") {
        assert!(
            matches!(error.kind(), ErrorKind::Store(_) | ErrorKind::InvalidSpillFile(_)),
            "{error}"
        );
    }
    panic::catch_unwind(AssertUnwindSafe(|| drop(repo.into_store()))).expect("closing panicked");
}
