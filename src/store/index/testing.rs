//! CIDs and placements for the tests of the index.

use crate::car::Placement;
use crate::cid::{Cid, Codec};

pub(super) fn p(bits: u64) -> Placement {
    Placement::from_bits(bits)
}

pub(super) fn cid(number: u64) -> Cid {
    Cid::of(Codec::Raw, &number.to_be_bytes())
}

/// Returns a CID with this digest, whose byte at `at` is `number`.
pub(super) fn like(digest: &[u8; 32], at: usize, number: u8) -> Cid {
    let mut bytes = *cid(0).as_bytes();
    bytes[4..].copy_from_slice(digest);
    bytes[4..][at] = number;
    Cid::parse(&bytes).unwrap()
}
