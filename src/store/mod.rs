//! Stores of blocks: the trait that walks read from, and the stores of the library.
//!
//! | store | where its blocks are | memory that it takes |
//! |---|---|---|
//! | [`SliceStore`] | in bytes of yours, also a mapped file | 10 bytes a block |
//! | [`MemoryStore`] | in memory, read from a stream | the CAR and 10 bytes a block |
//! | `RedbStore` (feature `redb`) | in a spill file | caches of a fixed size |
//! | `AnyStore` (feature `redb`) | in memory or in a spill file | that of the store in it |
//!
//! The functions that open a [`Repo`](crate::Repo) choose the store. Load one by itself for a CAR
//! without a commit. Implement [`BlockStore`] for blocks that are elsewhere.

#[cfg(feature = "redb")]
mod any;
mod commits;
pub(crate) mod contents;
mod hash;
pub(crate) mod index;
#[cfg(feature = "mmap")]
mod mapped;
pub(crate) mod memory;
pub(crate) mod packed;
mod pointers;
mod reached;
pub(crate) mod slice;
#[cfg(feature = "redb")]
pub(crate) mod spill;
pub(crate) mod trust;

use core::fmt;

#[cfg(feature = "redb")]
pub use self::any::{AnyBytes, AnyStore};
pub use self::commits::commits;
pub use self::contents::CarStats;
#[cfg(feature = "mmap")]
pub use self::mapped::MappedFile;
pub use self::memory::MemoryStore;
pub use self::reached::Reached;
pub use self::slice::SliceStore;
#[cfg(feature = "redb")]
pub use self::spill::{RedbStore, SpillFile, StoredBlock};
use crate::car::{Header, SectionHead};
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
/// Wrong bytes are detected, because a walk hashes every block that it reaches. There are two
/// exceptions. A [`Block`] that a store of the library returned and verified as the requested CID
/// is not hashed again, even if [`Block::map`] replaced its bytes since. The value of a process
/// function ([`Block::processed`]) cannot be hashed. A store that returns different bytes at each
/// call can make a walk return wrong bytes; nothing worse can happen.
///
/// `&S`, `Box<S>`, `Rc<S>` and `Arc<S>` are stores if `S` is one.
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
/// ```
///
/// `tests/peers` of the repository has one over SQLite.
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
    /// inside the store, says nothing about the arguments of the walk. It becomes an error of the
    /// kind `Store` and the class `Io`, with the first error as its source.
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

    /// Returns how many bytes of memory `bytes` keep alive beyond the store's own. 0 (the default)
    /// for borrowed blocks. It counts against the memory limit of a walk, and has no other effect.
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
}

/// Looks a block up in a store that the caller may have written.
#[inline]
pub(crate) fn look_up<'s, S: BlockStore>(
    store: &'s S,
    cid: &Cid,
) -> Result<Option<Block<S::Bytes<'s>>>> {
    store.get(cid).map_err(Error::of_store)
}

/// Whether stored bytes are the block itself or the value that a process function made of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Form {
    /// The block itself.
    #[default]
    Original,
    /// The value that a process function made of the block while it was loaded: see
    /// [`Loader::process`](crate::Loader::process).
    Value,
}

/// The bytes of a block in a store, with its offset and form.
///
/// A store of the library also marks blocks that it has verified; [`map`](Block::map) keeps the
/// mark.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Block<B> {
    /// The bytes.
    pub bytes: B,
    /// Whether the bytes are the block itself.
    pub form: Form,
    /// The offset of the block's section in the CAR that it came from, if the store knows it.
    pub offset: Option<u64>,
    /// The CID that the block was verified to have, if a store or a walk hashed it and its bytes
    /// cannot have changed since.
    pub(crate) verified: Option<Cid>,
}

impl<B> Block<B> {
    /// Creates a block in its original form, without an offset. A walk verifies it.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::store::{Block, Form};
    ///
    /// let block = Block::new(b"\xa0");
    /// assert_eq!((block.offset, block.form), (None, Form::Original));
    /// ```
    pub fn new(bytes: B) -> Self {
        Block { bytes, form: Form::Original, offset: None, verified: None }
    }

    /// Converts the bytes with `f` and keeps the offset, the form and the verification mark. For
    /// stores that wrap another store.
    ///
    /// `f` must return the same bytes in another type: a verified block is not hashed again.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::store::Block;
    ///
    /// let block = Block::new("value").at(1234).processed();
    /// let owned = block.map(|text| text.as_bytes().to_vec());
    /// assert_eq!(owned.bytes, b"value");
    /// assert_eq!((owned.offset, owned.form), (Some(1234), block.form));
    /// ```
    #[inline]
    pub fn map<C>(self, f: impl FnOnce(B) -> C) -> Block<C> {
        Block {
            bytes: f(self.bytes),
            form: self.form,
            offset: self.offset,
            verified: self.verified,
        }
    }

    /// Marks the bytes as the value that a process function made of the block. A walk cannot
    /// verify it and trusts the store.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::store::{Block, Form};
    ///
    /// let length = 1234_u64.to_le_bytes();
    /// assert_eq!(Block::new(length).processed().form, Form::Value);
    /// ```
    #[must_use]
    pub fn processed(mut self) -> Self {
        self.form = Form::Value;
        self
    }

    /// Marks the block with the CID that it was verified to have.
    #[inline]
    pub(crate) fn verified(mut self, cid: Option<Cid>) -> Self {
        self.verified = cid;
        self
    }

    /// Sets the offset of the block's section in its CAR, in bytes. Errors about the block have it.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::store::Block;
    ///
    /// assert_eq!(Block::new(b"\xa0").at(59).offset, Some(59));
    /// ```
    #[must_use]
    pub fn at(mut self, offset: u64) -> Self {
        self.offset = Some(offset);
        self
    }
}

impl<B: AsRef<[u8]>> fmt::Debug for Block<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Block");
        debug
            .field("len", &self.bytes.as_ref().len())
            .field("form", &self.form)
            .field("offset", &self.offset)
            .finish()
    }
}

pub(crate) mod sealed {
    /// Prevents implementations of [`CarStore`](super::CarStore) outside of this library.
    pub trait Sealed {}
}

/// A store of a loaded CAR: it also has the header, the counts and the sections of the CAR.
///
/// [`get`](BlockStore::get) sets the offset of each block. Sealed: only the stores of this library,
/// and pointers to them, implement it.
///
/// # Examples
///
/// ```
/// use carwalk::store::{CarStore, MemoryStore};
///
/// # let stream: &[u8] = include_bytes!("../../samples/repo.car");
/// let store = MemoryStore::new(stream)?;
/// // The commit, 9 nodes and 40 records.
/// assert_eq!(store.stats().sections, 50);
/// let first = store.sections().next().unwrap()?;
/// assert_eq!(first.cid(), store.header().root());
/// # Ok::<(), carwalk::Error>(())
/// ```
///
/// A store of your own is a [`BlockStore`] and cannot be a `CarStore`:
///
/// ```compile_fail,E0277
/// # use carwalk::car::{Header, SectionHead};
/// # use carwalk::store::{Block, BlockStore, CarStats, CarStore, MemoryStore};
/// # use carwalk::{Cid, Result};
/// struct Mine(MemoryStore);
///
/// impl CarStore for Mine {
///     fn header(&self) -> &Header {
///         self.0.header()
///     }
///
///     fn stats(&self) -> CarStats {
///         self.0.stats()
///     }
///
///     fn sections(&self) -> impl Iterator<Item = Result<SectionHead>> {
///         self.0.sections()
///     }
/// }
/// #
/// # impl BlockStore for Mine {
/// #     type Bytes<'a> = &'a [u8];
/// #
/// #     fn get(&self, cid: &Cid) -> Result<Option<Block<&[u8]>>> {
/// #         self.0.get(cid)
/// #     }
/// # }
/// ```
pub trait CarStore: BlockStore + sealed::Sealed {
    /// Returns the header of the CAR.
    fn header(&self) -> &Header;

    /// Returns the counts of the loaded CAR.
    fn stats(&self) -> CarStats;

    /// Returns the error that ended a salvaged load, or `None` if the CAR was loaded to its end.
    /// See [`Loader::salvage`](crate::Loader::salvage).
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::store::CarStore;
    /// use carwalk::{ErrorClass, Loader};
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// let repo = Loader::new().salvage(true).from_slice(&bytes[..1000])?;
    /// assert_eq!(repo.stats().sections, 3);
    /// let fault = repo.store().fault().unwrap();
    /// assert_eq!(fault.class(), ErrorClass::Truncated);
    /// assert_eq!(fault.position().offset(), Some(808));
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    fn fault(&self) -> Option<&Error> {
        None
    }

    /// Returns the heads of all sections in the order of the CAR, including repeated blocks.
    ///
    /// # Errors
    ///
    /// Items are errors only if the blocks are in a spill file: `Store` if reading it fails,
    /// `InvalidSpillFile` if it is damaged. No items follow an error.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::car::Writer;
    /// use carwalk::cid::{Cid, Codec};
    /// use carwalk::store::{CarStore, SliceStore};
    ///
    /// let [a, b] = [b"a", b"b"].map(|block| Cid::of(Codec::Raw, block));
    /// let mut writer = Writer::new(Vec::new(), &[a])?;
    /// writer.write(b, b"b")?;
    /// writer.write(a, b"a")?;
    /// writer.write(b, b"b")?;
    /// let store = SliceStore::new(writer.finish()?)?;
    /// let mut cids = Vec::new();
    /// for head in store.sections() {
    ///     cids.push(head?.cid());
    /// }
    /// assert_eq!(cids, [b, a, b]);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    fn sections(&self) -> impl Iterator<Item = Result<SectionHead>>;
}
