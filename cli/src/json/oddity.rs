//! What keeps a record from being one of the data model.

use core::fmt;

use super::{BYTES, CBOR, LINK};

/// Something that a record of the data model does not have.
#[derive(Debug)]
pub(crate) enum Oddity {
    /// An integer or length in more bytes than it takes.
    Padded,
    /// A string, array or map whose length is not told.
    Indefinite,
    /// A float; JSON has a form for it if it is finite.
    Float(f64),
    /// An integer beyond 53 bits.
    UnsafeInteger(i128),
    /// A simple value other than false, true and null.
    Simple(u8),
    /// A simple value below 32 in two bytes, a form that CBOR does not have.
    WideSimple(u8),
    /// A text that is not UTF-8.
    Utf8,
    /// A tag that makes no link.
    Tag,
    /// A link that does not begin with a zero byte.
    LinkPrefix,
    /// A link whose CID is not of the one form.
    LinkCid(carwalk::Error),
    /// A map's key that is no text.
    KeyType,
    /// Map keys out of order.
    KeyOrder,
    /// The same key twice in one map.
    KeyTwice,
    /// A key that JSON needs for links and the like.
    KeyReserved,
    /// The outermost item is no map.
    NoMap,
    /// Bytes after the outermost item.
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
            Oddity::Tag => write!(f, "tag that makes no link"),
            Oddity::LinkPrefix => write!(f, "link does not begin with the byte 0x00"),
            Oddity::LinkCid(error) => write!(f, "link to a {error}"),
            Oddity::KeyType => write!(f, "map key is not a text"),
            Oddity::KeyOrder => write!(f, "map keys are not in canonical order"),
            Oddity::KeyTwice => write!(f, "the same key twice in one map"),
            Oddity::KeyReserved => {
                write!(f, "map key is one of the names {LINK}, {BYTES} and {CBOR}")
            }
            Oddity::NoMap => write!(f, "the record is not a map"),
            Oddity::Trailing(1) => write!(f, "1 byte after the end is left out"),
            Oddity::Trailing(len) => write!(f, "{len} bytes after the end are left out"),
        }
    }
}
