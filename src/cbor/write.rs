//! Canonical encodings: the inverse of the strict cursor.

use super::read::{ARRAY, BYTES, LINK_HEAD, MAP, NULL, UINT};
use crate::cid::Cid;

/// The canonical head of an item: its major type and a number in as few bytes as possible.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct ItemHead {
    bytes: [u8; Self::MAX_LEN],
    len: u8,
}

impl ItemHead {
    const MAX_LEN: usize = 9;

    /// Returns the head of an array of `len` items.
    pub(crate) fn array(len: usize) -> Self {
        Self::new(ARRAY, len as u64)
    }

    /// Returns the head of a map of `len` pairs.
    pub(crate) fn map(len: usize) -> Self {
        Self::new(MAP, len as u64)
    }

    /// Returns the head of a byte string of `len` bytes.
    pub(crate) fn bytes(len: usize) -> Self {
        Self::new(BYTES, len as u64)
    }

    /// Returns an unsigned integer, which is a head only.
    pub(crate) fn uint(value: usize) -> Self {
        Self::new(UINT, value as u64)
    }

    fn new(major: u8, value: u64) -> Self {
        let initial = major << 5;
        let [.., b4, b5, b6, b7] = value.to_be_bytes();
        let [b0, b1, b2, b3, ..] = value.to_be_bytes();
        let (bytes, len) = match value {
            0..24 => ([initial | b7, 0, 0, 0, 0, 0, 0, 0, 0], 1),
            24..0x100 => ([initial | 24, b7, 0, 0, 0, 0, 0, 0, 0], 2),
            0x100..0x1_0000 => ([initial | 25, b6, b7, 0, 0, 0, 0, 0, 0], 3),
            0x1_0000..0x1_0000_0000 => ([initial | 26, b4, b5, b6, b7, 0, 0, 0, 0], 5),
            _ => ([initial | 27, b0, b1, b2, b3, b4, b5, b6, b7], 9),
        };
        ItemHead { bytes, len }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// Returns the length of the encoding, in bytes.
    pub(crate) fn len(&self) -> usize {
        usize::from(self.len)
    }
}

/// Appends a link: tag 42 and a byte string of a zero byte and the CID.
pub(crate) fn put_link(cid: &Cid, out: &mut Vec<u8>) {
    out.extend_from_slice(&LINK_HEAD);
    out.extend_from_slice(cid.as_bytes());
}

/// Appends a link, or null.
pub(crate) fn put_nullable_link(cid: Option<&Cid>, out: &mut Vec<u8>) {
    match cid {
        Some(cid) => put_link(cid, out),
        None => out.push(NULL),
    }
}

#[cfg(test)]
mod tests {
    use super::super::read::Cursor;
    use super::*;
    use crate::cid::Codec;

    #[test]
    fn a_head_is_the_shortest_whatever_its_number() {
        let borders =
            [0, 23, 24, 0xff, 0x100, 0xffff, 0x1_0000, 0xffff_ffff, 0x1_0000_0000, u64::MAX];
        for value in borders {
            let mut expected = minicbor::Encoder::new(Vec::new());
            expected.array(value).unwrap();
            let head = ItemHead::new(ARRAY, value);
            assert_eq!(head.as_bytes(), expected.into_writer(), "{value}");
            assert_eq!(head.len(), head.as_bytes().len());
        }
        for pairs in 0..300 {
            let mut expected = minicbor::Encoder::new(Vec::new());
            expected.map(pairs).unwrap();
            let pairs = usize::try_from(pairs).unwrap();
            assert_eq!(ItemHead::map(pairs).as_bytes(), expected.into_writer(), "{pairs}");
            let mut expected = minicbor::Encoder::new(Vec::new());
            expected.bytes(&vec![7; pairs]).unwrap().u64(pairs as u64).unwrap();
            let (bytes, number) = (ItemHead::bytes(pairs), ItemHead::uint(pairs));
            let written = [bytes.as_bytes(), &vec![7; pairs], number.as_bytes()].concat();
            assert_eq!(written, expected.into_writer(), "{pairs}");
        }
    }

    #[test]
    fn a_link_is_read_back() {
        let cid = Cid::of(Codec::Raw, b"block");
        let mut out = ItemHead::array(1).as_bytes().to_vec();
        put_link(&cid, &mut out);
        let mut cursor = Cursor::new(&out);
        assert_eq!(cursor.array().unwrap(), 1);
        assert_eq!(cursor.link().unwrap(), cid);
        cursor.end().unwrap();
    }
}
