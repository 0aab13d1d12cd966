//! A store over SQLite: the blocks of a repository in a table.

use std::cell::RefCell;

use carwalk::store::{Block, BlockStore, CarStore, SliceStore};
use carwalk::{Cid, Error, Loader, Repo, Result, Verification};
use carwalk_testkit::random;
use rusqlite::{Connection, OptionalExtension, params};

/// Blocks by their CIDs.
#[derive(Debug)]
struct SqliteStore {
    // A connection is used by one thread at a time.
    connection: RefCell<Connection>,
}

impl SqliteStore {
    fn in_memory() -> rusqlite::Result<Self> {
        let connection = Connection::open_in_memory()?;
        connection.execute_batch(
            "CREATE TABLE blocks (cid BLOB PRIMARY KEY, bytes BLOB NOT NULL) WITHOUT ROWID",
        )?;
        Ok(SqliteStore { connection: RefCell::new(connection) })
    }

    /// Hashes and stores the blocks of a CAR, and returns its first root.
    fn fill(&self, car: &[u8]) -> std::result::Result<Cid, Box<dyn std::error::Error>> {
        let car = SliceStore::new(car)?;
        let mut connection = self.connection.borrow_mut();
        let transaction = connection.transaction()?;
        for section in car.sections() {
            let cid = section?.cid();
            let block = car.get(&cid)?.ok_or("a section without its block")?;
            transaction
                .prepare_cached("INSERT OR IGNORE INTO blocks VALUES (?1, ?2)")?
                .execute(params![cid.as_bytes(), block.bytes])?;
        }
        transaction.commit()?;
        Ok(car.header().root())
    }
}

impl BlockStore for SqliteStore {
    type Bytes<'a> = Vec<u8>;

    fn get(&self, cid: &Cid) -> Result<Option<Block<Vec<u8>>>> {
        let connection = self.connection.borrow();
        let find = || {
            connection
                .prepare_cached("SELECT bytes FROM blocks WHERE cid = ?1")?
                .query_row([cid.as_bytes()], |row| row.get(0))
                .optional()
        };
        Ok(find().map_err(Error::store)?.map(Block::new))
    }

    // The block is a copy, which counts against the memory limit of a walk.
    fn memory_cost(&self, bytes: &Vec<u8>) -> u64 {
        bytes.capacity() as u64
    }
}

fn rows<S: BlockStore>(repo: &Repo<S>) -> Result<Vec<(String, Cid, Vec<u8>)>> {
    let row = |record: Result<carwalk::Record<S::Bytes<'_>>>| {
        let record = record?;
        Ok((record.path().to_string(), record.cid(), record.bytes().to_vec()))
    };
    repo.records().map(row).collect()
}

#[test]
fn the_records_are_those_of_the_car_and_changed_bytes_are_found() {
    let car = random::repo(7, 500).car;
    let store = SqliteStore::in_memory().unwrap();
    let commit = store.fill(&car).unwrap();
    let expected = rows(&Repo::from_slice(&car).unwrap()).unwrap();
    for verification in [Verification::EveryBlock, Verification::DangerouslyNone] {
        let loader = Loader::new().verification(verification).memory_limit(1 << 20);
        assert!(rows(&loader.from_store(&store, commit).unwrap()).unwrap() == expected);
    }

    let (_, record, _) = &expected[expected.len() / 2];
    let change = "UPDATE blocks SET bytes = x'a0' WHERE cid = ?1";
    store.connection.borrow().execute(change, [record.as_bytes()]).unwrap();
    let error = rows(&Repo::from_store(&store, commit).unwrap()).unwrap_err();
    assert_eq!(error.class(), carwalk::ErrorClass::Invalid);
    assert_eq!(error.cid(), Some(record));

    store
        .connection
        .borrow()
        .execute("DELETE FROM blocks WHERE cid = ?1", [record.as_bytes()])
        .unwrap();
    let error = rows(&Repo::from_store(&store, commit).unwrap()).unwrap_err();
    assert_eq!((error.class(), error.cid()), (carwalk::ErrorClass::Missing, Some(record)));

    store.connection.borrow().execute_batch("DROP TABLE blocks").unwrap();
    let error = Repo::from_store(&store, commit).unwrap_err();
    assert_eq!(error.class(), carwalk::ErrorClass::Io);
}
