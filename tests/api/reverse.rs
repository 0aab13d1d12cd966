//! Reverse walks: the events of a walk in key order, reversed.

use crate::common;
use crate::common::ReverseIf as _;
use carwalk::KeyRange;
use std::collections::BTreeMap;
use std::ops::Bound;

use crate::common::keys::{
    Keys, Told, any_keys, any_range, assert_names, expected, expected_with_nodes, keys_of, parts,
    told_by,
};
use crate::common::part::{Part, Range, Removal};
use crate::common::{MapStore, Row};
use carwalk::mst::Walk;
use carwalk::store::BlockStore;
use carwalk::{Cid, Error, ErrorKind, Loader, Repo, Result, Tree, Verification};
use carwalk_testkit::breakage;
use carwalk_testkit::cases;
use carwalk_testkit::cid::Cid as KitCid;
use carwalk_testkit::repo::{Order, Repo as KitRepo};
use carwalk_testkit::rng::Rng;
use carwalk_testkit::tree::{self, Entry, Link, Node};
use carwalk_testkit::{key, random};

fn seeds() -> u64 {
    cases(10)
}

/// All events of a walk, each as text: everything that it tells, offsets and errors too.
fn events<S: BlockStore>(walk: Walk<'_, S>) -> Vec<String> {
    let mut walk = walk.start();
    let mut events = Vec::new();
    while let Some(event) = walk.next_event().unwrap() {
        events.push(format!("{event:?}"));
    }
    assert!(walk.next_event().unwrap().is_none());
    events
}

/// Holds a walk against itself turned round, and tells how many events it has.
#[track_caller]
fn assert_turns<'s, S: BlockStore + 's>(walk: impl Fn() -> Walk<'s, S>, name: &str) -> usize {
    let forward = events(walk());
    let mut backward = events(walk().reverse());
    backward.reverse();
    assert_eq!(forward, backward, "{name}");
    forward.len()
}

#[test]
fn a_partial_walk_in_reverse_gives_the_same_events() {
    for part in parts(seeds()) {
        let slice = Repo::from_slice(&part.car).unwrap();
        let memory = Repo::from_reader(&part.car[..]).unwrap();
        for records in [true, false] {
            assert_turns(|| slice.walk().partial(true).records(records), &part.name);
            assert_turns(|| memory.walk().partial(true).records(records), &part.name);
        }
    }
}

#[cfg(feature = "redb")]
#[test]
fn a_partial_walk_over_a_file_in_reverse_gives_the_same_events() {
    use carwalk::store::SpillFile;

    for part in parts(cases(4)) {
        let repo =
            common::spill::all_into(Loader::new(), &part.car[..], SpillFile::temporary()).unwrap();
        assert_turns(|| repo.walk().partial(true), &part.name);
        let keys = any_keys(part, &mut Rng::new(part.car.len() as u64));
        assert_turns(|| keys.of_walk(repo.walk().partial(true)), &part.name);
    }
}

#[test]
fn a_range_or_prefix_in_reverse_gives_the_same_events() {
    let mut count = 0;
    for part in parts(seeds()) {
        let repo = Repo::from_slice(&part.car).unwrap();
        let mut rng = Rng::new(part.car.len() as u64);
        for _ in 0..8 {
            let keys = any_keys(part, &mut rng);
            let records = rng.chance(1, 2);
            let name = format!("{}: {keys:?}", part.name);
            count +=
                assert_turns(|| keys.of_walk(repo.walk().partial(true).records(records)), &name);
            // Whichever is said first.
            let mut backward =
                events(keys.of_walk(repo.walk().partial(true).records(records).reverse()));
            backward.reverse();
            assert_eq!(
                backward,
                events(keys.of_walk(repo.walk().partial(true).records(records))),
                "{name}"
            );
        }
    }
    assert!(count as u64 > 20 * seeds(), "{count}");
}

#[test]
fn in_either_order_a_node_comes_before_anything_in_it() {
    for part in parts(seeds()) {
        let repo = Repo::from_slice(&part.car).unwrap();
        let mut rng = Rng::new(part.car.len() as u64);
        let mut sets = vec![Keys::all()];
        sets.extend((0..5).map(|_| any_keys(part, &mut rng)));
        for keys in sets {
            for reverse in [false, true] {
                let walk = keys.of_walk(repo.walk().partial(true).nodes(true)).reverse_if(reverse);
                let expected = expected_with_nodes(part, &keys, reverse);
                assert_eq!(told_by(walk), expected, "{}: {keys:?}, reverse: {reverse}", part.name);
            }
            let nodes = |reverse| {
                let mut nodes =
                    events(keys.of_walk(repo.walk().partial(true).nodes(true).reverse_if(reverse)));
                nodes.retain(|event| event.starts_with("Node"));
                nodes.sort();
                nodes
            };
            assert_eq!(nodes(false), nodes(true), "{}: {keys:?}", part.name);
        }
    }
}

#[test]
fn a_walk_is_reversed_once_and_for_all() {
    let part = Part::of(4, Removal::None);
    let repo = Repo::from_slice(&part.car).unwrap();
    let forward = events(repo.walk());
    assert!(forward.len() > 3);
    let backward = events(repo.walk().reverse());
    assert_eq!(events(repo.walk().reverse().reverse()), backward);
    assert!(backward.iter().rev().eq(&forward));
}

/// Whatever is wrong with nodes and records is told in either order, of the same ones and in the
/// same words.
#[test]
fn what_is_broken_is_the_same_in_reverse() {
    let mut faults = 0;
    for breakage in breakage::all() {
        let case = breakage.make();
        for verification in [Verification::ReachedBlocks, Verification::default()] {
            let Ok(repo) = Loader::new().verification(verification).from_slice(&case.broken) else {
                continue;
            };
            for records in [true, false] {
                let name = format!("{breakage:?}");
                assert_turns(|| repo.walk().partial(true).records(records), &name);
                let fails = |reverse| {
                    let mut walk = repo.walk().records(records).reverse_if(reverse).start();
                    loop {
                        match walk.next_event() {
                            Ok(None) => return false,
                            Ok(Some(_)) => {}
                            Err(_) => return walk.next_event().unwrap().is_none(),
                        }
                    }
                };
                assert_eq!(fails(false), fails(true), "{name}");
                faults += usize::from(fails(true));
            }
        }
    }
    assert!(faults > 50, "{faults}");
}

/// One thing that an iterator gives, in a form that all of them have.
type Item = Result<(Vec<u8>, Cid)>;

/// What the iterators over records and entries have in common.
trait Both: DoubleEndedIterator<Item = Item> {
    fn chunk(&mut self, len: usize) -> Result<Vec<(Vec<u8>, Cid)>>;
}

struct Records<'s, S: BlockStore>(carwalk::Records<'s, S>);
struct Entries<'s, S: BlockStore>(carwalk::Entries<'s, S>);

macro_rules! both {
    ($name:ident, $item:ty) => {
        impl<S: BlockStore> $name<'_, S> {
            fn pair(item: &$item) -> (Vec<u8>, Cid) {
                (item.path().as_str().into(), item.cid())
            }
        }

        impl<S: BlockStore> Iterator for $name<'_, S> {
            type Item = Item;

            fn next(&mut self) -> Option<Item> {
                self.0.next().map(|item| item.map(|item| Self::pair(&item)))
            }
        }

        impl<S: BlockStore> DoubleEndedIterator for $name<'_, S> {
            fn next_back(&mut self) -> Option<Item> {
                self.0.next_back().map(|item| item.map(|item| Self::pair(&item)))
            }
        }

        impl<S: BlockStore> Both for $name<'_, S> {
            fn chunk(&mut self, len: usize) -> Result<Vec<(Vec<u8>, Cid)>> {
                self.0
                    .next_chunk(len)
                    .map(|items| items.iter().map(|item| Self::pair(item)).collect())
            }
        }
    };
}

both!(Records, carwalk::Record<S::Bytes<'_>>);
both!(Entries, carwalk::RepoEntry);

/// Items between two ends that move towards each other; the first gap that either comes to ends
/// both.
struct Model<'t> {
    left: &'t [Told],
    /// The gap that a chunk ended at, which is told next.
    postponed: Option<&'t Told>,
}

impl<'t> Model<'t> {
    fn take(
        &mut self,
        back: bool,
        is_gap: fn(&Told) -> bool,
    ) -> Option<Result<&'t Told, &'t Told>> {
        if let Some(gap) = self.postponed.take() {
            return Some(Err(gap));
        }
        let (item, left) = if back { self.left.split_last()? } else { self.left.split_first()? };
        self.left = left;
        if is_gap(item) {
            self.left = &[];
            return Some(Err(item));
        }
        Some(Ok(item))
    }
}

#[track_caller]
fn assert_pair(found: &(Vec<u8>, Cid), told: &Told) {
    let Told::Entry { key, cid, .. } = told else { panic!("{found:?}, expected {told:?}") };
    assert_eq!((&found.0, &found.1), (key, cid));
}

#[track_caller]
fn assert_item(found: Option<Item>, expected: Option<Result<&Told, &Told>>) {
    match (found, expected) {
        (None, None) => {}
        (Some(Ok(pair)), Some(Ok(told))) => assert_pair(&pair, told),
        (Some(Err(error)), Some(Err(gap))) => assert_names(&error, gap),
        (found, expected) => panic!("{found:?}, expected {expected:?}"),
    }
}

/// Takes items from both ends at random until nothing is left, and some more.
#[track_caller]
fn assert_interleaves(
    mut items: impl Both,
    told: &[Told],
    is_gap: fn(&Told) -> bool,
    rng: &mut Rng,
) {
    let mut model = Model { left: told, postponed: None };
    // Ends of all sorts: fronts only, backs only, and everything between.
    let share = rng.below(5);
    let mut after_end = 0;
    while after_end < 6 {
        after_end += usize::from(model.left.is_empty());
        if rng.chance(share, 4) {
            assert_item(items.next_back(), model.take(true, is_gap));
        } else if rng.chance(2, 3) {
            assert_item(items.next(), model.take(false, is_gap));
        } else {
            assert_chunk(&mut items, &mut model, is_gap, rng.below(5));
        }
    }
    assert!(
        items.next().is_none() && items.next_back().is_none() && items.chunk(3).unwrap().is_empty()
    );
}

#[track_caller]
fn assert_chunk(
    items: &mut impl Both,
    model: &mut Model<'_>,
    is_gap: fn(&Told) -> bool,
    len: usize,
) {
    let mut expected = Vec::new();
    let mut error = None;
    while expected.len() < len.max(1) && error.is_none() {
        match model.take(false, is_gap) {
            Some(Ok(told)) => expected.push(told),
            Some(Err(gap)) => error = Some(gap),
            None => break,
        }
    }
    match (items.chunk(len), error) {
        (Err(found), Some(gap)) if expected.is_empty() => assert_names(&found, gap),
        (Ok(found), error) => {
            assert!(!expected.is_empty() || error.is_none(), "no error of {error:?}");
            assert_eq!(found.len(), expected.len());
            found.iter().zip(expected).for_each(|(pair, told)| assert_pair(pair, told));
            model.postponed = error;
        }
        (Err(found), error) => panic!("{found}, expected {error:?}"),
    }
}

#[test]
fn items_taken_from_both_ends_come_once_each_and_end_where_the_ends_meet() {
    for part in parts(seeds()) {
        let slice = Repo::from_slice(&part.car).unwrap();
        let memory = Repo::from_reader(&part.car[..]).unwrap();
        let mut rng = Rng::new(part.car.len() as u64);
        for number in 0..10 {
            let all = (Bound::Unbounded, Bound::Unbounded);
            let range = if number < 3 { all } else { any_range(part, &mut rng) };
            let told = expected(part, &Keys::Range(range.clone()));
            assert_interleaves(
                Records(slice.records_in(range.clone())),
                &told,
                Told::is_gap,
                &mut rng,
            );
            assert_interleaves(
                Records(memory.records_in(range.clone())),
                &told,
                Told::is_gap,
                &mut rng,
            );
            assert_interleaves(
                Entries(slice.entries_in(range.clone())),
                &told,
                Told::is_missing_node,
                &mut rng,
            );
        }
    }
}

#[test]
fn items_in_reverse_are_those_before_turned_round() {
    for seed in 0..seeds() {
        let part = Part::of(seed, Removal::None);
        let repo = Repo::from_slice(&part.car).unwrap();
        let rows = common::rows(&repo).unwrap();
        let reversed = repo.records().rev().map(|record| {
            let record = record.unwrap();
            (record.path().as_str().into(), record.cid(), record.bytes().to_vec())
        });
        let mut reversed: Vec<Row> = reversed.collect();
        reversed.reverse();
        assert!(reversed == rows, "{}", part.name);
        let mut entries: Vec<_> = repo.entries().rev().map(Result::unwrap).collect();
        entries.reverse();
        assert!(entries.into_iter().eq(repo.entries().map(Result::unwrap)), "{}", part.name);
    }
}

#[test]
fn no_items_and_one_item_end_from_either_end() {
    let none = KitRepo::new([]).to_bytes(Order::Preorder);
    let one = KitRepo::sample(["com.example.test/one"]).to_bytes(Order::Preorder);
    for (car, count) in [(none, 0), (one, 1)] {
        let repo = Repo::from_slice(&car).unwrap();
        assert_eq!(repo.records().rev().count(), count);
        assert_eq!(repo.entries().rev().count(), count);
        for first_back in [false, true] {
            let mut records = repo.records();
            let mut take = |back| if back { records.next_back() } else { records.next() };
            assert_eq!(take(first_back).is_some(), count == 1);
            assert!(
                take(!first_back).is_none()
                    && take(first_back).is_none()
                    && take(!first_back).is_none()
            );
        }
    }
}

/// The rows behind the gap, then the gap, then nothing.
#[test]
fn a_gap_ends_the_records_in_reverse_by_the_name_it_has_forward() {
    let mut gaps = 0;
    for part in parts(seeds()) {
        let repo = Repo::from_slice(&part.car).unwrap();
        let mut told = expected(part, &Keys::all());
        told.reverse();
        let mut records = repo.records().rev();
        for told in &told {
            let found = records.next().unwrap();
            if told.is_gap() {
                assert_names(&found.unwrap_err(), told);
                gaps += 1;
                break;
            }
            let found = found.unwrap();
            assert_pair(&(found.path().as_str().into(), found.cid()), told);
        }
        assert!((0..3).all(|_| records.next().is_none()), "{}", part.name);
    }
    assert!(gaps > seeds(), "{gaps}");
}

/// A tree of any keys in a map.
fn bare_tree(keys: impl IntoIterator<Item = Vec<u8>>) -> (MapStore, Cid) {
    let records: BTreeMap<Vec<u8>, KitCid> =
        keys.into_iter().map(|key| (key, KitCid::dag_cbor(b"record"))).collect();
    let root = tree::build(&records);
    let mut store = MapStore::default();
    for (cid, block) in root.blocks() {
        store.insert(&cid, block);
    }
    (store, common::cid(&root.cid()))
}

#[track_caller]
fn assert_keys_turn(keys: Vec<Vec<u8>>, rng: &mut Rng) {
    let (store, root) = bare_tree(keys.clone());
    let tree = Tree::new(&store, root);
    let keys: Vec<_> =
        BTreeMap::from_iter(keys.into_iter().map(|key| (key, ()))).into_keys().collect();
    let walk = || tree.walk().records(false).reverse();
    let backward = keys_of(walk());
    assert!(backward.iter().rev().eq(&keys));
    for _ in 0..20 {
        let (one, other) = (rng.pick(&keys).clone(), rng.pick(&keys).clone());
        let (start, end) = (one.clone().min(other.clone()), one.max(other));
        let range: Range = (Bound::Included(start.clone()), Bound::Excluded(end.clone()));
        let expected = keys.iter().rev().filter(|key| **key >= start && **key < end);
        assert!(keys_of(walk().range(range)).iter().eq(expected));
        let prefix = &start[..rng.below(start.len() + 1)];
        let expected = keys.iter().rev().filter(|key| key.starts_with(prefix));
        assert!(keys_of(walk().range(KeyRange::prefix(prefix))).iter().eq(expected));
    }
}

#[test]
fn keys_that_each_begin_with_the_one_before_unfold_backwards() {
    let mut rng = Rng::new(1);
    assert_keys_turn((1..=1000).map(|len| vec![b'a'; len]).collect(), &mut rng);
    assert_keys_turn((1..=1024).rev().map(|len| vec![0; len]).collect(), &mut rng);
    // The prefix grows by one with each key, and falls back to every length.
    let grown = (1..=300).flat_map(|len| [vec![b'm'; len], [&vec![b'm'; len][..], b"z"].concat()]);
    assert_keys_turn(grown.collect(), &mut rng);
}

#[test]
fn keys_with_random_shared_prefixes_unfold_backwards() {
    for seed in 0..cases(30) {
        let mut rng = Rng::new(seed);
        let bytes = [0, 1, b'a', 0xff];
        let few = rng.range(1, 5);
        let longest = *rng.pick(&[4, 30, 1000]);
        let mut keys = vec![vec![b'a']];
        for _ in 0..rng.range(1, 300) {
            let stem = rng.pick(&keys).clone();
            let mut key = stem[..rng.below(stem.len() + 1)].to_vec();
            key.extend((0..rng.range(1, longest)).map(|_| bytes[rng.below(few)]));
            key.truncate(1024);
            keys.push(key);
        }
        assert_keys_turn(keys, &mut rng);
    }
}

#[test]
fn a_walk_in_reverse_asks_once_for_each_node_and_entry() {
    for seed in 0..seeds() {
        let random = random::repo(seed, 200);
        let (nodes, entries) = (random.repo.root.blocks().len(), random.records.len());
        let store = MapStore::new(&random.car);
        let tree = Tree::new(&store, common::cid(&random.repo.root.cid()));
        assert_eq!(tree.records().rev().count(), entries);
        assert_eq!(store.gets(), (nodes + entries) as u64);
        assert!(entries == 0 || tree.records().next_back().unwrap().is_ok());
        let most =
            u64::from(random.repo.root.entries.first().map_or(0, |entry| key::layer(&entry.key)))
                + 2;
        assert!(store.gets() - (nodes + entries) as u64 <= most, "seed {seed}");
    }
}

/// The walk from the other end hashes, checks paths and looks records up as the first does.
#[test]
fn items_in_reverse_are_refused_wherever_items_are() {
    let mut refused = 0;
    for breakage in breakage::all() {
        let case = breakage.make();
        let loader = || Loader::new().strict_paths(true).verification(Verification::ReachedBlocks);
        let Ok(repo) = loader().from_slice(&case.broken) else { continue };
        let fails = repo.records().any(|record| record.is_err());
        assert_eq!(repo.records().rev().any(|record| record.is_err()), fails, "{breakage:?}");
        let mut records = repo.records();
        // In turns, until either end comes to the fault.
        let mut back = true;
        while let Some(record) = if back { records.next_back() } else { records.next() } {
            back = !back;
            if record.is_err() {
                assert!(
                    fails && records.next().is_none() && records.next_back().is_none(),
                    "{breakage:?}"
                );
                refused += 1;
            }
        }
        let fails = repo.entries().any(|entry| entry.is_err());
        assert_eq!(repo.entries().rev().any(|entry| entry.is_err()), fails, "{breakage:?}");
    }
    assert!(refused > 30, "{refused}");
}

/// A key that is no path ends the items from whichever end comes to it.
#[test]
fn a_key_that_is_no_path_ends_items_from_both_ends() {
    let (mut store, root) = bare_tree([b"a/b".to_vec(), b"bad".to_vec(), b"c/d".to_vec()]);
    store.insert(&KitCid::dag_cbor(b"record"), b"record".to_vec());
    let tree = Tree::new(&store, root);
    for last_back in [false, true] {
        let mut records = tree.records();
        assert_eq!(records.next().unwrap().unwrap().path().as_str(), "a/b");
        assert_eq!(records.next_back().unwrap().unwrap().path().as_str(), "c/d");
        let error: Error =
            if last_back { records.next_back() } else { records.next() }.unwrap().unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::Path(_)) && error.key() == Some(b"bad"),
            "{error}"
        );
        assert!(records.next().is_none() && records.next_back().is_none());
    }
}

/// Each node links twice to the next; one of the two links is in its place.
#[test]
fn a_node_linked_twice_on_every_layer_is_entered_once_in_reverse() {
    for in_place_first in [false, true] {
        let layers =
            if in_place_first { [7, 6, 5, 4, 3, 2, 1, 0] } else { [0, 1, 2, 3, 4, 5, 6, 7] };
        let mut keys = key::ascending(&layers);
        if in_place_first {
            keys.reverse();
        }
        let record = KitCid::dag_cbor(b"record");
        let mut store = MapStore::default();
        let (mut link, mut root) = (Link::None, Node::default());
        for key in keys {
            let entry = Entry { tree: link.clone(), ..Entry::new(&key, record) };
            root = Node { left: link, entries: vec![entry], bytes_override: None };
            link = Link::Cid(root.cid());
            store.insert(&root.cid(), root.block());
        }
        let tree = Tree::new(&store, common::cid(&root.cid()));
        assert_eq!(assert_turns(|| tree.walk().partial(true).records(false), "doubled"), 8 + 7);
        // The root, and two links on each of seven layers, in both orders.
        assert_eq!(store.gets(), 2 * (1 + 14));
    }
}
