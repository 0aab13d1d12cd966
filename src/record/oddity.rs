//! The oddities of a record.

use core::fmt;

use crate::error::Malformed;

/// The names that stand for links, bytes and items without a JSON form.
pub(super) const LINK: &str = "$link";
pub(super) const BYTES: &str = "$bytes";
pub(super) const CBOR: &str = "$cbor";

/// The largest integer without an oddity. A float of 64 bits represents every integer up to it.
pub(super) const MAX_SAFE: u64 = (1 << 53) - 1;

/// An oddity: a violation of the [data model](https://atproto.com/specs/data-model) in a record.
///
/// Displays as a short text without control characters.
///
/// # Examples
///
/// ```
/// use carwalk::record::{self, Oddity};
///
/// // {"size": 1.5}
/// let record = b"\xa1\x64size\xf9\x3e\x00";
/// let odd = record::oddities(record).next().unwrap()?;
/// assert_eq!(odd.oddity(), &Oddity::Float(1.5));
/// assert_eq!(odd.oddity().to_string(), "float 1.5, which the data model does not have");
/// # Ok::<(), carwalk::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Oddity {
    /// An integer, length or tag in more bytes than it needs.
    Padded,
    /// A string, array or map of indefinite length.
    Indefinite,
    /// A float. It has a JSON form if it is finite.
    Float(f64),
    /// An integer above 2^53 - 1 or below -(2^53 - 1).
    UnsafeInteger(i128),
    /// A simple value other than false, true and null; 23 is `undefined`.
    Simple(u8),
    /// A simple value below 32 in two bytes, which CBOR forbids.
    WideSimple(u8),
    /// A text that is not UTF-8.
    Utf8,
    /// A tag other than 42, or tag 42 before anything but a byte string of definite length.
    Tag,
    /// A link whose byte string does not begin with a zero byte.
    LinkPrefix,
    /// A link whose CID has another form than [`Cid`](crate::Cid).
    LinkCid(Malformed),
    /// A map key that is not a text.
    KeyType,
    /// A map key out of canonical order: the shorter key comes first, then bytes decide. At most
    /// one is reported for each map.
    KeyOrder,
    /// A map key that the map already has.
    KeyTwice,
    /// A map key that has a meaning in JSON: `$link`, `$bytes` or `$cbor`.
    KeyReserved,
    /// The outermost item is not a map.
    NoMap,
    /// Bytes after the outermost item, and their number.
    Trailing(usize),
}

impl fmt::Display for Oddity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Oddity::Padded => write!(f, "integer or length is not in its shortest form"),
            Oddity::Indefinite => write!(f, "item of indefinite length"),
            Oddity::Float(value) => {
                write!(f, "float {value:?}, which the data model does not have")
            }
            Oddity::UnsafeInteger(value) => write!(f, "integer {value} takes more than 53 bits"),
            Oddity::Simple(23) => write!(f, "undefined, which the data model does not have"),
            Oddity::Simple(value) => {
                write!(f, "simple value {value}, which the data model does not have")
            }
            Oddity::WideSimple(value) => match value {
                20 => write!(f, "badly encoded `false`, in two bytes"),
                21 => write!(f, "badly encoded `true`, in two bytes"),
                22 => write!(f, "badly encoded `null`, in two bytes"),
                23 => write!(f, "badly encoded `undefined`, in two bytes"),
                value => write!(f, "badly encoded simple value {value}, in two bytes"),
            },
            Oddity::Utf8 => write!(f, "text is not UTF-8"),
            Oddity::Tag => write!(f, "tag that does not form a link"),
            Oddity::LinkPrefix => write!(f, "link does not begin with the byte 0x00"),
            Oddity::LinkCid(fault) => write!(f, "link to a {fault}"),
            Oddity::KeyType => write!(f, "map key is not a text"),
            Oddity::KeyOrder => write!(f, "map keys are not in canonical order"),
            Oddity::KeyTwice => write!(f, "the same key twice in one map"),
            Oddity::KeyReserved => {
                write!(f, "map key is one of the names {LINK}, {BYTES} and {CBOR}")
            }
            Oddity::NoMap => write!(f, "the record is not a map"),
            Oddity::Trailing(1) => write!(f, "1 byte after the end of the record"),
            Oddity::Trailing(len) => write!(f, "{len} bytes after the end of the record"),
        }
    }
}
