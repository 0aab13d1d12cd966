//! Undoing operations, and choosing the nodes of a message, on the cases of mst-test-suite and on
//! the proofs of the interoperability tests.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use carwalk::mst::Builder;
use carwalk::sync::{Action, Operation, diff_nodes, invert, ops};
use carwalk::{Cid, ErrorClass};
use serde_json::Value;

use crate::common::MapStore;
use crate::mst_suite::{Bare, Case, Op, cases, trees};

fn operation((path, old, new): &Op) -> Operation<'_> {
    let cid = |text: &Option<String>| text.as_ref().map(|text| text.parse::<Cid>().unwrap());
    let action = match (old, new) {
        (None, _) => Action::Create,
        (_, None) => Action::Delete,
        _ => Action::Update,
    };
    Operation::new(action, path, cid(new), cid(old))
}

/// Calls `check` with every order of the operations.
fn orders<'o>(ops: &[Operation<'o>], check: &mut impl FnMut(&[Operation<'o>])) {
    fn rest<'o>(
        ops: &mut Vec<Operation<'o>>,
        from: usize,
        check: &mut impl FnMut(&[Operation<'o>]),
    ) {
        if from + 1 >= ops.len() {
            return check(ops);
        }
        for other in from..ops.len() {
            ops.swap(from, other);
            rest(ops, from + 1, check);
            ops.swap(from, other);
        }
    }
    rest(&mut ops.to_vec(), 0, check);
}

/// Every order of up to this many operations is tried.
const ALL_ORDERS: usize = 6;

/// With exactly the nodes that are said to be enough, the root is that of the old tree. With one of
/// them removed, it is the same, or a node is missing.
pub(crate) fn suite_is_inverted(folder: &Path) {
    let cases = cases(folder);
    let trees = trees(folder, &cases);
    let (mut decided, mut undecided, mut all_orders) = (0, 0, 0);
    for Case { inputs: [old, new], ops, inductive, .. } in &cases {
        let (old, new) = (&trees[old], &trees[new]);
        let ops: Vec<_> = ops.iter().map(operation).collect();
        let part = |without: Option<&str>| {
            new.part(|cid| {
                let cid = cid.to_string();
                inductive.contains(&cid) && without != Some(&cid)
            })
        };
        let whole = part(None);
        let inverted = invert(new.root, &whole.blocks, &ops).unwrap();
        assert_eq!(inverted.root, old.root);
        if ops.len() <= ALL_ORDERS {
            orders(&ops, &mut |ops| {
                assert_eq!(invert(new.root, &whole.blocks, ops).unwrap().root, old.root);
                all_orders += 1;
            });
        }
        for node in inductive {
            let part = part(Some(node));
            match invert(new.root, &part.blocks, &ops) {
                Ok(inverted) => {
                    assert_eq!(inverted.root, old.root);
                    decided += 1;
                }
                Err(error) => {
                    assert_eq!(error.class(), ErrorClass::Missing, "{error}");
                    undecided += 1;
                }
            }
        }
    }
    assert!(undecided > 20 * decided && all_orders > 100_000, "{decided}, {undecided}");
}

/// The nodes of a message contain those that are said to be enough, and prove the operations.
pub(crate) fn suite_is_proven(folder: &Path) {
    let cases = cases(folder);
    let trees = trees(folder, &cases);
    for Case { inputs: [old, new], ops: expected, inductive, created, .. } in &cases {
        let (old, new) = (&trees[old], &trees[new]);
        let nodes = diff_nodes(&old.tree(), &new.tree()).unwrap();
        let texts: BTreeSet<_> = nodes.iter().map(Cid::to_string).collect();
        assert_eq!(texts.len(), nodes.len(), "a node is there twice");
        assert!(texts.is_superset(inductive) && texts.is_superset(created));
        let found = ops(&old.tree(), &new.tree()).unwrap();
        assert_eq!(found, expected.iter().map(operation).collect::<Vec<_>>());
        let part = new.part(|cid| nodes.contains(cid));
        let inverted = invert(new.root, &part.blocks, &found).unwrap();
        assert_eq!((inverted.root, inverted.unproven.len()), (old.root, 0));
    }
}

/// A tree of these keys, all with the same record.
fn tree_of(keys: &BTreeSet<String>, record: Cid) -> Bare {
    let mut blocks = MapStore::default();
    let mut builder = Builder::new(|cid, _, block| {
        blocks.blocks.insert(*cid, block.to_vec());
        Ok(())
    });
    for key in keys {
        builder.entry(key.as_bytes(), record).unwrap();
    }
    let root = builder.finish().unwrap();
    Bare { blocks, root }
}

/// The nodes of a message are exactly those of the fixture, and enough in any order.
pub(crate) fn fixtures_are_proven(file: &Path) {
    let fixtures: Vec<Value> = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    assert_eq!(fixtures.len(), 6);
    for fixture in &fixtures {
        let list = |name: &str| -> BTreeSet<String> {
            let items = fixture[name].as_array().unwrap().iter();
            items.map(|item| item.as_str().unwrap().to_owned()).collect()
        };
        let cid = |name: &str| fixture[name].as_str().unwrap().parse::<Cid>().unwrap();
        let (record, adds, dels) = (cid("leafValue"), list("adds"), list("dels"));
        let before = list("keys");
        let after = before.difference(&dels).chain(&adds).cloned().collect();
        let (old, new) = (tree_of(&before, record), tree_of(&after, record));
        assert_eq!((old.root, new.root), (cid("rootBeforeCommit"), cid("rootAfterCommit")));

        let nodes = diff_nodes(&old.tree(), &new.tree()).unwrap();
        let texts = nodes.iter().map(Cid::to_string).collect::<BTreeSet<_>>();
        assert_eq!(texts, list("blocksInProof"), "{}", fixture["comment"]);
        let part = new.part(|cid| nodes.contains(cid));
        let ops = ops(&old.tree(), &new.tree()).unwrap();
        assert_eq!(ops.len(), adds.len() + dels.len());
        orders(&ops, &mut |ops| {
            let inverted = invert(new.root, &part.blocks, ops).unwrap();
            assert_eq!((inverted.root, inverted.unproven.len()), (old.root, 0));
        });
    }
}
