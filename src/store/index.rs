//! The index that all stores share: from CIDs to places, in 8 bytes a block and the table's slack.
//!
//! ```text
//! slot   24 bits of hash | 40 bits of place
//! ```
//!
//! The CID itself is not in the slot: it stands at the place, and is compared there when the hash bits agree. The hash
//! mixes the digest with two random numbers of the index's own, since CIDs are chosen by whoever made the CAR.

use core::fmt;
use core::hash::{BuildHasher, Hasher};
use std::hash::RandomState;

use hashbrown::HashTable;

use crate::cid::Cid;

/// Bits of a slot that hold the place.
const PLACE_BITS: u32 = 40;

const PLACE_MASK: u64 = (1 << PLACE_BITS) - 1;

pub(crate) struct Index {
    slots: HashTable<u64>,
    seeds: [u64; 2],
}

impl Index {
    pub(crate) fn new() -> Self {
        let random = || RandomState::new().build_hasher().finish();
        Index { slots: HashTable::new(), seeds: [random(), random()] }
    }

    /// The number of distinct CIDs.
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Enters a place below 2^40, unless `is_same` finds the CID at a place that was entered before; tells whether it did.
    pub(crate) fn insert(&mut self, cid: &Cid, place: u64, is_same: impl Fn(u64) -> bool) -> bool {
        let tag = self.tag(cid);
        let known = |&slot: &u64| slot >> PLACE_BITS == tag && is_same(slot & PLACE_MASK);
        if self.slots.find(spread(tag), known).is_some() {
            return false;
        }
        self.slots
            .insert_unique(spread(tag), tag << PLACE_BITS | place & PLACE_MASK, |&slot| spread(slot >> PLACE_BITS));
        true
    }

    /// What `read` makes of the place of a CID. `read` is asked about each place that may be the one, and gives `None`
    /// for another CID's.
    #[inline]
    pub(crate) fn find<T>(&self, cid: &Cid, read: impl Fn(u64) -> Option<T>) -> Option<T> {
        let tag = self.tag(cid);
        let mut found = None;
        self.slots.find(spread(tag), |&slot| {
            if slot >> PLACE_BITS == tag {
                found = read(slot & PLACE_MASK);
            }
            found.is_some()
        });
        found
    }

    /// The 24 bits of hash of a CID.
    #[inline]
    fn tag(&self, cid: &Cid) -> u64 {
        let [_, _, _, _, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, ..] = *cid.as_bytes();
        let halves = [[a, b, c, d, e, f, g, h], [i, j, k, l, m, n, o, p]].map(u64::from_le_bytes);
        let [first, second] = self.seeds;
        let [low, high] = halves;
        // Both factors are secret, so no choice of digests makes their products collide more than by chance.
        let product = u128::from(low ^ first).wrapping_mul(u128::from(high ^ second));
        let folded = (product >> 64) ^ (product & u128::from(u64::MAX));
        u64::try_from(folded).unwrap_or(0) >> PLACE_BITS
    }
}

/// A table's hash from 24 bits: low bits choose the bucket, so they stay distinct; the top seven tell slots apart.
#[inline]
fn spread(tag: u64) -> u64 {
    tag.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl fmt::Debug for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Index").field("len", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cid::Codec;

    #[test]
    fn places_are_found_again_and_repeats_are_told() {
        let cids: Vec<Cid> = (0..10_000u32).map(|number| Cid::of(Codec::Raw, &number.to_be_bytes())).collect();
        let mut index = Index::new();
        let place = |number: usize| (number as u64) << 26;
        for round in [true, false] {
            for (number, cid) in cids.iter().enumerate() {
                assert_eq!(index.insert(cid, place(number), |other| cids[(other >> 26) as usize] == *cid), round);
            }
        }
        assert_eq!(index.len(), cids.len());
        for (number, cid) in cids.iter().enumerate() {
            let read = |other: u64| (cids[(other >> 26) as usize] == *cid).then_some(other);
            assert_eq!(index.find(cid, read), Some(place(number)));
        }
        let other = Cid::of(Codec::DagCbor, &0u32.to_be_bytes());
        assert_eq!(index.find(&other, |place| (cids[(place >> 26) as usize] == other).then_some(())), None);
    }
}
