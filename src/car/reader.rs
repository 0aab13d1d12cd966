//! CARs in streams. No other file of the library reads from a stream.

mod hold;

use core::fmt;
use std::io::{self, Read};

use super::Look;
use super::arena::Arena;
use super::header::Header;
use super::placement::Placement;
use super::section::{self, Section};
use super::source::{Advance, Located, Source};
use crate::error::{Error, LimitName, Result, Structure};
use crate::limits::Limits;

/// Reads the sections of a CAR from a stream, one at a time.
///
/// The CAR ends where the stream ends. The reader has its own buffer, so a `BufReader` around the
/// source only costs time. The buffer has 64 KiB, and grows as the bytes of a longer section
/// arrive, never with a declared length. Blocks are not hashed: see [`Section::verify`].
///
/// # Examples
///
/// ```
/// use carwalk::car::Reader;
///
/// # let stream: &[u8] = include_bytes!("../../samples/repo.car");
/// let mut reader = Reader::new(stream)?;
/// let mut sections = 0;
/// while let Some(section) = reader.read_section()? {
///     section.verify()?;
///     sections += 1;
/// }
/// assert_eq!(sections, 50);
/// assert_eq!(reader.position(), 12_641);
/// assert_eq!(reader.header().roots().len(), 1);
/// # Ok::<(), carwalk::Error>(())
/// ```
pub struct Reader<R> {
    input: R,
    limits: Limits,
    header: Header,
    arena: Arena,
    /// Whether sections that were read stay in the arena.
    keep: bool,
    /// Maximum number of bytes that the arena may hold.
    allowance: u64,
    /// Where the current section begins and ends in the arena's last chunk.
    at: usize,
    end: usize,
    /// Where the bytes that stay in the last chunk begin, if that is before the current section.
    held: Option<usize>,
    /// Whether the stream ended.
    ended: bool,
    /// Whether the end of the CAR or an error was reached.
    done: bool,
}

impl<R: Read> Reader<R> {
    /// Reads the header of a CAR, with default limits.
    ///
    /// # Errors
    ///
    /// Those of [`with_limits`](Reader::with_limits).
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::car::Reader;
    /// use carwalk::error::{ErrorKind, LookAlike};
    ///
    /// let answer = &b"<html><h1>502 Bad Gateway</h1></html>"[..];
    /// let error = Reader::new(answer).unwrap_err();
    /// assert!(matches!(error.kind(), ErrorKind::LookAlike(LookAlike::Html)));
    /// ```
    pub fn new(input: R) -> Result<Self> {
        Self::with_limits(input, Limits::default())
    }

    /// Reads the header of a CAR, with these limits for header, blocks and stream.
    ///
    /// # Errors
    ///
    /// - `Io` if reading fails, or if memory for a long header cannot be allocated
    /// - `LookAlike` if the stream is empty, JSON, HTML, gzip data, a CAR of version 2 or a spill
    ///   file
    /// - `Truncated` if the stream ends inside the header
    /// - `Malformed` if the header is not DAG-CBOR, is not of version 1, or has no roots;
    ///   `NonCanonical` if its length or any value in it is not in canonical form
    /// - `Limit` if the header exceeds its limit, ends after the stream limit, or is nested too
    ///   deeply
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::car::Reader;
    /// use carwalk::{ErrorClass, Limits};
    ///
    /// # let stream: &[u8] = include_bytes!("../../samples/repo.car");
    /// let mut reader = Reader::with_limits(stream, Limits::new().max_block_len(100))?;
    /// // The first block has 188 bytes.
    /// assert_eq!(reader.read_section().unwrap_err().class(), ErrorClass::Limit);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn with_limits(input: R, limits: Limits) -> Result<Self> {
        Self::open(input, limits, false)
    }

    /// Reads the header of a CAR, whose sections stay in memory if `keep` is set.
    pub(crate) fn open(input: R, limits: Limits, keep: bool) -> Result<Self> {
        let mut stream = Stream { input, max: limits.stream_len() };
        let (mut arena, allowance) = (Arena::default(), u64::MAX);
        let mut at = 0;
        loop {
            match Header::look(arena.rest(at), &limits)? {
                Look::Whole((header, end)) => {
                    let input = stream.input;
                    return Ok(Reader {
                        input,
                        limits,
                        header,
                        arena,
                        keep,
                        allowance,
                        at,
                        end,
                        held: None,
                        ended: false,
                        done: false,
                    });
                }
                Look::Short { expected } => {
                    let filled = stream.fill(&mut arena, &mut at, expected, keep, allowance);
                    match filled
                        .map_err(|error| error.in_structure(Structure::Header).at(Some(0)))?
                    {
                        Filled::More => {}
                        Filled::End | Filled::Full => {
                            return Err(Header::cut_short(arena.rest(at), expected));
                        }
                    }
                }
            }
        }
    }

    /// Reads the next section, or returns `None` at the end of the stream. After an error, every
    /// later call returns `None`.
    ///
    /// The section borrows the reader's buffer, so it must be dropped before the next call.
    ///
    /// # Errors
    ///
    /// - `Io` if reading fails, or if memory for a long block cannot be allocated. `Interrupted` is
    ///   retried; any other error of the source is final, also `WouldBlock`.
    /// - `Truncated` if the stream ends inside the section
    /// - `Malformed` if its length prefix is longer than 9 bytes, the length leaves no room for a
    ///   CID, or the CID is not a valid [`Cid`](crate::Cid); `NonCanonical` if the length prefix is
    ///   not in its shortest form
    /// - `Limit` if the block or the stream is longer than the limits allow
    ///
    /// Each error has the offset of the section.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::ErrorClass;
    /// use carwalk::car::Reader;
    ///
    /// # let stream: &[u8] = include_bytes!("../../samples/repo.car");
    /// let mut reader = Reader::new(&stream[..1000])?;
    /// for offset in [59, 285, 682] {
    ///     assert_eq!(reader.read_section()?.unwrap().offset(), offset);
    /// }
    /// let error = reader.read_section().unwrap_err();
    /// assert_eq!(error.class(), ErrorClass::Truncated);
    /// assert_eq!(error.position().offset(), Some(808));
    /// assert!(reader.read_section()?.is_none());
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn read_section(&mut self) -> Result<Option<Section<'_>>> {
        match self.advance()? {
            Advance::Section(located) => located.section(self).map(Some),
            Advance::End => Ok(None),
            // Only loads set an allowance, and they do not call this.
            Advance::Full => Err(io::Error::from(io::ErrorKind::OutOfMemory).into()),
        }
    }

    /// Parses the section at `at`, reading as much as it takes.
    fn look(&mut self) -> Result<Advance> {
        loop {
            let rest = self.arena.rest(self.at);
            match section::look(rest, &self.limits)? {
                Look::Whole(framed) => {
                    self.end = self.at.saturating_add(framed.len);
                    let located = Located::new(self.arena.placement(self.at), &framed);
                    return Ok(Advance::Section(located));
                }
                Look::Short { expected } => {
                    let available = rest.len();
                    match self.fill(expected)? {
                        Filled::More => {}
                        Filled::End if available > 0 => {
                            return Err(Error::truncated(expected, available));
                        }
                        Filled::End => return Ok(Advance::End),
                        Filled::Full => return Ok(Advance::Full),
                    }
                }
            }
        }
    }

    fn fill(&mut self, expected: u64) -> Result<Filled> {
        if self.ended {
            return Ok(Filled::End);
        }
        let mut stream = Stream { input: &mut self.input, max: self.limits.stream_len() };
        let mut start = self.held.unwrap_or(self.at);
        debug_assert!(start <= self.at, "bytes are held from an earlier section on");
        let before = self.at.saturating_sub(start);
        let expected = expected.saturating_add(before as u64);
        let filled = stream.fill(&mut self.arena, &mut start, expected, self.keep, self.allowance);
        self.at = start.saturating_add(before);
        self.held = self.held.map(|_| start);
        let filled = filled?;
        // The position stays before the section until all of it was read.
        self.end = self.at;
        self.ended = matches!(filled, Filled::End);
        Ok(filled)
    }
}

impl<R> Reader<R> {
    /// Returns how many bytes of memory are held.
    pub(crate) fn bytes_held(&self) -> u64 {
        self.arena.held()
    }

    /// Returns the section at a placement.
    pub(crate) fn section(&self, at: Placement) -> Option<Section<'_>> {
        self.arena.section_at(at)
    }

    /// Returns the header of the CAR.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Returns the number of bytes from the start of the CAR to the end of the last section that
    /// was read.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::car::Reader;
    ///
    /// # let stream: &[u8] = include_bytes!("../../samples/repo.car");
    /// let mut reader = Reader::new(stream)?;
    /// assert_eq!(reader.position(), 59);
    /// assert_eq!(reader.read_section()?.unwrap().block().len(), 188);
    /// // A section is a length of 2 bytes here, a CID of 36, and the block.
    /// assert_eq!(reader.position(), 59 + 2 + 36 + 188);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    #[must_use]
    pub fn position(&self) -> u64 {
        self.arena.offset(self.end)
    }

    /// Returns a reference to the source. It is ahead of [`position`](Reader::position) by the
    /// bytes in the reader's buffer.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::car::Reader;
    ///
    /// # let stream: &[u8] = include_bytes!("../../samples/repo.car");
    /// let reader = Reader::new(stream)?;
    /// // Only the header was used, but all of this short stream was read.
    /// assert_eq!(reader.position(), 59);
    /// assert!(reader.get_ref().is_empty());
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn get_ref(&self) -> &R {
        &self.input
    }

    /// Returns the source. The bytes in the reader's buffer are lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::Cursor;
    ///
    /// use carwalk::car::Reader;
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// let mut reader = Reader::new(Cursor::new(bytes))?;
    /// while reader.read_section()?.is_some() {}
    /// assert_eq!(reader.into_inner().position(), 12_641);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn into_inner(self) -> R {
        self.input
    }

    /// Returns the bytes that were read. Frees the unused end of the last chunk if the allowance
    /// has room for the copy.
    pub(crate) fn into_arena(mut self) -> Arena {
        self.arena.close(self.allowance);
        self.arena
    }

    /// Passes the sections that were read to `visit`, from `first` on, and frees them. Without
    /// `first`, none is passed. From now on the reader keeps no sections.
    ///
    /// Chunks are freed one by one, so that their memory is available to `visit`. Returns by how
    /// many bytes the placements of later sections move down.
    #[cfg(feature = "redb")]
    pub(crate) fn release(
        &mut self,
        first: Option<Placement>,
        mut visit: impl FnMut(Section<'_>) -> Result<()>,
    ) -> Result<u64> {
        let chunks = self.arena.take_front();
        if let Some(first) = first {
            for chunk in chunks {
                chunk.sections(first).try_for_each(&mut visit)?;
            }
            if let Some(last) = self.arena.last() {
                last.sections(first).try_for_each(&mut visit)?;
            }
        }
        self.keep = false;
        Ok(self.arena.renumber())
    }

    /// Returns how many bytes were read from the stream.
    pub(crate) fn bytes_read(&self) -> u64 {
        self.arena.end()
    }
}

impl<R: Read> Source for Reader<R> {
    type Lent = Vec<u8>;

    const FINDS_LENT: bool = false;

    /// The capacity of a pipe: the writer fills it while these bytes are hashed.
    const PORTION: u64 = 1 << 16;

    fn header(&self) -> &Header {
        &self.header
    }

    fn held(&self) -> u64 {
        self.bytes_held()
    }

    fn allow(&mut self, bytes: u64) {
        self.allowance = bytes;
    }

    fn advance(&mut self) -> Result<Advance> {
        if self.done {
            return Ok(Advance::End);
        }
        self.at = self.end;
        let offset = self.arena.offset(self.at);
        let next =
            self.look().map_err(|error| error.in_structure(Structure::Section).at(Some(offset)));
        self.done = !matches!(next, Ok(Advance::Section(_) | Advance::Full));
        if self.done {
            self.end = self.at;
        }
        next
    }

    fn section_at(&self, at: Placement) -> Option<Section<'_>> {
        self.section(at)
    }

    fn offset_of(&self, at: Placement) -> u64 {
        self.arena.offset_of(at)
    }

    #[inline]
    fn are_joined(&self, at: Placement, later: Placement) -> bool {
        self.arena.are_joined(at, later)
    }

    fn bytes_from(&self, at: Placement) -> &[u8] {
        self.arena.bytes_at(at)
    }

    fn lend(&mut self, at: Placement) -> Option<(Vec<u8>, usize)> {
        self.arena.lend(at)
    }

    fn take_back(&mut self, at: Placement, lent: Vec<u8>) {
        self.arena.take_back(at, lent);
    }

    fn position(&self) -> u64 {
        Reader::position(self)
    }
}

impl<R> fmt::Debug for Reader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader")
            .field("header", &self.header)
            .field("limits", &self.limits)
            .field("position", &self.position())
            .finish_non_exhaustive()
    }
}

/// A stream and the maximum number of bytes that are read from it.
struct Stream<R> {
    input: R,
    max: u64,
}

/// The outcome of one attempt to read.
enum Filled {
    More,
    End,
    /// The arena may not grow.
    Full,
}

impl<R: Read> Stream<R> {
    /// Reads once into the arena. The structure that begins at `at` and takes `expected` bytes
    /// stays in one chunk; `at` is updated when it moves.
    fn fill(
        &mut self,
        arena: &mut Arena,
        at: &mut usize,
        expected: u64,
        keep: bool,
        allowance: u64,
    ) -> Result<Filled> {
        let left = self.max.saturating_sub(arena.end());
        if left == 0 {
            // A stream of exactly the maximum length is not too long: look for one more byte.
            let found = self.max.saturating_add(1);
            return match self.read(&mut [0])? {
                0 => Ok(Filled::End),
                _ => Err(Error::limit(LimitName::StreamLen, self.max, found)),
            };
        }
        if arena.room().is_empty() {
            let extended = if keep {
                arena.extend(*at, expected, allowance)
            } else {
                arena.recycle(*at, expected, allowance)
            };
            match extended? {
                Some(moved) => *at = moved,
                None => return Ok(Filled::Full),
            }
        }
        let room = arena.room();
        let len = room.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let read = self.read(room.get_mut(..len).unwrap_or_default())?;
        // A faulty source may return more than it was given room for.
        arena.fill(read.min(len));
        Ok(if read == 0 { Filled::End } else { Filled::More })
    }

    fn read(&mut self, room: &mut [u8]) -> Result<usize> {
        loop {
            match self.input.read(room) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => return read.map_err(Error::from),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Writer;
    use super::*;
    use crate::cid::{Cid, Codec};
    use crate::error::ErrorKind;

    /// No public function sets an allowance; a section beyond it must be an error all the same.
    #[test]
    fn a_section_that_may_not_be_held_is_an_error_and_comes_once_it_may() {
        let cid = Cid::of(Codec::Raw, &[7; 200_000]);
        let mut writer = Writer::new(Vec::new(), &[cid]).unwrap();
        writer.write(cid, &[7; 200_000]).unwrap();
        let car = writer.finish().unwrap();
        let mut reader = Reader::new(&car[..]).unwrap();
        reader.allow(0);
        let error = reader.read_section().unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Io(_)), "{error}");
        assert_eq!(error.io_kind(), Some(io::ErrorKind::OutOfMemory));
        reader.allow(u64::MAX);
        assert_eq!(reader.read_section().unwrap().unwrap().cid(), cid);
        assert!(
            reader.read_section().unwrap().is_none() && reader.read_section().unwrap().is_none()
        );
    }
}
