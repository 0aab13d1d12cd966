//! A general CBOR decoder: definite lengths, keys of any type, and links only to CIDs of the
//! accepted form.

use crate::cbor::{Value, head};
use crate::cid::Cid;

const MAX_NESTING: usize = 32;

/// Decodes exactly one item. Heads need not be minimal and maps need not be sorted: see
/// [`is_canonical`].
pub fn decode(bytes: &[u8]) -> Result<Value, String> {
    let mut decoder = Decoder { rest: bytes };
    let value = decoder.value(MAX_NESTING)?;
    if decoder.rest.is_empty() { Ok(value) } else { Err("bytes after the item".into()) }
}

/// Whether all maps of a value have sorted and unique text keys. A block is canonical if its value
/// is, and encodes to the same bytes.
pub fn is_canonical(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().all(is_canonical),
        Value::Tag(..) => false,
        // An integer below the range of `Int`.
        Value::Raw(bytes) => bytes.len() == 9 && bytes.first() == Some(&0x3b),
        Value::Map(pairs) => {
            let keys: Vec<_> = pairs.iter().map(|(key, _)| key.encode()).collect();
            let texts = pairs.iter().all(|(key, _)| matches!(key, Value::Text(_)));
            // The head of a longer text is greater, so encoded keys sort by length first.
            texts
                && keys.is_sorted_by(|a, b| a < b)
                && pairs.iter().all(|(_, value)| is_canonical(value))
        }
        _ => true,
    }
}

struct Decoder<'a> {
    rest: &'a [u8],
}

impl<'a> Decoder<'a> {
    /// Reads an item that may hold `nesting` levels of items.
    fn value(&mut self, nesting: usize) -> Result<Value, String> {
        let (major, info, number) = self.head()?;
        match major {
            0 => Ok(Value::Uint(number)),
            1 => Ok(i64::try_from(number)
                .map_or_else(|_| Value::Raw(head(1, number)), |number| Value::Int(!number))),
            2 => Ok(Value::Bytes(self.take(number)?.to_vec())),
            3 => self.text(number),
            4..=6 if nesting == 0 => Err("nested too deeply".into()),
            4 => (0..number)
                .map(|_| self.value(nesting - 1))
                .collect::<Result<_, _>>()
                .map(Value::Array),
            5 => (0..number)
                .map(|_| Ok((self.value(nesting - 1)?, self.value(nesting - 1)?)))
                .collect::<Result<_, String>>()
                .map(Value::Map),
            6 => self.link(number),
            _ => simple(info, number),
        }
    }

    fn head(&mut self) -> Result<(u8, u8, u64), String> {
        let first = self.take(1)?[0];
        let info = first & 31;
        let number = match info {
            0..24 => u64::from(info),
            24..28 => self
                .take(1 << (info - 24))?
                .iter()
                .fold(0, |number, &byte| number << 8 | u64::from(byte)),
            _ => return Err("reserved or indefinite head".into()),
        };
        Ok((first >> 5, info, number))
    }

    fn take(&mut self, len: u64) -> Result<&'a [u8], String> {
        let len = usize::try_from(len).map_err(|_| "length beyond memory")?;
        let (taken, rest) = self.rest.split_at_checked(len).ok_or("end inside an item")?;
        self.rest = rest;
        Ok(taken)
    }

    fn text(&mut self, len: u64) -> Result<Value, String> {
        let text = std::str::from_utf8(self.take(len)?);
        text.map(Value::text).map_err(|_| "text is not UTF-8".into())
    }

    fn link(&mut self, tag: u64) -> Result<Value, String> {
        let Value::Bytes(bytes) = self.value(0)? else {
            return Err("tag around something else than bytes".into());
        };
        match bytes.split_first() {
            Some((0, cid)) if tag == 42 => {
                Cid::from_bytes(cid).map(Value::Link).ok_or("CID of another form".into())
            }
            _ => Err("not a link".into()),
        }
    }
}

fn simple(info: u8, number: u64) -> Result<Value, String> {
    match info {
        20 => Ok(Value::Bool(false)),
        21 => Ok(Value::Bool(true)),
        22 => Ok(Value::Null),
        // The negative zero is not canonical.
        27 if f64::from_bits(number).is_finite() && number != 1 << 63 => {
            Ok(Value::F64(f64::from_bits(number)))
        }
        _ => Err("no such simple value".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_what_the_encoder_writes() {
        let inner = Value::Array(vec![
            Value::Int(-3),
            Value::Bytes(vec![1]),
            Value::Null,
            Value::Bool(true),
        ]);
        let value =
            Value::map([("a", inner), ("b", Value::Link(Cid::raw(b""))), ("c", Value::F64(0.5))]);
        assert_eq!(decode(&value.encode()), Ok(value.clone()));
        assert!(is_canonical(&value));
    }

    #[test]
    fn refuses_what_has_no_place() {
        for bytes in [
            &[0x9f, 0xff][..],
            &[0x1c],
            &[0x61, 0xff],
            &[0xf7],
            &[0xc1, 0x40],
            &[0x82, 0],
            &[0xfb, 0x80, 0, 0, 0, 0, 0, 0, 0],
            &[0, 0],
            &[],
        ] {
            assert!(decode(bytes).is_err(), "{bytes:x?}");
        }
        assert!(decode(&[vec![0x81; 32], vec![0]].concat()).is_ok());
        assert!(decode(&[vec![0x81; 33], vec![0]].concat()).is_err());
    }
}
