//! Messages against the state of their account, first commits, and messages that are passed.

use carwalk::Repo;
use carwalk::sync::{Message, RepoState, Rule, Valid};
use carwalk_testkit::cbor::Value;
use carwalk_testkit::commit::{DID, REV};
use carwalk_testkit::message::{
    AccountMessage, Batch, IdentityMessage, Records, SINCE, frame, named_frame,
};

use super::{
    Judged, MESSAGE, assert_refused, assert_valid, batch, empty_root, judge, judge_by, keys,
    other_cid, records, state_before, verifier,
};
use crate::common::cid;

fn against(frame: &[u8], state: &RepoState) -> Judged {
    judge_by(&verifier(), frame, None, Some(state))
}

fn valid<'m>(frame: &'m [u8], state: Option<&RepoState>) -> Valid<'m> {
    verifier().examine(Message::parse(frame).unwrap(), None).against(state).valid().unwrap()
}

fn state(rev: &str, data: carwalk_testkit::cid::Cid) -> RepoState {
    RepoState::new(DID, rev, cid(&data)).unwrap()
}

/// Asserts a verdict without a rule.
#[track_caller]
fn assert_without_rule(
    judged: &Judged,
    verdict: &str,
    found: Option<carwalk_testkit::cid::Cid>,
    text: &str,
) {
    let place = (judged.verdict, judged.rule, judged.op, judged.path.as_deref());
    assert_eq!(place, (verdict, None, None, None), "{judged:?}");
    assert_eq!(judged.cid, found.as_ref().map(cid));
    assert_eq!(judged.text, text);
}

#[test]
fn a_valid_message_gives_the_next_state_and_continues_from_the_last() {
    let batch = batch();
    let bytes = batch.message().frame();
    for state in [None, Some(&state_before(&batch))] {
        let valid = valid(&bytes, state);
        assert_eq!(valid.is_anchored(), state.is_some());
        let next = valid.state();
        assert_eq!((next.did(), next.rev()), (DID, REV));
        assert_eq!(next.data(), cid(&batch.new_root().cid()));
        assert_eq!(*next, valid.clone().into_state());
        assert_eq!(*next, RepoState::of(&Repo::from_slice(&batch.car()[..]).unwrap()));
        let ops: Vec<_> = valid.ops().map(|op| (op.collection(), op.record_key())).collect();
        let collection = "com.example.test";
        let keys = [super::CREATED, super::UPDATED, super::DELETED]
            .map(|path| (collection, path.strip_prefix("com.example.test/").unwrap()));
        assert_eq!(ops, keys);
    }
}

#[test]
fn stale() {
    let batch = batch();
    let (bytes, before) = (batch.message().frame(), batch.old_root().cid());
    assert_eq!(against(&bytes, &state("3l4zyhoqkbk2b", before)).verdict, "valid");
    let judged = against(&bytes, &state(REV, before));
    assert_without_rule(
        &judged,
        "stale",
        None,
        "revision 3l4zyhoqkbk2c is not after 3l4zyhoqkbk2c, the last one",
    );
    for rev in ["3l4zyhoqkbk2d", "3lzzzzzzzzzzz"] {
        assert_eq!(against(&bytes, &state(rev, before)).verdict, "stale");
    }
    // Also if the tree is another, or is the one after the commit.
    for data in [other_cid(), batch.new_root().cid()] {
        assert_eq!(against(&bytes, &state(REV, data)).verdict, "stale");
    }
}

#[test]
fn out_of_sync() {
    let batch = batch();
    let bytes = batch.message().frame();
    assert_eq!(against(&bytes, &state_before(&batch)).verdict, "valid");
    let judged = against(&bytes, &state(SINCE, other_cid()));
    assert_without_rule(
        &judged,
        "out_of_sync",
        Some(other_cid()),
        "the message continues from \
             bafyreiflte7izopkf5td6mxbn3n2xopztlds4d7gtvw2pjcfi2utmsi52e, but the last tree is \
             bafyreifoisfmq3corzg6yzcxffyi55ayooxhtrw77bhp64zwbgeuq7yi4u",
    );
    // A state of another account is never one to continue from.
    let data = cid(&batch.old_root().cid());
    let other = RepoState::new("did:web:example.com", SINCE, data).unwrap();
    let judged = against(&bytes, &other);
    assert_without_rule(
        &judged,
        "out_of_sync",
        None,
        "the commit is by did:plc:ewvi7nxzyoun6zhxrhs64oiz, expected \
             did:web:example.com",
    );
}

#[test]
fn first_commit() {
    let batch = Batch::between(Records::new(), records(&keys()));
    let mut message = batch.message();
    assert_eq!((&message.since, message.prev_data), (&None, None));
    assert!(!valid(&message.frame(), None).is_anchored());
    // The account may have had an empty repository.
    let empty = state(SINCE, empty_root());
    assert!(valid(&message.frame(), Some(&empty)).is_anchored());
    let judged = against(&message.frame(), &state(SINCE, other_cid()));
    assert_without_rule(
        &judged,
        "out_of_sync",
        Some(other_cid()),
        "the message continues from \
             bafyreie5737gdxlw5i64vzichcalba3z2v5n6icifvx5xytvske7mr3hpm, but the last tree is \
             bafyreifoisfmq3corzg6yzcxffyi55ayooxhtrw77bhp64zwbgeuq7yi4u",
    );
    message.prev_data = Some(empty_root());
    assert_valid(&message.frame());
    message.since = Some(SINCE.to_owned());
    assert_valid(&message.frame());
    // Its operations must create all records.
    let mut message = batch.message();
    message.ops.pop();
    let key = keys().pop().unwrap();
    let last = Records::from([(key.clone(), batch.new[&key].clone())]);
    let before = Batch::between(Records::new(), last).new_root().cid();
    assert_refused(
        &message.frame(),
        Rule::PrevData,
        MESSAGE.with(before),
        "prev_data: before the operations, the tree was \
             bafyreidy37k6xwo46fokyt2mvxhbujns5bempcdm5ckix2b56mrl72i7hu, expected \
             bafyreie5737gdxlw5i64vzichcalba3z2v5n6icifvx5xytvske7mr3hpm",
    );
}

#[test]
fn a_first_commit_without_records_has_no_operations() {
    let batch = Batch::between(Records::new(), Records::new());
    let message = batch.message();
    assert_eq!(message.blocks.sections.len(), 1);
    assert_eq!(valid(&message.frame(), None).state().data(), cid(&empty_root()));
}

/// The empty tree has one form, so its block proves nothing.
#[test]
fn an_empty_tree_needs_no_block() {
    let batch = Batch::between(records(&keys()), Records::new());
    let mut message = batch.message();
    assert_eq!(batch.new_root().cid(), empty_root());
    assert_valid(&message.frame());
    message.blocks.remove(&empty_root());
    assert_eq!(message.blocks.sections.len(), 1);
    assert_eq!(valid(&message.frame(), None).state().data(), cid(&empty_root()));
    message.ops.pop();
    assert_eq!(judge(&message.frame()).rule, Some(Rule::PrevData));
}

/// Without operations the tree must be the same, and no node is needed.
#[test]
fn a_commit_without_operations_keeps_the_tree() {
    let all = records(&keys());
    let batch = Batch::between(all.clone(), all);
    let mut message = batch.message();
    assert_eq!((message.ops.len(), message.blocks.sections.len()), (0, 1));
    assert_valid(&message.frame());
    message.prev_data = Some(other_cid());
    let at = MESSAGE.with(batch.new_root().cid());
    assert_refused(
        &message.frame(),
        Rule::PrevData,
        at,
        "prev_data: before the operations, the tree was \
             bafyreibntjisabkfdqq6dxvgemrghitqtfepp7slxiqbvhcl2vcp3lmlgm, expected \
             bafyreifoisfmq3corzg6yzcxffyi55ayooxhtrw77bhp64zwbgeuq7yi4u",
    );
}

#[test]
fn sync_messages() {
    let batch = batch();
    let bytes = batch.sync_message().frame();
    let data = batch.new_root().cid();
    let alone = valid(&bytes, None);
    assert!(!alone.is_anchored() && alone.ops().len() == 0);
    assert_eq!(*alone.state(), state(REV, data));
    let anchored = valid(&bytes, Some(&state(SINCE, data)));
    assert!(anchored.is_anchored());
    assert_eq!(*anchored.state(), state(REV, data));
    for rev in [REV, "3l4zyhoqkbk2d"] {
        assert_eq!(against(&bytes, &state(rev, data)).verdict, "stale");
        assert_eq!(against(&bytes, &state(rev, other_cid())).verdict, "stale");
    }
    let judged = against(&bytes, &state(SINCE, other_cid()));
    assert_without_rule(
        &judged,
        "out_of_sync",
        Some(other_cid()),
        "the message continues from \
             bafyreiaf27bhq4vwsaemvdxyumkcbd5yszffjqyibwpvvktbynkhvbu77e, but the last tree is \
             bafyreifoisfmq3corzg6yzcxffyi55ayooxhtrw77bhp64zwbgeuq7yi4u",
    );
}

#[test]
fn sync_messages_break_the_rules_of_their_commit() {
    let batch = batch();
    let honest = batch.sync_message();
    assert_valid(&honest.frame());
    let commit =
        cid(&carwalk_testkit::cid::Cid::from_bytes(&honest.blocks.sections[0].cid).unwrap());
    let mut message = honest.clone();
    message.did = "did:web:example.com".to_owned();
    let judged = judge(&message.frame());
    assert_eq!((judged.rule, judged.cid), (Some(Rule::CommitDid), Some(commit)));
    message = honest.clone();
    message.rev = SINCE.to_owned();
    assert_eq!(judge(&message.frame()).rule, Some(Rule::CommitRev));
    message = honest.clone();
    message.blocks.sections.clear();
    assert_eq!(judge(&message.frame()).rule, Some(Rule::CommitMissing));
    message = honest.clone();
    message.blocks.sections[0].data[9] ^= 1;
    assert_eq!(judge(&message.frame()).rule, Some(Rule::BlockHash));
    message = honest.clone();
    message.did = "example.com".to_owned();
    assert_refused(&message.frame(), Rule::Field, MESSAGE, "field: `did` is not a DID");
    message = honest.clone();
    message.rev = "today".to_owned();
    assert_eq!(judge(&message.frame()).rule, Some(Rule::Field));
    message = honest;
    message.blocks.trailing.push(9);
    assert_eq!(judge(&message.frame()).rule, Some(Rule::Car));
}

#[test]
fn other_messages_are_passed() {
    let did = "not a DID".to_owned();
    let identity = IdentityMessage { seq: 1, did: did.clone(), handle: Some("a.example".into()) };
    let account = AccountMessage { seq: 2, did, active: false, status: Some("deleted".into()) };
    let other = Value::map([("t", Value::text("#labels")), ("op", Value::Uint(1))]);
    for bytes in [
        identity.frame(),
        account.frame(),
        named_frame("name", "OutdatedCursor", Some("too old")),
        named_frame("error", "FutureCursor", None),
        frame(&other, &Value::map([("labels", Value::Array(Vec::new()))])),
        frame(&Value::map([("op", Value::Uint(2))]), &Value::Null),
    ] {
        let judged = judge(&bytes);
        assert_eq!((judged.verdict, judged.rule), ("passed", None));
        assert_eq!(against(&bytes, &state_before(&batch())).verdict, "passed");
    }
}

#[test]
fn states_are_checked_when_they_are_made() {
    let data = cid(&empty_root());
    assert!(RepoState::new(DID, REV, data).is_ok());
    for (did, rev) in [("did:plc", REV), ("", REV), (DID, ""), (DID, "3l4zyhoqkbk2")] {
        assert!(RepoState::new(did, rev, data).is_err(), "{did} {rev}");
    }
    assert!(RepoState::new(DID, REV, cid(&carwalk_testkit::cid::Cid::raw(b""))).is_err());
}
