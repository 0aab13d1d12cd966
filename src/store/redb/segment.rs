//! Segments: the values that blocks lie in, many together, in the order of the CAR.
//!
//! ```text
//! 8 bytes   offset of the first section in the CAR, little-endian
//! block     as `packed` has it; then the next
//! ```

use super::super::packed::{Packed, State};
use crate::cid::Cid;

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

    /// Begins another segment. A buffer that one huge block needed is not kept for the usual ones.
    pub(super) fn clear(&mut self, usual: usize) {
        self.bytes.clear();
        self.bytes.shrink_to(usual);
    }
}

/// The blocks of a segment, and where each stands in it. Ends where the bytes are not those of a
/// segment.
pub(super) fn blocks(segment: &[u8]) -> impl Iterator<Item = (usize, Packed<'_>)> {
    let base = base(segment);
    let mut at = BASE_LEN;
    core::iter::from_fn(move || {
        let (packed, next) = Packed::read(segment, at, base?)?;
        Some((core::mem::replace(&mut at, next), packed))
    })
}

/// Whether a segment has one block and nothing else.
pub(super) fn is_one_block(segment: &[u8]) -> bool {
    let first = base(segment).and_then(|base| Packed::read(segment, BASE_LEN, base));
    first.is_some_and(|(_, next)| next == segment.len())
}

/// The block that stands at `at`.
#[inline]
pub(super) fn block_at(segment: &[u8], at: usize) -> Option<Packed<'_>> {
    Packed::read(segment, at, base(segment)?).map(|(packed, _)| packed)
}

/// The block of a CID: of several a good one, else the first.
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
