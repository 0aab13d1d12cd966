//! The sections of a spilled CAR in its order, which the segments of each group have, but not those
//! of all.

use core::iter::Peekable;
use std::vec::IntoIter;

use super::cache::Shared;
use super::groups::MAX_GROUPS;
use super::segment;
use crate::car::SectionHead;
use crate::error::{Error, KeptFault, Result};

/// The heads of a segment's sections.
type Heads = Peekable<IntoIter<SectionHead>>;

/// Merges segments by the offsets of their sections. Segments are numbered in the order of their
/// first ones.
pub(super) struct Sections<F> {
    read: F,
    /// The segment that is read next.
    number: u32,
    segments: u32,
    /// Of each group the segment that is not at its end, and one that was read ahead.
    open: Vec<Heads>,
}

impl<F: Fn(u32) -> Result<Shared>> Sections<F> {
    pub(super) fn new(segments: u32, read: F) -> Self {
        Sections { read, number: 0, segments, open: Vec::new() }
    }

    /// Opens segments until the last begins after the section that comes next.
    fn open_more(&mut self) -> Result<()> {
        while self.number < self.segments
            && self.first().is_none_or(|(at, _)| at.saturating_add(1) == self.open.len())
        {
            let segment = (self.read)(self.number)?;
            self.number = self.number.saturating_add(1);
            let heads: Vec<_> =
                segment::blocks(segment.value()).map(|(_, packed)| packed.head()).collect();
            let is_empty = heads.is_empty();
            self.open.push(heads.into_iter().peekable());
            if is_empty || self.open.len() > MAX_GROUPS.saturating_add(1) {
                return Err(Error::kept(KeptFault::Damaged("its segments are in no order".into())));
            }
        }
        Ok(())
    }

    /// The section that comes next, and which of the open segments has it.
    fn first(&mut self) -> Option<(usize, u64)> {
        let offsets =
            self.open.iter_mut().map(|heads| heads.peek().map_or(u64::MAX, SectionHead::offset));
        offsets.enumerate().min_by_key(|&(_, offset)| offset)
    }
}

impl<F: Fn(u32) -> Result<Shared>> Iterator for Sections<F> {
    type Item = Result<SectionHead>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Err(error) = self.open_more() {
            return Some(Err(error));
        }
        let (at, _) = self.first()?;
        let head = self.open.get_mut(at)?.next();
        self.open.retain_mut(|heads| heads.peek().is_some());
        head.map(Ok)
    }
}
