//! Random records: of the data model most of the time, with odd items now and then.

use carwalk_testkit::cbor::{Value, indefinite, wide};
use carwalk_testkit::cid::Cid;
use carwalk_testkit::rng::Rng;

const TEXTS: [&str; 18] = [
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
    "blob",
    "ref",
    "cid",
    "size",
    "mimeType",
    "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku",
];

pub(crate) fn item(random: &mut Rng, nesting: usize) -> Value {
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
    match random.below(44) {
        0 => odd(random),
        40..44 => blob(random),
        1..=10 if nesting > 0 => {
            Value::Array((0..random.below(4)).map(|_| item(random, nesting - 1)).collect())
        }
        11..=24 if nesting > 0 => map(random, nesting - 1),
        _ => sound(random),
    }
}

/// A map that is canonical most of the time.
pub(crate) fn map(random: &mut Rng, nesting: usize) -> Value {
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

/// A blob of one of both forms, or nearly one.
fn blob(random: &mut Rng) -> Value {
    let cid = Cid::raw(&random.bytes(1));
    let mut members = if random.chance(1, 2) {
        vec![("cid", Value::text(cid.to_string()))]
    } else {
        vec![
            ("ref", Value::Link(cid)),
            ("size", Value::Uint(random.next_u64() >> random.range(12, 63))),
            ("$type", Value::text("blob")),
        ]
    };
    members.push(("mimeType", Value::text("image/png")));
    match random.below(12) {
        0 => drop(members.remove(random.below(members.len()))),
        1 => {
            let at = random.below(members.len());
            members[at].1 = item(random, 0);
        }
        2 => members.push(("a", Value::Null)),
        3 => members.push(("$type", Value::text("a"))),
        _ => {}
    }
    members.sort_by_key(|(key, _)| (key.len(), *key));
    members.dedup_by_key(|(key, _)| *key);
    Value::map(members)
}
