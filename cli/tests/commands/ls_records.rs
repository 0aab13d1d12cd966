//! `carwalk ls --records`: lines of JSON with the records themselves, and records that have none.

use carwalk_testkit::cbor::Value;
use carwalk_testkit::repo::{Order, Record, Repo};
use serde_json::json;

use crate::harness::{each_way, run_on};

const PATHS: [&str; 5] =
    ["com.example.a/1", "com.example.a/2", "com.example.a/3", "com.example.a/4", "com.example.b/1"];

fn sound(number: u64) -> Record {
    Record::new(Value::map([("v", Value::Array(vec![Value::Uint(number), Value::Null]))]).encode())
}

fn repo<const N: usize>(records: [Record; N]) -> Repo {
    Repo::new(PATHS.iter().map(|path| path.as_bytes().to_vec()).zip(records))
}

#[test]
fn lines_are_those_of_json_with_the_record() {
    let records = [sound(1), sound(2), sound(3), sound(4), sound(5)];
    let car = repo(records).to_bytes(Order::Pds);
    for (options, without) in [
        (&["ls", "--records"][..], &["ls", "--json"][..]),
        (&["ls", "--records", "-l"], &["ls", "--json", "-l"]),
    ] {
        let mut expected = run_on(without, &car).json();
        for (line, number) in expected.iter_mut().zip(1..) {
            line["record"] = json!({ "v": [number, null] });
        }
        let run = each_way(options, &car);
        assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
        // The record is the last field, and each object is one line.
        assert!(run.stdout.lines().all(|line| line.ends_with(",null]}}")), "{}", run.stdout);
        assert_eq!(run.json(), expected);
    }
    let range = ["ls", "--records", "--json", "--collection=com.example.b"];
    let lines = run_on(range, &car).json();
    assert_eq!((lines.len(), &lines[0]["record"]), (1, &json!({ "v": [5, null] })));
}

#[test]
fn records_that_json_has_no_form_for_are_wrapped() {
    let odd = Record::new(Value::map([("v", Value::Raw(vec![0xf7]))]).encode());
    let run = each_way(&["ls", "--records"], &repo([odd]).to_bytes(Order::Pds));
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
    assert_eq!(run.json()[0]["record"], json!({ "v": { "$cbor": "9w" } }));
}

#[test]
fn records_without_json_are_null_and_named() {
    let cut = Record::new(vec![0xa1]);
    let raw = Record::raw(vec![0xa0]);
    let deep = Record::new([b"\xa1\x61v".as_slice(), &[0x81; 600_000]].concat());
    let notes = [
        format!(
            "unreadable record {}: byte 1: the record ends inside the item that begins here, key \
             \"com.example.a/2\"\n",
            cut.cid
        ),
        format!("unreadable record {}: raw bytes, not CBOR, key \"com.example.a/3\"\n", raw.cid),
        format!(
            "unreadable record {}: byte 102: nesting exceeds the limit of 100, key \
             \"com.example.a/4\"\n",
            deep.cid
        ),
        "error: standard input: 3 records cannot be read as CBOR (see `carwalk get --raw`)\n"
            .to_owned(),
    ];
    let car = repo([sound(1), cut, raw, deep, sound(5)]).to_bytes(Order::Preorder);
    for args in [&["ls", "--records"][..], &["ls", "--records", "--partial"]] {
        let run = each_way(args, &car);
        assert_eq!(run.stderr, notes.concat());
        let records: Vec<_> = run.json_and(3).iter().map(|line| line["record"].clone()).collect();
        let [first, last] = [json!({ "v": [1, null] }), json!({ "v": [5, null] })];
        assert_eq!(records, [first, json!(null), json!(null), json!(null), last]);
    }
    // Without the records themselves, nothing is wrong.
    assert_eq!(run_on(["ls", "--json"], &car).quiet_success().lines().count(), 5);
}

#[test]
fn invalid_paths_are_named_beside_unreadable_records() {
    let records = [("com.example.a/1", Record::new(vec![0xa1])), ("no path", sound(2))];
    let repo = Repo::new(records.map(|(path, record)| (path.as_bytes().to_vec(), record)));
    let run = each_way(&["ls", "--records"], &repo.to_bytes(Order::Pds));
    assert_eq!((run.code, run.stdout.lines().count()), (Some(3), 1));
    assert!(
        run.stderr.ends_with(
            "error: standard input: 1 key is not a repo path, 1 record cannot be read as CBOR \
             (see `carwalk get --raw`)\n"
        ),
        "{}",
        run.stderr
    );
}

#[test]
fn missing_records_are_null_in_a_partial_listing_and_end_another() {
    let repo = repo([sound(1), sound(2)]);
    let mut car = repo.to_car(Order::Preorder);
    car.remove(&repo.entries()[1].1);
    let car = car.to_bytes();
    let run = run_on(["ls", "--records", "--partial"], &car);
    assert_eq!(run.stderr, "missing records: 1\n");
    let lines = run.json();
    assert_eq!((&lines[1]["record"], &lines[1]["present"]), (&json!(null), &json!(false)));
    let run = run_on(["ls", "--records"], &car);
    assert_eq!(run.stdout.lines().count(), 1);
    run.one_error(4);
}
