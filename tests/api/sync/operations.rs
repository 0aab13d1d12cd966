//! The rules of the operations, of their records and of the tree.

use carwalk::sync::Rule;
use carwalk_testkit::commit::Commit;
use carwalk_testkit::message::{Batch, CommitMessage, Operation, all_nodes};

use super::{
    CREATED, DELETED, MESSAGE, UPDATED, assert_refused, assert_valid, at_op, batch, judge, keys,
    other_cid, other_record, records,
};

/// The message of [`batch`] with the whole tree, and a change.
#[track_caller]
fn changed(change: impl FnOnce(&mut CommitMessage)) -> Vec<u8> {
    let mut message = batch().message_of(&Commit::default(), &all_nodes(&batch()));
    assert_valid(&message.frame());
    change(&mut message);
    message.frame()
}

#[test]
fn op_action() {
    let bytes = changed(|message| message.ops[1].action = "Update\n".to_owned());
    assert_refused(
        &bytes,
        Rule::OpAction,
        at_op(1, UPDATED),
        "op_action: operation 1: unknown action \"Update\\n\", expected create, \
             update or delete, key \"com.example.test/00000020\"",
    );
    // A long action is cut in the message.
    let bytes = changed(|message| message.ops[0].action = "ä".repeat(1000));
    let judged = judge(&bytes);
    assert_eq!(judged.rule, Some(Rule::OpAction));
    assert!(judged.text.len() < 300, "{}", judged.text);
}

#[test]
fn op_path() {
    let bytes = changed(|message| message.ops[0].path = "com.example/x".to_owned());
    assert_refused(
        &bytes,
        Rule::OpPath,
        at_op(0, "com.example/x"),
        "op_path: operation 0: collection is not a normalized NSID, key \
             \"com.example/x\"",
    );
    for path in [
        "",
        "/",
        "com.example.test",
        "com.example.test/",
        "/self",
        "com.example.test/..",
        "com.example.test/a/b",
        "com.example.test/a b",
        "com.example.test/ä",
        "com.example.te-st/a",
        "com.4xample.4est/a",
        "-com.example.test/a",
        "com..test/a",
        &format!("com.example.test/{}", "a".repeat(513)),
        &format!("com.example.{}/a", "t".repeat(64)),
    ] {
        let judged = judge(&changed(|message| message.ops[0].path = path.to_owned()));
        assert_eq!((judged.rule, judged.op), (Some(Rule::OpPath), Some(0)), "{path}: {judged:?}");
        assert_eq!(judged.path.as_deref(), Some(path));
    }
    // Valid paths that the tree does not have.
    for path in ["com.example.test/a:b~c_d-e.f", "com.4xample.test/a", "com.ex-ample.test/A"] {
        let judged = judge(&changed(|message| message.ops[0].path = path.to_owned()));
        assert_eq!(judged.rule, Some(Rule::OpMismatch), "{path}");
    }
}

#[test]
fn op_duplicate() {
    let bytes = changed(|message| message.ops.push(message.ops[1].clone()));
    assert_refused(
        &bytes,
        Rule::OpDuplicate,
        at_op(3, UPDATED),
        "op_duplicate: operation 3: operation 1 has the same path, key \
             \"com.example.test/00000020\"",
    );
    // Also if the actions differ, and neither by itself is wrong.
    let prev = other_cid();
    let delete = Operation::between(CREATED, Some(prev), None);
    let bytes = changed(|message| message.ops.insert(0, delete));
    assert_refused(
        &bytes,
        Rule::OpDuplicate,
        at_op(1, CREATED),
        "op_duplicate: operation 1: operation 0 has the same path, key \
             \"com.example.test/00000004\"",
    );
}

#[test]
fn op_shape() {
    let with = |number: usize, change: fn(&mut Operation)| {
        changed(|message| change(&mut message.ops[number]))
    };
    let bytes = with(0, |op| op.prev = Some(other_cid()));
    assert_refused(
        &bytes,
        Rule::OpShape,
        at_op(0, CREATED),
        "op_shape: operation 0: a create has a `prev`, key \
             \"com.example.test/00000004\"",
    );
    let bytes = with(0, |op| op.cid = None);
    assert_refused(
        &bytes,
        Rule::OpShape,
        at_op(0, CREATED),
        "op_shape: operation 0: a create has no `cid`, key \
             \"com.example.test/00000004\"",
    );
    let bytes = with(1, |op| op.cid = None);
    assert_refused(
        &bytes,
        Rule::OpShape,
        at_op(1, UPDATED),
        "op_shape: operation 1: an update has no `cid`, key \
             \"com.example.test/00000020\"",
    );
    let bytes = with(2, |op| op.cid = Some(other_cid()));
    assert_refused(
        &bytes,
        Rule::OpShape,
        at_op(2, DELETED),
        "op_shape: operation 2: a delete has a `cid`, key \
             \"com.example.test/00000029\"",
    );
}

#[test]
fn op_unchanged() {
    let bytes = changed(|message| message.ops[1].prev = message.ops[1].cid);
    assert_refused(
        &bytes,
        Rule::OpUnchanged,
        at_op(1, UPDATED),
        "op_unchanged: operation 1: the update changes nothing: `prev` equals \
             `cid`, key \"com.example.test/00000020\"",
    );
}

#[test]
fn record_missing() {
    let honest = batch().message();
    for (number, path) in [(0, CREATED), (1, UPDATED)] {
        let record = honest.ops[number].cid.unwrap();
        let bytes = changed(|message| message.blocks.remove(&record));
        let text = [
            "record_missing: operation 0: record \
             bafyreicaj7227vxy4y2iqhsvo23bopogdip2sia4l4lnziqk5ntfyvntdq: its block is missing, \
             key \"com.example.test/00000004\"",
            "record_missing: operation 1: record \
             bafyreiey2j5pfnsboxx4h4vdavqtfnarb6kks7bt7lhwofyskxblydksxe: its block is missing, \
             key \"com.example.test/00000020\"",
        ][number];
        assert_refused(&bytes, Rule::RecordMissing, at_op(number, path).with(record), text);
    }
}

/// Two creates of one record need one block.
#[test]
fn a_record_of_two_keys_is_needed_once() {
    let (keys, mut new) = (keys(), records(&keys()));
    let old = new.clone();
    new.insert(keys[1].clone(), other_record());
    new.insert(keys[2].clone(), other_record());
    let batch = Batch::between(old, new);
    assert_eq!((batch.ops.len(), batch.changed_records().len()), (2, 1));
    let mut message = batch.message();
    assert_valid(&message.frame());
    message.blocks.remove(&other_record().cid);
    let judged = judge(&message.frame());
    assert_eq!((judged.rule, judged.op), (Some(Rule::RecordMissing), Some(0)));
}

/// Every visible node is checked, also one that no operation needs.
#[test]
fn tree() {
    let (batch, keys) = (batch(), keys());
    let honest = batch.message_of(&Commit::default(), &all_nodes(&batch));
    assert_valid(&honest.frame());
    let mut root = batch.new_root().clone();
    let node = root.with_key(&keys[11]);
    node.edit(|value| *value.at_mut("e") = carwalk_testkit::cbor::Value::Null);
    let broken = node.cid();
    let batch = batch.with_new_root(root);
    let message = batch.message_of(&Commit::default(), &all_nodes(&batch));
    assert_refused(
        &message.frame(),
        Rule::Tree,
        MESSAGE.with(broken),
        "tree: node bafyreia7v576lkq63h5zgvltrlypj5ciaf7jr2ql4mjohsrwdcz2jkhrxm at byte \
             1596: CBOR item of initial byte 0xf6, expected an array, at byte 3 of the node",
    );
}

#[test]
fn keys_out_of_order_or_on_a_wrong_layer_break_the_tree() {
    let keys = keys();
    let with = |change: &dyn Fn(&mut carwalk_testkit::tree::Node)| {
        let mut root = batch().new_root().clone();
        change(&mut root);
        let batch = batch().with_new_root(root);
        judge(&batch.message_of(&Commit::default(), &all_nodes(&batch)).frame())
    };
    assert_eq!(with(&|_| {}).verdict, "valid");
    let swapped = with(&|root| root.with_key(&keys[2]).entries.swap(0, 1));
    assert_eq!(swapped.rule, Some(Rule::Tree), "{swapped:?}");
    let prefix = with(&|root| root.entry_mut(&keys[3]).prefix_len = Some(0));
    assert_eq!(prefix.rule, Some(Rule::Tree), "{prefix:?}");
    let moved = with(&|root| {
        let entry = root.entry_mut(&keys[1]).clone();
        root.entries.insert(0, carwalk_testkit::tree::Entry { tree: Default::default(), ..entry });
    });
    assert_eq!(moved.rule, Some(Rule::Tree), "{moved:?}");
}

#[test]
fn op_mismatch() {
    let honest = batch();
    let record = honest.new[UPDATED.as_bytes()].cid;
    // The tree has another record. That of the operation is in the CAR.
    let bytes = changed(|message| {
        message.ops[1].cid = Some(message.blocks.push_block(b"\xa1atgfurther"));
    });
    assert_refused(
        &bytes,
        Rule::OpMismatch,
        at_op(1, UPDATED).with(record),
        "op_mismatch: operation 1: the tree has the record \
             bafyreiey2j5pfnsboxx4h4vdavqtfnarb6kks7bt7lhwofyskxblydksxe instead, key \
             \"com.example.test/00000020\"",
    );
    // The tree does not have the key.
    let bytes = changed(|message| message.ops[0].path = format!("{CREATED}a"));
    let path = format!("{CREATED}a");
    assert_refused(
        &bytes,
        Rule::OpMismatch,
        at_op(0, &path),
        "op_mismatch: operation 0: the tree does not have the key, key \
             \"com.example.test/00000004a\"",
    );
    let bytes = changed(|message| {
        message.ops[2] = Operation::between(DELETED, message.ops[2].prev, message.ops[1].cid);
    });
    assert_refused(
        &bytes,
        Rule::OpMismatch,
        at_op(2, DELETED),
        "op_mismatch: operation 2: the tree does not have the key, key \
             \"com.example.test/00000029\"",
    );
}

#[test]
fn op_present() {
    let (keys, honest) = (keys(), batch());
    let path = std::str::from_utf8(&keys[7]).unwrap();
    let record = honest.new[&keys[7]].cid;
    let delete = Operation::between(path, Some(other_cid()), None);
    let bytes = changed(|message| message.ops.push(delete));
    assert_refused(
        &bytes,
        Rule::OpPresent,
        at_op(3, path).with(record),
        "op_present: operation 3: the key is deleted, but the tree has it, with \
             the record bafyreicob44ncwe3hhp5e22mdxmowxk74lvj4cebf3tecq3sc3fjmjq3wu, key \
             \"com.example.test/00000028\"",
    );
}

#[test]
fn prev_data() {
    let before = batch().old_root().cid();
    let bytes = changed(|message| message.prev_data = Some(other_cid()));
    assert_refused(
        &bytes,
        Rule::PrevData,
        MESSAGE.with(before),
        "prev_data: before the operations, the tree was \
             bafyreiflte7izopkf5td6mxbn3n2xopztlds4d7gtvw2pjcfi2utmsi52e, expected \
             bafyreifoisfmq3corzg6yzcxffyi55ayooxhtrw77bhp64zwbgeuq7yi4u",
    );
    let changes: [fn(&mut CommitMessage); 5] = [
        |message| message.ops.truncate(2),
        |message| message.ops.clear(),
        |message| message.ops[1].prev = Some(other_cid()),
        |message| message.ops[2].prev = Some(other_cid()),
        |message| message.ops[2].path = format!("{DELETED}a"),
    ];
    for change in changes {
        let judged = judge(&changed(change));
        assert_eq!(judged.rule, Some(Rule::PrevData), "{judged:?}");
    }
}
