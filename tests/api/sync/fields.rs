//! The type of every field.

use carwalk::sync::{Message, Rule};
use carwalk_testkit::cbor::Value;
use carwalk_testkit::cid::Cid as KitCid;
use carwalk_testkit::message::{AccountMessage, IdentityMessage, frame, header};

use super::{batch, other_cid};

/// A value of each type, named.
fn values() -> Vec<(&'static str, Value)> {
    vec![
        ("uint", Value::Uint(5)),
        ("negative", Value::Int(-5)),
        ("bytes", Value::Bytes(vec![1, 2])),
        ("text", Value::text("a text")),
        ("array", Value::Array(Vec::new())),
        ("map", Value::map([("a", Value::Null)])),
        ("link", Value::Link(other_cid())),
        ("raw_link", Value::Link(KitCid::raw(b""))),
        ("null", Value::Null),
        ("bool", Value::Bool(true)),
        ("float", Value::F64(1.5)),
    ]
}

/// Asserts which types a field may have, and that it may be absent if `absent` is true.
#[track_caller]
fn check(type_name: &str, body: &Value, name: &str, types: &[&str], absent: bool) {
    let parse = |body: &Value| {
        let bytes = frame(&header(type_name), body);
        Message::parse(&bytes).map(drop).map_err(|error| {
            assert_eq!(error.reason().rule(), Some(Rule::Field), "{name}: {error}");
            assert_eq!(error.type_name(), Some(type_name));
            error.to_string()
        })
    };
    parse(body).unwrap();
    for (found, value) in values() {
        let mut body = body.clone();
        *body.at_mut(name) = value;
        match parse(&body) {
            Ok(()) => assert!(types.contains(&found), "{name} may be {found}"),
            Err(text) => {
                assert!(!types.contains(&found), "{text}");
                assert!(text.starts_with(&format!("field: `{name}` is not ")), "{text}");
            }
        }
    }
    let mut without = body.clone();
    without.remove(name);
    match parse(&without) {
        Ok(()) => assert!(absent, "{name} may be absent"),
        Err(text) => {
            assert!(!absent, "{name} is required: {text}");
            assert_eq!(text, format!("field: `{name}` is missing"));
        }
    }
}

#[test]
fn fields_of_a_commit() {
    let body = batch().message().body();
    let check = |name, types: &[&str], absent| check("#commit", &body, name, types, absent);
    check("seq", &["uint"], true);
    check("repo", &["text"], false);
    check("rev", &["text"], false);
    check("since", &["text", "null"], true);
    check("commit", &["link"], false);
    check("prevData", &["link", "null"], true);
    check("blocks", &["bytes"], false);
    check("ops", &["array"], false);
    let any: Vec<_> = values().into_iter().map(|(name, _)| name).collect();
    for name in ["time", "blobs", "rebase", "tooBig"] {
        check(name, &any, true);
    }
}

#[test]
fn fields_of_an_operation() {
    let with = |change: &dyn Fn(&mut Value)| {
        let mut body = batch().message().body();
        change(&mut body.at_mut("ops").items_mut()[1]);
        let bytes = frame(&header("#commit"), &body);
        Message::parse(&bytes).map(drop).map_err(|error| {
            assert_eq!(error.reason().rule(), Some(Rule::Field));
            assert_eq!(error.reason().op(), Some(1));
            assert_eq!(error.rev(), Some(carwalk_testkit::commit::REV));
            error.to_string()
        })
    };
    for (name, types, absent) in [
        ("action", &["text"][..], false),
        ("path", &["text"], false),
        ("cid", &["link", "raw_link", "null"], true),
        ("prev", &["link", "raw_link", "null"], true),
    ] {
        for (found, value) in values() {
            let outcome = with(&|op| *op.at_mut(name) = value.clone());
            assert_eq!(outcome.is_ok(), types.contains(&found), "{name} {found}: {outcome:?}");
        }
        let outcome = with(&|op| drop(op.remove(name)));
        assert_eq!(outcome.is_ok(), absent, "{name}: {outcome:?}");
    }
    for (found, value) in values() {
        let outcome = with(&|op| *op = value.clone());
        assert!(outcome.is_err(), "an operation may be {found}");
    }
}

#[test]
fn fields_of_the_other_types() {
    let sync = batch().sync_message().body();
    check("#sync", &sync, "seq", &["uint"], true);
    check("#sync", &sync, "did", &["text"], false);
    check("#sync", &sync, "rev", &["text"], false);
    check("#sync", &sync, "blocks", &["bytes"], false);
    let identity = IdentityMessage { seq: 1, did: "d".into(), handle: Some("h".into()) }.body();
    check("#identity", &identity, "seq", &["uint"], true);
    check("#identity", &identity, "did", &["text"], false);
    check("#identity", &identity, "handle", &["text", "null"], true);
    let account =
        AccountMessage { seq: 1, did: "d".into(), active: true, status: Some("s".into()) }.body();
    check("#account", &account, "did", &["text"], false);
    check("#account", &account, "active", &["bool"], false);
    check("#account", &account, "status", &["text", "null"], true);
    let info = Value::map([("name", Value::text("n")), ("message", Value::text("m"))]);
    check("#info", &info, "name", &["text"], false);
    check("#info", &info, "message", &["text", "null"], true);
}

#[test]
fn fields_of_the_header() {
    let body = batch().message().body();
    let with = |op: Option<Value>, name: Option<Value>| {
        let name = name.map(|name| ("t", name));
        let head = Value::map(name.into_iter().chain(op.map(|op| ("op", op))));
        let bytes = frame(&head, &body);
        Message::parse(&bytes).map(drop).map_err(|error| error.into_reason().rule().unwrap())
    };
    for (found, value) in values() {
        let is_integer = ["uint", "negative"].contains(&found);
        let outcome = with(Some(value.clone()), Some(Value::text("#commit")));
        assert_eq!(outcome, if is_integer { Ok(()) } else { Err(Rule::Field) }, "op {found}");
        let outcome = with(Some(Value::Uint(1)), Some(value));
        assert_eq!(outcome, if found == "text" { Ok(()) } else { Err(Rule::Field) }, "t {found}");
    }
    assert_eq!(with(None, Some(Value::text("#commit"))), Err(Rule::Field));
    assert_eq!(with(Some(Value::Uint(1 << 63)), None), Err(Rule::Field));
}

#[test]
fn sequence_numbers_have_63_bits() {
    let with = |seq: u64| {
        let mut message = batch().message();
        message.seq = seq;
        let frame = message.frame();
        Message::parse(&frame).map(|message| message.seq()).map_err(|error| error.to_string())
    };
    assert_eq!(with(0), Ok(Some(0)));
    let max = u64::MAX >> 1;
    assert_eq!(with(max), Ok(Some(max)));
    let text = with(max + 1).unwrap_err();
    assert!(text.starts_with("field: `seq` is not an integer from 0 to 2^63 - 1"), "{text}");
}

/// The first fault is reported, with all that names the message, wherever it is.
#[test]
fn a_wrong_field_does_not_hide_the_account() {
    let mut body = batch().message().body();
    *body.at_mut("ops") = Value::Null;
    *body.at_mut("blocks") = Value::Null;
    let bytes = frame(&header("#commit"), &body);
    let error = Message::parse(&bytes).unwrap_err();
    assert_eq!(
        (error.did(), error.rev()),
        (Some(carwalk_testkit::commit::DID), Some("3l4zyhoqkbk2c"))
    );
    assert_eq!(error.seq(), Some(7));
    // Bytes that are not DAG-CBOR are worse than a wrong type.
    let bytes = &bytes[..bytes.len() - 1];
    assert_eq!(Message::parse(bytes).unwrap_err().reason().rule(), Some(Rule::Frame));
}
