//! Records: a path, a CID, and what the store has of the record.

use core::fmt;

use crate::cid::Cid;
#[cfg(feature = "serde")]
use crate::error::{Error, Result, Structure};
use crate::path::{RepoPath, RepoPathBuf};

/// A record: its path, its CID and its value.
///
/// Without a process function the value is the record's bytes as the store has them: `&[u8]` for
/// slices, maps and memory. They are opaque to carwalk: any block can be a record's. With
/// [`Loader::process`](crate::Loader::process) it is what the function made of them.
#[derive(Clone, PartialEq, Eq)]
pub struct Record<V> {
    path: RepoPathBuf,
    cid: Cid,
    value: V,
    offset: Option<u64>,
}

impl<V> Record<V> {
    pub(crate) fn new(path: RepoPathBuf, cid: Cid, value: V, offset: Option<u64>) -> Self {
        Record { path, cid, value, offset }
    }

    /// The path: collection and record key.
    #[must_use]
    pub fn path(&self) -> RepoPath<'_> {
        self.path.as_path()
    }

    /// The CID of the record.
    #[must_use]
    pub fn cid(&self) -> Cid {
        self.cid
    }

    /// Where the record's section begins in the CAR, if the store knows.
    #[must_use]
    pub fn offset(&self) -> Option<u64> {
        self.offset
    }

    /// The value.
    #[must_use]
    pub fn value(&self) -> &V {
        &self.value
    }

    /// The value, without the rest.
    #[must_use]
    pub fn into_value(self) -> V {
        self.value
    }

    /// The parts: path, CID and value.
    #[must_use]
    pub fn into_parts(self) -> (RepoPathBuf, Cid, V) {
        (self.path, self.cid, self.value)
    }
}

impl<B: AsRef<[u8]>> Record<B> {
    /// The bytes of the record.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.value.as_ref()
    }

    /// A decoder at the start of the record, to pick single fields out without a type for the
    /// whole.
    ///
    /// It takes any CBOR, not only the canonical form.
    #[must_use]
    pub fn decoder(&self) -> minicbor::Decoder<'_> {
        minicbor::Decoder::new(self.bytes())
    }

    /// Decodes the record; texts and byte strings can be borrowed from it.
    ///
    /// # Errors
    ///
    /// `Decode`, with path and CID, if the record is not DAG-CBOR or does not fit `T`.
    ///
    /// ```
    /// use carwalk::Repo;
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Post<'a> {
    ///     #[serde(borrow)]
    ///     text: std::borrow::Cow<'a, str>,
    /// }
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// let repo = Repo::from_slice(bytes)?;
    /// for record in repo.records() {
    ///     let record = record?;
    ///     if record.path().collection() == "app.bsky.feed.post" {
    ///         println!("{}", record.decode::<Post>()?.text);
    ///     }
    /// }
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    #[cfg(feature = "serde")]
    pub fn decode<'r, T: serde::Deserialize<'r>>(&'r self) -> Result<T> {
        serde_ipld_dagcbor::from_slice(self.bytes()).map_err(|source| {
            let error = Error::new(crate::error::ErrorKind::Decode(source.into()));
            let key = self.path().as_str().as_bytes();
            error.in_structure(Structure::Record).at(self.offset).of_cid(self.cid).of_key(key)
        })
    }
}

/// Without the value, which may be long.
impl<V> fmt::Debug for Record<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("path", &self.path)
            .field("cid", &self.cid)
            .field("offset", &self.offset)
            .finish_non_exhaustive()
    }
}
