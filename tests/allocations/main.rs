//! Tests of the number of allocations. They are a program of their own, because the allocator
//! counts them.
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "tests fail by panicking")]

use std::io::sink;

use allocation_counter::measure;
use carwalk::store::{BlockStore, Union};
use carwalk::{LoadScratch, Loader, Repo, Verification};
use carwalk_testkit::export::{Export, Network, Order};

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
