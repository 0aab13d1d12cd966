//! Which damage is found under which setting, and what a partial walk still gives.

use crate::common;
use carwalk::ErrorClass;
use std::io::{self, Read};

use crate::common::Row;
use carwalk::error::Structure;
use carwalk::mst::Event;
use carwalk::store::{BlockStore, CarStore};
use carwalk::{Error, ErrorKind, Limits, Loader, Repo, Result, Verification};
use carwalk_testkit::breakage::{self, Case};
use carwalk_testkit::oracle;
use carwalk_testkit::readers::{FailsAt, Pieces};
use carwalk_testkit::repo::Order;
use carwalk_testkit::step;

fn loader(verification: Verification) -> impl Fn() -> Loader {
    move || Loader::new().verification(verification)
}

fn rows(case: &Case, verification: Verification) -> Result<Vec<Row>> {
    common::rows_each_way(&case.broken, loader(verification))
}

#[track_caller]
fn assert_mismatch(error: &Error, structure: Structure) {
    assert!(matches!(error.kind(), ErrorKind::HashMismatch { .. }), "{error}");
    assert_eq!(error.position().structure(), structure, "{error}");
}

const DAMAGES: [&str; 7] = [
    "hash_of_commit",
    "hash_of_root",
    "hash_of_node",
    "hash_of_record",
    "hash_of_stray",
    "hash_of_second_copy",
    "hashes_swapped",
];

/// Blocks are hashed many at a time, long ones apart from short ones: whatever is found first, the
/// first in the CAR is told.
#[test]
fn of_several_faults_the_one_that_comes_first_in_the_car_is_told() {
    let mut whole = breakage::sample().to_car(Order::Preorder);
    let first = whole.sections.len();
    for number in 0..1200usize {
        let len = if number % 50 == 7 { 5000 } else { number % 300 };
        whole.push_block(&[&number.to_be_bytes()[..], &vec![7; len]].concat());
    }
    let offsets = whole.offsets();
    let assert_first = |bad: &[usize], cut: Option<usize>| {
        let mut car = whole.clone();
        for &number in bad {
            car.sections[first + number].data[3] ^= 1;
        }
        let mut bytes = car.to_bytes();
        bytes.truncate(cut.map_or(bytes.len(), |number| offsets[first + number] + 20));
        let expected =
            bad.iter().copied().chain(cut).min().map(|number| offsets[first + number] as u64);
        for error in [
            Loader::new().from_slice(&bytes).unwrap_err(),
            Loader::new().from_reader(&bytes[..]).unwrap_err(),
        ] {
            assert_eq!(error.position().offset(), expected, "{bad:?}, {cut:?}: {error}");
            assert_eq!(
                error.class() == ErrorClass::Truncated,
                cut.is_some_and(|cut| bad.iter().all(|&number| number >= cut))
            );
        }
    };
    // Number 57 and 107 are long; a batch ends somewhere between 480 and 520.
    for bad in [
        &[0][..],
        &[1199],
        &[3, 57],
        &[57, 58],
        &[57, 107],
        &[400, 700],
        &[505, 506, 507],
        &[1000, 1100],
        &[1150, 1160],
    ] {
        assert_first(bad, None);
        assert_first(bad, Some(1199));
    }
    assert_first(&[], Some(1100));
    let all: Vec<usize> = (0..1200).collect();
    for from in [0, 7, 30, 57, 300, 480, 511, 512, 513, 1150, 1190] {
        assert_first(&all[from..], None);
    }
}

#[test]
fn every_block_finds_all_damage_while_loading() {
    for name in DAMAGES {
        let case = breakage::case(name);
        let refused = [
            loader(Verification::EveryBlock)().from_slice(&case.broken).unwrap_err(),
            loader(Verification::EveryBlock)().from_reader(&case.broken[..]).unwrap_err(),
            Loader::new().from_slice(&case.broken).unwrap_err(),
        ];
        for error in refused {
            assert_mismatch(&error, Structure::Section);
            assert_eq!(
                error.position().offset(),
                case.offset.map(|offset| offset as u64),
                "{name}"
            );
        }
    }
}

#[test]
fn reached_blocks_passes_over_damage_that_nothing_reaches() {
    for name in ["hash_of_stray", "hash_of_second_copy"] {
        let case = breakage::case(name);
        assert!(
            rows(&case, Verification::ReachedBlocks).unwrap() == common::oracle_rows(&case.valid),
            "{name}"
        );
    }
}

#[test]
fn reached_blocks_finds_a_damaged_commit_at_once() {
    let case = breakage::case("hash_of_commit");
    let error = loader(Verification::ReachedBlocks)().from_slice(&case.broken).unwrap_err();
    assert_mismatch(&error, Structure::Commit);
    assert_eq!(error.position().offset(), case.offset.map(|offset| offset as u64));
    rows(&case, Verification::ReachedBlocks).unwrap_err();
}

#[test]
fn reached_blocks_finds_a_damaged_node_when_it_comes_to_it() {
    for (name, before) in [("hash_of_root", 0), ("hash_of_node", 3)] {
        let case = breakage::case(name);
        let repo = loader(Verification::ReachedBlocks)().from_slice(&case.broken).unwrap();
        let mut records = repo.records();
        assert_eq!(records.by_ref().map_while(Result::ok).count(), before, "{name}");
        let error = rows(&case, Verification::ReachedBlocks).unwrap_err();
        assert_mismatch(&error, Structure::Node);
        assert_eq!(error.position().offset(), case.offset.map(|offset| offset as u64));
        assert_mismatch(&repo.entries().find_map(Result::err).unwrap(), Structure::Node);
    }
}

#[test]
fn reached_blocks_finds_a_damaged_record_when_it_comes_to_it() {
    let case = breakage::case("hash_of_record");
    let error = rows(&case, Verification::ReachedBlocks).unwrap_err();
    assert_mismatch(&error, Structure::Record);
    assert_eq!(error.position().offset(), case.offset.map(|offset| offset as u64));
    let keys = breakage::sample_keys();
    assert_eq!(error.key(), Some(&keys[6][..]));
    let repo = loader(Verification::ReachedBlocks)().from_slice(&case.broken).unwrap();
    assert_eq!(repo.records().map_while(Result::ok).count(), 6);
    assert_eq!(repo.entries().filter(Result::is_ok).count(), keys.len());
}

#[test]
fn dangerously_none_gives_damaged_records_as_they_are() {
    let case = breakage::case("hash_of_record");
    let rows = rows(&case, Verification::DangerouslyNone).unwrap();
    let good = common::oracle_rows(&case.valid);
    let changed: Vec<_> = (0..rows.len()).filter(|&index| rows[index] != good[index]).collect();
    assert_eq!(changed, [6]);
}

#[test]
fn dangerously_none_takes_a_damaged_signature_and_stray() {
    for name in ["hash_of_commit", "hash_of_stray"] {
        let case = breakage::case(name);
        assert!(
            rows(&case, Verification::DangerouslyNone).unwrap() == common::oracle_rows(&case.valid),
            "{name}"
        );
    }
}

#[test]
fn dangerously_none_still_checks_the_rules_of_the_tree() {
    for case in breakage::all()
        .filter(|breakage| breakage.rule.starts_with('N'))
        .map(|breakage| breakage.make())
    {
        rows(&case, Verification::DangerouslyNone).unwrap_err();
    }
    let case = breakage::case("hash_of_root");
    let error = rows(&case, Verification::DangerouslyNone).unwrap_err();
    assert!(!matches!(error.kind(), ErrorKind::HashMismatch { .. }), "{error}");
}

/// What a partial walk gives where one block is damaged: the good keys, and what is said of the bad
/// block.
fn partial<S: BlockStore>(repo: &Repo<S>) -> (Vec<Vec<u8>>, Vec<String>) {
    let (mut keys, mut bad) = (Vec::new(), Vec::new());
    let mut walk = repo.walk().partial(true).start();
    while let Some(event) = walk.next_event().unwrap() {
        match event {
            Event::Record { entry, .. } => keys.push(entry.key().to_vec()),
            Event::BadRecord { entry, error, .. } => {
                assert_mismatch(&error, Structure::Record);
                bad.push(format!("record {}", entry.key().escape_ascii()));
            }
            Event::BadSubtree { interval, layer, error, .. } => {
                assert_mismatch(&error, Structure::Node);
                bad.push(format!("{interval} on layer {layer:?}"));
            }
            Event::MissingSubtree { interval, .. } => bad.push(format!("missing: {interval}")),
            Event::MissingRecord { entry, .. } => {
                bad.push(format!("missing: {}", entry.key().escape_ascii()))
            }
            other => panic!("{other:?}"),
        }
    }
    (keys, bad)
}

/// Where the one damaged block stands that a walk meets. Nothing stands where a block is missing.
fn bad_offset<S: BlockStore>(repo: &Repo<S>) -> Option<u64> {
    let mut walk = repo.walk().partial(true).nodes(true).start();
    let mut offsets = Vec::new();
    while let Some(event) = walk.next_event().unwrap() {
        match event {
            Event::BadRecord { .. } | Event::BadSubtree { .. } => offsets.push(event.offset()),
            Event::MissingRecord { .. } | Event::MissingSubtree { .. } => {
                assert_eq!(event.offset(), None)
            }
            event => assert!(event.offset().is_some()),
        }
    }
    let [offset] = offsets[..] else { panic!("{offsets:?}") };
    offset
}

#[test]
fn a_partial_walk_goes_on_around_a_damaged_record() {
    let case = breakage::case("hash_of_record");
    let mut keys = breakage::sample_keys();
    let damaged = String::from_utf8(keys.remove(6)).unwrap();
    let repo = loader(Verification::ReachedBlocks)().from_slice(&case.broken).unwrap();
    assert_eq!(partial(&repo), (keys, vec![format!("record {damaged}")]));
    assert_eq!(bad_offset(&repo), case.offset.map(|offset| offset as u64));
}

#[test]
fn a_partial_walk_goes_on_around_a_damaged_node() {
    let case = breakage::case("hash_of_node");
    let repo = loader(Verification::ReachedBlocks)().from_reader(&case.broken[..]).unwrap();
    let mut keys = breakage::sample_keys();
    let bounds = [2, 4].map(|index: usize| String::from_utf8(keys[index].clone()).unwrap());
    keys.remove(3);
    let expected =
        format!("keys between \"{}\" and \"{}\" on layer Some(Layer(0))", bounds[0], bounds[1]);
    assert_eq!(partial(&repo), (keys, vec![expected]));
    assert_eq!(bad_offset(&repo), case.offset.map(|offset| offset as u64));
}

#[test]
fn a_partial_walk_of_a_damaged_root_gives_that_alone() {
    let case = breakage::case("hash_of_root");
    let repo = loader(Verification::ReachedBlocks)().from_slice(&case.broken).unwrap();
    assert_eq!(partial(&repo), (vec![], vec!["all keys on layer None".to_owned()]));
}

#[test]
fn a_partial_walk_skips_a_node_that_breaks_a_rule_and_gives_all_else() {
    for breakage in breakage::all().filter(|breakage| breakage.rule.starts_with('N')) {
        let case = breakage.make();
        let Ok(repo) = Repo::from_slice(&case.broken) else { continue };
        let mut walk = repo.walk().partial(true).start();
        let (mut bad, mut keys) = (0, Vec::new());
        while let Some(event) = walk.next_event().unwrap() {
            match event {
                Event::BadSubtree { error, .. } => {
                    let class = error.class();
                    assert!(
                        matches!(class, ErrorClass::Invalid | ErrorClass::Limit),
                        "{}: {error}",
                        breakage.name
                    );
                    bad += 1;
                }
                Event::Record { entry, .. } => keys.push(entry.key().to_vec()),
                _ => {}
            }
        }
        assert!(bad > 0, "{}", breakage.name);
        assert!(keys.is_sorted_by(|one, other| one < other), "{}", breakage.name);
        let good = oracle::walk(&case.valid).unwrap().entries;
        let lost = good.iter().filter(|entry| !keys.contains(&entry.key)).count();
        let is_root = case.cid.is_some_and(|cid| common::cid(&cid) == repo.commit().data());
        assert!(is_root || lost < good.len(), "{}", breakage.name);
    }
}

/// Sections in the order of the CAR: a damaged copy of each block, then the good one, or the other
/// way round.
#[test]
fn of_two_blocks_with_one_cid_the_good_one_is_found() {
    let repo = breakage::sample();
    let good = repo.to_car(Order::Preorder);
    for damaged_first in [true, false] {
        let mut car = good.clone();
        let mut damaged = good.sections.clone();
        damaged.iter_mut().for_each(|section| section.data.reverse());
        car.sections = if damaged_first {
            [damaged, car.sections].concat()
        } else {
            [car.sections, damaged].concat()
        };
        let car = car.to_bytes();
        let found = common::rows_each_way(&car, loader(Verification::ReachedBlocks)).unwrap();
        assert!(found == common::oracle_rows(&good.to_bytes()), "damaged first: {damaged_first}");
        assert_mismatch(&common::rows_each_way(&car, Loader::new).unwrap_err(), Structure::Section);
    }
}

/// A CAR in pre-order that is cut or overwritten, opened for what is before the fault.
#[test]
fn salvage_keeps_what_is_before_bad_framing() {
    let repo = breakage::sample();
    let car = repo.to_car(Order::Preorder);
    let (bytes, offsets) = (car.to_bytes(), car.offsets());
    let others = 1 + repo.root.blocks().len();
    let whole = common::oracle_rows(&bytes);
    let open = |bytes: &[u8]| Loader::new().salvage(true).from_slice(bytes.to_vec()).unwrap();
    assert!(open(&bytes).store().fault().is_none());
    for (number, &offset) in offsets.iter().enumerate().skip(1) {
        let cut = &bytes[..offset + 20];
        let mut overwritten = bytes.clone();
        overwritten[offset] = 0;
        for damaged in [cut, &overwritten] {
            assert!(Repo::from_slice(damaged).is_err());
            let repo = open(damaged);
            let fault = repo.store().fault().unwrap();
            assert_eq!(fault.position().offset(), Some(offset as u64));
            assert_eq!(repo.stats().sections, number as u64);
            let (keys, _) = partial(&repo);
            assert!(
                whole.iter().map(|(key, ..)| key).take(keys.len()).eq(&keys),
                "cut in section {number}"
            );
            assert!(
                keys.len() + others >= number,
                "cut in section {number}: {} records",
                keys.len()
            );
            let by_reader = Loader::new().salvage(true).from_reader(damaged).unwrap();
            assert_eq!(partial(&by_reader), partial(&repo));
            assert_eq!(common::details(by_reader.store().fault().unwrap()), common::details(fault));
        }
    }
}

#[test]
fn salvage_takes_no_failing_reader_for_a_damaged_car() {
    let bytes = breakage::sample().to_bytes(Order::Preorder);
    let stream = FailsAt::after(&bytes[..bytes.len() - 5], io::ErrorKind::ConnectionReset);
    assert_eq!(
        Loader::new().salvage(true).from_reader(stream).unwrap_err().class(),
        ErrorClass::Io
    );
}

#[test]
fn salvage_of_a_car_that_is_bad_before_its_commit_is_its_fault() {
    let car = breakage::sample().to_bytes(Order::CommitLast);
    for cut in [70, 500, car.len() - 1] {
        let expected = Repo::from_slice(&car[..cut]).unwrap_err();
        assert_eq!(expected.class(), ErrorClass::Truncated);
        let found = Loader::new().salvage(true).from_slice(&car[..cut]).unwrap_err();
        assert_eq!(common::details(&found), common::details(&expected));
        let found = Loader::new().salvage(true).from_reader(&car[..cut]).unwrap_err();
        assert_eq!(common::details(&found), common::details(&expected));
    }
}

#[test]
fn salvage_lifts_no_limit() {
    let car = breakage::sample().to_bytes(Order::Preorder);
    for limits in [
        Limits::default().max_stream_len(car.len() as u64 - 5),
        Limits::default().max_block_len(150),
    ] {
        assert_eq!(
            Loader::new().salvage(true).limits(limits).from_reader(&car[..]).unwrap_err().class(),
            ErrorClass::Limit
        );
    }
}

#[test]
fn of_two_good_blocks_with_one_cid_the_first_is_found() {
    let good = breakage::sample().to_car(Order::Preorder);
    let first = good.offsets();
    let mut twice = good.clone();
    twice.sections.extend(good.sections.clone());
    let twice = twice.to_bytes();
    let damaged_first = {
        let mut car = good.clone();
        car.sections.iter_mut().for_each(|section| section.data.push(0));
        car.sections.iter_mut().for_each(carwalk_testkit::car::Section::fit_length);
        car.sections.extend(good.sections.clone());
        car
    };
    for verification in
        [Verification::EveryBlock, Verification::ReachedBlocks, Verification::DangerouslyNone]
    {
        let repo = Loader::new().verification(verification).from_slice(&twice).unwrap();
        for record in repo.records() {
            assert!(first.contains(&(record.unwrap().offset().unwrap() as usize)));
        }
    }
    // Nothing is hashed, so nothing is better.
    let loader = Loader::new().verification(Verification::DangerouslyNone);
    assert!(loader.from_slice(damaged_first.to_bytes()).is_err());
}

/// Sections of one length stand where those before them stood. Those were good.
#[test]
fn what_was_in_a_buffer_before_does_not_vouch_for_what_comes() {
    let mut car = breakage::sample().to_car(Order::Preorder);
    for number in 0..1500u32 {
        car.push_block(&number.to_be_bytes().repeat(250));
    }
    let offsets = car.offsets();
    for bad in (offsets.len() - 1000..offsets.len()).step_by(19 * step(5)) {
        let mut bytes = car.to_bytes();
        bytes[offsets[bad] + 500] ^= 1;
        // No read goes beyond the end of a section; the header comes with the first one.
        let ends = offsets[1..].iter().copied().chain([bytes.len()]);
        let lens = ends.scan(0, |at, end| Some(end - std::mem::replace(at, end)));
        let stream = Pieces::new(&bytes[..], lens);
        let error = match bad % 2 {
            0 => Loader::new()
                .process(|record: &[u8]| record.len() as u64)
                .from_reader(stream)
                .err()
                .unwrap(),
            _ => spilled(stream).err().unwrap(),
        };
        assert!(matches!(error.kind(), ErrorKind::HashMismatch { .. }), "{error}");
        assert_eq!(error.position().offset(), Some(offsets[bad] as u64));
    }
}

#[cfg(feature = "redb")]
fn spilled(stream: impl Read) -> Result<()> {
    Loader::new().memory_limit(0).spill(stream, carwalk::store::SpillFile::temporary()).map(drop)
}

#[cfg(not(feature = "redb"))]
fn spilled(stream: impl Read) -> Result<()> {
    Loader::new().process(|record: &[u8]| record.len() as u64).from_reader(stream).map(drop)
}
