//! The digests of large blocks, so that none is hashed for each of the links that lead to it, as
//! long as memory allows.

use std::collections::HashMap;

use crate::cid::Cid;
use crate::error::Result;
use crate::sha256::sha256;
use crate::store::{Block, Form};

/// Length from which on a block's digest is remembered, so that hashing takes at most some twenty
/// times the bytes of the links that lead to blocks.
const LARGE_BLOCK: usize = 1024;

/// Bytes that a digest takes with its CID, and twice that while the table grows.
const COST: u64 = 256;

/// The digests that blocks were found to have, with the lengths of the blocks.
#[derive(Default)]
pub(super) struct Digests {
    known: HashMap<Cid, ([u8; 32], usize)>,
    /// Blocks that are shorter are not remembered.
    min_len: usize,
}

impl Digests {
    /// Returns the bytes of memory that are held.
    pub(super) fn held(&self) -> u64 {
        (self.known.len() as u64).saturating_mul(COST)
    }

    /// Checks a block against the CID under which it was requested, and marks it as verified.
    ///
    /// A mark says which CID a block was verified to have; it counts only for that one, since a
    /// store may return the block of another. A processed value has no hash to check.
    #[inline]
    pub(super) fn check<B: AsRef<[u8]>>(
        &mut self,
        cid: Cid,
        found: &mut Block<B>,
        memory_limit: u64,
    ) -> Result<()> {
        if found.verified == Some(cid) || found.form == Form::Value {
            return Ok(());
        }
        let block = found.bytes.as_ref();
        if block.len() < LARGE_BLOCK {
            cid.verify(block)?;
        } else {
            self.verify(cid, block, memory_limit)?;
        }
        found.verified = Some(cid);
        Ok(())
    }

    /// Checks a block against its CID and remembers its digest. If memory does not allow for all
    /// digests, those of the longer blocks stay.
    fn verify(&mut self, cid: Cid, block: &[u8], memory_limit: u64) -> Result<()> {
        if let Some((digest, _)) = self.known.get(&cid) {
            return cid.verify_digest(digest);
        }
        let digest = sha256(block);
        if block.len() >= self.min_len {
            self.known.insert(cid, (digest, block.len()));
        }
        while self.known.len() as u64 > memory_limit / COST {
            // Step by step: one huge block must not push all others out.
            self.min_len = self.min_len.max(1).saturating_mul(2);
            let min_len = self.min_len;
            self.known.retain(|_, (_, len)| *len >= min_len);
        }
        cid.verify_digest(&digest)
    }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "tests fail by panicking")]
mod tests {
    use carwalk_testkit::car::Car;
    use carwalk_testkit::key;
    use carwalk_testkit::repo::{Order, Record, Repo as KitRepo};
    use carwalk_testkit::tree::{Entry, Link, Node};

    use super::*;
    use crate::cid::Codec;
    use crate::mst::Event;
    use crate::sha256::hashed;
    use crate::{Loader, Verification};

    /// Walks a CAR whose blocks are hashed when they are reached. Returns how many bytes that
    /// hashes, and how many records, bad records and bad subtrees there are.
    fn hashed_by_walk(car: &Car) -> (usize, [usize; 3]) {
        let loader = Loader::new().verification(Verification::ReachedBlocks);
        let repo = loader.slice(car.to_bytes()).unwrap();
        let (hashed, told) = hashed::counted(|| {
            let (mut walk, mut told) = (repo.walk().partial(true), [0; 3]);
            while let Some(event) = walk.next_event().unwrap() {
                match event {
                    Event::Record { .. } => told[0] += 1,
                    Event::BadRecord { .. } => told[1] += 1,
                    Event::BadSubtree { .. } => told[2] += 1,
                    other => panic!("{other:?}"),
                }
            }
            told
        });
        (hashed.bytes, told)
    }

    /// A CAR with `count` keys of one record.
    fn one_record_under(count: usize, record: &Record) -> Car {
        let records = key::at_layer(0).take(count).map(|key| (key, record.clone()));
        KitRepo::new(records).to_car(Order::Preorder)
    }

    #[test]
    fn a_large_record_under_many_keys_is_hashed_once_good_or_bad() {
        let record = Record::raw(vec![0; 1 << 20]);
        let good = one_record_under(500, &record);
        // The root and its keys.
        let most = record.bytes.len() + (64 << 10);
        let (hashed, told) = hashed_by_walk(&good);
        assert_eq!(told, [500, 0, 0]);
        assert!(hashed <= most, "{hashed} bytes");
        let mut bad = good;
        let at = bad.index_of(&record.cid);
        bad.sections[at].data[9] ^= 1;
        let (hashed, told) = hashed_by_walk(&bad);
        assert_eq!(told, [0, 500, 0]);
        assert!(hashed <= most, "{hashed} bytes");
    }

    /// A node of a megabyte of keys, after all keys of the root, that every link leads to. Each key
    /// that is read is hashed for its layer.
    #[test]
    fn a_large_node_under_many_links_is_hashed_once_and_read_beyond_its_first_key_once() {
        let record = Record::sample(b"com.example.test/shared");
        let tail = "a".repeat(900);
        let keys = (0..).map(|n| format!("com.example.zzz/{tail}{n:06}").into_bytes());
        let keys: Vec<_> = keys.filter(|key| key::layer(key) == 0).take(20_000).collect();
        let leaf = Node::leaf(keys.iter().map(|key| Entry::new(key, record.cid)).collect());
        let link = Link::Cid(leaf.cid());
        let entries = key::at_layer(1)
            .take(1000)
            .map(|key| Entry { tree: link.clone(), ..Entry::new(&key, record.cid) });
        let mut repo = KitRepo::new([]);
        repo.root = Node { left: link.clone(), entries: entries.collect(), bytes_override: None };
        repo.extra = vec![(leaf.cid(), leaf.block())];
        repo.add_record(record);
        let (hashed, told) = hashed_by_walk(&repo.to_car(Order::Preorder));
        // After the last key the node is in its place.
        assert_eq!(told, [1000 + 20_000, 0, 1000]);
        let read: usize = keys.iter().map(Vec::len).sum();
        assert!(leaf.block().len() > 1 << 20 && read > 10 << 20);
        // And a small record for each entry, which is not remembered.
        let most = leaf.block().len() + read + 1000 * keys[0].len() + 21_000 * 100 + (1 << 20);
        assert!(hashed <= most && most < 1000 * leaf.block().len() / 20, "{hashed} of {most}");
    }

    /// Else every block but the longest would be hashed for each of its links.
    #[test]
    fn one_huge_block_does_not_push_the_others_out() {
        let mut digests = Digests::default();
        let lens = (1000..1010).chain([1 << 20]).chain(2000..2009);
        for len in lens {
            let block = vec![0; len];
            digests.verify(Cid::of(Codec::Raw, &block[..]), &block, 10 * COST).unwrap();
        }
        assert_eq!(digests.known.len(), 10, "those from 2,000 bytes on");
        assert_eq!(digests.held(), 10 * COST);
    }

    #[test]
    fn blocks_are_checked_whatever_is_remembered() {
        for memory_limit in [u64::MAX, 10 * COST, 0] {
            let mut digests = Digests::default();
            for round in 0..2 {
                for number in 0..100u8 {
                    let block = vec![number; usize::from(number) + 1];
                    let cid = Cid::of(Codec::Raw, &block[..]);
                    assert!(digests.verify(cid, &block, memory_limit).is_ok(), "{round}");
                    let other = Cid::of(Codec::DagCbor, b"other");
                    assert!(digests.verify(other, &block, memory_limit).is_err());
                    assert!(digests.known.len() as u64 <= memory_limit / COST);
                }
            }
        }
    }
}
