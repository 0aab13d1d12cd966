//! The rules of the envelope: frame, fields, CAR, commit and signature.

use std::time::Duration;

use carwalk::sync::{Message, Rule, Verifier};
use carwalk_testkit::car::Section;
use carwalk_testkit::cbor::Value;
use carwalk_testkit::cid::Cid as KitCid;
use carwalk_testkit::commit::{Commit, DID, REV};
use carwalk_testkit::message::{SINCE, frame as encode, header};

use super::{
    At, MESSAGE, assert_judged, assert_refused, assert_valid, batch, judge_by, other_cid,
    signing_key, time_of, verifier,
};

#[test]
fn frame() {
    let mut bytes = batch().message().frame();
    assert_valid(&bytes);
    bytes.push(0);
    assert_refused(
        &bytes,
        Rule::Frame,
        MESSAGE,
        "frame: 1 byte follows the end, at byte 2220 of the message",
    );
    let error = Message::parse(&bytes).unwrap_err();
    let known = (error.type_name(), error.seq(), error.did(), error.rev());
    assert_eq!(known, (Some("#commit"), Some(7), Some(DID), Some(REV)));
}

#[test]
fn field() {
    let mut message = batch().message();
    assert_valid(&message.frame());
    let mut body = message.body();
    *body.at_mut("rev") = Value::Uint(3);
    assert_refused(
        &encode(&header("#commit"), &body),
        Rule::Field,
        MESSAGE,
        "field: `rev` is not a text, at byte 353 of the message",
    );
    let mut body = message.body();
    body.remove("blocks");
    assert_refused(
        &encode(&header("#commit"), &body),
        Rule::Field,
        MESSAGE,
        "field: `blocks` is missing",
    );
    let mut body = message.body();
    *body.at_mut("ops").items_mut()[1].at_mut("path") = Value::Null;
    let at = At { op: Some(1), ..MESSAGE };
    assert_refused(
        &encode(&header("#commit"), &body),
        Rule::Field,
        at,
        "field: operation 1: `path` is not a text, at byte 164 of the message",
    );

    for did in ["did:plc", "", "plc:abc", "did:plc:a b", &format!("did:web:{}", "a".repeat(2048))] {
        message.repo = did.to_owned();
        assert_refused(&message.frame(), Rule::Field, MESSAGE, "field: `repo` is not a DID");
    }
    message = batch().message();
    for rev in
        ["", "3l4zyhoqkbk2", "3l4zyhoqkbk2c2", "3L4ZYHOQKBK2C", "kl4zyhoqkbk2c", "3l4zyhoqkbk21"]
    {
        message.rev = rev.to_owned();
        assert_refused(&message.frame(), Rule::Field, MESSAGE, "field: `rev` is not a TID");
    }
    message = batch().message();
    message.since = Some("yesterday".to_owned());
    assert_refused(&message.frame(), Rule::Field, MESSAGE, "field: `since` is not a TID");
}

#[test]
fn limit() {
    let message = batch().message();
    let by = |ops| judge_by(&verifier().max_ops(ops), &message.frame(), None, None);
    assert_eq!(by(3).verdict, "valid");
    assert_judged(
        &by(2),
        Rule::Limit,
        MESSAGE,
        "limit: operation count of 3 exceeds the limit of 2",
    );
}

#[test]
fn car() {
    let mut message = batch().message();
    assert_valid(&message.frame());
    message.blocks.trailing = vec![40, 1, 113];
    assert_refused(
        &message.frame(),
        Rule::Car,
        MESSAGE,
        "car: section at byte 1627: the input ends inside it: 41 bytes expected, 3 \
             available",
    );
    let mut body = message.body();
    *body.at_mut("blocks") = Value::Bytes(Vec::new());
    let bytes = encode(&header("#commit"), &body);
    assert_refused(&bytes, Rule::Car, MESSAGE, "car: CAR header at byte 0: the input is empty");
    message = batch().message();
    message.blocks.set_header(carwalk_testkit::car::header(&[]));
    assert_refused(
        &message.frame(),
        Rule::Car,
        MESSAGE,
        "car: CAR header at byte 0: the header names no root",
    );
}

/// Every block is hashed, whether it is part of the proof or not.
#[test]
fn block_hash() {
    let honest = batch().message();
    assert_valid(&honest.frame());
    for number in 0..honest.blocks.sections.len() {
        let mut message = honest.clone();
        let section = &mut message.blocks.sections[number];
        *section.data.last_mut().unwrap() ^= 1;
        let cid = KitCid::from_bytes(&section.cid).unwrap();
        let judged = super::judge(&message.frame());
        assert_eq!(
            (judged.rule, judged.cid),
            (Some(Rule::BlockHash), Some(crate::common::cid(&cid)))
        );
    }
    let (unused, mut message) = (KitCid::dag_cbor(b"\xa0"), honest);
    message.blocks.push(unused, b"\xa0");
    assert_valid(&message.frame());
    *message.blocks.sections.last_mut().unwrap() = Section::new(unused.as_bytes(), b"\x80");
    assert_refused(
        &message.frame(),
        Rule::BlockHash,
        MESSAGE.with(unused),
        "block_hash: section bafyreigbtj4x7ip5legnfznufuopl4sg4knzc2cof6duas4b3q2fy6swua at \
             byte 1627: its bytes hash to \
             bafyreidwx2fvfdiaox32v2mnn6sxu3j4qoxeqcuenhtgrv5qv6litfnmoe instead",
    );
}

#[test]
fn commit_missing() {
    let mut message = batch().message();
    assert_valid(&message.frame());
    let commit = message.commit;
    message.blocks.remove(&commit);
    assert_refused(
        &message.frame(),
        Rule::CommitMissing,
        MESSAGE.with(commit),
        "commit_missing: commit \
             bafyreicff2bthgeb5miq3wv7l5py5qfpvc6fburcaf5sbfz2fdtkz56kbu: its block is missing: \
             not a repository, or only a part of one",
    );
}

#[test]
fn commit_form() {
    let (batch, commit) = (batch(), Commit::default());
    assert_valid(&batch.message_with(&commit).frame());
    let without = batch.message_with(&commit.clone().remove("sig"));
    let at = MESSAGE.with(without.commit);
    assert_refused(
        &without.frame(),
        Rule::CommitForm,
        at,
        "commit_form: commit bafyreigdkodcyunufuxunhllgpb2r6pqae4leka7ienrymp4pn65xq2brq at \
             byte 59: field `sig` is missing",
    );
    for commit in [
        commit.clone().set("version", Value::Uint(4)),
        commit.clone().set("data", Value::Null),
        commit.clone().set("did", Value::text("did:plc")),
        commit.clone().set("rev", Value::text("yesterday")),
        commit.clone().set("sig", Value::Bytes(vec![1; 63])),
    ] {
        let judged = super::judge(&batch.message_with(&commit).frame());
        assert_eq!(judged.rule, Some(Rule::CommitForm), "{judged:?}");
    }
    // A node in its place.
    let mut message = batch.message();
    let node = batch.new_root().cid();
    message.commit = node;
    message.blocks.set_header(carwalk_testkit::car::header(&[node]));
    let judged = super::judge(&message.frame());
    assert_eq!(judged.rule, Some(Rule::CommitForm), "{judged:?}");
}

#[test]
fn commit_cid() {
    let mut message = batch().message();
    assert_valid(&message.frame());
    let found = message.commit;
    message.commit = other_cid();
    assert_refused(
        &message.frame(),
        Rule::CommitCid,
        MESSAGE.with(found),
        "commit_cid: the message names the commit \
             bafyreifoisfmq3corzg6yzcxffyi55ayooxhtrw77bhp64zwbgeuq7yi4u, but the first root is \
             bafyreicff2bthgeb5miq3wv7l5py5qfpvc6fburcaf5sbfz2fdtkz56kbu",
    );
    // The commit that is named is there, but is not the first root.
    message = batch().message();
    let other = Commit::default().set("prev", Value::Link(other_cid()));
    message.commit = message.blocks.push_block(&other.encode(&batch().new_root().cid()));
    let judged = super::judge(&message.frame());
    assert_eq!(
        (judged.rule, judged.cid),
        (Some(Rule::CommitCid), Some(crate::common::cid(&found)))
    );
}

#[test]
fn commit_did() {
    let mut message = batch().message();
    assert_valid(&message.frame());
    message.repo = "did:web:example.com".to_owned();
    let at = MESSAGE.with(message.commit);
    assert_refused(
        &message.frame(),
        Rule::CommitDid,
        at,
        "commit_did: commit bafyreicff2bthgeb5miq3wv7l5py5qfpvc6fburcaf5sbfz2fdtkz56kbu: \
             the commit is by did:plc:ewvi7nxzyoun6zhxrhs64oiz, expected did:web:example.com",
    );
}

#[test]
fn commit_rev() {
    let mut message = batch().message();
    assert_valid(&message.frame());
    message.rev = SINCE.to_owned();
    assert_refused(
        &message.frame(),
        Rule::CommitRev,
        MESSAGE,
        "commit_rev: the commit has revision 3l4zyhoqkbk2c, and the message \
             3l4nm7hmk2222",
    );
}

#[test]
fn future_rev() {
    let bytes = batch().message().frame();
    let at = |behind: Duration, tolerance: Option<u64>| {
        let verifier = Verifier::new(move || time_of(REV) - behind);
        let verifier = match tolerance {
            Some(seconds) => verifier.future_tolerance(Duration::from_secs(seconds)),
            None => verifier,
        };
        judge_by(&verifier, &bytes, None, None)
    };
    let (five_minutes, instant) = (Duration::from_secs(300), Duration::from_micros(1));
    assert_eq!(at(five_minutes, None).verdict, "valid");
    assert_judged(
        &at(five_minutes + instant, None),
        Rule::FutureRev,
        MESSAGE,
        "future_rev: revision 3l4zyhoqkbk2c is 301 seconds in the future, at most \
             300 tolerated",
    );
    assert_eq!(at(five_minutes * 2, Some(600)).verdict, "valid");
    assert_eq!(at(five_minutes * 2, Some(599)).rule, Some(Rule::FutureRev));
    assert_eq!(at(Duration::ZERO, Some(0)).verdict, "valid");
    assert_eq!(at(instant, Some(0)).rule, Some(Rule::FutureRev));
    // A clock before 1970, and a revision long ago.
    let early = Verifier::new(|| std::time::UNIX_EPOCH - Duration::from_secs(1));
    assert_eq!(judge_by(&early, &bytes, None, None).rule, Some(Rule::FutureRev));
    let late = Verifier::new(|| time_of(REV) + Duration::from_secs(1 << 32));
    assert_eq!(judge_by(&late, &bytes, None, None).verdict, "valid");
}

#[test]
fn signature() {
    let ((key, public), (other_key, other)) = (signing_key(7), signing_key(8));
    let batch = batch();
    for (key, public, other) in [(key, &public, &other), (other_key, &other, &public)] {
        let message = batch.signed_message(&key);
        let frame = message.frame();
        let by = |key| verifier().examine(Message::parse(&frame).unwrap(), key).against(None);
        assert!(by(Some(public)).valid().unwrap().is_signature_checked());
        assert!(!by(None).valid().unwrap().is_signature_checked());
        let judged = judge_by(&verifier(), &frame, Some(other), None);
        let commit = message.commit;
        let text =
            format!("signature: commit {commit}: the signature is not of this key and these bytes");
        assert_judged(&judged, Rule::Signature, MESSAGE.with(commit), &text);
        let sync = carwalk_testkit::message::SyncMessage {
            blocks: message.blocks.clone(),
            ..batch.sync_message()
        };
        assert_eq!(judge_by(&verifier(), &sync.frame(), Some(public), None).verdict, "valid");
        let judged = judge_by(&verifier(), &sync.frame(), Some(other), None);
        assert_eq!(judged.rule, Some(Rule::Signature));
    }
    let unsigned = batch.message().frame();
    assert_valid(&unsigned);
    let judged = judge_by(&verifier(), &unsigned, Some(&public), None);
    assert_eq!(judged.rule, Some(Rule::Signature));
}
