//! The blobs in a record.

use core::fmt;
use core::iter::FusedIterator;
use std::borrow::Cow;

use super::items::{Container, Item, Items, What};
use super::origin::Origin;
use crate::cid::Cid;
use crate::error::Result;

/// A reference to a blob: a file, such as an image, which is stored outside the repository.
///
/// # Examples
///
/// ```
/// use carwalk::cid::Codec;
/// use carwalk::{Cid, record};
///
/// let cid = Cid::of(Codec::Raw, b"a picture");
/// // {"ref": link, "size": 1234, "$type": "blob", "mimeType": "image/png"}
/// let link = [b"\xa4\x63ref\xd8\x2a\x58\x25\x00", &cid.as_bytes()[..]].concat();
/// let rest = b"\x64size\x19\x04\xd2\x65$type\x64blob\x68mimeType\x69image/png";
/// let record = [&link, &rest[..]].concat();
///
/// let blob = record::blobs(&record).next().unwrap()?;
/// assert_eq!((blob.cid(), blob.mime_type()), (cid, "image/png"));
/// assert_eq!((blob.size(), blob.is_legacy()), (Some(1234), false));
/// # Ok::<(), carwalk::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob<'r> {
    cid: Cid,
    mime_type: Cow<'r, str>,
    size: Option<u64>,
    is_legacy: bool,
}

impl Blob<'_> {
    /// Returns the CID of the blob's bytes.
    #[must_use]
    pub fn cid(&self) -> Cid {
        self.cid
    }

    /// Returns the media type as the record declares it: any text, which nobody checked.
    #[must_use]
    pub fn mime_type(&self) -> &str {
        &self.mime_type
    }

    /// Returns the length of the blob in bytes, as the record declares it. `None` for legacy blobs,
    /// and if the size is missing or is not an integer of 0 to 2^64 - 1.
    #[must_use]
    pub fn size(&self) -> Option<u64> {
        self.size
    }

    /// Returns whether the blob has the legacy form, `{"cid": "b..", "mimeType": ".."}`.
    ///
    /// Old records have such blobs; new records should not.
    #[must_use]
    pub fn is_legacy(&self) -> bool {
        self.is_legacy
    }
}

/// An iterator over the blobs in a record, created by [`blobs`](super::blobs()) or
/// [`Record::blobs`](crate::Record::blobs).
///
/// After an error it returns `None`.
///
/// # Examples
///
/// ```
/// // {"text": "no pictures"}, then the same cut in the middle.
/// let record = b"\xa1\x64text\x6bno pictures";
/// assert!(carwalk::record::blobs(record).next().is_none());
/// assert!(carwalk::record::blobs(&record[..10]).next().unwrap().is_err());
/// ```
#[derive(Clone)]
#[must_use = "an iterator does nothing until it is asked"]
pub struct Blobs<'r> {
    items: Items<'r>,
    open: Vec<Members<'r>>,
}

/// Returns an iterator over all [blobs](https://atproto.com/specs/data-model#blob-type) in a
/// record, at any depth, in the order in which they end.
///
/// A blob is a map of one of two forms:
///
/// - `{"$type": "blob", "ref": link, "mimeType": text, "size": integer}`. The size may be missing,
///   and other members are ignored.
/// - The legacy form `{"cid": text, "mimeType": text}`: exactly these two members, where the text
///   parses as a [`Cid`].
///
/// No schema is needed. The record may be any CBOR, also outside the data model. In the first form,
/// the last value of a repeated key counts. Bytes after the record's end are ignored.
///
/// Takes time proportional to the record. Blobs borrow from the record; the iterator itself holds
/// at most 32 KiB, for nested arrays and maps.
///
/// # Errors
///
/// The iterator returns at most one error, as its last item:
///
/// - `Malformed` if the bytes are not CBOR: `RecordEnd` or `RecordItem`, with the position in the
///   record
/// - `Limit` if arrays, maps and tags are nested more than
///   [`MAX_RECORD_NESTING`](crate::limits::MAX_RECORD_NESTING) deep
///
/// # Examples
///
/// ```
/// use carwalk::record;
///
/// // {"cid": "bafkrei..", "mimeType": "image/png"}
/// let text = b"bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku";
/// let record = [b"\xa2\x63cid\x78\x3b", &text[..], b"\x68mimeType\x69image/png"].concat();
/// let blob = record::blobs(&record).next().unwrap()?;
/// assert_eq!(blob.cid().to_string().as_bytes(), text);
/// assert_eq!((blob.mime_type(), blob.size()), ("image/png", None));
/// assert!(blob.is_legacy());
/// # Ok::<(), carwalk::Error>(())
/// ```
pub fn blobs(record: &[u8]) -> Blobs<'_> {
    Blobs::new(record, Origin::default())
}

impl<'r> Blobs<'r> {
    pub(super) fn new(record: &'r [u8], origin: Origin<'r>) -> Self {
        Blobs { items: Items::new(record, origin), open: Vec::new() }
    }

    /// Adds an item, and returns the blob that ends with it.
    fn take_in(&mut self, item: Item<'r>) -> Option<Blob<'r>> {
        if matches!(item.what, What::End) {
            return self.open.pop().and_then(Members::into_blob);
        }
        let opened = match item.what {
            What::Begin(shape) => Some(Members::new(shape)),
            _ => None,
        };
        if let Some(open) = self.open.last_mut().filter(|open| open.is_map) {
            open.take_in(item);
        }
        self.open.extend(opened);
        None
    }
}

impl<'r> Iterator for Blobs<'r> {
    type Item = Result<Blob<'r>>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.items.next() {
                Ok(None) => return None,
                Ok(Some(item)) => {
                    if let Some(blob) = self.take_in(item) {
                        return Some(Ok(blob));
                    }
                }
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

impl FusedIterator for Blobs<'_> {}

/// Omits the record, which may be long.
impl fmt::Debug for Blobs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blobs").finish_non_exhaustive()
    }
}

/// The members that make an open map a blob.
#[derive(Clone, Default)]
struct Members<'r> {
    is_map: bool,
    /// The last key.
    key: Name,
    keys: u64,
    has_type: bool,
    is_blob: bool,
    link: Option<Cid>,
    mime_type: Option<Cow<'r, str>>,
    size: Option<u64>,
    cid: Option<Cow<'r, str>>,
}

/// The keys of blobs.
#[derive(Clone, Copy, Default)]
enum Name {
    Type,
    Ref,
    MimeType,
    Size,
    Cid,
    #[default]
    Other,
}

impl<'r> Members<'r> {
    fn new(shape: Container) -> Self {
        Members { is_map: shape == Container::Map, ..Members::default() }
    }

    fn take_in(&mut self, item: Item<'r>) {
        if item.is_key {
            self.keys = self.keys.saturating_add(1);
            self.key = Name::of(&item.what);
            return;
        }
        match self.key {
            Name::Type => {
                self.has_type = true;
                self.is_blob = matches!(&item.what, What::Text(text) if text == "blob");
            }
            Name::Ref => {
                self.link = if let What::Link(cid) = item.what { Some(cid) } else { None };
            }
            Name::Size => {
                self.size = match item.what {
                    What::Integer(size) => u64::try_from(size).ok(),
                    _ => None,
                }
            }
            Name::MimeType => self.mime_type = into_text(item.what),
            Name::Cid => self.cid = into_text(item.what),
            Name::Other => {}
        }
    }

    fn into_blob(self) -> Option<Blob<'r>> {
        let mime_type = self.mime_type?;
        if self.is_blob {
            return Some(Blob { cid: self.link?, mime_type, size: self.size, is_legacy: false });
        }
        // Without a type, only these two members tell a blob from other maps with a CID.
        let cid = self.cid.filter(|_| !self.has_type && self.keys == 2)?.parse().ok()?;
        Some(Blob { cid, mime_type, size: None, is_legacy: true })
    }
}

impl Name {
    fn of(key: &What<'_>) -> Self {
        match key {
            What::Text(text) => match &**text {
                "$type" => Name::Type,
                "ref" => Name::Ref,
                "mimeType" => Name::MimeType,
                "size" => Name::Size,
                "cid" => Name::Cid,
                _ => Name::Other,
            },
            _ => Name::Other,
        }
    }
}

fn into_text<'r>(what: What<'r>) -> Option<Cow<'r, str>> {
    if let What::Text(text) = what { Some(text) } else { None }
}
