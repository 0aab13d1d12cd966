//! The last values of a sequence: blocks that came in a stream, or records that were written.

use super::hash::Secret;
use crate::cid::Cid;

/// Number of written records that a writer remembers, and of read records that a one-pass walk
/// remembers.
pub(crate) const RECORDS: usize = 1 << 16;

/// Places of the first table. A table has at least two places for each key.
const FIRST_PLACES: usize = 64;

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
/// A ring of notes in the order in which they came, and a table of their positions with linear
/// probing. Both grow as they fill, and then take no more memory.
pub(crate) struct Recent<K, T> {
    secret: Secret,
    notes: Vec<(K, T)>,
    /// The position of the oldest note, once the ring is full.
    oldest: usize,
    max: usize,
    /// For each place, the position of a note plus one, or 0 for none. If a key was noted several
    /// times, the last note counts.
    places: Vec<u32>,
    has_forgotten: bool,
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
            places: Vec::new(),
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
        let (_, position) = self.find(key)?;
        self.notes.get(position).map(|(_, note)| note)
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
            if self.places.len() <= self.notes.len().saturating_mul(2) {
                self.grow();
            }
            self.notes.push((key, note));
            self.notes.len().saturating_sub(1)
        } else {
            self.replace_oldest(key, note)
        };
        self.enter(key, position);
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

    /// Returns the place of a key in the table and the position of its note.
    #[inline]
    fn find(&self, key: &K) -> Option<(usize, usize)> {
        if self.places.is_empty() {
            return None;
        }
        let mut place = self.home(key);
        // At least half of the places are empty.
        while let Some(position) = self.position_at(place) {
            if self.notes.get(position).is_some_and(|(found, _)| found == key) {
                return Some((place, position));
            }
            place = self.after(place);
        }
        None
    }

    /// Enters the position of a note, in place of an earlier one with the same key.
    #[inline]
    fn enter(&mut self, key: K, position: usize) {
        let mut place = self.home(&key);
        while let Some(other) = self.position_at(place) {
            if self.notes.get(other).is_some_and(|(found, _)| *found == key) {
                break;
            }
            place = self.after(place);
        }
        let entry = u32::try_from(position.saturating_add(1)).unwrap_or(0);
        if let Some(free) = self.places.get_mut(place) {
            *free = entry;
        }
    }

    /// Removes the note at a position from the table, unless its key was noted again later.
    fn forget(&mut self, position: usize) {
        let key = self.notes.get(position).map(|(key, _)| *key);
        let Some((mut hole, found)) = key.and_then(|key| self.find(&key)) else { return };
        if found != position {
            return;
        }
        self.has_forgotten = true;
        // Later entries of the same run move up, unless they would then stand before their homes.
        let mut place = self.after(hole);
        while let Some(other) = self.position_at(place) {
            let home = self.notes.get(other).map_or(place, |(key, _)| self.home(key));
            if self.distance(home, place) >= self.distance(hole, place) {
                self.places.swap(hole, place);
                hole = place;
            }
            place = self.after(place);
        }
        if let Some(last) = self.places.get_mut(hole) {
            *last = 0;
        }
    }

    /// Doubles the table.
    #[cold]
    fn grow(&mut self) {
        let len = self.places.len().saturating_mul(2).max(FIRST_PLACES);
        self.places = vec![0; len];
        // The ring is not full yet, so positions are in the order of time.
        for position in 0..self.notes.len() {
            if let Some(&(key, _)) = self.notes.get(position) {
                self.enter(key, position);
            }
        }
    }

    #[inline]
    fn position_at(&self, place: usize) -> Option<usize> {
        let entry = *self.places.get(place)?;
        usize::try_from(entry.checked_sub(1)?).ok()
    }

    /// Returns the first place to look for a key. The number of places is a power of two.
    #[inline]
    fn home(&self, key: &K) -> usize {
        let mask = self.places.len().wrapping_sub(1);
        usize::try_from(key.hash(&self.secret) & mask as u64).unwrap_or(0)
    }

    #[inline]
    fn after(&self, place: usize) -> usize {
        place.wrapping_add(1) & self.places.len().wrapping_sub(1)
    }

    #[inline]
    fn distance(&self, from: usize, to: usize) -> usize {
        to.wrapping_sub(from) & self.places.len().wrapping_sub(1)
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
        let memory =
            |recent: &Recent<Cid, u64>| (recent.notes.capacity(), recent.places.capacity());
        (0..1000).for_each(|number| recent.note(cid(number), 0));
        let full = memory(&recent);
        assert!(full.1 >= 2000 && full.1 <= 4096);
        (1000..5000).for_each(|number| recent.note(cid(number), 0));
        assert_eq!(memory(&recent), full);
    }
}
