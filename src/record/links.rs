//! The links in a record.

use core::fmt;
use core::iter::FusedIterator;

use super::items::{Items, What};
use super::origin::Origin;
use crate::cid::Cid;
use crate::error::Result;

/// An iterator over the links in a record, created by [`links`](super::links()) or
/// [`Record::links`](crate::Record::links).
///
/// After an error it returns `None`.
///
/// # Examples
///
/// ```
/// // An array of three items that ends after the first.
/// let mut links = carwalk::record::links(b"\x83\x01");
/// let error = links.next().unwrap().unwrap_err();
/// assert_eq!(error.position().within(), Some(2));
/// assert!(links.next().is_none());
/// ```
#[derive(Clone)]
#[must_use = "an iterator does nothing until it is asked"]
pub struct Links<'r>(Items<'r>);

/// Returns an iterator over all [links](https://atproto.com/specs/data-model#link-and-cid-formats)
/// in a record, at any depth, in the order of their bytes.
///
/// The record may be any CBOR, also outside the data model. Two things are not links and are
/// skipped: CIDs in texts, such as the `cid` of a strong reference, and items with tag 42 whose
/// content is not a [`Cid`]. [`oddities`](super::oddities()) reports the latter. Bytes after the
/// record's end are ignored. The blocks that links lead to are usually not in the repository.
///
/// Takes time proportional to the record. Links allocate nothing; the iterator itself holds at most
/// 8 KiB, for nested arrays and maps.
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
/// use carwalk::cid::Codec;
/// use carwalk::{Cid, record};
///
/// let cid = Cid::of(Codec::Raw, b"a picture");
/// // {"v": [link]}
/// let record = [b"\xa1\x61v\x81\xd8\x2a\x58\x25\x00", &cid.as_bytes()[..]].concat();
/// let links = record::links(&record).collect::<Result<Vec<_>, _>>()?;
/// assert_eq!(links, [cid]);
/// # Ok::<(), carwalk::Error>(())
/// ```
pub fn links(record: &[u8]) -> Links<'_> {
    Links::new(record, Origin::default())
}

impl<'r> Links<'r> {
    pub(super) fn new(record: &'r [u8], origin: Origin<'r>) -> Self {
        Links(Items::new(record, origin))
    }
}

impl Iterator for Links<'_> {
    type Item = Result<Cid>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.0.next() {
                Ok(None) => return None,
                Ok(Some(item)) => {
                    if let What::Link(cid) = item.what {
                        return Some(Ok(cid));
                    }
                }
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

impl FusedIterator for Links<'_> {}

/// Omits the record, which may be long.
impl fmt::Debug for Links<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Links").finish_non_exhaustive()
    }
}
