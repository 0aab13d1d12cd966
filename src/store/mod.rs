//! Stores of blocks: the trait that walks read from, and the stores of the library.
//!
//! | store | where its blocks are | memory that it takes |
//! |---|---|---|
//! | [`SliceStore`] | in your own bytes or a mapped file | 10 bytes a block |
//! | [`MemoryStore`] | in memory | at most 17/16 of the CAR, and 10 bytes a block |
//! | `RedbStore` (feature `redb`) | in a spill file | caches of a fixed size |
//! | `AnyStore` (feature `redb`) | in memory or in a spill file | that of the store in it |
//! | [`Union`] | in several stores of one type | that of the stores in it |
//!
//! While a CAR is loaded, its index takes up to 20 bytes a section.
//!
//! The functions that open a [`Repo`](crate::Repo) choose the store. For a CAR without a commit,
//! load a store by itself. Implement [`BlockStore`] for blocks that are elsewhere.

#[cfg(feature = "redb")]
mod any;
mod block;
mod block_store;
mod car_store;
mod commits;
pub(crate) mod contents;
pub(crate) mod hash;
pub(crate) mod index;
#[cfg(feature = "mmap")]
mod mapped;
pub(crate) mod memory;
pub(crate) mod packed;
mod pointers;
mod reached;
pub(crate) mod recent;
pub(crate) mod slice;
#[cfg(feature = "redb")]
pub(crate) mod spill;
pub(crate) mod trust;
mod union;

#[cfg(feature = "redb")]
pub use self::any::{AnyBytes, AnyStore};
pub use self::block::{Block, Form};
pub use self::block_store::BlockStore;
pub(crate) use self::block_store::look_up;
pub use self::car_store::CarStore;
pub(crate) use self::car_store::sealed;
pub use self::commits::commits;
pub use self::contents::CarStats;
#[cfg(feature = "mmap")]
pub use self::mapped::MappedFile;
pub use self::memory::MemoryStore;
pub use self::reached::Reached;
pub use self::slice::SliceStore;
#[cfg(feature = "redb")]
pub use self::spill::{RedbStore, SpillFile, StoredBlock};
pub use self::union::Union;
