//! Inputs for the tests, and rows to compare.

use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, RecordBatch};
use arrow_schema::DataType;
use carwalk_arrow::{Scan, ScanError};
use carwalk_batch::columns::{Column, Columns};
use carwalk_batch::row::datetime_micros;
use carwalk_batch::staging::{Encode, Encoding, Exporter, Selection};
use carwalk_batch::text::Format;
use carwalk_batch::{Delivery, History, Inputs, Settings, Stop, Threads, Worker};
use carwalk_testkit::repo::{Order, Repo};
use data_encoding::BASE64_NOPAD;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::value::RawValue;
use tempfile::TempDir;

/// A value of a row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell {
    Null,
    Text(String),
    Number(i64),
    Time(i64),
    Bytes(Vec<u8>),
}

pub(crate) type Row = Vec<Cell>;

pub(crate) fn number(number: usize) -> NonZeroUsize {
    NonZeroUsize::new(number).unwrap()
}

/// The CAR of a repository with so many records.
pub(crate) fn car(records: usize) -> Vec<u8> {
    let paths = (0..records).map(|number| format!("com.example.test/{number:05}"));
    Repo::sample(paths).to_bytes(Order::Pds)
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

/// A folder that goes when this does.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Folder(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    pub(crate) fn inputs(&self) -> Inputs {
        let mut inputs = Inputs::new();
        inputs.add(self.path()).unwrap();
        inputs
    }

    /// The scan of all files.
    pub(crate) fn scan(&self) -> Scan {
        Scan::new(self.inputs())
    }
}

/// The scan of one file with these bytes.
pub(crate) fn scan_of(folder: &Folder, car: &[u8]) -> Scan {
    let mut inputs = Inputs::new();
    inputs.add(folder.write("one.car", car)).unwrap();
    Scan::new(inputs)
}

/// Returns the batches of a scan that does not fail.
pub(crate) fn batches(scan: &Scan) -> Vec<RecordBatch> {
    scan.batches().collect::<Result<_, ScanError>>().unwrap()
}

pub(crate) fn count(scan: &Scan) -> usize {
    batches(scan).iter().map(RecordBatch::num_rows).sum()
}

/// Returns the rows of a scan that does not fail.
pub(crate) fn rows(scan: &Scan) -> Vec<Row> {
    batches(scan).iter().flat_map(rows_of).collect()
}

/// Returns one column of texts.
pub(crate) fn texts(batches: &[RecordBatch], name: &str) -> Vec<String> {
    let of = |batch: &RecordBatch| -> Vec<String> {
        batch[name].as_string::<i32>().iter().flatten().map(str::to_owned).collect()
    };
    batches.iter().flat_map(of).collect()
}

pub(crate) fn rows_of(batch: &RecordBatch) -> Vec<Row> {
    let row = |row| batch.columns().iter().map(|column| cell(column, row)).collect();
    (0..batch.num_rows()).map(row).collect()
}

fn cell(column: &dyn Array, row: usize) -> Cell {
    if column.is_null(row) {
        return Cell::Null;
    }
    match column.data_type() {
        DataType::Utf8 => Cell::Text(column.as_string::<i32>().value(row).to_owned()),
        DataType::Int64 => Cell::Number(column.as_primitive::<Int64Type>().value(row)),
        DataType::Timestamp(_, _) => {
            Cell::Time(column.as_primitive::<TimestampMicrosecondType>().value(row))
        }
        DataType::Binary => Cell::Bytes(column.as_binary::<i32>().value(row).to_vec()),
        other => panic!("{other}"),
    }
}

/// Returns the rows of the inputs that do not fail as `carwalk export` writes them: JSON Lines.
pub(crate) fn exported(inputs: &Inputs, selection: &Selection, settings: &Settings) -> Vec<Row> {
    let (stop, history) = (Stop::new(), History::default());
    let encoding = Encoding::new(Format::JsonLines, selection.columns());
    let mut text = Vec::new();
    Threads::new(number(1)).stop(stop.clone()).run(
        inputs.as_slice(),
        || {
            let worker = Worker::new(settings.clone(), stop.clone(), |_bytes| {});
            Exporter::new(worker, encoding.rows(), selection, &history, &stop)
        },
        |exporter, input, sender| exporter.export(input, sender),
        |delivery| {
            if let Delivery::Piece { piece, .. } = delivery {
                text.extend(piece);
            }
            ControlFlow::Continue(())
        },
    );
    let text = String::from_utf8(text).unwrap();
    text.lines().map(|line| parsed(line, selection.columns())).collect()
}

fn parsed(line: &str, columns: Columns) -> Row {
    let members: HashMap<&str, &RawValue> = serde_json::from_str(line).unwrap();
    assert_eq!(members.len(), columns.iter().count());
    columns.iter().map(|column| value(column, members[column.name()])).collect()
}

fn value(column: Column, raw: &RawValue) -> Cell {
    if raw.get() == "null" {
        return Cell::Null;
    }
    let text = || serde_json::from_str::<String>(raw.get()).unwrap();
    match column {
        Column::Record => Cell::Text(raw.get().to_owned()),
        Column::Size => Cell::Number(raw.get().parse().unwrap()),
        Column::Time | Column::CreatedAt => Cell::Time(datetime_micros(&text()).unwrap()),
        Column::RecordCbor => Cell::Bytes(BASE64_NOPAD.decode(text().as_bytes()).unwrap()),
        _ => Cell::Text(text()),
    }
}

/// Returns rows as JSON Lines can express them: a record that is CBOR's null looks like one without
/// JSON.
pub(crate) fn as_json_lines(rows: Vec<Row>) -> Vec<Row> {
    let plain = |cell| match cell {
        Cell::Text(text) if text == "null" => Cell::Null,
        cell => cell,
    };
    rows.into_iter().map(|row| row.into_iter().map(plain).collect()).collect()
}
