//! The trees and diff cases of mst-test-suite: differences, rebuilt trees, and diffs of partial
//! trees.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::Path;

use carwalk::mst::{Builder, Change, Event};
use carwalk::store::{CarStore, SliceStore};
use carwalk::{Cid, Tree};
use serde_json::Value;

use crate::common::MapStore;

/// The number of diff cases.
const CASES: usize = 2048;

/// A bare tree: its blocks and its root.
pub(crate) struct Bare {
    pub(crate) blocks: MapStore,
    pub(crate) root: Cid,
}

impl Bare {
    fn read(path: &Path) -> Self {
        let bytes = fs::read(path).unwrap();
        let root = SliceStore::new(&bytes[..]).unwrap().header().root();
        Bare { blocks: MapStore::new(&bytes), root }
    }

    pub(crate) fn tree(&self) -> Tree<&MapStore> {
        Tree::new(&self.blocks, self.root)
    }

    /// The tree of which only some nodes are there.
    pub(crate) fn part(&self, is_kept: impl Fn(&Cid) -> bool) -> Bare {
        let mut blocks = MapStore::default();
        let kept = self.blocks.blocks.iter().filter(|(cid, _)| is_kept(cid));
        blocks.blocks = kept.map(|(cid, block)| (*cid, block.clone())).collect();
        Bare { blocks, root: self.root }
    }
}

/// A key, with the old and the new value.
pub(crate) type Op = (String, Option<String>, Option<String>);

/// A diff case.
pub(crate) struct Case {
    pub(crate) inputs: [String; 2],
    pub(crate) ops: BTreeSet<Op>,
    pub(crate) created: BTreeSet<String>,
    deleted: BTreeSet<String>,
    proof: BTreeSet<String>,
    #[cfg_attr(not(feature = "sync"), expect(dead_code, reason = "for the tests of `sync`"))]
    pub(crate) inductive: BTreeSet<String>,
}

pub(crate) fn cases(folder: &Path) -> Vec<Case> {
    let text = fs::read_to_string(folder.join("diff-cases.jsonl")).unwrap();
    let cases: Vec<_> = text.lines().map(case).collect();
    assert_eq!(cases.len(), CASES);
    cases
}

fn case(line: &str) -> Case {
    let case: Value = serde_json::from_str(line).unwrap();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let results = &case["results"];
    let set = |name: &str| {
        results[name].as_array().unwrap().iter().map(|cid| text(cid).unwrap()).collect()
    };
    let ops = results["record_ops"].as_array().unwrap().iter();
    let ops =
        ops.map(|op| (text(&op["rpath"]).unwrap(), text(&op["old_value"]), text(&op["new_value"])));
    let input = |name: &str| text(&case["inputs"][name]).unwrap();
    Case {
        inputs: [input("mst_a"), input("mst_b")],
        ops: ops.collect(),
        created: set("created_nodes"),
        deleted: set("deleted_nodes"),
        proof: set("proof_nodes"),
        inductive: set("inductive_proof_nodes"),
    }
}

fn op(change: &Change) -> Op {
    let key = String::from_utf8(change.key().unwrap().to_vec()).unwrap();
    (key, change.old_cid().map(|cid| cid.to_string()), change.new_cid().map(|cid| cid.to_string()))
}

/// The trees of the cases, by file name.
pub(crate) fn trees(folder: &Path, cases: &[Case]) -> HashMap<String, Bare> {
    let names: BTreeSet<_> = cases.iter().flat_map(|case| case.inputs.clone()).collect();
    names.into_iter().map(|name| (name.clone(), Bare::read(&folder.join(&name)))).collect()
}

pub(crate) fn differences_agree(folder: &Path) {
    let cases = cases(folder);
    let trees = trees(folder, &cases);
    for Case { inputs: [old, new], ops, created, deleted, .. } in &cases {
        let (old, new) = (trees[old].tree(), trees[new].tree());
        let mut diff = old.diff(&new).nodes(true);
        let found: BTreeSet<_> = diff.by_ref().map(|change| op(&change.unwrap())).collect();
        assert_eq!(&found, ops);
        let texts = |cid: Cid| cid.to_string();
        assert_eq!(&diff.created_nodes().map(texts).collect::<BTreeSet<_>>(), created);
        assert_eq!(&diff.deleted_nodes().map(texts).collect::<BTreeSet<_>>(), deleted);
    }
}

/// With the old tree whole and the new one made of proof nodes, each operation is exact or unknown.
pub(crate) fn proof_nodes_never_mislead(folder: &Path) {
    let cases = cases(folder);
    let trees = trees(folder, &cases);
    let (mut exact, mut unknown) = (0, 0);
    for Case { inputs: [old, new], ops, proof, .. } in &cases {
        let old = &trees[old];
        let new = trees[new].part(|cid| proof.contains(&cid.to_string()));
        let (old, new) = (old.tree(), new.tree());
        let mut found = BTreeSet::new();
        let mut hidden = Vec::new();
        for change in old.diff(&new).partial(true) {
            match change.unwrap() {
                Change::Unknown { interval, .. } => hidden.push(interval),
                change => {
                    found.insert(op(&change));
                }
            }
        }
        let is_known = |op: &&Op| !hidden.iter().any(|interval| interval.contains(op.0.as_bytes()));
        assert_eq!(found, ops.iter().filter(is_known).cloned().collect());
        exact += found.len();
        unknown += ops.len() - found.len();
    }
    assert!(exact > unknown, "{exact} exact, {unknown} unknown");
}

/// Rebuilds a tree from what a partial walk finds. Returns the root and the nodes that were made.
fn rebuild(part: &Bare) -> (Cid, BTreeMap<Cid, Vec<u8>>) {
    let mut nodes = BTreeMap::new();
    let mut builder = Builder::new(|cid, _, block| {
        assert!(nodes.insert(*cid, block.to_vec()).is_none());
        Ok(())
    });
    let tree = part.tree();
    let mut walk = tree.walk().records(false).partial(true).start();
    while let Some(event) = walk.next_event().unwrap() {
        match event {
            Event::Entry { entry, .. } => builder.entry(entry.key(), entry.cid()).unwrap(),
            Event::MissingSubtree { cid, layer, interval, .. } => {
                builder.subtree(cid, layer.unwrap(), interval).unwrap();
            }
            other => panic!("{other:?}"),
        }
    }
    (builder.finish().unwrap(), nodes)
}

/// From its entries, and from every set of disjoint closed subtrees without the root.
pub(crate) fn tree_is_rebuilt(path: &Path) {
    let whole = Bare::read(path);
    let mut below: Vec<Cid> = whole.blocks.blocks.keys().copied().collect();
    below.retain(|cid| *cid != whole.root);
    below.sort_unstable();
    assert!(below.len() < 16, "{} nodes", below.len());
    // A set in which one node lies below another is the same as without the lower one.
    for set in 0_u32..1 << below.len() {
        let closed: BTreeSet<_> =
            (0..below.len()).filter(|number| set >> number & 1 == 1).map(|n| below[n]).collect();
        let part = whole.part(|cid| !closed.contains(cid));
        let (root, nodes) = rebuild(&part);
        assert_eq!(root, whole.root);
        // Also the node of an empty tree, which needs no block.
        assert!(nodes.iter().all(|(cid, block)| part.blocks.blocks.get(cid) == Some(block)));
        if closed.is_empty() {
            assert_eq!(nodes.len(), whole.blocks.blocks.len());
        }
    }
}
