//! Memory that many loads share, one after the other.

use std::sync::Arc;

use crate::mst::WalkBuffers;
use crate::reuse::{Lent, Shelf};
use crate::store::index::Notes;

/// Memory that many loads and walks use, one after the other: for batches of small repositories.
///
/// [`Loader::from_slice_in`](crate::Loader::from_slice_in) takes the memory of the index from a
/// scratch, and each walk over the repository takes its buffers from there. The memory of the index
/// returns when the repository is dropped. The buffers of a walk or lookup return when it ends or
/// fails. A walk that is dropped earlier frees them, and a walk with a memory limit has its own.
/// Once the scratch has grown to the usual size of a repository, loading one with every block
/// verified and walking it with [`next_event`](crate::mst::Walker::next_event) costs at most three
/// allocations. Iterators allocate a path for each record in addition.
///
/// Only memory is shared: a load returns the same result with any scratch, also after loads that
/// failed. If two repositories or two walks are in use at the same time, the second gets memory of
/// its own. The repository does not borrow the scratch and can outlive it.
///
/// A scratch keeps about a dozen lists of at most 512 KiB each. Longer ones are freed.
///
/// # Examples
///
/// ```
/// use carwalk::{LoadScratch, Loader};
///
/// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
/// let files = [bytes, &bytes[..1_000], bytes];
/// let (loader, mut scratch) = (Loader::new(), LoadScratch::new());
/// let mut records = Vec::new();
/// for bytes in files {
///     let repo = loader.from_slice_in(&mut scratch, bytes);
///     records.push(repo.and_then(|repo| repo.records().try_count()).ok());
/// }
/// assert_eq!(records, [Some(40), None, Some(40)]);
/// assert!(scratch.bytes_held() > 0);
/// # Ok::<(), carwalk::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct LoadScratch {
    notes: Arc<Shelf<Vec<u64>>>,
    index: Arc<Shelf<Vec<u64>>>,
    walk: Arc<Shelf<WalkBuffers>>,
}

impl LoadScratch {
    /// Creates a scratch without memory.
    #[must_use]
    pub fn new() -> Self {
        LoadScratch::default()
    }

    /// Returns the size of the memory that is free for the next load or walk, in bytes.
    #[must_use]
    pub fn bytes_held(&self) -> u64 {
        let lists = self.notes.held().saturating_add(self.index.held());
        lists.saturating_add(self.walk.held())
    }

    /// Takes the lists of a load.
    pub(super) fn notes(&mut self) -> Notes {
        Notes::within(Lent::from(&self.notes), Lent::from(&self.index))
    }

    /// Returns the place of the buffers of walks.
    pub(super) fn walk(&mut self) -> Arc<Shelf<WalkBuffers>> {
        self.walk.clone()
    }
}
