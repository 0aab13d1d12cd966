//! Where blocks stand that are asked for again and again: a table that never grows, and forgets.
//!
//! ```text
//! entry   24 bits of hash | 24 bits of segment | 16 bits of place      0 is no entry: no block is at place 0
//! ```
//!
//! What a segment holds never changes. So an entry is never wrong, and stays when its segment is
//! closed: new ones push out the oldest.

use super::runs::scale;

/// Entries that have one home, in a line of the processor's cache.
const WAYS: usize = 8;

/// Bytes of what is open that there is an entry for: in most repositories twice as many as there
/// are blocks.
const ENTRY_PART: usize = 128;

/// Most lines.
const MAX_LINES: usize = 1 << 19;

const PLACE_BITS: u32 = 16;

const NUMBER_BITS: u32 = 24;

const NUMBER_MASK: u64 = (1 << NUMBER_BITS) - 1;

/// The lowest bits of a hash, where the highest ones say which line it is.
const TAG_MASK: u64 = (1 << (u64::BITS - PLACE_BITS - NUMBER_BITS)) - 1;

#[derive(Clone, Copy, Default)]
#[repr(align(64))]
struct Line([u64; WAYS]);

/// From hashes of CIDs to the segments and places of their blocks.
pub(super) struct BlockTable {
    /// Made when the first entry comes.
    lines: Vec<Line>,
    max_lines: usize,
}

impl BlockTable {
    /// A table for blocks of open segments, which take so many bytes.
    pub(super) fn new(open: usize) -> Self {
        BlockTable {
            lines: Vec::new(),
            max_lines: (open / (WAYS * ENTRY_PART)).clamp(1, MAX_LINES),
        }
    }

    /// Bytes that it takes.
    pub(super) fn max_held(&self) -> usize {
        self.max_lines.saturating_mul(size_of::<Line>())
    }

    /// The segments and places that may be the block's.
    #[inline]
    pub(super) fn get(&self, hash: u64) -> impl Iterator<Item = (u32, usize)> {
        let line = self.lines.get(home(hash, self.lines.len())).map_or(&[][..], |line| &line.0);
        let same = line
            .iter()
            .filter(move |entry| **entry >> (PLACE_BITS + NUMBER_BITS) == hash & TAG_MASK);
        same.filter_map(|&entry| {
            let number = entry >> PLACE_BITS & NUMBER_MASK;
            let place = entry & ((1 << PLACE_BITS) - 1);
            (place > 0).then_some((u32::try_from(number).ok()?, usize::try_from(place).ok()?))
        })
    }

    /// Enters a block, if no other of the segment seems to be the same.
    ///
    /// So of equal blocks the first stays, if blocks of a segment are entered in their order. None
    /// pushes out another of its segment, since then the first could be entered before the second
    /// and not be there any more.
    #[inline]
    pub(super) fn enter(&mut self, hash: u64, number: u32, place: usize) {
        if self.lines.is_empty() {
            self.lines = vec![Line::default(); self.max_lines];
        }
        let Ok(place @ 1..) = u16::try_from(place) else {
            return;
        };
        let head = (hash & TAG_MASK) << NUMBER_BITS | u64::from(number) & NUMBER_MASK;
        let home = home(hash, self.lines.len());
        let Some(Line(line)) = self.lines.get_mut(home) else {
            return;
        };
        let is_same = |entry: u64| entry != 0 && entry >> PLACE_BITS == head;
        let is_of_segment =
            |entry: u64| entry != 0 && (entry >> PLACE_BITS ^ head) & NUMBER_MASK == 0;
        if line.iter().any(|&entry| is_same(entry))
            || line.last().is_some_and(|&oldest| is_of_segment(oldest))
        {
            return;
        }
        line.rotate_right(1);
        if let Some(first) = line.first_mut() {
            *first = head << PLACE_BITS | u64::from(place);
        }
    }
}

/// The line of a hash.
#[inline]
fn home(hash: u64, lines: usize) -> usize {
    usize::try_from(scale(hash, lines as u64)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(number: u64) -> u64 {
        number.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    /// About as many as there are in what is open: with blocks of 256 bytes.
    #[test]
    fn nearly_all_blocks_of_open_segments_are_found_when_many_have_come_and_gone() {
        let open = 10_000;
        let mut table = BlockTable::new(open * 256);
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
        let mut table = BlockTable::new(1 << 20);
        assert_eq!(table.get(7).count(), 0);
        for place in [0, 1 << PLACE_BITS, usize::MAX] {
            table.enter(7, 1, place);
        }
        assert_eq!(table.get(7).count(), 0);
        let place = (1 << PLACE_BITS) - 1;
        table.enter(7, (1 << NUMBER_BITS) - 1, place);
        table.enter(0, 0, 1);
        assert_eq!(table.get(7).collect::<Vec<_>>(), [((1 << NUMBER_BITS) - 1, place)]);
        assert_eq!(table.get(0).collect::<Vec<_>>(), [(0, 1)]);
    }
}
