//! A CAR that came as a stream and stays in memory.

use core::fmt;
use std::io::Read;

use super::index::{Index, Match, Notes};
use super::intake::{Intake, check_place};
use super::loading::{Contents, Loading, Sink, out_of_place};
use super::packed::{self, Packed, State};
use super::{BlockStore, CarStats, CarStore, Found, Verification};
use crate::car::arena::Arena;
use crate::car::{Header, Reader, SectionHead, Source};
use crate::cid::Cid;
use crate::error::{Error, Result};

/// The blocks of a CAR that was read from a stream, in a few large chunks.
///
/// These are the chunks that the stream was read into. Takes the CAR's length and 10 bytes a block.
/// With a process function, what that leaves of the blocks is in chunks of its own, with some 4
/// bytes a block more.
pub struct MemoryStore {
    arena: Arena,
    is_packed: bool,
    /// Whether good blocks were hashed, if they were packed.
    is_hashed: bool,
    index: Index,
    contents: Contents,
}

/// Takes sections into memory: only notes them where they are, or packs them into an arena of its
/// own.
pub(crate) struct MemorySink {
    notes: Notes,
    /// Once there are no more sections.
    index: Option<Index>,
    packed: Option<Arena>,
    verification: Verification,
    head: Vec<u8>,
}

impl MemorySink {
    pub(crate) fn new(in_place: bool, verification: Verification) -> Self {
        let packed = (!in_place).then(Arena::default);
        MemorySink { notes: Notes::new(), index: None, packed, verification, head: Vec::new() }
    }

    /// The section at a place that was taken in.
    pub(crate) fn section_at<'a>(
        &'a self,
        source: &'a impl Source,
        place: u64,
    ) -> Option<Packed<'a>> {
        section_at(self.packed.as_ref(), source, place)
    }

    /// Makes the index, if it is not there; false if that takes too much memory.
    fn index(&mut self, source: &impl Source, memory_limit: u64) -> bool {
        let fits =
            self.index.is_some() || self.notes.index_len() <= self.allowance(source, memory_limit);
        if fits {
            self.index = Some(self.take_index(source));
        }
        fits
    }

    /// The index, which is made if it is not there.
    fn take_index(&mut self, source: &impl Source) -> Index {
        let MemorySink { notes, index, packed, verification, .. } = self;
        let compare = |old, new| compare(packed.as_ref(), source, *verification, old, new);
        index.take().unwrap_or_else(|| notes.index(compare))
    }

    /// Bytes of memory that more may take, the source's included.
    fn allowance(&self, source: &impl Source, memory_limit: u64) -> u64 {
        memory_limit.saturating_sub(source.held()).saturating_sub(self.held())
    }

    /// The arena if blocks were packed.
    #[cfg(feature = "redb")]
    pub(super) fn into_packed(self) -> Option<Arena> {
        self.packed
    }

    /// The index, and the arena if blocks were packed.
    pub(super) fn finish(mut self, source: &impl Source) -> (Index, Option<Arena>) {
        (self.take_index(source), self.packed)
    }
}

impl Sink for MemorySink {
    fn is_in_place(&self) -> bool {
        self.packed.is_none()
    }

    #[inline]
    fn make_room(&mut self, source: &impl Source, at_end: bool, memory_limit: u64) -> Result<bool> {
        if at_end {
            return Ok(self.index(source, memory_limit));
        }
        Ok(self.notes.room() > 0 || self.notes.make_room(self.allowance(source, memory_limit)))
    }

    #[inline]
    fn room(&self) -> usize {
        self.notes.room()
    }

    #[inline]
    fn note(&mut self, _: &impl Source, cid: &Cid, place: u64) -> Result<()> {
        self.notes.note(cid, place);
        Ok(())
    }

    #[inline]
    fn take(&mut self, section: &Packed<'_>, _: u64, allowance: u64) -> Result<Option<u64>> {
        let MemorySink { notes, packed, head, .. } = self;
        let arena = packed.as_mut().ok_or_else(out_of_place)?;
        let place = pack(arena, head, section, allowance.saturating_sub(notes.held()))?;
        if let Some(place) = place {
            notes.note(&section.cid, place);
        }
        Ok(place)
    }

    #[inline]
    fn held(&self) -> u64 {
        let packed = self.packed.as_ref().map_or(0, Arena::held);
        let index = self.index.as_ref().map_or(0, Index::held);
        self.notes.held().saturating_add(index).saturating_add(packed)
    }
}

/// Copies a section, and tells its place in the index. `None` if that takes too much memory.
#[inline(never)]
fn pack(
    arena: &mut Arena,
    head: &mut Vec<u8>,
    section: &Packed<'_>,
    allowance: u64,
) -> Result<Option<u64>> {
    let len = section.bytes.len().saturating_add(packed::MAX_HEAD_LEN);
    let Some((at, base)) = arena.reserve(len, section.offset, allowance)? else {
        return Ok(None);
    };
    // A function may make more of records than they were. In the index a place is one more.
    check_place(at.saturating_add(1), || Some(section.offset))?;
    head.clear();
    section.write_head(base, head);
    arena.write(head);
    arena.write(section.bytes);
    Ok(Some(at.saturating_add(1)))
}

impl MemoryStore {
    /// Reads a CAR to its end, hashes every block, and indexes them, by the default limits.
    ///
    /// For CARs that hold no commit; [`Repo::from_reader`](crate::Repo::from_reader) opens
    /// repositories.
    ///
    /// # Errors
    ///
    /// Those of [`Reader`], and `HashMismatch` for a block that does not have its CID.
    pub fn new<R: Read>(input: R) -> Result<Self> {
        let mut intake = Intake::default();
        let mut reader = Reader::keeping(input, intake.limits.clone())?;
        let mut loading = Loading::new(MemorySink::new(true, intake.verification));
        loading.go_to_end(&mut reader, &mut intake, None)?;
        Self::finish(reader, loading)
    }

    /// The store of a load that came to its end.
    pub(crate) fn finish<R: Read>(reader: Reader<R>, loading: Loading<MemorySink>) -> Result<Self> {
        let is_hashed = loading.sink.verification != Verification::DangerouslyNone;
        let (index, packed) = loading.sink.finish(&reader);
        let contents = loading.progress.finish(&reader, index.len() as u64)?;
        let is_packed = packed.is_some();
        let arena = packed.unwrap_or_else(|| reader.into_arena());
        Ok(MemoryStore { arena, is_packed, is_hashed, index, contents })
    }

    #[inline]
    fn find(&self, cid: &Cid) -> Option<Found<&[u8]>> {
        self.index.find(cid, |place| {
            if self.is_packed {
                return packed_at(&self.arena, place)
                    .filter(|packed| packed.cid == *cid)
                    .map(|packed| packed.found(self.is_hashed));
            }
            let (block, offset) = self.arena.block_at(place, cid)?;
            Some(Found::new(block).at(offset))
        })
    }
}

#[inline]
fn section_at<'a>(
    packed: Option<&'a Arena>,
    source: &'a impl Source,
    place: u64,
) -> Option<Packed<'a>> {
    if let Some(arena) = packed {
        return packed_at(arena, place);
    }
    let section = source.section_at(place)?;
    Some(Packed {
        offset: section.offset(),
        cid: section.cid(),
        state: State::Raw,
        bytes: section.block(),
    })
}

/// How the section at `new` stands to that at `old`, which came before.
///
/// Sections that were not hashed may not have the CIDs that they name. Of two that name the same,
/// the good one is kept. The later one is hashed first: it pays for that with its own bytes,
/// however often the earlier one is repeated.
fn compare(
    packed: Option<&Arena>,
    source: &impl Source,
    verification: Verification,
    old: u64,
    new: u64,
) -> Match {
    let (Some(old), Some(new)) = (section_at(packed, source, old), section_at(packed, source, new))
    else {
        return Match::Other;
    };
    let was_hashed = packed.is_some() || verification != Verification::ReachedBlocks;
    let is_good = |section: &Packed<'_>| {
        if was_hashed { section.state != State::Bad } else { section.verify().is_ok() }
    };
    if old.cid != new.cid {
        Match::Other
    } else if verification == Verification::ReachedBlocks && is_good(&new) && !is_good(&old) {
        Match::Better
    } else {
        Match::Repeat
    }
}

/// The packed block of a place in the index, which is one more than that in the arena: 0 is none.
#[inline]
fn packed_at(arena: &Arena, place: u64) -> Option<Packed<'_>> {
    let (bytes, at, base) = arena.chunk_at(place.checked_sub(1)?)?;
    Packed::read(bytes, at, base).map(|(packed, _)| packed)
}

impl BlockStore for MemoryStore {
    type Block<'a> = &'a [u8];

    #[inline]
    fn get(&self, cid: &Cid) -> Result<Option<Found<&[u8]>>> {
        Ok(self.find(cid))
    }

    fn contains(&self, cid: &Cid) -> Result<bool> {
        Ok(self.find(cid).is_some())
    }

    fn prefetch(&self, cids: &[Cid]) {
        let first = u64::from(self.is_packed);
        self.index.prefetch(cids, |place| self.arena.bytes_at(place.saturating_sub(first)));
    }
}

impl CarStore for MemoryStore {
    fn header(&self) -> &Header {
        &self.contents.header
    }

    fn stats(&self) -> CarStats {
        self.contents.stats
    }

    fn fault(&self) -> Option<&Error> {
        self.contents.fault.as_ref()
    }

    fn sections(&self) -> impl Iterator<Item = Result<SectionHead>> {
        let mut place = self.contents.first;
        core::iter::from_fn(move || {
            let at = place?;
            let (head, next) = if self.is_packed {
                let at = at.checked_sub(1)?;
                let (bytes, start, base) = self.arena.chunk_at(at)?;
                let (packed, end) = Packed::read(bytes, start, base)?;
                (packed.head(), self.arena.place_at(at, end).and_then(|next| next.checked_add(1)))
            } else {
                (self.arena.section_at(at)?.head(), self.arena.place_after(at))
            };
            place = next;
            Some(Ok(head))
        })
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("MemoryStore");
        debug.field("arena", &self.arena).field("contents", &self.contents).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::car::SliceReader;

    /// As of a mapped file that somebody else wrote: an index must not take them for copies of each
    /// other.
    #[test]
    fn sections_that_are_there_no_more_are_like_no_other() {
        let car = include_bytes!("../../samples/repo.car");
        let source = SliceReader::new(car).unwrap();
        let first = SliceReader::new(car).unwrap().next().unwrap().unwrap().offset();
        for verification in [Verification::EveryBlock, Verification::ReachedBlocks] {
            let compare = |old, new| compare(None, &source, verification, old, new);
            assert_eq!(compare(first, first), Match::Repeat);
            for gone in [car.len() as u64, u64::MAX] {
                assert_eq!(
                    [compare(first, gone), compare(gone, first), compare(gone, gone)],
                    [Match::Other; 3]
                );
            }
        }
    }

    #[test]
    fn bytes_that_are_borrowed_take_no_memory() {
        let source = SliceReader::new(include_bytes!("../../samples/repo.car")).unwrap();
        let sink = MemorySink::new(true, Verification::EveryBlock);
        assert_eq!(sink.allowance(&source, 1 << 20), (1 << 20) - sink.held());
    }
}
