//! Limits: the first rows, and nothing else is read.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use carwalk_arrow::{OnFailure, Scan};
use carwalk_batch::columns::Columns;
use carwalk_testkit::cbor;
use carwalk_testkit::repo::{self, Repo};

use crate::common::{Folder, batches, car, number, rows};

fn folder() -> Folder {
    let folder = Folder::new();
    for number in 0..60 {
        folder.write(&format!("{number:02}.car"), &car(7));
    }
    folder
}

/// Returns how many files of the folder a scan on one thread reads.
fn files_read(folder: &Folder, scan: &Scan) -> u64 {
    let read = Arc::new(AtomicU64::new(0));
    let meter = Arc::clone(&read);
    let scan = scan.clone().threads(number(1)).meter(move |bytes| {
        meter.fetch_add(bytes, Ordering::Relaxed);
    });
    batches(&scan);
    read.load(Ordering::Relaxed) * 60 / folder.inputs().bytes()
}

#[test]
fn the_first_rows_come_whatever_the_threads_and_batches() {
    let folder = folder();
    let all = rows(&folder.scan());
    for limit in [0, 1, 6, 7, 8, 100, 419, 420, 421, u64::MAX] {
        for (threads, batch_rows) in [(1, 65_536), (4, 65_536), (2, 3)] {
            let scan = folder.scan().threads(number(threads)).batch_rows(number(batch_rows));
            let found = rows(&scan.limit(Some(limit)));
            let expected = all.len().min(usize::try_from(limit).unwrap());
            assert!(found == all[..expected], "{limit}");
        }
    }
}

#[test]
fn a_limit_in_the_middle_of_many_inputs_leaves_none_out() {
    let folder = Folder::new();
    let text = cbor::Value::text("a".repeat(5_000)).encode();
    let records = (0..20).map(|at| {
        let record = [&text[..], &[at]].concat();
        (format!("a.b.c/{at:02}").into_bytes(), repo::Record::new(record))
    });
    let car = Repo::new(records).to_bytes(repo::Order::Pds);
    // Several MiB: more than what is passed on at once.
    for number in 0..100 {
        folder.write(&format!("{number:02}.car"), &car);
    }
    let scan = folder.scan().columns("cid,record_cbor".parse().unwrap());
    let all = rows(&scan);
    for limit in [399, 800, 1_201, 1_999] {
        for threads in [1, 3] {
            let scan = scan.clone().threads(number(threads)).limit(Some(limit as u64));
            assert!(rows(&scan) == all[..limit], "{limit}");
        }
    }
}

#[test]
fn no_more_inputs_are_read_than_the_rows_need() {
    let folder = folder();
    let scan = folder.scan();
    assert_eq!(files_read(&folder, &scan), 60);
    for (limit, files) in [(0, 0), (1, 1), (7, 1), (8, 2), (10, 2)] {
        let scan = scan.clone().limit(Some(limit));
        assert_eq!(files_read(&folder, &scan), files, "{limit}");
        assert_eq!(files_read(&folder, &scan.columns(Columns::NONE)), files, "{limit}");
    }
    // More may wait, but not without bound.
    assert!(files_read(&folder, &scan.limit(Some(35))) < 20);
}

#[test]
fn what_follows_the_last_row_is_not_looked_at() {
    let folder = Folder::new();
    let mut cut = Repo::sample(["a.b.c/1", "a.b.c/2", "a.b.c/3"]).to_car(repo::Order::Preorder);
    cut.sections.pop();
    folder.write("a.car", &cut.to_bytes());
    folder.write("b.car", b"not a CAR");
    let scan = folder.scan().threads(number(1));
    assert_eq!(rows(&scan.clone().limit(Some(2))).len(), 2);
    // A failure before the last row is found.
    let mut failing = scan.clone().limit(Some(3)).batches();
    assert!(failing.next().unwrap().is_err());
    let mut skipping = scan.on_failure(OnFailure::Skip).limit(Some(3)).batches();
    assert!(skipping.next().is_none());
    assert_eq!(skipping.failures().len(), 2);
}
