//! Reasons of failures.

use std::collections::HashMap;

use carwalk::store::CarStore;
use carwalk::{Loader, Repo};
use carwalk_batch::compressed::Decompressed;
use carwalk_batch::{Failure, Input, Line, Outcome, Reason, Settings, Visit};
use carwalk_testkit::breakage::{self, Fault};

use crate::common::{Count, Folder, car, count, gzip, worker, zstd};

/// Checks the path of each record.
struct Paths;

impl Visit for Paths {
    fn visit<S: CarStore>(&mut self, repo: &Repo<S>, _: &mut Line) -> Result<(), Failure> {
        for record in repo.records() {
            record?.path().check_syntax()?;
        }
        Ok(())
    }
}

#[test]
fn each_breakage_has_the_reason_of_its_fault() {
    let folder = Folder::new();
    let mut seen = HashMap::new();
    for breakage in breakage::all() {
        let case = breakage.make();
        let valid = folder.write("valid.car", &case.valid);
        assert_eq!(count(Settings::new(), &valid).outcome, Outcome::Done, "{breakage:?}");
        let broken = Input::new(folder.write("broken.car", &case.broken));
        let line = match breakage.fault {
            Fault::Path => worker(Settings::new()).process(&broken, &mut Paths),
            _ => worker(Settings::new()).process(&broken, &mut Count),
        };
        let Outcome::Failed(reason) = line.outcome else { panic!("{breakage:?}: {line:?}") };
        let expected: &[Reason] = match breakage.fault {
            Fault::Missing => &[Reason::Missing],
            Fault::Limit => &[Reason::Limit],
            Fault::Truncated => &[Reason::Truncated],
            Fault::Mismatch | Fault::Tree | Fault::Path => &[Reason::Invalid],
            // A malformed header may not look like a header at all.
            Fault::Malformed | Fault::NonCanonical => {
                &[Reason::Invalid, Reason::NotACar, Reason::Legacy]
            }
        };
        assert!(expected.contains(&reason), "{breakage:?}: {line:?}");
        assert!(line.error.is_some_and(|error| !error.contains('\n')));
        *seen.entry(reason).or_insert(0) += 1;
    }
    for reason in [Reason::Missing, Reason::Limit, Reason::Truncated, Reason::Invalid] {
        assert!(seen.contains_key(&reason), "{seen:?}");
    }
}

#[test]
fn what_is_something_else_is_not_a_car() {
    for text in [
        &b"{\"error\":\"RepoNotFound\"}"[..],
        b"<!DOCTYPE html><p>Not found</p>",
        b"Not Found",
        b"upstream connect error or disconnect/reset before headers",
        b"\x0a\xa1\x67version\x02",
        &[0xff; 40],
    ] {
        let failure = Failure::of(&Repo::from_slice(text).unwrap_err(), text);
        assert_eq!(failure.reason(), Reason::NotACar, "{failure:?}");
    }
    // A CAR that is cut in its header still is one.
    let car = car(3);
    for len in 0..58 {
        let cut = &car[..len];
        let failure = Failure::of(&Repo::from_slice(cut).unwrap_err(), cut);
        assert_eq!(failure.reason(), Reason::Truncated, "{len}");
    }
}

#[test]
fn compressed_data_that_is_cut_is_truncated_and_other_damage_is_invalid() {
    let reason = |bytes: &[u8]| {
        let opened = Decompressed::new(bytes, false).map_err(carwalk::Error::from);
        let error = opened.and_then(|plain| Loader::new().from_reader(plain)).unwrap_err();
        Reason::of(&error)
    };
    let car = car(50);
    for packed in [gzip(&car), zstd(&car)] {
        assert_eq!(reason(&packed[..packed.len() - 1]), Reason::Truncated);
        assert_eq!(reason(&[&packed[..], b"more"].concat()), Reason::Invalid);
        assert_eq!(reason(&gzip(&packed)), Reason::Invalid);
    }
    // A zstd frame with a window of 2 GiB.
    assert_eq!(reason(b"\x28\xb5\x2f\xfd\x00\xa8\x01\x00\x00"), Reason::Limit);
}
