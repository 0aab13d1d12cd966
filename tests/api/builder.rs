//! Trees that are built from entries and closed subtrees.

use carwalk::error::KeyInterval;
use carwalk::limits::MAX_KEY_LEN;
use carwalk::mst::{Builder, Event, Node as ParsedNode};
use carwalk::store::{CarStore, SliceStore};
use carwalk::{Cid, ErrorClass, ErrorKind, Repo, Result, Tree};
use carwalk_testkit::cid::Cid as KitCid;
use carwalk_testkit::rng::Rng;
use carwalk_testkit::tree::{Link, Node};
use carwalk_testkit::{cases, key, random};

use crate::common::build::{
    Built, Entries, Finished, Item, build, expected, height, insert, items, layer_of, outcome,
    remove, tree_of,
};
use crate::common::cid;

/// Random keys, of which some have the same long prefix.
fn entries(rng: &mut Rng, max: usize) -> Entries {
    let record = |rng: &mut Rng| KitCid::dag_cbor(&rng.next_u64().to_be_bytes());
    (0..rng.below(max + 1)).map(|_| (random::path(rng), record(rng))).collect()
}

fn blocks(node: &Node, layer: u8, out: &mut Vec<Finished>) {
    node.links()
        .filter_map(Link::node)
        .for_each(|below| blocks(below, layer.saturating_sub(1), out));
    out.push((cid(&node.cid()), layer, node.block()));
}

#[test]
fn a_tree_is_rebuilt_from_its_entries_bit_for_bit() {
    for seed in 0..cases(200) {
        let entries = entries(&mut Rng::new(seed), 300);
        let mut expected = Vec::new();
        blocks(&tree_of(&entries), height(&entries), &mut expected);
        let (root, nodes) = build(&items(&entries, |_| false)).unwrap();
        assert_eq!(root, expected.last().unwrap().0, "seed {seed}");
        // In post-order, each once.
        assert_eq!(nodes, expected, "seed {seed}");
        for (_, _, block) in nodes {
            ParsedNode::parse(&block).unwrap();
        }
    }
}

#[test]
fn a_tree_is_rebuilt_from_every_set_of_closed_subtrees() {
    for seed in 0..cases(400) {
        let mut rng = Rng::new(seed);
        let entries = entries(&mut rng, 100);
        let whole = items(&entries, |_| false);
        let parts = 1 + rng.below(6);
        let items = items(&entries, |_| rng.chance(1, parts));
        let (root, nodes) = build(&items).unwrap();
        let mut all = Vec::new();
        blocks(&tree_of(&entries), height(&entries), &mut all);
        assert_eq!(root, all.last().unwrap().0, "seed {seed}");
        assert!(nodes.iter().all(|node| all.contains(node)), "seed {seed}");
        assert_eq!(nodes.len() == all.len(), items == whole, "seed {seed}");
    }
}

/// Changes entries at random: removes some, gives some another record, and adds keys, also inside
/// the intervals of closed subtrees, before or after them. Returns the entries of the new tree.
fn change(rng: &mut Rng, entries: &Entries, items: &mut Vec<Item>) -> Entries {
    let mut all = entries.clone();
    for _ in 0..rng.below(4) {
        let visible: Vec<_> = items
            .iter()
            .filter_map(|item| match item {
                Item::Entry { key, .. } => Some(key.clone()),
                Item::Subtree { .. } => None,
            })
            .collect();
        let key = match visible.is_empty() || rng.chance(1, 3) {
            true => random::path(rng),
            false => rng.pick(&visible).clone(),
        };
        if all.contains_key(&key) && !remove(items, &key) {
            continue;
        }
        if all.remove(&key).is_none() || rng.chance(1, 2) {
            let record = KitCid::dag_cbor(&rng.next_u64().to_be_bytes());
            insert(items, key.clone(), cid(&record), rng.chance(1, 2));
            all.insert(key, record);
        }
    }
    all
}

#[test]
fn a_changed_tree_has_its_root_or_names_the_node_that_is_needed() {
    let mut needed = 0;
    let mut roots = 0;
    for seed in 0..cases(3_000) {
        let mut rng = Rng::new(seed);
        let max = *rng.pick(&[3, 10, 60]);
        let entries = entries(&mut rng, max);
        let parts = 1 + rng.below(5);
        let mut items = items(&entries, |_| rng.chance(1, parts));
        let all = change(&mut rng, &entries, &mut items);
        let expected = expected(&items, &all);
        assert_eq!(outcome(&items), expected, "seed {seed}: {items:?}");
        match expected {
            Built::Root(_) => roots += 1,
            Built::Needs(_) => needed += 1,
        }
    }
    assert!(needed > 300 && roots > 300, "{needed}, {roots}");
}

/// Like a caller without all nodes: descends into a node when the builder needs it.
#[test]
fn opening_the_named_nodes_leads_to_the_root() {
    for seed in 0..cases(300) {
        let mut rng = Rng::new(seed);
        let entries = entries(&mut rng, 80);
        let mut opened = Vec::new();
        // Closed at first: all subtrees below the root. The changes are the same in each round.
        let seed = rng.next_u64();
        let root = loop {
            let mut items = items(&entries, |cid| !opened.contains(cid));
            let all = apply(seed, &entries, &mut items);
            match outcome(&items) {
                Built::Root(root) => {
                    assert_eq!(root, cid(&tree_of(&all).cid()), "seed {seed}");
                    break root;
                }
                Built::Needs(cid) => {
                    assert!(!opened.contains(&cid), "seed {seed}: needed twice");
                    opened.push(cid);
                }
            }
        };
        assert_ne!(opened.first(), Some(&root));
    }
}

/// Adds five keys that do not depend on what is open.
fn apply(seed: u64, entries: &Entries, items: &mut Vec<Item>) -> Entries {
    let mut rng = Rng::new(seed);
    let mut all = entries.clone();
    for _ in 0..5 {
        let key = random::path(&mut rng);
        let record = KitCid::dag_cbor(&rng.next_u64().to_be_bytes());
        if all.contains_key(&key) {
            continue;
        }
        all.insert(key.clone(), record);
        insert(items, key, cid(&record), false);
    }
    all
}

fn record() -> Cid {
    Cid::of(carwalk::cid::Codec::DagCbor, b"\xa0")
}

const ALL: KeyInterval<&[u8]> = KeyInterval { lower: None, upper: None };

fn between<'k>(lower: &'k str, upper: &'k str) -> KeyInterval<&'k [u8]> {
    KeyInterval { lower: Some(lower.as_bytes()), upper: Some(upper.as_bytes()) }
}

fn is_argument(result: Result<()>) -> bool {
    let error = result.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Caller, "{error}");
    matches!(error.kind(), ErrorKind::Argument(_))
}

#[test]
fn keys_out_of_order_and_of_a_wrong_length_are_refused() {
    let tree = || {
        let mut tree = Builder::new(|_, _, _| Ok(()));
        tree.entry(b"b/b", record()).unwrap();
        tree
    };
    tree().entry(b"b/c", record()).unwrap();
    for key in ["", "b/b", "b/a", "b"] {
        assert!(is_argument(tree().entry(key.as_bytes(), record())), "{key:?}");
    }
    tree().entry(&[b'c'; MAX_KEY_LEN], record()).unwrap();
    let error = tree().entry(&[b'c'; MAX_KEY_LEN + 1], record()).unwrap_err();
    assert_eq!(error.class(), ErrorClass::Limit, "{error}");
}

#[test]
fn intervals_out_of_order_are_refused() {
    let key = String::from_utf8(key::key_at_layer(1, 0)).unwrap();
    let leaf = layer_of(0);
    let tree = || {
        let mut tree = Builder::new(|_, _, _| Ok(()));
        tree.subtree(record(), leaf, between("a", &key)).unwrap();
        tree.entry(key.as_bytes(), record()).unwrap();
        tree
    };
    tree()
        .subtree(record(), leaf, KeyInterval { lower: Some(key.as_bytes()), upper: None })
        .unwrap();
    tree().subtree(record(), leaf, between(&key, "z")).unwrap();
    for (lower, upper) in [("z", "z"), ("z", "y"), ("a", "b"), ("a", &key)] {
        assert!(is_argument(tree().subtree(record(), leaf, between(lower, upper))), "{lower}");
    }
    let closed = || {
        let mut tree = Builder::new(|_, _, _| Ok(()));
        tree.subtree(record(), leaf, between("b", "d")).unwrap();
        tree
    };
    assert!(is_argument(closed().subtree(record(), leaf, between("c", "e"))));
    // Overlapping intervals are refused also with an entry between.
    assert!(is_argument(tree().subtree(record(), leaf, between("b", "z"))));
    // An entry below the interval is out of order, one inside it a conflict.
    assert!(is_argument(closed().entry(b"a", record())));
    assert!(is_argument(closed().entry(b"b", record())));
    let error = closed().entry(b"c", record()).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::NeedsNode), "{error}");
    // The CID of a record cannot be that of a node.
    let raw = Cid::of(carwalk::cid::Codec::Raw, b"");
    let error = Builder::new(|_, _, _| Ok(())).subtree(raw, leaf, ALL).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Malformed(_)), "{error}");
}

#[test]
fn a_subtree_alone_is_the_root_only_on_layer_0() {
    let leaf = record();
    let mut tree = Builder::new(|_, _, _| panic!("a node was made"));
    tree.subtree(leaf, layer_of(0), ALL).unwrap();
    assert_eq!(tree.finish().unwrap(), leaf);
    let mut tree = Builder::new(|_, _, _| Ok(()));
    tree.subtree(leaf, layer_of(2), ALL).unwrap();
    let error = tree.finish().unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::NeedsNode), "{error}");
    assert_eq!(error.cid(), Some(&leaf));
}

#[test]
fn after_an_error_every_call_fails() {
    let mut tree = Builder::new(|_, _, _| Ok(()));
    tree.entry(b"b/b", record()).unwrap();
    tree.entry(b"b/a", record()).unwrap_err();
    assert!(is_argument(tree.entry(b"b/c", record())));
    assert!(is_argument(tree.subtree(record(), layer_of(0), between("b/c", "b/d"))));
    assert!(is_argument(tree.finish().map(drop)));
    let mut tree = Builder::new(|_, _, _| Err(carwalk::Error::store("full")));
    let keys = key::ascending(&[0, 1]);
    tree.entry(&keys[0], record()).unwrap();
    let error = tree.entry(&keys[1], record()).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Store(_)), "{error}");
    assert!(is_argument(tree.finish().map(drop)));
}

#[test]
fn a_node_longer_than_the_limit_is_refused() {
    let keys = key::ascending(&[0; 100]);
    let build = |max: u32| {
        let mut longest = 0;
        let mut tree = Builder::new(|_, _, block: &[u8]| {
            longest = longest.max(block.len());
            Ok(())
        })
        .max_block_len(max);
        for key in &keys {
            tree.entry(key, record())?;
        }
        tree.finish()?;
        Ok::<usize, carwalk::Error>(longest)
    };
    let len = u32::try_from(build(u32::MAX).unwrap()).unwrap();
    assert!(build(len).is_ok());
    let error = build(len - 1).unwrap_err();
    assert_eq!(error.class(), ErrorClass::Limit, "{error}");
}

/// The sample is rebuilt from the events of a partial walk, however much of it is missing.
#[test]
fn the_sample_is_rebuilt_from_parts_of_it() {
    let bytes = include_bytes!("../../samples/repo.car");
    let repo = Repo::from_slice(&bytes[..]).unwrap();
    let data = repo.commit().data();
    let sections: Vec<_> = repo.store().sections().map(|head| head.unwrap().cid()).collect();
    for kept in 0..sections.len() {
        let mut car = carwalk::car::Writer::new(Vec::new(), &[data]).unwrap();
        for cid in [data].iter().chain(&sections[..kept]) {
            let block = carwalk::store::BlockStore::get(repo.store(), cid).unwrap().unwrap();
            car.write(*cid, block.bytes).unwrap();
        }
        let tree = Tree::new(SliceStore::new(car.finish().unwrap()).unwrap(), data);
        let mut walk = tree.walk().records(false).partial(true).start();
        let mut builder = Builder::new(|_, _, _| Ok(()));
        while let Some(event) = walk.next_event().unwrap() {
            match event {
                Event::Entry { entry, .. } => builder.entry(entry.key(), entry.cid()).unwrap(),
                Event::MissingSubtree { cid, interval, layer, .. } => {
                    builder.subtree(cid, layer.unwrap(), interval).unwrap();
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(builder.finish().unwrap(), data);
    }
}
