//! The commit messages that carwalk makes are valid for carwalk, and shrike undoes their operations.

use std::collections::BTreeMap;
use std::time::SystemTime;

use carwalk::sync::{CommitMessage, Operation, Verifier, diff_blocks, ops};
use carwalk::{Repo, VerifyingKey};
use carwalk_testkit::cases;
use carwalk_testkit::commit::{DID, REV};
use carwalk_testkit::repo::{Order, Record, Repo as KitRepo};
use carwalk_testkit::rng::Rng;
use carwalk_testkit::signing::SigningKey;
use carwalk_testkit::tid;
use shrike::Cid as PeerCid;
use shrike::sync::{RawCommit, RawRepoOp, check_op_cids, decode_commit_car, invert_commit};

/// The number of pairs of repositories.
const PAIRS: u64 = 150;

type Records = BTreeMap<Vec<u8>, Record>;

fn path(rng: &mut Rng) -> Vec<u8> {
    let collection = rng.pick(&["com.example.a", "com.example.b.c", "org.example.d"]);
    format!("{collection}/{}", tid::text(rng.next_u64() >> 1)).into_bytes()
}

/// Changes some records; at least a third of the changes are updates if there is a record.
fn change(rng: &mut Rng, records: &Records) -> Records {
    let mut changed = records.clone();
    for number in 0..rng.range(1, 30) {
        let old = records.keys().nth(rng.below(records.len().max(1)));
        let sample = Record::sample(format!("{number}").as_bytes());
        match (rng.below(10), old) {
            (0..3, Some(old)) => drop(changed.remove(old)),
            (3..7, Some(old)) => drop(changed.insert(old.clone(), sample)),
            _ => drop(changed.insert(path(rng), sample)),
        }
    }
    changed
}

fn car(records: Records, key: &SigningKey) -> Vec<u8> {
    let mut repo = KitRepo::new(records);
    repo.sign(key);
    repo.to_car(Order::Pds).to_bytes()
}

fn peer(cid: carwalk::Cid) -> PeerCid {
    PeerCid::from_bytes(cid.as_bytes()).unwrap()
}

fn raw_op(op: &Operation<'_>) -> RawRepoOp {
    RawRepoOp {
        action: op.action.name().to_owned(),
        path: op.path.to_string(),
        cid: op.cid.map(peer),
        prev: op.prev.map(peer),
    }
}

#[test]
fn shrike_undoes_the_operations_of_messages_that_carwalk_makes() {
    let signing = SigningKey::k256(&[3; 32]);
    let key: VerifyingKey = signing.did_key().parse().unwrap();
    let verifier = Verifier::new(SystemTime::now);
    let mut count = 0;
    for seed in 0..cases(PAIRS) {
        let mut rng = Rng::new(seed);
        let old: Records = (0..rng.below(200))
            .map(|_| path(&mut rng))
            .map(|path| (path.clone(), Record::sample(&path)))
            .collect();
        let new = change(&mut rng, &old);
        let (old, new) = (car(old, &signing), car(new, &signing));
        let (old, new) = (Repo::from_slice(old).unwrap(), Repo::from_slice(new).unwrap());
        let ops = ops(old.tree(), new.tree()).unwrap();
        count += ops.len();
        let mut blocks = Vec::new();
        diff_blocks(old.tree(), &new, &mut blocks).unwrap();

        let raw = RawCommit {
            repo: DID.parse().unwrap(),
            rev: REV.parse().unwrap(),
            seq: 1,
            time: String::new(),
            since: Some("2222222222222".parse().unwrap()),
            commit: peer(new.commit().cid()),
            blocks: blocks.clone(),
            ops: ops.iter().map(raw_op).collect(),
            blobs: Vec::new(),
            prev_data: Some(peer(old.commit().data())),
            too_big: false,
            rebase: false,
        };
        assert_eq!(invert_commit(&raw).unwrap(), peer(old.commit().data()), "seed {seed}");
        let decoded = decode_commit_car(&raw).unwrap();
        check_op_cids(&raw, decoded.inner.data, &decoded.store).unwrap();

        let mut message = CommitMessage::new(DID, REV, new.commit().cid(), &blocks, ops);
        message.since = Some("2222222222222");
        message.prev_data = Some(old.commit().data());
        let verdict = verifier.examine(message, Some(&key)).against(None);
        assert_eq!(verdict.name(), "valid", "seed {seed}: {verdict}");
    }
    assert!(count > 1_000, "{count} operations");
}
