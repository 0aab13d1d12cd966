//! `carwalk blobs`: references of both forms, each CID once, and records that cannot be read.

use carwalk_testkit::cbor::Value;
use carwalk_testkit::cid::Cid;
use carwalk_testkit::repo::{Order, Record, Repo};
use serde_json::json;

use crate::escape::is_harmful;
use crate::harness::{Run, each_way, long_array, repeated, repeated_paths, run, run_on};

/// The texts of three CIDs: in base32 the digits stand after the letters, in ASCII before them.
fn cids() -> Vec<(Cid, String)> {
    let mut cids: Vec<_> = (0..3_u8).map(|number| Cid::raw(&[number])).collect();
    cids.sort_by_key(Cid::to_string);
    cids.into_iter().map(|cid| (cid, cid.to_string())).collect()
}

fn blob(cid: Cid, mime_type: &str, size: Option<u64>) -> Value {
    let mut members = vec![
        ("ref", Value::Link(cid)),
        ("$type", Value::text("blob")),
        ("mimeType", Value::text(mime_type)),
    ];
    members.extend(size.map(|size| ("size", Value::Uint(size))));
    Value::map_sorted(members)
}

fn legacy(cid: &str, mime_type: &str) -> Value {
    Value::map([("cid", Value::text(cid)), ("mimeType", Value::text(mime_type))])
}

fn record(items: Vec<Value>) -> Record {
    Record::new(Value::map([("v", Value::Array(items))]).encode())
}

fn car<const N: usize>(records: [(&str, Record); N]) -> Vec<u8> {
    let records = records.map(|(path, record)| (path.as_bytes().to_vec(), record));
    Repo::new(records).to_bytes(Order::Preorder)
}

/// Three records: two references, none, and two.
fn sample() -> Vec<u8> {
    let cids = cids();
    car([
        (
            "com.example.a/1",
            record(vec![blob(cids[2].0, "image/png", Some(7)), legacy(&cids[0].1, "a/b")]),
        ),
        ("com.example.a/2", record(vec![])),
        (
            "com.example.b/1",
            record(vec![blob(cids[1].0, "", None), blob(cids[2].0, "video/mp4", Some(7))]),
        ),
    ])
}

#[test]
fn one_line_for_each_reference_in_key_order() {
    let cids = cids();
    let lines = [
        format!("{}\t7\timage/png\tcom.example.a/1\n", cids[2].1),
        format!("{}\t-\ta/b\tcom.example.a/1\n", cids[0].1),
        format!("{}\t-\t\tcom.example.b/1\n", cids[1].1),
        format!("{}\t7\tvideo/mp4\tcom.example.b/1\n", cids[2].1),
    ];
    assert_eq!(each_way(&["blobs"], &sample()).quiet_success(), lines.concat());
    let range = ["blobs", "--collection", "com.example.b"];
    assert_eq!(run_on(range, &sample()).quiet_success(), lines[2..].concat());
    assert_eq!(run_on(["blobs", "--to=com.example.a/2"], &sample()).stdout, lines[..2].concat());
    assert_eq!(run(["blobs", "no/such.car", "--from=b", "--to=a"]).code, Some(2));
}

#[test]
fn each_cid_once_sorted_as_text() {
    let cids = cids();
    let expected: String = cids.iter().map(|(_, text)| format!("{text}\n")).collect();
    assert_eq!(each_way(&["blobs", "--cids"], &sample()).quiet_success(), expected);
    let range = ["blobs", "--cids", "--prefix=com.example.b/"];
    assert_eq!(run_on(range, &sample()).quiet_success(), format!("{}\n{}\n", cids[1].1, cids[2].1));
    assert_eq!(run(["blobs", "--cids", "--json"]).code, Some(2));
}

#[test]
fn json_lines_tell_the_legacy_form_from_a_missing_size() {
    let cids = cids();
    let line = |cid: usize, size: Option<u64>, mime: &str, path: &str, legacy: bool| {
        let cid = &cids[cid].1;
        json!({ "cid": cid, "size": size, "mimeType": mime, "path": path, "legacy": legacy })
    };
    assert_eq!(
        each_way(&["blobs", "--json"], &sample()).json(),
        [
            line(2, Some(7), "image/png", "com.example.a/1", false),
            line(0, None, "a/b", "com.example.a/1", true),
            line(1, None, "", "com.example.b/1", false),
            line(2, Some(7), "video/mp4", "com.example.b/1", false),
        ]
    );
}

#[test]
fn mime_types_do_nothing_to_a_terminal() {
    let mime_type = "a\t\n\u{1b}[31m\u{7f}\u{202e}\u{e0041}é";
    let car = car([("com.example.a/1", record(vec![blob(cids()[0].0, mime_type, Some(1))]))]);
    let text = run_on(["blobs"], &car).quiet_success();
    assert!(
        text.ends_with("\t1\ta\\t\\n\\u{1b}[31m\\u{7f}\\u{202e}\\u{e0041}é\tcom.example.a/1\n")
    );
    let run = run_on(["blobs", "--json"], &car);
    assert!(!run.stdout.trim_end().chars().any(is_harmful), "{run:?}");
    assert_eq!(run.json()[0]["mimeType"], mime_type);
}

#[test]
fn what_is_no_blob_is_not_listed() {
    let cid = cids()[0].1.clone();
    let none = record(vec![
        legacy("no cid", "image/png"),
        Value::map([("cid", Value::text(cid)), ("mimeType", Value::Uint(1))]),
        Value::map([("$type", Value::text("blob")), ("mimeType", Value::text("image/png"))]),
        Value::Link(cids()[0].0),
    ]);
    assert_eq!(run_on(["blobs"], &car([("com.example.a/1", none)])).quiet_success(), "");
}

#[test]
fn what_cannot_be_read_hides_no_other_record() {
    let cid = cids()[0].clone();
    let reference = || blob(cid.0, "a/b", Some(1));
    let cut = {
        let mut bytes = Value::Array(vec![reference(), Value::Uint(1)]).encode();
        bytes.pop();
        Record::new(bytes)
    };
    let (cut_cid, cut_len) = (cut.cid, cut.bytes.len());
    let raw = Record::raw(record(vec![reference()]).bytes);
    let deep = Record::new([b"\xa1\x61v".as_slice(), &[0x81; 600]].concat());
    let car = car([
        ("com.example.a/1", cut),
        ("com.example.a/2", raw.clone()),
        ("com.example.a/3", deep.clone()),
        ("com.example.b/1", record(vec![reference()])),
        ("no path", record(vec![reference(), Value::Null])),
    ]);
    let run = each_way(&["blobs"], &car);
    let line = |path: &str| format!("{}\t1\ta/b\t{path}\n", cid.1);
    // The reference that stands before the end is listed.
    assert_eq!(run.stdout, line("com.example.a/1") + &line("com.example.b/1"));
    assert_eq!(run.code, Some(3));
    let lines: Vec<_> = run.stderr.lines().collect();
    assert_eq!(
        lines[..3],
        [
            format!(
                "unreadable record {cut_cid}: byte {cut_len}: the record ends inside the item that \
                 begins here, key \"com.example.a/1\""
            ),
            format!("unreadable record {}: raw bytes, not CBOR, key \"com.example.a/2\"", raw.cid),
            format!(
                "unreadable record {}: byte 102: nesting exceeds the limit of 100, key \
                 \"com.example.a/3\"",
                deep.cid
            ),
        ]
    );
    assert!(lines[3].starts_with("invalid path: ") && lines[3].ends_with("\"no path\""));
    assert_eq!(
        lines[4..],
        ["error: standard input: 1 key is not a repo path, 3 records cannot be read as CBOR \
          (see `carwalk get --raw`)"]
    );
    let run = run_on(["blobs", "--cids"], &car);
    assert_eq!((run.code, run.stdout), (Some(3), format!("{}\n", cid.1)));
}

#[test]
fn a_missing_record_ends_the_listing() {
    let reference = || vec![blob(cids()[0].0, "a/b", Some(1))];
    let repo = Repo::new([
        (b"com.example.a/1".to_vec(), record(reference())),
        (b"com.example.a/2".to_vec(), record(vec![])),
    ]);
    let mut car = repo.to_car(Order::Preorder);
    car.remove(&repo.entries()[1].1);
    let run = run_on(["blobs"], &car.to_bytes());
    assert_eq!(run.stdout.lines().count(), 1);
    assert!(run.one_error(4).contains("its block is missing"));
    assert_eq!(run_on(["blobs", "--cids"], &car.to_bytes()).stdout, "");
}

#[test]
fn a_long_record_is_listed_at_each_of_its_entries() {
    let reference = blob(cids()[0].0, "image/png", Some(7));
    let cut = |mut record: Record| {
        record.bytes.pop();
        Record::new(record.bytes)
    };
    for long in [
        record(vec![reference.clone(), legacy(&cids()[1].1, "a/b"), long_array()]),
        cut(record(vec![reference, long_array()])),
    ] {
        let [one, all] = [1, 1000].map(|count| repeated(count, &long));
        for args in [&["blobs"][..], &["blobs", "--json"]] {
            let [one, many] = [&one, &all].map(|car| each_way(args, car));
            let Run { code, stdout, .. } = one;
            assert_eq!((many.code, stdout.is_empty()), (code, false));
            let expected =
                repeated_paths(1000).map(|path| stdout.replace("com.example.test/00000", &path));
            assert!(many.stdout == expected.collect::<String>());
        }
        let [one, many] = [&one, &all].map(|car| run_on(["blobs", "--cids"], car));
        assert_eq!((one.code, one.stdout), (many.code, many.stdout));
    }
}

/// So many references are not remembered, but read again.
#[test]
fn a_long_record_with_many_references_is_listed_for_each_entry() {
    let references = (0..5000_u32).map(|number| blob(Cid::raw(&number.to_be_bytes()), "a/b", None));
    let long = record(references.collect());
    let car = car([("com.example.a/1", long.clone()), ("com.example.a/2", long)]);
    let text = each_way(&["blobs"], &car).quiet_success();
    let lines: Vec<_> = text.lines().collect();
    let (first, second) = lines.split_at(5000);
    let moved = first.iter().map(|line| line.replace("a/1", "a/2"));
    assert!(moved.eq(second.iter().copied()));
    let cids = each_way(&["blobs", "--cids"], &car).quiet_success();
    assert_eq!(cids.lines().count(), 5000);
}
