//! `carwalk inspect`: its lines, its JSON, and what it counts of damaged CARs.

use crate::compressed::gzip;
use crate::harness::{each_way, run_on};
use carwalk_testkit::breakage::sample;
use carwalk_testkit::cbor::Value;
use carwalk_testkit::cid::Cid;
use carwalk_testkit::commit::{Commit, DID, REV};
use carwalk_testkit::repo::{Order, Record, Repo};
use serde_json::{Value as Json, json};

fn inspect(car: &[u8]) -> Json {
    let run = run_on(["inspect", "--json"], car);
    assert_eq!(run.stderr, "");
    run.json().remove(0)
}

#[test]
fn first_lines_are_those_of_the_field() {
    let mut repo = sample();
    let lines = |repo: &Repo| run_on(["inspect"], &repo.to_bytes(Order::Pds)).quiet_success();
    let data = repo.root.cid();
    let expected = format!(
        "ATProto Repo Spec Version: 3\nDID: {DID}\nData CID: {data}\nPrev CID: <nil>\nRevision: {REV}\nCommit CID: {}\n",
        repo.commit_cid()
    );
    assert!(lines(&repo).starts_with(&expected), "{}", lines(&repo));
    let prev = Cid::dag_cbor(b"the commit before");
    repo.commit = Commit::default().set("prev", Value::Link(prev));
    assert!(lines(&repo).contains(&format!("\nPrev CID: {prev}\n")));
}

#[test]
fn counts_are_those_of_the_repository() {
    let paths = ["com.example.b/1", "com.example.a.c/1", "com.example.a/1", "com.example.a/2"];
    let repo = Repo::sample(paths);
    let mut car = repo.to_car(Order::Preorder);
    car.push_block(b"\xf6");
    car.sections.push(car.sections[0].clone());
    let bytes = car.to_bytes();
    let summary = inspect(&bytes);
    let nodes = repo.root.blocks().len();
    let record_bytes: usize = repo.records.values().map(|record| record.bytes.len()).sum();
    let expected = json!({
        "version": 3, "did": DID, "commit": repo.commit_cid().to_string(), "data": repo.root.cid().to_string(),
        "prev": null, "rev": REV, "rev_date": "2024-09-26T06:11:17.669104Z", "bytes": bytes.len(), "roots": 1, "sections": nodes + 7,
        "distinct_blocks": nodes + 6, "fault": null, "repeated_blocks": 1, "unreached_blocks": 1, "height": summary["height"],
        "nodes": nodes, "missing_nodes": 0, "bad_subtrees": 0, "records": 4, "record_bytes": record_bytes,
        "missing_records": 0, "bad_records": 0, "invalid_paths": 0,
        "collections": { "com.example.a": 2, "com.example.a.c": 1, "com.example.b": 1 }, "block_order": "pre-order",
    });
    assert_eq!(summary, expected);
    let text = run_on(["inspect"], &bytes).quiet_success();
    assert!(
        text.ends_with(
            "Collections: 3\n  com.example.a: 2\n  com.example.a.c: 1\n  com.example.b: 1\n"
        ),
        "{text}"
    );
    assert!(!text.contains("Missing"), "{text}");
}

/// Each name is nearly as long as a key may be, and takes some bytes of the CAR.
#[test]
fn collections_without_end_are_told_up_to_a_number() {
    let record = Record::new(b"\xa0".to_vec());
    let collection = |number: u32| format!("{}{number:06}", "a".repeat(900));
    let keys = (0..11_000)
        .flat_map(|number| [1, 2].map(|key| format!("{}/{key}", collection(number)).into_bytes()));
    let repo = Repo::new(keys.map(|key| (key, record.clone())));
    let bytes = repo.to_bytes(Order::Preorder);
    let summary = inspect(&bytes);
    assert_eq!((&summary["records"], &summary["more_collections"]), (&json!(22_000), &json!(1000)));
    let told = summary["collections"].as_object().unwrap();
    assert_eq!(told.len(), 10_000);
    assert!(told.values().all(|count| *count == 2) && told.contains_key(&collection(9999)));
    let text = run_on(["inspect"], &bytes).quiet_success();
    assert!(text.contains("\nCollections: 11000\n") && text.ends_with("\n  and 1000 more\n"));
}

#[test]
fn partial_trees_are_counted_as_far_as_they_are_there() {
    let repo = sample();
    let mut car = repo.to_car(Order::Preorder);
    let records = repo.entries();
    car.remove(&records[4].1);
    car.remove(&records[7].1);
    let summary = inspect(&car.to_bytes());
    assert_eq!((&summary["records"], &summary["missing_records"]), (&json!(9), &json!(2)));
    assert_eq!(
        (&summary["unreached_blocks"], &summary["block_order"]),
        (&json!(0), &json!("pre-order"))
    );

    car.remove(&repo.root.cid());
    let summary = inspect(&car.to_bytes());
    assert_eq!((&summary["height"], &summary["missing_nodes"]), (&json!(null), &json!(1)));
    assert_eq!(summary["unreached_blocks"], json!(car.sections.len() - 1));
    let text = run_on(["inspect"], &car.to_bytes()).quiet_success();
    assert!(
        text.contains("\nTree Height: unknown\n") && text.contains("\nMissing Nodes: 1\n"),
        "{text}"
    );
}

#[test]
fn damage_is_counted() {
    let repo = sample();
    let mut car = repo.to_car(Order::Preorder);
    for cid in [repo.root.blocks()[3].0, repo.entries()[10].1] {
        let index = car.index_of(&cid);
        *car.sections[index].data.last_mut().unwrap() ^= 1;
    }
    let text = run_on(["inspect"], &car.to_bytes()).quiet_success();
    assert!(text.contains("\nBad Subtrees: 1\nBad Records: 1\n"), "{text}");
}

#[test]
fn the_fault_of_a_damaged_car_is_explained() {
    let car = sample().to_bytes(Order::Preorder);
    let (len, packed) = (car.len(), gzip(&car));
    let mut mismatch = packed.clone();
    mismatch[packed.len() - 8] ^= 1;
    let tail = &packed[packed.len() - 8..];
    let after = format!("gzip data after {len} decompressed bytes: ");
    let cases = [
        (
            [&car[..], &[0; 512]].concat(),
            format!(
                "section at byte {len}: padding of 512 zero bytes at the end is not part of the CAR; \
                 `head -c {len}` removes it"
            ),
        ),
        (mismatch, format!("{after}it is damaged: download it again as binary")),
        (
            packed[..packed.len() - tail.len()].to_vec(),
            format!(
                "{after}the input ends in the middle: {} compressed bytes are there; the download \
                 was probably cut",
                packed.len() - tail.len()
            ),
        ),
    ];
    for (bytes, fault) in cases {
        let run = each_way(&["inspect"], &bytes);
        assert_eq!((run.code, run.stderr), (Some(0), format!("damaged from here on: {fault}\n")));
        let line = format!("\nDamaged From Here On: {fault}\n");
        assert!(run.stdout.contains(&line), "{}", run.stdout);
        let object = each_way(&["inspect", "--json"], &bytes).json().remove(0);
        assert_eq!(object["fault"], json!(fault));
        assert_eq!(object["records"], json!(11));
    }
}
