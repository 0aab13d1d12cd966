//! A naive walker: slow, recursive, and so simple that it is easily seen to be correct.
//!
//! It stores all blocks in a map, decodes nodes with a general CBOR decoder, and collects the keys.
//! It then checks the tree by building the canonical tree of these keys: if the root's CID is the
//! same, every byte of every node is right. Commit and header are checked by encoding them again.

mod decode;
pub(crate) mod syntax;

use std::collections::{BTreeMap, HashMap, HashSet};

pub use self::decode::{decode, is_canonical};
pub use self::syntax::{is_did, is_path, is_tid};
use crate::car::Car;
use crate::cbor::Value;
use crate::cid::{Cid, DAG_CBOR};
use crate::repo::block_map;
use crate::tree;

/// The longest header that is accepted.
pub const HEADER_LIMIT: usize = 1 << 20;
/// The longest block that is accepted.
pub const BLOCK_LIMIT: usize = 2 << 20;
/// The longest key that is accepted.
pub const KEY_LIMIT: usize = 1024;

const MAX_DEPTH: usize = 129;

/// The content of a complete and valid export.
#[derive(Clone, Debug, PartialEq)]
pub struct Walk {
    /// The commit.
    pub commit: Commit,
    /// The entries in key order, every record present.
    pub entries: Vec<Entry>,
}

/// The content of a partial export.
#[derive(Clone, Debug, PartialEq)]
pub struct PartialWalk {
    /// The commit.
    pub commit: Commit,
    /// The entries of all nodes that can be reached, in key order.
    pub entries: Vec<Entry>,
    /// The missing nodes, in key order.
    pub missing: Vec<MissingNode>,
}

/// A commit.
#[derive(Clone, Debug, PartialEq)]
pub struct Commit {
    /// The CID of its block.
    pub cid: Cid,
    /// The account.
    pub did: String,
    /// The revision.
    pub rev: String,
    /// The tree's root.
    pub data: Cid,
    /// The previous commit.
    pub prev: Option<Cid>,
    /// The signature.
    pub sig: Vec<u8>,
}

/// An entry of the tree.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: Vec<u8>,
    /// The record's CID.
    pub cid: Cid,
    /// The record, if the CAR has its block.
    pub record: Option<Vec<u8>>,
}

/// A missing node.
#[derive(Clone, Debug, PartialEq)]
pub struct MissingNode {
    /// The link.
    pub cid: Cid,
    /// All keys below are greater than this one.
    pub low: Option<Vec<u8>>,
    /// All keys below are less than this one.
    pub high: Option<Vec<u8>>,
    /// The number of links from the root to it.
    pub depth: usize,
}

/// Walks a complete export and checks all of it, including the syntax of repo paths.
pub fn walk(car: &[u8]) -> Result<Walk, String> {
    let walk = walk_any_keys(car)?;
    match walk.entries.iter().find(|entry| !is_path(&entry.key)) {
        Some(entry) => Err(format!("not a repository path: {}", entry.key.escape_ascii())),
        None => Ok(walk),
    }
}

/// Walks a complete export whose keys need not be repo paths.
pub fn walk_any_keys(car: &[u8]) -> Result<Walk, String> {
    let partial = walk_partial(car)?;
    if let Some(node) = partial.missing.first() {
        return Err(format!("node {} is absent", node.cid));
    }
    if let Some(entry) = partial.entries.iter().find(|entry| entry.record.is_none()) {
        return Err(format!("record {} is absent", entry.cid));
    }
    let mut records = BTreeMap::new();
    for entry in &partial.entries {
        if records.insert(entry.key.clone(), entry.cid).is_some() {
            return Err(format!("two entries of {}", entry.key.escape_ascii()));
        }
    }
    if tree::build(&records).cid() != partial.commit.data {
        return Err("the keys give another tree".into());
    }
    Ok(Walk { commit: partial.commit, entries: partial.entries })
}

/// Walks a partial export.
///
/// Framing, hashes and commit are checked as for a complete one. The checks of the tree are weaker:
/// nodes can be decoded, keys ascend, and no node is linked twice.
pub fn walk_partial(car: &[u8]) -> Result<PartialWalk, String> {
    let car = Car::parse(car)?;
    let root = check_header(&car.header)?;
    let blocks = check_blocks(&car)?;
    let commit = parse_commit(root, blocks.get(&root).ok_or("the commit is absent")?)?;
    let mut collector = Collector { blocks: &blocks, seen: HashSet::new(), items: Vec::new() };
    // The CID of an empty tree's node determines its content.
    if blocks.contains_key(&commit.data) || commit.data != tree::build(&BTreeMap::new()).cid() {
        collector.collect(commit.data, 0)?;
    }
    let items = collector.items;
    check_keys(&items)?;
    let missing = missing_nodes(&items);
    let entries = items
        .into_iter()
        .filter_map(|item| if let Item::Entry(entry) = item { Some(entry) } else { None });
    Ok(PartialWalk { commit, entries: entries.collect(), missing })
}

fn check_header(header: &[u8]) -> Result<Cid, String> {
    if header.len() > HEADER_LIMIT {
        return Err("header too long".into());
    }
    let value = canonical(header)?;
    if value.get("version") != Some(&Value::Uint(1)) {
        return Err("header without version 1".into());
    }
    let Some(Value::Array(roots)) = value.get("roots") else {
        return Err("header without roots".into());
    };
    if !roots.iter().all(|root| matches!(root, Value::Link(_))) {
        return Err("root is not a link".into());
    }
    match roots.first() {
        Some(Value::Link(cid)) if cid.codec() == DAG_CBOR => Ok(*cid),
        _ => Err("no root that can be a commit".into()),
    }
}

fn check_blocks(car: &Car) -> Result<HashMap<Cid, Vec<u8>>, String> {
    if car.sections.iter().any(|section| section.data.len() > BLOCK_LIMIT) {
        return Err("block too long".into());
    }
    let blocks = block_map(car);
    let sound = car
        .sections
        .iter()
        .all(|section| Cid::from_bytes(&section.cid).is_some_and(|cid| cid.fits(&section.data)));
    if sound { Ok(blocks) } else { Err("a block does not fit its CID".into()) }
}

fn parse_commit(cid: Cid, block: &[u8]) -> Result<Commit, String> {
    let value = canonical(block)?;
    if value.get("version") != Some(&Value::Uint(3)) {
        return Err("commit of another version".into());
    }
    let prev = match value.get("prev") {
        Some(Value::Null) => None,
        Some(Value::Link(cid)) if cid.codec() == DAG_CBOR => Some(*cid),
        _ => return Err("bad prev".into()),
    };
    match (value.get("did"), value.get("rev"), value.get("data"), value.get("sig")) {
        (
            Some(Value::Text(did)),
            Some(Value::Text(rev)),
            Some(Value::Link(data)),
            Some(Value::Bytes(sig)),
        ) if is_did(did) && is_tid(rev) && data.codec() == DAG_CBOR && sig.len() == 64 => {
            Ok(Commit {
                cid,
                did: did.clone(),
                rev: rev.clone(),
                data: *data,
                prev,
                sig: sig.clone(),
            })
        }
        _ => Err("bad field in commit".into()),
    }
}

fn canonical(block: &[u8]) -> Result<Value, String> {
    let value = decode(block)?;
    if is_canonical(&value) && value.encode() == block {
        Ok(value)
    } else {
        Err("not canonical".into())
    }
}

enum Item {
    Entry(Entry),
    Missing { cid: Cid, depth: usize },
}

struct Collector<'a> {
    blocks: &'a HashMap<Cid, Vec<u8>>,
    seen: HashSet<Cid>,
    items: Vec<Item>,
}

impl Collector<'_> {
    fn collect(&mut self, cid: Cid, depth: usize) -> Result<(), String> {
        let Some(block) = self.blocks.get(&cid) else {
            self.items.push(Item::Missing { cid, depth });
            return Ok(());
        };
        if depth > MAX_DEPTH {
            return Err("tree too deep".into());
        }
        if !self.seen.insert(cid) {
            return Err(format!("node {cid} is linked twice"));
        }
        let node = decode(block)?;
        self.collect_link(node.get("l"), depth)?;
        let Some(Value::Array(entries)) = node.get("e") else {
            return Err("node without entries".into());
        };
        let mut key = Vec::new();
        for entry in entries {
            self.collect_entry(entry, &mut key)?;
            self.collect_link(entry.get("t"), depth)?;
        }
        Ok(())
    }

    fn collect_link(&mut self, link: Option<&Value>, depth: usize) -> Result<(), String> {
        match link {
            Some(Value::Null) => Ok(()),
            Some(Value::Link(cid)) => self.collect(*cid, depth + 1),
            _ => Err("bad link to a subtree".into()),
        }
    }

    fn collect_entry(&mut self, entry: &Value, key: &mut Vec<u8>) -> Result<(), String> {
        let (Some(Value::Uint(prefix_len)), Some(Value::Bytes(suffix)), Some(Value::Link(cid))) =
            (entry.get("p"), entry.get("k"), entry.get("v"))
        else {
            return Err("bad field in entry".into());
        };
        if *prefix_len > key.len() as u64 {
            return Err("prefix longer than the key before".into());
        }
        key.truncate(*prefix_len as usize);
        key.extend_from_slice(suffix);
        let record = self.blocks.get(cid).cloned();
        self.items.push(Item::Entry(Entry { key: key.clone(), cid: *cid, record }));
        Ok(())
    }
}

fn keys(items: &[Item]) -> impl DoubleEndedIterator<Item = &Vec<u8>> {
    items
        .iter()
        .filter_map(|item| if let Item::Entry(entry) = item { Some(&entry.key) } else { None })
}

fn check_keys(items: &[Item]) -> Result<(), String> {
    if keys(items).any(|key| key.is_empty() || key.len() > KEY_LIMIT) {
        return Err("key of no or too many bytes".into());
    }
    if keys(items).is_sorted_by(|a, b| a < b) { Ok(()) } else { Err("keys do not ascend".into()) }
}

/// There is always a key between two links of a tree, so the nearest keys are the bounds.
fn missing_nodes(items: &[Item]) -> Vec<MissingNode> {
    let missing = items.iter().enumerate().filter_map(|(index, item)| match item {
        Item::Entry(_) => None,
        Item::Missing { cid, depth } => {
            let low = keys(&items[..index]).next_back().cloned();
            let high = keys(&items[index..]).next().cloned();
            Some(MissingNode { cid: *cid, low, high, depth: *depth })
        }
    });
    missing.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key;
    use crate::repo::{Order, Repo};

    #[test]
    fn every_order_gives_the_same_walk() {
        let repo = Repo::sample(key::ascending(&[0, 2, 1, 0, 0, 3]));
        let expected = repo.entries();
        for order in Order::ALL {
            let walk = walk(&repo.to_bytes(order)).unwrap();
            let entries: Vec<_> =
                walk.entries.into_iter().map(|entry| (entry.key, entry.cid)).collect();
            assert_eq!(entries, expected, "{order:?}");
        }
    }

    #[test]
    fn missing_node_has_its_interval() {
        let keys = key::ascending(&[1, 0, 1]);
        let repo = Repo::sample(&keys);
        let mut car = repo.to_car(Order::Preorder);
        let leaf = repo.root.blocks()[1].0;
        car.remove(&leaf);
        let partial = walk_partial(&car.to_bytes()).unwrap();
        let expected = MissingNode {
            cid: leaf,
            low: Some(keys[0].clone()),
            high: Some(keys[2].clone()),
            depth: 1,
        };
        assert_eq!(partial.missing, [expected]);
        assert_eq!(partial.entries.len(), 2);
    }
}
