//! Messages of the live stream: one test for each rule, and properties of random messages.

mod counterexamples;
mod diff_blocks;
mod envelope;
mod falsified;
mod fields;
mod frames;
mod ignored;
mod limits;
mod operations;
mod orders;
mod precedence;
mod proofs;
mod properties;
mod states;

use std::time::{Duration, SystemTime};

use carwalk::sync::{Message, RepoState, Rule, Verdict, Verifier};
use carwalk::syntax::tid_micros;
use carwalk::{Cid, VerifyingKey};
use carwalk_testkit::cid::Cid as KitCid;
use carwalk_testkit::commit::REV;
use carwalk_testkit::message::{Batch, Records};
use carwalk_testkit::repo::Record;
use carwalk_testkit::signing::SigningKey;
use carwalk_testkit::{cid as kit, key};

use crate::common::cid;

/// A minute after the revision of every message.
fn now() -> SystemTime {
    time_of(REV) + Duration::from_secs(60)
}

fn time_of(rev: &str) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_micros(tid_micros(rev).unwrap())
}

fn verifier() -> Verifier {
    Verifier::new(now)
}

/// What a check finds of a message.
#[derive(Debug, PartialEq)]
struct Judged {
    verdict: &'static str,
    rule: Option<Rule>,
    op: Option<usize>,
    path: Option<String>,
    cid: Option<Cid>,
    text: String,
}

impl Judged {
    fn of(verdict: &Verdict<'_>) -> Self {
        let reason = verdict.reason();
        let path = reason.and_then(|reason| reason.path());
        let judged = Judged {
            verdict: verdict.name(),
            rule: reason.and_then(|reason| reason.rule()),
            op: reason.and_then(|reason| reason.op()),
            path: path.map(|path| String::from_utf8(path.to_vec()).unwrap()),
            cid: reason.and_then(|reason| reason.cid()),
            text: reason.map(ToString::to_string).unwrap_or_default(),
        };
        judged.assert_consistent();
        judged
    }

    /// A rule belongs to one verdict, and the text begins with its name.
    fn assert_consistent(&self) {
        let expected =
            self.rule.map(|rule| if rule.is_invalid() { "invalid" } else { "unverifiable" });
        match expected {
            Some(expected) => assert_eq!(self.verdict, expected),
            None => assert!(!["invalid", "unverifiable"].contains(&self.verdict), "{self:?}"),
        }
        let rule = self.rule.map(|rule| format!("{rule}: ")).unwrap_or_default();
        assert!(self.text.starts_with(&rule), "{self:?}");
    }
}

fn judge_by(
    verifier: &Verifier,
    frame: &[u8],
    key: Option<&VerifyingKey>,
    state: Option<&RepoState>,
) -> Judged {
    Judged::of(&match Message::parse(frame) {
        Ok(message) => verifier.examine(message, key).against(state),
        Err(error) => Verdict::from(error),
    })
}

fn judge(frame: &[u8]) -> Judged {
    judge_by(&verifier(), frame, None, None)
}

#[track_caller]
fn assert_valid(frame: &[u8]) {
    let judged = judge(frame);
    assert_eq!(judged.verdict, "valid", "{}", judged.text);
}

/// The place of a fault.
#[derive(Clone, Copy, Debug, Default)]
struct At<'a> {
    op: Option<usize>,
    path: Option<&'a str>,
    cid: Option<KitCid>,
}

/// A fault of the message as a whole.
const MESSAGE: At<'_> = At { op: None, path: None, cid: None };

/// A fault of an operation.
fn at_op(op: usize, path: &str) -> At<'_> {
    At { op: Some(op), path: Some(path), cid: None }
}

impl At<'_> {
    fn with(self, cid: KitCid) -> Self {
        At { cid: Some(cid), ..self }
    }
}

/// Asserts that a message breaks a rule at a place, and that the reason is `text`.
#[track_caller]
fn assert_refused(frame: &[u8], rule: Rule, at: At<'_>, text: &str) {
    assert_judged(&judge(frame), rule, at, text);
}

#[track_caller]
fn assert_judged(judged: &Judged, rule: Rule, at: At<'_>, text: &str) {
    assert_eq!(judged.rule, Some(rule), "{judged:?}");
    let place = (judged.op, judged.path.as_deref(), judged.cid);
    assert_eq!(place, (at.op, at.path, at.cid.as_ref().map(cid)), "{}", judged.text);
    assert_eq!(judged.text, text);
}

/// Keys on the layers 0, 1, 0, 0, 2, 0, 1, 0, 0, 0, 1 and 0.
fn keys() -> Vec<Vec<u8>> {
    key::ascending(&[0, 1, 0, 0, 2, 0, 1, 0, 0, 0, 1, 0])
}

fn records<'k>(keys: impl IntoIterator<Item = &'k Vec<u8>>) -> Records {
    keys.into_iter().map(|key| (key.clone(), Record::sample(key))).collect()
}

fn other_record() -> Record {
    Record::new(b"\xa1atfupdate".to_vec())
}

/// The paths of [`batch`]: created, updated, deleted.
const CREATED: &str = "com.example.test/00000004";
const UPDATED: &str = "com.example.test/00000020";
const DELETED: &str = "com.example.test/00000029";

/// One operation of each kind on a tree of three layers: a create (0), an update (1) and a delete
/// (2).
fn batch() -> Batch {
    let (mut old, keys) = (records(&keys()), keys());
    let mut new = old.clone();
    old.remove(&keys[3]);
    new.insert(keys[5].clone(), other_record());
    new.remove(&keys[8]);
    Batch::between(old, new)
}

/// The account after the commit before that of a batch.
fn state_before(batch: &Batch) -> RepoState {
    use carwalk_testkit::{commit::DID, message::SINCE};
    RepoState::new(DID, SINCE, cid(&batch.old_root().cid())).unwrap()
}

fn empty_root() -> KitCid {
    Batch::between(Records::new(), Records::new()).new_root().cid()
}

fn other_cid() -> KitCid {
    kit::Cid::dag_cbor(b"another")
}

/// A key that signs, and the public key of an account.
fn signing_key(number: u8) -> (SigningKey, VerifyingKey) {
    let secret = [number; 32];
    let key = match number % 2 {
        0 => SigningKey::k256(&secret),
        _ => SigningKey::p256(&secret),
    };
    let public = key.did_key().parse().unwrap();
    (key, public)
}

#[test]
fn the_batch_of_these_tests_is_what_they_say() {
    let ops = batch().ops;
    let ops: Vec<_> = ops.iter().map(|op| (op.action.as_str(), op.path.as_str())).collect();
    assert_eq!(ops, [("create", CREATED), ("update", UPDATED), ("delete", DELETED)]);
}
