//! CARs with several commits.

use carwalk::store::{CarStore, MemoryStore, SliceStore, commits};
use carwalk::{Cid, CommitRules, ErrorClass, Loader, Verification};
use carwalk_testkit::car::Car;
use carwalk_testkit::repo::{Order, Repo as KitRepo};

use crate::common::cid;

/// Two revisions of a repository.
fn revisions() -> (KitRepo, KitRepo) {
    (KitRepo::sample(["a.b/c"]), KitRepo::sample(["a.b/c", "a.b/d"]))
}

/// The newer one, and then the older one twice.
fn car() -> Car {
    let (old, new) = revisions();
    let mut car = new.to_car(Order::Preorder);
    car.sections.extend(old.to_car(Order::Preorder).sections);
    car.sections.extend(old.to_car(Order::Preorder).sections);
    car
}

#[track_caller]
fn listed<S: CarStore>(store: &S) -> Vec<Cid> {
    let commits = commits(store, CommitRules::Current);
    commits.map(|commit| commit.map(|commit| commit.cid())).collect::<Result<_, _>>().unwrap()
}

#[test]
fn a_commit_among_several_can_be_listed_and_opened() {
    let (mut car, (old, new)) = (car(), revisions());
    let bytes = car.to_bytes();
    let (old, new) = (cid(&old.commit_cid()), cid(&new.commit_cid()));
    assert_eq!(listed(&SliceStore::new(&bytes).unwrap()), [new, old]);
    assert_eq!(listed(&MemoryStore::new(&bytes[..]).unwrap()), [new, old]);
    for (cid, records) in [(new, 2), (old, 1)] {
        let loader = Loader::new().commit(cid);
        assert_eq!(loader.from_slice(&bytes).unwrap().records().try_count().unwrap(), records);
        assert_eq!(loader.from_reader(&bytes[..]).unwrap().commit().cid(), cid);
        assert_eq!(loader.peek_commit(&bytes[..]).unwrap().cid(), cid);
    }
    // However often it is repeated, it is read once.
    let repeated: Vec<_> = car.sections.iter().cycle().take(5000).cloned().collect();
    car.sections.extend(repeated);
    assert_eq!(listed(&SliceStore::new(car.to_bytes()).unwrap()), [new, old]);
    let none = Cid::of(carwalk::cid::Codec::DagCbor, b"none");
    let error = Loader::new().commit(none).from_slice(&bytes).unwrap_err();
    assert_eq!((error.class(), error.cid()), (ErrorClass::Missing, Some(&none)));
}

/// Bytes that are a commit, under the CID of another one.
#[test]
fn a_commit_with_other_bytes_is_left_out() {
    let (mut car, (old, new)) = (car(), revisions());
    let third = KitRepo::sample(["a.b/e"]);
    // The second has a good section later; the third has none.
    let mut sections = Car::new(&[]);
    sections.push(old.commit_cid(), &new.commit_block());
    sections.push(third.commit_cid(), &old.commit_block());
    car.sections.splice(1..1, sections.sections);
    let bytes = car.to_bytes();
    let (old, new) = (cid(&old.commit_cid()), cid(&new.commit_cid()));
    let loader = Loader::new().verification(Verification::ReachedBlocks);
    let repo = loader.from_slice(&bytes).unwrap();
    assert_eq!(listed(repo.store()), [new, old]);
    assert_eq!(listed(loader.from_reader(&bytes[..]).unwrap().store()), [new, old]);
    #[cfg(feature = "redb")]
    {
        let bounded = loader.clone().memory_limit(0);
        let file = bounded.spill(&bytes[..], carwalk::store::SpillFile::temporary()).unwrap();
        assert_eq!(listed(file.store()), [new, old]);
    }
    let error = loader.commit(cid(&third.commit_cid())).from_slice(&bytes).unwrap_err();
    assert_eq!(error.class(), ErrorClass::Invalid, "{error}");
    // Where every block is verified, there is no such store.
    assert_eq!(SliceStore::new(&bytes).unwrap_err().class(), ErrorClass::Invalid);
}

#[cfg(feature = "redb")]
#[test]
fn a_commit_among_several_is_opened_in_a_file() {
    use carwalk::store::{AnyStore, RedbStore, SpillFile};

    let (car, (old, new)) = (car().to_bytes(), revisions());
    let (old, new) = (cid(&old.commit_cid()), cid(&new.commit_cid()));
    let file = RedbStore::new(&car[..], SpillFile::temporary()).unwrap();
    assert_eq!(listed(&file), [new, old]);
    for (cid, records) in [(new, 2), (old, 1)] {
        for limit in [0, 1 << 20] {
            let loader = Loader::new().commit(cid).memory_limit(limit);
            let spilled = loader.spill(&car[..], SpillFile::temporary()).unwrap();
            assert_eq!(spilled.commit().cid(), cid);
            assert_eq!(spilled.records().try_count().unwrap(), records);
            assert_eq!(listed(spilled.store()), [new, old]);
            let loaded = loader.from_reader(&car[..]).unwrap();
            let any = loaded.or_spill(SpillFile::temporary()).unwrap();
            assert_eq!(matches!(any.store(), AnyStore::File(_)), limit == 0);
            assert_eq!(any.commit().cid(), cid);
            assert_eq!(any.records().try_count().unwrap(), records);
            assert_eq!(listed(any.store()), [new, old]);
        }
    }
    let none = Cid::of(carwalk::cid::Codec::DagCbor, b"none");
    let loader = Loader::new().commit(none).memory_limit(0);
    let errors = [
        loader.spill(&car[..], SpillFile::temporary()).map(drop),
        loader.from_reader(&car[..]).unwrap().or_spill(SpillFile::temporary()).map(drop),
    ];
    for error in errors.map(Result::unwrap_err) {
        assert_eq!((error.class(), error.cid()), (ErrorClass::Missing, Some(&none)), "{error}");
    }
}
