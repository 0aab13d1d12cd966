//! `carwalk firehose`: messages of an account's first four commits, in all formats.

mod broken;
mod exit_codes;
mod formats;
mod json;
mod keys;
mod state;
mod streaming;

use carwalk::cid::Cid;
use carwalk::sync::{Operation, diff_blocks, ops};
use carwalk::{Repo, Tree};
use carwalk_testkit::cbor::Value;
use carwalk_testkit::commit::DID;
use carwalk_testkit::repo::{self, Order, Record};
use carwalk_testkit::signing::SigningKey;
use carwalk_testkit::varint;
use data_encoding::BASE64_NOPAD;
use serde_json::{Value as Json, json};

use crate::harness::Run;

/// The revisions of the commits.
const REVS: [&str; 4] = ["3l4zyhoqkb222", "3l4zyhoqkb322", "3l4zyhoqkb422", "3l4zyhoqkb522"];

/// A `#commit` message, from which a test may take something.
#[derive(Clone)]
struct Message {
    seq: u64,
    did: String,
    rev: &'static str,
    since: Option<&'static str>,
    commit: Cid,
    data: Cid,
    prev_data: Option<Cid>,
    blocks: Vec<u8>,
    ops: Vec<Operation<'static>>,
}

fn key() -> SigningKey {
    SigningKey::k256(&[1; 32])
}

/// The account's repository after a commit: 20 records, one more, one changed, one less.
fn car(commit: usize, did: &str) -> Vec<u8> {
    let path = |number: usize| format!("com.example.test/{number:03}").into_bytes();
    let mut paths: Vec<_> = (0..20).map(path).collect();
    if commit >= 1 {
        paths.push(b"com.example.test/005a".to_vec());
    }
    if commit >= 3 {
        paths.remove(9);
    }
    let record = |path: Vec<u8>| {
        let is_changed = commit >= 2 && path.ends_with(b"/011");
        let text: &[u8] = if is_changed { b"changed" } else { &path };
        let record = Record::sample(text);
        (path, record)
    };
    let mut repo = repo::Repo::new(paths.into_iter().map(record));
    repo.commit = repo.commit.set("did", Value::text(did)).set("rev", Value::text(REVS[commit]));
    repo.sign(&key());
    repo.to_bytes(Order::Preorder)
}

/// The message of a commit of an account.
fn message_of(commit: usize, did: &str) -> Message {
    let (new, old) = (car(commit, did), car(commit.saturating_sub(1), did));
    let (new, old) = (Repo::from_slice(&new).unwrap(), Repo::from_slice(&old).unwrap());
    let empty = "bafyreie5737gdxlw5i64vzichcalba3z2v5n6icifvx5xytvske7mr3hpm".parse().unwrap();
    let mut blocks = Vec::new();
    let ops = if commit == 0 {
        let none = Tree::new(old.store(), empty);
        diff_blocks(&none, &new, &mut blocks).unwrap();
        ops(&none, new.tree())
    } else {
        diff_blocks(old.tree(), &new, &mut blocks).unwrap();
        ops(old.tree(), new.tree())
    };
    Message {
        seq: commit as u64 + 100,
        did: did.to_owned(),
        rev: REVS[commit],
        since: (commit > 0).then(|| REVS[commit - 1]),
        commit: new.commit().cid(),
        data: new.commit().data(),
        prev_data: (commit > 0).then(|| old.commit().data()),
        blocks,
        ops: ops.unwrap(),
    }
}

/// The message of a commit.
fn message(commit: usize) -> Message {
    message_of(commit, DID)
}

fn link(cid: Option<Cid>) -> Value {
    cid.map_or(Value::Null, |cid| Value::link_bytes(cid.as_bytes()))
}

fn json_link(cid: Option<Cid>) -> Json {
    cid.map_or(Json::Null, |cid| json!({ "$link": cid.to_string() }))
}

/// A frame of a header and a body.
fn frame(type_name: &str, body: &Value) -> Vec<u8> {
    let header = Value::map([("t", Value::text(type_name)), ("op", Value::Int(1))]);
    [header.encode(), body.encode()].concat()
}

/// A frame that is not checked.
fn identity(seq: u64) -> Vec<u8> {
    let fields = [("seq", Value::Uint(seq)), ("did", Value::text(DID))];
    frame("#identity", &Value::map_sorted(fields))
}

impl Message {
    fn frame(&self) -> Vec<u8> {
        let ops = self.ops.iter().map(|op| {
            let fields = [
                ("cid", link(op.cid)),
                ("path", Value::text(&*op.path)),
                ("action", Value::text(op.action.name())),
            ];
            let prev = op.prev.map(|prev| ("prev", link(Some(prev))));
            Value::map_sorted(fields.into_iter().chain(prev))
        });
        let fields = [
            ("seq", Value::Uint(self.seq)),
            ("repo", Value::text(&self.did)),
            ("rev", Value::text(self.rev)),
            ("since", self.since.map_or(Value::Null, Value::text)),
            ("commit", link(Some(self.commit))),
            ("blocks", Value::Bytes(self.blocks.clone())),
            ("ops", Value::Array(ops.collect())),
            ("blobs", Value::Array(Vec::new())),
            ("rebase", Value::Bool(false)),
            ("tooBig", Value::Bool(false)),
            ("time", Value::text("2024-10-06T20:40:00.000Z")),
        ];
        let prev_data = self.prev_data.map(|cid| ("prevData", link(Some(cid))));
        frame("#commit", &Value::map_sorted(fields.into_iter().chain(prev_data)))
    }

    fn body(&self) -> Json {
        let ops = self.ops.iter().map(|op| {
            json!({ "action": op.action.name(), "path": op.path, "cid": json_link(op.cid),
                "prev": json_link(op.prev) })
        });
        json!({ "seq": self.seq, "repo": self.did, "rev": self.rev, "since": self.since,
            "commit": json_link(Some(self.commit)), "prevData": json_link(self.prev_data),
            "blocks": { "$bytes": BASE64_NOPAD.encode(&self.blocks) },
            "ops": ops.collect::<Vec<_>>(), "blobs": [], "tooBig": false })
    }

    /// The line of a valid message.
    fn valid_line(&self) -> String {
        format!("{}\t{}\t{}\tvalid\t-\n", self.seq, self.did, self.rev)
    }
}

/// A `#sync` message of a commit: the CAR has the commit only.
fn sync_body(commit: usize) -> Vec<(&'static str, Value)> {
    let car = car(commit, DID);
    let mut blocks = Vec::new();
    Repo::from_slice(&car).unwrap().prove().write(&mut blocks).unwrap();
    vec![
        ("seq", Value::Uint(200)),
        ("did", Value::text(DID)),
        ("rev", Value::text(REVS[commit])),
        ("blocks", Value::Bytes(blocks)),
    ]
}

/// Frames one after the other, each behind its length.
fn varints<F: AsRef<[u8]>>(frames: impl IntoIterator<Item = F>) -> Vec<u8> {
    let framed = frames.into_iter().flat_map(|frame| {
        let frame = frame.as_ref();
        [varint::encode(frame.len() as u64), frame.to_vec()].concat()
    });
    framed.collect()
}

/// The counts on stderr, of those verdicts that occur.
#[track_caller]
fn counts(run: &Run) -> Vec<(String, u64)> {
    let line = run.stderr.lines().last().unwrap();
    let counts: Vec<_> = line.split(", ").map(|count| count.split_once(' ').unwrap()).collect();
    let names: Vec<_> = counts.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["valid", "invalid", "unverifiable", "out_of_sync", "stale", "passed"]);
    let counts = counts.into_iter().map(|(name, count)| (name.to_owned(), count.parse().unwrap()));
    counts.filter(|(_, count)| *count > 0).collect()
}

/// The verdict and the rule, if there is one, of each line.
fn verdicts(run: &Run) -> Vec<String> {
    let lines = run.stdout.lines();
    lines
        .map(|line| {
            let columns: Vec<_> = line.split('\t').collect();
            let [_, _, _, verdict, reason] = columns[..] else { panic!("{line}") };
            match reason.split_once(": ") {
                Some((rule, _)) => format!("{verdict} {rule}"),
                // A sentence, or none.
                None => verdict.to_owned(),
            }
        })
        .collect()
}
