use std::collections::BTreeMap;

use carwalk::sync::{Message, Verdict, Verifier};
use carwalk_testkit::commit::Commit;
use carwalk_testkit::message::{Batch, CommitMessage, Records, Truth, all_nodes, falsify};
use carwalk_testkit::repo::Record;
use carwalk_testkit::tree::{Link, Node};

use crate::choices::Choices;
use crate::export::path;

/// A message about a random batch, with false facts, a forged tree or missing nodes, is valid only
/// if the operations lead from the whole tree before to the whole tree after. An honest message
/// with all nodes is valid.
pub fn falsified_commit(data: &[u8]) {
    let mut choices = Choices::new(data);
    let mut batch = batch(&mut choices);
    let is_forged = choices.below(4) == 3 && forge(&mut batch, &mut choices);
    let mut message = match choices.flag() {
        true => batch.message_of(&Commit::default(), &all_nodes(&batch)),
        false => batch.message(),
    };
    for _ in 0..choices.below(4) {
        falsify(&mut message, &batch, &mut |bound| choices.below(bound));
    }
    shuffle(&mut message, &mut choices);
    let hidden = hide(&mut message, &batch, &mut choices);
    let truth = Truth::of(&batch).judge(&message);
    assert!(!is_forged || truth.is_err());
    let (frame, before) = (message.frame(), message.prev_data);
    let parsed = Message::parse(&frame).unwrap();
    let verdict = Verifier::new(std::time::SystemTime::now).examine(parsed, None).against(None);
    match (&verdict, truth) {
        (Verdict::Valid(_), Ok(())) | (Verdict::Invalid(_), Err(_)) => {}
        (Verdict::Unverifiable(_), Err(_)) => {}
        (Verdict::Unverifiable(_), Ok(())) if hidden > 0 => {}
        // A message proves the tree after it only if the one before is valid.
        (Verdict::Valid(_), Err(_)) if is_forged && before == Some(batch.new_root().cid()) => {}
        (verdict, truth) => panic!("{verdict}, but {truth:?}"),
    }
}

/// Chooses records before and after.
fn batch(choices: &mut Choices<'_>) -> Batch {
    let mut old = Records::new();
    for _ in 0..choices.below(40) {
        let path = path(choices);
        old.insert(path, record(choices));
    }
    let mut new = if choices.below(8) == 7 { BTreeMap::new() } else { old.clone() };
    for _ in 0..choices.below(8) {
        let path = match old.keys().nth(choices.below(old.len() + 1)) {
            Some(path) => path.clone(),
            None => path(choices),
        };
        if new.remove(&path).is_none() || choices.flag() {
            new.insert(path, record(choices));
        }
    }
    [&mut old, &mut new].into_iter().for_each(only_strict_paths);
    Batch::between(old, new)
}

/// Removes paths whose collection is not an NSID.
fn only_strict_paths(records: &mut Records) {
    records.retain(|path, _| path.starts_with(b"app.bsky.") || path.starts_with(b"com.example."));
}

fn record(choices: &mut Choices<'_>) -> Record {
    Record::new(vec![0xa1, 0x61, b'a', 0x18, 24 + choices.below(200) as u8])
}

/// Moves a subtree to the other side of a key. Returns whether there is one.
fn forge(batch: &mut Batch, choices: &mut Choices<'_>) -> bool {
    let mut root = batch.new_root().clone();
    let count = root.blocks().len();
    let skipped = choices.below(count);
    let seen = std::cell::Cell::new(0);
    let Some(node) = root.find_mut(&|node| {
        seen.set(seen.get() + 1);
        seen.get() > skipped && !node.entries.is_empty() && node.links().any(is_node)
    }) else {
        return false;
    };
    let at = choices.below(node.entries.len());
    let Node { left, entries, .. } = node;
    let (before, after) = entries.split_at_mut(at);
    let left = before.last_mut().map_or(left, |entry| &mut entry.tree);
    std::mem::swap(left, &mut after[0].tree);
    let is_changed = root != *batch.new_root();
    *batch = batch.clone().with_new_root(root);
    is_changed
}

fn is_node(link: &Link) -> bool {
    link.node().is_some()
}

fn shuffle(message: &mut CommitMessage, choices: &mut Choices<'_>) {
    for last in (1..message.ops.len()).rev() {
        message.ops.swap(last, choices.below(last + 1));
    }
}

/// Removes nodes from the message. Returns how many blocks.
fn hide(message: &mut CommitMessage, batch: &Batch, choices: &mut Choices<'_>) -> usize {
    let (nodes, before) = (all_nodes(batch), message.blocks.sections.len());
    for _ in 0..choices.below(4) {
        message.blocks.remove(&choices.pick(&nodes).0);
    }
    before - message.blocks.sections.len()
}
