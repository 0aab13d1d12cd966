//! What is odd about a record, and where in it.

use carwalk::record::{self, OddItem, Oddity};
use carwalk_testkit::cases;
use carwalk_testkit::cbor::{Value, indefinite, wide};
use carwalk_testkit::rng::Rng;

use crate::random_record::map;

fn odd(record: &[u8]) -> Vec<OddItem> {
    record::oddities(record).map(Result::unwrap).collect()
}

/// The paths of a record's oddities.
#[track_caller]
fn paths(record: &Value) -> Vec<String> {
    odd(&record.encode()).iter().map(|odd| odd.path().to_owned()).collect()
}

fn undefined() -> Value {
    Value::Raw(vec![0xf7])
}

#[test]
fn an_oddity_has_its_kind_its_byte_and_its_path() {
    let image = Value::map([("alt", Value::text("")), ("size", Value::F64(1.5))]);
    let images = Value::Array(vec![Value::Map(vec![]), Value::Null, image]);
    let record = Value::map([("embed", Value::map([("images", images)]))]).encode();
    let found = odd(&record);
    let [odd] = &found[..] else { panic!("{found:?}") };
    assert_eq!(odd.path(), "embed.images[2].size");
    assert_eq!(odd.oddity(), &Oddity::Float(1.5));
    assert_eq!(record[odd.within()], 0xfb);
    assert_eq!(
        odd.to_string(),
        format!(
            "byte {} (embed.images[2].size): float 1.5, which the data model does not have",
            odd.within()
        )
    );
}

#[test]
fn a_sound_record_has_none() {
    let record = Value::map([("a", Value::Array(vec![Value::Uint(1)])), ("b", Value::Null)]);
    assert_eq!(odd(&record.encode()), []);
}

#[test]
fn the_path_of_the_record_itself_is_empty() {
    assert_eq!(paths(&undefined()), ["", ""]);
    assert_eq!(paths(&Value::Array(vec![undefined()])), ["", "[0]"]);
    assert_eq!(paths(&wide(&Value::Map(vec![]), 1)), [""]);
    let trailing = odd(&[0xa0, 0]);
    assert_eq!((trailing[0].path(), trailing[0].oddity()), ("", &Oddity::Trailing(1)));
    assert_eq!(trailing[0].to_string(), "byte 1: 1 byte after the end of the record");
}

#[test]
fn what_is_odd_about_a_key_has_the_path_of_its_member() {
    let inner = |keys: &[&str]| {
        Value::map([("v", Value::map(keys.iter().map(|key| (*key, Value::Uint(1)))))])
    };
    assert_eq!(paths(&inner(&["b", "a"])), ["v.a"]);
    assert_eq!(paths(&inner(&["a", "$link"])), ["v.$link"]);
    assert_eq!(paths(&inner(&["a", "b", "a", "b"])), ["v.a", "v.a", "v.b"]);
    let padded = Value::Map(vec![(wide(&Value::text("a"), 1), Value::Uint(1))]);
    assert_eq!(paths(&Value::map([("v", padded)])), ["v.a"]);
}

#[test]
fn repeated_keys_do_not_confuse_the_paths_around_them() {
    let twice = Value::map([("b", Value::Null), ("b", Value::map([("c", undefined())]))]);
    let record = Value::map([("a", twice), ("z", Value::Array(vec![undefined()]))]);
    assert_eq!(paths(&record), ["a.b.c", "a.b", "z[0]"]);
}

#[test]
fn members_whose_key_is_no_text_have_their_number() {
    let odd_key = Value::Array(vec![Value::map([("c", undefined())])]);
    let record = Value::map([(
        "v",
        Value::Map(vec![
            (Value::text("a"), undefined()),
            (odd_key, Value::map([("b", undefined())])),
            (Value::text("z"), Value::Array(vec![undefined()])),
        ]),
    )]);
    assert_eq!(paths(&record), ["v.a", "v{1}", "v{1}[0].c", "v{1}.b", "v.z[0]"]);
    let not_utf8 = Value::Map(vec![(Value::Raw(vec![0x61, 0xff]), undefined())]);
    assert_eq!(paths(&not_utf8), ["{0}", "{0}", "{0}"]);
}

#[test]
fn a_tag_adds_nothing_to_a_path() {
    let tagged = Value::Tag(7, Box::new(Value::Array(vec![Value::Null, undefined()])));
    assert_eq!(paths(&Value::map([("v", tagged)])), ["v", "v[1]"]);
}

#[test]
fn keys_are_quoted_where_a_path_would_be_ambiguous() {
    for (key, path) in [
        ("a.b", r#"["a.b"]"#),
        ("a[0]", r#"["a[0]"]"#),
        ("a{0}", r#"["a{0}"]"#),
        ("", r#"[""]"#),
        ("0", "0"),
        ("$type", "$type"),
        ("a-b_c", "a-b_c"),
        ("\"", r#"["\""]"#),
        ("\u{e9}", "[\"\u{e9}\"]"),
        ("\u{1b}[31m", r#"["\u{1b}[31m"]"#),
        ("\u{202e}", r#"["\u{202e}"]"#),
    ] {
        assert_eq!(paths(&Value::map([(key, undefined())])), [path]);
        let inner = Value::map([("v", Value::map([(key, undefined())]))]);
        let dot = if path.starts_with('[') { "" } else { "." };
        assert_eq!(paths(&inner), [format!("v{dot}{path}")]);
    }
}

#[test]
fn indefinite_containers_have_paths_too() {
    let array = indefinite(&Value::Array(vec![Value::Null, undefined()]));
    assert_eq!(paths(&Value::map([("v", array)])), ["v", "v[1]"]);
}

/// An oddity in each of a hundred maps with keys of 10,000 bytes: paths of the whole keys would
/// take a megabyte each.
#[test]
fn long_keys_cost_no_more_than_short_ones() {
    let key = "k".repeat(10_000);
    let mut record = Value::Array(vec![undefined(); 1_000]);
    for _ in 0..99 {
        record = Value::map([(key.as_str(), record)]);
    }
    let found = odd(&record.encode());
    assert_eq!(found.len(), 1_000);
    for odd in &found {
        assert!(odd.path().len() < 2 << 10, "{}", odd.path().len());
        assert!(odd.path().ends_with('\u{2026}'));
    }
}

#[test]
fn many_repeated_keys_are_returned_one_by_one() {
    let pairs = vec![(Value::text("a"), Value::Null); 100_000];
    let record = Value::Map(pairs).encode();
    assert_eq!(record::oddities(&record).count(), 99_999);
    let first = record::oddities(&record).next().unwrap().unwrap();
    assert_eq!((first.oddity(), first.within()), (&Oddity::KeyTwice, 8));
}

/// Replaces one random leaf with `undefined`; returns its path and byte by another reckoning.
fn spoil(value: &mut Value, random: &mut Rng, path: &mut String, at: &mut usize) {
    let head = |len: usize| carwalk_testkit::cbor::head(0, len as u64).len();
    match value {
        Value::Array(items) if !items.is_empty() => {
            let number = random.below(items.len());
            *at += head(items.len());
            *at += items[..number].iter().map(|item| item.encode().len()).sum::<usize>();
            path.push_str(&format!("[{number}]"));
            spoil(&mut items[number], random, path, at);
        }
        Value::Map(pairs) if !pairs.is_empty() => {
            let number = random.below(pairs.len());
            *at += head(pairs.len());
            for (key, item) in &pairs[..number] {
                *at += key.encode().len() + item.encode().len();
            }
            let (key, item) = &mut pairs[number];
            *at += key.encode().len();
            let Value::Text(text) = key else { panic!("{key:?}") };
            let is_plain = !text.is_empty()
                && text.chars().all(|char| char.is_ascii_alphanumeric() || "_-$".contains(char));
            match is_plain {
                true if path.is_empty() => path.push_str(text),
                true => path.push_str(&format!(".{text}")),
                false => path.push_str(&format!("[{text:?}]")),
            }
            spoil(item, random, path, at);
        }
        leaf => *leaf = undefined(),
    }
}

#[test]
fn a_random_item_that_is_spoilt_is_found_at_its_path() {
    let mut spoilt = 0;
    for seed in 0..cases(3_000) {
        let mut random = Rng::for_item(4, seed);
        let mut record = map(&mut random, 5);
        if record == Value::Map(vec![]) {
            continue;
        }
        if record::oddities(&record.encode()).next().is_some() {
            continue;
        }
        let (mut path, mut at) = (String::new(), 0);
        spoil(&mut record, &mut random, &mut path, &mut at);
        let found = odd(&record.encode());
        let [odd] = &found[..] else { panic!("{found:?}") };
        assert_eq!((odd.path(), odd.within()), (&path[..], at), "seed {seed}");
        assert_eq!(odd.oddity(), &Oddity::Simple(23));
        spoilt += 1;
    }
    assert!(spoilt > cases(1_000), "{spoilt}");
}
