//! Sections one after the other: from slices, from streams, and from stores that hold a whole CAR.

use std::io::Read;

use carwalk::Loader;
use carwalk::car::{Reader, Section, SliceReader};
use carwalk::store::{CarStore, MemoryStore, SliceStore};
use carwalk_testkit::car::Car;
use carwalk_testkit::cases;
use carwalk_testkit::readers::{OneByte, Ragged};
use carwalk_testkit::{legal, random};

type Parts = (u64, Vec<u8>, Vec<u8>);

fn parts(section: &Section<'_>) -> Parts {
    (section.offset(), section.cid().as_bytes().to_vec(), section.block().to_vec())
}

fn expected(car: &[u8]) -> Vec<Parts> {
    let car = Car::parse(car).unwrap();
    let offsets = car.offsets();
    car.sections
        .into_iter()
        .zip(offsets)
        .map(|(section, at)| (at as u64, section.cid, section.data))
        .collect()
}

fn streamed(input: impl Read) -> Vec<Parts> {
    let mut reader = Reader::new(input).unwrap();
    let mut sections = Vec::new();
    while let Some(section) = reader.read_section().unwrap() {
        section.verify().unwrap();
        sections.push(parts(&section));
    }
    assert!(reader.read_section().unwrap().is_none());
    sections
}

/// What a store tells of its sections.
fn heads<S: CarStore>(store: &S) -> Vec<(u64, Vec<u8>)> {
    store
        .sections()
        .map(Result::unwrap)
        .map(|head| (head.offset(), head.cid().as_bytes().to_vec()))
        .collect()
}

fn cars() -> impl Iterator<Item = Vec<u8>> {
    legal::all()
        .map(legal::Oddity::make)
        .chain((0..cases(6)).map(|seed| random::repo(seed, 200).car))
}

#[test]
fn slices_and_streams_give_the_same_sections() {
    for car in cars() {
        let expected = expected(&car);
        let sections: Vec<_> =
            SliceReader::new(&car).unwrap().map(|section| parts(&section.unwrap())).collect();
        assert!(sections == expected);
        assert!(streamed(&car[..]) == expected);
        assert!(streamed(OneByte(&car[..])) == expected);
        assert!(streamed(Ragged::new(&car[..], 9)) == expected);
    }
}

#[test]
fn stores_give_all_sections_in_the_order_of_the_file() {
    for car in cars() {
        let expected = expected(&car);
        let slice = SliceStore::new(&car).unwrap();
        let memory = MemoryStore::new(Ragged::new(&car[..], 3)).unwrap();
        let expected: Vec<_> =
            expected.iter().map(|(offset, cid, _)| (*offset, cid.clone())).collect();
        assert!(heads(&slice) == expected);
        assert!(heads(&memory) == expected);
        let processed = Loader::new().process(|_: &[u8]| ()).from_reader(&car[..]).unwrap();
        assert!(heads(processed.store()) == expected);
        assert_eq!(slice.header(), memory.header());
        assert_eq!(slice.stats(), memory.stats());
        assert_eq!(slice.bytes(), car);
    }
}

#[test]
fn the_position_follows_the_sections() {
    let car = random::repo(3, 60).car;
    let mut reader = Reader::new(&car[..]).unwrap();
    let mut offsets: Vec<_> = expected(&car).into_iter().map(|(offset, ..)| offset).collect();
    offsets.push(car.len() as u64);
    for offset in offsets {
        assert_eq!(reader.position(), offset);
        reader.read_section().unwrap();
    }
}

#[test]
fn after_an_error_there_is_no_other_section() {
    let mut car = random::repo(3, 60).car;
    car.push(0);
    let mut sections = SliceReader::new(&car).unwrap().skip_while(Result::is_ok);
    assert!(sections.next().unwrap().is_err());
    assert!((0..3).all(|_| sections.next().is_none()));
    let mut reader = Reader::new(&car[..]).unwrap();
    while matches!(reader.read_section(), Ok(Some(_))) {}
    assert!((0..3).all(|_| reader.read_section().unwrap().is_none()));
}
