//! The rules of messages that lack something.

use carwalk::sync::Rule;
use carwalk_testkit::key;
use carwalk_testkit::message::{Batch, Records};

use super::{
    DELETED, MESSAGE, UPDATED, assert_refused, assert_valid, at_op, batch, judge, judge_by,
    records, verifier,
};

#[test]
fn missing_node() {
    let batch = batch();
    let mut message = batch.message();
    assert_valid(&message.frame());
    let root = batch.new_root().cid();
    message.blocks.remove(&root);
    let at = at_op(0, super::CREATED).with(root);
    assert_refused(
        &message.frame(),
        Rule::MissingNode,
        at,
        "missing_node: operation 0: node \
             bafyreiaf27bhq4vwsaemvdxyumkcbd5yszffjqyibwpvvktbynkhvbu77e: its block is missing, \
             which hides all keys, key \"com.example.test/00000004\"",
    );
    // The node with the place of the deleted key.
    let mut message = batch.message();
    let keys = super::keys();
    let node = batch.new_root().find(&|node| node.index_of(&keys[7]).is_some()).unwrap().cid();
    message.blocks.remove(&node);
    let at = at_op(2, DELETED).with(node);
    assert_refused(
        &message.frame(),
        Rule::MissingNode,
        at,
        "missing_node: operation 2: node \
             bafyreigviegkmubqnyowdkejouxghdvvhut4ab4jjmqq7jprltoxhronx4: its block is missing, \
             which hides keys between \"com.example.test/00000027\" and \
             \"com.example.test/00000032\", key \"com.example.test/00000029\"",
    );
}

/// A node is missing that has no operation's key, but is merged with another in the tree before.
#[test]
fn a_node_that_must_be_opened_to_undo_an_operation_is_a_missing_node() {
    let keys = key::ascending(&[0, 1, 0]);
    let (old, new) = (records([&keys[0], &keys[2]]), records(&keys));
    let batch = Batch::between(old, new);
    let mut message = batch.message();
    assert_valid(&message.frame());
    let left = batch.new_root().left.node().unwrap().cid();
    message.blocks.remove(&left);
    let path = std::str::from_utf8(&keys[1]).unwrap();
    let at = at_op(0, path).with(left);
    assert_refused(
        &message.frame(),
        Rule::MissingNode,
        at,
        "missing_node: operation 0: node \
             bafyreihntcevhzjabxgyxco44fodfpp4qe2aporudt6m6m6jves3577o74: its block is needed, \
             because something below it changes, key \"com.example.test/00000002\"",
    );
}

/// A tree whose only subtree is not changed by a create beside it.
fn beside() -> Batch {
    let keys = key::ascending(&[0, 0, 1]);
    Batch::between(records(&keys[..2]), records(&keys))
}

#[test]
fn missing_neighbour() {
    let batch = beside();
    let mut message = batch.message();
    assert_valid(&message.frame());
    let subtree = batch.old_root().cid();
    assert_eq!(batch.new_root().left.node().unwrap().cid(), subtree);
    message.blocks.remove(&subtree);
    let path = message.ops[0].path.clone();
    let at = at_op(0, &path).with(subtree);
    assert_refused(
        &message.frame(),
        Rule::MissingNeighbour,
        at,
        "missing_neighbour: operation 0: node \
             bafyreifr47jnkaal2xyjsuk6vwtehb3lel6sbgfokkzdcdxpfhhjm4p4mi: its block is missing: \
             it may have a key next to the created one, key \"com.example.test/00000002\"",
    );
    let judged = judge_by(&verifier().neighbours(false), &message.frame(), None, None);
    assert_eq!(judged.verdict, "valid");
}

/// The same on the other side.
#[test]
fn a_missing_neighbour_after_the_key() {
    let keys = key::ascending(&[1, 0, 0]);
    let batch = Batch::between(records(&keys[1..]), records(&keys));
    let mut message = batch.message();
    assert_valid(&message.frame());
    message.blocks.remove(&batch.old_root().cid());
    let judged = judge(&message.frame());
    assert_eq!((judged.rule, judged.op), (Some(Rule::MissingNeighbour), Some(0)));
}

/// An update needs no neighbours.
#[test]
fn an_update_beside_a_missing_node_is_valid() {
    let keys = key::ascending(&[0, 0, 1, 0]);
    let old = records(&keys);
    let mut new = old.clone();
    new.insert(keys[2].clone(), super::other_record());
    let batch = Batch::between(old, new);
    let mut message = batch.message();
    assert_eq!(message.blocks.sections.len(), 5);
    assert_valid(&message.frame());
    for entry in [&batch.new_root().left, &batch.new_root().entries[0].tree] {
        message.blocks.remove(&entry.node().unwrap().cid());
        assert_valid(&message.frame());
    }
    assert_eq!(message.blocks.sections.len(), 3);
}

#[test]
fn no_prev_data() {
    let mut message = batch().message();
    assert_valid(&message.frame());
    message.prev_data = None;
    assert_refused(
        &message.frame(),
        Rule::NoPrevData,
        MESSAGE,
        "no_prev_data: `prevData` is missing, and `since` is not null",
    );
    // If `since` is null too, the message says that it is the first commit, which is wrong.
    message.since = None;
    let judged = judge(&message.frame());
    assert_eq!(judged.rule, Some(Rule::PrevData), "{judged:?}");
    let mut first = Batch::between(Records::new(), records(&super::keys())).message();
    assert_valid(&first.frame());
    first.since = Some(carwalk_testkit::message::SINCE.to_owned());
    assert_eq!(judge(&first.frame()).rule, Some(Rule::NoPrevData));
}

#[test]
fn no_prev() {
    let mut message = batch().message();
    assert_valid(&message.frame());
    message.ops[2].prev = None;
    assert_refused(
        &message.frame(),
        Rule::NoPrev,
        at_op(2, DELETED),
        "no_prev: operation 2: `prev` is missing, key \
             \"com.example.test/00000029\"",
    );
    message = batch().message();
    message.ops[1].prev = None;
    assert_refused(
        &message.frame(),
        Rule::NoPrev,
        at_op(1, UPDATED),
        "no_prev: operation 1: `prev` is missing, key \
             \"com.example.test/00000020\"",
    );
}
