//! What a reader met, to be the same for all.

use std::hint::black_box;

use sha2::{Digest, Sha256};

use crate::Result;

/// A CID as atproto has them: 4 bytes of prefix and a SHA-256 digest.
pub type CidBytes = [u8; 36];

/// Counts what a reader meets, in the order in which it does.
#[derive(Debug, Default)]
pub struct Tally {
    /// Records, entries or blocks, whatever the reader gives.
    pub items: u64,
    /// The sum of their lengths.
    pub bytes: u64,
    check: Option<Check>,
}

/// Only in runs that nobody times.
#[derive(Debug, Default)]
struct Check {
    keys_and_cids: Sha256,
    /// The key under which something was met that does not have its CID.
    forged: Option<String>,
}

impl Tally {
    /// A tally that also proves what was met: in the order of all keys and CIDs, and in every byte.
    #[must_use]
    pub fn checking() -> Self {
        Self { check: Some(Check::default()), ..Self::default() }
    }

    /// A record. `cid` is asked for only in a check.
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

    /// An entry of the tree, of which the record is not looked at.
    #[inline]
    pub fn entry(&mut self, key: &[u8], cid: impl FnOnce() -> CidBytes) {
        self.items += 1;
        black_box(key);
        if let Some(check) = &mut self.check {
            check.item(key, &cid());
        }
    }

    /// A block of the file, whatever it is.
    #[inline]
    pub fn block(&mut self, block: &[u8], cid: impl FnOnce() -> CidBytes) {
        self.record(b"", block, cid);
    }

    /// What a check came to, in hexadecimal: SHA-256 over each item's length of the key (4 bytes,
    /// little-endian), key and CID. Nothing if there was no check.
    ///
    /// # Errors
    ///
    /// If a block was met that does not have its CID.
    pub fn digest(self) -> Result<Option<String>> {
        let Some(Check { keys_and_cids, forged }) = self.check else { return Ok(None) };
        match forged {
            Some(key) => Err(format!("a block under the key {key:?} does not have its CID").into()),
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
