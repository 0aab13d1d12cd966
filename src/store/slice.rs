//! A store over the bytes of a CAR, in memory or mapped: loading it makes only the index.

use core::fmt;

use super::contents::{CarStats, Contents};
use super::index::{CACHED_LEN, Index};
#[cfg(feature = "redb")]
use super::spill::SpilledIndex;
use super::trust::Trust;
use super::{Block, BlockStore, CarStore, sealed};
use crate::car::{Header, Placement, SectionHead, block_at, bytes_at, section_at};
use crate::cid::Cid;
use crate::error::{Error, Result};

/// The blocks of a CAR whose bytes stay where they are: a slice, a `Vec<u8>`, a mapped file.
///
/// Blocks are borrowed from the bytes. The index takes 10 bytes a block. If it would exceed the
/// memory limit of a load, it is in a spill file.
///
/// # Examples
///
/// ```
/// use carwalk::store::{CarStore, SliceStore};
///
/// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
/// let store = SliceStore::new(bytes)?;
/// assert_eq!(store.stats().distinct_blocks, 50);
/// assert_eq!(store.bytes().len(), 12_641);
/// # Ok::<(), carwalk::Error>(())
/// ```
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

    /// Returns how many bytes of the index were stored in a spill file, including temporary data of
    /// sorting it. `None` if the index is in memory.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::store::{SliceStore, SpillFile};
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// let in_memory = SliceStore::new(bytes)?;
    /// assert_eq!(in_memory.index_stored(), None);
    /// let in_file = SliceStore::with_index_in(bytes, SpillFile::temporary())?;
    /// // One page of the index.
    /// assert_eq!(in_file.index_stored(), Some(4096));
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    #[cfg(feature = "redb")]
    #[must_use]
    pub fn index_stored(&self) -> Option<u64> {
        match &self.index {
            SliceIndex::Memory(_) => None,
            SliceIndex::Spilled(index) => Some(index.stored()),
        }
    }

    /// Returns the bytes of the CAR.
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

    fn is_cached(&self) -> bool {
        match self.index {
            SliceIndex::Memory(_) => self.contents.stats.bytes <= CACHED_LEN,
            #[cfg(feature = "redb")]
            SliceIndex::Spilled(_) => false,
        }
    }

    fn has_unique_offsets(&self) -> bool {
        true
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
