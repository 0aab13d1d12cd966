//! Remembered results of scanning long records. Many entries may share a record; it is scanned
//! once.

use std::collections::HashMap;

use carwalk::Cid;

/// Shortest record that is remembered, in bytes. Scanning a shorter one is about as fast as looking
/// it up.
const MIN_LEN: usize = 4 << 10;

/// Most records that are remembered.
const MAX_RECORDS: usize = 512;

/// The results for the longest records so far, by CID. If there is no room, a longer record
/// replaces the shortest.
pub(crate) struct Remembered<T> {
    found: HashMap<Cid, (usize, T)>,
    /// A lower bound for the lengths of the remembered records.
    least: usize,
}

impl<T> Default for Remembered<T> {
    fn default() -> Self {
        Remembered { found: HashMap::new(), least: 0 }
    }
}

impl<T> Remembered<T> {
    /// Returns whether records of `len` bytes are remembered if there is room.
    #[inline]
    pub(crate) fn takes(len: usize) -> bool {
        len >= MIN_LEN
    }

    /// Returns the result for a record of `len` bytes.
    #[inline]
    pub(crate) fn get(&self, cid: &Cid, len: usize) -> Option<&T> {
        if !Self::takes(len) {
            return None;
        }
        self.found.get(cid).map(|(_, found)| found)
    }

    /// Remembers the result for a record, if the record is long and there is room.
    #[inline]
    pub(crate) fn insert_with(&mut self, cid: Cid, len: usize, found: impl FnOnce() -> T) {
        if Self::takes(len) && self.makes_room(len) {
            self.found.insert(cid, (len, found()));
        }
    }

    /// Returns whether there is room for a record of `len` bytes. Removes a shorter one if
    /// necessary.
    fn makes_room(&mut self, len: usize) -> bool {
        if self.found.len() < MAX_RECORDS {
            return true;
        }
        if len <= self.least {
            return false;
        }
        let lengths = self.found.iter().map(|(cid, (len, _))| (*len, *cid));
        let Some((shortest, cid)) = lengths.min() else { return false };
        self.least = shortest;
        shortest < len && self.found.remove(&cid).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cid(number: usize) -> Cid {
        Cid::of(carwalk::cid::Codec::Raw, &number.to_le_bytes())
    }

    #[test]
    fn long_records_are_remembered_and_short_ones_are_not() {
        let mut records = Remembered::default();
        records.insert_with(cid(1), MIN_LEN, || "long");
        records.insert_with(cid(2), MIN_LEN - 1, || "short");
        assert_eq!(records.get(&cid(1), MIN_LEN), Some(&"long"));
        assert_eq!(records.get(&cid(2), MIN_LEN - 1), None);
        assert_eq!(records.found.len(), 1);
    }

    #[test]
    fn the_longest_stay_and_their_number_is_bounded() {
        let mut records = Remembered::default();
        records.insert_with(cid(0), 2 << 20, || 0);
        for number in 1..3 * MAX_RECORDS {
            records.insert_with(cid(number), MIN_LEN + number, || number);
            assert!(records.found.len() <= MAX_RECORDS);
            assert_eq!(records.get(&cid(0), 2 << 20), Some(&0));
        }
        let kept = |number: usize| records.get(&cid(number), MIN_LEN + number).is_some();
        assert!(kept(3 * MAX_RECORDS - 1) && !kept(1));
        let mut full = Remembered::default();
        for number in 0..2 * MAX_RECORDS {
            full.insert_with(cid(number), MIN_LEN, || number);
        }
        // Only longer records replace the first ones.
        assert_eq!(
            (full.get(&cid(0), MIN_LEN), full.get(&cid(MAX_RECORDS), MIN_LEN)),
            (Some(&0), None)
        );
    }
}
