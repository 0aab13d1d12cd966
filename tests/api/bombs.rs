//! Trees made to cost work: nodes and records shared by many links, chains of empty nodes. A walk
//! asks for no more blocks than there are links, or links on a path.
//!
//! That none of them is hashed or read again and again is counted beside the code, in
//! `mst/digests.rs`; how far digests that are alike are spread, in `store/index/table.rs`.

use crate::common::{self, MapStore};
use carwalk::ErrorClass;
use carwalk::error::TreeRule;
use carwalk::mst::Event;
use carwalk::{ErrorKind, Tree};
use carwalk_testkit::breakage;
use carwalk_testkit::cases;
use carwalk_testkit::cid::Cid as KitCid;
use carwalk_testkit::repo::{Order, Record, Repo as KitRepo};
use carwalk_testkit::tree::{Entry, Link, Node};
use carwalk_testkit::{key, random};

#[derive(Debug, Default, PartialEq)]
struct Told {
    records: u64,
    bad: u64,
    missing: u64,
}

fn partial_walk(store: &MapStore, root: &KitCid) -> Told {
    let tree = Tree::new(store, common::cid(root));
    let mut walk = tree.walk().partial(true).start();
    let mut told = Told::default();
    while let Some(event) = walk.next_event().unwrap() {
        match event {
            Event::Record { .. } => told.records += 1,
            Event::BadSubtree { .. } => told.bad += 1,
            Event::MissingSubtree { .. } => told.missing += 1,
            other => panic!("{other:?}"),
        }
    }
    told
}

#[test]
fn a_complete_walk_asks_once_for_each_node_and_entry() {
    for seed in 0..cases(50) {
        let random = random::repo(seed, 200);
        let (nodes, entries) = (random.repo.root.blocks().len(), random.records.len());
        let root = common::cid(&random.repo.root.cid());
        let store = MapStore::new(&random.car);
        assert_eq!(Tree::new(&store, root).records().count(), entries);
        assert_eq!(store.gets(), (nodes + entries) as u64);
        let store = MapStore::new(&random.car);
        assert_eq!(Tree::new(&store, root).entries().count(), entries);
        assert_eq!(store.gets(), nodes as u64);
    }
}

/// Each node links twice to the next: 2 to the power of 7 paths. Its key keeps one of the two links
/// sound.
#[test]
fn a_node_linked_twice_on_every_layer_is_entered_once() {
    let mut store = MapStore::default();
    let mut root = Node::default();
    let mut link = Link::None;
    for key in key::ascending(&[7, 6, 5, 4, 3, 2, 1, 0]).into_iter().rev() {
        let record = Record::sample(&key);
        let entry = Entry { tree: link.clone(), ..Entry::new(&key, record.cid) };
        root = Node { left: link, entries: vec![entry], bytes_override: None };
        link = Link::Cid(root.cid());
        store.insert(&record.cid, record.bytes);
        store.insert(&root.cid(), root.block());
    }

    let told = partial_walk(&store, &root.cid());
    assert_eq!(told, Told { records: 8, bad: 7, missing: 0 });
    // The root, two links on each of seven layers, eight records.
    assert_eq!(store.gets(), 1 + 14 + 8);

    let tree = Tree::new(&store, common::cid(&root.cid()));
    let error = tree.records().find_map(Result::err).unwrap();
    assert!(matches!(error.kind(), ErrorKind::Tree(TreeRule::KeyOutside { .. })), "{error}");
}

/// A root of `links` links that all lead into one chain of empty nodes with `end` under it.
fn chained(height: u8, entries: usize, end: Node) -> (MapStore, KitCid, u64) {
    let keys: Vec<_> = key::at_layer(height).take(entries).collect();
    let mut store = MapStore::default();
    let mut blocks = end.blocks();
    let mut chain = end;
    for _ in 1..height {
        chain = Node::pass_through(chain);
        blocks.push((chain.cid(), chain.block()));
    }
    let record = Record::sample(b"com.example.test/shared");
    let entries = keys
        .iter()
        .map(|key| Entry { tree: Link::Cid(chain.cid()), ..Entry::new(key, record.cid) });
    let root =
        Node { left: Link::Cid(chain.cid()), entries: entries.collect(), bytes_override: None };
    for (cid, block) in blocks {
        store.insert(&cid, block);
    }
    store.insert(&record.cid, record.bytes);
    store.insert(&root.cid(), root.block());
    (store, root.cid(), keys.len() as u64 + 1)
}

fn leaf_after_all() -> Node {
    let record = Record::sample(b"com.example.test/shared");
    let key = (0..)
        .map(|n| format!("com.example.zzz/{n}").into_bytes())
        .find(|key| key::layer(key) == 0)
        .unwrap();
    Node::leaf(vec![Entry::new(&key, record.cid)])
}

#[test]
fn a_chain_shared_by_all_links_costs_a_partial_walk_its_length_for_each() {
    let height = 5;
    let (store, root, links) = chained(height, 20, leaf_after_all());
    // The leaf belongs after the last key, where it is sound.
    assert_eq!(partial_walk(&store, &root), Told { records: 20 + 1, bad: links - 1, missing: 0 });
    let nodes = store.gets() - 21;
    assert_eq!(nodes, 1 + links * u64::from(height));
    assert!(nodes <= (links + u64::from(height)) * (u64::from(height) + 1));
}

#[test]
fn a_chain_shared_by_all_links_ends_a_complete_walk_the_first_time() {
    let height = 5;
    let (store, root, _) = chained(height, 20, leaf_after_all());
    let error = Tree::new(&store, common::cid(&root)).records().find_map(Result::err).unwrap();
    assert!(matches!(error.kind(), ErrorKind::Tree(TreeRule::KeyOutside { .. })), "{error}");
    assert_eq!(store.gets(), 1 + u64::from(height));
}

#[test]
fn a_chain_to_nowhere_ends_where_layers_do() {
    for end in
        [Node::default(), Node { left: Link::Cid(KitCid::dag_cbor(b"nowhere")), ..Node::default() }]
    {
        let (store, root, links) = chained(4, 10, end);
        assert_eq!(partial_walk(&store, &root), Told { records: 10, bad: links, missing: 0 });
        let tree = Tree::new(&store, common::cid(&root));
        assert_eq!(tree.records().find_map(Result::err).unwrap().class(), ErrorClass::Invalid);
    }
}

#[test]
fn breakages_without_end_cost_partial_walks_little() {
    for name in
        ["doubling_links", "nodes_below_layer_0", "empty_nodes_without_end", "empty_node_too_many"]
    {
        let case = breakage::case(name);
        let repo = carwalk::Repo::from_slice(&case.broken).unwrap();
        let store = MapStore::new(&case.broken);
        let tree = Tree::new(&store, repo.commit().data());
        let mut walk = tree.walk().partial(true).start();
        let mut bad = 0;
        while let Some(event) = walk.next_event().unwrap() {
            bad += u64::from(matches!(event, Event::BadSubtree { .. }));
        }
        assert_eq!(bad, 1, "{name}");
        // Ten nodes, eleven records, and the one that is bad.
        assert!(store.gets() <= 25, "{name}: {}", store.gets());
    }
}

#[test]
fn one_record_under_many_keys_is_no_bomb() {
    let record = Record::sample(b"com.example.test/shared");
    let repo = KitRepo::new(key::at_layer(0).take(2000).map(|key| (key, record.clone())));
    let store = MapStore::new(&repo.to_bytes(Order::Preorder));
    let tree = Tree::new(&store, common::cid(&repo.root.cid()));
    assert_eq!(tree.records().filter(Result::is_ok).count(), 2000);
    assert_eq!(store.gets(), 2001);
}
