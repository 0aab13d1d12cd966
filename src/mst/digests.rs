//! The digests of large blocks, so that none is hashed for each of the links that lead to it, as
//! long as memory allows.

use std::collections::HashMap;

use crate::cid::Cid;
use crate::error::Result;
use crate::sha256::sha256;
use crate::store::{Form, Found};

/// Length from which on a block's digest is remembered, so that hashing takes at most some twenty
/// times the bytes of the links that lead to blocks.
const LARGE_BLOCK: usize = 1024;

/// Bytes that a digest takes with its CID, and twice that while the table grows.
const COST: u64 = 256;

/// The digests that blocks were found to have, with the lengths of the blocks.
#[derive(Default)]
pub(super) struct Digests {
    known: HashMap<Cid, ([u8; 32], usize)>,
    /// Blocks that are shorter are not remembered.
    min_len: usize,
}

impl Digests {
    /// Returns the bytes of memory that are held.
    pub(super) fn held(&self) -> u64 {
        (self.known.len() as u64).saturating_mul(COST)
    }

    /// Checks a block against the CID under which it was requested, and marks it as verified.
    ///
    /// A mark says which CID a block was verified to have; it counts only for that one, since a
    /// store may return the block of another. A processed value has no hash to check.
    #[inline]
    pub(super) fn check<B: AsRef<[u8]>>(
        &mut self,
        cid: Cid,
        found: &mut Found<B>,
        memory_limit: u64,
    ) -> Result<()> {
        if found.verified == Some(cid) || found.form == Form::Reduced {
            return Ok(());
        }
        let block = found.bytes.as_ref();
        if block.len() < LARGE_BLOCK {
            cid.verify(block)?;
        } else {
            self.verify(cid, block, memory_limit)?;
        }
        found.verified = Some(cid);
        Ok(())
    }

    /// Checks a block against its CID and remembers its digest. If memory does not allow for all
    /// digests, those of the longer blocks stay.
    fn verify(&mut self, cid: Cid, block: &[u8], memory_limit: u64) -> Result<()> {
        if let Some((digest, _)) = self.known.get(&cid) {
            return cid.verify_digest(digest);
        }
        let digest = sha256(block);
        if block.len() >= self.min_len {
            self.known.insert(cid, (digest, block.len()));
        }
        while self.known.len() as u64 > memory_limit / COST {
            // Step by step: one huge block must not push all others out.
            self.min_len = self.min_len.max(1).saturating_mul(2);
            let min_len = self.min_len;
            self.known.retain(|_, (_, len)| *len >= min_len);
        }
        cid.verify_digest(&digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cid::Codec;

    /// Else every block but the longest would be hashed for each of its links.
    #[test]
    fn one_huge_block_does_not_push_the_others_out() {
        let mut digests = Digests::default();
        let lens = (1000..1010).chain([1 << 20]).chain(2000..2009);
        for len in lens {
            let block = vec![0; len];
            digests.verify(Cid::of(Codec::Raw, &block[..]), &block, 10 * COST).unwrap();
        }
        assert_eq!(digests.known.len(), 10, "those from 2,000 bytes on");
        assert_eq!(digests.held(), 10 * COST);
    }

    #[test]
    fn blocks_are_checked_whatever_is_remembered() {
        for memory_limit in [u64::MAX, 10 * COST, 0] {
            let mut digests = Digests::default();
            for round in 0..2 {
                for number in 0..100u8 {
                    let block = vec![number; usize::from(number) + 1];
                    let cid = Cid::of(Codec::Raw, &block[..]);
                    assert!(digests.verify(cid, &block, memory_limit).is_ok(), "{round}");
                    let other = Cid::of(Codec::DagCbor, b"other");
                    assert!(digests.verify(other, &block, memory_limit).is_err());
                    assert!(digests.known.len() as u64 <= memory_limit / COST);
                }
            }
        }
    }
}
