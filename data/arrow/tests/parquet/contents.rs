//! What a file has beside its rows: row groups, pages, statistics, filters, metadata.

use std::num::NonZeroUsize;

use arrow_array::{ArrayRef, RecordBatch, StringArray};
use bytes::Bytes;
use carwalk_arrow::parquet::ParquetEncoding;
use carwalk_batch::columns::Columns;
use carwalk_batch::parts::Sheet;
use carwalk_batch::staging::Encode;
use carwalk_testkit::cbor::Value as Cbor;
use carwalk_testkit::repo::{Order, Record, Repo};
use parquet::basic::{Compression, Encoding};
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};
use parquet::file::properties::ReaderProperties;
use parquet::file::reader::FileReader;
use parquet::file::serialized_reader::{ReadOptionsBuilder, SerializedFileReader};
use std::sync::Arc;

use crate::tools::{ALL, Folder, expected, export, read, rows};

fn column<'m>(metadata: &'m ParquetMetaData, group: usize, name: &str) -> &'m ColumnChunkMetaData {
    let columns = metadata.row_group(group).columns();
    columns.iter().find(|column| column.column_path().string() == name).unwrap()
}

/// Random bytes.
fn random() -> impl FnMut() -> u8 {
    let mut state = 1_u64;
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) as u8
    }
}

/// Records of so many bytes, which do not compress.
fn large(count: usize, len: usize) -> Vec<u8> {
    let mut random = random();
    let records = (0..count).map(|number| {
        let bytes: Vec<_> = (0..len).map(|_| random()).collect();
        let text: String = bytes.iter().map(|byte| char::from(b' ' + byte % 90)).collect();
        let record = Record::new(Cbor::map([("text", Cbor::text(&text))]).encode());
        (format!("a.b.c/{number:05}").into_bytes(), record)
    });
    Repo::new(records).to_bytes(Order::Preorder)
}

#[test]
fn row_groups_are_bounded_and_do_not_depend_on_threads() {
    let folder = Folder::new();
    let file = folder.write("a.car", &large(100, 900_000));
    let args = |jobs| [&*file, "--columns=did,rkey,record", jobs];
    let one = export(&args("-j1"));
    // Inputs come one after the other, so that more threads have something to do.
    let inputs = [&*file; 3];
    let many = export(&[&inputs[..], &["--columns=did,rkey,record", "-j5"]].concat());
    let few = export(&[&inputs[..], &["--columns=did,rkey,record", "-j1"]].concat());
    assert!(many == few);
    let (batches, metadata) = read(one.clone());
    assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 100);
    assert!(metadata.num_row_groups() >= 3, "{}", metadata.num_row_groups());
    for group in metadata.row_groups() {
        assert!((0..33 << 20).contains(&group.total_byte_size()), "{}", group.total_byte_size());
    }
    assert!(rows(one) == expected(&[&file], "did,rkey,record"));
    // A page ends when it has 1 MiB. That is seen after one or two of these values.
    let index = metadata.page_index_for_row_group(0);
    let pages = index.offset_index(2).unwrap().page_locations();
    let starts: Vec<_> = pages.iter().map(|page| page.first_row_index).collect();
    assert!(starts.windows(2).all(|rows| rows[1] - rows[0] <= 3), "{starts:?}");
    assert!(metadata.row_group(0).num_rows() - starts.last().unwrap() <= 3, "{starts:?}");
}

#[test]
fn a_row_group_has_at_most_two_to_the_twenty_rows() {
    let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("a.b.c"); 300_000]));
    let batch = RecordBatch::try_from_iter_with_nullable([("collection", texts, true)]).unwrap();
    for threads in [1, 2, 7] {
        let columns: Columns = "collection".parse().unwrap();
        let threads = NonZeroUsize::new(threads).unwrap();
        let encoding = ParquetEncoding::new(columns).threads(threads);
        let mut file = Vec::new();
        let mut sheet = encoding.sheet(&mut file).unwrap();
        for _ in 0..10 {
            sheet.write(batch.clone()).unwrap();
        }
        sheet.end().unwrap();
        drop(sheet);
        let (_, metadata) = read(file);
        let rows: Vec<_> = metadata.row_groups().iter().map(|group| group.num_rows()).collect();
        assert_eq!(rows, [900_000, 900_000, 900_000, 300_000]);
        let index = metadata.page_index_for_row_group(0);
        assert_eq!(index.offset_index(0).unwrap().page_locations().len(), 45);
    }
}

#[test]
fn a_sheet_without_columns_is_refused() {
    let error = ParquetEncoding::new(Columns::NONE).sheet(Vec::new()).unwrap_err();
    assert_eq!(error.to_string(), "a Parquet file needs at least one column");
}

#[test]
fn the_length_of_a_sheet_counts_what_is_not_written() {
    // Each batch is a million letters, which zstd brings to about a half.
    let mut random = random();
    let mut text = || (0..1000).map(|_| char::from(b'a' + random() % 16)).collect::<String>();
    let mut batch = || {
        let texts: ArrayRef = Arc::new(StringArray::from_iter_values((0..1000).map(|_| text())));
        RecordBatch::try_from_iter_with_nullable([("record", texts, true)]).unwrap()
    };
    let encoding = ParquetEncoding::new("record".parse().unwrap());
    let mut file = Vec::new();
    let mut sheet = encoding.sheet(&mut file).unwrap();
    let mut before = sheet.len();
    assert!(before < 10);
    for _ in 0..80 {
        sheet.write(batch()).unwrap();
        assert!(sheet.len() > before);
        before = sheet.len();
    }
    sheet.end().unwrap();
    let (len, after) = (before as f64, sheet.len());
    drop(sheet);
    assert_eq!(after, file.len() as u64);
    assert!((0.8..1.2).contains(&(len / after as f64)), "{len} {after}");
}

#[test]
fn columns_have_their_encodings() {
    let folder = Folder::new();
    let (_, metadata) = read(export(&[&folder.network(20), "--columns", ALL]));
    let has = |name: &str, encoding: Encoding| {
        assert!(column(&metadata, 0, name).encodings().any(|found| found == encoding), "{name}");
    };
    for name in ["did", "rev", "collection"] {
        has(name, Encoding::RLE_DICTIONARY);
    }
    for name in ["cid", "subject", "record", "record_cbor"] {
        has(name, Encoding::PLAIN);
        assert!(column(&metadata, 0, name).dictionary_page_offset().is_none(), "{name}");
    }
    has("rkey", Encoding::DELTA_BYTE_ARRAY);
    for name in ["size", "time", "created_at"] {
        has(name, Encoding::DELTA_BINARY_PACKED);
    }
    for column in metadata.row_group(0).columns() {
        assert!(matches!(column.compression(), Compression::ZSTD(_)), "{column:?}");
    }
}

#[test]
fn statistics_are_those_of_the_rows() {
    let folder = Folder::new();
    let network = folder.network(20);
    let (_, metadata) = read(export(&[&network, "--columns", ALL]));
    let expected = expected(&[&network], ALL);
    for name in ["did", "rev", "collection", "rkey", "cid", "subject"] {
        let values = expected.iter().filter_map(|row| row[name].as_str());
        let (least, greatest) = (values.clone().min().unwrap(), values.clone().max().unwrap());
        let statistics = column(&metadata, 0, name).statistics().unwrap();
        assert!(statistics.min_bytes_opt().unwrap() <= least.as_bytes(), "{name}");
        assert!(statistics.max_bytes_opt().unwrap() >= greatest.as_bytes(), "{name}");
        let nulls = expected.len() - values.count();
        assert_eq!(statistics.null_count_opt(), Some(nulls as u64), "{name}");
        // Only long values are cut.
        if least.len() < 64 {
            assert_eq!(statistics.min_bytes_opt(), Some(least.as_bytes()), "{name}");
        }
    }
    let sizes = expected.iter().map(|row| row["size"].as_i64().unwrap());
    let statistics = column(&metadata, 0, "size").statistics().unwrap();
    let least = sizes.clone().min().unwrap().to_le_bytes();
    assert_eq!(statistics.min_bytes_opt(), Some(&least[..]));
    let greatest = sizes.max().unwrap().to_le_bytes();
    assert_eq!(statistics.max_bytes_opt(), Some(&greatest[..]));
    for name in ["time", "created_at"] {
        let statistics = column(&metadata, 0, name).statistics().unwrap();
        assert!(statistics.min_bytes_opt().is_some() && statistics.max_bytes_opt().is_some());
    }
    for name in ["record", "record_cbor"] {
        let statistics = column(&metadata, 0, name).statistics();
        assert!(statistics.is_none_or(|found| found.min_bytes_opt().is_none()), "{name}");
    }
}

#[test]
fn pages_have_statistics_of_the_columns_to_select_by() {
    let folder = Folder::new();
    let (_, metadata) = read(export(&[&folder.network(20), "--columns", ALL]));
    let index = metadata.page_index_for_row_group(0);
    for (number, name) in ALL.split(',').enumerate() {
        let selects =
            ["did", "rev", "collection", "rkey", "size", "time", "created_at"].contains(&name);
        let pages = index.column_index(number).is_some_and(|index| index.null_counts().is_some());
        assert_eq!(pages, selects, "{name}");
    }
}

#[test]
fn bloom_filters_know_the_accounts() {
    let folder = Folder::new();
    let network = folder.network(20);
    let file = Bytes::from(export(&[&network, "--columns=did,rkey"]));
    let properties = ReaderProperties::builder().set_read_bloom_filter(true).build();
    let options = ReadOptionsBuilder::new().with_reader_properties(properties).build();
    let reader = SerializedFileReader::new_with_options(file, options).unwrap();
    let group = reader.get_row_group(0).unwrap();
    let filter = group.get_column_bloom_filter(0).unwrap();
    for row in expected(&[&network], "did") {
        assert!(filter.check(&row["did"].as_str().unwrap()));
    }
    let wrong = (0..1000).filter(|number| filter.check(&&*format!("did:web:{number}"))).count();
    assert!(wrong < 50, "{wrong}");
    assert!(group.get_column_bloom_filter(1).is_none());
    // It has room for the accounts that are there.
    assert!(column(reader.metadata(), 0, "did").bloom_filter_length().unwrap() < 200);
}

#[test]
fn metadata_names_the_program_and_the_schema() {
    let folder = Folder::new();
    let (_, metadata) = read(export(&[&folder.network(2)]));
    let metadata = metadata.file_metadata();
    let created_by = metadata.created_by().unwrap();
    assert!(created_by.starts_with("carwalk version 0."), "{created_by}");
    let entries = metadata.key_value_metadata().unwrap();
    let version = entries.iter().find(|entry| entry.key == "carwalk.rows").unwrap();
    assert_eq!(version.value.as_deref(), Some("1"));
}
