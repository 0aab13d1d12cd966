//! A walk that hashes requests records ahead: a fault is returned when the walk reaches the record,
//! and no block is requested twice.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use crate::common::ReverseIf as _;
use crate::common::{self, MapStore, details};
use carwalk::mst::{Event, Walk};
use carwalk::store::{Block, BlockStore};
use carwalk::{Cid, Error, ErrorKind, Result, Tree};
use carwalk_testkit::cases;
use carwalk_testkit::repo::{Order, Record, Repo as KitRepo};
use carwalk_testkit::rng::Rng;
use carwalk_testkit::tree::{Link, Node};

/// Limits with which nothing is read ahead, siblings are, and all is.
const MEMORY_LIMITS: [u64; 4] = [60_000, 250_000, 1 << 20, u64::MAX];

/// A tree with so many records, all of them different.
fn tree(records: usize) -> (MapStore, Cid, KitRepo) {
    let keys = (0..records).map(|number| format!("com.example.test/{number:05}").into_bytes());
    let repo = KitRepo::new(keys.map(|key| {
        // Some are so long that their digests are remembered.
        let len = key[key.len() - 1] as usize % 8 * 200;
        (key.clone(), Record::sample(&key.repeat(1 + len / key.len())))
    }));
    (MapStore::new(&repo.to_bytes(Order::Preorder)), common::cid(&repo.root.cid()), repo)
}

/// What is wrong with a block.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    Fails,
    Missing,
    /// It has other bytes.
    Wrong,
}

/// Something is wrong with one block. Counts how often each was requested.
struct Faulty<'a> {
    store: &'a MapStore,
    cid: Cid,
    fault: Fault,
    gets: RefCell<HashMap<Cid, usize>>,
}

impl<'a> Faulty<'a> {
    fn new(store: &'a MapStore, cid: Cid, fault: Fault) -> Self {
        Faulty { store, cid, fault, gets: RefCell::default() }
    }

    /// The most requests for one block since the last call, and the sum of all.
    fn requests(&self) -> (usize, usize) {
        let gets = self.gets.take();
        (gets.values().copied().max().unwrap_or(0), gets.values().sum())
    }
}

impl BlockStore for Faulty<'_> {
    type Bytes<'a>
        = &'a [u8]
    where
        Self: 'a;

    fn get(&self, cid: &Cid) -> Result<Option<Block<&[u8]>>> {
        *self.gets.borrow_mut().entry(*cid).or_default() += 1;
        let fault = if *cid == self.cid { self.fault } else { Fault::None };
        match fault {
            Fault::Fails => Err(Error::store("the disk is gone")),
            Fault::Missing => Ok(None),
            Fault::Wrong => Ok(Some(Block::new(&b"other"[..]).at(17))),
            Fault::None => self.store.get(cid),
        }
    }

    fn contains(&self, cid: &Cid) -> Result<bool> {
        self.store.contains(cid)
    }
}

/// The keys that come, and the error that ends them.
fn told<S: BlockStore>(walk: Walk<'_, S>) -> (Vec<Vec<u8>>, Option<Error>) {
    let mut walk = walk.start();
    let mut keys = Vec::new();
    loop {
        match walk.next_event() {
            Ok(Some(Event::Record { entry, block, .. })) => {
                assert_eq!(Cid::of(entry.cid().codec(), block), entry.cid());
                keys.push(entry.key().to_vec());
            }
            Ok(Some(other)) => panic!("{other:?}"),
            Ok(None) => return (keys, None),
            Err(error) => {
                assert!(walk.next_event().unwrap().is_none());
                return (keys, Some(error));
            }
        }
    }
}

#[test]
fn each_block_of_a_tree_is_requested_once() {
    for records in [1, 33, 100, 2000] {
        let (store, root, repo) = tree(records);
        let all = repo.root.blocks().len() + records;
        let counting = Faulty::new(&store, root, Fault::None);
        for reverse in [false, true] {
            for limit in MEMORY_LIMITS {
                let walk = || Walk::new(&counting, root).reverse_if(reverse).memory_limit(limit);
                let (keys, error) = told(walk());
                assert!(error.is_none() && keys.len() == records, "{limit}: {error:?}");
                assert_eq!(counting.requests(), (1, all), "{records}, {reverse}, {limit}");
                let (keys, _) = told(walk().partial(true));
                assert_eq!((keys.len(), counting.requests()), (records, (1, all)));
                // A range leaves out what is read ahead outside of it, but for its borders.
                let (keys, _) =
                    told(walk().range("com.example.test/00020".."com.example.test/015"));
                let (most, _) = counting.requests();
                assert!(most <= 1 && keys.len() == records.saturating_sub(20).min(1480));
            }
        }
    }
}

/// A walk over one key reads nothing ahead.
#[test]
fn a_bad_record_is_told_when_the_walk_comes_to_it_as_if_it_were_alone() {
    let (store, root, repo) = tree(1200);
    let entries = repo.entries();
    let mut rng = Rng::new(1);
    for fault in [Fault::Fails, Fault::Missing, Fault::Wrong] {
        for _ in 0..cases(6) {
            let at = rng.below(entries.len());
            let (key, cid) = &entries[at];
            let faulty = Faulty::new(&store, common::cid(cid), fault);
            let alone = told(Walk::new(&faulty, root).range(&key[..]..=&key[..])).1.unwrap();
            assert_eq!(alone.key(), Some(&key[..]));
            assert_eq!(matches!(alone.kind(), ErrorKind::Store(_)), fault == Fault::Fails);
            for (reverse, limit) in
                [false, true].into_iter().flat_map(|reverse| MEMORY_LIMITS.map(|l| (reverse, l)))
            {
                faulty.requests();
                let walk = Walk::new(&faulty, root).reverse_if(reverse).memory_limit(limit);
                let (keys, error) = told(walk);
                let before = if reverse { entries.len() - at - 1 } else { at };
                assert_eq!(keys.len(), before, "{fault:?} {reverse} {limit}");
                assert_eq!(details(&error.unwrap()), details(&alone), "{fault:?} {reverse}");
                assert_eq!(faulty.requests().0, 1);
            }
        }
    }
}

/// The errors of nodes, too, come after all records before them.
#[test]
fn a_bad_node_is_told_after_the_records_before_it() {
    let (store, root, repo) = tree(1200);
    let nodes = repo.root.blocks();
    let mut rng = Rng::new(2);
    for fault in [Fault::Fails, Fault::Missing, Fault::Wrong] {
        for _ in 0..cases(6) {
            let faulty = Faulty::new(&store, common::cid(&rng.pick(&nodes[1..]).0), fault);
            for reverse in [false, true] {
                let walk = || Walk::new(&faulty, root).reverse_if(reverse);
                faulty.requests();
                let (keys, error) = told(walk());
                let error = error.unwrap();
                let (_, all) = faulty.requests();
                assert!(all <= nodes.len() + repo.entries().len());
                assert_eq!(error.cid(), Some(&faulty.cid));
                let (expected, without) = told(walk().memory_limit(60_000));
                assert_eq!(keys, expected, "{fault:?}");
                assert_eq!(details(&error), details(&without.unwrap()), "{fault:?}");
            }
        }
    }
}

/// A subtree that is also linked where another was: its block is good, and its keys belong
/// elsewhere.
#[test]
fn no_link_or_entry_below_a_misplaced_node_is_followed_twice() {
    let (_, _, repo) = tree(1500);
    let mut rng = Rng::new(3);
    let mut told_of = 0;
    for _ in 0..cases(40) {
        let mut bad = repo.clone();
        let mut node = &mut bad.root;
        for _ in 0..rng.below(3) {
            node = node.links_mut().filter_map(Link::node_mut).next().unwrap();
        }
        let mut links: Vec<_> = node.links_mut().filter(|link| link.node().is_some()).collect();
        let (from, to) = (rng.below(links.len()), rng.below(links.len()));
        let Some(cid) = links[from].node().map(Node::cid).filter(|_| from != to) else { continue };
        *links[to] = Link::Cid(cid);
        let store = MapStore::new(&bad.to_bytes(Order::Preorder));
        let root = common::cid(&bad.root.cid());
        let counting = Faulty::new(&store, root, Fault::None);
        for reverse in [false, true] {
            let walk = || Walk::new(&counting, root).reverse_if(reverse);
            counting.requests();
            let (keys, error) = told(walk());
            let gets = counting.gets.take();
            let (expected, without) = told(walk().memory_limit(60_000));
            // Below a node without keys, any walk finds out only at the next one.
            let gets_without = counting.gets.take();
            let most = |given: &Cid| {
                let links = if *given == common::cid(&cid) { 2 } else { 1 };
                gets_without.get(given).map_or(links, |&without| links.max(without))
            };
            assert!(gets.iter().all(|(cid, &count)| count <= most(cid)));
            assert!(keys == expected);
            assert_eq!(details(&error.unwrap()), details(&without.unwrap()));
            told_of += 1;
        }
    }
    assert!(told_of > 20, "{told_of}");
}

#[test]
fn from_both_ends_each_record_comes_once_and_few_are_requested_twice() {
    let (store, root, repo) = tree(900);
    let entries = repo.entries();
    let counting = Faulty::new(&store, root, Fault::None);
    for seed in 0..cases(12) {
        let tree = Tree::new(&counting, root);
        let mut rng = Rng::new(seed);
        let mut records = tree.records();
        let (mut front, mut back) = (Vec::new(), Vec::new());
        // Only at one end at first, in most cases.
        let alone = rng.below(500);
        front.extend(records.by_ref().take(alone).map(|record| record.unwrap().cid()));
        loop {
            let forward = rng.chance(1, 2);
            let next = if forward { records.next() } else { records.next_back() };
            let Some(record) = next else { break };
            if forward { &mut front } else { &mut back }.push(record.unwrap().cid());
        }
        let expected: Vec<_> = entries.iter().map(|(_, cid)| common::cid(cid)).collect();
        let found: Vec<_> = front.into_iter().chain(back.into_iter().rev()).collect();
        assert!(found == expected, "{seed}");
        let gets = counting.gets.take();
        let twice = expected.iter().filter(|cid| gets[*cid] > 1).count();
        assert!(gets.values().all(|&count| count <= 2));
        // Those that were requested ahead before anything was taken from the other end.
        assert!(twice < if alone < 32 { 1 } else { 384 }, "{seed}: {twice}");
    }
}

/// Copies of blocks, and how many bytes of them there are at a time.
struct Copying<'a> {
    store: &'a MapStore,
    held: Cell<usize>,
    most: Cell<usize>,
}

struct Copy<'a>(Vec<u8>, &'a Cell<usize>);

impl AsRef<[u8]> for Copy<'_> {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Copy<'_> {
    fn drop(&mut self) {
        self.1.set(self.1.get() - self.0.len());
    }
}

impl BlockStore for Copying<'_> {
    type Bytes<'a>
        = Copy<'a>
    where
        Self: 'a;

    fn get(&self, cid: &Cid) -> Result<Option<Block<Copy<'_>>>> {
        let Some(block) = self.store.blocks.get(cid) else { return Ok(None) };
        self.held.set(self.held.get() + block.len());
        self.most.set(self.most.get().max(self.held.get()));
        Ok(Some(Block::new(Copy(block.clone(), &self.held))))
    }

    fn contains(&self, cid: &Cid) -> Result<bool> {
        self.store.contains(cid)
    }

    fn memory_cost<'a>(&'a self, block: &Copy<'a>) -> u64 {
        block.0.len() as u64
    }
}

#[test]
fn copies_of_records_that_were_requested_ahead_stay_within_the_limit() {
    const LEN: usize = 20_000;
    let keys = (0..1500u32).map(|number| format!("com.example.test/{number:05}").into_bytes());
    let repo = KitRepo::new(keys.map(|key| (key.clone(), Record::sample(&key.repeat(LEN / 22)))));
    let store = MapStore::new(&repo.to_bytes(Order::Preorder));
    let root = common::cid(&repo.root.cid());
    let mut peaks = Vec::new();
    for limit in [60_000, 150_000, 300_000, 1 << 20, u64::MAX] {
        for reverse in [false, true] {
            let copying = Copying { store: &store, held: Cell::default(), most: Cell::default() };
            let walk = Walk::new(&copying, root).reverse_if(reverse).memory_limit(limit);
            let (keys, error) = told(walk);
            assert!(error.is_none() && keys.len() == 1500, "{error:?}");
            assert_eq!(copying.held.get(), 0);
            // The record that the walk has come to, and one that turned out to be too much.
            let most = limit.saturating_add(2 * LEN as u64).min(600_000);
            assert!((copying.most.get() as u64) < most, "{} at {limit}", copying.most.get());
            peaks.push(copying.most.get());
        }
    }
    assert!(peaks[0] < 60_000 && peaks[9] > 200_000, "{peaks:?}");
}
