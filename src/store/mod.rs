//! Where blocks lie: the trait that the walk reads from, and the stores that come with the library.

pub(crate) mod contents;
mod hash;
pub(crate) mod index;
pub(crate) mod memory;
pub(crate) mod packed;
mod reached;
pub(crate) mod slice;
#[cfg(feature = "redb")]
pub(crate) mod spill;
pub(crate) mod trust;

use core::fmt;

pub use self::contents::CarStats;
pub use self::memory::MemoryStore;
pub use self::reached::Reached;
pub use self::slice::SliceStore;
#[cfg(feature = "redb")]
pub use self::spill::{RedbStore, SpillFile, StoredBlock};
use crate::car::{Header, SectionHead};
use crate::cid::Cid;
use crate::error::{Error, Result};

/// Blocks by CID.
///
/// # Contract
///
/// A walk relies on this, and on no more:
///
/// - `get` gives the bytes that were stored under exactly this CID, codec included, or `None`; the
///   same at each call for as long as the store is borrowed, and from each `as_ref` of a block. A
///   walk over a store of the caller's hashes what it reaches, so wrong bytes are found, not
///   believed. Only if a store gives now these, now those, wrong bytes may come out; nothing worse
///   happens.
/// - `contains` is true exactly if `get` would give a block. It should cost less.
/// - Errors are those of the store itself, made with [`Error::store`](crate::Error::store). A block
///   that is not there is none. After an error the walk stops.
/// - Nothing panics.
pub trait BlockStore {
    /// A block's bytes, borrowed from the store or held.
    type Block<'a>: AsRef<[u8]>
    where
        Self: 'a;

    /// The block of a CID.
    ///
    /// # Errors
    ///
    /// Whatever keeps the store from telling.
    fn get(&self, cid: &Cid) -> Result<Option<Found<Self::Block<'_>>>>;

    /// Whether the block of a CID is there.
    ///
    /// # Errors
    ///
    /// Whatever keeps the store from telling.
    fn contains(&self, cid: &Cid) -> Result<bool>;

    /// Bytes of memory that a block takes for as long as it is held, beside what the store takes
    /// anyway: none, unless it is a copy.
    fn block_cost<'a>(&'a self, _block: &Self::Block<'a>) -> u64 {
        0
    }

    /// Says that these blocks will be asked for soon, in about this order. A store may use it to
    /// save time; doing nothing is right too.
    fn prefetch(&self, _cids: &[Cid]) {}
}

impl<S: BlockStore + ?Sized> BlockStore for &S {
    type Block<'a>
        = S::Block<'a>
    where
        Self: 'a;

    fn get(&self, cid: &Cid) -> Result<Option<Found<Self::Block<'_>>>> {
        (**self).get(cid)
    }

    fn contains(&self, cid: &Cid) -> Result<bool> {
        (**self).contains(cid)
    }

    fn block_cost<'a>(&'a self, block: &Self::Block<'a>) -> u64 {
        (**self).block_cost(block)
    }

    fn prefetch(&self, cids: &[Cid]) {
        (**self).prefetch(cids);
    }
}

/// What the bytes are that a store has of a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Form {
    /// The block itself.
    #[default]
    Raw,
    /// What a [`Process`](crate::Process) made of it while it was loaded.
    Reduced,
}

/// A block that a store found.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Found<B> {
    /// The bytes.
    pub bytes: B,
    /// Whether the bytes are the block itself.
    pub form: Form,
    /// Where the block's section begins in the CAR that it came from, if the store knows.
    pub offset: Option<u64>,
    /// The CID that the block was verified to have, if a store or a walk has hashed it and nobody
    /// can have changed it since.
    pub(crate) verified: Option<Cid>,
}

impl<B> Found<B> {
    /// A block of which nothing else is known.
    pub fn new(bytes: B) -> Self {
        Found { bytes, form: Form::Raw, offset: None, verified: None }
    }

    /// The same with other bytes.
    #[cfg(feature = "redb")]
    pub(crate) fn map<C>(self, bytes: impl FnOnce(B) -> C) -> Found<C> {
        Found {
            bytes: bytes(self.bytes),
            form: self.form,
            offset: self.offset,
            verified: self.verified,
        }
    }

    /// What a process function made of the block. It cannot be hashed: the store vouches for it.
    #[must_use]
    pub fn reduced(mut self) -> Self {
        self.form = Form::Reduced;
        self
    }

    /// The same block, marked with the CID that it was verified to have.
    #[inline]
    pub(crate) fn verified(mut self, cid: Option<Cid>) -> Self {
        self.verified = cid;
        self
    }

    /// The same block, from the section at `offset`.
    #[must_use]
    pub fn at(mut self, offset: u64) -> Self {
        self.offset = Some(offset);
        self
    }
}

impl<B: AsRef<[u8]>> fmt::Debug for Found<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Found");
        debug
            .field("len", &self.bytes.as_ref().len())
            .field("form", &self.form)
            .field("offset", &self.offset)
            .finish()
    }
}

/// Stores that hold a whole CAR and can tell its sections in the order of the file.
///
/// `get` must tell the offset of each block that it finds.
pub trait CarStore: BlockStore {
    /// The header of the CAR.
    fn header(&self) -> &Header;

    /// What was counted while the CAR was loaded.
    fn stats(&self) -> CarStats;

    /// What is wrong with the rest of the CAR, if that was given up: see
    /// [`Loader::salvage`](crate::Loader::salvage).
    fn fault(&self) -> Option<&Error> {
        None
    }

    /// The heads of all sections in the order of the CAR, repeated blocks included.
    fn sections(&self) -> impl Iterator<Item = Result<SectionHead>>;
}
