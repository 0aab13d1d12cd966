//! Whatever a record's bytes are: what is written is JSON that does nothing to a terminal, and
//! nothing odd is told exactly if the record is one of the data model.

use crate::data_model::Parsed;
use crate::json::{Layout, Survey};
use carwalk_testkit::cases;
use carwalk_testkit::cbor::{Value, indefinite, wide};
use carwalk_testkit::cid::Cid;
use carwalk_testkit::oracle::{decode, is_canonical};
use carwalk_testkit::rng::Rng;

const TEXTS: [&str; 12] = [
    "",
    "a",
    "b",
    "ab",
    "$type",
    "$link",
    "$bytes",
    "$cbor",
    "\u{1b}[31m",
    "\"\\\u{85}",
    "\u{2028}\u{1f600}",
    "text",
];

fn item(random: &mut Rng, nesting: usize) -> Value {
    let sound = |random: &mut Rng| match random.below(8) {
        0 => Value::Null,
        1 => Value::Bool(random.chance(1, 2)),
        2 => Value::Int((random.next_u64() >> random.range(11, 64)) as i64),
        3 => Value::Int(-((random.next_u64() >> random.range(12, 64)) as i64)),
        4 => Value::Bytes(random.bytes(nesting)),
        5 => Value::Link(Cid::raw(&random.bytes(1))),
        _ => Value::text(*random.pick(&TEXTS)),
    };
    let odd = |random: &mut Rng| match random.below(6) {
        0 => Value::F64(f64::from_bits(random.next_u64())),
        1 => Value::Uint(random.next_u64()),
        2 => wide(&sound(&mut random.clone()), 8),
        3 => indefinite(&Value::text("a")),
        4 => Value::Tag(
            random.next_u64() >> random.range(1, 64),
            Box::new(sound(&mut random.clone())),
        ),
        _ => Value::Raw(random.bytes(1)),
    };
    match random.below(40) {
        0 => odd(random),
        1..=10 if nesting > 0 => {
            Value::Array((0..random.below(4)).map(|_| item(random, nesting - 1)).collect())
        }
        11..=24 if nesting > 0 => map(random, nesting - 1),
        _ => sound(random),
    }
}

/// A map that is canonical most of the time.
fn map(random: &mut Rng, nesting: usize) -> Value {
    let mut keys: Vec<&str> =
        (0..random.below(4)).map(|_| TEXTS[random.below(TEXTS.len())]).collect();
    if !random.chance(1, 20) {
        keys.retain(|key| !["$link", "$bytes", "$cbor"].contains(key));
        keys.sort_by_key(|key| (key.len(), *key));
        keys.dedup();
    }
    let pairs: Vec<_> = keys.into_iter().map(|key| (key, item(random, nesting))).collect();
    Value::map(pairs)
}

/// Whether a record is one of the data model, told by a decoder that has nothing to do with the
/// tool's.
fn is_sound(record: &[u8]) -> bool {
    let value = decode(record).ok().filter(|value| is_canonical(value) && value.encode() == record);
    value.is_some_and(|value| matches!(value, Value::Map(_)) && has_json(&value))
}

fn has_json(value: &Value) -> bool {
    match value {
        Value::Uint(number) => *number < 1 << 53,
        Value::Int(number) => number.unsigned_abs() < 1 << 53,
        Value::Array(items) => items.iter().all(has_json),
        Value::Map(pairs) => pairs.iter().all(|(key, value)| {
            let is_reserved =
                ["$link", "$bytes", "$cbor"].iter().any(|name| *key == Value::text(*name));
            !is_reserved && has_json(value)
        }),
        Value::F64(_) | Value::Raw(_) | Value::Tag(..) => false,
        _ => true,
    }
}

/// Writes a record in both layouts; tells whether there is nothing odd about it.
fn check(record: &[u8]) -> bool {
    let mut oddities = 0;
    let survey = Survey::new(record, |at, oddity| {
        assert!(at <= record.len());
        assert!(!oddity.to_string().is_empty());
        oddities += 1;
    });
    let Ok(survey) = survey else {
        return false;
    };
    let text = |layout| {
        let mut out = Vec::new();
        survey.write(&mut out, layout).unwrap();
        String::from_utf8(out).unwrap()
    };
    let (compact, indented) = (text(Layout::Compact), text(Layout::Indented));
    assert!(!compact.chars().any(char::is_control), "{compact}");
    assert!(indented.chars().all(|char| char == '\n' || !char.is_control()), "{indented}");
    let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    assert_eq!(value(&compact), value(&indented));
    if oddities == 0 {
        let Parsed(item) = serde_json::from_str(&compact).unwrap();
        assert_eq!(item.encode(), record, "{compact}");
    }
    oddities == 0
}

#[test]
fn nothing_odd_is_told_exactly_of_records_of_the_data_model() {
    let mut counts = [0; 2];
    for seed in 0..cases(6_000) {
        let mut random = Rng::for_item(1, seed);
        let mut record = map(&mut random, 4).encode();
        for _ in 0..random.below(3) {
            let at = random.below(record.len());
            match random.below(4) {
                0 => record[at] = random.next_u64() as u8,
                1 => record[at] ^= 1 << random.below(8),
                2 => record.insert(at, random.next_u64() as u8),
                _ if record.len() > 1 => drop(record.remove(at)),
                _ => {}
            }
        }
        let sound = check(&record);
        assert_eq!(sound, is_sound(&record), "seed {seed}: {record:02x?}");
        counts[usize::from(sound)] += 1;
    }
    assert!(counts.iter().all(|count| *count > cases(1_000)), "{counts:?}");
}

#[test]
fn no_bytes_make_it_panic() {
    for seed in 0..cases(6_000) {
        let mut random = Rng::for_item(2, seed);
        let len = random.below(40);
        check(&random.bytes(len));
    }
}

/// Two million items of each kind that is remembered: memory and time grow with the record, no
/// more.
#[test]
fn large_hostile_records_are_looked_through() {
    let array = |item: &[u8]| [&[0x9f][..], &item.repeat((1 << 21) / item.len()), &[0xff]].concat();
    let map = |pair: &[u8]| [&[0xbf][..], &pair.repeat((1 << 21) / pair.len()), &[0xff]].concat();
    let records = [
        array(&[0xf7]),
        array(&[0x80]),
        array(&[0x61, 0xff]),
        array(&[0xa1, 0, 0]),
        map(&[0x60, 0xf7]),
        map(&[0, 0]),
    ];
    for record in records {
        let (mut oddities, len) = (0, record.len());
        let survey = Survey::new(&record, |_, _| oddities += 1);
        if let Ok(survey) = survey {
            let mut out = Vec::new();
            survey.write(&mut out, Layout::Compact).unwrap();
            assert!(out.len() < 20 * len, "{}", out.len());
        }
        assert!(oddities <= len);
    }
}
