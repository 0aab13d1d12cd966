//! CAR version 1, the container of repository exports.
//!
//! ```text
//! header   varint n   n bytes of DAG-CBOR: { roots: [link, ..], version: 1 }
//! section  varint m   CID (36 bytes)   block (m - 36 bytes)
//! section  ..
//! ```
//!
//! `n` and `m` are [varints](crate::varint). A CAR can end after its header and after any section.
//! [`SliceReader`] borrows its blocks from the bytes, [`Reader`] reads them from a stream. Both
//! accept the same CARs, except that [`Reader`] has a stream limit (default: 1 GiB) and
//! [`SliceReader`] a fixed limit of 1 TiB. Neither hashes a block. [`Writer`] writes CARs.
//!
//! These types see sections only. [`Repo`](crate::Repo) opens the repository in a CAR, and
//! [`store`](crate::store) finds blocks by their CIDs.
//!
//! See [CARv1](https://ipld.io/specs/transport/car/carv1/) and [DASL
//! CAR](https://dasl.ing/car.html).

pub(crate) mod arena;
mod header;
mod look_alike;
mod placement;
mod reader;
mod section;
mod slice;
mod source;
mod writer;

pub use self::header::Header;
#[cfg(feature = "redb")]
pub(crate) use self::look_alike::SPILL_SIGNATURE;
pub(crate) use self::placement::Placement;
pub use self::reader::Reader;
pub use self::section::{Section, SectionHead};
pub use self::slice::SliceReader;
#[cfg(feature = "signature")]
pub(crate) use self::slice::block_at_offset;
pub(crate) use self::slice::{block_at, bytes_at, section_at, sections_in};
pub(crate) use self::source::{Advance, Located, Source, changed};
pub use self::writer::Writer;

/// The outcome of parsing a structure from the bytes that were read so far.
enum Look<T> {
    /// The structure is complete.
    Whole(T),
    /// The structure extends beyond the bytes: it takes at least `expected` of them.
    Short { expected: u64 },
}
