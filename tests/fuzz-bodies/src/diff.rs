use std::collections::BTreeSet;

use carwalk::mst::{Change, DiffSide};
use carwalk::{Cid, Result, Tree};
use carwalk_testkit::tree;

use crate::builder::{entries, key_of, record};
use crate::choices::Choices;
use crate::common::build::Entries;
use crate::common::changes::{check_partial, expected};
use crate::common::{MapStore, cid};

/// Compares two trees of which any nodes are missing, and rows with a tree. Each change is exact,
/// or hidden by a missing node.
pub fn diff(data: &[u8]) {
    let mut choices = Choices::new(data);
    let old = entries(&mut choices, 40);
    let mut new = if choices.below(8) == 7 { Entries::new() } else { old.clone() };
    for _ in 0..choices.below(8) {
        let key = key_of(&old, &mut choices);
        if new.remove(&key).is_none() || choices.flag() {
            new.insert(key, record(&mut choices));
        }
    }
    let all = expected(&old, &new);
    let mut stores = [store_of(&old), store_of(&new)];
    {
        let [(old_store, old_root), (new_store, new_root)] = &stores;
        let (from, to) = (Tree::new(old_store, *old_root), Tree::new(new_store, *new_root));
        let mut diff = from.diff(&to).nodes(true);
        assert_eq!(diff.by_ref().collect::<Result<Vec<_>>>().unwrap(), all);
        let nodes = |store: &MapStore| store.blocks.keys().copied().collect::<BTreeSet<Cid>>();
        let (old_nodes, new_nodes) = (nodes(old_store), nodes(new_store));
        assert_eq!(diff.created_nodes().collect::<BTreeSet<_>>(), &new_nodes - &old_nodes);
        assert_eq!(diff.deleted_nodes().collect::<BTreeSet<_>>(), &old_nodes - &new_nodes);
    }
    for (store, _) in &mut stores {
        remove_nodes(store, &mut choices);
    }
    let [(old_store, old_root), (new_store, new_root)] = &stores;
    let (from, to) = (Tree::new(old_store, *old_root), Tree::new(new_store, *new_root));
    let changes = from.diff(&to).partial(true).collect::<Result<Vec<_>>>().unwrap();
    check_partial(&changes, &all);
    for change in &changes {
        if let Change::Unknown { side, node, .. } = change {
            let store = if *side == DiffSide::Old { old_store } else { new_store };
            assert!(!store.blocks.contains_key(node), "{node} is there");
        }
    }
    let is_unknown = |change: &&Change| change.key().is_none();
    match (from.diff(&to).collect::<Result<Vec<_>>>(), changes.iter().find(is_unknown)) {
        (Ok(found), None) => assert_eq!(found, all),
        (Err(error), Some(Change::Unknown { node, .. })) => assert_eq!(error.cid(), Some(node)),
        (found, unknown) => panic!("{found:?}, but {unknown:?}"),
    }
    let rows = old.iter().map(|(key, kit)| Ok((key, cid(kit))));
    let changes = to.diff_rows(rows).partial(true).collect::<Result<Vec<_>>>().unwrap();
    check_partial(&changes, &all);
}

fn store_of(entries: &Entries) -> (MapStore, Cid) {
    let mut store = MapStore::default();
    let root = tree::build(entries);
    root.blocks().into_iter().for_each(|(cid, block)| store.insert(&cid, block));
    (store, cid(&root.cid()))
}

fn remove_nodes(store: &mut MapStore, choices: &mut Choices<'_>) {
    let mut cids: Vec<_> = store.blocks.keys().copied().collect();
    cids.sort_unstable();
    for _ in 0..choices.below(4) {
        store.blocks.remove(choices.pick(&cids));
    }
}
