//! A strict cursor over DAG-CBOR.
//!
//! Headers, commits and nodes have fixed schemas, so their parsers request one item after the
//! other. Each item must have its canonical encoding: shortest heads, definite lengths, tag 42
//! only, text keys in order. See the strictness rules of
//! [DAG-CBOR](https://ipld.io/specs/codecs/dag-cbor/spec/) and
//! [DRISL](https://dasl.ing/drisl.html), which agree on all of this.

use core::cmp::Ordering;

use crate::cid::{self, Cid};
use crate::error::{Error, Malformed, NonCanonical, Result};

/// The head of a link: tag 42, then a byte string of 37 bytes that begins with zero.
pub(super) const LINK_HEAD: [u8; 5] = [0xd8, 0x2a, 0x58, 0x25, 0x00];

/// Length of the digest that ends a link.
const DIGEST_LEN: usize = 32;

pub(super) const UINT: u8 = 0;
pub(super) const NEGATIVE: u8 = 1;
pub(super) const BYTES: u8 = 2;
pub(super) const TEXT: u8 = 3;
pub(super) const ARRAY: u8 = 4;
pub(super) const MAP: u8 = 5;
pub(super) const TAG: u8 = 6;
pub(super) const SIMPLE: u8 = 7;

#[cfg(feature = "sync")]
const FALSE: u8 = 0xf4;
#[cfg(feature = "sync")]
const TRUE: u8 = 0xf5;
pub(super) const NULL: u8 = 0xf6;

/// A position in DAG-CBOR, from which items are read one after the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'a> {
    /// The remaining bytes.
    rest: &'a [u8],
    /// The length of all bytes.
    len: usize,
}

/// The head of an item: its first byte, its number and its position.
#[derive(Clone, Copy)]
pub(super) struct Head {
    pub(super) initial: u8,
    pub(super) value: u64,
    pub(super) at: usize,
}

impl Head {
    pub(super) fn major(&self) -> u8 {
        self.initial >> 5
    }

    #[cold]
    pub(super) fn not(&self, expected: &'static str) -> Error {
        Error::malformed(Malformed::CborType { found: self.initial, expected }).within(self.at)
    }
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Cursor { rest: bytes, len: bytes.len() }
    }

    #[inline]
    pub(crate) fn position(&self) -> usize {
        self.len.wrapping_sub(self.rest.len())
    }

    #[inline]
    pub(crate) fn remaining(&self) -> usize {
        self.rest.len()
    }

    #[inline]
    pub(super) fn take(&mut self, len: u64) -> Result<&'a [u8]> {
        match usize::try_from(len).ok().and_then(|len| self.rest.split_at_checked(len)) {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(taken)
            }
            None => Err(self.beyond(len).within(self.position())),
        }
    }

    /// Returns the error of an item that extends beyond the bytes. Not truncation: they are a whole
    /// frame or block.
    #[cold]
    pub(super) fn beyond(&self, expected: u64) -> Error {
        Error::malformed(Malformed::CborEnd { expected, available: self.rest.len() })
    }

    pub(super) fn take_array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let taken = self.take(N as u64)?;
        taken.try_into().map_err(|_| self.beyond(N as u64))
    }

    /// Moves past `bytes` if they are next.
    #[inline]
    pub(crate) fn accept<const N: usize>(&mut self, bytes: &[u8; N]) -> bool {
        match self.rest.split_first_chunk() {
            Some((next, rest)) if next == bytes => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    pub(super) fn head(&mut self) -> Result<Head> {
        let at = self.position();
        let [initial] = self.take_array::<1>()?;
        let value = match initial & 0x1f {
            info @ 0..24 => u64::from(info),
            // The payload of a float is not a number that could be padded.
            _ if initial >> 5 == SIMPLE => 0,
            info => self.long_head(initial, info).map_err(|error| error.within(at))?,
        };
        Ok(Head { initial, value, at })
    }

    fn long_head(&mut self, initial: u8, info: u8) -> Result<u64> {
        let (value, least) = match info {
            24 => (u64::from(u8::from_be_bytes(self.take_array()?)), 24),
            25 => (u64::from(u16::from_be_bytes(self.take_array()?)), 1 << 8),
            26 => (u64::from(u32::from_be_bytes(self.take_array()?)), 1 << 16),
            27 => (u64::from_be_bytes(self.take_array()?), 1 << 32),
            31 => return Err(Error::malformed(Malformed::CborIndefinite { found: initial })),
            _ => return Err(Error::malformed(Malformed::CborReserved { found: initial })),
        };
        if value < least {
            Err(Error::non_canonical(NonCanonical::IntegerPadded))
        } else {
            Ok(value)
        }
    }

    /// Reads the head of an item of one type and returns its number.
    #[inline]
    pub(super) fn number(&mut self, major: u8, expected: &'static str) -> Result<u64> {
        // Fast paths: nearly all heads have one or two bytes.
        let (value, rest) = match self.rest {
            [initial, rest @ ..] if initial >> 5 == major && initial & 0x1f < 24 => {
                (initial & 0x1f, rest)
            }
            [initial, value @ 24..=u8::MAX, rest @ ..] if *initial == major << 5 | 24 => {
                (*value, rest)
            }
            _ => return self.head_of(major, expected).map(|head| head.value),
        };
        self.rest = rest;
        Ok(u64::from(value))
    }

    #[inline(never)]
    pub(super) fn head_of(&mut self, major: u8, expected: &'static str) -> Result<Head> {
        let head = self.head()?;
        if head.major() == major { Ok(head) } else { Err(self.unexpected(head, expected)) }
    }

    /// Returns the error of an unexpected item: one that is not allowed anywhere, or one of another
    /// type.
    #[cold]
    pub(super) fn unexpected(&self, head: Head, expected: &'static str) -> Error {
        match (head.major(), head.initial & 0x1f) {
            (SIMPLE, 31) => {
                Error::malformed(Malformed::CborIndefinite { found: head.initial }).within(head.at)
            }
            (SIMPLE, 28..=30) => {
                Error::malformed(Malformed::CborReserved { found: head.initial }).within(head.at)
            }
            (TAG, _) if head.value != 42 => {
                Error::malformed(Malformed::CborTag { found: head.value }).within(head.at)
            }
            _ => head.not(expected),
        }
    }

    /// Checks a count of items of at least `size` bytes each against the remaining bytes, so that
    /// nothing is allocated by a false count. Its head is at `at`.
    #[inline]
    pub(super) fn count(&self, value: u64, size: usize, at: usize) -> Result<usize> {
        match usize::try_from(value) {
            Ok(count) if count.checked_mul(size).is_some_and(|least| least <= self.rest.len()) => {
                Ok(count)
            }
            _ => Err(self.beyond(value.saturating_mul(size as u64)).within(at)),
        }
    }

    /// Reads the head of a map and returns its number of pairs.
    #[inline]
    pub(crate) fn map(&mut self) -> Result<usize> {
        let at = self.position();
        let value = self.number(MAP, "a map")?;
        self.count(value, 2, at)
    }

    /// Reads the head of an array and returns its number of items.
    #[inline]
    pub(crate) fn array(&mut self) -> Result<usize> {
        let at = self.position();
        let value = self.number(ARRAY, "an array")?;
        self.count(value, 1, at)
    }

    #[inline]
    pub(crate) fn uint(&mut self) -> Result<u64> {
        self.number(UINT, "an unsigned integer")
    }

    /// Reads an integer of at most 63 bits and a sign.
    #[cfg(feature = "sync")]
    pub(crate) fn int(&mut self) -> Result<i64> {
        let head = self.head()?;
        let value = i64::try_from(head.value);
        match (head.major(), value) {
            (UINT, Ok(value)) => Ok(value),
            // -1 is encoded as 0.
            (NEGATIVE, Ok(value)) => Ok(!value),
            _ => Err(self.unexpected(head, "an integer of at most 63 bits")),
        }
    }

    #[cfg(feature = "sync")]
    pub(crate) fn bool(&mut self) -> Result<bool> {
        let head = self.head()?;
        match head.initial {
            FALSE => Ok(false),
            TRUE => Ok(true),
            _ => Err(self.unexpected(head, "true or false")),
        }
    }

    /// Moves past a null, if one is next.
    #[cfg(feature = "sync")]
    pub(crate) fn accept_null(&mut self) -> bool {
        self.accept(&[NULL])
    }

    #[inline]
    pub(crate) fn bytes(&mut self) -> Result<&'a [u8]> {
        let len = self.number(BYTES, "a byte string")?;
        self.take(len)
    }

    pub(crate) fn text(&mut self) -> Result<&'a str> {
        let at = self.position();
        let bytes = self.unchecked_text()?;
        core::str::from_utf8(bytes).map_err(|_| Error::malformed(Malformed::Utf8).within(at))
    }

    /// Reads a text without checking that it is UTF-8.
    #[inline]
    pub(crate) fn unchecked_text(&mut self) -> Result<&'a [u8]> {
        let len = self.number(TEXT, "a text")?;
        self.take(len)
    }

    /// Reads a link.
    #[inline]
    pub(crate) fn link(&mut self) -> Result<Cid> {
        let at = self.position();
        if self.accept(&LINK_HEAD) {
            return Cid::parse(self.take(cid::LEN as u64)?).map_err(|error| error.within(at));
        }
        self.odd_link()
    }

    /// Moves past a field with a link if `encoded` is next: the field's key, and the link without
    /// its digest. Returns the position of the CID.
    #[inline]
    pub(crate) fn accept_link<const N: usize>(&mut self, encoded: &[u8; N]) -> Option<usize> {
        let (next, rest) = self.rest.split_first_chunk()?;
        let (_, rest) = rest.split_first_chunk::<DIGEST_LEN>()?;
        if next != encoded {
            return None;
        }
        self.rest = rest;
        Some(self.start_of_cid())
    }

    /// Returns the position of the CID that was just passed.
    #[inline]
    fn start_of_cid(&self) -> usize {
        debug_assert!(self.position() >= cid::LEN, "a CID was passed");
        self.position().wrapping_sub(cid::LEN)
    }

    /// Moves past a link, and returns the position of its CID.
    pub(crate) fn link_at(&mut self) -> Result<usize> {
        self.link().map(|_| self.start_of_cid())
    }

    /// Moves past a null, or past a link to a block of CBOR, and returns the position of its CID.
    #[inline]
    pub(crate) fn nullable_node_link_at(&mut self) -> Result<Option<usize>> {
        let link = self.nullable_node_link()?;
        Ok(link.map(|_| self.start_of_cid()))
    }

    /// Reads a link that does not begin like a canonical one, and returns the reason as an error.
    #[cold]
    fn odd_link(&mut self) -> Result<Cid> {
        let head = self.head_of(TAG, "a link")?;
        if head.value != 42 {
            return Err(Error::malformed(Malformed::CborTag { found: head.value }).within(head.at));
        }
        match self.bytes()?.split_first() {
            Some((0, cid)) => Cid::parse(cid),
            _ => Err(Error::malformed(Malformed::LinkPrefix)),
        }
        .map_err(|error| error.within(head.at))
    }

    /// Reads a link to a block of CBOR, or null.
    pub(crate) fn nullable_node_link(&mut self) -> Result<Option<Cid>> {
        let at = self.position();
        if self.accept(&[NULL]) {
            return Ok(None);
        }
        self.link()?.into_dag_cbor().map(Some).map_err(|error| error.within(at))
    }

    /// Reads the key `name` of a map with a fixed schema. `encoded` is its encoding.
    #[inline]
    pub(crate) fn field<const N: usize>(
        &mut self,
        encoded: &[u8; N],
        name: &'static str,
    ) -> Result<()> {
        if self.accept(encoded) { Ok(()) } else { Err(self.odd_field(name)) }
    }

    #[cold]
    fn odd_field(&mut self, name: &'static str) -> Error {
        let at = self.position();
        match self.text() {
            Ok(_) => Error::malformed(Malformed::FieldExpected { expected: name }).within(at),
            Err(error) => error,
        }
    }

    /// Checks that no bytes remain.
    #[inline]
    pub(crate) fn end(&self) -> Result<()> {
        match self.rest.len() {
            0 => Ok(()),
            found => Err(Error::malformed(Malformed::Trailing { found }).within(self.position())),
        }
    }
}

/// Checks that the keys of one map are in canonical order.
#[derive(Clone, Copy, Default)]
pub(crate) struct KeyOrder<'a> {
    last: Option<&'a str>,
}

impl<'a> KeyOrder<'a> {
    /// Reads the next key of the map.
    pub(crate) fn key(&mut self, cursor: &mut Cursor<'a>) -> Result<&'a str> {
        let at = cursor.position();
        let key = cursor.text()?;
        let last = self.last.replace(key);
        match last.map(|last| compare_keys(last.as_bytes(), key.as_bytes())) {
            None | Some(Ordering::Less) => Ok(key),
            Some(Ordering::Equal) => {
                Err(Error::non_canonical(NonCanonical::MapDuplicate).within(at))
            }
            Some(Ordering::Greater) => Err(Error::non_canonical(NonCanonical::MapOrder).within(at)),
        }
    }
}

/// Compares keys of a map in canonical order: the shorter first, then by bytes.
#[inline]
pub(crate) fn compare_keys(a: &[u8], b: &[u8]) -> Ordering {
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn heads_must_be_shortest() {
        for (bytes, value) in [
            (&[0x17u8][..], 23),
            (&[0x18, 24], 24),
            (&[0x19, 1, 0], 256),
            (&[0x1a, 0, 1, 0, 0], 65_536),
        ] {
            assert_eq!(Cursor::new(bytes).uint().unwrap(), value);
        }
        for bytes in [
            &[0x18u8, 23][..],
            &[0x19, 0, 255],
            &[0x1a, 0, 0, 255, 255],
            &[0x1b, 0, 0, 0, 0, 255, 255, 255, 255],
        ] {
            let error = Cursor::new(bytes).uint().unwrap_err();
            assert!(
                matches!(error.kind(), ErrorKind::NonCanonical(NonCanonical::IntegerPadded)),
                "{error}"
            );
        }
    }

    #[test]
    fn a_declared_count_or_length_beyond_the_bytes_is_refused() {
        let is_beyond =
            |error: &Error| matches!(error.kind(), ErrorKind::Malformed(Malformed::CborEnd { .. }));
        for bytes in [&[0x9bu8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff][..], &[0x82, 0]] {
            let error = Cursor::new(bytes).array().unwrap_err();
            assert!(is_beyond(&error), "{error}");
        }
        let error = Cursor::new(&[0x5b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0])
            .bytes()
            .unwrap_err();
        assert!(is_beyond(&error), "{error}");
    }

    #[test]
    fn indefinite_reserved_and_break_are_refused_as_such() {
        for initial in [0x1fu8, 0x3f, 0x5f, 0x7f, 0x9f, 0xbf, 0xdf, 0xff] {
            let error = Cursor::new(&[initial, 0xff]).map().unwrap_err();
            assert!(
                matches!(error.kind(), ErrorKind::Malformed(Malformed::CborIndefinite { .. })),
                "{error}"
            );
        }
        for initial in [0x1cu8, 0x5d, 0x9e, 0xfc] {
            let error = Cursor::new(&[initial, 0]).map().unwrap_err();
            assert!(
                matches!(error.kind(), ErrorKind::Malformed(Malformed::CborReserved { .. })),
                "{error}"
            );
        }
    }

    #[test]
    fn a_tag_where_none_belongs_is_at_fault_unless_it_is_that_of_links() {
        let refused = |bytes: &[u8]| Cursor::new(bytes).map().unwrap_err().to_string();
        assert_eq!(
            refused(&[0xc1, 0xa0]),
            "CBOR tag 1, expected 42 or none, at byte 0 of the value"
        );
        assert_eq!(
            refused(&LINK_HEAD),
            "CBOR item of initial byte 0xd8, expected a map, at byte 0 of the value"
        );
    }

    #[test]
    fn links_are_tag_42_around_zero_and_a_cid() {
        let cid = Cid::of(cid::Codec::Raw, b"x");
        let link = [&LINK_HEAD[..], cid.as_bytes()].concat();
        assert_eq!(Cursor::new(&link).link().unwrap(), cid);
        let refused = |change: fn(&mut Vec<u8>)| {
            let mut link = link.clone();
            change(&mut link);
            Cursor::new(&link).link().unwrap_err().to_string()
        };
        assert_eq!(
            refused(|link| link[1] = 43),
            "CBOR tag 43, expected 42 or none, at byte 0 of the value"
        );
        assert_eq!(
            refused(|link| link[4] = 1),
            "link does not begin with the byte 0x00, at byte 0 of the value"
        );
        assert_eq!(
            refused(|link| link[2] = 0x78),
            "CBOR item of initial byte 0x78, expected a byte string, at byte 2 of the value"
        );
        assert!(refused(|link| link.truncate(20)).contains("beyond the end"));
        assert!(refused(|link| drop(link.splice(0..2, [0xd9, 0, 42]))).contains("shortest form"));
    }
}
