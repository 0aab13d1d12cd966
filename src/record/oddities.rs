//! The iterator over a record's oddities.

use core::fmt;
use core::iter::FusedIterator;

use super::oddity::Oddity;
use super::origin::Origin;
use super::survey::Survey;
use crate::error::Result;

/// An oddity of a record, with its position in bytes and its path in the record.
///
/// Displays as one line, control characters escaped.
///
/// # Examples
///
/// ```
/// use carwalk::record::{self, Oddity};
///
/// // {"embed": {"size": 1.5}}
/// let record = b"\xa1\x65embed\xa1\x64size\xf9\x3e\x00";
/// let odd = record::oddities(record).next().unwrap()?;
/// assert_eq!((odd.within(), odd.path()), (13, "embed.size"));
/// assert_eq!(odd.oddity(), &Oddity::Float(1.5));
/// let line = "byte 13 (embed.size): float 1.5, which the data model does not have";
/// assert_eq!(odd.to_string(), line);
/// # Ok::<(), carwalk::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct OddItem {
    within: usize,
    path: Box<str>,
    oddity: Oddity,
}

impl OddItem {
    /// Returns the position of the odd item, in bytes from the start of the record.
    #[must_use]
    pub fn within(&self) -> usize {
        self.within
    }

    /// Returns the path of the odd item in the record, such as `embed.images[2].size`. Not a repo
    /// path.
    ///
    /// - The path of the whole record is empty.
    /// - `.name` is a member of a map. The first name of a path has no dot. Keys that are empty or
    ///   have other characters than `A-Z a-z 0-9 _ - $` are quoted and escaped: `["a.b"]`.
    /// - `[2]` is an item of an array, counted from 0.
    /// - `{2}` is a member of a map whose key is not a text, counted from 0 among all members. It
    ///   stands for the key and for the value.
    /// - A tag has the path of its content.
    ///
    /// An ellipsis outside quotes replaces the rest of a key after 64 characters, and the rest of a
    /// path after 1,024 bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// // {"a.b": [undefined]}
    /// let odd = carwalk::record::oddities(b"\xa1\x63a.b\x81\xf7").next().unwrap()?;
    /// assert_eq!(odd.path(), r#"["a.b"][0]"#);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns the oddity.
    #[must_use]
    pub fn oddity(&self) -> &Oddity {
        &self.oddity
    }
}

impl fmt::Display for OddItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let OddItem { within, path, oddity } = self;
        write!(f, "byte {within}")?;
        if !path.is_empty() {
            write!(f, " ({path})")?;
        }
        write!(f, ": {oddity}")
    }
}

/// An iterator over the oddities of a record, created by
/// [`oddities`](super::oddities()) or [`Record::oddities`](crate::Record::oddities).
///
/// After an error it returns `None`.
///
/// # Examples
///
/// Whether a record is canonical and within the data model:
///
/// ```
/// fn is_strict(record: &[u8]) -> bool {
///     carwalk::record::oddities(record).next().is_none()
/// }
///
/// // {"v": 1}, and the same with the integer in two bytes.
/// assert!(is_strict(b"\xa1\x61v\x01"));
/// assert!(!is_strict(b"\xa1\x61v\x18\x01"));
/// ```
#[derive(Clone)]
#[must_use = "an iterator does nothing until it is asked"]
pub struct Oddities<'r>(Survey<'r>);

/// Returns an iterator over the oddities of a record, with their positions in bytes and their paths
/// in the record.
///
/// An [`Oddity`] is a violation of the [data model](https://atproto.com/specs/data-model). A
/// record without oddities is canonical DAG-CBOR: a map of texts, integers of at most 53 bits,
/// booleans, nulls, byte strings, links, arrays and maps. The order is that of the bytes; repeated
/// keys are reported at the end of their map.
///
/// Takes time proportional to the record, except that maps whose keys are out of order are sorted.
/// Takes at most 64 bytes of memory for each byte of the record. Each [`OddItem`] allocates its
/// path, at most 2 KiB.
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
/// // {"v": [1, undefined], "a": null}
/// let record = b"\xa2\x61v\x82\x01\xf7\x61a\xf6";
/// let found = record::oddities(record)
///     .map(|odd| odd.map(|odd| odd.to_string()))
///     .collect::<Result<Vec<_>, _>>()?;
/// assert_eq!(
///     found,
///     [
///         "byte 5 (v[1]): undefined, which the data model does not have",
///         "byte 6 (a): map keys are not in canonical order",
///     ]
/// );
/// # Ok::<(), carwalk::Error>(())
/// ```
pub fn oddities(record: &[u8]) -> Oddities<'_> {
    Oddities::new(record, Origin::default())
}

impl<'r> Oddities<'r> {
    pub(super) fn new(record: &'r [u8], origin: Origin<'r>) -> Self {
        Oddities(Survey::new(record, origin))
    }
}

impl Iterator for Oddities<'_> {
    type Item = Result<OddItem>;

    fn next(&mut self) -> Option<Self::Item> {
        let found = match self.0.next() {
            Ok(found) => found?,
            Err(error) => return Some(Err(error)),
        };
        let path = self.0.place(&found);
        Some(Ok(OddItem { within: found.at, path, oddity: found.oddity }))
    }
}

impl FusedIterator for Oddities<'_> {}

/// Omits the record, which may be long.
impl fmt::Debug for Oddities<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Oddities").finish_non_exhaustive()
    }
}
