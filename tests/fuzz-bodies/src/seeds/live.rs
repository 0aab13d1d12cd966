//! Seeds of the targets for messages of the live stream.

use carwalk_testkit::cbor::Value;
use carwalk_testkit::commit::DID;
use carwalk_testkit::message::{
    AccountMessage, Batch, IdentityMessage, Records, frame, header, named_frame,
};
use carwalk_testkit::repo::Record;

use super::{Seed, add};

pub(super) fn messages(seeds: &mut Vec<Seed>) {
    frames(seeds);
    falsified(seeds);
}

fn frames(seeds: &mut Vec<Seed>) {
    let records = |paths: &[&str]| -> Records {
        paths
            .iter()
            .map(|path| (path.as_bytes().to_vec(), Record::sample(path.as_bytes())))
            .collect()
    };
    let (one, two) = ("com.example.test/one", "com.example.test/two");
    let changed = || Record::new(b"\xa0".to_vec());
    let mut updated = records(&[one, two]);
    updated.insert(one.into(), changed());
    for (name, old, new) in [
        ("first_commit", records(&[]), records(&[one])),
        ("create", records(&[one]), records(&[one, two])),
        ("update", records(&[one, two]), updated),
        ("delete", records(&[one, two]), records(&[two])),
        ("all_deleted", records(&[one]), records(&[])),
    ] {
        let batch = Batch::between(old, new);
        add(seeds, "frame", name, batch.message().frame());
        if name == "create" {
            add(seeds, "frame", "sync", batch.sync_message().frame());
            let bytes = batch.message().frame();
            add(seeds, "frame", "cut", &bytes[..bytes.len() - 1]);
        }
    }
    let identity = IdentityMessage { seq: 1, did: DID.into(), handle: Some("a.example".into()) };
    let account =
        AccountMessage { seq: 2, did: DID.into(), active: false, status: Some("deleted".into()) };
    add(seeds, "frame", "identity", identity.frame());
    add(seeds, "frame", "account", account.frame());
    add(seeds, "frame", "info", named_frame("name", "OutdatedCursor", Some("too old")));
    add(seeds, "frame", "error", named_frame("error", "FutureCursor", None));
    let body = Value::map([("labels", Value::Array(vec![Value::F64(0.5)]))]);
    add(seeds, "frame", "other_type", frame(&header("#labels"), &body));
    add(seeds, "frame", "other_kind", frame(&Value::map([("op", Value::Int(-7))]), &Value::Null));
}

/// The choices of records before: each a key of the pool and a value.
fn old(keys: &[u8]) -> Vec<u8> {
    let records = keys.iter().flat_map(|&key| [2, key, key]);
    [keys.len() as u8].into_iter().chain(records).collect()
}

fn falsified(seeds: &mut Vec<Seed>) {
    // Keys of the layers 0, 0, 1, 2, 3 and 0.
    let old = old(&[3, 9, 125, 190, 220, 44]);
    // Each is the number of a key before, or one more for a new key, and what becomes of it.
    let update = [0, 1, 1, 1, 99];
    let delete = [0, 1, 2, 0];
    let create = [0, 1, 6, 2, 60, 7];
    let mixed = [0, 3, 1, 1, 99, 2, 0, 6, 2, 60, 7];
    let with = |changes: &[u8], after: &[u8]| [&old, changes, after].concat();
    add(seeds, "falsified_commit", "honest_update", with(&update, &[0, 1, 0]));
    add(seeds, "falsified_commit", "honest_delete", with(&delete, &[0, 0, 0]));
    add(seeds, "falsified_commit", "honest_create", with(&create, &[0, 0, 0]));
    add(seeds, "falsified_commit", "honest_mixed", with(&mixed, &[0, 1, 0, 1, 0]));
    add(seeds, "falsified_commit", "all_deleted", with(&[7, 0], &[0, 0, 0]));
    add(seeds, "falsified_commit", "first_commit", [0, 0, 2, 0, 2, 60, 7, 0, 2, 9, 1, 0, 0, 0]);
    add(seeds, "falsified_commit", "hidden_nodes", with(&mixed, &[0, 1, 0, 1, 0, 2, 1, 3]));
    for place in 0..4 {
        let forged = with(&create, &[3, place, 0, 1, 0, 1, 2]);
        add(seeds, "falsified_commit", &format!("subtree_moved_{place}"), forged);
    }
    for fact in 0..13 {
        let name = format!("false_fact_{fact}");
        add(seeds, "falsified_commit", &name, with(&mixed, &[0, 0, 1, fact, 1, 2, 3, 4]));
    }
    add(
        seeds,
        "falsified_commit",
        "three_false_facts",
        with(&mixed, &[0, 1, 3, 1, 0, 3, 2, 1, 5, 1, 2, 0, 1]),
    );
}
