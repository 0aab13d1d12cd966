use std::collections::HashSet;
use std::ops::Bound;

use carwalk::mst::{Event, Walk};
use carwalk::store::BlockStore;
use carwalk::{Cid, Repo};
use carwalk_testkit::cid::Cid as KitCid;

use crate::choices::Choices;
use crate::common::keys::{Expectation, Keys, Told, in_order, told_by};
use crate::common::part::{self, PlainTree, Range};
use crate::export::{Export, any_key};

/// Removes any nodes and records from a repository. Each lookup then returns what the remaining
/// blocks prove, and no more. A walk over any range, in order or in reverse, returns the entries in
/// it and the gaps that overlap it, and its completeness counts these.
pub fn partial_trees(data: &[u8]) {
    let mut choices = Choices::new(data);
    let export = Export::any(&mut choices, 24);
    let part = Part::of(&export, &mut choices);
    let by_slice = Repo::from_slice(&part.car).unwrap();
    let by_stream = Repo::from_reader(&part.car[..]).unwrap();
    for _ in 0..1 + choices.below(8) {
        let range = in_order((bound(&part, &mut choices), bound(&part, &mut choices)));
        let expected = part.expected(&range);
        assert_eq!(told(by_slice.walk(), &range), expected, "{range:?}");
        assert_eq!(told(by_stream.walk(), &range), expected, "{range:?}");
        let mut backwards = told(by_slice.walk().reverse(), &range);
        backwards.reverse();
        assert_eq!(backwards, expected, "{range:?}");
        complete(&by_slice, &range, &expected);
        summed_up(&by_slice, &range, &expected);
    }
    let mut probes = part.tree.keys();
    probes.extend((0..1 + choices.below(8)).map(|_| any_probe(&part, &mut choices)));
    for key in probes {
        let expected = part.answer(&key);
        let asked = |repo: &Repo<_>| {
            part::answer(repo.tree().get_key(&key).unwrap()).map(|_, block: &[u8]| block.to_vec())
        };
        assert_eq!(asked(&by_slice), expected, "{}", key.escape_ascii());
    }
    // An empty tree is complete without its node.
    let is_complete = part.absent.is_empty();
    crate::judge::parts_agree(&by_slice, is_complete);
}

struct Part<'e> {
    export: &'e Export,
    tree: PlainTree,
    absent: HashSet<KitCid>,
    car: Vec<u8>,
}

impl<'e> Part<'e> {
    fn of(export: &'e Export, choices: &mut Choices<'_>) -> Self {
        let tree = PlainTree::of(&export.repo.root);
        let nodes = tree.0.iter().map(|node| node.cid);
        let linked = tree.0.iter().flat_map(|node| node.entries.iter().map(|(_, cid)| *cid));
        let all: Vec<KitCid> = nodes.chain(linked).collect();
        let absent = (0..choices.below(6)).map(|_| *choices.pick(&all)).collect();
        let mut part = Part { export, tree, absent, car: Vec::new() };
        let mut car = export.sections();
        // A block may be both a record and a node. Then it is removed in both roles.
        car.sections
            .retain(|section| !part.absent.iter().any(|cid| cid.as_bytes()[..] == section.cid[..]));
        part.car = car.to_bytes();
        // The node of an empty tree is known by its CID, so it is not missing.
        if part.tree.keys().is_empty() {
            part.absent.clear();
        }
        part
    }

    fn is_there(&self, cid: &KitCid) -> bool {
        !self.absent.contains(cid)
    }

    fn record(&self, cid: Cid) -> Vec<u8> {
        self.export.repo.records[&KitCid::from_bytes(cid.as_bytes()).unwrap()].bytes.clone()
    }

    fn answer(&self, key: &[u8]) -> part::Answer<Vec<u8>> {
        self.tree.answer(key, &|cid| self.is_there(cid)).map(|cid, ()| self.record(cid))
    }

    /// Returns the expected events of a range, in order.
    fn expected(&self, range: &Range) -> Vec<Told> {
        let mut expectation = Expectation {
            tree: &self.tree,
            is_there: &|cid| self.is_there(cid),
            record: &|cid| self.record(cid),
            keys: &Keys::Range(range.clone()),
            reverse: false,
            told: Vec::new(),
        };
        expectation.add(0);
        expectation.told.retain(|told| !told.is_node());
        expectation.told
    }
}

fn told<S: BlockStore>(walk: Walk<'_, S>, range: &Range) -> Vec<Told> {
    told_by(walk.partial(true).range(range.clone()))
}

/// Asserts that a complete walk over a range returns the records before the first gap, and then an
/// error that names the gap.
fn complete<S: BlockStore>(repo: &Repo<S>, range: &Range, expected: &[Told]) {
    let mut walk = repo.walk().range(range.clone()).start();
    let is_whole = |told: &&Told| matches!(told, Told::Entry { record: Some(_), .. });
    for _ in expected.iter().take_while(is_whole) {
        assert!(matches!(walk.next_event(), Ok(Some(Event::Record { .. }))));
    }
    let gap = expected.iter().find(|told| !is_whole(told));
    match (walk.next_event(), gap) {
        (Ok(None), None) => {}
        (Err(error), Some(Told::Entry { key, cid, .. })) => {
            assert_eq!((error.key(), error.cid()), (Some(&key[..]), Some(cid)));
        }
        (Err(error), Some(Told::Missing(hidden))) => assert_eq!(error.cid(), Some(&hidden.cid)),
        (found, gap) => panic!("{found:?}, but {gap:?}"),
    }
    assert!(matches!(walk.next_event(), Ok(None)));
}

fn summed_up<S: BlockStore>(repo: &Repo<S>, range: &Range, expected: &[Told]) {
    let count = |test: fn(&Told) -> bool| expected.iter().filter(|told| test(told)).count() as u64;
    let found = repo.walk().range(range.clone()).completeness().unwrap();
    let missing = count(|told| matches!(told, Told::Entry { record: None, .. }));
    assert_eq!(found.entries, count(|told| matches!(told, Told::Entry { .. })));
    assert_eq!(
        (found.gaps, found.missing_records),
        (count(|told| matches!(told, Told::Missing(_))), Some(missing))
    );
    let gaps = repo.walk().range(range.clone()).gaps().map(|gap| Some(gap.unwrap().cid));
    assert!(gaps.eq(expected.iter().filter_map(|told| match told {
        Told::Missing(hidden) => Some(Some(hidden.cid)),
        _ => None,
    })));
}

/// Chooses a key of the tree, a neighbour of one, or any other key.
fn any_probe(part: &Part<'_>, choices: &mut Choices<'_>) -> Vec<u8> {
    let keys = part.tree.keys();
    if keys.is_empty() || choices.below(4) == 0 {
        let len = choices.below(12);
        return if choices.flag() { choices.bytes(len).to_vec() } else { any_key(choices) };
    }
    let key = choices.pick(&keys);
    if choices.flag() { key.clone() } else { choices.pick(&part::neighbours(key)).clone() }
}

fn bound(part: &Part<'_>, choices: &mut Choices<'_>) -> Bound<Vec<u8>> {
    match choices.below(5) {
        0 => Bound::Unbounded,
        1 | 2 => Bound::Included(any_probe(part, choices)),
        _ => Bound::Excluded(any_probe(part, choices)),
    }
}
