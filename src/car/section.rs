//! The sections of a CAR.

use core::fmt;

use super::Look;
use crate::cid::{self, Cid};
use crate::error::{Error, LimitName, Malformed, Result, Structure};
use crate::limits::Limits;
use crate::varint;

/// A section of a CAR: a block and the CID that it is declared to have.
///
/// The block has not been hashed: [`verify`](Section::verify) checks it against the CID.
///
/// # Examples
///
/// ```
/// use carwalk::car::SliceReader;
///
/// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
/// let mut sections = SliceReader::new(bytes)?;
/// // The header has 59 bytes. The first block of this export is the commit.
/// let first = sections.next().unwrap()?;
/// assert_eq!((first.offset(), first.block().len()), (59, 188));
/// assert_eq!(first.cid(), sections.header().root());
/// # Ok::<(), carwalk::Error>(())
/// ```
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

    /// Returns the offset of the section, including its length prefix, in bytes from the start of
    /// the CAR.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Returns the CID that the block is declared to have.
    #[must_use]
    pub fn cid(&self) -> Cid {
        self.cid
    }

    /// Returns the block. It may be empty.
    #[must_use]
    pub fn block(&self) -> &'a [u8] {
        self.block
    }

    /// Returns the offset and the CID of the section, without its block.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::car::Reader;
    ///
    /// # let stream: &[u8] = include_bytes!("../../samples/repo.car");
    /// let mut reader = Reader::new(stream)?;
    /// let mut heads = Vec::new();
    /// while let Some(section) = reader.read_section()? {
    ///     heads.push(section.head());
    /// }
    /// let offsets: Vec<u64> = heads.iter().take(3).map(|head| head.offset()).collect();
    /// assert_eq!(offsets, [59, 285, 682]);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    #[must_use]
    pub fn head(&self) -> SectionHead {
        SectionHead { offset: self.offset, cid: self.cid }
    }

    /// Checks that the block hashes to the CID. Costs one SHA-256 over the block.
    ///
    /// # Errors
    ///
    /// `HashMismatch` if the block has another CID. The error has the section's offset.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::ErrorKind;
    /// use carwalk::car::{SliceReader, Writer};
    /// use carwalk::cid::{Cid, Codec};
    ///
    /// let [cid, other] = [b"block", b"other"].map(|block| Cid::of(Codec::Raw, block));
    /// let mut writer = Writer::new(Vec::new(), &[cid])?;
    /// writer.write(cid, b"other")?;
    /// let car = writer.finish()?;
    ///
    /// let section = SliceReader::new(&car)?.next().unwrap()?;
    /// let error = section.verify().unwrap_err();
    /// assert!(matches!(error.kind(), ErrorKind::HashMismatch { found } if *found == other));
    /// assert_eq!(error.position().offset(), Some(59));
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn verify(&self) -> Result<()> {
        let verified = self.cid.verify(self.block);
        verified.map_err(|error| error.in_structure(Structure::Section).at(Some(self.offset)))
    }
}

/// A section without its block: its offset, and the CID that the block is declared to have.
///
/// # Examples
///
/// ```
/// use carwalk::store::{CarStore, SliceStore};
///
/// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
/// let store = SliceStore::new(bytes)?;
/// let head = store.sections().next().unwrap()?;
/// assert_eq!((head.offset(), head.cid()), (59, store.header().root()));
/// # Ok::<(), carwalk::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SectionHead {
    offset: u64,
    cid: Cid,
}

impl SectionHead {
    pub(crate) fn new(offset: u64, cid: Cid) -> Self {
        SectionHead { offset, cid }
    }

    /// Returns the offset of the section, including its length prefix, in bytes from the start of
    /// the CAR.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Returns the CID that the block is declared to have.
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

/// A parsed section without its offset.
pub(super) struct Framed<'a> {
    pub(super) cid: Cid,
    pub(super) block: &'a [u8],
    /// Length of the section with its length prefix, in bytes.
    pub(super) len: usize,
}

/// Parses the section that `bytes` begin with.
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
