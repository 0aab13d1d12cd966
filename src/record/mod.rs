//! Records and their contents: fields, links, blobs, JSON and oddities.
//!
//! A [`Record`] is a path, a CID and a value. Its methods read the value; the functions of this
//! module do the same for bytes without a `Record`: those of a
//! [lookup](crate::Repo::get), of an [`Event`](crate::mst::Event), or in a [process
//! function](crate::Loader::process).
//!
//! Only `decode` requires DAG-CBOR. The others accept any CBOR, so an odd record never prevents
//! reading the rest. They do not recurse, accept at most
//! [`MAX_RECORD_NESTING`](crate::limits::MAX_RECORD_NESTING) levels, and allocate nothing in
//! proportion to a length that a record declares. Their errors are of the class
//! [`Invalid`](crate::ErrorClass::Invalid) or [`Limit`](crate::ErrorClass::Limit). Those of
//! `decode` are of the class [`Caller`](crate::ErrorClass::Caller).
//!
//! # Examples
//!
//! ```
//! use carwalk::{Repo, record};
//!
//! # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
//! let repo = Repo::from_slice(bytes)?;
//! let mut odd_items = 0;
//! for record in repo.records() {
//!     let record = record?;
//!     for odd in record.oddities() {
//!         println!("{}: {}", record.path(), odd?);
//!         odd_items += 1;
//!     }
//! }
//! assert_eq!(odd_items, 0);
//!
//! // {"v": undefined}
//! let odd = record::oddities(b"\xa1\x61v\xf7").next().unwrap()?;
//! assert_eq!(odd.path(), "v");
//! # Ok::<(), carwalk::Error>(())
//! ```

// | file | |
// |---|---|
// | `mod` | [`Record`] |
// | `contents` | the methods of [`Record`] that read its bytes |
// | `decode` (feature `serde`) | decoding into the caller's types |
// | `items` | the items of a record, one by one |
// | `links`, `blobs` | links and blobs at any depth |
// | `oddity`, `oddities` | the oddities, and the iterator over them |
// | `survey` | the pass that finds them, and the items without a JSON form |
// | `place` | the path of an item in its record |
// | `json` (feature `json`) | records as JSON |
// | `origin` | path, CID and offset of a record, for errors |

mod blobs;
mod contents;
#[cfg(feature = "serde")]
mod decode;
mod items;
#[cfg(feature = "json")]
mod json;
mod links;
mod oddities;
mod oddity;
mod origin;
mod place;
mod survey;

use core::fmt;

pub use self::blobs::{Blob, Blobs, blobs};
#[cfg(feature = "serde")]
pub use self::decode::decode;
#[cfg(feature = "json")]
pub use self::json::{Layout, append_json, append_json_text, is_harmful, to_json, write_json};
pub use self::links::{Links, links};
pub use self::oddities::{OddItem, Oddities, oddities};
pub use self::oddity::Oddity;
use crate::cid::Cid;
use crate::path::{RepoPath, RepoPathBuf};

/// A record: its path, its CID and its value.
///
/// Without a process function the value is the record's bytes in the type of the store's blocks:
/// `&[u8]` for slices, mapped files and memory. The bytes are parsed only by the methods that need
/// it, so any bytes can be a record. With [`Loader::process`](crate::Loader::process) the value is
/// the result of the function.
///
/// # Examples
///
/// ```
/// use carwalk::Repo;
///
/// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
/// let repo = Repo::from_slice(bytes)?;
/// let post = repo.records_in("app.bsky.feed.post/"..).next().unwrap()?;
/// assert_eq!(post.path().collection(), "app.bsky.feed.post");
/// assert_eq!(post.bytes().len(), 101);
/// assert!(post.cid().verify(post.value()).is_ok());
/// # Ok::<(), carwalk::Error>(())
/// ```
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

    /// Returns the path: collection and record key.
    ///
    /// # Examples
    ///
    /// ```
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// let repo = carwalk::Repo::from_slice(bytes)?;
    /// let first = repo.records().next().unwrap()?;
    /// assert_eq!(first.path().record_key(), "self");
    /// // A lookup takes the path as it is.
    /// assert_eq!(repo.get(first.path())?.cid(), Some(first.cid()));
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    #[must_use]
    pub fn path(&self) -> RepoPath<'_> {
        self.path.as_path()
    }

    /// Returns the CID of the record, also where the value is that of a process function.
    #[must_use]
    pub fn cid(&self) -> Cid {
        self.cid
    }

    /// Returns the section offset of the record in the CAR, in bytes. `None` if the store does not
    /// know it; every store of this library does.
    ///
    /// # Examples
    ///
    /// ```
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// let repo = carwalk::Repo::from_slice(bytes)?;
    /// let mut records = repo.records().collect::<Result<Vec<_>, _>>()?;
    /// // From key order to the order of the CAR, in which the last post was written first.
    /// records.sort_by_key(|record| record.offset());
    /// assert_eq!(records[0].path().to_string(), "app.bsky.feed.post/3l4ozvargq22l");
    /// assert_eq!(records[0].offset(), Some(682));
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    #[must_use]
    pub fn offset(&self) -> Option<u64> {
        self.offset
    }

    /// Returns the value: the record's bytes, or the result of the process function.
    #[must_use]
    pub fn value(&self) -> &V {
        &self.value
    }

    /// Converts the record into its value.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::Loader;
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// // Only the length of each record is stored.
    /// let repo = Loader::new().process(|record| record.len()).from_reader(bytes)?;
    /// let mut total = 0;
    /// for record in &repo {
    ///     total += record?.into_value();
    /// }
    /// assert_eq!(total, 7338);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    #[must_use]
    pub fn into_value(self) -> V {
        self.value
    }

    /// Converts the record into its path, CID and value.
    ///
    /// # Examples
    ///
    /// ```
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// let repo = carwalk::Repo::from_slice(bytes)?;
    /// let (path, cid, value) = repo.records().next().unwrap()?.into_parts();
    /// assert_eq!(path.collection(), "app.bsky.actor.profile");
    /// // The value borrows from the slice, not from the record.
    /// assert!(cid.verify(value).is_ok());
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    #[must_use]
    pub fn into_parts(self) -> (RepoPathBuf, Cid, V) {
        (self.path, self.cid, self.value)
    }
}

/// Omits the value, which may be long.
impl<V> fmt::Debug for Record<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("path", &self.path)
            .field("cid", &self.cid)
            .field("offset", &self.offset)
            .finish_non_exhaustive()
    }
}
