//! JSON of the data model back into CBOR, each member in its place.

use std::fmt;

use carwalk_testkit::cbor::Value;
use carwalk_testkit::cid::Cid;
use data_encoding::BASE64_NOPAD;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// An item of CBOR, read from JSON.
pub(crate) struct Parsed(pub(crate) Value);

impl<'de> Deserialize<'de> for Parsed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Items).map(Parsed)
    }
}

struct Items;

impl<'de> Visitor<'de> for Items {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON of the data model")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Uint(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Int(value))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(Parsed(item)) = items.next_element()? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut map = Vec::new();
        while let Some((key, Parsed(item))) = members.next_entry::<String, _>()? {
            map.push((key, item));
        }
        match &map[..] {
            [(key, Value::Text(text))] if key == "$link" => {
                link(text).ok_or_else(|| A::Error::custom("no link"))
            }
            [(key, Value::Text(text))] if key == "$bytes" => {
                BASE64_NOPAD.decode(text.as_bytes()).map(Value::Bytes).map_err(A::Error::custom)
            }
            _ => Ok(Value::map(map)),
        }
    }
}

fn link(text: &str) -> Option<Value> {
    let cid: carwalk::Cid = text.parse().ok()?;
    Cid::from_bytes(cid.as_bytes()).map(Value::Link)
}
