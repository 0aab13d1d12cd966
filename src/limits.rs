//! What input may ask for before it is refused.

/// Longest key of a tree, in bytes: what the reference implementation takes, above the 830 bytes
/// that the longest legal repo path has.
pub const MAX_KEY_LEN: usize = 1024;

/// Deepest nesting of arrays and maps in a header value or commit field that carwalk does not know.
pub const MAX_NESTING: usize = 32;

/// Most fields of a commit. Version 3 has six; the rest is room for fields that do not exist yet.
pub const MAX_COMMIT_FIELDS: usize = 255;

/// Longest text of a public key that is decoded, in bytes without `did:key:`. The longest good one,
/// an uncompressed point, has 90.
pub const MAX_PUBLIC_KEY_TEXT_LEN: usize = 128;

/// Most bytes of a CAR that one store can index: places are numbers of 40 bits.
pub const MAX_CAR_LEN: u64 = 1 << 40;

/// The limits of one load, each of which has a default and an error of kind
/// [`Limit`](crate::ErrorKind::Limit) that names it.
///
/// ```
/// use carwalk::Limits;
///
/// let limits = Limits::default().max_block_len(8 << 20);
/// assert_eq!(limits.block_len(), 8 << 20);
/// assert_eq!(limits.header_len(), 1 << 20);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Limits {
    header_len: u32,
    block_len: u32,
    stream_len: u64,
}

impl Default for Limits {
    /// A header of 1 MiB, blocks of 2 MiB, streams of 1 GiB.
    fn default() -> Self {
        Limits { header_len: 1 << 20, block_len: 2 << 20, stream_len: 1 << 30 }
    }
}

impl Limits {
    /// Sets the longest header that is read, in bytes without its length prefix.
    ///
    /// The usual header has 58 bytes; 1 MiB, the default, is what the strictest peers take.
    pub fn max_header_len(mut self, bytes: u32) -> Self {
        self.header_len = bytes;
        self
    }

    /// Sets the longest block that is read, in bytes without its CID.
    ///
    /// Records have at most 1 MiB by the protocol's guide, and chance makes no node longer than a
    /// few kilobytes. The default, 2 MiB, leaves room for nodes whose keys somebody mined.
    pub fn max_block_len(mut self, bytes: u32) -> Self {
        self.block_len = bytes;
        self
    }

    /// Sets the most bytes that are taken from a reader, header included; 1 GiB by default.
    ///
    /// What a reader gives is held in memory. Slices and mapped files are not held to it: their
    /// bytes are there already.
    pub fn max_stream_len(mut self, bytes: u64) -> Self {
        self.stream_len = bytes;
        self
    }

    /// The longest header, in bytes.
    #[must_use]
    pub fn header_len(&self) -> u32 {
        self.header_len
    }

    /// The longest block, in bytes.
    #[must_use]
    pub fn block_len(&self) -> u32 {
        self.block_len
    }

    /// The most bytes that are taken from a reader.
    #[must_use]
    pub fn stream_len(&self) -> u64 {
        self.stream_len
    }
}
