//! One type of store for blocks in memory and in a spill file.

use core::fmt;

use super::contents::CarStats;
use super::{Block, BlockStore, CarStore, MemoryStore, RedbStore, StoredBlock, sealed};
use crate::car::{Header, SectionHead};
use crate::cid::Cid;
use crate::error::{Error, Result};

/// The blocks of a CAR, in memory or in a spill file.
///
/// [`Loaded::or_spill`](crate::Loaded::or_spill) returns a repository over it. A lookup costs one
/// branch more than in the store inside.
///
/// # Examples
///
/// ```
/// use carwalk::store::{AnyStore, SpillFile};
/// use carwalk::{Loader, Repo};
///
/// /// The same type for short and long repositories.
/// struct Account {
///     repo: Repo<AnyStore>,
/// }
///
/// # let stream: &[u8] = include_bytes!("../../samples/repo.car");
/// for (limit, on_disk) in [(16 << 20, false), (4 << 10, true)] {
///     let loaded = Loader::new().memory_limit(limit).from_reader(stream)?;
///     let account = Account { repo: loaded.or_spill(SpillFile::temporary())? };
///     assert_eq!(matches!(account.repo.store(), AnyStore::File(_)), on_disk);
///     assert_eq!(account.repo.records().try_count()?, 40);
/// }
/// # Ok::<(), carwalk::Error>(())
/// ```
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a repository has one store")]
#[non_exhaustive]
pub enum AnyStore {
    /// The blocks are in memory.
    Memory(MemoryStore),
    /// The blocks are in a spill file.
    File(RedbStore),
}

/// The bytes of a block in an [`AnyStore`]: see [`AsRef`].
///
/// # Examples
///
/// ```
/// use carwalk::Loader;
/// use carwalk::store::{AnyBytes, BlockStore, SpillFile};
///
/// # let stream: &[u8] = include_bytes!("../../samples/repo.car");
/// let loaded = Loader::new().memory_limit(4 << 10).from_reader(stream)?;
/// let repo = loaded.or_spill(SpillFile::temporary())?;
/// let node: AnyBytes<'_> = repo.store().get(&repo.commit().data())?.unwrap().bytes;
/// assert_eq!(node.as_ref().len(), 949);
/// # Ok::<(), carwalk::Error>(())
/// ```
#[derive(Clone)]
pub struct AnyBytes<'a>(Inner<'a>);

#[derive(Clone)]
enum Inner<'a> {
    Memory(&'a [u8]),
    File(StoredBlock),
}

impl AsRef<[u8]> for AnyBytes<'_> {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        match &self.0 {
            Inner::Memory(bytes) => bytes,
            Inner::File(block) => block.as_ref(),
        }
    }
}

impl fmt::Debug for AnyBytes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnyBytes").field("len", &self.as_ref().len()).finish()
    }
}

impl BlockStore for AnyStore {
    type Bytes<'a> = AnyBytes<'a>;

    #[inline]
    fn get(&self, cid: &Cid) -> Result<Option<Block<AnyBytes<'_>>>> {
        Ok(match self {
            AnyStore::Memory(store) => {
                store.get(cid)?.map(|block| block.map(|bytes| AnyBytes(Inner::Memory(bytes))))
            }
            AnyStore::File(store) => {
                store.get(cid)?.map(|block| block.map(|bytes| AnyBytes(Inner::File(bytes))))
            }
        })
    }

    fn contains(&self, cid: &Cid) -> Result<bool> {
        match self {
            AnyStore::Memory(store) => store.contains(cid),
            AnyStore::File(store) => store.contains(cid),
        }
    }

    fn memory_cost<'a>(&'a self, bytes: &AnyBytes<'a>) -> u64 {
        match (self, &bytes.0) {
            (AnyStore::File(store), Inner::File(block)) => store.memory_cost(block),
            _ => 0,
        }
    }

    fn prefetch(&self, cids: &[Cid]) {
        match self {
            AnyStore::Memory(store) => store.prefetch(cids),
            AnyStore::File(store) => store.prefetch(cids),
        }
    }

    fn is_cached(&self) -> bool {
        match self {
            AnyStore::Memory(store) => store.is_cached(),
            AnyStore::File(store) => store.is_cached(),
        }
    }

    fn has_unique_offsets(&self) -> bool {
        match self {
            AnyStore::Memory(store) => store.has_unique_offsets(),
            AnyStore::File(store) => store.has_unique_offsets(),
        }
    }
}

impl sealed::Sealed for AnyStore {}

impl CarStore for AnyStore {
    fn header(&self) -> &Header {
        match self {
            AnyStore::Memory(store) => store.header(),
            AnyStore::File(store) => store.header(),
        }
    }

    fn stats(&self) -> CarStats {
        match self {
            AnyStore::Memory(store) => store.stats(),
            AnyStore::File(store) => store.stats(),
        }
    }

    fn fault(&self) -> Option<&Error> {
        match self {
            AnyStore::Memory(store) => store.fault(),
            AnyStore::File(store) => store.fault(),
        }
    }

    fn sections(&self) -> impl Iterator<Item = Result<SectionHead>> {
        let (memory, file) = match self {
            AnyStore::Memory(store) => (Some(store.sections()), None),
            AnyStore::File(store) => (None, Some(store.sections())),
        };
        memory.into_iter().flatten().chain(file.into_iter().flatten())
    }
}
