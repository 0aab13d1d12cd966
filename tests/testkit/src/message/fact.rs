//! Changes of one fact in a message.

use super::{Batch, CommitMessage, Operation};
use crate::cid::Cid;
use crate::tree;

/// Chooses a number below a bound.
type Pick<'p> = &'p mut dyn FnMut(usize) -> usize;

/// Changes the message, or returns `false` if it has no such fact.
type Change = fn(&mut CommitMessage, &Batch, Pick<'_>) -> bool;

/// The facts by name.
const FACTS: [(&str, Change); 13] = [
    ("a byte of a block", block_byte),
    ("an operation removed", op_removed),
    ("an operation added", op_added),
    ("an operation repeated", op_repeated),
    ("an action", action),
    ("a path", path),
    ("a cid", cid),
    ("a prev", prev),
    ("prevData", prev_data),
    ("repo", repo),
    ("rev", rev),
    ("commit", commit),
    ("a record block removed", record_removed),
];

/// Changes one fact of an honest message, chosen by `pick`, which returns a number below its
/// argument. Returns the name of the fact. The message is never valid afterwards.
pub fn falsify(message: &mut CommitMessage, batch: &Batch, pick: Pick<'_>) -> &'static str {
    let first = pick(FACTS.len());
    let (before, after) = FACTS.split_at(first);
    let done = after.iter().chain(before).find(|(_, change)| change(message, batch, pick));
    done.expect("every message has a revision").0
}

/// The CID of a record that no tree has.
fn other_cid(pick: Pick<'_>) -> Cid {
    Cid::dag_cbor(&[0x58, 0x20, pick(256) as u8, pick(256) as u8])
}

fn op<'m>(message: &'m mut CommitMessage, pick: Pick<'_>) -> Option<&'m mut Operation> {
    let count = message.ops.len();
    if count == 0 { None } else { message.ops.get_mut(pick(count)) }
}

fn block_byte(message: &mut CommitMessage, _: &Batch, pick: Pick<'_>) -> bool {
    let count = message.blocks.sections.len();
    let Some(section) = message.blocks.sections.get_mut(pick(count.max(1))) else { return false };
    if section.data.is_empty() {
        return false;
    }
    let at = pick(section.data.len());
    section.data[at] ^= 1 << pick(8);
    true
}

fn op_removed(message: &mut CommitMessage, _: &Batch, pick: Pick<'_>) -> bool {
    let count = message.ops.len();
    if count > 0 {
        message.ops.remove(pick(count));
    }
    count > 0
}

/// Adds an operation on a key that is unchanged, or in neither tree.
fn op_added(message: &mut CommitMessage, batch: &Batch, pick: Pick<'_>) -> bool {
    let is_free = |path: &str| message.ops.iter().all(|op| op.path != path);
    let at = pick(batch.new.len() + 1);
    let (path, cid) = match batch.new.iter().nth(at) {
        Some((path, record)) => (String::from_utf8_lossy(path).into_owned(), Some(record.cid)),
        None => (format!("com.example.test/added{}", pick(256)), None),
    };
    if !is_free(&path) || cid.is_none() && batch.old.contains_key(path.as_bytes()) {
        return false;
    }
    let other = other_cid(pick);
    let (prev, cid) = match (pick(4), cid) {
        (0, _) => (None, Some(cid.unwrap_or(other))),
        (1, _) => (Some(other), None),
        (2, Some(cid)) => (Some(cid), Some(cid)),
        (_, _) => (Some(other), Some(cid.unwrap_or_else(|| other_cid(pick)))),
    };
    let added = Operation::between(&path, prev, cid);
    let at = pick(message.ops.len() + 1);
    message.ops.insert(at, added);
    true
}

fn op_repeated(message: &mut CommitMessage, _: &Batch, pick: Pick<'_>) -> bool {
    let Some(op) = op(message, pick).cloned() else { return false };
    let at = pick(message.ops.len() + 1);
    message.ops.insert(at, op);
    true
}

fn action(message: &mut CommitMessage, _: &Batch, pick: Pick<'_>) -> bool {
    let Some(op) = op(message, pick) else { return false };
    let others = ["create", "update", "delete", "Create", ""];
    let others: Vec<_> = others.into_iter().filter(|other| *other != op.action).collect();
    op.action = others[pick(others.len())].to_owned();
    true
}

fn path(message: &mut CommitMessage, batch: &Batch, pick: Pick<'_>) -> bool {
    let other = match batch.new.keys().nth(pick(batch.new.len() + 1)) {
        Some(path) => String::from_utf8_lossy(path).into_owned(),
        None => format!("com.example.test/other{}", pick(256)),
    };
    let Some(op) = op(message, pick) else { return false };
    let is_other = op.path != other;
    op.path = other;
    is_other
}

fn cid(message: &mut CommitMessage, _: &Batch, pick: Pick<'_>) -> bool {
    let other = (pick(3) > 0).then(|| other_cid(pick));
    let Some(op) = op(message, pick) else { return false };
    let is_other = op.cid != other;
    op.cid = other;
    is_other
}

fn prev(message: &mut CommitMessage, _: &Batch, pick: Pick<'_>) -> bool {
    let other = (pick(3) > 0).then(|| other_cid(pick));
    let Some(op) = op(message, pick) else { return false };
    let is_other = op.prev != other;
    op.prev = other;
    is_other
}

fn prev_data(message: &mut CommitMessage, batch: &Batch, pick: Pick<'_>) -> bool {
    let before = batch.old_root().cid();
    let other = match pick(4) {
        0 => None,
        1 => Some(batch.new_root().cid()),
        2 => Some(tree::build(&Default::default()).cid()),
        _ => Some(other_cid(pick)),
    };
    if other == Some(before) || other == message.prev_data {
        return false;
    }
    message.prev_data = other;
    true
}

fn repo(message: &mut CommitMessage, _: &Batch, pick: Pick<'_>) -> bool {
    let others = ["did:plc:ewvi7nxzyoun6zhxrhs64oi2", "did:web:example.com", "did:plc", ""];
    message.repo = others[pick(others.len())].to_owned();
    true
}

fn rev(message: &mut CommitMessage, _: &Batch, pick: Pick<'_>) -> bool {
    let others = ["3l4zyhoqkbk2d", super::SINCE, "3l4zyhoqkbk2", ""];
    message.rev = others[pick(others.len())].to_owned();
    true
}

fn commit(message: &mut CommitMessage, _: &Batch, pick: Pick<'_>) -> bool {
    message.commit = other_cid(pick);
    true
}

fn record_removed(message: &mut CommitMessage, batch: &Batch, pick: Pick<'_>) -> bool {
    let records = batch.changed_records();
    if !records.is_empty() {
        message.blocks.remove(&records[pick(records.len())].0);
    }
    !records.is_empty()
}
