//! Random batches.

use std::sync::LazyLock;

use super::{Batch, Records};
use crate::cbor::Value;
use crate::key;
use crate::random;
use crate::repo::Record;
use crate::rng::Rng;

/// The largest number of operations in a message.
const MAX_OPS: usize = 200;

/// The number of mined keys of each layer, from 0.
const POOL: [usize; 7] = [100, 60, 40, 20, 10, 4, 2];

/// Keys of high layers too: trees of few of them are high, and have nodes without entries.
static KEYS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let layers = POOL.iter().zip(0..);
    layers.flat_map(|(&count, layer)| key::at_layer(layer).take(count)).collect()
});

impl Batch {
    /// A random batch of at most 200 operations on at most 250 records, in random order.
    ///
    /// Some are the first commit, some empty the tree, some only delete, some have no operation. Of
    /// the others, at least a third are updates, as far as there are keys.
    pub fn random(rng: &mut Rng) -> Self {
        let max = *rng.pick(&[4, 12, 40, 250]);
        let is_mined = rng.chance(1, 2);
        let path = move |rng: &mut Rng| match is_mined {
            true => rng.pick(&KEYS).clone(),
            false => random::path(rng),
        };
        let old = old_records(rng, max, path);
        let max_ops = *rng.pick(&[1, 1, 3, 10, 40, MAX_OPS]);
        let count = 1 + rng.below(max_ops);
        let batch = match rng.below(24) {
            0 | 1 => Self::between(Records::new(), first(&old)),
            2 => Self::between(first(&old), Records::new()),
            3 => Self::between(old.clone(), old),
            4 | 5 => {
                let mut new = old.clone();
                shuffled(rng, &old).into_iter().take(count).for_each(|path| {
                    new.remove(&path);
                });
                Self::between(old, new)
            }
            _ => mixed(rng, old, count, path),
        };
        batch.shuffled(rng)
    }

    /// The same batch with its operations in random order.
    #[must_use]
    pub fn shuffled(mut self, rng: &mut Rng) -> Self {
        rng.shuffle(&mut self.ops);
        self
    }
}

fn old_records(rng: &mut Rng, max: usize, path: impl Fn(&mut Rng) -> Vec<u8>) -> Records {
    let mut records = Records::new();
    for _ in 0..rng.below(max + 1) {
        let path = path(rng);
        let record = record(rng, &path, &records);
        records.insert(path, record);
    }
    records
}

/// As many records as one message can create or delete.
fn first(records: &Records) -> Records {
    records.iter().take(MAX_OPS).map(|(path, record)| (path.clone(), record.clone())).collect()
}

fn shuffled(rng: &mut Rng, records: &Records) -> Vec<Vec<u8>> {
    let mut paths: Vec<_> = records.keys().cloned().collect();
    rng.shuffle(&mut paths);
    paths
}

/// Updates, deletes and creates.
fn mixed(rng: &mut Rng, old: Records, count: usize, path: impl Fn(&mut Rng) -> Vec<u8>) -> Batch {
    let mut new = old.clone();
    let updates = count.div_ceil(3) + rng.below(count - count.div_ceil(3) + 1);
    let deletes = rng.below(count - updates + 1);
    let mut paths = shuffled(rng, &old).into_iter();
    let updated = paths.by_ref().take(updates).map(|path| {
        let record = record(rng, &path, &old);
        let record = if record.cid == old[&path].cid { other_record(rng, &path) } else { record };
        new.insert(path, record);
    });
    let updated = updated.count();
    let deleted = paths.take(deletes).filter(|path| new.remove(path).is_some()).count();
    for _ in 0..(count - updates - deletes).min(2 * updated.max(1)) {
        let path = path(rng);
        if !old.contains_key(&path) {
            let record = record(rng, &path, &new);
            new.insert(path, record);
        }
    }
    debug_assert!(deleted <= deletes, "{deleted} of {deletes}");
    Batch::between(old, new)
}

/// A record of its own, or the same as another key has.
fn record(rng: &mut Rng, path: &[u8], others: &Records) -> Record {
    match others.values().nth(rng.below(others.len() + 1)) {
        Some(other) if rng.chance(1, 15) => other.clone(),
        _ if rng.chance(1, 30) => Record::new(Value::Bytes(vec![7; rng.below(2_000)]).encode()),
        _ => other_record(rng, path),
    }
}

fn other_record(rng: &mut Rng, path: &[u8]) -> Record {
    let text = format!("{} {}", path.escape_ascii(), rng.next_u64());
    Record::new(Value::map([("text", Value::text(text))]).encode())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_of_every_kind() {
        let [mut first, mut emptied, mut deletes, mut none, mut long] = [0; 5];
        for seed in 0..400 {
            let batch = Batch::random(&mut Rng::new(seed));
            let count = |action: &str| batch.ops.iter().filter(|op| op.action == action).count();
            let (updates, ops) = (count("update"), batch.ops.len());
            assert!(ops <= MAX_OPS, "seed {seed}");
            first += u32::from(batch.is_first());
            emptied += u32::from(batch.new.is_empty());
            none += u32::from(ops == 0);
            long += u32::from(ops > 100);
            let is_mixed = updates > 0 || count("create") > 0 && !batch.is_first();
            deletes += u32::from(ops > 0 && count("delete") == ops && !batch.new.is_empty());
            assert!(!is_mixed || updates * 3 >= ops, "seed {seed}: {updates} of {ops}");
        }
        let found = [first, emptied, deletes, none, long];
        assert!(found.iter().all(|&count| count > 3), "{found:?}");
    }
}
