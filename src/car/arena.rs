//! The memory for the bytes of a stream: large chunks that the reader fills. Each section is in one
//! chunk as a whole.
//!
//! A placement is the number of a byte in the arena. Chunks begin at multiples of `UNIT`, so a
//! table with one entry for each unit finds the chunk of a placement in one step.

#[cfg(feature = "redb")]
mod chunks;

use core::fmt;
use std::io;

use super::placement::Placement;
use super::section::Section;
use super::slice::{block_at, section_at};
use crate::cid::Cid;

/// Chunk lengths are multiples of a unit.
const UNIT_BITS: u32 = 16;

/// Length of a unit, in bytes.
const UNIT: usize = 1 << UNIT_BITS;

/// Length up to which chunks grow, in bytes, unless one section is longer.
const MAX_CHUNK_LEN: usize = 1 << 20;

/// The unused end of a chunk is freed if it is more than this fraction of the chunk.
const WASTE: usize = 16;

/// Bytes in chunks, with an offset for each chunk.
#[derive(Default)]
pub(crate) struct Arena {
    chunks: Vec<Chunk>,
    /// Bytes that all chunks but the last take.
    closed: u64,
    /// For each unit, the number of its chunk.
    units: Vec<u32>,
}

/// One of an arena's chunks.
pub(crate) struct Chunk {
    bytes: Vec<u8>,
    filled: usize,
    /// The offset of the first byte in the CAR. If blocks were appended one by one, the offset of
    /// the first block's section.
    offset: u64,
    /// The placement of the first byte.
    start: u64,
}

impl Arena {
    /// Returns the bytes of the last chunk from `at` on.
    #[inline]
    pub(super) fn rest(&self, at: usize) -> &[u8] {
        self.chunks.last().and_then(|chunk| chunk.bytes.get(at..chunk.filled)).unwrap_or_default()
    }

    /// Returns the part of the last chunk that is not filled.
    pub(super) fn room(&mut self) -> &mut [u8] {
        match self.chunks.last_mut() {
            Some(chunk) => chunk.bytes.get_mut(chunk.filled..).unwrap_or_default(),
            None => &mut [],
        }
    }

    /// Marks the first `len` bytes of [`room`](Arena::room) as filled.
    pub(super) fn fill(&mut self, len: usize) {
        if let Some(chunk) = self.chunks.last_mut() {
            debug_assert!(
                chunk.filled.saturating_add(len) <= chunk.bytes.len(),
                "more than there is room for"
            );
            chunk.filled = chunk.filled.saturating_add(len).min(chunk.bytes.len());
        }
    }

    /// Returns the offset in the CAR of `at` in the last chunk.
    pub(super) fn offset(&self, at: usize) -> u64 {
        self.chunks.last().map_or(0, |chunk| chunk.offset.saturating_add(at as u64))
    }

    /// Returns how many bytes of the CAR were filled in.
    pub(super) fn end(&self) -> u64 {
        self.chunks.last().map_or(0, |chunk| chunk.offset.saturating_add(chunk.filled as u64))
    }

    /// Returns the placement of `at` in the last chunk.
    #[inline]
    pub(super) fn placement(&self, at: usize) -> Placement {
        Placement::new(self.chunks.last().map_or(0, |chunk| chunk.start.saturating_add(at as u64)))
    }

    /// Returns the offset in the CAR of a placement.
    pub(super) fn offset_of(&self, at: Placement) -> u64 {
        self.chunk_of(at).map_or(0, |(_, chunk)| {
            chunk.offset.saturating_add(at.at().saturating_sub(chunk.start))
        })
    }

    /// Makes room for a structure that begins at `at` in the last chunk, is not complete, and takes
    /// `expected` bytes. Returns where it begins from now on. Earlier chunks are not changed.
    ///
    /// Returns `None` and does nothing if more than `allowance` bytes would be held at any time.
    ///
    /// # Errors
    ///
    /// `OutOfMemory` if a chunk above `MAX_CHUNK_LEN` cannot be allocated.
    pub(super) fn extend(
        &mut self,
        at: usize,
        expected: u64,
        allowance: u64,
    ) -> io::Result<Option<usize>> {
        if self.held().saturating_add(self.growth(at, expected)) > allowance {
            return Ok(None);
        }
        self.grow(at, expected).map(Some)
    }

    /// Returns how many bytes of memory are held, including unused capacity.
    pub(crate) fn held(&self) -> u64 {
        let last = self.chunks.last().map_or(0, |chunk| chunk.bytes.capacity() as u64);
        self.closed.saturating_add(last).saturating_add(self.tables())
    }

    fn tables(&self) -> u64 {
        let chunks = self.chunks.capacity().saturating_mul(size_of::<Chunk>());
        chunks.saturating_add(self.units.capacity().saturating_mul(size_of::<u32>())) as u64
    }

    /// Returns the maximum number of bytes that growing takes in addition to those held: bytes are
    /// copied before the old ones are freed, and tables may double.
    fn growth(&self, at: usize, expected: u64) -> u64 {
        let bytes = match self.chunks.last() {
            None => UNIT,
            Some(last) if at == 0 => longer(last.bytes.len(), expected),
            Some(last) => {
                let tail = last.filled.saturating_sub(at);
                // Closing the last chunk may copy it, before the next one is allocated.
                next_len(last.bytes.len(), tail).max(at).saturating_add(tail)
            }
        };
        (bytes as u64).saturating_add(self.tables().saturating_mul(2))
    }

    fn grow(&mut self, at: usize, expected: u64) -> io::Result<usize> {
        let Some(last) = self.chunks.last_mut() else {
            self.add_chunk(UNIT, 0)?;
            return Ok(0);
        };
        if at == 0 {
            // The section fills the whole chunk, so the chunk itself grows.
            let len = longer(last.bytes.len(), expected);
            let more = len.saturating_sub(last.bytes.len());
            last.bytes.try_reserve_exact(more).map_err(|_| io::ErrorKind::OutOfMemory)?;
            last.bytes.resize(len, 0);
            self.cover();
            return Ok(0);
        }
        let tail = last.bytes.get(at..last.filled).unwrap_or_default().to_vec();
        let offset = last.offset.saturating_add(at as u64);
        let len = next_len(last.bytes.len(), tail.len());
        last.close(at);
        self.add_chunk(len, offset)?;
        if let Some(start) = self.room().get_mut(..tail.len()) {
            start.copy_from_slice(&tail);
        }
        self.fill(tail.len());
        Ok(0)
    }

    /// Like [`extend`](Arena::extend), but overwrites the bytes before `at`.
    pub(super) fn recycle(
        &mut self,
        at: usize,
        expected: u64,
        allowance: u64,
    ) -> io::Result<Option<usize>> {
        match self.chunks.last_mut() {
            Some(last) if at > 0 => {
                last.bytes.copy_within(at..last.filled, 0);
                last.filled = last.filled.saturating_sub(at);
                last.offset = last.offset.saturating_add(at as u64);
                Ok(Some(0))
            }
            _ => self.extend(at, expected, allowance),
        }
    }

    /// Makes room for `len` bytes in one chunk. Returns their placement and the offset of the
    /// chunk, which is `offset` if they are its first bytes.
    ///
    /// Returns `None` and does nothing if more than `allowance` bytes would be held at any time.
    ///
    /// # Errors
    ///
    /// `OutOfMemory` if a chunk above `MAX_CHUNK_LEN` cannot be allocated.
    pub(crate) fn reserve(
        &mut self,
        len: usize,
        offset: u64,
        allowance: u64,
    ) -> io::Result<Option<(Placement, u64)>> {
        let (last_len, filled) =
            self.chunks.last().map_or((0, 0), |last| (last.bytes.len(), last.filled));
        if last_len.saturating_sub(filled) < len {
            let next_len = next_len(last_len, len.div_ceil(2));
            // Closing the last chunk may copy it, before the next one is allocated.
            let growth =
                (next_len.max(filled) as u64).saturating_add(self.tables().saturating_mul(2));
            if self.held().saturating_add(growth) > allowance {
                return Ok(None);
            }
            if let Some(last) = self.chunks.last_mut() {
                last.close(filled);
            }
            self.add_chunk(next_len, offset)?;
        }
        let last = self.chunks.last();
        let end = |last: &Chunk| Placement::new(last.start.saturating_add(last.filled as u64));
        Ok(last.map(|last| (end(last), last.offset)))
    }

    /// Appends bytes for which room was [reserved](Arena::reserve).
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        debug_assert!(bytes.len() <= self.room().len(), "room was reserved");
        if let Some(room) = self.room().get_mut(..bytes.len()) {
            room.copy_from_slice(bytes);
            self.fill(bytes.len());
        }
    }

    /// Returns the filled bytes of a placement's chunk, the position of the placement in them, and
    /// the offset of the chunk.
    #[inline]
    pub(crate) fn chunk_at(&self, at: Placement) -> Option<(&[u8], usize, u64)> {
        let (_, chunk) = self.chunk_of(at)?;
        let at = chunk.index_of(at)?;
        Some((chunk.bytes.get(..chunk.filled)?, at, chunk.offset))
    }

    /// Returns the placement of the byte at position `end` in the chunk of a placement, or of the
    /// start of the next chunk if the chunk ends there.
    pub(crate) fn placement_at(&self, at: Placement, end: usize) -> Option<Placement> {
        let (number, chunk) = self.chunk_of(at)?;
        if end < chunk.filled {
            return chunk.start.checked_add(end as u64).map(Placement::new);
        }
        Some(Placement::new(self.chunks.get(number.checked_add(1)?)?.start))
    }

    /// Frees the unused end of the last chunk, unless the copy would exceed `allowance` bytes.
    pub(crate) fn close(&mut self, allowance: u64) {
        let held = self.held();
        let last = self.chunks.last_mut();
        if let Some(last) = last.filter(|last| held.saturating_add(last.filled as u64) <= allowance)
        {
            last.close(last.filled);
        }
    }

    fn add_chunk(&mut self, len: usize, offset: u64) -> io::Result<()> {
        let start = (self.units.len() as u64).saturating_mul(UNIT as u64);
        // `vec!` gets zeroed memory from the system for free, but aborts if there is none. That
        // matters only for lengths that the input chooses.
        let bytes = if len <= MAX_CHUNK_LEN { vec![0; len] } else { zeros(len)? };
        self.closed = self
            .closed
            .saturating_add(self.chunks.last().map_or(0, |chunk| chunk.bytes.capacity() as u64));
        self.chunks.push(Chunk { bytes, filled: 0, offset, start });
        self.cover();
        Ok(())
    }

    /// Adds all units of the last chunk to the table.
    fn cover(&mut self) {
        let number = u32::try_from(self.chunks.len().saturating_sub(1)).unwrap_or(u32::MAX);
        if let Some(last) = self.chunks.last() {
            let end = last.start.saturating_add(last.bytes.len() as u64).div_ceil(UNIT as u64);
            self.units.resize(usize::try_from(end).unwrap_or(usize::MAX), number);
        }
    }

    #[inline]
    fn chunk_of(&self, at: Placement) -> Option<(usize, &Chunk)> {
        let unit = usize::try_from(at.at() >> UNIT_BITS).ok()?;
        let number = usize::try_from(*self.units.get(unit)?).ok()?;
        Some((number, self.chunks.get(number)?))
    }

    /// Returns whether two placements are in one chunk.
    #[inline]
    pub(super) fn are_joined(&self, at: Placement, later: Placement) -> bool {
        let number = |at: Placement| {
            usize::try_from(at.at() >> UNIT_BITS).ok().and_then(|unit| self.units.get(unit))
        };
        number(at) == number(later)
    }

    /// Lends the bytes of a placement's chunk, and returns the position of the placement in them.
    /// Until they are returned, the chunk looks empty, but still counts in full. `None` for the
    /// last chunk.
    pub(super) fn lend(&mut self, at: Placement) -> Option<(Vec<u8>, usize)> {
        let (number, chunk) = self.chunk_of(at)?;
        let at = chunk.index_of(at)?;
        let (_, closed) = self.chunks.split_last_mut()?;
        Some((core::mem::take(&mut closed.get_mut(number)?.bytes), at))
    }

    /// Takes back the bytes of a placement's chunk.
    pub(super) fn take_back(&mut self, at: Placement, lent: Vec<u8>) {
        let number = self.chunk_of(at).map(|(number, _)| number);
        let chunk = number.and_then(|number| self.chunks.get_mut(number));
        debug_assert!(
            chunk.as_ref().is_some_and(|chunk| chunk.bytes.is_empty()),
            "bytes come back once, to the chunk that they were lent from"
        );
        if let Some(chunk) = chunk {
            chunk.bytes = lent;
        }
    }

    /// Returns the section at a placement where one was parsed before.
    #[inline]
    pub(crate) fn section_at(&self, at: Placement) -> Option<Section<'_>> {
        let (_, chunk) = self.chunk_of(at)?;
        chunk.section_at(at).map(|(section, _)| section)
    }

    /// Returns the block at a placement where a section was parsed before, and the offset of the
    /// section, if it has the CID `cid`.
    #[inline]
    pub(crate) fn block_at(&self, at: Placement, cid: &Cid) -> Option<(&[u8], u64)> {
        let (_, chunk) = self.chunk_of(at)?;
        let within = Placement::new(at.at().checked_sub(chunk.start)?);
        let (block, start) = block_at(chunk.bytes.get(..chunk.filled)?, within, cid)?;
        Some((block, chunk.offset.saturating_add(start)))
    }

    /// Returns the filled bytes from a placement to the end of its chunk.
    #[inline]
    pub(crate) fn bytes_at(&self, at: Placement) -> &[u8] {
        let bytes = self
            .chunk_of(at)
            .and_then(|(_, chunk)| chunk.bytes.get(chunk.index_of(at)?..chunk.filled));
        bytes.unwrap_or_default()
    }

    /// Returns the placement of the section that follows the one at `at`.
    pub(crate) fn placement_after(&self, at: Placement) -> Option<Placement> {
        let (_, chunk) = self.chunk_of(at)?;
        let (_, next) = chunk.section_at(at)?;
        self.placement_at(at, chunk.index_of(next)?)
    }
}

/// Returns the length of the chunk after one of `len` bytes, whose last `tail` bytes move into the
/// new one.
fn next_len(len: usize, tail: usize) -> usize {
    let usual = len.saturating_mul(2).min(MAX_CHUNK_LEN);
    let units = usual.max(tail.saturating_mul(2)).div_ceil(UNIT);
    units.saturating_mul(UNIT)
}

/// Returns the next length of a chunk that one section has filled: enough for the section, but at
/// most twice the present length, so that memory follows from the bytes that arrived and not from
/// the declared length.
fn longer(len: usize, expected: u64) -> usize {
    let expected = usize::try_from(expected).unwrap_or(usize::MAX);
    debug_assert!(expected > len, "a chunk with a whole section is not extended");
    let needed = expected.max(len.saturating_add(1)).div_ceil(UNIT).saturating_mul(UNIT);
    needed.min(len.saturating_mul(2))
}

fn zeros(len: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(len).map_err(|_| io::ErrorKind::OutOfMemory)?;
    bytes.resize(len, 0);
    Ok(bytes)
}

impl Chunk {
    /// Keeps the first `len` bytes, and frees the rest unless it is short.
    fn close(&mut self, len: usize) {
        self.filled = len;
        if self.bytes.len().saturating_sub(len) > self.bytes.len() / WASTE {
            self.bytes.truncate(len);
            self.bytes.shrink_to_fit();
        }
    }

    /// Returns the position of a placement in the chunk.
    #[inline]
    fn index_of(&self, at: Placement) -> Option<usize> {
        usize::try_from(at.at().checked_sub(self.start)?).ok()
    }

    #[inline]
    fn section_at(&self, at: Placement) -> Option<(Section<'_>, Placement)> {
        let filled = self.bytes.get(..self.filled)?;
        let within = Placement::new(at.at().checked_sub(self.start)?);
        let (section, next) = section_at(filled, within)?;
        let offset = self.offset.saturating_add(section.offset());
        let next = Placement::new(self.start.saturating_add(next.at()));
        Some((Section::new(offset, section.cid(), section.block()), next))
    }
}

impl fmt::Debug for Arena {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arena")
            .field("chunks", &self.chunks.len())
            .field("end", &self.end())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns an arena whose last chunk has this length and is full.
    fn full(len: usize) -> Arena {
        let mut arena = Arena::default();
        arena.reserve(len, 0, u64::MAX).unwrap().unwrap();
        arena.fill(len);
        assert!(arena.room().is_empty());
        arena
    }

    fn chunk_lens(arena: &Arena) -> Vec<usize> {
        arena.chunks.iter().map(|chunk| chunk.bytes.len()).collect()
    }

    /// Tries to grow with an allowance of one byte too few, which must change nothing, and then
    /// with the exact one.
    #[track_caller]
    fn assert_takes<T>(
        arena: &mut Arena,
        most: u64,
        grow: impl Fn(&mut Arena, u64) -> io::Result<Option<T>>,
    ) {
        let before = (arena.held(), chunk_lens(arena));
        assert!(grow(arena, most.saturating_sub(1)).unwrap().is_none());
        assert_eq!((arena.held(), chunk_lens(arena)), before);
        assert!(grow(arena, most).unwrap().is_some());
        assert!(arena.held() > before.0);
    }

    #[test]
    fn what_was_reserved_is_there_whole() {
        let lens = [
            1,
            UNIT,
            UNIT + 1,
            4 * UNIT + 1,
            100,
            MAX_CHUNK_LEN - 1,
            MAX_CHUNK_LEN,
            3 * MAX_CHUNK_LEN + 1,
        ];
        let alone = lens.iter().map(core::slice::from_ref);
        for lens in alone.chain([&lens[..]]) {
            let mut arena = Arena::default();
            let mut places = Vec::new();
            for (number, &len) in (1u8..).zip(lens) {
                places.push(arena.reserve(len, 0, u64::MAX).unwrap().unwrap().0);
                assert!(
                    arena.room().len() >= len,
                    "{len} bytes in chunks of {:?}",
                    chunk_lens(&arena)
                );
                arena.write(&vec![number; len]);
            }
            for ((number, &len), place) in (1u8..).zip(lens).zip(places) {
                let (bytes, at, _) = arena.chunk_at(place).unwrap();
                assert!(
                    bytes[at..at + len].iter().all(|&byte| byte == number),
                    "number {number} of {lens:?}"
                );
            }
        }
    }

    /// Chunks above `MAX_CHUNK_LEN` are allocated fallibly.
    #[test]
    fn a_chunk_that_cannot_be_had_is_an_error() {
        for len in [usize::MAX / 2, usize::MAX] {
            let error = Arena::default().reserve(len, 0, u64::MAX).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::OutOfMemory);
        }
    }

    #[test]
    fn what_fits_takes_no_other_chunk() {
        let mut arena = Arena::default();
        arena.reserve(1, 0, u64::MAX).unwrap().unwrap();
        assert_eq!(chunk_lens(&arena), [UNIT]);
        arena.fill(10);
        let second = Placement::new(UNIT as u64);
        assert_eq!(arena.reserve(UNIT - 10, 7, 0).unwrap(), Some((Placement::new(10), 0)));
        assert_eq!(arena.reserve(UNIT - 9, 7, u64::MAX).unwrap(), Some((second, 7)));
        assert_eq!(arena.chunks.len(), 2);
    }

    #[test]
    fn a_chunk_takes_what_it_has_and_what_is_copied() {
        let unit = UNIT as u64;
        assert_takes(&mut Arena::default(), unit, |arena, allowance| arena.extend(0, 1, allowance));
        assert_takes(&mut Arena::default(), unit, |arena, allowance| {
            arena.reserve(1, 0, allowance)
        });
        for len in [UNIT, 4 * UNIT, MAX_CHUNK_LEN, 2 * MAX_CHUNK_LEN] {
            // One section is longer than the chunk: a little, up to twice as long, or more.
            for (expected, next) in [
                (len + 1, len + UNIT),
                (len + UNIT + 1, (len + 2 * UNIT).min(2 * len)),
                (2 * len, 2 * len),
                (usize::MAX, 2 * len),
            ] {
                let mut arena = full(len);
                let held = arena.held() + 2 * arena.tables();
                assert_takes(&mut arena, held + next as u64, |arena, allowance| {
                    arena.extend(0, expected as u64, allowance)
                });
                assert_eq!(arena.chunks[0].bytes.len(), next);
            }
            // The next section begins in the chunk: its first bytes move into the next chunk.
            let tail = 100;
            let mut arena = full(len);
            let held = arena.held() + 2 * arena.tables();
            let next = (2 * len).min(MAX_CHUNK_LEN).max(len - tail) + tail;
            assert_takes(&mut arena, held + next as u64, |arena, allowance| {
                arena.extend(len - tail, 1 << 40, allowance)
            });
            let mut arena = full(len);
            let next = (2 * len).min(MAX_CHUNK_LEN).max(len);
            assert_takes(&mut arena, held + next as u64, |arena, allowance| {
                arena.reserve(1, 0, allowance)
            });
        }
    }

    #[test]
    fn all_chunks_and_the_tables_are_held() {
        let mut arena = Arena::default();
        for len in [1, UNIT, 4 * UNIT, 2 * MAX_CHUNK_LEN] {
            arena.reserve(len, 0, u64::MAX).unwrap().unwrap();
            arena.fill(len);
            let chunks: usize = arena.chunks.iter().map(|chunk| chunk.bytes.capacity()).sum();
            let tables = arena.chunks.capacity() * size_of::<Chunk>()
                + arena.units.capacity() * size_of::<u32>();
            assert_eq!(arena.held(), (chunks + tables) as u64);
        }
        assert_eq!(arena.chunks.len(), 4);
    }

    #[test]
    fn a_chunk_that_is_nearly_full_stays_as_it_is() {
        for (empty, gives_back) in [(UNIT / WASTE, false), (UNIT / WASTE + 1, true)] {
            let mut arena = Arena::default();
            arena.reserve(1, 0, u64::MAX).unwrap().unwrap();
            arena.fill(UNIT - empty);
            arena.close(u64::MAX);
            assert_eq!(arena.room().is_empty(), gives_back, "{empty} bytes of {UNIT}");
        }
    }

    #[test]
    fn a_closed_arena_gives_back_what_is_empty_if_there_is_room_to_copy_the_rest() {
        let mut arena = Arena::default();
        arena.reserve(1, 0, u64::MAX).unwrap().unwrap();
        arena.write(b"kept");
        let held = arena.held();
        arena.close(held + 3);
        assert_eq!(arena.held(), held);
        arena.close(held + 4);
        assert_eq!(arena.held(), held - UNIT as u64 + 4);
        assert_eq!(arena.chunk_at(Placement::new(0)), Some((&b"kept"[..], 0, 0)));
    }
}
