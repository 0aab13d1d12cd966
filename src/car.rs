//! The container: CAR version 1.
//!
//! ```text
//! header   varint n   n bytes of DAG-CBOR: { roots: [link, ..], version: 1 }
//! section  varint m   CID (36 bytes)   block (m - 36 bytes)
//! section  ..
//! ```
//!
//! A CAR ends between two sections and nowhere else. [`SliceReader`] borrows its blocks from the
//! bytes, [`Reader`] takes them from a stream; both accept exactly the same CARs, and neither
//! hashes a block. [`Writer`] makes CARs. See [CARv1](https://ipld.io/specs/transport/car/carv1/)
//! and [DASL CAR](https://dasl.ing/car.html).

pub(crate) mod arena;
mod header;
mod reader;
mod section;
mod slice;
mod writer;

pub use self::header::Header;
pub use self::reader::Reader;
pub use self::section::{Section, SectionHead};
pub use self::slice::SliceReader;
pub(crate) use self::slice::{block_at, section_at, sections_in};
pub use self::writer::Writer;
use crate::cid::Cid;
use crate::error::Result;

/// What a look at the bytes at hand found.
enum Look<T> {
    /// The whole structure is there.
    Whole(T),
    /// The structure goes on beyond the bytes: it takes at least `expected` of them.
    Short { expected: u64 },
}

/// What comes after a section.
pub(crate) enum Advance {
    /// A section, at this place, and the CID that its block is said to have.
    Section(u64, Cid),
    /// Nothing: the CAR ends here.
    End,
    /// More bytes than the source may hold. Once it is allowed to, it goes on.
    Full,
}

/// Sections one after the other, each found again by the place that it was at.
pub(crate) trait Source {
    /// Bytes that another thread may look at.
    type Lent: AsRef<[u8]> + Send;

    /// Whether sections are found while their bytes are lent.
    const FINDS_LENT: bool;

    /// Bytes of sections that are best hashed before more are asked for.
    const PORTION: u64 = 1 << 18;

    fn header(&self) -> &Header;

    /// Bytes of memory that the source takes for itself.
    fn held(&self) -> u64 {
        0
    }

    /// Sets how many bytes of memory the source may hold.
    fn allow(&mut self, _bytes: u64) {}

    /// Moves to the next section.
    fn advance(&mut self) -> Result<Advance>;

    /// The section that is, or was, at `place`.
    fn section_at(&self, place: u64) -> Option<Section<'_>>;

    /// Whether the sections at two places, and all between them, lie one behind the other in
    /// memory.
    fn are_joined(&self, place: u64, later: u64) -> bool;

    /// What was read of what lies at `place` and behind it, and nothing else.
    fn bytes_from(&self, place: u64) -> &[u8];

    /// Lends the bytes that the section at `place` lies in, and tells where in them it begins.
    /// `None` if the source has yet to write there.
    fn lend(&mut self, place: u64) -> Option<(Self::Lent, usize)>;

    /// Takes back what was lent at `place`.
    fn take_back(&mut self, place: u64, lent: Self::Lent);

    /// Bytes of the CAR up to the end of the section at hand.
    fn position(&self) -> u64;
}
