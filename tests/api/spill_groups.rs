//! Blocks of one collection are stored together, which changes nothing but the time that it takes.

use crate::common::{details, told};
use carwalk::store::SpillFile;
use carwalk::{Loader, Verification};
use carwalk_testkit::car::{Car, Section};
use carwalk_testkit::cases;
use carwalk_testkit::random;
use carwalk_testkit::rng::Rng;

/// Enough for sixteen groups of short segments.
const MEMORY: u64 = 1 << 20;

/// A random CAR. If copies `differ`, some blocks are there again with other bytes, before or after
/// the good ones, and of one there is no good one.
fn car(seed: u64, differ: bool) -> Vec<u8> {
    let mut rng = Rng::new(seed);
    let mut car = Car::parse(&random::repo(seed, 300).car).unwrap();
    if !differ {
        return car.to_bytes();
    }
    // Bytes of another block tell of another collection.
    let blocks: Vec<_> = car.sections.iter().map(|section| section.data.clone()).collect();
    let other = |cid: &[u8], rng: &mut Rng| Section::new(cid, &blocks[rng.below(blocks.len())]);
    for _ in 0..rng.below(20) {
        let cid = rng.pick(&car.sections).cid.clone();
        car.sections.insert(rng.below(car.sections.len() + 1), other(&cid, &mut rng));
    }
    if rng.chance(1, 2) {
        let cid = rng.pick(&car.sections).cid.clone();
        car.sections.retain(|section| section.cid != cid);
        for _ in 0..rng.range(2, 9) {
            car.sections.insert(rng.below(car.sections.len() + 1), other(&cid, &mut rng));
        }
    }
    car.to_bytes()
}

#[test]
fn spilled_and_kept_stores_tell_what_a_slice_does_in_the_order_of_the_car() {
    let (mut good, mut bad) = (0, 0);
    for seed in 0..cases(6) {
        for verification in
            [Verification::EveryBlock, Verification::ReachedBlocks, Verification::DangerouslyNone]
        {
            let car = car(seed, verification != Verification::EveryBlock);
            let loader = || Loader::new().verification(verification);
            let expected = loader().from_slice(&car[..]).and_then(|repo| told(&repo));
            let folder = tempfile::tempdir().unwrap();
            for segment_len in [0, 300, 2000] {
                let spilled = loader()
                    .memory_limit(MEMORY)
                    .spill(&car[..], SpillFile::temporary().segment_len(segment_len));
                let path = folder.path().join(segment_len.to_string());
                let kept = SpillFile::keep(&path).segment_len(segment_len);
                let opened = loader().memory_limit(MEMORY).spill(&car[..], kept).and_then(|repo| {
                    drop(repo);
                    loader().from_spill_file(&path)
                });
                for repo in [spilled, opened] {
                    match (&expected, repo.and_then(|repo| told(&repo))) {
                        (Ok(expected), Ok(found)) => {
                            assert!(*expected == found, "{seed} {verification:?} {segment_len}")
                        }
                        (Err(expected), Err(found)) => {
                            assert_eq!(details(expected), details(&found), "{seed}")
                        }
                        (expected, found) => {
                            panic!("{seed}: {:?}, {:?}", expected.is_ok(), found.is_ok())
                        }
                    }
                }
            }
            *if expected.is_ok() { &mut good } else { &mut bad } += 1;
        }
    }
    assert!(good > cases(4) && bad > cases(2), "{good}, {bad}");
}
