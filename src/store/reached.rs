//! Which sections of a CAR a walk has reached.

use core::fmt;

use crate::cid;
use crate::limits::MAX_CAR_LEN;

/// Shortest section: a length of one byte and a CID.
pub(crate) const MIN_SECTION_LEN: u64 = 1 + cid::LEN as u64;

/// Words of a piece: 4 KiB, for 1.2 MB of the CAR.
const PIECE: usize = 512;

const PIECE_BITS: u64 = PIECE as u64 * 64;

/// A set of sections by their offsets: one bit for 37 bytes of the CAR, since no two sections begin
/// closer together.
///
/// Tells what of a CAR is linked: insert the offset of each block that a walk meets, and compare
/// [`len`](Reached::len) with the number of distinct blocks.
/// [`Repo::unreached_blocks`](crate::Repo::unreached_blocks) does just that.
pub struct Reached {
    /// Bits in pieces, each of which is there once it has a bit that is set.
    pieces: Vec<Vec<u64>>,
    /// Most pieces that there can be.
    max: usize,
    len: u64,
}

impl Reached {
    /// An empty set for a CAR of `car_len` bytes, as its [`CarStats`](super::CarStats) tell, but at
    /// most 1 TiB.
    #[must_use]
    pub fn new(car_len: u64) -> Self {
        let pieces = car_len.min(MAX_CAR_LEN).div_ceil(MIN_SECTION_LEN).div_ceil(PIECE_BITS);
        Reached { pieces: Vec::new(), max: usize::try_from(pieces).unwrap_or(0), len: 0 }
    }

    /// Inserts the section at `offset`; false if it was there before, or is not within the CAR.
    pub fn insert(&mut self, offset: u64) -> bool {
        let number = offset / MIN_SECTION_LEN;
        let at = usize::try_from(number / PIECE_BITS).unwrap_or(usize::MAX);
        if at >= self.pieces.len() && at < self.max {
            self.pieces.resize(at.saturating_add(1), Vec::new());
        }
        let word = usize::try_from(number % PIECE_BITS / 64).unwrap_or(usize::MAX);
        let word = self.pieces.get_mut(at).and_then(|piece| {
            if piece.is_empty() {
                piece.resize(PIECE, 0);
            }
            piece.get_mut(word)
        });
        let Some(word) = word else {
            return false;
        };
        let bit = 1u64 << (number % 64);
        let is_new = *word & bit == 0;
        *word |= bit;
        self.len = self.len.saturating_add(u64::from(is_new));
        is_new
    }

    /// The number of sections in the set.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// True if no section is in the set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl fmt::Debug for Reached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reached").field("len", &self.len).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_told_apart_and_repeats_are_not_counted() {
        let offsets: Vec<u64> = (0..1000).map(|number| 59 + number * MIN_SECTION_LEN).collect();
        let mut reached = Reached::new(59 + 1000 * MIN_SECTION_LEN);
        assert!(reached.is_empty());
        assert!(offsets.iter().all(|&offset| reached.insert(offset)));
        assert!(!offsets.iter().any(|&offset| reached.insert(offset)));
        assert_eq!(reached.len(), 1000);
        assert!(!reached.insert(u64::MAX) && !reached.is_empty());
    }
}
