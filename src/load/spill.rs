//! Sinks into a spill file: for whole sections, and for the index of a CAR that stays in place.

use super::pipeline::{LoadState, Loading, Sink};
use crate::car::{Located, Placement, SliceReader, Source, changed};
use crate::error::{Error, Result};
use crate::store::contents::Contents;
use crate::store::packed::{Packed, State};
use crate::store::spill::{FinishedFile, SpillWriter, SpilledIndex, SpilledIndexWriter};
use crate::store::trust::Trust;

/// Copies sections into the segments of a spill file.
pub(super) struct SpillSink(pub(super) SpillWriter);

impl Sink for SpillSink {
    fn is_in_place(&self) -> bool {
        false
    }

    fn make_room(&mut self, _: &impl Source, _: bool, _: u64) -> Result<bool> {
        Ok(true)
    }

    fn room(&self) -> usize {
        0
    }

    fn note(&mut self, _: &impl Source, _: &Located) -> Result<()> {
        Err(misplaced())
    }

    fn take(&mut self, section: &Packed<'_>, at: Placement, _: u64) -> Result<Option<Placement>> {
        self.0.push(section)?;
        Ok(Some(at))
    }

    fn held(&self) -> u64 {
        0
    }
}

impl Loading<SpillSink> {
    /// Returns the file of a complete load.
    pub(super) fn into_file(self, source: &impl Source) -> Result<FinishedFile> {
        let Loading { sink: SpillSink(writer), state } = self;
        let sealed = writer.seal()?;
        let contents = state.finish(source, sealed.distinct_blocks())?;
        sealed.finish(contents)
    }
}

/// Enters sections that stay in the source into a spilled index.
pub(super) struct IndexSink {
    writer: SpilledIndexWriter,
    trust: Trust,
}

impl IndexSink {
    pub(super) fn new(writer: SpilledIndexWriter, trust: Trust) -> Self {
        IndexSink { writer, trust }
    }

    fn enter(&mut self, section: &Packed<'_>, at: Placement) -> Result<()> {
        // Of two blocks with one CID, the intact one has to be found.
        let is_good =
            self.trust != Trust::HashWhenReached || section.cid.verify(section.bytes).is_ok();
        self.writer.enter(&section.cid, is_good, at)
    }

    /// Enters the sections that were loaded before the sink was created.
    pub(super) fn replay(&mut self, state: &LoadState, source: &SliceReader<'_>) -> Result<()> {
        let (first, sections) = state.loaded();
        let mut next = first;
        for _ in 0..sections {
            let at = next.ok_or_else(changed)?;
            let (section, following) = source.section_and_next(at).ok_or_else(changed)?;
            self.enter(&Packed::of(section, State::Original), at)?;
            next = Some(following);
        }
        Ok(())
    }
}

impl Sink for IndexSink {
    fn is_in_place(&self) -> bool {
        true
    }

    fn make_room(&mut self, _: &impl Source, _: bool, _: u64) -> Result<bool> {
        Ok(true)
    }

    fn room(&self) -> usize {
        usize::MAX
    }

    fn note(&mut self, source: &impl Source, section: &Located) -> Result<()> {
        self.enter(&Packed::of(section.section(source)?, State::Original), section.at)
    }

    fn take(&mut self, _: &Packed<'_>, _: Placement, _: u64) -> Result<Option<Placement>> {
        Err(misplaced())
    }

    fn held(&self) -> u64 {
        0
    }
}

impl Loading<IndexSink> {
    /// Returns the index and the contents of a complete load.
    pub(super) fn into_index(self, source: &impl Source) -> Result<(SpilledIndex, Contents)> {
        let Loading { sink, state } = self;
        let (index, distinct_blocks) = sink.writer.finish()?;
        Ok((index, state.finish(source, distinct_blocks)?))
    }
}

/// The pipeline calls `note` only for sinks in place, and `take` only for others.
#[cold]
fn misplaced() -> Error {
    debug_assert!(false, "a sink was given a section of the wrong kind");
    Error::store("a sink was given a section of the wrong kind")
}
