//! Process functions: what they are called with, how often, and what becomes of what they give.

use crate::common;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Mutex;

use crate::common::MapStore;
use carwalk::cid::Codec;
use carwalk::error::{Malformed, Structure};
use carwalk::mst::Event;
use carwalk::process::Cbor;
use carwalk::store::{Block, BlockStore, CarStore, Form};
use carwalk::{Cid, ErrorKind, Loaded, Loader, Process, Repo, Result, Verification};
use carwalk_testkit::car::{Car, Section};
use carwalk_testkit::cases;
use carwalk_testkit::cbor::Value;
use carwalk_testkit::cid::{Cid as KitCid, DAG_CBOR};
use carwalk_testkit::repo::{Order, Record, Repo as KitRepo};
use carwalk_testkit::{breakage, key, legal, random};

/// Counts the blocks that a function is called with.
#[derive(Debug, Default)]
struct Calls(Mutex<BTreeMap<Vec<u8>, usize>>);

impl Calls {
    fn count(&self, block: &[u8]) -> u64 {
        *self.0.lock().unwrap().entry(block.to_vec()).or_default() += 1;
        block.len() as u64
    }

    fn take(&self) -> BTreeMap<Vec<u8>, usize> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

fn begins_as_node(section: &Section) -> bool {
    section.cid[1] == DAG_CBOR && section.data.starts_with(b"\xa2\x61e")
}

/// What a load must call a function with: all blocks that no tree can have for a node, but the
/// first root.
fn due_calls(car: &[u8]) -> BTreeMap<Vec<u8>, usize> {
    let root = Repo::from_slice(car).unwrap().commit().cid();
    let mut due = BTreeMap::new();
    for section in Car::parse(car).unwrap().sections {
        if section.cid != root.as_bytes() && !begins_as_node(&section) {
            *due.entry(section.data).or_default() += 1;
        }
    }
    due
}

fn cars() -> impl Iterator<Item = Vec<u8>> {
    (0..cases(12))
        .map(|seed| random::repo(seed, 60).car)
        .chain(legal::all().map(legal::Oddity::make))
}

#[test]
fn a_reader_calls_once_for_each_stored_block_that_is_no_possible_node_nor_the_root() {
    for car in cars() {
        let calls = Calls::default();
        let repo =
            Loader::new().process(|block: &[u8]| calls.count(block)).from_reader(&car[..]).unwrap();
        assert!(calls.take() == due_calls(&car));
        // What was processed is not made again, and what begins like a node is made each time that
        // it is met.
        let kept: Vec<Vec<u8>> = Car::parse(&car)
            .unwrap()
            .sections
            .into_iter()
            .filter(begins_as_node)
            .map(|section| section.data)
            .collect();
        for _ in 0..2 {
            let records = common::oracle_rows(&car);
            let found = repo.records().map(|record| record.unwrap().into_value());
            assert!(found.eq(records.iter().map(|(_, _, record)| record.len() as u64)));
            let mut due: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
            for (_, cid, record) in records {
                if cid.codec() == Codec::DagCbor && kept.contains(&record) {
                    *due.entry(record).or_default() += 1;
                }
            }
            assert!(calls.take() == due);
        }
    }
}

#[test]
fn entries_and_walks_never_call() {
    for seed in 0..cases(10) {
        let car = random::repo(seed, 60).car;
        let calls = Calls::default();
        let loader = || Loader::new().process(|block: &[u8]| calls.count(block));
        let by_reader = loader().from_reader(&car[..]).unwrap();
        let by_slice = loader().from_slice(&car[..]).unwrap();
        calls.take();
        assert_eq!(by_reader.entries().count(), by_slice.entries().count());
        by_reader.unreached_blocks().unwrap();
        by_slice.unreached_blocks().unwrap();
        assert!(calls.take().is_empty());
    }
}

#[test]
fn slices_and_stores_call_while_records_are_read_and_not_before() {
    for seed in 0..cases(10) {
        let random = random::repo(seed, 60);
        let calls = Calls::default();
        let loader = || Loader::new().process(|block: &[u8]| calls.count(block));
        let mut due: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
        let rows = common::oracle_rows(&random.car);
        rows.iter().for_each(|(_, _, record)| *due.entry(record.clone()).or_default() += 1);
        let commit = common::cid(&random.repo.commit_cid());
        let slice = loader().from_slice(&random.car[..]).unwrap();
        let store = loader().from_store(MapStore::new(&random.car), commit).unwrap();
        assert!(calls.take().is_empty());
        for _ in 0..2 {
            assert!(
                slice
                    .records()
                    .map(|record| *record.unwrap().value())
                    .eq(rows.iter().map(|row| row.2.len() as u64))
            );
            assert!(calls.take() == due);
            assert_eq!(store.records().filter(Result::is_ok).count(), rows.len());
            assert!(calls.take() == due);
        }
        assert_eq!(store.entries().count(), rows.len());
        assert!(calls.take().is_empty());
    }
}

/// Blocks of all lengths, long ones too, each twice, in an order in which loads stop everywhere.
fn long_and_short() -> Vec<u8> {
    let lengths = [70_000, 10, 50_000, 3, 0, 100_000, 65_500, 40, 1];
    let records = key::at_layer(0).zip(lengths).map(|(key, len)| {
        let bytes = [Value::Bytes(vec![7; len]).encode(), key.clone()].concat();
        (key, Record::new(bytes))
    });
    let mut car = KitRepo::new(records).to_car(Order::Preorder);
    car.push_block(&KitRepo::sample(key::ascending(&[0, 1])).root.block());
    car.push(KitCid::raw(b"raw"), b"raw");
    car.sections.extend(car.sections.clone());
    car.to_bytes()
}

#[test]
fn stops_at_every_limit_and_any_number_of_attempts_call_no_more_often() {
    let car = long_and_short();
    let due = due_calls(&car);
    let calls = Calls::default();
    let (mut stops, mut limit) = (0, 0);
    loop {
        let loader = Loader::new().process(|block: &[u8]| calls.count(block));
        match loader.memory_limit(limit).from_reader(&car[..]).unwrap() {
            Loaded::Complete(_) => {
                assert!(calls.take() == due, "limit {limit}");
                break;
            }
            Loaded::Suspended(mut load) => {
                stops += 1;
                // In vain.
                for _ in 0..5 {
                    load = match load.resume(limit).unwrap() {
                        Loaded::Suspended(load) => load,
                        Loaded::Complete(_) => panic!("limit {limit} was enough after all"),
                    };
                }
                let mut step = limit;
                let mut loaded = load.resume(step).unwrap();
                while let Loaded::Suspended(load) = loaded {
                    step += 7 << 10;
                    loaded = load.resume(step).unwrap();
                }
                assert!(calls.take() == due, "limit {limit}, in steps");
            }
        }
        limit += 5 << 10;
    }
    assert!(stops > 30, "{stops}");
}

#[cfg(feature = "redb")]
#[test]
fn loads_that_go_into_a_file_call_no_more_often_wherever_they_stop() {
    use carwalk::store::SpillFile;
    let car = long_and_short();
    let due = due_calls(&car);
    let calls = Calls::default();
    let (mut stops, mut limit) = (0, 0);
    loop {
        let loader = Loader::new().process(|block: &[u8]| calls.count(block));
        let Loaded::Suspended(mut load) = loader.memory_limit(limit).from_reader(&car[..]).unwrap()
        else {
            break;
        };
        stops += 1;
        for _ in 0..stops % 3 {
            let more = load.memory_limit() + 1000;
            load = match load.resume(more).unwrap() {
                Loaded::Suspended(load) => load,
                Loaded::Complete(_) => return,
            };
        }
        let repo = load.spill(SpillFile::temporary()).unwrap();
        assert!(calls.take() == due, "limit {limit}");
        assert!(repo.records().all(|record| record.is_ok()));
        assert!(calls.take().is_empty());
        limit += 9 << 10;
    }
    assert!(stops > 15, "{stops}");
}

/// `{e: .., ..}` is no node, but begins like one.
#[test]
fn a_record_that_begins_like_a_node_is_kept_whole_and_made_when_it_is_met() {
    let look_alike = b"\xa2\x61e\x01\x61f\x02".to_vec();
    let other = b"\xa2\x61f\x01\x61g\x02".to_vec();
    let keys: Vec<_> = key::at_layer(0).take(3).collect();
    // Raw bytes are no node, whatever they are.
    let records = [
        Record::new(look_alike.clone()),
        Record::new(other.clone()),
        Record::raw(look_alike.clone()),
    ];
    let car = KitRepo::new(keys.into_iter().zip(records)).to_bytes(Order::Preorder);
    let calls = Calls::default();
    let repo =
        Loader::new().process(|block: &[u8]| calls.count(block)).from_reader(&car[..]).unwrap();
    assert_eq!(calls.take(), BTreeMap::from([(look_alike.clone(), 1), (other, 1)]));
    let mut walk = repo.walk().start();
    let mut told = Vec::new();
    while let Some(event) = walk.next_event().unwrap() {
        if let Event::Record { block, form, .. } = event {
            told.push((block.to_vec(), form));
        }
    }
    let processed = (7u64.to_le_bytes().to_vec(), Form::Value);
    assert_eq!(told, [(look_alike.clone(), Form::Original), processed.clone(), processed]);
    assert_eq!(
        repo.records().map(|record| record.unwrap().into_value()).collect::<Vec<_>>(),
        [7, 7, 7]
    );
    assert_eq!(calls.take(), BTreeMap::from([(look_alike, 1)]));
}

/// Something that only unchecked blocks can be.
#[test]
fn a_record_that_is_the_commit_is_not_made_while_loading() {
    let key = key::key_at_layer(0, 0);
    let commit_cid = KitCid::new(DAG_CBOR, [9; 32]);
    let mut repo = KitRepo::new([(key, Record { cid: commit_cid, bytes: vec![], revision: 0 })]);
    let commit = repo.commit_block();
    repo.records.clear();
    let mut car = Car::new(&[commit_cid]);
    car.push(commit_cid, &commit);
    for (cid, block) in repo.root.blocks() {
        car.push(cid, &block);
    }
    car.push(KitCid::raw(b"other"), b"other");
    let car = car.to_bytes();
    let calls = Calls::default();
    let loader = Loader::new().verification(Verification::DangerouslyNone);
    let repo = loader.process(|block: &[u8]| calls.count(block)).from_reader(&car[..]).unwrap();
    assert_eq!(calls.take(), BTreeMap::from([(b"other".to_vec(), 1)]));
    assert_eq!(
        repo.records().map(|record| record.unwrap().into_value()).collect::<Vec<_>>(),
        [commit.len() as u64]
    );
    assert_eq!(calls.take(), BTreeMap::from([(commit, 1)]));
}

/// The seventh record of the sample damaged, and its good twin somewhere, nowhere, or first.
#[test]
fn a_block_that_does_not_hash_to_its_cid_is_never_given_to_the_function() {
    let good = breakage::sample().to_car(Order::Preorder);
    let blocks: Vec<Vec<u8>> = good.sections.iter().map(|section| section.data.clone()).collect();
    let record = breakage::sample_keys()[6].clone();
    let at = good.index_of(&Record::sample(&record).cid);
    for (has_good, bad_first) in [(false, true), (true, true), (true, false)] {
        let mut car = good.clone();
        let mut bad = car.sections[at].clone();
        bad.data.reverse();
        match (has_good, bad_first) {
            (false, _) => car.sections[at] = bad,
            (true, true) => car.sections.insert(1, bad),
            (true, false) => car.sections.push(bad),
        }
        let car = car.to_bytes();
        let check = |block: &[u8]| {
            assert!(
                blocks.iter().any(|good| good == block),
                "called with a block that was damaged"
            );
            block.len() as u64
        };
        let error = Loader::new().process(check).from_reader(&car[..]).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::HashMismatch { .. }), "{error}");
        assert_eq!(
            common::details(&error),
            common::details(&Repo::from_reader(&car[..]).unwrap_err())
        );

        let loader = || Loader::new().verification(Verification::ReachedBlocks).process(check);
        let repo = loader().from_reader(&car[..]).unwrap();
        check_records(&repo, has_good, &record);
        check_records(&loader().from_slice(&car[..]).unwrap(), has_good, &record);
        #[cfg(feature = "redb")]
        {
            let file = carwalk::store::SpillFile::temporary().segment_len(300);
            let repo = common::spill::all_into(loader(), &car[..], file).unwrap();
            check_records(&repo, has_good, &record);
        }
    }
}

fn check_records<S: CarStore, P: Process>(repo: &Repo<S, P>, is_whole: bool, damaged: &[u8]) {
    let mut records = repo.records();
    let read = records.by_ref().map_while(Result::ok).count();
    assert_eq!(read, if is_whole { 11 } else { 6 });
    let error = repo.records().find_map(Result::err);
    assert_eq!(error.is_none(), is_whole);
    if let Some(error) = error {
        assert!(matches!(error.kind(), ErrorKind::HashMismatch { .. }), "{error}");
        assert_eq!(error.key(), Some(damaged));
        assert_eq!(error.position().structure(), Structure::Record);
    }
    let mut walk = repo.walk().partial(true).start();
    let mut bad = 0;
    while let Some(event) = walk.next_event().unwrap() {
        bad += u32::from(matches!(event, Event::BadRecord { .. }));
    }
    assert_eq!(bad, u32::from(!is_whole));
}

/// A store that takes even the commit for a record.
#[derive(Debug)]
struct AllProcessed(MapStore);

impl BlockStore for AllProcessed {
    type Bytes<'a> = Vec<u8>;

    fn get(&self, cid: &Cid) -> Result<Option<Block<Vec<u8>>>> {
        Ok(self.0.get(cid)?.map(|found| Block::new(found.bytes.to_vec()).processed().at(7)))
    }

    fn contains(&self, cid: &Cid) -> Result<bool> {
        self.0.contains(cid)
    }
}

#[test]
fn a_commit_that_was_processed_is_no_commit() {
    let repo = breakage::sample();
    let (car, commit) = (repo.to_bytes(Order::Preorder), common::cid(&repo.commit_cid()));
    let errors = [
        Repo::from_store(AllProcessed(MapStore::new(&car)), commit).unwrap_err(),
        Loader::new()
            .process(|_: &[u8]| 0u32)
            .from_store(AllProcessed(MapStore::new(&car)), commit)
            .unwrap_err(),
    ];
    for error in errors {
        assert!(matches!(error.kind(), ErrorKind::Malformed(Malformed::ProcessedNode)), "{error}");
        assert_eq!(
            (error.position().structure(), error.position().offset()),
            (Structure::Commit, Some(7))
        );
        assert_eq!(error.cid(), Some(&commit));
    }
}

/// As a user would write one.
struct ProcessedStore(MapStore, Vec<u8>);

impl BlockStore for ProcessedStore {
    type Bytes<'a> = Vec<u8>;

    fn get(&self, cid: &Cid) -> Result<Option<Block<Vec<u8>>>> {
        let found = self.0.get(cid)?;
        Ok(found.map(|found| {
            if found.bytes.starts_with(b"\xa2\x61e") || found.bytes.starts_with(b"\xa6") {
                Block::new(found.bytes.to_vec())
            } else {
                Block::new(self.1.clone()).processed()
            }
        }))
    }

    fn contains(&self, cid: &Cid) -> Result<bool> {
        self.0.contains(cid)
    }
}

#[test]
fn a_store_may_give_processed_values_to_whoever_can_read_them() {
    let repo = breakage::sample();
    let car = repo.to_bytes(Order::Preorder);
    let commit = common::cid(&repo.commit_cid());
    let open = |bytes: &[u8]| ProcessedStore(MapStore::new(&car), bytes.to_vec());
    let good = Loader::new()
        .process(|_: &[u8]| 0u32)
        .from_store(open(&7u32.to_le_bytes()), commit)
        .unwrap();
    assert_eq!(
        good.records().map(|record| record.unwrap().into_value()).collect::<Vec<_>>(),
        [7; 11]
    );
    let copy =
        Loader::new().process(|_: &[u8]| 0u32).from_store(good.store(), commit).unwrap().clone();
    assert_eq!(
        copy.records().map(|record| record.unwrap().into_value()).collect::<Vec<_>>(),
        [7; 11]
    );
    for bytes in [&b""[..], b"\x07\x00\x00", b"\x07\x00\x00\x00\x00"] {
        let repo = Loader::new().process(|_: &[u8]| 0u32).from_store(open(bytes), commit).unwrap();
        let error = repo.records().next().unwrap().unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Decode(_)), "{error}");
        assert!(error.cid().is_some() && error.key() == Some(&breakage::sample_keys()[0][..]));
    }
    let plain = Loader::new().from_store(open(&7u32.to_le_bytes()), commit).unwrap();
    let error = plain.records().next().unwrap().unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Decode(_)), "{error}");
    assert_eq!(plain.entries().filter(Result::is_ok).count(), 11);
}

#[test]
fn results_are_values_and_an_error_in_one_record_keeps_no_other_from_being_read() {
    let car = random::repo(7, 300).car;
    let check = |record: &[u8]| -> Result<u8, String> {
        match record.last() {
            Some(last) if last % 2 == 0 => Ok(*last),
            last => Err(format!("odd: {last:?}")),
        }
    };
    let expected: Vec<_> =
        common::oracle_rows(&car).iter().map(|(_, _, record)| check(record)).collect();
    assert!(expected.iter().any(Result::is_ok) && expected.iter().any(Result::is_err));
    let by_reader = Loader::new().process(check).from_reader(&car[..]).unwrap();
    assert!(
        by_reader.records().map(|record| record.unwrap().into_value()).eq(expected.iter().cloned())
    );
    let by_slice = Loader::new().process(check).from_slice(&car[..]).unwrap();
    assert!(
        by_slice.records().map(|record| record.unwrap().into_value()).eq(expected.iter().cloned())
    );
}

/// Values longer than their records, and such that take no bytes.
#[test]
fn values_may_be_longer_than_records_or_empty() {
    let car = breakage::sample().to_bytes(Order::Pds);
    let lengths = [0, 1, 65_535, 65_536, 65_537, 1 << 20];
    let grow = |record: &[u8]| {
        let sum: usize = record.iter().map(|&byte| usize::from(byte)).sum();
        vec![record[0]; lengths[sum % lengths.len()]]
    };
    let expected: Vec<_> =
        common::oracle_rows(&car).iter().map(|(_, _, record)| grow(record)).collect();
    assert!(
        expected.iter().any(|value| value.len() == 1 << 20)
            && expected.iter().any(|value| value.len() < 2)
    );
    let values = |repo: &mut dyn Iterator<Item = Result<carwalk::Record<Vec<u8>>>>| {
        repo.map(|record| record.unwrap().into_value()).collect::<Vec<_>>()
    };
    let repo = Loader::new().process(grow).from_reader(&car[..]).unwrap();
    assert!(values(&mut repo.records()) == expected);
    let mut loaded = Loader::new().process(grow).memory_limit(0).from_reader(&car[..]).unwrap();
    while let Loaded::Suspended(load) = loaded {
        let more = load.memory_limit() + (300 << 10);
        loaded = load.resume(more).unwrap();
    }
    let repo = common::complete(loaded);
    assert!(values(&mut repo.records()) == expected);
    assert_eq!(repo.unreached_blocks().unwrap(), 0);
    let nothing = Loader::new().process(|_: &[u8]| ()).from_reader(&car[..]).unwrap();
    assert_eq!(
        nothing.records().map(|record| record.unwrap().into_value()).collect::<Vec<_>>(),
        [(); 11]
    );
    #[cfg(feature = "redb")]
    for segment_len in [0, 300, 65_524] {
        let file = || carwalk::store::SpillFile::temporary().segment_len(segment_len);
        let repo = common::spill::all_into(Loader::new().process(grow), &car[..], file()).unwrap();
        assert!(values(&mut repo.records()) == expected);
        let nothing =
            common::spill::all_into(Loader::new().process(|_: &[u8]| ()), &car[..], file())
                .unwrap();
        assert_eq!(nothing.records().filter(Result::is_ok).count(), 11);
        assert_eq!(nothing.unreached_blocks().unwrap(), 0);
    }
}

/// A value that takes no bytes if it is 0.
struct Sparse(u8);

impl carwalk::Value for Sparse {
    fn encode(&self, out: &mut Vec<u8>) -> Result<()> {
        out.extend((self.0 > 0).then_some(self.0));
        Ok(())
    }

    fn decode(_: &mut &[u8]) -> Option<Self> {
        None
    }
}

/// What could not be decoded is not encoded: a list of more items than bytes, beyond 256.
#[test]
fn long_lists_take_at_least_a_byte_for_each_item() {
    let encoded = |list: Vec<Sparse>| carwalk::Value::encode(&list, &mut Vec::new());
    let list = |zeros: usize, ones: usize| {
        (0..zeros).map(|_| Sparse(0)).chain((0..ones).map(|_| Sparse(1))).collect::<Vec<_>>()
    };
    for (zeros, ones) in [(0, 0), (256, 0), (200, 56), (0, 300)] {
        encoded(list(zeros, ones)).unwrap();
    }
    for (zeros, ones) in [(257, 0), (256, 1), (1, 300)] {
        let error = encoded(list(zeros, ones)).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Encode(_)), "{zeros}, {ones}: {error}");
    }
}

/// A value that cannot be encoded if it is odd.
#[derive(Debug, PartialEq)]
struct Even(u64);

impl minicbor::Encode<()> for Even {
    fn encode<W: minicbor::encode::Write>(
        &self,
        encoder: &mut minicbor::Encoder<W>,
        _: &mut (),
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        if self.0 % 2 == 1 {
            return Err(minicbor::encode::Error::message("this number is odd"));
        }
        encoder.u64(self.0)?.ok()
    }
}

impl<'b> minicbor::Decode<'b, ()> for Even {
    fn decode(
        decoder: &mut minicbor::Decoder<'b>,
        _: &mut (),
    ) -> Result<Self, minicbor::decode::Error> {
        decoder.u64().map(Even)
    }
}

#[test]
fn a_value_without_bytes_ends_the_load_where_its_record_is() {
    let car = breakage::sample().to_car(Order::Preorder);
    let record = Record::sample(&breakage::sample_keys()[4]);
    let (bytes, offset) = (car.to_bytes(), car.offset_of(&record.cid));
    let odd = |block: &[u8]| Cbor(Even(u64::from(block == record.bytes)));
    let mut errors = vec![Loader::new().process(odd).from_reader(&bytes[..]).unwrap_err()];
    // What comes before is no reason to stop, but what comes is told again at no attempt.
    for salvage in [false, true] {
        errors.push(
            Loader::new()
                .salvage(salvage)
                .process(odd)
                .memory_limit(1 << 20)
                .from_reader(&bytes[..])
                .unwrap_err(),
        );
    }
    #[cfg(feature = "redb")]
    {
        let file = carwalk::store::SpillFile::temporary();
        errors.push(
            common::spill::all_into(Loader::new().process(odd), &bytes[..], file).unwrap_err(),
        );
    }
    for error in errors {
        let ErrorKind::Encode(source) = error.kind() else { panic!("{error}") };
        assert!(source.to_string().contains("this number is odd"), "{source}");
        assert_eq!(error.position().offset(), Some(offset as u64));
        assert_eq!(error.position().structure(), Structure::Record);
        assert_eq!(error.cid(), Some(&common::cid(&record.cid)));
        assert!(std::error::Error::source(&error).is_some());
    }
    // Nothing is encoded where nothing is stored.
    let repo = Loader::new().process(odd).from_slice(&bytes[..]).unwrap();
    let values: Vec<_> = repo.records().map(|record| record.unwrap().into_value().0.0).collect();
    assert_eq!(values, [0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    // The good twin.
    let even = Loader::new()
        .process(|block: &[u8]| Cbor(Even(2 * block.len() as u64)))
        .from_reader(&bytes[..])
        .unwrap();
    assert!(even.records().all(|record| record.is_ok_and(|record| record.value().0.0 > 0)));
}

#[test]
fn any_value_of_minicbor_can_be_kept() {
    let car = random::repo(8, 100).car;
    let make = |record: &[u8]| {
        Cbor((record.len() as u32, vec![record.len() as i64; 3], Some(format!("{record:?}"))))
    };
    let expected: Vec<_> =
        common::oracle_rows(&car).iter().map(|(_, _, record)| make(record)).collect();
    let repo = Loader::new().process(make).from_reader(&car[..]).unwrap();
    assert!(repo.records().map(|record| record.unwrap().into_value()).eq(expected));
}
