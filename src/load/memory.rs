//! The sink into memory: sections stay where they were read, or are packed into an arena.

use std::io::Read;

#[cfg(feature = "redb")]
use super::pipeline::LoadState;
use super::pipeline::{Loading, Sink};
use crate::car::arena::Arena;
use crate::car::{Located, Placement, Reader, Source};
use crate::error::{Error, Result};
use crate::store::MemoryStore;
use crate::store::contents::Contents;
use crate::store::index::{Index, Match, Notes, check_placement};
use crate::store::memory::{Blocks, packed_at};
use crate::store::packed::{self, Packed, State};
#[cfg(feature = "redb")]
use crate::store::spill::SpillWriter;
use crate::store::trust::Trust;

/// Notes or packs sections in memory.
pub(super) struct MemorySink {
    notes: Notes,
    /// `None` until there are no more sections.
    index: Option<Index>,
    /// Where blocks are packed; `None` if sections stay in the source.
    packed: Option<Arena>,
    trust: Trust,
    /// The head of the block that is packed next.
    head: Vec<u8>,
}

impl MemorySink {
    pub(super) fn new(in_place: bool, trust: Trust, notes: Notes) -> Self {
        let packed = (!in_place).then(Arena::default);
        MemorySink { notes, index: None, packed, trust, head: Vec::new() }
    }

    /// Returns the index, and makes it first if necessary.
    fn take_index(&mut self, source: &impl Source) -> Index {
        let MemorySink { notes, index, packed, trust, .. } = self;
        let compare = |old, new| compare(packed.as_ref(), source, *trust, old, new);
        index.take().unwrap_or_else(|| notes.index(compare))
    }
}

impl Sink for MemorySink {
    fn is_in_place(&self) -> bool {
        self.packed.is_none()
    }

    #[inline]
    fn make_room(&mut self, source: &impl Source, at_end: bool, allowance: u64) -> Result<bool> {
        if !at_end {
            return Ok(self.notes.room() > 0 || self.notes.make_room(allowance));
        }
        // A load that has read everything can still be suspended here.
        let fits = self.index.is_some() || self.notes.index_len() <= allowance;
        if fits {
            self.index = Some(self.take_index(source));
        }
        Ok(fits)
    }

    #[inline]
    fn room(&self) -> usize {
        self.notes.room()
    }

    #[inline]
    fn note(&mut self, source: &impl Source, section: &Located) -> Result<()> {
        check_placement(section.at, || Some(source.offset_of(section.at)))?;
        self.notes.note(&section.cid, section.at);
        Ok(())
    }

    #[inline]
    fn take(
        &mut self,
        section: &Packed<'_>,
        _: Placement,
        allowance: u64,
    ) -> Result<Option<Placement>> {
        let MemorySink { notes, packed, head, .. } = self;
        let arena = packed.as_mut().ok_or_else(not_in_place)?;
        let at = pack(arena, head, section, allowance)?;
        if let Some(at) = at {
            notes.note(&section.cid, at);
        }
        Ok(at)
    }

    #[inline]
    fn held(&self) -> u64 {
        let packed = self.packed.as_ref().map_or(0, Arena::held);
        let index = self.index.as_ref().map_or(0, Index::held);
        self.notes.held().saturating_add(index).saturating_add(packed)
    }
}

#[cold]
fn not_in_place() -> Error {
    debug_assert!(false, "a section that stays in the source was copied");
    Error::store("a section that stays in the source was copied")
}

/// Copies a section and returns its placement. `None` if that takes more than `allowance` bytes.
#[inline(never)]
fn pack(
    arena: &mut Arena,
    head: &mut Vec<u8>,
    section: &Packed<'_>,
    allowance: u64,
) -> Result<Option<Placement>> {
    let len = section.bytes.len().saturating_add(packed::MAX_HEAD_LEN);
    let allowance = arena.held().saturating_add(allowance);
    let Some((at, base)) = arena.reserve(len, section.offset, allowance)? else {
        return Ok(None);
    };
    // Processed values may be longer than their records, so the arena may exceed `MAX_CAR_LEN`.
    check_placement(at, || Some(section.offset))?;
    head.clear();
    section.write_head(base, head);
    arena.write(head);
    arena.write(section.bytes);
    Ok(Some(at))
}

#[inline]
fn section_at<'a>(
    packed: Option<&'a Arena>,
    source: &'a impl Source,
    at: Placement,
) -> Option<Packed<'a>> {
    match packed {
        Some(arena) => packed_at(arena, at),
        None => Some(Packed::of(source.section_at(at)?, State::Original)),
    }
}

/// Compares the section at `new` with the one at `old`, which came before.
///
/// Sections that were not hashed may not have their CIDs. Of two with one CID, the intact one has
/// to be found.
fn compare(
    packed: Option<&Arena>,
    source: &impl Source,
    trust: Trust,
    old: Placement,
    new: Placement,
) -> Match {
    let (Some(old), Some(new)) = (section_at(packed, source, old), section_at(packed, source, new))
    else {
        return Match::Other;
    };
    if old.cid != new.cid {
        return Match::Other;
    }
    let is_good = |section: &Packed<'_>| {
        // Packed blocks were hashed when they were copied.
        if packed.is_some() { section.state != State::Bad } else { section.verify().is_ok() }
    };
    // Equal bytes are equally good, so they are not hashed. Otherwise the later section is hashed
    // first, and the earlier one only if it is intact: the work is proportional to the input.
    let is_better = trust == Trust::HashWhenReached
        && (old.state, old.bytes) != (new.state, new.bytes)
        && is_good(&new)
        && !is_good(&old);
    if is_better { Match::Better } else { Match::Repeat }
}

impl Loading<MemorySink> {
    /// Returns the first section with the CID of the commit, if it is loaded.
    pub(super) fn commit<'a, R>(&'a self, reader: &'a Reader<R>) -> Option<Packed<'a>> {
        let at = self.state.commit()?;
        match &self.sink.packed {
            Some(arena) => packed_at(arena, at),
            None => Some(Packed::of(reader.section(at)?, State::Original)),
        }
    }

    /// Returns the index and the contents of a complete load whose sections stay in the source.
    pub(super) fn into_index(self, source: &impl Source) -> Result<(Index, Contents)> {
        let (index, _, contents) = self.into_parts(source)?;
        Ok((index, contents))
    }

    /// Returns the store of a complete load.
    pub(super) fn into_store<R: Read>(self, reader: Reader<R>) -> Result<MemoryStore> {
        let trust = self.sink.trust;
        let (index, packed, contents) = self.into_parts(&reader)?;
        Ok(match packed {
            Some(arena) => {
                MemoryStore::of(Blocks::Packed(arena), trust.once_copied(), index, contents)
            }
            None => MemoryStore::of(Blocks::Sections(reader.into_arena()), trust, index, contents),
        })
    }

    fn into_parts(self, source: &impl Source) -> Result<(Index, Option<Arena>, Contents)> {
        let Loading { mut sink, state } = self;
        let index = sink.take_index(source);
        let contents = state.finish(source, index.len() as u64)?;
        Ok((index, sink.packed, contents))
    }

    /// Moves all loaded sections into a spill file, in the order of the CAR, and frees their memory
    /// chunk by chunk. Returns the state of the load.
    #[cfg(feature = "redb")]
    pub(super) fn move_into<R: Read>(
        self,
        writer: &mut SpillWriter,
        reader: &mut Reader<R>,
    ) -> Result<LoadState> {
        let Loading { sink, mut state } = self;
        let trust = sink.trust;
        if let Some(arena) = sink.packed {
            for chunk in arena.into_chunks() {
                let mut at = 0;
                while let Some((packed, next)) = Packed::read(chunk.bytes(), at, chunk.offset()) {
                    writer.push(&packed)?;
                    at = next;
                }
            }
            return Ok(state);
        }
        let (first, mut left) = state.loaded();
        let moved = reader.release(first, |section| {
            // The reader may have framed one more section, which is not loaded yet.
            if left == 0 {
                return Ok(());
            }
            left = left.saturating_sub(1);
            let is_bad = trust == Trust::HashWhenReached && section.verify().is_err();
            writer.push(&Packed::of(section, if is_bad { State::Bad } else { State::Original }))
        })?;
        debug_assert!(left == 0, "every loaded section was moved");
        state.move_down(moved);
        Ok(state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::car::{SliceReader, Writer};
    use crate::cid::{Cid, Codec};
    use crate::load::open::Load;
    use crate::sha256::hashed;
    use crate::store::{BlockStore, SliceStore};
    use crate::{Loader, Verification};

    const CAR: &[u8] = include_bytes!("../../samples/repo.car");

    /// Loads a CAR with `ReachedBlocks`, and returns how many blocks were hashed.
    fn load(bytes: Vec<u8>) -> (SliceStore<Vec<u8>>, usize) {
        let loader = Loader::new().verification(Verification::ReachedBlocks);
        let load = Load::slice(&bytes, &loader, u64::MAX, Notes::new()).unwrap();
        let (hashed, (index, contents, opening)) = hashed::counted(|| load.into_index().unwrap());
        (SliceStore::of(bytes, index, opening.trust, contents), hashed.messages)
    }

    const GOOD: &[u8] = b"\xa1\x61a\x01";

    /// A CAR in which sections with these bytes have the CID of `GOOD`, between two other sections.
    /// Returns also the offsets of the former.
    fn copies<'b>(blocks: impl IntoIterator<Item = &'b [u8]>) -> (Vec<u8>, Vec<u64>) {
        let cid = good();
        let mut car = Writer::new(Vec::new(), &[cid]).unwrap();
        car.write(Cid::of(Codec::DagCbor, b"\xa0"), b"\xa0").unwrap();
        let mut offsets = Vec::new();
        for block in blocks {
            offsets.push(car.bytes());
            car.write(cid, block).unwrap();
        }
        let last = b"\xa1\x61b\x02";
        car.write(Cid::of(Codec::DagCbor, last), last).unwrap();
        (car.finish().unwrap(), offsets)
    }

    fn good() -> Cid {
        Cid::of(Codec::DagCbor, GOOD)
    }

    #[test]
    fn equal_copies_of_a_block_are_not_hashed() {
        let (car, offsets) = copies([GOOD; 1000]);
        let (store, hashed) = load(car);
        assert_eq!(hashed, 0);
        let found = store.get(&good()).unwrap().unwrap();
        assert_eq!((found.bytes, found.offset), (GOOD, Some(offsets[0])));
    }

    #[test]
    fn a_damaged_copy_beside_good_ones_is_hashed_and_a_good_one_is_found() {
        let damaged: &[u8] = b"\xa1\x61a\x03";
        for at in [0, 1, 500, 999] {
            let blocks = (0..1000).map(|number| if number == at { damaged } else { GOOD });
            let (car, offsets) = copies(blocks);
            let (store, hashed) = load(car);
            // The later section, and the earlier one if the later is intact.
            assert_eq!(hashed, if at == 0 { 2 } else { 1 }, "{at}");
            let found = store.get(&good()).unwrap().unwrap();
            let first = offsets[usize::from(at == 0)];
            assert_eq!((found.bytes, found.offset), (GOOD, Some(first)), "{at}");
        }
        // Copies that are equally damaged are not hashed either.
        let (car, _) = copies(core::iter::repeat_n(damaged, 999).chain([GOOD]));
        let (store, hashed) = load(car);
        assert_eq!((hashed, store.get(&good()).unwrap().unwrap().bytes), (2, GOOD));
    }

    /// Sections can vanish if another process writes to a mapped file. An index must not take them
    /// for repeats of each other.
    #[test]
    fn sections_that_are_gone_equal_no_other() {
        let source = SliceReader::new(CAR).unwrap();
        let first = SliceReader::new(CAR).unwrap().next().unwrap().unwrap().offset();
        let p = Placement::from_bits;
        for trust in [Trust::Hashed, Trust::HashWhenReached] {
            let compare = |old, new| compare(None, &source, trust, p(old), p(new));
            assert_eq!(compare(first, first), Match::Repeat);
            for gone in [CAR.len() as u64, u64::MAX] {
                assert_eq!(
                    [compare(first, gone), compare(gone, first), compare(gone, gone)],
                    [Match::Other; 3]
                );
            }
        }
    }
}
