//! How an arena is taken apart, chunk by chunk.

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

    /// Lets placements begin with 0 again, in the one chunk that is left. Tells by how much they
    /// move.
    pub(crate) fn renumber(&mut self) -> u64 {
        let moved = self.chunks.last_mut().map_or(0, |last| core::mem::take(&mut last.start));
        self.units = Vec::new();
        self.cover();
        moved
    }

    /// The chunks.
    pub(crate) fn into_chunks(self) -> Vec<Chunk> {
        self.chunks
    }

    /// The last chunk.
    pub(crate) fn last(&self) -> Option<&Chunk> {
        self.chunks.last()
    }
}

impl Chunk {
    /// What was filled in.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.filled).unwrap_or_default()
    }

    /// The offset that goes with the chunk.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// The sections that were read into the chunk, from the one at `first` on, if that is in it.
    pub(crate) fn sections(&self, first: Placement) -> impl Iterator<Item = Section<'_>> {
        let mut at = first.max(Placement::new(self.start));
        core::iter::from_fn(move || {
            let (section, next) = self.section_at(at)?;
            at = next;
            Some(section)
        })
    }
}
