//! The fields of a JSON object, by name.

use std::borrow::Cow;
use std::fmt;

use carwalk::Cid;
use carwalk::cid::Codec;
use data_encoding::BASE64_NOPAD;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, de};
use serde_json::value::RawValue;

/// The fields that are kept, of any kind of object. Others are skipped.
const NAMES: [&str; 26] = [
    "action", "active", "blocks", "body", "cid", "commit", "did", "error", "frame", "handle",
    "header", "message", "name", "op", "ops", "path", "payload", "prev", "prevData", "repo", "rev",
    "seq", "since", "status", "t", "type",
];

/// What a field must be, for messages.
pub(super) const TEXT: &str = "a text";
pub(super) const INTEGER: &str = "an integer from 0 to 2^63 - 1";
pub(super) const BOOLEAN: &str = "true or false";
pub(super) const BYTES: &str = "an object with `$bytes` in base64";
pub(super) const COMMIT: &str = "an object with `$link` to a commit";
pub(super) const TREE: &str = "an object with `$link` to a tree";
pub(super) const RECORD: &str = "an object with `$link` to a record";
pub(super) const OBJECT: &str = "an object";

/// The known fields of an object, borrowed from its text.
pub(super) struct Fields<'j> {
    found: Vec<(&'static str, &'j RawValue)>,
    /// The first field that the object has twice.
    pub(super) repeated: Option<&'static str>,
}

impl<'j> Fields<'j> {
    /// Reads the fields of a value. `None` if it is not an object.
    pub(super) fn of(value: &'j str) -> Option<Self> {
        serde_json::from_str(value).ok()
    }

    pub(super) fn none() -> Self {
        Fields { found: Vec::new(), repeated: None }
    }

    /// Returns a field. Null is absent.
    pub(super) fn get(&self, name: &str) -> Option<&'j RawValue> {
        let found = self.found.iter().find(|(found, _)| *found == name);
        found.map(|(_, value)| *value).filter(|value| value.get() != "null")
    }
}

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(OfObject)
    }
}

struct OfObject;

impl<'de> Visitor<'de> for OfObject {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(OBJECT)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Fields::none();
        while let Some(name) = map.next_key_seed(Name)? {
            let Some(name) = name else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let value = map.next_value()?;
            if fields.found.iter().any(|(found, _)| *found == name) {
                fields.repeated = fields.repeated.or(Some(name));
            } else {
                fields.found.push((name, value));
            }
        }
        Ok(fields)
    }
}

/// Reads a name: `None` if it is unknown.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Option<&'static str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name {
    type Value = Option<&'static str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(NAMES.into_iter().find(|known| *known == name))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Bytes<'j> {
    #[serde(rename = "$bytes", borrow)]
    base64: Cow<'j, str>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Link<'j> {
    #[serde(rename = "$link", borrow)]
    cid: Cow<'j, str>,
}

/// A text that is borrowed if it has no escapes.
#[derive(Deserialize)]
struct Text<'j>(#[serde(borrow)] Cow<'j, str>);

pub(super) fn text(value: &RawValue) -> Option<Cow<'_, str>> {
    serde_json::from_str::<Text<'_>>(value.get()).ok().map(|text| text.0)
}

pub(super) fn boolean(value: &RawValue) -> Option<bool> {
    serde_json::from_str(value.get()).ok()
}

pub(super) fn integer(value: &RawValue) -> Option<i64> {
    serde_json::from_str(value.get()).ok()
}

/// Reads an integer that is not negative.
pub(super) fn sequence(value: &RawValue) -> Option<u64> {
    integer(value).and_then(|value| u64::try_from(value).ok())
}

/// Reads bytes in base64, with or without padding.
pub(super) fn bytes(value: &RawValue) -> Option<Vec<u8>> {
    let text = serde_json::from_str::<Bytes<'_>>(value.get()).ok()?.base64;
    let unpadded = text.trim_end_matches('=');
    let padding = text.len().saturating_sub(unpadded.len());
    let is_padded = text.len().is_multiple_of(4) && padding <= 2;
    if padding > 0 && !is_padded {
        return None;
    }
    BASE64_NOPAD.decode(unpadded.as_bytes()).ok()
}

pub(super) fn link(value: &RawValue) -> Option<Cid> {
    serde_json::from_str::<Link<'_>>(value.get()).ok()?.cid.parse().ok()
}

/// Reads a link to a block of CBOR.
pub(super) fn cbor_link(value: &RawValue) -> Option<Cid> {
    link(value).filter(|cid| cid.codec() == Codec::DagCbor)
}
