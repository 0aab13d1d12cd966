//! Tests of the number of allocations. They are a program of their own, because the allocator
//! counts them.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests fail by panicking"
)]

use std::io::sink;

use allocation_counter::{AllocationInfo, measure};
use carwalk::store::{BlockStore, Union};
use carwalk::{LoadScratch, Loader, Repo, Streamed, Verification};
use carwalk_testkit::export::{Export, Network, Order};
use carwalk_testkit::repo::{self, Record, Repo as KitRepo};

/// Number of repositories after which a scratch has grown to the usual size.
const FIRST: usize = 100;

fn exports(accounts: usize) -> Vec<Vec<u8>> {
    let network = Network::new(accounts, 1);
    let export = |number| {
        let mut bytes = Vec::new();
        network.write_to(number, Order::Pds, &mut bytes).unwrap();
        bytes
    };
    (0..accounts).map(export).collect()
}

/// Loads and walks a repository. Returns the number of its records.
fn count(loader: &Loader, scratch: &mut LoadScratch, bytes: &[u8]) -> usize {
    let repo = loader.from_slice_in(scratch, bytes).unwrap();
    let mut walk = repo.walk().start();
    let mut records = 0;
    while walk.next_event().unwrap().is_some() {
        records += 1;
    }
    records
}

/// Returns the number of allocations for each repository after the first ones.
fn allocations(loader: &Loader) -> Vec<u64> {
    let exports = exports(FIRST + 100);
    let mut scratch = LoadScratch::new();
    let counts = exports.iter().map(|bytes| {
        let info = measure(|| {
            assert!(count(loader, &mut scratch, bytes) > 0);
        });
        info.count_total
    });
    counts.collect::<Vec<_>>().split_off(FIRST)
}

#[test]
fn a_repository_in_a_scratch_costs_at_most_three_allocations() {
    let counts = allocations(&Loader::new());
    assert!(counts.iter().all(|&count| count <= 3), "{counts:?}");
}

/// Walks that hash keep more lists, and some repositories are the first with so many of an item.
#[test]
fn a_repository_that_is_hashed_by_its_walk_costs_three_allocations_on_average() {
    let loader = Loader::new().verification(Verification::ReachedBlocks);
    let counts = allocations(&loader);
    let total: u64 = counts.iter().sum();
    assert!(total <= 3 * counts.len() as u64, "{counts:?}");
}

/// Neither before the window of written records is full nor after it does a record cost an
/// allocation besides those of the walk.
#[test]
fn writing_allocates_nothing_per_record() {
    let mut bytes = Vec::new();
    Export { records: 150_000, seed: 1, order: Order::Pds }.write_to(&mut bytes).unwrap();
    let repo = Repo::from_slice(&bytes).unwrap();
    let both = Union::new(vec![repo.store(), repo.store()]);
    let both = Repo::from_store(both, repo.commit().cid()).unwrap();
    for (walked, written) in [
        (walk(&repo), measure(|| assert!(repo.write(sink()).is_ok()))),
        (walk(&both), measure(|| assert!(both.write(sink()).is_ok()))),
    ] {
        // Two lists that double up to the window, and a few bytes before each block.
        assert!(written.count_total < walked + 50, "{written:?}, {walked}");
    }
}

/// Returns the number of allocations of a walk over all blocks.
fn walk<S: BlockStore>(repo: &Repo<S>) -> u64 {
    let info = measure(|| {
        let mut walk = repo.walk().nodes(true).start();
        while walk.next_event().unwrap().is_some() {}
    });
    info.count_total
}

/// Walks over a CAR in pre-order while it is read.
fn one_pass(bytes: &[u8], records: usize) -> AllocationInfo {
    measure(|| {
        let Ok(Streamed::PreOrder(mut walk)) = Loader::new().stream(bytes) else {
            panic!("not in pre-order")
        };
        let mut found = 0;
        while walk.next_event().unwrap().is_some() {
            found += 1;
        }
        assert_eq!(found, records);
    })
}

/// Both exports have more records than are remembered.
#[test]
fn the_memory_of_a_one_pass_walk_does_not_depend_on_the_number_of_records() {
    let [one, two] = [70_000, 140_000].map(|records| {
        let mut bytes = Vec::new();
        Export { records, seed: 1, order: Order::Preorder }.write_to(&mut bytes).unwrap();
        one_pass(&bytes, records)
    });
    for info in [one, two] {
        assert!(info.bytes_max <= 8 << 20, "{info:?}");
        assert!(info.count_total < 2000, "{info:?}");
    }
    // Nearly all lists have grown by then.
    assert!(two.bytes_max <= one.bytes_max + (64 << 10), "{one:?} {two:?}");
    assert!(two.count_total <= one.count_total + 200, "{one:?} {two:?}");
}

#[test]
fn a_one_pass_walk_over_long_blocks_takes_little_memory() {
    let keys = (0..300).map(|number| format!("com.example.test/{number:05}").into_bytes());
    let record = |number: usize| Record::raw(vec![number.to_le_bytes()[0]; (64 << 10) - number]);
    let repo = KitRepo::new(keys.enumerate().map(|(number, key)| (key, record(number))));
    let info = one_pass(&repo.to_bytes(repo::Order::Preorder), 300);
    assert!(info.bytes_max <= 1 << 20, "{info:?}");
}

/// Frames whose `ops`, header, body or unknown field declares much more than there is.
#[cfg(feature = "sync")]
fn declaring_frames() -> Vec<Vec<u8>> {
    use carwalk_testkit::cbor::{Value, head};
    use carwalk_testkit::message::{frame, header};

    let commit = header("#commit");
    let mut frames = Vec::new();
    for number in [1 << 20, 1 << 40, u64::MAX] {
        for major in 2..=5 {
            let huge = Value::Raw(head(major, number));
            frames.push(huge.encode());
            frames.push(frame(&commit, &huge));
            for name in ["ops", "blocks", "unknown"] {
                frames.push(frame(&commit, &Value::map([(name, huge.clone())])));
            }
        }
    }
    // As many items as declared, none of which is an operation.
    let nulls = [head(4, 1 << 20), vec![0xf6; 1 << 20]].concat();
    frames.push(frame(&commit, &Value::map([("ops", Value::Raw(nulls))])));
    frames
}

#[cfg(feature = "sync")]
#[test]
fn a_frame_allocates_nothing_for_what_it_declares() {
    use carwalk::sync::Message;

    for frame in declaring_frames() {
        let info = measure(|| assert!(Message::parse(&frame).is_err()));
        assert!(info.bytes_max < 2_000, "{info:?}");
    }
}

#[cfg(feature = "sync")]
#[test]
fn a_frame_is_parsed_with_one_allocation_for_its_operations() {
    use carwalk::sync::Message;
    use carwalk_testkit::message::{Batch, IdentityMessage, Records};

    let records = |paths: &[&[u8]]| -> Records {
        paths.iter().map(|path| (path.to_vec(), Record::sample(path))).collect()
    };
    let (one, two) = (&b"com.example.test/one"[..], &b"com.example.test/two"[..]);
    let batch = Batch::between(records(&[one]), records(&[one, two]));
    let identity = IdentityMessage { seq: 1, did: "did:web:a.example".into(), handle: None };
    for (frame, count) in
        [(batch.message().frame(), 1), (batch.sync_message().frame(), 0), (identity.frame(), 0)]
    {
        let info = measure(|| assert!(Message::parse(&frame).is_ok()));
        assert_eq!(info.count_total, count, "{info:?}");
    }
}
