//! A CAR that came as a stream and stays in memory.

use core::fmt;
use std::io::Read;

use super::intake::{Contents, Intake, Loading};
use super::{BlockStore, CarStats, CarStore, Found};
use crate::car::arena::Arena;
use crate::car::{Header, Reader, Section};
use crate::cid::Cid;
use crate::error::{Error, Result};

/// The blocks of a CAR that was read from a stream, in a few large chunks that the stream was read into.
///
/// Takes the CAR's length and some 12 bytes a block.
pub struct MemoryStore {
    arena: Arena,
    contents: Contents,
}

impl MemoryStore {
    /// Reads a CAR to its end, hashes every block, and indexes them, by the default limits.
    ///
    /// For CARs that hold no commit; [`Repo::from_reader`](crate::Repo::from_reader) opens repositories.
    ///
    /// # Errors
    ///
    /// Those of [`Reader`], and `HashMismatch` for a block that does not have its CID.
    pub fn new<R: Read>(input: R) -> Result<Self> {
        Self::load(input, &mut Intake::default())
    }

    pub(crate) fn load<R: Read>(input: R, intake: &mut Intake<'_>) -> Result<Self> {
        let mut reader = Reader::keeping(input, intake.limits.clone())?;
        let contents = intake.load(&mut reader)?;
        Ok(MemoryStore { arena: reader.into_arena(), contents })
    }

    /// The store of a load that came to its end.
    pub(crate) fn finish<R: Read>(reader: Reader<R>, loading: Loading) -> Result<Self> {
        let contents = loading.finish(&reader)?;
        Ok(MemoryStore { arena: reader.into_arena(), contents })
    }

    #[inline]
    fn find(&self, cid: &Cid) -> Option<Found<&[u8]>> {
        self.contents.index.find(cid, |place| {
            let (block, offset) = self.arena.block_at(place, cid)?;
            Some(Found::new(block).at(offset))
        })
    }
}

impl BlockStore for MemoryStore {
    type Block<'a> = &'a [u8];

    #[inline]
    fn get(&self, cid: &Cid) -> Result<Option<Found<&[u8]>>> {
        Ok(self.find(cid))
    }

    fn contains(&self, cid: &Cid) -> Result<bool> {
        Ok(self.find(cid).is_some())
    }

    fn prefetch(&self, cids: &[Cid]) {
        self.contents.index.prefetch(cids, |place| self.arena.bytes_at(place));
    }
}

impl CarStore for MemoryStore {
    fn header(&self) -> &Header {
        &self.contents.header
    }

    fn stats(&self) -> CarStats {
        self.contents.stats
    }

    fn fault(&self) -> Option<&Error> {
        self.contents.fault.as_ref()
    }

    fn sections(&self) -> impl Iterator<Item = Result<Section<'_>>> {
        let mut place = self.contents.first;
        core::iter::from_fn(move || {
            let section = self.arena.section_at(place?)?;
            place = place.and_then(|place| self.arena.place_after(place));
            Some(Ok(section))
        })
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("MemoryStore");
        debug.field("arena", &self.arena).field("contents", &self.contents).finish()
    }
}
