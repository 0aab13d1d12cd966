//! Trees and repositories for unit tests, which do not depend on the unpublished test kit, so that
//! the published package has tests that compile.
#![expect(clippy::arithmetic_side_effects, reason = "tests fail by panicking")]

use std::collections::BTreeMap;

use minicbor::data::Tag;
use minicbor::encode::Error;

use crate::car::Writer;
use crate::cid::{Cid, Codec};
use crate::sha256::sha256;

/// A splitmix64 generator.
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Rng(seed)
    }

    /// Returns a number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let z = u128::from(z ^ (z >> 31));
        usize::try_from((z * bound as u128) >> 64).unwrap()
    }

    /// Returns true `part` times out of `whole`.
    pub(crate) fn chance(&mut self, part: usize, whole: usize) -> bool {
        self.below(whole) < part
    }

    pub(crate) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }
}

/// Returns the layer of a key: the leading zero bits of its SHA-256, in pairs.
pub(crate) fn layer(key: &[u8]) -> u32 {
    let digest = sha256(key);
    u128::from_be_bytes(digest[..16].try_into().unwrap()).leading_zeros() / 2
}

/// Returns keys in ascending order.
pub(crate) fn keys() -> impl Iterator<Item = Vec<u8>> {
    (0..).map(|number: u32| format!("com.example.test/{number:08}").into_bytes())
}

/// Returns the keys of one layer in ascending order.
pub(crate) fn keys_at(wanted: u32) -> impl Iterator<Item = Vec<u8>> {
    keys().filter(move |key| layer(key) == wanted)
}

/// Returns a small record for each key, different from those of other keys.
pub(crate) fn records(
    keys: impl IntoIterator<Item = Vec<u8>>,
) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> {
    keys.into_iter().map(|key| {
        let mut record = minicbor::Encoder::new(Vec::new());
        record.map(1).unwrap().str("key").unwrap().bytes(&key).unwrap();
        (key, record.into_writer())
    })
}

/// An entry of a node: the key, the record and the subtree after it.
pub(crate) type Entry = (Vec<u8>, Cid, Option<Cid>);

/// Returns the block of a node.
pub(crate) fn node(left: Option<Cid>, entries: &[Entry]) -> Vec<u8> {
    encode(|out| {
        out.map(2)?.str("e")?.array(entries.len() as u64)?;
        let mut previous = &[][..];
        for (key, record, tree) in entries {
            let shared = previous.iter().zip(key).take_while(|(a, b)| a == b).count();
            out.map(4)?.str("k")?.bytes(&key[shared..])?.str("p")?.u64(shared as u64)?;
            link(out.str("t")?, *tree)?;
            link(out.str("v")?, Some(*record))?;
            previous = key;
        }
        link(out.str("l")?, left)
    })
}

type Encoder = minicbor::Encoder<Vec<u8>>;
type Encoded = Result<(), Error<core::convert::Infallible>>;

fn encode(write: impl FnOnce(&mut Encoder) -> Encoded) -> Vec<u8> {
    let mut out = Encoder::new(Vec::new());
    write(&mut out).unwrap();
    out.into_writer()
}

fn link(out: &mut Encoder, cid: Option<Cid>) -> Encoded {
    match cid {
        Some(cid) => out.tag(Tag::new(42))?.bytes(&[&[0], &cid.as_bytes()[..]].concat())?,
        None => out.null()?,
    };
    Ok(())
}

/// The blocks of a repository, except for its commit.
#[derive(Clone, Default)]
pub(crate) struct Blocks(pub(crate) BTreeMap<Cid, Vec<u8>>);

impl Blocks {
    /// Adds a block and returns its CID.
    pub(crate) fn add(&mut self, block: Vec<u8>) -> Cid {
        let cid = Cid::of(Codec::DagCbor, &block);
        self.0.insert(cid, block);
        cid
    }

    /// Adds records, and the tree of their keys, which must be ascending. Returns the root.
    pub(crate) fn add_tree(
        &mut self,
        records: impl IntoIterator<Item = (Vec<u8>, Vec<u8>)>,
    ) -> Cid {
        let records: Vec<_> =
            records.into_iter().map(|(key, record)| (key, self.add(record))).collect();
        let top = records.iter().map(|(key, _)| layer(key)).max().unwrap_or(0);
        self.add_nodes(top, &records).unwrap_or_else(|| self.add(node(None, &[])))
    }

    /// Adds the nodes of a subtree with its root in `top`. Returns the root unless there are no
    /// keys.
    fn add_nodes(&mut self, top: u32, records: &[(Vec<u8>, Cid)]) -> Option<Cid> {
        if records.is_empty() {
            return None;
        }
        let is_own = |(key, _): &(Vec<u8>, Cid)| layer(key) == top;
        let mut links: Vec<Option<Cid>> = Vec::new();
        for below in records.split(is_own) {
            links.push(self.add_nodes(top.saturating_sub(1), below));
        }
        let own = records.iter().filter(|record| is_own(record)).zip(&links[1..]);
        let entries: Vec<Entry> =
            own.map(|((key, record), tree)| (key.clone(), *record, *tree)).collect();
        Some(self.add(node(links[0], &entries)))
    }

    /// Returns the commit of a tree, and a CAR with it and then all blocks in the order of their
    /// CIDs, which is as good as random.
    pub(crate) fn to_car(&self, root: Cid) -> (Cid, Vec<u8>) {
        let block = encode(|out| {
            out.map(6)?.str("did")?.str("did:plc:ewvi7nxzyoun6zhxrhs64oiz")?;
            out.str("rev")?.str("3l4ozvcohu22l")?.str("sig")?.bytes(&[1; 64])?;
            link(out.str("data")?, Some(root))?;
            out.str("prev")?.null()?.str("version")?.u8(3)?;
            Ok(())
        });
        let commit = Cid::of(Codec::DagCbor, &block);
        let mut car = Writer::new(Vec::new(), &[commit]).unwrap();
        car.write(commit, &block).unwrap();
        for (&cid, block) in &self.0 {
            car.write(cid, block).unwrap();
        }
        (commit, car.finish().unwrap())
    }
}
