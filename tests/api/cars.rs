//! Several CARs as one repository: a snapshot and the responses to `getRepo?since=`.

use crate::common;
use std::collections::{BTreeMap, HashSet};

use crate::common::pack::packed;
use carwalk::error::{ArgumentFault, LookAlike, Malformed, RevisionFault, Structure};
use carwalk::store::{CarStore, MemoryStore, SliceStore, Union};
use carwalk::{CommitRules, Error, ErrorClass, ErrorKind, Loader, Repo, Result, Verification};
use carwalk_testkit::car::Car;
use carwalk_testkit::cbor::Value;
use carwalk_testkit::cid::Cid as KitCid;
use carwalk_testkit::commit::Commit;
use carwalk_testkit::repo::{Order, Record, Repo as KitRepo};
use carwalk_testkit::rng::Rng;
use carwalk_testkit::{cases, random, tid};

/// The records of a revision.
type Records = BTreeMap<Vec<u8>, Record>;

fn rev(number: u64) -> String {
    tid::text(tid::number(1_700_000_000_000_000 + number, 0))
}

/// The repository with these records in a revision.
fn revision(records: &Records, number: u64) -> KitRepo {
    let mut repo = KitRepo::new(records.clone());
    repo.commit = repo.commit.set("rev", Value::text(rev(number)));
    repo
}

fn sample(paths: &[&str]) -> Records {
    let paths = paths.iter().map(|path| path.as_bytes());
    paths.map(|path| (path.to_vec(), Record::sample(path))).collect()
}

/// The answer to `since`: the commit, and the blocks that the older revision does not have.
fn since(old: &KitRepo, new: &KitRepo) -> Car {
    let known: HashSet<KitCid> =
        old.blocks(Order::Preorder).into_iter().map(|(cid, _)| cid).collect();
    let mut car = new.to_car(Order::Pds);
    car.sections.retain(|section| !known.contains(&KitCid::from_bytes(&section.cid).unwrap()));
    car
}

/// A CAR that has only a header.
fn header_only(root: KitCid) -> Vec<u8> {
    Car::new(&[root]).to_bytes()
}

fn open(cars: &[Vec<u8>]) -> Result<Repo<Union<SliceStore<Vec<u8>>>>> {
    let cars = cars.iter().cloned().map(SliceStore::new);
    Repo::from_cars(cars.collect::<Result<_>>().unwrap())
}

#[track_caller]
fn refused(cars: &[Vec<u8>], input: usize) -> Error {
    let error = open(cars).unwrap_err();
    assert_eq!(error.input(), Some(input), "{error}");
    assert!(error.to_string().starts_with(&format!("input {input}: ")), "{error}");
    error
}

/// Adds, changes and deletes some records.
fn change(records: &Records, rng: &mut Rng) -> Records {
    let mut records = records.clone();
    let paths: Vec<Vec<u8>> = records.keys().cloned().collect();
    for path in &paths {
        if rng.chance(1, 6) {
            records.remove(path);
        } else if rng.chance(1, 6) {
            let text = Value::text(format!("changed {}", rng.next_u64()));
            records.insert(path.clone(), Record::new(Value::map([("text", text)]).encode()));
        }
    }
    for _ in 0..rng.below(10) {
        let path = random::path(rng);
        let record = Record::sample(&path);
        records.insert(path, record);
    }
    records
}

#[test]
fn a_snapshot_and_answers_to_since_are_the_newest_revision() {
    for seed in 0..cases(20) {
        let mut rng = Rng::new(seed);
        let first = random::repo(seed, 50).records;
        let second = change(&first, &mut rng);
        let third = change(&second, &mut rng);
        let kits = [revision(&first, 0), revision(&second, 1), revision(&third, 2)];
        let [snapshot, one, two] = [
            kits[0].to_bytes(Order::Shuffled(seed)),
            since(&kits[0], &kits[1]).to_bytes(),
            since(&kits[1], &kits[2]).to_bytes(),
        ];
        let expected = packed(&kits[2], false).to_bytes();
        // The first is the snapshot, and the others come in any order.
        for cars in
            [[&snapshot, &one, &two], [&snapshot, &two, &one]].map(|cars| cars.map(Clone::clone))
        {
            let repo = open(&cars).unwrap();
            assert_eq!(repo.commit().rev(), rev(2), "seed {seed}");
            let mut pack = Vec::new();
            let stats = repo.write(&mut pack).unwrap();
            assert!(pack == expected && stats.bytes == pack.len() as u64, "seed {seed}");
            let memory = cars.iter().map(|car| MemoryStore::new(&car[..]).unwrap()).collect();
            let rows = common::rows(&Repo::from_cars(memory).unwrap()).unwrap();
            assert!(rows == common::oracle_rows(&expected), "seed {seed}");
        }
        // The middle one alone is the middle revision.
        let repo = open(&[snapshot, one]).unwrap();
        let mut pack = Vec::new();
        repo.write(&mut pack).unwrap();
        assert!(pack == packed(&kits[1], false).to_bytes(), "seed {seed}");
    }
}

#[cfg(feature = "redb")]
#[test]
fn cars_may_be_in_memory_and_in_files() {
    use carwalk::store::{AnyStore, SpillFile};

    let (old, new) =
        (revision(&sample(&["a.b/c", "a.b/d"]), 0), revision(&sample(&["a.b/c", "a.b/e"]), 1));
    let (snapshot, answer) = (old.to_bytes(Order::Pds), since(&old, &new).to_bytes());
    let load = |car: &[u8], limit: u64| {
        Loader::new().memory_limit(limit).load_reader(car, SpillFile::temporary()).unwrap()
    };
    for (one, other) in [(0, u64::MAX), (u64::MAX, 0), (0, 0)] {
        let cars = vec![load(&snapshot, one), load(&answer, other)];
        assert_eq!(matches!(cars[0], AnyStore::File(_)), one == 0);
        let repo = Loader::new().memory_limit(1 << 20).from_cars(cars).unwrap();
        let mut pack = Vec::new();
        repo.write(&mut pack).unwrap();
        assert!(pack == packed(&new, false).to_bytes());
    }
    let file = |car: &[u8]| {
        let loader = Loader::new().memory_limit(0);
        loader.load_slice(car.to_vec(), SpillFile::temporary()).unwrap()
    };
    let repo = Repo::from_cars(vec![file(&snapshot), file(&answer)]).unwrap();
    assert_eq!(repo.records().try_count().unwrap(), 2);
}

fn two() -> (KitRepo, KitRepo) {
    let old = sample(&["a.b/c", "a.b/d", "com.example.test/1", "com.example.test/2"]);
    let new = sample(&["a.b/c", "a.b/e", "com.example.test/1", "com.example.test/3"]);
    (revision(&old, 5), revision(&new, 6))
}

#[test]
fn a_car_of_another_account_is_refused() {
    let (old, mut new) = two();
    let snapshot = old.to_bytes(Order::Pds);
    assert!(open(&[snapshot.clone(), since(&old, &new).to_bytes()]).is_ok());
    new.commit = new.commit.set("did", Value::text("did:web:example.com"));
    let error = refused(&[snapshot, since(&old, &new).to_bytes()], 1);
    assert_eq!(
        (error.class(), error.cid()),
        (ErrorClass::Invalid, Some(&common::cid(&new.commit_cid())))
    );
    let ErrorKind::OtherAccount { found, .. } = error.kind() else { panic!("{error}") };
    assert_eq!(&**found, "did:web:example.com");
    assert_eq!(error.position().structure(), Structure::Commit);
}

#[test]
fn a_car_before_the_snapshot_is_refused() {
    let (old, new) = two();
    let (old_car, new_car) = (old.to_bytes(Order::Pds), new.to_bytes(Order::Pds));
    let newest = revision(&sample(&["a.b/c"]), 9);
    // Among later ones the order does not matter.
    let cars = [old_car.clone(), newest.to_bytes(Order::Pds), new_car.clone()];
    assert_eq!(open(&cars).unwrap().commit().rev(), rev(9));
    for (cars, input) in [
        (vec![new_car.clone(), old_car.clone()], 1),
        (vec![new_car.clone(), newest.to_bytes(Order::Pds), old_car.clone()], 2),
    ] {
        let error = refused(&cars, input);
        assert_eq!(
            (error.class(), error.cid()),
            (ErrorClass::Invalid, Some(&common::cid(&old.commit_cid())))
        );
        let ErrorKind::Revision(RevisionFault::Older { first, found }) = error.kind() else {
            panic!("{error}")
        };
        assert_eq!((&**first, &**found), (&*rev(6), &*rev(5)));
    }
}

#[test]
fn two_commits_of_one_revision_are_refused() {
    let (old, new) = two();
    let fork = revision(&sample(&["a.b/x"]), 6);
    let [old_car, new_car, fork_car] =
        [&old, &new, &fork].map(|kit: &KitRepo| kit.to_bytes(Order::Pds));
    // The same commit twice is one.
    assert!(open(&[old_car.clone(), new_car.clone(), new_car.clone()]).is_ok());
    let later = revision(&sample(&["a.b/y"]), 7).to_bytes(Order::Pds);
    for (cars, input) in [
        (vec![new_car.clone(), fork_car.clone()], 1),
        (vec![old_car.clone(), new_car.clone(), fork_car.clone()], 2),
        // Also if neither is the newest.
        (vec![old_car, new_car, later, fork_car], 3),
    ] {
        let error = refused(&cars, input);
        assert_eq!(
            (error.class(), error.cid()),
            (ErrorClass::Invalid, Some(&common::cid(&fork.commit_cid())))
        );
        let ErrorKind::Revision(RevisionFault::Conflict { rev: found, other }) = error.kind()
        else {
            panic!("{error}")
        };
        assert_eq!((&**found, *other), (&*rev(6), common::cid(&new.commit_cid())));
    }
}

#[test]
fn a_car_may_have_only_a_header() {
    let (old, new) = two();
    let snapshot = old.to_bytes(Order::Pds);
    let unchanged = header_only(old.commit_cid());
    let repo = open(&[snapshot.clone(), unchanged]).unwrap();
    assert_eq!(repo.commit().rev(), rev(5));
    assert!(common::rows(&repo).unwrap() == common::oracle_rows(&snapshot));
    // Any of the others may have its commit, also if it is not the first.
    let answer = since(&old, &new).to_bytes();
    let header = header_only(new.commit_cid());
    for cars in [
        [snapshot.clone(), header.clone(), answer.clone()],
        [snapshot.clone(), answer.clone(), header.clone()],
        [header_only(old.commit_cid()), snapshot.clone(), answer],
    ] {
        assert_eq!(open(&cars).unwrap().commit().rev(), rev(6));
    }
    for (cars, input) in [
        (vec![snapshot.clone(), header.clone()], 1),
        (vec![snapshot.clone(), snapshot, header.clone()], 2),
        (vec![header], 0),
    ] {
        let error = refused(&cars, input);
        assert!(matches!(error.kind(), ErrorKind::MissingCommit), "{error}");
        assert_eq!(
            (error.class(), error.cid()),
            (ErrorClass::Missing, Some(&common::cid(&new.commit_cid())))
        );
    }
}

/// Without any one of the blocks that no other CAR has, nothing is written as a whole.
#[test]
fn a_block_that_no_car_has_is_missing() {
    let (old, new) = two();
    let answer = since(&old, &new);
    let mut missing = 0;
    for section in
        answer.sections.iter().filter(|section| section.cid != new.commit_cid().as_bytes())
    {
        let mut answer = answer.clone();
        answer.sections.retain(|other| other.cid != section.cid);
        let repo = open(&[old.to_bytes(Order::Pds), answer.to_bytes()]).unwrap();
        let error = repo.write(&mut Vec::new()).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Missing);
        assert_eq!(error.cid().unwrap().as_bytes()[..], section.cid);
        missing += 1;
    }
    assert!(missing >= 3, "{missing}");
}

#[test]
fn a_bad_commit_names_its_car() {
    let (old, new) = two();
    let snapshot = old.to_bytes(Order::Pds);
    // A node, a record, and a commit that lost a byte.
    let of_root = |root: KitCid| {
        let mut car = since(&old, &new);
        car.set_header(carwalk_testkit::car::header(&[root]));
        car.to_bytes()
    };
    let error = refused(&[snapshot.clone(), of_root(new.root.cid())], 1);
    assert!(matches!(error.kind(), ErrorKind::LookAlike(LookAlike::BareTree)), "{error}");
    let record = new.entries()[0].1;
    let error = refused(&[snapshot.clone(), of_root(record)], 1);
    assert_eq!(error.class(), ErrorClass::Invalid);
    let error = refused(&[snapshot.clone(), of_root(KitCid::raw(b"raw"))], 1);
    assert!(matches!(error.kind(), ErrorKind::Malformed(Malformed::CidCodec { .. })), "{error}");
    assert_eq!(error.position().structure(), Structure::Header);

    let mut car = since(&old, &new);
    let at = car.index_of(&new.commit_cid());
    *car.sections[at].data.last_mut().unwrap() ^= 1;
    let lazy = Loader::new().verification(Verification::ReachedBlocks);
    let damaged = car.to_bytes();
    let cars = vec![lazy.load_slice(&snapshot).unwrap(), lazy.load_slice(&damaged).unwrap()];
    let error = Repo::from_cars(cars).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::HashMismatch { .. }), "{error}");
    assert_eq!(error.input(), Some(1));
}

#[test]
fn no_car_is_no_repository() {
    let error = open(&[]).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Argument(ArgumentFault::NoCar)), "{error}");
    assert_eq!((error.class(), error.input()), (ErrorClass::Caller, None));
}

#[test]
fn legacy_commits_have_no_revision_to_compare() {
    let legacy = |paths: &[&str]| {
        let mut kit = KitRepo::new(sample(paths));
        kit.commit = Commit::version_2(KitCid::dag_cbor(b"previous"));
        kit.to_bytes(Order::Pds)
    };
    let (one, other) = (legacy(&["a.b/c"]), legacy(&["a.b/d"]));
    let open = |cars: [&Vec<u8>; 2]| {
        let loader = Loader::new().commits(CommitRules::Legacy);
        loader.from_cars(cars.map(|car| loader.load_slice(car.clone()).unwrap()).into())
    };
    assert!(open([&one, &one]).is_ok());
    let error = open([&one, &other]).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Revision(RevisionFault::Conflict { .. })), "{error}");
    let cars = [&one, &one].map(|car| SliceStore::new(car).unwrap());
    assert_eq!(Repo::from_cars(cars.into()).unwrap_err().input(), Some(0));
}

#[test]
fn another_commit_can_be_opened_whatever_the_others_are() {
    let (old, new) = two();
    let cars = || {
        let cars = [&new, &old].map(|kit: &KitRepo| kit.to_bytes(Order::Pds));
        Vec::from(cars.map(|car| SliceStore::new(car).unwrap()))
    };
    assert!(Repo::from_cars(cars()).is_err());
    for kit in [&old, &new] {
        let loader = Loader::new().commit(common::cid(&kit.commit_cid()));
        let repo = loader.from_cars(cars()).unwrap();
        assert!(common::rows(&repo).unwrap() == common::oracle_rows(&kit.to_bytes(Order::Pds)));
    }
    let raw = Loader::new().commit(common::cid(&KitCid::raw(b"raw"))).from_cars(cars());
    assert_eq!(raw.unwrap_err().class(), ErrorClass::Caller);
}

#[test]
fn a_process_function_is_applied_to_the_records_of_all_cars() {
    let (old, new) = two();
    let loader = common::summarizing(Loader::new());
    let load = |car: Vec<u8>| loader.load_reader(&car[..]).unwrap();
    let cars = vec![load(old.to_bytes(Order::Pds)), load(since(&old, &new).to_bytes())];
    let repo = loader.from_cars(cars).unwrap();
    let whole = loader.from_slice(new.to_bytes(Order::Pds)).unwrap();
    assert_eq!(common::summaries(&repo).unwrap(), common::summaries(&whole).unwrap());
}

#[test]
fn a_store_is_loaded_without_a_commit_and_with_the_settings_of_its_loader() {
    let kit = two().0;
    let mut car = kit.to_car(Order::Pds);
    car.remove(&kit.commit_cid());
    let car = car.to_bytes();
    assert!(Repo::from_slice(&car).is_err());
    let store = Loader::new().load_slice(&car).unwrap();
    assert_eq!(store.stats(), Loader::new().load_reader(&car[..]).unwrap().stats());
    assert_eq!(store.header().root(), common::cid(&kit.commit_cid()));
    let small = Loader::new().limits(carwalk::Limits::new().max_block_len(10));
    for error in [small.load_slice(&car).unwrap_err(), small.load_reader(&car[..]).unwrap_err()] {
        assert_eq!(error.class(), ErrorClass::Limit);
    }
    for len in 0..car.len() {
        let found = Loader::new().load_slice(&car[..len]).map(|store| store.stats().bytes);
        if let Ok(bytes) = found {
            assert_eq!(bytes, len as u64);
        }
    }
}
