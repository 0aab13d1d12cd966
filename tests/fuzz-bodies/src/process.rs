use carwalk::ErrorClass;
use carwalk::process::{Cbor, Value};
use carwalk::store::{CarStore, SpillFile};
use carwalk::{Cid, Loader, Repo, Result};

use crate::choices::Choices;
use crate::common::{self, Summarize, Summary, Told};
use crate::export::Export;
use crate::stores::{Kind, Plan, Way, any_verification, scratch};

/// Processed values are the same while a slice is walked, in memory, after any number of
/// suspensions, in a spill file and in a kept spill file. They are the results of the process
/// function for the records.
pub fn process(data: &[u8]) {
    let mut choices = Choices::new(data);
    let verification = any_verification(&mut choices);
    let salvage = choices.flag();
    let plan = Plan::of(&mut choices);
    // Salvaged CARs are not written to kept spill files.
    let plain =
        || Loader::new().verification(verification).salvage(salvage && plan.kind != Kind::Kept);
    let loader = || common::summarizing(plain());
    let car = Export::of_paths(&mut choices, 24).damaged(&mut choices);

    let records = plain().from_slice(&car[..]).and_then(|repo| common::rows(&repo));
    let expected = loader().from_slice(&car[..]).and_then(|repo| told(&repo));
    if let (Ok(rows), Ok(told)) = (&records, &expected) {
        let summaries =
            rows.iter().map(|(key, cid, record)| (key.clone(), *cid, common::summary(record)));
        assert!(summaries.eq(told.records.iter().cloned()));
    }
    assert_eq!(records.is_ok(), expected.is_ok());
    assert_alike("memory", &expected, loader().from_reader(&car[..]).and_then(|repo| told(&repo)));

    let folder = scratch();
    if plan.kind == Kind::Kept {
        let path = folder.path().join("kept");
        let way = plan.load(loader(), &car, SpillFile::keep(&path));
        assert_eq!(path.exists(), matches!(way, Ok(Way::File(_))));
        drop(way);
        if path.exists() {
            let opened = loader().from_spill_file(&path);
            assert_alike("kept", &expected, opened.and_then(|repo| told(&repo)));
        }
    } else {
        let way = plan.load(loader(), &car, SpillFile::temporary_in(folder.path()));
        assert_alike("file", &expected, way.and_then(told_either));
    }
}

fn told<S: CarStore>(repo: &Repo<S, Summarize>) -> Result<Told<Summary>> {
    common::told_summarized(repo)
}

fn told_either(way: Way<Summarize>) -> Result<Told<Summary>> {
    match way {
        Way::Memory(repo) => told(&repo),
        Way::File(repo) => told(&repo),
    }
}

/// Asserts that the values are the same. Errors may differ: a processed block is no longer a node,
/// even if it was one before.
#[track_caller]
fn assert_alike(way: &str, expected: &Result<Told<Summary>>, found: Result<Told<Summary>>) {
    match (expected, found) {
        (Ok(expected), Ok(found)) => {
            assert!(*expected == found, "{way}: {found:?}, not {expected:?}")
        }
        (Err(expected), Err(found)) => {
            assert_eq!(
                expected.position().offset(),
                found.position().offset(),
                "{way}: {found}, not {expected}"
            );
            assert_eq!(expected.cid(), found.cid(), "{way}");
            assert_eq!(
                expected.class() == ErrorClass::Missing,
                found.class() == ErrorClass::Missing,
                "{way}: {found}, not {expected}"
            );
        }
        (Ok(_), Err(error)) => panic!("{way}: refused: {error}"),
        (Err(error), Ok(_)) => panic!("{way}: accepted, but refused as a slice: {error}"),
    }
}

/// A value that decodes from any bytes encodes to bytes that decode to the same value. Except for
/// CBOR, these are the bytes that it was decoded from.
pub fn processable(data: &[u8]) {
    let Some((kind, data)) = data.split_first() else { return };
    match kind % 12 {
        0 => there_and_back::<(u8, u16, u32, u64, u128, i8, i64)>(data, true),
        1 => there_and_back::<(bool, char, usize, isize)>(data, true),
        2 => there_and_back::<String>(data, true),
        3 => there_and_back::<Cid>(data, true),
        4 => there_and_back::<Vec<u8>>(data, true),
        5 => there_and_back::<Vec<Vec<u16>>>(data, true),
        6 => there_and_back::<Vec<()>>(data, true),
        7 => there_and_back::<Option<Box<[u8; 5]>>>(data, true),
        8 => there_and_back::<Result<(String, Vec<String>), u32>>(data, true),
        9 => there_and_back::<Vec<Option<Result<bool, Vec<char>>>>>(data, true),
        10 => there_and_back::<Cbor<(u64, String, Vec<i32>)>>(data, false),
        _ => there_and_back::<Cbor<Option<Vec<(bool, char)>>>>(data, false),
    }
}

fn there_and_back<T: Value + PartialEq + std::fmt::Debug>(data: &[u8], one_encoding: bool) {
    let mut rest = data;
    let Some(value) = T::decode(&mut rest) else { return };
    let taken = data.strip_suffix(rest).unwrap();
    let mut out = Vec::new();
    if value.encode(&mut out).is_err() {
        // Only a list of many items that take no bytes cannot be encoded.
        assert!(out.len() < 10 && data.len() > 256);
        return;
    }
    if one_encoding {
        assert_eq!(out, taken);
    }
    let mut again = &out[..];
    assert_eq!(T::decode(&mut again), Some(value));
    assert!(again.is_empty());
}
