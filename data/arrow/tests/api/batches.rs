//! The iterator: laziness, sizes of batches, dropping, threads.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use arrow_array::RecordBatchReader;
use carwalk::KeyRange;
use carwalk_arrow::{Batches, Failures, Scan, ScanError};
use carwalk_batch::columns::Columns;
use carwalk_testkit::export::{Export, Order};

use crate::common::{Folder, batches, car, count, number, rows, rows_of, texts};

/// A folder of many small files.
fn folder(files: usize, records: usize) -> Folder {
    let folder = Folder::new();
    let car = car(records);
    for number in 0..files {
        folder.write(&format!("{number:04}.car"), &car);
    }
    folder
}

/// Counts the bytes that a scan reads.
fn metered(scan: Scan) -> (Scan, Arc<AtomicU64>) {
    let read = Arc::new(AtomicU64::new(0));
    let meter = Arc::clone(&read);
    let count = move |bytes| {
        meter.fetch_add(bytes, Ordering::Relaxed);
    };
    (scan.meter(count), read)
}

#[test]
fn scans_and_batches_can_go_to_other_threads() {
    fn sent<T: Send>() {}
    fn shared<T: Send + Sync + Clone>() {}
    sent::<Batches>();
    shared::<Scan>();
    shared::<Failures>();
    shared::<Arc<Mutex<Batches>>>();
    shared::<Arc<ScanError>>();
}

#[test]
fn nothing_is_read_before_the_first_batch() {
    let folder = folder(3, 10);
    let (scan, read) = metered(folder.scan());
    drop(scan.batches());
    let mut batches = scan.batches();
    assert_eq!(read.load(Ordering::Relaxed), 0);
    assert_eq!(batches.next().unwrap().unwrap().num_rows(), 30);
    assert!(batches.next().is_none());
    assert_eq!(read.load(Ordering::Relaxed), folder.inputs().bytes());
}

#[test]
fn each_scan_has_the_same_rows_in_the_order_of_the_inputs() {
    let folder = Folder::new();
    for number in 0..40 {
        folder.write(&format!("{number:02}.car"), &car(number));
    }
    let scan = folder.scan();
    let first = rows(&scan);
    assert_eq!(first.len(), (0..40).sum::<usize>());
    for threads in [1, 2, 7] {
        assert_eq!(rows(&scan.clone().threads(number(threads))), first);
    }
}

#[test]
fn small_inputs_fill_batches() {
    let folder = folder(20, 30);
    let lens = |batch_rows: usize| -> Vec<usize> {
        let scan = folder.scan().batch_rows(number(batch_rows));
        batches(&scan).iter().map(|batch| batch.num_rows()).collect()
    };
    assert_eq!(lens(65_536), [600]);
    assert_eq!(lens(70), [vec![70; 8], vec![40]].concat());
    assert_eq!(lens(30), [30; 20]);
    assert_eq!(lens(7), [vec![7; 85], vec![5]].concat());
    assert_eq!(lens(1), [1; 600]);
}

#[test]
fn a_large_input_between_small_ones_keeps_its_place() {
    let folder = Folder::new();
    let mut large = Vec::new();
    Export { records: 20_000, seed: 1, order: Order::Pds }.write_to(&mut large).unwrap();
    folder.write("a.car", &car(10));
    folder.write("b.car", &large);
    folder.write("c.car", &car(10));
    let scan = folder.scan().threads(number(2));
    let found = batches(&scan);
    let collections = texts(&found, "collection");
    assert_eq!(collections.len(), 20_020);
    let own = |name: &String| name == "com.example.test";
    assert!(collections[..10].iter().all(own) && collections[20_010..].iter().all(own));
    assert!(!collections[10..20_010].iter().any(own));
    let few = scan.batch_rows(number(999));
    let again = batches(&few);
    assert!(again.iter().all(|batch| batch.num_rows() <= 999));
    assert_eq!(texts(&again, "rkey"), texts(&found, "rkey"));
}

#[test]
fn nothing_comes_of_no_inputs_and_of_empty_repositories() {
    let folder = folder(3, 0);
    assert!(folder.scan().batches().next().is_none());
    let scan = Scan::new(carwalk_batch::Inputs::new());
    let mut batches = scan.batches();
    assert!(batches.next().is_none() && batches.next().is_none());
    assert!(matches!(batches.poll(Duration::ZERO), Poll::Ready(None)));
}

#[test]
fn polling_waits_no_longer_than_it_is_told() {
    let folder = folder(20, 30);
    let mut batches = folder.scan().batch_rows(number(100)).batches();
    let (mut rows, mut waits) = (0, Duration::ZERO);
    loop {
        match batches.poll(waits) {
            Poll::Pending => waits = Duration::from_millis(10),
            Poll::Ready(Some(batch)) => rows += batch.unwrap().num_rows(),
            Poll::Ready(None) => break,
        }
    }
    assert_eq!(rows, 600);
    assert!(matches!(batches.poll(Duration::MAX), Poll::Ready(None)));
    let mut batches = folder.scan().batches();
    assert!(matches!(batches.poll(Duration::MAX), Poll::Ready(Some(Ok(_)))));
}

#[test]
fn a_consumer_may_stop_at_any_batch() {
    let folder = folder(300, 50);
    let (scan, read) = metered(folder.scan().batch_rows(number(10)));
    for taken in [0, 1, 3] {
        for threads in [1, 4] {
            let mut batches = scan.clone().threads(number(threads)).batches();
            for batch in batches.by_ref().take(taken) {
                assert_eq!(batch.unwrap().num_rows(), 10);
            }
            // Waits for the threads.
            drop(batches);
            let after = read.load(Ordering::Relaxed);
            thread::yield_now();
            assert_eq!(read.load(Ordering::Relaxed), after);
        }
    }
    // Batches that are dropped on another thread, and after their end.
    let batches = scan.batches();
    thread::spawn(move || drop(batches)).join().unwrap();
    let mut batches = scan.batches();
    assert_eq!(batches.by_ref().count(), 1_500);
    drop(batches);
}

#[test]
fn a_panic_on_any_thread_is_an_error() {
    let folder = folder(20, 3);
    for threads in [1, 3] {
        let scan = folder.scan().threads(number(threads)).meter(|_bytes| panic!("of a worker"));
        for mut batches in [scan.batches(), scan.files()] {
            let error = batches.find_map(Result::err).unwrap();
            assert_eq!(error.to_string(), "a thread panicked: of a worker");
            assert!(batches.next().is_none());
        }
        // Nobody asks for the error.
        let mut batches = scan.batches();
        let _ = batches.poll(Duration::ZERO);
    }
}

#[test]
fn two_threads_that_share_batches_have_each_row_once() {
    let folder = folder(50, 40);
    let scan = folder.scan().columns("rkey".parse().unwrap()).batch_rows(number(16));
    let batches = Arc::new(Mutex::new(scan.batches()));
    let take = || {
        let batches = Arc::clone(&batches);
        thread::spawn(move || {
            let mut rows = 0;
            loop {
                let next = batches.lock().unwrap().next();
                match next {
                    Some(batch) => rows += rows_of(&batch.unwrap()).len(),
                    None => return rows,
                }
            }
        })
    };
    let (one, two) = (take(), take());
    assert_eq!(one.join().unwrap() + two.join().unwrap(), 2_000);
}

#[test]
fn a_reader_has_the_batches() {
    let folder = folder(5, 4);
    let scan = folder.scan().columns(Columns::ALL);
    let reader = scan.batches().into_reader();
    assert_eq!(reader.schema(), scan.schema());
    let reader: Box<dyn RecordBatchReader + Send> = Box::new(reader);
    let read: usize = reader.map(|batch| batch.unwrap().num_rows()).sum();
    assert_eq!(read, 20);
    let mut reader = scan.batch_rows(number(15)).batches().into_reader();
    reader.next().unwrap().unwrap();
    assert_eq!(reader.into_inner().next().unwrap().unwrap().num_rows(), 5);
}

#[test]
fn a_range_that_no_key_is_in_is_an_error_of_the_first_batch() {
    let folder = folder(1, 3);
    let scan = folder.scan();
    let range = |range: KeyRange| scan.clone().range(range).batches().next().unwrap();
    for empty in [KeyRange::from("b".."a"), KeyRange::from("a".."a")] {
        let error = range(empty).unwrap_err();
        assert!(matches!(error, ScanError::NoKeys) && error.path().is_none(), "{error}");
    }
    assert_eq!(range(KeyRange::from("a"..)).unwrap().num_rows(), 3);
    let other = scan.clone().collections(["a.b.c"]).unwrap();
    assert_eq!(count(&other), 0);
    let error = other.range(KeyRange::from("b"..)).batches().next().unwrap().unwrap_err();
    assert!(matches!(error, ScanError::NoKeys));
}

#[test]
fn a_collection_that_cannot_be_is_an_error_that_names_it() {
    let scan = Scan::new(carwalk_batch::Inputs::new());
    for name in ["", "a b", "app.bsky.feed.*", "a/b"] {
        let error = scan.clone().collections(["a.b.c", name]).unwrap_err();
        assert!(error.to_string().starts_with(&format!("{name:?} is not ")), "{error}");
        assert_eq!((error.reason(), error.message()), (None, error.to_string()));
    }
    let names: HashSet<_> = ["a.b.c", "d.e.f"].into();
    assert!(scan.collections(names).is_ok());
}

#[cfg(unix)]
#[test]
fn errors_and_limits_do_not_wait_for_a_pipe_that_nobody_writes_to() {
    use std::fs::File;
    use std::process::Command;

    for (contents, limit) in [(b"not a CAR".to_vec(), None), (car(1), Some(1))] {
        let folder = Folder::new();
        let pipe = folder.path().join("pipe");
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let mut inputs = carwalk_batch::Inputs::new();
        inputs.add(folder.write("a.car", &contents)).unwrap();
        inputs.add(&pipe).unwrap();
        let mut batches = Scan::new(inputs).limit(limit).threads(number(2)).batches();
        assert_eq!(batches.next().unwrap().is_ok(), limit.is_some());
        assert!(batches.next().is_none());
        // Dropping waits until the other thread has opened the pipe, if it began to, and read its
        // end.
        let dropping = thread::spawn(move || drop(batches));
        while !dropping.is_finished() {
            drop(File::options().read(true).write(true).open(&pipe).unwrap());
            thread::yield_now();
        }
        dropping.join().unwrap();
    }
}
