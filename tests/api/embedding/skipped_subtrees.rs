//! Subtrees that a walk skips.

use carwalk::mst::Event;
use carwalk::store::SliceStore;
use carwalk::{Cid, Repo};
use carwalk_testkit::random;
use carwalk_testkit::repo::Repo as KitRepo;
use carwalk_testkit::tree::Step;

use crate::common::{CountingStore, MapStore, ReverseIf, cid};

/// Whether the tests skip what is below a node: some of all nodes below the root.
fn is_skipped(cid: &Cid, depth: usize, one_of: u8) -> bool {
    depth > 0 && cid.digest()[0].is_multiple_of(one_of)
}

/// What a walk forward comes to: the nodes that it shows, and the keys that are in none of the
/// skipped subtrees.
fn expected(kit: &KitRepo, one_of: u8) -> (Vec<Cid>, Vec<Vec<u8>>) {
    let (mut nodes, mut keys, mut skipped) = (Vec::new(), Vec::new(), None);
    for step in kit.root.preorder() {
        let (Step::Node { depth, .. } | Step::Entry { depth, .. }) = step;
        // Entries have the depth of their node.
        let is_node = matches!(step, Step::Node { .. });
        skipped = skipped.filter(|&top| depth > top || (depth == top && !is_node));
        match step {
            _ if skipped.is_some() => {}
            Step::Node { cid: node, .. } => {
                let node = cid(&node);
                skipped = is_skipped(&node, depth, one_of).then_some(depth);
                nodes.push(node);
            }
            Step::Entry { key, .. } => keys.push(key),
        }
    }
    (nodes, keys)
}

#[test]
fn a_subtree_is_skipped_without_reading_it() {
    let random = random::repo(3, 2000);
    for (reverse, one_of) in [(false, 3), (true, 3), (false, 2), (true, 7)] {
        let store = CountingStore::new(SliceStore::new(&random.car).unwrap());
        let repo = Repo::from_store(&store, cid(&random.repo.commit_cid())).unwrap();
        let before = store.gets();
        let mut walk = repo.walk().nodes(true).records(false).reverse_if(reverse).start();
        let (mut nodes, mut keys) = (Vec::new(), Vec::new());
        while let Some(event) = walk.next_event().unwrap() {
            match event {
                Event::Node { cid, depth, .. } => {
                    nodes.push(cid);
                    if is_skipped(&cid, depth, one_of) {
                        walk.skip_subtree();
                        // Once is enough.
                        walk.skip_subtree();
                    }
                }
                Event::Entry { entry, .. } => {
                    keys.push(entry.key().to_vec());
                    walk.skip_subtree();
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(store.gets() - before, nodes.len() as u64, "no node is read that is not shown");
        if reverse {
            keys.reverse();
        }
        let (mut all, rest) = expected(&random.repo, one_of);
        assert!(rest.len() < random.records.len() && rest.len() > 10);
        assert!(keys == rest, "{} keys, expected {}", keys.len(), rest.len());
        nodes.sort_unstable();
        all.sort_unstable();
        assert_eq!(nodes, all);
    }
}

/// A walk that verifies blocks reads ahead, but not once it skips subtrees.
#[test]
fn a_walk_that_skips_subtrees_requests_little_of_them() {
    let car = random::repo(3, 6000).car;
    let plain = Repo::from_slice(&car).unwrap();
    let blocks = plain.stats().distinct_blocks;
    let store = MapStore::new(&car);
    let repo = Repo::from_store(&store, plain.commit().cid()).unwrap();
    let before = store.gets();
    let (mut shown, mut walk) = (0, repo.walk().nodes(true).start());
    while let Some(event) = walk.next_event().unwrap() {
        shown += 1;
        if matches!(event, Event::Node { layer, .. } if layer.get() <= 1) {
            walk.skip_subtree();
        }
    }
    let requested = store.gets() - before;
    // Siblings are read together, and the first ones with what is below them.
    assert!(shown * 3 < blocks && requested < shown + 1000, "{requested} for {shown} of {blocks}");
}
