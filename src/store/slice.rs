//! A CAR that lies in memory whole, or is mapped: only the index is made.

use core::fmt;

use super::index::Index;
use super::intake::Intake;
use super::loading::{Contents, Loading};
use super::memory::MemorySink;
#[cfg(feature = "redb")]
use super::redb::{PlaceIndex, PlaceSink, SpillFile};
use super::{BlockStore, CarStats, CarStore, Found};
use crate::car::{Header, SectionHead, SliceReader, Source, block_at, section_at};
use crate::cid::Cid;
use crate::error::{Error, Result};

/// The blocks of a CAR in any bytes that stay where they are: a slice, a `Vec<u8>`, a memory map.
///
/// Blocks are borrowed from the bytes. The index takes 10 bytes a block; with a memory limit that
/// it exceeds, it is in a file.
pub struct SliceStore<B> {
    bytes: B,
    places: Places,
    contents: Contents,
}

/// Where the blocks are.
enum Places {
    Memory(Index),
    #[cfg(feature = "redb")]
    File(Box<PlaceIndex>),
}

impl Places {
    /// What a load came to that is at its end.
    fn in_memory(loading: Loading<MemorySink>, source: &impl Source) -> Result<(Self, Contents)> {
        let (index, _) = loading.sink.finish(source);
        let contents = loading.progress.finish(source, index.len() as u64)?;
        Ok((Places::Memory(index), contents))
    }
}

impl<B: AsRef<[u8]>> SliceStore<B> {
    /// Reads all sections of the CAR in `bytes`, hashes every block, and indexes them, by the
    /// default limits.
    ///
    /// For CARs that hold no commit; [`Repo::from_slice`](crate::Repo::from_slice) opens
    /// repositories.
    ///
    /// # Errors
    ///
    /// Those of [`SliceReader`], and `HashMismatch` for a block that does not have its CID.
    pub fn new(bytes: B) -> Result<Self> {
        Self::load(bytes, &mut Intake::default())
    }

    /// As [`new`](SliceStore::new), with the index in a file.
    ///
    /// # Errors
    ///
    /// Those of [`new`](SliceStore::new) and of the file: `Store`, or `Limit` if more is stored
    /// than it may be.
    #[cfg(feature = "redb")]
    pub fn with_index_in(bytes: B, file: SpillFile) -> Result<Self> {
        Self::load_within(bytes, &mut Intake::default(), 0, file)
    }

    pub(crate) fn load(bytes: B, intake: &mut Intake<'_>) -> Result<Self> {
        let mut sections = SliceReader::with_limits(bytes.as_ref(), intake.limits.clone())?;
        let mut loading = Loading::new(MemorySink::new(true, intake.verification));
        loading.go_to_end(&mut sections, intake, None)?;
        let (places, contents) = Places::in_memory(loading, &sections)?;
        Ok(SliceStore { bytes, places, contents })
    }

    /// Indexes the sections in memory, or in a file if that takes more memory than it may.
    #[cfg(feature = "redb")]
    pub(crate) fn load_within(
        bytes: B,
        intake: &mut Intake<'_>,
        memory_limit: u64,
        file: SpillFile,
    ) -> Result<Self> {
        PlaceSink::check(&file)?;
        let mut sections = SliceReader::with_limits(bytes.as_ref(), intake.limits.clone())?;
        let mut loading = Loading::new(MemorySink::new(true, intake.verification));
        let (places, contents) = if loading.go_on(&mut sections, intake, None, memory_limit)? {
            Places::in_memory(loading, &sections)?
        } else {
            // The index so far makes room before the file's takes any.
            let Loading { sink, progress } = loading;
            drop(sink);
            let mut sink = PlaceSink::new(file, memory_limit, intake.verification)?;
            progress.replay(&sections, &mut sink)?;
            let mut loading = Loading { sink, progress };
            loading.go_to_end(&mut sections, intake, None)?;
            let Loading { sink, progress } = loading;
            let (index, distinct_blocks) = sink.finish()?;
            (Places::File(Box::new(index)), progress.finish(&sections, distinct_blocks)?)
        };
        Ok(SliceStore { bytes, places, contents })
    }

    /// Bytes of the index that were put into a file; `None` if it is in memory.
    #[cfg(feature = "redb")]
    #[must_use]
    pub fn index_stored(&self) -> Option<u64> {
        match &self.places {
            Places::Memory(_) => None,
            Places::File(index) => Some(index.stored()),
        }
    }

    /// The bytes of the CAR.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.bytes.as_ref()
    }

    #[inline]
    fn find(&self, cid: &Cid) -> Result<Option<Found<&[u8]>>> {
        let bytes = self.bytes.as_ref();
        let read = |place| block_at(bytes, place, cid).map(|block| Found::new(block).at(place));
        match &self.places {
            Places::Memory(index) => Ok(index.find(cid, read)),
            #[cfg(feature = "redb")]
            Places::File(index) => index.find(cid, read),
        }
    }
}

impl<B: AsRef<[u8]>> BlockStore for SliceStore<B> {
    type Block<'a>
        = &'a [u8]
    where
        Self: 'a;

    #[inline]
    fn get(&self, cid: &Cid) -> Result<Option<Found<&[u8]>>> {
        self.find(cid)
    }

    fn contains(&self, cid: &Cid) -> Result<bool> {
        Ok(self.find(cid)?.is_some())
    }

    fn prefetch(&self, cids: &[Cid]) {
        let bytes = self.bytes.as_ref();
        match &self.places {
            Places::Memory(index) => index.prefetch(cids, |place| {
                usize::try_from(place).ok().and_then(|place| bytes.get(place..)).unwrap_or_default()
            }),
            #[cfg(feature = "redb")]
            Places::File(_) => {}
        }
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
