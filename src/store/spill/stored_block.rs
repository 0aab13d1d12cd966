//! Blocks of a spill file in memory.

use core::fmt;

use super::open_segments::Shared;
use super::tables::page_len;

/// Length of the longest segment whose blocks are always copied, in bytes.
const MAX_COPIED_LEN: usize = 1 << 14;

/// The bytes of a block in a [`RedbStore`](super::RedbStore): a copy, or, for a long block, the
/// segment that was read. See [`AsRef`].
///
/// # Examples
///
/// ```
/// use carwalk::store::{BlockStore, CarStore, RedbStore, SpillFile, StoredBlock};
///
/// # let stream: &[u8] = include_bytes!("../../../samples/repo.car");
/// let store = RedbStore::new(stream, SpillFile::temporary())?;
/// let commit: StoredBlock = store.get(&store.header().root())?.unwrap().bytes;
/// // The copy does not borrow the store.
/// drop(store);
/// assert_eq!(commit.as_ref().len(), 188);
/// # Ok::<(), carwalk::Error>(())
/// ```
#[derive(Clone)]
pub struct StoredBlock(Bytes);

#[derive(Clone)]
enum Bytes {
    Copy(Box<[u8]>),
    /// A segment, from this position to its end.
    Shared(Shared, usize),
}

impl StoredBlock {
    /// Creates the block `bytes` of a segment.
    pub(super) fn new(bytes: &[u8], segment: &Shared) -> Self {
        let len = segment.value().len();
        // A block must not keep much more alive than its own bytes.
        let is_most = len > MAX_COPIED_LEN && bytes.len() > page_len(len) / 2;
        let start = len.checked_sub(bytes.len()).filter(|_| is_most);
        let is_there = |start: &usize| {
            segment.value().get(*start..).is_some_and(|end| core::ptr::eq(end, bytes))
        };
        match start.filter(is_there) {
            Some(start) => StoredBlock(Bytes::Shared(segment.clone(), start)),
            None => StoredBlock(Bytes::Copy(bytes.into())),
        }
    }

    /// Returns how many bytes of memory the block keeps alive.
    pub(super) fn cost(&self) -> u64 {
        match &self.0 {
            Bytes::Copy(bytes) => bytes.len() as u64,
            Bytes::Shared(segment, _) => page_len(segment.value().len()) as u64,
        }
    }
}

impl AsRef<[u8]> for StoredBlock {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        match &self.0 {
            Bytes::Copy(bytes) => bytes,
            Bytes::Shared(segment, start) => segment.value().get(*start..).unwrap_or_default(),
        }
    }
}

impl fmt::Debug for StoredBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredBlock").field("len", &self.as_ref().len()).finish()
    }
}
