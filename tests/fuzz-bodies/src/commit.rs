use carwalk::{Cid, Commit, CommitRules, Error};
use carwalk_testkit::cbor::Value;
use carwalk_testkit::cid::{Cid as KitCid, DAG_CBOR};
use carwalk_testkit::oracle;

use crate::common;
use crate::judge::{beyond_limit, canonical, too_nested};

/// A commit is accepted exactly if it is canonical and has the required fields. It returns the
/// values of these fields, and its signed bytes are the commit without `sig`. The legacy rules
/// accept every commit that the current rules accept.
pub fn commit(data: &[u8]) {
    let cid = common::cid(&KitCid::dag_cbor(data));
    let current = Commit::parse(cid, data, CommitRules::Current);
    let legacy = Commit::parse(cid, data, CommitRules::Legacy);
    let oracle = canonical(data);
    for (found, rules) in [(&current, CommitRules::Current), (&legacy, CommitRules::Legacy)] {
        let expected = oracle.as_ref().is_ok_and(|value| is_commit(value, rules));
        let tolerated = match found {
            Ok(_) => oracle.as_ref().is_err_and(|error| too_nested(error)),
            Err(error) => beyond_limit(error),
        };
        assert!(found.is_ok() == expected || tolerated, "{rules:?}: {found:?}, oracle: {oracle:?}");
    }
    if let Ok(commit) = &current {
        assert_eq!(Some(commit), legacy.as_ref().ok());
    }
    match (&legacy, &oracle) {
        (Ok(commit), Ok(value)) => same_fields(cid, commit, value),
        (Err(error), _) => assert_eq!(error.cid(), Some(&cid), "{}", details(error)),
        _ => {}
    }
}

fn details(error: &Error) -> String {
    common::details(error)
}

fn is_commit(value: &Value, rules: CommitRules) -> bool {
    let is_node = |field: &Value| matches!(field, Value::Link(cid) if cid.codec() == DAG_CBOR);
    let did = matches!(value.get("did"), Some(Value::Text(did)) if oracle::is_did(did));
    let sig = matches!(value.get("sig"), Some(Value::Bytes(sig)) if sig.len() == 64);
    let data = value.get("data").is_some_and(is_node);
    let prev = value.get("prev").is_none_or(|prev| *prev == Value::Null || is_node(prev));
    let rev = match value.get("rev") {
        Some(rev) => matches!(rev, Value::Text(rev) if oracle::is_tid(rev)),
        None => value.get("version") == Some(&Value::Uint(2)),
    };
    let version = match value.get("version") {
        Some(Value::Uint(3)) => rules == CommitRules::Legacy || value.get("prev").is_some(),
        Some(Value::Uint(2)) => rules == CommitRules::Legacy,
        _ => false,
    };
    did && sig && data && prev && rev && version
}

fn same_fields(cid: Cid, commit: &Commit<'_>, value: &Value) {
    assert_eq!(commit.cid(), cid);
    assert_eq!(value.get("did"), Some(&Value::text(commit.did())));
    assert_eq!(value.get("rev").cloned().unwrap_or(Value::text("")), Value::text(commit.rev()));
    assert_eq!(value.get("sig"), Some(&Value::Bytes(commit.signature().to_vec())));
    assert_eq!(value.get("version"), Some(&Value::Uint(commit.version())));
    let link = |name| match value.get(name) {
        Some(Value::Link(cid)) => Some(common::cid(cid)),
        _ => None,
    };
    assert_eq!((link("data"), link("prev")), (Some(commit.data()), commit.prev()));
    assert_eq!(value.encode(), commit.bytes());
    let mut unsigned = value.clone();
    unsigned.remove("sig");
    assert_eq!(unsigned.encode(), commit.signed_bytes().concat());
    assert_eq!(commit.clone().into_owned(), *commit);
}
