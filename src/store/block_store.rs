//! The trait of stores, which walks read from.

use super::block::Block;
use crate::cid::Cid;
use crate::error::{Error, Result};

/// A store of blocks by their CIDs, which walks read from.
///
/// # Contract
///
/// A walk relies on these rules only:
///
/// - [`get`](BlockStore::get) returns the bytes that were stored under exactly this CID, including
///   its codec, or `None`. It returns the same bytes for as long as the store is borrowed, and so
///   does each call of `as_ref` on a block.
/// - [`contains`](BlockStore::contains) returns true exactly if `get` would return a block. It
///   should cost less.
/// - A missing block is not an error. Errors are those of the store itself, made with
///   [`Error::store`](crate::Error::store). After an error the walk ends.
/// - No function panics.
///
/// Unless verification is off, a walk detects wrong bytes, because it hashes every block that it
/// reaches. There are two exceptions. A [`Block`] that a store of the library returned and verified
/// as the requested CID is not hashed again, even if [`Block::map`] replaced its bytes since. A
/// processed value ([`Block::processed`]) cannot be hashed. A store that returns different bytes at
/// each call can make a walk return wrong bytes; nothing worse can happen.
///
/// `&S`, `Box<S>`, `Rc<S>` and `Arc<S>` are stores if `S` is one, and [`CarStore`]s if `S` is one:
/// see the example of [`Repo::from_store`](crate::Repo::from_store).
///
/// # Examples
///
/// A store over a map:
///
/// ```
/// use std::collections::HashMap;
///
/// use carwalk::store::{Block, BlockStore};
/// use carwalk::{Cid, Repo, Result};
///
/// struct Map(HashMap<Cid, Vec<u8>>);
///
/// impl BlockStore for Map {
///     type Bytes<'a> = &'a [u8];
///
///     fn get(&self, cid: &Cid) -> Result<Option<Block<&[u8]>>> {
///         Ok(self.0.get(cid).map(|bytes| Block::new(bytes.as_slice())))
///     }
/// }
///
/// # use carwalk::store::{CarStore, SliceStore};
/// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
/// # let car = SliceStore::new(bytes)?;
/// # let commit = car.header().root();
/// # let mut map = Map(HashMap::new());
/// # for section in car.sections() {
/// #     let cid = section?.cid();
/// #     map.0.insert(cid, car.get(&cid)?.unwrap().bytes.to_vec());
/// # }
/// let repo = Repo::from_store(map, commit)?;
/// assert_eq!(repo.records().try_count()?, 40);
/// # Ok::<(), carwalk::Error>(())
/// ```
///
/// A store over two others keeps the offset, the form and the verification of their blocks with
/// [`Block::map`]:
///
/// ```
/// use carwalk::store::{Block, BlockStore};
/// use carwalk::{Cid, Result};
///
/// /// The blocks of `new`, and those of `old` that `new` does not have.
/// struct Overlay<N, O> {
///     new: N,
///     old: O,
/// }
///
/// enum Either<N, O> {
///     New(N),
///     Old(O),
/// }
///
/// impl<N: AsRef<[u8]>, O: AsRef<[u8]>> AsRef<[u8]> for Either<N, O> {
///     fn as_ref(&self) -> &[u8] {
///         match self {
///             Either::New(bytes) => bytes.as_ref(),
///             Either::Old(bytes) => bytes.as_ref(),
///         }
///     }
/// }
///
/// impl<N: BlockStore, O: BlockStore> BlockStore for Overlay<N, O> {
///     type Bytes<'a>
///         = Either<N::Bytes<'a>, O::Bytes<'a>>
///     where
///         Self: 'a;
///
///     fn get(&self, cid: &Cid) -> Result<Option<Block<Self::Bytes<'_>>>> {
///         if let Some(block) = self.new.get(cid)? {
///             return Ok(Some(block.map(Either::New)));
///         }
///         Ok(self.old.get(cid)?.map(|block| block.map(Either::Old)))
///     }
/// }
///
/// # use carwalk::Repo;
/// # use carwalk::store::{CarStore, SliceStore};
/// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
/// # let whole = Repo::from_slice(bytes)?;
/// # let commit = whole.commit().cid();
/// # let (mut nodes, mut profile) = (Vec::new(), Vec::new());
/// # whole.prove().range(..).records(false).write(&mut nodes)?;
/// # whole.prove().key("app.bsky.actor.profile/self").write(&mut profile)?;
/// // Two CARs of one repository: all its nodes, and the proof of one record.
/// let (old, new) = (SliceStore::new(nodes)?, SliceStore::new(profile)?);
/// let repo = Repo::from_store(Overlay { new, old }, commit)?;
/// // The record is only in the second CAR, most nodes are only in the first.
/// assert!(repo.get("app.bsky.actor.profile/self")?.into_result()?.is_some());
/// assert_eq!(repo.entries().try_count()?, 40);
/// # Ok::<(), carwalk::Error>(())
/// ```
///
/// [`CarStore`]: super::CarStore
pub trait BlockStore {
    /// The bytes of a block, borrowed from the store or owned.
    type Bytes<'a>: AsRef<[u8]>
    where
        Self: 'a;

    /// Returns the block of a CID, or `None` if the store does not have it.
    ///
    /// # Errors
    ///
    /// - `Store` if the store fails
    /// - `InvalidSpillFile` if the store reads a spill file that is damaged
    ///
    /// A store of your own may return any kind. A walk returns it as it is, so a store that wraps
    /// another can pass its errors on. One exception: an error of the class
    /// [`Caller`](crate::ErrorClass::Caller), such as that of [`Cid::parse`](crate::Cid::parse)
    /// inside the store, is wrapped in an error of kind `Store`, so that it does not seem to be
    /// about the arguments of the walk. The class of the wrapper is `Io`.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::Cid;
    /// use carwalk::cid::Codec;
    /// use carwalk::store::{BlockStore, CarStore, SliceStore};
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// let store = SliceStore::new(bytes)?;
    /// let commit = store.get(&store.header().root())?.unwrap();
    /// assert_eq!((commit.offset, commit.bytes.len()), (Some(59), 188));
    /// // The codec is part of a CID: the same bytes are not stored as raw.
    /// assert!(store.get(&Cid::of(Codec::Raw, commit.bytes))?.is_none());
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    fn get(&self, cid: &Cid) -> Result<Option<Block<Self::Bytes<'_>>>>;

    /// Returns whether the store has the block of a CID. Calls [`get`](BlockStore::get) by default.
    ///
    /// # Errors
    ///
    /// Those of [`get`](BlockStore::get).
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::Cid;
    /// use carwalk::cid::Codec;
    /// use carwalk::store::{BlockStore, CarStore, SliceStore};
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// let store = SliceStore::new(bytes)?;
    /// assert!(store.contains(&store.header().root())?);
    /// assert!(!store.contains(&Cid::of(Codec::Raw, b"not in this CAR"))?);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    fn contains(&self, cid: &Cid) -> Result<bool> {
        Ok(self.get(cid)?.is_some())
    }

    /// Returns how many bytes of memory `bytes` takes in addition to the store's own. Default: 0,
    /// which is right for borrowed blocks.
    ///
    /// It counts against the memory limit of a walk, and has no other effect.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::store::{Block, BlockStore, CarStore, SliceStore};
    /// use carwalk::{Cid, Result};
    ///
    /// /// A store that returns copies, as one over a database does.
    /// struct Copies<'s>(SliceStore<&'s [u8]>);
    ///
    /// impl BlockStore for Copies<'_> {
    ///     type Bytes<'a>
    ///         = Vec<u8>
    ///     where
    ///         Self: 'a;
    ///
    ///     fn get(&self, cid: &Cid) -> Result<Option<Block<Vec<u8>>>> {
    ///         Ok(self.0.get(cid)?.map(|block| block.map(<[u8]>::to_vec)))
    ///     }
    ///
    ///     fn memory_cost<'a>(&'a self, bytes: &Vec<u8>) -> u64 {
    ///         bytes.capacity() as u64
    ///     }
    /// }
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// let store = Copies(SliceStore::new(bytes)?);
    /// let commit = store.get(&store.0.header().root())?.unwrap();
    /// assert_eq!(store.memory_cost(&commit.bytes), 188);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    fn memory_cost<'a>(&'a self, _bytes: &Self::Bytes<'a>) -> u64 {
        0
    }

    /// Hints that these blocks will be requested soon, roughly in this order. Does nothing by
    /// default.
    ///
    /// Some of them may be missing, and some may not be requested after all.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::cell::Cell;
    ///
    /// use carwalk::store::{Block, BlockStore, CarStore, SliceStore};
    /// use carwalk::{Cid, Repo, Result};
    ///
    /// /// Counts the hints of walks.
    /// struct Counting<'s>(SliceStore<&'s [u8]>, Cell<usize>);
    ///
    /// impl BlockStore for Counting<'_> {
    ///     type Bytes<'a>
    ///         = &'a [u8]
    ///     where
    ///         Self: 'a;
    ///
    ///     fn get(&self, cid: &Cid) -> Result<Option<Block<&[u8]>>> {
    ///         self.0.get(cid)
    ///     }
    ///
    ///     fn prefetch(&self, cids: &[Cid]) {
    ///         self.1.set(self.1.get() + cids.len());
    ///     }
    /// }
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// let store = Counting(SliceStore::new(bytes)?, Cell::new(0));
    /// let repo = Repo::from_store(&store, store.0.header().root())?;
    /// assert_eq!(repo.records().try_count()?, 40);
    /// // All records, and all nodes but the root.
    /// assert_eq!(store.1.get(), 40 + 8);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    fn prefetch(&self, _cids: &[Cid]) {}

    /// Returns whether all blocks are probably in the CPU's cache. Default: false.
    ///
    /// If true, a walk does not call [`prefetch`](BlockStore::prefetch), and a complete walk reads
    /// sibling nodes together from its first entry on, instead of after 32. Return true if a lookup
    /// rarely waits for memory. `SliceStore` and `MemoryStore` return true for CARs of at most
    /// 256 KiB, unless the index is spilled.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::Repo;
    /// use carwalk::store::BlockStore;
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// // 12,641 bytes.
    /// assert!(Repo::from_slice(bytes)?.store().is_cached());
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    fn is_cached(&self) -> bool {
        false
    }

    /// Returns whether blocks with the same [offset](Block::offset) are the same block. Default:
    /// false, which is right for blocks of several CARs. The stores of one CAR return true.
    ///
    /// If so, a [writer](crate::RepoWriter) finds repeated records by their offsets, otherwise by
    /// their CIDs, which take more memory. If a store returns true and has two blocks with one
    /// offset, one of them may be missing in the written CAR.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::store::{BlockStore, SliceStore, Union};
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// let store = SliceStore::new(bytes)?;
    /// assert!(store.has_unique_offsets());
    /// assert!(!Union::new(vec![&store, &store]).has_unique_offsets());
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    fn has_unique_offsets(&self) -> bool {
        false
    }
}

/// Looks a block up in a store that the caller may have written.
#[inline]
pub(crate) fn look_up<'s, S: BlockStore>(
    store: &'s S,
    cid: &Cid,
) -> Result<Option<Block<S::Bytes<'s>>>> {
    store.get(cid).map_err(Error::of_store)
}
