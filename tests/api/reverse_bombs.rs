//! Nodes crafted to cost a reverse walk work or memory: their keys are assembled from the entries
//! before.

use crate::common::ReverseIf as _;
use crate::common::keys::keys_of;
use crate::common::{self, MapStore};
use carwalk::ErrorClass;
use carwalk::Tree;
use carwalk::mst::Event;
use carwalk_testkit::cid::Cid as KitCid;
use carwalk_testkit::key;
use carwalk_testkit::tree::{Entry, Node};

/// The keys of one layer that make each entry behind them unfold from as many others as can be.
fn deep_keys(count: usize) -> Vec<Vec<u8>> {
    let mut keys: Vec<Vec<u8>> = Vec::new();
    let mut stem = Vec::new();
    while stem.len() < 1020 {
        // Only keys of layer 0 stand in a leaf. A longer step would shorten the chain.
        let next = (b'a'..=b'z')
            .map(|byte| [&stem[..], &[byte]].concat())
            .find(|key| key::layer(key) == 0);
        stem = next.unwrap();
        keys.push(stem.clone());
    }
    let behind = (0u32..).map(|number| [&stem[..], &number.to_be_bytes()[1..]].concat());
    keys.extend(behind.filter(|key| key::layer(key) == 0).take(count - keys.len()));
    keys
}

fn leaf_of(keys: &[Vec<u8>]) -> Node {
    let record = KitCid::dag_cbor(b"record");
    Node::leaf(keys.iter().map(|key| Entry::new(key, record)).collect())
}

/// Asserts that a walk over a node alone comes by these keys, in either order.
#[track_caller]
fn assert_keys_from_both_ends(leaf: &Node, keys: &[Vec<u8>]) {
    let mut store = MapStore::default();
    store.insert(&leaf.cid(), leaf.block());
    let tree = Tree::new(&store, common::cid(&leaf.cid()));
    let walk = || tree.walk().records(false);
    assert!(keys_of(walk()) == keys);
    assert!(keys_of(walk().reverse()).iter().rev().eq(keys));
    let mut last = walk().reverse().start();
    let Some(Event::Entry { entry, .. }) = last.next_event().unwrap() else { panic!() };
    assert_eq!(entry.key(), &keys[keys.len() - 1][..]);
}

/// The steps that this takes are counted beside the code, in `mst/layout.rs`.
#[test]
fn a_node_of_a_megabyte_whose_keys_are_chained_a_thousand_deep_has_them_from_both_ends() {
    let keys = deep_keys(19_500);
    let leaf = leaf_of(&keys);
    assert!(leaf.block().len() > 1 << 20, "{}", leaf.block().len());
    assert_keys_from_both_ends(&leaf, &keys);
}

/// So are these.
#[test]
fn a_node_whose_prefixes_rise_and_fall_has_its_keys_from_both_ends() {
    let stem = [b'a'; 200];
    let ascent = (1..=stem.len()).map(|len| stem[..len].to_vec());
    let descent = (0..stem.len()).rev().flat_map(|len| {
        let stem = &stem[..len];
        (b'b'..=0xff).map(move |byte| [stem, &[byte]].concat())
    });
    let keys: Vec<_> = ascent.chain(descent).filter(|key| key::layer(key) == 0).collect();
    assert!(keys.len() > 20_000 && keys.is_sorted());
    assert_keys_from_both_ends(&leaf_of(&keys), &keys);
}

/// What is noted to unfold keys backwards counts too: four bytes for each entry.
#[test]
fn a_huge_node_in_reverse_stays_within_the_memory_of_the_walk() {
    let count = 5000;
    let leaf = leaf_of(&key::at_layer(0).take(count).collect::<Vec<_>>());
    let mut store = MapStore::default();
    store.insert(&leaf.cid(), leaf.block());
    let tree = Tree::new(&store, common::cid(&leaf.cid()));
    let fits = |reverse, limit| {
        let mut walk = tree.walk().records(false).memory_limit(limit).reverse_if(reverse).start();
        match walk.next_event() {
            Ok(event) => event.is_some(),
            Err(error) if error.class() == ErrorClass::Limit => false,
            Err(error) => panic!("{error}"),
        }
    };
    let least = |reverse| {
        let (mut low, mut high) = (0, 1 << 20);
        while low + 1 < high {
            let middle = u64::midpoint(low, high);
            *if fits(reverse, middle) { &mut high } else { &mut low } = middle;
        }
        high
    };
    let (forward, backward) = (least(false), least(true));
    let more = backward.saturating_sub(forward);
    assert!(
        (4 * count as u64..16 * count as u64).contains(&more),
        "{forward}, in reverse {backward}"
    );
}
