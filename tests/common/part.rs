//! Partial trees, and the expected answers about their keys, computed from the nodes of the
//! testkit.

use std::collections::HashSet;
use std::ops::Bound;

use carwalk::mst::Layer;
use carwalk::{Cid, Gap, Lookup};
use carwalk_testkit::car::Car;
use carwalk_testkit::cid::Cid as KitCid;
use carwalk_testkit::random::{self, Random};
use carwalk_testkit::rng::Rng;
use carwalk_testkit::{key, tree};

use super::cid;

/// A range of keys of any kind.
pub(crate) type Range = (Bound<Vec<u8>>, Bound<Vec<u8>>);

/// A node of a tree, with its layer and its bounds.
#[derive(Debug)]
pub(crate) struct Plain {
    pub(crate) cid: KitCid,
    pub(crate) layer: u8,
    pub(crate) lower: Option<Vec<u8>>,
    pub(crate) upper: Option<Vec<u8>>,
    pub(crate) entries: Vec<(Vec<u8>, KitCid)>,
    /// The numbers of the nodes before, between and after the entries.
    pub(crate) links: Vec<Option<usize>>,
}

/// The nodes of a tree in pre-order; the root is the first.
#[derive(Debug)]
pub(crate) struct PlainTree(pub(crate) Vec<Plain>);

impl PlainTree {
    pub(crate) fn of(root: &tree::Node) -> Self {
        let mut nodes = Vec::new();
        let layer = root.entries.first().map_or(0, |entry| key::layer(&entry.key));
        add(root, layer, None, None, &mut nodes);
        PlainTree(nodes)
    }

    pub(crate) fn height(&self) -> u8 {
        self.0[0].layer
    }

    pub(crate) fn root(&self) -> Cid {
        cid(&self.0[0].cid)
    }

    pub(crate) fn keys(&self) -> Vec<Vec<u8>> {
        let mut keys: Vec<_> =
            self.0.iter().flat_map(|node| &node.entries).map(|(key, _)| key.clone()).collect();
        keys.sort();
        keys
    }

    /// The nodes on a key's search path, and the record's CID if the tree has the key.
    pub(crate) fn path(&self, key: &[u8]) -> (Vec<usize>, Option<KitCid>) {
        let (mut path, mut at) = (vec![0], 0);
        loop {
            let node = &self.0[at];
            if let Some((_, value)) = node.entries.iter().find(|(own, _)| own == key) {
                return (path, Some(*value));
            }
            if node.layer <= key::layer(key) {
                return (path, None);
            }
            let gap = node.entries.iter().filter(|(own, _)| &own[..] < key).count();
            match node.links[gap] {
                Some(next) => at = next,
                None => return (path, None),
            }
            path.push(at);
        }
    }

    /// Returns the answer about a key if some nodes are missing, without the record.
    pub(crate) fn answer(&self, key: &[u8], is_there: &dyn Fn(&KitCid) -> bool) -> Answer<()> {
        let (path, value) = self.path(key);
        if let Some(&number) = path.iter().find(|&&number| !self.is_known(number, is_there)) {
            return Answer::Unknown(self.hidden(number));
        }
        match value {
            Some(value) => {
                Answer::Present { cid: cid(&value), record: is_there(&value).then_some(()) }
            }
            None => Answer::Absent,
        }
    }

    /// Returns whether a node is present or not needed: an empty root is known by its CID.
    pub(crate) fn is_known(&self, number: usize, is_there: &dyn Fn(&KitCid) -> bool) -> bool {
        let node = &self.0[number];
        let is_empty = number == 0 && node.entries.is_empty() && node.links == [None];
        is_empty || is_there(&node.cid)
    }

    /// Returns the gap that a missing node leaves.
    pub(crate) fn hidden(&self, number: usize) -> Hidden {
        let node = &self.0[number];
        let layer = (number > 0).then_some(node.layer);
        Hidden { cid: cid(&node.cid), lower: node.lower.clone(), upper: node.upper.clone(), layer }
    }
}

impl Plain {
    /// Returns whether a key is within the bounds of the node.
    pub(crate) fn is_around(&self, key: &[u8]) -> bool {
        key::is_between(key, self.lower.as_deref(), self.upper.as_deref())
    }
}

fn add(
    node: &tree::Node,
    layer: u8,
    lower: Option<Vec<u8>>,
    upper: Option<Vec<u8>>,
    nodes: &mut Vec<Plain>,
) -> usize {
    let number = nodes.len();
    let entries: Vec<_> =
        node.entries.iter().map(|entry| (entry.key.clone(), entry.value_cid().unwrap())).collect();
    let (from, to) = (lower.clone(), upper.clone());
    nodes.push(Plain {
        cid: node.cid(),
        layer,
        lower,
        upper,
        entries: entries.clone(),
        links: Vec::new(),
    });
    let mut links = Vec::new();
    for (gap, link) in node.links().enumerate() {
        let lower = if gap == 0 { from.clone() } else { Some(entries[gap - 1].0.clone()) };
        let upper = entries.get(gap).map(|(key, _)| key.clone()).or_else(|| to.clone());
        links.push(link.node().map(|below| add(below, layer - 1, lower, upper, nodes)));
    }
    nodes[number].links = links;
    number
}

/// The answer about a key.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Answer<V> {
    Present { cid: Cid, record: Option<V> },
    Absent,
    Unknown(Hidden),
}

/// A missing node, with its bounds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Hidden {
    pub(crate) cid: Cid,
    pub(crate) lower: Option<Vec<u8>>,
    pub(crate) upper: Option<Vec<u8>>,
    pub(crate) layer: Option<u8>,
}

impl<V> Answer<V> {
    /// Returns the same answer with another record.
    pub(crate) fn map<W>(self, change: impl FnOnce(Cid, V) -> W) -> Answer<W> {
        match self {
            Answer::Present { cid, record } => {
                Answer::Present { cid, record: record.map(|record| change(cid, record)) }
            }
            Answer::Absent => Answer::Absent,
            Answer::Unknown(hidden) => Answer::Unknown(hidden),
        }
    }
}

/// The library's answer in the form of the tests.
pub(crate) fn answer<V>(lookup: Lookup<V>) -> Answer<V> {
    match lookup {
        Lookup::Present { cid, record } => Answer::Present { cid, record },
        Lookup::Absent => Answer::Absent,
        Lookup::Unknown(Gap { cid, interval, layer, .. }) => Answer::Unknown(Hidden {
            cid,
            lower: interval.lower.map(Vec::from),
            upper: interval.upper.map(Vec::from),
            layer: layer.map(Layer::get),
        }),
    }
}

/// Which blocks are removed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Removal {
    None,
    One,
    Some,
    AllButRoot,
    Root,
}

impl Removal {
    pub(crate) const ALL: [Self; 5] =
        [Self::None, Self::One, Self::Some, Self::AllButRoot, Self::Root];
}

/// A random repository from which blocks were removed.
pub(crate) struct Part {
    pub(crate) name: String,
    pub(crate) random: Random,
    pub(crate) tree: PlainTree,
    pub(crate) absent: HashSet<KitCid>,
    /// The remaining blocks.
    pub(crate) car: Vec<u8>,
}

impl Part {
    pub(crate) fn of(seed: u64, removal: Removal) -> Self {
        let random = random::repo(seed, 60);
        let tree = PlainTree::of(&random.repo.root);
        let mut rng = Rng::for_item(seed, removal as u64);
        let nodes: Vec<KitCid> = tree.0.iter().map(|node| node.cid).collect();
        let part = rng.range(1, 6);
        let mut absent: HashSet<KitCid> = match removal {
            Removal::None => HashSet::new(),
            Removal::One => [*rng.pick(&nodes)].into(),
            Removal::Some => {
                nodes.iter().skip(1).copied().filter(|_| rng.chance(part, 12)).collect()
            }
            Removal::AllButRoot => nodes[1..].iter().copied().collect(),
            Removal::Root => {
                let rest = nodes[1..].iter().copied().filter(|_| rng.chance(1, 3));
                rest.chain([nodes[0]]).collect()
            }
        };
        if removal != Removal::None && rng.chance(1, 2) {
            absent.extend(random.repo.records.keys().copied().filter(|_| rng.chance(1, 5)));
        }
        let mut car = Car::parse(&random.car).unwrap();
        car.sections
            .retain(|section| !absent.iter().any(|cid| cid.as_bytes()[..] == section.cid[..]));
        let car = car.to_bytes();
        // The node of an empty tree is known by its CID, so it never counts as missing.
        if tree.keys().is_empty() {
            absent.clear();
        }
        Part { name: format!("seed {seed}, {removal:?}"), random, tree, absent, car }
    }

    pub(crate) fn is_there(&self, cid: &KitCid) -> bool {
        !self.absent.contains(cid)
    }

    /// The bytes of a record.
    pub(crate) fn record(&self, cid: Cid) -> &[u8] {
        &self.random.repo.records[&KitCid::from_bytes(cid.as_bytes()).unwrap()].bytes
    }

    /// Returns the answer about a key.
    pub(crate) fn answer(&self, key: &[u8]) -> Answer<Vec<u8>> {
        self.tree.answer(key, &|cid| self.is_there(cid)).map(|cid, ()| self.record(cid).to_vec())
    }
}

/// Keys that differ little from a key.
pub(crate) fn neighbours(key: &[u8]) -> Vec<Vec<u8>> {
    let mut all = vec![[key, &[0]].concat()];
    if let Some((last, rest)) = key.split_last() {
        all.push(rest.to_vec());
        for byte in [last.wrapping_sub(1), last.wrapping_add(1)] {
            all.push([rest, &[byte]].concat());
        }
    }
    all
}

/// The keys of a tree, their neighbours, odd keys and random ones.
pub(crate) fn probes(tree: &PlainTree, rng: &mut Rng) -> Vec<Vec<u8>> {
    let keys = tree.keys();
    let mut probes: Vec<Vec<u8>> = keys.iter().flat_map(|key| neighbours(key)).collect();
    if !keys.is_empty() {
        probes.push([&rng.pick(&keys)[..], &[b'a'; 1100]].concat());
    }
    probes.extend([
        vec![],
        vec![0],
        vec![0xff],
        vec![0xff; 40],
        vec![b'a'; 1024],
        vec![b'a'; 1025],
        vec![b'z'; 3000],
    ]);
    for _ in 0..10 {
        probes.push(random::path(rng));
        let len = rng.below(30);
        probes.push(rng.bytes(len));
    }
    probes.extend(keys);
    probes
}

/// Returns a node by its number in pre-order.
pub(crate) fn nth_mut(root: &mut tree::Node, number: usize) -> &mut tree::Node {
    fn find<'t>(node: &'t mut tree::Node, left: &mut usize) -> Option<&'t mut tree::Node> {
        if *left == 0 {
            return Some(node);
        }
        *left -= 1;
        node.links_mut().filter_map(tree::Link::node_mut).find_map(|node| find(node, left))
    }
    find(root, &mut { number }).unwrap()
}
