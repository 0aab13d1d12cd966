//! What input may ask for before it is refused.

/// Longest key of a tree, in bytes: what the reference implementation takes, above the 830 bytes
/// that the longest legal repo path has.
pub const MAX_KEY_LEN: usize = 1024;

/// Deepest nesting of arrays and maps in a header value or commit field that carwalk does not know.
pub const MAX_NESTING: usize = 32;

/// Deepest nesting of arrays, maps and tags in a record that the functions of
/// [`record`](crate::record) accept. Real records are far less nested; JSON parsers accept more.
pub const MAX_RECORD_NESTING: usize = 100;

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
    /// Returns [`Limits::new`].
    fn default() -> Self {
        Limits::new()
    }
}

impl Limits {
    /// Returns the default limits: a header of 1 MiB, blocks of 2 MiB, streams of 1 GiB.
    pub const fn new() -> Self {
        Limits { header_len: 1 << 20, block_len: 2 << 20, stream_len: 1 << 30 }
    }

    /// Sets the length of the longest accepted header, in bytes without its length prefix.
    /// Default: 1 MiB. The usual header has 58 bytes.
    pub const fn max_header_len(mut self, bytes: u32) -> Self {
        self.header_len = bytes;
        self
    }

    /// Sets the length of the longest accepted block, in bytes without its CID. Default: 2 MiB.
    ///
    /// The protocol's guide limits records to 1 MiB. Nodes have at most a few kilobytes, unless
    /// their keys were chosen to make them longer; the default leaves room for such nodes.
    pub const fn max_block_len(mut self, bytes: u32) -> Self {
        self.block_len = bytes;
        self
    }

    /// Sets how many bytes are read from a stream at most, including the header. Default: 1 GiB.
    ///
    /// Slices and mapped files have no such limit, because their bytes are there already.
    pub const fn max_stream_len(mut self, bytes: u64) -> Self {
        self.stream_len = bytes;
        self
    }

    /// Returns the length of the longest accepted header, in bytes.
    #[must_use]
    pub const fn header_len(&self) -> u32 {
        self.header_len
    }

    /// Returns the length of the longest accepted block, in bytes.
    #[must_use]
    pub const fn block_len(&self) -> u32 {
        self.block_len
    }

    /// Returns how many bytes are read from a stream at most.
    #[must_use]
    pub const fn stream_len(&self) -> u64 {
        self.stream_len
    }
}
