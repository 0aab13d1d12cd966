//! Exports that look odd but keep every rule.

use std::collections::BTreeMap;
use std::fmt;

use crate::breakage::{sample, sample_keys};
use crate::car::{header, header_value};
use crate::cbor::Value;
use crate::cid::Cid;
use crate::commit::Commit;
use crate::key;
use crate::repo::{Order, Record, Repo};

/// One oddity.
#[derive(Clone, Copy)]
pub struct Oddity {
    /// The name for lookups.
    pub name: &'static str,
    /// A description of the oddity.
    pub about: &'static str,
    make: fn() -> Vec<u8>,
}

impl Oddity {
    /// Makes the export.
    pub fn make(&self) -> Vec<u8> {
        (self.make)()
    }
}

impl fmt::Debug for Oddity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.about)
    }
}

/// All oddities.
pub fn all() -> impl Iterator<Item = &'static Oddity> {
    CASES.iter()
}

/// The export with the oddity of this name.
///
/// # Panics
///
/// Panics if there is none.
pub fn case(name: &str) -> Vec<u8> {
    all()
        .find(|oddity| oddity.name == name)
        .unwrap_or_else(|| panic!("no oddity is called {name}"))
        .make()
}

const fn oddity(name: &'static str, about: &'static str, make: fn() -> Vec<u8>) -> Oddity {
    Oddity { name, about, make }
}

const CASES: &[Oddity] = &[
    oddity("order_preorder", "nothing odd at all", || sample().to_bytes(Order::Preorder)),
    oddity("order_breadth_first", "nodes by level, then records", || {
        sample().to_bytes(Order::BreadthFirst)
    }),
    oddity("order_pds", "newest blocks first", || sample().to_bytes(Order::Pds)),
    oddity("order_reversed", "records before their nodes, the commit last", || {
        sample().to_bytes(Order::Reversed)
    }),
    oddity("order_commit_last", "pre-order but for the commit", || {
        sample().to_bytes(Order::CommitLast)
    }),
    oddity("order_random", "any order", || sample().to_bytes(Order::Shuffled(3))),
    oddity("empty_repository", "no records", || Repo::new([]).to_bytes(Order::Preorder)),
    oddity("one_record", "one record", || {
        Repo::sample([key::key_at_layer(0, 0)]).to_bytes(Order::Preorder)
    }),
    oddity("every_block_twice", "all blocks, and all once more", || {
        let mut car = sample().to_car(Order::Preorder);
        car.sections.extend(car.sections.clone());
        car.to_bytes()
    }),
    oddity("blocks_thrice_in_a_row", "each block three times in a row", || {
        let mut car = sample().to_car(Order::Preorder);
        car.sections = car
            .sections
            .into_iter()
            .flat_map(|section| [section.clone(), section.clone(), section])
            .collect();
        car.to_bytes()
    }),
    oddity("strays", "blocks that nothing reaches: a record, a node, a commit, raw bytes", || {
        let mut car = sample().to_car(Order::Preorder);
        let other = Repo::sample([key::key_at_layer(1, 9)]);
        for (cid, block) in other.blocks(Order::Preorder) {
            car.push(cid, &block);
        }
        car.push(Cid::raw(b"raw bytes"), b"raw bytes");
        car.shuffle(4);
        car.to_bytes()
    }),
    oddity("stray_not_cbor", "a dag-cbor block that nothing reaches and that is not CBOR", || {
        let mut car = sample().to_car(Order::Preorder);
        car.push_block(&[0xff, 0xff]);
        car.to_bytes()
    }),
    oddity("stray_empty_block", "blocks of no bytes that nothing reaches", || {
        let mut car = sample().to_car(Order::Preorder);
        car.push_block(&[]);
        car.push(Cid::raw(&[]), &[]);
        car.to_bytes()
    }),
    oddity("shared_record", "one record under all keys, its block once", || {
        shared().to_bytes(Order::Preorder)
    }),
    oddity("shared_record_repeated", "one record under all keys, its block for each", || {
        shared().to_bytes(Order::PreorderRepeating)
    }),
    oddity("record_equals_leaf", "a record that is a node of the tree, byte for byte", || {
        record_equal_to(|repo| repo.root.blocks()[3].1.clone())
    }),
    oddity("record_equals_empty_node", "a record that is the node of an empty repository", || {
        record_equal_to(|_| Repo::new([]).root.block())
    }),
    oddity("record_equals_old_root", "a record that was the root before", || {
        record_equal_to(|repo| repo.root.block())
    }),
    oddity("record_equals_old_commit", "a record that was the commit before", || {
        record_equal_to(Repo::commit_block)
    }),
    oddity("record_raw_codec", "a record linked as raw bytes", || {
        with_record(Record::raw(b"not CBOR".to_vec()))
    }),
    oddity("record_raw_and_cbor", "the same bytes linked as raw bytes and as CBOR", || {
        let keys = sample_keys();
        let bytes = Record::sample(&keys[0]).bytes;
        let records =
            [(keys[0].clone(), Record::new(bytes.clone())), (keys[1].clone(), Record::raw(bytes))];
        Repo::new(records).to_bytes(Order::Preorder)
    }),
    oddity("record_empty", "a record of no bytes", || with_record(Record::new(Vec::new()))),
    oddity("record_not_cbor", "a dag-cbor record that is not CBOR", || {
        with_record(Record::new(vec![0xff, 0x00, 0x1c]))
    }),
    oddity("record_not_canonical", "a record with wide heads and unsorted keys", || {
        with_record(Record::new(vec![0xb8, 2, 0x61, b'b', 0x18, 1, 0x61, b'a', 0xf9, 0x3c, 0]))
    }),
    oddity("record_of_1_mib", "a large record", || {
        with_record(Record::new(Value::Bytes(vec![7; 1 << 20]).encode()))
    }),
    oddity(
        "empty_nodes",
        "a key of layer 5 above keys of layer 0: four empty nodes on either side",
        || Repo::sample(key::ascending(&[0, 5, 0])).to_bytes(Order::Preorder),
    ),
    oddity("only_left", "a tree whose every node has one subtree, on the left", || {
        Repo::sample(key::ascending(&[0, 1, 2, 3, 4])).to_bytes(Order::Preorder)
    }),
    oddity("only_right", "a tree whose every node has one subtree, on the right", || {
        Repo::sample(key::ascending(&[4, 3, 2, 1, 0])).to_bytes(Order::Preorder)
    }),
    oddity("large_node", "one node of 500 mined keys", || {
        Repo::sample(key::at_layer(0).take(500)).to_bytes(Order::Preorder)
    }),
    oddity(
        "large_node_below_empty_ones",
        "a node of 500 mined keys under three empty ones",
        || {
            let leaf = key::at_layer(0).take(500);
            let top = b"com.example.zzzz/".to_vec();
            let top = (0..)
                .map(|n| [&top[..], format!("{n}").as_bytes()].concat())
                .find(|key| key::layer(key) == 4);
            Repo::sample(leaf.chain(top)).to_bytes(Order::Preorder)
        },
    ),
    oddity("key_of_1024_bytes", "the longest key", || {
        let long = [key::PREFIX.as_bytes(), &vec![b'a'; 1024 - key::PREFIX.len()]].concat();
        Repo::sample([long]).to_bytes(Order::Preorder)
    }),
    oddity("key_is_prefix_of_next", "keys that begin with the key before", || {
        let keys = (1..=9).map(|len| [key::PREFIX.as_bytes(), &vec![b'a'; len]].concat());
        Repo::sample(keys).to_bytes(Order::Preorder)
    }),
    oddity("paths_of_every_character", "record keys of all characters that are allowed", || {
        let paths = [
            "a/~",
            "com.example.test/:",
            "com.example.test/_-.~:",
            "com.example.test/...",
            "com.example.test/A0",
        ];
        Repo::sample(paths).to_bytes(Order::Preorder)
    }),
    oddity("two_roots", "a second root whose block is there", || {
        roots(|repo| vec![repo.commit_cid(), repo.root.cid()])
    }),
    oddity("root_twice", "the same root twice", || roots(|repo| vec![repo.commit_cid(); 2])),
    oddity("second_root_absent", "a second root of raw bytes that are not there", || {
        roots(|repo| vec![repo.commit_cid(), Cid::raw(b"elsewhere")])
    }),
    oddity("thirty_roots", "as many roots as take a longer head", || {
        roots(|repo| vec![repo.commit_cid(); 30])
    }),
    oddity("header_unknown_keys", "keys before, between and after those of the header", || {
        let repo = sample();
        let mut car = repo.to_car(Order::Preorder);
        let mut header = header_value(&[repo.commit_cid()]);
        let nested =
            Value::Array(vec![Value::map([("a", Value::Bool(true)), ("b", Value::Int(-9))])]);
        header.pairs_mut().insert(0, (Value::text("note"), nested));
        header.pairs_mut().insert(2, (Value::text("source"), Value::text("a test")));
        header.pairs_mut().push((Value::text("zzzzzzzz"), Value::Link(repo.commit_cid())));
        car.set_header(header.encode());
        car.to_bytes()
    }),
    oddity("header_nested", "an unknown key of 20 nested arrays", || {
        let repo = sample();
        let mut car = repo.to_car(Order::Preorder);
        let mut header = header_value(&[repo.commit_cid()]);
        header
            .pairs_mut()
            .insert(0, (Value::text("note"), Value::Raw([vec![0x81; 20], vec![0]].concat())));
        car.set_header(header.encode());
        car.to_bytes()
    }),
    oddity("commit_prev", "a link to the commit before", || {
        commit(|commit| commit.set("prev", Value::Link(Cid::dag_cbor(b"the commit before"))))
    }),
    oddity("commit_unknown_fields", "unknown fields in canonical order", || {
        commit(|commit| {
            let nested =
                Value::map([("a", Value::Null), ("bb", Value::Array(vec![Value::Uint(1)]))]);
            commit
                .set("x", nested)
                .set("proof", Value::Bytes(vec![1; 300]))
                .set("zzzzzzzzz", Value::text("last"))
                .sorted()
        })
    }),
    oddity("commit_thirty_fields", "as many fields as take a longer head", || {
        commit(|commit| {
            (0..24)
                .fold(commit, |commit, n| commit.set(&format!("field-{n}"), Value::Uint(n)))
                .sorted()
        })
    }),
    oddity("commit_did_web", "a did:web with a port", || {
        commit(|commit| commit.set("did", Value::text("did:web:localhost%3A1234")))
    }),
    oddity("commit_did_of_2048_bytes", "the longest did", || {
        commit(|commit| commit.set("did", Value::text(format!("did:web:{}", "a".repeat(2040)))))
    }),
];

fn shared() -> Repo {
    let record = Record::sample(b"com.example.test/shared");
    Repo::new(sample_keys().into_iter().map(|key| (key, record.clone())))
}

/// The sample with another record for the key in the middle.
fn with_record(record: Record) -> Vec<u8> {
    replaced(record).to_bytes(Order::Preorder)
}

fn replaced(record: Record) -> Repo {
    let keys = sample_keys();
    let mut records: BTreeMap<_, _> =
        keys.iter().map(|key| (key.clone(), Record::sample(key))).collect();
    records.insert(keys[6].clone(), record);
    Repo::new(records)
}

/// The sample with a record that equals a block of the original tree. The leaf with the first two
/// keys does not change, so in the result it is both a node and a record.
fn record_equal_to(block: impl FnOnce(&Repo) -> Vec<u8>) -> Vec<u8> {
    with_record(Record::new(block(&sample())))
}

fn roots(roots: impl FnOnce(&Repo) -> Vec<Cid>) -> Vec<u8> {
    let repo = sample();
    let mut car = repo.to_car(Order::Preorder);
    car.set_header(header(&roots(&repo)));
    car.to_bytes()
}

fn commit(change: impl FnOnce(Commit) -> Commit) -> Vec<u8> {
    let mut repo = sample();
    repo.commit = change(repo.commit);
    repo.to_bytes(Order::Preorder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::car::Car;
    use crate::oracle;

    #[test]
    fn oracle_accepts_every_oddity() {
        for oddity in all() {
            assert!(
                oracle::walk(&oddity.make()).is_ok(),
                "{oddity:?}: {:?}",
                oracle::walk(&oddity.make())
            );
        }
    }

    #[test]
    fn record_equal_to_a_leaf_is_still_a_leaf() {
        let walk = oracle::walk(&case("record_equals_leaf")).unwrap();
        let record = walk.entries[6].record.clone().unwrap();
        assert_eq!(record, replaced(Record::new(record.clone())).root.blocks()[3].1);
    }

    #[test]
    fn shared_record_is_there_once_or_for_each() {
        let once = Car::parse(&case("shared_record")).unwrap().sections.len();
        let each = Car::parse(&case("shared_record_repeated")).unwrap().sections.len();
        assert_eq!(each, once + 10);
    }
}
