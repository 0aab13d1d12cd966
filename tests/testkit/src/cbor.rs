//! A CBOR encoder for canonical items, and for items that no decoder may accept.
//!
//! A [`Value`] is a tree that is written exactly in the given order, with minimal heads. Anything
//! that a canonical encoder cannot express is a [`Value::Raw`], which [`with_head`], [`indefinite`]
//! and [`wide`] make from a value.

use crate::cid::Cid;

/// A CBOR item.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// An unsigned integer.
    Uint(u64),
    /// A signed integer.
    Int(i64),
    /// A byte string.
    Bytes(Vec<u8>),
    /// A text string.
    Text(String),
    /// An array.
    Array(Vec<Value>),
    /// A map, with its pairs in the order in which they are written.
    Map(Vec<(Value, Value)>),
    /// A CID link: tag 42 around a byte string of `00` and the CID.
    Link(Cid),
    /// An item with any tag.
    Tag(u64, Box<Value>),
    /// Null.
    Null,
    /// True or false.
    Bool(bool),
    /// A 64-bit float.
    F64(f64),
    /// Bytes that are written as they are.
    Raw(Vec<u8>),
}

impl Value {
    /// A text string.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A map with text keys in the order given.
    pub fn map<K: Into<String>>(pairs: impl IntoIterator<Item = (K, Value)>) -> Self {
        Self::Map(pairs.into_iter().map(|(key, value)| (Self::text(key), value)).collect())
    }

    /// A map with text keys in canonical order: shorter keys first, then bytewise.
    pub fn map_sorted<K: Into<String>>(pairs: impl IntoIterator<Item = (K, Value)>) -> Self {
        let mut pairs: Vec<(String, Value)> =
            pairs.into_iter().map(|(key, value)| (key.into(), value)).collect();
        pairs.sort_by(|(a, _), (b, _)| a.len().cmp(&b.len()).then_with(|| a.cmp(b)));
        Self::map(pairs)
    }

    /// A link item with any bytes in place of a CID.
    pub fn link_bytes(cid: &[u8]) -> Self {
        let mut bytes = vec![0];
        bytes.extend_from_slice(cid);
        Self::Tag(42, Box::new(Self::Bytes(bytes)))
    }

    /// The encoded item.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode_into(&mut out);
        out
    }

    /// Appends the encoded item.
    pub fn encode_into(&self, out: &mut Vec<u8>) {
        match self {
            Self::Uint(value) => put_head(out, 0, *value),
            Self::Int(value) if *value < 0 => put_head(out, 1, !*value as u64),
            Self::Int(value) => put_head(out, 0, *value as u64),
            Self::Bytes(bytes) => put_bytes(out, bytes),
            Self::Text(text) => put_text(out, text),
            Self::Array(items) => {
                put_head(out, 4, items.len() as u64);
                items.iter().for_each(|item| item.encode_into(out));
            }
            Self::Map(pairs) => {
                put_head(out, 5, pairs.len() as u64);
                for (key, value) in pairs {
                    key.encode_into(out);
                    value.encode_into(out);
                }
            }
            Self::Link(cid) => put_link(out, cid),
            Self::Tag(tag, item) => {
                put_head(out, 6, *tag);
                item.encode_into(out);
            }
            Self::Null => out.push(0xf6),
            Self::Bool(value) => out.push(0xf4 + u8::from(*value)),
            Self::F64(value) => {
                out.push(0xfb);
                out.extend_from_slice(&value.to_be_bytes());
            }
            Self::Raw(bytes) => out.extend_from_slice(bytes),
        }
    }

    /// The pairs of a map.
    ///
    /// # Panics
    ///
    /// Panics if the value is not a map.
    pub fn pairs_mut(&mut self) -> &mut Vec<(Value, Value)> {
        match self {
            Self::Map(pairs) => pairs,
            other => panic!("not a map: {other:?}"),
        }
    }

    /// The items of an array.
    ///
    /// # Panics
    ///
    /// Panics if the value is not an array.
    pub fn items_mut(&mut self) -> &mut Vec<Value> {
        match self {
            Self::Array(items) => items,
            other => panic!("not an array: {other:?}"),
        }
    }

    /// The value of a text key, if this is a map with that key.
    pub fn get(&self, key: &str) -> Option<&Value> {
        let Self::Map(pairs) = self else { return None };
        pairs.iter().find(|(name, _)| is_text(name, key)).map(|(_, value)| value)
    }

    /// The value of a text key in a map.
    ///
    /// # Panics
    ///
    /// Panics if the value is not a map or lacks the key.
    pub fn at_mut(&mut self, key: &str) -> &mut Value {
        let pair = self.pairs_mut().iter_mut().find(|(name, _)| is_text(name, key));
        &mut pair.unwrap_or_else(|| panic!("no key {key}")).1
    }

    /// Removes a text key and its value from a map.
    ///
    /// # Panics
    ///
    /// Panics if the value is not a map or lacks the key.
    pub fn remove(&mut self, key: &str) -> Value {
        let pairs = self.pairs_mut();
        let index = pairs.iter().position(|(name, _)| is_text(name, key));
        pairs.remove(index.unwrap_or_else(|| panic!("no key {key}"))).1
    }
}

fn is_text(value: &Value, text: &str) -> bool {
    matches!(value, Value::Text(own) if own == text)
}

/// The minimal head of an item: its major type (0 to 7) and its number.
pub fn head(major: u8, number: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(9);
    put_head(&mut out, major, number);
    out
}

/// A head whose number takes `width` bytes (1, 2, 4 or 8), even if fewer suffice.
///
/// # Panics
///
/// Panics if the width is none of those or the number does not fit.
pub fn wide_head(major: u8, number: u64, width: usize) -> Vec<u8> {
    let info = match width {
        1 => 24,
        2 => 25,
        4 => 26,
        8 => 27,
        _ => panic!("no head of {width} bytes"),
    };
    assert!(width == 8 || number < 1 << (8 * width), "{number} needs more than {width} bytes");
    let mut out = vec![major << 5 | info];
    out.extend_from_slice(&number.to_be_bytes()[8 - width..]);
    out
}

/// The item with another head in place of its own.
pub fn with_head(value: &Value, head: &[u8]) -> Value {
    let encoded = value.encode();
    let mut out = head.to_vec();
    out.extend_from_slice(&encoded[head_len(encoded[0])..]);
    Value::Raw(out)
}

/// The item with its own head in `width` bytes (1, 2, 4 or 8), which is not minimal if fewer
/// suffice.
pub fn wide(value: &Value, width: usize) -> Value {
    let encoded = value.encode();
    with_head(value, &wide_head(encoded[0] >> 5, head_number(&encoded), width))
}

/// A string (as one chunk), array or map of indefinite length.
///
/// # Panics
///
/// Panics if the item is of another type.
pub fn indefinite(value: &Value) -> Value {
    let encoded = value.encode();
    let major = encoded[0] >> 5;
    assert!((2..=5).contains(&major), "major type {major} has no indefinite length");
    let content = if major < 4 { &encoded[..] } else { &encoded[head_len(encoded[0])..] };
    let mut out = vec![major << 5 | 31];
    out.extend_from_slice(content);
    out.push(0xff);
    Value::Raw(out)
}

fn head_len(first: u8) -> usize {
    match first & 31 {
        info @ 24..=27 => 1 + (1 << (info - 24)),
        _ => 1,
    }
}

fn head_number(encoded: &[u8]) -> u64 {
    match head_len(encoded[0]) {
        1 => u64::from(encoded[0] & 31),
        len => encoded[1..len].iter().fold(0, |number, &byte| number << 8 | u64::from(byte)),
    }
}

/// Appends the minimal head of an item.
pub fn put_head(out: &mut Vec<u8>, major: u8, number: u64) {
    match number {
        0..24 => out.push(major << 5 | number as u8),
        24..0x100 => out.extend_from_slice(&[major << 5 | 24, number as u8]),
        0x100..0x1_0000 => put_wide(out, major << 5 | 25, &number.to_be_bytes()[6..]),
        0x1_0000..0x1_0000_0000 => put_wide(out, major << 5 | 26, &number.to_be_bytes()[4..]),
        _ => put_wide(out, major << 5 | 27, &number.to_be_bytes()),
    }
}

fn put_wide(out: &mut Vec<u8>, first: u8, number: &[u8]) {
    out.push(first);
    out.extend_from_slice(number);
}

/// Appends a text string.
pub fn put_text(out: &mut Vec<u8>, text: &str) {
    put_head(out, 3, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// Appends a byte string.
pub fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_head(out, 2, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Appends a CID link.
pub fn put_link(out: &mut Vec<u8>, cid: &Cid) {
    out.extend_from_slice(&[0xd8, 0x2a, 0x58, 0x25, 0]);
    out.extend_from_slice(cid.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_minimal_at_every_border() {
        assert_eq!(head(0, 23), [23]);
        assert_eq!(head(0, 24), [24, 24]);
        assert_eq!(head(2, 255), [0x58, 255]);
        assert_eq!(head(3, 256), [0x79, 1, 0]);
        assert_eq!(head(0, 65_536), [26, 0, 1, 0, 0]);
        assert_eq!(head(1, u64::MAX), [0x3b, 255, 255, 255, 255, 255, 255, 255, 255]);
    }

    #[test]
    fn map_sorted_is_length_first() {
        let map = Value::map_sorted([
            ("version", Value::Null),
            ("sig", Value::Null),
            ("did", Value::Null),
        ]);
        assert_eq!(
            map,
            Value::map([("did", Value::Null), ("sig", Value::Null), ("version", Value::Null)])
        );
    }

    #[test]
    fn wrong_heads_keep_the_content() {
        let map = Value::map([("a", Value::Uint(1))]);
        assert_eq!(map.encode(), [0xa1, 0x61, 0x61, 1]);
        assert_eq!(wide(&map, 2).encode(), [0xb9, 0, 1, 0x61, 0x61, 1]);
        assert_eq!(indefinite(&map).encode(), [0xbf, 0x61, 0x61, 1, 0xff]);
        assert_eq!(indefinite(&Value::text("a")).encode(), [0x7f, 0x61, 0x61, 0xff]);
        assert_eq!(wide(&Value::Int(-1), 1).encode(), [0x38, 0]);
    }

    #[test]
    fn link_bytes_of_a_cid_is_its_link() {
        let cid = Cid::dag_cbor(b"");
        assert_eq!(Value::link_bytes(cid.as_bytes()).encode(), Value::Link(cid).encode());
    }
}
