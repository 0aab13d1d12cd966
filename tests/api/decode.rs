//! Records as types of the caller's: what is decoded, and what is said of records that do not fit.

use std::error::Error as _;

use carwalk::error::Structure;
use carwalk::{ErrorKind, Repo};
use carwalk_testkit::cbor::Value;
use carwalk_testkit::repo::{Order, Record, Repo as KitRepo};
use serde::Deserialize;

#[derive(Debug, Deserialize, PartialEq)]
struct Text<'a> {
    text: &'a str,
}

fn repo_of(record: Vec<u8>) -> Vec<u8> {
    KitRepo::new([(b"com.example.test/one".to_vec(), Record::new(record))])
        .to_bytes(Order::Preorder)
}

#[test]
fn texts_are_borrowed_from_the_record() {
    let car = repo_of(
        Value::map_sorted([("text", Value::text("hello")), ("$type", Value::text("a.b.c"))])
            .encode(),
    );
    let repo = Repo::from_slice(&car).unwrap();
    let record = repo.records().next().unwrap().unwrap();
    let decoded: Text<'_> = record.decode().unwrap();
    assert_eq!(decoded, Text { text: "hello" });
    assert!(car.as_ptr_range().contains(&decoded.text.as_ptr()));
}

#[test]
fn records_that_do_not_fit_are_errors_with_their_key() {
    let other_type = Value::map([("text", Value::Uint(1))]).encode();
    for bytes in
        [other_type, vec![0xa0], Vec::new(), vec![0xff], [vec![0x81; 50_000], vec![0]].concat()]
    {
        let car = repo_of(bytes);
        let repo = Repo::from_slice(&car).unwrap();
        let record = repo.records().next().unwrap().unwrap();
        let error = record.decode::<Text<'_>>().unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Decode(_)), "{error}");
        assert!(error.is_invalid());
        assert!(error.source().is_some());
        assert_eq!(error.key(), Some(&b"com.example.test/one"[..]));
        assert_eq!(error.cid(), Some(&record.cid()));
        assert_eq!(error.position().structure(), Structure::Record);
        assert_eq!(error.position().offset(), record.offset());
        assert!(record.offset().is_some());
    }
}

#[test]
fn a_decoder_picks_single_fields() {
    let car = repo_of(Value::map([("text", Value::text("hello"))]).encode());
    let repo = Repo::from_slice(&car).unwrap();
    let record = repo.records().next().unwrap().unwrap();
    let mut decoder = record.decoder();
    assert_eq!(decoder.map().unwrap(), Some(1));
    assert_eq!(decoder.str().unwrap(), "text");
    assert_eq!(decoder.str().unwrap(), "hello");
}
