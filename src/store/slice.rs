//! A CAR that lies in memory whole, or is mapped: only the index is made.

use core::fmt;

use super::contents::{CarStats, Contents};
use super::index::Index;
#[cfg(feature = "redb")]
use super::spill::SpilledIndex;
use super::trust::Trust;
use super::{Block, BlockStore, CarStore, sealed};
use crate::car::{Header, Placement, SectionHead, block_at, bytes_at, section_at};
use crate::cid::Cid;
use crate::error::{Error, Result};

/// The blocks of a CAR in any bytes that stay where they are: a slice, a `Vec<u8>`, a memory map.
///
/// Blocks are borrowed from the bytes. The index takes 10 bytes a block; with a memory limit that
/// it exceeds, it is in a file.
pub struct SliceStore<B> {
    bytes: B,
    index: SliceIndex,
    trust: Trust,
    contents: Contents,
}

/// The index of a CAR that stays where it is.
pub(crate) enum SliceIndex {
    Memory(Index),
    #[cfg(feature = "redb")]
    Spilled(Box<SpilledIndex>),
}

impl<B: AsRef<[u8]>> SliceStore<B> {
    pub(crate) fn of(bytes: B, index: SliceIndex, trust: Trust, contents: Contents) -> Self {
        SliceStore { bytes, index, trust, contents }
    }

    /// Bytes of the index that were put into a file; `None` if it is in memory.
    #[cfg(feature = "redb")]
    #[must_use]
    pub fn index_stored(&self) -> Option<u64> {
        match &self.index {
            SliceIndex::Memory(_) => None,
            SliceIndex::Spilled(index) => Some(index.stored()),
        }
    }

    /// The bytes of the CAR.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.bytes.as_ref()
    }

    #[inline]
    fn find(&self, cid: &Cid) -> Result<Option<Block<&[u8]>>> {
        let bytes = self.bytes.as_ref();
        let read = |at: Placement| {
            let (block, offset) = block_at(bytes, at, cid)?;
            Some(Block::new(block).at(offset).verified(self.trust.mark(cid)))
        };
        match &self.index {
            SliceIndex::Memory(index) => Ok(index.find(cid, read)),
            #[cfg(feature = "redb")]
            SliceIndex::Spilled(index) => index.find(cid, read),
        }
    }
}

impl<B: AsRef<[u8]>> BlockStore for SliceStore<B> {
    type Bytes<'a>
        = &'a [u8]
    where
        Self: 'a;

    #[inline]
    fn get(&self, cid: &Cid) -> Result<Option<Block<&[u8]>>> {
        self.find(cid)
    }

    fn contains(&self, cid: &Cid) -> Result<bool> {
        Ok(self.find(cid)?.is_some())
    }

    fn prefetch(&self, cids: &[Cid]) {
        let bytes = self.bytes.as_ref();
        match &self.index {
            SliceIndex::Memory(index) => index.prefetch(cids, |at| bytes_at(bytes, at)),
            #[cfg(feature = "redb")]
            SliceIndex::Spilled(_) => {}
        }
    }
}

impl<B> sealed::Sealed for SliceStore<B> {}

impl<B: AsRef<[u8]>> CarStore for SliceStore<B> {
    fn header(&self) -> &Header {
        &self.contents.header
    }

    fn stats(&self) -> CarStats {
        self.contents.stats
    }

    fn fault(&self) -> Option<&Error> {
        self.contents.fault.as_ref()
    }

    fn sections(&self) -> impl Iterator<Item = Result<SectionHead>> {
        let bytes = self.bytes.as_ref();
        let mut next = self.contents.first;
        core::iter::from_fn(move || {
            let (section, following) = section_at(bytes, next?)?;
            next = Some(following);
            Some(Ok(section.head()))
        })
    }
}

impl<B> fmt::Debug for SliceStore<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SliceStore").field("contents", &self.contents).finish_non_exhaustive()
    }
}
