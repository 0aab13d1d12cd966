//! The last values of a sequence: blocks that came in a stream, or records that were written.

use super::hash::Secret;
use crate::cid::Cid;

/// Number of written records that a writer remembers, and of read records that a one-pass walk
/// remembers.
pub(crate) const RECORDS: usize = 1 << 16;

/// Number of slots of the first table. A table has at least two slots for each key.
const FIRST_SLOTS: usize = 64;

/// What identifies a block.
pub(crate) trait Key: Copy + Eq {
    /// Returns a hash that nobody can choose without the secret.
    fn hash(&self, secret: &Secret) -> u64;
}

impl Key for Cid {
    #[inline]
    fn hash(&self, secret: &Secret) -> u64 {
        secret.hash(self)
    }
}

/// A section offset.
impl Key for u64 {
    #[inline]
    fn hash(&self, secret: &Secret) -> u64 {
        secret.hash_number(*self)
    }
}

/// The last keys that were noted, at most a fixed number, each with a note.
///
/// ```text
/// notes   a ring of keys with notes, in the order in which they came
/// slots   32 bits of a key's hash | its position in the ring + 1       0 is an empty slot
/// ```
///
/// Slots are in a table with linear probing, of which at most half is used. A slot's home comes
/// from its bits of the hash, so the ring is read only where these agree. Both lists grow as they
/// fill, and then take no more memory.
pub(crate) struct Recent<K, T> {
    secret: Secret,
    notes: Vec<(K, T)>,
    /// The position of the oldest note, once the ring is full.
    oldest: usize,
    max: usize,
    /// If a key was noted several times, the last note counts.
    slots: Vec<Slot>,
    has_forgotten: bool,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Slot {
    tag: u32,
    /// The position in the ring plus one, or 0 if the slot is empty.
    number: u32,
}

impl Slot {
    fn new(tag: u32, position: usize) -> Self {
        let number = u32::try_from(position.saturating_add(1));
        debug_assert!(number.is_ok(), "the ring is longer than its maximum");
        Slot { tag, number: number.unwrap_or(0) }
    }

    #[inline]
    fn position(self) -> Option<usize> {
        usize::try_from(self.number).ok()?.checked_sub(1)
    }
}

impl<K: Key, T> Recent<K, T> {
    /// Creates a list of at most `max` keys.
    pub(crate) fn new(max: usize) -> Self {
        debug_assert!(max > 0 && u32::try_from(max).is_ok_and(|max| max < u32::MAX));
        Recent {
            secret: Secret::random(),
            notes: Vec::new(),
            oldest: 0,
            max,
            slots: Vec::new(),
            has_forgotten: false,
        }
    }

    /// Returns whether a key was forgotten because others came later.
    pub(crate) fn has_forgotten(&self) -> bool {
        self.has_forgotten
    }

    /// Returns the last note about a key.
    #[inline]
    pub(crate) fn get(&self, key: &K) -> Option<&T> {
        let tag = self.tag(key);
        let (_, slot) = self.probe(tag, |position| self.key_at(position) == Some(key));
        self.notes.get(slot?.position()?).map(|(_, note)| note)
    }

    /// Notes a key that is not in the list. Returns whether it was not.
    #[inline]
    pub(crate) fn note_new(&mut self, key: K, note: T) -> bool {
        let is_new = self.get(&key).is_none();
        if is_new {
            self.note(key, note);
        }
        is_new
    }

    /// Notes a key, in place of the oldest one if there are too many.
    #[inline]
    pub(crate) fn note(&mut self, key: K, note: T) {
        let position = if self.notes.len() < self.max {
            if self.slots.len() <= self.notes.len().saturating_mul(2) {
                self.grow();
            }
            self.notes.push((key, note));
            self.notes.len().saturating_sub(1)
        } else {
            self.replace_oldest(key, note)
        };
        self.enter(&key, position);
    }

    fn replace_oldest(&mut self, key: K, note: T) -> usize {
        let position = self.oldest;
        self.oldest = position.saturating_add(1);
        if self.oldest >= self.notes.len() {
            self.oldest = 0;
        }
        self.forget(position);
        if let Some(oldest) = self.notes.get_mut(position) {
            *oldest = (key, note);
        }
        position
    }

    #[inline]
    fn key_at(&self, position: usize) -> Option<&K> {
        self.notes.get(position).map(|(key, _)| key)
    }

    /// Returns the number of the first slot with this tag that is the wanted one, or of the first
    /// empty one, and the slot unless it is empty. At least half of the slots are empty.
    #[inline]
    fn probe(&self, tag: u32, is_wanted: impl Fn(usize) -> bool) -> (usize, Option<Slot>) {
        let mut number = self.home(tag);
        while let Some(slot) = self.slots.get(number).copied()
            && let Some(position) = slot.position()
        {
            if slot.tag == tag && is_wanted(position) {
                return (number, Some(slot));
            }
            number = self.after(number);
        }
        (number, None)
    }

    /// Enters the position of a note, in place of an earlier one with the same key.
    #[inline]
    fn enter(&mut self, key: &K, position: usize) {
        let tag = self.tag(key);
        let (number, _) = self.probe(tag, |other| self.key_at(other) == Some(key));
        if let Some(place) = self.slots.get_mut(number) {
            *place = Slot::new(tag, position);
        }
    }

    /// Removes the note at a position from the table, unless its key was noted again later.
    fn forget(&mut self, position: usize) {
        let Some(tag) = self.key_at(position).map(|key| self.tag(key)) else { return };
        let (mut hole, found) = self.probe(tag, |other| other == position);
        if found.is_none() {
            return;
        }
        self.has_forgotten = true;
        // Later slots of the same run move up, unless they would then stand before their homes.
        let mut number = self.after(hole);
        while let Some(slot) = self.slots.get(number).copied()
            && slot.number > 0
        {
            if self.distance(self.home(slot.tag), number) >= self.distance(hole, number) {
                self.slots.swap(hole, number);
                hole = number;
            }
            number = self.after(number);
        }
        if let Some(last) = self.slots.get_mut(hole) {
            *last = Slot::default();
        }
    }

    /// Doubles the table.
    #[cold]
    fn grow(&mut self) {
        let len = self.slots.len().saturating_mul(2).max(FIRST_SLOTS);
        self.slots = vec![Slot::default(); len];
        // The ring is not full yet, so positions are in the order of time.
        for position in 0..self.notes.len() {
            if let Some(&(key, _)) = self.notes.get(position) {
                self.enter(&key, position);
            }
        }
    }

    #[inline]
    fn tag(&self, key: &K) -> u32 {
        let [a, b, c, d, ..] = key.hash(&self.secret).to_be_bytes();
        u32::from_be_bytes([a, b, c, d])
    }

    /// Returns the number of the first slot to look at. The number of slots is a power of two.
    #[inline]
    fn home(&self, tag: u32) -> usize {
        usize::try_from(tag).unwrap_or(0) & self.mask()
    }

    #[inline]
    fn after(&self, number: usize) -> usize {
        number.wrapping_add(1) & self.mask()
    }

    #[inline]
    fn distance(&self, from: usize, to: usize) -> usize {
        to.wrapping_sub(from) & self.mask()
    }

    #[inline]
    fn mask(&self) -> usize {
        self.slots.len().wrapping_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;
    use crate::cid::Codec;
    use crate::testing::Rng;

    fn cid(number: usize) -> Cid {
        Cid::of(Codec::Raw, &number.to_le_bytes())
    }

    /// The same as a list that is searched from its end.
    #[test]
    fn the_last_notes_are_found_and_no_others() {
        for (seed, max) in [(1, 1), (2, 2), (3, 7), (4, 64), (5, 100), (6, 1000)] {
            let mut rng = Rng::new(seed);
            let (mut recent, mut list) = (Recent::new(max), VecDeque::new());
            let mut has_forgotten = false;
            for time in 0..5 * max + 200 {
                let number = rng.below(2 * max + 1);
                recent.note(cid(number), time);
                list.push_back((number, time));
                if list.len() > max {
                    let (old, _) = list.pop_front().unwrap();
                    has_forgotten |= list.iter().all(|&(other, _)| other != old);
                }
                assert_eq!(recent.has_forgotten(), has_forgotten);
                let sought = rng.below(2 * max + 1);
                let expected = list.iter().rev().find(|&&(other, _)| other == sought);
                assert_eq!(recent.get(&cid(sought)), expected.map(|(_, time)| time));
            }
            for number in 0..2 * max + 1 {
                let expected = list.iter().rev().find(|&&(other, _)| other == number);
                assert_eq!(recent.get(&cid(number)), expected.map(|(_, time)| time));
            }
        }
    }

    #[test]
    fn a_full_list_takes_no_more_memory() {
        let mut recent = Recent::new(1000);
        let memory = |recent: &Recent<Cid, u64>| (recent.notes.capacity(), recent.slots.capacity());
        (0..1000).for_each(|number| recent.note(cid(number), 0));
        let full = memory(&recent);
        assert!(full.1 >= 2000 && full.1 <= 4096);
        (1000..5000).for_each(|number| recent.note(cid(number), 0));
        assert_eq!(memory(&recent), full);
    }
}
