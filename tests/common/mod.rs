//! What several test files need: readers that give little at a time, stores that count, and one CAR read in every way.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "no test file uses all of it, and tests fail by panicking"
)]

use std::cell::Cell;
use std::collections::HashMap;
use std::io::{self, Read};

use carwalk::store::{BlockStore, Found};
use carwalk::{Cid, Error, Loader, Repo, Result};
use carwalk_testkit::car::Car;
use carwalk_testkit::cid::Cid as KitCid;
use carwalk_testkit::oracle;
use carwalk_testkit::rng::Rng;

/// A record as the tests compare it: key, CID, bytes.
pub(crate) type Row = (Vec<u8>, Cid, Vec<u8>);

/// The library's form of a CID of the testkit.
pub(crate) fn cid(cid: &KitCid) -> Cid {
    Cid::parse(cid.as_bytes()).unwrap()
}

/// A reader that gives one byte at each call.
pub(crate) struct OneByte<R>(pub(crate) R);

impl<R: Read> Read for OneByte<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = buffer.len().min(1);
        self.0.read(&mut buffer[..len])
    }
}

/// A reader that gives random amounts, and is interrupted now and then.
pub(crate) struct Ragged<R> {
    input: R,
    rng: Rng,
}

impl<R> Ragged<R> {
    pub(crate) fn new(input: R, seed: u64) -> Self {
        Ragged { input, rng: Rng::new(seed) }
    }
}

impl<R: Read> Read for Ragged<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.rng.chance(1, 4) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let most = if self.rng.chance(1, 3) { 4 } else { 5000 };
        let len = buffer.len().min(self.rng.range(1, most));
        self.input.read(&mut buffer[..len])
    }
}

/// All records of a repository, or the error that ends them. Nothing comes after an error, or after the end.
#[track_caller]
pub(crate) fn rows<S: BlockStore>(repo: &Repo<S>) -> Result<Vec<Row>> {
    let mut records = repo.records();
    let rows = records.by_ref().map(|record| {
        let record = record?;
        Ok((record.path().as_str().into(), record.cid(), record.bytes().to_vec()))
    });
    let rows = rows.collect();
    assert!(records.next().is_none() && records.next().is_none());
    rows
}

/// The records of a CAR by slice, and the same from a reader, from one byte at a time, and from random amounts: the same
/// records, or the same error to the last detail.
#[track_caller]
pub(crate) fn rows_each_way(car: &[u8], loader: impl Fn() -> Loader<'static>) -> Result<Vec<Row>> {
    let by_slice = loader().slice(car).and_then(|repo| rows(&repo));
    let ragged = Ragged::new(car, car.len() as u64);
    let streams: [(&str, Box<dyn Read + '_>); 3] =
        [("reader", Box::new(car)), ("one byte", Box::new(OneByte(car))), ("ragged", Box::new(ragged))];
    for (way, stream) in streams {
        let by_reader = loader().read(stream).and_then(|repo| rows(&repo));
        assert_same(way, &by_slice, &by_reader);
    }
    by_slice
}

#[track_caller]
fn assert_same(way: &str, expected: &Result<Vec<Row>>, found: &Result<Vec<Row>>) {
    match (expected, found) {
        (Ok(expected), Ok(found)) => assert!(expected == found, "{way}: other records"),
        (Err(expected), Err(found)) => assert_eq!(details(expected), details(found), "{way}"),
        (Ok(_), Err(error)) => panic!("{way}: refused, but accepted as a slice: {error}"),
        (Err(error), Ok(_)) => panic!("{way}: accepted, but refused as a slice: {error}"),
    }
}

/// Everything that an error tells.
pub(crate) fn details(error: &Error) -> String {
    format!("{error}\n{error:?}")
}

/// The records that the oracle finds.
#[track_caller]
pub(crate) fn oracle_rows(car: &[u8]) -> Vec<Row> {
    let entries = oracle::walk(car).unwrap().entries;
    entries.into_iter().map(|entry| (entry.key, cid(&entry.cid), entry.record.unwrap())).collect()
}

/// A store as a user would write it first: a map. Counts what it is asked for.
#[derive(Debug, Default)]
pub(crate) struct MapStore {
    pub(crate) blocks: HashMap<Cid, Vec<u8>>,
    gets: Cell<u64>,
}

impl MapStore {
    /// The blocks of a well-framed CAR; the first of each CID counts.
    pub(crate) fn new(car: &[u8]) -> Self {
        let mut blocks = HashMap::new();
        for section in Car::parse(car).unwrap().sections {
            blocks.entry(Cid::parse(&section.cid).unwrap()).or_insert(section.data);
        }
        MapStore { blocks, gets: Cell::new(0) }
    }

    /// Adds a block under the CID that it has.
    pub(crate) fn insert(&mut self, cid: &KitCid, block: Vec<u8>) {
        self.blocks.insert(self::cid(cid), block);
    }

    /// How often `get` was called.
    pub(crate) fn gets(&self) -> u64 {
        self.gets.get()
    }
}

impl BlockStore for MapStore {
    type Block<'a> = &'a [u8];

    fn get(&self, cid: &Cid) -> Result<Option<Found<&[u8]>>> {
        self.gets.set(self.gets.get() + 1);
        Ok(self.blocks.get(cid).map(|block| Found::new(&block[..])))
    }

    fn contains(&self, cid: &Cid) -> Result<bool> {
        Ok(self.blocks.contains_key(cid))
    }
}
