//! Both formats have the same rows, and every line parses back.

use carwalk::cid::{Cid, Codec};
use carwalk::{RepoPath, record};
use carwalk_batch::columns::{Column, Columns};
use carwalk_batch::row::Row;
use carwalk_batch::text::{Format, RowWriter};
use carwalk_testkit::cases;
use carwalk_testkit::cbor::Value;
use carwalk_testkit::rng::Rng;
use serde_json::Value as Json;

use crate::random_record::map;

const DID: &str = "did:plc:7iza6de2dwap2sbkpav7c6c6";
const REV: &str = "3l4nm7hmk2222";

/// Texts that are hard for one format or the other.
const TEXTS: [&str; 12] = [
    "",
    "a",
    "NULL",
    "null",
    "\\N",
    "a,b",
    "\"a\" \"\"",
    "a\r\nb\n",
    "a\0b\u{1b}",
    "\u{202e}\u{feff}\u{e9}\u{1f600}",
    " a ",
    "=1+1",
];

const TIMES: [&str; 4] =
    ["2026-01-02T03:04:05.000006Z", "0001-01-01T00:00:00Z", "99999-01-01T00:00:00Z", "now"];

fn row<'a>(path: &'a str, record: &'a [u8]) -> Row<'a> {
    let cid = Cid::of(Codec::DagCbor, record);
    Row::new(DID, REV, RepoPath::parse(path.as_bytes()).unwrap(), cid, Some(record))
}

fn text(format: Format, columns: Columns, row: &Row<'_>) -> String {
    let (mut writer, mut out) = (RowWriter::new(format, columns), Vec::new());
    writer.header(&mut out);
    writer.row(row, &mut out);
    String::from_utf8(out).unwrap()
}

/// Returns the row in JSON Lines as its members, in their order.
fn json(columns: Columns, row: &Row<'_>) -> Vec<(String, Json)> {
    let line = text(Format::JsonLines, columns, row);
    assert_eq!(line.find('\n'), Some(line.len() - 1), "{line}");
    assert!(!line.trim_end().chars().any(char::is_control), "{line:?}");
    let Json::Object(mut members) = serde_json::from_str(&line).unwrap() else { panic!("{line}") };
    let taken = |column: Column| (column.name().to_owned(), members.remove(column.name()).unwrap());
    let values = columns.iter().map(taken).collect();
    assert!(members.is_empty(), "{line}");
    values
}

/// Returns the row in CSV as another reader reads it.
fn csv(columns: Columns, row: &Row<'_>) -> Vec<(String, String)> {
    let text = text(Format::Csv, columns, row);
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header = reader.headers().unwrap().clone();
    let rows = reader.records().collect::<Result<Vec<_>, _>>().unwrap();
    assert_eq!(rows.len(), 1, "{text:?}");
    header.iter().map(str::to_owned).zip(rows[0].iter().map(str::to_owned)).collect()
}

/// Asserts that both formats have the same columns and values.
fn check(columns: Columns, row: &Row<'_>) {
    let (json, csv) = (json(columns, row), csv(columns, row));
    let names: Vec<_> = columns.iter().map(Column::name).collect();
    assert_eq!(json.iter().map(|(name, _)| &**name).collect::<Vec<_>>(), names);
    assert_eq!(csv.iter().map(|(name, _)| &**name).collect::<Vec<_>>(), names);
    for ((name, json), (_, csv)) in json.iter().zip(&csv) {
        match json {
            Json::Null if name == "record" => assert!(["", "null"].contains(&&**csv), "{csv}"),
            Json::Null => assert_eq!(csv, ""),
            json if name == "record" => {
                assert_eq!(*json, serde_json::from_str::<Json>(csv).unwrap());
            }
            Json::String(text) => assert_eq!(text, csv),
            Json::Number(number) => assert_eq!(number.to_string(), *csv),
            other => panic!("{name}: {other}"),
        }
    }
}

/// A random record, often with the two fields, sometimes damaged.
fn random_record(random: &mut Rng) -> Vec<u8> {
    let Value::Map(mut members) = map(random, 3) else { panic!("a map") };
    if random.chance(1, 2) {
        members.push((Value::text("subject"), Value::text(*random.pick(&TEXTS))));
    }
    if random.chance(1, 2) {
        members.push((Value::text("createdAt"), Value::text(*random.pick(&TIMES))));
    }
    let mut record = Value::Map(members).encode();
    if random.chance(1, 4) {
        let at = random.below(record.len());
        record[at] = random.next_u64() as u8;
    }
    record
}

fn random_columns(random: &mut Rng) -> Columns {
    let mut names: Vec<_> = Column::ALL.map(Column::name).into_iter().collect();
    names.retain(|_| random.chance(1, 2));
    names.join(",").parse().unwrap_or_default()
}

#[test]
fn both_formats_have_the_same_rows() {
    for seed in 0..cases(4_000) {
        let mut random = Rng::for_item(21, seed);
        let record = random_record(&mut random);
        let path = *random.pick(&["a.b.c/self", "a.b.c/3l4nm7hmk2222", "x/~:-_."]);
        check(Columns::ALL, &row(path, &record));
        check(random_columns(&mut random), &row(path, &record));
    }
}

#[test]
fn every_text_comes_back_from_both() {
    for text in TEXTS {
        let record = Value::map([("subject", Value::text(text))]).encode();
        let row = row("a.b.c/self", &record);
        check(Columns::ALL, &row);
        let subject: Columns = "subject".parse().unwrap();
        let expected = if text.is_empty() { Json::Null } else { text.into() };
        assert_eq!(json(subject, &row), [("subject".to_owned(), expected)]);
        assert_eq!(csv(subject, &row), [("subject".to_owned(), text.to_owned())]);
    }
}

#[test]
fn a_row_is_written_in_both_formats() {
    let record = Value::map([
        ("subject", Value::text("a \"b\"\0")),
        ("createdAt", Value::text("2026-01-02T03:04:05.0000069+00:00")),
    ])
    .encode();
    let row = row("app.bsky.feed.like/3l4nm7hmk2222", &record);
    let cid = Cid::of(Codec::DagCbor, &record);
    assert_eq!(
        text(Format::JsonLines, Columns::DEFAULT, &row),
        format!(
            "{{\"did\":\"{DID}\",\"rev\":\"{REV}\",\"collection\":\"app.bsky.feed.like\",\
             \"rkey\":\"3l4nm7hmk2222\",\"cid\":\"{cid}\",\"size\":61,\
             \"time\":\"2024-09-21T08:00:00.000000Z\",\
             \"created_at\":\"2026-01-02T03:04:05.000006Z\",\"subject\":\"a \\\"b\\\"\\u0000\",\
             \"record\":{{\"subject\":\"a \\\"b\\\"\\u0000\",\
             \"createdAt\":\"2026-01-02T03:04:05.0000069+00:00\"}}}}\n"
        )
    );
    assert_eq!(
        text(Format::Csv, Columns::DEFAULT, &row),
        format!(
            "did,rev,collection,rkey,cid,size,time,created_at,subject,record\n\
             {DID},{REV},app.bsky.feed.like,3l4nm7hmk2222,{cid},61,\
             2024-09-21T08:00:00.000000Z,2026-01-02T03:04:05.000006Z,\"a \"\"b\"\"\0\",\
             \"{{\"\"subject\"\":\"\"a \\\"\"b\\\"\"\\u0000\"\",\
             \"\"createdAt\"\":\"\"2026-01-02T03:04:05.0000069+00:00\"\"}}\"\n"
        )
    );
}

#[test]
fn a_block_is_written_as_base64() {
    let columns: Columns = "record_cbor".parse().unwrap();
    for (block, base64) in [
        (&b"\xa0"[..], "oA"),
        (b"\xa1\x61a\x01", "oWFhAQ"),
        (b"\xff\xfe\xfb", "//77"),
        (b"<html>", "PGh0bWw+"),
    ] {
        for codec in [Codec::DagCbor, Codec::Raw] {
            let path = RepoPath::parse(b"a.b.c/self").unwrap();
            let row = Row::new(DID, REV, path, Cid::of(codec, block), Some(block));
            check(columns, &row);
            assert_eq!(
                text(Format::JsonLines, columns, &row),
                format!("{{\"record_cbor\":\"{base64}\"}}\n")
            );
            assert_eq!(text(Format::Csv, columns, &row), format!("record_cbor\n{base64}\n"));
        }
    }
    let row = row("a.b.c/self", b"");
    assert_eq!(json(columns, &row), [("record_cbor".to_owned(), "".into())]);
    check(columns, &row);
}

#[test]
fn the_only_value_of_a_row_is_never_an_empty_line() {
    let row = row("a.b.c/self", b"\xa0");
    for (columns, line) in
        [("time", "\"\"\n"), ("subject", "\"\"\n"), ("time,subject", ",\n"), ("rkey", "self\n")]
    {
        let columns: Columns = columns.parse().unwrap();
        assert_eq!(text(Format::Csv, columns, &row), format!("{columns}\n{line}"));
        check(columns, &row);
    }
}

#[test]
fn a_row_without_a_block_has_nulls() {
    let (path, cid) = (RepoPath::parse(b"a.b.c/3l4nm7hmk2222").unwrap(), Cid::of(Codec::Raw, b""));
    let row = Row::new(DID, REV, path, cid, None);
    check(Columns::ALL, &row);
    for (name, value) in json(Columns::ALL, &row) {
        let needs_block = name.parse::<Column>().unwrap().needs_block();
        assert_eq!(value.is_null(), needs_block, "{name}");
    }
    assert!(!format!("{row:?}").contains("block"));
}

#[test]
fn what_is_not_cbor_has_a_size_and_no_record() {
    let sound = Value::map([("subject", Value::text("a"))]).encode();
    let deep = [[0x81; 101].as_slice(), &[0xf6]].concat();
    for (block, codec, has_json) in [
        (&sound[..], Codec::DagCbor, true),
        (&sound[..], Codec::Raw, false),
        (&sound[..sound.len() - 1], Codec::DagCbor, false),
        (b"", Codec::DagCbor, false),
        (b"\xff", Codec::DagCbor, false),
        (b"<html>", Codec::DagCbor, false),
        (&deep, Codec::DagCbor, false),
        (&deep[1..], Codec::DagCbor, true),
        (b"\xa0\x00", Codec::DagCbor, true),
        (b"\xf7", Codec::DagCbor, true),
    ] {
        let path = RepoPath::parse(b"a.b.c/self").unwrap();
        let row = Row::new(DID, REV, path, Cid::of(codec, block), Some(block));
        let mut out = b"before".to_vec();
        assert_eq!(row.append_record(&mut out), has_json, "{block:02x?}");
        assert_eq!(out.len() > 6, has_json);
        assert_eq!(codec == Codec::DagCbor && record::to_json(block).is_ok(), has_json);
        check(Columns::ALL, &row);
        let (name, value) = json(Columns::DEFAULT, &row).pop().unwrap();
        assert_eq!((&*name, value.is_null()), ("record", !has_json));
        assert_eq!(row.size(), Some(block.len()));
        // A raw block could look like CBOR by chance.
        assert!(codec == Codec::DagCbor || row.fields().subject().is_none());
    }
}

#[test]
fn formats_have_names() {
    assert_eq!(Format::ALL.map(Format::name), ["jsonl", "csv"]);
    assert_eq!(Format::ALL.map(|format| format.to_string()), ["jsonl", "csv"]);
}
