//! Opens one CAR in every way, and walks one bad tree in every way.

use carwalk::ErrorClass;
use carwalk::error::TreeRule;
use carwalk::{Error, ErrorKind, Loader, Lookup, Repo, Result};
use carwalk_testkit::cid::Cid as KitCid;
use carwalk_testkit::oracle;

use super::{Row, end};

/// Opens a CAR in every way, and asserts that the outcome is the same.
#[track_caller]
fn outcome(car: &[u8]) -> Result<Vec<Row>> {
    let by_slice = super::rows_each_way(car, Loader::new);
    #[cfg(feature = "redb")]
    for (way, by_file) in spilled::ways(car) {
        let text = |rows: &Result<Vec<Row>>| rows.as_ref().map(Vec::len).map_err(super::details);
        assert_eq!(text(&by_slice), text(&by_file), "{way}");
        assert!(by_slice.as_ref().ok() == by_file.as_ref().ok(), "{way}: other records");
    }
    by_slice
}

#[cfg(feature = "redb")]
mod spilled {
    use std::cell::Cell;

    use carwalk::store::SpillFile;
    use carwalk_testkit::readers::OneByte;

    use super::{Loader, Result, Row};
    use crate::common::{self, spill};

    thread_local! {
        static CALLS: Cell<usize> = const { Cell::new(0) };
    }

    /// Loads into spill files. Kept files are slow because they are synced, so only one call in 16
    /// uses them.
    pub(super) fn ways(car: &[u8]) -> Vec<(&'static str, Result<Vec<Row>>)> {
        let whole = spill::all_into(Loader::new(), car, SpillFile::temporary())
            .and_then(|repo| common::rows(&repo));
        if !CALLS.replace(CALLS.get() + 1).is_multiple_of(16) {
            return vec![("spilled", whole)];
        }
        let index = Loader::new()
            .memory_limit(0)
            .from_slice(car, SpillFile::temporary())
            .and_then(|repo| common::rows(&repo));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kept");
        let kept =
            spill::all_into(Loader::new(), OneByte(car), SpillFile::keep(&path)).and_then(|repo| {
                drop(repo);
                Loader::new()
                    .memory_limit(1 << 20)
                    .from_spill_file(&path)
                    .and_then(|repo| common::rows(&repo))
            });
        vec![("spilled", whole), ("index in a file", index), ("kept", kept)]
    }
}

/// Returns the records of a CAR, after asserting that the oracle finds the same.
#[track_caller]
pub(crate) fn accepted(car: &[u8]) -> Vec<Row> {
    let rows = outcome(car).unwrap();
    assert!(rows == super::oracle_rows(car));
    rows
}

/// Returns the error of a CAR, which is the same in every way.
#[track_caller]
pub(crate) fn refused(car: &[u8]) -> Error {
    outcome(car).unwrap_err()
}

/// Returns the error of a CAR with a bad tree. Asserts that every kind of walk over the whole tree
/// fails.
#[track_caller]
pub(crate) fn refused_by_all_walks(car: &[u8]) -> Error {
    let repo = Repo::from_slice(car).unwrap();
    end(repo.walk().reverse()).unwrap_err();
    end(repo.walk().nodes(true).records(false)).unwrap_err();
    assert!(repo.entries().any(|entry| entry.is_err()));
    repo.walk().completeness().unwrap_err();
    assert!(repo.walk().gaps().any(|gap| gap.is_err()));
    let mut proof = Vec::new();
    repo.prove().range(..).write(&mut proof).unwrap_err();
    repo.write(&mut proof).unwrap_err();
    repo.tree().writer().records(false).write(&mut proof).unwrap_err();
    let error = refused(car);
    assert_eq!(error.class(), ErrorClass::Invalid, "{error}");
    let rule = if let ErrorKind::Tree(rule) = error.kind() { Some(rule) } else { None };
    let layers = rule.is_some_and(|rule| {
        matches!(
            rule,
            TreeRule::KeyLayer { .. } | TreeRule::ChildLayer { .. } | TreeRule::LinkBelowLayer0
        )
    });
    // A lookup reads fewer nodes and may not reach a bad one. The records that it finds must exist
    // nevertheless, and it may call a key absent only if the key is on a wrong layer.
    for (key, cid) in oracle_entries(car) {
        match repo.tree().get_key(&key) {
            Ok(Lookup::Present { cid: found, .. }) => assert!(found == super::cid(&cid)),
            Ok(Lookup::Absent) => assert!(layers, "{}: {error}", key.escape_ascii()),
            Ok(other) => panic!("{other:?}"),
            Err(error) => assert_eq!(error.class(), ErrorClass::Invalid, "{error}"),
        }
    }
    error
}

/// The entries of all valid nodes that are where they belong.
pub(crate) fn oracle_entries(car: &[u8]) -> Vec<(Vec<u8>, KitCid)> {
    let entries = oracle::walk_partial(car).map(|walk| walk.entries).unwrap_or_default();
    entries.into_iter().map(|entry| (entry.key, entry.cid)).collect()
}
