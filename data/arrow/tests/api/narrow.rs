//! Scans of some keys and accounts: what is read and verified for them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use carwalk::{KeyRange, Verification};
use carwalk_arrow::Scan;
use carwalk_batch::columns::Columns;
use carwalk_testkit::car::Car;
use carwalk_testkit::cbor::Value;
use carwalk_testkit::commit::{Commit, DID};
use carwalk_testkit::repo::{Order, Repo};

use crate::common::{Folder, batches, count, number, scan_of, texts};

const COLLECTIONS: [&str; 4] = ["a.b.c", "a.b.d", "a.b.e", "a.b.f"];

/// A repository with 30 records in each collection.
fn repo() -> Repo {
    let paths =
        COLLECTIONS.iter().flat_map(|name| (0..30).map(move |at| format!("{name}/{at:03}")));
    Repo::sample(paths)
}

/// Returns how many blocks a scan verifies: with each of them damaged in turn, it fails for these.
fn verified(car: &Car, scan: impl Fn(Scan) -> Scan) -> usize {
    let folder = Folder::new();
    let fails = |at: &usize| {
        let mut damaged = car.clone();
        let last = damaged.sections[*at].data.last_mut().unwrap();
        *last ^= 1;
        let scan = scan(scan_of(&folder, &damaged.to_bytes()));
        scan.batches().any(|batch| batch.is_err())
    };
    (0..car.sections.len()).filter(fails).count()
}

#[test]
fn collections_are_one_walk_in_key_order() {
    let folder = Folder::new();
    let scan =
        scan_of(&folder, &repo().to_bytes(Order::Pds)).columns("collection".parse().unwrap());
    let found =
        |names: &[&str]| texts(&batches(&scan.clone().collections(names).unwrap()), "collection");
    assert_eq!(found(&["a.b.f", "a.b.c", "a.b.f"]), [["a.b.c"; 30], ["a.b.f"; 30]].concat());
    assert!(found(&["a.b"]).is_empty() && found(&[]).is_empty());
    let range = scan.clone().collections(["a.b.d", "a.b.e"]).unwrap();
    let range = range.range(KeyRange::from("a.b.d/020".."a.b.e/005"));
    assert_eq!(count(&range), 15);
    assert_eq!(count(&scan.range(KeyRange::from(.."a.b.c/001"))), 1);
}

#[test]
fn one_collection_of_many_verifies_the_blocks_that_it_reaches() {
    let repo = repo();
    let car = repo.to_car(Order::Preorder);
    let all = car.sections.len();
    let of = |name: &'static str| move |scan: Scan| scan.collections([name]).unwrap();
    // Its records, the commit, and the nodes on the way.
    let nodes = all - 120 - 1;
    let reached = verified(&car, of("a.b.e"));
    assert!(reached > 30 && reached <= 30 + 1 + nodes && reached < all / 2, "{reached} of {all}");
    // Without record columns, no record.
    let without = |scan: Scan| of("a.b.e")(scan).columns("rkey".parse().unwrap());
    assert_eq!(verified(&car, without), reached - 30);
    let ranged = |scan: Scan| scan.range(KeyRange::collection("a.b.e").unwrap());
    assert_eq!(verified(&car, ranged), reached);
    assert!(verified(&car, |scan| scan.limit(Some(1))) < 10);
}

#[test]
fn every_block_is_verified_unless_the_scan_is_narrow_or_told_otherwise() {
    let car = repo().to_car(Order::Preorder);
    let all = car.sections.len();
    assert_eq!(verified(&car, |scan| scan), all);
    assert_eq!(verified(&car, |scan| scan.columns(Columns::NONE)), all);
    assert_eq!(verified(&car, |scan| scan.dids([DID])), all);
    let every = Some(Verification::EveryBlock);
    assert_eq!(verified(&car, |scan| scan.limit(Some(1)).verification(every)), all);
    let reached = Some(Verification::ReachedBlocks);
    let columns: Columns = "rkey".parse().unwrap();
    assert_eq!(verified(&car, |scan| scan.columns(columns).verification(reached)), all - 120);
}

#[test]
fn of_other_accounts_only_the_commit_is_read() {
    let folder = Folder::new();
    let names = ["did:plc:aaaaaaaaaaaaaaaaaaaaaaaa", "did:plc:bbbbbbbbbbbbbbbbbbbbbbbb", DID];
    for (number, did) in names.iter().enumerate() {
        let mut repo = repo();
        repo.commit = Commit::default().set("did", Value::text(*did));
        let mut bytes = repo.to_bytes(Order::Preorder);
        // What follows the commit is damaged in the files of others.
        if number < 2 {
            let end = bytes.len() - 10;
            bytes[end..].fill(0xff);
        }
        folder.write(&format!("{number}.car"), &bytes);
    }
    let scan = folder.scan().columns("did".parse().unwrap());
    assert!(scan.batches().any(|batch| batch.is_err()));
    let wanted = scan.clone().dids([DID, "did:plc:cccccccccccccccccccccccc"]);
    assert_eq!(texts(&batches(&wanted), "did"), [DID; 120]);
    assert_eq!(count(&scan.clone().dids(Vec::<String>::new())), 0);
    assert!(scan.dids(names).batches().any(|batch| batch.is_err()));
}

#[test]
fn skipped_accounts_are_no_failures_and_count_as_read() {
    let folder = Folder::new();
    for number in 0..5 {
        folder.write(&format!("{number}.car"), &repo().to_bytes(Order::Preorder));
    }
    let read = Arc::new(AtomicU64::new(0));
    let meter = Arc::clone(&read);
    let scan = folder.scan().threads(number(1)).dids(["did:plc:other"]).meter(move |bytes| {
        meter.fetch_add(bytes, Ordering::Relaxed);
    });
    let mut batches = scan.batches();
    assert!(batches.next().is_none() && batches.failures().is_empty());
    assert_eq!(read.load(Ordering::Relaxed), folder.inputs().bytes());
}
