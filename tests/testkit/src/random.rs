//! Random small repositories for property tests.

use std::collections::BTreeMap;

use crate::cbor::Value;
use crate::cid::Cid;
use crate::repo::{Order, Record, Repo};
use crate::rng::Rng;

const COLLECTIONS: [&str; 6] = [
    "app.bsky.actor.profile",
    "app.bsky.feed.like",
    "app.bsky.feed.post",
    "app.bsky.graph.follow",
    "com.example.test",
    "com.example.testing",
];

const RKEY: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:~-";

/// A random repository, and the records that a walk of it must return.
#[derive(Clone, Debug)]
pub struct Random {
    /// The repository.
    pub repo: Repo,
    /// The order of the blocks in the CAR.
    pub order: Order,
    /// The CAR, with repeated and unlinked blocks.
    pub car: Vec<u8>,
    /// The records by path.
    pub records: BTreeMap<Vec<u8>, Record>,
}

/// Makes the repository of a seed, with at most `max_records` records. Some records are shared by
/// several keys or equal to nodes. Blocks are in any order; some are repeated, some unlinked.
pub fn repo(seed: u64, max_records: usize) -> Random {
    let mut rng = Rng::new(seed);
    let records = records(&mut rng, max_records);
    let repo = Repo::new(records.clone());
    let order = match rng.below(8) {
        choice @ 0..6 => Order::ALL[choice],
        _ => Order::Shuffled(rng.next_u64()),
    };
    let car = car(&mut rng, &repo, order);
    Random { repo, order, car, records }
}

/// A random repo path. All are valid, and many share long prefixes.
pub fn path(rng: &mut Rng) -> Vec<u8> {
    let collection = match rng.below(10) {
        0 => format!("com.example.{}", char::from(b'a' + rng.below(26) as u8)),
        _ => (*rng.pick(&COLLECTIONS)).to_owned(),
    };
    let mut path = format!("{collection}/").into_bytes();
    match rng.below(20) {
        0 => path.extend_from_slice(b"self"),
        1 => path.extend((0..rng.range(1, 513)).map(|_| b'a')),
        2..6 => path.extend(random_rkey(rng)),
        _ => path.extend_from_slice(tid(rng).as_bytes()),
    }
    path
}

fn random_rkey(rng: &mut Rng) -> Vec<u8> {
    let rkey: Vec<u8> = (0..rng.range(1, 20)).map(|_| *rng.pick(RKEY)).collect();
    if rkey == b"." || rkey == b".." { b"self".to_vec() } else { rkey }
}

fn tid(rng: &mut Rng) -> String {
    let letters = b"234567abcdefghijklmnopqrstuvwxyz";
    let end: String = (0..9).map(|_| char::from(*rng.pick(letters))).collect();
    format!("3l{}{}{end}", char::from(letters[rng.below(4)]), char::from(*rng.pick(letters)))
}

fn records(rng: &mut Rng, max: usize) -> BTreeMap<Vec<u8>, Record> {
    let mut records: BTreeMap<Vec<u8>, Record> = BTreeMap::new();
    for _ in 0..rng.below(max + 1) {
        let path = path(rng);
        let shared = records.values().nth(rng.below(records.len() + 1)).cloned();
        let record = match (rng.below(20), shared) {
            (0..2, Some(shared)) => shared,
            _ => record(rng, &records, &path),
        };
        records.insert(path, record);
    }
    records
}

fn record(rng: &mut Rng, others: &BTreeMap<Vec<u8>, Record>, path: &[u8]) -> Record {
    let revision = rng.below(50) as u32;
    let record = match rng.below(40) {
        0 => Record::new(Repo::new([]).root.block()),
        1 => Record::new(Repo::new(others.clone()).root.block()),
        2 => {
            let len = rng.below(60);
            Record::raw(rng.bytes(len))
        }
        3 => {
            let len = rng.below(60);
            Record::new(rng.bytes(len))
        }
        4 => Record::new(Value::Bytes(vec![7; rng.below(5_000)]).encode()),
        _ => Record::sample(path),
    };
    record.at_revision(revision)
}

fn car(rng: &mut Rng, repo: &Repo, order: Order) -> Vec<u8> {
    let mut car = repo.to_car(order);
    for _ in 0..rng.below(4) {
        let copy = rng.pick(&car.sections).clone();
        car.sections.insert(rng.below(car.sections.len() + 1), copy);
    }
    for _ in 0..rng.below(4) {
        let len = rng.below(100);
        let block = rng.bytes(len);
        let cid = if rng.chance(1, 2) { Cid::raw(&block) } else { Cid::dag_cbor(&block) };
        car.push(cid, &block);
        let end = car.sections.len();
        car.sections[rng.below(end)..].rotate_right(1);
    }
    car.to_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle;

    #[test]
    fn oracle_finds_the_records_of_every_seed() {
        for seed in 0..200 {
            let random = repo(seed, 60);
            let walk = oracle::walk(&random.car).unwrap();
            let found = walk.entries.into_iter().map(|entry| (entry.key, entry.record.unwrap()));
            let expected = random.records.into_iter().map(|(path, record)| (path, record.bytes));
            assert!(found.eq(expected), "seed {seed}");
        }
    }
}
