//! Stores of blocks: the trait that walks read from, and the stores of the library.

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

/// Blocks by CID: what a walk reads from.
///
/// # Contract
///
/// A walk relies on this, and on nothing else:
///
/// - [`get`](BlockStore::get) returns the bytes that were stored under exactly this CID, including
///   its codec, or `None`. It returns the same bytes for as long as the store is borrowed, and so
///   does each call of `as_ref` on a block.
/// - [`contains`](BlockStore::contains) returns true exactly if `get` would return a block. It
///   should cost less.
/// - A missing block is not an error. Errors are those of the store itself, made with
///   [`Error::store`](crate::Error::store). After an error the walk ends.
/// - Nothing panics.
///
/// Wrong bytes are found, not believed: a walk hashes every block that it reaches. There are two
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
/// A store over two others keeps what is known of their blocks with [`Block::map`]:
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
    /// `Store` or `Io` if the store fails.
    ///
    /// A walk returns other kinds as they are, so a store that wraps another can pass its errors
    /// on. One exception: an error of the class [`Caller`](crate::ErrorClass::Caller), such as that
    /// of [`Cid::parse`](crate::Cid::parse) inside the store, says nothing about the arguments of
    /// the walk. It becomes an error of the kind `Store` and the class `Io`, with the first error as
    /// its source.
    fn get(&self, cid: &Cid) -> Result<Option<Block<Self::Bytes<'_>>>>;

    /// Returns whether the store has the block of a CID. Calls [`get`](BlockStore::get) by default.
    ///
    /// # Errors
    ///
    /// `Store` or `Io` if the store fails.
    fn contains(&self, cid: &Cid) -> Result<bool> {
        Ok(self.get(cid)?.is_some())
    }

    /// Returns how many bytes of memory `bytes` keep alive beyond the store's own. 0 (the default)
    /// for borrowed blocks. It counts against the memory limit of a walk, and has no other effect.
    fn memory_cost<'a>(&'a self, _bytes: &Self::Bytes<'a>) -> u64 {
        0
    }

    /// Hints that these blocks will be requested soon, roughly in this order. Does nothing by
    /// default.
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

/// A block in a store, and what the store knows of it.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Block<B> {
    /// The bytes.
    pub bytes: B,
    /// Whether the bytes are the block itself.
    pub form: Form,
    /// The offset of the block's section in the CAR that it came from, if the store knows it.
    pub offset: Option<u64>,
    /// The CID that the block was verified to have, if a store or a walk has hashed it and nobody
    /// can have changed it since.
    pub(crate) verified: Option<Cid>,
}

impl<B> Block<B> {
    /// Creates a block of which nothing but the bytes is known.
    pub fn new(bytes: B) -> Self {
        Block { bytes, form: Form::Original, offset: None, verified: None }
    }

    /// Converts the bytes with `f` and keeps the block's offset, form and verification mark. For
    /// stores that wrap another store.
    ///
    /// `f` must return the same bytes in another type: a verified block is not hashed again.
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

    /// Marks the bytes as the value that a process function made of the block. It cannot be
    /// verified: the store vouches for it.
    #[must_use]
    pub fn processed(mut self) -> Self {
        self.form = Form::Value;
        self
    }

    /// The same block, marked with the CID that it was verified to have.
    #[inline]
    pub(crate) fn verified(mut self, cid: Option<Cid>) -> Self {
        self.verified = cid;
        self
    }

    /// Sets the offset of the section that the block came from.
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
    /// Keeps [`CarStore`](super::CarStore) to this library.
    pub trait Sealed {}
}

/// A store that holds a whole CAR and can list its sections in the order of the file.
///
/// [`get`](BlockStore::get) sets the offset of each block. Sealed: only the stores of this library,
/// and pointers to them, implement it.
///
/// ```
/// use carwalk::store::{CarStore, MemoryStore};
///
/// # let stream: &[u8] = include_bytes!("../../samples/repo.car");
/// let store = MemoryStore::new(stream)?;
/// let heads = store.sections().collect::<Result<Vec<_>, _>>()?;
/// // The commit, 9 nodes and 40 records.
/// assert_eq!(heads.len(), 50);
/// assert_eq!(heads[0].cid(), store.header().root());
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

    /// Returns the error that ended a salvaged load: see
    /// [`Loader::salvage`](crate::Loader::salvage).
    fn fault(&self) -> Option<&Error> {
        None
    }

    /// Returns the heads of all sections in the order of the CAR, including repeated blocks.
    fn sections(&self) -> impl Iterator<Item = Result<SectionHead>>;
}
