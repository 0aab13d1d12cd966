//! A CAR that lies in memory whole, or is mapped: only the index is made.

use core::fmt;

use super::index::Index;
use super::intake::Intake;
use super::loading::{Contents, Loading};
use super::memory::MemorySink;
use super::{BlockStore, CarStats, CarStore, Found};
use crate::car::{Header, SectionHead, SliceReader, block_at, section_at};
use crate::cid::Cid;
use crate::error::{Error, Result};

/// The blocks of a CAR in any bytes that stay where they are: a slice, a `Vec<u8>`, a memory map.
///
/// Blocks are borrowed from the bytes. The index takes some 12 bytes a block.
pub struct SliceStore<B> {
    bytes: B,
    index: Index,
    contents: Contents,
}

impl<B: AsRef<[u8]>> SliceStore<B> {
    /// Reads all sections of the CAR in `bytes`, hashes every block, and indexes them, by the default limits.
    ///
    /// For CARs that hold no commit; [`Repo::from_slice`](crate::Repo::from_slice) opens repositories.
    ///
    /// # Errors
    ///
    /// Those of [`SliceReader`], and `HashMismatch` for a block that does not have its CID.
    pub fn new(bytes: B) -> Result<Self> {
        Self::load(bytes, &mut Intake::default())
    }

    pub(crate) fn load(bytes: B, intake: &mut Intake<'_>) -> Result<Self> {
        let mut sections = SliceReader::with_limits(bytes.as_ref(), intake.limits.clone())?;
        let mut loading = Loading::new(MemorySink::new(true, intake.verification));
        loading.go_on(&mut sections, intake, None, u64::MAX)?;
        let (index, _) = loading.sink.finish();
        let contents = loading.progress.finish(&sections, index.len() as u64)?;
        Ok(SliceStore { bytes, index, contents })
    }

    /// The bytes of the CAR.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.bytes.as_ref()
    }

    #[inline]
    fn find(&self, cid: &Cid) -> Option<Found<&[u8]>> {
        let bytes = self.bytes.as_ref();
        self.index.find(cid, |place| block_at(bytes, place, cid).map(|block| Found::new(block).at(place)))
    }
}

impl<B: AsRef<[u8]>> BlockStore for SliceStore<B> {
    type Block<'a>
        = &'a [u8]
    where
        Self: 'a;

    #[inline]
    fn get(&self, cid: &Cid) -> Result<Option<Found<&[u8]>>> {
        Ok(self.find(cid))
    }

    fn contains(&self, cid: &Cid) -> Result<bool> {
        Ok(self.find(cid).is_some())
    }

    fn prefetch(&self, cids: &[Cid]) {
        let bytes = self.bytes.as_ref();
        self.index.prefetch(cids, |place| {
            usize::try_from(place).ok().and_then(|place| bytes.get(place..)).unwrap_or_default()
        });
    }
}

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
        let mut place = self.contents.first;
        core::iter::from_fn(move || {
            let (section, next) = section_at(bytes, place?)?;
            place = Some(next);
            Some(Ok(section.head()))
        })
    }
}

impl<B> fmt::Debug for SliceStore<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SliceStore").field("contents", &self.contents).finish_non_exhaustive()
    }
}
