//! The index of stores in memory: from CIDs to placements, with a slot of 8 bytes for each block.
//!
//! ```text
//! slot   32 bits of hash | 32 bits of placement + 1       0 is an empty slot
//!        24 bits of hash | 40 bits of placement + 1       if a placement needs them
//! ```
//!
//! The CID itself is not in the slot. It is compared at the placement when the hash bits agree.
//! With 32 bits, those of another CID rarely agree; each time costs a cache miss.
//!
//! Slots are in a table with linear probing. A slot's home is its hash scaled to the length of the
//! table, so a table can have any length, and one cache miss finds most slots. It is made at once
//! when all blocks are known, and never grows.

use super::hash::Secret;
use crate::car::Placement;
use crate::cid::Cid;
use crate::error::{Error, LimitName, Result, Structure};
use crate::limits::MAX_CAR_LEN;
use crate::prefetch::prefetch;
use crate::reuse::Lent;

/// How the bits of a slot are divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Split {
    /// Bits that hold the hash.
    tag_bits: u32,
    /// Bits that hold the placement.
    placement_bits: u32,
}

/// For placements up to 4 GiB.
const NARROW: Split = Split { tag_bits: 32, placement_bits: 32 };

/// For all placements.
const WIDE: Split = Split { tag_bits: 24, placement_bits: 40 };

/// Number of slots that are entered in one pass over a table that exceeds the CPU's cache.
const PASS: usize = 1 << 14;

/// Number of slots of a table that fits into the CPU's cache: these are entered in any order.
const CACHED: usize = 1 << 16;

/// Number of leading bits of the hash by which the slots of a batch are ordered.
const ORDER_BITS: u32 = 9;

/// Length of the order of a batch, in bytes.
const ORDER_LEN: usize = PASS * size_of::<u16>();

/// How many slots ahead the table is prefetched.
const SOON: usize = 16;

/// Number of slots that there is room for at first.
const MIN_NOTED: usize = 64;

/// Maximum length of a CAR in bytes that stays in the CPU's cache with its index, so that
/// prefetching costs more than it saves.
pub(super) const CACHED_LEN: u64 = 1 << 18;

/// Number of bytes of a section that are prefetched.
const USUAL_LEN: usize = 384;

/// Number of CIDs that are prefetched together.
const PREFETCH: usize = 32;

/// An index that is not made yet: the slots of all blocks in the order of their sections.
pub(crate) struct Notes {
    slots: Lent<Vec<u64>>,
    /// Empty, for the index.
    table: Lent<Vec<u64>>,
    split: Split,
    secret: Secret,
}

/// A table from CIDs to placements.
pub(crate) struct Index {
    slots: Lent<Vec<u64>>,
    split: Split,
    /// Number of slots in use.
    len: usize,
    secret: Secret,
}

/// The relation of a later section to an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Match {
    /// It has another CID.
    Other,
    /// It has the same CID.
    Repeat,
    /// It has the same CID and replaces the earlier one, whose block does not hash to the CID.
    Better,
}

impl Split {
    /// Returns the bits of a hash that a slot has.
    #[inline]
    fn tag(self, hash: u64) -> u64 {
        hash >> self.placement_bits
    }

    /// Returns the placement in a slot that is not empty.
    #[inline]
    fn placement(self, slot: u64) -> Placement {
        debug_assert!(slot & self.low_bits() > 0, "the slot is empty");
        Placement::from_bits((slot & self.low_bits()).wrapping_sub(1))
    }

    /// Returns a mask of the bits that hold the placement.
    #[inline]
    fn low_bits(self) -> u64 {
        u64::MAX >> self.tag_bits
    }

    /// Returns the slot with the first bits of `hash` and these low bits.
    #[inline]
    fn slot(self, hash: u64, low: u64) -> u64 {
        debug_assert!(low > 0 && low <= self.low_bits(), "another slot's bits are overwritten");
        hash & !self.low_bits() | low
    }

    /// Returns the number of the slot where probing begins, in a table of `slots`.
    #[inline]
    fn home(self, tag: u64, slots: usize) -> usize {
        // A table has fewer slots than there are placements, so this is within 64 bits.
        usize::try_from(tag.wrapping_mul(slots as u64) >> self.tag_bits).unwrap_or(0)
    }
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

    /// Creates notes in one buffer, and later the index in the other. Both are empty.
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
        let mut slots = core::mem::take(&mut self.table);
        slots.reserve_exact(table_len(noted.len()));
        slots.resize(table_len(noted.len()), 0);
        let mut index = Index { slots, split: self.split, len: 0, secret: self.secret };
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

impl Index {
    /// Returns the number of distinct CIDs.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Returns how many bytes of memory the index takes.
    pub(crate) fn held(&self) -> u64 {
        len_of(self.slots.capacity())
    }

    fn enter_all(
        &mut self,
        slots: impl Iterator<Item = u64> + Clone,
        compare: &impl Fn(Placement, Placement) -> Match,
    ) {
        let mut soon = slots.clone().skip(SOON);
        for slot in slots {
            if let Some(soon) = soon.next() {
                self.fetch(self.split.tag(soon));
            }
            self.enter(slot, compare);
        }
    }

    /// Prefetches the slot where probing begins.
    #[inline]
    fn fetch(&self, tag: u64) {
        let home = self.split.home(tag, self.slots.len());
        prefetch(self.slots.get(home..=home).unwrap_or_default());
    }

    /// Moves the slots into a shorter table if at least half of this one is superfluous, because
    /// many blocks are repeated.
    fn shrink(&mut self) {
        let len = table_len(self.len);
        if len > self.slots.len() / 2 {
            return;
        }
        let old = core::mem::replace(&mut *self.slots, vec![0; len]);
        for moved in old.into_iter().filter(|&slot| slot != 0) {
            let home = self.split.home(self.split.tag(moved), self.slots.len());
            let free = from_home(&mut self.slots, home).find(|slot| **slot == 0);
            debug_assert!(free.is_some(), "four slots of five are in use at most");
            if let Some(free) = free {
                *free = moved;
            }
        }
    }

    #[inline]
    fn enter(&mut self, new: u64, compare: impl Fn(Placement, Placement) -> Match) {
        let Index { slots, split, .. } = self;
        let (split, tag) = (*split, split.tag(new));
        let home = split.home(tag, slots.len());
        for slot in from_home(slots, home) {
            if *slot == 0 {
                *slot = new;
                self.len = self.len.saturating_add(1);
                return;
            }
            // Equal tags most likely mean equal CIDs, but only the sections have the CIDs.
            if split.tag(*slot) == tag {
                match compare(split.placement(*slot), split.placement(new)) {
                    Match::Other => {}
                    Match::Repeat => return,
                    Match::Better => {
                        *slot = new;
                        return;
                    }
                }
            }
        }
        debug_assert!(false, "four slots of five are in use at most");
    }

    /// Returns what `read` returns for the placement of a CID. `read` is called with each placement
    /// that may be the one, and returns `None` for another CID's.
    #[inline]
    pub(crate) fn find<T>(&self, cid: &Cid, read: impl Fn(Placement) -> Option<T>) -> Option<T> {
        self.probe(self.tag(cid), read)
    }

    /// Prefetches the slots of CIDs, and the bytes that `at` returns for their placements.
    ///
    /// Has three rounds, so that all slots are being fetched before the first is read.
    pub(crate) fn prefetch<'a>(&self, cids: &[Cid], at: impl Fn(Placement) -> &'a [u8]) {
        let mut tags = [0; PREFETCH];
        let mut places = [None; PREFETCH];
        for cids in cids.chunks(PREFETCH) {
            for (cid, tag) in cids.iter().zip(&mut tags) {
                *tag = self.tag(cid);
                self.fetch(*tag);
            }
            for ((_, &tag), place) in cids.iter().zip(&tags).zip(&mut places) {
                // The CID is not compared: its bytes are what is to be prefetched.
                *place = self.probe(tag, Some);
            }
            for (_, &place) in cids.iter().zip(&places) {
                let bytes = place.map(&at).unwrap_or_default();
                prefetch(bytes.get(..USUAL_LEN).unwrap_or(bytes));
            }
        }
    }

    #[inline]
    fn tag(&self, cid: &Cid) -> u64 {
        self.split.tag(self.secret.hash(cid))
    }

    /// Returns the first result of `read` for the placement of a slot with this tag.
    #[inline]
    fn probe<T>(&self, tag: u64, read: impl Fn(Placement) -> Option<T>) -> Option<T> {
        let Index { slots, split, .. } = self;
        let home = split.home(tag, slots.len());
        // Two loops take half the time of one over a chain of both parts.
        for part in [slots.get(home..), slots.get(..home)] {
            for &slot in part.unwrap_or_default() {
                if split.tag(slot) == tag && slot != 0 {
                    if let Some(found) = read(split.placement(slot)) {
                        return Some(found);
                    }
                } else if slot == 0 {
                    return None;
                }
            }
        }
        None
    }
}

/// Returns the length of a table for `count` slots in use: at most four of five are.
fn table_len(count: usize) -> usize {
    count.saturating_mul(5).div_ceil(4)
}

/// Returns the length of `slots` slots in bytes.
fn len_of(slots: usize) -> u64 {
    (slots as u64).saturating_mul(size_of::<u64>() as u64)
}

/// Returns all slots in the order of probing.
#[inline]
fn from_home(slots: &mut [u64], home: usize) -> impl Iterator<Item = &mut u64> {
    let (before, from) = slots.split_at_mut_checked(home).unwrap_or_default();
    from.iter_mut().chain(before)
}

#[cfg(test)]
#[expect(
    clippy::cast_possible_truncation,
    clippy::arithmetic_side_effects,
    reason = "tests fail by panicking"
)]
mod tests {
    use super::*;
    use crate::cid::Codec;
    use crate::error::ErrorKind;

    fn p(bits: u64) -> Placement {
        Placement::from_bits(bits)
    }

    fn cid(number: u64) -> Cid {
        Cid::of(Codec::Raw, &number.to_be_bytes())
    }

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
    fn slots_whose_hashes_agree_are_told_apart_at_their_places() {
        // Without secrets, CIDs that differ only in bits that the hash ignores have equal hashes.
        let mut notes = Notes { secret: Secret { words: [0; 4] }, ..Notes::new() };
        let alike: Vec<Cid> = (0..40).map(|number| like(&[0; 32], 31, number)).collect();
        for (number, cid) in alike.iter().enumerate() {
            notes.note(cid, p(number as u64));
        }
        let index = notes.index(|_, _| Match::Other);
        for (number, cid) in alike.iter().enumerate() {
            let read = |at: Placement| (alike[at.to_bits() as usize] == *cid).then_some(at);
            assert_eq!(index.find(cid, read), Some(p(number as u64)));
        }
    }

    /// Returns a CID with this digest, whose byte at `at` is `number`.
    fn like(digest: &[u8; 32], at: usize, number: u8) -> Cid {
        let mut bytes = *cid(0).as_bytes();
        bytes[4..].copy_from_slice(digest);
        bytes[4 + at] = number;
        Cid::parse(&bytes).unwrap()
    }

    #[test]
    fn digests_that_differ_in_one_byte_have_different_hashes() {
        let secret = Secret::random();
        for at in 0..32 {
            let mut tags: Vec<u64> = (0..=255)
                .map(|number| WIDE.tag(secret.hash(&like(&[7; 32], at, number))))
                .collect();
            tags.sort_unstable();
            tags.dedup();
            assert!(tags.len() > 250, "byte {at}: {} tags of 256", tags.len());
        }
    }

    /// If blocks are not hashed, such CIDs cost an attacker nothing.
    #[test]
    fn digests_that_are_alike_but_for_one_word_are_spread_and_found_soon() {
        const COUNT: u64 = 60_000;
        for at in [0, 8, 16, 24] {
            let alike = |number: u64| {
                let mut bytes = *like(&[7; 32], 0, 7).as_bytes();
                bytes[4 + at..12 + at].copy_from_slice(&number.to_be_bytes());
                Cid::parse(&bytes).unwrap()
            };
            let mut notes = Notes::new();
            (0..COUNT).for_each(|number| notes.note(&alike(number), p(number)));
            let index = notes.index(|_, _| Match::Other);
            for number in 0..COUNT {
                let read = |place: Placement| (place == p(number)).then_some(());
                assert_eq!(index.find(&alike(number), read), Some(()));
            }
            // Number of slots probed to find all of them: billions if all had one home.
            let slots = index.slots.len();
            let passed = index.slots.iter().enumerate().filter(|(_, slot)| **slot != 0);
            let passed = passed.map(|(number, slot)| {
                (number + slots - index.split.home(index.split.tag(*slot), slots)) % slots
            });
            let passed = passed.sum::<usize>() as u64;
            // Multiples of a secret are not spread like random numbers: some secrets make clusters.
            assert!(passed < 500 * COUNT, "{passed}, word at {at}");
        }
    }

    #[test]
    fn a_better_section_takes_the_place_of_the_one_before() {
        let mut notes = Notes::new();
        for place in 1..=3 {
            notes.note(&cid(0), p(place));
        }
        let index = notes.index(|_, new| if new == p(2) { Match::Better } else { Match::Repeat });
        assert_eq!((index.len(), index.find(&cid(0), Some)), (1, Some(p(2))));
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

    /// Each time costs a cache miss.
    #[test]
    fn hardly_any_cid_is_taken_for_another() {
        let mut notes = Notes::new();
        (0..200_000).for_each(|number| notes.note(&cid(number), p(number)));
        let index = notes.index(|_, _| Match::Other);
        let strangers = core::cell::Cell::new(0);
        for number in 0..200_000 {
            let read = |at: Placement| {
                strangers.set(strangers.get() + usize::from(at != p(number)));
                (at == p(number)).then_some(())
            };
            assert!(index.find(&cid(number), read).is_some());
        }
        // Ten may be expected.
        assert!(strangers.get() < 100, "{strangers:?}");
    }
}
