//! What a builder is given and what it must return: from the nodes of the testkit, and from the
//! definition of a closed subtree, item by item.

use std::collections::BTreeMap;

use carwalk::error::KeyInterval;
use carwalk::mst::{Builder, Layer};
use carwalk::{Cid, ErrorClass, ErrorKind, Result};
use carwalk_testkit::key;
use carwalk_testkit::tree::{self, Node};

use super::cid;

/// The keys of a tree with the CIDs of their records.
pub(crate) type Entries = BTreeMap<Vec<u8>, carwalk_testkit::cid::Cid>;

/// What a builder is given.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Item {
    Entry { key: Vec<u8>, record: Cid },
    Subtree { cid: Cid, layer: u8, interval: KeyInterval },
}

/// What a builder returns: the root, or the CID of the node that it needs.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Built {
    Root(Cid),
    Needs(Cid),
}

/// A node that was passed to the sink: its CID, its layer and its block.
pub(crate) type Finished = (Cid, u8, Vec<u8>);

pub(crate) fn build(items: &[Item]) -> Result<(Cid, Vec<Finished>)> {
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
pub(crate) fn layer_of(number: u8) -> Layer {
    Layer::of(&key::key_at_layer(number, 0))
}

pub(crate) fn outcome(items: &[Item]) -> Built {
    match build(items) {
        Ok((root, _)) => Built::Root(root),
        Err(error) => {
            assert!(matches!(error.kind(), ErrorKind::NeedsNode), "{error}");
            assert_eq!(error.class(), ErrorClass::Missing);
            Built::Needs(*error.cid().unwrap())
        }
    }
}

pub(crate) fn tree_of(entries: &Entries) -> Node {
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
pub(crate) fn height(entries: &Entries) -> u8 {
    entries.keys().map(|key| Layer::of(key).get()).max().unwrap_or(0)
}

pub(crate) fn items(entries: &Entries, mut closes: impl FnMut(&Cid) -> bool) -> Vec<Item> {
    let mut items = Vec::new();
    let root = tree_of(entries);
    push_items(&root, height(entries), (None, None), &mut closes, &mut items);
    items
}

/// Returns whether a closed subtree cannot stay as it is: the definition, item by item.
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
pub(crate) fn named(items: &[Item]) -> Option<Cid> {
    let conflicts = (0..items.len()).filter(|&number| is_in_conflict(items, number));
    let layer = |number: usize| match &items[number] {
        Item::Subtree { layer, .. } => *layer,
        Item::Entry { .. } => panic!(),
    };
    let highest = conflicts.clone().map(layer).max()?;
    let first = conflicts.into_iter().find(|&number| layer(number) == highest)?;
    match &items[first] {
        Item::Subtree { cid, .. } => Some(*cid),
        Item::Entry { .. } => None,
    }
}

pub(crate) fn expected(items: &[Item], all: &Entries) -> Built {
    let revealed = (1..=items.len()).find_map(|len| named(&items[..len]));
    match (revealed, items) {
        (Some(cid), _) => Built::Needs(cid),
        (None, [Item::Subtree { cid, layer: 1.., .. }]) => Built::Needs(*cid),
        _ => Built::Root(cid(&tree_of(all).cid())),
    }
}

/// Inserts an entry. If it lies in the interval of a closed subtree, it comes after the subtree or
/// before it.
pub(crate) fn insert(items: &mut Vec<Item>, key: Vec<u8>, record: Cid, is_after: bool) {
    let is_before = |item: &Item| match item {
        Item::Entry { key: other, .. } => *other < key,
        Item::Subtree { interval, .. } if interval.contains(&key) => is_after,
        Item::Subtree { interval, .. } => {
            interval.upper.as_deref().is_some_and(|upper| upper <= &key[..])
        }
    };
    let place = items.iter().position(|item| !is_before(item)).unwrap_or(items.len());
    items.insert(place, Item::Entry { key, record });
}

/// Removes an entry that is visible. Returns whether it was.
pub(crate) fn remove(items: &mut Vec<Item>, removed: &[u8]) -> bool {
    let is_removed = |item: &Item| matches!(item, Item::Entry { key, .. } if key == removed);
    let len = items.len();
    items.retain(|item| !is_removed(item));
    items.len() < len
}
