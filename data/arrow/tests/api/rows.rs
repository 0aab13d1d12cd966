//! The rows and values of scans equal those of JSON Lines.

use arrow_schema::{DataType, TimeUnit};
use carwalk::KeyRange;
use carwalk_arrow::{OnFailure, Scan};
use carwalk_batch::columns::{Column, Columns};
use carwalk_batch::staging::Selection;
use carwalk_batch::{Inputs, Settings};
use carwalk_testkit::export::{Export, Order};
use carwalk_testkit::repo::{self, Record, Repo};
use carwalk_testkit::rng::Rng;
use carwalk_testkit::{breakage, cases, cbor, legal, random};

use crate::common::{
    Cell, Folder, as_json_lines, batches, car, count, exported, gzip, number, rows, scan_of, zstd,
};

/// Asserts that scans with any threads and batch sizes have the exported rows.
fn check(inputs: &Inputs, columns: Columns) {
    let expected = exported(inputs, &Selection::new(columns), &Settings::new());
    for (threads, batch_rows) in [(1, 65_536), (1, 7), (4, 65_536), (3, 1)] {
        let scan = Scan::new(inputs.clone())
            .columns(columns)
            .threads(number(threads))
            .batch_rows(number(batch_rows))
            .on_failure(OnFailure::Skip);
        let found = as_json_lines(rows(&scan));
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!(found, expected);
        }
        assert!(batches(&scan).iter().all(|batch| (1..=batch_rows).contains(&batch.num_rows())));
    }
}

/// A record that JSON or a column cannot express as it is.
fn odd_records() -> Vec<Record> {
    let text = |text: &str| cbor::Value::text(text);
    let map = |members: Vec<(&str, cbor::Value)>| Record::new(cbor::Value::map(members).encode());
    vec![
        Record::raw(b"not CBOR".to_vec()),
        Record::raw(cbor::Value::map([("subject", text("a"))]).encode()),
        Record::raw(Vec::new()),
        Record::new(Vec::new()),
        Record::new(vec![0xff]),
        Record::new(cbor::Value::Null.encode()),
        Record::new(cbor::Value::Uint(7).encode()),
        Record::new(vec![0x81; 2_000]),
        Record::new([vec![0x81; 2_000], vec![0]].concat()),
        map(vec![("subject", text("")), ("createdAt", text("now"))]),
        map(vec![
            ("subject", text("a\0\u{202e}\u{1f600}\"\\")),
            ("createdAt", text("1969-01-01T00:00:00Z")),
        ]),
        map(vec![("subject", text("a")), ("subject", text("b")), ("x", cbor::Value::F64(0.1))]),
        map(vec![
            ("b", cbor::Value::Bytes(vec![1, 2, 3])),
            ("t", cbor::Value::Tag(7, Box::new(text("a")))),
        ]),
    ]
}

#[test]
fn the_sample_has_its_rows() {
    let mut inputs = Inputs::new();
    inputs.add("../../samples").unwrap();
    check(&inputs, Columns::ALL);
    check(&inputs, Columns::DEFAULT);
}

#[test]
fn generated_repositories_have_the_rows_of_json_lines() {
    let folder = Folder::new();
    for seed in 0..cases(40) {
        folder.write(&format!("{seed}.car"), &random::repo(seed, 40).car);
    }
    let mut car = Vec::new();
    Export { records: 3_000, seed: 1, order: Order::Pds }.write_to(&mut car).unwrap();
    folder.write("export.car", &car);
    check(&folder.inputs(), Columns::ALL);
}

#[test]
fn odd_records_have_the_values_of_json_lines() {
    let folder = Folder::new();
    let records = odd_records().into_iter().enumerate();
    let records = records.map(|(at, record)| (format!("a.b.c/{at}").into_bytes(), record));
    folder.write("odd.car", &Repo::new(records).to_bytes(repo::Order::Pds));
    for oddity in legal::all() {
        folder.write(&format!("{}.car", oddity.name), &oddity.make());
    }
    check(&folder.inputs(), Columns::ALL);
}

#[test]
fn null_and_empty_values_are_told_apart() {
    let folder = Folder::new();
    let records = [
        (b"a.b.c/1".to_vec(), Record::new(cbor::Value::Null.encode())),
        (b"a.b.c/2".to_vec(), Record::new(Vec::new())),
    ];
    let car = Repo::new(records).to_bytes(repo::Order::Pds);
    let scan = scan_of(&folder, &car).columns("size,record,record_cbor".parse().unwrap());
    let null = Cell::Text("null".to_owned());
    assert_eq!(
        rows(&scan),
        [
            [Cell::Number(1), null, Cell::Bytes(vec![0xf6])],
            [Cell::Number(0), Cell::Null, Cell::Bytes(vec![])],
        ]
    );
}

#[test]
fn invalid_paths_with_two_halves_are_rows_and_others_are_none() {
    let folder = Folder::new();
    let paths = ["a.b.c/1", "noslash", "a/b/c", "notansid/x", "a.b.c/\u{e9}"];
    folder.write("odd.car", &Repo::sample(paths).to_bytes(repo::Order::Pds));
    check(&folder.inputs(), Columns::ALL);
    let scan = folder.scan().columns("collection,rkey".parse().unwrap());
    let text = |text: &str| Cell::Text(text.to_owned());
    let expected = [[text("a.b.c"), text("1")], [text("notansid"), text("x")]];
    assert_eq!(rows(&scan), expected);
    assert!(scan.on_failure(OnFailure::Fail).batches().all(|batch| batch.is_ok()));
}

#[test]
fn compressed_inputs_have_the_same_rows() {
    let (plain, packed) = (Folder::new(), Folder::new());
    for (at, records) in [0, 1, 300].into_iter().enumerate() {
        plain.write(&format!("{at}.car"), &car(records));
        packed.write(&format!("{at}.car.gz"), &gzip(&car(records)));
        packed.write(&format!("{}.car.zst", at + 3), &zstd(&car(records)));
    }
    let expected = rows(&plain.scan());
    assert_eq!(expected.len(), 301);
    let twice = rows(&packed.scan());
    assert_eq!(twice, [&expected[..], &expected].concat());
    check(&packed.inputs(), Columns::ALL);
}

#[test]
fn failed_inputs_have_no_rows_and_the_others_all() {
    let folder = Folder::new();
    for breakage in breakage::all() {
        let case = breakage.make();
        folder.write(&format!("{}-broken.car", breakage.name), &case.broken);
        folder.write(&format!("{}-valid.car", breakage.name), &case.valid);
    }
    check(&folder.inputs(), Columns::ALL);
    check(&folder.inputs(), "rkey,cid".parse().unwrap());
}

#[test]
fn any_columns_and_ranges_have_the_rows_of_json_lines() {
    let folder = Folder::new();
    folder.write("odd.car", &legal::case("record_not_cbor"));
    for seed in 0..20 {
        folder.write(&format!("{seed}.car"), &random::repo(seed, 60).car);
    }
    let inputs = folder.inputs();
    let mut random = Rng::new(22);
    for _ in 0..cases(60) {
        let mut names: Vec<_> = Column::ALL.map(Column::name).into_iter().collect();
        names.retain(|_| random.chance(1, 2));
        let columns: Columns = names.join(",").parse().unwrap_or(Columns::NONE);
        let mut key = || random::path(&mut random);
        let (a, b) = (key(), key());
        let range = KeyRange::from(a.clone().min(b.clone())..a.max(b));
        let selection = Selection::new(columns).range(range.clone());
        let expected = exported(&inputs, &selection, &Settings::new());
        let scan = Scan::new(inputs.clone()).columns(columns).range(range);
        if expected.is_empty() {
            continue;
        }
        let found = as_json_lines(rows(&scan));
        assert_eq!(found, expected, "{columns}");
    }
}

#[test]
fn batches_without_columns_have_a_number_of_rows() {
    let folder = Folder::new();
    for number in 0..4 {
        folder.write(&format!("{number}.car"), &car(25));
    }
    let scan = folder.scan().columns(Columns::NONE).batch_rows(number(40));
    let found = batches(&scan);
    assert!(found.iter().all(|batch| batch.num_columns() == 0));
    let lens: Vec<_> = found.iter().map(|batch| batch.num_rows()).collect();
    assert_eq!(lens, [40, 40, 20]);
    assert_eq!(count(&scan.limit(Some(70))), 70);
}

#[test]
fn records_are_looked_up_only_for_columns_that_need_them() {
    let folder = Folder::new();
    let repo = Repo::sample(["a.b.c/1", "a.b.c/2"]);
    let mut car = repo.to_car(repo::Order::Preorder);
    // Without its last record.
    car.sections.pop();
    let scan = scan_of(&folder, &car.to_bytes());
    for column in Column::ALL {
        let columns = column.name().parse().unwrap();
        let is_ok = scan.clone().columns(columns).batches().all(|batch| batch.is_ok());
        assert_eq!(is_ok, !column.needs_block(), "{column}");
    }
    assert_eq!(count(&scan.columns(Columns::NONE)), 2);
}

#[test]
fn schemas_have_nullable_fields_of_their_types() {
    let schema = carwalk_arrow::schema(Columns::ALL);
    let time = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    assert!(schema.fields().iter().all(|field| field.is_nullable()));
    for column in Column::ALL {
        let expected = match column {
            Column::Size => &DataType::Int64,
            Column::Time | Column::CreatedAt => &time,
            Column::RecordCbor => &DataType::Binary,
            _ => &DataType::Utf8,
        };
        assert_eq!(schema.field_with_name(column.name()).unwrap().data_type(), expected);
    }
    let folder = Folder::new();
    let scan = scan_of(&folder, &car(3)).columns(Columns::ALL);
    assert_eq!(scan.schema(), schema);
    assert_eq!(scan.batches().schema(), schema);
    assert!(batches(&scan).iter().all(|batch| batch.schema() == schema));
}
