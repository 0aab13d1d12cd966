//! Loads that continue in a file: the result is that of a load in memory, wherever the load stopped
//! and whatever the layout of the file.

use crate::common;
use std::path::Path;
use std::process::Command;
use std::{env, fs};

use crate::common::spill::{self, Whole, with_repo};
use crate::common::{Summary, Told};
use carwalk::car::SliceReader;
use carwalk::error::LimitName;
use carwalk::store::{CarStore, SpillFile};
use carwalk::{ErrorKind, Loaded, Loader, Repo};
use carwalk_testkit::car::{Car, header};
use carwalk_testkit::cbor::Value;
use carwalk_testkit::cid::Cid;
use carwalk_testkit::repo::{Order, Record, Repo as KitRepo};
use carwalk_testkit::rng::Rng;
use carwalk_testkit::{breakage, legal, random};
use carwalk_testkit::{cases, step};
use tempfile::TempDir;

fn seeds() -> u64 {
    cases(40)
}

/// A random CAR: each fifth has long records, each eighth many.
fn random_car(seed: u64) -> Vec<u8> {
    let random = random::repo(seed, if seed % 8 == 1 { 500 } else { 50 });
    if seed % 5 != 2 {
        return random.car;
    }
    let mut rng = Rng::new(seed);
    let mut records = random.records;
    for number in 0..6 {
        let len = rng.below(100_000);
        let long = Record::new(Value::Bytes(vec![number; len]).encode());
        records.insert(random::path(&mut rng), long.at_revision(rng.below(9) as u32));
    }
    let mut car = KitRepo::new(records).to_car(random.order);
    for _ in 0..rng.below(6) {
        let copy = rng.pick(&car.sections).clone();
        car.sections.insert(rng.below(car.sections.len() + 1), copy);
    }
    car.to_bytes()
}

/// What must come out, with and without a process function: what the oracle finds, and what a slice
/// tells of the rest.
struct Expected {
    plain: Told<Vec<u8>>,
    summarized: Told<Summary>,
}

impl Expected {
    fn of(car: &[u8]) -> Self {
        let mut plain = common::told(&Repo::from_slice(car).unwrap()).unwrap();
        plain.records = common::oracle_rows(car);
        let records = plain
            .records
            .iter()
            .map(|(key, cid, record)| (key.clone(), *cid, common::summary(record)));
        let Told { commit, stats, unreached, .. } = plain;
        let (roots, heads) = (plain.roots.clone(), plain.heads.clone());
        let summarized =
            Told { records: records.collect(), commit, roots, stats, heads, unreached };
        Expected { plain, summarized }
    }
}

#[track_caller]
fn assert_told<V: PartialEq>(expected: &Told<V>, found: carwalk::Result<Told<V>>, way: &str) {
    let found = found.unwrap_or_else(|error| panic!("{way}: {error}"));
    assert!(found.records == expected.records, "{way}: other records");
    assert_eq!(found.stats, expected.stats, "{way}");
    assert_eq!((found.commit, &found.roots), (expected.commit, &expected.roots), "{way}");
    assert!(found.heads == expected.heads, "{way}: other sections");
    assert_eq!(found.unreached, expected.unreached, "{way}: unreached blocks");
}

/// How often a load came to its end in memory, and in a file.
#[derive(Debug, Default)]
struct Ways {
    memory: u32,
    file: u32,
}

impl Ways {
    fn count<P>(&mut self, whole: &Whole<P>) {
        match whole {
            Whole::Memory(_) => self.memory += 1,
            Whole::File(_) => self.file += 1,
        }
    }
}

/// One CAR by all ways that there are. The name says which, if it fails.
fn every_way_agrees(car: &[u8], rng: &mut Rng, folder: &Path, name: &str, ways: &mut Ways) {
    let expected = Expected::of(car);
    let new = Loader::new;
    let summarizing = || common::summarizing(new());
    let way = |way: &str| format!("{name}: {way}");

    assert_told(
        &expected.summarized,
        common::told_summarized(&summarizing().from_slice(car).unwrap()),
        &way("slice"),
    );
    assert_told(&expected.plain, common::told(&new().from_reader(car).unwrap()), &way("reader"));
    let by_reader = summarizing().from_reader(spill::any_stream(car, rng)).unwrap();
    assert_told(
        &expected.summarized,
        common::told_summarized(&by_reader),
        &way("reader, summarized"),
    );

    assert_told(&expected.plain, common::told(&in_steps(new(), car, rng)), &way("in steps"));
    let stepped = in_steps(summarizing(), car, rng);
    assert_told(
        &expected.summarized,
        common::told_summarized(&stepped),
        &way("in steps, summarized"),
    );

    let spilled = spill::any_way(new(), car, SpillFile::temporary(), rng).unwrap();
    ways.count(&spilled);
    assert_told(&expected.plain, with_repo!(&spilled, repo => common::told(repo)), &way("spilled"));
    let spilled = spill::any_way(summarizing(), car, SpillFile::temporary(), rng).unwrap();
    ways.count(&spilled);
    let told = with_repo!(&spilled, repo => common::told_summarized(repo));
    assert_told(&expected.summarized, told, &way("spilled, summarized"));

    // Waiting for the disk takes most of the time.
    if rng.chance(1, 2) {
        return;
    }
    let path = folder.join("kept");
    let kept = spill::any_way(new(), car, SpillFile::keep(&path), rng).unwrap();
    assert_told(&expected.plain, with_repo!(&kept, repo => common::told(repo)), &way("kept"));
    if matches!(kept, Whole::File(_)) {
        drop(kept);
        let loader = new().memory_limit(rng.below(2 << 20) as u64);
        let repo = loader.from_spill_file(&path).unwrap();
        assert_told(&expected.plain, common::told(&repo), &way("opened"));
        // A file of whole records may be read by any process function.
        let repo = summarizing().memory_limit(0).from_spill_file(&path).unwrap();
        assert_told(
            &expected.summarized,
            common::told_summarized(&repo),
            &way("opened, then summarized"),
        );
        fs::remove_file(&path).unwrap();
    }
    let kept = spill::any_way(summarizing(), car, SpillFile::keep(&path), rng).unwrap();
    let told = with_repo!(&kept, repo => common::told_summarized(repo));
    assert_told(&expected.summarized, told, &way("kept, summarized"));
    if matches!(kept, Whole::File(_)) {
        drop(kept);
        let loader = summarizing().memory_limit(rng.below(2 << 20) as u64);
        let repo = loader.from_spill_file(&path).unwrap();
        assert_told(
            &expected.summarized,
            common::told_summarized(&repo),
            &way("opened, summarized"),
        );
        fs::remove_file(&path).unwrap();
    }
    assert_eq!(fs::read_dir(folder).unwrap().count(), 0, "{name}: something is left");
}

fn in_steps<P: carwalk::Process + Clone>(
    loader: Loader<P>,
    car: &[u8],
    rng: &mut Rng,
) -> Repo<carwalk::store::MemoryStore, P> {
    let mut loaded = loader
        .memory_limit(spill::any_limit(car.len(), rng))
        .from_reader(spill::any_stream(car, rng))
        .unwrap();
    loop {
        match loaded {
            Loaded::Complete(repo) => return repo,
            Loaded::Suspended(load) => {
                let more = load.memory_limit() + rng.below(100 << 10) as u64;
                loaded = load.resume(more).unwrap();
            }
        }
    }
}

fn random_cars_agree(numbers: impl Iterator<Item = u64>) {
    let folder = TempDir::new().unwrap();
    let mut ways = Ways::default();
    for seed in numbers {
        let mut rng = Rng::new(seed ^ 0x5b11);
        every_way_agrees(
            &random_car(seed),
            &mut rng,
            folder.path(),
            &format!("seed {seed}"),
            &mut ways,
        );
    }
    assert!(u64::from(ways.file) > seeds() / 10 && ways.memory > 2, "{ways:?}");
}

#[test]
fn random_repositories_are_the_same_in_memory_and_in_a_file_even_seeds() {
    random_cars_agree((0..seeds()).step_by(2));
}

#[test]
fn random_repositories_are_the_same_in_memory_and_in_a_file_odd_seeds() {
    random_cars_agree((1..seeds()).step_by(2));
}

#[test]
fn legal_oddities_are_the_same_in_memory_and_in_a_file() {
    let folder = TempDir::new().unwrap();
    let mut ways = Ways::default();
    for (number, oddity) in (0..).zip(legal::all()) {
        let mut rng = Rng::new(number);
        every_way_agrees(&oddity.make(), &mut rng, folder.path(), oddity.name, &mut ways);
    }
    assert!(ways.file > 5, "{ways:?}");
}

/// Steps of one KiB through a CAR of long and short blocks: the load stops before, in and after
/// each of them.
#[test]
fn a_load_can_go_into_a_file_wherever_it_stops() {
    let lengths = [90_000, 10, 70_000, 3, 0, 200_000, 65_500, 40, 1];
    let keys = carwalk_testkit::key::at_layer(0);
    let records =
        keys.zip(lengths).map(|(key, len)| (key, Record::new(Value::Bytes(vec![7; len]).encode())));
    let car = KitRepo::new(records).to_bytes(Order::Preorder);
    let expected = Expected::of(&car);
    let mut stops = [0; 2];
    for limit in (0..1000).step_by(3 * step(5)).map(|kib| kib << 10) {
        let file = || SpillFile::temporary().segment_len(limit as u32 % 1000);
        if let Loaded::Suspended(load) =
            Loader::new().memory_limit(limit).from_reader(&car[..]).unwrap()
        {
            stops[0] += 1;
            assert_told(
                &expected.plain,
                common::told(&load.spill(file()).unwrap()),
                &format!("limit {limit}"),
            );
        }
        let loader = common::summarizing(Loader::new());
        if let Loaded::Suspended(load) = loader.memory_limit(limit).from_reader(&car[..]).unwrap() {
            stops[1] += 1;
            let repo = load.spill(file()).unwrap();
            let way = format!("limit {limit}, summarized");
            assert_told(&expected.summarized, common::told_summarized(&repo), &way);
        }
    }
    assert!(stops[0] > 100 / step(5) && stops[1] > 30 / step(5), "{stops:?}");
}

/// Of blocks of four bytes more than half is the index: it is what there is no room for, while a
/// section is in the buffer and others lie in several chunks before it.
#[test]
fn a_load_that_stops_for_want_of_room_in_the_index_goes_on_with_the_section_in_the_buffer() {
    let mut car = breakage::sample().to_car(Order::Preorder);
    for number in 0..30_000u32 {
        car.push_block(&number.to_be_bytes());
    }
    let (sections, car) = (car.sections.len() as u64, car.to_bytes());
    let mut at_hand = 0;
    for limit in (200..1500).step_by(97).map(|kib| kib << 10) {
        let Loaded::Suspended(load) =
            Loader::new().memory_limit(limit).from_reader(&car[..]).unwrap()
        else {
            continue;
        };
        // The stream was not asked for more although there is more room than a chunk would take.
        at_hand += u32::from(load.bytes_held() + (64 << 10) < limit);
        let repo = load.spill(SpillFile::temporary()).unwrap();
        assert_eq!(repo.stats().sections, sections, "limit {limit}");
        assert_eq!(repo.records().map(Result::unwrap).count(), 11, "limit {limit}");
        let offsets = repo.store().sections().map(|section| section.unwrap().offset());
        let expected = SliceReader::new(&car).unwrap().map(|section| section.unwrap().offset());
        assert!(offsets.eq(expected), "limit {limit}");
    }
    assert!(at_hand > 1, "{at_hand}");
}

/// As in memory: of two copies the first is the one that is found.
#[test]
fn an_offset_is_that_of_the_first_copy_whatever_was_asked_before() {
    let mut wrong = Vec::new();
    for seed in 0..cases(8) {
        let random = random::repo(seed, 200);
        let mut car = Car::parse(&random.car).unwrap();
        car.sections.extend(car.sections.clone());
        let bytes = car.to_bytes();
        let memory = Repo::from_reader(&bytes[..]).unwrap();
        let expected: Vec<_> = memory.records().map(|record| record.unwrap().offset()).collect();
        let file = SpillFile::temporary().segment_len(2000);
        let repo = spill::all_into(Loader::new(), &bytes[..], file).unwrap();
        for pass in 0..3 {
            let found: Vec<_> = repo.records().map(|record| record.unwrap().offset()).collect();
            if found != expected {
                wrong.push((seed, pass));
            }
        }
    }
    assert!(wrong.is_empty(), "other offsets with these seeds, in these walks: {wrong:?}");
}

/// A block that is there twice counts once, whichever copy is met.
#[test]
fn unreached_blocks_are_counted_right_if_copies_lie_in_many_segments() {
    let mut wrong = Vec::new();
    for seed in 0..cases(8) {
        let mut rng = Rng::new(seed);
        let random = random::repo(seed, 200);
        let shared = Record::sample(b"com.example.test/shared");
        let mut records = random.records;
        for _ in 0..100 {
            records.insert(random::path(&mut rng), shared.clone());
        }
        let mut car = KitRepo::new(records).to_car(Order::PreorderRepeating);
        car.push_block(b"stray");
        let bytes = car.to_bytes();
        let expected = Repo::from_slice(&bytes).unwrap().unreached_blocks().unwrap();
        assert_eq!(expected, 1);
        let file = SpillFile::temporary().segment_len(2000);
        let repo = spill::all_into(Loader::new(), &bytes[..], file).unwrap();
        for walk in 0..3 {
            let found = repo.unreached_blocks().unwrap();
            if found != expected {
                wrong.push((seed, walk, found));
            }
        }
    }
    assert!(wrong.is_empty(), "not 1 with these seeds, in these walks: {wrong:?}");
}

#[test]
fn walks_tell_nodes_and_entries_as_in_memory() {
    for seed in 0..cases(10) {
        let car = random_car(seed);
        let mut rng = Rng::new(seed);
        let file = spill::any_settings(SpillFile::temporary(), &mut rng);
        let spilled = spill::all_into(Loader::new(), &car[..], file).unwrap();
        let memory = Repo::from_reader(&car[..]).unwrap();
        let mut walks = (spilled.walk().nodes(true).start(), memory.walk().nodes(true).start());
        loop {
            let (found, expected) = (walks.0.next_event().unwrap(), walks.1.next_event().unwrap());
            let without_offset = |event: &Option<carwalk::mst::Event<'_>>| {
                let text = format!("{event:?}");
                text.split("offset: ").next().map(str::to_owned)
            };
            assert_eq!(without_offset(&found), without_offset(&expected), "seed {seed}");
            if found.is_none() {
                break;
            }
        }
        let entries = |repo: &mut dyn Iterator<Item = carwalk::Result<carwalk::RepoEntry>>| {
            repo.map(|entry| entry.unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(entries(&mut spilled.entries()), entries(&mut memory.entries()));
    }
}

#[test]
fn chunks_from_a_file_go_to_other_threads() {
    let random = random::repo(5, 3000);
    let repo = spill::all_into(Loader::new(), &random.car[..], SpillFile::temporary()).unwrap();
    let mut records = repo.records();
    let mut found = Vec::new();
    std::thread::scope(|scope| {
        let mut workers = Vec::new();
        loop {
            let chunk = records.next_chunk(100).unwrap();
            if chunk.is_empty() {
                break;
            }
            workers.push(scope.spawn(move || {
                let rows = chunk.into_iter().map(|record| (record.cid(), record.bytes().to_vec()));
                rows.collect::<Vec<_>>()
            }));
        }
        workers.into_iter().for_each(|worker| found.extend(worker.join().unwrap()));
    });
    let expected =
        common::oracle_rows(&random.car).into_iter().map(|(_, cid, record)| (cid, record));
    assert!(found.into_iter().eq(expected));
}

#[test]
fn threads_that_walk_one_file_at_once_get_the_right_records_each() {
    let random = random::repo(5, 3000);
    let expected = common::oracle_rows(&random.car);
    for cache_size in [0, 1 << 20, 1 << 26] {
        let file = SpillFile::temporary().cache_size(cache_size).segment_len(3000);
        let repo = spill::all_into(Loader::new(), &random.car[..], file).unwrap();
        std::thread::scope(|scope| {
            for number in 0..6 {
                let (repo, expected) = (&repo, &expected);
                scope.spawn(move || {
                    for _ in 0..3 {
                        if number % 2 == 0 {
                            assert!(common::rows(repo).unwrap() == *expected);
                        } else {
                            assert_eq!(
                                repo.unreached_blocks().unwrap(),
                                repo.unreached_blocks().unwrap()
                            );
                        }
                    }
                });
            }
        });
    }
}

#[test]
fn bytes_stored_are_about_those_of_the_car() {
    let random = random::repo(5, 3000);
    let repo = spill::all_into(Loader::new(), &random.car[..], SpillFile::temporary()).unwrap();
    let (stored, car) = (repo.store().bytes_stored(), random.car.len() as u64);
    assert!(stored > car && stored < car + car / 4, "{stored} for {car}");
    assert!(!repo.store().is_processed());
    let loader = Loader::new().process(|_: &[u8]| ());
    let repo = spill::all_into(loader, &random.car[..], SpillFile::temporary()).unwrap();
    assert!(repo.store().bytes_stored() < stored);
    assert!(repo.store().is_processed());
}

/// What the CAR alone makes long of what a file says of itself: its roots, and which segments
/// repeat blocks of others.
#[test]
fn roots_and_repeats_without_end_count_as_stored() {
    // A page for each block, so that pages do not hide what is counted by the byte.
    let file = || SpillFile::temporary().segment_len(0);
    let stored = |car: &Car| {
        let car = car.to_bytes();
        let stored =
            spill::all_into(Loader::new(), &car[..], file()).unwrap().store().bytes_stored();
        let error =
            spill::all_into(Loader::new(), &car[..], file().max_stored(stored - 1)).unwrap_err();
        let ErrorKind::Limit { limit: LimitName::Stored, found, .. } = *error.kind() else {
            panic!("{error}")
        };
        assert_eq!(found, stored);
        stored
    };
    let mut car = Car::parse(&legal::case("one_record")).unwrap();
    let plain = stored(&car);
    let root = car.sections[0].clone();
    car.set_header(header(&[Cid::dag_cbor(&root.data); 500]));
    assert_eq!(stored(&car) - plain, 499 * 36);
    car.sections.extend(std::iter::repeat_n(root, 100));
    let segments = car.sections.len() as u64;
    assert_eq!(stored(&car) - plain, 499 * 36 + 100 * 4096 + segments.div_ceil(8));
}

/// The environment is the whole process's, so a process of its own looks.
#[cfg(unix)]
#[test]
fn temporary_files_lie_in_the_folder_that_tmpdir_names() {
    const FOLDER: &str = "CARWALK_TEST_FOLDER";
    if let Some(folder) = env::var_os(FOLDER) {
        assert_eq!(SpillFile::default_folder().as_os_str(), folder);
        return;
    }
    let folder = TempDir::new().unwrap();
    let mut child = Command::new(env::current_exe().unwrap());
    child.args(["--exact", "spill::temporary_files_lie_in_the_folder_that_tmpdir_names"]);
    let outcome = child.env("TMPDIR", folder.path()).env(FOLDER, folder.path()).output().unwrap();
    assert!(
        outcome.status.success() && String::from_utf8_lossy(&outcome.stdout).contains("1 passed"),
        "{outcome:?}"
    );
}
