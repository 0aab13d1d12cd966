//! Damaged blocks in stores whose blocks were not hashed: reverse walks and proofs find each, like
//! walks in key order.

use crate::common;
use std::collections::BTreeSet;

use crate::common::MapStore;
use carwalk::store::BlockStore;
use carwalk::{Cid, Error, ErrorKind, Loader, Repo, Result, Tree, Verification};
use carwalk_testkit::cases;
use carwalk_testkit::cid::Cid as KitCid;
use carwalk_testkit::random;
use carwalk_testkit::repo::{Order, Record, Repo as KitRepo};

/// Repositories of some shapes; the last has nodes and records from 1 KiB on, whose digests a walk
/// remembers.
fn repos() -> impl Iterator<Item = KitRepo> {
    let large = (0..100).map(|number| {
        let key = format!("com.example.test/{}{number:03}", "a".repeat(200)).into_bytes();
        (key, Record::new(vec![number; 1000 + usize::from(number)]))
    });
    let large = KitRepo::new(large);
    assert!(large.root.blocks().iter().any(|(_, block)| block.len() > 1024));
    (0..cases(6)).map(|seed| random::repo(seed, 40).repo).chain([large])
}

#[track_caller]
fn assert_mismatch(error: &Error, damaged: Cid) {
    assert!(matches!(error.kind(), ErrorKind::HashMismatch { .. }), "{error}");
    assert_eq!(error.cid(), Some(&damaged));
}

/// What comes before the error, and the error.
fn before_error<T>(items: impl Iterator<Item = Result<T>>) -> (Vec<T>, Option<Error>) {
    let (mut before, mut errors) = (Vec::new(), Vec::new());
    for item in items {
        match item {
            Ok(item) => before.push(item),
            Err(error) => errors.push(error),
        }
    }
    assert!(errors.len() <= 1);
    (before, errors.pop())
}

/// From either end the items stop at the block, and what came from both ends is all but what it
/// hides.
#[track_caller]
fn assert_found<S: BlockStore>(
    tree: &Tree<S>,
    damaged: Cid,
    is_node: bool,
    keys: &[(Vec<u8>, KitCid)],
) {
    let keys_of = |records: Vec<carwalk::Record<_>>| {
        records
            .into_iter()
            .map(|record| record.path().as_str().as_bytes().to_vec())
            .collect::<Vec<_>>()
    };
    let (forward, error) = before_error(tree.records());
    assert_mismatch(&error.unwrap(), damaged);
    let (backward, error) = before_error(tree.records().rev());
    assert_mismatch(&error.unwrap(), damaged);
    let (forward, mut backward) = (keys_of(forward), keys_of(backward));
    backward.reverse();
    let all: Vec<_> = keys.iter().map(|(key, _)| key.clone()).collect();
    assert!(forward.len() + backward.len() < all.len());
    assert!(all.starts_with(&forward) && all.ends_with(&backward));

    let (_, error) = before_error(tree.entries().rev());
    assert_eq!(error.is_some(), is_node);
    error.iter().for_each(|error| assert_mismatch(error, damaged));

    let mut records = tree.records();
    let mut back = true;
    let mut taken = 0;
    let error = loop {
        match if back { records.next_back() } else { records.next() } {
            Some(Ok(_)) => taken += 1,
            Some(Err(error)) => break error,
            None => panic!("nothing was said of {damaged}"),
        }
        back = !back;
    };
    assert_mismatch(&error, damaged);
    assert!(taken < all.len() && records.next_back().is_none() && records.next().is_none());
}

#[track_caller]
fn assert_no_proof<S: BlockStore>(repo: &Repo<S>, damaged: Cid, is_node: bool) {
    for records in [true, false] {
        let made = repo.prove().range(..).records(records).write(Vec::new());
        match made {
            Err(error) => assert_mismatch(&error, damaged),
            // Without the records nothing is said of them.
            Ok(_) => assert!(!records && !is_node),
        }
    }
}

/// Each node and record of a repository.
fn blocks(repo: &KitRepo) -> Vec<(KitCid, bool)> {
    let nodes: BTreeSet<_> = repo.root.blocks().into_iter().map(|(cid, _)| cid).collect();
    let records = repo.entries().into_iter().map(|(_, cid)| cid);
    let all: BTreeSet<_> = records.chain(nodes.iter().copied()).collect();
    all.into_iter().map(|cid| (cid, nodes.contains(&cid))).collect()
}

#[test]
fn each_damaged_block_of_a_callers_store_ends_items_in_reverse_and_proofs() {
    let mut damaged = 0;
    for kit in repos() {
        let keys = kit.entries();
        let mut store = MapStore::new(&kit.to_bytes(Order::Preorder));
        for (cid, is_node) in blocks(&kit) {
            let cid = common::cid(&cid);
            store.blocks.get_mut(&cid).unwrap().push(0);
            if !keys.is_empty() {
                assert_found(&Tree::new(&store, common::cid(&kit.root.cid())), cid, is_node, &keys);
            }
            let repo = Repo::from_store(&store, common::cid(&kit.commit_cid())).unwrap();
            assert_no_proof(&repo, cid, is_node);
            store.blocks.get_mut(&cid).unwrap().pop();
            damaged += 1;
        }
        let repo = Repo::from_store(&store, common::cid(&kit.commit_cid())).unwrap();
        assert_eq!(repo.records().rev().filter(Result::is_ok).count(), keys.len());
        repo.prove().range(..).write(Vec::new()).unwrap();
    }
    assert!(damaged > 200, "{damaged}");
}

#[test]
fn each_damaged_block_that_is_hashed_only_when_reached_ends_items_in_reverse_and_proofs() {
    for kit in repos() {
        let (keys, car) = (kit.entries(), kit.to_car(Order::Preorder));
        for (cid, is_node) in blocks(&kit) {
            let mut car = car.clone();
            let index = car.index_of(&cid);
            car.sections[index].data.push(0);
            car.sections[index].fit_length();
            let bytes = car.to_bytes();
            let cid = common::cid(&cid);
            let loader = || Loader::new().verification(Verification::ReachedBlocks);
            let (slice, memory) =
                (loader().from_slice(&bytes).unwrap(), loader().from_reader(&bytes[..]).unwrap());
            if !keys.is_empty() {
                assert_found(slice.tree(), cid, is_node, &keys);
                assert_found(memory.tree(), cid, is_node, &keys);
            }
            assert_no_proof(&slice, cid, is_node);
            assert_no_proof(&memory, cid, is_node);
        }
    }
}
