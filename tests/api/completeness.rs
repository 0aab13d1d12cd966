//! Completeness of a range in a partial tree: known entries, missing records, and gaps.

use crate::common;
use crate::common::MapStore;
use crate::common::keys::{Keys, Told, any_keys, expected, parts, ranges};
use crate::common::part::{self, Answer, Hidden, Part, PlainTree, Removal};
use carwalk::ErrorClass;
use carwalk::mst::{Completeness, Event, Walk};
use carwalk::store::BlockStore;
use carwalk::{ErrorKind, Gap, Loader, Lookup, Repo, Tree, Verification};
use carwalk_testkit::breakage;
use carwalk_testkit::cases;
use carwalk_testkit::repo::Order;
use carwalk_testkit::rng::Rng;

fn seeds() -> u64 {
    cases(8)
}

/// A gap in the form of the tests.
fn hidden(gap: Gap) -> Hidden {
    match part::answer::<()>(Lookup::Unknown(gap)) {
        Answer::Unknown(hidden) => hidden,
        other => panic!("{other:?}"),
    }
}

fn gaps<S: BlockStore>(walk: Walk<'_, S>) -> Vec<Hidden> {
    let mut gaps = walk.gaps();
    let found = gaps.by_ref().map(|gap| hidden(gap.unwrap())).collect();
    assert!(gaps.next().is_none() && gaps.next().is_none());
    found
}

/// The nodes that are missing in what was told, in order.
fn missing(told: &[Told]) -> Vec<Hidden> {
    let missing = told
        .iter()
        .filter_map(|told| if let Told::Missing(hidden) = told { Some(hidden) } else { None });
    missing.cloned().collect()
}

#[track_caller]
fn assert_counts(found: &Completeness, told: &[Told], looked_up: bool, name: &str) {
    let entries = told.iter().filter(|told| !told.is_missing_node()).count() as u64;
    let gaps = told.len() as u64 - entries;
    let missing_records =
        told.iter().filter(|told| told.is_gap() && !told.is_missing_node()).count() as u64;
    let missing_records = looked_up.then_some(missing_records);
    assert_eq!(
        (found.entries, found.gaps, found.missing_records),
        (entries, gaps, missing_records),
        "{name}"
    );
    assert_eq!(found.has_all_keys(), gaps == 0, "{name}");
    assert_eq!(found.is_complete(), gaps == 0 && missing_records == Some(0), "{name}");
}

#[test]
fn ranges_and_prefixes_of_parts_have_what_a_plain_descent_finds() {
    let (mut all, mut keys_only, mut holey) = (0, 0, 0);
    for part in parts(seeds()) {
        let slice = Repo::from_slice(&part.car).unwrap();
        let memory = Repo::from_reader(&part.car[..]).unwrap();
        let mut rng = Rng::new(part.car.len() as u64);
        let mut sets: Vec<Keys> = ranges(part).into_iter().take(20).map(Keys::Range).collect();
        sets.push(Keys::all());
        sets.extend((0..12).map(|_| any_keys(part, &mut rng)));
        for keys in sets {
            let told = expected(part, &keys);
            let name = format!("{}: {keys:?}", part.name);
            let found = keys.of_walk(slice.walk()).completeness().unwrap();
            assert_counts(&found, &told, true, &name);
            assert_eq!(keys.of_walk(memory.walk()).completeness().unwrap(), found, "{name}");
            assert_eq!(
                keys.of_walk(slice.walk()).reverse().completeness().unwrap(),
                found,
                "{name}"
            );
            let unread = keys.of_walk(slice.walk().records(false)).completeness().unwrap();
            assert_counts(&unread, &told, false, &name);
            let mut missing = missing(&told);
            assert_eq!(gaps(keys.of_walk(slice.walk())), missing, "{name}");
            missing.reverse();
            assert_eq!(gaps(keys.of_walk(memory.walk()).reverse()), missing, "{name}");
            match found {
                found if found.is_complete() => all += 1,
                found if found.has_all_keys() => keys_only += 1,
                _ => holey += 1,
            }
        }
    }
    assert!(
        [all, keys_only, holey].iter().all(|&count| count > seeds()),
        "{all}, {keys_only}, {holey}"
    );
}

/// If it is complete the keys are those of the whole tree, whatever else there is.
#[test]
fn what_has_all_keys_has_those_of_the_whole_tree() {
    for part in parts(seeds()) {
        let repo = Repo::from_slice(&part.car).unwrap();
        let mut rng = Rng::new(part.car.len() as u64);
        for _ in 0..20 {
            let keys = any_keys(part, &mut rng);
            let found = keys.of_walk(repo.walk()).completeness().unwrap();
            let whole = part.random.records.keys().filter(|key| keys.contains(key)).count() as u64;
            assert!(found.entries <= whole, "{}: {keys:?}", part.name);
            if found.has_all_keys() {
                assert_eq!(found.entries, whole, "{}: {keys:?}", part.name);
            }
        }
    }
}

/// A lookup may need fewer nodes, for it knows the key's layer; it never needs others.
#[test]
fn a_lookup_says_absent_wherever_the_range_of_the_one_key_is_known_to_be_empty() {
    let (mut both, mut shorter) = (0, 0);
    for part in parts(seeds()) {
        let repo = Repo::from_slice(&part.car).unwrap();
        for key in part::probes(&part.tree, &mut Rng::new(part.car.len() as u64)) {
            let name = || format!("{}: {}", part.name, key.escape_ascii());
            let next = [&key[..], &[0]].concat();
            let range = repo.walk().range(&key[..]..&next[..]).completeness().unwrap();
            assert!(range.entries + range.gaps <= 1, "{}", name());
            match repo.tree().get_key(&key).unwrap() {
                Lookup::Present { record, .. } => {
                    assert_eq!((range.entries, range.gaps), (1, 0), "{}", name());
                    assert_eq!(
                        range.missing_records,
                        Some(u64::from(record.is_none())),
                        "{}",
                        name()
                    );
                }
                Lookup::Absent => {
                    assert_eq!(range.entries, 0, "{}", name());
                    both += range.gaps ^ 1;
                    shorter += range.gaps;
                }
                Lookup::Unknown(gap) => {
                    let found: Vec<_> =
                        repo.walk().range(&key[..]..&next[..]).gaps().map(Result::unwrap).collect();
                    assert_eq!(found, [gap], "{}", name());
                }
            }
        }
    }
    assert!(both > 15 * seeds() && shorter > seeds(), "{both}, {shorter}");
}

#[test]
fn a_walk_that_was_begun_is_asked_from_its_beginning() {
    let part = Part::of(4, Removal::One);
    let repo = Repo::from_slice(&part.car).unwrap();
    let whole = repo.walk().completeness().unwrap();
    assert!(whole.gaps > 0 && whole.entries > 0);
    // Whatever else was set.
    let set = || repo.walk().partial(true).nodes(true);
    assert_eq!(set().completeness().unwrap(), whole);
    assert_eq!(gaps(set()), gaps(repo.walk()));
}

#[test]
fn only_what_touches_the_range_is_read() {
    for seed in 0..seeds() {
        let part = Part::of(seed, Removal::None);
        let store = MapStore::new(&part.car);
        let tree = Tree::new(&store, part.tree.root());
        let mut rng = Rng::new(seed);
        for _ in 0..10 {
            let keys = any_keys(&part, &mut rng);
            let nodes = part.tree.0.iter().filter(|node| keys.touches(node)).count() as u64;
            let records =
                part.random.records.keys().filter(|key| keys.contains(key)).count() as u64;
            let before = store.gets();
            keys.of_walk(tree.walk()).completeness().unwrap();
            assert_eq!(store.gets() - before, nodes + records, "{}: {keys:?}", part.name);
            let before = store.gets();
            assert_eq!(keys.of_walk(tree.walk()).gaps().count(), 0);
            assert_eq!(store.gets() - before, nodes, "{}: {keys:?}", part.name);
        }
    }
}

/// What a partial walk comes to first that is bad: whether it is a node or a record.
fn first_bad<S: BlockStore>(repo: &Repo<S>) -> Option<bool> {
    let mut walk = repo.walk().partial(true).start();
    loop {
        match walk.next_event().unwrap()? {
            Event::BadSubtree { .. } => return Some(true),
            Event::BadRecord { .. } => return Some(false),
            _ => {}
        }
    }
}

#[test]
fn over_bad_nodes_and_records_completeness_is_an_error_and_never_a_count() {
    let (mut nodes, mut records) = (0, 0);
    for breakage in breakage::all() {
        let case = breakage.make();
        let loader = Loader::new().verification(Verification::ReachedBlocks);
        let Ok(repo) = loader.from_slice(&case.broken) else { continue };
        let found = repo.walk().completeness();
        let mut gaps = repo.walk().gaps().skip_while(Result::is_ok);
        match first_bad(&repo) {
            Some(is_node) => {
                let error = found.unwrap_err();
                assert!(error.class() != ErrorClass::Missing, "{breakage:?}: {error}");
                nodes += usize::from(is_node);
                records += usize::from(!is_node);
                // Records are not read for gaps.
                assert_eq!(
                    repo.walk().records(false).completeness().is_err(),
                    gaps.next().is_some(),
                    "{breakage:?}"
                );
                assert!(gaps.next().is_none() && gaps.next().is_none(), "{breakage:?}");
            }
            None => {
                found.unwrap();
                assert!(gaps.next().is_none(), "{breakage:?}");
            }
        }
    }
    assert!(nodes > 20 && records > 0, "{nodes}, {records}");
}

/// A bad node is an error only where it can hold a key.
#[test]
fn a_bad_subtree_beside_the_range_is_not_looked_at() {
    let kit = breakage::sample();
    let tree = PlainTree::of(&kit.root);
    for node in &tree.0[1..] {
        let mut car = kit.to_car(Order::Preorder);
        let index = car.index_of(&node.cid);
        car.sections[index].data[9] ^= 1;
        let car = car.to_bytes();
        let repo =
            Loader::new().verification(Verification::ReachedBlocks).from_slice(&car).unwrap();
        let error = repo.walk().completeness().unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::HashMismatch { .. }), "{error}");
        assert_eq!(error.cid(), Some(&common::cid(&node.cid)));
        assert_eq!(repo.walk().gaps().next().unwrap().unwrap_err().to_string(), error.to_string());
        if let Some(upper) = &node.upper {
            let after = repo.walk().range(&upper[..]..).completeness().unwrap();
            assert!(after.is_complete() && after.entries > 0);
            assert!(repo.walk().range(..&upper[..]).completeness().is_err());
        }
        if let Some(lower) = &node.lower {
            let before = repo.walk().range(..=&lower[..]).completeness().unwrap();
            assert!(before.is_complete() && before.entries > 0);
            assert!(repo.walk().range(&lower[..]..).completeness().is_err());
        }
    }
}

#[test]
fn without_a_root_all_is_one_gap_but_nothing_is_none() {
    for seed in 0..cases(20) {
        let part = Part::of(seed, Removal::Root);
        let repo = Repo::from_slice(&part.car).unwrap();
        let found = repo.walk().completeness().unwrap();
        let missing: Vec<_> = part.absent.iter().take(1).map(|_| part.tree.hidden(0)).collect();
        let count = missing.len() as u64;
        assert_eq!((found.entries, found.missing_records, found.gaps), (0, Some(0), count));
        assert_eq!(gaps(repo.walk()), missing);
        let none = repo.walk().range(..b"").completeness().unwrap();
        assert_eq!((none.entries, none.missing_records, none.gaps), (0, Some(0), 0));
        assert!(none.is_complete());
    }
}

/// To ask for the keys alone says nothing of records, be they all there or none.
#[test]
fn records_that_were_not_looked_up_are_neither_missing_nor_there() {
    let kit = breakage::sample();
    let whole = kit.to_car(Order::Preorder);
    let mut bare = whole.clone();
    for (_, cid) in kit.entries() {
        bare.sections.retain(|section| section.cid[..] != cid.as_bytes()[..]);
    }
    for (car, missing) in [(whole, 0), (bare, kit.entries().len() as u64)] {
        let car = car.to_bytes();
        let repo = Repo::from_slice(&car).unwrap();
        let looked_up = repo.walk().completeness().unwrap();
        assert_eq!(
            (looked_up.missing_records, looked_up.is_complete()),
            (Some(missing), missing == 0)
        );
        let keys = repo.walk().records(false).completeness().unwrap();
        assert_eq!((keys.missing_records, keys.is_complete()), (None, false));
        assert!(keys.has_all_keys() && looked_up.has_all_keys());
        assert_eq!(keys.entries, looked_up.entries);
    }
}
