//! CARs in memory: blocks are borrowed from the bytes.

use core::fmt;

use super::Look;
use super::header::Header;
use super::placement::Placement;
use super::section::{self, Framed, Section};
use super::source::{Advance, Located, Source};
use crate::cid;
use crate::error::{Error, LimitName, Result, Structure};
use crate::limits::{Limits, MAX_CAR_LEN};
use crate::prefetch::prefetch;
use crate::varint;

/// How far ahead bytes are prefetched, and how many at most. Where a section begins is known only
/// from the one before it, so without this each length would be a cache miss.
const PREFETCH_DISTANCE: usize = 2048;

/// An iterator over the sections of a CAR in memory. Blocks are borrowed, not copied.
///
/// Blocks are not hashed: see [`Section::verify`].
///
/// # Errors
///
/// An item is an error if a section is invalid. No items follow it.
///
/// - `Truncated` if the CAR ends inside the section
/// - `Malformed` if its length prefix is longer than 9 bytes, the length leaves no room for a CID,
///   or the CID is not a valid [`Cid`](crate::Cid); `NonCanonical` if the length prefix is not in
///   its shortest form
/// - `Limit` if the block is longer than the limits allow
///
/// Each error has the offset of the section.
///
/// # Examples
///
/// ```
/// use carwalk::car::SliceReader;
///
/// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
/// let sections = SliceReader::new(bytes)?;
/// assert_eq!(sections.header().roots().len(), 1);
/// let mut longest = 0;
/// for section in sections {
///     longest = longest.max(section?.block().len());
/// }
/// assert_eq!(longest, 949);
/// # Ok::<(), carwalk::Error>(())
/// ```
#[derive(Clone)]
pub struct SliceReader<'a> {
    bytes: &'a [u8],
    header: Header,
    limits: Limits,
    /// The end of the last section that was read.
    at: usize,
    /// Whether an error ended the iteration.
    done: bool,
}

impl<'a> SliceReader<'a> {
    /// Parses the header of the CAR in `bytes`, with default limits.
    ///
    /// # Errors
    ///
    /// Those of [`with_limits`](SliceReader::with_limits).
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::ErrorClass;
    /// use carwalk::car::SliceReader;
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// assert_eq!(SliceReader::new(bytes)?.count(), 50);
    /// // The header has 59 bytes.
    /// let error = SliceReader::new(&bytes[..58]).unwrap_err();
    /// assert_eq!(error.class(), ErrorClass::Truncated);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn new(bytes: &'a [u8]) -> Result<Self> {
        Self::with_limits(bytes, Limits::default())
    }

    /// Parses the header of the CAR in `bytes`, with these limits for header and blocks.
    /// [`Limits::max_stream_len`] does not apply.
    ///
    /// # Errors
    ///
    /// - `LookAlike` if there are no bytes, or they are JSON, HTML, gzip data, a CAR of version 2
    ///   or a spill file
    /// - `Truncated` if the bytes end inside the header
    /// - `Malformed` if the header is not DAG-CBOR, is not of version 1, or has no roots;
    ///   `NonCanonical` if its length or any value in it is not in canonical form
    /// - `Limit` if the header is longer than the limits allow or nested too deeply, or if there
    ///   are more than 1 TiB of bytes
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::car::SliceReader;
    /// use carwalk::{ErrorClass, Limits};
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// let mut sections = SliceReader::with_limits(bytes, Limits::new().max_block_len(500))?;
    /// // The fourth block has 949 bytes.
    /// let error = sections.find_map(Result::err).unwrap();
    /// assert_eq!((error.class(), error.position().offset()), (ErrorClass::Limit, Some(808)));
    /// assert!(sections.next().is_none());
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn with_limits(bytes: &'a [u8], limits: Limits) -> Result<Self> {
        let len = bytes.len() as u64;
        if len > MAX_CAR_LEN {
            return Err(Error::limit(LimitName::CarLen, MAX_CAR_LEN, len));
        }
        match Header::look(bytes, &limits)? {
            Look::Whole((header, at)) => Ok(SliceReader { bytes, header, limits, at, done: false }),
            Look::Short { expected } => Err(Header::cut_short(bytes, expected)),
        }
    }

    /// Returns the header of the CAR.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Returns the section at a placement, and the placement of the next one.
    #[cfg(feature = "redb")]
    pub(crate) fn section_and_next(&self, at: Placement) -> Option<(Section<'a>, Placement)> {
        section_at(self.bytes, at)
    }

    #[inline]
    fn read(&mut self) -> Result<Option<(Placement, Framed<'a>)>> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        if rest.is_empty() || self.done {
            return Ok(None);
        }
        let offset = self.at as u64;
        match section::look(rest, &self.limits) {
            Ok(Look::Whole(framed)) => {
                let soon = rest.get(PREFETCH_DISTANCE..).unwrap_or_default();
                prefetch(soon.get(..framed.len.min(PREFETCH_DISTANCE)).unwrap_or(soon));
                self.at = self.at.saturating_add(framed.len);
                Ok(Some((Placement::new(offset), framed)))
            }
            Ok(Look::Short { expected }) => Err(self.end(Error::truncated(expected, rest.len()))),
            Err(error) => Err(self.end(error)),
        }
    }

    /// Ends the iteration with an error.
    #[cold]
    fn end(&mut self, error: Error) -> Error {
        self.done = true;
        error.in_structure(Structure::Section).at(Some(self.at as u64))
    }
}

impl<'a> Iterator for SliceReader<'a> {
    type Item = Result<Section<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        let section =
            |(at, framed): (Placement, Framed<'a>)| Section::new(at.at(), framed.cid, framed.block);
        self.read().map(|read| read.map(section)).transpose()
    }
}

impl core::iter::FusedIterator for SliceReader<'_> {}

impl<'a> Source for SliceReader<'a> {
    type Lent = &'a [u8];

    const FINDS_LENT: bool = true;

    fn header(&self) -> &Header {
        &self.header
    }

    #[inline]
    fn advance(&mut self) -> Result<Advance> {
        let located = |(at, framed): (Placement, Framed<'_>)| Located::new(at, &framed);
        Ok(self.read()?.map_or(Advance::End, |read| Advance::Section(located(read))))
    }

    #[inline]
    fn section_at(&self, at: Placement) -> Option<Section<'_>> {
        section_at(self.bytes, at).map(|(section, _)| section)
    }

    fn offset_of(&self, at: Placement) -> u64 {
        at.at()
    }

    #[inline]
    fn are_joined(&self, _: Placement, _: Placement) -> bool {
        true
    }

    fn bytes_from(&self, at: Placement) -> &[u8] {
        bytes_at(self.bytes, at)
    }

    fn lend(&mut self, at: Placement) -> Option<(&'a [u8], usize)> {
        Some((self.bytes, usize::try_from(at.at()).ok()?))
    }

    fn take_back(&mut self, _: Placement, _: &'a [u8]) {}

    fn position(&self) -> u64 {
        self.at as u64
    }
}

impl fmt::Debug for SliceReader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SliceReader")
            .field("len", &self.bytes.len())
            .field("header", &self.header)
            .field("limits", &self.limits)
            .field("at", &self.at)
            .finish()
    }
}

/// Returns the bytes of a CAR from a placement on.
#[inline]
pub(crate) fn bytes_at(bytes: &[u8], at: Placement) -> &[u8] {
    usize::try_from(at.at()).ok().and_then(|at| bytes.get(at..)).unwrap_or_default()
}

/// Returns the section at a placement in a CAR, and the placement of the next one.
#[inline]
pub(crate) fn section_at(bytes: &[u8], at: Placement) -> Option<(Section<'_>, Placement)> {
    let (start, body) = body_at(bytes, at.at())?;
    let (cid, block) = body.split_at_checked(cid::LEN)?;
    let end = start.checked_add(body.len())?;
    let section = Section::new(at.at(), cid::Cid::parse(cid).ok()?, block);
    Some((section, Placement::new(end as u64)))
}

/// Returns the sections at the start of `bytes`, which were parsed before: the position of each,
/// and its CID and block as one slice.
#[inline]
pub(crate) fn sections_in(bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut at = 0;
    core::iter::from_fn(move || {
        let (start, body) = body_at(bytes, at as u64)?;
        let section = (at, body);
        at = start.checked_add(body.len())?;
        Some(section)
    })
}

/// Returns the block at a placement in a CAR and the offset of its section, if its CID is `cid`.
#[inline]
pub(crate) fn block_at<'a>(
    bytes: &'a [u8],
    at: Placement,
    cid: &cid::Cid,
) -> Option<(&'a [u8], u64)> {
    let (_, body) = body_at(bytes, at.at())?;
    let (found, block) = body.split_first_chunk()?;
    (found == cid.as_bytes()).then_some((block, at.at()))
}

/// Returns the block of the section at an offset, if its CID is `cid`.
#[cfg(feature = "signature")]
pub(crate) fn block_at_offset<'a>(
    bytes: &'a [u8],
    offset: u64,
    cid: &cid::Cid,
) -> Option<&'a [u8]> {
    block_at(bytes, Placement::new(offset), cid).map(|(block, _)| block)
}

/// Returns the CID and block of the section at a position, and where they begin.
#[inline]
fn body_at(bytes: &[u8], at: u64) -> Option<(usize, &[u8])> {
    let at = usize::try_from(at).ok()?;
    let rest = bytes.get(at..)?;
    let (len, prefix_len) = varint::decode(rest).ok()??;
    let body = rest.get(prefix_len..)?.get(..usize::try_from(len).ok()?)?;
    Some((at.checked_add(prefix_len)?, body))
}
