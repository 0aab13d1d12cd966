//! Written CARs: the commit, each node at its place, each record after its first entry, and nothing
//! else.

use crate::common;
use std::collections::BTreeMap;

use crate::common::MapStore;
use crate::common::keys::{Keys, any_keys};
use crate::common::pack::{packed, packed_tree};
use crate::common::part::{Part, Removal};
use carwalk::error::{ArgumentFault, SpillFileFault};
use carwalk::mst::Event;
use carwalk::store::{Block, BlockStore, CarStore, MemoryStore, SliceStore, Union};
use carwalk::{
    Cid, ErrorClass, ErrorKind, KeyRange, Loader, Repo, RepoWriter, Result, Tree, Verification,
    WriteStats,
};
use carwalk_testkit::car::Car;
use carwalk_testkit::repo::{Order, Record, Repo as KitRepo};
use carwalk_testkit::rng::Rng;
use carwalk_testkit::{breakage, cases, legal, random};

/// Writes a CAR. Its counts are true.
#[track_caller]
fn written<S: BlockStore>(writer: RepoWriter<'_, S>) -> Result<(Vec<u8>, WriteStats)> {
    let mut car = Vec::new();
    let stats = writer.write(&mut car)?;
    let sections = Car::parse(&car).unwrap().sections.len() as u64;
    assert_eq!((stats.bytes, stats.sections), (car.len() as u64, sections));
    Ok((car, stats))
}

#[track_caller]
fn bytes<S: BlockStore>(writer: RepoWriter<'_, S>) -> Vec<u8> {
    written(writer).unwrap().0
}

/// Every block that a walk meets, with its key if it is a record.
fn steps<S: BlockStore>(repo: &Repo<S>) -> Vec<(Option<Vec<u8>>, Cid, Vec<u8>)> {
    let (mut walk, mut steps) = (repo.walk().nodes(true).start(), Vec::new());
    while let Some(event) = walk.next_event().unwrap() {
        steps.push(match event {
            Event::Node { cid, block, .. } => (None, cid, block.to_vec()),
            Event::Record { entry, block, .. } => {
                (Some(entry.key().to_vec()), entry.cid(), block.to_vec())
            }
            event => panic!("{event:?}"),
        });
    }
    steps
}

#[test]
fn a_written_car_is_the_tree_in_pre_order_from_every_store() {
    let mut repeats = 0;
    for seed in 0..cases(20) {
        let random = random::repo(seed, 60);
        let (kit, car) = (&random.repo, &random.car);
        let expected = packed(kit, false).to_bytes();
        let repeating = packed(kit, true).to_bytes();
        let slice = Repo::from_slice(car).unwrap();
        let (packed, stats) = written(slice.writer()).unwrap();
        assert!(packed == expected, "seed {seed}");
        let sections = Car::parse(&repeating).unwrap().sections.len() as u64;
        assert_eq!(stats.repeats, sections - stats.sections, "seed {seed}");
        repeats += stats.repeats;
        let (again, stats) = written(slice.writer().repeats(true)).unwrap();
        assert!(again == repeating && stats.repeats == 0, "seed {seed}");

        let memory = Repo::from_reader(&car[..]).unwrap();
        assert!(bytes(memory.writer()) == expected, "seed {seed}");
        let map = Repo::from_store(MapStore::new(car), slice.commit().cid()).unwrap();
        assert!(bytes(map.writer()) == expected, "seed {seed}");
        assert!(bytes(map.writer().repeats(true)) == repeating, "seed {seed}");
        let lazy = Loader::new().verification(Verification::ReachedBlocks);
        assert!(bytes(lazy.from_slice(car).unwrap().writer()) == expected, "seed {seed}");
        #[cfg(feature = "redb")]
        {
            use carwalk::store::SpillFile;

            let file = common::spill::all_into(Loader::new(), &car[..], SpillFile::temporary());
            assert!(bytes(file.unwrap().writer()) == expected, "seed {seed}");
        }
    }
    assert!(repeats > cases(20) / 4, "{repeats}");
}

#[test]
fn a_pack_has_the_walk_of_its_source_whatever_the_order_of_blocks() {
    for seed in 0..cases(5) {
        let kit = random::repo(seed, 60).repo;
        let expected = packed(&kit, false).to_bytes();
        for order in Order::ALL {
            let car = kit.to_bytes(order);
            let source = Repo::from_slice(&car).unwrap();
            let mut pack = Vec::new();
            source.write(&mut pack).unwrap();
            assert!(pack == expected, "seed {seed}, {order:?}");
            let repo = Repo::from_slice(&pack).unwrap();
            assert!(steps(&repo) == steps(&source), "seed {seed}, {order:?}");
            assert_eq!((repo.commit(), repo.unreached_blocks().unwrap()), (source.commit(), 0));
        }
    }
}

#[test]
fn a_pack_of_a_pack_is_the_same() {
    for seed in 0..cases(10) {
        let car = random::repo(seed, 60).car;
        let repo = Repo::from_slice(&car).unwrap();
        for repeats in [false, true] {
            let pack = bytes(repo.writer().repeats(repeats));
            let again = Repo::from_slice(&pack).unwrap();
            assert!(bytes(again.writer().repeats(repeats)) == pack, "seed {seed}");
        }
        let nodes = bytes(repo.writer().records(false));
        let again = Repo::from_slice(&nodes).unwrap();
        assert!(bytes(again.writer().records(false)) == nodes, "seed {seed}");
    }
}

#[test]
fn odd_exports_are_written_whole() {
    for oddity in legal::all() {
        let car = oddity.make();
        let repo = Repo::from_slice(&car).unwrap();
        let pack = Repo::from_slice(bytes(repo.writer())).unwrap();
        assert!(steps(&pack) == steps(&repo), "{oddity:?}");
        assert_eq!(pack.unreached_blocks().unwrap(), 0, "{oddity:?}");
    }
}

/// The proof of the same keys, for which other tests know the blocks.
#[test]
fn a_range_has_the_blocks_of_its_proof() {
    for seed in 0..cases(10) {
        let part = Part::of(seed, Removal::None);
        let repo = Repo::from_slice(&part.car).unwrap();
        let mut rng = Rng::new(seed);
        for _ in 0..6 {
            let ranges: Vec<KeyRange> =
                (0..rng.range(1, 4)).map(|_| range(any_keys(&part, &mut rng))).collect();
            for records in [true, false] {
                let writer = repo.writer().records(records);
                let writer = ranges.iter().fold(writer, |writer, range| writer.range(range));
                let proof = repo.prove().records(records);
                let proof = ranges.iter().fold(proof, |proof, range| proof.range(range));
                let mut expected = Vec::new();
                assert_eq!(proof.write(&mut expected).unwrap().bytes, expected.len() as u64);
                assert!(bytes(writer) == expected, "seed {seed}: {ranges:?}");
            }
        }
    }
}

fn range(keys: Keys) -> KeyRange {
    match keys {
        Keys::One(key) => KeyRange::key(key),
        Keys::Range(range) => range.into(),
        Keys::Prefix(prefix) => KeyRange::prefix(prefix),
    }
}

#[test]
fn without_keys_everything_is_written_and_a_proof_is_the_commit() {
    let kit = breakage::sample();
    let car = kit.to_bytes(Order::Pds);
    let repo = Repo::from_slice(&car).unwrap();
    let whole = packed(&kit, false);
    assert_eq!(bytes(repo.writer()), whole.to_bytes());
    assert_eq!(bytes(repo.writer().range(..)), whole.to_bytes());
    let mut commit = Vec::new();
    repo.prove().write(&mut commit).unwrap();
    let mut expected = whole;
    expected.sections.truncate(1);
    assert_eq!(commit, expected.to_bytes());
    assert_eq!(bytes(repo.writer().range("a".."a")), expected.to_bytes());
    let key = String::from_utf8(breakage::sample_keys().remove(3)).unwrap();
    assert_eq!(bytes(repo.writer().key(&key)), bytes(repo.writer().range(KeyRange::key(&key))));
}

#[test]
fn bad_arguments_are_told_before_anything_is_written() {
    let car = breakage::sample().to_bytes(Order::Pds);
    let repo = Repo::from_slice(&car).unwrap();
    let mut output = Vec::new();
    let error = repo.writer().range("b".."a").key("no path").write(&mut output).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Argument(ArgumentFault::Range { .. })), "{error}");
    let error = repo.writer().key("no path").write(&mut output).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Path(_)), "{error}");
    let tree = repo.tree();
    assert!(tree.writer().key("no path").write(&mut output).is_err() && output.is_empty());
}

#[test]
fn records_are_neither_required_nor_written_if_they_are_not_wanted() {
    let kit = breakage::sample();
    let mut nodes = packed(&kit, false);
    nodes.sections.retain(|section| !kit.records.keys().any(|cid| section.cid == cid.as_bytes()));
    let nodes = nodes.to_bytes();
    let whole = kit.to_bytes(Order::Reversed);
    for car in [&whole, &nodes] {
        let repo = Repo::from_slice(car).unwrap();
        let (written, stats) = written(repo.writer().records(false)).unwrap();
        assert_eq!((written, stats.repeats), (nodes.clone(), 0));
    }
    let error = Repo::from_slice(&nodes).unwrap().write(&mut Vec::new()).unwrap_err();
    assert_eq!(error.class(), ErrorClass::Missing);
}

#[test]
fn a_tree_is_written_without_a_commit() {
    for seed in 0..cases(10) {
        let random = random::repo(seed, 60);
        let expected = packed_tree(&random.repo).to_bytes();
        let repo = Repo::from_slice(&random.car).unwrap();
        assert!(bytes(repo.tree().writer()) == expected, "seed {seed}");
        let store = SliceStore::new(&expected).unwrap();
        let root = store.header().root();
        assert_eq!(root, repo.commit().data());
        let tree = Tree::new(store, root);
        assert!(bytes(tree.writer()) == expected, "seed {seed}");
        assert!(
            tree.records()
                .map(|record| record.unwrap().cid())
                .eq(repo.records().map(|record| record.unwrap().cid()))
        );
    }
}

/// Everybody knows the node of an empty tree, so it need not be there to be written.
#[test]
fn the_node_of_an_empty_tree_is_always_written() {
    let kit = KitRepo::new([]);
    let mut car = kit.to_car(Order::Preorder);
    car.remove(&kit.root.cid());
    let repo = Repo::from_slice(car.to_bytes()).unwrap();
    assert_eq!(bytes(repo.writer()), kit.to_bytes(Order::Preorder));
    assert_eq!(bytes(repo.tree().writer()), packed_tree(&kit).to_bytes());
}

fn path(number: u32) -> Vec<u8> {
    format!("com.example.test/{number:06}").into_bytes()
}

/// The first record is written, then 65,535 others. With it they are the last 65,536, so it is left
/// out. After one more it is not among them, and is written again.
#[test]
fn a_record_is_left_out_while_it_is_among_the_last_65_536() {
    const OTHERS: u32 = 65_535;
    let repeated = Record::raw(b"again and again".to_vec());
    let other = |number: u32| Record::raw(number.to_be_bytes().to_vec());
    let records = (0..=OTHERS + 3).map(|number| {
        let is_other = (1..=OTHERS).contains(&number) || number == OTHERS + 2;
        (path(number), if is_other { other(number) } else { repeated.clone() })
    });
    let kit = KitRepo::new(records);
    let entries = kit.entries();
    let at = |number: u32| entries[number as usize].1 == repeated.cid;
    assert!(at(0) && at(OTHERS + 1) && at(OTHERS + 3) && !at(OTHERS) && !at(OTHERS + 2));

    let expected: Vec<u32> = (0..=OTHERS).chain([OTHERS + 2, OTHERS + 3]).collect();
    let car = kit.to_bytes(Order::Preorder);
    let slice = Repo::from_slice(&car).unwrap();
    let check = |(pack, stats): (Vec<u8>, WriteStats)| {
        assert_eq!(stats.repeats, 1);
        let mut places = BTreeMap::<Vec<u8>, Vec<usize>>::new();
        let parsed = Car::parse(&pack).unwrap();
        let records = parsed.sections.iter().filter(|section| section.data.len() < 20);
        for (place, section) in records.enumerate() {
            places.entry(section.cid.clone()).or_default().push(place);
        }
        assert_eq!(places[&repeated.cid.as_bytes()[..]], [0, expected.len() - 1]);
        assert_eq!(places.values().map(Vec::len).sum::<usize>(), expected.len());
    };
    check(written(slice.writer()).unwrap());
    // By CIDs instead of offsets.
    let both = Union::new(vec![slice.store(), slice.store()]);
    let both = Repo::from_store(both, slice.commit().cid()).unwrap();
    check(written(both.writer()).unwrap());
    let (pack, stats) = written(slice.writer().repeats(true)).unwrap();
    assert_eq!(
        (stats.repeats, stats.sections),
        (0, Car::parse(&pack).unwrap().sections.len() as u64)
    );
    let nodes = kit.root.blocks().len() as u64;
    assert_eq!(stats.sections, 1 + nodes + u64::from(OTHERS) + 4);
}

/// A store over two CARs that passes their offsets on, as the library's documentation has one.
struct Overlay<'s>(SliceStore<&'s [u8]>, SliceStore<&'s [u8]>);

impl BlockStore for Overlay<'_> {
    type Bytes<'a>
        = &'a [u8]
    where
        Self: 'a;

    fn get(&self, cid: &Cid) -> Result<Option<Block<&[u8]>>> {
        let found = self.0.get(cid)?;
        if found.is_some() { Ok(found) } else { self.1.get(cid) }
    }
}

#[test]
fn blocks_of_two_cars_at_one_offset_are_both_written() {
    let kit = KitRepo::sample(["com.example.test/1", "com.example.test/2"]);
    let mut half = packed(&kit, false);
    let last = half.sections.pop().unwrap();
    let mut other = half.clone();
    *other.sections.last_mut().unwrap() = last;
    let (one, other) = (half.to_bytes(), other.to_bytes());
    let overlay =
        || Overlay(SliceStore::new(&one[..]).unwrap(), SliceStore::new(&other[..]).unwrap());
    let store = overlay();
    let offset = |cid: &Cid| store.get(cid).unwrap().unwrap().offset;
    let entries: Vec<Cid> = kit.entries().iter().map(|(_, cid)| common::cid(cid)).collect();
    assert_eq!(offset(&entries[0]), offset(&entries[1]));
    let repo = Repo::from_store(overlay(), common::cid(&kit.commit_cid())).unwrap();
    assert_eq!(bytes(repo.writer()), packed(&kit, false).to_bytes());
    let Overlay(one, other) = overlay();
    let repo = Repo::from_cars(vec![one, other]).unwrap();
    assert_eq!(bytes(repo.writer()), packed(&kit, false).to_bytes());
}

/// A store that promises offsets and has none.
struct NoOffsets(MapStore);

impl BlockStore for NoOffsets {
    type Bytes<'a>
        = &'a [u8]
    where
        Self: 'a;

    fn get(&self, cid: &Cid) -> Result<Option<Block<&[u8]>>> {
        self.0.get(cid)
    }

    fn has_unique_offsets(&self) -> bool {
        true
    }
}

#[test]
fn a_record_without_its_promised_offset_is_written_each_time() {
    let record = Record::sample(b"com.example.test/shared");
    let kit = KitRepo::new(breakage::sample_keys().into_iter().map(|key| (key, record.clone())));
    let store = NoOffsets(MapStore::new(&kit.to_bytes(Order::Pds)));
    let repo = Repo::from_store(store, common::cid(&kit.commit_cid())).unwrap();
    assert_eq!(bytes(repo.writer()), packed(&kit, true).to_bytes());
}

/// Cut anywhere, a CAR in pre-order lacks a block that the tree needs.
#[test]
fn a_cut_car_is_never_written_whole() {
    let car = packed(&KitRepo::sample(breakage::sample_keys()), false).to_bytes();
    let whole = Repo::from_slice(&car).unwrap();
    assert_eq!(bytes(whole.writer()), car);
    let mut missing = 0;
    for len in 0..car.len() {
        match Repo::from_slice(&car[..len]).and_then(|repo| repo.write(&mut Vec::new())) {
            Err(error) if error.class() == ErrorClass::Missing => missing += 1,
            Err(error) => assert_eq!(error.class(), ErrorClass::Truncated, "{len}: {error}"),
            Ok(_) => panic!("{len} bytes were written as a whole CAR"),
        }
    }
    assert_eq!(missing, Car::parse(&car).unwrap().sections.len());
}

#[test]
fn a_tree_that_breaks_a_rule_is_not_written() {
    let mut refused = 0;
    for breakage in breakage::all() {
        let case = breakage.make();
        assert!(Repo::from_slice(&case.valid).unwrap().write(&mut Vec::new()).is_ok());
        let Ok(repo) = Repo::from_slice(&case.broken) else { continue };
        let Err(error) = repo.walk().completeness() else { continue };
        for writer in [repo.writer(), repo.writer().repeats(true), repo.tree().writer()] {
            let found = writer.write(&mut Vec::new()).unwrap_err();
            assert_eq!(common::details(&found), common::details(&error), "{breakage:?}");
        }
        refused += 1;
    }
    assert!(refused > 20, "{refused}");
}

#[test]
fn processed_values_are_not_written_as_records() {
    let kit = breakage::sample();
    let car = kit.to_bytes(Order::Preorder);
    let made = common::summarizing(Loader::new()).from_reader(&car[..]).unwrap();
    let commit = made.commit().cid();
    let repo = Repo::from_store(made.into_store(), commit).unwrap();
    let error = repo.write(&mut Vec::new()).unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::InvalidSpillFile(SpillFileFault::Processed)),
        "{error}"
    );
    let whole = Repo::from_store(MemoryStore::new(&car[..]).unwrap(), commit).unwrap();
    assert_eq!(bytes(repo.writer().records(false)), bytes(whole.writer().records(false)));
}
