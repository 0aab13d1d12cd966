//! The hints that a store gets: blocks that will be requested, and no others.

use crate::common;
use crate::common::ReverseIf as _;
use std::cell::RefCell;
use std::ops::Bound;

use crate::common::keys::{Keys, any_key, any_range, parts, ranges};
use crate::common::part::{Part, Plain, Range, Removal};
use crate::common::{MapStore, end};
use carwalk::KeyRange;
use carwalk::store::{Block, BlockStore};
use carwalk::{Cid, Result, Tree};
use carwalk_testkit::cases;
use carwalk_testkit::cid::Cid as KitCid;
use carwalk_testkit::key;
use carwalk_testkit::rng::Rng;
use carwalk_testkit::tree::{Entry, Node};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Call {
    Soon(Cid),
    Get(Cid),
}

/// Notes what it is told and asked for.
struct Noting {
    store: MapStore,
    calls: RefCell<Vec<Call>>,
}

impl Noting {
    fn new(store: MapStore) -> Self {
        Noting { store, calls: RefCell::default() }
    }

    /// What it was told to prefetch since it was asked last. Each block was asked for later.
    #[track_caller]
    fn announced(&self, name: &str) -> Vec<Cid> {
        let calls = self.calls.take();
        let mut announced = Vec::new();
        for (number, call) in calls.iter().enumerate() {
            if let Call::Soon(cid) = call {
                assert!(
                    calls[number..].contains(&Call::Get(*cid)),
                    "{cid} was not asked for: {name}"
                );
                announced.push(*cid);
            }
        }
        announced.sort();
        announced
    }
}

impl BlockStore for Noting {
    type Bytes<'a> = &'a [u8];

    fn get(&self, cid: &Cid) -> Result<Option<Block<&[u8]>>> {
        self.calls.borrow_mut().push(Call::Get(*cid));
        self.store.get(cid)
    }

    fn contains(&self, cid: &Cid) -> Result<bool> {
        self.store.contains(cid)
    }

    fn prefetch(&self, cids: &[Cid]) {
        self.calls.borrow_mut().extend(cids.iter().map(|cid| Call::Soon(*cid)));
    }
}

/// Whether all keys that a node can have, or any below it, are in a range.
fn is_inside(node: &Plain, (start, end): &Range) -> bool {
    let least = node.lower.as_ref().map_or(Vec::new(), |lower| [lower, &[0][..]].concat());
    let starts = match start {
        Bound::Unbounded => true,
        Bound::Included(start) => *start <= least,
        Bound::Excluded(start) => *start < least,
    };
    let ends = |ends_at: &[u8]| node.upper.as_ref().is_some_and(|upper| &upper[..] <= ends_at);
    starts
        && match end {
            Bound::Unbounded => true,
            Bound::Included(end) => ends(&[end, &[0][..]].concat()),
            Bound::Excluded(end) => ends(end),
        }
}

/// The links of all nodes that a walk reads and whose keys are all in the range.
fn expected(part: &Part, range: &Range, records: bool) -> Vec<Cid> {
    let keys = Keys::Range(range.clone());
    let (mut links, mut open) = (Vec::new(), vec![0]);
    while let Some(number) = open.pop() {
        let node = &part.tree.0[number];
        if !keys.touches(node) || !part.is_there(&node.cid) {
            continue;
        }
        let below = || node.links.iter().flatten().copied();
        open.extend(below());
        if is_inside(node, range) {
            links.extend(below().map(|number| common::cid(&part.tree.0[number].cid)));
            links.extend(node.entries.iter().filter(|_| records).map(|(_, cid)| common::cid(cid)));
        }
    }
    links.sort();
    links
}

const ALL: Range = (Bound::Unbounded, Bound::Unbounded);

#[test]
fn a_walk_over_all_announces_each_link_of_each_node_in_either_order() {
    let mut count = 0;
    for part in parts(cases(10)) {
        let store = Noting::new(MapStore::new(&part.car));
        let tree = Tree::new(&store, part.tree.root());
        for (records, reverse) in [(true, false), (false, false), (true, true), (false, true)] {
            let name = format!("{}, records {records}, reverse {reverse}", part.name);
            end(tree.walk().partial(true).records(records).reverse_if(reverse)).unwrap();
            let announced = store.announced(&name);
            assert!(announced == expected(part, &ALL, records), "{name}");
            count += announced.len();
            let all = Bound::Included(Vec::new());
            let walk = tree.walk().partial(true).records(records).range((all, Bound::Unbounded));
            end(walk.reverse_if(reverse)).unwrap();
            assert!(store.announced(&name) == announced, "{name}");
        }
    }
    assert!(count as u64 > cases(200), "{count}");
}

#[test]
fn a_walk_over_a_range_announces_the_links_of_nodes_that_are_inside_and_asks_for_all() {
    let (mut some, mut none) = (0, 0);
    for part in parts(cases(10)) {
        let store = Noting::new(MapStore::new(&part.car));
        let tree = Tree::new(&store, part.tree.root());
        let mut rng = Rng::new(part.car.len() as u64);
        let mut ranges = ranges(part);
        // As one goes on after the last key that was seen.
        ranges
            .extend((0..10).map(|_| (Bound::Excluded(any_key(part, &mut rng)), Bound::Unbounded)));
        ranges
            .extend((0..10).map(|_| (Bound::Unbounded, Bound::Excluded(any_key(part, &mut rng)))));
        for range in ranges {
            let (records, reverse) = (rng.chance(1, 2), rng.chance(1, 2));
            let name = format!("{}: {range:?}, records {records}, reverse {reverse}", part.name);
            let walk = tree.walk().partial(true).range(range.clone()).records(records);
            end(walk.reverse_if(reverse)).unwrap();
            let announced = store.announced(&name);
            assert!(announced == expected(part, &range, records), "{name}");
            *if announced.is_empty() { &mut none } else { &mut some } += 1;
        }
    }
    assert!(some > cases(40) && none > cases(40), "{some}, {none}");
}

/// The iterators are the same walk, and narrowed twice it is one range.
#[test]
fn items_of_a_range_announce_what_the_walk_does() {
    for seed in 0..cases(20) {
        let part = Part::of(seed, Removal::None);
        let store = Noting::new(MapStore::new(&part.car));
        let tree = Tree::new(&store, part.tree.root());
        let mut rng = Rng::new(seed);
        for _ in 0..10 {
            let range = any_range(&part, &mut rng);
            let name = format!("{}: {range:?}", part.name);
            let (from, to) = (range.0.clone(), range.1.clone());
            let (from, to) = ((from, Bound::Unbounded), (Bound::Unbounded, to));
            tree.records_in(range.clone()).for_each(|record| drop(record.unwrap()));
            assert!(store.announced(&name) == expected(&part, &range, true), "{name}");
            let both = KeyRange::from(to.clone()).and(&from.clone().into());
            tree.records_in(&both).rev().for_each(|record| drop(record.unwrap()));
            assert!(store.announced(&name) == expected(&part, &range, true), "{name}");
            tree.entries_in(both).for_each(|entry| drop(entry.unwrap()));
            assert!(store.announced(&name) == expected(&part, &range, false), "{name}");
        }
    }
}

#[test]
fn a_lookup_announces_nothing() {
    for seed in 0..cases(20) {
        let part = Part::of(seed, Removal::None);
        let store = Noting::new(MapStore::new(&part.car));
        let tree = Tree::new(&store, part.tree.root());
        for key in part.tree.keys() {
            assert!(tree.get_key(&key).unwrap().record().is_some());
            assert_eq!(store.announced(&part.name), []);
        }
    }
}

/// From the end that the walk comes from: the others would be far away when they are asked for.
#[test]
fn of_a_huge_node_the_64_entries_that_come_first_are_announced() {
    let keys: Vec<_> = key::at_layer(0).take(100).collect();
    let leaf = Node::leaf(keys.iter().map(|key| Entry::new(key, KitCid::dag_cbor(key))).collect());
    let mut store = MapStore::default();
    store.insert(&leaf.cid(), leaf.block());
    keys.iter().for_each(|key| store.insert(&KitCid::dag_cbor(key), key.clone()));
    let store = Noting::new(store);
    let tree = Tree::new(&store, common::cid(&leaf.cid()));
    for (reverse, first) in [(false, &keys[..64]), (true, &keys[36..])] {
        end(tree.walk().reverse_if(reverse)).unwrap();
        let mut expected: Vec<_> =
            first.iter().map(|key| common::cid(&KitCid::dag_cbor(key))).collect();
        expected.sort();
        assert_eq!(store.announced("a huge node"), expected);
    }
}
