//! Placements of sections and blocks.

/// Where a source has a section, or an arena a block.
///
/// Opaque: only the source or arena that made a placement can read it. An index stores its bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Placement(u64);

impl Placement {
    #[inline]
    pub(super) const fn new(at: u64) -> Self {
        Placement(at)
    }

    #[inline]
    pub(super) const fn at(self) -> u64 {
        self.0
    }

    /// Returns the bits that an index stores.
    #[inline]
    pub(crate) const fn to_bits(self) -> u64 {
        self.0
    }

    /// Returns the placement with the bits that an index stored. With other bits, as in a forged
    /// file, lookups find nothing.
    #[inline]
    pub(crate) const fn from_bits(bits: u64) -> Self {
        Placement(bits)
    }

    /// Returns how many bytes lie between an earlier placement of the same source and this one.
    #[inline]
    pub(crate) fn distance_from(self, earlier: Placement) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Returns the placement that is `len` bytes further on.
    pub(crate) fn plus(self, len: usize) -> Self {
        Placement(self.0.saturating_add(len as u64))
    }

    /// Returns the placement after everything moved down by `len` bytes.
    #[cfg(feature = "redb")]
    pub(crate) fn moved_down(self, len: u64) -> Self {
        debug_assert!(self.0 >= len, "the section moved with its chunk");
        Placement(self.0.saturating_sub(len))
    }
}
