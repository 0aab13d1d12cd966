//! Rows of many bytes: batches stay below the limits of Arrow's offsets.

use arrow_array::RecordBatch;
use carwalk_arrow::Scan;
use carwalk_batch::columns::Columns;
use carwalk_testkit::cbor::Value;
use carwalk_testkit::cid::Cid;
use carwalk_testkit::repo::{Order, Record, Repo};

use crate::common::{Folder, batches, car, count, number, scan_of};

/// The largest block that default limits allow.
const BLOCK: usize = 2 << 20;

/// Most bytes of the columns of a batch with several rows.
const BATCH: usize = 16 << 20;

/// A repository whose 65,536 keys have one record of 2 MiB: 128 GiB of rows.
fn repo() -> Vec<u8> {
    // The head of the text has five bytes.
    let block = Value::text("a".repeat(BLOCK - 5)).encode();
    assert_eq!(block.len(), BLOCK);
    let cid = Cid::dag_cbor(&block);
    // Without its bytes at first, because they would be copied for each key.
    let record = Record { cid, bytes: Vec::new(), revision: 0 };
    let records = (0..65_536).map(|at| (format!("a.b.c/{at:05}").into_bytes(), record.clone()));
    let mut car = Repo::new(records).to_car(Order::Preorder);
    let section = car.index_of(&cid);
    car.sections[section].data = block;
    car.sections[section].fit_length();
    car.to_bytes()
}

fn bytes(batch: &RecordBatch) -> usize {
    batch.columns().iter().map(|column| column.to_data().get_slice_memory_size().unwrap()).sum()
}

#[test]
fn rows_of_2_mib_are_read_beyond_2_gib() {
    let folder = Folder::new();
    let car = repo();
    assert!(car.len() < 16 << 20);
    let scan = scan_of(&folder, &car).threads(number(1));
    // What a batch has of them can be counted without their bytes.
    assert_eq!(count(&scan.clone().columns("size".parse().unwrap())), 65_536);
    for columns in ["record_cbor", "rkey,record,record_cbor"] {
        let scan = scan.clone().columns(columns.parse().unwrap());
        let (mut total, mut rows) = (0, 0);
        for batch in scan.batches() {
            let batch = batch.unwrap();
            assert!(bytes(&batch) <= BATCH || batch.num_rows() == 1);
            total += bytes(&batch);
            rows += batch.num_rows();
            if total > (2 << 30) + (64 << 20) {
                break;
            }
        }
        assert!(rows > 500);
    }
    assert_eq!(count(&scan.columns(Columns::DEFAULT).limit(Some(20))), 20);
}

#[test]
fn a_row_that_is_too_long_for_a_batch_is_one_alone() {
    let folder = Folder::new();
    // As JSON, each byte has six.
    let text = "\u{1}".repeat(BLOCK - 100);
    let records = (0..30).map(|at| {
        let record = if at % 10 == 7 {
            Record::new(Value::text(text.clone()).encode())
        } else {
            Record::sample(format!("a.b.c/{at}").as_bytes())
        };
        (format!("a.b.c/{at:02}").into_bytes(), record)
    });
    let scan = scan_of(&folder, &Repo::new(records).to_bytes(Order::Pds));
    let scan = scan.columns("rkey,record,record_cbor,subject".parse().unwrap());
    let found = batches(&scan);
    assert_eq!(found.iter().map(RecordBatch::num_rows).sum::<usize>(), 30);
    assert!(found.iter().all(|batch| bytes(batch) <= BATCH || batch.num_rows() == 1));
    assert!(found.iter().any(|batch| bytes(batch) > 12 << 20));
    assert_eq!(count(&scan.batch_rows(number(4))), 30);
}

#[test]
fn rows_of_small_inputs_become_batches_together() {
    let folder = Folder::new();
    let text = "a".repeat(200 << 10);
    let records = (0..4).map(|at| {
        (format!("a.b.c/{at}").into_bytes(), Record::new(Value::text(text.clone()).encode()))
    });
    let bytes_of_file = Repo::new(records).to_bytes(Order::Pds);
    for number in 0..50 {
        folder.write(&format!("{number:02}.car"), &bytes_of_file);
    }
    folder.write("99.car", &car(3));
    let scan: Scan = folder.scan().columns("record".parse().unwrap());
    let found = batches(&scan);
    assert_eq!(found.iter().map(RecordBatch::num_rows).sum::<usize>(), 203);
    assert!(found.iter().all(|batch| bytes(batch) <= BATCH));
    assert!(found.len() < 50, "{}", found.len());
}
