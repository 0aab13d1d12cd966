//! Records as types of the caller's: what is decoded, and what is said of records that do not fit.

use carwalk::ErrorClass;
use std::error::Error as _;

use carwalk::error::Structure;
use carwalk::{Cid, ErrorKind, KeyRange, Lookup, Repo, decode, record};
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
        assert_eq!(error.class(), ErrorClass::Caller);
        assert!(error.source().is_some());
        assert_eq!(error.key(), Some(&b"com.example.test/one"[..]));
        assert_eq!(error.cid(), Some(&record.cid()));
        assert_eq!(error.position().structure(), Structure::Record);
        assert_eq!(error.position().offset(), record.offset());
        assert!(record.offset().is_some());
    }
}

#[test]
fn what_is_decoded_in_a_chain_outlives_its_record() {
    let text = |text: &str| Record::new(Value::map([("text", Value::text(text))]).encode());
    let key = |name: &str| format!("com.example.test/{name}").into_bytes();
    let repo = KitRepo::new([(key("a"), text("one")), (key("b"), text("two"))]);
    let car = repo.to_bytes(Order::Preorder);
    let repo = Repo::from_slice(&car[..]).unwrap();
    let texts: Vec<Text<'_>> = repo
        .records()
        .rev()
        .map(|record| record?.decode_borrowed())
        .collect::<Result<_, _>>()
        .unwrap();
    assert_eq!(texts, [Text { text: "two" }, Text { text: "one" }]);
    assert!(car.as_ptr_range().contains(&texts[0].text.as_ptr()));

    // The malformed twin: the error of the chain names the record.
    let other = Record::new(Value::map([("text", Value::Uint(1))]).encode());
    let repo = KitRepo::new([(key("a"), text("one")), (key("b"), other)]);
    let car = repo.to_bytes(Order::Preorder);
    let repo = Repo::from_slice(&car[..]).unwrap();
    let error = repo
        .records()
        .map(|record| record?.decode_borrowed::<Text<'_>>())
        .collect::<Result<Vec<_>, _>>()
        .unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Decode(_)), "{error}");
    assert_eq!(error.key(), Some(&key("b")[..]));
    assert!(error.cid().is_some() && error.position().offset().is_some());
}

/// The page of a feed, as programs write it.
#[test]
fn the_newest_ten_posts_are_one_chain() {
    #[derive(Deserialize)]
    struct Post<'a> {
        text: &'a str,
    }
    let keys: Vec<String> = (10..25).map(|n| format!("app.bsky.feed.post/{n}")).collect();
    let others = ["app.bsky.feed.like/1", "app.bsky.graph.follow/1"];
    let all = keys.iter().map(String::as_str).chain(others);
    let car = KitRepo::sample(all).to_bytes(Order::Preorder);
    let repo = Repo::from_slice(&car[..]).unwrap();
    let range = KeyRange::collection("app.bsky.feed.post").unwrap();
    let posts = repo.records_in(range).rev().take(10).map(|r| r?.decode_borrowed::<Post<'_>>());
    let texts: Vec<&str> =
        posts.map(|post| post.map(|post| post.text)).collect::<Result<_, _>>().unwrap();
    let newest = keys.iter().rev().take(10).map(|key| format!("the record at {key}"));
    assert_eq!(texts, newest.collect::<Vec<_>>());
}

#[test]
fn bytes_without_a_record_are_decoded() {
    let bytes = Value::map([("text", Value::text("hello"))]).encode();
    let car = repo_of(bytes.clone());
    let repo = Repo::from_slice(&car[..]).unwrap();
    let Lookup::Present { record: Some(found), .. } = repo.get("com.example.test/one").unwrap()
    else {
        panic!("it is there");
    };
    let decoded: Text<'_> = decode(found.bytes()).unwrap();
    assert_eq!(decoded, Text { text: "hello" });
    assert_eq!(record::decode::<Text<'_>>(&bytes).unwrap(), decoded);

    let error = decode::<Text<'_>>(&bytes[..bytes.len() - 1]).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Decode(_)), "{error}");
    assert_eq!(error.position().structure(), Structure::Record);
    assert_eq!((error.cid(), error.key(), error.position().offset()), (None, None, None));
    let trailing = [&bytes[..], &[0]].concat();
    assert!(decode::<Text<'_>>(&trailing).is_err());
}

#[test]
fn links_decode_into_cids() {
    #[derive(Deserialize)]
    struct Image {
        #[serde(rename = "ref")]
        link: Cid,
    }
    let link = carwalk_testkit::cid::Cid::raw(b"a picture");
    let car = repo_of(Value::map([("ref", Value::Link(link))]).encode());
    let repo = Repo::from_slice(&car).unwrap();
    let record = repo.records().next().unwrap().unwrap();
    let image: Image = record.decode().unwrap();
    assert_eq!(image.link.as_bytes(), &link.as_bytes()[..]);
    assert_eq!(record.links().next().unwrap().unwrap(), image.link);
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
