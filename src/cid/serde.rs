//! CIDs in serde: links of the data model.
//!
//! Formats with links, such as `serde_ipld_dagcbor`, recognize them by the name of a newtype struct
//! around the CID's bytes. Other binary formats get the bytes, human-readable ones
//! `{"$link": "b.."}`.
//!
//! Where serde buffers a value before it knows its type (`untagged`, `flatten`, `tag`), it forgets
//! the format, and the buffered value passes for human-readable. So a link that was buffered from
//! DAG-CBOR, which still is a newtype struct, is accepted there too.

use core::fmt;

use cid::serde::CID_SERDE_PRIVATE_IDENTIFIER as LINK_STRUCT;
use serde::de::{self, Deserialize, Deserializer, MapAccess, Unexpected, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::{Cid, LEN};

/// The one key of a link in JSON.
const LINK_KEY: &str = "$link";

/// Serializes a link: `{"$link": "b.."}` in human-readable formats, tag 42 in DAG-CBOR, 36 bytes in
/// other binary formats.
///
/// # Examples
///
/// ```
/// let cid = carwalk::Cid::of(carwalk::cid::Codec::Raw, b"hello");
/// let json = serde_json::to_string(&cid).unwrap();
/// assert_eq!(json, format!(r#"{{"$link":"{cid}"}}"#));
/// ```
impl Serialize for Cid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !serializer.is_human_readable() {
            return serializer.serialize_newtype_struct(LINK_STRUCT, &Bytes(&self.0));
        }
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry(LINK_KEY, self.to_text().as_str())?;
        map.end()
    }
}

/// Deserializes a link in the form that [`Serialize`] writes. A text is an error, and in DAG-CBOR a
/// byte string without tag 42.
///
/// Where serde buffers values (`untagged`, `flatten`, `tag`), it forgets the format. There,
/// `{"$link": "b.."}` and tag 42 are both accepted in any format.
///
/// # Examples
///
/// ```
/// use carwalk::Cid;
///
/// let text = "bafkreibm6jg3ux5qumhcn2b3flc3tyu6dmlb4xa7u5bf44yegnrjhc4yeq";
/// let json = format!(r#"{{"$link":"{text}"}}"#);
/// assert_eq!(serde_json::from_str::<Cid>(&json).unwrap().to_string(), text);
/// assert!(serde_json::from_str::<Cid>(&format!("{text:?}")).is_err());
/// ```
impl<'de> Deserialize<'de> for Cid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            deserializer.deserialize_any(Link { is_human_readable: true })
        } else {
            let link = Link { is_human_readable: false };
            deserializer.deserialize_newtype_struct(LINK_STRUCT, link)
        }
    }
}

struct Bytes<'c>(&'c [u8; LEN]);

impl Serialize for Bytes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

/// Visits a link in any format.
struct Link {
    is_human_readable: bool,
}

impl<'de> Visitor<'de> for Link {
    type Value = Cid;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let form = if self.is_human_readable { ": {\"$link\": CID}" } else { "" };
        write!(f, "a link{form}")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<Cid, D::Error> {
        inner.deserialize_bytes(CidBytes)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Cid, A::Error> {
        let link = "the key `$link`";
        let Some(LinkKey) = members.next_key()? else {
            return Err(de::Error::invalid_length(0, &link));
        };
        let LinkText(cid) = members.next_value()?;
        match members.next_key::<de::IgnoredAny>()? {
            None => Ok(cid),
            Some(_) => Err(de::Error::invalid_length(2, &link)),
        }
    }
}

/// Visits the bytes of a link, without the zero byte before them.
struct CidBytes;

impl Visitor<'_> for CidBytes {
    type Value = Cid;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the 36 bytes of a CID")
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Cid, E> {
        Cid::parse_or_fault(bytes).map_err(E::custom)
    }
}

/// The key `$link`.
struct LinkKey;

impl<'de> Deserialize<'de> for LinkKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Key;
        impl Visitor<'_> for Key {
            type Value = LinkKey;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the key `$link`")
            }

            fn visit_str<E: de::Error>(self, key: &str) -> Result<LinkKey, E> {
                match key {
                    LINK_KEY => Ok(LinkKey),
                    _ => Err(E::invalid_value(Unexpected::Str(key), &self)),
                }
            }
        }
        deserializer.deserialize_identifier(Key)
    }
}

/// The text of a CID.
struct LinkText(Cid);

impl<'de> Deserialize<'de> for LinkText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = LinkText;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the text of a CID")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<LinkText, E> {
                text.parse().map(LinkText).map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Text)
    }
}
