//! Heap use of work on hostile trees: walks in both directions, ranges, lookups, completeness, gaps
//! and proofs, with and without a limit. Also headers with too many roots, and too many blocks.

use crate::common::ReverseIf as _;
use carwalk::ErrorClass;
use carwalk::KeyRange;
use std::io::{self, Read};

use crate::common::{end, suspended};
use crate::heap::{Before, KIB, MIB, peak_of, within};
use carwalk::error::LimitName;
use carwalk::store::BlockStore;
use carwalk::{ErrorKind, Limits, Loader, Lookup, Repo, Result, Verification};
use carwalk_testkit::cbor::head;
use carwalk_testkit::cid::{Cid, RAW};
use carwalk_testkit::readers::Generated;
use carwalk_testkit::repo::{Order, Record, Repo as KitRepo};
use carwalk_testkit::tree::{Entry, Link, Node};
use carwalk_testkit::{breakage, car, key, varint};

tests![
    many_roots_cost_some_times_the_header,
    one_huge_node_costs_some_bytes_for_each_entry,
    long_keys_are_not_all_expanded_by_any_walk,
    long_keys_of_short_nodes_are_not_expanded_together,
    chains_and_shared_subtrees_cost_next_to_nothing,
    huge_nodes_one_below_the_other_stay_within_the_limit,
    huge_nodes_beside_each_other_are_not_held_together,
    digests_stay_within_the_limit,
    what_a_hashing_walk_requests_ahead_stays_within_the_limit,
    links_of_nodes_that_are_read_together_stay_within_the_limit,
    millions_of_tiny_blocks_stay_within_the_limit,
];

/// Asserts the peak of each kind of work on a whole tree, or on its middle. The tree is valid, only
/// large.
#[track_caller]
fn assert_all_work_within<S: BlockStore>(
    repo: &Repo<S>,
    entries: usize,
    middle: &[u8],
    most: usize,
) {
    let walk = || repo.walk();
    for reverse in [false, true] {
        let walk = || walk().reverse_if(reverse);
        within("walk", most, || assert_eq!(end(walk()).unwrap(), entries));
        within("from", most, || assert!(end(walk().range(middle..)).unwrap() < entries));
    }
    within("completeness", most, || assert!(walk().completeness().unwrap().is_complete()));
    within("get", most, || {
        assert!(matches!(repo.tree().get_key(middle).unwrap(), Lookup::Present { .. }))
    });
    within("absence", most, || {
        assert!(matches!(repo.tree().get_key([middle, b"-"].concat()).unwrap(), Lookup::Absent));
    });
    within("entries", most, || assert_eq!(repo.entries().count(), entries));
    within("records from the end", most, || assert_eq!(repo.records().rev().count(), entries));
    within("proof", most, || {
        repo.prove().range(KeyRange::key(middle)).range(middle..).write(io::sink()).unwrap()
    });
}

fn header_of_roots(count: u32) -> Vec<u8> {
    let root = breakage::sample().commit_cid();
    let link = [b"\xd8\x2a\x58\x25\x00".as_slice(), root.as_bytes()].concat();
    let mut header = [b"\xa2\x65roots".to_vec(), head(4, count.into())].concat();
    (0..count).for_each(|_| header.extend(&link));
    header.extend(b"\x67version\x01");
    header
}

fn many_roots_cost_some_times_the_header() {
    let sections = breakage::sample().to_car(Order::Preorder);
    let sections = sections.to_bytes()[59..].to_vec();
    // As many roots as the default limit accepts, one more, and a million.
    let most_roots = ((1 << 20) - 20) / 41;
    for count in [most_roots, most_roots + 1, 1_000_000] {
        let header = header_of_roots(count);
        let car = [&varint::encode(header.len() as u64), &header[..], &sections].concat();
        if count > most_roots {
            within("refused", MIB, || Repo::from_slice(&car[..]).unwrap_err());
            within("refused from a stream", MIB, || Repo::from_reader(&car[..]).unwrap_err());
        }
        if count != most_roots + 1 {
            let limits = || Limits::default().max_header_len(64 << 20);
            let open = || Loader::new().limits(limits());
            within("slice", 2 * header.len() + MIB, || open().from_slice(&car[..]).unwrap());
            within("stream", 5 * header.len() + MIB, || open().from_reader(&car[..]).unwrap());
        }
    }
    #[cfg(feature = "redb")]
    {
        let header = header_of_roots(most_roots);
        let car = [&varint::encode(header.len() as u64), &header[..], &sections].concat();
        within("spilled", 8 * header.len() + 3 * MIB, || {
            Loader::new()
                .memory_limit(0)
                .spill(&car[..], carwalk::store::SpillFile::temporary())
                .unwrap()
        });
    }
}

fn one_huge_node_costs_some_bytes_for_each_entry() {
    const ENTRIES: usize = if cfg!(debug_assertions) { 66_000 } else { 100_000 };
    let record = Record::new(vec![0xa0]);
    let keys: Vec<_> = key::at_layer(0).take(ENTRIES).collect();
    let middle = keys[ENTRIES / 2].clone();
    let car =
        KitRepo::new(keys.into_iter().map(|key| (key, record.clone()))).to_bytes(Order::Preorder);
    within("refused", MIB, || {
        let error = Repo::from_slice(&car[..]).unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::Limit { limit: LimitName::BlockLen, .. }),
            "{error}"
        );
    });
    let loader = || Loader::new().limits(Limits::default().max_block_len(64 << 20));
    let repo = loader().from_slice(&car[..]).unwrap();
    // 16 bytes for each entry, or 20 in reverse, and up to three times as many while the table
    // grows.
    assert_all_work_within(&repo, ENTRIES, &middle, 3 * 20 * ENTRIES);
    let limit = MIB as u64;
    let refused = |outcome: Result<usize>| match outcome.unwrap_err().kind() {
        ErrorKind::Limit { limit: LimitName::WalkMemory, max, .. } => assert_eq!(*max, limit),
        other => panic!("{other:?}"),
    };
    for reverse in [false, true] {
        within("refused walk", 3 * 20 * ENTRIES, || {
            refused(end(repo.walk().memory_limit(limit).reverse_if(reverse)))
        });
    }
    refused(repo.walk().memory_limit(limit).completeness().map(|_| 0));
    // Every walk over a repository that was loaded with a memory limit has a limit.
    #[cfg(feature = "redb")]
    {
        let limited = loader()
            .memory_limit(limit)
            .from_slice(&car[..], carwalk::store::SpillFile::temporary())
            .unwrap();
        refused(limited.records().map(|record| record.map(|_| 1)).sum());
        refused(limited.entries().map(|entry| entry.map(|_| 1)).sum());
        refused(limited.tree().get_key(&middle).map(|_| 1));
        refused(limited.prove().range(KeyRange::key(&middle)).write(io::sink()).map(|_| 1));
    }
}

/// Keys of 1,024 bytes that share nearly all of them, and keys that each extend the one before.
fn long_keys_are_not_all_expanded_by_any_walk() {
    let start = [key::PREFIX.as_bytes(), &[b'a'; 1016 - key::PREFIX.len()]].concat();
    let alike = (0..).map(|number| [&start[..], format!("{number:08}").as_bytes()].concat());
    let stairs = (0..).flat_map(|number| {
        (0..1000).map(move |len| {
            [key::PREFIX, &format!("{number:06}"), &"a".repeat(len)].concat().into_bytes()
        })
    });
    let forms: [Box<dyn Iterator<Item = Vec<u8>>>; 2] = [Box::new(alike), Box::new(stairs)];
    for keys in forms {
        let keys: Vec<_> = keys.filter(|key| key::layer(key) == 0).take(3000).collect();
        let (len, expanded) = (keys.len(), keys.iter().map(Vec::len).sum::<usize>());
        assert!(expanded > 1 << 20 && keys.is_sorted());
        let middle = keys[len / 2].clone();
        let record = Record::new(vec![0xa0]);
        let car = KitRepo::new(keys.into_iter().map(|key| (key, record.clone())))
            .to_bytes(Order::Preorder);
        let repo = Repo::from_slice(&car[..]).unwrap();
        assert_all_work_within(&repo, len, &middle, 3 * 20 * len + 16 * KIB);
    }
}

/// Several short nodes are read together, but their keys must not be expanded together.
fn long_keys_of_short_nodes_are_not_expanded_together() {
    let start = [key::PREFIX.as_bytes(), &[b'a'; 990]].concat();
    let (mut records, mut len) = (Vec::new(), 0);
    let record = Record::new(vec![0xa0]);
    for number in 0u32.. {
        let key = [&start[..], format!("{number:08}").as_bytes()].concat();
        match key::layer(&key) {
            0 if len < 50 => len += 1,
            1 if len >= 50 => len = 0,
            _ => continue,
        }
        records.push((key, record.clone()));
        if records.len() == 40 * 51 {
            break;
        }
    }
    let keys = records.len();
    let kit = KitRepo::new(records);
    assert!(kit.root.blocks().iter().skip(1).all(|(_, block)| block.len() <= 4096));
    let car = kit.to_bytes(Order::Preorder);
    let repo = Repo::from_slice(&car[..]).unwrap();
    for limit in [30_000, 100_000, 200_000, u64::MAX] {
        for reverse in [false, true] {
            let peak = peak_of(|| {
                let walk = repo.walk().memory_limit(limit).reverse_if(reverse);
                assert_eq!(end(walk).unwrap(), keys);
            });
            assert!(
                peak < 100 * KIB && (peak as u64) < limit,
                "{peak} bytes at a limit of {limit}"
            );
        }
    }
}

fn entry(key: &[u8]) -> Entry {
    Entry::new(key, Record::sample(b"com.example.test/shared").cid)
}

fn car_of(nodes: Vec<Node>) -> Vec<u8> {
    let record = Record::sample(b"com.example.test/shared");
    let mut repo = KitRepo::new([]);
    repo.root = nodes.last().unwrap().clone();
    repo.extra = nodes.iter().map(|node| (node.cid(), node.block())).collect();
    repo.add_record(record);
    repo.to_bytes(Order::Preorder)
}

fn fan(keys: &[Vec<u8>], below: &Node) -> Node {
    let link = Link::Cid(below.cid());
    let entries = keys.iter().map(|key| Entry { tree: link.clone(), ..entry(key) });
    Node { left: link.clone(), entries: entries.collect(), bytes_override: None }
}

fn chains_and_shared_subtrees_cost_next_to_nothing() {
    // A chain of empty nodes, far more than there are layers.
    let mut chain = vec![Node::default()];
    for _ in 0..3000 {
        let left = Link::Cid(chain.last().unwrap().cid());
        chain.push(Node { left, ..Node::default() });
    }
    let keys: Vec<_> = key::at_layer(5).take(3).collect();
    chain.push(fan(&keys, chain.last().unwrap()));
    // One node on each layer, to which all links of the node above lead.
    let mut fans = vec![Node::leaf(key::at_layer(0).take(100).map(|key| entry(&key)).collect())];
    for layer in 1..4 {
        let keys: Vec<_> = key::at_layer(layer).take(100).collect();
        fans.push(fan(&keys, fans.last().unwrap()));
    }
    for nodes in [chain, fans] {
        let car = car_of(nodes);
        let repo = Repo::from_slice(&car[..]).unwrap();
        for reverse in [false, true] {
            let walk = || repo.walk().reverse_if(reverse);
            within("walk", 64 * KIB, || end(walk()).unwrap_err());
            within("partial walk", 64 * KIB, || end(walk().partial(true)).unwrap());
            within("completeness", 64 * KIB, || walk().completeness().unwrap_err());
            within("gaps", 64 * KIB, || walk().gaps().count());
        }
        within("get", 64 * KIB, || repo.get("com.example.test/00000500").is_ok());
        within("proof", 64 * KIB, || {
            repo.prove().range(KeyRange::prefix("com.")).write(io::sink()).unwrap_err()
        });
    }
}

fn keys_above(low: &[u8], layer: u8, count: usize) -> Vec<Vec<u8>> {
    let keys = (0..).map(|number| [low, format!("-{number:08}").as_bytes()].concat());
    keys.filter(|key| key::layer(key) == layer).take(count).collect()
}

/// At most the limit and the node that is being read are held, for every limit.
fn huge_nodes_one_below_the_other_stay_within_the_limit() {
    let top: Vec<_> = key::at_layer(2).take(2000).collect();
    let middle = keys_above(&top[700], 1, 6000);
    let bottom = keys_above(&middle[3000], 0, 20_000);
    let leaf = Node::leaf(bottom.iter().map(|key| entry(key)).collect());
    let mut child = Node::leaf(middle.iter().map(|key| entry(key)).collect());
    child.entries[3000].tree = Link::Cid(leaf.cid());
    let mut root = Node::leaf(top.iter().map(|key| entry(key)).collect());
    root.entries[700].tree = Link::Cid(child.cid());
    let car = car_of(vec![leaf, child, root]);
    let repo = Repo::from_slice(&car[..]).unwrap();
    let whole = 2000 + 6000 + 20_000;
    let one_node = 3 * 20 * 20_000;
    for reverse in [false, true] {
        let walk = || repo.walk().reverse_if(reverse);
        assert_eq!(end(walk()).unwrap(), whole);
        for limit in [10, 40 * KIB, 160 * KIB, 400 * KIB, MIB] {
            let walk = || walk().partial(true).memory_limit(limit as u64);
            within("limit", limit + one_node + 16 * KIB, || {
                let events = end(walk()).unwrap();
                assert_eq!(events == whole, limit == MIB, "{events} at {limit}");
            });
        }
    }
}

/// One huge node on each layer, none of them below another: each is dropped when the next is read.
fn huge_nodes_beside_each_other_are_not_held_together() {
    const ENTRIES: usize = 10_000;
    let top: Vec<_> = key::at_layer(3).take(3).collect();
    let mut nodes = Vec::new();
    let mut root = Node::leaf(top.iter().map(|key| entry(key)).collect());
    for (slot, layer) in root.entries.iter_mut().zip([2, 1, 0]) {
        let keys = keys_above(&slot.key, layer, ENTRIES);
        nodes.push(Node::leaf(keys.iter().map(|key| entry(key)).collect()));
        for _ in layer..2 {
            let left = Link::Cid(nodes.last().unwrap().cid());
            nodes.push(Node { left, ..Node::default() });
        }
        slot.tree = Link::Cid(nodes.last().unwrap().cid());
    }
    nodes.push(root);
    let car = car_of(nodes);
    let repo = Repo::from_slice(&car[..]).unwrap();
    let room = 16_384 * 20;
    for reverse in [false, true] {
        let walk = || repo.walk().reverse_if(reverse);
        within("walk", room + room / 2 + 16 * KIB, || {
            assert_eq!(end(walk()).unwrap(), 3 * ENTRIES + 3)
        });
        let limit = (room + 16 * KIB) as u64;
        assert_eq!(end(walk().memory_limit(limit)).unwrap(), 3 * ENTRIES + 3);
        assert_eq!(end(walk().memory_limit(limit / 2)).unwrap_err().class(), ErrorClass::Limit);
    }
}

fn digests_stay_within_the_limit() {
    let records = key::at_layer(0).take(4000).map(|key| (key.clone(), Record::new(key.repeat(50))));
    let car = KitRepo::new(records).to_bytes(Order::Preorder);
    let repo =
        Loader::new().verification(Verification::ReachedBlocks).from_slice(&car[..]).unwrap();
    for reverse in [false, true] {
        let all = peak_of(|| end(repo.walk().reverse_if(reverse)).unwrap());
        assert!(all > 500 * KIB, "{all}");
        let limit = 256 * KIB;
        let walk = || repo.walk().reverse_if(reverse).memory_limit(limit as u64);
        within("digests", limit + 64 * KIB, || assert_eq!(end(walk()).unwrap(), 4000));
    }
}

fn what_a_hashing_walk_requests_ahead_stays_within_the_limit() {
    let keys = (0..6000u32).map(|number| format!("com.example.test/{number}").into_bytes());
    let records = keys.map(|key| (key.clone(), Record::new(key.repeat(10))));
    let car = KitRepo::new(records).to_bytes(Order::Preorder);
    let repo =
        Loader::new().verification(Verification::ReachedBlocks).from_slice(&car[..]).unwrap();
    for reverse in [false, true] {
        let walk = || repo.walk().reverse_if(reverse);
        let all = peak_of(|| assert_eq!(end(walk()).unwrap(), 6000));
        assert!((100 * KIB..512 * KIB).contains(&all), "{all}");
        for limit in [20 * KIB, 60 * KIB, 120 * KIB, 200 * KIB, 400 * KIB, MIB] {
            let walk = || walk().memory_limit(limit as u64);
            within("walk", limit + 32 * KIB, || assert_eq!(end(walk()).unwrap(), 6000));
            within("partial", limit + 32 * KIB, || end(walk().partial(true)).unwrap());
        }
    }
}

/// Short keys of a tree whose nodes on layer 1 have forty entries, with a link next to each.
fn keys_with_many_links() -> Vec<Vec<u8>> {
    let pairs = [0, 1].repeat(40);
    let under_one = [&pairs[..], &[0, 2]].concat().repeat(16);
    let mut layers = [&under_one[..], &[3]].concat().into_iter().cycle().take(9 * under_one.len());
    let mut next = layers.next();
    let keys = (0u32..).map(|number| format!("a/{number:06}").into_bytes());
    let mut chosen = Vec::new();
    for key in keys {
        let Some(layer) = next else { break };
        if key::layer(&key) == layer {
            chosen.push(key);
            next = layers.next();
        }
    }
    chosen
}

fn links_of_nodes_that_are_read_together_stay_within_the_limit() {
    let record = Record::sample(b"com.example.test/shared");
    let keys = keys_with_many_links();
    let count = keys.len();
    let car = KitRepo::new(keys.into_iter().map(|key| (key, record.clone())));
    let car = car.to_bytes(Order::Preorder);
    let repo =
        Loader::new().verification(Verification::ReachedBlocks).from_slice(&car[..]).unwrap();
    for reverse in [false, true] {
        for limit in [200 * KIB, 400 * KIB, MIB] {
            let walk = || repo.walk().reverse_if(reverse).memory_limit(limit as u64);
            within("walk", limit, || assert_eq!(end(walk()).unwrap(), count));
        }
    }
}

/// A repository followed by `count` sections with blocks of four bytes, generated while reading.
fn tiny_blocks(repo: Vec<u8>, count: u32) -> impl Read {
    let mut numbers = (0..count).peekable();
    let more = std::iter::from_fn(move || {
        numbers.peek()?;
        let section = |number: u32| {
            let mut digest = [0; 32];
            digest[..4].copy_from_slice(&number.to_be_bytes());
            car::section(Cid::new(RAW, digest).as_bytes(), &number.to_be_bytes())
        };
        Some(numbers.by_ref().take(1000).flat_map(section).collect())
    });
    Generated::new(std::iter::once(repo).chain(more))
}

/// 10 MiB of payload in an optimized build, fewer in others.
fn millions_of_tiny_blocks_stay_within_the_limit() {
    let count = if cfg!(debug_assertions) { 200_000 } else { 2_600_000 };
    let sample = breakage::sample().to_car(Order::Preorder);
    let stream = || tiny_blocks(sample.to_bytes(), count);
    let limit = 4 * MIB;
    // Not hashed: hashing would take most of the time, and the blocks do not match their CIDs.
    let loader = || Loader::new().verification(Verification::DangerouslyNone);
    let before = Before::now();
    let loaded = || suspended(loader().memory_limit(limit as u64).from_reader(stream()).unwrap());
    let load = before.within("in memory", limit + 64 * KIB, loaded);
    #[cfg(feature = "redb")]
    {
        let spill = || load.spill(carwalk::store::SpillFile::temporary()).unwrap();
        let repo = before.within("spilling", limit + 3 * MIB, spill);
        assert_eq!(repo.stats().distinct_blocks, u64::from(count) + sample.sections.len() as u64);
        let walk = || repo.records().filter(Result::is_ok).count();
        assert_eq!(before.within("walking", limit + 3 * MIB, walk), 11);
    }
    #[cfg(not(feature = "redb"))]
    drop(load);
}
