//! Inputs that fail: what comes before the error, and what is told of them.

use std::collections::HashSet;
use std::fs;

use carwalk::{CommitRules, Limits};
use carwalk_arrow::{InputFailure, OnFailure, Scan, ScanError};
use carwalk_batch::columns::Columns;
use carwalk_batch::{Inputs, Reason, Settings};
use carwalk_testkit::breakage;
use carwalk_testkit::cbor::Value;
use carwalk_testkit::export::{Export, Order};
use carwalk_testkit::repo::{self, Repo};

use crate::common::{Folder, car, count, gzip, number, rows_of, texts};

/// Adds a sound file before and after each file that fails, one for each reason.
fn mixed(folder: &Folder) -> Vec<(String, Reason)> {
    let bad = [
        (&b"{\"error\":\"RepoNotFound\"}"[..], Reason::NotACar),
        (&car(9)[..500], Reason::Truncated),
        (&breakage::case("prefix_not_maximal").broken, Reason::Invalid),
        (&missing(), Reason::Missing),
        (&large_record(), Reason::Limit),
        (&gzip(&car(9))[..100], Reason::Truncated),
        (&legacy(), Reason::Legacy),
    ]
    .map(|(bytes, reason)| (bytes.to_vec(), reason));
    let mut expected = Vec::new();
    folder.write("00.car", &car(3));
    for (at, (bytes, reason)) in bad.into_iter().enumerate() {
        let path = folder.write(&format!("{}.car", 2 * at + 11), &bytes);
        expected.push((path.to_str().unwrap().to_owned(), reason));
        folder.write(&format!("{}.car", 2 * at + 12), &car(3));
    }
    expected
}

fn missing() -> Vec<u8> {
    let mut car = Repo::sample(["a.b.c/1", "a.b.c/2"]).to_car(repo::Order::Preorder);
    car.sections.pop();
    car.to_bytes()
}

fn large_record() -> Vec<u8> {
    let record = repo::Record::new(Value::Bytes(vec![7; 5_000]).encode());
    Repo::new([(b"a.b.c/1".to_vec(), record)]).to_bytes(repo::Order::Preorder)
}

fn legacy() -> Vec<u8> {
    let mut repo = Repo::sample(["a.b.c/1"]);
    repo.rewrite_commit(|mut commit| {
        *commit.at_mut("version") = Value::Uint(2);
        commit.encode()
    });
    repo.to_bytes(repo::Order::Preorder)
}

/// Settings whose limit one input exceeds.
fn settings() -> Settings {
    Settings::new().limits(Limits::new().max_block_len(4_000))
}

fn reasons(failures: &[InputFailure]) -> Vec<(String, Reason)> {
    failures.iter().map(|failure| (failure.path.clone(), failure.reason)).collect()
}

#[test]
fn skipped_inputs_of_every_reason_are_told_with_their_paths() {
    let folder = Folder::new();
    let mut expected = mixed(&folder);
    let mut inputs = folder.inputs();
    inputs.add(folder.path().join("none.car")).unwrap();
    expected.push((folder.path().join("none.car").to_str().unwrap().to_owned(), Reason::Io));
    let seen: HashSet<_> = expected.iter().map(|(_, reason)| reason.name()).collect();
    assert_eq!(seen.len(), 7, "every reason");
    for threads in [1, 4] {
        let scan = Scan::new(inputs.clone())
            .settings(settings())
            .threads(number(threads))
            .on_failure(OnFailure::Skip);
        let mut batches = scan.batches();
        let rows: usize = batches.by_ref().map(|batch| batch.unwrap().num_rows()).sum();
        assert_eq!(rows, 8 * 3);
        let failures = batches.failures();
        assert_eq!(reasons(&failures), expected);
        assert!(failures.iter().all(|failure| failure.rows == 0 && !failure.error.is_empty()));
        assert_eq!(batches.failures_handle().len(), failures.len());
    }
}

#[test]
fn the_first_failure_ends_the_scan_after_the_rows_before_it() {
    let folder = Folder::new();
    let (path, _) = mixed(&folder).remove(0);
    for (threads, batch_rows) in [(1, 1), (4, 2), (4, 65_536)] {
        let scan = folder.scan().threads(number(threads)).batch_rows(number(batch_rows));
        let mut batches = scan.batches();
        let mut rows = 0;
        let error = loop {
            match batches.next().unwrap() {
                Ok(batch) => rows += batch.num_rows(),
                Err(error) => break error,
            }
        };
        assert_eq!(rows, 3);
        assert_eq!((error.path(), error.reason()), (Some(&*path), Some(Reason::NotACar)));
        assert_eq!(error.to_string(), format!("{path}: not_a_car: {}", error.message()));
        assert!(batches.next().is_none() && batches.next().is_none());
        let failures = batches.failures();
        assert_eq!(failures.len(), 1);
        assert_eq!(failures[0].to_string(), error.to_string());
    }
}

#[test]
fn settings_decide_what_fails() {
    let folder = Folder::new();
    folder.write("a.car", &legacy());
    folder.write("b.car", &large_record());
    let accepted = Settings::new().commits(CommitRules::Legacy);
    assert_eq!(count(&folder.scan().settings(accepted)), 2);
    let error = folder.scan().batches().next().unwrap().unwrap_err();
    assert_eq!(error.reason(), Some(Reason::Legacy));
}

#[test]
fn no_rows_of_a_failed_input_are_passed_on_whatever_its_size() {
    let folder = Folder::new();
    folder.write("a.car", &car(5));
    let mut large = Vec::new();
    Export { records: 30_000, seed: 1, order: Order::Preorder }.write_to(&mut large).unwrap();
    folder.write("c.car", &large);
    let mut cut = carwalk_testkit::car::Car::parse(&large).unwrap();
    cut.sections.pop();
    let bad = folder.write("b.car", &cut.to_bytes());
    for threads in [1, 3] {
        let scan = folder.scan().on_failure(OnFailure::Skip).threads(number(threads));
        let mut batches = scan.batches();
        let rows: usize = batches.by_ref().map(|batch| batch.unwrap().num_rows()).sum();
        assert_eq!(rows, 30_005);
        let failures = batches.failures();
        assert_eq!(reasons(&failures), [(bad.to_str().unwrap().to_owned(), Reason::Missing)]);
        assert_eq!(failures[0].rows, 0);
    }
    // The same columns without the missing record do not fail.
    assert_eq!(count(&folder.scan().columns(Columns::NONE)), 60_005);
}

#[test]
fn a_narrow_scan_tells_how_many_rows_of_a_failed_input_it_has() {
    let folder = Folder::new();
    let mut large = Vec::new();
    Export { records: 30_000, seed: 1, order: Order::Preorder }.write_to(&mut large).unwrap();
    let mut cut = carwalk_testkit::car::Car::parse(&large).unwrap();
    cut.sections.pop();
    folder.write("b.car", &cut.to_bytes());
    folder.write("a.car", &car(5));
    folder.write("c.car", &car(5));
    for threads in [1, 3] {
        let scan = folder.scan().on_failure(OnFailure::Skip).threads(number(threads));
        let mut batches = scan.range(carwalk::KeyRange::from("a"..)).batches();
        let found: Vec<_> = batches.by_ref().map(Result::unwrap).collect();
        let failures = batches.failures();
        assert_eq!((failures.len(), failures[0].reason), (1, Reason::Missing));
        let rows = found.iter().map(|batch| batch.num_rows() as u64).sum::<u64>();
        assert!(failures[0].rows > 1_000 && failures[0].rows < 30_000);
        assert_eq!(rows, failures[0].rows + 10);
        let others = texts(&found, "collection");
        assert_eq!(others.iter().filter(|name| *name == "com.example.test").count(), 10);
    }
}

#[test]
fn paths_that_cannot_be_read_are_failures() {
    let folder = Folder::new();
    fs::create_dir(folder.path().join("sub.car")).unwrap();
    folder.write("a.car", &car(2));
    let mut inputs = Inputs::new();
    for name in ["none.car", "a.car"] {
        inputs.add(folder.path().join(name)).unwrap();
    }
    inputs.add_one_of(folder.path().join("sub.car"));
    let scan = Scan::new(inputs).on_failure(OnFailure::Skip);
    let mut batches = scan.batches();
    let rows: Vec<_> = batches.by_ref().flat_map(|batch| rows_of(&batch.unwrap())).collect();
    assert_eq!(rows.len(), 2);
    let failures = batches.failures();
    assert!(failures.iter().all(|failure| failure.reason == Reason::Io), "{failures:?}");
    assert_eq!(failures.len(), 2);
}

#[test]
fn errors_convert_into_those_of_arrow() {
    let mut inputs = Inputs::new();
    inputs.add("no-such.car").unwrap();
    let mut reader = Scan::new(inputs).batches().into_reader();
    let error = reader.next().unwrap().unwrap_err();
    let arrow_schema::ArrowError::ExternalError(source) = &error else { panic!("{error:?}") };
    assert!(matches!(source.downcast_ref(), Some(ScanError::Input(_))), "{error}");
    assert!(reader.next().is_none());
    assert_eq!(reader.get_ref().failures().len(), 1);
}
