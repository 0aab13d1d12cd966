//! Stores that fail, lie, or change their minds: an error each time, once, and never a wrong record
//! or a panic.

use crate::common;
use crate::common::ReverseIf as _;
use carwalk::ErrorClass;
use std::cell::Cell;
use std::error::Error as _;

use crate::common::MapStore;
use carwalk::error::{ArgumentFault, Malformed, Structure};
use carwalk::mst::Event;
use carwalk::store::{Block, BlockStore};
use carwalk::{Cid, Error, ErrorKind, KeyRange, Repo, Result, Tree};
use carwalk_testkit::cid::Cid as KitCid;
use carwalk_testkit::repo::{Order, Repo as KitRepo};
use carwalk_testkit::{breakage, oracle, random, tree};

/// What becomes of a block.
type Lie<'a> = &'a dyn Fn(&[u8]) -> Vec<u8>;

fn sample() -> (MapStore, Cid, KitRepo) {
    let repo = breakage::sample();
    (MapStore::new(&repo.to_bytes(Order::Preorder)), common::cid(&repo.root.cid()), repo)
}

/// Fails at one call of `get`, and no other.
#[derive(Debug)]
struct FailsAt<'a> {
    store: &'a MapStore,
    call: u64,
    calls: Cell<u64>,
}

impl BlockStore for FailsAt<'_> {
    type Bytes<'a>
        = &'a [u8]
    where
        Self: 'a;

    fn get(&self, cid: &Cid) -> Result<Option<Block<&[u8]>>> {
        let call = self.calls.replace(self.calls.get() + 1);
        if call == self.call { Err(Error::store("the disk is gone")) } else { self.store.get(cid) }
    }

    fn contains(&self, _: &Cid) -> Result<bool> {
        Err(Error::store("the disk is gone"))
    }
}

fn assert_is_the_stores(error: &Error) {
    assert!(matches!(error.kind(), ErrorKind::Store(_)), "{error}");
    assert_eq!(error.class(), ErrorClass::Io);
    assert!(error.cid().is_some());
    assert_eq!(error.source().unwrap().to_string(), "the disk is gone");
}

#[test]
fn a_failure_at_any_call_comes_out_once_after_the_right_records() {
    let (store, root, repo) = sample();
    let expected = repo.entries();
    let all = expected.len() + repo.root.blocks().len();
    for call in 0..=all {
        let failing = FailsAt { store: &store, call: call as u64, calls: Cell::new(0) };
        let tree = Tree::new(&failing, root);
        let mut records = tree.records();
        let mut good = 0;
        let error = loop {
            match records.next() {
                Some(Ok(record)) => {
                    assert_eq!(record.path().as_str().as_bytes(), expected[good].0);
                    good += 1;
                }
                Some(Err(error)) => break Some(error),
                None => break None,
            }
        };
        assert_eq!(error.is_none(), call == all);
        if let Some(error) = error {
            assert_is_the_stores(&error);
            assert!(good < expected.len());
        }
        assert!(records.next().is_none() && records.next().is_none());
        assert!(records.next_chunk(5).unwrap().is_empty());
    }
}

#[test]
fn a_failure_ends_partial_walks_too() {
    let (store, root, repo) = sample();
    let all = repo.entries().len() + repo.root.blocks().len();
    for call in 0..all {
        let failing = FailsAt { store: &store, call: call as u64, calls: Cell::new(0) };
        let tree = Tree::new(&failing, root);
        let mut walk = tree.walk().partial(true).nodes(true).start();
        let error = loop {
            match walk.next_event() {
                Ok(event) => assert!(event.is_some()),
                Err(error) => break error,
            }
        };
        assert_is_the_stores(&error);
        assert!(walk.next_event().unwrap().is_none());
        assert!(walk.next_event().unwrap().is_none());
    }
}

#[test]
fn a_failure_at_the_commit_is_the_stores() {
    let (store, _, repo) = sample();
    let failing = FailsAt { store: &store, call: 0, calls: Cell::new(0) };
    assert_is_the_stores(&Repo::from_store(&failing, common::cid(&repo.commit_cid())).unwrap_err());
}

/// Returns the error that a function makes, for one block.
struct Refuses<'a, F> {
    store: &'a MapStore,
    cid: Cid,
    error: F,
}

impl<F: Fn() -> Error> BlockStore for Refuses<'_, F> {
    type Bytes<'a>
        = &'a [u8]
    where
        Self: 'a;

    fn get(&self, cid: &Cid) -> Result<Option<Block<&[u8]>>> {
        if *cid == self.cid { Err((self.error)()) } else { self.store.get(cid) }
    }
}

/// The errors for a commit, nodes and records, of all of which the store returns such an error: in
/// walks that hash and read ahead, and in lookups.
fn errors_of_all_blocks(error: impl Fn() -> Error) -> Vec<Error> {
    let repo = random::repo(3, 300).repo;
    let store = MapStore::new(&repo.to_bytes(Order::Preorder));
    let commit = common::cid(&repo.commit_cid());
    let root = common::cid(&repo.root.cid());
    let failing = Refuses { store: &store, cid: commit, error: &error };
    let mut errors = vec![Repo::from_store(&failing, commit).err().unwrap()];
    let entries = repo.entries();
    for (cid, _) in repo.root.blocks() {
        let failing = Refuses { store: &store, cid: common::cid(&cid), error: &error };
        errors.extend(Tree::new(&failing, root).records().find_map(Result::err));
        errors.extend(Tree::new(&failing, root).entries().rev().find_map(Result::err));
    }
    for (key, cid) in entries.iter().step_by(7) {
        let failing = Refuses { store: &store, cid: common::cid(cid), error: &error };
        let tree = Tree::new(&failing, root);
        errors.extend(tree.records().find_map(Result::err));
        errors.extend(tree.get_key(key).err());
    }
    assert!(errors.len() > 20, "{}", errors.len());
    assert!(errors.iter().all(|error| error.cid().is_some()));
    errors
}

/// Such errors are about what the store's own code passed to a function of the library. Neither the
/// arguments of the walk nor the blocks of the repository are at fault.
#[test]
fn an_error_about_a_value_inside_a_store_is_a_failure_of_the_store() {
    let makes: [fn() -> Error; 4] = [
        || Cid::parse(b"no CID").unwrap_err(),
        || KeyRange::collection("no collection/").unwrap_err(),
        || Error::encode("no value"),
        || Repo::from_path("a\0b").unwrap_err(),
    ];
    for make in makes {
        assert_eq!(make().class(), ErrorClass::Caller);
        for error in errors_of_all_blocks(make) {
            assert!(matches!(error.kind(), ErrorKind::Store(_)), "{error}");
            assert_eq!(error.class(), ErrorClass::Io);
            assert_eq!(error.source().unwrap().to_string(), make().to_string());
        }
    }
}

/// The store may have it from a store of the library.
#[test]
fn every_other_error_of_a_store_keeps_its_kind() {
    let (_, _, repo) = sample();
    let mut bad = repo.to_car(Order::Preorder);
    bad.sections[0].data[9] ^= 1;
    let bad = bad.to_bytes();
    let wrong = || Repo::from_slice(&bad[..]).unwrap_err();
    assert!(matches!(wrong().kind(), ErrorKind::HashMismatch { .. }));
    for error in errors_of_all_blocks(wrong) {
        assert!(matches!(error.kind(), ErrorKind::HashMismatch { .. }), "{error}");
        assert_eq!(error.class(), ErrorClass::Invalid);
    }
    for error in errors_of_all_blocks(|| Repo::from_path("no/such.car").unwrap_err()) {
        assert!(matches!(error.kind(), ErrorKind::Io(_)), "{error}");
        assert_eq!(error.class(), ErrorClass::Environment);
        assert_eq!(error.path(), Some("no/such.car".as_ref()));
    }
}

#[test]
fn what_contains_says_does_not_matter_to_a_walk() {
    let (store, root, repo) = sample();
    let lying = FailsAt { store: &store, call: u64::MAX, calls: Cell::new(0) };
    let tree = Tree::new(&lying, root);
    assert_eq!(tree.records().filter(Result::is_ok).count(), repo.entries().len());
    assert_eq!(tree.entries().filter(Result::is_ok).count(), repo.entries().len());
}

/// The sample with one block replaced under its CID.
fn with_other_bytes(index: usize, change: impl FnOnce(&mut Vec<u8>)) -> (MapStore, Cid, Cid) {
    let (mut store, root, repo) = sample();
    let (cid, mut block) = repo.blocks(Order::Preorder).swap_remove(index);
    change(&mut block);
    store.insert(&cid, block);
    (store, root, common::cid(&cid))
}

#[test]
fn wrong_bytes_are_a_hash_mismatch_wherever_they_are() {
    let blocks = sample().2.blocks(Order::Preorder);
    for index in 1..blocks.len() {
        // A sound node, or a sound record, that belongs elsewhere.
        let elsewhere = &blocks[if index > 1 { index - 1 } else { 2 }].1;
        let changes: [Lie<'_>; 5] = [
            &|block| [&[block[0] ^ 1], &block[1..]].concat(),
            &|block| block[..block.len() - 1].to_vec(),
            &|_| Vec::new(),
            &|block| [block, &[0]].concat(),
            &|_| elsewhere.clone(),
        ];
        for change in changes {
            let (store, root, cid) = with_other_bytes(index, |block| *block = change(block));
            let tree = Tree::new(&store, root);
            let error = tree.records().find_map(Result::err).unwrap();
            assert!(matches!(error.kind(), ErrorKind::HashMismatch { .. }), "{error}");
            assert_eq!(error.cid(), Some(&cid));
        }
    }
}

#[test]
fn wrong_bytes_cost_a_partial_walk_only_what_is_under_them() {
    let (_, _, repo) = sample();
    let blocks = repo.blocks(Order::Preorder);
    for (index, (cid, _)) in blocks.iter().enumerate().skip(1) {
        let (store, root, bad) = with_other_bytes(index, |block| block[2] ^= 0x10);
        let mut car = repo.to_car(Order::Preorder);
        car.remove(cid);
        let expected = oracle::walk_partial(&car.to_bytes()).unwrap();
        let tree = Tree::new(&store, root);
        let mut walk = tree.walk().partial(true).start();
        let (mut keys, mut seen) = (Vec::new(), 0);
        while let Some(event) = walk.next_event().unwrap() {
            let (cid, error) = match event {
                Event::Record { entry, .. } => {
                    keys.push(entry.key().to_vec());
                    continue;
                }
                Event::BadRecord { entry, error, .. } => {
                    keys.push(entry.key().to_vec());
                    assert_eq!(error.key(), Some(entry.key()));
                    (entry.cid(), error)
                }
                Event::BadSubtree { cid, interval, error, .. } => {
                    let missing = &expected.missing[0];
                    assert_eq!(interval.lower, missing.low.as_deref());
                    assert_eq!(interval.upper, missing.high.as_deref());
                    (cid, error)
                }
                other => panic!("{other:?}"),
            };
            assert!(matches!(error.kind(), ErrorKind::HashMismatch { .. }));
            assert_eq!(cid, bad);
            seen += 1;
        }
        assert_eq!(seen, 1);
        assert!(keys.iter().eq(expected.entries.iter().map(|entry| &entry.key)));
    }
}

#[test]
fn a_commit_of_other_bytes_is_a_hash_mismatch() {
    let (store, _, commit) = with_other_bytes(0, |block| block[9] ^= 1);
    let error = Repo::from_store(&store, commit).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::HashMismatch { .. }), "{error}");
    assert_eq!(error.cid(), Some(&commit));
}

#[test]
fn a_commit_under_a_cid_of_raw_bytes_is_refused() {
    let (mut store, _, repo) = sample();
    let raw = KitCid::raw(&repo.commit_block());
    store.insert(&raw, repo.commit_block());
    let error = Repo::from_store(&store, common::cid(&raw)).unwrap_err();
    let expected = ArgumentFault::CommitCid { found: common::cid(&raw) };
    assert!(matches!(error.kind(), ErrorKind::Argument(fault) if *fault == expected), "{error}");
}

/// The store has the root under that CID, and the digest is the root's: nothing but the codec is
/// wrong.
#[test]
fn a_root_under_a_cid_of_raw_bytes_is_refused_by_every_walk_and_lookup() {
    let (mut store, root, repo) = sample();
    let kit_raw = KitCid::raw(&repo.root.block());
    let raw = common::cid(&kit_raw);
    assert_eq!(raw.digest(), root.digest());
    store.insert(&kit_raw, repo.root.block());
    let tree = Tree::new(&store, raw);
    let refused = |error: &Error| {
        assert!(
            matches!(error.kind(), ErrorKind::Malformed(Malformed::CidCodec { found: 0x55, .. })),
            "{error}"
        );
        assert_eq!(error.cid(), Some(&raw));
        assert_eq!(error.position().structure(), Structure::Node);
    };
    for (key, _) in repo.entries() {
        refused(&tree.get_key(&key).unwrap_err());
        refused(&tree.records_in(&key[..]..).next().unwrap().unwrap_err());
        refused(&tree.entries_in(..=&key[..]).next_back().unwrap().unwrap_err());
    }
    refused(&tree.get_key("com.example.test/absent").unwrap_err());
    for reverse in [false, true] {
        for records in [false, true] {
            let walk = || tree.walk().reverse_if(reverse).records(records).nodes(true);
            refused(&walk().start().next_event().unwrap_err());
            refused(&walk().completeness().unwrap_err());
            refused(&walk().gaps().next().unwrap().unwrap_err());
            let mut walk = walk().partial(true).start();
            match walk.next_event().unwrap() {
                Some(Event::BadSubtree { cid, layer: None, error, .. }) => {
                    refused(&error);
                    assert_eq!(cid, raw);
                }
                other => panic!("{other:?}"),
            }
            assert!(walk.next_event().unwrap().is_none());
        }
    }
    assert_eq!(tree.records().filter(Result::is_ok).count(), 0);
    assert_eq!(
        Tree::new(&store, root).records().filter(Result::is_ok).count(),
        repo.entries().len()
    );
}

/// Returns one block when asked for another, as the store below returns it: with all that this
/// says of the block.
#[derive(Clone, Copy)]
struct Swapping<'a, S> {
    store: &'a S,
    asked: Cid,
    given: Cid,
}

impl<S: BlockStore> BlockStore for Swapping<'_, S> {
    type Bytes<'a>
        = S::Bytes<'a>
    where
        Self: 'a;

    fn get(&self, cid: &Cid) -> Result<Option<Block<S::Bytes<'_>>>> {
        self.store.get(if *cid == self.asked { &self.given } else { cid })
    }

    fn contains(&self, cid: &Cid) -> Result<bool> {
        self.store.contains(cid)
    }
}

#[track_caller]
fn assert_mismatch(error: &Error, cid: Cid) {
    assert!(matches!(error.kind(), ErrorKind::HashMismatch { .. }), "{error}");
    assert_eq!(error.cid(), Some(&cid));
}

/// Asks every walk for a block that the store swaps for another.
fn assert_swaps_are_found<S: BlockStore>(repo: &Repo<S>) {
    let (mut nodes, mut records) = (Vec::new(), Vec::new());
    let mut walk = repo.walk().nodes(true).start();
    while let Some(event) = walk.next_event().unwrap() {
        match event {
            Event::Node { cid, .. } => nodes.push((cid, None)),
            Event::Record { entry, .. } => {
                records.push((entry.cid(), Some(entry.key().to_vec())));
            }
            other => panic!("{other:?}"),
        }
    }
    let root = repo.commit().data();
    // The first ones come before anything is read ahead, the others after.
    let some = |blocks: &[(Cid, Option<Vec<u8>>)]| -> Vec<_> {
        blocks.iter().step_by(blocks.len().div_ceil(12)).cloned().collect()
    };
    let others = [nodes[1].0, records[0].0, records[records.len() - 1].0];
    for (asked, key) in some(&nodes).into_iter().chain(some(&records)) {
        for given in others.into_iter().filter(|&given| given != asked) {
            let swapping = Swapping { store: repo.store(), asked, given };
            let tree = Tree::new(swapping, root);
            assert_mismatch(&tree.records().find_map(Result::err).unwrap(), asked);
            assert_mismatch(&tree.records().rev().find_map(Result::err).unwrap(), asked);
            let mut walk = tree.walk().partial(true).start();
            let mut found = 0;
            while let Some(event) = walk.next_event().unwrap() {
                if let Event::BadSubtree { error, .. } | Event::BadRecord { error, .. } = event {
                    assert_mismatch(&error, asked);
                    found += 1;
                }
            }
            assert!(found > 0);
            if let Some(key) = &key {
                assert_mismatch(&tree.get_key(key).err().unwrap(), asked);
                assert_eq!(tree.entries().filter(Result::is_ok).count(), records.len());
            } else {
                assert_mismatch(&tree.entries().find_map(Result::err).unwrap(), asked);
            }
        }
        let honest = Tree::new(Swapping { store: repo.store(), asked, given: asked }, root);
        assert!(
            honest.records().map(|record| record.unwrap().cid()).eq(records.iter().map(|r| r.0))
        );
    }
    let commit = repo.commit().cid();
    let swapping = |given| Swapping { store: repo.store(), asked: commit, given };
    assert_mismatch(&Repo::from_store(swapping(root), commit).err().unwrap(), commit);
    assert_eq!(Repo::from_store(swapping(commit), commit).unwrap().commit().data(), root);
}

/// Stores mark the blocks that were verified while loading, so that no walk hashes them again. A
/// mark says which CID a block was verified to have, and nothing about any other.
#[test]
fn a_verified_block_under_another_cid_is_a_hash_mismatch() {
    let car = random::repo(4, 400).car;
    let repo = Repo::from_slice(&car[..]).unwrap();
    assert!(repo.entries().count() > 100, "{}", repo.entries().count());
    assert_swaps_are_found(&repo);
    assert_swaps_are_found(&Repo::from_reader(&car[..]).unwrap());
    #[cfg(feature = "redb")]
    {
        let file = carwalk::store::SpillFile::temporary();
        let loader = carwalk::Loader::new();
        assert_swaps_are_found(&common::spill::all_into(loader, &car[..], file).unwrap());
    }
}

/// Bytes that are other ones from some call of `as_ref` on.
struct Fickle {
    first: Vec<u8>,
    then: Vec<u8>,
    honest: u32,
    calls: Cell<u32>,
}

impl AsRef<[u8]> for Fickle {
    fn as_ref(&self) -> &[u8] {
        let call = self.calls.replace(self.calls.get() + 1);
        if call < self.honest { &self.first } else { &self.then }
    }
}

struct FickleStore<'a> {
    store: &'a MapStore,
    honest: u32,
    then: Lie<'a>,
}

impl BlockStore for FickleStore<'_> {
    type Bytes<'a>
        = Fickle
    where
        Self: 'a;

    fn get(&self, cid: &Cid) -> Result<Option<Block<Fickle>>> {
        let found = self.store.get(cid)?;
        Ok(found.map(|found| {
            let (first, then) = (found.bytes.to_vec(), (self.then)(found.bytes));
            Block::new(Fickle { first, then, honest: self.honest, calls: Cell::new(0) })
        }))
    }

    fn contains(&self, cid: &Cid) -> Result<bool> {
        self.store.contains(cid)
    }
}

#[test]
fn bytes_that_change_while_they_are_held_never_panic_and_the_walk_ends() {
    let (store, root, repo) = sample();
    let other = tree::build(&repo.entries().into_iter().skip(3).collect()).block();
    let lies: [Lie<'_>; 7] = [
        &|_| Vec::new(),
        &|block| block[..block.len() / 2].to_vec(),
        &|block| block[..block.len() - 1].to_vec(),
        &|block| block.iter().map(|byte| !byte).collect(),
        &|block| block.iter().rev().copied().collect(),
        &|_| other.clone(),
        &|block| [block, &[0xff; 5000]].concat(),
    ];
    for then in lies {
        for honest in 0..12 {
            let fickle = FickleStore { store: &store, honest, then };
            let tree = Tree::new(&fickle, root);
            for partial in [false, true] {
                let mut walk = tree.walk().nodes(true).partial(partial).start();
                let mut events = 0;
                while let Ok(Some(event)) = walk.next_event() {
                    let _ = format!("{event:?}");
                    events += 1;
                    assert!(events < 1000, "no end");
                }
                assert!(matches!(walk.next_event(), Ok(None)));
            }
            let mut records = tree.records();
            let most = records.by_ref().take(1000).take_while(Result::is_ok).count();
            assert!(most <= repo.entries().len());
            assert!(records.next().is_none());
        }
    }
}

#[test]
fn a_node_that_shrinks_after_its_check_is_an_error() {
    let (store, root, _) = sample();
    let fickle = FickleStore { store: &store, honest: 3, then: &|_| Vec::new() };
    let error = Tree::new(&fickle, root).records().find_map(Result::err).unwrap();
    assert!(matches!(error.kind(), ErrorKind::Store(_)), "{error}");
}

/// Says of every block that it is somewhere absurd.
struct Misplacing<'a>(&'a MapStore, u64);

impl BlockStore for Misplacing<'_> {
    type Bytes<'a>
        = &'a [u8]
    where
        Self: 'a;

    fn get(&self, cid: &Cid) -> Result<Option<Block<&[u8]>>> {
        Ok(self.0.get(cid)?.map(|found| found.at(self.1)))
    }

    fn contains(&self, cid: &Cid) -> Result<bool> {
        self.0.contains(cid)
    }
}

#[test]
fn offsets_are_told_and_not_believed() {
    for offset in [0, 1, 1 << 40, u64::MAX] {
        let (store, root, repo) = sample();
        let tree = Tree::new(Misplacing(&store, offset), root);
        let records: Vec<_> = tree.records().collect::<Result<_>>().unwrap();
        assert_eq!(records.len(), repo.entries().len());
        assert!(records.iter().all(|record| record.offset() == Some(offset)));

        let (store, root, _) = with_other_bytes(4, |block| block[0] ^= 1);
        let tree = Tree::new(Misplacing(&store, offset), root);
        let error = tree.records().find_map(Result::err).unwrap();
        assert_eq!(error.position().offset(), Some(offset));
        assert!(error.to_string().contains(&format!("at byte {offset}")));
    }
}

/// Counts what it is told to prefetch.
struct Listening<'a>(&'a MapStore, Cell<usize>);

impl BlockStore for Listening<'_> {
    type Bytes<'a>
        = &'a [u8]
    where
        Self: 'a;

    fn get(&self, cid: &Cid) -> Result<Option<Block<&[u8]>>> {
        self.0.get(cid)
    }

    fn contains(&self, cid: &Cid) -> Result<bool> {
        self.0.contains(cid)
    }

    fn prefetch(&self, cids: &[Cid]) {
        assert!(cids.iter().all(|cid| self.0.contains(cid).unwrap()));
        self.1.set(self.1.get() + cids.len());
    }
}

#[test]
fn blocks_are_announced_before_they_are_asked_for() {
    let (store, root, repo) = sample();
    let listening = Listening(&store, Cell::new(0));
    let tree = Tree::new(&listening, root);
    assert_eq!(tree.records().count(), repo.entries().len());
    assert_eq!(listening.1.replace(0), repo.entries().len() + repo.root.blocks().len() - 1);
    assert_eq!(tree.entries().count(), repo.entries().len());
    assert_eq!(listening.1.get(), repo.root.blocks().len() - 1);
}
