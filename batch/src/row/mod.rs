//! A row: one record of a repository, and the values of its columns.

mod fields;
mod items;
mod time;

use core::fmt;

use carwalk::cid::Codec;
use carwalk::{Cid, RepoPath, record, syntax};

pub use self::fields::Fields;
pub(crate) use self::time::has_text;
pub use self::time::{append_time, datetime_micros};

/// A row: a record, with the commit that it belongs to.
///
/// Borrows everything. The block may be any bytes: no value of a row ever fails, it is null.
///
/// # Examples
///
/// ```
/// use carwalk::Repo;
/// use carwalk_batch::row::Row;
///
/// # let bytes: &[u8] = include_bytes!("../../../samples/repo.car");
/// let repo = Repo::from_slice(bytes)?;
/// let commit = repo.commit();
/// let follow = repo.records().next_back().unwrap()?;
/// let block = Some(*follow.value());
/// let row = Row::new(commit.did(), commit.rev(), follow.path(), follow.cid(), block);
/// assert_eq!(row.path().collection(), "app.bsky.graph.follow");
/// assert!(row.time().is_some());
/// assert!(row.fields().subject().is_some_and(|did| did.starts_with("did:plc:")));
/// # Ok::<(), carwalk::Error>(())
/// ```
#[derive(Clone, Copy)]
pub struct Row<'a> {
    did: &'a str,
    rev: &'a str,
    path: RepoPath<'a>,
    cid: Cid,
    block: Option<&'a [u8]>,
}

impl<'a> Row<'a> {
    /// Creates a row. `block` is `None` if records are not looked up; the columns that are read
    /// from it are then null.
    #[must_use]
    pub fn new(
        did: &'a str,
        rev: &'a str,
        path: RepoPath<'a>,
        cid: Cid,
        block: Option<&'a [u8]>,
    ) -> Self {
        Row { did, rev, path, cid, block }
    }

    /// Returns the DID of the account.
    #[must_use]
    pub fn did(&self) -> &'a str {
        self.did
    }

    /// Returns the revision of the repository.
    #[must_use]
    pub fn rev(&self) -> &'a str {
        self.rev
    }

    /// Returns the path: collection and record key.
    #[must_use]
    pub fn path(&self) -> RepoPath<'a> {
        self.path
    }

    /// Returns the CID of the record.
    #[must_use]
    pub fn cid(&self) -> Cid {
        self.cid
    }

    /// Returns the length of the record's block, in bytes.
    #[must_use]
    pub fn size(&self) -> Option<usize> {
        self.block.map(<[u8]>::len)
    }

    /// Returns the record's block, if it was looked up.
    #[must_use]
    pub fn block(&self) -> Option<&'a [u8]> {
        self.block
    }

    /// Returns the time in the record key, in microseconds since 1970, if the key is a TID. Never
    /// after the year 2540.
    #[must_use]
    pub fn time(&self) -> Option<i64> {
        syntax::tid_micros(self.path.record_key()).and_then(|micros| i64::try_from(micros).ok())
    }

    /// Reads `createdAt` and `subject`, in one pass over the record's members that ends when both
    /// are found.
    #[must_use]
    pub fn fields(&self) -> Fields<'a> {
        self.cbor().map(Fields::of).unwrap_or_default()
    }

    /// Appends the record as compact JSON. Returns `false` and appends nothing if it has none: the
    /// block is not CBOR, its CID has the codec raw, or arrays, maps and tags are nested too deep.
    ///
    /// The JSON is that of [`record::append_json`](carwalk::record::append_json()), and so what
    /// `carwalk get --compact` prints.
    pub fn append_record(&self, out: &mut Vec<u8>) -> bool {
        self.cbor().is_some_and(|block| record::append_json(block, out).is_ok())
    }

    /// Returns the block unless its CID says that it is not CBOR. Raw bytes could look like CBOR by
    /// chance.
    fn cbor(&self) -> Option<&'a [u8]> {
        self.block.filter(|_| self.cid.codec() == Codec::DagCbor)
    }
}

/// Omits the block, which may be long.
impl fmt::Debug for Row<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Row")
            .field("did", &self.did)
            .field("rev", &self.rev)
            .field("path", &self.path)
            .field("cid", &self.cid)
            .field("size", &self.size())
            .finish_non_exhaustive()
    }
}
