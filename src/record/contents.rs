//! The methods of records that read their bytes.

#[cfg(feature = "json")]
use std::io;

#[cfg(feature = "serde")]
use super::decode;
use super::origin::Origin;
use super::{Blobs, Links, Oddities, Record};
#[cfg(feature = "json")]
use super::{Layout, json};
#[cfg(any(feature = "json", feature = "serde"))]
use crate::error::Result;

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
    /// A link decodes into a [`Cid`](crate::Cid). Members that `T` does not have are skipped, and
    /// their encoding is not checked. With [`decode_borrowed`](Record::decode_borrowed) the result
    /// borrows from the store instead.
    ///
    /// # Errors
    ///
    /// `Decode`, of the class `Caller`, if the record does not fit `T`, if what `T` reads of it is
    /// not strict DAG-CBOR, or if bytes follow its end. The error has the record's path in
    /// [`Error::key`](crate::Error::key) and its CID in [`Error::cid`](crate::Error::cid); the
    /// cause is its source.
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
    /// [`record::links`](super::links()) describes what is a link.
    ///
    /// # Errors
    ///
    /// The iterator returns at most one error, as its last item. It has the record's path in
    /// [`Error::key`](crate::Error::key) and its CID in [`Error::cid`](crate::Error::cid):
    ///
    /// - `Malformed` if the record is not CBOR: `RecordEnd` or `RecordItem`, with the position in
    ///   the record, or `CidCodec` if the record's own CID has the codec raw
    /// - `Limit` if arrays, maps and tags are nested more than
    ///   [`MAX_RECORD_NESTING`](crate::limits::MAX_RECORD_NESTING) deep
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::cid::{Cid, Codec};
    /// # use carwalk::Tree;
    /// # use carwalk::car::Writer;
    /// # use carwalk::store::SliceStore;
    ///
    /// # let picture = Cid::of(Codec::Raw, b"a picture");
    /// # let text = b"bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku";
    /// # let record = [
    /// #     b"\xa2\x66parent\x78\x3b", &text[..],
    /// #     b"\x67picture\xd8\x2a\x58\x25\x00", picture.as_bytes(),
    /// # ].concat();
    /// # let cid = Cid::of(Codec::DagCbor, &record);
    /// # let mut node = b"\xa2\x61e\x81\xa4\x61k\x58\x20".to_vec();
    /// # node.extend(b"app.bsky.feed.post/3jui7kd54zh2y\x61p\x00\x61t\xf6\x61v");
    /// # node.extend([b"\xd8\x2a\x58\x25\x00", &cid.as_bytes()[..], b"\x61l\xf6"].concat());
    /// # let root = Cid::of(Codec::DagCbor, &node);
    /// # let mut car = Writer::new(Vec::new(), &[root])?;
    /// # car.write(root, &node)?;
    /// # car.write(cid, &record)?;
    /// # let tree = Tree::new(SliceStore::new(car.finish()?)?, root);
    /// // {"parent": "bafkrei..", "picture": link}
    /// let post = tree.records().next().unwrap()?;
    /// let links = post.links().collect::<Result<Vec<_>, _>>()?;
    /// // A CID in a text is not a link.
    /// assert_eq!(links, [Cid::of(Codec::Raw, b"a picture")]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn links(&self) -> Links<'_> {
        Links::new(self.bytes(), self.origin())
    }

    /// Returns an iterator over all blobs in the record, at any depth and in both forms.
    ///
    /// [`record::blobs`](super::blobs()) describes the forms.
    ///
    /// # Errors
    ///
    /// The iterator returns at most one error, as its last item. It has the record's path in
    /// [`Error::key`](crate::Error::key) and its CID in [`Error::cid`](crate::Error::cid):
    ///
    /// - `Malformed` if the record is not CBOR: `RecordEnd` or `RecordItem`, with the position in
    ///   the record, or `CidCodec` if the record's own CID has the codec raw
    /// - `Limit` if arrays, maps and tags are nested more than
    ///   [`MAX_RECORD_NESTING`](crate::limits::MAX_RECORD_NESTING) deep
    ///
    /// # Examples
    ///
    /// ```
    /// # use carwalk::Tree;
    /// # use carwalk::car::Writer;
    /// # use carwalk::cid::{Cid, Codec};
    /// # use carwalk::store::SliceStore;
    /// # let picture = Cid::of(Codec::Raw, b"a picture");
    /// # let text = b"bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku";
    /// # let record = [
    /// #     b"\xa2\x63one\xa4\x63ref\xd8\x2a\x58\x25\x00", &picture.as_bytes()[..],
    /// #     b"\x64size\x19\x04\xd2\x65$type\x64blob\x68mimeType\x69image/png",
    /// #     b"\x63two\xa2\x63cid\x78\x3b", text, b"\x68mimeType\x6aimage/jpeg",
    /// # ].concat();
    /// # let cid = Cid::of(Codec::DagCbor, &record);
    /// # let mut node = b"\xa2\x61e\x81\xa4\x61k\x58\x20".to_vec();
    /// # node.extend(b"app.bsky.feed.post/3jui7kd54zh2y\x61p\x00\x61t\xf6\x61v");
    /// # node.extend([b"\xd8\x2a\x58\x25\x00", &cid.as_bytes()[..], b"\x61l\xf6"].concat());
    /// # let root = Cid::of(Codec::DagCbor, &node);
    /// # let mut car = Writer::new(Vec::new(), &[root])?;
    /// # car.write(root, &node)?;
    /// # car.write(cid, &record)?;
    /// # let tree = Tree::new(SliceStore::new(car.finish()?)?, root);
    /// // The only record has a blob of 1,234 bytes, and one of the legacy form.
    /// let (mut count, mut bytes_to_download) = (0, 0);
    /// for record in tree.records() {
    ///     for blob in record?.blobs() {
    ///         count += 1;
    ///         // The legacy form has no size.
    ///         bytes_to_download += blob?.size().unwrap_or(0);
    ///     }
    /// }
    /// assert_eq!((count, bytes_to_download), (2, 1234));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn blobs(&self) -> Blobs<'_> {
        Blobs::new(self.bytes(), self.origin())
    }

    /// Returns an iterator over the oddities of the record, with their positions in bytes and their
    /// paths in the record.
    ///
    /// [`record::oddities`](super::oddities()) describes the order and the cost.
    ///
    /// # Errors
    ///
    /// The iterator returns at most one error, as its last item. It has the record's path in
    /// [`Error::key`](crate::Error::key) and its CID in [`Error::cid`](crate::Error::cid):
    ///
    /// - `Malformed` if the record is not CBOR: `RecordEnd` or `RecordItem`, with the position in
    ///   the record, or `CidCodec` if the record's own CID has the codec raw
    /// - `Limit` if arrays, maps and tags are nested more than
    ///   [`MAX_RECORD_NESTING`](crate::limits::MAX_RECORD_NESTING) deep
    ///
    /// # Examples
    ///
    /// ```
    /// # use carwalk::Tree;
    /// # use carwalk::car::Writer;
    /// # use carwalk::cid::{Cid, Codec};
    /// # use carwalk::store::SliceStore;
    /// # let record = b"\xa1\x64size\xfb\x3f\xf8\x00\x00\x00\x00\x00\x00".to_vec();
    /// # let cid = Cid::of(Codec::DagCbor, &record);
    /// # let mut node = b"\xa2\x61e\x81\xa4\x61k\x58\x20".to_vec();
    /// # node.extend(b"app.bsky.feed.post/3jui7kd54zh2y\x61p\x00\x61t\xf6\x61v");
    /// # node.extend([b"\xd8\x2a\x58\x25\x00", &cid.as_bytes()[..], b"\x61l\xf6"].concat());
    /// # let root = Cid::of(Codec::DagCbor, &node);
    /// # let mut car = Writer::new(Vec::new(), &[root])?;
    /// # car.write(root, &node)?;
    /// # car.write(cid, &record)?;
    /// # let tree = Tree::new(SliceStore::new(car.finish()?)?, root);
    /// // {"size": 1.5}
    /// let post = tree.records().next().unwrap()?;
    /// let odd = post.oddities().collect::<Result<Vec<_>, _>>()?;
    /// assert_eq!(odd.len(), 1);
    /// assert_eq!(odd[0].path(), "size");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn oddities(&self) -> Oddities<'_> {
        Oddities::new(self.bytes(), self.origin())
    }

    /// Returns the record as compact JSON.
    ///
    /// [`record::to_json`](super::to_json()) describes the form and the cost.
    ///
    /// # Errors
    ///
    /// The error has the record's path in [`Error::key`](crate::Error::key) and its CID in
    /// [`Error::cid`](crate::Error::cid):
    ///
    /// - `Malformed` if the record is not CBOR: `RecordEnd` or `RecordItem`, with the position in
    ///   the record, or `CidCodec` if the record's own CID has the codec raw
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

    /// Appends the record to `out` as compact JSON, without a line break at the end.
    ///
    /// [`record::append_json`](super::append_json()) describes the form and the cost. After an
    /// error, `out` is what it was before.
    ///
    /// # Errors
    ///
    /// The error has the record's path in [`Error::key`](crate::Error::key) and its CID in
    /// [`Error::cid`](crate::Error::cid):
    ///
    /// - `Malformed` if the record is not CBOR: `RecordEnd` or `RecordItem`, with the position in
    ///   the record, or `CidCodec` if the record's own CID has the codec raw
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
    /// let mut line = Vec::new();
    /// for record in repo.records() {
    ///     line.clear();
    ///     record?.append_json(&mut line)?;
    ///     assert!(line.starts_with(b"{") && line.ends_with(b"}"));
    /// }
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    #[cfg(feature = "json")]
    pub fn append_json(&self, out: &mut Vec<u8>) -> Result<()> {
        json::append_json_of(self.bytes(), self.origin(), out)
    }

    /// Writes the record as JSON, without a line break at the end.
    ///
    /// [`record::to_json`](super::to_json()) describes the form. Errors of the record are returned
    /// before the first byte is written. May write in small pieces: wrap files and sockets in a
    /// [`BufWriter`](std::io::BufWriter).
    ///
    /// # Errors
    ///
    /// - `Malformed` if the record is not CBOR: `RecordEnd` or `RecordItem`, with the position in
    ///   the record, or `CidCodec` if the record's own CID has the codec raw
    /// - `Limit` if arrays, maps and tags are nested more than
    ///   [`MAX_RECORD_NESTING`](crate::limits::MAX_RECORD_NESTING) deep
    /// - `Output` if writing fails
    ///
    /// Except for `Output`, the error has the record's path in [`Error::key`](crate::Error::key)
    /// and its CID in [`Error::cid`](crate::Error::cid).
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
    /// A link decodes into a [`Cid`](crate::Cid). Members that `T` does not have are skipped, and
    /// their encoding is not checked.
    ///
    /// # Errors
    ///
    /// `Decode`, of the class `Caller`, if the record does not fit `T`, if what `T` reads of it is
    /// not strict DAG-CBOR, or if bytes follow its end. The error has the record's path in
    /// [`Error::key`](crate::Error::key) and its CID in [`Error::cid`](crate::Error::cid); the
    /// cause is its source.
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
