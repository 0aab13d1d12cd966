//! Messages that the library makes.

use std::collections::BTreeSet;

use carwalk::sync::{CommitMessage, Rule, diff_blocks, diff_nodes, ops};
use carwalk::{Cid, Repo, Tree};
use carwalk_testkit::car::Car;
use carwalk_testkit::message::{Batch, Records, new_nodes, nodes_for, proof_nodes};
use carwalk_testkit::repo::Record;
use carwalk_testkit::rng::Rng;
use carwalk_testkit::{cases, message};

use super::{Judged, batch, verifier};
use crate::common::{MapStore, cid};

type Store = MapStore;

/// The nodes of the old tree, as a store.
fn old_store(batch: &Batch) -> Store {
    let mut store = Store::default();
    let nodes = batch.old_root().blocks();
    nodes.into_iter().for_each(|(cid, block)| store.insert(&cid, block));
    store
}

/// The CAR of a message, made by the library, and its operations.
fn made(batch: &Batch) -> (Vec<u8>, Vec<carwalk::sync::Operation<'static>>) {
    let (store, car) = (old_store(batch), batch.car());
    let old = Tree::new(&store, cid(&batch.old_root().cid()));
    let new = Repo::from_slice(&car[..]).unwrap();
    let mut blocks = Vec::new();
    let stats = diff_blocks(&old, &new, &mut blocks).unwrap();
    assert_eq!(stats.bytes, blocks.len() as u64);
    let sections = Car::parse(&blocks).unwrap().sections.len();
    assert_eq!(stats.sections, sections as u64);
    (blocks, ops(&old, new.tree()).unwrap())
}

fn examine(blocks: &[u8], batch: &Batch, ops: &[carwalk::sync::Operation<'static>]) -> Judged {
    let honest = batch.message();
    let commit = cid(&honest.commit);
    let mut message = CommitMessage::new(&honest.repo, &honest.rev, commit, blocks, ops.to_vec());
    message.since = honest.since.as_deref();
    message.prev_data = honest.prev_data.as_ref().map(cid);
    Judged::of(&verifier().examine(message, None).against(None))
}

/// The CAR without the block of a CID.
fn without(blocks: &[u8], hidden: &carwalk_testkit::cid::Cid) -> Vec<u8> {
    let mut car = Car::parse(blocks).unwrap();
    car.remove(hidden);
    car.to_bytes()
}

#[test]
fn made_messages_have_exactly_what_is_needed() {
    for seed in 0..cases(250) {
        let mut rng = Rng::new(seed);
        let batch = Batch::random(&mut rng);
        let (blocks, ops) = made(&batch);
        let judged = examine(&blocks, &batch, &ops);
        assert_eq!(judged.verdict, "valid", "seed {seed}: {}", judged.text);
        // Commit, nodes in pre-order, and the records, each after its entry.
        let honest = batch.message();
        let nodes: Vec<_> = proof_nodes(&batch).into_iter().map(|(cid, _)| cid).collect();
        let found = Car::parse(&blocks).unwrap();
        assert_eq!(found.header, honest.blocks.header);
        assert_eq!(found.sections[0], honest.blocks.sections[0]);
        let is_node = |section: &&carwalk_testkit::car::Section| {
            nodes.iter().any(|node| section.cid == node.as_bytes())
        };
        let found_nodes: Vec<_> = found.sections.iter().filter(is_node).collect();
        let expected: Vec<_> = honest.blocks.sections.iter().filter(is_node).collect();
        assert_eq!(found_nodes, expected, "seed {seed}");
        let sorted = |car: &Car| {
            let mut sections: Vec<_> =
                car.sections.iter().map(|section| section.cid.clone()).collect();
            sections.sort_unstable();
            sections
        };
        assert_eq!(sorted(&found), sorted(&honest.blocks), "seed {seed}");
        let found_ops: Vec<_> =
            ops.iter().map(|op| (op.action.name(), &*op.path, op.cid, op.prev)).collect();
        let mut expected = honest.ops.clone();
        expected.sort_by(|a, b| a.path.cmp(&b.path));
        let as_ours = |value: &Option<carwalk_testkit::cid::Cid>| value.as_ref().map(cid);
        let expected: Vec<_> = expected
            .iter()
            .map(|op| (&*op.action, &*op.path, as_ours(&op.cid), as_ours(&op.prev)))
            .collect();
        assert_eq!(found_ops, expected, "seed {seed}");
    }
}

/// The choice of nodes needs no commit.
#[test]
fn nodes_of_two_trees() {
    for seed in 0..cases(150) {
        let batch = Batch::random(&mut Rng::new(seed));
        let (old_store, mut new_store) = (old_store(&batch), Store::default());
        let nodes = batch.new_root().blocks();
        nodes.into_iter().for_each(|(cid, block)| new_store.insert(&cid, block));
        let old = Tree::new(&old_store, cid(&batch.old_root().cid()));
        let new = Tree::new(&new_store, cid(&batch.new_root().cid()));
        let found = diff_nodes(&old, &new).unwrap();
        let expected: Vec<Cid> = proof_nodes(&batch).iter().map(|(kit, _)| cid(kit)).collect();
        assert_eq!(found, expected, "seed {seed}");
        let new_nodes: BTreeSet<Cid> = new_nodes(&batch).iter().map(cid).collect();
        assert!(new_nodes.is_subset(&found.into_iter().collect()) || batch.ops.is_empty());
    }
}

/// Few operations on many records: most nodes stay.
fn sparse(rng: &mut Rng) -> Batch {
    let path = |rng: &mut Rng| carwalk_testkit::random::path(rng);
    let record = |path: &[u8]| Record::sample(path);
    let paths = (0..rng.range(20, 300)).map(|_| path(rng));
    let old: Records = paths.map(|path| (path.clone(), record(&path))).collect();
    let mut new = old.clone();
    for _ in 0..rng.range(1, 6) {
        let known = old.keys().nth(rng.below(old.len())).cloned().unwrap();
        match rng.below(3) {
            0 => drop(new.remove(&known)),
            1 => drop(new.insert(known, super::other_record())),
            _ => {
                let path = path(rng);
                new.insert(path.clone(), record(&path));
            }
        }
    }
    Batch::between(old, new)
}

/// Every node that is not new is needed, unless it is there for a key next to an updated one.
#[test]
fn without_any_old_node_a_made_message_is_unverifiable() {
    let (mut needed, mut spare) = (0, 0);
    for seed in 0..cases(250) {
        let batch = sparse(&mut Rng::new(seed));
        let (blocks, ops) = made(&batch);
        let new = new_nodes(&batch);
        let required = nodes_for(&batch, |action| action != "update");
        for (node, _) in proof_nodes(&batch) {
            if new.contains(&node) {
                continue;
            }
            let judged = examine(&without(&blocks, &node), &batch, &ops);
            if required.contains(&node) {
                assert_eq!(judged.verdict, "unverifiable", "seed {seed}: {}", judged.text);
                assert_eq!(judged.cid, Some(cid(&node)), "seed {seed}: {}", judged.text);
                needed += 1;
            } else {
                assert_eq!(judged.verdict, "valid", "seed {seed}: {}", judged.text);
                spare += 1;
            }
        }
    }
    assert!(needed > 20 && spare > 50, "{needed} {spare}");
}

/// A new node is never spare.
#[test]
fn without_a_new_node_or_record_a_made_message_is_not_valid() {
    for seed in 0..cases(60) {
        let mut rng = Rng::new(seed);
        let batch = Batch::random(&mut rng);
        let (blocks, ops) = made(&batch);
        let empty = super::empty_root();
        let nodes: Vec<_> = new_nodes(&batch).into_iter().filter(|node| *node != empty).collect();
        if nodes.is_empty() || batch.ops.is_empty() {
            continue;
        }
        let judged = examine(&without(&blocks, rng.pick(&nodes)), &batch, &ops);
        assert_eq!(judged.verdict, "unverifiable", "seed {seed}: {}", judged.text);
        for (record, _) in batch.changed_records() {
            let judged = examine(&without(&blocks, &record), &batch, &ops);
            assert_eq!(judged.rule, Some(Rule::RecordMissing), "seed {seed}: {}", judged.text);
        }
    }
}

#[test]
fn a_missing_node_or_record_of_the_new_tree_is_an_error() {
    let batch = batch();
    let store = old_store(&batch);
    let old = Tree::new(&store, cid(&batch.old_root().cid()));
    let car = batch.repo().to_car(carwalk_testkit::repo::Order::Preorder);
    let message = batch.message();
    for section in &message.blocks.sections[1..] {
        let hidden = carwalk_testkit::cid::Cid::from_bytes(&section.cid).unwrap();
        let mut car = car.clone();
        car.remove(&hidden);
        let bytes = car.to_bytes();
        let new = Repo::from_slice(&bytes[..]).unwrap();
        let error = diff_blocks(&old, &new, std::io::sink()).unwrap_err();
        assert_eq!(error.cid(), Some(&cid(&hidden)), "{error}");
    }
}

#[test]
fn output_that_fails_is_an_error() {
    struct Full(usize);
    impl std::io::Write for Full {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 = self.0.checked_sub(bytes.len()).ok_or(std::io::ErrorKind::StorageFull)?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let batch = batch();
    let (store, car) = (old_store(&batch), batch.car());
    let old = Tree::new(&store, cid(&batch.old_root().cid()));
    let new = Repo::from_slice(&car[..]).unwrap();
    let len = made(&batch).0.len();
    assert!(diff_blocks(&old, &new, Full(len)).is_ok());
    for room in [0, 1, 60, len / 2, len - 1] {
        let error = diff_blocks(&old, &new, Full(room)).unwrap_err();
        assert!(matches!(error.kind(), carwalk::ErrorKind::Output(_)), "{error}");
    }
}

#[test]
fn equal_trees_need_the_commit_only() {
    let records = super::records(&super::keys());
    let batch = Batch::between(records.clone(), records);
    let (blocks, ops) = made(&batch);
    assert_eq!((Car::parse(&blocks).unwrap().sections.len(), ops.len()), (1, 0));
    assert_eq!(message::all_nodes(&batch).len(), batch.new_root().blocks().len());
}
