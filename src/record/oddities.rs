//! Every departure of a record from the data model.

use core::fmt;
use core::iter::FusedIterator;

use super::oddity::Oddity;
use super::origin::Origin;
use super::survey::Survey;
use crate::error::Result;

/// A departure from the data model, and where in the record it is.
///
/// Displays as `byte 12 (embed.images[2].size): float 1.5, which the data model does not have`,
/// without control characters.
#[derive(Clone, Debug, PartialEq)]
pub struct OddItem {
    within: usize,
    path: Box<str>,
    oddity: Oddity,
}

impl OddItem {
    /// Returns where the item at fault begins: bytes from the start of the record.
    #[must_use]
    pub fn within(&self) -> usize {
        self.within
    }

    /// Returns the path of the item at fault in the record, like `embed.images[2].size`.
    ///
    /// - The path of the record as a whole is empty.
    /// - `.name` is the member of a map, without the dot at the start of a path. Keys that are
    ///   empty or not of `A-Z a-z 0-9 _ - $` are quoted and escaped: `["a.b"]`.
    /// - `[2]` is an item of an array, counted from 0.
    /// - `{2}` is the member of a map whose key is not a text, counted from 0, and also that key.
    /// - A tag adds nothing: the path is that of the item that it stands before.
    ///
    /// An ellipsis outside quotes stands for the rest of a key of more than 64 characters, or of a
    /// path of more than 1,024 bytes.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns what is odd.
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

/// An iterator over the departures of a record from the data model: see
/// [`oddities`](super::oddities()).
///
/// After an error, every later call returns `None`.
#[derive(Clone)]
#[must_use = "an iterator does nothing until it is asked"]
pub struct Oddities<'r>(Survey<'r>);

/// Returns an iterator over every departure of a record from the [data
/// model](https://atproto.com/specs/data-model), with its byte and its path in the record.
///
/// A record without any is canonical DAG-CBOR: a map of texts, integers of at most 53 bits,
/// booleans, nulls, byte strings, links, arrays and maps. Oddities come in the order of their
/// bytes; those about repeated keys follow at the end of their map.
///
/// Takes time proportional to the record; maps whose keys are out of order are sorted. Takes at
/// most 64 bytes of memory for each byte of the record. Each oddity allocates its path, of at most
/// 2 KiB.
///
/// # Errors
///
/// The iterator returns one error, as its last item:
///
/// - `Malformed` if the bytes are not CBOR: `RecordEnd` or `RecordItem`, with the byte
/// - `Limit` if arrays, maps and tags are nested more than
///   [`MAX_RECORD_NESTING`](crate::limits::MAX_RECORD_NESTING) deep
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

/// Without the record.
impl fmt::Debug for Oddities<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Oddities").finish_non_exhaustive()
    }
}
