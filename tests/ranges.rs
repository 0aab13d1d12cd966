//! Walks over a range of keys: all of it and nothing else, whatever is missing elsewhere.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    reason = "tests fail by panicking"
)]

mod common;

use std::ops::{Bound, RangeBounds};

use carwalk::error::KeyInterval;
use carwalk::mst::{Event, Layer};
use carwalk::store::BlockStore;
use carwalk::{Cid, Error, ErrorKind, Records, Repo, RepoEntries, Tree};
use carwalk_testkit::random;
use carwalk_testkit::rng::Rng;
use common::part::{self, Hidden, Part, Range, Removal};
use common::{MapStore, Row};

const SEEDS: u64 = 200;

fn any_key(part: &Part, rng: &mut Rng) -> Vec<u8> {
    let keys: Vec<_> = part.random.records.keys().collect();
    if keys.is_empty() || rng.chance(1, 8) {
        return match rng.below(4) {
            0 => vec![],
            1 => vec![0xff],
            2 => rng.bytes(3),
            _ => random::path(rng),
        };
    }
    let key = (*rng.pick(&keys)).clone();
    if rng.chance(1, 2) { key } else { rng.pick(&part::neighbours(&key)).clone() }
}

fn any_bound(part: &Part, rng: &mut Rng) -> Bound<Vec<u8>> {
    match rng.below(7) {
        0 => Bound::Unbounded,
        1..4 => Bound::Included(any_key(part, rng)),
        _ => Bound::Excluded(any_key(part, rng)),
    }
}

/// Ranges of all kinds; some have no key, some one, some end before they start.
fn any_range(part: &Part, rng: &mut Rng) -> Range {
    let start = any_bound(part, rng);
    match (rng.below(4), &start) {
        // Ends where it starts.
        (0, Bound::Included(key) | Bound::Excluded(key)) => {
            let end = if rng.chance(1, 2) { Bound::Included(key.clone()) } else { Bound::Excluded(key.clone()) };
            (start, end)
        }
        // Has at most the one key that comes next.
        (1, Bound::Included(key) | Bound::Excluded(key)) => {
            let next = [key, &[0][..]].concat();
            let end = if rng.chance(1, 2) { Bound::Included(next) } else { Bound::Excluded(next) };
            (start, end)
        }
        _ => (start, any_bound(part, rng)),
    }
}

fn records<S: BlockStore>(records: Records<'_, S>) -> carwalk::Result<Vec<Row>> {
    let rows = records.map(|record| {
        let record = record?;
        Ok((record.path().as_str().into(), record.cid(), record.bytes().to_vec()))
    });
    rows.collect()
}

fn entries<S: BlockStore>(entries: RepoEntries<'_, S>) -> carwalk::Result<Vec<(Vec<u8>, Cid)>> {
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
    for seed in 0..SEEDS {
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
            assert!(records(slice.records().range(range.clone())).unwrap() == expected, "{}", told());
            assert!(records(memory.records().range(range.clone())).unwrap() == expected, "{}", told());
            let pairs = entries(slice.entries().range(range.clone())).unwrap();
            assert!(pairs == without_records(&expected), "{}", told());
        }
    }
    assert!(empty > 1000 && full > 1000, "{empty}, {full}");
}

#[test]
fn a_range_that_ends_before_it_starts_is_empty() {
    for seed in 0..SEEDS {
        let part = Part::of(seed, Removal::None);
        let repo = Repo::from_slice(&part.car).unwrap();
        for key in part.random.records.keys() {
            let ranges: [Range; 4] = [
                (Bound::Included(key.clone()), Bound::Excluded(vec![])),
                (Bound::Excluded(key.clone()), Bound::Included(vec![b'a'])),
                (Bound::Excluded(key.clone()), Bound::Excluded(key.clone())),
                (Bound::Included([key, &[0][..]].concat()), Bound::Included(key.clone())),
            ];
            for range in ranges {
                assert_eq!(repo.records().range(range.clone()).count(), 0, "{}: {range:?}", part.name);
                assert_eq!(repo.entries().range(range.clone()).count(), 0, "{}: {range:?}", part.name);
                let mut walk = repo.walk().range(range.clone());
                assert!(walk.next_event().unwrap().is_none() && walk.next_event().unwrap().is_none());
            }
        }
    }
}

#[test]
fn a_range_without_a_key_is_empty_even_without_a_root() {
    for seed in 0..SEEDS {
        let part = Part::of(seed, Removal::Root);
        let repo = Repo::from_slice(&part.car).unwrap();
        let ranges: [Range; 3] = [
            (Bound::Included(b"b".to_vec()), Bound::Excluded(b"a".to_vec())),
            (Bound::Included(b"a".to_vec()), Bound::Excluded(b"a".to_vec())),
            (Bound::Unbounded, Bound::Excluded(vec![])),
        ];
        for range in ranges {
            let found = records(repo.records().range(range.clone()));
            assert!(found.as_ref().is_ok_and(Vec::is_empty), "{}: {range:?}: {found:?}", part.name);
        }
    }
}

#[test]
fn a_prefix_gives_the_rows_whose_keys_begin_with_it() {
    for seed in 0..SEEDS {
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
            assert!(records(repo.records().prefix(&prefix)).unwrap() == expected, "{}", told());
            assert!(entries(repo.entries().prefix(&prefix)).unwrap() == without_records(&expected), "{}", told());
        }
    }
}

#[test]
fn a_collection_gives_its_rows_and_none_of_those_whose_names_go_on() {
    let mut rows = 0;
    for seed in 0..SEEDS {
        let part = Part::of(seed, Removal::None);
        let all = common::oracle_rows(&part.car);
        let repo = Repo::from_slice(&part.car).unwrap();
        let names = all.iter().map(|(key, ..)| String::from_utf8_lossy(key).split('/').next().unwrap().to_owned());
        let mut names: Vec<String> = names.collect();
        names.dedup();
        let more = ["", "app", "app.bsky.feed.", "com.example.test", "com.example.testing", "zz", "com.example.tes"];
        names.extend(more.map(str::to_owned));
        for name in names {
            let expected = filtered(&all, |key| key.split(|&byte| byte == b'/').next() == Some(name.as_bytes()));
            rows += expected.len();
            assert!(records(repo.records().collection(&name)).unwrap() == expected, "{}: {name}", part.name);
            let pairs = entries(repo.entries().collection(&name)).unwrap();
            assert!(pairs == without_records(&expected), "{}: {name}", part.name);
        }
    }
    assert!(rows > 1000, "{rows}");
}

#[test]
fn a_walk_over_a_range_gives_keys_that_are_no_paths() {
    use carwalk_testkit::cid::Cid as KitCid;
    use carwalk_testkit::tree;

    let mut keys = vec![vec![0], vec![0, 0], vec![0xff], vec![0xff, 0], vec![0xff, 0xff], vec![0xfe, 0xff], vec![1]];
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
    for _ in 0..2000 {
        let mut bound = || {
            let len = rng.below(4);
            let key = if rng.chance(1, 2) { rng.pick(&keys).clone() } else { rng.bytes(len) };
            match rng.below(5) {
                0 => Bound::Unbounded,
                1..3 => Bound::Included(key),
                _ => Bound::Excluded(key),
            }
        };
        let range: Range = (bound(), bound());
        let mut walk = tree.walk().records(false).range(range.clone());
        let mut found = Vec::new();
        while let Some(event) = walk.next_event().unwrap() {
            let Event::Entry { entry, .. } = event else { panic!("{event:?}") };
            found.push(entry.key().to_vec());
        }
        let expected: Vec<_> = records.keys().filter(|key| range.contains(*key)).cloned().collect();
        assert_eq!(found, expected, "{range:?}");
    }
}

/// What a walk comes to.
#[derive(Debug, PartialEq)]
enum Told {
    Entry { key: Vec<u8>, cid: Cid, record: Option<Vec<u8>> },
    Missing(Hidden),
}

impl Told {
    fn is_gap(&self) -> bool {
        !matches!(self, Told::Entry { record: Some(_), .. })
    }

    fn is_missing_node(&self) -> bool {
        matches!(self, Told::Missing(_))
    }
}

/// What there is of a range, in order.
fn expected(part: &Part, range: &Range) -> Vec<Told> {
    let mut told = Vec::new();
    add_expected(part, 0, range, &mut told);
    told
}

fn add_expected(part: &Part, number: usize, range: &Range, told: &mut Vec<Told>) {
    let node = &part.tree.0[number];
    if !part.is_there(&node.cid) {
        if part.tree.touches(number, range) {
            told.push(Told::Missing(part.tree.hidden(number)));
        }
        return;
    }
    for (gap, link) in node.links.iter().enumerate() {
        if let Some(below) = link {
            add_expected(part, *below, range, told);
        }
        if let Some((key, value)) = node.entries.get(gap).filter(|(key, _)| range.contains(key)) {
            let cid = common::cid(value);
            let record = part.is_there(value).then(|| part.record(cid).to_vec());
            told.push(Told::Entry { key: key.clone(), cid, record });
        }
    }
}

fn told_by_walk<S: BlockStore>(repo: &Repo<S>, range: &Range) -> Vec<Told> {
    let mut told = Vec::new();
    let mut walk = repo.walk().partial(true).range(range.clone());
    while let Some(event) = walk.next_event().unwrap() {
        told.push(match event {
            Event::Record { entry, block, .. } => {
                Told::Entry { key: entry.key().to_vec(), cid: entry.cid(), record: Some(block.to_vec()) }
            }
            Event::MissingRecord { entry, .. } => {
                Told::Entry { key: entry.key().to_vec(), cid: entry.cid(), record: None }
            }
            Event::MissingSubtree { cid, interval: KeyInterval { lower, upper }, layer, .. } => {
                let layer = layer.map(Layer::get);
                Told::Missing(Hidden { cid, lower: lower.map(Into::into), upper: upper.map(Into::into), layer })
            }
            other => panic!("{other:?}"),
        });
    }
    told
}

fn parts() -> impl Iterator<Item = Part> {
    (0..SEEDS).flat_map(|seed| Removal::ALL.map(|removal| Part::of(seed, removal)))
}

/// Random ranges, and those whose ends are the ends of what is missing.
fn ranges(part: &Part) -> Vec<Range> {
    let mut rng = Rng::new(part.car.len() as u64);
    let mut ranges: Vec<Range> = (0..12).map(|_| any_range(part, &mut rng)).collect();
    for node in part.tree.0.iter().filter(|node| !part.is_there(&node.cid)) {
        if let Some(lower) = &node.lower {
            let next = [lower, &[0][..]].concat();
            ranges.push((Bound::Unbounded, Bound::Included(lower.clone())));
            ranges.push((Bound::Unbounded, Bound::Excluded(next.clone())));
            ranges.push((Bound::Unbounded, Bound::Included(next.clone())));
            ranges.push((Bound::Excluded(lower.clone()), Bound::Excluded(next)));
        }
        if let Some(upper) = &node.upper {
            ranges.push((Bound::Included(upper.clone()), Bound::Unbounded));
            ranges.push((Bound::Included(part::neighbours(upper)[1].clone()), Bound::Unbounded));
        }
    }
    ranges
}

#[test]
fn a_partial_walk_gives_the_missing_subtrees_that_share_a_key_with_the_range_in_order() {
    let mut missing = 0;
    for part in parts() {
        let repo = Repo::from_slice(&part.car).unwrap();
        for range in ranges(&part) {
            let expected = expected(&part, &range);
            missing += expected.iter().filter(|told| told.is_missing_node()).count();
            assert_eq!(told_by_walk(&repo, &range), expected, "{}: {range:?}", part.name);
        }
    }
    assert!(missing > 1000, "{missing}");
}

#[track_caller]
fn assert_names(error: &Error, gap: &Told) {
    let ErrorKind::Missing { interval } = error.kind() else { panic!("{error}") };
    match gap {
        Told::Entry { key, cid, .. } => {
            assert_eq!((error.key(), error.cid(), interval), (Some(&key[..]), Some(cid), &None));
        }
        Told::Missing(hidden) => {
            let interval = interval.as_ref().unwrap();
            assert_eq!((error.key(), error.cid()), (None, Some(&hidden.cid)));
            assert_eq!(interval.lower.as_deref(), hidden.lower.as_deref());
            assert_eq!(interval.upper.as_deref(), hidden.upper.as_deref());
        }
    }
}

#[test]
fn a_complete_walk_ends_well_exactly_if_nothing_in_the_range_is_missing() {
    let (mut good, mut bad) = (0, 0);
    for part in parts() {
        let repo = Repo::from_slice(&part.car).unwrap();
        for range in ranges(&part) {
            let told = expected(&part, &range);
            let mut walk = repo.records().range(range.clone());
            let before = walk.by_ref().map_while(Result::ok).count();
            let first = told.iter().position(Told::is_gap);
            assert_eq!(before, first.unwrap_or(told.len()), "{}: {range:?}", part.name);
            assert!(walk.next().is_none());
            match (records(repo.records().range(range.clone())), first) {
                (Ok(_), None) => good += 1,
                (Err(error), Some(first)) => {
                    assert_names(&error, &told[first]);
                    bad += 1;
                }
                (found, first) => panic!("{}: {range:?}: {first:?}, {found:?}", part.name),
            }
            let first = told.iter().position(Told::is_missing_node);
            match (entries(repo.entries().range(range.clone())), first) {
                (Ok(pairs), None) => assert_eq!(pairs.len(), told.len()),
                (Err(error), Some(first)) => assert_names(&error, &told[first]),
                (found, first) => panic!("{}: {range:?}: {first:?}, {found:?}", part.name),
            }
        }
    }
    assert!(good > 1000 && bad > 1000, "{good}, {bad}");
}

#[test]
fn a_walk_reads_the_nodes_that_share_a_key_with_the_range_and_its_records() {
    for seed in 0..SEEDS {
        let part = Part::of(seed, Removal::None);
        let store = MapStore::new(&part.car);
        let tree = Tree::new(&store, part.tree.root());
        let mut rng = Rng::new(seed);
        for _ in 0..20 {
            let range = any_range(&part, &mut rng);
            let nodes = (0..part.tree.0.len()).filter(|&number| part.tree.touches(number, &range)).count();
            let records = part.random.records.keys().filter(|key| range.contains(*key)).count();
            let before = store.gets();
            assert_eq!(tree.records().range(range.clone()).count(), records);
            let reads = store.gets() - before;
            // A walk may look at the root whatever the range is.
            assert!(reads <= (nodes.max(1) + records) as u64, "{}: {range:?}: {reads} reads", part.name);
        }
    }
}

#[test]
fn a_range_of_one_or_two_keys_takes_as_many_reads_as_its_search_paths_have_nodes() {
    for seed in 0..SEEDS {
        let part = Part::of(seed, Removal::None);
        let store = MapStore::new(&part.car);
        let tree = Tree::new(&store, part.tree.root());
        let keys = part.tree.keys();
        let most = u64::from(part.tree.height()) + 1;
        for pair in keys.windows(2) {
            let reads = |range: Range, records: usize| {
                let before = store.gets();
                assert_eq!(tree.records().range(range).count(), records);
                store.gets() - before
            };
            let one = (Bound::Included(pair[0].clone()), Bound::Included(pair[0].clone()));
            assert!(reads(one, 1) <= most + 1, "{}", part.name);
            let two = (Bound::Included(pair[0].clone()), Bound::Included(pair[1].clone()));
            assert!(reads(two, 2) <= 2 * most + 2, "{}", part.name);
            let before = store.gets();
            let next = (Bound::Included(pair[0].clone()), Bound::Unbounded);
            assert!(tree.records().range(next).next().is_some_and(|record| record.is_ok()));
            assert!(store.gets() - before <= most + 1, "{}", part.name);
        }
    }
}
