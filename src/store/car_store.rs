//! The trait of stores that have a loaded CAR.

use super::block_store::BlockStore;
use super::contents::CarStats;
use crate::car::{Header, SectionHead};
use crate::error::{Error, Result};

pub(crate) mod sealed {
    /// Prevents implementations of [`CarStore`](super::CarStore) outside of this library.
    pub trait Sealed {}
}

/// A store of a loaded CAR: it also has the [`header`](CarStore::header), the counts
/// ([`stats`](CarStore::stats)) and the [`sections`](CarStore::sections) of the CAR.
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
