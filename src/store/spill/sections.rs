//! The sections of a spilled CAR in the order of the CAR.
//!
//! The segments of one group are in that order. Those of different groups overlap, so they are
//! merged by the offsets of their sections.

use core::iter::Peekable;
use std::vec::IntoIter;

use super::open_segments::Shared;
use super::segment;
use crate::budget::MAX_GROUPS;
use crate::car::SectionHead;
use crate::error::{Error, Result};
use crate::store::CarStats;

/// The heads of a segment's sections, each with the lowest offset at which the section can end.
type Heads = Peekable<IntoIter<(SectionHead, u64)>>;

/// An iterator over the heads of all sections. Segments are numbered in the order of their first
/// sections.
pub(super) struct Sections<F> {
    read: F,
    /// The number of the next segment to read.
    number: u32,
    segments: u32,
    /// The segments that are read at present: one of each group, and one that was read ahead.
    begun: Vec<Heads>,
    stats: CarStats,
    /// Number of sections that were returned.
    count: u64,
    /// The lowest possible offset of the next section.
    least_offset: u64,
    is_over: bool,
}

impl<F: Fn(u32) -> Result<Shared>> Sections<F> {
    pub(super) fn new(segments: u32, stats: CarStats, read: F) -> Self {
        Sections {
            read,
            number: 0,
            segments,
            begun: Vec::new(),
            stats,
            count: 0,
            least_offset: 0,
            is_over: false,
        }
    }

    /// Reads segments until the last one begins after the next section.
    fn begin_more(&mut self) -> Result<()> {
        while self.number < self.segments
            && self.first().is_none_or(|(at, _)| at.saturating_add(1) == self.begun.len())
        {
            let segment = (self.read)(self.number)?;
            self.number = self.number.saturating_add(1);
            let mut blocks = segment::blocks(segment.value());
            let heads: Vec<_> =
                blocks.by_ref().map(|(_, packed)| (packed.head(), packed.min_end())).collect();
            blocks.check_end()?;
            let is_empty = heads.is_empty();
            self.begun.push(heads.into_iter().peekable());
            // Otherwise a forged file could make this read all segments into memory.
            if is_empty || self.begun.len() > MAX_GROUPS.saturating_add(1) {
                return Err(unordered());
            }
        }
        Ok(())
    }

    /// Returns which of these segments has the next section, and the offset of the section.
    fn first(&mut self) -> Option<(usize, u64)> {
        let offset = |heads: &mut Heads| heads.peek().map_or(u64::MAX, |(head, _)| head.offset());
        self.begun.iter_mut().map(offset).enumerate().min_by_key(|&(_, offset)| offset)
    }

    fn advance(&mut self) -> Result<Option<SectionHead>> {
        self.begin_more()?;
        let Some((at, offset)) = self.first() else {
            return if self.count == self.stats.sections {
                Ok(None)
            } else {
                Err(Error::damaged("it does not have as many sections as its description says"))
            };
        };
        let next = self.begun.get_mut(at).and_then(Iterator::next);
        debug_assert!(next.is_some(), "the section was peeked at");
        let Some((head, end)) = next else { return Ok(None) };
        self.begun.retain_mut(|heads| heads.peek().is_some());
        // Callers allocate sets for the length of the CAR and fill them with offsets.
        if offset < self.least_offset {
            return Err(unordered());
        }
        if end > self.stats.bytes {
            return Err(beyond_car());
        }
        self.least_offset = end;
        self.count = self.count.saturating_add(1);
        Ok(Some(head))
    }
}

/// Returns the error for a section beyond the length in the description.
#[cold]
pub(super) fn beyond_car() -> Error {
    Error::damaged("a section is beyond the end of the CAR")
}

#[cold]
fn unordered() -> Error {
    Error::damaged("its segments are not in order")
}

/// Returns no items after an error.
impl<F: Fn(u32) -> Result<Shared>> Iterator for Sections<F> {
    type Item = Result<SectionHead>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let next = self.advance();
        self.is_over = !matches!(next, Ok(Some(_)));
        next.transpose()
    }
}
