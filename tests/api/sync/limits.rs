//! The limits: exactly at each is valid, one more is not.

use carwalk::sync::{Message, Rule, Verifier};
use carwalk_testkit::cbor::Value;
use carwalk_testkit::cid::Cid as KitCid;
use carwalk_testkit::message::{Batch, CommitMessage, Records, frame, header};
use carwalk_testkit::repo::Record;

use super::{
    MESSAGE, assert_refused, assert_valid, at_op, batch, judge_by, keys, records, verifier,
};

/// The frame of a message with an ignored field, in all of `len` bytes.
fn frame_of_len(message: &CommitMessage, len: usize) -> Vec<u8> {
    let with = |padding: usize| {
        let mut body = message.body();
        let place = body.pairs_mut().len();
        body.pairs_mut().insert(place, (Value::text("zPadding"), Value::Bytes(vec![0; padding])));
        frame(&header("#commit"), &body)
    };
    let padding = len - with(1 << 17).len() + (1 << 17);
    let bytes = with(padding);
    assert_eq!(bytes.len(), len);
    bytes
}

#[test]
fn frames_of_5_000_000_bytes() {
    let message = batch().message();
    assert_valid(&frame_of_len(&message, 5_000_000));
    let bytes = frame_of_len(&message, 5_000_001);
    assert_refused(
        &bytes,
        Rule::Limit,
        MESSAGE,
        "limit: frame length of 5000001 exceeds the limit of 5000000",
    );
    let raised = judge_by(&verifier().max_frame_len(5_000_001), &bytes, None, None);
    assert_eq!(raised.verdict, "valid");
    // A `#sync`, too.
    let mut body = batch().sync_message().body();
    body.pairs_mut().push((Value::text("zPadding"), Value::Bytes(vec![0; 5_000_000])));
    assert_refused(
        &frame(&header("#sync"), &body),
        Rule::Limit,
        MESSAGE,
        "limit: frame length of 5000415 exceeds the limit of 5000000",
    );
    // Without a frame, there is no such limit.
    let len = |bytes: &[u8]| match Message::parse(bytes).unwrap() {
        Message::Commit(message) => message.frame_len,
        other => panic!("{other:?}"),
    };
    assert_eq!(len(&bytes), Some(5_000_001));
    let Message::Commit(mut parsed) = Message::parse(&bytes).unwrap() else { panic!() };
    parsed.frame_len = None;
    assert_eq!(verifier().examine(parsed, None).against(None).name(), "valid");
}

/// A CAR of `len` bytes, the last of them those of an unreached block.
fn lengthen(car: &mut carwalk_testkit::car::Car, len: usize) {
    let of_len = |padding: usize| {
        let block = vec![0; padding];
        carwalk_testkit::car::Section::new(KitCid::raw(&block).as_bytes(), &block)
    };
    let rest = len - car.to_bytes().len();
    let section = (1..10).map(|head| of_len(rest - 36 - head)).find(|it| it.len() == rest);
    car.sections.push(section.unwrap());
    assert_eq!(car.to_bytes().len(), len);
}

#[test]
fn blocks_of_2_000_000_bytes() {
    let with = |len| {
        let mut message = batch().message();
        lengthen(&mut message.blocks, len);
        message.frame()
    };
    assert_valid(&with(2_000_000));
    assert_refused(
        &with(2_000_001),
        Rule::Limit,
        MESSAGE,
        "limit: length of `blocks` of 2000001 exceeds the limit of 2000000",
    );
    let raised = judge_by(&verifier().max_blocks_len(2_000_001), &with(2_000_001), None, None);
    assert_eq!(raised.verdict, "valid");
}

#[test]
fn blocks_of_10_000_bytes_in_a_sync() {
    let with = |len| {
        let mut message = batch().sync_message();
        lengthen(&mut message.blocks, len);
        message.frame()
    };
    assert_valid(&with(10_000));
    assert_refused(
        &with(10_001),
        Rule::Limit,
        MESSAGE,
        "limit: length of `blocks` of 10001 exceeds the limit of 10000",
    );
    let raised = verifier().max_sync_blocks_len(10_001).max_blocks_len(0);
    assert_eq!(judge_by(&raised, &with(10_001), None, None).verdict, "valid");
}

#[test]
fn operations_up_to_200() {
    let with = |count: u32| {
        let keys: Vec<_> =
            (0..count).map(|number| format!("com.example.test/{number}").into_bytes()).collect();
        Batch::between(Records::new(), records(&keys)).message().frame()
    };
    assert_valid(&with(200));
    assert_refused(
        &with(201),
        Rule::Limit,
        MESSAGE,
        "limit: operation count of 201 exceeds the limit of 200",
    );
    assert_eq!(judge_by(&verifier().max_ops(201), &with(201), None, None).verdict, "valid");
}

#[test]
fn records_of_1_000_000_bytes() {
    let batch_with = |len: usize, is_update: bool| {
        // The head of such a byte string has 5 bytes.
        let record = Record::new(Value::Bytes(vec![1; len - 5]).encode());
        assert_eq!(record.bytes.len(), len);
        let (mut old, key) = (records(&keys()), keys().remove(4));
        let mut new = old.clone();
        if !is_update {
            old.remove(&key);
        }
        new.insert(key, record);
        Batch::between(old, new)
    };
    for is_update in [false, true] {
        assert_valid(&batch_with(1_000_000, is_update).message().frame());
        let batch = batch_with(1_000_001, is_update);
        let (bytes, op) = (batch.message().frame(), &batch.ops[0]);
        let at = at_op(0, &op.path).with(op.cid.unwrap());
        let text = "limit: operation 0: record \
             bafyreidywfifbx2poa443ortreomytdk7zspqkgvz5gzfbdzgmislpvtcu: record length of \
             1000001 exceeds the limit of 1000000, key \"com.example.test/00000019\"";
        assert_refused(&bytes, Rule::Limit, at, text);
        let raised = judge_by(&verifier().max_record_len(1_000_001), &bytes, None, None);
        assert_eq!(raised.verdict, "valid");
    }
    // Other blocks may be longer.
    let mut message = batch().message();
    message.blocks.push_block(&Value::Bytes(vec![1; 1_000_001]).encode());
    assert_valid(&message.frame());
}

#[test]
fn a_limit_of_zero_refuses_all_and_is_no_panic() {
    let bytes = batch().message().frame();
    let limits: [fn(Verifier) -> Verifier; 4] = [
        |verifier| verifier.max_frame_len(0),
        |verifier| verifier.max_blocks_len(0),
        |verifier| verifier.max_ops(0),
        |verifier| verifier.max_record_len(0),
    ];
    for limit in limits {
        let judged = judge_by(&limit(verifier()), &bytes, None, None);
        assert_eq!(judged.rule, Some(Rule::Limit));
        let most = |verifier: Verifier| verifier.max_frame_len(usize::MAX).max_ops(usize::MAX);
        assert_eq!(judge_by(&most(verifier()), &bytes, None, None).verdict, "valid");
    }
}
