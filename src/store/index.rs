//! The index that all stores share: from CIDs to places, in 8 bytes a block and the table's slack.
//!
//! ```text
//! slot   24 bits of hash | 40 bits of place       0 is an empty slot: no section is at place 0
//! ```
//!
//! The CID itself is not in the slot: it stands at the place, and is compared there when the hash bits agree.
//!
//! A table of slots with linear probing, in which a slot's home is its hash scaled to the table's length. So one cache
//! miss finds a slot, a table can have any length, and growing moves the slots in their order.

use core::hint::black_box;

use super::hash::Secret;
use crate::cid::Cid;

/// Bits of a slot that hold the place.
const PLACE_BITS: u32 = 40;

const PLACE_MASK: u64 = (1 << PLACE_BITS) - 1;

/// Bits of a slot that hold the hash.
const TAG_BITS: u32 = 64 - PLACE_BITS;

/// Slots that are entered together.
const BATCH: usize = 1 << 15;

/// Slots that there is room to note at first.
const MIN_NOTED: usize = 64;

/// Bytes that come into the cache together, on most machines.
const CACHE_LINE: usize = 64;

/// Cache lines of a section that are prefetched.
const LINES: usize = 6;

/// CIDs that are prefetched together.
const PREFETCH: usize = 32;

pub(crate) struct Index {
    slots: Vec<u64>,
    /// Slots in use.
    len: usize,
    /// Slots that wait to be entered.
    noted: Vec<u64>,
    secret: Secret,
}

/// How a later section stands to an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Match {
    /// It has another CID.
    Other,
    /// It has the same CID.
    Repeat,
    /// It has the same CID, and is to be found in place of the earlier one.
    Better,
}

impl Index {
    pub(crate) fn new() -> Self {
        Index { slots: Vec::new(), len: 0, noted: Vec::new(), secret: Secret::random() }
    }

    /// The number of distinct CIDs.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Notes a CID whose section is at `place`, from 1 to 2^40. It is found only after [`settle`](Index::settle).
    #[inline]
    pub(crate) fn note(&mut self, cid: &Cid, place: u64) {
        self.noted.push(self.tag(cid) << PLACE_BITS | place & PLACE_MASK);
    }

    /// Whether it is time to settle.
    #[inline]
    pub(crate) fn is_due(&self) -> bool {
        self.noted.len() >= BATCH
    }

    /// Enters what was noted. `compare` is given the places of an earlier and a later section that may have one CID.
    ///
    /// In the order of their hashes, so that the table is passed over once from its start to its end: much faster than
    /// entering each at once, wherever it belongs.
    pub(crate) fn settle(&mut self, compare: impl Fn(u64, u64) -> Match) {
        let mut noted = core::mem::take(&mut self.noted);
        noted.sort_unstable();
        self.reserve(noted.len());
        for slot in noted.drain(..) {
            self.enter(slot, &compare);
        }
        self.noted = noted;
    }

    /// Gives back what only loading needs. What was noted must have been settled.
    pub(crate) fn finish(mut self) -> Self {
        self.noted = Vec::new();
        self
    }

    /// Bytes of memory that the index takes.
    pub(crate) fn held(&self) -> u64 {
        len_of(self.slots.capacity().saturating_add(self.noted.capacity()))
    }

    /// Whether there is room to note one CID more.
    #[inline]
    pub(crate) fn has_room(&self) -> bool {
        self.noted.len() < self.noted.capacity()
    }

    /// Makes room to note more CIDs, and tells whether it is there. Takes no more than `allowance` bytes beside what is held.
    pub(crate) fn make_room(&mut self, allowance: u64) -> bool {
        let more = self.noted.capacity().max(MIN_NOTED);
        // The old slots are there until they are copied.
        let fits = len_of(self.noted.capacity().saturating_add(more)) <= allowance;
        if fits {
            self.noted.reserve_exact(more);
        }
        fits
    }

    /// Most bytes that settling takes beside what is held: the new slots, while the old ones are there too.
    pub(crate) fn growth(&self) -> u64 {
        self.grown_len(self.noted.len()).map_or(0, len_of)
    }

    #[inline]
    fn enter(&mut self, new: u64, compare: impl Fn(u64, u64) -> Match) {
        let tag = new >> PLACE_BITS;
        for slot in probe_mut(&mut self.slots, tag) {
            if *slot == 0 {
                *slot = new;
                self.len = self.len.saturating_add(1);
                return;
            }
            if *slot >> PLACE_BITS == tag {
                match compare(*slot & PLACE_MASK, new & PLACE_MASK) {
                    Match::Other => {}
                    Match::Repeat => return,
                    Match::Better => {
                        *slot = new;
                        return;
                    }
                }
            }
        }
    }

    /// What `read` makes of the place of a CID. `read` is asked about each place that may be the one, and gives `None`
    /// for another CID's.
    #[inline]
    pub(crate) fn find<T>(&self, cid: &Cid, read: impl Fn(u64) -> Option<T>) -> Option<T> {
        let tag = self.tag(cid);
        let used = probe(&self.slots, tag).take_while(|&&slot| slot != 0);
        used.filter(|&&slot| slot >> PLACE_BITS == tag).find_map(|&slot| read(slot & PLACE_MASK))
    }

    /// Brings the slots of CIDs into the cache, and what stands at their places, as `at` gives it.
    ///
    /// In three rounds, because loads overlap only as long as none has to be awaited to know what comes next: where a
    /// probe ends, and which place it finds.
    pub(crate) fn prefetch<'a>(&self, cids: &[Cid], at: impl Fn(u64) -> &'a [u8]) {
        let mut tags = [0; PREFETCH];
        let mut places = [0; PREFETCH];
        for cids in cids.chunks(PREFETCH) {
            let mut slots = 0;
            for (cid, tag) in cids.iter().zip(&mut tags) {
                *tag = self.tag(cid);
                slots ^= self.slots.get(home(*tag, self.slots.len())).copied().unwrap_or(0);
            }
            black_box(slots);
            for ((_, &tag), place) in cids.iter().zip(&tags).zip(&mut places) {
                *place = self.guess(tag);
            }
            let mut bytes = 0;
            for (_, &place) in cids.iter().zip(&places) {
                bytes ^= at(place).iter().step_by(CACHE_LINE).take(LINES).fold(0, |sum, byte| sum ^ byte);
            }
            black_box(bytes);
        }
    }

    /// The place that most likely is the CID's; 0 if there is none.
    #[inline]
    fn guess(&self, tag: u64) -> u64 {
        let mut used = probe(&self.slots, tag).take_while(|&&slot| slot != 0);
        used.find(|&&slot| slot >> PLACE_BITS == tag).map_or(0, |&slot| slot & PLACE_MASK)
    }

    /// The number of slots that is needed to enter `more`, if it is not there: four slots of five are in use at most.
    fn grown_len(&self, more: usize) -> Option<usize> {
        let least = self.len.saturating_add(more).saturating_mul(5).div_ceil(4);
        // Two fifths more: 14 bytes a block after growing, and 24 while the old slots are there too.
        let grown = self.slots.len().saturating_mul(7) / 5;
        (least > self.slots.len()).then_some(least.max(grown))
    }

    /// Makes room for `more`. A slot's home is where it was, scaled, so all are moved in order.
    fn reserve(&mut self, more: usize) {
        let Some(len) = self.grown_len(more) else {
            return;
        };
        let old = core::mem::replace(&mut self.slots, vec![0; len]);
        for moved in old.into_iter().filter(|&slot| slot != 0) {
            if let Some(free) = probe_mut(&mut self.slots, moved >> PLACE_BITS).find(|slot| **slot == 0) {
                *free = moved;
            }
        }
    }

    /// The 24 bits of hash of a CID.
    #[inline]
    fn tag(&self, cid: &Cid) -> u64 {
        self.secret.hash(cid) >> PLACE_BITS
    }
}

/// Bytes that slots take.
fn len_of(slots: usize) -> u64 {
    (slots as u64).saturating_mul(size_of::<u64>() as u64)
}

/// The number of the slot where probing begins.
#[inline]
fn home(tag: u64, slots: usize) -> usize {
    usize::try_from(tag.wrapping_mul(slots as u64) >> TAG_BITS).unwrap_or(0)
}

/// All slots, from the home of `tag` on.
#[inline]
fn probe(slots: &[u64], tag: u64) -> impl Iterator<Item = &u64> {
    let (before, from) = slots.split_at_checked(home(tag, slots.len())).unwrap_or_default();
    from.iter().chain(before)
}

#[inline]
fn probe_mut(slots: &mut [u64], tag: u64) -> impl Iterator<Item = &mut u64> {
    let home = home(tag, slots.len());
    let (before, from) = slots.split_at_mut_checked(home).unwrap_or_default();
    from.iter_mut().chain(before)
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, clippy::arithmetic_side_effects, reason = "tests fail by panicking")]
mod tests {
    use super::*;
    use crate::cid::Codec;

    fn cid(number: u64) -> Cid {
        Cid::of(Codec::Raw, &number.to_be_bytes())
    }

    #[test]
    fn places_are_found_again_and_repeats_are_not_counted() {
        let cids: Vec<Cid> = (0..100_000).map(cid).collect();
        let at = |place: u64| cids[(place as usize - 1) % cids.len()];
        let compare = |one, other| if at(one) == at(other) { Match::Repeat } else { Match::Other };
        let mut index = Index::new();
        for round in 0..2 {
            for (number, cid) in cids.iter().enumerate() {
                index.note(cid, (round * cids.len() + number + 1) as u64);
                if index.is_due() {
                    index.settle(compare);
                }
            }
        }
        index.settle(compare);
        let index = index.finish();
        assert_eq!(index.len(), cids.len());
        for (number, cid) in cids.iter().enumerate() {
            assert_eq!(index.find(cid, |place| (at(place) == *cid).then_some(place)), Some(number as u64 + 1));
        }
        let other = Cid::of(Codec::DagCbor, &0u64.to_be_bytes());
        assert_eq!(index.find(&other, |place| (at(place) == other).then_some(())), None);
        assert_eq!(Index::new().find(&other, Some), None);
    }

    #[test]
    fn slots_whose_hashes_agree_are_told_apart_at_their_places() {
        // More CIDs than there are hashes to most of them: without secrets, and alike but for bits that are lost.
        let mut index = Index { secret: Secret { words: [0; 4] }, ..Index::new() };
        let alike: Vec<Cid> = (0..40).map(|number| like(&[0; 32], 31, number)).collect();
        for (number, cid) in alike.iter().enumerate() {
            index.note(cid, number as u64 + 1);
        }
        index.settle(|_, _| Match::Other);
        let index = index.finish();
        for (number, cid) in alike.iter().enumerate() {
            let read = |place: u64| (alike[place as usize - 1] == *cid).then_some(place);
            assert_eq!(index.find(cid, read), Some(number as u64 + 1));
        }
    }

    /// A CID that says of its digest what it is told to.
    fn like(digest: &[u8; 32], at: usize, number: u8) -> Cid {
        let mut bytes = *cid(0).as_bytes();
        bytes[4..].copy_from_slice(digest);
        bytes[4 + at] = number;
        Cid::parse(&bytes).unwrap()
    }

    #[test]
    fn digests_that_differ_in_one_byte_have_different_hashes() {
        let index = Index::new();
        for at in 0..32 {
            let mut tags: Vec<u64> = (0..=255).map(|number| index.tag(&like(&[7; 32], at, number))).collect();
            tags.sort_unstable();
            tags.dedup();
            assert!(tags.len() > 250, "byte {at}: {} tags of 256", tags.len());
        }
    }

    #[test]
    fn a_better_section_takes_the_place_of_the_one_before() {
        let mut index = Index::new();
        for place in 1..=3 {
            index.note(&cid(0), place);
        }
        index.settle(|_, new| if new == 2 { Match::Better } else { Match::Repeat });
        let index = index.finish();
        assert_eq!((index.len(), index.find(&cid(0), Some)), (1, Some(2)));
    }

    #[test]
    fn slots_take_16_bytes_a_block_at_most_once_they_are_many() {
        let mut index = Index::new();
        for number in 1..400_000 {
            index.note(&cid(number), number);
            if index.is_due() {
                index.settle(|_, _| Match::Other);
                assert!(index.slots.len() <= index.len * 2, "{number}");
            }
        }
    }
}
