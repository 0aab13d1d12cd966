//! The expected changes of a diff, from the definition.

use std::collections::BTreeSet;

use carwalk::mst::Change;

use super::build::Entries;
use super::cid;

/// The changes, from the definition.
pub(crate) fn expected(old: &Entries, new: &Entries) -> Vec<Change> {
    let keys: BTreeSet<_> = old.keys().chain(new.keys()).collect();
    let changes = keys.into_iter().filter_map(|key| {
        let (before, after) = (old.get(key).map(cid), new.get(key).map(cid));
        let key = key[..].into();
        match (before, after) {
            (None, Some(cid)) => Some(Change::Created { key, cid }),
            (Some(old), None) => Some(Change::Deleted { key, old }),
            (Some(old), Some(new)) if old != new => Some(Change::Updated { key, old, new }),
            _ => None,
        }
    });
    changes.collect()
}

/// Checks the changes of partial trees: exact where they are known, in order, and no more unknown
/// than what a missing node hides.
pub(crate) fn check_partial(changes: &[Change], all: &[Change]) {
    let unknown = |key: &[u8]| {
        changes.iter().any(
            |change| matches!(change, Change::Unknown { interval, .. } if interval.contains(key)),
        )
    };
    let known: Vec<_> = changes.iter().filter(|change| change.key().is_some()).collect();
    let expected: Vec<_> = all.iter().filter(|change| !unknown(change.key().unwrap())).collect();
    assert_eq!(known, expected);
    let place = |change: &Change| match change {
        Change::Unknown { interval, .. } => interval.lower.as_deref().map(<[u8]>::to_vec),
        change => change.key().map(<[u8]>::to_vec),
    };
    assert!(changes.iter().map(place).is_sorted(), "{changes:?}");
    let nodes = changes.iter().filter_map(|change| match change {
        Change::Unknown { side, node, interval, .. } => {
            Some(format!("{side:?} {node} {interval:?}"))
        }
        _ => None,
    });
    let nodes: Vec<_> = nodes.collect();
    assert_eq!(nodes.iter().collect::<BTreeSet<_>>().len(), nodes.len());
}
