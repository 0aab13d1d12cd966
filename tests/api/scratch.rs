//! Loads and walks that share memory.

use carwalk::{ErrorKind, LoadScratch, Loader, Verification};
use carwalk_testkit::export::{Export, Order};
use carwalk_testkit::repo::{Order as BlockOrder, Record, Repo};
use carwalk_testkit::{breakage, legal, random};

use crate::common::rows;

/// Good and hostile CARs in turn: a good one after each hostile one.
fn cars() -> Vec<Vec<u8>> {
    let good = (0..40).map(|seed| random::repo(seed, 200).car);
    let hostile = breakage::all().map(|breakage| breakage.make().broken);
    let odd = legal::all().map(|oddity| oddity.make());
    let bad = hostile.chain(odd).collect::<Vec<_>>();
    let good = good.collect::<Vec<_>>();
    bad.into_iter().zip(good.iter().cycle()).flat_map(|(bad, good)| [bad, good.clone()]).collect()
}

#[test]
fn a_scratch_changes_no_result() {
    let loaders = [
        Loader::new(),
        Loader::new().verification(Verification::ReachedBlocks),
        Loader::new().salvage(true).threads(2),
    ];
    let mut scratch = LoadScratch::new();
    for car in cars() {
        for loader in &loaders {
            let fresh = loader.from_slice(&car).and_then(|repo| rows(&repo));
            let reused = loader.from_slice_in(&mut scratch, &car).and_then(|repo| rows(&repo));
            assert_eq!(format!("{fresh:?}"), format!("{reused:?}"));
        }
    }
}

/// Walks of one repository, and repositories of one scratch, may be in use at the same time.
#[test]
fn repositories_and_walks_may_overlap() {
    let cars: Vec<_> = (0..4).map(|seed| random::repo(seed, 100).car).collect();
    let (loader, mut scratch) = (Loader::new(), LoadScratch::new());
    let expected: Vec<_> =
        cars.iter().map(|car| rows(&loader.from_slice(car).unwrap()).unwrap()).collect();
    for _ in 0..3 {
        let repos: Vec<_> =
            cars.iter().map(|car| loader.from_slice_in(&mut scratch, car).unwrap()).collect();
        for (repo, expected) in repos.iter().zip(&expected) {
            let pairs = repo.records().zip(repo.records());
            for (number, (one, other)) in pairs.enumerate() {
                assert_eq!(one.unwrap().path().as_str().as_bytes(), expected[number].0);
                assert_eq!(other.unwrap().cid(), expected[number].1);
            }
            let half: Vec<_> = repo.records().take(expected.len() / 2).collect();
            assert_eq!(half.len(), expected.len() / 2);
            assert_eq!(&rows(repo).unwrap(), expected);
        }
    }
}

#[test]
fn a_repository_outlives_its_scratch() {
    let car = random::repo(1, 50).car;
    let mut scratch = LoadScratch::new();
    let repo = Loader::new().from_slice_in(&mut scratch, &car).unwrap();
    drop(scratch);
    assert_eq!(rows(&repo).unwrap(), rows(&Loader::new().from_slice(&car).unwrap()).unwrap());
}

/// The notes and the index of so many blocks take more than a scratch keeps.
#[test]
fn a_scratch_gives_back_what_a_large_repository_took() {
    let most = 2 << 20;
    let mut car = Vec::new();
    Export { records: 150_000, seed: 1, order: Order::Pds }.write_to(&mut car).unwrap();
    let (loader, mut scratch) = (Loader::new(), LoadScratch::new());
    let repo = loader.from_slice_in(&mut scratch, &car).unwrap();
    assert_eq!(repo.entries().try_count().unwrap(), 150_000);
    drop(repo);
    assert!(scratch.bytes_held() <= most, "{}", scratch.bytes_held());
    let small = random::repo(1, 50).car;
    let repo = loader.from_slice_in(&mut scratch, &small).unwrap();
    rows(&repo).unwrap();
    drop(repo);
    let held = scratch.bytes_held();
    assert!(held > 0 && held <= most, "{held}");
}

/// A walk remembers the digests of blocks of 1 KiB or more. The next walk must not use them: its
/// block may have the same CID and other bytes.
#[test]
fn a_scratch_forgets_the_digests_of_the_repository_before() {
    let key = b"com.example.test/large";
    let record = Record::new(key.repeat(100));
    let good = Repo::new([(key.to_vec(), record)]).to_bytes(BlockOrder::Preorder);
    // In this order, the record is the last block.
    let mut damaged = good.clone();
    *damaged.last_mut().unwrap() ^= 1;
    let loader = Loader::new().verification(Verification::ReachedBlocks);
    let mut scratch = LoadScratch::new();
    for _ in 0..2 {
        let repo = loader.from_slice_in(&mut scratch, &good).unwrap();
        assert_eq!(rows(&repo).unwrap().len(), 1);
        let repo = loader.from_slice_in(&mut scratch, &damaged).unwrap();
        let error = rows(&repo).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::HashMismatch { .. }), "{error}");
    }
}

/// The buffers that an earlier walk left do not count against the limit of the next.
#[test]
fn a_scratch_changes_no_result_of_a_limited_walk() {
    let records = (0..1_000_u32).map(|number| {
        let key = format!("com.example.test/{number:06}").into_bytes();
        (key.clone(), Record::new([key, vec![7; 1_500]].concat()))
    });
    let many = Repo::new(records).to_bytes(BlockOrder::Preorder);
    let small = random::repo(1, 50).car;
    let loader = Loader::new().verification(Verification::ReachedBlocks);
    let limited = |repo: &carwalk::Repo<_>| {
        let mut walk = repo.walk().memory_limit(64 << 10).start();
        let mut count = 0;
        while walk.next_event().unwrap().is_some() {
            count += 1;
        }
        count
    };
    let expected = limited(&loader.from_slice(&small[..]).unwrap());
    let mut scratch = LoadScratch::new();
    let repo = loader.from_slice_in(&mut scratch, &many[..]).unwrap();
    assert_eq!(rows(&repo).unwrap().len(), 1_000);
    drop(repo);
    let repo = loader.from_slice_in(&mut scratch, &small[..]).unwrap();
    assert_eq!(limited(&repo), expected);
}

/// A walk that verifies blocks remembers the digests of blocks of 1 KiB or more. Those of so many
/// take more than a scratch keeps.
#[test]
fn a_scratch_gives_back_what_a_walk_over_large_records_took() {
    let records = (0..12_000_u32).map(|number| {
        let key = format!("com.example.test/{number:06}").into_bytes();
        (key.clone(), Record::new([key, vec![7; 1_100]].concat()))
    });
    let many = Repo::new(records).to_bytes(BlockOrder::Preorder);
    let loader = Loader::new().verification(Verification::ReachedBlocks);
    let mut scratch = LoadScratch::new();
    let repo = loader.from_slice_in(&mut scratch, &many[..]).unwrap();
    let walked = rows(&repo).unwrap().len();
    drop(repo);
    assert_eq!(walked, 12_000);
    assert!(scratch.bytes_held() <= 1 << 20, "{}", scratch.bytes_held());
}

#[test]
fn a_lookup_returns_its_buffers() {
    let (loader, mut scratch) = (Loader::new(), LoadScratch::new());
    let car = random::repo(1, 200).car;
    let repo = loader.from_slice_in(&mut scratch, &car[..]).unwrap();
    rows(&repo).unwrap();
    let held = scratch.bytes_held();
    assert!(held > 0);
    repo.get("app.bsky.actor.profile/self").unwrap();
    assert!(scratch.bytes_held() >= held, "{} of {held}", scratch.bytes_held());
}
