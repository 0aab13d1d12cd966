//! Segments: values of redb's with many blocks each, in the order of the CAR.
//!
//! ```text
//! 8 bytes   offset of the first section in the CAR, little-endian
//! blocks    packed blocks (`packed.rs`), one after the other
//! ```

use crate::cid::Cid;
use crate::error::{Error, Result};
use crate::store::packed::{MAX_HEAD_LEN, Packed, State};

/// Length of the offset before the blocks, in bytes.
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

    /// Removes all blocks, to begin another segment.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
    }
}

/// Returns a segment with one block. Allocates hardly more than its length, because the block may
/// be a long one.
pub(super) fn of_one(packed: &Packed<'_>) -> Vec<u8> {
    let max_len = BASE_LEN.saturating_add(MAX_HEAD_LEN).saturating_add(packed.bytes.len());
    let mut builder = SegmentBuilder { bytes: Vec::with_capacity(max_len), base: 0 };
    builder.push(packed);
    debug_assert!(builder.bytes.len() <= max_len, "a head has at most {MAX_HEAD_LEN} bytes");
    builder.bytes
}

/// An iterator over the blocks of a segment and their positions. Ends at invalid bytes.
pub(super) struct Blocks<'a> {
    segment: &'a [u8],
    at: usize,
    base: Option<u64>,
}

impl Blocks<'_> {
    /// Checks that the last block that was returned ends where the segment ends.
    pub(super) fn check_end(&self) -> Result<()> {
        if self.base.is_some() && self.at == self.segment.len() {
            Ok(())
        } else {
            Err(Error::damaged("a segment has bytes that are not a block"))
        }
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

/// Returns whether a segment consists of one block.
pub(super) fn is_one_block(segment: &[u8]) -> bool {
    let mut blocks = blocks(segment);
    blocks.next().is_some() && blocks.check_end().is_ok()
}

pub(super) fn blocks(segment: &[u8]) -> Blocks<'_> {
    Blocks { segment, at: BASE_LEN, base: base(segment) }
}

/// Returns the block at a position.
#[inline]
pub(super) fn block_at(segment: &[u8], at: usize) -> Option<Packed<'_>> {
    Packed::read(segment, at, base(segment)?).map(|(packed, _)| packed)
}

/// Returns the block of a CID: the first intact one, otherwise the first.
pub(super) fn find<'a>(segment: &'a [u8], cid: &Cid) -> Result<Option<Packed<'a>>> {
    let mut first_bad = None;
    let mut blocks = blocks(segment);
    for (_, packed) in blocks.by_ref().filter(|(_, packed)| packed.cid == *cid) {
        if packed.state != State::Bad {
            return Ok(Some(packed));
        }
        first_bad = first_bad.or(Some(packed));
    }
    blocks.check_end()?;
    Ok(first_bad)
}

#[inline]
fn base(segment: &[u8]) -> Option<u64> {
    segment.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
}
