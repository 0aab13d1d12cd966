//! Hashes of CIDs for indexes. Whoever made the CAR chose the CIDs, so each hash mixes the whole
//! digest with the secret random numbers of the index.

use core::hash::{BuildHasher, Hasher};
use std::hash::RandomState;

use crate::cid::{self, Cid};

/// The random numbers that an index mixes with digests.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Secret {
    pub(crate) words: [u64; 4],
}

impl Secret {
    pub(crate) fn random() -> Self {
        let random = || RandomState::new().build_hasher().finish();
        Secret { words: [random(), random(), random(), random()] }
    }

    /// Returns a hash of 64 bits.
    ///
    /// If blocks are not hashed, an attacker chooses the whole digest. A secret is added to each
    /// word before words are multiplied, so that no choice of digests collides more often than
    /// random ones.
    #[inline]
    pub(crate) fn hash(&self, cid: &Cid) -> u64 {
        let [a, b, c, d] = words(cid.as_bytes());
        let [w, x, y, z] = self.words;
        let sum = product(a.wrapping_add(w), b.wrapping_add(x))
            .wrapping_add(product(c.wrapping_add(y), d.wrapping_add(z)));
        fold(sum)
    }

    /// Returns a hash of 64 bits of a number.
    #[inline]
    pub(crate) fn hash_number(&self, number: u64) -> u64 {
        let [w, x, y, z] = self.words;
        fold(product(number.wrapping_add(w), number.wrapping_add(x)).wrapping_add(product(y, z)))
    }
}

#[inline]
fn product(one: u64, other: u64) -> u128 {
    u128::from(one).wrapping_mul(u128::from(other))
}

#[inline]
fn fold(sum: u128) -> u64 {
    u64::try_from((sum >> 64) ^ (sum & u128::from(u64::MAX))).unwrap_or(0)
}

/// Returns in which of `parts` equal parts of the range of hashes `hash` is.
#[cfg(feature = "redb")]
#[inline]
pub(crate) fn scale(hash: u64, parts: u64) -> u64 {
    let product = u128::from(hash).wrapping_mul(u128::from(parts));
    u64::try_from(product >> u64::BITS).unwrap_or(0)
}

/// Returns the digest as four words. Words are read where copies of a CID are written in one piece:
/// reading across two pieces would wait until both are in the cache. So the digest's last four
/// bytes take the place of the prefix.
#[inline]
fn words(cid: &[u8; cid::LEN]) -> [u64; 4] {
    let (parts, last) = cid.as_chunks::<8>();
    let mut words = [0; 4];
    for (word, part) in words.iter_mut().zip(parts) {
        *word = u64::from_le_bytes(*part);
    }
    let last = last.first_chunk().map_or(0, |last| u32::from_le_bytes(*last));
    words[0] = words[0] & !u64::from(u32::MAX) | u64::from(last);
    words
}
