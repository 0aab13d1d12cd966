//! The sections of a spilled CAR in its order, which the segments of each group have, but not those
//! of all.

use core::iter::Peekable;
use std::vec::IntoIter;

use super::cache::Shared;
use super::groups::MAX_GROUPS;
use super::segment;
use crate::car::SectionHead;
use crate::error::{Error, KeptFault, Result};

/// The heads of a segment's sections, and where each section ends at the earliest.
type Heads = Peekable<IntoIter<(SectionHead, u64)>>;

/// Merges segments by the offsets of their sections. Segments are numbered in the order of their
/// first ones.
pub(super) struct Sections<F> {
    read: F,
    /// The segment that is read next.
    number: u32,
    segments: u32,
    car_len: u64,
    /// Where the next section begins at the earliest.
    next: u64,
    /// Of each group the segment that is not at its end, and one that was read ahead.
    open: Vec<Heads>,
}

impl<F: Fn(u32) -> Result<Shared>> Sections<F> {
    /// The sections of so many segments, in a CAR of `car_len` bytes.
    pub(super) fn new(segments: u32, car_len: u64, read: F) -> Self {
        Sections { read, number: 0, segments, car_len, next: 0, open: Vec::new() }
    }

    /// Opens segments until the last begins after the section that comes next.
    fn open_more(&mut self) -> Result<()> {
        while self.number < self.segments
            && self.first().is_none_or(|(at, _)| at.saturating_add(1) == self.open.len())
        {
            let segment = (self.read)(self.number)?;
            self.number = self.number.saturating_add(1);
            let blocks = segment::blocks(segment.value());
            let heads: Vec<_> =
                blocks.map(|(_, packed)| (packed.head(), packed.min_end())).collect();
            let is_empty = heads.is_empty();
            self.open.push(heads.into_iter().peekable());
            if is_empty || self.open.len() > MAX_GROUPS.saturating_add(1) {
                return Err(in_no_order());
            }
        }
        Ok(())
    }

    /// The section that comes next, and which of the open segments has it.
    fn first(&mut self) -> Option<(usize, u64)> {
        let offset = |heads: &mut Heads| heads.peek().map_or(u64::MAX, |(head, _)| head.offset());
        let offsets = self.open.iter_mut().map(offset);
        offsets.enumerate().min_by_key(|&(_, offset)| offset)
    }

    /// Takes in that a section comes next, which must be in the CAR, and after the one before.
    fn check(&mut self, head: &SectionHead, end: u64) -> Result<()> {
        if head.offset() < self.next {
            return Err(in_no_order());
        }
        if end > self.car_len {
            return Err(beyond_car());
        }
        self.next = end;
        Ok(())
    }
}

#[cold]
fn in_no_order() -> Error {
    Error::kept(KeptFault::Damaged("its segments are in no order".into()))
}

/// A section of a file is not where its CAR can have it.
#[cold]
pub(super) fn beyond_car() -> Error {
    Error::kept(KeptFault::Damaged("a section is not within the CAR".into()))
}

impl<F: Fn(u32) -> Result<Shared>> Iterator for Sections<F> {
    type Item = Result<SectionHead>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Err(error) = self.open_more() {
            return Some(Err(error));
        }
        let (at, _) = self.first()?;
        let (head, end) = self.open.get_mut(at)?.next()?;
        self.open.retain_mut(|heads| heads.peek().is_some());
        Some(self.check(&head, end).map(|()| head))
    }
}
