//! Compares the library with the oracle on repositories and CARs.

use carwalk::error::{KeyInterval, LimitName};
use carwalk::mst::Event;
use carwalk::store::BlockStore;
use carwalk::{Error, ErrorKind, Lookup, Repo, Result};
use carwalk_testkit::cbor::Value;
use carwalk_testkit::key::is_between;
use carwalk_testkit::oracle;

use crate::choices::Choices;
use crate::common::{self, Row};
use crate::edits;
use crate::export::Export;
use crate::rehash::rehash;

/// Repositories with any edits of tree, commit and header, and with matching hashes: the library
/// accepts exactly those that the oracle accepts, with the same records. For the others, a partial
/// walk and lookups agree on what is left.
pub fn walk_oracle(data: &[u8]) {
    let mut choices = Choices::new(data);
    let mut export = Export::any(&mut choices, 24);
    edits::edit(&mut export.repo, &mut choices);
    let mut car = export.sections();
    edits::edit_header(&mut car, &mut choices);
    agree(&car.to_bytes());
}

/// The bytes of a CAR, with repaired hashes and links, judged as in [`walk_oracle`].
pub fn car_rehashed(data: &[u8]) {
    if let Some(car) = rehash(data) {
        agree(&car);
    }
}

/// Decodes a block as canonical CBOR.
pub(crate) fn canonical(block: &[u8]) -> Result<Value, String> {
    let value = oracle::decode(block)?;
    if !oracle::is_canonical(&value) || value.encode() != block {
        return Err("not canonical".into());
    }
    Ok(value)
}

/// Returns whether an error is about a limit that the oracle does not have.
pub(crate) fn beyond_limit(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Limit { limit: LimitName::CommitFields, .. })
}

/// Returns whether the oracle refused a value for its nesting. The oracle counts from the outermost
/// map, the library from the value of a field.
pub(crate) fn too_nested(error: &str) -> bool {
    error == "nested too deeply"
}

/// Asserts that library and oracle agree on a CAR, and that a partial walk and lookups agree.
fn agree(car: &[u8]) {
    let oracle = oracle::walk_any_keys(car);
    let repo = Repo::from_slice(car);
    let rows = repo
        .as_ref()
        .map_err(common::details)
        .and_then(|repo| rows(repo).map_err(|e| common::details(&e)));
    match (&oracle, &rows) {
        (Ok(walk), Ok(rows)) => {
            let entries = walk.entries.iter();
            let expected = entries.map(|entry| {
                (entry.key.clone(), common::cid(&entry.cid), entry.record.clone().unwrap())
            });
            assert!(expected.eq(rows.iter().cloned()), "other records");
        }
        (Ok(_), Err(error)) => {
            let tolerated = repo.as_ref().is_err_and(beyond_limit);
            assert!(tolerated, "refused, but the oracle accepts it: {error}");
        }
        (Err(error), Ok(_)) => {
            assert!(too_nested(error), "accepted, but the oracle refuses it: {error}")
        }
        (Err(_), Err(_)) => {}
    }
    if let Ok(repo) = &repo {
        let is_path =
            |rows: &Vec<Row>| rows.iter().all(|(key, ..)| carwalk::RepoPath::parse(key).is_ok());
        assert_eq!(common::rows(repo).is_ok(), rows.as_ref().is_ok_and(is_path));
        parts_agree(repo, rows.is_ok());
    }
}

/// Returns all records with their keys, which need not be repo paths.
fn rows<S: BlockStore>(repo: &Repo<S>) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    let mut walk = repo.walk().start();
    while let Some(event) = walk.next_event()? {
        match event {
            Event::Record { entry, block, .. } => {
                rows.push((entry.key().to_vec(), entry.cid(), block.to_vec()))
            }
            other => panic!("{other:?}"),
        }
    }
    Ok(rows)
}

/// Asserts that a partial walk finds missing or invalid blocks exactly if the complete walk fails,
/// that its keys ascend, and that lookups agree with it.
pub(crate) fn parts_agree<S: BlockStore>(repo: &Repo<S>, is_complete: bool) {
    let mut keys: Vec<Vec<u8>> = Vec::new();
    let mut gaps: Vec<KeyInterval> = Vec::new();
    let mut without_record = 0;
    let mut walk = repo.walk().partial(true).start();
    while let Some(event) = walk.next_event().unwrap() {
        match event {
            Event::Record { entry, .. } => keys.push(entry.key().to_vec()),
            Event::MissingRecord { entry, .. } | Event::BadRecord { entry, .. } => {
                without_record += 1;
                keys.push(entry.key().to_vec());
            }
            Event::MissingSubtree { interval, .. } | Event::BadSubtree { interval, .. } => {
                gaps.push(interval.to_owned())
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(keys.is_sorted_by(|a, b| a < b), "keys do not ascend");
    assert_eq!(gaps.is_empty() && without_record == 0, is_complete);
    for key in &keys {
        assert!(is_in(&gaps, key) == 0, "a key in a gap: {}", key.escape_ascii());
        let found = repo.tree().get_key(key);
        assert!(
            !matches!(found, Ok(Lookup::Absent | Lookup::Unknown(_))),
            "{}: {found:?}",
            key.escape_ascii(),
            found = shown(&found)
        );
        let longer = [key, &b"-"[..]].concat();
        if keys.binary_search(&longer).is_err() {
            let found = repo.tree().get_key(&longer);
            let expected = if is_in(&gaps, &longer) == 0 {
                matches!(found, Ok(Lookup::Absent))
            } else {
                !matches!(found, Ok(Lookup::Present { .. }))
            };
            assert!(expected, "{}: {}", longer.escape_ascii(), shown(&found));
        }
    }
}

/// Formats an answer, without its record.
pub(crate) fn shown<B>(found: &Result<Lookup<B>>) -> String {
    match found {
        Ok(Lookup::Present { cid, record }) => format!("{cid}, record {}", record.is_some()),
        Ok(Lookup::Absent) => "absent".into(),
        Ok(Lookup::Unknown(gap)) => gap.to_string(),
        Err(error) => common::details(error),
    }
}

/// Returns the number of gaps that contain a key.
fn is_in(gaps: &[KeyInterval], key: &[u8]) -> usize {
    let is_in = |gap: &&KeyInterval| is_between(key, gap.lower.as_deref(), gap.upper.as_deref());
    gaps.iter().filter(is_in).count()
}
