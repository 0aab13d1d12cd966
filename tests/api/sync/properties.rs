//! Random batches: their messages are valid, and say what the testkit knows.

use carwalk::Cid;
use carwalk::sync::{
    CommitMessage as Parsed, Message, Operation, RepoState, Valid, Verdict, invert,
};
use carwalk_testkit::cases;
use carwalk_testkit::cid::Cid as KitCid;
use carwalk_testkit::commit::{DID, REV};
use carwalk_testkit::message::{Batch, CommitMessage};
use carwalk_testkit::rng::Rng;

use super::{signing_key, state_before, verifier};
use crate::common::{MapStore, cid};

/// Asserts that the operations and record bytes of a valid verdict are those of the batch.
#[track_caller]
fn assert_ops(valid: &Valid<'_>, batch: &Batch, message: &CommitMessage) {
    assert_eq!(valid.ops().len(), message.ops.len());
    for (found, expected) in valid.ops().zip(&message.ops) {
        assert_eq!(found.op.action.name(), expected.action);
        assert_eq!(*found.op.path, expected.path);
        let cids = [&expected.cid, &expected.prev].map(|value| value.as_ref().map(cid));
        assert_eq!([found.op.cid, found.op.prev], cids);
        let record = batch.new.get(expected.path.as_bytes()).map(|record| &record.bytes[..]);
        assert_eq!(found.record, record, "{}", expected.path);
        let path = format!("{}/{}", found.collection(), found.record_key());
        assert_eq!(path, expected.path);
    }
}

fn assert_state(state: &RepoState, batch: &Batch) {
    let found = (state.did(), state.rev(), state.data());
    assert_eq!(found, (DID, REV, cid(&batch.new_root().cid())));
}

#[test]
fn honest_messages_are_valid() {
    let verifier = verifier();
    for seed in 0..cases(2_000) {
        let mut rng = Rng::new(seed);
        let batch = Batch::random(&mut rng);
        let (signing, key) = signing_key(rng.below(40) as u8 + 1);
        let is_signed = rng.chance(1, 8);
        let message = if is_signed { batch.signed_message(&signing) } else { batch.message() };
        let (bytes, key) = (message.frame(), is_signed.then_some(&key));
        let before = state_before(&batch);
        let state = rng.chance(1, 2).then_some(&before);
        let verdict = verifier.examine(Message::parse(&bytes).unwrap(), key).against(state);
        let Verdict::Valid(valid) = verdict else { panic!("seed {seed}: {verdict}") };
        assert_eq!(valid.is_signature_checked(), is_signed);
        assert_eq!(valid.is_anchored(), state.is_some());
        assert_state(valid.state(), &batch);
        assert_ops(&valid, &batch, &message);
    }
}

/// The same message built from fields.
#[test]
fn messages_need_no_frame() {
    for seed in 0..cases(100) {
        let batch = Batch::random(&mut Rng::new(seed));
        let message = batch.message();
        let blocks = message.blocks.to_bytes();
        let ops = ops(&message.ops);
        let commit = cid(&message.commit);
        let mut built = Parsed::new(&message.repo, &message.rev, commit, &blocks, ops);
        built.prev_data = message.prev_data.as_ref().map(cid);
        built.since = message.since.as_deref();
        let valid = verifier().examine(built, None).against(None).valid().unwrap();
        assert_state(valid.state(), &batch);
        assert_ops(&valid, &batch, &message);
    }
}

fn ops(ops: &[carwalk_testkit::message::Operation]) -> Vec<Operation<'_>> {
    let convert = |value: Option<KitCid>| value.as_ref().map(cid);
    let made = ops.iter().map(|op| match (convert(op.prev), convert(op.cid)) {
        (None, Some(new)) => Operation::create(&op.path, new),
        (Some(old), Some(new)) => Operation::update(&op.path, old, new),
        (Some(old), None) => Operation::delete(&op.path, old),
        (None, None) => panic!("{op:?}"),
    });
    made.collect()
}

#[test]
fn inversion_gives_the_root_of_the_tree_before() {
    for seed in 0..cases(400) {
        let mut rng = Rng::new(seed);
        let batch = Batch::random(&mut rng);
        let message = batch.message();
        let mut store = MapStore::new(&message.blocks.to_bytes());
        let (old, new) = (cid(&batch.old_root().cid()), cid(&batch.new_root().cid()));
        let ops = ops(&message.ops);
        let inverted = invert(new, &store, &ops).unwrap();
        assert_eq!(inverted.root, old, "seed {seed}");
        assert!(inverted.unproven.is_empty(), "seed {seed}");
        // With any node missing: the same root, or an error.
        let nodes: Vec<_> = carwalk_testkit::message::proof_nodes(&batch);
        for _ in 0..nodes.len().min(4) {
            let hidden = cid(&rng.pick(&nodes).0);
            let block = store.blocks.remove(&hidden).unwrap();
            match invert(new, &store, &ops) {
                Ok(inverted) => {
                    assert_eq!(inverted.root, old, "seed {seed}");
                    let is_hidden = |key: &carwalk::sync::Unproven<'_>| key.node == hidden;
                    assert!(inverted.unproven.iter().all(is_hidden), "seed {seed}");
                }
                Err(error) => assert_eq!(error.cid(), Some(&hidden), "seed {seed}: {error}"),
            }
            store.blocks.insert(hidden, block);
        }
    }
}

/// The states of an account, one message after the other.
#[test]
fn a_chain_of_messages_leads_from_state_to_state() {
    use carwalk_testkit::cbor::Value;
    use carwalk_testkit::commit::Commit;
    use carwalk_testkit::message::Records;
    use carwalk_testkit::tid;

    for seed in 0..cases(20) {
        let mut rng = Rng::new(seed);
        let mut records = Records::new();
        let mut state: Option<RepoState> = None;
        for number in 1..10 {
            let mut next = records.clone();
            for _ in 0..rng.below(6) {
                let path = carwalk_testkit::random::path(&mut rng);
                next.insert(path.clone(), carwalk_testkit::repo::Record::sample(&path));
            }
            if let Some(path) = next.keys().nth(rng.below(next.len() + 1)).cloned() {
                next.remove(&path);
            }
            let batch = Batch::between(records, next.clone());
            let rev = tid::text(tid::number(1_726_905_600_000_000 + number, 0));
            let commit = Commit::default().set("rev", Value::text(&rev));
            let mut message = batch.message_with(&commit);
            message.rev.clone_from(&rev);
            let bytes = message.frame();
            let examine = || verifier().examine(Message::parse(&bytes).unwrap(), None);
            let valid = examine().against(state.as_ref()).valid().unwrap();
            assert_eq!(valid.is_anchored(), state.is_some(), "seed {seed}");
            let after: Cid = cid(&batch.new_root().cid());
            assert_eq!((valid.state().rev(), valid.state().data()), (&rev[..], after));
            let reached = valid.into_state();
            assert_eq!(examine().against(Some(&reached)).name(), "stale");
            (records, state) = (next, Some(reached));
        }
    }
}

/// Threads share a verifier.
#[test]
fn messages_are_examined_on_several_threads() {
    let verifier = verifier();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let verifier = &verifier;
            scope.spawn(move || {
                for seed in 0..cases(10) {
                    let batch = Batch::random(&mut Rng::new(thread * 1_000 + seed));
                    let bytes = batch.message().frame();
                    let examined = verifier.examine(Message::parse(&bytes).unwrap(), None);
                    assert_eq!(examined.against(None).name(), "valid");
                }
            });
        }
    });
}
