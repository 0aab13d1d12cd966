//! The table of slots: entering and finding them.

use super::slot::{Split, len_of};
use crate::car::Placement;
use crate::cid::Cid;
use crate::prefetch::prefetch;
use crate::reuse::Lent;
use crate::store::hash::Secret;

/// How many slots ahead the table is prefetched.
const SOON: usize = 16;

/// Number of bytes of a section that are prefetched.
const USUAL_LEN: usize = 384;

/// Number of CIDs that are prefetched together.
const PREFETCH: usize = 32;

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

impl Index {
    /// Creates an empty index with room for `count` slots, in an empty buffer.
    pub(super) fn with_room(
        mut slots: Lent<Vec<u64>>,
        count: usize,
        split: Split,
        secret: Secret,
    ) -> Self {
        slots.reserve_exact(table_len(count));
        slots.resize(table_len(count), 0);
        Index { slots, split, len: 0, secret }
    }

    /// Returns the number of distinct CIDs.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Returns how many bytes of memory the index takes.
    pub(crate) fn held(&self) -> u64 {
        len_of(self.slots.capacity())
    }

    /// Enters slots. `compare` is called with the placements of an earlier and a later section.
    pub(super) fn enter_all(
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
    pub(super) fn shrink(&mut self) {
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

    /// Looks a CID up: calls `read` with each possible placement until it returns `Some`. `read`
    /// returns `None` if the section at the placement has another CID.
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

/// Returns the length of a table of which `count` slots are at most four fifths.
pub(super) fn table_len(count: usize) -> usize {
    count.saturating_mul(5).div_ceil(4)
}

/// Returns all slots in the order of probing.
#[inline]
fn from_home(slots: &mut [u64], home: usize) -> impl Iterator<Item = &mut u64> {
    let (before, from) = slots.split_at_mut_checked(home).unwrap_or_default();
    from.iter_mut().chain(before)
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "tests fail by panicking")]
mod tests {
    use super::*;
    use crate::store::index::slot::NARROW;
    use crate::store::index::testing::{cid, like, p};

    /// Makes an index of CIDs whose placements are their numbers.
    fn index_of(
        secret: Secret,
        cids: &[Cid],
        compare: impl Fn(Placement, Placement) -> Match,
    ) -> Index {
        let mut index = Index::with_room(Lent::default(), cids.len(), NARROW, secret);
        let slots = (1..).zip(cids).map(|(low, cid)| NARROW.slot(secret.hash(cid), low));
        index.enter_all(slots, &compare);
        index
    }

    #[test]
    fn slots_whose_hashes_agree_are_told_apart_at_their_places() {
        // Without secrets, CIDs that differ only in bits that the hash ignores have equal hashes.
        let secret = Secret { words: [0; 4] };
        let alike: Vec<Cid> = (0..40).map(|number| like(&[0; 32], 31, number)).collect();
        let index = index_of(secret, &alike, |_, _| Match::Other);
        for (number, cid) in alike.iter().enumerate() {
            let read = |at: Placement| (alike[at.to_bits() as usize] == *cid).then_some(at);
            assert_eq!(index.find(cid, read), Some(p(number as u64)));
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
            let cids: Vec<Cid> = (0..COUNT).map(alike).collect();
            let index = index_of(Secret::random(), &cids, |_, _| Match::Other);
            for (number, cid) in (0..).zip(&cids) {
                let read = |place: Placement| (place == p(number)).then_some(());
                assert_eq!(index.find(cid, read), Some(()));
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
        let compare = |_, new| if new == p(1) { Match::Better } else { Match::Repeat };
        let index = index_of(Secret::random(), &[cid(0); 3], compare);
        assert_eq!((index.len(), index.find(&cid(0), Some)), (1, Some(p(1))));
    }

    /// Each time costs a cache miss.
    #[test]
    fn hardly_any_cid_is_taken_for_another() {
        let cids: Vec<Cid> = (0..200_000).map(cid).collect();
        let index = index_of(Secret::random(), &cids, |_, _| Match::Other);
        let strangers = core::cell::Cell::new(0);
        for (number, cid) in (0..).zip(&cids) {
            let read = |at: Placement| {
                strangers.set(strangers.get() + usize::from(at != p(number)));
                (at == p(number)).then_some(())
            };
            assert!(index.find(cid, read).is_some());
        }
        // Ten may be expected.
        assert!(strangers.get() < 100, "{strangers:?}");
    }
}
