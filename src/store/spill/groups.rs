//! Groups of blocks that are stored together: the records and nodes of one collection.
//!
//! A walk visits one collection after the other, while most CARs have blocks in the order in which
//! they were written. If each collection has its own segments, they are read once, and not again
//! for each other collection. The collection of a block is guessed; a wrong guess costs only time.

use crate::shape::collection;
use crate::store::packed::{Packed, State};

/// Length of the longest collection, an NSID, in bytes.
const MAX_NAME_LEN: usize = 317;

/// Assigns blocks to groups.
pub(super) struct Groups {
    /// The collections that have a group. The last group is for all other blocks.
    names: Vec<Box<[u8]>>,
    count: usize,
}

impl Groups {
    /// Creates at most `max` groups, or one unless blocks are `hashed`: without hashes, blocks with
    /// one CID may have different bytes and so different collections. The first of them counts, and
    /// blocks keep their order only within a group.
    pub(super) fn new(max: usize, hashed: bool) -> Self {
        Groups { names: Vec::new(), count: if hashed { max.max(1) } else { 1 } }
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Returns the number of a block's group, less than `count`.
    #[inline]
    pub(super) fn of(&mut self, packed: &Packed<'_>) -> usize {
        let others = self.count.saturating_sub(1);
        if others == 0 || packed.state != State::Original {
            return others;
        }
        let Some(name) = collection(packed.bytes).filter(|name| name.len() <= MAX_NAME_LEN) else {
            return others;
        };
        if let Some(number) = self.names.iter().position(|known| **known == *name) {
            return number;
        }
        if self.names.len() < others {
            self.names.push(name.into());
            return self.names.len().saturating_sub(1);
        }
        others
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::{Budget, MAX_GROUPS};
    use crate::cid::{Cid, Codec};

    fn group(groups: &mut Groups, bytes: &[u8], state: State) -> usize {
        groups.of(&Packed { offset: 0, cid: Cid::of(Codec::DagCbor, bytes), state, bytes })
    }

    fn record(name: &str) -> Vec<u8> {
        let len = u8::try_from(name.len()).unwrap();
        assert!(len < 24);
        let before = b"\xa3\x64text\x82\x01\xa1\x65$type\x61x\x65$type";
        [before.as_slice(), &[0x60 | len], name.as_bytes(), b"\x66zzzzzz\x01"].concat()
    }

    fn node(key: &str) -> Vec<u8> {
        let len = u8::try_from(key.len()).unwrap();
        [b"\xa2\x61e\x81\xa4\x61k\x58".as_slice(), &[len], key.as_bytes(), b"\x61p\x00"].concat()
    }

    #[test]
    fn records_and_nodes_of_a_collection_are_in_one_group() {
        assert_eq!(collection(&record("app.bsky.feed.post")), Some(&b"app.bsky.feed.post"[..]));
        assert_eq!(
            collection(&node("app.bsky.feed.post/3jui7kd54zh2y")),
            Some(&b"app.bsky.feed.post"[..])
        );
        let mut groups = Groups::new(MAX_GROUPS, true);
        let number = group(&mut groups, &record("app.bsky.feed.post"), State::Original);
        assert_eq!(
            group(&mut groups, &node("app.bsky.feed.post/3jui7kd54zh2y"), State::Original),
            number
        );
        assert_ne!(
            group(&mut groups, &node("app.bsky.feed.like/3jui7kd54zh2y"), State::Original),
            number
        );
    }

    #[test]
    fn blocks_that_tell_nothing_are_in_the_last_group() {
        let long = format!("a.b.{}", "c".repeat(MAX_NAME_LEN));
        let long = [b"\xa1\x65$type\x79\x01\x41".as_slice(), long.as_bytes()].concat();
        let other: [&[u8]; 8] = [
            b"",
            b"\xa0",
            b"\xa2\x61e\x80\x61l\xf6",
            b"\xa2\x61e\x81\xa4\x61k\x44a/",
            b"\xa1\x66a$type\x61x",
            b"\xa1\x65$type\x01",
            b"\xa1\x65$type\x65x",
            &long,
        ];
        let mut groups = Groups::new(MAX_GROUPS, true);
        for block in other {
            assert_eq!(group(&mut groups, block, State::Original), MAX_GROUPS - 1, "{block:x?}");
        }
        for state in [State::Bad, State::Processed] {
            assert_eq!(group(&mut groups, &record("app.bsky.feed.post"), state), MAX_GROUPS - 1);
        }
        assert!(groups.names.is_empty());
    }

    #[test]
    fn there_are_no_more_groups_than_there_is_memory_for_and_each_keeps_its_own() {
        for (memory_limit, hashed, count) in
            [(0, true, 1), (1 << 20, true, 2), (1 << 40, true, 16), (1 << 40, false, 1)]
        {
            let max = Budget::new(memory_limit).filling_segments(16_372);
            let mut groups = Groups::new(max, hashed);
            assert_eq!(groups.count(), count);
            for _ in 0..2 {
                for number in 0..40 {
                    let found = group(
                        &mut groups,
                        &record(&format!("app.test.a{number}")),
                        State::Original,
                    );
                    assert_eq!(found, number.min(count - 1));
                }
            }
        }
        assert_eq!(Budget::new(1 << 20).filling_segments(0), MAX_GROUPS);
    }
}
