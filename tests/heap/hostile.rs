//! Lengths that a file or a value declares cost nothing if the bytes are missing.

use crate::heap::{KIB, peak_of};
use carwalk::process::Value;

tests![
    items_that_take_no_bytes,
    #[cfg(feature = "redb")]
    counts_of_a_kept_file,
    #[cfg(feature = "redb")]
    counts_of_a_kept_file_with_values,
];

/// Items that take 8 bytes in memory and none in their encoding.
fn items_that_take_no_bytes() {
    let check = |what: &str, bytes: &[u8], peak: usize| {
        assert!(peak <= 128 * KIB, "{what}: {} KiB for {} bytes", peak / KIB, bytes.len());
    };
    let most = [0x80, 0x80, 0x04];
    check("Vec<()>", &most, peak_of(|| Vec::<()>::decode(&mut &most[..])));
    check("Vec<Box<()>>", &most, peak_of(|| Vec::<Box<()>>::decode(&mut &most[..])));
    let many = [&[0x08][..], &most.repeat(8)].concat();
    check("Vec<Vec<Box<()>>>", &many, peak_of(|| Vec::<Vec<Box<()>>>::decode(&mut &many[..])));
}

#[cfg(feature = "redb")]
fn counts_of_a_kept_file() {
    description::counts_of_a_kept_file(false);
}

#[cfg(feature = "redb")]
fn counts_of_a_kept_file_with_values() {
    description::counts_of_a_kept_file(true);
}

#[cfg(feature = "redb")]
mod description {
    use std::fs;

    use carwalk::store::{CarStore, SpillFile};
    use carwalk::{Loader, Result, Verification};
    use carwalk_testkit::breakage;
    use carwalk_testkit::repo::Order;
    use redb::{Database, ReadableTable, TableDefinition};

    use crate::heap::{KIB, peak_of};

    const DESCRIPTION: TableDefinition<'_, u32, &[u8]> = TableDefinition::new("carwalk");

    /// Sets one number after the other to the largest value of four bytes.
    pub(super) fn counts_of_a_kept_file(processed: bool) {
        let folder = tempfile::tempdir().unwrap();
        let (good, path) = (folder.path().join("good"), folder.path().join("hostile"));
        let car = breakage::sample().to_bytes(Order::Preorder);
        let file = SpillFile::keep(&good);
        if processed {
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
                let loader = Loader::new().verification(Verification::ReachedBlocks);
                let repo =
                    loader.process(<[u8]>::len).memory_limit(1 << 20).from_spill_file(&path)?;
                let records = repo.records().filter(Result::is_ok).count();
                let unreached = repo.unreached_blocks().is_ok();
                let heads = repo.store().sections().take_while(Result::is_ok).count();
                told = format!(
                    "{records} records, {heads} sections, unreached blocks counted: {unreached}"
                );
                Ok::<_, carwalk::Error>(())
            });
            assert!(
                peak <= 4096 * KIB,
                "description, processed: {processed}, number at {at}: {} KiB ({told})",
                peak / KIB
            );
        }
    }
}
