//! Blobs in records, of both forms, and what is not one.

use carwalk::cid::Codec;
use carwalk::{Cid, record};
use carwalk_testkit::cbor::{Value, indefinite};
use carwalk_testkit::cid::Cid as KitCid;

fn kit() -> KitCid {
    KitCid::raw(b"a picture")
}

fn cid() -> Cid {
    Cid::of(Codec::Raw, b"a picture")
}

fn typed() -> Vec<(&'static str, Value)> {
    vec![
        ("ref", Value::Link(kit())),
        ("size", Value::Uint(1234)),
        ("$type", Value::text("blob")),
        ("mimeType", Value::text("image/png")),
    ]
}

fn legacy() -> Vec<(&'static str, Value)> {
    vec![("cid", Value::text(kit().to_string())), ("mimeType", Value::text("image/png"))]
}

type Row = (Cid, String, Option<u64>, bool);

#[track_caller]
fn found(item: &Value) -> Vec<Row> {
    let record = item.encode();
    let blobs = record::blobs(&record).map(|blob| {
        let blob = blob.unwrap();
        (blob.cid(), blob.mime_type().to_owned(), blob.size(), blob.is_legacy())
    });
    blobs.collect()
}

fn row(size: Option<u64>, is_legacy: bool) -> Row {
    (cid(), "image/png".to_owned(), size, is_legacy)
}

/// A blob with one member changed, or without it.
fn with(mut members: Vec<(&'static str, Value)>, key: &'static str, value: Option<Value>) -> Value {
    members.retain(|(name, _)| *name != key);
    members.extend(value.map(|value| (key, value)));
    Value::map(members)
}

#[test]
fn both_forms_are_found_wherever_they_lie() {
    let (typed, legacy) = (Value::map(typed()), Value::map(legacy()));
    assert_eq!(found(&typed), [row(Some(1234), false)]);
    assert_eq!(found(&legacy), [row(None, true)]);
    let record = Value::map([
        ("avatar", legacy.clone()),
        (
            "embed",
            Value::map([(
                "images",
                Value::Array(vec![
                    Value::map([("image", typed.clone()), ("alt", Value::text(""))]),
                    Value::map([("image", typed.clone())]),
                ]),
            )]),
        ),
        ("odd", Value::Tag(7, Box::new(Value::Map(vec![(Value::Null, typed.clone())])))),
        ("odd", indefinite(&legacy)),
    ]);
    let blob = || row(Some(1234), false);
    assert_eq!(found(&record), [row(None, true), blob(), blob(), blob(), row(None, true)]);
}

#[test]
fn the_order_of_members_does_not_matter() {
    for rotated in 0..4 {
        let mut members = typed();
        members.rotate_left(rotated);
        assert_eq!(found(&Value::map(members)), [row(Some(1234), false)]);
    }
    let mut members = legacy();
    members.reverse();
    assert_eq!(found(&Value::map(members)), [row(None, true)]);
}

#[test]
fn a_typed_blob_needs_type_link_and_media_type() {
    let changes = [
        ("$type", None),
        ("$type", Some(Value::text("blobs"))),
        ("$type", Some(Value::Bytes(b"blob".to_vec()))),
        ("ref", None),
        ("ref", Some(Value::text(kit().to_string()))),
        ("ref", Some(Value::map([("$link", Value::text(kit().to_string()))]))),
        ("ref", Some(Value::Array(vec![Value::Link(kit())]))),
        ("ref", Some(Value::link_bytes(&[&[1, 0x55, 0x1e, 0x20][..], &[7; 32]].concat()))),
        ("mimeType", None),
        ("mimeType", Some(Value::Null)),
        ("mimeType", Some(Value::Raw(vec![0x61, 0xff]))),
    ];
    for (key, value) in changes {
        assert_eq!(found(&with(typed(), key, value.clone())), [], "{key}: {value:?}");
    }
}

#[test]
fn a_typed_blob_may_lack_a_size_and_have_more_members() {
    let sizes = [
        (None, None),
        (Some(Value::Uint(0)), Some(0)),
        (Some(Value::Uint(u64::MAX)), Some(u64::MAX)),
        (Some(Value::Int(-1)), None),
        (Some(Value::text("1")), None),
        (Some(Value::F64(1.0)), None),
    ];
    for (size, expected) in sizes {
        assert_eq!(found(&with(typed(), "size", size)), [row(expected, false)]);
    }
    for more in [Value::Null, Value::Array(vec![Value::Uint(1)]), Value::Map(vec![])] {
        assert_eq!(found(&with(typed(), "alt", Some(more))), [row(Some(1234), false)]);
    }
    let text = Value::text(kit().to_string());
    assert_eq!(found(&with(typed(), "cid", Some(text))), [row(Some(1234), false)]);
}

#[test]
fn a_legacy_blob_has_two_members_and_no_others() {
    let changes = [
        ("cid", None),
        ("cid", Some(Value::Link(kit()))),
        ("cid", Some(Value::text("bafkrei"))),
        ("cid", Some(Value::text(kit().to_string().to_uppercase()))),
        ("mimeType", None),
        ("mimeType", Some(Value::Uint(1))),
        ("size", Some(Value::Uint(1))),
        ("$type", Some(Value::text("com.example.file"))),
        ("uri", Some(Value::text("at://a/b/c"))),
    ];
    for (key, value) in changes {
        assert_eq!(found(&with(legacy(), key, value.clone())), [], "{key}: {value:?}");
    }
    let odd_key =
        [legacy(), vec![]].concat().into_iter().map(|(key, value)| (Value::text(key), value));
    let odd_key = odd_key.chain([(Value::Uint(1), Value::Null)]).collect();
    assert_eq!(found(&Value::Map(odd_key)), []);
}

#[test]
fn of_a_repeated_member_the_last_counts() {
    let mut members = typed();
    members.push(("size", Value::Uint(5)));
    assert_eq!(found(&Value::map(members.clone())), [row(Some(5), false)]);
    members.push(("ref", Value::Null));
    assert_eq!(found(&Value::map(members)), []);
}

#[test]
fn a_blob_in_a_blob_is_found_too() {
    let around = with(typed(), "alt", Some(Value::map(legacy())));
    assert_eq!(found(&around), [row(None, true), row(Some(1234), false)]);
}

#[test]
fn media_types_are_borrowed_from_the_record() {
    let bytes = Value::map(typed()).encode();
    let blob = record::blobs(&bytes).next().unwrap().unwrap();
    assert!(bytes.as_ptr_range().contains(&blob.mime_type().as_ptr()));
    // One in chunks cannot be.
    let chunks = Value::Raw(b"\x7f\x66image/\x63png\xff".to_vec());
    let chunked = with(typed(), "mimeType", Some(chunks));
    assert_eq!(found(&chunked), [row(Some(1234), false)]);
}

#[test]
fn a_record_that_ends_early_is_an_error_after_the_blobs_before_it() {
    let record = Value::Array(vec![Value::map(typed()), Value::map(typed())]).encode();
    for len in 0..record.len() {
        let mut blobs = record::blobs(&record[..len]).skip_while(Result::is_ok);
        assert!(blobs.next().unwrap().is_err());
        assert!(blobs.next().is_none());
    }
    let cut = record::blobs(&record[..record.len() - 1]).filter(Result::is_ok).count();
    assert_eq!(cut, 1);
}
