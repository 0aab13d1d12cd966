//! CARs that come as a stream. The one file that reads.

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
/// Reads in large pieces into its own buffer; there is no use in a `BufReader` around the stream.
/// The buffer grows with the bytes that arrive, never with a declared length. Blocks are not
/// hashed: see [`Section::verify`].
///
/// ```
/// # let stream: &[u8] = include_bytes!("../../samples/repo.car");
/// use carwalk::car::Reader;
///
/// let mut reader = Reader::new(stream)?;
/// let mut blocks = 0;
/// while let Some(section) = reader.read_section()? {
///     section.verify()?;
///     blocks += 1;
/// }
/// assert_eq!(blocks, 50);
/// # Ok::<(), carwalk::Error>(())
/// ```
pub struct Reader<R> {
    input: R,
    limits: Limits,
    header: Header,
    arena: Arena,
    /// Whether sections that were read stay in the arena.
    keep: bool,
    /// Most bytes that the arena may hold.
    allowance: u64,
    /// The section at hand, in the arena's last chunk.
    at: usize,
    end: usize,
    /// No more sections come.
    done: bool,
}

impl<R: Read> Reader<R> {
    /// Reads the header of a CAR, by the default limits.
    ///
    /// # Errors
    ///
    /// As [`with_limits`](Reader::with_limits).
    pub fn new(input: R) -> Result<Self> {
        Self::with_limits(input, Limits::default())
    }

    /// Reads the header of a CAR.
    ///
    /// # Errors
    ///
    /// `Io` if reading fails; `LookAlike`, `Truncated`, `Malformed`, `NonCanonical` for a stream
    /// that does not begin with a header; `Limit` for a header, or a stream before the header's
    /// end, that is too long.
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

    /// Reads the next section; `None` at the end. After an error, every later call gives `None`.
    ///
    /// # Errors
    ///
    /// `Io` if reading fails; `Truncated`, `Malformed`, `NonCanonical` for bytes that are no
    /// section; `Limit` for a block or stream that is too long. Each has the offset of the section
    /// at fault.
    pub fn read_section(&mut self) -> Result<Option<Section<'_>>> {
        match self.advance()? {
            Advance::Section(located) => located.section(self).map(Some),
            Advance::End => Ok(None),
            // Nobody limits what this reader holds.
            Advance::Full => Err(io::Error::from(io::ErrorKind::OutOfMemory).into()),
        }
    }

    /// Looks for a section at `at`, and tells its place.
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
        let mut stream = Stream { input: &mut self.input, max: self.limits.stream_len() };
        let (arena, at) = (&mut self.arena, &mut self.at);
        let filled = stream.fill(arena, at, expected, self.keep, self.allowance)?;
        // Until the section is whole, what is left of it counts as read.
        self.end = self.at;
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

    /// The header.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Bytes of the CAR up to the end of the section that was read last.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.arena.offset(self.end)
    }

    /// The stream. It is ahead of [`position`](Reader::position) by what the buffer holds.
    pub fn get_ref(&self) -> &R {
        &self.input
    }

    /// Gives the stream back; what the buffer holds of it is lost.
    pub fn into_inner(self) -> R {
        self.input
    }

    /// The bytes that were read, without what the last chunk has not filled, if there is room to
    /// give that back.
    pub(crate) fn into_arena(mut self) -> Arena {
        self.arena.close(self.allowance);
        self.arena
    }

    /// Gives up the sections that were read, after `visit` saw all from `first` on, if that is
    /// given: in their order, and chunk by chunk, so that their memory can be used for what becomes
    /// of them. From now on no section stays.
    ///
    /// Returns by how many bytes the placements of later sections move down.
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

    /// Bytes that were taken from the stream.
    pub(crate) fn bytes_read(&self) -> u64 {
        self.arena.end()
    }
}

impl<R: Read> Source for Reader<R> {
    type Lent = Vec<u8>;

    const FINDS_LENT: bool = false;

    /// What a pipe holds: whoever fills it works meanwhile, and not only after all was asked for
    /// that there was.
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

/// The stream and how much it may still give.
struct Stream<R> {
    input: R,
    max: u64,
}

/// What came of one attempt to read.
enum Filled {
    More,
    End,
    /// The arena may not grow.
    Full,
}

impl<R: Read> Stream<R> {
    /// Reads once into the arena. What begins at `at` and has `expected` bytes stays together, and
    /// `at` follows it.
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
            // Only a stream that goes on is too long.
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

    /// Nobody sets an allowance for a reader that gives sections out; if somebody did, it would be
    /// told.
    #[test]
    fn a_section_that_may_not_be_held_is_an_error_and_comes_once_it_may() {
        let cid = Cid::of(Codec::Raw, &[7; 200_000]);
        let mut writer = Writer::new(Vec::new(), &[cid]).unwrap();
        writer.write(cid, &[7; 200_000]).unwrap();
        let car = writer.finish().unwrap();
        let mut reader = Reader::new(&car[..]).unwrap();
        reader.allow(0);
        let error = reader.read_section().unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::Io(cause) if cause.kind() == io::ErrorKind::OutOfMemory),
            "{error}"
        );
        reader.allow(u64::MAX);
        assert_eq!(reader.read_section().unwrap().unwrap().cid(), cid);
        assert!(
            reader.read_section().unwrap().is_none() && reader.read_section().unwrap().is_none()
        );
    }
}
