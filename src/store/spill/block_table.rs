//! A table of the positions of frequently requested blocks. It has a fixed size; new entries
//! replace old ones.
//!
//! ```text
//! entry   24 bits of hash | 24 bits of segment | 16 bits of position in the segment
//! ```
//!
//! No block is at position 0, so 0 is not an entry. Segments never change, so an entry is never
//! wrong. It stays when its segment is closed, until a new entry replaces it.

use super::index_entry::{MAX_SEGMENT, SEGMENT_BITS};
use crate::store::hash::scale;

/// Number of entries in a line of the CPU's cache, all with the same home.
const WAYS: usize = 8;

const POSITION_BITS: u32 = 16;

/// The lowest bits of a hash, which are stored. The highest bits give the line.
const TAG_MASK: u64 = (1 << (u64::BITS - POSITION_BITS - SEGMENT_BITS)) - 1;

#[derive(Clone, Copy, Default)]
#[repr(align(64))]
struct Line([u64; WAYS]);

/// A table from hashes of CIDs to the segments of their blocks and the positions in them.
pub(super) struct BlockTable {
    /// Allocated with the first entry.
    lines: Vec<Line>,
    max_lines: usize,
}

impl BlockTable {
    /// Creates a table of at most `memory` bytes, but of at least one line.
    pub(super) fn new(memory: u64) -> Self {
        let memory = usize::try_from(memory).unwrap_or(usize::MAX);
        BlockTable { lines: Vec::new(), max_lines: memory.div_euclid(size_of::<Line>()).max(1) }
    }

    /// Returns the maximum number of bytes that the table takes.
    pub(super) fn max_held(&self) -> usize {
        self.max_lines.saturating_mul(size_of::<Line>())
    }

    /// Returns the segments and positions of blocks whose hash may be this one.
    #[inline]
    pub(super) fn get(&self, hash: u64) -> impl Iterator<Item = (u32, usize)> {
        let line = self.lines.get(home(hash, self.lines.len())).map_or(&[][..], |line| &line.0);
        let same = line
            .iter()
            .filter(move |entry| **entry >> (POSITION_BITS + SEGMENT_BITS) == hash & TAG_MASK);
        same.filter_map(|&entry| {
            let number = entry >> POSITION_BITS & MAX_SEGMENT;
            let at = entry & ((1 << POSITION_BITS) - 1);
            (at > 0).then_some((u32::try_from(number).ok()?, usize::try_from(at).ok()?))
        })
    }

    /// Enters a block, unless its segment already has an entry with the same hash.
    ///
    /// The blocks of a segment are entered in their order, so the first of repeated blocks stays.
    /// No block replaces another of its segment; otherwise the first repeated block could be
    /// replaced before the second is entered.
    #[inline]
    pub(super) fn enter(&mut self, hash: u64, number: u32, at: usize) {
        if self.lines.is_empty() {
            self.lines = vec![Line::default(); self.max_lines];
        }
        // Positions beyond 16 bits are found through the index only.
        let Ok(at @ 1..) = u16::try_from(at) else {
            return;
        };
        debug_assert!(u64::from(number) <= MAX_SEGMENT, "segments have numbers of 24 bits");
        let head = (hash & TAG_MASK) << SEGMENT_BITS | u64::from(number) & MAX_SEGMENT;
        let home = home(hash, self.lines.len());
        let Some(Line(line)) = self.lines.get_mut(home) else {
            debug_assert!(false, "every hash has a line");
            return;
        };
        let is_same = |entry: u64| entry != 0 && entry >> POSITION_BITS == head;
        let is_of_segment =
            |entry: u64| entry != 0 && (entry >> POSITION_BITS ^ head) & MAX_SEGMENT == 0;
        if line.iter().any(|&entry| is_same(entry))
            || line.last().is_some_and(|&oldest| is_of_segment(oldest))
        {
            return;
        }
        line.rotate_right(1);
        if let Some(first) = line.first_mut() {
            *first = head << POSITION_BITS | u64::from(at);
        }
    }
}

/// Returns the line of a hash.
#[inline]
fn home(hash: u64, lines: usize) -> usize {
    usize::try_from(scale(hash, lines as u64)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget;

    fn hash(number: u64) -> u64 {
        number.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    /// The table has the size for `open` blocks of 256 bytes.
    #[test]
    fn nearly_all_blocks_of_open_segments_are_found_when_many_have_come_and_gone() {
        let open = 10_000;
        let mut table = BlockTable::new(budget::block_table(open as u64 * 256));
        assert!(table.max_held() <= open * 256 / 16);
        for number in 0..20 * open as u64 {
            table.enter(
                hash(number),
                u32::try_from(number / 50).unwrap(),
                usize::try_from(8 + number % 50).unwrap(),
            );
        }
        assert_eq!(table.lines.len() * size_of::<Line>(), table.max_held());
        let is_there = |number: u64| {
            let (segment, place) =
                (u32::try_from(number / 50).unwrap(), usize::try_from(8 + number % 50).unwrap());
            table.get(hash(number)).any(|found| found == (segment, place))
        };
        let found = (19 * open as u64..20 * open as u64).filter(|&number| is_there(number)).count();
        assert!(found > open * 95 / 100, "{found} of {open}");
    }

    #[test]
    fn of_equal_blocks_of_a_segment_the_first_is_found_however_many_there_are() {
        let mut table = BlockTable::new(0);
        for round in 0..3 {
            for place in 8..100 {
                // All have one home, and some the same hash.
                table.enter(place as u64 % 20, round, place);
            }
            let found: Vec<usize> =
                (0..20).flat_map(|hash| table.get(hash)).map(|(_, place)| place).collect();
            assert_eq!(found.len(), WAYS);
            assert!(found.iter().all(|place| (8..28).contains(place)), "{found:?}");
        }
    }

    #[test]
    fn what_no_entry_has_room_for_is_not_entered() {
        let mut table = BlockTable::new(1 << 16);
        assert_eq!(table.get(7).count(), 0);
        for place in [0, 1 << POSITION_BITS, usize::MAX] {
            table.enter(7, 1, place);
        }
        assert_eq!(table.get(7).count(), 0);
        let place = (1 << POSITION_BITS) - 1;
        table.enter(7, (1 << SEGMENT_BITS) - 1, place);
        table.enter(0, 0, 1);
        assert_eq!(table.get(7).collect::<Vec<_>>(), [((1 << SEGMENT_BITS) - 1, place)]);
        assert_eq!(table.get(0).collect::<Vec<_>>(), [(0, 1)]);
    }
}
