//! Loads and walks with each hash method of this CPU. They are a program of their own, because the
//! method is forced for the whole process.
#![cfg(feature = "_internals")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]

use carwalk::internals::{HashMethod, force_hash_method};
use carwalk::{ErrorClass, Loader, Repo, Verification};
use carwalk_testkit::export::{Export, Order};

/// The CIDs of all records, loaded with a verification.
fn cids(car: &[u8], verification: Verification) -> carwalk::Result<Vec<carwalk::Cid>> {
    let repo = Loader::new().verification(verification).from_slice(car)?;
    repo.records().map(|record| Ok(record?.cid())).collect()
}

#[test]
fn every_way_to_hash_gives_the_same_records_and_finds_the_same_damage() {
    let mut car = Vec::new();
    Export { records: 2_000, seed: 1, order: Order::Pds }.write_to(&mut car).unwrap();
    let mut damaged = car.clone();
    *damaged.last_mut().unwrap() ^= 1;
    let both = [Verification::EveryBlock, Verification::ReachedBlocks];
    let expected = cids(&car, Verification::EveryBlock).unwrap();
    let mut errors = Vec::new();
    let ways = [HashMethod::Fastest, HashMethod::Single, HashMethod::Avx2, HashMethod::Avx512];
    #[cfg(target_arch = "x86_64")]
    {
        let has_avx512 =
            is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw");
        assert_eq!(force_hash_method(HashMethod::Avx2), is_x86_feature_detected!("avx2"));
        assert_eq!(force_hash_method(HashMethod::Avx512), has_avx512);
    }
    for way in ways.into_iter().filter(|&way| force_hash_method(way)) {
        for verification in both {
            assert_eq!(cids(&car, verification).unwrap(), expected, "{way:?}");
        }
        let error = Repo::from_slice(&damaged).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Invalid, "{way:?}");
        errors.push(error.to_string());
    }
    assert!(errors.len() >= 2 && errors.iter().all(|error| *error == errors[0]), "{errors:?}");
}
