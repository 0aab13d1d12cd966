//! The order of operations never changes the verdict.

use carwalk::sync::{Action, Operation, invert};
use carwalk::{Cid, CommitRules};
use carwalk_testkit::cases;
use carwalk_testkit::message::{Batch, CommitMessage, falsify};
use carwalk_testkit::rng::Rng;

use super::{Judged, judge, keys, other_record, records};
use crate::common::{MapStore, cid};

/// What must be the same: all but the number of the operation.
type Outcome = (&'static str, Option<carwalk::sync::Rule>, Option<String>, Option<Cid>);

fn outcome(message: &CommitMessage) -> Outcome {
    let Judged { verdict, rule, path, cid, op, .. } = judge(&message.frame());
    let number = op.map(|number| message.ops[number].path.clone());
    assert!(number.is_none() || number == path, "{number:?} {path:?}");
    (verdict, rule, path, cid)
}

/// The root of the bare inversion, or the error without the number of an operation.
fn root(message: &CommitMessage) -> Result<(Cid, Vec<String>), String> {
    let store = MapStore::new(&message.blocks.to_bytes());
    let ops: Vec<_> = message.ops.iter().map(operation).collect();
    let data = data_of(message);
    let inverted = invert(data, &store, &ops).map_err(|error| format!("{:?}", error.kind()))?;
    let unproven = inverted.unproven.iter().map(|key| {
        assert_eq!(ops[key.op].path, key.path);
        key.path.to_owned()
    });
    Ok((inverted.root, unproven.collect()))
}

fn data_of(message: &CommitMessage) -> Cid {
    let commit =
        message.blocks.sections.iter().find(|section| section.cid == message.commit.as_bytes());
    carwalk::Commit::parse(cid(&message.commit), &commit.unwrap().data, CommitRules::Current)
        .unwrap()
        .data()
}

fn operation(op: &carwalk_testkit::message::Operation) -> Operation<'_> {
    let [cid, prev] = [op.cid, op.prev].map(|value| value.as_ref().map(cid));
    Operation::new(Action::from_name(&op.action), &op.path, cid, prev)
}

/// All permutations, by Heap's method.
fn permutations<T: Clone>(items: &[T]) -> Vec<Vec<T>> {
    let (mut items, mut all) = (items.to_vec(), vec![items.to_vec()]);
    let (mut counts, mut at) = (vec![0; items.len()], 1);
    while at < items.len() {
        if counts[at] < at {
            items.swap(if at % 2 == 0 { 0 } else { counts[at] }, at);
            all.push(items.clone());
            counts[at] += 1;
            at = 1;
        } else {
            counts[at] = 0;
            at += 1;
        }
    }
    all
}

/// Two operations of each kind, next to each other and apart.
fn six() -> Batch {
    let (mut old, keys) = (records(&keys()), keys());
    let mut new = old.clone();
    for number in [3, 6] {
        old.remove(&keys[number]);
    }
    for number in [5, 10] {
        new.insert(keys[number].clone(), other_record());
    }
    for number in [4, 8] {
        new.remove(&keys[number]);
    }
    Batch::between(old, new)
}

#[test]
fn all_orders_of_six_operations_give_the_same_verdict_and_root() {
    let batch = six();
    let honest = batch.message();
    let orders = permutations(&honest.ops);
    assert_eq!(orders.len(), 720);
    let expected = cid(&batch.old_root().cid());
    for ops in orders {
        let message = CommitMessage { ops, ..honest.clone() };
        assert_eq!(outcome(&message).0, "valid");
        assert_eq!(root(&message), Ok((expected, Vec::new())));
    }
}

/// The same for messages that are wrong or lack something.
#[test]
fn all_orders_of_operations_give_the_same_fault() {
    let (honest, batch) = (six().message(), six());
    for seed in 0..cases(12) {
        let mut rng = Rng::new(seed);
        let mut message = honest.clone();
        match seed % 3 {
            0 => {
                let nodes = carwalk_testkit::message::proof_nodes(&batch);
                message.blocks.remove(&rng.pick(&nodes).0);
            }
            count => {
                for _ in 0..count {
                    falsify(&mut message, &batch, &mut |bound| rng.below(bound));
                }
            }
        }
        message.ops.truncate(6);
        let (expected, expected_root) = (outcome(&message), try_root(&message));
        for ops in permutations(&message.ops) {
            let message = CommitMessage { ops, ..message.clone() };
            assert_eq!(outcome(&message), expected, "seed {seed}");
            assert_eq!(try_root(&message), expected_root, "seed {seed}");
        }
    }
}

/// The root, unless the CAR or commit is damaged.
fn try_root(message: &CommitMessage) -> Option<Result<(Cid, Vec<String>), String>> {
    let has_commit = message.blocks.sections.iter().any(|section| {
        section.cid == message.commit.as_bytes() && message.commit.fits(&section.data)
    });
    // A path that is listed twice is an error that names the number of the other operation.
    let mut paths: Vec<_> = message.ops.iter().map(|op| &op.path).collect();
    paths.sort_unstable();
    let is_unique = paths.windows(2).all(|pair| pair[0] != pair[1]);
    (has_commit && is_unique).then(|| root(message))
}

#[test]
fn random_orders_of_long_batches() {
    for seed in 0..cases(60) {
        let mut rng = Rng::new(seed);
        let batch = Batch::random(&mut rng);
        let mut message = batch.message();
        let is_false = rng.chance(1, 2);
        if is_false {
            falsify(&mut message, &batch, &mut |bound| rng.below(bound));
        }
        let expected = outcome(&message);
        assert_eq!(expected.0 == "valid", !is_false, "seed {seed}: {expected:?}");
        for _ in 0..4 {
            rng.shuffle(&mut message.ops);
            assert_eq!(outcome(&message), expected, "seed {seed}");
        }
    }
}

/// `invert` takes any keys of a tree, and refuses what cannot be one.
#[test]
fn paths_that_cannot_be_keys_are_refused() {
    let blocks = crate::common::MapStore::default();
    let (data, old) = (other(b"data"), other(b"old"));
    for (len, is_key) in [(0, false), (1, true), (1024, true), (1025, false)] {
        let delete = [carwalk::sync::Operation::delete("a".repeat(len), old)];
        let error = carwalk::sync::invert(data, &blocks, &delete).unwrap_err();
        let is_missing = error.class() == carwalk::ErrorClass::Missing;
        assert_eq!(is_missing, is_key, "{len}: {error}");
    }
}

fn other(block: &[u8]) -> carwalk::Cid {
    carwalk::Cid::of(carwalk::cid::Codec::DagCbor, block)
}
