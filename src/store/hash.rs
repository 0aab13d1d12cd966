//! Hashes of CIDs for indexes. Whoever made the CAR chose the CIDs, so each hash mixes the whole
//! digest with the secret random numbers of the index.

use core::hash::{BuildHasher, Hasher};
use std::hash::RandomState;

use crate::cid::Cid;

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
        let [a, b, c, d] = words(cid.digest());
        let [w, x, y, z] = self.words;
        let product = |one: u64, other: u64| u128::from(one).wrapping_mul(u128::from(other));
        let sum = product(a.wrapping_add(w), b.wrapping_add(x))
            .wrapping_add(product(c.wrapping_add(y), d.wrapping_add(z)));
        let folded = (sum >> 64) ^ (sum & u128::from(u64::MAX));
        u64::try_from(folded).unwrap_or(0)
    }
}

/// Returns in which of `parts` equal parts of the range of hashes `hash` is.
#[cfg(feature = "redb")]
#[inline]
#[cfg(feature = "redb")]
pub(crate) fn scale(hash: u64, parts: u64) -> u64 {
    let product = u128::from(hash).wrapping_mul(u128::from(parts));
    u64::try_from(product >> u64::BITS).unwrap_or(0)
}

#[inline]
fn words(digest: &[u8; 32]) -> [u64; 4] {
    let mut words = [0; 4];
    for (word, bytes) in words.iter_mut().zip(digest.as_chunks().0) {
        *word = u64::from_le_bytes(*bytes);
    }
    words
}
