//! Frames: what is parsed, and what is not.

use carwalk::sync::{Message, Rule};
use carwalk_testkit::cbor::{self, Value};
use carwalk_testkit::commit::{DID, REV};
use carwalk_testkit::message::{
    AccountMessage, IdentityMessage, Records, SINCE, frame, header, named_frame,
};

use super::{batch, judge};
use crate::common::cid;

/// Asserts that a frame breaks the rule `frame`.
#[track_caller]
fn assert_broken(bytes: &[u8]) {
    let error = Message::parse(bytes).unwrap_err();
    assert_eq!(error.reason().rule(), Some(Rule::Frame), "{error}");
    assert_eq!(judge(bytes).verdict, "invalid");
}

fn parsed(bytes: &[u8]) -> Message<'_> {
    Message::parse(bytes).unwrap()
}

/// A small frame of each type.
fn each_type() -> Vec<Vec<u8>> {
    let first = carwalk_testkit::message::Batch::between(
        Records::new(),
        super::records(&super::keys()[..1]),
    );
    let identity = IdentityMessage { seq: 1, did: DID.into(), handle: Some("a.example".into()) };
    let account =
        AccountMessage { seq: 2, did: DID.into(), active: false, status: Some("deleted".into()) };
    vec![
        first.message().frame(),
        first.sync_message().frame(),
        identity.frame(),
        account.frame(),
        named_frame("name", "OutdatedCursor", Some("too old")),
        named_frame("error", "FutureCursor", Some("in the future")),
        frame(&header("#labels"), &Value::map([("seq", Value::Uint(9))])),
    ]
}

#[test]
fn every_field_of_a_commit_is_read() {
    let mut message = batch().message();
    message.seq = 31_527_015_322;
    let bytes = message.frame();
    let Message::Commit(commit) = parsed(&bytes) else { panic!() };
    assert_eq!(commit.seq, Some(31_527_015_322));
    assert_eq!((commit.repo, commit.rev, commit.since), (DID, REV, Some(SINCE)));
    assert_eq!(commit.commit, cid(&message.commit));
    assert_eq!(commit.prev_data, message.prev_data.as_ref().map(cid));
    assert_eq!(commit.blocks, message.blocks.to_bytes());
    assert_eq!(commit.frame_len, Some(bytes.len()));
    assert_eq!(commit.ops.len(), 3);
    for (found, expected) in commit.ops.iter().zip(&message.ops) {
        assert_eq!((found.action.name(), &*found.path), (&*expected.action, &*expected.path));
        assert_eq!(found.cid, expected.cid.as_ref().map(cid));
        assert_eq!(found.prev, expected.prev.as_ref().map(cid));
    }
    let message = Message::from(commit);
    let common = (message.type_name(), message.seq(), message.did(), message.rev());
    assert_eq!(common, (Some("#commit"), Some(31_527_015_322), Some(DID), Some(REV)));
}

#[test]
fn every_field_of_the_other_types_is_read() {
    let frames = each_type();
    let Message::Sync(sync) = parsed(&frames[1]) else { panic!() };
    assert_eq!((sync.seq, sync.did, sync.rev), (Some(8), DID, REV));
    assert!(!sync.blocks.is_empty() && sync.frame_len == Some(frames[1].len()));
    let Message::Identity(identity) = parsed(&frames[2]) else { panic!() };
    assert_eq!((identity.seq, identity.did, identity.handle), (Some(1), DID, Some("a.example")));
    let Message::Account(account) = parsed(&frames[3]) else { panic!() };
    assert_eq!((account.seq, account.did), (Some(2), DID));
    assert_eq!((account.active, account.status), (false, Some("deleted")));
    let Message::Info(info) = parsed(&frames[4]) else { panic!() };
    assert_eq!((info.name, info.message), ("OutdatedCursor", Some("too old")));
    let Message::Error(error) = parsed(&frames[5]) else { panic!() };
    assert_eq!((error.error, error.message), ("FutureCursor", Some("in the future")));
    let Message::Other(other) = parsed(&frames[6]) else { panic!() };
    assert_eq!((other.type_name, other.op, other.body), (Some("#labels"), 1, &b"\xa1cseq\x09"[..]));
    let types = frames.iter().map(|bytes| parsed(bytes).type_name());
    let expected = [Some("#commit"), Some("#sync"), Some("#identity"), Some("#account")];
    let expected = expected.into_iter().chain([Some("#info"), None, Some("#labels")]);
    assert!(types.eq(expected));
    let seqs = frames.iter().map(|bytes| parsed(bytes).seq());
    assert!(seqs.eq([Some(7), Some(8), Some(1), Some(2), None, None, None]));
    let dids = frames.iter().map(|bytes| parsed(bytes).did());
    assert!(dids.eq([Some(DID); 4].into_iter().chain([None; 3])));
}

#[test]
fn a_frame_that_is_cut_anywhere_or_continues_is_refused() {
    for bytes in each_type() {
        parsed(&bytes);
        for len in 0..bytes.len() {
            assert_broken(&bytes[..len]);
        }
        for more in [&b"\0"[..], b"\xa0", b"\xf6", b"\xff", &bytes] {
            assert_broken(&[&bytes, more].concat());
        }
    }
}

/// Each string, array, map and link declares more than there is.
#[test]
fn a_huge_declared_length_is_refused() {
    let bytes = batch().message().frame();
    for major in 2..=5 {
        for number in [1 << 40, u64::MAX, u64::from(u32::MAX), 100_000] {
            let huge = Value::Raw(cbor::head(major, number));
            assert_broken(&huge.encode());
            assert_broken(&frame(&header("#commit"), &huge));
            for name in ["ops", "blocks", "repo", "unknown"] {
                let body = Value::map_sorted([(name, huge.clone())]);
                assert_broken(&frame(&header("#commit"), &body));
            }
        }
    }
    // In place of a length within a message.
    let mut body = batch().message().body();
    let op = body.at_mut("ops").items_mut()[0].clone();
    let many = [cbor::head(4, 1 << 40), op.encode()].concat();
    *body.at_mut("ops") = Value::Raw(many);
    assert_broken(&frame(&header("#commit"), &body));
    assert_eq!(judge(&bytes).verdict, "valid");
}

#[test]
fn deep_nesting_in_an_unknown_field_is_refused() {
    let with = |nested: Vec<u8>| {
        let mut body = batch().message().body();
        let last = body.pairs_mut().len();
        body.pairs_mut().insert(last, (Value::text("zNesting"), Value::Raw(nested)));
        frame(&header("#commit"), &body)
    };
    let arrays = |depth: usize| [vec![0x81; depth], vec![0x80]].concat();
    assert_eq!(judge(&with(arrays(30))).verdict, "valid");
    for depth in [1_000, 1_000_000] {
        assert_broken(&with(arrays(depth)));
        assert_broken(&with([b"\xa1aa".repeat(depth), vec![0xa0]].concat()));
        // Tags, which would nest without a count.
        assert_broken(&with([[0xd8, 0x2a].repeat(depth), vec![0xa0]].concat()));
        assert_broken(&arrays(depth));
        assert_broken(&[header("#labels").encode(), arrays(depth)].concat());
    }
}

#[test]
fn an_encoding_that_is_not_canonical_is_refused() {
    let wide = |value: &Value| cbor::wide(value, 8);
    for number in 0..12 {
        let mut body = batch().message().body();
        let pairs = body.pairs_mut();
        assert_eq!(pairs.len(), 12);
        let value = pairs[number].1.clone();
        let (is_simple, is_string) = (
            matches!(value, Value::Bool(_) | Value::Null),
            matches!(value, Value::Text(_) | Value::Bytes(_) | Value::Array(_)),
        );
        if !is_simple && !matches!(value, Value::Link(_)) {
            pairs[number].1 = wide(&value);
            assert_broken(&frame(&header("#commit"), &body));
        }
        if is_string {
            body.pairs_mut()[number].1 = cbor::indefinite(&value);
            assert_broken(&frame(&header("#commit"), &body));
        }
    }
    let (head, body) = (header("#commit"), batch().message().body());
    for (head, body) in [
        (cbor::wide(&head, 1), body.clone()),
        (cbor::indefinite(&head), body.clone()),
        (head.clone(), cbor::wide(&body, 1)),
        (head, cbor::indefinite(&body)),
    ] {
        assert_broken(&frame(&head, &body));
    }
}

#[test]
fn keys_must_be_in_order_and_unique() {
    let unordered = Value::map([("op", Value::Uint(1)), ("t", Value::text("#commit"))]);
    assert_broken(&frame(&unordered, &batch().message().body()));
    for number in 0..11 {
        let mut body = batch().message().body();
        body.pairs_mut().swap(number, number + 1);
        assert_broken(&frame(&header("#commit"), &body));
    }
    for number in 0..12 {
        let mut body = batch().message().body();
        let pair = body.pairs_mut()[number].clone();
        body.pairs_mut().insert(number, pair);
        assert_broken(&frame(&header("#commit"), &body));
    }
    let mut body = batch().message().body();
    let op = &mut body.at_mut("ops").items_mut()[0];
    let pair = op.pairs_mut()[0].clone();
    op.pairs_mut().insert(1, pair);
    assert_broken(&frame(&header("#commit"), &body));
}

#[test]
fn keys_must_be_texts_and_texts_utf_8() {
    let mut body = batch().message().body();
    body.pairs_mut().insert(0, (Value::Uint(1), Value::Null));
    assert_broken(&frame(&header("#commit"), &body));
    for raw in [&b"\x61\xff"[..], b"\x62\xc3\x28", b"\x63\xed\xa0\x80"] {
        for name in ["repo", "time"] {
            let mut body = batch().message().body();
            *body.at_mut(name) = Value::Raw(raw.to_vec());
            assert_broken(&frame(&header("#commit"), &body));
        }
        assert_broken(&frame(&Value::map([("t", Value::Raw(raw.to_vec()))]), &body));
    }
}

/// What DAG-CBOR does not have.
#[test]
fn other_items_of_cbor_are_refused() {
    for raw in [
        &b"\xf7"[..],
        b"\xf9\x3c\x00",
        b"\xfa\x3f\x80\x00\x00",
        b"\xfb\x7f\xf8\x00\x00\x00\x00\x00\x00",
        b"\xc0\x61a",
        b"\xd8\x2a\x41\x00",
        b"\xe0",
        b"\xff",
        b"\x1c",
    ] {
        for name in ["time", "ops", "unknown"] {
            let body = Value::map([(name, Value::Raw(raw.to_vec()))]);
            assert_broken(&frame(&header("#commit"), &body));
        }
        assert_broken(raw);
    }
}

#[test]
fn unknown_types_and_kinds_of_frame_are_other_messages() {
    let body = Value::map([("name", Value::Uint(1))]);
    let head = |op: Value, name: Option<&str>| {
        let name = name.map(|name| ("t", Value::text(name)));
        Value::map(name.into_iter().chain([("op", op)]))
    };
    for (op, name) in [
        (1, Some("#Commit")),
        (1, Some("commit")),
        (1, Some("#migrate")),
        (1, Some("com.example.sync#other")),
        (1, Some("")),
        (0, Some("#commit")),
        (2, Some("#commit")),
        (-2, None),
        (i64::MAX, None),
        (i64::MIN, None),
    ] {
        let bytes = frame(&head(Value::Int(op), name), &body);
        let Message::Other(other) = parsed(&bytes) else { panic!("{op} {name:?}") };
        assert_eq!((other.type_name, other.op), (name, op));
        assert_eq!(other.body, body.encode());
        assert_eq!(parsed(&bytes).type_name(), name);
        // Strict all the same.
        assert_broken(&bytes[..bytes.len() - 1]);
        assert_broken(&[&bytes[..], &[0]].concat());
    }
    // A message must have a type.
    let bytes = frame(&head(Value::Int(1), None), &body);
    let error = Message::parse(&bytes).unwrap_err();
    assert_eq!(error.to_string(), "field: `t` is missing");
    // An error frame may have a type.
    let bytes =
        frame(&head(Value::Int(-1), Some("#commit")), &Value::map([("error", Value::text("E"))]));
    assert!(matches!(parsed(&bytes), Message::Error(_)));
}

/// What parsing keeps of a frame is bounded, before any limit of a verifier applies.
#[test]
fn a_message_has_at_most_10_000_operations() {
    let bytes = |count: usize| {
        let mut message = batch().message();
        let op = message.ops[0].clone();
        message.ops = vec![op; count];
        message.frame()
    };
    let most = bytes(carwalk::limits::MAX_OPERATIONS);
    let Message::Commit(message) = parsed(&most) else { panic!("another message") };
    assert_eq!(message.ops.len(), 10_000);
    let error = Message::parse(&bytes(10_001)).map(drop).unwrap_err();
    assert_eq!(error.to_string(), "limit: operation count of 10001 exceeds the limit of 10000");
    assert_eq!(error.did(), Some(DID));
}

/// Texts of the sender do not make errors long.
#[test]
fn errors_keep_the_start_of_long_texts() {
    let long = "a".repeat(100_000);
    let mut message = batch().message();
    message.ops[0].path = long.clone();
    let judged = judge(&message.frame());
    assert!(judged.rule == Some(Rule::OpPath) && judged.text.len() < 2_000, "{judged:?}");

    let mut message = batch().message();
    message.repo = long.clone();
    let frame = message.frame();
    assert!(judge(&frame).text.len() < 200);
    // The last field, `prevData`, is missing its last byte.
    let error = Message::parse(&frame[..frame.len() - 1]).unwrap_err();
    assert!(error.did().is_none_or(|did| did.len() == 2048), "{}", error.to_string().len());
    assert!(error.to_string().len() < 500);
}
