//! Which blocks are stored together: those of one collection.
//!
//! A walk takes one collection after the other, while most CARs have blocks in the order in which
//! they were written. In segments of their own, the blocks of a collection are read once, and not
//! again with each of the others. It is only a guess about what a walk asks for next: a wrong one
//! costs time, and nothing else.

use crate::budget::Budget;
use crate::shape::collection;
use crate::store::packed::{Packed, State};

/// Most groups, if there is memory for their segments.
pub(super) const MAX_GROUPS: usize = 16;

/// Longest name of a collection: that of an NSID.
const MAX_NAME_LEN: usize = 317;

/// Tells for blocks which of some groups they are in.
pub(super) struct Groups {
    /// The collections that have a group. One more is for all other blocks.
    names: Vec<Box<[u8]>>,
    count: usize,
}

impl Groups {
    /// As many groups as there is memory for, whose segments have such a length. If blocks are
    /// `alike`, copies of one block have the same bytes: else all blocks are in one group, since
    /// only in one group they keep their order.
    pub(super) fn new(memory_limit: u64, segment_len: usize, alike: bool) -> Self {
        let count = usize::try_from(Budget::new(memory_limit).open_segments())
            .unwrap_or(usize::MAX)
            .div_euclid(segment_len.max(1));
        Groups { names: Vec::new(), count: if alike { count.clamp(1, MAX_GROUPS) } else { 1 } }
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// The number of a block's group, less than `count`.
    #[inline]
    pub(super) fn of(&mut self, packed: &Packed<'_>) -> usize {
        let others = self.count.saturating_sub(1);
        if others == 0 || packed.state != State::Raw {
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
        let mut groups = Groups::new(u64::MAX, 16_372, true);
        let number = group(&mut groups, &record("app.bsky.feed.post"), State::Raw);
        assert_eq!(
            group(&mut groups, &node("app.bsky.feed.post/3jui7kd54zh2y"), State::Raw),
            number
        );
        assert_ne!(
            group(&mut groups, &node("app.bsky.feed.like/3jui7kd54zh2y"), State::Raw),
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
        let mut groups = Groups::new(u64::MAX, 16_372, true);
        for block in other {
            assert_eq!(group(&mut groups, block, State::Raw), MAX_GROUPS - 1, "{block:x?}");
        }
        for state in [State::Bad, State::Reduced] {
            assert_eq!(group(&mut groups, &record("app.bsky.feed.post"), state), MAX_GROUPS - 1);
        }
        assert!(groups.names.is_empty());
    }

    #[test]
    fn there_are_no_more_groups_than_there_is_memory_for_and_each_keeps_its_own() {
        for (memory_limit, alike, count) in
            [(0, true, 1), (1 << 20, true, 2), (1 << 40, true, 16), (1 << 40, false, 1)]
        {
            let mut groups = Groups::new(memory_limit, 16_372, alike);
            assert_eq!(groups.count(), count);
            for _ in 0..2 {
                for number in 0..40 {
                    let found =
                        group(&mut groups, &record(&format!("app.test.a{number}")), State::Raw);
                    assert_eq!(found, number.min(count - 1));
                }
            }
        }
        assert_eq!(Groups::new(1 << 20, 0, true).count(), MAX_GROUPS);
    }
}
