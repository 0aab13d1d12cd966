//! Exports that are built from choices: valid repositories in any block order, and damage to their
//! CARs.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use carwalk_testkit::car::{Car, Section};
use carwalk_testkit::cbor::Value;
use carwalk_testkit::cid::Cid;
use carwalk_testkit::key;
use carwalk_testkit::repo::{Order, Record, Repo};

use crate::choices::Choices;

/// Number of mined keys of each layer.
const POOL: [usize; 8] = [120, 60, 36, 20, 12, 5, 2, 1];

const RKEY: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:~-";

/// 256 keys of the layers 0 to 7, so that one byte chooses a key. Mining keys of higher layers
/// would take too long.
pub(crate) fn pool() -> &'static [Vec<u8>] {
    static KEYS: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    KEYS.get_or_init(|| {
        let layers = POOL.iter().zip(0..);
        layers.flat_map(|(&count, layer)| key::at_layer(layer).take(count)).collect()
    })
}

/// A repository, and the order of its blocks.
pub(crate) struct Export {
    pub(crate) repo: Repo,
    pub(crate) order: Order,
}

impl Export {
    /// Builds a valid repository of at most `max_records` records. Its keys need not be repo paths.
    pub(crate) fn any(choices: &mut Choices<'_>, max_records: usize) -> Self {
        Self::with_keys(choices, max_records, any_key)
    }

    /// Builds a valid repository of at most `max_records` records. Its keys are repo paths.
    pub(crate) fn of_paths(choices: &mut Choices<'_>, max_records: usize) -> Self {
        Self::with_keys(choices, max_records, path)
    }

    fn with_keys(
        choices: &mut Choices<'_>,
        max: usize,
        key: fn(&mut Choices<'_>) -> Vec<u8>,
    ) -> Self {
        let order = match choices.below(8) {
            7 => Order::Shuffled(u64::from(choices.byte())),
            order => Order::ALL[order],
        };
        let mut records: BTreeMap<Vec<u8>, Record> = BTreeMap::new();
        for _ in 0..choices.below(max + 1) {
            let key = key(choices);
            let record = record(choices, &records, &key);
            records.insert(key, record);
        }
        Export { repo: Repo::new(records), order }
    }

    /// Returns the CAR, undamaged.
    pub(crate) fn sections(&self) -> Car {
        self.repo.to_car(self.order)
    }

    /// Returns the CAR, damaged.
    pub(crate) fn damaged(&self, choices: &mut Choices<'_>) -> Vec<u8> {
        damaged(self.sections(), choices)
    }
}

/// Damages a CAR: sections are repeated, changed, moved, removed or added, and the end may be cut
/// off.
pub(crate) fn damaged(mut car: Car, choices: &mut Choices<'_>) -> Vec<u8> {
    for _ in 0..choices.below(6) {
        damage(&mut car, choices);
    }
    let mut bytes = car.to_bytes();
    match choices.below(16) {
        0 => bytes.truncate(choices.below(bytes.len())),
        1 => bytes.extend_from_slice(choices.bytes(40)),
        2 => {
            let at = choices.below(bytes.len());
            bytes[at] ^= choices.byte();
        }
        _ => {}
    }
    bytes
}

/// Inserts long unreached blocks into some CARs. A reader then needs more than one buffer, and a
/// load is suspended after the first.
pub(crate) fn lengthen(car: &mut Car, choices: &mut Choices<'_>) {
    for _ in 0..*choices.pick(&[0, 0, 0, 0, 1, 2, 4]) {
        let block = vec![choices.byte(); *choices.pick(&[20_000, 40_000, 66_000, 100_000])];
        let section = Section::new(Cid::raw(&block).as_bytes(), &block);
        car.sections.insert(choices.below(car.sections.len() + 1), section);
    }
}

/// Adds about 1 MB of unreached blocks before and after the sections, if the CAR has a header.
pub(crate) fn surrounded(car: &[u8]) -> Vec<u8> {
    let filler = |byte: u8, count: usize| {
        let block = vec![byte; 100_000];
        carwalk_testkit::car::section(Cid::raw(&block).as_bytes(), &block).repeat(count)
    };
    let header = carwalk::varint::decode(car).ok().flatten();
    let header = header.map_or(0, |(len, prefix)| {
        prefix.saturating_add(usize::try_from(len).unwrap_or(usize::MAX))
    });
    match car.split_at_checked(header) {
        Some((header, sections)) => [header, &filler(1, 11), sections, &filler(2, 10)].concat(),
        None => car.to_vec(),
    }
}

/// Chooses any key that a tree may have.
pub(crate) fn any_key(choices: &mut Choices<'_>) -> Vec<u8> {
    match choices.below(8) {
        0 => {
            let len = 1 + choices.below(20);
            let key = choices.bytes(len).to_vec();
            if key.is_empty() { vec![0] } else { key }
        }
        1 => {
            let mut key = choices.pick(pool()).clone();
            let len = 1 + choices.below(1024 - key.len());
            key.resize(key.len() + len, b'a');
            key
        }
        _ => choices.pick(pool()).clone(),
    }
}

/// Chooses any key that is a repo path.
pub(crate) fn path(choices: &mut Choices<'_>) -> Vec<u8> {
    match choices.below(8) {
        0 => {
            let collection = *choices.pick(&[
                "a",
                "app.bsky.feed.like",
                "com.example.test",
                "com.example.testing",
            ]);
            let mut path = [collection.as_bytes(), b"/"].concat();
            path.extend((0..=choices.below(20)).map(|_| *choices.pick(RKEY)));
            // One or two dots are not a record key.
            if path.ends_with(b"/.") || path.ends_with(b"/..") {
                path.push(b'0');
            }
            path
        }
        1 => {
            let len = 1 + choices.below(400);
            [key::PREFIX.as_bytes(), &vec![b'a'; len]].concat()
        }
        _ => choices.pick(pool()).clone(),
    }
}

fn record(choices: &mut Choices<'_>, others: &BTreeMap<Vec<u8>, Record>, key: &[u8]) -> Record {
    let record = match choices.below(12) {
        0 => Record::new(Vec::new()),
        1 => {
            let len = choices.below(40);
            Record::raw(choices.bytes(len).to_vec())
        }
        2 => {
            let len = choices.below(40);
            Record::new(choices.bytes(len).to_vec())
        }
        // A record that another key has, too.
        3 if !others.is_empty() => {
            let number = choices.below(others.len());
            others.values().nth(number).expect("the number is below the length").clone()
        }
        // Records that begin like a node, or are one.
        4 => Record::new([b"\xa2\x61e", choices.bytes(20)].concat()),
        5 => Record::new(Repo::new(others.clone()).root.block()),
        6 => Record::new(Value::Bytes(vec![7; choices.below(16) * 700]).encode()),
        _ => Record::sample(key),
    };
    record.at_revision(choices.below(4) as u32)
}

/// Makes one change to the sections. Blocks may then not match their CIDs.
fn damage(car: &mut Car, choices: &mut Choices<'_>) {
    let len = car.sections.len();
    let (from, to) = (choices.below(len.max(1)), choices.below(len + 1));
    match choices.below(8) {
        0 | 1 if len > 0 => {
            let copy = car.sections[from].clone();
            car.sections.insert(to, copy);
        }
        2 if len > 0 => spoil(&mut car.sections[from].data, choices),
        3 if len > 0 => {
            let mut copy = car.sections[from].clone();
            spoil(&mut copy.data, choices);
            copy.fit_length();
            car.sections.insert(to, copy);
        }
        4 if len > 0 => {
            let moved = car.sections.remove(from);
            car.sections.insert(to.min(len - 1), moved);
        }
        5 if len > 0 => drop(car.sections.remove(from)),
        // Without verification, links can then form cycles, and records can be nodes.
        6 if len > 0 => {
            let (one, other) = (car.sections[from].cid.clone(), car.sections[to % len].cid.clone());
            (car.sections[from].cid, car.sections[to % len].cid) = (other, one);
        }
        _ => {
            let block = choices.bytes(20).to_vec();
            let cid = if choices.flag() { Cid::raw(&block) } else { Cid::dag_cbor(&block) };
            car.push(cid, &block);
            car.sections[to..].rotate_right(1);
        }
    }
}

fn spoil(block: &mut Vec<u8>, choices: &mut Choices<'_>) {
    let at = choices.below(block.len().max(1));
    match block.get_mut(at) {
        Some(byte) => *byte ^= choices.byte(),
        None => block.push(choices.byte()),
    }
}
