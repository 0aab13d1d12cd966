//! Shared code of the test files: stores that count their calls, one CAR read in every way, and the
//! expected events of walks over partial trees.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    reason = "no test file uses all of it, and tests fail by panicking"
)]

pub(crate) mod build;
pub(crate) mod changes;
#[cfg(feature = "redb")]
pub(crate) mod kept;
pub(crate) mod keys;
pub(crate) mod one_pass;
pub(crate) mod pack;
pub(crate) mod part;
pub(crate) mod ways;

use std::cell::Cell;
use std::collections::HashMap;
use std::io::Read;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};

use carwalk::mst::Walk;
use carwalk::store::{Block, BlockStore, CarStats, CarStore, MemoryStore};
use carwalk::{Cid, Error, Loaded, Loader, Process, Processed, Repo, Result, Suspended};
use carwalk_testkit::car::Car;
use carwalk_testkit::cid::Cid as KitCid;
use carwalk_testkit::oracle;
use carwalk_testkit::readers::{OneByte, Ragged};

/// A record as the tests compare it: key, CID, bytes.
pub(crate) type Row = (Vec<u8>, Cid, Vec<u8>);

/// The library's form of a CID of the testkit.
pub(crate) fn cid(cid: &KitCid) -> Cid {
    Cid::parse(cid.as_bytes()).unwrap()
}

/// All records of a repository, or the error that ends them. Asserts that nothing follows the error
/// or the end.
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

/// The records of a CAR from a slice. Asserts that a stream, one byte at a time, and random amounts
/// give the same records, or the same error to the last detail.
#[track_caller]
pub(crate) fn rows_each_way(car: &[u8], loader: impl Fn() -> Loader) -> Result<Vec<Row>> {
    let by_slice = loader().from_slice(car).and_then(|repo| rows(&repo));
    let ragged = Ragged::new(car, car.len() as u64);
    let streams: [(&str, Box<dyn Read + '_>); 3] = [
        ("reader", Box::new(car)),
        ("one byte", Box::new(OneByte(car))),
        ("ragged", Box::new(ragged)),
    ];
    for (way, stream) in streams {
        let by_reader = loader().from_reader(stream).and_then(|repo| rows(&repo));
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

/// All details of an error.
pub(crate) fn details(error: &Error) -> String {
    format!("{error}\n{error:?}")
}

/// Returns a progress function that collects the positions.
pub(crate) fn collect(
    positions: &Arc<Mutex<Vec<u64>>>,
) -> impl Fn(u64) -> ControlFlow<()> + Send + Sync + use<> {
    let positions = Arc::clone(positions);
    move |position| {
        positions.lock().unwrap().push(position);
        ControlFlow::Continue(())
    }
}

/// Walks in either order.
pub(crate) trait ReverseIf {
    fn reverse_if(self, yes: bool) -> Self;
}

impl<S: BlockStore> ReverseIf for Walk<'_, S> {
    fn reverse_if(self, yes: bool) -> Self {
        if yes { self.reverse() } else { self }
    }
}

/// Walks to the end and returns the number of events.
pub(crate) fn end<S: BlockStore>(walk: Walk<'_, S>) -> Result<usize> {
    let mut walk = walk.start();
    let mut events = 0;
    while walk.next_event()?.is_some() {
        events += 1;
    }
    Ok(events)
}

/// Returns the suspended load.
#[track_caller]
pub(crate) fn suspended<R, P>(loaded: Loaded<R, P>) -> Suspended<R, P> {
    match loaded {
        Loaded::Suspended(load) => load,
        Loaded::Complete(_) => panic!("the limit was not reached"),
    }
}

/// Returns the repository of a complete load.
#[track_caller]
pub(crate) fn complete<R, P>(loaded: Loaded<R, P>) -> Repo<MemoryStore, P> {
    match loaded {
        Loaded::Complete(repo) => repo,
        Loaded::Suspended(_) => panic!("the limit was reached"),
    }
}

/// The records that the oracle finds.
#[track_caller]
pub(crate) fn oracle_rows(car: &[u8]) -> Vec<Row> {
    let entries = oracle::walk(car).unwrap().entries;
    entries.into_iter().map(|entry| (entry.key, cid(&entry.cid), entry.record.unwrap())).collect()
}

/// The simplest store that a user would write, a map. Counts its calls.
#[derive(Debug, Default)]
pub(crate) struct MapStore {
    pub(crate) blocks: HashMap<Cid, Vec<u8>>,
    gets: Cell<u64>,
}

impl MapStore {
    /// The blocks of a well-framed CAR. Of several blocks with the same CID, the first counts.
    pub(crate) fn new(car: &[u8]) -> Self {
        let mut blocks = HashMap::new();
        for section in Car::parse(car).unwrap().sections {
            blocks.entry(Cid::parse(&section.cid).unwrap()).or_insert(section.data);
        }
        MapStore { blocks, gets: Cell::new(0) }
    }

    /// Adds a block under its own CID.
    pub(crate) fn insert(&mut self, cid: &KitCid, block: Vec<u8>) {
        self.blocks.insert(self::cid(cid), block);
    }

    /// How often `get` was called.
    pub(crate) fn gets(&self) -> u64 {
        self.gets.get()
    }
}

impl BlockStore for MapStore {
    type Bytes<'a> = &'a [u8];

    fn get(&self, cid: &Cid) -> Result<Option<Block<&[u8]>>> {
        self.gets.set(self.gets.get() + 1);
        Ok(self.blocks.get(cid).map(|block| Block::new(&block[..])))
    }

    fn contains(&self, cid: &Cid) -> Result<bool> {
        Ok(self.blocks.contains_key(cid))
    }
}

/// A store that counts the calls of another store.
#[derive(Debug)]
pub(crate) struct CountingStore<S> {
    store: S,
    gets: Cell<u64>,
}

impl<S> CountingStore<S> {
    pub(crate) fn new(store: S) -> Self {
        CountingStore { store, gets: Cell::new(0) }
    }

    /// Returns how often `get` was called.
    pub(crate) fn gets(&self) -> u64 {
        self.gets.get()
    }
}

impl<S: BlockStore> BlockStore for CountingStore<S> {
    type Bytes<'a>
        = S::Bytes<'a>
    where
        S: 'a;

    fn get(&self, cid: &Cid) -> Result<Option<Block<S::Bytes<'_>>>> {
        self.gets.set(self.gets.get() + 1);
        self.store.get(cid)
    }

    fn contains(&self, cid: &Cid) -> Result<bool> {
        self.store.contains(cid)
    }

    fn memory_cost<'a>(&'a self, block: &S::Bytes<'a>) -> u64 {
        self.store.memory_cost(block)
    }
}

/// The processed value of the tests: the length of a record, its beginning, and its last byte or an
/// error, as a process function that can fail returns it.
pub(crate) type Summary = (u64, Vec<u8>, Result<u8, String>);

/// The process function of the tests.
pub(crate) fn summary(record: &[u8]) -> Summary {
    let last = record.last().copied().ok_or_else(|| "an empty record".to_owned());
    (record.len() as u64, record[..record.len().min(5)].to_vec(), last)
}

/// A process that returns summaries.
pub(crate) type Summarize = Processed<fn(&[u8]) -> Summary, Summary>;

/// A loader whose process function returns summaries.
pub(crate) fn summarizing(loader: Loader) -> Loader<Summarize> {
    loader.process(summary as fn(&[u8]) -> Summary)
}

/// The content of a repository and its store, without the offsets of records.
#[derive(Debug, PartialEq)]
pub(crate) struct Told<V> {
    pub(crate) records: Vec<(Vec<u8>, Cid, V)>,
    pub(crate) commit: Cid,
    pub(crate) roots: Vec<Cid>,
    pub(crate) stats: CarStats,
    pub(crate) heads: Vec<(u64, Cid)>,
    pub(crate) unreached: u64,
}

fn told_of<S: CarStore, P: Process, V>(
    repo: &Repo<S, P>,
    records: Vec<(Vec<u8>, Cid, V)>,
) -> Result<Told<V>> {
    let heads: Result<Vec<_>> = repo.store().sections().collect();
    Ok(Told {
        records,
        commit: repo.commit().cid(),
        roots: repo.store().header().roots().to_vec(),
        stats: repo.stats(),
        heads: heads?.into_iter().map(|head| (head.offset(), head.cid())).collect(),
        unreached: repo.unreached_blocks()?,
    })
}

/// Returns the content of a repository.
pub(crate) fn told<S: CarStore>(repo: &Repo<S>) -> Result<Told<Vec<u8>>> {
    told_of(repo, rows(repo)?)
}

/// Keys, CIDs and summaries of all records.
pub(crate) fn summaries<S: BlockStore>(
    repo: &Repo<S, Summarize>,
) -> Result<Vec<(Vec<u8>, Cid, Summary)>> {
    let records = repo.records().map(|record| {
        let (path, cid, value) = record?.into_parts();
        Ok((path.to_string().into_bytes(), cid, value))
    });
    records.collect()
}

/// Returns the content of a repository with processed records.
pub(crate) fn told_summarized<S: CarStore>(repo: &Repo<S, Summarize>) -> Result<Told<Summary>> {
    told_of(repo, summaries(repo)?)
}

/// Loads into spill files.
#[cfg(feature = "redb")]
pub(crate) mod spill {
    use std::io::Read;

    use carwalk::store::{MemoryStore, RedbStore, SpillFile};
    use carwalk::{Loaded, Loader, Process, Repo, Result};
    use carwalk_testkit::readers::{OneByte, Ragged};
    use carwalk_testkit::rng::Rng;

    /// The repository of a complete load, in memory or in a file.
    #[derive(Debug)]
    #[allow(clippy::large_enum_variant, reason = "there is one at a time")]
    pub(crate) enum Whole<P> {
        Memory(Repo<MemoryStore, P>),
        File(Repo<RedbStore, P>),
    }

    /// Runs the same code on either kind of repository.
    #[allow(unused_macros, reason = "no test file uses all of it")]
    macro_rules! with_repo {
        ($whole:expr, $repo:ident => $do:expr) => {
            match $whole {
                $crate::common::spill::Whole::Memory($repo) => $do,
                $crate::common::spill::Whole::File($repo) => $do,
            }
        };
    }
    #[allow(unused_imports, reason = "no test file uses all of it")]
    pub(crate) use with_repo;

    /// A load that is suspended before its first section and continues in a file.
    pub(crate) fn all_into<P: Process + Clone>(
        loader: Loader<P>,
        stream: impl Read,
        file: SpillFile,
    ) -> Result<Repo<RedbStore, P>> {
        super::suspended(loader.memory_limit(0).from_reader(stream)?).spill(file)
    }

    /// A file with random settings.
    pub(crate) fn any_settings(file: SpillFile, rng: &mut Rng) -> SpillFile {
        let file = match rng.below(5) {
            0 => file.segment_len(0),
            1 => file.segment_len(300),
            2 => file.segment_len(rng.below(65_525) as u32),
            3 => file.segment_len(65_524),
            _ => file,
        };
        match rng.below(3) {
            0 => file.cache_size(0),
            1 => file.cache_size(rng.below(4 << 20) as u64),
            _ => file,
        }
    }

    /// The bytes as a stream of a random kind.
    pub(crate) fn any_stream<'a>(bytes: &'a [u8], rng: &mut Rng) -> Box<dyn Read + 'a> {
        match rng.below(4) {
            0 => Box::new(OneByte(bytes)),
            1 => Box::new(Ragged::new(bytes, rng.next_u64())),
            _ => Box::new(bytes),
        }
    }

    /// A random memory limit, from 0 to more than a CAR of `car_len` bytes needs.
    pub(crate) fn any_limit(car_len: usize, rng: &mut Rng) -> u64 {
        match rng.below(5) {
            0 => 0,
            1 => rng.below(70 << 10) as u64,
            _ => rng.below(2 * car_len + (200 << 10)) as u64,
        }
    }

    /// A load with a random limit, which is resumed up to two times, and continues in a file if it
    /// is not complete by then.
    pub(crate) fn any_way<P: Process + Clone>(
        loader: Loader<P>,
        car: &[u8],
        file: SpillFile,
        rng: &mut Rng,
    ) -> Result<Whole<P>> {
        let limit = any_limit(car.len(), rng);
        let mut loaded = loader.memory_limit(limit).from_reader(any_stream(car, rng))?;
        for _ in 0..rng.below(3) {
            loaded = match loaded {
                Loaded::Suspended(load) => {
                    let limit = load.memory_limit() + rng.below(100 << 10) as u64;
                    load.resume(limit)?
                }
                whole => whole,
            };
        }
        match loaded {
            Loaded::Complete(repo) => Ok(Whole::Memory(repo)),
            Loaded::Suspended(load) => Ok(Whole::File(load.spill(any_settings(file, rng))?)),
        }
    }
}
