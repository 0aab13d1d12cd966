//! Entries of the index before they are in pages.
//!
//! ```text
//! entry   64 bits of hash | 22 bits of another hash | codec | bad | 40 bits of payload
//! ```
//!
//! Sorted as numbers, the entries of one CID are adjacent, intact and early ones first. CIDs that
//! agree in all 87 bits count as one. The hashes are keyed with secrets, so nobody can choose such
//! CIDs. If it happens by chance, a block is reported missing, because its whole CID is compared
//! before it is returned.

use core::cmp::Ordering;

use crate::cid::{Cid, Codec};
use crate::store::hash::Secret;

/// Number of bits of the payload: the number of a segment, or a placement.
pub(super) const PAYLOAD_BITS: u32 = 40;

/// Number of bits that the table of blocks has for the number of a segment.
pub(super) const SEGMENT_BITS: u32 = 24;

/// Highest number of a segment.
pub(super) const MAX_SEGMENT: u64 = (1 << SEGMENT_BITS) - 1;

/// Number of bits below the hashes and the codec.
const REST_BITS: u32 = PAYLOAD_BITS + 1;

/// Number of bits of the second hash.
const SECOND_BITS: u32 = 22;

/// An entry of the index for one block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct IndexEntry(u128);

impl IndexEntry {
    /// Length of a stored entry, in bytes.
    pub(super) const LEN: usize = 16;

    pub(super) fn new(secrets: &[Secret; 2], cid: &Cid, is_good: bool, payload: u64) -> Self {
        debug_assert!(payload >> PAYLOAD_BITS == 0, "a payload has at most 40 bits");
        let [first, second] = secrets.each_ref().map(|secret| u128::from(secret.hash(cid)));
        let is_raw = u128::from(cid.codec() == Codec::Raw);
        let identity = (first << SECOND_BITS | second >> (u64::BITS - SECOND_BITS)) << 1 | is_raw;
        let payload = u128::from(payload) & ((1 << PAYLOAD_BITS) - 1);
        IndexEntry(identity << REST_BITS | u128::from(!is_good) << PAYLOAD_BITS | payload)
    }

    pub(super) fn to_bytes(self) -> [u8; Self::LEN] {
        self.0.to_le_bytes()
    }

    pub(super) fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        IndexEntry(u128::from_le_bytes(bytes))
    }

    /// Returns a number that all entries of one CID share.
    pub(super) fn identity(self) -> u128 {
        self.0 >> REST_BITS
    }

    /// Returns the first 64 bits of hash.
    pub(super) fn hash(self) -> u64 {
        u64::try_from(self.0 >> (u128::BITS - u64::BITS)).unwrap_or(u64::MAX)
    }

    pub(super) fn payload(self) -> u64 {
        u64::try_from(self.0 & ((1 << PAYLOAD_BITS) - 1)).unwrap_or(u64::MAX)
    }
}

impl Ord for IndexEntry {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        #[cfg(test)]
        super::steps::count(&super::steps::COMPARED);
        self.0.cmp(&other.0)
    }
}

impl PartialOrd for IndexEntry {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codecs_are_told_apart() {
        let secrets = [Secret::random(), Secret::random()];
        let [raw, cbor] = [Codec::Raw, Codec::DagCbor]
            .map(|codec| IndexEntry::new(&secrets, &Cid::of(codec, b""), true, 7));
        assert_ne!(raw.identity(), cbor.identity());
        assert_eq!((raw.payload(), raw.hash()), (7, cbor.hash()));
        assert_eq!(IndexEntry::from_bytes(raw.to_bytes()), raw);
    }
}
