//! Which of several faults is reported.

use carwalk::sync::{RepoState, Rule};
use carwalk_testkit::commit::{DID, REV};
use carwalk_testkit::message::{Batch, CommitMessage, Operation};

use super::{
    CREATED, batch, judge, judge_by, keys, other_cid, records, signing_key, state_before, verifier,
};
use crate::common::cid;

/// Faults in the order of their rules.
type Fault = (Rule, fn(&mut CommitMessage));

const FAULTS: &[Fault] = &[
    (Rule::Field, |message| message.repo = "did:plc".to_owned()),
    (Rule::Car, |message| message.blocks.set_header(carwalk_testkit::car::header(&[]))),
    (Rule::BlockHash, |message| {
        let last = message.blocks.sections.last_mut().unwrap();
        last.data[0] ^= 1;
    }),
    (Rule::CommitCid, |message| message.commit = other_cid()),
    (Rule::CommitRev, |message| message.rev = "3l4nm7hmk2222".to_owned()),
    (Rule::OpAction, |message| message.ops[1].action = "move".to_owned()),
    (Rule::OpPath, |message| message.ops[2].path = "a/b".to_owned()),
    (Rule::OpDuplicate, |message| message.ops.push(message.ops[0].clone())),
    (Rule::OpShape, |message| message.ops[0].prev = Some(other_cid())),
    (Rule::RecordMissing, |message| {
        let record = message.ops[0].cid.unwrap();
        message.blocks.remove(&record);
    }),
    (Rule::OpPresent, |message| {
        let path = String::from_utf8(keys()[7].clone()).unwrap();
        message.ops.push(Operation::between(&path, Some(other_cid()), None));
    }),
    (Rule::MissingNode, |message| {
        let root = batch().new_root().cid();
        message.blocks.remove(&root);
    }),
    (Rule::NoPrevData, |message| message.prev_data = None),
    (Rule::NoPrev, |message| message.ops[2].prev = None),
];

#[test]
fn of_two_faults_the_rule_that_comes_first_is_reported() {
    for (first, (rule, one)) in FAULTS.iter().enumerate() {
        let alone = judged([*one]);
        assert_eq!(alone.rule, Some(*rule), "{alone:?}");
        for (other, two) in &FAULTS[first + 1..] {
            // Without the root, nothing else of the tree is seen.
            if (*rule, *other) == (Rule::OpPresent, Rule::MissingNode) {
                continue;
            }
            let both = judged([*two, *one]);
            assert_eq!(both.rule, Some(*rule), "{rule} and {other}: {both:?}");
        }
    }
}

fn judged(faults: impl IntoIterator<Item = fn(&mut CommitMessage)>) -> super::Judged {
    let mut message = batch().message();
    faults.into_iter().for_each(|fault| fault(&mut message));
    judge(&message.frame())
}

#[test]
fn rules_are_listed_in_the_order_of_their_precedence() {
    assert!(Rule::ALL.is_sorted());
    let names: std::collections::BTreeSet<_> = Rule::ALL.iter().map(|rule| rule.name()).collect();
    assert_eq!(names.len(), Rule::ALL.len());
    // Those that make a message invalid come first.
    assert!(Rule::ALL.is_sorted_by_key(|rule| !rule.is_invalid()));
}

/// Whatever is missing, what is visible is checked.
#[test]
fn an_invalid_message_does_not_become_unverifiable_if_something_is_missing() {
    // A node is missing beside the visible fault.
    let batch = batch();
    let (keys, root) = (keys(), batch.new_root());
    let left = root.left.node().unwrap();
    let hide = |message: &mut CommitMessage| {
        let hidden = left.find(&|node| node.index_of(&keys[0]).is_some()).unwrap();
        message.blocks.remove(&hidden.cid());
    };
    let mut message = batch.message();
    message.ops[1].cid = Some(message.blocks.push_block(b"\xa1atgfurther"));
    hide(&mut message);
    assert_eq!(judge(&message.frame()).rule, Some(Rule::OpMismatch));
    message = batch.message();
    let present = String::from_utf8(keys[10].clone()).unwrap();
    message.ops.push(Operation::between(&present, Some(other_cid()), None));
    hide(&mut message);
    assert_eq!(judge(&message.frame()).rule, Some(Rule::OpPresent));
    message.ops.pop();
    message.ops[2].prev = None;
    message.prev_data = None;
    message.ops[1].cid = Some(message.blocks.push_block(b"\xa1atgfurther"));
    assert_eq!(judge(&message.frame()).rule, Some(Rule::OpMismatch));
}

#[test]
fn another_tree_before_is_invalid_even_if_a_neighbour_is_missing() {
    let keys = carwalk_testkit::key::ascending(&[0, 0, 1]);
    let batch = Batch::between(records(&keys[..2]), records(&keys));
    let mut message = batch.message();
    message.blocks.remove(&batch.old_root().cid());
    assert_eq!(judge(&message.frame()).rule, Some(Rule::MissingNeighbour));
    message.prev_data = Some(other_cid());
    assert_eq!(judge(&message.frame()).rule, Some(Rule::PrevData));
    message.prev_data = None;
    assert_eq!(judge(&message.frame()).rule, Some(Rule::MissingNeighbour));
}

#[test]
fn a_wrong_signature_comes_before_faults_of_the_operations() {
    let ((key, _), (_, other)) = (signing_key(7), signing_key(8));
    let mut message = batch().signed_message(&key);
    message.ops[0].action = "move".to_owned();
    let judged = judge_by(&verifier(), &message.frame(), Some(&other), None);
    assert_eq!(judged.rule, Some(Rule::Signature));
    message.rev = "3l4nm7hmk2222".to_owned();
    let judged = judge_by(&verifier(), &message.frame(), Some(&other), None);
    assert_eq!(judged.rule, Some(Rule::CommitRev));
}

/// Invalid, unverifiable, stale, out of sync.
#[test]
fn the_state_is_considered_last() {
    let batch = batch();
    let by = |message: &CommitMessage, rev: &str, data| {
        let state = RepoState::new(DID, rev, cid(&data)).unwrap();
        judge_by(&verifier(), &message.frame(), None, Some(&state)).verdict
    };
    let (honest, other) = (batch.message(), other_cid());
    assert_eq!(by(&honest, REV, other), "stale");
    assert_eq!(by(&honest, "3l4nm7hmk2222", other), "out_of_sync");
    let mut unverifiable = honest.clone();
    unverifiable.op_mut(super::DELETED).prev = None;
    assert_eq!(by(&unverifiable, REV, other), "unverifiable");
    let mut invalid = unverifiable.clone();
    invalid.op_mut(CREATED).cid = None;
    assert_eq!(by(&invalid, REV, other), "invalid");
    let state = state_before(&batch);
    let verdict = |message: &CommitMessage| {
        judge_by(&verifier(), &message.frame(), None, Some(&state)).verdict
    };
    let verdicts = [&honest, &unverifiable, &invalid].map(verdict);
    assert_eq!(verdicts, ["valid", "unverifiable", "invalid"]);
}
