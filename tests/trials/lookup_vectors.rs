//! Lookups in external data: slices of repositories, and trees with only the nodes of a proof.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs;
use std::path::Path;

use carwalk::mst::Event;
use carwalk::store::{BlockStore, CarStore, SliceStore};
use carwalk::{Cid, Lookup, Repo, Tree};
use carwalk_testkit::car::Car;
use carwalk_testkit::cid::Cid as KitCid;
use carwalk_testkit::key::is_between;
use carwalk_testkit::tree;
use serde_json::Value;

use crate::common::part::{self, Answer, PlainTree};
use crate::common::{self, MapStore};

/// A key in the repository that the slices come from.
const FIRST: &str = "app.bsky.feed.like/3lohfzs6qea24";
/// The neighbour before `FIRST`, which is absent.
const BEFORE_FIRST: &str = "app.bsky.feed.like/3lohfzs6qea23";
/// A key whose node is in only one of the slices.
const LATER: &str = "app.bsky.feed.like/3mcqqwzsc7x26";
/// The key that `slice-one.car` was made for.
const ONE: &str = "app.bsky.feed.like/3mcg72x6bi32z";

/// A slice, and what it proves about keys.
pub(crate) type Slice = (&'static str, &'static [(&'static str, Known)]);

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Known {
    /// Present, and the slice has the record.
    Record,
    Present,
    Absent,
    Unknown,
}

pub(crate) const SLICES: [Slice; 4] = [
    ("slice-one.car", &[(ONE, Known::Record)]),
    ("slice-proving-absence.car", &[(BEFORE_FIRST, Known::Absent), (LATER, Known::Unknown)]),
    ("slice-node-first-key.car", &[(LATER, Known::Unknown), (FIRST, Known::Present)]),
    ("slice-node-after.car", &[(LATER, Known::Present), (FIRST, Known::Present)]),
];

/// The number of cases in the suite of trees.
const CASES: usize = 2048;

fn known<V>(lookup: &Lookup<V>) -> Known {
    match lookup {
        Lookup::Present { record: Some(_), .. } => Known::Record,
        Lookup::Present { .. } => Known::Present,
        Lookup::Absent => Known::Absent,
        Lookup::Unknown(_) => Known::Unknown,
    }
}

/// Lookups in a slice return what it proves, for the first and for a repeated request.
pub(crate) fn slice_answers(path: &Path) {
    let name = path.file_name().unwrap().to_str().unwrap();
    let (_, expected) = SLICES.iter().find(|(own, _)| *own == name).unwrap();
    let bytes = fs::read(path).unwrap();
    repo_answers(&Repo::from_slice(&bytes[..]).unwrap(), expected);
    repo_answers(&Repo::from_reader(&bytes[..]).unwrap(), expected);
    let commit = Repo::from_slice(&bytes[..]).unwrap().commit().cid();
    repo_answers(&Repo::from_store(MapStore::new(&bytes), commit).unwrap(), expected);
    #[cfg(feature = "redb")]
    {
        use carwalk::Loader;
        use carwalk::store::SpillFile;
        let file =
            common::spill::all_into(Loader::new(), &bytes[..], SpillFile::temporary()).unwrap();
        repo_answers(&file, expected);
    }
}

fn repo_answers<S: BlockStore>(repo: &Repo<S>, expected: &[(&str, Known)]) {
    for time in ["first", "second"] {
        for (key, expected) in expected {
            let found = known(&repo.get(key).unwrap());
            let is_right =
                found == *expected || (found, *expected) == (Known::Record, Known::Present);
            assert!(is_right, "{key}, the {time} time: {found:?}");
        }
    }
    partial_walk_agrees(repo);
}

/// Every key that a partial walk finds is present. A key inside a gap is unknown, with the same
/// gap.
fn partial_walk_agrees<S: BlockStore>(repo: &Repo<S>) {
    let mut walk = repo.walk().partial(true).start();
    let (mut keys, mut gaps) = (Vec::new(), Vec::new());
    while let Some(event) = walk.next_event().unwrap() {
        match event {
            Event::Record { entry, .. } => keys.push((entry.key().to_vec(), entry.cid(), true)),
            Event::MissingRecord { entry, .. } => {
                keys.push((entry.key().to_vec(), entry.cid(), false))
            }
            Event::MissingSubtree { cid, interval, layer, .. } => {
                gaps.push((cid, interval.to_owned(), layer))
            }
            other => panic!("{other:?}"),
        }
    }
    for (key, cid, has_record) in keys {
        let Lookup::Present { cid: found, record } = repo.tree().get_key(&key).unwrap() else {
            panic!("{}", key.escape_ascii())
        };
        assert_eq!((found, record.is_some()), (cid, has_record));
    }
    assert!(!gaps.is_empty());
    for (cid, interval, layer) in gaps {
        // A key inside the gap, of a layer that the missing node allows.
        let start = interval.lower.as_deref().unwrap_or_default();
        let inside = (0..10_000).map(|number| [start, format!("{number}").as_bytes()].concat());
        let (lower, upper) = (interval.lower.as_deref(), interval.upper.as_deref());
        let mut inside = inside.filter(|key| is_between(key, lower, upper));
        let key = inside
            .find(|key| layer.is_some_and(|layer| carwalk::mst::Layer::of(key) <= layer))
            .unwrap();
        let Lookup::Unknown(gap) = repo.tree().get_key(&key).unwrap() else {
            panic!("{}", key.escape_ascii())
        };
        assert_eq!((gap.cid, gap.interval, gap.layer), (cid, interval, layer));
    }
}

/// A tree of the suite.
struct Whole {
    tree: PlainTree,
    records: BTreeMap<Vec<u8>, KitCid>,
    blocks: HashMap<String, (KitCid, Vec<u8>)>,
}

impl Whole {
    fn read(path: &Path) -> Self {
        let bytes = fs::read(path).unwrap();
        let store = SliceStore::new(&bytes[..]).unwrap();
        let root = store.header().root();
        let mut records = BTreeMap::new();
        let tree = Tree::new(store, root);
        let mut walk = tree.walk().records(false).start();
        while let Some(event) = walk.next_event().unwrap() {
            let Event::Entry { entry, .. } = event else { panic!("{event:?}") };
            records
                .insert(entry.key().to_vec(), KitCid::from_bytes(entry.cid().as_bytes()).unwrap());
        }
        let tree = PlainTree::of(&tree::build(&records));
        assert_eq!(tree.root(), root);
        let sections = Car::parse(&bytes).unwrap().sections.into_iter();
        let blocks = sections.map(|section| {
            let cid = KitCid::from_bytes(&section.cid).unwrap();
            (cid.to_string(), (cid, section.data))
        });
        Whole { tree, records, blocks: blocks.collect() }
    }
}

pub(crate) fn proofs_answer(folder: &Path) {
    answers_agree(folder, "proof_nodes");
}

pub(crate) fn inductive_proofs_answer(folder: &Path) {
    answers_agree(folder, "inductive_proof_nodes");
}

/// How often keys of a case were present, absent and unknown in its proof, and how many answers
/// became unknown without one node.
#[derive(Default)]
struct Counts {
    present: usize,
    absent: usize,
    unknown: usize,
    less: usize,
}

/// Looks up keys in the second tree of each case, with only its root and the nodes of the proof.
fn answers_agree(folder: &Path, list: &str) {
    let mut trees: HashMap<String, Whole> = HashMap::new();
    let mut counts = Counts::default();
    let mut cases = 0;
    let text = fs::read_to_string(folder.join("diff-cases.jsonl")).unwrap();
    for line in text.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let [first, second] = ["mst_a", "mst_b"].map(|name| case["inputs"][name].as_str().unwrap());
        for name in [first, second] {
            trees.entry(name.to_owned()).or_insert_with(|| Whole::read(&folder.join(name)));
        }
        case_answers(&case, [&trees[first], &trees[second]], list, &mut counts);
        cases += 1;
    }
    let Counts { present, absent, unknown, less } = counts;
    assert_eq!(cases, CASES);
    assert!(less > 1000, "{less}");
    assert!(present > 1000 && absent > 1000 && unknown > 100, "{present}, {absent}, {unknown}");
}

fn case_answers(case: &Value, [first, second]: [&Whole; 2], list: &str, counts: &mut Counts) {
    let (store, there) = nodes_of_proof(case, [first, second], list);
    let tree = Tree::new(&store, second.tree.root());
    let keys: BTreeSet<_> = first.records.keys().chain(second.records.keys()).collect();
    for &key in &keys {
        let found = part::answer(tree.get_key(key).unwrap()).map(|_, _| ());
        let expected = second.tree.answer(key, &|cid| there.contains(cid));
        assert_eq!(found, expected, "{}: {case}", key.escape_ascii());
        match found {
            Answer::Present { cid, .. } => {
                assert_eq!(second.records.get(key).map(common::cid), Some(cid), "{case}");
                counts.present += 1;
            }
            Answer::Absent => {
                assert!(!second.records.contains_key(key), "{case}");
                counts.absent += 1;
            }
            Answer::Unknown(hidden) => {
                assert!(!store.blocks.contains_key(&hidden.cid), "{case}");
                counts.unknown += 1;
            }
        }
    }
    changes_are_proven(case, &tree);
    counts.less += without_any_one_node(store, there, &second.tree, &keys, case);
}

/// Returns the root of the second tree and the nodes of a proof, and their CIDs.
fn nodes_of_proof(
    case: &Value,
    [first, second]: [&Whole; 2],
    list: &str,
) -> (MapStore, HashSet<KitCid>) {
    let (mut store, mut there) = (MapStore::default(), HashSet::new());
    let root = second.tree.0[0].cid.to_string();
    let nodes = case["results"][list].as_array().unwrap().iter().map(|cid| cid.as_str().unwrap());
    for name in nodes.chain([&root[..]]) {
        // The proof of a deletion may have nodes that only the first tree has.
        let block = second.blocks.get(name).or_else(|| first.blocks.get(name));
        let Some((cid, block)) = block else { panic!("{name} is of neither tree: {case}") };
        store.insert(cid, block.clone());
        there.insert(*cid);
    }
    (store, there)
}

/// Checks that a tree proves every change of a case.
fn changes_are_proven(case: &Value, tree: &Tree<&MapStore>) {
    for change in case["results"]["record_ops"].as_array().unwrap() {
        let key = change["rpath"].as_str().unwrap();
        let expected: Option<Cid> = change["new_value"].as_str().map(|cid| cid.parse().unwrap());
        match (tree.get_key(key).unwrap(), expected) {
            (Lookup::Present { cid, .. }, Some(expected)) => {
                assert_eq!(cid, expected, "{key}: {case}");
            }
            (Lookup::Absent, None) => {}
            (found, expected) => panic!("{key}: {found:?}, {expected:?}: {case}"),
        }
    }
}

/// Removes each node in turn. Every answer stays the same or becomes unknown. Returns how many
/// became unknown.
fn without_any_one_node(
    mut store: MapStore,
    mut there: HashSet<KitCid>,
    tree: &PlainTree,
    keys: &BTreeSet<&Vec<u8>>,
    case: &Value,
) -> usize {
    let ask = |store: &MapStore, key| {
        part::answer(Tree::new(store, tree.root()).get_key(key).unwrap()).map(|_, _| ())
    };
    let before: Vec<_> = keys.iter().map(|key| ask(&store, key)).collect();
    let mut less = 0;
    for cid in there.clone() {
        let block = store.blocks.remove(&common::cid(&cid)).unwrap();
        there.remove(&cid);
        for (key, before) in keys.iter().zip(&before) {
            let found = ask(&store, key);
            let expected = tree.answer(key, &|cid| there.contains(cid));
            assert_eq!(found, expected, "{} without {cid}: {case}", key.escape_ascii());
            match (before, &found) {
                (Answer::Unknown(_), Answer::Unknown(_)) => {}
                (_, Answer::Unknown(hidden)) => {
                    assert_eq!(hidden.cid, common::cid(&cid), "{case}");
                    less += 1;
                }
                (before, found) => {
                    assert_eq!(before, found, "{} without {cid}: {case}", key.escape_ascii())
                }
            }
        }
        store.insert(&cid, block);
        there.insert(cid);
    }
    less
}
