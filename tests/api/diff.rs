//! The differences between two trees, and between a tree and rows.

use std::collections::BTreeSet;

use carwalk::error::{ArgumentFault, KeyInterval};
use carwalk::mst::{Change, DiffSide};
use carwalk::store::{BlockStore, MemoryStore, SliceStore};
use carwalk::{Cid, Error, ErrorClass, ErrorKind, Repo, Result, Tree};
use carwalk_testkit::repo::{Order, Record, Repo as KitRepo};
use carwalk_testkit::rng::Rng;
use carwalk_testkit::tree::{self, Link, Node};
use carwalk_testkit::{breakage, cases, key, random};

use crate::common::build::Entries;
use crate::common::changes::{check_partial, expected};
use crate::common::{MapStore, cid};

type KitCid = carwalk_testkit::cid::Cid;

fn random_cid(rng: &mut Rng) -> KitCid {
    KitCid::dag_cbor(&rng.next_u64().to_be_bytes())
}

fn entries(rng: &mut Rng, max: usize) -> Entries {
    (0..rng.below(max + 1)).map(|_| (random::path(rng), random_cid(rng))).collect()
}

/// Another version: some keys removed, some updated, some added.
fn edited(rng: &mut Rng, old: &Entries) -> Entries {
    let mut new = old.clone();
    for _ in 0..rng.below(8) {
        let key = match new.keys().nth(rng.below(new.len() + 1)) {
            Some(key) if rng.chance(2, 3) => key.clone(),
            _ => random::path(rng),
        };
        if rng.chance(1, 3) {
            new.remove(&key);
        } else {
            new.insert(key, random_cid(rng));
        }
    }
    new
}

/// The nodes of a tree as a store, and the CID of its root.
fn store_of(entries: &Entries) -> (MapStore, Cid) {
    let mut store = MapStore::default();
    let root = tree::build(entries);
    for (cid, block) in root.blocks() {
        store.insert(&cid, block);
    }
    (store, cid(&root.cid()))
}

fn nodes_of(entries: &Entries) -> BTreeSet<Cid> {
    tree::build(entries).blocks().iter().map(|(kit, _)| cid(kit)).collect()
}

fn rows(entries: &Entries) -> impl Iterator<Item = Result<(Vec<u8>, Cid)>> {
    entries.iter().map(|(key, kit)| Ok((key.clone(), cid(kit))))
}

#[test]
fn the_changes_lead_from_one_tree_to_the_other() {
    for seed in 0..cases(600) {
        let mut rng = Rng::new(seed);
        let max = *rng.pick(&[2, 20, 300]);
        let old = entries(&mut rng, max);
        let new = if rng.chance(1, 4) { entries(&mut rng, max) } else { edited(&mut rng, &old) };
        let ((old_store, old_root), (new_store, new_root)) = (store_of(&old), store_of(&new));
        let (old_tree, new_tree) =
            (Tree::new(&old_store, old_root), Tree::new(&new_store, new_root));
        let expected = expected(&old, &new);
        for partial in [false, true] {
            let mut diff = old_tree.diff(&new_tree).partial(partial).nodes(true);
            let changes: Vec<_> = diff.by_ref().collect::<Result<_>>().unwrap();
            assert_eq!(changes, expected, "seed {seed}");
            assert!(diff.is_complete() && diff.next().is_none());
            let (created, deleted): (BTreeSet<_>, BTreeSet<_>) =
                (diff.created_nodes().collect(), diff.deleted_nodes().collect());
            let (old_nodes, new_nodes) = (nodes_of(&old), nodes_of(&new));
            assert_eq!(created, &new_nodes - &old_nodes, "seed {seed}");
            assert_eq!(deleted, &old_nodes - &new_nodes, "seed {seed}");
            let from_rows = new_tree.diff_rows(rows(&old)).partial(partial);
            assert_eq!(from_rows.collect::<Result<Vec<_>>>().unwrap(), expected, "seed {seed}");
        }
    }
}

#[test]
fn the_two_sides_may_be_in_different_stores() {
    for seed in 0..cases(30) {
        let (old, new) = (random::repo(seed, 100), random::repo(seed + 1000, 100));
        let entries = |repo: &KitRepo| repo.entries().into_iter().collect::<Entries>();
        let expected = expected(&entries(&old.repo), &entries(&new.repo));
        let (old, new) = (Repo::from_slice(&old.car[..]).unwrap(), new.car);
        fn changes<S: BlockStore>(old: &Repo<SliceStore<&[u8]>>, new: &Repo<S>) -> Vec<Change> {
            old.diff(new).collect::<Result<_>>().unwrap()
        }
        assert_eq!(changes(&old, &Repo::from_reader(&new[..]).unwrap()), expected);
        assert_eq!(changes(&old, &Repo::from_slice(&new[..]).unwrap()), expected);
        #[cfg(feature = "redb")]
        {
            use carwalk::{Loader, store::SpillFile};
            let loader = Loader::new().memory_limit(1 << 20);
            let spilled = loader.spill(&new[..], SpillFile::temporary()).unwrap();
            assert_eq!(changes(&old, &spilled), expected);
        }
    }
}

/// Removes nodes at random. Returns those that are left.
fn without(rng: &mut Rng, store: MapStore, part: usize) -> MapStore {
    let mut kept = store;
    let mut cids: Vec<_> = kept.blocks.keys().copied().collect();
    cids.sort_unstable();
    for cid in cids {
        if rng.chance(1, part) {
            kept.blocks.remove(&cid);
        }
    }
    kept
}

#[test]
fn a_missing_node_makes_the_keys_in_its_interval_unknown_and_no_others() {
    let mut with_gaps = 0;
    for seed in 0..cases(1_500) {
        let mut rng = Rng::new(seed);
        let max = *rng.pick(&[5, 40, 150]);
        let old = entries(&mut rng, max);
        let new = if rng.chance(1, 6) { entries(&mut rng, max) } else { edited(&mut rng, &old) };
        let ((old_store, old_root), (new_store, new_root)) = (store_of(&old), store_of(&new));
        let part = 2 + rng.below(12);
        let (sides, old_part) = (rng.below(3), part);
        let old_store = if sides == 0 { old_store } else { without(&mut rng, old_store, old_part) };
        let new_store = if sides == 1 { new_store } else { without(&mut rng, new_store, part) };
        let (old_tree, new_tree) =
            (Tree::new(&old_store, old_root), Tree::new(&new_store, new_root));
        let all = expected(&old, &new);
        let mut diff = old_tree.diff(&new_tree).partial(true);
        let changes: Vec<_> = diff.by_ref().collect::<Result<_>>().unwrap();
        check_partial(&changes, &all);
        let unknown: Vec<_> =
            changes.iter().filter(|change| change.key().is_none()).cloned().collect();
        assert_eq!(diff.is_complete(), unknown.is_empty());
        for change in &unknown {
            let Change::Unknown { side, node, .. } = change else { panic!() };
            let store = if *side == DiffSide::Old { &old_store } else { &new_store };
            assert!(!store.blocks.contains_key(node), "seed {seed}");
        }
        // Without `partial`, the first missing node that is needed is an error.
        let strict: Result<Vec<_>> = old_tree.diff(&new_tree).collect();
        match unknown.first() {
            None => assert_eq!(strict.unwrap(), all),
            Some(Change::Unknown { node, interval, .. }) => {
                let error = strict.unwrap_err();
                assert_eq!(error.cid(), Some(node), "seed {seed}");
                let ErrorKind::Missing { interval: Some(hidden) } = error.kind() else { panic!() };
                assert_eq!(hidden, interval);
                with_gaps += 1;
            }
            _ => panic!(),
        }
        let from_rows = new_tree.diff_rows(rows(&old)).partial(true);
        check_partial(&from_rows.collect::<Result<Vec<_>>>().unwrap(), &all);
    }
    assert!(with_gaps > 300, "{with_gaps}");
}

#[test]
fn equal_subtrees_are_not_read_even_if_they_are_missing() {
    let mut rng = Rng::new(1);
    let old = entries(&mut rng, 400);
    let (store, root) = store_of(&old);
    let tree = Tree::new(&store, root);
    assert_eq!(tree.diff(&tree).count(), 0);
    assert_eq!(store.gets(), 0);
    let nothing = MapStore::default();
    assert_eq!(tree.diff(&Tree::new(&nothing, root)).count(), 0);
}

/// Ten changes in 20,000 keys read the search paths of these keys, on both sides.
#[test]
fn the_cost_depends_on_the_change() {
    let mut rng = Rng::new(7);
    let old: Entries = (0..20_000_u32)
        .map(|number| (format!("com.example.test/{number:08}").into_bytes(), random_cid(&mut rng)))
        .collect();
    let mut new = old.clone();
    for _ in 0..10 {
        let key = format!("com.example.test/{:08}", rng.below(20_000)).into_bytes();
        new.insert(key, random_cid(&mut rng));
    }
    let ((old_store, old_root), (new_store, new_root)) = (store_of(&old), store_of(&new));
    let changes = Tree::new(&old_store, old_root).diff(&Tree::new(&new_store, new_root)).count();
    assert_eq!(changes, 10);
    let reads = old_store.gets() + new_store.gets();
    assert!(reads <= 10 * 2 * 9, "{reads} nodes");
}

/// Each link can be followed once for each path that leads to it. The bound of the walker holds for
/// a diff, too: each side reads no more nodes than it has links, times the height and one.
#[test]
fn trees_of_shared_subtrees_and_of_nodes_without_entries_cost_no_more_than_their_links() {
    // A chain of nodes without entries, below each of many keys of a high layer.
    let keys = key::ascending(&[3; 40]);
    let leaf_key = key::between(&keys[0], &keys[1], 0);
    let record = KitCid::dag_cbor(b"\xa0");
    let leaf = Node::leaf(vec![tree::Entry::new(&leaf_key, record)]);
    let chain = Node::pass_through(Node::pass_through(leaf));
    let entry = |key: &Vec<u8>| tree::Entry {
        tree: Link::to(chain.clone()),
        ..tree::Entry::new(key, record)
    };
    let root = Node::leaf(keys.iter().map(entry).collect());
    let mut store = MapStore::default();
    root.blocks().into_iter().for_each(|(cid, block)| store.insert(&cid, block));
    let hostile = Tree::new(&store, cid(&root.cid()));
    let (other_store, other_root) = store_of(&entries(&mut Rng::new(3), 100));
    let other = Tree::new(&other_store, other_root);
    let links = 40 + 3;
    for partial in [false, true] {
        for reads in [
            reads_of(&store, || hostile.diff(&other).partial(partial).last()),
            reads_of(&store, || other.diff(&hostile).partial(partial).last()),
            reads_of(&store, || hostile.diff_rows(no_rows()).partial(partial).last()),
        ] {
            assert!(reads <= links * 4, "{reads} nodes");
        }
        // Only the first of the links has a subtree whose keys fit.
        let error = hostile.diff_rows(no_rows()).partial(partial).find_map(Result::err).unwrap();
        assert!(matches!(error.kind(), ErrorKind::Tree(_)), "{error}");
    }
}

fn no_rows() -> impl Iterator<Item = Result<(Vec<u8>, Cid)>> {
    core::iter::empty()
}

fn reads_of<T>(store: &MapStore, run: impl FnOnce() -> T) -> u64 {
    let before = store.gets();
    run();
    store.gets() - before
}

/// For each broken rule of a tree, the diff to no rows finds what a walk finds.
#[test]
fn a_broken_rule_is_the_error_of_a_walk() {
    let (mut broken, mut compared) = (0, 0);
    for breakage in breakage::all() {
        let case = breakage.make();
        let Ok(repo) = Repo::from_slice(&case.broken[..]) else { continue };
        let Some(walked) = repo.entries().find_map(Result::err) else { continue };
        if matches!(walked.kind(), ErrorKind::Path(_)) {
            continue;
        }
        let found = repo.diff_rows(no_rows()).find_map(Result::err).unwrap();
        assert_eq!(found.input(), None);
        assert_eq!(found.to_string(), walked.to_string(), "{}", breakage.name);
        let good = Repo::from_slice(&case.valid[..]).unwrap();
        let count = good.diff_rows(no_rows()).collect::<Result<Vec<_>>>().unwrap().len();
        assert_eq!(count as u64, good.entries().try_count().unwrap());
        broken += 1;
        if good.tree().root() == repo.tree().root() {
            continue;
        }
        // Beside its valid twin, with the number of the side.
        for (old, new, input) in [(&good, &repo, 1), (&repo, &good, 0)] {
            let error = old.diff(new).find_map(Result::err);
            let error = error.unwrap_or_else(|| panic!("{}", breakage.name));
            assert_eq!(error.input(), Some(input));
            assert_eq!(error.to_string(), format!("input {input}: {walked}"), "{}", breakage.name);
        }
        compared += 1;
    }
    assert!(broken > 20 && compared > 20, "{broken} {compared}");
}

#[test]
fn rows_out_of_order_are_refused_with_their_number() {
    let repo = Repo::from_slice(&include_bytes!("../../samples/repo.car")[..]).unwrap();
    let record = Cid::of(carwalk::cid::Codec::DagCbor, b"\xa0");
    let changes = |keys: &[&str]| {
        let rows = keys.iter().map(|key| Ok((key.to_string(), record)));
        repo.diff_rows(rows).collect::<Result<Vec<_>>>()
    };
    assert_eq!(changes(&["a/a", "b/b", "c/c"]).unwrap().len(), 40 + 3);
    for (keys, number) in [(&["a/a", "c/c", "b/b"][..], 3), (&["a/a", "a/a"], 2), (&["", "a/a"], 1)]
    {
        let error = changes(keys).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Caller);
        let ErrorKind::Argument(ArgumentFault::RowOrder { row }) = error.kind() else {
            panic!("{error}")
        };
        assert_eq!(*row, number);
        assert_eq!(
            error.key().unwrap(),
            keys[keys.len() - if number == 1 { 2 } else { 1 }].as_bytes()
        );
    }
    // An error of the rows is passed on, and ends the diff.
    let rows = [Ok(("a/a", record)), Err(Error::store("no connection"))];
    let mut diff = repo.diff_rows(rows);
    assert!(diff.next().unwrap().is_ok());
    assert!(matches!(diff.next().unwrap().unwrap_err().kind(), ErrorKind::Store(_)));
    assert!(diff.next().is_none());
}

#[test]
fn an_empty_tree_needs_no_block() {
    let mut rng = Rng::new(5);
    let old = entries(&mut rng, 20);
    let (store, root) = store_of(&old);
    let empty = cid(&tree::build(&Entries::new()).cid());
    let nothing = MapStore::default();
    let (tree, empty) = (Tree::new(&store, root), Tree::new(&nothing, empty));
    assert_eq!(tree.diff(&empty).filter(|change| change.is_ok()).count(), old.len());
    let created = empty.diff(&tree).collect::<Result<Vec<_>>>().unwrap();
    assert_eq!(created, expected(&Entries::new(), &old));
    assert_eq!(empty.diff(&empty).count(), 0);
}

/// A damaged node is an error also of a partial diff, and is not mistaken for a missing one.
#[test]
fn a_damaged_node_is_an_error_of_a_partial_diff() {
    let repo = KitRepo::new((0..50_u32).map(|number| {
        let key = format!("com.example.test/{number:04}").into_bytes();
        (key.clone(), Record::sample(&key))
    }));
    let bytes = repo.to_bytes(Order::Preorder);
    let store = MemoryStore::new(&bytes[..]).unwrap();
    let good = Repo::from_slice(&bytes[..]).unwrap();
    let mut blocks = MapStore::new(&bytes);
    let data = good.commit().data();
    blocks.blocks.get_mut(&data).unwrap().push(0);
    let (tree, damaged) = (Tree::new(&store, data), Tree::new(&blocks, data));
    // Equal CIDs: nothing is read.
    assert_eq!(tree.diff(&damaged).count(), 0);
    let error = damaged.diff_rows(no_rows()).partial(true).next().unwrap().unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::HashMismatch { .. }), "{error}");
}

#[test]
fn intervals_of_unknown_keys_are_those_of_a_partial_walk() {
    let mut rng = Rng::new(11);
    let entries = entries(&mut rng, 200);
    let (store, root) = store_of(&entries);
    let part = without(&mut rng, store, 4);
    let tree = Tree::new(&part, root);
    let unknown = tree.diff_rows(no_rows()).partial(true).filter_map(|change| match change {
        Ok(Change::Unknown { side: DiffSide::New, node, interval, .. }) => Some((node, interval)),
        _ => None,
    });
    let gaps = tree.walk().gaps().map(|gap| {
        let gap = gap.unwrap();
        (gap.cid, gap.interval)
    });
    let (unknown, gaps): (Vec<(Cid, KeyInterval)>, Vec<_>) = (unknown.collect(), gaps.collect());
    assert!(!gaps.is_empty());
    assert_eq!(unknown, gaps);
}

/// A subtree that both trees have, after an entry that only one of them has: it is not read.
#[test]
fn an_equal_subtree_is_passed_unread_behind_an_entry_of_one_side() {
    let keys = key::ascending(&[1, 0, 0, 1]);
    let mut rng = Rng::new(1);
    let whole: Entries = keys.iter().map(|key| (key.clone(), random_cid(&mut rng))).collect();
    let mut less = whole.clone();
    less.remove(&keys[0]);
    let ((mut whole_store, whole_root), (mut less_store, less_root)) =
        (store_of(&whole), store_of(&less));
    // Only the roots are left.
    whole_store.blocks.retain(|cid, _| *cid == whole_root);
    less_store.blocks.retain(|cid, _| *cid == less_root);
    let (whole_tree, less_tree) =
        (Tree::new(&whole_store, whole_root), Tree::new(&less_store, less_root));
    let changes = |from: &Tree<&MapStore>, to: &Tree<&MapStore>| {
        from.diff(to).collect::<Result<Vec<_>>>().unwrap()
    };
    assert_eq!(changes(&whole_tree, &less_tree), expected(&whole, &less));
    assert_eq!(changes(&less_tree, &whole_tree), expected(&less, &whole));
}
