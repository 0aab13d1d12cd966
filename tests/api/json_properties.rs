//! Whatever a record's bytes are: what is written is JSON that does nothing to a terminal, and
//! nothing odd is told exactly if the record is one of the data model.

use crate::data_model::Parsed;
use crate::random_record::map;
use carwalk::record::{self, Layout};
use carwalk_testkit::cases;
use carwalk_testkit::cbor::Value;
use carwalk_testkit::export::{Export, Order};
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

/// Leaves out the white space between items. The indented layout is always written in two passes,
/// so this is what they write.
pub(crate) fn compacted(indented: &str) -> String {
    let (mut is_text, mut is_escaped) = (false, false);
    let is_kept = |char: &char| {
        let ends = *char == '"' && !is_escaped;
        is_escaped = *char == '\\' && !is_escaped;
        is_text ^= ends;
        is_text || !char.is_ascii_whitespace()
    };
    indented.chars().filter(is_kept).collect()
}

/// Appends a record as JSON; what was there before remains.
pub(crate) fn appended(record: &[u8]) -> carwalk::Result<String> {
    let mut out = b"before".to_vec();
    let done = record::append_json(record, &mut out);
    let json = out.split_off(6);
    assert_eq!((&out[..], json.is_empty()), (&b"before"[..], done.is_err()));
    done.map(|()| String::from_utf8(json).unwrap())
}

/// Writes a record in both layouts; tells whether there is nothing odd about it.
fn check(record: &[u8]) -> bool {
    let mut oddities = 0;
    for odd in record::oddities(record) {
        let Ok(odd) = odd else {
            let error = record::to_json(record).unwrap_err().to_string();
            assert_eq!(appended(record).unwrap_err().to_string(), error);
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
    assert_eq!(compact, compacted(&indented));
    assert_eq!(appended(record).unwrap(), compact);
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

/// The records of exports, and each with one byte changed.
#[test]
fn records_of_exports_are_written_alike_in_one_pass_and_in_two() {
    let mut car = Vec::new();
    Export { records: 300, seed: 5, order: Order::Pds }.write_to(&mut car).unwrap();
    let repo = carwalk::Repo::from_slice(&car[..]).unwrap();
    let mut sound = 0;
    for (number, record) in repo.records().enumerate() {
        let mut record = record.unwrap().bytes().to_vec();
        sound += usize::from(check(&record));
        let mut random = Rng::for_item(3, number as u64);
        for _ in 0..cases(10) {
            let at = random.below(record.len());
            let before = std::mem::replace(&mut record[at], random.next_u64() as u8);
            check(&record);
            record[at] = before;
        }
    }
    assert_eq!(sound, 300);
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
