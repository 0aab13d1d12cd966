//! The canonical encoding of a node, which is built entry by entry: the inverse of
//! [`layout`](super::layout).

use core::mem::take;

use crate::cbor::{ItemHead, put_link, put_nullable_link};
use crate::cid::Cid;
#[cfg(feature = "sync")]
use crate::reuse::Reuse;

/// A node to which entries are added in key order.
#[derive(Default)]
pub(super) struct NodeEncoder {
    /// The encoded entries. The last one ends before its field `t`.
    entries: Vec<u8>,
    count: usize,
    left: Option<Cid>,
    /// The record of the last entry.
    record: Option<Cid>,
}

impl NodeEncoder {
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Removes all entries, and frees memory beyond a fixed bound.
    #[cfg(feature = "sync")]
    pub(super) fn reset(&mut self) {
        self.entries.reset();
        (self.count, self.left, self.record) = (0, None, None);
    }

    /// Returns the length of the entries, in bytes. The block will be longer.
    pub(super) fn entries_len(&self) -> usize {
        self.entries.len()
    }

    /// Appends an entry. `subtree` is between it and the entry before it, or before it if it is the
    /// first.
    pub(super) fn entry(
        &mut self,
        subtree: Option<&Cid>,
        prefix_len: usize,
        suffix: &[u8],
        record: &Cid,
    ) {
        self.link(subtree);
        let out = &mut self.entries;
        out.extend_from_slice(b"\xa4\x61k");
        out.extend_from_slice(ItemHead::bytes(suffix.len()).as_bytes());
        out.extend_from_slice(suffix);
        out.extend_from_slice(b"\x61p");
        out.extend_from_slice(ItemHead::uint(prefix_len).as_bytes());
        self.record = Some(*record);
        self.count = self.count.saturating_add(1);
    }

    /// Sets the link after the last entry, or before the first.
    fn link(&mut self, subtree: Option<&Cid>) {
        match self.record.take() {
            Some(record) => {
                self.entries.extend_from_slice(b"\x61t");
                put_nullable_link(subtree, &mut self.entries);
                self.entries.extend_from_slice(b"\x61v");
                put_link(&record, &mut self.entries);
            }
            None => self.left = subtree.copied(),
        }
    }

    /// Writes the node into `block`, with `subtree` after its last entry, and becomes empty.
    pub(super) fn finish(&mut self, subtree: Option<&Cid>, block: &mut Vec<u8>) {
        self.link(subtree);
        block.clear();
        block.extend_from_slice(b"\xa2\x61e");
        block.extend_from_slice(ItemHead::array(take(&mut self.count)).as_bytes());
        block.extend_from_slice(&self.entries);
        block.extend_from_slice(b"\x61l");
        put_nullable_link(self.left.take().as_ref(), block);
        self.entries.clear();
    }
}
