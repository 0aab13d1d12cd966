//! Records, and what is in them: types, links, blobs, JSON, and what is odd.
//!
//! A [`Record`] is a path, a CID and a value. Its methods read the value; the functions of this
//! module do the same for bytes without a `Record`: those of a
//! [lookup](crate::Repo::get), of an [`Event`](crate::mst::Event), or in a [process
//! function](crate::Loader::process).
//!
//! Only `decode` requires strict DAG-CBOR. The others accept any CBOR: an odd record never prevents
//! reading the others. They read items one by one, without recursion, at most
//! [`MAX_RECORD_NESTING`](crate::limits::MAX_RECORD_NESTING) deep, and allocate nothing by a length
//! that a record declares.
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
// | `decode` (feature `serde`) | records as types of the caller's |
// | `items` | the items of a record, one by one |
// | `links`, `blobs` | links and blobs, wherever they lie |
// | `oddity`, `oddities` | departures from the data model, as a list and as an iterator |
// | `survey` | the pass that finds them, and what JSON has no form for |
// | `place` | where in a record an item lies, as text |
// | `json` (feature `json`) | records as JSON |
// | `origin` | whose record it is, for errors |

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
/// Without a process function the value is the record's bytes as the store has them: `&[u8]` for
/// slices, maps and memory. Any bytes can be a record: they are parsed only by methods that need
/// it. With [`Loader::process`](crate::Loader::process) the value is the result of the function.
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
    #[must_use]
    pub fn path(&self) -> RepoPath<'_> {
        self.path.as_path()
    }

    /// Returns the CID of the record.
    #[must_use]
    pub fn cid(&self) -> Cid {
        self.cid
    }

    /// Returns where the record's section begins in the CAR, if the store knows.
    #[must_use]
    pub fn offset(&self) -> Option<u64> {
        self.offset
    }

    /// Returns the value.
    #[must_use]
    pub fn value(&self) -> &V {
        &self.value
    }

    /// Converts the record into its value.
    #[must_use]
    pub fn into_value(self) -> V {
        self.value
    }

    /// Converts the record into its path, CID and value.
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

    /// Returns a decoder at the start of the record, which reads single fields without a type for
    /// the whole.
    ///
    /// It accepts any CBOR, not only the canonical form.
    #[must_use]
    pub fn decoder(&self) -> minicbor::Decoder<'_> {
        minicbor::Decoder::new(self.bytes())
    }

    /// Decodes the record; texts and byte strings can be borrowed from it.
    ///
    /// A link decodes into a [`Cid`]. The result may borrow from this `Record`; with
    /// [`decode_borrowed`](Record::decode_borrowed) it borrows from the store instead.
    ///
    /// # Errors
    ///
    /// `Decode`, with path and CID, if the record is not strict DAG-CBOR or does not fit `T`.
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
    /// assert_eq!(longest, "Reading about search trees whose shape follows from their keys alone.");
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    #[cfg(feature = "serde")]
    pub fn decode<'r, T: serde::Deserialize<'r>>(&'r self) -> Result<T> {
        decode::decode_of(self.bytes(), &self.origin())
    }

    /// Returns an iterator over all links in the record: see [`links`](links()).
    ///
    /// # Errors
    ///
    /// Those of [`links`](links()), with path and CID, and `Malformed` (`CidCodec`) if the record's
    /// CID has the codec raw: its bytes are not CBOR.
    ///
    /// ```
    /// use carwalk::cid::{Cid, Codec};
    /// use carwalk::Repo;
    /// # use carwalk_testkit::cbor::Value;
    /// # use carwalk_testkit::repo::{Order, Record, Repo as Kit};
    /// # let record = Record::new(Value::map_sorted([
    /// #     ("picture", Value::Link(carwalk_testkit::cid::Cid::raw(b"a picture"))),
    /// #     ("parent", Value::text("bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku")),
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

    /// Returns an iterator over all blobs in the record, in both forms: see [`blobs`](blobs()).
    ///
    /// # Errors
    ///
    /// Those of [`blobs`](blobs()), with path and CID, and `Malformed` (`CidCodec`) if the record's
    /// CID has the codec raw: its bytes are not CBOR.
    ///
    /// ```
    /// use carwalk::Repo;
    /// # use carwalk_testkit::cbor::Value;
    /// # use carwalk_testkit::repo::{Order, Record, Repo as Kit};
    /// # let record = Record::new(Value::map_sorted([
    /// #     ("one", Value::map_sorted([
    /// #         ("$type", Value::text("blob")),
    /// #         ("ref", Value::Link(carwalk_testkit::cid::Cid::raw(b"a picture"))),
    /// #         ("mimeType", Value::text("image/png")),
    /// #         ("size", Value::Uint(1234)),
    /// #     ])),
    /// #     ("two", Value::map_sorted([
    /// #         ("cid", Value::text("bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku")),
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

    /// Returns an iterator over every departure of the record from the data model, with its place
    /// in the record: see [`oddities`](oddities()).
    ///
    /// # Errors
    ///
    /// Those of [`oddities`](oddities()), with path and CID, and `Malformed` (`CidCodec`) if the
    /// record's CID has the codec raw: its bytes are not CBOR.
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

    /// Returns the record as compact JSON: see [`to_json`](to_json()) for the form.
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

    /// Writes the record as JSON, without a line break at the end: see [`write_json`](write_json()).
    ///
    /// Errors of the record are returned before the first byte is written. Writes in small pieces:
    /// wrap files and sockets in a [`BufWriter`](std::io::BufWriter).
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
    /// Without them, `Output` if writing fails.
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
    /// assert!(lines.starts_with(b"{\""));
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    #[cfg(feature = "json")]
    pub fn write_json(&self, out: impl io::Write, layout: Layout) -> Result<()> {
        json::write_json_of(self.bytes(), self.origin(), out, layout)
    }

    /// What errors say about the record.
    fn origin(&self) -> Origin<'_> {
        Origin { key: Some(self.path.as_path().as_str()), cid: Some(self.cid), offset: self.offset }
    }
}

#[cfg(feature = "serde")]
impl<'s> Record<&'s [u8]> {
    /// Decodes the record; texts and byte strings can be borrowed from the store, and outlive this
    /// `Record`.
    ///
    /// # Errors
    ///
    /// `Decode`, with path and CID, if the record is not strict DAG-CBOR or does not fit `T`.
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
