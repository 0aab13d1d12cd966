//! The sections of a CAR.

use core::fmt;

use super::Look;
use crate::cid::{self, Cid};
use crate::error::{Error, LimitName, Malformed, Result};
use crate::limits::Limits;
use crate::varint;

/// One section of a CAR: a block and the CID that it is said to have.
///
/// Nothing here says that the block hashes to the CID; [`verify`](Section::verify) checks it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Section<'a> {
    offset: u64,
    cid: Cid,
    block: &'a [u8],
}

impl<'a> Section<'a> {
    pub(super) fn new(offset: u64, cid: Cid, block: &'a [u8]) -> Self {
        Section { offset, cid, block }
    }

    /// Where the section begins, with its length prefix: bytes from the start of the CAR.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The CID that the block is said to have.
    #[must_use]
    pub fn cid(&self) -> Cid {
        self.cid
    }

    /// The block.
    #[must_use]
    pub fn block(&self) -> &'a [u8] {
        self.block
    }

    /// What the section says of its block.
    #[must_use]
    pub fn head(&self) -> SectionHead {
        SectionHead { offset: self.offset, cid: self.cid }
    }

    /// Checks the block against the CID: one SHA-256 over the block.
    ///
    /// # Errors
    ///
    /// `HashMismatch`, with the section's offset.
    pub fn verify(&self) -> Result<()> {
        let verified = self.cid.verify(self.block);
        verified.map_err(|error| {
            error.in_structure(crate::error::Structure::Section).at(Some(self.offset))
        })
    }
}

/// What a section says of its block: where it stands, and the CID that the block is said to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SectionHead {
    offset: u64,
    cid: Cid,
}

impl SectionHead {
    pub(crate) fn new(offset: u64, cid: Cid) -> Self {
        SectionHead { offset, cid }
    }

    /// Where the section begins, with its length prefix: bytes from the start of the CAR.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The CID that the block is said to have.
    #[must_use]
    pub fn cid(&self) -> Cid {
        self.cid
    }
}

impl fmt::Debug for Section<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Section")
            .field("offset", &self.offset)
            .field("cid", &self.cid)
            .field("block_len", &self.block.len())
            .finish()
    }
}

/// A section without its offset, and the bytes that it takes.
pub(super) struct Framed<'a> {
    pub(super) cid: Cid,
    pub(super) block: &'a [u8],
    pub(super) len: usize,
}

/// Looks for the section that `bytes` begin with.
#[inline]
pub(super) fn look<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Look<Framed<'a>>> {
    let Some((len, prefix_len)) = varint::decode(bytes)? else {
        return Ok(Look::Short { expected: (bytes.len() as u64).saturating_add(1) });
    };
    let Some(block_len) = len.checked_sub(cid::LEN as u64) else {
        return Err(Error::malformed(Malformed::SectionLen { found: len }));
    };
    let max = u64::from(limits.block_len());
    if block_len > max {
        return Err(Error::limit(LimitName::BlockLen, max, block_len));
    }
    let expected = len.saturating_add(prefix_len as u64);
    let rest = bytes.get(prefix_len..).unwrap_or_default();
    let Some((cid, rest)) = rest.split_at_checked(cid::LEN) else {
        return Ok(Look::Short { expected });
    };
    let cid = Cid::parse(cid).map_err(|error| error.within(prefix_len))?;
    let framed = usize::try_from(expected).ok().zip(usize::try_from(block_len).ok());
    match framed
        .and_then(|(len, block_len)| Some(Framed { cid, block: rest.get(..block_len)?, len }))
    {
        Some(framed) => Ok(Look::Whole(framed)),
        None => Ok(Look::Short { expected }),
    }
}
