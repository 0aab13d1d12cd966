//! A kept spill file for the tests that read, damage or forge one.

use std::fs;
use std::path::{Path, PathBuf};

use carwalk::store::{RedbStore, SpillFile};
use carwalk::{Loader, Repo, Result};
use carwalk_testkit::random;
use redb::{Database, ReadableTable, TableDefinition};
use tempfile::TempDir;

use crate::common::{self, Row, spill};

pub(crate) const TABLES: [TableDefinition<'_, u32, &[u8]>; 3] = [
    TableDefinition::new("carwalk segments"),
    TableDefinition::new("carwalk index"),
    TableDefinition::new("carwalk"),
];

pub(crate) const DESCRIPTION: TableDefinition<'_, u32, &[u8]> = TABLES[2];

/// A kept file with a few hundred records in small segments, and these records.
pub(crate) struct Kept {
    pub(crate) folder: TempDir,
    pub(crate) path: PathBuf,
    pub(crate) rows: Vec<Row>,
}

impl Kept {
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("kept");
        let car = random::repo(11, 600).car;
        let rows = common::oracle_rows(&car);
        assert!(rows.len() > 100);
        let file = SpillFile::keep(&path).segment_len(1000);
        drop(spill::all_into(Loader::new(), &car[..], file).unwrap());
        Kept { folder, path, rows }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        fs::read(&self.path).unwrap()
    }

    pub(crate) fn other(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

pub(crate) fn open(path: &Path) -> Result<Repo<RedbStore>> {
    Loader::new().from_spill_file(path)
}

/// Changes a value of a kept file. The database stays valid.
pub(crate) fn change(
    path: &Path,
    table: TableDefinition<'_, u32, &[u8]>,
    key: u32,
    change: impl FnOnce(&mut Vec<u8>),
) {
    let database = Database::open(path).unwrap();
    let txn = database.begin_write().unwrap();
    {
        let mut table = txn.open_table(table).unwrap();
        let mut value = table.get(key).unwrap().unwrap().value().to_vec();
        change(&mut value);
        table.insert(key, value.as_slice()).unwrap();
    }
    txn.commit().unwrap();
}
