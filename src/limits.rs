//! Bounds on the input: the [`Limits`] that a caller sets, and constants.
//!
//! Exceeding one is an error of kind [`Limit`](crate::ErrorKind::Limit). A declared length is
//! checked before memory is taken for it. One exception: a text longer than
//! [`MAX_PUBLIC_KEY_TEXT_LEN`] is an error of kind [`PublicKey`](crate::ErrorKind::PublicKey).
//!
//! For bounds on memory see [`Loader::memory_limit`](crate::Loader::memory_limit) and
//! [`Walk::memory_limit`](crate::mst::Walk::memory_limit).

/// Maximum length of a key of the tree, in bytes. Walks and [`mst::Node`](crate::mst::Node) check
/// it.
///
/// The reference implementation has the same limit. The longest valid repo path has 830 bytes.
pub const MAX_KEY_LEN: usize = 1024;

/// Maximum nesting of arrays and maps in unknown fields of a CAR header, a commit or a
/// message. Every function that parses one of these checks it.
pub const MAX_NESTING: usize = 32;

/// Maximum nesting of arrays, maps and tags in a record, for the functions of
/// [`record`](crate::record).
pub const MAX_RECORD_NESTING: usize = 100;

/// Maximum number of fields of a commit. Version 3 defines six; others are accepted and covered by
/// the signature. Openers and [`Commit::parse`](crate::Commit::parse) check it.
pub const MAX_COMMIT_FIELDS: usize = 255;

/// Maximum number of operations of a commit message that `sync::Message::parse` (feature `sync`)
/// reads. The specification allows 200, which is the default of `sync::Verifier`.
pub const MAX_OPERATIONS: usize = 10_000;

/// Maximum length of the text of a public key, in bytes without `did:key:`. The longest valid text,
/// that of an uncompressed point, has 90 bytes.
pub const MAX_PUBLIC_KEY_TEXT_LEN: usize = 128;

/// Maximum length of a CAR in a slice or a store, in bytes: 1 TiB. The index of a store has 40 bits
/// for an offset. For [`car::Reader`](crate::car::Reader), [`peek_commit`](crate::peek_commit) and
/// [`StreamWalk`](crate::StreamWalk), which store nothing, only [`Limits::max_stream_len`] applies.
pub const MAX_CAR_LEN: u64 = 1 << 40;

/// The limits on the input of a load, a [`car::Reader`](crate::car::Reader) or a
/// [`car::SliceReader`](crate::car::SliceReader).
///
/// Exceeding a limit is an error of kind [`Limit`](crate::ErrorKind::Limit), which has the name of
/// the limit, its value and what the input asked for.
///
/// # Examples
///
/// ```
/// use carwalk::{ErrorClass, Limits, Loader};
///
/// # let stream: &[u8] = include_bytes!("../samples/repo.car");
/// let limits = Limits::new().max_stream_len(10_000);
/// assert_eq!(limits.stream_len(), 10_000);
/// assert_eq!((limits.header_len(), limits.block_len()), (1 << 20, 2 << 20));
///
/// // `stream` has 12,641 bytes.
/// let error = Loader::new().limits(limits).from_reader(stream).unwrap_err();
/// assert_eq!(error.class(), ErrorClass::Limit);
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
    /// Returns the default limits: headers of 1 MiB, blocks of 2 MiB, streams of 1 GiB.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::Limits;
    ///
    /// // Can be a constant, like all limits.
    /// const LIMITS: Limits = Limits::new().max_stream_len(16 << 30);
    /// assert_eq!(LIMITS.block_len(), 2_097_152);
    /// ```
    pub const fn new() -> Self {
        Limits { header_len: 1 << 20, block_len: 2 << 20, stream_len: 1 << 30 }
    }

    /// Sets the maximum length of a CAR header in bytes, without its length prefix. Default: 1 MiB.
    ///
    /// A header with one root has 58 bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::{Limits, Loader};
    ///
    /// # let bytes: &[u8] = include_bytes!("../samples/repo.car");
    /// let open = |max| Loader::new().limits(Limits::new().max_header_len(max)).from_slice(bytes);
    /// assert!(open(58).is_ok());
    /// let error = open(57).unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "CAR header at byte 0: header length of 58 exceeds the limit of 57"
    /// );
    /// ```
    pub const fn max_header_len(mut self, bytes: u32) -> Self {
        self.header_len = bytes;
        self
    }

    /// Sets the maximum length of a block in bytes, without its CID. Default: 2 MiB.
    ///
    /// The protocol's [guide to data validation](https://atproto.com/guides/data-validation)
    /// recommends records of at most 1 MiB. Nodes take a few kilobytes, unless their keys were
    /// chosen to make them longer.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::{Limits, Loader};
    ///
    /// # let bytes: &[u8] = include_bytes!("../samples/repo.car");
    /// let open = |max| Loader::new().limits(Limits::new().max_block_len(max)).from_slice(bytes);
    /// // The longest block is a node of 949 bytes.
    /// assert!(open(949).is_ok());
    /// assert_eq!(open(948).unwrap_err().position().offset(), Some(808));
    /// ```
    pub const fn max_block_len(mut self, bytes: u32) -> Self {
        self.block_len = bytes;
        self
    }

    /// Sets the maximum length of a stream, in bytes, header included. Default: 1 GiB.
    ///
    /// Applies to spilled loads, too. The length of slices and mapped files is bounded only by
    /// [`MAX_CAR_LEN`].
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::{Limits, Loader};
    ///
    /// # let bytes: &[u8] = include_bytes!("../samples/repo.car");
    /// // `bytes` has 12,641 bytes.
    /// let loader = Loader::new().limits(Limits::new().max_stream_len(10_000));
    /// assert!(loader.from_reader(bytes).is_err());
    /// assert!(loader.from_slice(bytes).is_ok());
    /// ```
    pub const fn max_stream_len(mut self, bytes: u64) -> Self {
        self.stream_len = bytes;
        self
    }

    /// Returns the maximum length of a CAR header, in bytes.
    #[must_use]
    pub const fn header_len(&self) -> u32 {
        self.header_len
    }

    /// Returns the maximum length of a block, in bytes.
    #[must_use]
    pub const fn block_len(&self) -> u32 {
        self.block_len
    }

    /// Returns the maximum length of a stream, in bytes.
    #[must_use]
    pub const fn stream_len(&self) -> u64 {
        self.stream_len
    }
}
