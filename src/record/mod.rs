//! Records and their contents: fields, links, blobs, JSON, and departures from the data model.
//!
//! A [`Record`] is a path, a CID and a value. Its methods read the value; the functions of this
//! module do the same for bytes without a `Record`: those of a
//! [lookup](crate::Repo::get), of an [`Event`](crate::mst::Event), or in a [process
//! function](crate::Loader::process).
//!
//! Only `decode` requires DAG-CBOR. The others accept any CBOR, so an odd record never prevents
//! reading the rest. They do not recurse, accept at most
//! [`MAX_RECORD_NESTING`](crate::limits::MAX_RECORD_NESTING) levels, and never allocate by a length
//! that a record declares.
//!
//! # Examples
//!
//! ```
//! use carwalk::{Repo, record};
//!
//! # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
//! let repo = Repo::from_slice(bytes)?;
//! for record in repo.records() {
//!     let record = record?;
//!     for odd in record.oddities() {
//!         println!("{}: {}", record.path(), odd?);
//!     }
//! }
//!
//! // {"v": undefined}
//! let odd = record::oddities(b"\xa1\x61v\xf7").next().unwrap()?;
//! assert_eq!(odd.path(), "v");
//! # Ok::<(), carwalk::Error>(())
//! ```

// | file | |
// |---|---|
// | `mod` | [`Record`] |
// | `decode` (feature `serde`) | decoding into the caller's types |
// | `items` | the items of a record, one by one |
// | `links`, `blobs` | links and blobs at any depth |
// | `oddity`, `oddities` | the departures from the data model, and the iterator over them |
// | `survey` | the pass that finds them, and the items without a JSON form |
// | `place` | the path of an item in its record |
// | `json` (feature `json`) | records as JSON |
// | `origin` | path, CID and offset of a record, for errors |

mod blobs;
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
#[cfg(feature = "json")]
use std::io;

pub use self::blobs::{Blob, Blobs, blobs};
#[cfg(feature = "serde")]
pub use self::decode::decode;
#[cfg(feature = "json")]
pub use self::json::{Layout, to_json, write_json};
pub use self::links::{Links, links};
pub use self::oddities::{OddItem, Oddities, oddities};
pub use self::oddity::Oddity;
use self::origin::Origin;
use crate::cid::Cid;
#[cfg(any(feature = "json", feature = "serde"))]
use crate::error::Result;
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
    /// assert_eq!(first.path().to_string(), "app.bsky.actor.profile/self");
    /// assert_eq!(first.path().record_key(), "self");
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

impl<B: AsRef<[u8]>> Record<B> {
    /// Returns the bytes of the record.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.value.as_ref()
    }

    /// Returns a decoder at the start of the record, for single fields without a type for the
    /// whole.
    ///
    /// The decoder accepts any CBOR, not only the canonical form.
    ///
    /// # Examples
    ///
    /// ```
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// let repo = carwalk::Repo::from_slice(bytes)?;
    /// let profile = repo.records().next().unwrap()?;
    /// let mut decoder = profile.decoder();
    /// // A map of three members, of which `$type` is the first.
    /// assert_eq!(decoder.map()?, Some(3));
    /// assert_eq!((decoder.str()?, decoder.str()?), ("$type", "app.bsky.actor.profile"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn decoder(&self) -> minicbor::Decoder<'_> {
        minicbor::Decoder::new(self.bytes())
    }

    /// Decodes the record into `T`, which may borrow texts and byte strings from this `Record`.
    ///
    /// A link decodes into a [`Cid`]. Members that `T` does not have are skipped, and their
    /// encoding is not checked. With [`decode_borrowed`](Record::decode_borrowed) the result
    /// borrows from the store instead.
    ///
    /// # Errors
    ///
    /// `Decode`, of the class `Caller`, if the record does not fit `T`, if what `T` reads of it is
    /// not strict DAG-CBOR, or if bytes follow its end. The error has the record's path in
    /// [`Error::key`](crate::Error::key) and its CID in [`Error::cid`](crate::Error::cid); the cause
    /// is its source.
    ///
    /// # Examples
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
    /// let mut longest = String::new();
    /// for record in repo.records() {
    ///     let record = record?;
    ///     if record.path().collection() == "app.bsky.feed.post" {
    ///         let post: Post = record.decode()?;
    ///         if post.text.len() > longest.len() {
    ///             longest = post.text.into_owned();
    ///         }
    ///     }
    /// }
    /// assert!(longest.starts_with("Reading about search trees whose shape follows"));
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    #[cfg(feature = "serde")]
    pub fn decode<'r, T: serde::Deserialize<'r>>(&'r self) -> Result<T> {
        decode::decode_of(self.bytes(), &self.origin())
    }

    /// Returns an iterator over all links in the record, at any depth.
    ///
    /// [`record::links`](links()) describes what is a link.
    ///
    /// # Errors
    ///
    /// The iterator returns at most one error, as its last item. It has the record's path in
    /// [`Error::key`](crate::Error::key) and its CID in [`Error::cid`](crate::Error::cid):
    ///
    /// - `Malformed` if the record is not CBOR: `RecordEnd` or `RecordItem` with the byte, or
    ///   `CidCodec` if its CID has the codec raw
    /// - `Limit` if arrays, maps and tags are nested more than
    ///   [`MAX_RECORD_NESTING`](crate::limits::MAX_RECORD_NESTING) deep
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::cid::{Cid, Codec};
    /// use carwalk::Repo;
    /// # use carwalk_testkit::cbor::Value;
    /// # use carwalk_testkit::repo::{Order, Record, Repo as Kit};
    /// # let text = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku";
    /// # let record = Record::new(Value::map_sorted([
    /// #     ("picture", Value::Link(carwalk_testkit::cid::Cid::raw(b"a picture"))),
    /// #     ("parent", Value::text(text)),
    /// # ]).encode());
    /// # let kit = Kit::new([(b"app.bsky.feed.post/3jui7kd54zh2y".to_vec(), record)]);
    /// # let car = kit.to_bytes(Order::Preorder);
    ///
    /// // {"parent": "bafkrei..", "picture": link}
    /// let repo = Repo::from_slice(&car)?;
    /// let post = repo.records().next().unwrap()?;
    /// let links = post.links().collect::<Result<Vec<_>, _>>()?;
    /// // A CID in a text is not a link.
    /// assert_eq!(links, [Cid::of(Codec::Raw, b"a picture")]);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn links(&self) -> Links<'_> {
        Links::new(self.bytes(), self.origin())
    }

    /// Returns an iterator over all blobs in the record, at any depth and in both forms.
    ///
    /// [`record::blobs`](blobs()) describes the forms.
    ///
    /// # Errors
    ///
    /// The iterator returns at most one error, as its last item. It has the record's path in
    /// [`Error::key`](crate::Error::key) and its CID in [`Error::cid`](crate::Error::cid):
    ///
    /// - `Malformed` if the record is not CBOR: `RecordEnd` or `RecordItem` with the byte, or
    ///   `CidCodec` if its CID has the codec raw
    /// - `Limit` if arrays, maps and tags are nested more than
    ///   [`MAX_RECORD_NESTING`](crate::limits::MAX_RECORD_NESTING) deep
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::Repo;
    /// # use carwalk_testkit::cbor::Value;
    /// # use carwalk_testkit::repo::{Order, Record, Repo as Kit};
    /// # let text = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku";
    /// # let record = Record::new(Value::map_sorted([
    /// #     ("one", Value::map_sorted([
    /// #         ("$type", Value::text("blob")),
    /// #         ("ref", Value::Link(carwalk_testkit::cid::Cid::raw(b"a picture"))),
    /// #         ("mimeType", Value::text("image/png")),
    /// #         ("size", Value::Uint(1234)),
    /// #     ])),
    /// #     ("two", Value::map_sorted([
    /// #         ("cid", Value::text(text)),
    /// #         ("mimeType", Value::text("image/jpeg")),
    /// #     ])),
    /// # ]).encode());
    /// # let kit = Kit::new([(b"app.bsky.feed.post/3jui7kd54zh2y".to_vec(), record)]);
    /// # let car = kit.to_bytes(Order::Preorder);
    ///
    /// // The only record has a blob of 1,234 bytes, and one of the legacy form.
    /// let repo = Repo::from_slice(&car)?;
    /// let (mut count, mut bytes_to_download) = (0, 0);
    /// for record in repo.records() {
    ///     for blob in record?.blobs() {
    ///         count += 1;
    ///         // The legacy form has no size.
    ///         bytes_to_download += blob?.size().unwrap_or(0);
    ///     }
    /// }
    /// assert_eq!((count, bytes_to_download), (2, 1234));
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn blobs(&self) -> Blobs<'_> {
        Blobs::new(self.bytes(), self.origin())
    }

    /// Returns an iterator over every departure of the record from the data model, with its byte
    /// and path in the record.
    ///
    /// [`record::oddities`](oddities()) describes the order and the cost.
    ///
    /// # Errors
    ///
    /// The iterator returns at most one error, as its last item. It has the record's path in
    /// [`Error::key`](crate::Error::key) and its CID in [`Error::cid`](crate::Error::cid):
    ///
    /// - `Malformed` if the record is not CBOR: `RecordEnd` or `RecordItem` with the byte, or
    ///   `CidCodec` if its CID has the codec raw
    /// - `Limit` if arrays, maps and tags are nested more than
    ///   [`MAX_RECORD_NESTING`](crate::limits::MAX_RECORD_NESTING) deep
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::Repo;
    /// # use carwalk_testkit::cbor::Value;
    /// # use carwalk_testkit::repo::{Order, Record, Repo as Kit};
    /// # let record = Record::new(Value::map_sorted([("size", Value::F64(1.5))]).encode());
    /// # let kit = Kit::new([(b"app.bsky.feed.post/3jui7kd54zh2y".to_vec(), record)]);
    /// # let car = kit.to_bytes(Order::Preorder);
    ///
    /// // {"size": 1.5}
    /// let repo = Repo::from_slice(&car)?;
    /// let post = repo.records().next().unwrap()?;
    /// let odd = post.oddities().collect::<Result<Vec<_>, _>>()?;
    /// assert_eq!(odd.len(), 1);
    /// assert_eq!(odd[0].path(), "size");
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn oddities(&self) -> Oddities<'_> {
        Oddities::new(self.bytes(), self.origin())
    }

    /// Returns the record as compact JSON.
    ///
    /// [`record::to_json`](to_json()) describes the form and the cost.
    ///
    /// # Errors
    ///
    /// With path and CID:
    ///
    /// - `Malformed` if the record is not CBOR: `RecordEnd` or `RecordItem` with the byte, or
    ///   `CidCodec` if its CID has the codec raw
    /// - `Limit` if arrays, maps and tags are nested more than
    ///   [`MAX_RECORD_NESTING`](crate::limits::MAX_RECORD_NESTING) deep
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::Repo;
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// let repo = Repo::from_slice(bytes)?;
    /// let follow = repo.records().next_back().unwrap()?;
    /// let json = follow.to_json()?;
    /// assert!(json.starts_with(r#"{"$type":"app.bsky.graph.follow","subject":"did:"#));
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    #[cfg(feature = "json")]
    pub fn to_json(&self) -> Result<String> {
        json::to_json_of(self.bytes(), self.origin())
    }

    /// Writes the record as JSON, without a line break at the end.
    ///
    /// [`record::to_json`](to_json()) describes the form. Errors of the record are returned before
    /// the first byte is written. Writes in small pieces: wrap files and sockets in a
    /// [`BufWriter`](std::io::BufWriter).
    ///
    /// # Errors
    ///
    /// With path and CID:
    ///
    /// - `Malformed` if the record is not CBOR: `RecordEnd` or `RecordItem` with the byte, or
    ///   `CidCodec` if its CID has the codec raw
    /// - `Limit` if arrays, maps and tags are nested more than
    ///   [`MAX_RECORD_NESTING`](crate::limits::MAX_RECORD_NESTING) deep
    ///
    /// Without path and CID:
    ///
    /// - `Output` if writing fails
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::Repo;
    /// use carwalk::record::Layout;
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// let repo = Repo::from_slice(bytes)?;
    /// // One line for each record.
    /// let mut lines = Vec::new();
    /// for record in repo.records() {
    ///     record?.write_json(&mut lines, Layout::Compact)?;
    ///     lines.push(b'\n');
    /// }
    /// assert_eq!(lines.iter().filter(|&&byte| byte == b'\n').count(), 40);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    #[cfg(feature = "json")]
    pub fn write_json(&self, out: impl io::Write, layout: Layout) -> Result<()> {
        json::write_json_of(self.bytes(), self.origin(), out, layout)
    }

    /// Returns what errors say about the record.
    fn origin(&self) -> Origin<'_> {
        Origin { key: Some(self.path.as_path().as_str()), cid: Some(self.cid), offset: self.offset }
    }
}

#[cfg(feature = "serde")]
impl<'s> Record<&'s [u8]> {
    /// Decodes the record into `T`, which may borrow texts and byte strings from the store, and so
    /// outlive this `Record`.
    ///
    /// A link decodes into a [`Cid`]. Members that `T` does not have are skipped, and their
    /// encoding is not checked.
    ///
    /// # Errors
    ///
    /// `Decode`, of the class `Caller`, if the record does not fit `T`, if what `T` reads of it is
    /// not strict DAG-CBOR, or if bytes follow its end. The error has the record's path in
    /// [`Error::key`](crate::Error::key) and its CID in [`Error::cid`](crate::Error::cid); the cause
    /// is its source.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::{KeyRange, Repo};
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Post<'a> {
    ///     text: &'a str,
    /// }
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// let repo = Repo::from_slice(bytes)?;
    /// let posts = repo.records_in(KeyRange::collection("app.bsky.feed.post")?);
    /// let posts: Vec<Post> =
    ///     posts.map(|record| record?.decode_borrowed()).collect::<Result<_, _>>()?;
    /// assert_eq!(posts[0].text, "Hello! First post here.");
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn decode_borrowed<T: serde::Deserialize<'s>>(&self) -> Result<T> {
        decode::decode_of(self.value, &self.origin())
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
