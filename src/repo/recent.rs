//! The last records that were written, so that an equal one is not written again.

use core::hash::{BuildHasher, Hash};
use std::hash::RandomState;

/// Number of written records that a writer remembers.
pub(super) const WINDOW: usize = 1 << 16;

/// Number of slots that there is room for at first.
const MIN_SLOTS: usize = 64;

/// A window over a sequence of values: the last ones that were entered, at most a fixed number.
///
/// A ring has the values, and a table with linear probing finds a value's place in the ring. At most
/// every second slot of the table is used. Nothing is allocated once the ring is full. Whoever made
/// the CAR chose the values, so their hashes are keyed.
pub(super) struct Recent<I> {
    ring: Vec<I>,
    /// Number of values in a full ring.
    max: usize,
    /// The place of the oldest value in a full ring.
    oldest: usize,
    /// Places in the ring, plus one. 0 is an empty slot.
    slots: Vec<u32>,
    hasher: RandomState,
}

impl<I: Copy + Eq + Hash> Recent<I> {
    /// Creates an empty window over the last `max` values, which must be less than 2^32.
    pub(super) fn new(max: usize) -> Self {
        debug_assert!(max > 0 && u32::try_from(max).is_ok(), "no place for a value");
        Recent { ring: Vec::new(), max, oldest: 0, slots: Vec::new(), hasher: RandomState::new() }
    }

    /// Enters a value, and removes the oldest one if the window is full. Does nothing if the value
    /// is in the window. Returns whether it was entered.
    pub(super) fn enter(&mut self, value: I) -> bool {
        if self.find(&value).is_some() {
            return false;
        }
        if self.ring.len() < self.max {
            self.ring.push(value);
            if self.ring.len().saturating_mul(2) > self.slots.len() {
                self.grow();
            } else {
                self.link(self.ring.len().wrapping_sub(1));
            }
            return true;
        }
        let place = self.oldest;
        self.unlink(place);
        if let Some(old) = self.ring.get_mut(place) {
            *old = value;
        }
        self.link(place);
        let next = place.wrapping_add(1);
        self.oldest = if next < self.max { next } else { 0 };
        true
    }

    /// Returns the slot of a value.
    fn find(&self, value: &I) -> Option<usize> {
        let mut slot = self.home(value);
        while let Some(place) = self.place(slot) {
            if self.ring.get(place) == Some(value) {
                return Some(slot);
            }
            slot = self.after(slot);
        }
        None
    }

    /// Makes a table of twice the length, which has all values of the ring.
    fn grow(&mut self) {
        let len = self.slots.len().saturating_mul(2).max(MIN_SLOTS);
        self.slots = vec![0; len];
        for place in 0..self.ring.len() {
            self.link(place);
        }
    }

    /// Enters a place of the ring into the first empty slot from the home of its value on.
    fn link(&mut self, place: usize) {
        let Some(value) = self.ring.get(place) else { return };
        let mut slot = self.home(value);
        while self.place(slot).is_some() {
            slot = self.after(slot);
        }
        let number = u32::try_from(place.wrapping_add(1)).unwrap_or(0);
        debug_assert!(number > 0, "the place looks like an empty slot");
        self.set(slot, number);
    }

    /// Removes a place of the ring from the table. Later slots move up, so that each is found from
    /// its home on.
    fn unlink(&mut self, place: usize) {
        let Some(mut hole) = self.ring.get(place).and_then(|value| self.find(value)) else {
            debug_assert!(false, "a value of the ring has no slot");
            return;
        };
        let mut slot = self.after(hole);
        while let Some(value) = self.place(slot).and_then(|place| self.ring.get(place)) {
            if self.distance(self.home(value), slot) >= self.distance(hole, slot) {
                self.set(hole, self.slots.get(slot).copied().unwrap_or(0));
                hole = slot;
            }
            slot = self.after(slot);
        }
        self.set(hole, 0);
    }

    /// Returns the first slot that a value can have.
    fn home(&self, value: &I) -> usize {
        let hash = usize::try_from(self.hasher.hash_one(value) & u64::from(u32::MAX));
        hash.unwrap_or(0) & self.mask()
    }

    /// Returns the place in a slot, unless it is empty.
    fn place(&self, slot: usize) -> Option<usize> {
        let number = self.slots.get(slot).copied().unwrap_or(0);
        usize::try_from(number).ok()?.checked_sub(1)
    }

    fn set(&mut self, slot: usize, number: u32) {
        if let Some(slot) = self.slots.get_mut(slot) {
            *slot = number;
        }
    }

    fn after(&self, slot: usize) -> usize {
        slot.wrapping_add(1) & self.mask()
    }

    /// Returns how many slots lie from one to another, around the end of the table.
    fn distance(&self, from: usize, to: usize) -> usize {
        to.wrapping_sub(from) & self.mask()
    }

    /// The length of the table is 0 or a power of two.
    fn mask(&self) -> usize {
        self.slots.len().saturating_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    /// The same window as a list that is searched from its start.
    struct Model {
        max: usize,
        values: VecDeque<u64>,
    }

    impl Model {
        fn enter(&mut self, value: u64) -> bool {
            if self.values.contains(&value) {
                return false;
            }
            if self.values.len() == self.max {
                self.values.pop_front();
            }
            self.values.push_back(value);
            true
        }
    }

    #[test]
    fn a_window_has_the_last_values_and_no_others() {
        for max in [1, 2, 3, 31, 32, 33, 64, 100] {
            let mut model = Model { max, values: VecDeque::new() };
            let mut recent = Recent::new(max);
            let mut random = 1_u64;
            for number in 0..20_000 {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                // About half of the values are in the window.
                let value = (random >> 33) % (max as u64 * 2);
                assert_eq!(recent.enter(value), model.enter(value), "{max}, {number}");
            }
            assert_eq!(recent.ring.len(), max);
            let used = recent.slots.iter().filter(|slot| **slot > 0).count();
            assert!(used == max && recent.slots.len() >= 2 * max);
        }
    }

    #[test]
    fn a_full_window_allocates_nothing() {
        let mut recent = Recent::new(1000);
        let entered = (0..1000_u64).filter(|&value| recent.enter(value)).count();
        assert_eq!(entered, 1000);
        let held = (recent.ring.capacity(), recent.slots.capacity());
        assert!((1000..100_000_u64).all(|value| recent.enter(value)));
        assert!((99_000..100_000).all(|value| !recent.enter(value)) && recent.enter(0));
        assert_eq!((recent.ring.capacity(), recent.slots.capacity()), held);
    }
}
