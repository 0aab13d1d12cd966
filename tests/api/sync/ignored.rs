//! What a message may say without a change of its verdict.

use carwalk_testkit::car;
use carwalk_testkit::cbor::Value;
use carwalk_testkit::cid::Cid as KitCid;
use carwalk_testkit::message::{CommitMessage, SINCE, frame, header};

use super::{assert_valid, batch, judge_by, other_cid, state_before, verifier};

/// The frame of the message with a field added or replaced.
fn with_field(message: &CommitMessage, name: &str, value: Option<Value>) -> Vec<u8> {
    let Value::Map(pairs) = message.body() else { panic!("not a map") };
    let pairs = pairs.into_iter().map(|(key, value)| match key {
        Value::Text(key) => (key, value),
        other => panic!("{other:?}"),
    });
    let others = pairs.filter(|(key, _)| key != name);
    let field = value.map(|value| (name.to_owned(), value));
    frame(&header("#commit"), &Value::map_sorted(others.chain(field)))
}

#[test]
fn ignored_fields_may_have_any_value_or_be_absent() {
    let message = batch().message();
    let values = [
        Value::Bool(true),
        Value::Null,
        Value::Uint(u64::from(u32::MAX)),
        Value::text("x"),
        Value::Array(vec![Value::Link(other_cid())]),
        Value::map([("a", Value::Bytes(vec![1]))]),
    ];
    for name in ["tooBig", "rebase", "blobs", "time", "prev", "unknown", ""] {
        assert_valid(&with_field(&message, name, None));
        for value in &values {
            assert_valid(&with_field(&message, name, Some(value.clone())));
        }
    }
    // The sequence number may be absent. The server's own order is not checked.
    assert_valid(&with_field(&message, "seq", None));
}

#[test]
fn unknown_fields_of_the_header_and_of_operations_are_ignored() {
    let message = batch().message();
    let head = Value::map_sorted([
        ("t", Value::text("#commit")),
        ("op", Value::Uint(1)),
        ("more", Value::Null),
    ]);
    assert_valid(&frame(&head, &message.body()));
    let mut body = message.body();
    for op in body.at_mut("ops").items_mut() {
        op.pairs_mut().insert(0, (Value::text("a"), Value::Array(vec![Value::Null])));
    }
    assert_valid(&frame(&header("#commit"), &body));
}

#[test]
fn since_need_not_be_the_revision_of_the_state() {
    let batch = batch();
    let state = state_before(&batch);
    let mut message = batch.message();
    for since in [Some(SINCE), Some("3l4nm7hmk2223"), Some("3zzzzzzzzzzzz"), None] {
        message.since = since.map(str::to_owned);
        let judged = judge_by(&verifier(), &message.frame(), None, Some(&state));
        assert_eq!(judged.verdict, "valid", "{since:?}: {}", judged.text);
    }
    // Absent is null.
    assert_valid(&with_field(&message, "since", None));
    assert_valid(&with_field(&message, "prevData", message.prev_data.map(Value::Link)));
}

#[test]
fn further_roots_are_ignored() {
    let mut message = batch().message();
    let roots = [message.commit, other_cid(), batch().new_root().cid(), KitCid::raw(b"")];
    message.blocks.set_header(car::header(&roots));
    assert_valid(&message.frame());
}

#[test]
fn unreached_and_repeated_blocks_are_ignored() {
    let mut message = batch().message();
    message.blocks.push_block(b"\xa0");
    message.blocks.push_block(&batch().old_root().block());
    message.blocks.push(KitCid::raw(b"no CBOR"), b"no CBOR");
    let again = message.blocks.sections.clone();
    message.blocks.sections.extend(again);
    assert_valid(&message.frame());
}

#[test]
fn the_order_of_blocks_does_not_matter() {
    for seed in 0..20 {
        let mut message = batch().message();
        message.blocks.shuffle(seed);
        assert_valid(&message.frame());
    }
}
