//! Runs the program, and reads what it wrote.

use std::fs;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, RecordBatch};
use arrow_schema::DataType;
use bytes::Bytes;
use carwalk_batch::columns::Columns;
use carwalk_batch::row::append_time;
use carwalk_batch::staging::{Encode, Encoding, Exporter, Selection};
use carwalk_batch::text::Format;
use carwalk_batch::{Delivery, History, Inputs, Settings, Stop, Threads, Worker};
use carwalk_testkit::export::{Network, Order};
use carwalk_testkit::repo::{self, Repo};
use data_encoding::BASE64_NOPAD;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::metadata::ParquetMetaData;
use serde_json::{Map, Value, json};
use tempfile::TempDir;

/// A folder that goes when this does.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Folder(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn name(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Writes the CARs of a network into a folder, and returns its name.
    pub(crate) fn network(&self, accounts: usize) -> String {
        let network = Network::new(accounts, 22);
        for number in 0..accounts {
            let mut car = Vec::new();
            network.write_to(number, Order::Pds, &mut car).unwrap();
            self.write(&format!("network/{number:05}.car"), &car);
        }
        self.name("network")
    }
}

pub(crate) fn car<P: AsRef<[u8]>>(paths: impl IntoIterator<Item = P>) -> Vec<u8> {
    Repo::sample(paths).to_bytes(repo::Order::Pds)
}

/// What a run of the program came to.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Run {
    /// Asserts an exit code and a single line on stderr, and returns that without the line break.
    #[track_caller]
    pub(crate) fn one_line(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert_eq!(self.stderr.lines().count(), 1, "{}", self.stderr);
        self.stderr.trim_end().to_owned()
    }
}

/// The program, ready to get arguments.
pub(crate) fn tool() -> Command {
    Command::new(env!("CARGO_BIN_EXE_carwalk-parquet"))
}

pub(crate) fn run(args: &[&str]) -> Run {
    let output = tool().args(args).stdin(Stdio::null()).output().unwrap();
    Run {
        code: output.status.code(),
        stdout: output.stdout,
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Runs the program, which must succeed, and returns what it wrote on standard output.
#[track_caller]
pub(crate) fn export(args: &[&str]) -> Vec<u8> {
    let run = run(args);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    run.stdout
}

/// The batches of a file, and its metadata with the page indexes.
pub(crate) fn read(file: Vec<u8>) -> (Vec<RecordBatch>, Arc<ParquetMetaData>) {
    let options = parquet::arrow::arrow_reader::ArrowReaderOptions::new();
    let options =
        options.with_page_index_policy(parquet::file::metadata::PageIndexPolicy::Required);
    let builder =
        ParquetRecordBatchReaderBuilder::try_new_with_options(Bytes::from(file), options).unwrap();
    let metadata = Arc::clone(builder.metadata());
    let batches = builder.with_batch_size(1000).build().unwrap().map(Result::unwrap).collect();
    (batches, metadata)
}

/// The rows of a file as JSON objects, with times as texts, and records as parsed JSON.
pub(crate) fn rows(file: Vec<u8>) -> Vec<Value> {
    let (batches, metadata) = read(file);
    let rows: Vec<_> = batches.iter().flat_map(rows_of).collect();
    assert_eq!(rows.len() as u64, metadata.file_metadata().num_rows() as u64);
    rows
}

fn rows_of(batch: &RecordBatch) -> Vec<Value> {
    let schema = batch.schema();
    let names = || schema.fields().iter().map(|field| field.name().clone());
    let row = |row| {
        let values = names().zip(batch.columns().iter().map(|column| value(column, row)));
        let mut row: Map<_, _> = values.collect();
        if let Some(Value::String(record)) = row.get("record") {
            let record = serde_json::from_str(record).unwrap();
            row.insert("record".to_owned(), record);
        }
        Value::Object(row)
    };
    (0..batch.num_rows()).map(row).collect()
}

fn value(column: &dyn Array, row: usize) -> Value {
    if column.is_null(row) {
        return Value::Null;
    }
    match column.data_type() {
        DataType::Utf8 => json!(column.as_string::<i32>().value(row)),
        DataType::Int64 => json!(column.as_primitive::<Int64Type>().value(row)),
        DataType::Binary => json!(BASE64_NOPAD.encode(column.as_binary::<i32>().value(row))),
        _ => {
            let mut text = Vec::new();
            append_time(column.as_primitive::<TimestampMicrosecondType>().value(row), &mut text);
            json!(String::from_utf8(text).unwrap())
        }
    }
}

/// The lines of the export as JSON Lines.
pub(crate) fn lines(paths: &[&str], columns: &str) -> Vec<String> {
    let mut inputs = Inputs::new();
    for path in paths {
        inputs.add_one_of(Path::new(path));
    }
    let columns: Columns = columns.parse().unwrap();
    let (stop, history) = (Stop::new(), History::default());
    let (encoding, selection) =
        (Encoding::new(Format::JsonLines, columns), Selection::new(columns));
    let mut text = Vec::new();
    Threads::new(NonZeroUsize::MIN).stop(stop.clone()).run(
        inputs.as_slice(),
        || {
            let worker = Worker::new(Settings::new(), stop.clone(), |_bytes| {});
            Exporter::new(worker, encoding.rows(), &selection, &history, &stop)
        },
        |exporter, input, sender| exporter.export(input, sender),
        |delivery| {
            if let Delivery::Piece { piece, .. } = delivery {
                text.extend_from_slice(&piece);
            }
            ControlFlow::Continue(())
        },
    );
    String::from_utf8(text).unwrap().lines().map(str::to_owned).collect()
}

/// The rows of the export as JSON Lines, parsed.
pub(crate) fn expected(paths: &[&str], columns: &str) -> Vec<Value> {
    lines(paths, columns).iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// All columns.
pub(crate) const ALL: &str =
    "did,rev,collection,rkey,cid,size,time,created_at,subject,record,record_cbor";

/// The columns without `record_cbor`.
pub(crate) const DEFAULT: &str = "did,rev,collection,rkey,cid,size,time,created_at,subject,record";

/// The names of the files in a folder of rows, but not that of its identity.
pub(crate) fn parts(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = entries.filter(|path| !path.ends_with(".carwalk-run")).collect();
    paths.sort();
    paths
}

/// The rows of all parts, sorted.
pub(crate) fn sorted_parts(folder: &Path) -> Vec<String> {
    let files = parts(folder).into_iter().map(|path| {
        assert_eq!(path.extension(), Some("parquet".as_ref()), "{path:?}");
        fs::read(path).unwrap()
    });
    sorted(files.flat_map(rows))
}

/// Rows as texts, sorted.
pub(crate) fn sorted(rows: impl IntoIterator<Item = Value>) -> Vec<String> {
    let mut rows: Vec<_> = rows.into_iter().map(|row| row.to_string()).collect();
    rows.sort();
    rows
}
