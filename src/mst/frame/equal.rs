//! What two nodes have in common, found by comparing bytes.

use super::Frame;
use crate::mst::layout::cid_bytes_at;

impl<B: AsRef<[u8]>> Frame<B> {
    /// Passes the links and entries that come next in both nodes and are equal, if the nodes are on
    /// one layer and agree so far. The subtrees of equal links are skipped.
    pub(in crate::mst) fn pass_equal<C: AsRef<[u8]>>(&mut self, other: &mut Frame<C>) {
        let is_between = !self.has_next_key && !other.has_next_key && self.layer == other.layer;
        if !is_between || self.buffers.key.as_bytes() != other.buffers.key.as_bytes() {
            return;
        }
        while self.has_equal_link(other) {
            (self.cursor.link_at, other.cursor.link_at) = (None, None);
            if !self.pass_equal_entry(other) {
                return;
            }
        }
    }

    /// Returns whether the next links are equal, or both null.
    #[inline]
    fn has_equal_link<C: AsRef<[u8]>>(&self, other: &Frame<C>) -> bool {
        match (self.cursor.link_at, other.cursor.link_at) {
            (Some(own), Some(others)) => {
                let own = cid_bytes_at(self.block.as_ref(), own);
                own.is_some() && own == cid_bytes_at(other.block.as_ref(), others)
            }
            (own, others) => own == others,
        }
    }

    /// Passes the next entries if they are equal. Returns whether they were.
    #[inline]
    fn pass_equal_entry<C: AsRef<[u8]>>(&mut self, other: &mut Frame<C>) -> bool {
        let (Some((number, entry)), Some((others_number, others))) = (
            self.cursor.next_entry(&self.buffers.layout),
            other.cursor.next_entry(&other.buffers.layout),
        ) else {
            return false;
        };
        let (block, others_block) = (self.block.as_ref(), other.block.as_ref());
        let (prefix_len, suffix) = (entry.prefix_len(), entry.suffix(block));
        let record = cid_bytes_at(block, entry.value_at());
        let is_equal = prefix_len == others.prefix_len()
            && suffix == others.suffix(others_block)
            && record.is_some()
            && record == cid_bytes_at(others_block, others.value_at());
        if is_equal {
            self.buffers.key.advance(prefix_len, suffix);
            other.buffers.key.advance(prefix_len, suffix);
            self.cursor.pass(&self.buffers.layout, number, entry);
            other.cursor.pass(&other.buffers.layout, others_number, others);
        }
        is_equal
    }
}
