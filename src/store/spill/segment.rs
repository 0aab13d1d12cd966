//! Segments: values with many blocks each, in the order of the CAR.
//!
//! ```text
//! 8 bytes   offset of the first section in the CAR, little-endian
//! blocks    one after the other, in the form of `packed`
//! ```

use crate::cid::Cid;
use crate::store::packed::{Packed, State};

/// Bytes before the blocks.
const BASE_LEN: usize = 8;

/// Collects blocks for a segment.
#[derive(Default)]
pub(super) struct SegmentBuilder {
    bytes: Vec<u8>,
    base: u64,
}

impl SegmentBuilder {
    pub(super) fn push(&mut self, packed: &Packed<'_>) {
        if self.bytes.is_empty() {
            self.base = packed.offset;
            self.bytes.extend_from_slice(&self.base.to_le_bytes());
        }
        packed.write_head(self.base, &mut self.bytes);
        self.bytes.extend_from_slice(packed.bytes);
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Begins another segment. A buffer that one long block needed is not kept for the usual ones.
    pub(super) fn clear(&mut self, usual: usize) {
        self.bytes.clear();
        self.bytes.shrink_to(usual);
    }
}

/// The blocks of a segment and their positions. Ends where the bytes are not those of a segment.
pub(super) struct Blocks<'a> {
    segment: &'a [u8],
    at: usize,
    base: Option<u64>,
}

impl Blocks<'_> {
    /// Returns whether the bytes up to the end were blocks. To be called after the last block.
    pub(super) fn is_whole(&self) -> bool {
        self.base.is_some() && self.at == self.segment.len()
    }
}

impl<'a> Iterator for Blocks<'a> {
    type Item = (usize, Packed<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let (packed, next) = Packed::read(self.segment, self.at, self.base?)?;
        Some((core::mem::replace(&mut self.at, next), packed))
    }
}

/// Returns whether a segment has one block and nothing else.
pub(super) fn is_one_block(segment: &[u8]) -> bool {
    let mut blocks = blocks(segment);
    blocks.next().is_some() && blocks.is_whole()
}

pub(super) fn blocks(segment: &[u8]) -> Blocks<'_> {
    Blocks { segment, at: BASE_LEN, base: base(segment) }
}

/// Returns the block at a position.
#[inline]
pub(super) fn block_at(segment: &[u8], at: usize) -> Option<Packed<'_>> {
    Packed::read(segment, at, base(segment)?).map(|(packed, _)| packed)
}

/// Returns the block of a CID: of several a good one, else the first.
pub(super) fn find<'a>(segment: &'a [u8], cid: &Cid) -> Option<Packed<'a>> {
    let mut same = blocks(segment).map(|(_, packed)| packed).filter(|packed| packed.cid == *cid);
    let first = same.next()?;
    if first.state == State::Bad {
        same.find(|packed| packed.state != State::Bad).or(Some(first))
    } else {
        Some(first)
    }
}

#[inline]
fn base(segment: &[u8]) -> Option<u64> {
    segment.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
}
