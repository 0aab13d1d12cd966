//! Walks over a range of keys: all of it and nothing else, whatever is missing elsewhere.

use crate::common;
use crate::common::keys::in_order;
use carwalk::KeyRange;
use carwalk::error::PathFault;
use carwalk::mst::Walk;
use carwalk::{ErrorClass, ErrorKind};
use std::ops::{Bound, RangeBounds};

use crate::common::keys::{
    Keys, Told, any_key, any_prefix, any_range, assert_names, expected, keys_of, parts, ranges,
    told_by,
};
use crate::common::part::{Part, Range, Removal};
use crate::common::{MapStore, Row};
use carwalk::mst::Event;
use carwalk::store::BlockStore;
use carwalk::{Cid, Entries, Records, Repo, RepoPathBuf, Tree};
use carwalk_testkit::cases;
use carwalk_testkit::rng::Rng;

fn seeds() -> u64 {
    cases(24)
}

fn records<S: BlockStore>(records: Records<'_, S>) -> carwalk::Result<Vec<Row>> {
    let rows = records.map(|record| {
        let record = record?;
        Ok((record.path().as_str().into(), record.cid(), record.bytes().to_vec()))
    });
    rows.collect()
}

fn entries<S: BlockStore>(entries: Entries<'_, S>) -> carwalk::Result<Vec<(Vec<u8>, Cid)>> {
    entries.map(|entry| entry.map(|entry| (entry.path().as_str().into(), entry.cid()))).collect()
}

fn without_records(rows: &[Row]) -> Vec<(Vec<u8>, Cid)> {
    rows.iter().map(|(key, cid, _)| (key.clone(), *cid)).collect()
}

/// The rows whose keys pass a test.
fn filtered(rows: &[Row], test: impl Fn(&[u8]) -> bool) -> Vec<Row> {
    rows.iter().filter(|(key, ..)| test(key)).cloned().collect()
}

#[test]
fn a_range_gives_what_is_left_of_all_rows_if_the_others_are_left_out() {
    let (mut empty, mut full) = (0, 0);
    for seed in 0..seeds() {
        let part = Part::of(seed, Removal::None);
        let all = common::oracle_rows(&part.car);
        let slice = Repo::from_slice(&part.car).unwrap();
        let memory = Repo::from_reader(&part.car[..]).unwrap();
        let mut rng = Rng::new(seed);
        for _ in 0..40 {
            let range = any_range(&part, &mut rng);
            let expected = filtered(&all, |key| range.contains(&key.to_vec()));
            if expected.is_empty() {
                empty += 1;
            } else {
                full += 1;
            }
            let told = || format!("{}: {range:?}", part.name);
            assert!(records(slice.records_in(range.clone())).unwrap() == expected, "{}", told());
            assert!(records(memory.records_in(range.clone())).unwrap() == expected, "{}", told());
            let pairs = entries(slice.entries_in(range.clone())).unwrap();
            assert!(pairs == without_records(&expected), "{}", told());
        }
    }
    assert!(empty > 8 * seeds() && full > 8 * seeds(), "{empty}, {full}");
}

#[test]
fn a_range_that_ends_before_it_starts_is_refused_and_names_the_caller() {
    for seed in 0..seeds() {
        let part = Part::of(seed, Removal::None);
        let repo = Repo::from_slice(&part.car).unwrap();
        for key in part.random.records.keys() {
            let ranges: [Range; 4] = [
                (Bound::Included(key.clone()), Bound::Excluded(vec![])),
                (Bound::Excluded(key.clone()), Bound::Included(vec![b'a'])),
                (Bound::Excluded(key.clone()), Bound::Excluded(key.clone())),
                (Bound::Included([key, &[0][..]].concat()), Bound::Included(key.clone())),
            ];
            for (number, range) in ranges.into_iter().enumerate() {
                let name = format!("{}: {range:?}", part.name);
                // Bounds that only exclude each other's key are in order.
                let is_refused = number != 2;
                let mut first = vec![
                    repo.records_in(range.clone()).next().map(|item| item.map(drop)),
                    repo.records_in(range.clone()).next_back().map(|item| item.map(drop)),
                    repo.entries_in(range.clone()).next().map(|item| item.map(drop)),
                    repo.entries_in(range.clone()).next_back().map(|item| item.map(drop)),
                    repo.walk().range(range.clone()).gaps().next().map(|gap| gap.map(drop)),
                ];
                for walk in [repo.walk(), repo.walk().partial(true), repo.walk().reverse()] {
                    let mut walk = walk.range(range.clone()).range(..).start();
                    first.push(walk.next_event().map(|event| event.map(drop)).transpose());
                    assert!(walk.next_event().unwrap().is_none());
                }
                for first in first {
                    let error = first.transpose().err();
                    assert_eq!(error.is_some(), is_refused, "{name}");
                    let Some(error) = error else { continue };
                    assert_eq!(error.class(), ErrorClass::Caller, "{name}");
                    let told = format!("the range {:?} ends", KeyRange::from(range.clone()));
                    assert!(error.to_string().starts_with(&told), "{name}: {error}");
                }
                let found = repo.walk().range(range.clone()).completeness();
                assert_eq!(found.is_err(), is_refused, "{name}");
                let written = repo.prove().range(range).write(Vec::new());
                assert_eq!(written.is_err(), is_refused, "{name}");
            }
        }
    }
}

/// The keys of a walk.
fn walked<S: BlockStore>(walk: Walk<'_, S>) -> Vec<Vec<u8>> {
    let (mut walk, mut keys) = (walk.records(false).start(), Vec::new());
    while let Some(event) = walk.next_event().unwrap() {
        if let Event::Entry { entry, .. } = event {
            keys.push(entry.key().to_vec());
        }
    }
    keys
}

#[test]
fn several_ranges_of_a_walk_add_up_and_share_keys_with_those_before() {
    for seed in 0..seeds() {
        let part = Part::of(seed, Removal::None);
        let repo = Repo::from_slice(&part.car).unwrap();
        let all: Vec<Vec<u8>> = part.random.records.keys().cloned().collect();
        let mut rng = Rng::for_item(21, seed);
        for count in 0..5 {
            let ranges: Vec<KeyRange> = (0..count)
                .map(|_| match rng.chance(1, 2) || all.is_empty() {
                    true => KeyRange::prefix(rng.bytes(1)),
                    false => {
                        let (one, other) = (rng.pick(&all).clone(), rng.pick(&all).clone());
                        KeyRange::from(one.clone().min(other.clone())..=one.max(other))
                    }
                })
                .collect();
            let is_in = |key: &[u8]| ranges.iter().any(|range| range.contains(key));
            let expected: Vec<_> = all.iter().filter(|key| is_in(key)).cloned().collect();
            assert_eq!(walked(repo.walk().ranges(&ranges)), expected, "{}: {ranges:?}", part.name);
            let Some(middle) = all.get(all.len() / 2) else { continue };
            let expected: Vec<_> = expected.into_iter().filter(|key| key >= middle).collect();
            for walk in [
                repo.walk().ranges(&ranges).range(&middle[..]..),
                repo.walk().range(&middle[..]..).ranges(&ranges),
                repo.walk().ranges(&ranges).ranges([KeyRange::from(&middle[..]..)]),
            ] {
                assert_eq!(walked(walk), expected, "{}: {ranges:?}", part.name);
            }
        }
        let mut walk = repo.walk().ranges(["a".."b", "b".."a"]).start();
        assert_eq!(walk.next_event().unwrap_err().class(), ErrorClass::Caller);
        assert!(walk.next_event().unwrap().is_none());
    }
}

#[test]
fn a_range_without_a_key_is_empty_even_without_a_root() {
    for seed in 0..seeds() {
        let part = Part::of(seed, Removal::Root);
        let repo = Repo::from_slice(&part.car).unwrap();
        let ranges: [Range; 3] = [
            (Bound::Excluded(b"a".to_vec()), Bound::Excluded(b"a".to_vec())),
            (Bound::Included(b"a".to_vec()), Bound::Excluded(b"a".to_vec())),
            (Bound::Unbounded, Bound::Excluded(vec![])),
        ];
        for range in ranges {
            let found = records(repo.records_in(range.clone()));
            assert!(found.as_ref().is_ok_and(Vec::is_empty), "{}: {range:?}: {found:?}", part.name);
        }
    }
}

#[test]
fn a_prefix_gives_the_rows_whose_keys_begin_with_it() {
    for seed in 0..seeds() {
        let part = Part::of(seed, Removal::None);
        let all = common::oracle_rows(&part.car);
        let repo = Repo::from_slice(&part.car).unwrap();
        let mut rng = Rng::new(seed);
        let mut prefixes = vec![vec![], vec![0xff], vec![0xff; 5], vec![b'c'], vec![0]];
        for _ in 0..20 {
            let key = any_key(&part, &mut rng);
            let len = rng.below(key.len() + 1);
            prefixes.extend([key[..len].to_vec(), [&key[..len], &[0xff]].concat(), key]);
        }
        for prefix in prefixes {
            let expected = filtered(&all, |key| key.starts_with(&prefix));
            let told = || format!("{}: {}", part.name, prefix.escape_ascii());
            assert!(
                records(repo.records_in(KeyRange::prefix(&prefix))).unwrap() == expected,
                "{}",
                told()
            );
            assert!(
                entries(repo.entries_in(KeyRange::prefix(&prefix))).unwrap()
                    == without_records(&expected),
                "{}",
                told()
            );
        }
    }
}

#[test]
fn a_collection_gives_its_rows_and_none_of_those_whose_names_go_on() {
    let mut rows = 0;
    for seed in 0..seeds() {
        let part = Part::of(seed, Removal::None);
        let all = common::oracle_rows(&part.car);
        let repo = Repo::from_slice(&part.car).unwrap();
        let names = all
            .iter()
            .map(|(key, ..)| String::from_utf8_lossy(key).split('/').next().unwrap().to_owned());
        let mut names: Vec<String> = names.collect();
        names.dedup();
        let more = [
            "",
            "app",
            "app.bsky.feed.",
            "com.example.test",
            "com.example.testing",
            "zz",
            "com.example.tes",
        ];
        names.extend(more.map(str::to_owned));
        for name in names {
            let expected = filtered(&all, |key| {
                key.split(|&byte| byte == b'/').next() == Some(name.as_bytes())
            });
            rows += expected.len();
            assert!(
                records(repo.records_in(of_collection(&name))).unwrap() == expected,
                "{}: {name}",
                part.name
            );
            let pairs = entries(repo.entries_in(of_collection(&name))).unwrap();
            assert!(pairs == without_records(&expected), "{}: {name}", part.name);
        }
    }
    assert!(rows as u64 > 8 * seeds(), "{rows}");
}

/// The range of a collection, whose name may be none: no record is in such a one.
fn of_collection(name: &str) -> KeyRange {
    let is_name = !name.is_empty() && !name.contains('/');
    let range = KeyRange::collection(name);
    assert_eq!(range.is_ok(), is_name, "{name}");
    range.unwrap_or_else(|_| KeyRange::prefix([name, "/"].concat()))
}

#[test]
fn names_that_are_no_collections_are_refused_and_repeated() {
    let names = [
        ("", PathFault::NoCollection, "repo path without a collection, key \"\""),
        (
            "app.bsky.feed.*",
            PathFault::Character { found: b'*', at: 14 },
            "repo path with the byte 0x2a at position 14, expected one of `A-Z a-z 0-9 . - _ : ~ /`, \
             key \"app.bsky.feed.*\"",
        ),
        (
            "app.bsky.feed.post/",
            PathFault::CollectionSlash,
            "collection with a slash, expected only the name (`app.bsky.feed.post`), \
             key \"app.bsky.feed.post/\"",
        ),
    ];
    for (name, fault, message) in names {
        let error = KeyRange::collection(name).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Path(found) if *found == fault), "{error}");
        assert_eq!((error.class(), error.to_string().as_str()), (ErrorClass::Caller, message));
    }
    // What a path can have, a range can be asked for.
    assert!(KeyRange::collection("x").is_ok() && KeyRange::collection("a:b~c._-").is_ok());
}

#[test]
fn a_walk_over_a_range_gives_keys_that_are_no_paths() {
    use carwalk_testkit::cid::Cid as KitCid;
    use carwalk_testkit::tree;

    let mut keys = vec![
        vec![0],
        vec![0, 0],
        vec![0xff],
        vec![0xff, 0],
        vec![0xff, 0xff],
        vec![0xfe, 0xff],
        vec![1],
    ];
    let mut rng = Rng::new(1);
    for _ in 0..200 {
        let len = rng.range(1, 5);
        keys.push(rng.bytes(len));
    }
    let records = keys.iter().map(|key| (key.clone(), KitCid::dag_cbor(key))).collect();
    let root = tree::build(&records);
    let mut store = MapStore::default();
    for (cid, block) in root.blocks() {
        store.insert(&cid, block);
    }
    let tree = Tree::new(&store, common::cid(&root.cid()));
    for _ in 0..cases(2000) {
        let mut bound = || {
            let len = rng.below(4);
            let key = if rng.chance(1, 2) { rng.pick(&keys).clone() } else { rng.bytes(len) };
            match rng.below(5) {
                0 => Bound::Unbounded,
                1..3 => Bound::Included(key),
                _ => Bound::Excluded(key),
            }
        };
        let range: Range = in_order((bound(), bound()));
        let mut walk = tree.walk().records(false).range(range.clone()).start();
        let mut found = Vec::new();
        while let Some(event) = walk.next_event().unwrap() {
            let Event::Entry { entry, .. } = event else { panic!("{event:?}") };
            found.push(entry.key().to_vec());
        }
        let expected: Vec<_> = records.keys().filter(|key| range.contains(*key)).cloned().collect();
        assert_eq!(found, expected, "{range:?}");
    }
}

#[test]
fn a_partial_walk_gives_the_missing_subtrees_that_share_a_key_with_the_range_in_order() {
    let mut missing = 0;
    for part in parts(seeds()) {
        let repo = Repo::from_slice(&part.car).unwrap();
        for range in ranges(part) {
            let expected = expected(part, &Keys::Range(range.clone()));
            missing += expected.iter().filter(|told| told.is_missing_node()).count();
            let walk = repo.walk().partial(true).range(range.clone());
            assert_eq!(told_by(walk), expected, "{}: {range:?}", part.name);
        }
    }
    assert!(missing as u64 > 8 * seeds(), "{missing}");
}

#[test]
fn a_complete_walk_ends_well_exactly_if_nothing_in_the_range_is_missing() {
    let (mut good, mut bad) = (0, 0);
    for part in parts(seeds()) {
        let repo = Repo::from_slice(&part.car).unwrap();
        for range in ranges(part) {
            let told = expected(part, &Keys::Range(range.clone()));
            let mut walk = repo.records_in(range.clone());
            let before = walk.by_ref().map_while(Result::ok).count();
            let first = told.iter().position(Told::is_gap);
            assert_eq!(before, first.unwrap_or(told.len()), "{}: {range:?}", part.name);
            assert!(walk.next().is_none());
            match (records(repo.records_in(range.clone())), first) {
                (Ok(_), None) => good += 1,
                (Err(error), Some(first)) => {
                    assert_names(&error, &told[first]);
                    bad += 1;
                }
                (found, first) => panic!("{}: {range:?}: {first:?}, {found:?}", part.name),
            }
            let first = told.iter().position(Told::is_missing_node);
            match (entries(repo.entries_in(range.clone())), first) {
                (Ok(pairs), None) => assert_eq!(pairs.len(), told.len()),
                (Err(error), Some(first)) => assert_names(&error, &told[first]),
                (found, first) => panic!("{}: {range:?}: {first:?}, {found:?}", part.name),
            }
        }
    }
    assert!(good > 8 * seeds() && bad > 8 * seeds(), "{good}, {bad}");
}

#[test]
fn a_walk_reads_the_nodes_that_share_a_key_with_the_range_and_its_records() {
    for seed in 0..seeds() {
        let part = Part::of(seed, Removal::None);
        let store = MapStore::new(&part.car);
        let tree = Tree::new(&store, part.tree.root());
        let mut rng = Rng::new(seed);
        for _ in 0..20 {
            let range = any_range(&part, &mut rng);
            let keys = Keys::Range(range.clone());
            let nodes = part.tree.0.iter().filter(|node| keys.touches(node)).count();
            let records = part.random.records.keys().filter(|key| range.contains(*key)).count();
            let before = store.gets();
            assert_eq!(tree.records_in(range.clone()).count(), records);
            let reads = store.gets() - before;
            // A walk may look at the root whatever the range is.
            assert!(
                reads <= (nodes.max(1) + records) as u64,
                "{}: {range:?}: {reads} reads",
                part.name
            );
        }
    }
}

#[test]
fn a_range_of_one_or_two_keys_takes_as_many_reads_as_its_search_paths_have_nodes() {
    for seed in 0..seeds() {
        let part = Part::of(seed, Removal::None);
        let store = MapStore::new(&part.car);
        let tree = Tree::new(&store, part.tree.root());
        let keys = part.tree.keys();
        let most = u64::from(part.tree.height()) + 1;
        for pair in keys.windows(2) {
            let reads = |range: Range, records: usize| {
                let before = store.gets();
                assert_eq!(tree.records_in(range).count(), records);
                store.gets() - before
            };
            let one = (Bound::Included(pair[0].clone()), Bound::Included(pair[0].clone()));
            assert!(reads(one, 1) <= most + 1, "{}", part.name);
            let two = (Bound::Included(pair[0].clone()), Bound::Included(pair[1].clone()));
            assert!(reads(two, 2) <= 2 * most + 2, "{}", part.name);
            let before = store.gets();
            let next = (Bound::Included(pair[0].clone()), Bound::Unbounded);
            assert!(tree.records_in(next).next().is_some_and(|record| record.is_ok()));
            assert!(store.gets() - before <= most + 1, "{}", part.name);
        }
    }
}

/// One call that leaves keys out.
#[derive(Clone, Debug)]
enum Narrow {
    Range(Range),
    Prefix(Vec<u8>),
    Collection(String),
}

impl Narrow {
    fn any(part: &Part, rng: &mut Rng) -> Self {
        match rng.below(6) {
            0 => Narrow::Prefix(any_prefix(part, rng)),
            1 => {
                let key = String::from_utf8_lossy(&any_key(part, rng)).into_owned();
                Narrow::Collection(key.split('/').next().unwrap_or_default().to_owned())
            }
            // From some key on, or up to one: so that something is left of all together.
            2..4 => Narrow::Range((Bound::Excluded(any_key(part, rng)), Bound::Unbounded)),
            4 => Narrow::Range((Bound::Unbounded, Bound::Included(any_key(part, rng)))),
            _ => Narrow::Range(any_range(part, rng)),
        }
    }

    fn contains(&self, key: &[u8]) -> bool {
        match self {
            Narrow::Range(range) => range.contains(&key.to_vec()),
            Narrow::Prefix(prefix) => key.starts_with(prefix),
            Narrow::Collection(name) => {
                key.starts_with(name.as_bytes()) && key.get(name.len()) == Some(&b'/')
            }
        }
    }
}

impl From<&Narrow> for KeyRange {
    fn from(call: &Narrow) -> Self {
        match call {
            Narrow::Range(range) => range.clone().into(),
            Narrow::Prefix(prefix) => KeyRange::prefix(prefix),
            Narrow::Collection(name) => KeyRange::prefix([name, "/"].concat()),
        }
    }
}

/// The keys that all calls leave.
fn all_of(calls: &[Narrow]) -> KeyRange {
    calls.iter().fold(KeyRange::all(), |range, call| range.and(&call.into()))
}

/// Makes the calls one after the other.
fn narrowed<'s, S: BlockStore>(walk: Walk<'s, S>, calls: &[Narrow]) -> Walk<'s, S> {
    calls.iter().fold(walk, |walk, call| walk.range(call))
}

/// All orders of some calls.
fn orders(calls: &[Narrow]) -> Vec<Vec<Narrow>> {
    if calls.is_empty() {
        return vec![Vec::new()];
    }
    let first_and_rest = (0..calls.len()).flat_map(|first| {
        let rest = [&calls[..first], &calls[first + 1..]].concat();
        orders(&rest).into_iter().map(move |rest| [&calls[first..=first], &rest[..]].concat())
    });
    first_and_rest.collect()
}

#[test]
fn ranges_prefixes_and_collections_narrow_each_other_in_any_order() {
    let (mut some, mut fewer, mut none) = (0, 0, 0);
    for seed in 0..cases(20) {
        let part = Part::of(seed, Removal::None);
        let all = common::oracle_rows(&part.car);
        let slice = Repo::from_slice(&part.car).unwrap();
        let memory = Repo::from_reader(&part.car[..]).unwrap();
        let mut rng = Rng::new(seed);
        for _ in 0..12 {
            let calls: Vec<_> =
                (0..rng.range(2, 4)).map(|_| Narrow::any(&part, &mut rng)).collect();
            let expected = filtered(&all, |key| calls.iter().all(|call| call.contains(key)));
            let pairs = without_records(&expected);
            for calls in orders(&calls) {
                let told = || format!("{}: {calls:?}", part.name);
                assert!(
                    records(slice.records_in(all_of(&calls))).unwrap() == expected,
                    "{}",
                    told()
                );
                assert!(entries(memory.entries_in(all_of(&calls))).unwrap() == pairs, "{}", told());
                let mut keys: Vec<_> = pairs.iter().map(|(key, _)| key.clone()).collect();
                assert_eq!(
                    keys_of(narrowed(memory.walk(), &calls).records(false)),
                    keys,
                    "{}",
                    told()
                );
                keys.reverse();
                let (before, after) = calls.split_at(1);
                let turned =
                    narrowed(narrowed(slice.walk().records(false), before).reverse(), after);
                assert_eq!(keys_of(turned), keys, "{}", told());
                let backward = memory.records_in(all_of(&calls)).rev();
                let backward =
                    backward.map(|record| record.unwrap().path().to_string().into_bytes());
                assert!(backward.eq(keys), "{}", told());
            }
            none += usize::from(expected.is_empty());
            some += usize::from(!expected.is_empty());
            let each = calls.iter().map(|call| filtered(&all, |key| call.contains(key)).len());
            fewer += usize::from(
                !expected.is_empty() && each.min().is_some_and(|least| expected.len() < least),
            );
        }
    }
    let each = [some as u64, 3 * fewer as u64, none as u64];
    assert!(each.iter().all(|&count| count > cases(20)), "{some}, {fewer}, {none}");
}

#[test]
fn a_path_of_ones_own_is_the_end_of_a_range_and_a_prefix() {
    let part = Part::of(3, Removal::None);
    let repo = Repo::from_slice(&part.car).unwrap();
    let paths: Vec<RepoPathBuf> =
        repo.entries().map(|entry| entry.unwrap().path().to_owned()).collect();
    assert!(paths.len() > 3);
    let bytes: &[u8] = paths[0].as_ref();
    assert_eq!(bytes, paths[0].to_string().as_bytes());
    for (number, path) in paths.iter().enumerate() {
        assert_eq!(repo.entries_in(path..).count(), paths.len() - number);
        assert_eq!(repo.entries_in(path.clone()..=path.clone()).count(), 1);
        assert_eq!(repo.records_in(..path.as_path()).count(), number);
        assert!(
            repo.entries_in(KeyRange::prefix(path)).next().unwrap().unwrap().path()
                == path.as_path()
        );
        assert!(repo.get(path).unwrap().record().is_some());
        assert!(repo.get(path.as_path()).unwrap().record().is_some());
    }
}
