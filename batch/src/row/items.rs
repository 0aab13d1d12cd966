//! Items of a record, which may be any CBOR: texts are read, and others skipped.
//!
//! The functions return `None` at the first bytes that are not CBOR. They do not recurse, and
//! allocate only for a text of indefinite length.

use std::borrow::Cow;

use carwalk::limits::MAX_RECORD_NESTING;

pub(super) const TEXT: u8 = 3;
pub(super) const MAP: u8 = 5;

/// The byte that ends an item of indefinite length.
const BREAK: u8 = 0xff;

/// The head of an item: its major type, and its number unless its length is indefinite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) major: u8,
    pub(super) number: Option<u64>,
}

/// A cursor over the items of a record.
#[derive(Clone, Copy)]
pub(super) struct Items<'a> {
    rest: &'a [u8],
}

impl<'a> Items<'a> {
    pub(super) fn new(rest: &'a [u8]) -> Self {
        Items { rest }
    }

    /// Reads the next head. A break is a head of type 7 without a number.
    #[inline]
    pub(super) fn head(&mut self) -> Option<Head> {
        let (&initial, rest) = self.rest.split_first()?;
        self.rest = rest;
        let (major, info) = (initial >> 5, initial & 0x1f);
        let number = match info {
            0..24 => Some(info.into()),
            24 => Some(u64::from(u8::from_be_bytes(self.take_array()?))),
            25 => Some(u64::from(u16::from_be_bytes(self.take_array()?))),
            26 => Some(u64::from(u32::from_be_bytes(self.take_array()?))),
            27 => Some(u64::from_be_bytes(self.take_array()?)),
            31 if !matches!(major, 0 | 1 | 6) => None,
            _ => return None,
        };
        Some(Head { major, number })
    }

    #[inline]
    fn take(&mut self, len: u64) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(usize::try_from(len).ok()?)?;
        self.rest = rest;
        Some(taken)
    }

    fn take_array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(*taken)
    }

    /// Moves past a break if it is next.
    pub(super) fn accept_break(&mut self) -> bool {
        match self.rest {
            [BREAK, rest @ ..] => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    /// Reads the next item, and returns whether it is this text; one result for each of `names`.
    #[inline]
    pub(super) fn is_one_of<const N: usize>(&mut self, names: [&str; N]) -> Option<[bool; N]> {
        let head = self.head()?;
        if let Head { major: TEXT, number: Some(len) } = head {
            let bytes = self.take(len)?;
            return Some(names.map(|name| name.as_bytes() == bytes));
        }
        let text = self.text_after(head)?;
        Some(names.map(|name| text.as_deref() == Some(name)))
    }

    /// Reads the next item if it is a text in UTF-8, and skips it otherwise.
    #[inline]
    pub(super) fn text(&mut self) -> Option<Option<Cow<'a, str>>> {
        let head = self.head()?;
        self.text_after(head)
    }

    /// The same for an item whose head was read.
    #[inline]
    pub(super) fn text_after(&mut self, head: Head) -> Option<Option<Cow<'a, str>>> {
        match head {
            Head { major: TEXT, number: Some(len) } => {
                Some(core::str::from_utf8(self.take(len)?).ok().map(Cow::Borrowed))
            }
            Head { major: TEXT, number: None } => self.text_chunks(),
            head => self.skip_after(head).map(|()| None),
        }
    }

    /// Reads the chunks of a text, each of which must be UTF-8.
    #[cold]
    fn text_chunks(&mut self) -> Option<Option<Cow<'a, str>>> {
        let (mut text, mut is_text) = (String::new(), true);
        while !self.accept_break() {
            let Head { major: TEXT, number: Some(len) } = self.head()? else { return None };
            match core::str::from_utf8(self.take(len)?) {
                Ok(chunk) => text.push_str(chunk),
                Err(_) => is_text = false,
            }
        }
        Some(is_text.then_some(Cow::Owned(text)))
    }

    /// Skips an item.
    pub(super) fn skip(&mut self) -> Option<()> {
        let head = self.head()?;
        self.skip_after(head)
    }

    /// Skips the rest of an item after its head.
    #[inline]
    pub(super) fn skip_after(&mut self, head: Head) -> Option<()> {
        let mut left = self.pass_over(head)?;
        while left > 0 {
            let head = self.head()?;
            left = left.wrapping_sub(1).checked_add(self.pass_over(head)?)?;
        }
        Some(())
    }

    /// Skips the bytes of one item, and all of one of indefinite length. Returns the number of
    /// items in it that are still to be skipped.
    #[inline]
    fn pass_over(&mut self, head: Head) -> Option<u64> {
        match head.number {
            Some(number) => self.definite(head.major, number),
            None => self.skip_to_break(head).map(|()| 0),
        }
    }

    #[inline]
    fn definite(&mut self, major: u8, number: u64) -> Option<u64> {
        match major {
            2 | TEXT => self.take(number).map(|_| 0),
            4 => Some(number),
            MAP => number.checked_mul(2),
            6 => Some(1),
            _ => Some(0),
        }
    }

    /// Skips the rest of an item of indefinite length, up to and with its break.
    #[cold]
    fn skip_to_break(&mut self, head: Head) -> Option<()> {
        // The numbers of items that follow each open item in the one of indefinite length around
        // it.
        let mut around = [0_u64; MAX_RECORD_NESTING];
        let (mut depth, mut left) = (0_usize, 0_u64);
        let mut open = head;
        loop {
            // A break is no item.
            if open.major == 7 {
                return None;
            }
            *around.get_mut(depth)? = left;
            depth = depth.checked_add(1)?;
            left = 0;
            // Goes on until another item of indefinite length begins.
            open = loop {
                if left == 0 && self.accept_break() {
                    depth = depth.checked_sub(1)?;
                    if depth == 0 {
                        return Some(());
                    }
                    left = around.get(depth).copied()?;
                    continue;
                }
                let head = self.head()?;
                left = left.saturating_sub(1);
                match head.number {
                    Some(number) => left = left.checked_add(self.definite(head.major, number)?)?,
                    None => break head,
                }
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the number of bytes after the first item.
    fn after(record: &[u8]) -> Option<usize> {
        let mut items = Items::new(record);
        items.skip().map(|()| items.rest.len())
    }

    #[test]
    fn every_kind_of_item_is_skipped() {
        for item in [
            &b"\x17"[..],
            b"\x38\xff",
            b"\x42ab",
            b"\x78\x02ab",
            b"\x82\x01\x81\x02",
            b"\xa1\x61a\xa1\x01\x02",
            b"\xd8\x2a\x41\x00",
            b"\xf6",
            b"\xf8\xff",
            b"\xfb\0\0\0\0\0\0\0\0",
            b"\x5f\x41a\x40\xff",
            b"\x7f\xff",
            b"\x9f\xff",
            b"\x9f\x82\x01\x9f\x02\xff\x81\xbf\x03\x9f\xff\xff\xff",
            b"\xbf\x61a\x82\x9f\xff\x01\xff",
            b"\x82\x9f\x01\xff\x02",
        ] {
            assert_eq!(after(item), Some(0), "{item:02x?}");
            assert_eq!(after(&[item, b"\xff\xff"].concat()), Some(2), "{item:02x?}");
            for end in 0..item.len() {
                assert_eq!(after(&item[..end]), None, "{item:02x?} up to {end}");
            }
        }
    }

    #[test]
    fn what_is_not_cbor_ends_the_pass() {
        for bytes in [
            &b"\xff"[..],
            b"\x1c",
            b"\x1f",
            b"\xdf",
            b"\x82\x01\xff",
            b"\x9f\x81\xff\xff",
            b"\xbb\xff\xff\xff\xff\xff\xff\xff\xff\x01\x01",
            b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff\x01\x01",
        ] {
            assert_eq!(after(bytes), None, "{bytes:02x?}");
        }
        assert!(after(&[[0x9f; 100], [0xff; 100]].concat()).is_some());
        assert!(after(&[[0x9f; 101], [0xff; 101]].concat()).is_none());
        assert!(after(&vec![0x9f; 1 << 20]).is_none());
        assert!(after(&vec![0x81; 1 << 20]).is_none());
        assert!(after(&[vec![0x81; 1 << 20], vec![0]].concat()).is_some());
    }

    #[test]
    fn texts_are_read_in_any_form() {
        for (item, text) in [
            (&b"\x62ab"[..], Some("ab")),
            (b"\x78\x02ab", Some("ab")),
            (b"\x7f\x61a\x60\x61b\xff", Some("ab")),
            (b"\x61\xff", None),
            (b"\x7f\x61\xc3\x61\xa9\xff", None),
            (b"\x42ab", None),
        ] {
            let mut items = Items::new(item);
            assert_eq!(items.text().unwrap().as_deref(), text, "{item:02x?}");
            assert!(items.rest.is_empty());
        }
        assert_eq!(Items::new(b"\x7f\x41a\xff").text(), None);
        assert_eq!(Items::new(b"\x7f\x7f\xff\xff").text(), None);
        assert_eq!(Items::new(b"\x63ab").text(), None);
    }
}
