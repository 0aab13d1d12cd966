//! Links in records, wherever they lie, and what is not one.

use carwalk::cid::Codec;
use carwalk::error::Malformed;
use carwalk::{Cid, ErrorKind, record};
use carwalk_testkit::cbor::{Value, indefinite, wide};
use carwalk_testkit::cid::Cid as KitCid;

fn link(of: &[u8]) -> Value {
    Value::Link(KitCid::raw(of))
}

fn cids(of: &[&[u8]]) -> Vec<Cid> {
    of.iter().map(|bytes| Cid::of(Codec::Raw, bytes)).collect()
}

#[track_caller]
fn found(item: &Value) -> Vec<Cid> {
    record::links(&item.encode()).collect::<Result<_, _>>().unwrap()
}

#[test]
fn links_are_found_wherever_they_lie() {
    assert_eq!(found(&link(b"a")), cids(&[b"a"]));
    let record = Value::map([
        ("a", link(b"a")),
        ("b", Value::Array(vec![link(b"b"), Value::map([("c", link(b"c"))]), link(b"a")])),
        ("c", Value::Map(vec![(link(b"key"), link(b"d"))])),
        ("d", Value::Tag(7, Box::new(link(b"e")))),
        ("d", indefinite(&Value::Array(vec![link(b"f")]))),
    ]);
    // In the order of their bytes, also repeated ones.
    assert_eq!(found(&record), cids(&[b"a", b"b", b"c", b"a", b"key", b"d", b"e", b"f"]));
    let dag_cbor = Value::Link(KitCid::dag_cbor(b"a"));
    assert_eq!(found(&dag_cbor), [Cid::of(Codec::DagCbor, b"a")]);
}

#[test]
fn links_in_another_encoding_are_found() {
    let inside = Value::Bytes([&[0], &KitCid::raw(b"a").as_bytes()[..]].concat());
    let padded = Value::Tag(42, Box::new(wide(&inside, 8)));
    assert_eq!(found(&padded), cids(&[b"a"]));
    let tag = Value::Raw([&[0xd9, 0, 42][..], &inside.encode()].concat());
    assert_eq!(found(&tag), cids(&[b"a"]));
}

#[test]
fn what_only_looks_like_a_link_is_passed_over() {
    let cid = KitCid::raw(b"a");
    let bytes = [&[0], &cid.as_bytes()[..]].concat();
    let mut foreign = cid.as_bytes().to_vec();
    foreign[2] = 0x1e;
    for item in [
        Value::text(cid.to_string()),
        Value::map([("$link", Value::text(cid.to_string()))]),
        Value::Bytes(bytes.clone()),
        Value::Tag(41, Box::new(Value::Bytes(bytes.clone()))),
        Value::Tag(42, Box::new(Value::Bytes(cid.as_bytes().to_vec()))),
        Value::Tag(42, Box::new(Value::text("a"))),
        Value::Tag(42, Box::new(indefinite(&Value::Bytes(bytes)))),
        Value::link_bytes(&foreign),
        Value::link_bytes(&cid.as_bytes()[..35]),
        Value::link_bytes(&[]),
        Value::F64(f64::NAN),
        Value::Raw(vec![0x61, 0xff]),
    ] {
        let around = Value::Array(vec![item.clone(), link(b"z")]);
        assert_eq!(found(&around), cids(&[b"z"]), "{item:?}");
    }
}

#[test]
fn bytes_after_the_record_are_not_looked_at() {
    let record = [Value::Array(vec![link(b"a")]).encode(), link(b"b").encode(), vec![0xff]];
    let links: Result<Vec<_>, _> = record::links(&record.concat()).collect();
    assert_eq!(links.unwrap(), cids(&[b"a"]));
}

#[test]
fn a_record_that_ends_early_is_an_error_after_the_links_before_it() {
    let record = Value::Array(vec![link(b"a"), link(b"b")]).encode();
    let cut = &record[..record.len() - 1];
    let mut links = record::links(cut);
    assert_eq!(links.next().unwrap().unwrap(), cids(&[b"a"])[0]);
    let error = links.next().unwrap().unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Malformed(Malformed::RecordEnd)), "{error}");
    assert_eq!(error.position().within(), Some(42));
    assert_eq!(
        error.to_string(),
        "record: the record ends inside the item that begins here, at byte 42 of the record"
    );
    assert!(links.next().is_none() && links.next().is_none());
    assert!(record::links(&[]).next().unwrap().is_err());
}

#[test]
fn iterators_show_nothing_of_the_record() {
    let record = Value::map([("secret", link(b"a"))]).encode();
    for text in [
        format!("{:?}", record::links(&record)),
        format!("{:?}", record::blobs(&record)),
        format!("{:?}", record::oddities(&record)),
    ] {
        assert!(text.len() < 20, "{text}");
    }
}
