//! What `get` prints of odd records: notes on stderr, JSON on stdout.

use crate::harness::{Run, run_bytes};
use carwalk_testkit::cbor::Value;
use carwalk_testkit::repo::{Order, Record, Repo};

const PATH: &str = "com.example.test/self";

fn get(option: &str, record: Record) -> Run<Vec<u8>> {
    let repo = Repo::new([(PATH.as_bytes().to_vec(), record)]);
    run_bytes(["get", option, "-", PATH], &repo.to_bytes(Order::Preorder))
}

#[test]
fn odd_records_are_printed_with_notes() {
    let sound = Value::map([("v", Value::Uint(1))]).encode();
    let run = get("--compact", Record::new(sound));
    assert_eq!(
        (run.code, run.stdout.as_slice(), run.stderr.as_str()),
        (Some(0), &b"{\"v\":1}\n"[..], "")
    );

    let odd = Value::map([("v", Value::Array(vec![Value::F64(1.5), Value::Raw(vec![0xf7])]))]);
    let record = [odd.encode(), vec![0, 0]].concat();
    let run = get("--compact", Record::new(record.clone()));
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(run.stdout, b"{\"v\":[1.5,{\"$cbor\":\"9w\"}]}\n");
    assert_eq!(
        run.stderr,
        "odd record: byte 4 (v[0]): float 1.5, which the data model does not have\n\
         odd record: byte 13 (v[1]): undefined, which the data model does not have\n\
         odd record: byte 14: 2 bytes after the end of the record\n"
    );
    let run = get("--raw", Record::new(record.clone()));
    assert_eq!((run.code, run.stdout, run.stderr.as_str()), (Some(0), record, ""));
}

#[test]
fn names_of_members_do_nothing_to_a_terminal() {
    let record = Value::map([("\u{1b}[31m", Value::Raw(vec![0xf7]))]).encode();
    let run = get("--compact", Record::new(record));
    assert_eq!(
        run.stderr,
        "odd record: byte 7 ([\"\\u{1b}[31m\"]): undefined, which the data model does not have\n"
    );
}

#[track_caller]
fn refused(bytes: Vec<u8>, notes: &str, reason: &str) {
    let record = Record::new(bytes);
    let message =
        format!("the record {} cannot be printed as JSON: {reason} (see --raw)\n", record.cid);
    let run = get("--compact", record.clone());
    assert_eq!((run.code, run.stdout.as_slice()), (Some(3), &b""[..]), "{run:?}");
    assert_eq!(run.stderr, format!("{notes}error: standard input: {message}"));
    assert_eq!(get("--raw", record.clone()).stdout, record.bytes);
}

#[test]
fn what_is_no_cbor_is_refused() {
    refused(vec![0xa1], "", "byte 1: the record ends inside the item that begins here");
    refused(
        vec![0x81, 0xff],
        "odd record: byte 0: the record is not a map\n",
        "byte 1: this byte cannot begin a CBOR item here",
    );
    let deep = [b"\xa1\x61v".as_slice(), &[0x81; 600_000]].concat();
    refused(deep, "", "byte 102: nesting exceeds the limit of 100");
}

#[test]
fn raw_blocks_are_not_taken_for_cbor() {
    let record = Record::raw(vec![0xa0]);
    let run = get("--compact", record.clone());
    assert_eq!((run.code, run.stdout.as_slice()), (Some(3), &b""[..]));
    assert!(
        run.stderr
            .ends_with(&format!("the record {} is raw bytes, not CBOR (see --raw)\n", record.cid)),
        "{run:?}"
    );
    assert_eq!(get("--raw", record).stdout, [0xa0]);
}

#[test]
fn many_oddities_are_counted() {
    let record = Value::map([("v", Value::Array(vec![Value::F64(1.0); 50]))]).encode();
    let run = get("--compact", Record::new(record));
    let lines: Vec<_> = run.stderr.lines().collect();
    assert_eq!((run.code, lines.len(), lines[20]), (Some(0), 21, "odd record: and 30 more"));
}
