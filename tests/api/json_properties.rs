//! Whatever a record's bytes are: what is written is JSON that does nothing to a terminal, and
//! nothing odd is told exactly if the record is one of the data model.

use crate::data_model::Parsed;
use crate::random_record::map;
use carwalk::record::{self, Layout};
use carwalk_testkit::cases;
use carwalk_testkit::cbor::Value;
use carwalk_testkit::oracle::{decode, is_canonical};
use carwalk_testkit::rng::Rng;

/// Whether a record is one of the data model, told by a decoder that has nothing to do with the
/// library's.
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
    for odd in record::oddities(record) {
        let Ok(odd) = odd else {
            assert!(record::to_json(record).is_err());
            return false;
        };
        assert!(odd.within() <= record.len());
        assert!(!odd.to_string().chars().any(char::is_control), "{odd}");
        oddities += 1;
    }
    let text = |layout| {
        let mut out = Vec::new();
        record::write_json(record, &mut out, layout).unwrap();
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
        let len = record.len();
        let oddities = record::oddities(&record).count();
        assert!(oddities <= len + 1);
        let _: usize = record::links(&record).count() + record::blobs(&record).count();
        if let Ok(json) = record::to_json(&record) {
            assert!(json.len() < 20 * len, "{}", json.len());
        }
    }
}
