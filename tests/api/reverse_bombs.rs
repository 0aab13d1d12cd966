//! Nodes made to cost a walk in reverse time or memory: their keys are put together from the
//! entries before.

use crate::common;
use std::time::{Duration, Instant};

use crate::common::MapStore;
use carwalk::Tree;
use carwalk::mst::{Event, Walker};
use carwalk::store::BlockStore;
use carwalk_testkit::cid::Cid as KitCid;
use carwalk_testkit::key;
use carwalk_testkit::tree::{Entry, Node};

fn keys_of<S: BlockStore>(mut walk: Walker<'_, S>) -> Vec<Vec<u8>> {
    let mut keys = Vec::new();
    while let Some(event) = walk.next_event().unwrap() {
        let Event::Entry { entry, .. } = event else { panic!("{event:?}") };
        keys.push(entry.key().to_vec());
    }
    keys
}

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

/// Calls it, and says how long it took.
fn timed<T>(call: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let result = call();
    (result, start.elapsed())
}

/// Each of the keys is put together from a thousand entries: a step for each byte, as in hashing
/// the key, which any walk does.
#[test]
fn a_node_of_a_megabyte_whose_keys_are_chained_a_thousand_deep_is_unfolded_soon() {
    let keys = deep_keys(19_500);
    let record = KitCid::dag_cbor(b"record");
    let leaf = Node::leaf(keys.iter().map(|key| Entry::new(key, record)).collect());
    let block = leaf.block();
    assert!(block.len() > 1 << 20, "{}", block.len());
    let mut store = MapStore::default();
    store.insert(&leaf.cid(), block);
    let tree = Tree::new(&store, common::cid(&leaf.cid()));
    let walk = || tree.walk().records(false);
    let (forward, takes) = timed(|| keys_of(walk()));
    assert_eq!(forward, keys);
    let (backward, takes_back) = timed(|| keys_of(walk().reverse(true)));
    assert!(backward.iter().rev().eq(&keys));
    assert!(
        takes_back < takes * 12 + Duration::from_secs(1),
        "{takes:?}, in reverse {takes_back:?}"
    );
    // One key from the end of it costs the chains of the node, but no more.
    let (found, takes_back) =
        timed(|| tree.walk().records(false).reverse(true).next_event().unwrap().is_some());
    assert!(
        found && takes_back < takes * 2 + Duration::from_secs(1),
        "{takes:?}, the last alone {takes_back:?}"
    );
}

/// After a long ascent the prefixes fall: the last shorter one is ever further back, unless the
/// search leaps.
#[test]
fn a_node_whose_prefixes_rise_and_fall_is_chained_in_linear_time() {
    let stem = [b'a'; 200];
    let ascent = (1..=stem.len()).map(|len| stem[..len].to_vec());
    let descent = (0..stem.len()).rev().flat_map(|len| {
        let stem = &stem[..len];
        (b'b'..=0xff).map(move |byte| [stem, &[byte]].concat())
    });
    let keys: Vec<_> = ascent.chain(descent).filter(|key| key::layer(key) == 0).collect();
    let record = KitCid::dag_cbor(b"record");
    let leaf = Node::leaf(keys.iter().map(|key| Entry::new(key, record)).collect());
    assert!(keys.len() > 20_000 && keys.is_sorted());
    let mut store = MapStore::default();
    store.insert(&leaf.cid(), leaf.block());
    let tree = Tree::new(&store, common::cid(&leaf.cid()));
    let (forward, takes) = timed(|| keys_of(tree.walk().records(false)));
    assert_eq!(forward, keys);
    let (backward, takes_back) = timed(|| keys_of(tree.walk().records(false).reverse(true)));
    assert!(backward.iter().rev().eq(&keys));
    assert!(
        takes_back < takes * 6 + Duration::from_millis(200),
        "{takes:?}, in reverse {takes_back:?}"
    );
}

/// What is noted to unfold keys backwards counts too: four bytes for each entry.
#[test]
fn a_huge_node_in_reverse_stays_within_the_memory_of_the_walk() {
    let count = 5000;
    let record = KitCid::dag_cbor(b"record");
    let leaf =
        Node::leaf(key::at_layer(0).take(count).map(|key| Entry::new(&key, record)).collect());
    let mut store = MapStore::default();
    store.insert(&leaf.cid(), leaf.block());
    let tree = Tree::new(&store, common::cid(&leaf.cid()));
    let fits = |reverse, limit| {
        let mut walk = tree.walk().records(false).memory_limit(limit).reverse(reverse);
        match walk.next_event() {
            Ok(event) => event.is_some(),
            Err(error) if error.is_limit() => false,
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
