//! Skipping an unused item, with all rules checked.

use super::read::{ARRAY, BYTES, Cursor, Head, KeyOrder, MAP, NEGATIVE, TAG, TEXT, UINT};
use crate::cid::Cid;
use crate::error::{Error, LimitName, Malformed, NonCanonical, Result};
use crate::limits::MAX_NESTING;

/// An open array or map.
#[derive(Clone, Copy, Default)]
struct Open<'a> {
    items: usize,
    keys: Option<KeyOrder<'a>>,
}

/// The open arrays and maps around the cursor: a stack instead of recursion.
struct Nesting<'a> {
    open: [Open<'a>; MAX_NESTING],
    depth: usize,
}

impl<'a> Nesting<'a> {
    fn push(&mut self, items: usize, keys: Option<KeyOrder<'a>>) -> Result<()> {
        let place = self.open.get_mut(self.depth).ok_or_else(|| {
            let max = MAX_NESTING as u64;
            Error::limit(LimitName::Nesting, max, max.saturating_add(1))
        })?;
        *place = Open { items, keys };
        self.depth = self.depth.saturating_add(1);
        Ok(())
    }

    /// Closes the arrays and maps that are at their end, and counts one item of the next. `None` if
    /// all are closed.
    fn next(&mut self) -> Option<&mut Open<'a>> {
        loop {
            let innermost = self.depth.checked_sub(1)?;
            if self.open.get(innermost)?.items > 0 {
                let open = self.open.get_mut(innermost)?;
                open.items = open.items.saturating_sub(1);
                return Some(open);
            }
            self.depth = innermost;
        }
    }
}

impl<'a> Cursor<'a> {
    /// Moves past one item, nested at most [`MAX_NESTING`] deep. Does not recurse.
    pub(crate) fn skip(&mut self) -> Result<()> {
        let mut nesting = Nesting { open: [Open::default(); MAX_NESTING], depth: 0 };
        loop {
            self.skip_shallow(&mut nesting)?;
            match nesting.next() {
                None => return Ok(()),
                Some(Open { keys: Some(keys), .. }) => {
                    keys.key(self)?;
                }
                Some(_) => {}
            }
        }
    }

    /// Moves past a scalar, or into an array or map.
    fn skip_shallow(&mut self, nesting: &mut Nesting<'a>) -> Result<()> {
        let start = *self;
        let head = self.head()?;
        match head.major() {
            UINT | NEGATIVE => Ok(()),
            BYTES => self.take(head.value).map(drop),
            TEXT => {
                *self = start;
                self.text().map(drop)
            }
            ARRAY => nesting.push(self.count(head.value, 1, head.at)?, None),
            MAP => nesting.push(self.count(head.value, 2, head.at)?, Some(KeyOrder::default())),
            TAG => {
                *self = start;
                self.link().map(|_: Cid| ())
            }
            // Major type 7: simple values and floats.
            _ => self.skip_simple(head),
        }
        .map_err(|error| error.within(head.at))
    }

    fn skip_simple(&mut self, head: Head) -> Result<()> {
        match head.initial {
            0xf4..=0xf6 => Ok(()),
            0xfb => match f64::from_be_bytes(self.take_array()?) {
                float if !float.is_finite() => Err(Error::malformed(Malformed::CborFloat)),
                float if float == 0.0 && float.is_sign_negative() => {
                    Err(Error::non_canonical(NonCanonical::Float))
                }
                _ => Ok(()),
            },
            0xf9 | 0xfa => Err(Error::non_canonical(NonCanonical::Float)),
            0xfc..=0xff => Err(self.unexpected(head, "an item")),
            found => Err(Error::malformed(Malformed::CborSimple { found })),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorClass;

    fn skip(bytes: &[u8]) -> Result<()> {
        let mut cursor = Cursor::new(bytes);
        cursor.skip()?;
        cursor.end()
    }

    #[test]
    fn good_items_are_skipped() {
        let items: [&[u8]; 11] = [
            &[0x00],
            &[0x3b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            &[0x43, 1, 2, 3],
            &[0x62, 0xc3, 0xa9],
            &[0x83, 0x80, 0xa0, 0x81, 0x01],
            &[0xa2, 0x61, b'b', 0x80, 0x62, b'a', b'a', 0xf6],
            &[0xf4],
            &[0xfb, 0x3f, 0xf8, 0, 0, 0, 0, 0, 0],
            &[0xfb, 0xbf, 0xf8, 0, 0, 0, 0, 0, 0],
            &[0xfb, 0, 0, 0, 0, 0, 0, 0, 0],
            &[0xf5],
        ];
        for item in items {
            skip(item).unwrap();
        }
    }

    #[test]
    fn bad_items_are_refused() {
        let items: [&[u8]; 12] = [
            &[0xa2, 0x62, b'a', b'a', 0x00, 0x61, b'b', 0x00],
            &[0xa2, 0x61, b'a', 0x00, 0x61, b'a', 0x00],
            &[0xa1, 0x01, 0x01],
            &[0x62, 0xff, 0xff],
            &[0xf7],
            &[0xf8, 0x20],
            &[0xf9, 0x3c, 0x00],
            &[0xfa, 0x3f, 0x80, 0, 0],
            &[0xfb, 0x7f, 0xf0, 0, 0, 0, 0, 0, 0],
            &[0xfb, 0x80, 0, 0, 0, 0, 0, 0, 0],
            &[0xc1, 0x00],
            &[0x9f, 0xff],
        ];
        for item in items {
            assert!(skip(item).is_err(), "{item:02x?}");
        }
    }

    #[test]
    fn nesting_stops_at_its_limit() {
        let nested = |depth: usize| [vec![0x81; depth], vec![0x00]].concat();
        skip(&nested(MAX_NESTING)).unwrap();
        let error = skip(&nested(MAX_NESTING + 1)).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Limit, "{error}");
        assert!(skip(&vec![0x81; 1 << 20]).is_err());
    }
}
