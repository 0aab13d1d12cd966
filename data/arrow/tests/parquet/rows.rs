//! The rows are those of the export as JSON Lines.

use arrow_array::cast::AsArray;
use carwalk_testkit::cbor::Value as Cbor;
use carwalk_testkit::repo::{Order, Record, Repo};
use serde_json::{Value, json};

use crate::tools::{ALL, DEFAULT, Folder, car, expected, export, lines, read, rows, run};

#[test]
fn rows_are_those_of_json_lines() {
    let folder = Folder::new();
    let network = folder.network(30);
    let expected = expected(&[&network], ALL);
    assert!(expected.len() > 500);
    for jobs in ["-j1", "-j2", "-j5"] {
        assert!(rows(export(&[&network, jobs, "--columns", ALL])) == expected, "{jobs}");
    }
    let out = folder.name("rows.parquet");
    assert_eq!(export(&[&network, "--columns", ALL, "-o", &out]), b"");
    assert!(rows(std::fs::read(out).unwrap()) == expected);
}

#[test]
fn records_are_the_same_texts() {
    let folder = Folder::new();
    let network = folder.network(3);
    let lines = lines(&[&network], DEFAULT);
    let (batches, _) = read(export(&[&network]));
    let records: Vec<_> = batches
        .iter()
        .flat_map(|batch| {
            batch["record"].as_string::<i32>().iter().map(|text| text.map(str::to_owned))
        })
        .collect();
    assert_eq!(records.len(), lines.len());
    for (record, line) in records.iter().zip(&lines) {
        let end = format!("\"record\":{}}}", record.as_ref().unwrap());
        assert!(line.ends_with(&end), "{line}");
    }
}

/// A repository with records of every kind.
fn odd() -> Vec<u8> {
    let record = |time: &str, subject: Cbor| {
        let members = [("subject", subject), ("createdAt", Cbor::text(time))];
        Record::new(Cbor::map(members).encode())
    };
    let uri = Cbor::map([("uri", Cbor::text("at://x")), ("cid", Cbor::text("c"))]);
    Repo::new([
        (b"a.b.c/0".to_vec(), record("0000-01-01T00:00:00Z", Cbor::text(""))),
        (b"a.b.c/1".to_vec(), record("0001-01-01T00:00:00Z", Cbor::text("did:web:\0\u{1f600}"))),
        (b"a.b.c/2".to_vec(), record("9999-12-31T23:59:59.9999999Z", uri)),
        (b"a.b.c/3l4nm7hmk2222".to_vec(), record("2026-01-02T03:04:05Z", Cbor::Null)),
        (b"a.b.c/4".to_vec(), Record::raw(b"raw".to_vec())),
        (b"a.b.c/5".to_vec(), Record::new(b"\xff".to_vec())),
        (b"a.b.c/6".to_vec(), Record::new(vec![0xf9, 0x7e, 0x00])),
        (b"noslash".to_vec(), record("2026-01-02T03:04:05Z", Cbor::Null)),
        (b"posts/..".to_vec(), record("2026-01-02T03:04:05Z", Cbor::Null)),
    ])
    .to_bytes(Order::Pds)
}

#[test]
fn odd_records_have_nulls() {
    let folder = Folder::new();
    let file = folder.write("a.car", &odd());
    let expected = expected(&[&file], ALL);
    let run = run(&[&file, "--columns", ALL]);
    assert_eq!(run.code, Some(3), "{}", run.stderr);
    let note = format!("{file}: 2 paths are invalid, the first: ");
    assert!(run.stderr.starts_with(&note), "{}", run.stderr);
    assert!(run.stderr.ends_with("\n1 input: 1 done, 0 skipped, 0 failed; 8 records\n"));
    let found = rows(run.stdout);
    assert_eq!(found, expected);
    let column = |name: &str| found.iter().map(|row| row[name].clone()).collect::<Vec<_>>();
    assert_eq!(column("created_at")[..2], [Value::Null, json!("0001-01-01T00:00:00.000000Z")]);
    assert_eq!(
        column("subject")[..3],
        [Value::Null, json!("did:web:\0\u{1f600}"), json!("at://x")]
    );
    assert_eq!(column("time")[3], json!("2024-09-21T08:00:00.000000Z"));
    assert_eq!(column("record")[4..6], [Value::Null, Value::Null]);
    assert_eq!(column("record")[6], json!({"$cbor": "+X4A"}));
    assert_eq!(column("record_cbor")[4..6], [json!("cmF3"), json!("/w")]);
}

#[test]
fn any_column_is_a_file_of_its_own() {
    let folder = Folder::new();
    let file = folder.write("a.car", &odd());
    for column in ALL.split(',') {
        let run = run(&[&file, "--columns", column]);
        assert_eq!(run.code, Some(3), "{}", run.stderr);
        assert_eq!(rows(run.stdout), expected(&[&file], column), "{column}");
    }
}

#[test]
fn without_rows_it_is_a_file_with_the_columns() {
    let folder = Folder::new();
    let file = folder.write("a.car", &car(["a.b.c/1"]));
    for (args, code) in [(&[&file, "--collection=x.y.z"][..], 0), (&["no/such.car"], 5)] {
        for jobs in ["-j1", "-j2"] {
            let run = run(&[args, &[jobs]].concat());
            assert_eq!(run.code, Some(code), "{}", run.stderr);
            let (batches, metadata) = read(run.stdout);
            assert!(batches.is_empty());
            assert_eq!(metadata.num_row_groups(), 0);
            let schema = metadata.file_metadata().schema_descr();
            let names: Vec<_> = schema.columns().iter().map(|column| column.name()).collect();
            assert_eq!(names.join(","), DEFAULT);
        }
    }
}

#[test]
fn rows_of_an_input_are_all_there_or_none() {
    let folder = Folder::new();
    let good = car(["a.b.c/1", "a.b.c/2"]);
    let mut partial = Repo::sample(["a.b.c/1", "a.b.c/2"]).to_car(Order::Preorder);
    partial.sections.pop();
    let inputs = [
        folder.write("a.car", &good),
        folder.write("b.car", &partial.to_bytes()),
        folder.write("c.car", &good[..good.len() - 1]),
        folder.write("d.car", &good),
    ];
    let inputs: Vec<_> = inputs.iter().map(String::as_str).collect();
    let run = run(&inputs);
    assert_eq!(run.code, Some(4), "{}", run.stderr);
    assert!(run.stderr.ends_with("4 inputs: 2 done, 0 skipped, 2 failed; 4 records\n"));
    let both = expected(&[inputs[0], inputs[3]], DEFAULT);
    assert_eq!(rows(run.stdout), both);
}
