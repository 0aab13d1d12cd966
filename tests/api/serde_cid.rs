//! CIDs in serde: links in DAG-CBOR and JSON, also where serde buffers a value before it knows the
//! type.

use std::collections::BTreeMap;
use std::fmt::Debug;

use carwalk::cid::Codec;
use carwalk::{Cid, decode};
use carwalk_testkit::cbor::Value;
use carwalk_testkit::cid::Cid as KitCid;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};

fn cid() -> Cid {
    Cid::of(Codec::Raw, b"a picture")
}

fn link() -> Value {
    Value::Link(KitCid::raw(b"a picture"))
}

/// A type whose `ref` is a link.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Plain {
    #[serde(rename = "ref")]
    link: Cid,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Flat {
    #[serde(flatten)]
    plain: Plain,
    #[serde(flatten)]
    rest: BTreeMap<String, u64>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Number(u64),
    Plain(Plain),
}

/// As unions of the data model are told apart.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "$type")]
enum Tagged {
    #[serde(rename = "blob")]
    Plain(Plain),
    #[serde(other)]
    Other,
}

/// Buffered twice.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Nested {
    Flat(Flat),
    List(Vec<Untagged>),
}

/// `{"ref": value}`, with a type before it if the union needs one.
fn cbor(value: &Value, has_type: bool) -> Vec<u8> {
    let mut members = vec![("ref", value.clone())];
    if has_type {
        members.push(("$type", Value::text("blob")));
    }
    Value::map(members).encode()
}

fn json(value: &str, has_type: bool) -> String {
    let before = if has_type { "\"$type\":\"blob\"," } else { "" };
    format!("{{{before}\"ref\":{value}}}")
}

/// What is read from a link at `ref`, in DAG-CBOR and in JSON, is written as the same link; and
/// nothing else is a link.
fn check<T: DeserializeOwned + Serialize + Debug + PartialEq>(expected: &T, has_type: bool) {
    let bytes = cbor(&link(), has_type);
    assert_eq!(decode::<T>(&bytes).unwrap(), *expected);
    assert_eq!(decode::<T>(&serde_ipld_dagcbor::to_vec(expected).unwrap()).unwrap(), *expected);
    assert_eq!(serde_ipld_dagcbor::to_vec(expected).unwrap().len(), bytes.len());

    let text = json(&format!("{{\"$link\":\"{}\"}}", cid()), has_type);
    assert_eq!(serde_json::from_str::<T>(&text).unwrap(), *expected);
    assert_eq!(serde_json::to_string(expected).unwrap(), text);
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(serde_json::from_value::<T>(value.clone()).unwrap(), *expected);
    assert_eq!(serde_json::to_value(expected).unwrap(), value);
    // White space and escapes change nothing.
    let escaped = text.replace("$link", "\\u0024link").replace(':', " : ");
    assert_eq!(serde_json::from_str::<T>(&escaped).unwrap(), *expected);

    for odd in odd_cbor() {
        let bytes = cbor(&odd, has_type);
        assert!(decode::<T>(&bytes).is_err(), "{odd:?}");
    }
    for odd in odd_json() {
        let text = json(&odd, has_type);
        assert!(serde_json::from_str::<T>(&text).is_err(), "{text}");
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert!(serde_json::from_value::<T>(value).is_err(), "{text}");
    }
}

/// Items that are not a link of the one form.
fn odd_cbor() -> Vec<Value> {
    let bytes = cid().as_bytes().to_vec();
    let with = |at: usize, byte: u8| {
        let mut bytes = bytes.clone();
        bytes[at] = byte;
        Value::link_bytes(&bytes)
    };
    vec![
        Value::text(cid().to_string()),
        Value::Bytes(bytes.clone()),
        Value::Bytes([&[0], &bytes[..]].concat()),
        Value::map([("$link", Value::text("abc"))]),
        Value::Array(bytes.iter().map(|&byte| Value::Uint(byte.into())).collect()),
        Value::Array(vec![link()]),
        Value::Null,
        Value::Uint(1),
        with(0, 2),
        with(1, 0x70),
        with(2, 0x1e),
        with(3, 0x14),
        Value::link_bytes(&bytes[2..]),
        Value::link_bytes(&bytes[..35]),
        Value::link_bytes(&[&bytes[..], &[0]].concat()),
        Value::Tag(42, Box::new(Value::Bytes(bytes.clone()))),
        Value::Tag(42, Box::new(Value::text(cid().to_string()))),
        Value::Tag(43, Box::new(Value::Bytes([&[0], &bytes[..]].concat()))),
    ]
}

/// JSON that is not a link of the one form.
fn odd_json() -> Vec<String> {
    let text = cid().to_string();
    let cid_v0 = "QmdfTbBqBPQ7VNxZEYEj14VmRuZBkqFbiwReogJgS1zR1n";
    vec![
        format!("\"{text}\""),
        format!("{{\"link\":\"{text}\"}}"),
        format!("{{\"$links\":\"{text}\"}}"),
        format!("{{\"$link\":\"{text}\",\"a\":1}}"),
        format!("{{\"a\":1,\"$link\":\"{text}\"}}"),
        format!("{{\"/\":\"{text}\"}}"),
        format!("[\"{text}\"]"),
        format!("{{\"$link\":[\"{text}\"]}}"),
        format!("{{\"$link\":{{\"$link\":\"{text}\"}}}}"),
        format!("{{\"$link\":\"{}\"}}", text.to_uppercase()),
        format!("{{\"$link\":\"{}\"}}", &text[1..]),
        format!("{{\"$link\":\"{text} \"}}"),
        format!("{{\"$link\":\"{cid_v0}\"}}"),
        "{\"$link\":\"\"}".to_owned(),
        "{\"$link\":null}".to_owned(),
        "{\"$link\":1}".to_owned(),
        format!("{{\"$bytes\":\"{text}\"}}"),
        format!("{:?}", cid().as_bytes()),
        "{}".to_owned(),
        "null".to_owned(),
        "1.5".to_owned(),
    ]
}

#[test]
fn a_link_is_a_link_of_its_format() {
    check(&Plain { link: cid() }, false);
}

#[test]
fn a_link_is_read_in_a_flattened_struct() {
    check(&Flat { plain: Plain { link: cid() }, rest: BTreeMap::new() }, false);
}

#[test]
fn a_link_is_read_in_an_untagged_enum() {
    check(&Untagged::Plain(Plain { link: cid() }), false);
}

#[test]
fn a_link_is_read_in_a_union_of_the_data_model() {
    check(&Tagged::Plain(Plain { link: cid() }), true);
}

#[test]
fn a_link_is_read_where_serde_buffers_twice() {
    let flat = Flat { plain: Plain { link: cid() }, rest: BTreeMap::new() };
    check(&Nested::Flat(flat), false);
    let list = Value::Array(vec![Value::Uint(1), Value::map([("ref", link())])]).encode();
    let expected = Nested::List(vec![Untagged::Number(1), Untagged::Plain(Plain { link: cid() })]);
    assert_eq!(decode::<Nested>(&list).unwrap(), expected);
    let text = serde_json::to_string(&expected).unwrap();
    assert_eq!(serde_json::from_str::<Nested>(&text).unwrap(), expected);
}

/// A repeated key is found by the text's parser or here, but never passed over.
#[test]
fn a_link_that_is_repeated_is_refused() {
    let text = cid().to_string();
    let twice = json(&format!("{{\"$link\":\"{text}\",\"$link\":\"{text}\"}}"), false);
    assert!(serde_json::from_str::<Plain>(&twice).is_err());
    assert!(serde_json::from_str::<Flat>(&twice).is_err());
    assert!(serde_json::from_str::<Untagged>(&twice).is_err());
}

#[test]
fn an_untagged_enum_tells_links_from_texts_and_bytes() {
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(untagged)]
    enum Any {
        Link(Cid),
        Text(String),
        Other(IgnoredAny),
    }
    let text = cid().to_string();
    assert_eq!(decode::<Any>(&link().encode()).unwrap(), Any::Link(cid()));
    assert_eq!(decode::<Any>(&Value::text(&*text).encode()).unwrap(), Any::Text(text.clone()));
    let bytes = Value::Bytes(cid().as_bytes().to_vec()).encode();
    assert_eq!(decode::<Any>(&bytes).unwrap(), Any::Other(IgnoredAny));
    let from_json = |json: &str| serde_json::from_str::<Any>(json).unwrap();
    assert_eq!(from_json(&format!("{{\"$link\":\"{text}\"}}")), Any::Link(cid()));
    assert_eq!(from_json(&format!("\"{text}\"")), Any::Text(text.clone()));
    assert_eq!(from_json(&format!("{{\"$link\":\"{text}\",\"a\":1}}")), Any::Other(IgnoredAny));
}

/// Both types of CID are the same link, in both directions.
#[test]
fn the_cid_crate_agrees_in_dag_cbor() {
    for codec in [Codec::Raw, Codec::DagCbor] {
        let ours = Cid::of(codec, b"x");
        let theirs = ipld_core::cid::Cid::try_from(&ours.as_bytes()[..]).unwrap();
        let bytes = serde_ipld_dagcbor::to_vec(&ours).unwrap();
        assert_eq!(bytes, serde_ipld_dagcbor::to_vec(&theirs).unwrap());
        assert_eq!(bytes, Value::link_bytes(ours.as_bytes()).encode());
        assert_eq!(decode::<ipld_core::cid::Cid>(&bytes).unwrap(), theirs);
        assert_eq!(decode::<Cid>(&bytes).unwrap(), ours);
        let ipld = ipld_core::serde::to_ipld(ours).unwrap();
        assert_eq!(ipld, ipld_core::ipld::Ipld::Link(theirs));
        assert_eq!(ipld_core::serde::from_ipld::<Cid>(ipld).unwrap(), ours);
    }
    let foreign = Value::link_bytes(&[&[1, 0x71, 0x1e, 0x20][..], &[7; 32]].concat()).encode();
    assert!(decode::<ipld_core::cid::Cid>(&foreign).is_ok());
    let error = decode::<Cid>(&foreign).unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("hash function 0x1e"), "{cause}");
}

#[test]
fn cids_are_items_of_lists_and_may_be_missing() {
    let list = vec![Some(cid()), None];
    let bytes = serde_ipld_dagcbor::to_vec(&list).unwrap();
    assert_eq!(decode::<Vec<Option<Cid>>>(&bytes).unwrap(), list);
    let text = serde_json::to_string(&list).unwrap();
    assert_eq!(text, format!("[{{\"$link\":\"{}\"}},null]", cid()));
    assert_eq!(serde_json::from_str::<Vec<Option<Cid>>>(&text).unwrap(), list);
}
