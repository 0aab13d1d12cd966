use std::collections::BTreeMap;

use carwalk_testkit::cid::Cid as KitCid;

use crate::choices::Choices;
use crate::common::build::{Entries, build, expected, insert, items, outcome, remove};
use crate::common::cid;
use crate::export::any_key;

/// Builds a tree from entries and closed subtrees, after any changes. The result is the root of the
/// tree that is built from all keys, or the subtree that the definition names.
pub fn builder(data: &[u8]) {
    let mut choices = Choices::new(data);
    let old = entries(&mut choices, 40);
    let closed = 1 + choices.below(8);
    let mut items = items(&old, |_| choices.below(closed) == 0);
    let mut new = old.clone();
    for _ in 0..choices.below(6) {
        let key = key_of(&old, &mut choices);
        if new.contains_key(&key) && !remove(&mut items, &key) {
            continue;
        }
        if new.remove(&key).is_none() || choices.flag() {
            let record = record(&mut choices);
            insert(&mut items, key.clone(), cid(&record), choices.flag());
            new.insert(key, record);
        }
    }
    assert_eq!(outcome(&items), expected(&items, &new), "{items:?}");
    let whole = crate::common::build::items(&new, |_| false);
    let (_, nodes) = build(&whole).unwrap();
    assert!(nodes.iter().all(|(_, _, block)| carwalk::mst::Node::parse(block).is_ok()));
}

pub(crate) fn entries(choices: &mut Choices<'_>, max: usize) -> Entries {
    let mut entries = BTreeMap::new();
    for _ in 0..choices.below(max + 1) {
        entries.insert(any_key(choices), record(choices));
    }
    entries.remove(&[][..]);
    entries
}

pub(crate) fn record(choices: &mut Choices<'_>) -> KitCid {
    KitCid::dag_cbor(&[choices.byte()])
}

/// Chooses a key of the tree, or any other key.
pub(crate) fn key_of(entries: &Entries, choices: &mut Choices<'_>) -> Vec<u8> {
    match entries.keys().nth(choices.below(entries.len() + 1)) {
        Some(key) => key.clone(),
        None => any_key(choices),
    }
}
