//! The contents of one record, as `verify --records` reports them.

use std::borrow::Cow;

use carwalk::minicbor::data::Type;
use carwalk::minicbor::{Decoder, decode};
use carwalk::record::{self, OddItem};

use crate::skipped::Unreadable;

/// Most violations of the data model that are reported one by one for a record. The others are
/// counted.
pub(crate) const ODDITIES_PRINTED: u64 = 20;

/// Most violations that are counted for a record, because finding the place of each takes time.
pub(crate) const ODDITIES_COUNTED: u64 = 1_000;

/// Most characters of a `$type` that are kept. Longer than any key of a tree, so that a cut text is
/// never equal to a collection.
const TYPE_KEPT: usize = 1100;

/// The oddities and the `$type` of a record. They do not depend on the entry.
pub(crate) struct Contents<'r> {
    /// The first violations of the data model.
    pub(crate) first: Vec<OddItem>,
    /// The number of violations of the data model, at most `ODDITIES_COUNTED`.
    pub(crate) found: u64,
    pub(crate) rest: Rest<'r>,
}

/// The `$type` of a record, or the reason why the record cannot be read to its end.
pub(crate) enum Rest<'r> {
    /// It is not CBOR, or too deep.
    Refused {
        byte: Option<u64>,
        why: Unreadable,
    },
    Type(Kind<'r>),
}

/// The `$type` of a record.
pub(crate) enum Kind<'r> {
    Missing,
    Text(Cow<'r, str>),
    /// Not a text.
    Other,
    /// The record is not a map, or the `$type` cannot be read. The cause is reported as another
    /// oddity, or lies after the last oddity that is counted.
    Unknown,
}

impl<'r> Contents<'r> {
    /// Reads a record.
    pub(crate) fn of(record: &'r [u8]) -> Self {
        let (mut first, mut found) = (Vec::new(), 0_u64);
        for odd in record::oddities(record) {
            match odd {
                Ok(odd) => {
                    found = found.saturating_add(1);
                    if found <= ODDITIES_PRINTED {
                        first.push(odd);
                    }
                }
                Err(error) => {
                    let (byte, why) = (error.position().within(), Unreadable::of(&error));
                    return Contents { first, found, rest: Rest::Refused { byte, why } };
                }
            }
            if found >= ODDITIES_COUNTED {
                break;
            }
        }
        let kind = type_of(record).unwrap_or(Kind::Unknown);
        Contents { first, found, rest: Rest::Type(kind) }
    }

    /// Copies the beginning of the `$type`, so that the contents outlive the record.
    pub(crate) fn into_owned(self) -> Contents<'static> {
        let Contents { first, found, rest } = self;
        let rest = match rest {
            Rest::Refused { byte, why } => Rest::Refused { byte, why },
            Rest::Type(kind) => Rest::Type(kind.into_owned()),
        };
        Contents { first, found, rest }
    }
}

impl Kind<'_> {
    fn into_owned(self) -> Kind<'static> {
        match self {
            Kind::Text(text) => Kind::Text(text.chars().take(TYPE_KEPT).collect()),
            Kind::Missing => Kind::Missing,
            Kind::Other => Kind::Other,
            Kind::Unknown => Kind::Unknown,
        }
    }
}

/// Reads the `$type` of a record; the first, if there are several. Bytes after it may be anything.
/// Fails if the record is not a map, or if an item before the end of the `$type` cannot be read.
fn type_of(record: &[u8]) -> Result<Kind<'_>, decode::Error> {
    let mut decoder = Decoder::new(record);
    let mut left = decoder.map()?;
    while left != Some(0) {
        if left.is_none() && decoder.datatype()? == Type::Break {
            break;
        }
        left = left.map(|left| left.saturating_sub(1));
        if is_type_key(&decoder) {
            decoder.skip()?;
            return kind_of(&mut decoder);
        }
        decoder.skip()?;
        decoder.skip()?;
    }
    Ok(Kind::Missing)
}

/// Returns whether the next item is the text `$type`, of definite or indefinite length.
fn is_type_key(decoder: &Decoder<'_>) -> bool {
    text_of(&mut decoder.clone()).is_ok_and(|text| text == "$type")
}

fn kind_of<'r>(decoder: &mut Decoder<'r>) -> Result<Kind<'r>, decode::Error> {
    match decoder.datatype()? {
        Type::String | Type::StringIndef => text_of(decoder).map(Kind::Text),
        _ => Ok(Kind::Other),
    }
}

/// Reads a text. Of a text of indefinite length, the pieces after `TYPE_KEPT` bytes are left out.
fn text_of<'r>(decoder: &mut Decoder<'r>) -> Result<Cow<'r, str>, decode::Error> {
    if decoder.datatype()? != Type::StringIndef {
        return decoder.str().map(Cow::Borrowed);
    }
    let mut text = String::new();
    for piece in decoder.str_iter()? {
        text.push_str(piece?);
        if text.len() > TYPE_KEPT {
            break;
        }
    }
    Ok(Cow::Owned(text))
}
