//! The column `record` of rows is what `get --compact` prints, and null exactly where that exits 3.

use carwalk_batch::row::Row;
use carwalk_testkit::cbor::Value;
use carwalk_testkit::repo::{Order, Record, Repo};

use crate::harness::TempCar;

#[test]
fn the_column_has_what_get_prints() {
    let record = |value: Value| Record::new(Value::map([("v", value)]).encode());
    let deep = |levels: usize| Record::new([vec![0x81; levels], vec![0xf6]].concat());
    let records = [
        record(Value::text("a\"\u{1b}\u{202e}\0\u{1f600}")),
        record(Value::F64(1.5)),
        record(Value::Bytes(vec![1, 2])),
        record(Value::Raw(vec![0xf7])),
        record(Value::map([("a", Value::Null), ("a", Value::Null)])),
        Record::new(vec![0xf6]),
        Record::new(b"\xa0\x00".to_vec()),
        Record::new(b"\xa1\x61v".to_vec()),
        Record::new(b"<html>".to_vec()),
        Record::new(Vec::new()),
        Record::raw(vec![0xa0]),
        deep(100),
        deep(101),
    ];
    let key = |number: usize| format!("a.b.c/{number:02}").into_bytes();
    let records = records.into_iter().enumerate().map(|(number, record)| (key(number), record));
    let car = Repo::new(records).to_bytes(Order::Preorder);
    let (repo, file) = (carwalk::Repo::from_slice(&car[..]).unwrap(), TempCar::new(&car));
    let mut without = 0;
    for record in repo.records() {
        let record = record.unwrap();
        let path = record.path();
        let run = file.run_with(&["get", "--compact"], &[path.as_str()]);
        let row = Row::new("did:plc:a", "3l4nm7hmk2222", path, record.cid(), Some(record.bytes()));
        let mut json = Vec::new();
        if row.append_record(&mut json) {
            json.push(b'\n');
            assert_eq!((run.code, run.stdout.as_bytes()), (Some(0), &json[..]), "{path}");
        } else {
            assert_eq!((run.code, &*run.stdout), (Some(3), ""), "{path}");
            without += 1;
        }
    }
    assert_eq!(without, 5);
}
