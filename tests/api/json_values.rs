//! Records as JSON: what the data model has, and each thing that it does not have.

use crate::json_properties::{appended, compacted};
use carwalk::ErrorKind;
use carwalk::error::{Malformed, Structure};
use carwalk::record::{self, Layout};
use carwalk_testkit::cbor::{Value, indefinite, wide};
use carwalk_testkit::cid::Cid;
use carwalk_testkit::repo::{Order, Record, Repo};
use data_encoding::BASE64_NOPAD;

/// The JSON of a record, and the notes about it without their paths.
#[track_caller]
fn json(bytes: Vec<u8>) -> (String, Vec<String>) {
    let text = record::to_json(&bytes).unwrap();
    let mut indented = Vec::new();
    record::write_json(&bytes, &mut indented, Layout::Indented).unwrap();
    assert_eq!(text, compacted(&String::from_utf8(indented).unwrap()));
    assert_eq!(text, appended(&bytes).unwrap());
    serde_json::from_str::<serde::de::IgnoredAny>(&text).unwrap();
    let notes = record::oddities(&bytes).map(|odd| {
        let odd = odd.unwrap();
        format!("byte {}: {}", odd.within(), odd.oddity())
    });
    (text, notes.collect())
}

#[track_caller]
fn value(value: &Value) -> (String, Vec<String>) {
    let (text, notes) = json(Value::map([("v", value.clone())]).encode());
    (text.strip_prefix("{\"v\":").unwrap().strip_suffix('}').unwrap().to_owned(), notes)
}

#[track_caller]
fn sound(item: &Value, expected: &str) {
    assert_eq!(value(item), (expected.to_owned(), vec![]));
}

/// An item at byte 3 that has a JSON form, but is odd.
#[track_caller]
fn odd(item: &Value, expected: &str, note: &str) {
    assert_eq!(value(item), (expected.to_owned(), vec![format!("byte 3: {note}")]));
}

/// An item at byte 3 that has no JSON form.
#[track_caller]
fn formless(item: &Value, note: &str) {
    odd(item, &cbor(&item.encode()), note);
}

fn cbor(bytes: &[u8]) -> String {
    format!("{{\"$cbor\":\"{}\"}}", BASE64_NOPAD.encode(bytes))
}

/// There is no JSON of the record, and nothing of it is written; its links, blobs and oddities end
/// with the same error.
#[track_caller]
fn refused(bytes: Vec<u8>, reason: &str) {
    let mut out = Vec::new();
    let error = record::write_json(&bytes, &mut out, Layout::Indented).unwrap_err();
    let within = error.position().within().unwrap();
    assert_eq!(format!("byte {within}: {}", error.kind()), reason);
    assert_eq!(error.position().structure(), Structure::Record);
    assert!(out.is_empty());
    let text = error.to_string();
    assert_eq!(appended(&bytes).unwrap_err().to_string(), text);
    assert_eq!(record::to_json(&bytes).unwrap_err().to_string(), text);
    assert_eq!(record::links(&bytes).last().unwrap().unwrap_err().to_string(), text);
    assert_eq!(record::blobs(&bytes).last().unwrap().unwrap_err().to_string(), text);
    let mut oddities = record::oddities(&bytes).skip_while(Result::is_ok);
    assert_eq!(oddities.next().unwrap().unwrap_err().to_string(), text);
    assert!(oddities.next().is_none());
}

#[test]
fn the_data_model_has_a_form_for_each_kind() {
    let cid = Cid::dag_cbor(b"a");
    sound(&Value::Link(cid), &format!("{{\"$link\":\"{cid}\"}}"));
    sound(&Value::Link(Cid::raw(b"a")), &format!("{{\"$link\":\"{}\"}}", Cid::raw(b"a")));
    sound(&Value::Bytes(vec![]), "{\"$bytes\":\"\"}");
    sound(&Value::Bytes(vec![0xfb, 0xff]), "{\"$bytes\":\"+/8\"}");
    sound(&Value::Null, "null");
    sound(&Value::Array(vec![Value::Bool(true), Value::Bool(false)]), "[true,false]");
    sound(&Value::Map(vec![]), "{}");
    let blob =
        [("ref", Value::Link(cid)), ("size", Value::Uint(1)), ("$type", Value::text("blob"))];
    sound(
        &Value::map(blob),
        &format!("{{\"ref\":{{\"$link\":\"{cid}\"}},\"size\":1,\"$type\":\"blob\"}}"),
    );
}

#[test]
fn integers_lose_nothing() {
    for number in
        [0, 23, 24, -1, -24, -25, 255, 256, -256, -257, 1 << 40, (1 << 53) - 1, -(1 << 53) + 1]
    {
        sound(&Value::Int(number), &number.to_string());
    }
    for number in
        [1_i128 << 53, -(1 << 53), i64::MAX.into(), i64::MIN.into(), u64::MAX.into(), -(1 << 64)]
    {
        let head = if number < 0 { (1, -1 - number) } else { (0, number) };
        let item = Value::Raw(carwalk_testkit::cbor::head(head.0, head.1.try_into().unwrap()));
        odd(&item, &number.to_string(), &format!("integer {number} takes more than 53 bits"));
    }
}

#[test]
fn texts_do_nothing_to_a_terminal() {
    let text = "a~\u{f6}\u{2318}\u{1f600}\u{200d}\u{301}\u{fffd}";
    sound(&Value::text(text), &format!("\"{text}\""));
    let controls = [
        ("\u{0}\u{1b}[31m\u{7f}", "\\u0000\\u001b[31m\\u007f"),
        ("\"\\/\n\r\t\u{8}\u{c}", "\\\"\\\\/\\n\\r\\t\\b\\f"),
        ("a\u{80}\u{85}\u{9b}\u{9f}\u{a0}", "a\\u0080\\u0085\\u009b\\u009f\u{a0}"),
        ("\u{2028}x\u{2029}\u{202e}", "\\u2028x\\u2029\\u202e"),
        ("\u{61c}\u{200e}\u{200f}\u{2066}\u{2069}", "\\u061c\\u200e\\u200f\\u2066\\u2069"),
    ];
    for (text, escaped) in controls {
        sound(&Value::text(text), &format!("\"{escaped}\""));
        let (json, notes) = json(Value::map([(text, Value::Null)]).encode());
        assert_eq!((json, notes.len()), (format!("{{\"{escaped}\":null}}"), 0));
        let back: String = serde_json::from_str(&format!("\"{escaped}\"")).unwrap();
        assert_eq!(back, text);
    }
}

#[test]
fn finite_floats_are_numbers_that_are_no_integers() {
    let f64_of = |number: f64| Value::F64(number);
    for (number, text) in
        [(1.0, "1.0"), (-0.0, "-0.0"), (1.5, "1.5"), (1e300, "1e+300"), (f64::MIN_POSITIVE, "")]
    {
        let (json, notes) = value(&f64_of(number));
        assert_eq!(json.parse::<f64>().unwrap().to_bits(), number.to_bits());
        assert!(json.contains(['.', 'e']), "{json}");
        assert!(text.is_empty() || json == text, "{json}");
        assert_eq!(
            notes,
            [format!("byte 3: float {number:?}, which the data model does not have")]
        );
    }
    odd(&Value::Raw(vec![0xf9, 0x3e, 0]), "1.5", "float 1.5, which the data model does not have");
    odd(
        &Value::Raw(vec![0xfa, 0x3f, 0xc0, 0, 0]),
        "1.5",
        "float 1.5, which the data model does not have",
    );
    for (number, name) in [(f64::NAN, "NaN"), (f64::INFINITY, "inf"), (f64::NEG_INFINITY, "-inf")] {
        formless(&f64_of(number), &format!("float {name}, which the data model does not have"));
    }
    formless(&Value::Raw(vec![0xf9, 0x7e, 0]), "float NaN, which the data model does not have");
}

#[test]
fn items_without_a_form_are_given_as_they_are() {
    formless(&Value::Raw(vec![0xf7]), "undefined, which the data model does not have");
    formless(&Value::Raw(vec![0xe0]), "simple value 0, which the data model does not have");
    formless(&Value::Raw(vec![0xf8, 0xff]), "simple value 255, which the data model does not have");
    formless(&Value::Raw(vec![0xf8, 0x20]), "simple value 32, which the data model does not have");
    for (value, name) in [
        (20, "`false`"),
        (21, "`true`"),
        (22, "`null`"),
        (23, "`undefined`"),
        (0, "simple value 0"),
    ] {
        formless(&Value::Raw(vec![0xf8, value]), &format!("badly encoded {name}, in two bytes"));
    }
    formless(&Value::Raw(vec![0xf8, 0x1f]), "badly encoded simple value 31, in two bytes");
    formless(&Value::Raw(vec![0x62, b'a', 0xff]), "text is not UTF-8");
    formless(&Value::Tag(0, Box::new(Value::text("2026-01-01"))), "tag that does not form a link");
    formless(&Value::Tag(42, Box::new(Value::text("abc"))), "tag that does not form a link");
    formless(
        &Value::Tag(42, Box::new(Value::Bytes(vec![1; 37]))),
        "link does not begin with the byte 0x00",
    );
    formless(
        &Value::Tag(42, Box::new(Value::Bytes(vec![]))),
        "link does not begin with the byte 0x00",
    );
    let blake3 = [&[1, 0x71, 0x1e, 0x20][..], &[7; 32]].concat();
    formless(
        &Value::link_bytes(&blake3),
        "link to a CID of hash function 0x1e, expected 0x12 (sha2-256)",
    );
    formless(
        &Value::link_bytes(&[&[0x12, 0x20][..], &[7; 32]].concat()),
        "link to a CID of version 0, expected version 1",
    );
}

#[test]
fn what_stands_after_a_formless_item_is_not_lost() {
    let items = [
        Value::Array(vec![]),
        Value::Raw(vec![0x61, 0xff]),
        Value::Tag(1, Box::new(Value::Array(vec![Value::Null]))),
    ];
    let array = Value::Array(
        [&items[..], &[Value::Uint(7), Value::Array(vec![Value::Raw(vec![0xf7])])]].concat(),
    );
    let (text, notes) = value(&array);
    let expected =
        format!("[[],{},{},7,[{}]]", cbor(&[0x61, 0xff]), cbor(&items[2].encode()), cbor(&[0xf7]));
    assert_eq!((text, notes.len()), (expected, 3));
}

#[test]
fn other_forms_of_sound_items_are_told() {
    let padded = "integer or length is not in its shortest form";
    for item in [Value::Uint(7), Value::Int(-7)] {
        for width in [1, 2, 4, 8] {
            let number = if item == Value::Uint(7) { "7" } else { "-7" };
            odd(&wide(&item, width), number, padded);
        }
    }
    odd(&wide(&Value::Uint(0xffff), 4), "65535", padded);
    sound(&wide(&Value::Uint(0x1_0000), 4), "65536");
    odd(&wide(&Value::text("ab"), 1), "\"ab\"", padded);
    odd(&wide(&Value::Bytes(vec![1]), 2), "{\"$bytes\":\"AQ\"}", padded);
    odd(&wide(&Value::Array(vec![Value::Null]), 4), "[null]", padded);
    odd(&wide(&Value::map([("a", Value::Null)]), 8), "{\"a\":null}", padded);
    let cid = Cid::raw(b"");
    let inside = wide(&Value::Bytes([&[0], &cid.as_bytes()[..]].concat()), 2);
    odd(&Value::Tag(42, Box::new(inside)), &format!("{{\"$link\":\"{cid}\"}}"), padded);

    let long = "item of indefinite length";
    odd(&indefinite(&Value::text("ab")), "\"ab\"", long);
    odd(&Value::Raw(b"\x7f\x61a\x60\x61b\xff".to_vec()), "\"ab\"", long);
    odd(&Value::Raw(b"\x5f\x41\x01\x40\x41\x02\xff".to_vec()), "{\"$bytes\":\"AQI\"}", long);
    odd(&Value::Raw(b"\x5f\xff".to_vec()), "{\"$bytes\":\"\"}", long);
    odd(&indefinite(&Value::Array(vec![Value::Uint(1), Value::Array(vec![])])), "[1,[]]", long);
    odd(&indefinite(&Value::map([("a", Value::Null)])), "{\"a\":null}", long);
    let (text, notes) = value(&Value::Raw(b"\x7f\x61\xff\x61b\xff".to_vec()));
    assert_eq!(
        (text, notes),
        (
            cbor(b"\x7f\x61\xff\x61b\xff"),
            vec![format!("byte 3: {long}"), "byte 3: text is not UTF-8".to_owned()]
        )
    );
}

#[test]
fn members_out_of_order_come_as_they_are() {
    let map = |keys: &[&str]| {
        Value::map(keys.iter().enumerate().map(|(at, key)| (*key, Value::Uint(at as u64))))
    };
    let notes_of = |keys: &[&str]| json(map(keys).encode()).1;
    assert_eq!(json(map(&["b", "a"]).encode()).0, "{\"b\":0,\"a\":1}");
    assert_eq!(notes_of(&["b", "a"]), ["byte 4: map keys are not in canonical order"]);
    assert_eq!(notes_of(&["aa", "b"]), ["byte 5: map keys are not in canonical order"]);
    assert_eq!(notes_of(&["b", "aa"]), [""; 0]);
    let far =
        ["byte 7: map keys are not in canonical order", "byte 7: the same key twice in one map"];
    assert_eq!(notes_of(&["a", "b", "a"]), far);
    assert_eq!(notes_of(&["a", "a"]), ["byte 4: the same key twice in one map"]);
    // Each map is looked at by itself.
    let nested = Value::map([("a", map(&["a", "b"])), ("b", map(&["a", "b"]))]);
    assert_eq!(json(nested.encode()).1, [""; 0]);
}

#[test]
fn maps_with_a_repeated_key_are_given_as_they_are() {
    let map = |keys: &[&str]| Value::map(keys.iter().map(|key| (*key, Value::Array(vec![]))));
    for keys in [&["a", "a"][..], &["a", "b", "a"], &["a", "b", "b", "a", "a"]] {
        let twice = map(keys);
        assert_eq!(json(twice.encode()).0, cbor(&twice.encode()));
        let around = Value::map([
            ("v", twice.clone()),
            ("w", Value::Array(vec![twice.clone(), map(&["a", "b"])])),
        ]);
        let bytes = cbor(&twice.encode());
        assert_eq!(
            json(around.encode()).0,
            format!("{{\"v\":{bytes},\"w\":[{bytes},{{\"a\":[],\"b\":[]}}]}}")
        );
    }
    let outer = Value::map([("a", map(&["b", "b"])), ("a", Value::Raw(vec![0xf7]))]);
    assert_eq!(json(outer.encode()).0, cbor(&outer.encode()));
}

#[test]
fn maps_that_json_would_mistake_are_given_as_they_are() {
    for key in ["$link", "$bytes", "$cbor"] {
        let note = format!("byte {}: map key is one of the names $link, $bytes and $cbor", 4);
        for item in [
            Value::map([(key, Value::text("abc"))]),
            Value::map([(key, Value::Null), ("zzzzzzz", Value::Null)]),
        ] {
            assert_eq!(value(&item), (cbor(&item.encode()), vec![note.clone()]));
        }
        let whole = Value::map([(key, Value::text("abc"))]).encode();
        let note = "byte 1: map key is one of the names $link, $bytes and $cbor".to_owned();
        assert_eq!(json(whole.clone()), (cbor(&whole), vec![note]));
    }
    for key in [
        Value::Uint(1),
        Value::Bytes(vec![1]),
        Value::Null,
        Value::Array(vec![]),
        Value::Map(vec![]),
    ] {
        let item = Value::Map(vec![
            (key, Value::Array(vec![Value::Null])),
            (Value::text("a"), Value::Null),
        ]);
        let after = [("a", item.clone()), ("b", Value::Uint(1))];
        let (text, notes) = json(Value::map(after).encode());
        assert_eq!(text, format!("{{\"a\":{},\"b\":1}}", cbor(&item.encode())));
        assert_eq!(notes, ["byte 4: map key is not a text"]);
        assert_eq!(
            json(item.encode()),
            (cbor(&item.encode()), vec!["byte 1: map key is not a text".to_owned()])
        );
    }
    // What is odd in such a map is told, but the map is one item.
    let inner = Value::Map(vec![
        (Value::Uint(1), Value::Raw(vec![0xf7])),
        (Value::Uint(2), Value::F64(1.5)),
    ]);
    let (text, notes) = value(&inner);
    assert_eq!((text, notes.len()), (cbor(&inner.encode()), 4));
    let key = Value::Map(vec![(Value::Raw(vec![0x61, 0xff]), Value::Null)]);
    let (text, notes) = value(&key);
    assert_eq!(text, cbor(&key.encode()));
    assert_eq!(notes, ["byte 4: map key is not a text", "byte 4: text is not UTF-8"]);
}

#[test]
fn records_that_are_no_maps_are_printed() {
    let no_map = "byte 0: the record is not a map".to_owned();
    assert_eq!(json(vec![0x80]), ("[]".to_owned(), vec![no_map.clone()]));
    assert_eq!(json(vec![0x07]), ("7".to_owned(), vec![no_map.clone()]));
    let tagged =
        Value::Tag(1, Box::new(Value::Array(vec![Value::F64(1.5), Value::Raw(vec![0xf7])])))
            .encode();
    let infinite = Value::F64(f64::INFINITY).encode();
    let no_text = vec![0x61, 0xff];
    let no_link = Value::Tag(42, Box::new(Value::Bytes(vec![1]))).encode();
    for record in [vec![0xf7], vec![0xf8, 0xff], tagged, infinite, no_text, no_link] {
        let (text, notes) = json(record.clone());
        assert_eq!((text, &notes[0]), (cbor(&record), &no_map));
        assert!(notes.len() > 1, "{notes:?}");
        // Bytes after the end are no part of the item.
        assert_eq!(json([&record[..], b"\0"].concat()).0, cbor(&record));
    }
}

#[test]
fn bytes_after_the_end_are_left_out() {
    let record = [Value::map([("a", Value::Uint(1))]).encode(), vec![0xff, 0, 0]].concat();
    assert_eq!(
        json(record),
        ("{\"a\":1}".to_owned(), vec!["byte 4: 3 bytes after the end of the record".to_owned()])
    );
    assert_eq!(
        json(vec![0xa0, 0]),
        ("{}".to_owned(), vec!["byte 1: 1 byte after the end of the record".to_owned()])
    );
}

#[test]
fn what_is_no_cbor_is_refused() {
    let map = |rest: &[u8]| [b"\xa1\x61v", rest].concat();
    let ended = |at: usize| format!("byte {at}: the record ends inside the item that begins here");
    let no_item = |at: usize| format!("byte {at}: this byte cannot begin a CBOR item here");
    refused(vec![], &ended(0));
    refused(vec![0xa1], &ended(1));
    refused(map(b""), &ended(3));
    for cut in [
        &b"\x18"[..],
        b"\x62a",
        b"\x42\x01",
        b"\x5f\x41\x01",
        b"\x7f\x61a",
        b"\xd8",
        b"\x1b\0\0\0",
        b"\x38",
    ] {
        refused(map(cut), &ended(3));
    }
    refused(map(b"\xd8\x2a"), &ended(5));
    refused(map(b"\xd8\x2a\x58\x25\0"), &ended(3));
    refused(map(b"\x9f\x01"), &ended(5));
    // Lengths of 2^64 - 1.
    for major in [0x5b, 0x7b, 0x9b, 0xbb] {
        let lying = map(&[&[major][..], &[0xff; 8]].concat());
        refused(lying, &ended(if major < 0x80 { 3 } else { 12 }));
    }
    for reserved in [0x1c, 0x3d, 0x5e, 0x7c, 0x9d, 0xbe, 0xdc, 0xfc, 0xfe, 0x1f, 0x3f, 0xdf] {
        refused(map(&[reserved]), &no_item(3));
    }
    // Breaks that end nothing, and chunks of another type.
    refused(vec![0xff], &no_item(0));
    refused(map(b"\xff"), &no_item(3));
    refused(b"\xbf\x61v\xff".to_vec(), &no_item(3));
    refused(map(b"\xc1\xff"), &no_item(4));
    refused(map(b"\x82\x01\xff"), &no_item(5));
    refused(map(b"\x5f\x61a\xff"), &no_item(4));
    refused(map(b"\x7f\x7f\xff\xff"), &no_item(4));
}

#[test]
fn raw_blocks_are_not_taken_for_cbor() {
    let key = b"com.example.test/self".to_vec();
    for (record, is_raw) in [(Record::raw(vec![0xa0]), true), (Record::new(vec![0xa0]), false)] {
        let car = Repo::new([(key.clone(), record)]).to_bytes(Order::Preorder);
        let repo = carwalk::Repo::from_slice(&car).unwrap();
        let record = repo.records().next().unwrap().unwrap();
        let mut out = Vec::new();
        let results = [
            record.to_json().map(drop),
            record.write_json(&mut out, Layout::Compact),
            record.append_json(&mut Vec::new()),
            record.links().next().transpose().map(drop),
            record.blobs().next().transpose().map(drop),
            record.oddities().next().transpose().map(drop),
        ];
        assert_eq!(out.is_empty(), is_raw);
        for result in results {
            assert_eq!(result.is_err(), is_raw);
            let Err(error) = result else { continue };
            assert!(
                matches!(error.kind(), ErrorKind::Malformed(Malformed::CidCodec { .. })),
                "{error}"
            );
            assert_eq!(error.cid(), Some(&record.cid()));
            assert_eq!(error.key(), Some(&key[..]));
        }
    }
}

#[test]
fn errors_of_records_name_them() {
    let key = b"com.example.test/self".to_vec();
    let car = Repo::new([(key.clone(), Record::new(vec![0x81]))]).to_bytes(Order::Preorder);
    let repo = carwalk::Repo::from_slice(&car).unwrap();
    let record = repo.records().next().unwrap().unwrap();
    let errors = [
        record.to_json().unwrap_err(),
        record.write_json(Vec::new(), Layout::Compact).unwrap_err(),
        record.append_json(&mut Vec::new()).unwrap_err(),
        record.links().next().unwrap().unwrap_err(),
        record.blobs().next().unwrap().unwrap_err(),
        record.oddities().last().unwrap().unwrap_err(),
    ];
    for error in errors {
        assert!(matches!(error.kind(), ErrorKind::Malformed(Malformed::RecordEnd)), "{error}");
        assert_eq!(error.cid(), Some(&record.cid()));
        assert_eq!(error.key(), Some(&key[..]));
        assert_eq!(error.position().structure(), Structure::Record);
        assert_eq!(error.position().offset(), record.offset());
        assert_eq!(error.position().within(), Some(1));
    }
}

#[test]
fn layouts_differ_in_white_space_only() {
    let record = Value::map([
        ("a", Value::Array(vec![Value::Uint(1), Value::Array(vec![])])),
        ("b", Value::Map(vec![])),
    ])
    .encode();
    let layout = |layout| {
        let mut out = Vec::new();
        record::write_json(&record, &mut out, layout).unwrap();
        String::from_utf8(out).unwrap()
    };
    assert_eq!(layout(Layout::Compact), "{\"a\":[1,[]],\"b\":{}}");
    let indented = "{\n  \"a\": [\n    1,\n    []\n  ],\n  \"b\": {}\n}";
    assert_eq!(layout(Layout::Indented), indented);
    assert_eq!(record::to_json(&record).unwrap(), layout(Layout::Compact));
}

/// A destination that fails is told apart from a record at fault.
#[test]
fn a_writer_that_fails_is_an_output_error() {
    struct Full(usize);
    impl std::io::Write for Full {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 = self.0.checked_sub(bytes.len()).ok_or(std::io::ErrorKind::StorageFull)?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let record = Value::map([("a", Value::Array(vec![Value::text("b"), Value::Null]))]).encode();
    let len = record::to_json(&record).unwrap().len();
    for layout in [Layout::Compact, Layout::Indented] {
        for room in 0..len {
            let error = record::write_json(&record, Full(room), layout).unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Output(_)), "{error}");
            let error = std::io::Error::from(error);
            assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
        }
    }
    record::write_json(&record, Full(len), Layout::Compact).unwrap();
}

/// `levels` things in each other, the innermost of them null.
fn nested(levels: usize, around: &[u8]) -> Vec<u8> {
    [around.repeat(levels), vec![0xf6]].concat()
}

#[test]
fn deep_nesting_ends_at_a_limit_and_not_on_the_stack() {
    let exceeded = |at: usize| format!("byte {at}: CBOR nesting of 101 exceeds the limit of 100");
    for around in [&b"\x81"[..], b"\x9f", b"\xa1\x61a", b"\xc1"] {
        let at_most = nested(99, around);
        if around == b"\x81" || around == b"\xa1\x61a" {
            let text = json([b"\xa1\x61v", &at_most[..]].concat()).0;
            assert_eq!(text.matches(['[', '{']).count(), 100);
        }
        refused(nested(101, around), &exceeded(100 * around.len()));
        refused(nested(600_000, around), &exceeded(100 * around.len()));
    }
}
