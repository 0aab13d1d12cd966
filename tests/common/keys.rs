//! Sets of keys for walks and proofs, and the events that a plain descent expects in them.

use carwalk::KeyRange;
use std::ops::{Bound, RangeBounds};
use std::sync::{LazyLock, OnceLock};

use carwalk::error::KeyInterval;
use carwalk::mst::{Event, Layer, Walk};
use carwalk::store::BlockStore;
use carwalk::{Cid, Error, ErrorKind};
use carwalk_testkit::cid::Cid as KitCid;
use carwalk_testkit::rng::Rng;
use carwalk_testkit::{cases, random};

use super::cid;
use super::part::{self, Hidden, Part, Plain, PlainTree, Range, Removal};

/// The keys of a walk or a proof.
#[derive(Clone, Debug)]
pub(crate) enum Keys {
    One(Vec<u8>),
    Range(Range),
    Prefix(Vec<u8>),
}

impl Keys {
    pub(crate) fn all() -> Self {
        Keys::Range((Bound::Unbounded, Bound::Unbounded))
    }

    pub(crate) fn contains(&self, key: &[u8]) -> bool {
        match self {
            Keys::One(own) => own == key,
            Keys::Range(range) => range.contains(&key.to_vec()),
            Keys::Prefix(prefix) => key.starts_with(prefix),
        }
    }

    /// Returns whether one of these keys can be below a node.
    pub(crate) fn touches(&self, node: &Plain) -> bool {
        // If the two sets share a key, their least common key is one of these.
        let mut least = vec![Vec::new()];
        least.extend(node.lower.iter().map(|key| [key, &[0][..]].concat()));
        match self {
            Keys::Range((Bound::Included(key) | Bound::Excluded(key), _)) => {
                least.extend([key.clone(), [key, &[0][..]].concat()]);
            }
            Keys::One(key) | Keys::Prefix(key) => least.push(key.clone()),
            Keys::Range((Bound::Unbounded, _)) => {}
        }
        least.iter().any(|key| node.is_around(key) && self.contains(key))
    }

    /// Restricts a walk to these keys.
    pub(crate) fn of_walk<'s, S: BlockStore>(&self, walk: Walk<'s, S>) -> Walk<'s, S> {
        match self {
            Keys::One(key) => walk.range(&key[..]..=&key[..]),
            Keys::Range(range) => walk.range(range.clone()),
            Keys::Prefix(prefix) => walk.range(KeyRange::prefix(prefix)),
        }
    }
}

pub(crate) fn any_key(part: &Part, rng: &mut Rng) -> Vec<u8> {
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

/// A range of any kind. Some ranges have no key, some have one, some end before they start.
pub(crate) fn any_range(part: &Part, rng: &mut Rng) -> Range {
    let start = any_bound(part, rng);
    match (rng.below(4), &start) {
        // Ends where it starts.
        (0, Bound::Included(key) | Bound::Excluded(key)) => {
            let end = if rng.chance(1, 2) {
                Bound::Included(key.clone())
            } else {
                Bound::Excluded(key.clone())
            };
            (start, end)
        }
        // Contains at most the key that follows.
        (1, Bound::Included(key) | Bound::Excluded(key)) => {
            let next = [key, &[0][..]].concat();
            let end = if rng.chance(1, 2) { Bound::Included(next) } else { Bound::Excluded(next) };
            (start, end)
        }
        _ => in_order((start, any_bound(part, rng))),
    }
}

/// The range between two bounds, in either order.
pub(crate) fn in_order((start, end): Range) -> Range {
    let key = |bound: &Bound<Vec<u8>>| match bound {
        Bound::Included(key) | Bound::Excluded(key) => Some(key.clone()),
        Bound::Unbounded => None,
    };
    if key(&start).zip(key(&end)).is_some_and(|(start, end)| start > end) {
        return (end, start);
    }
    (start, end)
}

/// A prefix of a key, sometimes with 0xff appended.
pub(crate) fn any_prefix(part: &Part, rng: &mut Rng) -> Vec<u8> {
    let key = any_key(part, rng);
    let prefix = key[..rng.below(key.len() + 1)].to_vec();
    if rng.chance(1, 6) { [&prefix[..], &[0xff]].concat() } else { prefix }
}

/// A key, a range or a prefix.
pub(crate) fn any_keys(part: &Part, rng: &mut Rng) -> Keys {
    match rng.below(4) {
        0 => Keys::One(any_key(part, rng)),
        1 => Keys::Prefix(any_prefix(part, rng)),
        _ => Keys::Range(any_range(part, rng)),
    }
}

/// The most seeds that a test may request from [`parts`] by default.
const MOST_SEEDS: u64 = 40;

/// Random parts of random repositories, with each kind of removal for each seed. Made once and
/// shared by all tests.
pub(crate) fn parts(seeds: u64) -> impl Iterator<Item = &'static Part> {
    static PARTS: LazyLock<Vec<[OnceLock<Part>; 5]>> =
        LazyLock::new(|| (0..cases(MOST_SEEDS)).map(|_| Default::default()).collect());
    assert!(seeds <= cases(MOST_SEEDS), "{seeds} seeds");
    (0..seeds).zip(PARTS.iter()).flat_map(|(seed, parts)| {
        let parts = Removal::ALL.into_iter().zip(parts);
        parts.map(move |(removal, part)| part.get_or_init(|| Part::of(seed, removal)))
    })
}

/// Random ranges, and ranges that begin or end at the bounds of missing nodes.
pub(crate) fn ranges(part: &Part) -> Vec<Range> {
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

/// An event of a walk, in the form of the tests.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Told {
    Node { cid: Cid, layer: u8 },
    Entry { key: Vec<u8>, cid: Cid, record: Option<Vec<u8>> },
    Missing(Hidden),
}

impl Told {
    /// Returns whether a node or a record is missing.
    pub(crate) fn is_gap(&self) -> bool {
        matches!(self, Told::Missing(_) | Told::Entry { record: None, .. })
    }

    pub(crate) fn is_missing_node(&self) -> bool {
        matches!(self, Told::Missing(_))
    }

    pub(crate) fn is_node(&self) -> bool {
        matches!(self, Told::Node { .. })
    }
}

/// The events that a walk over these keys should return, in key order and without nodes.
pub(crate) fn expected(part: &Part, keys: &Keys) -> Vec<Told> {
    let mut told = expected_with_nodes(part, keys, false);
    told.retain(|told| !told.is_node());
    told
}

/// The events that a walk over these keys should return, each node before its content.
pub(crate) fn expected_with_nodes(part: &Part, keys: &Keys, reverse: bool) -> Vec<Told> {
    let mut expectation = Expectation {
        tree: &part.tree,
        is_there: &|cid| part.is_there(cid),
        record: &|cid| part.record(cid).to_vec(),
        keys,
        reverse,
        told: Vec::new(),
    };
    expectation.add(0);
    expectation.told
}

/// Collects the events that a walk over a partial tree should return.
pub(crate) struct Expectation<'p> {
    pub(crate) tree: &'p PlainTree,
    /// Returns whether a block is present.
    pub(crate) is_there: &'p dyn Fn(&KitCid) -> bool,
    /// The bytes of a record.
    pub(crate) record: &'p dyn Fn(Cid) -> Vec<u8>,
    pub(crate) keys: &'p Keys,
    pub(crate) reverse: bool,
    pub(crate) told: Vec<Told>,
}

impl Expectation<'_> {
    /// Adds the events of a node and of its subtree.
    pub(crate) fn add(&mut self, number: usize) {
        let (tree, keys) = (self.tree, self.keys);
        let node = &tree.0[number];
        if !keys.touches(node) {
            return;
        }
        if !tree.is_known(number, self.is_there) {
            self.told.push(Told::Missing(tree.hidden(number)));
            return;
        }
        self.told.push(Told::Node { cid: cid(&node.cid), layer: node.layer });
        let mut steps: Vec<(usize, bool)> =
            (0..node.links.len()).flat_map(|gap| [(gap, false), (gap, true)]).collect();
        if self.reverse {
            steps.reverse();
        }
        for (gap, is_entry) in steps {
            if !is_entry {
                if let Some(below) = node.links[gap] {
                    self.add(below);
                }
            } else if let Some((key, value)) =
                node.entries.get(gap).filter(|(key, _)| keys.contains(key))
            {
                let cid = cid(value);
                let record = (self.is_there)(value).then(|| (self.record)(cid));
                self.told.push(Told::Entry { key: key.clone(), cid, record });
            }
        }
    }
}

/// Returns the events of a partial walk that looks records up.
pub(crate) fn told_by<S: BlockStore>(walk: Walk<'_, S>) -> Vec<Told> {
    let mut walk = walk.start();
    let mut told = Vec::new();
    while let Some(event) = walk.next_event().unwrap() {
        told.push(match event {
            Event::Node { cid, layer, .. } => Told::Node { cid, layer: layer.get() },
            Event::Record { entry, block, .. } => Told::Entry {
                key: entry.key().to_vec(),
                cid: entry.cid(),
                record: Some(block.to_vec()),
            },
            Event::MissingRecord { entry, .. } => {
                Told::Entry { key: entry.key().to_vec(), cid: entry.cid(), record: None }
            }
            Event::MissingSubtree {
                cid, interval: KeyInterval { lower, upper }, layer, ..
            } => Told::Missing(Hidden {
                cid,
                lower: lower.map(Into::into),
                upper: upper.map(Into::into),
                layer: layer.map(Layer::get),
            }),
            other => panic!("{other:?}"),
        });
    }
    told
}

/// Returns the keys of a walk over entries.
pub(crate) fn keys_of<S: BlockStore>(walk: Walk<'_, S>) -> Vec<Vec<u8>> {
    let mut walk = walk.start();
    let mut keys = Vec::new();
    while let Some(event) = walk.next_event().unwrap() {
        let Event::Entry { entry, .. } = event else { panic!("{event:?}") };
        keys.push(entry.key().to_vec());
    }
    keys
}

/// Asserts that the error of a complete walk names this gap.
#[track_caller]
pub(crate) fn assert_names(error: &Error, gap: &Told) {
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
        Told::Node { .. } => panic!("{gap:?} is no gap"),
    }
}
