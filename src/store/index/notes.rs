//! The slots of all blocks before the index is made.

use super::slot::{NARROW, Split, WIDE, len_of};
use super::table::{Index, Match, table_len};
use crate::car::Placement;
use crate::cid::Cid;
use crate::error::{Error, LimitName, Result, Structure};
use crate::limits::MAX_CAR_LEN;
use crate::reuse::Lent;
use crate::store::hash::Secret;

/// Number of slots that are entered in one pass over a table that exceeds the CPU's cache.
const PASS: usize = 1 << 14;

/// Maximum number of slots that are entered in the order of their sections: the table fits into the
/// CPU's cache.
const CACHED: usize = 1 << 16;

/// Number of leading bits of the hash by which the slots of a batch are ordered.
const ORDER_BITS: u32 = 9;

/// Length of the order of a batch, in bytes.
const ORDER_LEN: usize = PASS * size_of::<u16>();

/// Number of slots that there is room for at first.
const MIN_NOTED: usize = 64;

/// An index that is not made yet: the slots of all blocks in the order of their sections.
pub(crate) struct Notes {
    slots: Lent<Vec<u64>>,
    /// Empty, for the index.
    table: Lent<Vec<u64>>,
    split: Split,
    secret: Secret,
}

/// Checks that a slot has room for a placement. `offset` is the offset of its section.
///
/// # Errors
///
/// `Limit` for a placement beyond the length of the longest CAR.
#[inline]
pub(crate) fn check_placement(at: Placement, offset: impl FnOnce() -> Option<u64>) -> Result<()> {
    if at.to_bits() < WIDE.low_bits() {
        return Ok(());
    }
    let limit = Error::limit(LimitName::CarLen, MAX_CAR_LEN, at.to_bits().saturating_add(2));
    Err(limit.in_structure(Structure::Section).at(offset()))
}

impl Notes {
    pub(crate) fn new() -> Self {
        Notes::within(Lent::default(), Lent::default())
    }

    /// Creates empty notes. `slots` is their buffer, `table` that of the later index; both must be
    /// empty.
    pub(crate) fn within(slots: Lent<Vec<u64>>, table: Lent<Vec<u64>>) -> Self {
        debug_assert!(slots.is_empty() && table.is_empty(), "a buffer was not reset");
        Notes { slots, table, split: NARROW, secret: Secret::random() }
    }

    /// Notes a CID whose section is at a placement that was [checked](check_placement).
    #[inline]
    pub(crate) fn note(&mut self, cid: &Cid, at: Placement) {
        let low = at.to_bits().wrapping_add(1);
        if low > self.split.low_bits() {
            self.widen();
        }
        self.slots.push(self.split.slot(self.secret.hash(cid), low));
    }

    /// Divides all slots anew, with fewer bits of hash and more of placement.
    #[cold]
    fn widen(&mut self) {
        for slot in self.slots.iter_mut() {
            *slot = WIDE.slot(*slot, *slot & self.split.low_bits());
        }
        self.split = WIDE;
    }

    /// Returns how many more CIDs there is room to note.
    #[inline]
    pub(crate) fn room(&self) -> usize {
        self.slots.capacity().saturating_sub(self.slots.len())
    }

    /// Makes room to note more CIDs, if that takes at most `allowance` bytes in addition to those
    /// held. Returns whether it did.
    pub(crate) fn make_room(&mut self, allowance: u64) -> bool {
        let held = self.slots.capacity();
        let more = (held / 4).max(MIN_NOTED);
        // The old slots are freed only after they were copied.
        let fits = len_of(held.saturating_add(more)) <= allowance;
        if fits {
            self.slots.reserve_exact(more);
        }
        fits
    }

    /// Returns how many bytes of memory are held.
    pub(crate) fn held(&self) -> u64 {
        len_of(self.slots.capacity())
    }

    /// Returns the maximum number of bytes that making the index takes in addition to those held.
    pub(crate) fn index_len(&self) -> u64 {
        let order = if self.slots.len() > CACHED { ORDER_LEN } else { 0 };
        len_of(table_len(self.slots.len())).saturating_add(order as u64)
    }

    /// Makes the index. `compare` is called with the placements of an earlier and a later section
    /// that may have the same CID.
    ///
    /// Slots are entered in batches, each about in the order of the hashes. So a batch passes over
    /// the table from its start to its end, with few cache misses. The slots of one CID keep their
    /// order.
    pub(crate) fn index(&mut self, compare: impl Fn(Placement, Placement) -> Match) -> Index {
        let noted = core::mem::take(&mut self.slots);
        let table = core::mem::take(&mut self.table);
        let mut index = Index::with_room(table, noted.len(), self.split, self.secret);
        if noted.len() <= CACHED {
            index.enter_all(noted.iter().copied(), &compare);
        } else {
            let mut order = vec![0; PASS];
            for batch in noted.chunks(PASS) {
                let order = order_of(batch, &mut order);
                let slots =
                    order.iter().filter_map(|&number| batch.get(usize::from(number)).copied());
                index.enter_all(slots, &compare);
            }
        }
        drop(noted);
        index.shrink();
        index
    }
}

/// Returns the numbers of slots in the order of the first bits of their hashes. This is a counting
/// sort, which is stable.
fn order_of<'o>(batch: &[u64], order: &'o mut [u16]) -> &'o [u16] {
    let part = |slot: u64| usize::try_from(slot >> (u64::BITS - ORDER_BITS)).unwrap_or(0);
    let mut starts = [0u16; 1 << ORDER_BITS];
    for &slot in batch {
        if let Some(count) = starts.get_mut(part(slot)) {
            *count = count.wrapping_add(1);
        }
    }
    let mut start = 0u16;
    for count in &mut starts {
        start = start.wrapping_add(core::mem::replace(count, start));
    }
    for (number, &slot) in (0..).zip(batch) {
        if let Some(start) = starts.get_mut(part(slot))
            && let Some(place) = order.get_mut(usize::from(*start))
        {
            *place = number;
            *start = start.wrapping_add(1);
        }
    }
    order.get(..batch.len()).unwrap_or_default()
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "tests fail by panicking")]
mod tests {
    use super::*;
    use crate::cid::Codec;
    use crate::error::ErrorKind;
    use crate::store::index::testing::{cid, p};

    #[test]
    fn places_are_found_again_and_repeats_are_not_counted() {
        let cids: Vec<Cid> = (0..100_000).map(cid).collect();
        let at = |place: Placement| cids[(place.to_bits() as usize) % cids.len()];
        let compare = |one, other| if at(one) == at(other) { Match::Repeat } else { Match::Other };
        let mut notes = Notes::new();
        for round in 0..2 {
            for (number, cid) in cids.iter().enumerate() {
                notes.note(cid, p((round * cids.len() + number) as u64));
            }
        }
        let index = notes.index(compare);
        assert_eq!(index.len(), cids.len());
        for (number, cid) in cids.iter().enumerate() {
            assert_eq!(
                index.find(cid, |place| (at(place) == *cid).then_some(place)),
                Some(p(number as u64))
            );
        }
        let other = Cid::of(Codec::DagCbor, &0u64.to_be_bytes());
        assert_eq!(index.find(&other, |place| (at(place) == other).then_some(())), None);
        assert_eq!(Notes::new().index(compare).find(&other, Some), None);
    }

    #[test]
    fn an_index_takes_10_bytes_a_block_and_20_a_section_while_it_is_made() {
        let mut notes = Notes::new();
        for number in 1..400_000 {
            if notes.room() == 0 {
                let held = notes.held();
                assert!(notes.make_room(u64::MAX));
                assert!(number < 1000 || held + notes.held() <= number * 19, "{number}");
            }
            notes.note(&cid(number % 100_000), p(number));
            assert!(number < 1000 || notes.held() + notes.index_len() <= number * 21, "{number}");
        }
        // Of four sections three are repeats.
        let index = notes.index(|old, new| {
            if old.to_bits() % 100_000 == new.to_bits() % 100_000 {
                Match::Repeat
            } else {
                Match::Other
            }
        });
        assert_eq!((index.len(), index.held(), notes.held()), (100_000, 1_000_000, 0));
    }

    /// No test can read a stream of 1 TiB.
    #[test]
    fn a_placement_that_no_slot_has_room_for_is_a_limit() {
        let check = |bits| check_placement(p(bits), || Some(7));
        check(MAX_CAR_LEN - 2).unwrap();
        for bits in [MAX_CAR_LEN - 1, MAX_CAR_LEN, u64::MAX] {
            let error = check(bits).unwrap_err();
            assert_eq!(error.position().offset(), Some(7));
            let ErrorKind::Limit { limit: LimitName::CarLen, max, found } = *error.kind() else {
                panic!("{error}")
            };
            assert!(max == MAX_CAR_LEN && found > max, "{error}");
        }
    }

    #[test]
    fn room_that_is_not_allowed_is_not_taken() {
        let mut notes = Notes::new();
        assert!(!notes.make_room(8 * MIN_NOTED as u64 - 1) && notes.room() == 0);
        assert!(notes.make_room(8 * MIN_NOTED as u64) && notes.room() > 0);
    }

    #[test]
    fn places_beyond_4_gib_are_found_again_and_so_are_those_before_them() {
        let far = |number: u64| {
            if number < 20_000 { number } else { (number << 20) % (1 << 40) + number }
        };
        let mut notes = Notes::new();
        for number in 0..40_000 {
            assert_eq!(notes.split == WIDE, number > 20_000);
            notes.note(&cid(number), p(far(number)));
        }
        let index = notes.index(|_, _| Match::Other);
        for number in 0..40_000 {
            let read = |at: Placement| (at == p(far(number))).then_some(());
            assert_eq!(index.find(&cid(number), read), Some(()), "{number}");
        }
        for place in [(1 << 32) - 2, (1 << 32) - 1] {
            let mut notes = Notes::new();
            notes.note(&cid(0), p(place));
            assert_eq!(notes.split == WIDE, place == (1 << 32) - 1);
            assert_eq!(notes.index(|_, _| Match::Other).find(&cid(0), Some), Some(p(place)));
        }
    }
}
