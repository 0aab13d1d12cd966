//! `createdAt` and `subject` of records, also of odd ones.

use carwalk_batch::row::Fields;
use carwalk_testkit::cbor::{Value, indefinite, wide};

const EPOCH: &str = "1970-01-01T00:00:00Z";
const SECOND: &str = "1970-01-01T00:00:01Z";

fn fields(value: &Value) -> (Option<i64>, Option<String>) {
    let bytes = value.encode();
    let fields = Fields::of(&bytes);
    (fields.created_at(), fields.subject().map(str::to_owned))
}

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn uri(value: Value) -> Value {
    Value::map([("uri", value), ("cid", Value::text("b"))])
}

#[test]
fn a_subject_is_a_text_or_a_strong_reference() {
    let subject = |value: Value| fields(&Value::map([("subject", value)])).1;
    assert_eq!(subject(Value::text("did:plc:a")), text("did:plc:a"));
    assert_eq!(subject(uri(Value::text("at://a"))), text("at://a"));
    assert_eq!(subject(indefinite(&uri(Value::text("at://a")))), text("at://a"));
    assert_eq!(subject(indefinite(&Value::text("a"))), text("a"));
    assert_eq!(subject(wide(&Value::text("a"), 8)), text("a"));
    assert_eq!(subject(Value::text("a\0b")), text("a\0b"));
    for other in [
        Value::text(""),
        uri(Value::text("")),
        uri(Value::Uint(1)),
        uri(uri(Value::text("at://a"))),
        Value::map([("cid", Value::text("b"))]),
        Value::Map(vec![]),
        Value::Array(vec![Value::text("a")]),
        Value::Uint(7),
        Value::Null,
        Value::Tag(0, Box::new(Value::text("a"))),
        Value::Raw(b"\x61\xff".to_vec()),
    ] {
        assert_eq!(subject(other.clone()), None, "{other:?}");
    }
}

#[test]
fn both_fields_are_found_wherever_they_are() {
    let before = Value::map([("createdAt", Value::text(SECOND)), ("uri", Value::text("no"))]);
    let members = [
        ("a", before.clone()),
        ("subject", uri(Value::text("at://a"))),
        ("createdAt", Value::text(EPOCH)),
    ];
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0], [2, 0, 1]] {
        let map = Value::map(order.map(|number: usize| members[number].clone()));
        for map in [map.clone(), indefinite(&map), wide(&map, 8)] {
            assert_eq!(fields(&map), (Some(0), text("at://a")), "{map:?}");
        }
    }
    assert_eq!(fields(&Value::map([("a", before)])), (None, None));
}

#[test]
fn of_a_repeated_key_the_first_member_counts() {
    let twice = |key: &'static str, a: Value, b: Value| Value::map([(key, a), (key, b)]);
    let (one, two) = (Value::text("1"), Value::text("2"));
    assert_eq!(fields(&twice("subject", one.clone(), two.clone())).1, text("1"));
    assert_eq!(fields(&twice("subject", Value::Null, two.clone())).1, None);
    let inner = twice("uri", one, two);
    assert_eq!(fields(&Value::map([("subject", inner)])).1, text("1"));
    let times = [EPOCH, SECOND].map(Value::text);
    assert_eq!(fields(&twice("createdAt", times[0].clone(), times[1].clone())).0, Some(0));
    assert_eq!(fields(&twice("createdAt", Value::text("x"), times[1].clone())).0, None);
}

#[test]
fn keys_of_any_type_are_passed_over() {
    let map = Value::Map(vec![
        (Value::Uint(1), Value::text("subject")),
        (Value::Raw(b"\x61\xff".to_vec()), Value::Null),
        (Value::Map(vec![(Value::text("subject"), Value::Null)]), Value::Null),
        (indefinite(&Value::text("subject")), Value::text("a")),
    ]);
    assert_eq!(fields(&map), (None, text("a")));
}

#[test]
fn members_before_a_fault_count() {
    let record = Value::map([
        ("subject", uri(Value::text("at://a"))),
        ("createdAt", Value::text(EPOCH)),
        ("zzzzzzzzzz", Value::Null),
    ])
    .encode();
    let found = |len: usize| {
        let fields = Fields::of(&record[..len]);
        (fields.subject().is_some(), fields.created_at().is_some())
    };
    assert_eq!(found(record.len()), (true, true));
    // The member after both is not read.
    assert_eq!(found(record.len() - 1), (true, true));
    for len in 0..record.len() {
        let (has_subject, has_time) = found(len);
        assert!(has_subject || !has_time, "{len}");
    }
    assert_eq!(found(10), (false, false));
    for record in [&b""[..], b"\x80", b"\xa1", b"\xff", b"\xd9\xd9\xf7\xa0", b"\x67subject"] {
        assert_eq!(Fields::of(record), Fields::default());
    }
}
