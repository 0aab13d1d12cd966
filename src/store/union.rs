//! Several stores as one.

use core::fmt;

use super::block::Block;
use super::block_store::BlockStore;
use crate::cid::Cid;
use crate::error::Result;

/// A store of the blocks of several stores of one type. Asks them in their order.
///
/// Blocks of several stores have no offset, because an offset does not say in which CAR it is. A
/// union of one store keeps the offsets. For CARs of one repository, such as a snapshot and the
/// responses to `getRepo?since=`, [`Repo::from_cars`](crate::Repo::from_cars) makes a union and
/// chooses the commit.
///
/// # Examples
///
/// ```
/// use carwalk::store::{CarStore, SliceStore, Union};
/// use carwalk::{Repo, Tree};
///
/// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
/// # let whole = Repo::from_slice(bytes)?;
/// # let root = whole.tree().root();
/// # let (mut likes, mut rest) = (Vec::new(), Vec::new());
/// # let (from, to) = ("app.bsky.feed.like/", "app.bsky.feed.post/");
/// # whole.writer().range(from..to).write(&mut likes)?;
/// # whole.writer().range(..from).range(to..).write(&mut rest)?;
/// // Two parts of one repository: the likes, and everything else.
/// let stores = vec![SliceStore::new(likes)?, SliceStore::new(rest)?];
/// assert!(stores.iter().all(|store| store.stats().sections < 50));
/// let tree = Tree::new(Union::new(stores), root);
/// assert_eq!(tree.records().try_count()?, 40);
/// # Ok::<(), carwalk::Error>(())
/// ```
#[derive(Clone)]
pub struct Union<S> {
    stores: Vec<S>,
}

impl<S> Union<S> {
    /// Creates a store over `stores`. A block that several of them have is returned from the first.
    #[must_use]
    pub fn new(stores: Vec<S>) -> Self {
        Union { stores }
    }

    /// Returns the stores.
    #[must_use]
    pub fn stores(&self) -> &[S] {
        &self.stores
    }

    /// Converts the union into its stores.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::store::{SliceStore, Union};
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// let union = Union::new(vec![SliceStore::new(bytes)?]);
    /// assert_eq!(union.into_stores()[0].bytes(), bytes);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    #[must_use]
    pub fn into_stores(self) -> Vec<S> {
        self.stores
    }
}

impl<S: BlockStore> BlockStore for Union<S> {
    type Bytes<'a>
        = S::Bytes<'a>
    where
        Self: 'a;

    #[inline]
    fn get(&self, cid: &Cid) -> Result<Option<Block<S::Bytes<'_>>>> {
        if let [one] = self.stores.as_slice() {
            return one.get(cid);
        }
        for store in &self.stores {
            if let Some(block) = store.get(cid)? {
                return Ok(Some(Block { offset: None, ..block }));
            }
        }
        Ok(None)
    }

    fn contains(&self, cid: &Cid) -> Result<bool> {
        for store in &self.stores {
            if store.contains(cid)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Returns the highest cost that any of the stores has for the block.
    fn memory_cost<'a>(&'a self, bytes: &S::Bytes<'a>) -> u64 {
        self.stores.iter().map(|store| store.memory_cost(bytes)).max().unwrap_or(0)
    }

    fn prefetch(&self, cids: &[Cid]) {
        for store in &self.stores {
            store.prefetch(cids);
        }
    }

    fn is_cached(&self) -> bool {
        self.stores.iter().all(BlockStore::is_cached)
    }

    fn has_unique_offsets(&self) -> bool {
        matches!(self.stores.as_slice(), [one] if one.has_unique_offsets())
    }
}

impl<S> fmt::Debug for Union<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Union").field("stores", &self.stores.len()).finish()
    }
}
