//! Slots: some bits of a hash, and the placement of a block.

use crate::car::Placement;

/// How the bits of a slot are divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Split {
    /// Bits that hold the hash.
    tag_bits: u32,
    /// Bits that hold the placement.
    placement_bits: u32,
}

/// For placements up to 4 GiB.
pub(super) const NARROW: Split = Split { tag_bits: 32, placement_bits: 32 };

/// For all placements.
pub(super) const WIDE: Split = Split { tag_bits: 24, placement_bits: 40 };

impl Split {
    /// Returns the bits of a hash that a slot has.
    #[inline]
    pub(super) fn tag(self, hash: u64) -> u64 {
        hash >> self.placement_bits
    }

    /// Returns the placement in a slot that is not empty.
    #[inline]
    pub(super) fn placement(self, slot: u64) -> Placement {
        debug_assert!(slot & self.low_bits() > 0, "the slot is empty");
        Placement::from_bits((slot & self.low_bits()).wrapping_sub(1))
    }

    /// Returns a mask of the bits that hold the placement.
    #[inline]
    pub(super) fn low_bits(self) -> u64 {
        u64::MAX >> self.tag_bits
    }

    /// Returns the slot with the first bits of `hash` and these low bits.
    #[inline]
    pub(super) fn slot(self, hash: u64, low: u64) -> u64 {
        debug_assert!(low > 0 && low <= self.low_bits(), "another slot's bits are overwritten");
        hash & !self.low_bits() | low
    }

    /// Returns the number of the slot where probing begins, in a table of `slots`.
    #[inline]
    pub(super) fn home(self, tag: u64, slots: usize) -> usize {
        // A table has fewer slots than there are placements, so this is within 64 bits.
        usize::try_from(tag.wrapping_mul(slots as u64) >> self.tag_bits).unwrap_or(0)
    }
}

/// Returns the length of `slots` slots in bytes.
pub(super) fn len_of(slots: usize) -> u64 {
    (slots as u64).saturating_mul(size_of::<u64>() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::hash::Secret;
    use crate::store::index::testing::like;

    #[test]
    fn digests_that_differ_in_one_byte_have_different_hashes() {
        let secret = Secret::random();
        for at in 0..32 {
            let mut tags: Vec<u64> = (0..=255)
                .map(|number| WIDE.tag(secret.hash(&like(&[7; 32], at, number))))
                .collect();
            tags.sort_unstable();
            tags.dedup();
            assert!(tags.len() > 250, "byte {at}: {} tags of 256", tags.len());
        }
    }
}
