//! The items of a record, one by one, at any depth.

use core::fmt;
use std::borrow::Cow;

use super::oddity::Oddity;
use super::origin::Origin;
use crate::cbor::{LaxHead, NoHead, half_float};
use crate::cid::Cid;
use crate::error::{Error, LimitName, Malformed, Result};
use crate::limits::MAX_RECORD_NESTING;

/// The tag of links.
const LINK_TAG: u64 = 42;

/// The type of an item that contains others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Container {
    Array,
    Map,
    /// A tag that is not a link; it contains one item.
    Tagged,
}

/// An item without its contents, or the end of an item.
#[derive(Debug)]
pub(super) struct Item<'r> {
    /// The position of its first byte.
    pub(super) at: usize,
    /// The position of its end, or of its first content.
    pub(super) end: usize,
    /// Whether it is a key of a map.
    pub(super) is_key: bool,
    pub(super) what: What<'r>,
    /// How its head differs from the canonical one.
    pub(super) form: Option<Oddity>,
}

#[derive(Debug)]
pub(super) enum What<'r> {
    Begin(Container),
    End,
    Null,
    Bool(#[cfg_attr(not(feature = "json"), expect(dead_code, reason = "only JSON needs it"))] bool),
    Integer(i128),
    Float(f64),
    Text(Cow<'r, str>),
    Bytes(
        #[cfg_attr(not(feature = "json"), expect(dead_code, reason = "only JSON needs it"))]
        Cow<'r, [u8]>,
    ),
    Link(Cid),
    /// An item without a JSON form, and why.
    Formless(Oddity),
}

/// An item, or the break that ends a container.
enum Token<'r> {
    What(What<'r>),
    Break,
}

/// Why there is no item at a position.
struct Fault {
    at: usize,
    reason: Reason,
}

enum Reason {
    /// The record ends inside the item.
    Ended,
    /// This byte cannot begin an item here.
    NoItem,
    /// Too many containers are open.
    Nesting,
    /// The record's CID has the codec raw.
    Codec(Malformed),
}

impl Reason {
    fn at(self, at: usize) -> Fault {
        Fault { at, reason: self }
    }
}

impl Fault {
    #[cold]
    fn into_error(self) -> Error {
        match self.reason {
            Reason::Ended => Error::malformed(Malformed::RecordEnd),
            Reason::NoItem => Error::malformed(Malformed::RecordItem),
            Reason::Nesting => {
                let max = MAX_RECORD_NESTING as u64;
                Error::limit(LimitName::Nesting, max, max.saturating_add(1))
            }
            Reason::Codec(fault) => return Error::malformed(fault),
        }
        .within(self.at)
    }
}

/// The items of one record, up to the end of the outermost. After an error there are no more.
#[derive(Clone)]
pub(super) struct Items<'r> {
    record: &'r [u8],
    at: usize,
    open: Vec<OpenItem>,
    is_started: bool,
    is_over: bool,
    origin: Origin<'r>,
}

/// An open container.
#[derive(Clone, Debug)]
struct OpenItem {
    shape: Container,
    /// The number of items still to come; `None` if a break ends it.
    left: Option<u64>,
    /// Whether the next of them is a key.
    is_key: bool,
}

impl<'r> Items<'r> {
    pub(super) fn new(record: &'r [u8], origin: Origin<'r>) -> Self {
        let (is_started, is_over) = (false, false);
        Items { record, at: 0, open: Vec::new(), is_started, is_over, origin }
    }

    /// Returns the next item; `None` after the end of the outermost.
    pub(super) fn next(&mut self) -> Result<Option<Item<'r>>> {
        if self.is_over {
            return Ok(None);
        }
        self.try_next().map_err(|fault| {
            self.is_over = true;
            self.origin.locate(fault.into_error())
        })
    }

    /// Returns the position of the next item, or of the end of the outermost.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// Returns the record's bytes.
    pub(super) fn record(&self) -> &'r [u8] {
        self.record
    }

    /// Skips the rest of the last item, which ends at `end`.
    #[cfg(feature = "json")]
    pub(super) fn pass_over(&mut self, item: &Item<'r>, end: usize) {
        if matches!(item.what, What::Begin(_)) {
            self.open.pop();
        }
        self.at = end;
    }

    fn try_next(&mut self) -> Result<Option<Item<'r>>, Fault> {
        let at = self.at;
        match self.open.last() {
            Some(open) if open.left == Some(0) => return Ok(Some(self.close(at))),
            None if self.is_started => return Ok(None),
            _ => {}
        }
        if !self.is_started {
            self.is_started = true;
            self.origin.check_codec().map_err(|fault| Reason::Codec(fault).at(at))?;
        }
        let may_break = self
            .open
            .last()
            .is_some_and(|open| open.left.is_none() && open.is_key == open.is_map());
        let head = self.head(at)?;
        let form = form(head);
        let is_key = self.open.last_mut().is_some_and(OpenItem::count);
        let (token, form) = self.token(head, at, form)?;
        match token {
            Token::What(what) => Ok(Some(Item { at, end: self.at, is_key, what, form })),
            Token::Break if may_break => Ok(Some(self.close(at))),
            Token::Break => Err(Reason::NoItem.at(at)),
        }
    }

    /// Ends the innermost container.
    fn close(&mut self, at: usize) -> Item<'r> {
        self.open.pop();
        Item { at, end: self.at, is_key: false, what: What::End, form: None }
    }

    /// Reads the next head, which belongs to the item at `item`.
    fn head(&mut self, item: usize) -> Result<LaxHead, Fault> {
        let head = LaxHead::read(self.rest()).map_err(|reason| match reason {
            NoHead::Ended => Reason::Ended.at(item),
            NoHead::Reserved => Reason::NoItem.at(self.at),
        })?;
        self.at = self.at.saturating_add(head.len);
        Ok(head)
    }

    fn rest(&self) -> &'r [u8] {
        self.record.get(self.at..).unwrap_or_default()
    }

    /// Reads the bytes of a string, which belong to the item at `item`.
    fn take(&mut self, len: u64, item: usize) -> Result<&'r [u8], Fault> {
        let taken = usize::try_from(len).ok().and_then(|len| self.rest().get(..len));
        let taken = taken.ok_or(Reason::Ended.at(item))?;
        self.at = self.at.saturating_add(taken.len());
        Ok(taken)
    }

    /// Reads the rest of an item after its head.
    fn token(
        &mut self,
        head: LaxHead,
        at: usize,
        form: Option<Oddity>,
    ) -> Result<(Token<'r>, Option<Oddity>), Fault> {
        let what = match (head.major, head.value) {
            (0, Some(value)) => What::Integer(value.into()),
            (1, Some(value)) => What::Integer((-1_i128).saturating_sub(value.into())),
            (2, Some(len)) => What::Bytes(Cow::Borrowed(self.take(len, at)?)),
            (2, None) => What::Bytes(Cow::Owned(self.byte_chunks(at)?)),
            (3, Some(len)) => text(self.take(len, at)?),
            (3, None) => self.text_chunks(at)?,
            (4, len) => self.begin(Container::Array, len, at)?,
            (5, pairs) => {
                // A record ends before it has this many items, so saturating changes nothing.
                self.begin(Container::Map, pairs.map(|pairs| pairs.saturating_mul(2)), at)?
            }
            (6, Some(LINK_TAG)) => {
                let (what, form) = self.link(at, form)?;
                return Ok((Token::What(what), form));
            }
            (7, None) => return Ok((Token::Break, form)),
            (7, Some(_)) => self.simple(at)?,
            // Only tags other than 42 are left.
            _ => self.begin(Container::Tagged, Some(1), at)?,
        };
        Ok((Token::What(what), form))
    }

    /// Returns the simple value or float at `at`, whose bytes were read as a head.
    fn simple(&self, at: usize) -> Result<What<'r>, Fault> {
        Ok(match *self.record.get(at..self.at).unwrap_or_default() {
            [0xf4] => What::Bool(false),
            [0xf5] => What::Bool(true),
            [0xf6] => What::Null,
            [byte @ 0xe0..=0xf7] => What::Formless(Oddity::Simple(byte & 0x1f)),
            [0xf8, value @ 0..32] => What::Formless(Oddity::WideSimple(value)),
            [0xf8, value] => What::Formless(Oddity::Simple(value)),
            [0xf9, a, b] => What::Float(half_float(u16::from_be_bytes([a, b]))),
            [0xfa, a, b, c, d] => What::Float(f32::from_be_bytes([a, b, c, d]).into()),
            [0xfb, a, b, c, d, e, f, g, h] => {
                What::Float(f64::from_be_bytes([a, b, c, d, e, f, g, h]))
            }
            _ => return Err(Reason::NoItem.at(at)),
        })
    }

    fn begin(&mut self, shape: Container, left: Option<u64>, at: usize) -> Result<What<'r>, Fault> {
        if self.open.len() >= MAX_RECORD_NESTING {
            return Err(Reason::Nesting.at(at));
        }
        self.open.push(OpenItem { shape, left, is_key: shape == Container::Map });
        Ok(What::Begin(shape))
    }

    /// Reads the content of tag 42: a link or an oddity.
    fn link(
        &mut self,
        at: usize,
        form_of_tag: Option<Oddity>,
    ) -> Result<(What<'r>, Option<Oddity>), Fault> {
        let len = match LaxHead::read(self.rest()) {
            Ok(head @ LaxHead { major: 2, value: Some(_), .. }) => self.head(at).map(|_| head)?,
            Err(NoHead::Ended) if self.rest().first().is_some_and(|byte| byte >> 5 == 2) => {
                return Err(Reason::Ended.at(at));
            }
            _ => return Ok((self.begin(Container::Tagged, Some(1), at)?, form_of_tag)),
        };
        let form = form_of_tag.or_else(|| form(len));
        let bytes = self.take(len.value.unwrap_or_default(), at)?;
        let what = match bytes.strip_prefix(&[0]).map(Cid::parse_or_fault) {
            Some(Ok(cid)) => What::Link(cid),
            Some(Err(fault)) => What::Formless(Oddity::LinkCid(fault)),
            None => What::Formless(Oddity::LinkPrefix),
        };
        Ok((what, form))
    }

    /// Reads the next chunk of a string of indefinite length; `None` at its end.
    fn chunk(&mut self, at: usize, major: u8) -> Result<Option<&'r [u8]>, Fault> {
        let chunk = self.at;
        match self.head(at)? {
            LaxHead { major: found, value: Some(len), .. } if found == major => {
                self.take(len, at).map(Some)
            }
            LaxHead { major: 7, value: None, .. } => Ok(None),
            _ => Err(Reason::NoItem.at(chunk)),
        }
    }

    /// Reads the rest of a byte string in chunks.
    fn byte_chunks(&mut self, at: usize) -> Result<Vec<u8>, Fault> {
        let mut whole = Vec::new();
        while let Some(chunk) = self.chunk(at, 2)? {
            whole.extend_from_slice(chunk);
        }
        Ok(whole)
    }

    /// Reads the rest of a text in chunks, each of which must be UTF-8.
    fn text_chunks(&mut self, at: usize) -> Result<What<'r>, Fault> {
        let (mut whole, mut is_text) = (String::new(), true);
        while let Some(chunk) = self.chunk(at, 3)? {
            match core::str::from_utf8(chunk) {
                Ok(chunk) => whole.push_str(chunk),
                Err(_) => is_text = false,
            }
        }
        let whole = What::Text(Cow::Owned(whole));
        Ok(if is_text { whole } else { What::Formless(Oddity::Utf8) })
    }
}

/// Omits the bytes.
impl fmt::Debug for Items<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Items").field("at", &self.at).finish_non_exhaustive()
    }
}

/// Returns a text. One that is not UTF-8 is an oddity instead of an error, because its length is
/// known.
fn text(bytes: &[u8]) -> What<'_> {
    match core::str::from_utf8(bytes) {
        Ok(text) => What::Text(Cow::Borrowed(text)),
        Err(_) => What::Formless(Oddity::Utf8),
    }
}

/// Returns how a head differs from the canonical one.
fn form(head: LaxHead) -> Option<Oddity> {
    match head {
        LaxHead { is_padded: true, .. } => Some(Oddity::Padded),
        LaxHead { major: 2..=5, value: None, .. } => Some(Oddity::Indefinite),
        _ => None,
    }
}

impl OpenItem {
    fn is_map(&self) -> bool {
        self.shape == Container::Map
    }

    /// Counts an item, and returns whether it is a key.
    fn count(&mut self) -> bool {
        let is_key = self.is_key;
        self.left = self.left.map(|left| left.saturating_sub(1));
        self.is_key = self.is_map() && !is_key;
        is_key
    }
}
