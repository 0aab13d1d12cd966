//! Trees that are built from entries and closed subtrees.

use std::collections::BTreeMap;

use carwalk::error::KeyInterval;
use carwalk::limits::MAX_KEY_LEN;
use carwalk::mst::{Builder, Event, Layer, Node as ParsedNode};
use carwalk::store::{CarStore, SliceStore};
use carwalk::{Cid, ErrorClass, ErrorKind, Repo, Result, Tree};
use carwalk_testkit::cases;
use carwalk_testkit::key;
use carwalk_testkit::random;
use carwalk_testkit::rng::Rng;
use carwalk_testkit::tree::{self, Link, Node};

use crate::common::cid;

/// The keys of a tree with the CIDs of their records.
type Entries = BTreeMap<Vec<u8>, carwalk_testkit::cid::Cid>;

/// What a builder is given.
#[derive(Clone, Debug, PartialEq)]
enum Item {
    Entry { key: Vec<u8>, record: Cid },
    Subtree { cid: Cid, layer: u8, interval: KeyInterval },
}

/// What a builder returns: the root, or the CID of the node that it needs.
#[derive(Clone, Debug, PartialEq)]
enum Built {
    Root(Cid),
    Needs(Cid),
}

/// A node that was passed to the sink: its CID, its layer and its block.
type Finished = (Cid, u8, Vec<u8>);

fn build(items: &[Item]) -> Result<(Cid, Vec<Finished>)> {
    let mut nodes = Vec::new();
    let mut tree = Builder::new(|cid, layer, block| {
        nodes.push((*cid, layer.get(), block.to_vec()));
        Ok(())
    });
    for item in items {
        match item {
            Item::Entry { key, record } => tree.entry(key, *record)?,
            Item::Subtree { cid, layer, interval } => {
                let KeyInterval { lower, upper } = interval;
                let interval = KeyInterval { lower: lower.as_deref(), upper: upper.as_deref() };
                tree.subtree(*cid, layer_of(*layer), interval)?;
            }
        }
    }
    let root = tree.finish()?;
    Ok((root, nodes))
}

/// The layer with a number, from a key that has it.
fn layer_of(number: u8) -> Layer {
    let keys = (0_u32..).map(|seed| Layer::of(&seed.to_be_bytes()));
    keys.into_iter().find(|layer| layer.get() == number).unwrap()
}

fn outcome(items: &[Item]) -> Built {
    match build(items) {
        Ok((root, _)) => Built::Root(root),
        Err(error) => {
            assert!(matches!(error.kind(), ErrorKind::NeedsNode), "{error}");
            assert_eq!(error.class(), ErrorClass::Missing);
            Built::Needs(*error.cid().unwrap())
        }
    }
}

/// Random keys, of which some have the same long prefix.
fn entries(rng: &mut Rng, max: usize) -> Entries {
    let record = |rng: &mut Rng| carwalk_testkit::cid::Cid::dag_cbor(&rng.next_u64().to_be_bytes());
    (0..rng.below(max + 1)).map(|_| (random::path(rng), record(rng))).collect()
}

fn tree_of(entries: &Entries) -> Node {
    tree::build(entries)
}

/// Appends the items of a node. Each subtree below it is closed if `closes` says so.
fn push_items(
    node: &Node,
    layer: u8,
    (lower, upper): (Option<&[u8]>, Option<&[u8]>),
    closes: &mut dyn FnMut(&Cid) -> bool,
    items: &mut Vec<Item>,
) {
    let key = |number: usize| node.entries.get(number).map(|entry| entry.key.as_slice());
    for (number, link) in node.links().enumerate() {
        if let Some(before) = number.checked_sub(1) {
            let entry = &node.entries[before];
            let record = cid(&entry.value_cid().unwrap());
            items.push(Item::Entry { key: entry.key.clone(), record });
        }
        let bounds = (number.checked_sub(1).and_then(key).or(lower), key(number).or(upper));
        if let Some(below) = link.node() {
            let cid = cid(&below.cid());
            if closes(&cid) {
                let interval = KeyInterval { lower: bounds.0, upper: bounds.1 }.to_owned();
                items.push(Item::Subtree { cid, layer: layer - 1, interval });
            } else {
                push_items(below, layer - 1, bounds, closes, items);
            }
        }
    }
}

/// The layer of the root: that of its keys.
fn height(entries: &Entries) -> u8 {
    entries.keys().map(|key| Layer::of(key).get()).max().unwrap_or(0)
}

fn items(entries: &Entries, mut closes: impl FnMut(&Cid) -> bool) -> Vec<Item> {
    let mut items = Vec::new();
    let root = tree_of(entries);
    push_items(&root, height(entries), (None, None), &mut closes, &mut items);
    items
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

/// Whether two keys of an interval's neighbourhood make a closed subtree change: the definition,
/// item by item.
fn is_in_conflict(items: &[Item], number: usize) -> bool {
    let Item::Subtree { layer, interval, .. } = &items[number] else { return false };
    // An entry of a higher layer ends the span.
    let ends_span =
        |item: &&Item| matches!(item, Item::Entry { key, .. } if Layer::of(key).get() > *layer);
    let is_alone = |item: Option<&Item>| item.is_none_or(|item| ends_span(&item));
    let before = number.checked_sub(1).and_then(|before| items.get(before));
    let is_split =
        items.iter().any(|item| matches!(item, Item::Entry { key, .. } if interval.contains(key)));
    is_split || !is_alone(before) || !is_alone(items.get(number + 1))
}

/// The subtree that the error names: of the highest layer, and of these the first.
fn named(items: &[Item]) -> Option<Cid> {
    let conflicts = (0..items.len()).filter(|&number| is_in_conflict(items, number));
    let layer = |number: usize| match &items[number] {
        Item::Subtree { layer, .. } => *layer,
        Item::Entry { .. } => unreachable!(),
    };
    let highest = conflicts.clone().map(layer).max()?;
    let first = conflicts.into_iter().find(|&number| layer(number) == highest)?;
    match &items[first] {
        Item::Subtree { cid, .. } => Some(*cid),
        Item::Entry { .. } => None,
    }
}

fn expected(items: &[Item], all: &Entries) -> Built {
    let revealed = (1..=items.len()).find_map(|len| named(&items[..len]));
    match (revealed, items) {
        (Some(cid), _) => Built::Needs(cid),
        (None, [Item::Subtree { cid, layer: 1.., .. }]) => Built::Needs(*cid),
        _ => Built::Root(cid(&tree_of(all).cid())),
    }
}

/// Changes entries at random: removes some, gives some another record, and adds keys, also inside
/// the intervals of closed subtrees, before or after them. Returns the entries of the new tree.
fn change(rng: &mut Rng, entries: &Entries, items: &mut Vec<Item>) -> Entries {
    let mut all = entries.clone();
    for _ in 0..rng.below(4) {
        let visible: Vec<usize> = (0..items.len())
            .filter(|&number| matches!(items[number], Item::Entry { .. }))
            .collect();
        let record = carwalk_testkit::cid::Cid::dag_cbor(&rng.next_u64().to_be_bytes());
        match (rng.below(3), visible.is_empty()) {
            (0, false) => {
                let Item::Entry { key, .. } = items.remove(*rng.pick(&visible)) else { panic!() };
                all.remove(&key);
            }
            (1, false) => {
                let number = *rng.pick(&visible);
                let Item::Entry { key, record: old } = &mut items[number] else { panic!() };
                *old = cid(&record);
                all.insert(key.clone(), record);
            }
            _ => {
                let key = random::path(rng);
                if all.contains_key(&key) {
                    continue;
                }
                let is_before = |item: &Item| match item {
                    Item::Entry { key: other, .. } => *other < key,
                    Item::Subtree { interval, .. } if interval.contains(&key) => rng.chance(1, 2),
                    Item::Subtree { interval, .. } => {
                        interval.upper.as_deref().is_some_and(|upper| upper <= &key[..])
                    }
                };
                let place = items.partition_point_by(is_before);
                items.insert(place, Item::Entry { key: key.clone(), record: cid(&record) });
                all.insert(key, record);
            }
        }
    }
    all
}

trait PartitionPointBy<T> {
    fn partition_point_by(&self, is_before: impl FnMut(&T) -> bool) -> usize;
}

impl<T> PartitionPointBy<T> for Vec<T> {
    fn partition_point_by(&self, mut is_before: impl FnMut(&T) -> bool) -> usize {
        self.iter().position(|item| !is_before(item)).unwrap_or(self.len())
    }
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
        let record = carwalk_testkit::cid::Cid::dag_cbor(&rng.next_u64().to_be_bytes());
        if all.contains_key(&key) {
            continue;
        }
        all.insert(key.clone(), record);
        let place = items.partition_point_by(|item| match item {
            Item::Entry { key: other, .. } => *other < key,
            Item::Subtree { interval, .. } => {
                interval.upper.as_deref().is_some_and(|upper| upper <= &key[..])
            }
        });
        items.insert(place, Item::Entry { key, record: cid(&record) });
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
    let mut tree = Builder::new(|_, _, _| Ok(()));
    tree.subtree(record(), leaf, between("a", "d")).unwrap();
    assert!(is_argument(tree.subtree(record(), leaf, between("c", "e"))));
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
