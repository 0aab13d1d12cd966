//! Verification of blocks, one alone or many together.
//!
//! The digests of large blocks are remembered, as long as memory allows, so that a block with many
//! links is hashed once and not once per link.

use std::collections::{HashMap, HashSet};

use crate::cid::Cid;
use crate::error::Result;
use crate::prefetch::prefetch;
use crate::reuse::{MAX_KEPT, Reuse};
use crate::sha256::{sha256, sha256_each};
use crate::store::{Block, Form};

/// The least length of a block whose digest is remembered. Shorter blocks are hashed once per link,
/// which takes at most some twenty bytes of hashing per byte of links.
const LARGE_BLOCK: usize = 1024;

/// Bytes that a place in the table of digests takes: an entry of some 80 bytes, its share of free
/// places, and half as much again for the old table while the new one grows.
const PLACE_COST: u64 = 144;

/// Bytes that a digest may take. A table that has just grown has two places per entry.
const COST: u64 = PLACE_COST * 2;

/// The length of the longest block that is hashed together with others, in bytes. Few are longer.
const MAX_LEN_TOGETHER: usize = 1 << 12;

/// The answer of a store to a request ahead of the walk.
pub(super) trait Answer<B> {
    /// Returns the block and the CID that was requested, if the block was found.
    fn block(&self) -> Option<(Cid, &Block<B>)>;

    fn block_mut(&mut self) -> Option<&mut Block<B>>;
}

/// Returns whether a block has to be hashed.
///
/// A mark counts only for the CID that the block was verified to have, because a store may return
/// the block of another CID. A processed value cannot be hashed.
#[inline]
pub(super) fn is_unverified<B>(cid: Cid, found: &Block<B>) -> bool {
    found.verified != Some(cid) && found.form == Form::Original
}

/// The known digests of blocks, with the lengths of the blocks.
pub(super) struct Digests {
    /// Nothing is removed from the table during a walk. A new table is made instead, because a
    /// table keeps its capacity.
    known: HashMap<Cid, ([u8; 32], usize)>,
    /// The digests of shorter blocks are not remembered.
    min_len: usize,
    batch: Batch,
}

/// Blocks that are hashed together.
#[derive(Default)]
struct Batch {
    /// For each block, the number of its answer and its length.
    blocks: Vec<(usize, usize)>,
    /// The CIDs of the large ones among them.
    large: HashSet<Cid>,
    digests: Vec<[u8; 32]>,
}

impl Default for Digests {
    fn default() -> Self {
        Digests { known: HashMap::new(), min_len: LARGE_BLOCK, batch: Batch::default() }
    }
}

impl Reuse for Digests {
    fn reset(&mut self) {
        self.known.clear();
        self.min_len = LARGE_BLOCK;
        let Batch { blocks, large, digests } = &mut self.batch;
        blocks.reset();
        large.clear();
        digests.reset();
        if self.held() > MAX_KEPT as u64 {
            *self = Digests::default();
        }
    }

    fn held(&self) -> u64 {
        let Batch { blocks, large, digests } = &self.batch;
        let known = (self.known.capacity() as u64).saturating_mul(PLACE_COST);
        let large = (large.capacity() as u64).saturating_mul(PLACE_COST / 2);
        let lists = blocks.held().saturating_add(digests.held());
        lists.saturating_add(known).saturating_add(large)
    }
}

impl Digests {
    /// Checks a block against the requested CID and marks it as verified.
    #[inline]
    pub(super) fn check<B: AsRef<[u8]>>(
        &mut self,
        cid: Cid,
        found: &mut Block<B>,
        memory_limit: u64,
    ) -> Result<()> {
        if !is_unverified(cid, found) {
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
    /// digests, those of the longer blocks are kept.
    fn verify(&mut self, cid: Cid, block: &[u8], memory_limit: u64) -> Result<()> {
        if let Some((digest, _)) = self.known.get(&cid) {
            return cid.verify_digest(digest);
        }
        let digest = sha256(block);
        self.remember(cid, &digest, block.len(), memory_limit);
        cid.verify_digest(&digest)
    }

    /// Remembers the digest of a block of this length.
    fn remember(&mut self, cid: Cid, digest: &[u8; 32], len: usize, memory_limit: u64) {
        if len >= self.min_len {
            self.known.insert(cid, (*digest, len));
        }
        while self.known.len() as u64 > memory_limit / COST {
            // In steps, so that one huge block does not displace all others.
            self.forget_below(self.min_len << 1);
        }
    }

    /// Drops the digests of shorter blocks, frees their memory, and remembers no more of them.
    fn forget_below(&mut self, min_len: usize) {
        debug_assert!(min_len > self.min_len, "a block is longer than half of all memory");
        self.min_len = min_len;
        let is_long = |&(_, (_, len)): &(Cid, ([u8; 32], usize))| len >= min_len;
        let count = self.known.values().filter(|(_, len)| *len >= min_len).count();
        let known = core::mem::replace(&mut self.known, HashMap::with_capacity(count));
        self.known.extend(known.into_iter().filter(is_long));
    }

    /// Hashes the blocks of some answers together, if they have to be hashed, and marks the good
    /// ones. For the others, [`check`](Digests::check) returns the error later.
    pub(super) fn check_together<B: AsRef<[u8]>, A: Answer<B>>(
        &mut self,
        answers: &mut [A],
        memory_limit: u64,
    ) {
        let mut batch = core::mem::take(&mut self.batch);
        batch.choose(answers, |cid| self.known.contains_key(&cid));
        batch.hash(answers);
        for (&(number, len), digest) in batch.blocks.iter().zip(&batch.digests) {
            let Some(answer) = answers.get_mut(number) else { continue };
            let Some((cid, _)) = answer.block() else { continue };
            if len >= LARGE_BLOCK {
                self.remember(cid, digest, len, memory_limit);
            }
            if cid.digest() == digest
                && let Some(block) = answer.block_mut()
            {
                block.verified = Some(cid);
            }
        }
        self.batch = batch;
    }
}

impl Batch {
    /// Chooses the blocks that have to be hashed. A repeated large block is chosen once.
    fn choose<B: AsRef<[u8]>, A: Answer<B>>(
        &mut self,
        answers: &[A],
        is_known: impl Fn(Cid) -> bool,
    ) {
        self.blocks.clear();
        self.large.clear();
        for (number, answer) in answers.iter().enumerate() {
            let Some((cid, block)) = answer.block() else { continue };
            if !is_unverified(cid, block) {
                continue;
            }
            let bytes = block.bytes.as_ref();
            let len = bytes.len();
            let is_new = |large: &mut HashSet<Cid>| !is_known(cid) && large.insert(cid);
            if len <= MAX_LEN_TOGETHER && (len < LARGE_BLOCK || is_new(&mut self.large)) {
                prefetch(bytes);
                self.blocks.push((number, len));
            }
        }
    }

    /// Hashes the chosen blocks. A block whose bytes change from call to call gets some digest.
    fn hash<B: AsRef<[u8]>, A: Answer<B>>(&mut self, answers: &[A]) {
        let Batch { blocks, digests, .. } = self;
        #[cfg(test)]
        tests::note_batch(blocks.len());
        digests.clear();
        digests.resize(blocks.len(), [0; 32]);
        let message = |number: usize| {
            let answer = blocks.get(number).and_then(|&(number, _)| answers.get(number));
            answer.and_then(A::block).map_or(&[][..], |(_, block)| block.bytes.as_ref())
        };
        sha256_each(blocks.len(), message, |number, digest| {
            if let Some(place) = digests.get_mut(number) {
                *place = *digest;
            }
        });
    }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "tests fail by panicking")]
mod tests {
    use core::cell::{Cell, RefCell};

    use super::*;
    use crate::cid::Codec;
    use crate::mst::Event;
    use crate::sha256::hashed;
    use crate::store::{BlockStore, MemoryStore, SliceStore};
    use crate::testing::{Blocks, keys, keys_at, layer, node, records};
    use crate::{Loader, Repo, Result, Verification};

    thread_local! {
        /// The lengths of the batches that were hashed, without empty ones.
        static BATCHES: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
    }

    pub(super) fn note_batch(len: usize) {
        if len > 0 {
            BATCHES.with_borrow_mut(|batches| batches.push(len));
        }
    }

    /// Walks a CAR whose blocks are hashed when they are reached. Returns the number of hashed
    /// bytes, and the numbers of records, bad records and bad subtrees.
    fn hashed_by_walk(car: Vec<u8>) -> (usize, [usize; 3]) {
        let loader = Loader::new().verification(Verification::ReachedBlocks);
        let repo = loader.from_slice(car).unwrap();
        let (hashed, told) = hashed::counted(|| {
            let (mut walk, mut told) = (repo.walk().partial(true).start(), [0; 3]);
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

    /// A tree with `count` keys of one record.
    fn one_record_under(count: usize, record: &[u8]) -> (Blocks, Cid) {
        let mut blocks = Blocks::default();
        let root = blocks.add_tree(keys_at(0).take(count).map(|key| (key, record.to_vec())));
        (blocks, root)
    }

    #[test]
    fn a_large_record_under_many_keys_is_hashed_once_good_or_bad() {
        let record = vec![0; 1 << 20];
        let (mut blocks, root) = one_record_under(500, &record);
        // The root and its keys.
        let most = record.len() + (64 << 10);
        let (hashed, told) = hashed_by_walk(blocks.to_car(root).1);
        assert_eq!(told, [500, 0, 0]);
        assert!(hashed <= most, "{hashed} bytes");
        blocks.0.get_mut(&Cid::of(Codec::DagCbor, &record)).unwrap()[9] ^= 1;
        let (hashed, told) = hashed_by_walk(blocks.to_car(root).1);
        assert_eq!(told, [0, 500, 0]);
        assert!(hashed <= most, "{hashed} bytes");
    }

    /// Walks all of a CAR whose blocks are hashed when they are reached. Returns how many messages
    /// that hashes.
    fn messages_of_walk(car: &[u8], reverse: bool, memory_limit: u64) -> usize {
        let loader = Loader::new().verification(Verification::ReachedBlocks);
        let repo = loader.from_slice(car).unwrap();
        let walk = repo.walk().memory_limit(memory_limit);
        let mut walk = if reverse { walk.reverse() } else { walk }.start();
        hashed::counted(|| while walk.next_event().unwrap().is_some() {}).0.messages
    }

    /// A repository with this many keys and records, and how many blocks it has beside the commit.
    fn repo(count: usize) -> (Cid, Vec<u8>, usize) {
        let mut blocks = Blocks::default();
        let root = blocks.add_tree(records(keys().take(count)));
        let (commit, car) = blocks.to_car(root);
        (commit, car, blocks.0.len())
    }

    /// Each key is hashed too, for its layer.
    #[test]
    fn a_complete_walk_hashes_each_block_that_it_reaches_once() {
        for keys in [1, 40, 700, 3000] {
            let (_, car, blocks) = repo(keys);
            for reverse in [false, true] {
                for memory_limit in [u64::MAX, 1 << 20, 200_000] {
                    let messages = messages_of_walk(&car, reverse, memory_limit);
                    assert_eq!(messages, blocks + keys, "{keys}, {reverse}, {memory_limit}");
                }
            }
        }
    }

    /// The lanes need many blocks at a time. Counts the blocks that are passed to the hasher.
    #[test]
    fn nearly_all_blocks_of_a_walk_are_hashed_in_large_batches() {
        let (_, car, blocks) = repo(3000);
        for reverse in [false, true] {
            BATCHES.take();
            messages_of_walk(&car, reverse, u64::MAX);
            let batches = BATCHES.take();
            let together: usize = batches.iter().sum();
            assert!(together > blocks * 95 / 100, "{together} of {blocks} together");
            assert!(batches.len() < 200, "{together} in {} batches", batches.len());
            let in_large: usize = batches.iter().filter(|&&len| len >= 32).sum();
            assert!(in_large > blocks * 3 / 4, "{in_large} of {blocks} in large batches");
        }
    }

    /// Returns the blocks of a store as copies.
    struct Copies<S>(S);

    impl<S: BlockStore> BlockStore for Copies<S> {
        type Bytes<'a>
            = Vec<u8>
        where
            Self: 'a;

        fn get(&self, cid: &Cid) -> Result<Option<Block<Vec<u8>>>> {
            Ok(self.0.get(cid)?.map(|block| block.map(|bytes| bytes.as_ref().to_vec())))
        }
    }

    /// Returns how many messages a walk over a store of the caller's hashes.
    #[track_caller]
    fn messages_over<S: BlockStore>(store: &S, commit: Cid, keys: usize) -> usize {
        let repo = Repo::from_store(store, commit).unwrap();
        let (hashed, count) = hashed::counted(|| repo.records().try_count().unwrap());
        assert_eq!(count, keys as u64);
        hashed.messages
    }

    /// The keys are hashed in any case, for their layers.
    #[test]
    fn marks_of_verified_blocks_go_through_maps_and_pointers() {
        const KEYS: usize = 700;
        let (commit, car, blocks) = repo(KEYS);
        let all = blocks + KEYS;
        let every_block = || SliceStore::new(car.clone()).unwrap();
        let reached = || {
            let loader = Loader::new().verification(Verification::ReachedBlocks);
            loader.from_slice(car.clone()).unwrap().into_store()
        };
        for (store, hashed) in [(every_block(), KEYS), (reached(), all)] {
            assert_eq!(messages_over(&store, commit, KEYS), hashed);
            assert_eq!(messages_over(&&store, commit, KEYS), hashed);
            let store = std::sync::Arc::new(store);
            assert_eq!(messages_over(&store, commit, KEYS), hashed);
            assert_eq!(messages_over(&std::rc::Rc::new(&store), commit, KEYS), hashed);
            assert_eq!(messages_over(&Copies(Box::new(&store)), commit, KEYS), hashed);
        }
        let memory = MemoryStore::new(&car[..]).unwrap();
        assert_eq!(messages_over(&Copies(&memory), commit, KEYS), KEYS);
        #[cfg(feature = "redb")]
        {
            use crate::store::{AnyStore, RedbStore, SpillFile};
            let any = AnyStore::Memory(memory);
            assert_eq!(messages_over(&any, commit, KEYS), KEYS);
            assert_eq!(messages_over(&Copies(&any), commit, KEYS), KEYS);
            let file = RedbStore::new(&car[..], SpillFile::temporary()).unwrap();
            let any = AnyStore::File(file);
            assert_eq!(messages_over(&any, commit, KEYS), KEYS);
            assert_eq!(messages_over(&std::sync::Arc::new(Copies(any)), commit, KEYS), KEYS);
        }
    }

    /// With lengths that are hashed together with others, and one that is not.
    #[test]
    fn a_large_record_under_many_keys_is_hashed_once_by_a_complete_walk() {
        for len in [LARGE_BLOCK, MAX_LEN_TOGETHER, MAX_LEN_TOGETHER + 1] {
            let (blocks, root) = one_record_under(500, &vec![0; len]);
            let (_, car) = blocks.to_car(root);
            for reverse in [false, true] {
                // The root and its keys, and the record.
                assert_eq!(messages_of_walk(&car, reverse, u64::MAX), 1 + 500 + 1, "{len}");
            }
        }
        let (blocks, root) = one_record_under(500, &[0; LARGE_BLOCK - 1]);
        let (_, car) = blocks.to_car(root);
        assert_eq!(messages_of_walk(&car, false, u64::MAX), 1 + 500 + 500);
    }

    /// A node with a megabyte of keys, all above those of the root, to which every link leads. Each
    /// key that is read is hashed for its layer.
    #[test]
    fn a_large_node_under_many_links_is_hashed_once_and_read_beyond_its_first_key_once() {
        let mut blocks = Blocks::default();
        let record = blocks.add(b"\xa0".to_vec());
        let tail = "a".repeat(900);
        let keys = (0..).map(|n| format!("com.example.zzz/{tail}{n:06}").into_bytes());
        let keys: Vec<_> = keys.filter(|key| layer(key) == 0).take(20_000).collect();
        let entries: Vec<_> = keys.iter().map(|key| (key.clone(), record, None)).collect();
        let leaf = node(None, &entries);
        let link = Some(blocks.add(leaf.clone()));
        let entries: Vec<_> = keys_at(1).take(1000).map(|key| (key, record, link)).collect();
        let root = blocks.add(node(link, &entries));
        let (hashed, told) = hashed_by_walk(blocks.to_car(root).1);
        // After the last key the node is in its place.
        assert_eq!(told, [1000 + 20_000, 0, 1000]);
        let read: usize = keys.iter().map(Vec::len).sum();
        assert!(leaf.len() > 1 << 20 && read > 10 << 20);
        // And a small record for each entry, which is not remembered.
        let most = leaf.len() + read + 1000 * keys[0].len() + 21_000 * 100 + (1 << 20);
        assert!(hashed <= most && most < 1000 * leaf.len() / 20, "{hashed} of {most}");
    }

    /// Otherwise every block but the longest would be hashed once per link.
    #[test]
    fn one_huge_block_does_not_push_the_others_out() {
        let mut digests = Digests::default();
        let lens = (1024..1034).chain([1 << 20]).chain(2048..2057);
        for len in lens {
            let block = vec![0; len];
            digests.verify(Cid::of(Codec::Raw, &block[..]), &block, 10 * COST).unwrap();
        }
        assert_eq!(digests.known.len(), 10, "those from 2,048 bytes on");
        assert!((5 * COST..=10 * COST).contains(&digests.held()), "{}", digests.held());
    }

    /// A table that kept its capacity would take as much memory for few digests as for many.
    #[test]
    fn digests_that_are_forgotten_give_their_memory_back() {
        let mut digests = Digests::default();
        let remember = |digests: &mut Digests, number: u32, len: usize| {
            let cid = Cid::of(Codec::Raw, &number.to_be_bytes());
            digests.remember(cid, &[0; 32], len, 1000 * COST);
        };
        for number in 0..1000 {
            remember(&mut digests, number, 1024 + usize::from(number % 100 == 0) * 1024);
        }
        let held = digests.held();
        assert!((500 * COST..=1000 * COST).contains(&held), "{held}");
        remember(&mut digests, 1000, 2048);
        assert_eq!(digests.known.len(), 11);
        assert!(digests.held() < 20 * COST, "{}", digests.held());
        // Those of shorter blocks are not remembered again, and the table grows only for the
        // others.
        (1001..3000).for_each(|number| remember(&mut digests, number, 2047));
        assert_eq!(digests.known.len(), 11);
        (1001..1900).for_each(|number| remember(&mut digests, number, 2048));
        assert_eq!(digests.known.len(), 910);
        assert!(digests.held() <= 1000 * COST, "{}", digests.held());
    }

    /// A block, the requested CID, and the number of calls for them.
    struct Asked<'a> {
        cid: Cid,
        block: Block<Vec<u8>>,
        asked: &'a Cell<usize>,
    }

    impl Answer<Vec<u8>> for Asked<'_> {
        fn block(&self) -> Option<(Cid, &Block<Vec<u8>>)> {
            self.asked.set(self.asked.get() + 1);
            Some((self.cid, &self.block))
        }

        fn block_mut(&mut self) -> Option<&mut Block<Vec<u8>>> {
            Some(&mut self.block)
        }
    }

    #[test]
    fn choosing_large_blocks_takes_some_steps_for_each() {
        let asked = Cell::new(0);
        let mut answers: Vec<_> = (0..2000_u32)
            .map(|number| {
                // Each is there twice.
                let bytes = (number / 2).to_be_bytes().repeat(LARGE_BLOCK / 4);
                let cid = Cid::of(Codec::Raw, &bytes);
                Asked { cid, block: Block::new(bytes), asked: &asked }
            })
            .collect();
        let mut digests = Digests::default();
        let (hashed, ()) = hashed::counted(|| digests.check_together(&mut answers, u64::MAX));
        assert_eq!(hashed.messages, 1000);
        assert!(asked.get() < 10 * answers.len(), "{}", asked.get());
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
