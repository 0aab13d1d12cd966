//! Counts and digests of what readers return, which must be the same for all.

use std::hint::black_box;

use sha2::{Digest, Sha256};

use crate::Result;

/// The bytes of an atproto CID: 4 bytes of prefix and a SHA-256 digest.
pub type CidBytes = [u8; 36];

/// Counts the items that a reader returns. In a check, also hashes them in their order.
#[derive(Debug, Default)]
pub struct Tally {
    /// Number of records, entries or blocks.
    pub items: u64,
    /// Total length of the records or blocks in bytes.
    pub bytes: u64,
    check: Option<Check>,
}

/// The state of a check, which is not timed.
#[derive(Debug, Default)]
struct Check {
    keys_and_cids: Sha256,
    /// Key of the last block that does not match its CID.
    forged: Option<String>,
}

impl Tally {
    /// Creates a tally for a check. It hashes all keys and CIDs in their order, and compares each
    /// record or block with its CID.
    #[must_use]
    pub fn checking() -> Self {
        Self { check: Some(Check::default()), ..Self::default() }
    }

    /// Counts a record. `cid` is called only in a check.
    #[inline]
    pub fn record(&mut self, key: &[u8], block: &[u8], cid: impl FnOnce() -> CidBytes) {
        self.items += 1;
        self.bytes += block.len() as u64;
        black_box((key, block));
        if let Some(check) = &mut self.check {
            let cid = cid();
            check.item(key, &cid);
            if !cid.ends_with(&Sha256::digest(block)) {
                check.forged = Some(String::from_utf8_lossy(key).into_owned());
            }
        }
    }

    /// Counts an entry of the tree, without its record.
    #[inline]
    pub fn entry(&mut self, key: &[u8], cid: impl FnOnce() -> CidBytes) {
        self.items += 1;
        black_box(key);
        if let Some(check) = &mut self.check {
            check.item(key, &cid());
        }
    }

    /// Counts a block of any kind.
    #[inline]
    pub fn block(&mut self, block: &[u8], cid: impl FnOnce() -> CidBytes) {
        self.record(b"", block, cid);
    }

    /// Returns the digest of a check in hexadecimal: SHA-256 over the length of the key (4 bytes,
    /// little-endian), the key and the CID of each item. `None` without a check.
    ///
    /// # Errors
    ///
    /// If a record or block does not match its CID.
    pub fn digest(self) -> Result<Option<String>> {
        let Some(Check { keys_and_cids, forged }) = self.check else { return Ok(None) };
        match forged {
            Some(key) => {
                Err(format!("the block under the key {key:?} does not match its CID").into())
            }
            None => Ok(Some(
                keys_and_cids.finalize().iter().map(|byte| format!("{byte:02x}")).collect(),
            )),
        }
    }
}

impl Check {
    fn item(&mut self, key: &[u8], cid: &CidBytes) {
        let len = u32::try_from(key.len()).unwrap_or(u32::MAX);
        self.keys_and_cids.update(len.to_le_bytes());
        self.keys_and_cids.update(key);
        self.keys_and_cids.update(cid);
    }
}
