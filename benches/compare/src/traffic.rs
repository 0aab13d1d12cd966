//! Commit messages like those of the live network, made from random trees.

use std::collections::{BTreeMap, HashMap};

use carwalk::cid::Codec;
use carwalk::mst::{Builder, Event};
use carwalk::store::{Block, BlockStore};
use carwalk::sync::{Action, CommitMessage, Message, Operation, diff_blocks, ops};
use carwalk::{Cid, Repo, Tree, VerifyingKey};
use carwalk_testkit::cbor::Value;
use carwalk_testkit::cid::Cid as KitCid;
use carwalk_testkit::commit::{Commit, DID};
use carwalk_testkit::rng::Rng;
use carwalk_testkit::signing::SigningKey;
use carwalk_testkit::tid;

use crate::Result;

/// The collections of new records, and how many of a hundred are in each.
const COLLECTIONS: [(&str, usize); 4] = [
    ("app.bsky.feed.like", 55),
    ("app.bsky.feed.post", 15),
    ("app.bsky.feed.repost", 10),
    ("app.bsky.graph.follow", 20),
];

/// The number of records of an account: evenly distributed in the logarithm.
const SIZES: [f64; 2] = [10.0, 100_000.0];

/// 2025-06-01T00:00:00Z, in microseconds: the time of the first new record.
const NOW: u64 = 1_748_736_000_000_000;

/// A message, and what a check of it has to hash.
#[derive(Debug)]
pub struct Sent {
    /// The frame.
    pub frame: Vec<u8>,
    /// The number of operations.
    pub ops: usize,
    /// The root of the tree before.
    pub before: Cid,
    /// The blocks of the CAR, the keys of its nodes, and the nodes of the old tree that the
    /// operations change.
    pub hashed: Vec<Vec<u8>>,
    /// The block of the commit.
    pub commit: (Cid, Vec<u8>),
}

/// Messages of accounts that sign with one key.
#[derive(Debug)]
pub struct Traffic {
    /// The messages.
    pub sent: Vec<Sent>,
    /// The key.
    pub key: VerifyingKey,
}

type Entries = BTreeMap<Vec<u8>, Cid>;

/// Blocks by CID.
#[derive(Debug, Default)]
struct Blocks(HashMap<Cid, Vec<u8>>);

impl BlockStore for Blocks {
    type Bytes<'a> = &'a [u8];

    fn get(&self, cid: &Cid) -> carwalk::Result<Option<Block<&[u8]>>> {
        Ok(self.0.get(cid).map(|block| Block::new(block.as_slice())))
    }
}

impl Blocks {
    /// Adds the nodes of a tree and returns its root.
    fn add_tree(&mut self, entries: &Entries) -> Result<Cid> {
        let mut tree = Builder::new(|cid, _, block| {
            self.0.insert(*cid, block.to_vec());
            Ok(())
        });
        for (key, cid) in entries {
            tree.entry(key, *cid)?;
        }
        Ok(tree.finish()?)
    }
}

impl Traffic {
    /// Makes `count` messages. Nine of ten have one operation, the others up to 20.
    ///
    /// # Errors
    ///
    /// If carwalk cannot make a message, which would be an error in it.
    pub fn new(count: usize, seed: u64) -> Result<Self> {
        let signer = SigningKey::k256(&[7; 32]);
        let key = signer.did_key().parse()?;
        let sent = (0..count as u64).map(|number| {
            let mut rng = Rng::for_item(seed, number);
            sent(&mut rng, number, &signer)
        });
        Ok(Traffic { sent: sent.collect::<Result<_>>()?, key })
    }
}

fn sent(rng: &mut Rng, number: u64, signer: &SigningKey) -> Result<Sent> {
    let mut blocks = Blocks::default();
    let mut entries = old_entries(rng);
    let old = blocks.add_tree(&entries)?;
    let count = if rng.chance(9, 10) { 1 } else { rng.range(2, 20) };
    for op in 0..count {
        change(rng, op as u64, &mut entries, &mut blocks);
    }
    let new = blocks.add_tree(&entries)?;
    let rev = tid::text(tid::number(NOW + number * 1_000, 1));
    let root = KitCid::from_bytes(new.as_bytes()).ok_or("not a CID")?;
    let commit = Commit::default().set("rev", Value::text(&rev)).signed(&root, signer);
    let commit = commit.encode(&root);
    let commit_cid = Cid::of(Codec::DagCbor, &commit);
    blocks.0.insert(commit_cid, commit.clone());
    let repo = Repo::from_store(&blocks, commit_cid)?;
    let old_tree = Tree::new(&blocks, old);
    let operations = ops(&old_tree, repo.tree())?;
    let mut car = Vec::new();
    diff_blocks(&old_tree, &repo, &mut car)?;
    Ok(Sent {
        hashed: hashed(&car, new, old, &operations)?,
        frame: frame(number, &rev, old, commit_cid, &car, &operations),
        ops: operations.len(),
        before: old,
        commit: (commit_cid, commit),
    })
}

/// Makes the keys of an account. Their records are never needed.
fn old_entries(rng: &mut Rng) -> Entries {
    let [least, most] = SIZES.map(f64::ln);
    let part = rng.below(1 << 20) as f64 / f64::from(1 << 20);
    let size = (least + part * (most - least)).exp() as u64;
    let mut entries = Entries::new();
    let profile = b"app.bsky.actor.profile/self".to_vec();
    entries.insert(profile, Cid::of(Codec::DagCbor, b"profile"));
    for index in 0..size {
        let time = NOW - (size - index) * 1_000_000_000 + rng.below(900_000_000) as u64;
        let key = key(rng, time);
        let cid = Cid::of(Codec::DagCbor, &key);
        entries.insert(key, cid);
    }
    entries
}

fn key(rng: &mut Rng, time: u64) -> Vec<u8> {
    let mut number = rng.below(100);
    let collection = COLLECTIONS.iter().find(|(_, share)| {
        let is_here = number < *share;
        number = number.saturating_sub(*share);
        is_here
    });
    let collection = collection.map_or("app.bsky.feed.like", |(name, _)| name);
    format!("{collection}/{}", tid::text(tid::number(time, rng.below(1024) as u64))).into_bytes()
}

/// Changes one entry: mostly a new record, newer than the others.
fn change(rng: &mut Rng, op: u64, entries: &mut Entries, blocks: &mut Blocks) {
    let old = entries.keys().nth(rng.below(entries.len())).cloned();
    match (rng.below(100), old) {
        (0..80, _) | (_, None) => {
            let key = key(rng, NOW + op * 1_000);
            entries.insert(key, blocks.add_record(rng));
        }
        (80..92, Some(key)) => {
            entries.remove(&key);
        }
        (_, Some(key)) => {
            entries.insert(key, blocks.add_record(rng));
        }
    }
}

impl Blocks {
    /// Adds a record of the size of a like or a short post.
    fn add_record(&mut self, rng: &mut Rng) -> Cid {
        let uri = format!("at://{DID}/app.bsky.feed.post/{}", tid::text(rng.next_u64() >> 1));
        let subject = KitCid::dag_cbor(&rng.bytes(16));
        let text = "a".repeat(rng.below(120));
        let record = Value::map_sorted([
            ("$type", Value::text("app.bsky.feed.like")),
            ("text", Value::text(text)),
            (
                "subject",
                Value::map_sorted([
                    ("cid", Value::text(subject.to_string())),
                    ("uri", Value::text(uri)),
                ]),
            ),
            ("createdAt", Value::text("2025-06-01T00:00:00.000Z")),
        ])
        .encode();
        let cid = Cid::of(Codec::DagCbor, &record);
        self.0.insert(cid, record);
        cid
    }
}

fn link(cid: &Cid) -> Value {
    KitCid::from_bytes(cid.as_bytes()).map_or(Value::Null, Value::Link)
}

fn frame(
    number: u64,
    rev: &str,
    old: Cid,
    commit: Cid,
    car: &[u8],
    operations: &[Operation<'_>],
) -> Vec<u8> {
    let operations = operations.iter().map(|op| {
        let mut fields = vec![
            ("action", Value::text(op.action.name())),
            ("path", Value::text(&*op.path)),
            ("cid", op.cid.as_ref().map_or(Value::Null, link)),
        ];
        fields.extend(op.prev.as_ref().map(|prev| ("prev", link(prev))));
        Value::map_sorted(fields)
    });
    let body = Value::map_sorted([
        ("seq", Value::Uint(31_000_000_000 + number)),
        ("repo", Value::text(DID)),
        ("rev", Value::text(rev)),
        ("since", Value::text(tid::text(tid::number(NOW - 1, 1)))),
        ("time", Value::text("2025-06-01T00:00:00.000Z")),
        ("commit", link(&commit)),
        ("prevData", link(&old)),
        ("blocks", Value::Bytes(car.to_vec())),
        ("ops", Value::Array(operations.collect())),
        ("blobs", Value::Array(Vec::new())),
        ("tooBig", Value::Bool(false)),
        ("rebase", Value::Bool(false)),
    ]);
    let header = Value::map_sorted([("t", Value::text("#commit")), ("op", Value::Uint(1))]);
    [header.encode(), body.encode()].concat()
}

/// Returns all bytes that a check has to hash: blocks, keys, and nodes of the old tree.
fn hashed(car: &[u8], new: Cid, old: Cid, operations: &[Operation<'_>]) -> Result<Vec<Vec<u8>>> {
    let mut hashed = Vec::new();
    for section in carwalk::car::SliceReader::new(car)? {
        hashed.push(section?.block().to_vec());
    }
    let part = carwalk::store::SliceStore::new(car)?;
    let part = Tree::new(part, new);
    let mut nodes = Vec::new();
    let mut tree = Builder::new(|_, _, block| {
        nodes.push(block.to_vec());
        Ok(())
    });
    let mut left = operations.iter().peekable();
    let mut walk = part.walk().records(false).partial(true).start();
    loop {
        let event = walk.next_event()?;
        let key = match &event {
            Some(Event::Entry { entry, .. }) => Some(entry.key().to_vec()),
            Some(Event::MissingSubtree { interval, .. }) => {
                Some(interval.lower.unwrap_or_default().to_vec())
            }
            _ => None,
        };
        let is_before = |op: &&Operation<'_>| {
            key.as_ref().is_none_or(|key| op.path.as_bytes() < key.as_slice())
        };
        while let Some(op) = left.next_if(is_before) {
            tree.entry(op.path.as_bytes(), op.prev.ok_or("a delete without prev")?)?;
        }
        match event {
            Some(Event::Entry { entry, .. }) => {
                hashed.push(entry.key().to_vec());
                match left.next_if(|op| op.path.as_bytes() == entry.key()) {
                    Some(op) if op.action == Action::Create => {}
                    Some(op) => tree.entry(entry.key(), op.prev.ok_or("no prev")?)?,
                    None => tree.entry(entry.key(), entry.cid())?,
                }
            }
            Some(Event::MissingSubtree { cid, layer: Some(layer), interval, .. }) => {
                tree.subtree(cid, layer, interval)?;
            }
            Some(_) => return Err("the new tree is not valid".into()),
            None => break,
        }
    }
    if tree.finish()? != old {
        return Err("the operations do not lead to the old tree".into());
    }
    hashed.extend(nodes);
    Ok(hashed)
}

/// Parses a frame that has a commit message.
///
/// # Errors
///
/// If the frame has none.
pub fn commit_of(frame: &[u8]) -> Result<CommitMessage<'_>> {
    match Message::parse(frame)? {
        Message::Commit(message) => Ok(message),
        _ => Err("not a commit message".into()),
    }
}
