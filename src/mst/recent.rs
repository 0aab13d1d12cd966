//! The last blocks that came in a stream: their CIDs, and the bytes of some.

use crate::cid::Cid;
use crate::store::hash::Secret;

/// Places of the first table. A table has at least two places for each CID.
const FIRST_PLACES: usize = 64;

/// The last CIDs that were noted, at most a fixed number, each with a note.
///
/// A ring of notes in the order in which they came, and a table of their positions with linear
/// probing. Both grow as they fill, and then take no more memory.
pub(super) struct Recent<T> {
    secret: Secret,
    notes: Vec<(Cid, T)>,
    /// The position of the oldest note, once the ring is full.
    oldest: usize,
    max: usize,
    /// For each place, the position of a note plus one, or 0 for none. If a CID was noted several
    /// times, the last note counts.
    places: Vec<u32>,
    has_forgotten: bool,
}

impl<T> Recent<T> {
    /// Creates a list of at most `max` CIDs.
    pub(super) fn new(max: usize) -> Self {
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

    /// Returns whether a CID was forgotten because others came later.
    pub(super) fn has_forgotten(&self) -> bool {
        self.has_forgotten
    }

    /// Returns the last note about a CID.
    #[inline]
    pub(super) fn get(&self, cid: &Cid) -> Option<&T> {
        let (_, position) = self.find(cid)?;
        self.notes.get(position).map(|(_, note)| note)
    }

    /// Notes a CID, in place of the oldest one if there are too many.
    #[inline]
    pub(super) fn note(&mut self, cid: Cid, note: T) {
        let position = if self.notes.len() < self.max {
            if self.places.len() <= self.notes.len().saturating_mul(2) {
                self.grow();
            }
            self.notes.push((cid, note));
            self.notes.len().saturating_sub(1)
        } else {
            self.replace_oldest(cid, note)
        };
        self.enter(cid, position);
    }

    fn replace_oldest(&mut self, cid: Cid, note: T) -> usize {
        let position = self.oldest;
        self.oldest = position.saturating_add(1);
        if self.oldest >= self.notes.len() {
            self.oldest = 0;
        }
        self.forget(position);
        if let Some(oldest) = self.notes.get_mut(position) {
            *oldest = (cid, note);
        }
        position
    }

    /// Returns the place of a CID in the table and the position of its note.
    #[inline]
    fn find(&self, cid: &Cid) -> Option<(usize, usize)> {
        if self.places.is_empty() {
            return None;
        }
        let mut place = self.home(cid);
        // At least half of the places are empty.
        while let Some(position) = self.position_at(place) {
            if self.notes.get(position).is_some_and(|(found, _)| found == cid) {
                return Some((place, position));
            }
            place = self.after(place);
        }
        None
    }

    /// Enters the position of a note, in place of an earlier one with the same CID.
    #[inline]
    fn enter(&mut self, cid: Cid, position: usize) {
        let mut place = self.home(&cid);
        while let Some(other) = self.position_at(place) {
            if self.notes.get(other).is_some_and(|(found, _)| *found == cid) {
                break;
            }
            place = self.after(place);
        }
        let entry = u32::try_from(position.saturating_add(1)).unwrap_or(0);
        if let Some(free) = self.places.get_mut(place) {
            *free = entry;
        }
    }

    /// Removes the note at a position from the table, unless its CID was noted again later.
    fn forget(&mut self, position: usize) {
        let cid = self.notes.get(position).map(|(cid, _)| *cid);
        let Some((mut hole, found)) = cid.and_then(|cid| self.find(&cid)) else { return };
        if found != position {
            return;
        }
        self.has_forgotten = true;
        // Later entries of the same run move up, unless they would then stand before their homes.
        let mut place = self.after(hole);
        while let Some(other) = self.position_at(place) {
            let home = self.notes.get(other).map_or(place, |(cid, _)| self.home(cid));
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
            if let Some(&(cid, _)) = self.notes.get(position) {
                self.enter(cid, position);
            }
        }
    }

    #[inline]
    fn position_at(&self, place: usize) -> Option<usize> {
        let entry = *self.places.get(place)?;
        usize::try_from(entry.checked_sub(1)?).ok()
    }

    /// Returns the first place to look for a CID. The number of places is a power of two.
    #[inline]
    fn home(&self, cid: &Cid) -> usize {
        let mask = self.places.len().wrapping_sub(1);
        usize::try_from(self.secret.hash(cid) & mask as u64).unwrap_or(0)
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

/// Where the bytes of a record are among those that were kept.
#[derive(Clone, Copy)]
pub(super) struct Span {
    /// The number of bytes of records before it.
    start: u64,
    pub(super) len: u32,
}

/// The last bytes of records, in a ring.
pub(super) struct KeptBytes {
    ring: Vec<u8>,
    /// The number of bytes that are kept.
    max: u64,
    /// The number of bytes of all records.
    total: u64,
}

impl KeptBytes {
    pub(super) fn new(max: u64) -> Self {
        // No slice is longer.
        KeptBytes { ring: Vec::new(), max: max.min(isize::MAX as u64), total: 0 }
    }

    /// Returns how many of the last bytes are kept.
    pub(super) fn max(&self) -> u64 {
        self.max
    }

    /// Appends a record.
    #[inline]
    pub(super) fn push(&mut self, record: &[u8]) -> Span {
        let span = Span { start: self.total, len: u32::try_from(record.len()).unwrap_or(u32::MAX) };
        if self.max > 0 {
            self.write(record);
        }
        self.total = self.total.saturating_add(record.len() as u64);
        span
    }

    fn write(&mut self, record: &[u8]) {
        let skipped = (record.len() as u64).saturating_sub(self.max);
        let mut at = self.index_of(self.total.saturating_add(skipped));
        let mut rest = record.get(usize::try_from(skipped).unwrap_or(0)..).unwrap_or_default();
        let max = usize::try_from(self.max).unwrap_or(usize::MAX);
        while !rest.is_empty() {
            let (part, after) = rest.split_at(rest.len().min(max.saturating_sub(at)));
            let end = at.saturating_add(part.len());
            self.lengthen(end);
            if let Some(place) = self.ring.get_mut(at..end) {
                place.copy_from_slice(part);
            }
            (at, rest) = (0, after);
        }
    }

    /// Lengthens the ring to `len` bytes, if it is shorter. It never takes more than the maximum.
    #[inline]
    fn lengthen(&mut self, len: usize) {
        if len <= self.ring.len() {
            return;
        }
        if len > self.ring.capacity() {
            let max = usize::try_from(self.max).unwrap_or(usize::MAX);
            let capacity = len.max(self.ring.capacity().saturating_mul(2)).min(max);
            self.ring.reserve_exact(capacity.saturating_sub(self.ring.len()));
        }
        self.ring.resize(len, 0);
    }

    /// Returns the index of a byte in the ring.
    fn index_of(&self, number: u64) -> usize {
        usize::try_from(number.checked_rem(self.max).unwrap_or(0)).unwrap_or(0)
    }

    /// Returns how many of the last bytes have to be kept so that a record is among them.
    pub(super) fn distance(&self, span: Span) -> u64 {
        debug_assert!(span.start <= self.total);
        self.total.saturating_sub(span.start)
    }

    /// Copies the bytes of a record into `out`. Returns whether they are still kept.
    pub(super) fn copy(&self, span: Span, out: &mut Vec<u8>) -> bool {
        out.clear();
        if self.distance(span) > self.max {
            return false;
        }
        let len = usize::try_from(span.len).unwrap_or(usize::MAX);
        let start = self.index_of(span.start);
        let first = self.ring.get(start..).unwrap_or_default();
        out.extend_from_slice(first.get(..len).unwrap_or(first));
        let missing = len.saturating_sub(out.len());
        out.extend_from_slice(self.ring.get(..missing).unwrap_or_default());
        debug_assert!(out.len() == len, "a record is not longer than the ring");
        true
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
        let memory = |recent: &Recent<u64>| (recent.notes.capacity(), recent.places.capacity());
        (0..1000).for_each(|number| recent.note(cid(number), 0));
        let full = memory(&recent);
        assert!(full.1 >= 2000 && full.1 <= 4096);
        (1000..5000).for_each(|number| recent.note(cid(number), 0));
        assert_eq!(memory(&recent), full);
    }

    #[test]
    fn a_record_is_kept_while_no_more_than_the_maximum_came_since_its_start() {
        for (seed, max) in [(1, 0), (2, 1), (3, 10), (4, 100), (5, 1 << 40)] {
            let mut rng = Rng::new(seed);
            let mut kept = KeptBytes::new(max);
            let (mut all, mut spans, mut out) = (Vec::new(), Vec::new(), Vec::new());
            for byte in (0..=u8::MAX).cycle().take(300) {
                let record = vec![byte; rng.below(30)];
                spans.push((all.len(), kept.push(&record)));
                all.extend_from_slice(&record);
                let &(start, span) = &spans[rng.below(spans.len())];
                let distance = (all.len() - start) as u64;
                assert_eq!(kept.distance(span), distance);
                assert_eq!(kept.copy(span, &mut out), distance <= max, "{max}");
                if distance <= max {
                    assert_eq!(out, &all[start..start + span.len as usize]);
                }
            }
            assert!(kept.ring.len() as u64 <= max);
        }
    }
}
