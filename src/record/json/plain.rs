//! Records of the data model as JSON, in one pass.
//!
//! The pass gives up at the first oddity: only [`two_passes`](super::two_passes) can write such a
//! record. Nothing is allocated beyond the output.

use core::cmp::Ordering;

use data_encoding::BASE64_NOPAD;

use super::text::append_utf8;
use crate::cbor::{LaxHead, compare_keys};
use crate::cid::{self, Cid};
use crate::limits::MAX_RECORD_NESTING;
use crate::record::oddity::{BYTES, CBOR, LINK, MAX_SAFE};

/// What follows tag 42 in a link, before the CID: the head of 37 bytes, and zero.
const LINK_PREFIX: [u8; 3] = [0x58, 0x25, 0];

/// Appends a record as compact JSON. Returns `false` and appends nothing if the record has an
/// oddity or is not CBOR.
pub(super) fn append(record: &[u8], out: &mut Vec<u8>) -> bool {
    let start = out.len();
    out.reserve(record.len());
    let is_plain = PlainWriter::new(record, out).write().is_some();
    if !is_plain {
        out.truncate(start);
    }
    is_plain
}

/// The state of the pass. Its functions return `None` at the first oddity.
struct PlainWriter<'r, 'o> {
    rest: &'r [u8],
    out: &'o mut Vec<u8>,
    /// The innermost open container.
    inner: Open<'r>,
    /// The containers around it, from the outermost on.
    around: [Open<'r>; MAX_RECORD_NESTING],
    /// The number of open containers.
    depth: usize,
}

/// An open array or map.
#[derive(Clone, Copy)]
struct Open<'r> {
    /// The number of items or pairs still to come.
    left: u32,
    is_map: bool,
    is_empty: bool,
    /// The last key.
    key: &'r [u8],
}

impl<'r> Open<'r> {
    const NONE: Self = Open { left: 0, is_map: false, is_empty: true, key: &[] };
}

impl<'r, 'o> PlainWriter<'r, 'o> {
    fn new(rest: &'r [u8], out: &'o mut Vec<u8>) -> Self {
        let around = [Open::NONE; MAX_RECORD_NESTING];
        PlainWriter { rest, out, inner: Open::NONE, around, depth: 0 }
    }

    fn write(mut self) -> Option<()> {
        let (5, pairs) = self.head()? else { return None };
        self.begin(true, pairs)?;
        while self.depth > 0 {
            let Some(left) = self.inner.left.checked_sub(1) else {
                self.end();
                continue;
            };
            self.inner.left = left;
            let is_first = core::mem::take(&mut self.inner.is_empty);
            if !is_first {
                self.out.push(b',');
            }
            if self.inner.is_map {
                self.key(is_first)?;
            }
            self.value()?;
        }
        self.rest.is_empty().then_some(())
    }

    /// Reads a canonical head: its type and its number.
    #[inline]
    fn head(&mut self) -> Option<(u8, u64)> {
        let (&initial, rest) = self.rest.split_first()?;
        let info = initial & 0x1f;
        if info < 24 {
            self.rest = rest;
            return Some((initial >> 5, info.into()));
        }
        let head = LaxHead::read(self.rest).ok()?;
        // No value of type 7 that takes more than a byte is in the data model.
        if head.is_padded || head.major == 7 {
            return None;
        }
        self.rest = self.rest.get(head.len..)?;
        Some((head.major, head.value?))
    }

    #[inline]
    fn take(&mut self, len: u64) -> Option<&'r [u8]> {
        let (taken, rest) = self.rest.split_at_checked(usize::try_from(len).ok()?)?;
        self.rest = rest;
        Some(taken)
    }

    fn begin(&mut self, is_map: bool, len: u64) -> Option<()> {
        *self.around.get_mut(self.depth)? = self.inner;
        self.depth = self.depth.checked_add(1)?;
        // No record has more items than this.
        let left = u32::try_from(len).ok()?;
        self.inner = Open { left, is_map, is_empty: true, key: &[] };
        self.out.push(if is_map { b'{' } else { b'[' });
        Some(())
    }

    fn end(&mut self) {
        self.out.push(if self.inner.is_map { b'}' } else { b']' });
        self.depth = self.depth.saturating_sub(1);
        self.inner = self.around.get(self.depth).copied().unwrap_or(Open::NONE);
    }

    #[inline]
    fn key(&mut self, is_first: bool) -> Option<()> {
        let (3, len) = self.head()? else { return None };
        let key = self.take(len)?;
        let before = core::mem::replace(&mut self.inner.key, key);
        if !is_first && compare_keys(before, key) != Ordering::Less {
            return None;
        }
        if key.first() == Some(&b'$') && [LINK, BYTES, CBOR].iter().any(|x| x.as_bytes() == key) {
            return None;
        }
        append_utf8(key, self.out)?;
        self.out.push(b':');
        Some(())
    }

    #[inline]
    fn value(&mut self) -> Option<()> {
        match self.head()? {
            (0, value) if value <= MAX_SAFE => self.integer(value),
            (1, value) if value < MAX_SAFE => {
                self.out.push(b'-');
                self.integer(value.wrapping_add(1));
            }
            (2, len) => self.bytes(len)?,
            (3, len) => append_utf8(self.take(len)?, self.out)?,
            (4, len) => self.begin(false, len)?,
            (5, pairs) => self.begin(true, pairs)?,
            (6, 42) => self.link()?,
            (7, 20) => self.out.extend_from_slice(b"false"),
            (7, 21) => self.out.extend_from_slice(b"true"),
            (7, 22) => self.out.extend_from_slice(b"null"),
            _ => return None,
        }
        Some(())
    }

    fn integer(&mut self, value: u64) {
        self.out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    }

    fn bytes(&mut self, len: u64) -> Option<()> {
        let bytes = self.take(len)?;
        self.out.extend_from_slice(b"{\"$bytes\":\"");
        let start = self.out.len();
        let end = start.checked_add(BASE64_NOPAD.encode_len(bytes.len()))?;
        self.out.resize(end, 0);
        BASE64_NOPAD.encode_mut(bytes, self.out.get_mut(start..)?);
        self.out.extend_from_slice(b"\"}");
        Some(())
    }

    fn link(&mut self) -> Option<()> {
        let rest = self.rest.strip_prefix(&LINK_PREFIX)?;
        let (cid, rest) = rest.split_at_checked(cid::LEN)?;
        self.rest = rest;
        let cid = Cid::parse_or_fault(cid).ok()?;
        self.out.extend_from_slice(b"{\"$link\":\"");
        self.out.extend_from_slice(cid.to_text().as_bytes());
        self.out.extend_from_slice(b"\"}");
        Some(())
    }
}
