//! The oracle and the tree builder against repositories that others wrote.

use std::collections::BTreeMap;
use std::path::PathBuf;

use carwalk_testkit::{oracle, tree, vectors};

/// The folder of the vectors, or nothing where they are not at hand.
fn cars() -> Option<PathBuf> {
    let folder = vectors::folder();
    assert!(
        folder.is_some() || !vectors::are_required(),
        "set CARWALK_VECTORS to the folder of the vectors"
    );
    folder.map(|folder| folder.join("cars"))
}

#[test]
fn whole_repositories_come_out_the_same() {
    let Some(folder) = cars() else { return };
    for name in ["empty.car", "tiny.car", "little.car", "midsize.car", "prev-not-null.car"] {
        let car = std::fs::read(folder.join(name)).unwrap();
        let walk = oracle::walk(&car).unwrap_or_else(|error| panic!("{name}: {error}"));
        let records: BTreeMap<_, _> =
            walk.entries.into_iter().map(|entry| (entry.key, entry.cid)).collect();
        assert_eq!(tree::build(&records).cid(), walk.commit.data, "{name}");
    }
}

#[test]
fn slices_are_partial() {
    let Some(folder) = cars() else { return };
    for name in ["slice-one.car", "slice-proving-absence.car"] {
        let car = std::fs::read(folder.join(name)).unwrap();
        let partial = oracle::walk_partial(&car).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(!partial.missing.is_empty(), "{name}");
        assert!(oracle::walk(&car).is_err(), "{name}");
    }
}
