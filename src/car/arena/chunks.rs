//! Taking an arena apart, chunk by chunk.

use super::{Arena, Chunk};
use crate::car::{Placement, Section};

impl Arena {
    /// Takes out all chunks but the last.
    pub(crate) fn take_front(&mut self) -> Vec<Chunk> {
        let last = self.chunks.pop();
        let front = core::mem::take(&mut self.chunks);
        self.chunks.extend(last);
        self.closed = 0;
        front
    }

    /// Renumbers placements from 0, in the one chunk that is left. Returns by how much they move
    /// down.
    pub(crate) fn renumber(&mut self) -> u64 {
        let moved = self.chunks.last_mut().map_or(0, |last| core::mem::take(&mut last.start));
        self.units = Vec::new();
        self.cover();
        moved
    }

    /// Returns the chunks.
    pub(crate) fn into_chunks(self) -> Vec<Chunk> {
        self.chunks
    }

    /// Returns the last chunk.
    pub(crate) fn last(&self) -> Option<&Chunk> {
        self.chunks.last()
    }
}

impl Chunk {
    /// Returns the filled bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.filled).unwrap_or_default()
    }

    /// Returns the offset of the chunk.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Returns the sections in the chunk, from the one at `first` on if that is in it.
    pub(crate) fn sections(&self, first: Placement) -> impl Iterator<Item = Section<'_>> {
        let mut at = first.max(Placement::new(self.start));
        core::iter::from_fn(move || {
            let (section, next) = self.section_at(at)?;
            at = next;
            Some(section)
        })
    }
}
