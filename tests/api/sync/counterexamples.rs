//! Messages that invert to the right root and prove nothing.

use carwalk::sync::Rule;
use carwalk_testkit::commit::Commit;
use carwalk_testkit::key;
use carwalk_testkit::message::{Batch, Operation, Records, Truth, all_nodes};
use carwalk_testkit::tree::{self, Entry, Link, Node};

use super::{UPDATED, assert_valid, at_op, batch, judge, judge_by, other_cid, records, verifier};

/// To undo a create whose key is not there changes nothing.
#[test]
fn a_create_of_a_key_in_neither_tree() {
    let batch = batch();
    let mut message = batch.message_of(&Commit::default(), &all_nodes(&batch));
    assert_valid(&message.frame());
    let record = message.blocks.push_block(b"\xa1atfcreate");
    message.ops.push(Operation::between("com.example.test/neither", None, Some(record)));
    assert!(Truth::of(&batch).judge(&message).is_err());
    let at = at_op(3, "com.example.test/neither");
    super::assert_refused(
        &message.frame(),
        Rule::OpMismatch,
        at,
        "op_mismatch: operation 3: the tree does not have the key, key \
             \"com.example.test/neither\"",
    );
}

/// To undo an operation twice changes nothing more.
#[test]
fn a_path_that_is_listed_twice() {
    let batch = batch();
    for number in 0..3 {
        let mut message = batch.message();
        assert_valid(&message.frame());
        message.ops.push(message.ops[number].clone());
        assert!(Truth::of(&batch).judge(&message).is_err());
        assert_eq!(judge(&message.frame()).rule, Some(Rule::OpDuplicate));
    }
}

/// To undo an update to the same record changes nothing.
#[test]
fn an_update_to_the_same_record() {
    let batch = batch();
    let mut message = batch.message_of(&Commit::default(), &all_nodes(&batch));
    assert_valid(&message.frame());
    let (path, record) = batch.new.last_key_value().unwrap();
    assert_ne!(path.as_slice(), UPDATED.as_bytes());
    let path = String::from_utf8(path.clone()).unwrap();
    message.blocks.push(record.cid, &record.bytes);
    message.ops.push(Operation::between(&path, Some(record.cid), Some(record.cid)));
    assert!(Truth::of(&batch).judge(&message).is_err());
    super::assert_refused(
        &message.frame(),
        Rule::OpUnchanged,
        at_op(3, &path),
        "op_unchanged: operation 3: the update changes nothing: `prev` equals \
             `cid`, key \"com.example.test/00000034\"",
    );
}

/// A tree with two keys of layer 0 after a created key of layer 1, or wrongly before it. Returns
/// the batch with the wrong tree, and the subtree that is at the wrong side.
fn wrongly_placed() -> (Batch, Node) {
    let keys = key::ascending(&[0, 1, 0, 0]);
    let (old, new) = (records(&keys[2..]), records(&keys[1..]));
    let honest = Batch::between(old, new);
    let subtree = honest.old_root().clone();
    let entry = Entry::new(&keys[1], honest.new[&keys[1]].cid);
    let right = Node::leaf(vec![Entry { tree: Link::to(subtree.clone()), ..entry.clone() }]);
    assert_eq!(right, *honest.new_root());
    let wrong = Node { left: Link::to(subtree.clone()), entries: vec![entry], ..Node::default() };
    (honest.with_new_root(wrong), subtree)
}

/// The subtree is closed, so nobody sees that its keys are after the created one. The old tree is
/// the subtree alone, so the inversion gives its root, although the new tree is invalid.
#[test]
fn a_closed_subtree_at_the_wrong_side_of_a_created_key() {
    let (batch, subtree) = wrongly_placed();
    let mut message = batch.message_of(&Commit::default(), &all_nodes(&batch));
    assert!(Truth::of(&batch).judge(&message).is_err());
    // The subtree is visible: the tree breaks a rule.
    assert_eq!(judge(&message.frame()).rule, Some(Rule::Tree));
    message.blocks.remove(&subtree.cid());
    assert!(Truth::of(&batch).judge(&message).is_err());
    let path = message.ops[0].path.clone();
    let at = at_op(0, &path).with(subtree.cid());
    super::assert_refused(
        &message.frame(),
        Rule::MissingNeighbour,
        at,
        "missing_neighbour: operation 0: node \
             bafyreiarnfajnygzglgipgrx6cdos37m6ozaknbu6o5773nf7r26shstnq: its block is missing: \
             it may have a key next to the created one, key \"com.example.test/00000002\"",
    );
    // Without the rule, nothing is wrong with the message itself.
    let judged = judge_by(&verifier().neighbours(false), &message.frame(), None, None);
    assert_eq!(judged.verdict, "valid");
    // The valid twin, with the subtree at the right side and visible.
    let (old, new) = (batch.old.clone(), batch.new.clone());
    assert_valid(&Batch::between(old, new).message().frame());
}

/// The same in a larger tree, at both sides, with other created keys around it.
#[test]
fn closed_subtrees_at_a_wrong_side_are_never_valid() {
    let keys = key::ascending(&[0, 2, 0, 0, 1, 0, 2]);
    let old: Records = records([&keys[1], &keys[2], &keys[3], &keys[5], &keys[6]]);
    let mut new = old.clone();
    new.extend(records([&keys[4]]));
    let honest = Batch::between(old, new);
    assert_valid(&honest.message().frame());
    let mut wrong = honest.new_root().clone();
    let node = wrong.with_key(&keys[4]);
    let (left, right) = (node.left.take_node(), node.entries[0].tree.take_node());
    node.left = Link::to(right.clone());
    node.entries[0].tree = Link::to(left.clone());
    let wrong = honest.with_new_root(wrong);
    for hidden in [&[&left][..], &[&right], &[&left, &right]] {
        let mut message = wrong.message_of(&Commit::default(), &all_nodes(&wrong));
        hidden.iter().for_each(|node| message.blocks.remove(&node.cid()));
        assert_ne!(judge(&message.frame()).verdict, "valid");
    }
}

/// An operation on a key below a missing node is not taken as done.
#[test]
fn an_operation_on_a_hidden_key() {
    let batch = batch();
    let honest = batch.message();
    let keys = super::keys();
    let hidden = String::from_utf8(keys[0].clone()).unwrap();
    let record = batch.new[&keys[0]].clone();
    for (prev, cid) in
        [(None, Some(record.cid)), (Some(other_cid()), Some(record.cid)), (Some(other_cid()), None)]
    {
        let mut message = honest.clone();
        let node = batch.new_root().find(&|node| node.index_of(&keys[0]).is_some()).unwrap().cid();
        message.blocks.remove(&node);
        message.blocks.push(record.cid, &record.bytes);
        message.ops.push(Operation::between(&hidden, prev, cid));
        let judged = judge(&message.frame());
        assert_eq!(judged.rule, Some(Rule::MissingNode), "{judged:?}");
    }
    assert_valid(&honest.frame());
    assert_eq!(tree::build(&Default::default()).cid(), super::empty_root());
}
