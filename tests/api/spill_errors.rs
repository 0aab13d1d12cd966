//! Damaged CARs in spill files: the same errors as in memory, to the last detail, and the same
//! salvaged rest.

use crate::common;
use carwalk::ErrorClass;
use std::fs;
use std::io;

use crate::common::spill::{self, with_repo};
use carwalk::error::{Malformed, Structure};
use carwalk::mst::Event;
use carwalk::store::{BlockStore, CarStore, RedbStore, SpillFile};
use carwalk::{Cid, CommitRules, Error, ErrorKind, Loader, Process, Repo, Result, Verification};
use carwalk_testkit::car::{Car, Section};
use carwalk_testkit::cases;
use carwalk_testkit::cid::{Cid as KitCid, DAG_CBOR, RAW, sha256};
use carwalk_testkit::readers::FailsAt;
use carwalk_testkit::repo::{Order, Record, Repo as KitRepo};
use carwalk_testkit::rng::Rng;
use carwalk_testkit::{breakage, random};
use tempfile::TempDir;

/// Broken only where the full syntax of paths is asked for.
const ONLY_STRICT: [&str; 2] = ["path_record_key_dot", "path_record_key_dots"];

fn temporary() -> SpillFile {
    SpillFile::temporary()
}

fn text<T>(result: Result<T>) -> String {
    match result {
        Ok(_) => "accepted".to_owned(),
        Err(error) => common::details(&error),
    }
}

/// What a reader says of a CAR, and what its walk does.
fn by_reader(loader: Loader, car: &[u8]) -> String {
    text(loader.from_reader(car).and_then(|repo| common::rows(&repo)))
}

fn by_reader_summarized(loader: Loader, car: &[u8]) -> Result<()> {
    common::summarizing(loader).from_reader(car).and_then(|repo| common::summaries(&repo)).map(drop)
}

fn spilled(loader: Loader, car: &[u8], rng: &mut Rng) -> String {
    let repo = spill::any_way(loader, car, temporary(), rng);
    text(repo.and_then(|repo| with_repo!(&repo, repo => common::rows(repo))))
}

fn spilled_whole(loader: Loader, car: &[u8], file: SpillFile) -> String {
    text(spill::all_into(loader, car, file).and_then(|repo| common::rows(&repo)))
}

fn spilled_summarized(loader: Loader, car: &[u8], file: SpillFile) -> String {
    text(
        spill::all_into(common::summarizing(loader), car, file)
            .and_then(|repo| common::summaries(&repo)),
    )
}

#[track_caller]
fn assert_none(failures: &[String]) {
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n\n"));
}

#[test]
fn every_breakage_gives_the_same_error_through_a_file() {
    let mut failures = Vec::new();
    for (number, breakage) in (0..).zip(breakage::all()) {
        let mut rng = Rng::new(number);
        let case = breakage.make();
        let strict = ONLY_STRICT.contains(&breakage.name);
        for rules in [CommitRules::Current, CommitRules::Legacy] {
            let loader = || Loader::new().strict_paths(strict).commits(rules);
            let expected = by_reader(loader(), &case.broken);
            let found = [
                spilled_whole(loader(), &case.broken, temporary()),
                spilled_whole(loader(), &case.broken, temporary().segment_len(0).cache_size(0)),
                spilled(loader(), &case.broken, &mut rng),
            ];
            for found in found.into_iter().filter(|found| *found != expected) {
                failures
                    .push(format!("{}: {expected}\nbut through a file: {found}", breakage.name));
            }
        }
        if spilled_whole(Loader::new().strict_paths(strict), &case.valid, temporary()) != "accepted"
        {
            failures.push(format!("{}: the valid twin is refused", breakage.name));
        }
    }
    assert_none(&failures);
}

/// The first error that a kept file's walk gives is that of the load, as far as the load came.
#[test]
fn every_breakage_gives_the_same_error_through_a_kept_file_now_and_later() {
    let mut failures = Vec::new();
    for breakage in breakage::each_rule() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("kept");
        let case = breakage.make();
        let loader = || Loader::new().strict_paths(ONLY_STRICT.contains(&breakage.name));
        let expected = by_reader(loader(), &case.broken);
        let found = spilled_whole(loader(), &case.broken, SpillFile::keep(&path));
        if found != expected {
            failures.push(format!("{}: {expected}\nbut kept: {found}", breakage.name));
        }
        if path.exists() {
            let repo = loader().memory_limit(0).from_spill_file(&path);
            let found = text(repo.and_then(|repo| common::rows(&repo)));
            if found != expected {
                failures.push(format!("{}: {expected}\nbut opened: {found}", breakage.name));
            }
        }
    }
    assert_none(&failures);
}

/// Whether the error says no more than that a function processed a block where a node should be.
fn is_processed_node(error: &Error, plain: &Error, car: &[u8]) -> bool {
    let is_same_place =
        error.position().offset() == plain.position().offset() && error.cid() == plain.cid();
    let cid = error.cid().map(|cid| cid.as_bytes().to_vec());
    let begins_as_node = Car::parse(car).is_ok_and(|car| {
        let mut of_cid = car.sections.iter().filter(|section| cid.as_ref() == Some(&section.cid));
        of_cid.any(|section| section.cid[1] == DAG_CBOR && section.data.starts_with(b"\xa2\x61e"))
    });
    matches!(error.kind(), ErrorKind::Malformed(Malformed::ProcessedNode))
        && error.position().structure() == Structure::Node
        && is_same_place
        && !begins_as_node
}

#[test]
fn with_a_process_function_errors_differ_only_where_a_linked_node_was_processed() {
    let mut failures = Vec::new();
    let mut processed_nodes = 0;
    for (number, breakage) in (0..).zip(breakage::all()) {
        let case = breakage.make();
        let loader = || Loader::new().strict_paths(ONLY_STRICT.contains(&breakage.name));
        let plain = loader()
            .from_reader(&case.broken[..])
            .and_then(|repo| common::rows(&repo))
            .unwrap_err();
        let Err(expected) = by_reader_summarized(loader(), &case.broken) else {
            failures.push(format!("{}: accepted with a process function", breakage.name));
            continue;
        };
        let is_processed = is_processed_node(&expected, &plain, &case.broken);
        processed_nodes += u32::from(is_processed);
        if common::details(&expected) != common::details(&plain) && !is_processed {
            failures
                .push(format!("{}: {plain:?}\nbut with a function: {expected:?}", breakage.name));
        }
        let mut rng = Rng::new(number);
        let any =
            spill::any_way(common::summarizing(loader()), &case.broken, temporary(), &mut rng);
        let found = [
            spilled_summarized(loader(), &case.broken, temporary()),
            spilled_summarized(loader(), &case.broken, temporary().segment_len(300).cache_size(0)),
            text(any.and_then(|repo| with_repo!(&repo, repo => common::summaries(repo)))),
        ];
        for found in found.into_iter().filter(|found| *found != common::details(&expected)) {
            failures.push(format!("{}: {expected:?}\nbut through a file: {found}", breakage.name));
        }
        if spilled_summarized(loader(), &case.valid, temporary()) != "accepted" {
            failures.push(format!("{}: the valid twin is refused", breakage.name));
        }
    }
    assert_none(&failures);
    assert!(processed_nodes > 0);
}

#[test]
fn cars_cut_at_random_give_the_same_error_through_a_file() {
    let mut failures = Vec::new();
    for seed in 0..cases(20) {
        let mut rng = Rng::new(seed);
        let car = random::repo(seed, if seed % 3 == 0 { 600 } else { 60 }).car;
        let cut = &car[..rng.below(car.len())];
        let expected = by_reader(Loader::new(), cut);
        assert_ne!(expected, "accepted");
        let found = spilled(Loader::new(), cut, &mut rng);
        if found != expected {
            failures.push(format!("seed {seed}: {expected}\nbut: {found}"));
        }
        let expected = text(by_reader_summarized(Loader::new(), cut));
        let found = spill::any_way(common::summarizing(Loader::new()), cut, temporary(), &mut rng);
        let found = text(found.and_then(|repo| with_repo!(&repo, repo => common::summaries(repo))));
        if found != expected {
            failures.push(format!("seed {seed}, summarized: {expected}\nbut: {found}"));
        }
    }
    assert_none(&failures);
}

#[test]
fn a_reader_that_fails_in_mid_load_is_told_as_such() {
    let car = random::repo(5, 3000).car;
    let folder = TempDir::new().unwrap();
    for cut in [100, car.len() / 2, car.len() - 5] {
        for salvage in [false, true] {
            let stream = || FailsAt::after(&car[..cut], io::ErrorKind::ConnectionReset);
            let expected = Loader::new().from_reader(stream()).unwrap_err();
            assert_eq!(expected.class(), ErrorClass::Io);
            let loader = Loader::new().salvage(salvage);
            let found = spill::all_into(loader, stream(), temporary()).unwrap_err();
            assert_eq!(common::details(&found), common::details(&expected));
            let kept = SpillFile::keep(folder.path().join("kept"));
            let found =
                spill::all_into(Loader::new().salvage(salvage), stream(), kept).unwrap_err();
            assert_eq!(common::details(&found), common::details(&expected));
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        }
    }
}

#[test]
fn a_flipped_bit_anywhere_gives_the_same_error_through_a_file() {
    let car = breakage::sample().to_bytes(Order::Pds);
    let mut rng = Rng::new(77);
    let mut failures = Vec::new();
    for _ in 0..cases(20) {
        let mut flipped = car.clone();
        flipped[rng.below(car.len())] ^= 1 << rng.below(8);
        for verification in
            [Verification::EveryBlock, Verification::ReachedBlocks, Verification::DangerouslyNone]
        {
            let loader = || Loader::new().verification(verification);
            let expected = by_reader(loader(), &flipped);
            let found = spilled_whole(loader(), &flipped, temporary().segment_len(300));
            if found != expected {
                failures.push(format!("{verification:?}: {expected}\nbut: {found}"));
            }
            let expected = text(by_reader_summarized(loader(), &flipped));
            let found = spilled_summarized(loader(), &flipped, temporary());
            if found != expected {
                failures.push(format!("{verification:?}, summarized: {expected}\nbut: {found}"));
            }
        }
    }
    assert_none(&failures);
}

/// All that a partial walk tells, with every detail.
fn partial<S: BlockStore, P: Process>(repo: &Repo<S, P>) -> Vec<String> {
    let mut told = Vec::new();
    let mut walk = repo.walk().partial(true).nodes(true).start();
    while let Some(event) = walk.next_event().unwrap() {
        told.push(format!("{event:?}"));
    }
    told
}

#[test]
fn what_is_salvaged_is_the_same_through_a_file_and_so_is_the_fault() {
    let car = breakage::sample().to_car(Order::Preorder);
    let (bytes, offsets) = (car.to_bytes(), car.offsets());
    for (number, &offset) in offsets.iter().enumerate().skip(1) {
        let mut overwritten = bytes.clone();
        overwritten[offset] = 0;
        for damaged in [&bytes[..offset + 20], &overwritten] {
            for verification in [Verification::EveryBlock, Verification::ReachedBlocks] {
                let loader = || Loader::new().salvage(true).verification(verification);
                let memory = loader().from_reader(damaged).unwrap();
                let file = temporary().segment_len(300);
                let repo = spill::all_into(loader(), damaged, file).unwrap();
                assert_eq!(partial(&repo), partial(&memory), "cut in section {number}");
                let faults = [repo.store().fault().unwrap(), memory.store().fault().unwrap()]
                    .map(common::details);
                assert_eq!(faults[0], faults[1]);
                assert_eq!(repo.stats(), memory.stats());

                let memory = common::summarizing(loader()).from_reader(damaged).unwrap();
                let repo =
                    spill::all_into(common::summarizing(loader()), damaged, temporary()).unwrap();
                assert_eq!(partial(&repo), partial(&memory), "cut in section {number}, summarized");
                assert_eq!(common::details(repo.store().fault().unwrap()), faults[0]);
            }
        }
    }
    // The good twin has no fault.
    let repo = spill::all_into(Loader::new().salvage(true), &bytes[..], temporary()).unwrap();
    assert!(repo.store().fault().is_none());
}

#[test]
fn salvaging_large_cars_gives_the_same_wherever_the_load_stopped() {
    for seed in 0..cases(6) {
        let mut rng = Rng::new(seed);
        let random = random::repo(seed * 4, 600);
        let car = random.repo.to_bytes(Order::Preorder);
        let damaged = &car[..car.len() / 2 + rng.below(car.len() / 2)];
        let loader = || Loader::new().salvage(true);
        let memory = loader().from_reader(damaged);
        let found = spill::any_way(loader(), damaged, temporary(), &mut rng);
        match (memory, found) {
            (Ok(memory), Ok(found)) => with_repo!(&found, repo => {
                assert_eq!(partial(repo), partial(&memory), "seed {seed}");
                let faults = [repo.store().fault(), memory.store().fault()];
                let faults = faults.map(|fault| fault.map(common::details));
                assert_eq!(faults[0], faults[1], "seed {seed}");
            }),
            (memory, found) => assert_eq!(text(memory), text(found), "seed {seed}"),
        }
    }
}

#[test]
fn salvage_before_the_commit_is_its_fault_through_a_file_too() {
    let car = breakage::sample().to_bytes(Order::CommitLast);
    for cut in [70, 500, car.len() - 1] {
        let expected = Repo::from_slice(&car[..cut]).unwrap_err();
        let found =
            spill::all_into(Loader::new().salvage(true), &car[..cut], temporary()).unwrap_err();
        assert_eq!(common::details(&found), common::details(&expected));
    }
}

/// Half a CAR is not kept.
#[test]
fn a_car_to_be_salvaged_is_not_kept() {
    let folder = TempDir::new().unwrap();
    let car = breakage::sample().to_bytes(Order::Preorder);
    let cut = &car[..car.len() - 5];
    let expected = Repo::from_slice(cut).unwrap_err();
    let file = SpillFile::keep(folder.path().join("kept"));
    let found = spill::all_into(Loader::new().salvage(true), cut, file).unwrap_err();
    assert_eq!(common::details(&found), common::details(&expected));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    let file = SpillFile::keep(folder.path().join("kept"));
    spill::all_into(Loader::new().salvage(true), &car[..], file).unwrap();
}

/// A damaged copy of each block and the good one, in this order or the other.
fn with_damaged_copies(damaged_first: bool) -> (Vec<u8>, Vec<u8>) {
    let good = breakage::sample().to_car(Order::Preorder);
    let mut car = good.clone();
    let mut damaged = good.sections.clone();
    damaged.iter_mut().for_each(|section| section.data.reverse());
    car.sections = if damaged_first {
        [damaged, car.sections].concat()
    } else {
        [car.sections, damaged].concat()
    };
    (car.to_bytes(), good.to_bytes())
}

#[test]
fn of_two_blocks_with_one_cid_the_good_one_is_found_in_the_file_whatever_segments_they_are_in() {
    for damaged_first in [true, false] {
        let (car, good) = with_damaged_copies(damaged_first);
        let expected = common::oracle_rows(&good);
        let memory =
            Loader::new().verification(Verification::ReachedBlocks).from_reader(&car[..]).unwrap();
        for segment_len in [0, 300, 2000, 65_524] {
            let way = format!("damaged first: {damaged_first}, segments of {segment_len}");
            for cache_size in [0, 1 << 22] {
                let file = || temporary().segment_len(segment_len).cache_size(cache_size);
                let loader = || Loader::new().verification(Verification::ReachedBlocks);
                let repo = spill::all_into(loader(), &car[..], file()).unwrap();
                assert_eq!(repo.stats(), memory.stats(), "{way}");
                for _ in 0..3 {
                    assert!(common::rows(&repo).unwrap() == expected, "{way}");
                    assert_eq!(repo.unreached_blocks().unwrap(), 0, "{way}");
                }
                let repo =
                    spill::all_into(common::summarizing(loader()), &car[..], file()).unwrap();
                let summaries = expected
                    .iter()
                    .map(|(key, cid, record)| (key.clone(), *cid, common::summary(record)));
                assert!(common::summaries(&repo).unwrap().into_iter().eq(summaries), "{way}");
            }
            // Some of the load in memory first.
            for limit in [0, 66 << 10, 70 << 10] {
                let loader =
                    Loader::new().verification(Verification::ReachedBlocks).memory_limit(limit);
                if let carwalk::Loaded::Suspended(load) = loader.from_reader(&car[..]).unwrap() {
                    let repo = load.spill(temporary().segment_len(segment_len)).unwrap();
                    assert!(common::rows(&repo).unwrap() == expected, "{way}");
                }
            }
            // Every block: refused.
            let found = spilled_whole(Loader::new(), &car, temporary().segment_len(segment_len));
            assert_eq!(found, by_reader(Loader::new(), &car));
        }
    }
}

/// A CID for any block, of a digest of its own.
fn number_cid(number: u32) -> KitCid {
    KitCid::new(RAW, sha256(&number.to_be_bytes()))
}

/// The sample, then raw blocks under any CIDs, each of four bytes.
fn with_blocks(blocks: impl IntoIterator<Item = (KitCid, [u8; 4])>) -> Vec<u8> {
    let mut car = breakage::sample().to_car(Order::Preorder);
    for (cid, block) in blocks {
        car.sections.push(Section::new(cid.as_bytes(), &block));
    }
    car.to_bytes()
}

fn open_into<P: Process + Clone>(
    loader: Loader<P>,
    car: &[u8],
    file: SpillFile,
) -> Repo<RedbStore, P> {
    spill::all_into(loader, car, file).unwrap()
}

/// Two blocks under each CID, the second copies among blocks that come only there. The index knows
/// a CID by some bits only, so now and then it names the segment of another one first.
fn pairs_among_others(pairs: u32) -> Vec<(KitCid, [u8; 4])> {
    let first = (0..pairs).map(|number| (number_cid(number), *b"1st."));
    let rest = (0..pairs).flat_map(|number| {
        let other = (pairs + number).to_be_bytes();
        [(number_cid(number), *b"2nd."), (KitCid::raw(&other), other)]
    });
    first.chain(rest).collect()
}

#[test]
fn of_thousands_of_differing_blocks_under_one_cid_each_the_first_wins() {
    let blocks = pairs_among_others(1450);
    let car = with_blocks(blocks);
    let mut wrong = 0;
    for _ in 0..8 {
        let loader = Loader::new().verification(Verification::DangerouslyNone);
        let repo = open_into(loader, &car, temporary().segment_len(65_524));
        for number in 0..1450 {
            let found = repo.store().get(&common::cid(&number_cid(number))).unwrap().unwrap();
            wrong += u32::from(found.bytes.as_ref() != b"1st.");
        }
    }
    assert_eq!(wrong, 0, "so many blocks of {} are not the first ones", 8 * 1450);
}

#[test]
fn of_thousands_of_blocks_with_a_bad_copy_each_the_good_one_is_found() {
    let pairs = 1450u32;
    // The good copies come last, the bad ones before them, among others.
    let good = |number: u32| KitCid::raw(&number.to_be_bytes());
    let bad = (0..pairs).flat_map(|number| {
        let other = (pairs + number).to_be_bytes();
        [(good(number), *b"bad."), (KitCid::raw(&other), other)]
    });
    let blocks: Vec<_> =
        bad.chain((0..pairs).map(|number| (good(number), number.to_be_bytes()))).collect();
    let car = with_blocks(blocks);
    let mut wrong = 0;
    for _ in 0..8 {
        let loader = Loader::new().verification(Verification::ReachedBlocks);
        let repo = open_into(loader, &car, temporary().segment_len(65_524));
        for number in 0..pairs {
            let found = repo.store().get(&common::cid(&good(number))).unwrap().unwrap();
            wrong += u32::from(found.bytes.as_ref() != number.to_be_bytes());
        }
    }
    assert_eq!(wrong, 0, "so many blocks of {} are bad, though there are good ones", 8 * pairs);
}

#[test]
fn of_two_differing_blocks_under_one_cid_the_first_wins_whatever_was_asked_before() {
    let pairs = 60;
    for seed in 0..cases(8) {
        let mut rng = Rng::new(seed);
        let mut blocks: Vec<_> = (0..pairs).map(|number| (number_cid(number), *b"1st.")).collect();
        for number in 0..pairs {
            // After the first, wherever that is.
            let first = blocks.iter().position(|(cid, _)| *cid == number_cid(number)).unwrap();
            let at = first + 1 + rng.below(blocks.len() - first);
            blocks.insert(at, (number_cid(number), *b"2nd."));
        }
        let car = with_blocks(blocks);
        let loader = || Loader::new().verification(Verification::DangerouslyNone);
        let memory = loader().from_reader(&car[..]).unwrap();
        let file = || spill::any_settings(temporary(), &mut Rng::new(seed));
        let repo = open_into(loader(), &car, file());
        let processed = open_into(loader().process(|record: &[u8]| record.to_vec()), &car, file());
        for _ in 0..500 {
            let cid = common::cid(&number_cid(rng.below(pairs as usize) as u32));
            assert_eq!(memory.store().get(&cid).unwrap().unwrap().bytes, b"1st.");
            assert_eq!(
                repo.store().get(&cid).unwrap().unwrap().bytes.as_ref(),
                b"1st.",
                "seed {seed}"
            );
            assert_eq!(
                processed.store().get(&cid).unwrap().unwrap().bytes.as_ref(),
                b"\x041st.",
                "seed {seed}"
            );
        }
    }
}

/// Records that are there twice, once good and once bad, in a repository of many segments.
#[test]
fn a_walk_over_a_file_meets_no_bad_copy_of_a_block_that_has_a_good_one() {
    for seed in 0..cases(6) {
        let mut rng = Rng::new(seed);
        let random = random::repo(seed, 400);
        let mut car = Car::parse(&random.car).unwrap();
        for mut section in car.sections.clone() {
            if section.data.is_empty() || rng.chance(1, 2) {
                continue;
            }
            let last = section.data.len() - 1;
            section.data[last] ^= 1;
            car.sections.insert(rng.below(car.sections.len() + 1), section);
        }
        let car = car.to_bytes();
        let expected = common::oracle_rows(&random.car);
        let loader = || Loader::new().verification(Verification::ReachedBlocks);
        assert!(common::rows(&loader().from_reader(&car[..]).unwrap()).unwrap() == expected);
        let repo = spill::any_way(loader(), &car, temporary(), &mut rng).unwrap();
        for _ in 0..2 {
            let found = with_repo!(&repo, repo => common::rows(repo));
            assert!(
                found.unwrap_or_else(|error| panic!("seed {seed}: {error}")) == expected,
                "seed {seed}"
            );
        }
    }
}

#[test]
fn a_block_that_is_not_there_is_none() {
    let random = random::repo(3, 400);
    let repo = spill::all_into(Loader::new(), &random.car[..], temporary().segment_len(0)).unwrap();
    for number in 0..5000 {
        let cid: Cid = common::cid(&number_cid(number));
        assert!(repo.store().get(&cid).unwrap().is_none() && !repo.store().contains(&cid).unwrap());
    }
}

/// The record is processed where it is a record, and missed where it should be a node: each link
/// tells for itself.
#[test]
fn a_record_that_a_node_link_leads_to_is_no_node() {
    let mut repo = breakage::sample();
    let record = Record::sample(b"com.example.test/record");
    repo.add_record(record.clone());
    repo.root.left = carwalk_testkit::tree::Link::Cid(record.cid);
    repo.extra.push((record.cid, record.bytes));
    let car = KitRepo::to_bytes(&repo, Order::Preorder);
    let repo = spill::all_into(common::summarizing(Loader::new()), &car[..], temporary()).unwrap();
    let error = common::summaries(&repo).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Malformed(Malformed::ProcessedNode)), "{error}");
    let mut walk = repo.walk().partial(true).start();
    let mut bad = 0;
    while let Some(event) = walk.next_event().unwrap() {
        bad += u32::from(matches!(event, Event::BadSubtree { .. }));
    }
    assert_eq!(bad, 1);
}
