//! A cache of bounded size, with the CLOCK algorithm for evictions.

use core::cell::Cell;
use core::hash::{BuildHasherDefault, Hasher};
use std::collections::HashMap;

/// Bytes that an item takes in addition to its value.
const ITEM_OVERHEAD: usize = 128;

/// A cache of values by number. The hand evicts the next value that was not used since it passed
/// last.
pub(super) struct Clock<T> {
    items: Vec<Item<T>>,
    /// The position of each number in `items`.
    positions: HashMap<u32, usize, BuildHasherDefault<SpreadHasher>>,
    /// The item that is considered next for eviction.
    hand: usize,
    /// Bytes that all items take.
    held: usize,
    capacity: usize,
}

struct Item<T> {
    number: u32,
    value: T,
    cost: usize,
    was_used: Cell<bool>,
}

impl<T> Clock<T> {
    pub(super) fn new(capacity: u64) -> Self {
        let capacity = usize::try_from(capacity).unwrap_or(usize::MAX);
        Clock { items: Vec::new(), positions: HashMap::default(), hand: 0, held: 0, capacity }
    }

    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    #[inline]
    pub(super) fn get(&self, number: u32) -> Option<&T> {
        let item = self.items.get(*self.positions.get(&number)?)?;
        item.was_used.set(true);
        Some(&item.value)
    }

    /// Inserts a value of `len` bytes, and evicts others to make room. The number must be new.
    pub(super) fn insert(&mut self, number: u32, value: T, len: usize) {
        let cost = len.saturating_add(ITEM_OVERHEAD);
        self.held = self.held.saturating_add(cost);
        while self.held > self.capacity && !self.items.is_empty() {
            self.evict();
        }
        let before = self.positions.insert(number, self.items.len());
        debug_assert!(before.is_none(), "a number is inserted once");
        self.items.push(Item { number, value, cost, was_used: Cell::new(false) });
    }

    fn evict(&mut self) {
        loop {
            if self.hand >= self.items.len() {
                self.hand = 0;
            }
            if !self.items.get(self.hand).is_some_and(|item| item.was_used.take()) {
                break;
            }
            self.hand = self.hand.saturating_add(1);
        }
        let item = self.items.swap_remove(self.hand);
        self.positions.remove(&item.number);
        if let Some(moved) = self.items.get(self.hand) {
            self.positions.insert(moved.number, self.hand);
        }
        // The item that moved here was inserted last: the hand skips it.
        self.hand = self.hand.saturating_add(1);
        debug_assert!(self.held >= item.cost, "every item was counted");
        self.held = self.held.saturating_sub(item.cost);
    }
}

/// A hasher for numbers that count up and that no attacker chooses.
#[derive(Default)]
struct SpreadHasher(u64);

impl Hasher for SpreadHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        debug_assert!(false, "only numbers are hashed");
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }

    fn write_u32(&mut self, value: u32) {
        // `HashMap` uses the highest bits too.
        self.0 = u64::from(value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_stays_and_no_more_is_held_than_there_is_room_for() {
        let mut clock = Clock::new(10 * (100 + ITEM_OVERHEAD) as u64);
        for number in 0..1000 {
            clock.insert(number, number, 100);
            assert!(clock.held <= clock.capacity && clock.items.len() <= 10);
            assert_eq!(clock.get(0), Some(&0), "asked for each time");
            assert!(clock.positions.contains_key(&number));
        }
        assert_eq!(clock.positions.len(), clock.items.len());
        // A value larger than the capacity stays until the next insertion.
        clock.insert(1000, 1000, 1 << 20);
        assert_eq!(clock.items.len(), 1);
        assert_eq!([1000, 999].map(|number| clock.get(number).is_some()), [true, false]);
        clock.insert(1001, 1001, 100);
        assert_eq!([1000, 1001].map(|number| clock.get(number).is_some()), [false, true]);
    }
}
