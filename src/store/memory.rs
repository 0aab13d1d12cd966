//! A store of a CAR that was read from a stream and stays in memory.

use core::fmt;

use super::contents::{CarStats, Contents};
use super::index::{CACHED_LEN, Index};
use super::packed::Packed;
use super::trust::Trust;
use super::{Block, BlockStore, CarStore, sealed};
use crate::car::arena::Arena;
use crate::car::{Header, Placement, SectionHead};
use crate::cid::Cid;
use crate::error::{Error, Result};

/// The blocks of a CAR that was read from a stream.
///
/// Blocks stay in the chunks that the stream was read into, and are borrowed from them. The store
/// takes the length of the CAR and 10 bytes a block, and at most a sixteenth more for unused ends
/// of chunks. With a process function, values and the other blocks are copied into chunks of their
/// own, with about 4 bytes a block more.
///
/// # Examples
///
/// ```
/// use carwalk::Loader;
/// use carwalk::store::{BlockStore, MemoryStore};
///
/// # let stream: &[u8] = include_bytes!("../../samples/repo.car");
/// let repo = Loader::new().from_reader(stream)?;
/// let tree = repo.commit().data();
/// let store: MemoryStore = repo.into_store();
/// assert_eq!(store.get(&tree)?.unwrap().bytes.len(), 949);
/// # Ok::<(), carwalk::Error>(())
/// ```
pub struct MemoryStore {
    blocks: Blocks,
    trust: Trust,
    index: Index,
    contents: Contents,
}

/// The blocks of a [`MemoryStore`].
pub(crate) enum Blocks {
    /// In their sections, as they were read.
    Sections(Arena),
    /// Packed, because a process function was applied to records.
    Packed(Arena),
}

impl Blocks {
    /// Returns the bytes from a placement on.
    #[inline]
    fn bytes_at(&self, at: Placement) -> &[u8] {
        match self {
            Blocks::Sections(arena) | Blocks::Packed(arena) => arena.bytes_at(at),
        }
    }

    /// Returns the head of a section, and the placement of the next one.
    fn head_at(&self, at: Placement) -> Option<(SectionHead, Option<Placement>)> {
        match self {
            Blocks::Sections(arena) => {
                Some((arena.section_at(at)?.head(), arena.placement_after(at)))
            }
            Blocks::Packed(arena) => {
                let (bytes, start, base) = arena.chunk_at(at)?;
                let (packed, end) = Packed::read(bytes, start, base)?;
                Some((packed.head(), arena.placement_at(at, end)))
            }
        }
    }
}

/// Returns the packed block at a placement.
#[inline]
pub(crate) fn packed_at(arena: &Arena, at: Placement) -> Option<Packed<'_>> {
    let (bytes, at, base) = arena.chunk_at(at)?;
    Packed::read(bytes, at, base).map(|(packed, _)| packed)
}

impl MemoryStore {
    pub(crate) fn of(blocks: Blocks, trust: Trust, index: Index, contents: Contents) -> Self {
        MemoryStore { blocks, trust, index, contents }
    }

    #[inline]
    fn find(&self, cid: &Cid) -> Option<Block<&[u8]>> {
        self.index.find(cid, |at| match &self.blocks {
            Blocks::Sections(arena) => {
                let (block, offset) = arena.block_at(at, cid)?;
                Some(Block::new(block).at(offset).verified(self.trust.mark(cid)))
            }
            Blocks::Packed(arena) => {
                let packed = packed_at(arena, at).filter(|packed| packed.cid == *cid)?;
                Some(packed.found(self.trust))
            }
        })
    }
}

impl BlockStore for MemoryStore {
    type Bytes<'a> = &'a [u8];

    #[inline]
    fn get(&self, cid: &Cid) -> Result<Option<Block<&[u8]>>> {
        Ok(self.find(cid))
    }

    fn contains(&self, cid: &Cid) -> Result<bool> {
        Ok(self.find(cid).is_some())
    }

    fn prefetch(&self, cids: &[Cid]) {
        self.index.prefetch(cids, |at| self.blocks.bytes_at(at));
    }

    fn is_cached(&self) -> bool {
        self.contents.stats.bytes <= CACHED_LEN
    }

    fn has_unique_offsets(&self) -> bool {
        true
    }
}

impl sealed::Sealed for MemoryStore {}

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

    fn sections(&self) -> impl Iterator<Item = Result<SectionHead>> {
        let mut next = self.contents.first;
        core::iter::from_fn(move || {
            let (head, following) = self.blocks.head_at(next?)?;
            next = following;
            Some(Ok(head))
        })
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Blocks::Sections(arena) | Blocks::Packed(arena)) = &self.blocks;
        let mut debug = f.debug_struct("MemoryStore");
        debug.field("arena", arena).field("contents", &self.contents).finish()
    }
}
