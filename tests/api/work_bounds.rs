//! The number of lookups of each kind of work, counted by the store, on trees that are crafted to
//! cost time: whole, partial and invalid ones, in either order and over any range.
//!
//! - A complete walk: at most one for each link and entry.
//! - A partial walk, completeness, gaps: at most `links * (height + 1)`, and one for each entry.
//! - A lookup: at most `height + 2`. A proof: at most that for each key.

use std::io;

use crate::common::ReverseIf as _;
use crate::common::{self, MapStore, end};
use carwalk::KeyRange;
use carwalk::mst::Walk;
use carwalk::{Repo, Result, Tree};
use carwalk_testkit::cases;
use carwalk_testkit::cid::Cid as KitCid;
use carwalk_testkit::commit::Commit;
use carwalk_testkit::repo::{Order, Record};
use carwalk_testkit::rng::Rng;
use carwalk_testkit::tree::{Entry, Link, Node};
use carwalk_testkit::{key, random};

/// A tree in a store that counts, and what it has.
struct Bomb {
    name: String,
    store: MapStore,
    root: KitCid,
    height: u64,
    /// Links to nodes in the distinct nodes, and the link to the root.
    links: u64,
    /// Entries of the distinct nodes.
    entries: u64,
    keys: Vec<Vec<u8>>,
}

impl Bomb {
    fn new(
        name: impl Into<String>,
        root: KitCid,
        height: u8,
        nodes: &[Node],
        keys: Vec<Vec<u8>>,
    ) -> Self {
        let mut store = MapStore::default();
        let record = Record::sample(b"com.example.test/shared");
        store.insert(&record.cid, record.bytes);
        let (mut links, mut entries, mut seen) = (1, 0, std::collections::HashSet::new());
        for node in nodes {
            if seen.insert(node.cid()) {
                links += node.links().filter(|link| !matches!(link, Link::None)).count() as u64;
                entries += node.entries.len() as u64;
                store.insert(&node.cid(), node.block());
            }
        }
        Bomb { name: name.into(), store, root, height: u64::from(height), links, entries, keys }
    }

    /// Blocks that some work asks for.
    fn asked<T>(&self, work: impl FnOnce() -> T) -> u64 {
        let before = self.store.gets();
        work();
        self.store.gets() - before
    }
}

fn entry(key: &[u8]) -> Entry {
    Entry::new(key, Record::sample(b"com.example.test/shared").cid)
}

fn to(node: &Node) -> Link {
    Link::Cid(node.cid())
}

/// A node with the same link before, between and after its keys.
fn fan(keys: &[Vec<u8>], link: &Link) -> Node {
    let entries = keys.iter().map(|key| Entry { tree: link.clone(), ..entry(key) });
    Node { left: link.clone(), entries: entries.collect(), bytes_override: None }
}

/// Each node links twice to the next, so that there are two ways to each and 2^layer to the last.
fn doubling(layer: u8) -> Bomb {
    let layers: Vec<u8> = (0..=layer).rev().collect();
    let keys = key::ascending(&layers);
    let (mut nodes, mut link) = (Vec::new(), Link::None);
    for key in keys.iter().rev() {
        let node = fan(std::slice::from_ref(key), &link);
        link = to(&node);
        nodes.push(node);
    }
    let root = nodes.last().unwrap().cid();
    Bomb::new(format!("doubling from layer {layer}"), root, layer, &nodes, keys)
}

/// Many links to one chain of empty nodes, which ends in `end`.
fn chained(name: &str, layer: u8, count: usize, end: Node) -> Bomb {
    let keys: Vec<_> = key::at_layer(layer).take(count).collect();
    let mut nodes = vec![end.clone()];
    for _ in 1..layer {
        let link = to(nodes.last().unwrap());
        nodes.push(Node { left: link, ..Node::default() });
    }
    let root = fan(&keys, &to(nodes.last().unwrap()));
    nodes.push(root.clone());
    Bomb::new(name, root.cid(), layer, &nodes, keys)
}

/// One node on each layer, all of whose links lead to the one below.
fn fans(layers: u8, count: usize) -> Bomb {
    let (mut nodes, mut link, mut keys) = (Vec::new(), Link::None, Vec::new());
    for layer in 0..=layers {
        keys = key::at_layer(layer).take(count).collect();
        let node = fan(&keys, &link);
        link = to(&node);
        nodes.push(node);
    }
    let root = nodes.last().unwrap().cid();
    Bomb::new(format!("{count} links on each of {layers} layers"), root, layers, &nodes, keys)
}

fn key_of_layer_0_from(start: &str) -> Vec<u8> {
    (0..).map(|n| format!("{start}{n}").into_bytes()).find(|key| key::layer(key) == 0).unwrap()
}

fn bombs() -> Vec<Bomb> {
    let below_all = Node::leaf(vec![entry(&key_of_layer_0_from("com.example.aaa/"))]);
    let above_all = Node::leaf(vec![entry(&key_of_layer_0_from("com.example.zzz/"))]);
    let nowhere = Node { left: Link::Cid(KitCid::dag_cbor(b"nowhere")), ..Node::default() };
    let long = (0..)
        .map(|n| format!("com.example.zzz/{n:08}").into_bytes())
        .filter(|key| key::layer(key) == 0);
    let long = Node::leaf(long.take(500).map(|key| entry(&key)).collect());
    vec![
        doubling(5),
        doubling(7),
        chained("chain to a leaf before all keys", 4, 30, below_all),
        chained("chain to a leaf after all keys", 4, 30, above_all),
        chained("chain to nothing", 4, 30, Node::default()),
        chained("chain to a node that is missing", 4, 30, nowhere),
        chained("chain to a long leaf", 3, 60, long),
        fans(3, 40),
        fans(1, 400),
    ]
}

/// Whole and good trees, and such of which a part is missing.
fn trees() -> Vec<Bomb> {
    let mut trees = Vec::new();
    for seed in 0..cases(4) {
        let random = random::repo(seed, 150);
        let mut nodes = Vec::new();
        collect(&random.repo.root, &mut nodes);
        let keys: Vec<_> = random.records.keys().cloned().collect();
        let layer = keys.iter().map(|key| key::layer(key)).max().unwrap_or(0);
        for missing in [0, 1, 3] {
            let name = format!("seed {seed}, {missing} of 4 nodes missing");
            let mut tree = Bomb::new(name, random.repo.root.cid(), layer, &nodes, keys.clone());
            let mut rng = Rng::new(seed);
            tree.store = MapStore::new(&random.car);
            for node in nodes.iter().skip(1).filter(|_| rng.chance(missing, 4)) {
                tree.store.blocks.remove(&common::cid(&node.cid()));
            }
            trees.push(tree);
        }
    }
    trees
}

fn collect(node: &Node, nodes: &mut Vec<Node>) {
    nodes.push(node.clone());
    node.links().filter_map(Link::node).for_each(|below| collect(below, nodes));
}

/// Walks over all keys and over ranges that begin or end anywhere, in both orders.
fn walks(bomb: &Bomb) -> Vec<Walk<'_, MapStore>> {
    let walk = |reverse| Walk::new(&bomb.store, common::cid(&bomb.root)).reverse_if(reverse);
    let mut walks = Vec::new();
    for reverse in [false, true] {
        let walk = || walk(reverse);
        walks.extend([
            walk(),
            walk().range(KeyRange::prefix("com.")),
            walk().range(KeyRange::collection("com.example.test").unwrap()),
            walk().range(KeyRange::prefix("zzz")),
        ]);
        for key in bomb.keys.iter().step_by(bomb.keys.len() / 4 + 1) {
            let key = &key[..];
            let next = [key, &[0]].concat();
            walks.extend([
                walk().range(key..),
                walk().range(..key),
                walk().range(..=key),
                walk().range(key..=key),
            ]);
            walks.push(walk().range(&next[..]..));
            walks.push(walk().range(key..&next));
        }
    }
    walks
}

#[track_caller]
fn assert_most(bomb: &Bomb, what: &str, asked: u64, most: u64) {
    assert!(
        asked <= most,
        "{}, {what}: {asked} blocks asked for, expected {most} at most",
        bomb.name
    );
}

fn all() -> impl Iterator<Item = Bomb> {
    bombs().into_iter().chain(trees())
}

#[test]
fn a_complete_walk_asks_once_for_each_link_and_entry_at_most() {
    for bomb in all() {
        let most = bomb.links + bomb.entries;
        for walk in walks(&bomb) {
            assert_most(&bomb, "walk", bomb.asked(|| end(walk)), most);
        }
        for walk in walks(&bomb) {
            assert_most(
                &bomb,
                "nodes",
                bomb.asked(|| end(walk.nodes(true).records(false))),
                bomb.links,
            );
        }
        let tree = Tree::new(&bomb.store, common::cid(&bomb.root));
        assert_most(
            &bomb,
            "records",
            bomb.asked(|| tree.records().filter(Result::is_ok).count()),
            most,
        );
        assert_most(
            &bomb,
            "from the end",
            bomb.asked(|| tree.records().rev().filter(Result::is_ok).count()),
            most,
        );
        assert_most(
            &bomb,
            "entries",
            bomb.asked(|| tree.entries().filter(Result::is_ok).count()),
            bomb.links,
        );
        // Two walks that meet; the nodes where they do are asked for by both.
        let from_both_ends = bomb.asked(|| {
            let mut records = tree.records();
            while records
                .next()
                .and_then(Result::ok)
                .and(records.next_back())
                .and_then(Result::ok)
                .is_some()
            {}
        });
        assert_most(&bomb, "from both ends", from_both_ends, 2 * bomb.links + bomb.entries);
    }
}

#[test]
fn a_partial_walk_asks_for_no_more_than_its_links_times_its_layers() {
    for bomb in all() {
        let nodes = bomb.links * (bomb.height + 1);
        for walk in walks(&bomb) {
            assert_most(
                &bomb,
                "walk",
                bomb.asked(|| end(walk.partial(true)).unwrap()),
                nodes + bomb.entries,
            );
        }
        for walk in walks(&bomb) {
            let asked = bomb.asked(|| end(walk.partial(true).nodes(true).records(false)).unwrap());
            assert_most(&bomb, "nodes", asked, nodes);
        }
        for walk in walks(&bomb) {
            assert_most(
                &bomb,
                "completeness",
                bomb.asked(|| walk.completeness()),
                nodes + bomb.entries,
            );
        }
        for walk in walks(&bomb) {
            let asked = bomb.asked(|| walk.gaps().filter(Result::is_ok).count());
            assert_most(&bomb, "gaps", asked, nodes);
        }
    }
}

/// The number of links times layers is not there for nothing: one bomb comes near it.
#[test]
fn the_bound_of_partial_walks_is_reached_but_for_a_part() {
    let most = |bomb: &Bomb| bomb.links * (bomb.height + 1);
    let near = bombs().into_iter().filter(|bomb| {
        let asked = bomb.asked(|| {
            end(Walk::new(&bomb.store, common::cid(&bomb.root)).partial(true).records(false))
        });
        asked * 2 > most(bomb)
    });
    assert!(near.count() > 0);
}

fn probes(bomb: &Bomb) -> Vec<Vec<u8>> {
    let mut probes: Vec<Vec<u8>> =
        [&b""[..], b"a", b"zzz", &[0xff; 40], &[b'a'; 5000]].map(Vec::from).into();
    for key in bomb.keys.iter().step_by(bomb.keys.len() / 20 + 1) {
        probes.extend(common::part::neighbours(key));
        probes.push(key.clone());
    }
    probes.extend((0..4).map(|layer| key::key_at_layer(layer, 3)));
    probes
}

#[test]
fn a_lookup_asks_for_a_path_and_a_record() {
    for bomb in all() {
        let tree = Tree::new(&bomb.store, common::cid(&bomb.root));
        for key in probes(&bomb) {
            assert_most(&bomb, "get", bomb.asked(|| tree.get_key(&key).is_ok()), bomb.height + 2);
            let one = || Walk::new(&bomb.store, common::cid(&bomb.root)).range(&key[..]..=&key[..]);
            assert_most(
                &bomb,
                "range of one",
                bomb.asked(|| end(one().partial(true))),
                bomb.height + 2,
            );
            assert_most(&bomb, "in reverse", bomb.asked(|| end(one().reverse())), bomb.height + 2);
            assert_most(
                &bomb,
                "completeness of one",
                bomb.asked(|| one().completeness()),
                bomb.height + 2,
            );
        }
    }
}

#[test]
fn a_proof_of_keys_asks_for_their_paths_and_records() {
    for mut bomb in all() {
        let commit = Commit::default().encode(&bomb.root);
        let cid = KitCid::dag_cbor(&commit);
        bomb.store.insert(&cid, commit);
        let repo = Repo::from_store(&bomb.store, common::cid(&cid)).unwrap();
        let mut keys = probes(&bomb);
        for count in [1, 2, 5, keys.len()] {
            Rng::new(count as u64).shuffle(&mut keys);
            let mut written = None;
            let asked = bomb.asked(|| {
                let proof = keys[..count]
                    .iter()
                    .fold(repo.prove(), |proof, key| proof.range(KeyRange::key(key)));
                // The same keys again, and ranges that they are in, are no more work.
                let proof = keys[..count].iter().fold(proof, |proof, key| {
                    proof.range(KeyRange::key(key)).range(&key[..]..=&key[..])
                });
                written = proof.write(&mut Vec::new()).ok();
            });
            let paths = (count as u64) * (bomb.height + 2);
            assert_most(&bomb, "proof", asked, paths.min(bomb.links + bomb.entries));
            assert!(written.is_none_or(|stats| stats.sections <= asked + 1), "{}", bomb.name);
        }
        let ranges = bomb.asked(|| {
            let keys = keys.iter().fold(repo.prove(), |proof, key| {
                proof.range(KeyRange::prefix(key)).range(&key[..]..)
            });
            keys.range(..).write(&mut Vec::new()).is_ok()
        });
        assert_most(&bomb, "proof of all ranges", ranges, bomb.links + bomb.entries);
        for (name, writer) in [("written", repo.writer()), ("tree", repo.tree().writer())] {
            let asked = bomb.asked(|| writer.repeats(true).write(&mut io::sink()).is_ok());
            assert_most(&bomb, name, asked, bomb.links + bomb.entries);
        }
    }
}

/// Each collection costs one search path, and so does the end.
#[test]
fn collections_cost_one_search_path_each() {
    for collections in [0, 1, 2, 7, 40] {
        let keys = (0..collections).flat_map(|name| {
            (0..=name % 5 * 20).map(move |number| format!("com.example.c{name}/{number:03}"))
        });
        let repo = carwalk_testkit::repo::Repo::sample(keys);
        let height = repo.entries().iter().map(|(key, _)| key::layer(key)).max().unwrap_or(0);
        let car = repo.to_bytes(Order::Preorder);
        let data = Repo::from_slice(&car).unwrap().commit().data();
        let tree = Tree::new(MapStore::new(&car), data);
        let names: Vec<String> = tree.collections().collect::<Result<_>>().unwrap();
        assert_eq!(names.len() as u64, collections);
        let (gets, most) = (tree.store().gets(), (collections + 1) * (u64::from(height) + 1));
        assert!(gets <= most, "{gets} lookups for {collections} collections, at most {most}");
    }
}
