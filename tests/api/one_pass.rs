//! One-pass walks: the records of a load, or an error that says why not.

use std::collections::HashSet;
use std::io::Read;
use std::ops::ControlFlow;
use std::sync::Arc;

use carwalk::cid::Codec;
use carwalk::error::{ArgumentFault, LimitName, Structure};
use carwalk::mst::Event;
use carwalk::{
    Cid, CommitRules, Error, ErrorClass, ErrorKind, Limits, Loaded, Loader, Repo, Result,
    StreamWalk, Streamed, Verification,
};
use carwalk_testkit::breakage::{self, Breakage};
use carwalk_testkit::car::{Car, Section};
use carwalk_testkit::cid::Cid as KitCid;
use carwalk_testkit::readers::{FailsAt, OneByte, Ragged};
use carwalk_testkit::repo::{Order, Record, Repo as KitRepo};
use carwalk_testkit::rng::Rng;
use carwalk_testkit::{cases, key, legal, random};

use crate::common::one_pass::{Way, agrees, are_alike, rows};
use crate::common::{self, collect, details, summarizing};

/// A loader that keeps all repeated records.
fn keeping() -> Loader {
    Loader::new().keep_repeats(u64::MAX)
}

#[track_caller]
fn walk<R: Read>(loader: &Loader, stream: R) -> StreamWalk<R> {
    match loader.stream(stream).unwrap() {
        Streamed::PreOrder(walk) => walk,
        Streamed::Loaded(_) => panic!("not in pre-order"),
    }
}

/// The error of a stream in pre-order, from opening it or from the walk.
#[track_caller]
fn error_of(loader: &Loader, stream: impl Read) -> Error {
    match rows(loader, stream) {
        (_, Err(error)) => error,
        (way, Ok(rows)) => panic!("{way:?}: {} records", rows.len()),
    }
}

/// Walks to the end. Returns the number of events.
fn count<R: Read>(mut walk: StreamWalk<R>) -> Result<usize> {
    let mut events = 0;
    while walk.next_event()?.is_some() {
        events += 1;
    }
    Ok(events)
}

/// Random repositories in pre-order. Some have records that equal nodes.
fn random_repos() -> impl Iterator<Item = (u64, KitRepo)> {
    (0..cases(150) as u64).map(|seed| (seed, random::repo(seed, 60).repo))
}

/// Returns whether a record equals the commit or a node, so that the CAR with each block once lacks
/// one of the two.
fn has_equal_blocks(repo: &KitRepo) -> bool {
    let mut nodes: HashSet<_> = repo.root.blocks().into_iter().map(|(cid, _)| cid).collect();
    nodes.insert(repo.commit_cid());
    repo.entries().iter().any(|(_, cid)| nodes.contains(cid))
}

#[test]
fn a_repository_in_pre_order_has_the_records_of_its_load() {
    let mut passes = 0;
    for (seed, repo) in random_repos() {
        let order = [Order::Preorder, Order::PreorderRepeating][seed as usize % 2];
        let car = repo.to_bytes(order);
        let expected = common::oracle_rows(&car);
        let streams: [Box<dyn Read + '_>; 3] = [
            Box::new(&car[..]),
            Box::new(OneByte(&car[..])),
            Box::new(Ragged::new(&car[..], seed)),
        ];
        for stream in streams {
            let (way, found) = rows(&keeping(), stream);
            if order == Order::Preorder && has_equal_blocks(&repo) {
                assert!(found.is_ok_and(|found| found == expected) || way == Way::OnePass);
                continue;
            }
            assert_eq!(way, Way::OnePass, "seed {seed}");
            assert!(found.unwrap() == expected, "seed {seed}");
            passes += 1;
        }
    }
    assert!(passes > 100, "{passes}");
}

#[test]
fn all_events_are_those_of_a_walk_over_the_loaded_repository() {
    for (seed, repo) in random_repos() {
        // Without shared records, no event differs.
        let car = repo.to_bytes(Order::PreorderRepeating);
        let loaded = Repo::from_reader(&car[..]).unwrap();
        let shared = loaded.stats().repeated_blocks() > 0;
        for records in [true, false] {
            let mut expected = loaded.walk().nodes(true).records(records).start();
            let mut found = walk(&Loader::new(), &car[..]).nodes(true).records(records);
            loop {
                let (expected, found) =
                    (expected.next_event().unwrap(), found.next_event().unwrap());
                // A repeated block has several offsets.
                if shared {
                    assert_eq!(expected.is_some(), found.is_some());
                } else {
                    assert_eq!(format!("{expected:?}"), format!("{found:?}"), "seed {seed}");
                }
                if let (
                    Some(Event::Record { block, .. }),
                    Some(Event::Record { block: same, .. }),
                ) = (&expected, &found)
                {
                    assert_eq!(block, same);
                }
                if expected.is_none() {
                    break;
                }
            }
        }
    }
}

#[test]
fn entries_are_those_of_the_loaded_repository_with_and_without_records() {
    for (seed, mut repo) in random_repos() {
        for has_records in [true, false] {
            if !has_records {
                repo.records.clear();
            }
            let car = repo.to_bytes(Order::PreorderRepeating);
            let loaded = Repo::from_reader(&car[..]).unwrap();
            let expected: Result<Vec<_>> = loaded.entries().collect();
            let found: Result<Vec<_>> =
                walk(&Loader::new(), OneByte(&car[..])).into_entries().collect();
            assert_eq!(expected.unwrap(), found.unwrap(), "seed {seed}");
        }
    }
}

#[test]
fn each_violation_has_the_same_error() {
    let strict = ["path_record_key_dot", "path_record_key_dots"];
    for breakage @ Breakage { name, .. } in breakage::all() {
        let case = breakage.make();
        let loader = Loader::new().strict_paths(strict.contains(name));
        let loaded = loader.from_reader(&case.broken[..]);
        let expected = loaded.and_then(|repo| common::rows(&repo)).unwrap_err();
        for stream in [&mut &case.broken[..] as &mut dyn Read, &mut OneByte(&case.broken[..])] {
            let error = error_of(&loader, stream);
            assert!(are_alike(&expected, &error), "{name}: {expected:?} {error:?}");
        }
        let (way, found) = rows(&loader, &case.valid[..]);
        assert_eq!(way, Way::OnePass, "{name}");
        assert!(found.unwrap() == common::oracle_rows(&case.valid), "{name}");
    }
}

#[test]
fn each_oddity_is_read_or_out_of_order() {
    for oddity in legal::all() {
        let car = oddity.make();
        let loader = keeping().commits(CommitRules::Legacy);
        agrees(&car, &car[..], &loader);
        agrees(&car, OneByte(&car[..]), &loader);
    }
}

/// Repeated, extra and shuffled blocks.
#[test]
fn each_order_gives_the_records_of_the_load_or_is_out_of_order() {
    let mut ways = HashSet::new();
    for seed in 0..cases(300) as u64 {
        let random = random::repo(seed, 40);
        for loader in [keeping(), keeping().verification(Verification::DangerouslyNone)] {
            let way = agrees(&random.car, Ragged::new(&random.car[..], seed), &loader);
            ways.insert((way, random.order == Order::Preorder));
        }
        let car = random.repo.to_bytes(Order::ALL[seed as usize % Order::ALL.len()]);
        agrees(&car, &car[..], &keeping());
    }
    assert!(ways.contains(&(Way::OnePass, true)) && ways.contains(&(Way::Load, false)), "{ways:?}");
}

#[test]
fn two_blocks_that_changed_places_are_out_of_order_at_the_first_of_them() {
    let repo = breakage::sample();
    let car = repo.to_car(Order::Preorder);
    let (mut loads, mut errors) = (0, 0);
    for first in 0..car.sections.len() {
        for second in first + 1..car.sections.len() {
            let mut swapped = car.clone();
            swapped.sections.swap(first, second);
            let bytes = swapped.to_bytes();
            let (way, found) = rows(&Loader::new(), &bytes[..]);
            if way == Way::Load {
                assert!(found.unwrap() == common::oracle_rows(&bytes));
                loads += 1;
                continue;
            }
            // The block that came in place of the other one is due later.
            let error = found.unwrap_err();
            let ErrorKind::OutOfOrder { seen_at: Some(seen_at) } = error.kind() else {
                panic!("{error:?}")
            };
            let late = swapped.offsets().iter().position(|&at| at as u64 == *seen_at).unwrap();
            assert!((first..second).contains(&late), "{first} {second}: {error}");
            let found = Cid::parse(&swapped.sections[late].cid).unwrap();
            assert_eq!(error.cid(), Some(&found));
            assert_eq!(error.class(), ErrorClass::Limit);
            errors += 1;
        }
    }
    assert!(loads > 20 && errors > 50, "{loads} {errors}");
}

#[test]
fn every_cut_is_found() {
    for repo in [breakage::sample(), KitRepo::sample(["com.example.test/one"])] {
        let car = repo.to_car(Order::Preorder);
        let (bytes, boundaries) = (car.to_bytes(), car.offsets());
        for end in 0..bytes.len() {
            let expected = Repo::from_reader(&bytes[..end]).and_then(|repo| common::rows(&repo));
            let expected = expected.unwrap_err();
            let is_between = end > 0 && boundaries.contains(&end);
            for stream in [&mut &bytes[..end] as &mut dyn Read, &mut OneByte(&bytes[..end])] {
                let error = error_of(&Loader::new(), stream);
                assert_eq!(details(&expected), details(&error), "cut at {end}");
                let class = if is_between { ErrorClass::Missing } else { ErrorClass::Truncated };
                assert_eq!(error.class(), class, "cut at {end}");
            }
        }
    }
}

/// The CID of an empty node determines its bytes.
#[test]
fn an_empty_repository_needs_no_root() {
    let mut car = KitRepo::new([]).to_car(Order::Preorder);
    for sections in [2, 1] {
        car.sections.truncate(sections);
        let bytes = car.to_bytes();
        let mut walk = walk(&Loader::new(), &bytes[..]).nodes(true);
        let event = walk.next_event().unwrap();
        let Some(Event::Node { layer, depth: 0, block, .. }) = event else { panic!("{event:?}") };
        assert_eq!((layer.get(), block), (0, &b"\xa2\x61e\x80\x61l\xf6"[..]));
        assert!(walk.next_event().unwrap().is_none() && walk.next_event().unwrap().is_none());
        assert_eq!(walk.stats().sections, sections as u64);
    }
}

/// A repository in which every third key has the record of the first.
fn repeating(keys: usize) -> KitRepo {
    let keys: Vec<_> = key::ascending(&vec![0; keys]).into_iter().collect();
    KitRepo::new(keys.iter().enumerate().map(|(number, key)| {
        let of = if number % 3 == 0 { &keys[0] } else { key };
        (key.clone(), Record::sample(of))
    }))
}

#[test]
fn repeated_records_are_reported_or_kept() {
    let car = repeating(30).to_bytes(Order::Preorder);
    let expected = common::oracle_rows(&car);
    let mut walk = walk(&Loader::new(), &car[..]);
    let mut seen = HashSet::new();
    for (key, cid, record) in &expected {
        let is_repeated = !seen.insert(*cid);
        let event = walk.next_event().unwrap().unwrap();
        match event {
            Event::Record { entry, block, offset, .. } if !is_repeated => {
                assert_eq!((entry.key(), entry.cid(), block), (&key[..], *cid, &record[..]));
                assert!(offset.is_some());
            }
            Event::RepeatedRecord { entry, len, .. } if is_repeated => {
                assert_eq!((entry.key(), entry.cid(), len), (&key[..], *cid, record.len()));
            }
            event => panic!("{event:?}"),
        }
    }
    assert!(walk.next_event().unwrap().is_none());
    assert_kept(&car, &expected);
}

fn assert_kept(car: &[u8], expected: &[common::Row]) {
    let (_, found) = rows(&keeping(), car);
    assert!(found.unwrap() == expected);
    // The error has the number of bytes that suffice.
    let error = error_of(&Loader::new(), car);
    let ErrorKind::Limit { limit: LimitName::KeptRepeats, max: 0, .. } = error.kind() else {
        panic!("{error:?}")
    };
    assert_eq!(error.key(), Some(&expected[3].0[..]));
    let mut needed = 0;
    while let Err(error) = rows(&Loader::new().keep_repeats(needed), car).1 {
        let &ErrorKind::Limit { limit: LimitName::KeptRepeats, max, found } = error.kind() else {
            panic!("{error:?}")
        };
        assert!(max == needed && found > needed);
        assert_eq!(error.class(), ErrorClass::Limit);
        needed = found;
    }
    // All bytes of records up to the last repeat, from the first on.
    let mut seen = HashSet::new();
    let until = &expected[..expected.len() - 2];
    let bytes = until.iter().filter(|(_, cid, _)| seen.insert(*cid)).map(|row| row.2.len() as u64);
    assert_eq!(needed, bytes.sum::<u64>());
}

#[test]
fn a_repeated_record_that_is_in_its_place_is_taken() {
    let car = repeating(30).to_bytes(Order::PreorderRepeating);
    let (way, found) = rows(&Loader::new(), &car[..]);
    assert_eq!(way, Way::OnePass);
    assert!(found.unwrap() == common::oracle_rows(&car));
}

/// A repository of so many different records, in which the last key has the record of the first.
fn with_far_repeat(records: usize) -> Vec<u8> {
    let key = |number: usize| format!("com.example.test/{number:08}").into_bytes();
    let keys = (0..=records).map(key);
    let of = |number: usize| key(if number == records { 0 } else { number });
    let records = keys.enumerate().map(|(number, key)| (key, Record::sample(&of(number))));
    KitRepo::new(records).to_bytes(Order::Preorder)
}

/// A repository whose first record equals its last node.
fn with_a_record_like_a_later_node() -> KitRepo {
    let repo = breakage::sample();
    let (_, node) = repo.root.blocks().pop().unwrap();
    let keys = repo.entries().into_iter().map(|(key, _)| key).enumerate();
    let record = |number, key: &[u8]| match number {
        0 => Record::new(node.clone()),
        _ => Record::sample(key),
    };
    KitRepo::new(keys.map(|(number, key)| (key.clone(), record(number, &key))))
}

#[test]
fn a_record_that_equals_a_later_node_is_not_taken_for_it() {
    let repo = with_a_record_like_a_later_node();
    let whole = repo.to_bytes(Order::PreorderRepeating);
    let (way, found) = rows(&Loader::new(), &whole[..]);
    assert_eq!(way, Way::OnePass);
    assert!(found.unwrap() == common::oracle_rows(&whole));
    let entries = |car: &[u8]| walk(&Loader::new(), car).into_entries().try_count();
    assert_eq!(entries(&whole).unwrap(), 11);
    // With each block once, the node is missing from its place.
    let once = repo.to_bytes(Order::Preorder);
    let offset = repo.to_car(Order::Preorder).offset_of(&repo.entries()[0].1) as u64;
    let error = error_of(&Loader::new(), &once[..]);
    assert!(matches!(error.kind(), ErrorKind::OutOfOrder { seen_at: None }), "{error:?}");
    let error = entries(&once).unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::OutOfOrder { seen_at: Some(at) } if *at == offset),
        "{error:?}"
    );
    assert_eq!(error.position().structure(), Structure::Node);
}

#[test]
fn the_last_65536_records_are_remembered() {
    let car = with_far_repeat(65_536);
    let mut walk = walk(&Loader::new(), &car[..]);
    let (mut records, mut repeats) = (0, 0);
    while let Some(event) = walk.next_event().unwrap() {
        match event {
            Event::Record { .. } => records += 1,
            Event::RepeatedRecord { .. } => repeats += 1,
            event => panic!("{event:?}"),
        }
    }
    assert_eq!((records, repeats), (65_536, 1));
    // One more, and the first is forgotten. It may have come before, or be missing.
    let error = error_of(&keeping(), &with_far_repeat(65_537)[..]);
    assert!(matches!(error.kind(), ErrorKind::OutOfOrder { seen_at: None }), "{error:?}");
    assert_eq!(error.key(), Some(&b"com.example.test/00065537"[..]));
}

#[test]
fn a_source_that_fails_anywhere_is_an_error() {
    let bytes = breakage::sample().to_bytes(Order::Preorder);
    for at in (0..=bytes.len()).step_by(carwalk_testkit::step(7)) {
        let stream = FailsAt::new(&bytes[..], at, std::io::ErrorKind::TimedOut);
        let error = error_of(&Loader::new(), stream);
        assert_eq!(error.class(), ErrorClass::Io, "{error:?}");
    }
}

/// A section of a raw block.
fn extra(number: usize) -> Section {
    let block = number.to_string().into_bytes();
    Section::new(KitCid::raw(&block).as_bytes(), &block)
}

/// Moves the last section before `extras` extra sections, after the first record.
fn with_extras(before: usize, after: usize) -> (Car, u64) {
    let mut car = breakage::sample().to_car(Order::Preorder);
    let first_record = car.sections.len() - 11;
    let last = car.sections.pop().unwrap();
    let at = first_record;
    let extras = (0..before).map(extra).chain([last]).chain((before..before + after).map(extra));
    car.sections.splice(at..at, extras);
    let offset = car.offsets()[at + before] as u64;
    (car, offset)
}

#[test]
fn the_last_4096_extra_sections_are_remembered() {
    let error = |before, after| {
        let (car, offset) = with_extras(before, after);
        let error = error_of(&Loader::new(), &car.to_bytes()[..]);
        assert_eq!(error.position().structure(), Structure::Record);
        assert!(error.key().is_some() && error.cid().is_some());
        let ErrorKind::OutOfOrder { seen_at } = error.kind() else { panic!("{error:?}") };
        seen_at.map(|seen_at| assert_eq!(seen_at, offset)).is_some()
    };
    assert!(error(0, 0) && error(0, 4095) && error(5000, 0) && error(5000, 4095));
    assert!(!error(0, 4096) && !error(5000, 4096));
}

#[test]
fn a_missing_block_is_certain_as_long_as_nothing_was_forgotten() {
    for (extras, is_certain) in [(0, true), (4096, true), (4097, false)] {
        let (mut car, _) = with_extras(0, extras);
        let first_record = car.sections.len() - extras - 11;
        car.sections.remove(first_record);
        let error = error_of(&Loader::new(), &car.to_bytes()[..]);
        match error.kind() {
            ErrorKind::Missing { interval: None } => assert!(is_certain),
            ErrorKind::OutOfOrder { seen_at: None } => assert!(!is_certain),
            _ => panic!("{error:?}"),
        }
    }
}

#[test]
fn extra_sections_are_verified_and_counted() {
    let mut car = breakage::sample().to_car(Order::Preorder);
    let sections = car.sections.len();
    let first = sections - 3;
    car.sections.splice(first..first, (0..10).map(extra));
    car.sections.extend((10..30).map(extra));
    let found = walk(&Loader::new(), &car.to_bytes()[..]).nodes(true).into_stats();
    assert_eq!(found.extra_sections, 30);
    assert_eq!((found.sections, found.bytes), (sections as u64 + 30, car.to_bytes().len() as u64));
    // One of them is damaged: between the blocks of the tree, or after them.
    for number in [first + 5, car.sections.len() - 1] {
        let mut damaged = car.clone();
        damaged.sections[number].data[0] ^= 1;
        let error = error_of(&Loader::new(), &damaged.to_bytes()[..]);
        assert!(matches!(error.kind(), ErrorKind::HashMismatch { .. }), "{error:?}");
        assert_eq!(error.position().offset(), Some(damaged.offsets()[number] as u64));
        let unchecked = Loader::new().verification(Verification::DangerouslyNone);
        assert_eq!(count(walk(&unchecked, &damaged.to_bytes()[..])).unwrap(), 11);
    }
}

trait IntoStats {
    fn into_stats(self) -> carwalk::StreamStats;
}

impl<R: Read> IntoStats for StreamWalk<R> {
    fn into_stats(mut self) -> carwalk::StreamStats {
        while self.next_event().unwrap().is_some() {}
        self.stats()
    }
}

/// A repository whose nodes take about `len` bytes, without records.
fn only_nodes(len: usize) -> Car {
    let mut rng = Rng::new(1);
    let keys = (0..len / 1000).map(|_| {
        let letters: String = (0..900).map(|_| char::from(b'a' + rng.below(26) as u8)).collect();
        format!("com.example.test/{letters}")
    });
    let mut repo = KitRepo::sample(keys);
    repo.records.clear();
    repo.to_car(Order::Preorder)
}

#[test]
fn a_tree_without_records_is_decided_at_its_end_or_after_1_mib() {
    for (len, expected) in [(500_000, Way::OnePass), (1_500_000, Way::Load)] {
        let bytes = only_nodes(len).to_bytes();
        let entries = |stream: &mut dyn Read| match Loader::new().stream(stream).unwrap() {
            Streamed::PreOrder(walk) => (Way::OnePass, walk.into_entries().try_count().unwrap()),
            Streamed::Loaded(repo) => (Way::Load, repo.entries().try_count().unwrap()),
        };
        let streams: [&mut dyn Read; 2] = [&mut &bytes[..], &mut Ragged::new(&bytes[..], 1)];
        for stream in streams {
            assert_eq!(entries(stream), (expected, (len / 1000) as u64));
        }
        // The same nodes, and the records after them.
        let (way, found) = rows(&Loader::new(), &bytes[..]);
        assert_eq!(way, expected);
        assert_eq!(found.unwrap_err().class(), ErrorClass::Missing);
    }
    let nodes_first = breakage::sample().to_bytes(Order::BreadthFirst);
    assert_eq!(agrees(&nodes_first, &nodes_first[..], &Loader::new()), Way::Load);
}

#[test]
fn a_load_within_a_limit_loses_nothing() {
    // Long enough for several buffers.
    let mut car = breakage::sample().to_car(Order::Reversed);
    let long = |number: u8| vec![number; 90_000];
    for number in 0..20 {
        let block = long(number);
        car.sections
            .insert(usize::from(number) % 5, Section::new(KitCid::raw(&block).as_bytes(), &block));
    }
    let bytes = car.to_bytes();
    let expected = common::oracle_rows(&bytes);
    for limit in [0, 4 << 10, 100 << 10, 1 << 20, 16 << 20] {
        let loader = Loader::new().memory_limit(limit);
        let Streamed::Loaded(mut loaded) = loader.stream(Ragged::new(&bytes[..], limit)).unwrap()
        else {
            panic!("not in pre-order")
        };
        let repo = loop {
            match loaded {
                Loaded::Complete(repo) => break repo,
                Loaded::Suspended(load) => {
                    assert!(load.bytes_read() > 0 && load.memory_limit() < 16 << 20);
                    let more = load.memory_limit() + (300 << 10);
                    loaded = load.resume(more).unwrap();
                }
            }
        };
        assert!(common::rows(&repo).unwrap() == expected);
        assert_eq!(repo.stats(), Repo::from_reader(&bytes[..]).unwrap().stats());
        #[cfg(feature = "redb")]
        {
            use carwalk::store::SpillFile;
            let Streamed::Loaded(loaded) = loader.stream(OneByte(&bytes[..])).unwrap() else {
                panic!("not in pre-order")
            };
            let repo = loaded.or_spill(SpillFile::temporary()).unwrap();
            assert!(common::rows(&repo).unwrap() == expected);
        }
    }
}

#[test]
fn the_process_function_is_applied_to_each_record() {
    for (seed, repo) in random_repos().take(40) {
        for order in [Order::PreorderRepeating, Order::Pds] {
            let car = repo.to_bytes(order);
            let loader = summarizing(keeping());
            let expected = common::summaries(&loader.from_reader(&car[..]).unwrap()).unwrap();
            let found: Result<Vec<_>> = match loader.stream(&car[..]).unwrap() {
                Streamed::PreOrder(walk) => walk
                    .into_records()
                    .map(|record| {
                        let (path, cid, value) = record?.into_parts();
                        Ok((path.to_string().into_bytes(), cid, value))
                    })
                    .collect(),
                Streamed::Loaded(repo) => common::summaries(&repo),
            };
            assert!(found.unwrap() == expected, "seed {seed}");
        }
    }
}

#[test]
fn settings_that_a_walk_cannot_honour_are_refused_before_reading() {
    struct Unread;
    impl Read for Unread {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            panic!("the stream was read")
        }
    }
    let reached = Verification::ReachedBlocks;
    for (loader, expected) in [
        (Loader::new().salvage(true), "salvage"),
        (Loader::new().verification(reached), "Verification::ReachedBlocks"),
    ] {
        let errors = [
            loader.stream(Unread).map(drop).unwrap_err(),
            loader.memory_limit(1 << 20).stream(Unread).map(drop).unwrap_err(),
        ];
        for error in errors {
            let ErrorKind::Argument(ArgumentFault::OnePass { setting }) = *error.kind() else {
                panic!("{error}")
            };
            assert_eq!(setting, expected);
            assert_eq!(error.class(), ErrorClass::Caller);
        }
    }
    let raw = Loader::new().commit(Cid::of(Codec::Raw, b""));
    assert_eq!(raw.stream(Unread).map(drop).unwrap_err().class(), ErrorClass::Caller);
}

#[test]
fn limits_hold() {
    let bytes = breakage::sample().to_bytes(Order::Preorder);
    let len = bytes.len() as u64;
    let within = |limits| rows(&Loader::new().limits(limits), &bytes[..]).1;
    assert!(within(Limits::new().max_stream_len(len)).is_ok());
    for limits in [
        Limits::new().max_stream_len(len - 1),
        Limits::new().max_block_len(50),
        Limits::new().max_header_len(57),
    ] {
        let error = within(limits.clone()).unwrap_err();
        let expected = Loader::new().limits(limits).from_reader(&bytes[..]).unwrap_err();
        assert_eq!(details(&error), details(&expected));
    }
    // Open nodes.
    let car = only_nodes(900_000).to_bytes();
    let Streamed::PreOrder(walk) = Loader::new().memory_limit(0).stream(&car[..]).unwrap() else {
        panic!("not in pre-order")
    };
    assert_eq!(walk.into_entries().try_count().unwrap(), 900);
}

#[test]
fn another_commit_than_the_first_block_is_loaded() {
    let repo = breakage::sample();
    let mut car = repo.to_car(Order::Preorder);
    let mut older = repo.clone();
    older.commit = older.commit.set("rev", carwalk_testkit::cbor::Value::text("3jzfcijpj2z2a"));
    car.push(older.commit_cid(), &older.commit_block());
    let bytes = car.to_bytes();
    let (first, second) = (common::cid(&repo.commit_cid()), common::cid(&older.commit_cid()));
    assert!(matches!(
        Loader::new().commit(first).stream(&bytes[..]).unwrap(),
        Streamed::PreOrder(walk) if walk.commit().cid() == first
    ));
    assert!(matches!(
        Loader::new().commit(second).stream(&bytes[..]).unwrap(),
        Streamed::Loaded(repo) if repo.commit().cid() == second
    ));
}

#[test]
fn progress_is_reported_and_can_end_the_walk() {
    let mut car = breakage::sample().to_car(Order::Preorder);
    for number in 0..40 {
        let block = vec![number; 100_000];
        car.push(KitCid::raw(&block), &block);
    }
    let bytes = car.to_bytes();
    let positions = Arc::default();
    let loader = Loader::new().progress(collect(&positions));
    count(walk(&loader, &bytes[..])).unwrap();
    let positions = positions.lock().unwrap().clone();
    assert!(positions.is_sorted() && positions.len() >= 4, "{positions:?}");
    assert_eq!(positions.last(), Some(&(bytes.len() as u64)));
    let loader = Loader::new().progress(|_| ControlFlow::Break(()));
    let error = count(walk(&loader, &bytes[..])).unwrap_err();
    assert_eq!(error.class(), ErrorClass::Cancelled);
}

/// A source that must not be read again after its end.
struct Once<R>(R, bool);

impl<R: Read> Read for Once<R> {
    fn read(&mut self, room: &mut [u8]) -> std::io::Result<usize> {
        assert!(!self.1, "read after the end");
        let len = self.0.read(room)?;
        self.1 = len == 0 && !room.is_empty();
        Ok(len)
    }
}

#[test]
fn a_source_is_not_read_after_its_end() {
    for order in Order::ALL {
        for repo in [breakage::sample(), KitRepo::new([])] {
            let bytes = repo.to_bytes(order);
            rows(&Loader::new(), Once(&bytes[..], false)).1.unwrap();
        }
    }
}

#[test]
fn nothing_follows_an_error() {
    let bytes = breakage::sample().to_bytes(Order::Preorder);
    let mut walk = walk(&Loader::new(), &bytes[..bytes.len() - 1]).nodes(true);
    let error = loop {
        match walk.next_event() {
            Ok(event) => assert!(event.is_some()),
            Err(error) => break error,
        }
    };
    assert_eq!(error.class(), ErrorClass::Truncated);
    for _ in 0..3 {
        assert!(walk.next_event().unwrap().is_none());
    }
}

#[test]
fn proofs_of_ranges_end_at_their_gaps() {
    let bytes = include_bytes!("../../samples/repo.car");
    let mut proof = Vec::new();
    let repo = Repo::from_slice(bytes).unwrap();
    repo.prove().range("app.bsky.feed.post/"..).write(&mut proof).unwrap();
    // The proof lacks records before the range, so it is not known to be in pre-order.
    let (_, found) = rows(&Loader::new(), &proof[..]);
    assert_eq!(found.unwrap_err().class(), ErrorClass::Missing);
}

/// What `Repo::write` leaves out as repeated is what a walk remembers.
#[test]
fn a_written_repository_is_walked_in_one_pass_with_and_without_repeats() {
    for (seed, repo) in random_repos() {
        let source = repo.to_bytes(Order::Preorder);
        let (loaded, expected) =
            (Repo::from_slice(&source[..]).unwrap(), common::oracle_rows(&source));
        for (repeats, loader) in [(false, keeping()), (true, Loader::new())] {
            let mut car = Vec::new();
            let stats = loaded.writer().repeats(repeats).write(&mut car).unwrap();
            assert!(!repeats || stats.repeats == 0, "seed {seed}");
            let streams: [Box<dyn Read + '_>; 2] =
                [Box::new(&car[..]), Box::new(OneByte(&car[..]))];
            for stream in streams {
                let (way, found) = rows(&loader, stream);
                assert_eq!(way, Way::OnePass, "seed {seed}");
                assert!(found.unwrap() == expected, "seed {seed}, {repeats}");
            }
        }
    }
}
