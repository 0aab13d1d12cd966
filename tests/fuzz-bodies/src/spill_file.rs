use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use carwalk::store::{CarStore, RedbStore, SpillFile};
use carwalk::{Loader, Repo, Result, Verification};
use carwalk_testkit::random;
use redb::{Database, Durability, ReadableTable, TableDefinition};

use crate::choices::Choices;
use crate::common::{self, Row, spill};
use crate::stores::{any_verification, scratch};

type Table = TableDefinition<'static, u32, &'static [u8]>;

const TABLES: [Table; 3] = [
    TableDefinition::new("carwalk"),
    TableDefinition::new("carwalk index"),
    TableDefinition::new("carwalk segments"),
];

/// A kept spill file with any changed values or bytes is refused, or gives its original records.
/// Without verification it may give other records, and with processed records other values. Nothing
/// panics.
pub fn spill_file(data: &[u8]) {
    let mut choices = Choices::new(data);
    let processed = choices.flag();
    let verification = any_verification(&mut choices);
    let cache_size = choices.below(2) as u64 * (1 << 20);
    let kept = Kept::good(processed);
    let folder = scratch();
    let path = folder.path().join("hostile");
    if choices.flag() {
        fs::write(&path, damaged(&kept.bytes, &mut choices)).unwrap();
    } else {
        fs::write(&path, &kept.bytes).unwrap();
        tamper(&path, &mut choices);
    }
    if processed {
        let loader = common::summarizing(Loader::new()).verification(verification);
        if let Ok(repo) = loader.memory_limit(cache_size).from_spill_file(&path) {
            let found = common::summaries(&repo);
            let found = found
                .map(|rows| rows.into_iter().map(|(key, cid, _)| (key, cid)).collect::<Vec<_>>());
            let keys = || kept.rows.iter().map(|(key, cid, _)| (key.clone(), *cid));
            let is_same = |found: Vec<_>| keys().eq(found);
            assert!(
                verification == Verification::DangerouslyNone || found.map_or(true, is_same),
                "other keys"
            );
        }
    } else if let Ok(repo) =
        Loader::new().verification(verification).memory_limit(cache_size).from_spill_file(&path)
    {
        let found = read(&repo);
        let is_same = || found.as_ref().is_ok_and(|rows| *rows == kept.rows);
        assert!(
            verification == Verification::DangerouslyNone || found.is_err() || is_same(),
            "other records"
        );
    }
}

/// A valid kept spill file, and its records.
struct Kept {
    bytes: Vec<u8>,
    rows: Vec<Row>,
}

impl Kept {
    fn good(processed: bool) -> &'static Self {
        static FILES: [OnceLock<Kept>; 2] = [const { OnceLock::new() }; 2];
        FILES[usize::from(processed)].get_or_init(|| Self::make(processed))
    }

    fn make(processed: bool) -> Self {
        let folder = scratch();
        let path = folder.path().join("kept");
        let car = random::repo(11, 120).car;
        let file = SpillFile::keep(&path).segment_len(300);
        if processed {
            drop(spill::all_into(common::summarizing(Loader::new()), &car[..], file).unwrap());
        } else {
            drop(spill::all_into(Loader::new(), &car[..], file).unwrap());
        }
        Kept { bytes: fs::read(&path).unwrap(), rows: common::oracle_rows(&car) }
    }
}

/// Uses every part of a repository in a spill file, and returns its records.
fn read(repo: &Repo<RedbStore>) -> Result<Vec<Row>> {
    let heads = repo.store().sections().take(10_000).filter(Result::is_ok).count();
    assert!(heads <= 10_000);
    let mut walk = repo.walk().partial(true).nodes(true).start();
    while walk.next_event()?.is_some() {}
    let rows = common::rows(repo)?;
    let _ = format!("{:?} {:?} {:?}", repo.store(), repo.stats(), repo.unreached_blocks());
    Ok(rows)
}

/// Returns the file with changed bytes.
fn damaged(good: &[u8], choices: &mut Choices<'_>) -> Vec<u8> {
    let mut bytes = good.to_vec();
    for _ in 0..1 + choices.below(6) {
        let len = bytes.len().max(1);
        // The first bytes locate everything else, so they are changed often.
        let at = if choices.flag() { choices.below(512.min(len)) } else { choices.below(len) };
        match choices.below(5) {
            0 => bytes.truncate(at),
            1 => bytes.extend_from_slice(choices.bytes(30)),
            2 => {
                let (from, to) = (at / 4096 * 4096, choices.below(len) / 4096 * 4096);
                if from.max(to) + 4096 <= bytes.len() {
                    bytes.copy_within(from..from + 4096, to);
                }
            }
            _ => bytes
                .iter_mut()
                .skip(at)
                .take(8)
                .zip(choices.bytes(8))
                .for_each(|(byte, new)| *byte = *new),
        }
    }
    bytes
}

/// Changes values and keys. The tables themselves stay valid.
fn tamper(path: &Path, choices: &mut Choices<'_>) {
    let database = Database::open(path).unwrap();
    let mut txn = database.begin_write().unwrap();
    txn.set_durability(Durability::Immediate).unwrap();
    for _ in 0..1 + choices.below(4) {
        let mut table = txn.open_table(*choices.pick(&TABLES)).unwrap();
        let keys: Vec<u32> = table.iter().unwrap().map(|entry| entry.unwrap().0.value()).collect();
        if keys.is_empty() {
            continue;
        }
        let key = *choices.pick(&keys);
        let mut value = table.get(key).unwrap().unwrap().value().to_vec();
        match choices.below(8) {
            0 => drop(table.remove(key).unwrap()),
            1 => value = choices.bytes(60).to_vec(),
            2 => value.truncate(choices.below(value.len() + 1)),
            3 => value.extend_from_slice(choices.bytes(60)),
            4 => {
                let other = *choices.pick(&keys);
                value = table.get(other).unwrap().unwrap().value().to_vec();
            }
            _ => {
                let at = choices.below(value.len().max(1));
                let len = 1 + choices.below(9);
                value
                    .iter_mut()
                    .skip(at)
                    .zip(choices.bytes(len))
                    .for_each(|(byte, new)| *byte = *new);
            }
        }
        let key = if choices.below(8) == 7 {
            u32::from_le_bytes([choices.byte(), 0, choices.byte(), 0])
        } else {
            key
        };
        table.insert(key, value.as_slice()).unwrap();
    }
    txn.commit().unwrap();
}
