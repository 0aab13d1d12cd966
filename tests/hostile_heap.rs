//! Lengths that a file or a value declares, and that are not there, cost nothing.
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

#[path = "common/heap.rs"]
mod heap;

use carwalk::process::Processable;
use heap::{KIB, peak_of};

#[test]
fn declared_lengths_that_are_not_there_cost_nothing() {
    let mut failures = Vec::new();
    items_that_take_no_bytes(&mut failures);
    #[cfg(feature = "redb")]
    {
        description::counts_of_a_kept_file(&mut failures, false);
        description::counts_of_a_kept_file(&mut failures, true);
    }
    assert!(failures.is_empty(), "{} failures: {failures:#?}", failures.len());
}

/// Items of 8 bytes in memory that are written as none.
fn items_that_take_no_bytes(failures: &mut Vec<String>) {
    let mut check = |what: &str, bytes: &[u8], peak: usize| {
        if peak > 128 * KIB {
            failures.push(format!("{what}: {} KiB for {} bytes", peak / KIB, bytes.len()));
        }
    };
    let most = [0x80, 0x80, 0x04];
    check("Vec<()>", &most, peak_of(|| Vec::<()>::decode(&mut &most[..])));
    check("Vec<Box<()>>", &most, peak_of(|| Vec::<Box<()>>::decode(&mut &most[..])));
    let many = [&[0x08][..], &most.repeat(8)].concat();
    check("Vec<Vec<Box<()>>>", &many, peak_of(|| Vec::<Vec<Box<()>>>::decode(&mut &many[..])));
}

#[cfg(feature = "redb")]
mod description {
    use std::fs;

    use carwalk::store::{CarStore, RedbStore, SpillFile};
    use carwalk::{Loader, Result, Verification};
    use carwalk_testkit::breakage;
    use carwalk_testkit::repo::Order;
    use redb::{Database, ReadableTable, TableDefinition};

    use super::heap::{KIB, peak_of};

    const DESCRIPTION: TableDefinition<'_, u32, &[u8]> = TableDefinition::new("carwalk");

    /// Each number as large as four bytes can say, one after the other.
    pub(super) fn counts_of_a_kept_file(failures: &mut Vec<String>, reduced: bool) {
        let folder = tempfile::tempdir().unwrap();
        let (good, path) = (folder.path().join("good"), folder.path().join("hostile"));
        let car = breakage::sample().to_bytes(Order::Preorder);
        let file = SpillFile::keep(&good);
        if reduced {
            drop(Loader::new().process(<[u8]>::len).memory_limit(0).spill(&car[..], file).unwrap());
        } else {
            drop(Loader::new().memory_limit(0).spill(&car[..], file).unwrap());
        }
        // Magic, version and the index's secret come before them.
        for at in (50..118).step_by(4) {
            fs::copy(&good, &path).unwrap();
            let database = Database::open(&path).unwrap();
            let txn = database.begin_write().unwrap();
            {
                let mut table = txn.open_table(DESCRIPTION).unwrap();
                let mut value = table.get(0).unwrap().unwrap().value().to_vec();
                let end = value.len().min(at + 4);
                value[at..end].fill(0xff);
                table.insert(0, value.as_slice()).unwrap();
            }
            txn.commit().unwrap();
            drop(database);
            let mut told = String::new();
            let peak = peak_of(|| {
                let store = RedbStore::open(&path, 1 << 20)?;
                let loader = Loader::new().verification(Verification::ReachedBlocks);
                let repo = loader.process(<[u8]>::len).reopen(store)?;
                let records = repo.records().filter(Result::is_ok).count();
                let unreached = repo.unreached_blocks().is_ok();
                let heads = repo.store().sections().take_while(Result::is_ok).count();
                told = format!(
                    "{records} records, {heads} sections, unreached blocks counted: {unreached}"
                );
                Ok::<_, carwalk::Error>(())
            });
            if peak > 4096 * KIB {
                failures.push(format!(
                    "description, reduced: {reduced}, number at {at}: {} KiB ({told})",
                    peak / KIB
                ));
            }
        }
    }
}
