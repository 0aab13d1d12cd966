//! Sets of segments with repeated blocks.

use super::index_entry::MAX_SEGMENT;

/// The set of segments with a block whose CID is found in another segment, as a bit for each
/// segment.
#[derive(Default)]
pub(super) struct Repeats(Vec<u8>);

impl Repeats {
    pub(super) fn insert(&mut self, segment: u64) {
        debug_assert!(segment <= MAX_SEGMENT, "no segment has such a number");
        let at = usize::try_from(segment.min(MAX_SEGMENT) / 8).unwrap_or(0);
        if self.0.len() <= at {
            self.0.resize(at.saturating_add(1), 0);
        }
        if let Some(byte) = self.0.get_mut(at) {
            *byte |= 1 << (segment % 8);
        }
    }

    pub(super) fn contains(&self, segment: u64) -> bool {
        let byte = usize::try_from(segment / 8).ok().and_then(|at| self.0.get(at));
        byte.is_some_and(|byte| byte >> (segment % 8) & 1 == 1)
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns the set with these bytes, or `None` if they have bits for more than `segments`.
    pub(super) fn from_bytes(bytes: &[u8], segments: u32) -> Option<Self> {
        let max_len = u64::from(segments).div_ceil(8);
        (bytes.len() as u64 <= max_len).then(|| Repeats(bytes.to_vec()))
    }
}
