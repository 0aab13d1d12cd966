//! What every store promises. A store joins with one line at the end.

use crate::common;
use std::collections::HashMap;

use carwalk::cid::Codec;
use carwalk::store::BlockStore;
use carwalk::{Cid, Repo, Tree};
use carwalk_testkit::car::Car;
use carwalk_testkit::cases;
use carwalk_testkit::cid::Cid as KitCid;
use carwalk_testkit::{breakage, legal, random, repo::Order};

/// A CAR that lives as long as the test run, so that stores may borrow it.
fn leak(car: Vec<u8>) -> &'static [u8] {
    Box::leak(car.into_boxed_slice())
}

/// A CAR of these blocks, whose root is none of them.
fn car_of(blocks: &[(KitCid, &[u8])]) -> &'static [u8] {
    let mut car = Car::new(&[KitCid::dag_cbor(b"no block of this CAR")]);
    for (cid, block) in blocks {
        car.push(*cid, block);
    }
    leak(car.to_bytes())
}

fn bytes_of<S: BlockStore>(store: &S, cid: &Cid) -> Option<Vec<u8>> {
    store.get(cid).unwrap().map(|found| found.bytes.as_ref().to_vec())
}

fn every_block_is_found_under_its_cid<S: BlockStore>(make: impl Fn(&'static [u8]) -> S) {
    for seed in 0..cases(4) {
        let car = leak(random::repo(seed, 60).car);
        let store = make(car);
        for section in Car::parse(car).unwrap().sections {
            let cid = Cid::parse(&section.cid).unwrap();
            assert_eq!(bytes_of(&store, &cid), Some(section.data));
            assert!(store.contains(&cid).unwrap());
        }
    }
}

fn absent_blocks_are_none<S: BlockStore>(make: impl Fn(&'static [u8]) -> S) {
    for car in [car_of(&[]), leak(breakage::sample().to_bytes(Order::Pds))] {
        let store = make(car);
        for number in 0..2000u32 {
            let cid = Cid::of(Codec::DagCbor, &number.to_be_bytes());
            assert_eq!(bytes_of(&store, &cid), None);
            assert!(!store.contains(&cid).unwrap());
        }
    }
}

fn the_codec_is_part_of_the_cid<S: BlockStore>(make: impl Fn(&'static [u8]) -> S) {
    let (raw, cbor) = (KitCid::raw(b"block"), KitCid::dag_cbor(b"block"));
    for (there, absent) in [(raw, cbor), (cbor, raw)] {
        let store = make(car_of(&[(there, b"block")]));
        assert_eq!(bytes_of(&store, &common::cid(&there)).unwrap(), b"block");
        assert_eq!(bytes_of(&store, &common::cid(&absent)), None);
        assert!(!store.contains(&common::cid(&absent)).unwrap());
    }
    let store = make(car_of(&[(raw, b"block"), (cbor, b"block")]));
    for cid in [raw, cbor] {
        assert_eq!(bytes_of(&store, &common::cid(&cid)).unwrap(), b"block");
    }
}

/// Nothing less than the whole digest decides.
fn a_cid_that_differs_in_one_bit_is_another<S: BlockStore>(make: impl Fn(&'static [u8]) -> S) {
    let cid = KitCid::raw(b"block");
    let store = make(car_of(&[(cid, b"block")]));
    for bit in 32..36 * 8 {
        let mut bytes = *cid.as_bytes();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let other = Cid::parse(&bytes).unwrap();
        assert_eq!(bytes_of(&store, &other), None);
        assert!(!store.contains(&other).unwrap());
    }
}

fn repeated_blocks_are_one<S: BlockStore>(make: impl Fn(&'static [u8]) -> S) {
    let (one, other) = (KitCid::raw(b"one"), KitCid::raw(b"other"));
    let store = make(car_of(&[(one, b"one"), (other, b"other"), (one, b"one"), (one, b"one")]));
    assert_eq!(bytes_of(&store, &common::cid(&one)).unwrap(), b"one");
    assert_eq!(bytes_of(&store, &common::cid(&other)).unwrap(), b"other");
}

fn blocks_of_any_length_are_kept<S: BlockStore>(make: impl Fn(&'static [u8]) -> S) {
    let blocks: Vec<Vec<u8>> = [0, 1, 90, 91, 92, 16_347, 16_348, 65_500, 65_536, 1 << 20]
        .iter()
        .map(|&len| vec![7; len])
        .collect();
    let blocks: Vec<(KitCid, &[u8])> =
        blocks.iter().map(|block| (KitCid::raw(block), &block[..])).collect();
    let store = make(car_of(&blocks));
    for (cid, block) in &blocks {
        assert_eq!(bytes_of(&store, &common::cid(cid)).as_deref(), Some(*block));
    }
}

fn blocks_are_held_side_by_side_and_come_again_the_same<S: BlockStore>(
    make: impl Fn(&'static [u8]) -> S,
) {
    let car = leak(breakage::sample().to_bytes(Order::Shuffled(5)));
    let store = make(car);
    let sections = Car::parse(car).unwrap().sections;
    let cids = || sections.iter().map(|section| Cid::parse(&section.cid).unwrap());
    let held: Vec<_> = cids().map(|cid| store.get(&cid).unwrap().unwrap()).collect();
    let again: Vec<_> = cids().rev().map(|cid| store.get(&cid).unwrap().unwrap()).collect();
    for ((first, second), section) in held.iter().zip(again.iter().rev()).zip(&sections) {
        assert_eq!(first.bytes.as_ref(), section.data);
        assert_eq!(second.bytes.as_ref(), section.data);
        assert_eq!(first.offset, second.offset);
    }
}

fn an_offset_is_that_of_a_section_of_the_block<S: BlockStore>(make: impl Fn(&'static [u8]) -> S) {
    for seed in 0..cases(4) {
        let car = leak(random::repo(seed, 60).car);
        let parsed = Car::parse(car).unwrap();
        let mut sections: HashMap<Cid, Vec<u64>> = HashMap::new();
        for (section, offset) in parsed.sections.iter().zip(parsed.offsets()) {
            sections.entry(Cid::parse(&section.cid).unwrap()).or_default().push(offset as u64);
        }
        let store = make(car);
        for (cid, offsets) in sections {
            if let Some(offset) = store.get(&cid).unwrap().unwrap().offset {
                assert!(offsets.contains(&offset));
            }
        }
    }
}

fn prefetching_changes_nothing<S: BlockStore>(make: impl Fn(&'static [u8]) -> S) {
    let car = leak(breakage::sample().to_bytes(Order::Preorder));
    for car in [car, car_of(&[])] {
        let store = make(car);
        let there = Car::parse(car)
            .unwrap()
            .sections
            .into_iter()
            .map(|section| Cid::parse(&section.cid).unwrap());
        let absent = (0..1000u32).map(|number| Cid::of(Codec::Raw, &number.to_be_bytes()));
        let cids: Vec<Cid> = there.chain(absent).collect();
        let before: Vec<_> = cids.iter().map(|cid| bytes_of(&store, cid)).collect();
        store.prefetch(&[]);
        store.prefetch(&cids);
        store.prefetch(&cids[..1]);
        let after: Vec<_> = cids.iter().map(|cid| bytes_of(&store, cid)).collect();
        assert!(before == after);
    }
}

fn walks_over_it_give_the_records<S: BlockStore>(make: impl Fn(&'static [u8]) -> S) {
    let random = (0..cases(4)).map(|seed| random::repo(seed, 60).car);
    for car in random.chain(legal::all().map(legal::Oddity::make)) {
        let car = leak(car);
        let root = Repo::from_slice(car).unwrap().commit().clone();
        let expected = common::oracle_rows(car);
        let repo = Repo::from_store(make(car), root.cid()).unwrap();
        assert!(common::rows(&repo).unwrap() == expected);
        let tree = Tree::new(make(car), root.data());
        assert_eq!(tree.entries().count(), expected.len());
    }
}

macro_rules! contract {
    ($($name:ident: $make:expr;)*) => {
        $(contract!(@tests $name, $make,
            every_block_is_found_under_its_cid
            absent_blocks_are_none
            the_codec_is_part_of_the_cid
            a_cid_that_differs_in_one_bit_is_another
            repeated_blocks_are_one
            blocks_of_any_length_are_kept
            blocks_are_held_side_by_side_and_come_again_the_same
            an_offset_is_that_of_a_section_of_the_block
            prefetching_changes_nothing
            walks_over_it_give_the_records
        );)*
    };
    (@tests $name:ident, $make:expr, $($test:ident)*) => {
        mod $name {
            #[allow(unused_imports, reason = "each store needs some")]
            use carwalk::store::{MemoryStore, SliceStore};
            #[cfg(feature = "redb")]
            #[allow(unused_imports, reason = "each store needs some")]
            use carwalk::store::SpillFile;

            $(#[test]
            fn $test() {
                super::$test($make);
            })*
        }
    };
}

contract! {
    slice: |car| SliceStore::new(car).unwrap();
    owned: |car| SliceStore::new(car.to_vec()).unwrap();
    memory: |car| MemoryStore::new(car).unwrap();
    memory_one_byte_at_a_time: |car| {
        MemoryStore::new(carwalk_testkit::readers::OneByte(car)).unwrap()
    };
    borrowed: |car| &*Box::leak(Box::new(SliceStore::new(car).unwrap()));
    map: super::common::MapStore::new;
}

#[cfg(feature = "redb")]
mod spilled {
    use carwalk::store::{RedbStore, SpillFile};
    use carwalk_testkit::readers::Ragged;

    pub(super) fn temporary(car: &[u8]) -> RedbStore {
        RedbStore::new(car, SpillFile::temporary()).unwrap()
    }

    /// Segments of a few blocks, and room for next to none.
    pub(super) fn tiny(car: &[u8]) -> RedbStore {
        let file = SpillFile::temporary().segment_len(300).cache_size(0);
        RedbStore::new(Ragged::new(car, 5), file).unwrap()
    }

    pub(super) fn one_block_a_segment(car: &[u8]) -> RedbStore {
        RedbStore::new(car, SpillFile::temporary().segment_len(0)).unwrap()
    }

    pub(super) fn kept(car: &[u8]) -> RedbStore {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kept");
        let file = SpillFile::keep(&path).segment_len(1000);
        drop(RedbStore::new(car, file).unwrap());
        RedbStore::open(&path, 0).unwrap()
    }

    pub(super) fn reset(car: &[u8]) -> RedbStore {
        let other = carwalk_testkit::random::repo(99, 200).car;
        let store = RedbStore::new(&other[..], SpillFile::temporary()).unwrap();
        RedbStore::new(car, store.reset().unwrap()).unwrap()
    }
}

#[cfg(feature = "redb")]
contract! {
    spilled_to_a_file: super::spilled::temporary;
    spilled_to_tiny_segments: super::spilled::tiny;
    spilled_one_by_one: super::spilled::one_block_a_segment;
    kept_and_opened: super::spilled::kept;
    spilled_to_a_file_that_was_reset: super::spilled::reset;
    slice_with_its_index_in_a_file: |car| {
        SliceStore::with_index_in(car, SpillFile::temporary()).unwrap()
    };
}

#[cfg(feature = "mmap")]
contract! {
    mapped: |car| {
        let mut file = tempfile::tempfile().unwrap();
        std::io::Write::write_all(&mut file, car).unwrap();
        #[allow(unsafe_code, reason = "a file can be mapped in no other way")]
        // SAFETY: the file has no name, and nothing writes it while it is mapped.
        SliceStore::new(unsafe { carwalk::store::MappedFile::map(&file) }.unwrap()).unwrap()
    };
}

contract! {
    by_reference: |car| &*Box::leak(Box::new(MemoryStore::new(car).unwrap()));
    boxed: |car| Box::new(MemoryStore::new(car).unwrap());
    counted: |car| std::rc::Rc::new(MemoryStore::new(car).unwrap());
    counted_by_threads: |car| std::sync::Arc::new(SliceStore::new(car.to_vec()).unwrap());
}

/// A CAR, one with other blocks, and the first once more.
fn union_of(car: &'static [u8]) -> carwalk::store::Union<carwalk::store::MemoryStore> {
    use carwalk::store::{MemoryStore, Union};

    let other = random::repo(7, 60).car;
    let first = MemoryStore::new(car).unwrap();
    Union::new(vec![first, MemoryStore::new(&other[..]).unwrap(), MemoryStore::new(car).unwrap()])
}

/// The sections of a CAR, every other one in each of two CARs.
fn halves_of(car: &'static [u8]) -> carwalk::store::Union<carwalk::store::SliceStore<Vec<u8>>> {
    use carwalk::store::{SliceStore, Union};

    let half = |odd: usize| {
        let mut car = Car::parse(car).unwrap();
        let sections = car.sections.into_iter().enumerate();
        car.sections =
            sections.filter(|(at, _)| at % 2 == odd).map(|(_, section)| section).collect();
        SliceStore::new(car.to_bytes()).unwrap()
    };
    Union::new(vec![half(0), half(1)])
}

contract! {
    union_of_one: |car| carwalk::store::Union::new(vec![SliceStore::new(car).unwrap()]);
    union_of_several: super::union_of;
    union_of_halves: super::halves_of;
}

#[test]
fn only_stores_of_one_car_have_unique_offsets() {
    use carwalk::store::{MemoryStore, SliceStore, Union};
    use std::sync::Arc;

    let car = breakage::sample().to_bytes(Order::Pds);
    let slice = || SliceStore::new(&car[..]).unwrap();
    assert!(slice().has_unique_offsets() && Arc::new(slice()).has_unique_offsets());
    assert!(MemoryStore::new(&car[..]).unwrap().has_unique_offsets());
    assert!(Union::new(vec![slice()]).has_unique_offsets());
    assert!(!Union::new(vec![slice(), slice()]).has_unique_offsets());
    assert!(!common::MapStore::new(&car).has_unique_offsets());
    #[cfg(feature = "redb")]
    assert!(spilled::temporary(&car).has_unique_offsets());
    // Nor has a block of several CARs an offset that could be taken for that of another.
    let cid = common::cid(&breakage::sample().commit_cid());
    let offset = |stores| Union::new(stores).get(&cid).unwrap().unwrap().offset;
    assert!(offset(vec![slice()]).is_some() && offset(vec![slice(), slice()]).is_none());
}

#[cfg(feature = "redb")]
contract! {
    any_in_memory: |car| carwalk::store::AnyStore::Memory(MemoryStore::new(car).unwrap());
    any_in_a_file: |car| carwalk::store::AnyStore::File(super::spilled::temporary(car));
}
