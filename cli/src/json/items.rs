//! The items of a record one after the other, whatever they lie in.

use core::error::Error as _;
use core::fmt;
use core::str::Utf8Error;
use std::borrow::Cow;

use carwalk::Cid;
use minicbor::Decoder;
use minicbor::data::{Token, Type};
use minicbor::decode::Error;

use super::MAX_NESTING;
use super::oddity::Oddity;

/// What a container holds, or a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Container {
    Array,
    Map,
    /// A tag that makes no link of the one item after it.
    Tagged,
}

/// An item without what lies in it, or the end of one.
#[derive(Debug)]
pub(super) struct Item<'b> {
    /// Where it begins.
    pub(super) at: usize,
    /// Where it ends, or what lies in it begins.
    pub(super) end: usize,
    /// Whether it stands in the place of a map's key.
    pub(super) is_key: bool,
    pub(super) what: What<'b>,
    /// How its first bytes differ from the canonical ones.
    pub(super) form: Option<Oddity>,
}

#[derive(Debug)]
pub(super) enum What<'b> {
    Begin(Container),
    End,
    Null,
    Bool(bool),
    Integer(i128),
    Float(f64),
    Text(Cow<'b, str>),
    Bytes(Cow<'b, [u8]>),
    Link(Cid),
    /// An item that JSON has no form for, and why.
    Formless(Oddity),
}

/// Why there is no JSON of a record.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The record ends too early.
    Ended { at: usize },
    /// There is no item of CBOR at this place.
    NoItem { at: usize },
    /// Items lie too deep in each other.
    Nesting { at: usize },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Ended { at } => {
                write!(f, "byte {at}: the record ends inside the item that begins here")
            }
            Refusal::NoItem { at } => {
                write!(f, "byte {at}: no CBOR item can begin so, or not here")
            }
            Refusal::Nesting { at } => {
                write!(f, "byte {at}: nesting exceeds the limit of {MAX_NESTING}")
            }
        }
    }
}

/// The items of one record, up to the end of the outermost.
pub(super) struct Items<'b> {
    decoder: Decoder<'b>,
    open: Vec<OpenItem>,
    is_started: bool,
}

/// A container whose end is still to come.
struct OpenItem {
    shape: Container,
    /// Items that are still to come in it; `None` if a break ends it.
    left: Option<u64>,
    /// Whether the next of them is a map's key.
    is_key: bool,
}

impl<'b> Items<'b> {
    pub(super) fn new(record: &'b [u8]) -> Self {
        Items { decoder: Decoder::new(record), open: Vec::new(), is_started: false }
    }

    /// Goes on to the next item; `None` behind the outermost.
    pub(super) fn next(&mut self) -> Result<Option<Item<'b>>, Refusal> {
        let at = self.decoder.position();
        match self.open.last() {
            Some(open) if open.left == Some(0) => return Ok(Some(self.close(at))),
            None if self.is_started => return Ok(None),
            _ => {}
        }
        self.is_started = true;
        let token = self.token(at)?;
        let may_break = self
            .open
            .last()
            .is_some_and(|open| open.left.is_none() && open.is_key == open.is_map());
        match token {
            Ok(Token::Break) if may_break => return Ok(Some(self.close(at))),
            Ok(Token::Break) => return Err(Refusal::NoItem { at }),
            _ => {}
        }
        let is_key = self.open.last_mut().is_some_and(OpenItem::count);
        let form = self.form(at);
        let (what, form) = match token {
            Ok(token) => self.what(token, at, form)?,
            Err(oddity) => (What::Formless(oddity), form),
        };
        Ok(Some(Item { at, end: self.decoder.position(), is_key, what, form }))
    }

    /// Passes over the rest of the item that came last.
    pub(super) fn pass_over(&mut self, item: &Item<'b>, end: usize) {
        if matches!(item.what, What::Begin(_)) {
            self.open.pop();
        }
        self.decoder.set_position(end);
    }

    /// Ends the innermost container.
    fn close(&mut self, at: usize) -> Item<'b> {
        self.open.pop();
        Item { at, end: self.decoder.position(), is_key: false, what: What::End, form: None }
    }

    /// The next token; a text that is none is an oddity, since its length is known.
    fn token(&mut self, at: usize) -> Result<Result<Token<'b>, Oddity>, Refusal> {
        match self.decoder.decode() {
            Ok(token) => Ok(Ok(token)),
            Err(error) if is_utf8(&error) => Ok(Err(Oddity::Utf8)),
            Err(error) => Err(refusal(&error, at)),
        }
    }

    fn what(
        &mut self,
        token: Token<'b>,
        at: usize,
        form: Option<Oddity>,
    ) -> Result<(What<'b>, Option<Oddity>), Refusal> {
        let what = match token {
            Token::Null => What::Null,
            Token::Bool(value) => What::Bool(value),
            Token::U8(value) => What::Integer(value.into()),
            Token::U16(value) => What::Integer(value.into()),
            Token::U32(value) => What::Integer(value.into()),
            Token::U64(value) => What::Integer(value.into()),
            Token::I8(value) => What::Integer(value.into()),
            Token::I16(value) => What::Integer(value.into()),
            Token::I32(value) => What::Integer(value.into()),
            Token::I64(value) => What::Integer(value.into()),
            Token::Int(value) => What::Integer(value.into()),
            Token::F16(value) | Token::F32(value) => What::Float(value.into()),
            Token::F64(value) => What::Float(value),
            Token::Bytes(bytes) => What::Bytes(Cow::Borrowed(bytes)),
            Token::String(text) => What::Text(Cow::Borrowed(text)),
            Token::Array(len) => self.begin(Container::Array, Some(len), at)?,
            Token::Map(pairs) => self.begin(Container::Map, Some(pairs.saturating_mul(2)), at)?,
            Token::BeginArray => self.begin(Container::Array, None, at)?,
            Token::BeginMap => self.begin(Container::Map, None, at)?,
            Token::BeginBytes => What::Bytes(Cow::Owned(self.chunks(at)?)),
            Token::BeginString => self.text_chunks(at)?,
            Token::Tag(tag) if tag.as_u64() == 42 => return self.link(at, form),
            Token::Tag(_) => self.begin(Container::Tagged, Some(1), at)?,
            Token::Simple(value)
                if self.decoder.position().saturating_sub(at) > 1 && value < 32 =>
            {
                What::Formless(Oddity::WideSimple(value))
            }
            Token::Simple(value) => What::Formless(Oddity::Simple(value)),
            Token::Undefined => What::Formless(Oddity::Simple(23)),
            Token::Break => return Err(Refusal::NoItem { at }),
        };
        Ok((what, form))
    }

    fn begin(
        &mut self,
        shape: Container,
        left: Option<u64>,
        at: usize,
    ) -> Result<What<'b>, Refusal> {
        if self.open.len() >= MAX_NESTING {
            return Err(Refusal::Nesting { at });
        }
        self.open.push(OpenItem { shape, left, is_key: shape == Container::Map });
        Ok(What::Begin(shape))
    }

    /// What is behind the tag 42: a link, or an odd thing.
    fn link(
        &mut self,
        at: usize,
        form: Option<Oddity>,
    ) -> Result<(What<'b>, Option<Oddity>), Refusal> {
        let inside = self.decoder.position();
        if !matches!(self.decoder.datatype(), Ok(Type::Bytes)) {
            return Ok((self.begin(Container::Tagged, Some(1), at)?, form));
        }
        let form = form.or_else(|| self.form(inside));
        let bytes = self.decoder.bytes().map_err(|error| refusal(&error, at))?;
        let what = match bytes.strip_prefix(&[0]).map(Cid::parse) {
            Some(Ok(cid)) => What::Link(cid),
            Some(Err(error)) => What::Formless(Oddity::LinkCid(error)),
            None => What::Formless(Oddity::LinkPrefix),
        };
        Ok((what, form))
    }

    /// The rest of a byte string in chunks.
    fn chunks(&mut self, at: usize) -> Result<Vec<u8>, Refusal> {
        let mut whole = Vec::new();
        loop {
            let chunk = self.decoder.position();
            match self.decoder.decode().map_err(|error| refusal(&error, at))? {
                Token::Bytes(bytes) => whole.extend_from_slice(bytes),
                Token::Break => return Ok(whole),
                _ => return Err(Refusal::NoItem { at: chunk }),
            }
        }
    }

    /// The rest of a text in chunks, each of which must be UTF-8.
    fn text_chunks(&mut self, at: usize) -> Result<What<'b>, Refusal> {
        let mut whole = String::new();
        let mut is_text = true;
        loop {
            let chunk = self.decoder.position();
            match self.decoder.decode() {
                Ok(Token::String(text)) => whole.push_str(text),
                Ok(Token::Break) if is_text => return Ok(What::Text(Cow::Owned(whole))),
                Ok(Token::Break) => return Ok(What::Formless(Oddity::Utf8)),
                Ok(_) => return Err(Refusal::NoItem { at: chunk }),
                Err(error) if is_utf8(&error) => is_text = false,
                Err(error) => return Err(refusal(&error, at)),
            }
        }
    }

    /// How the head at some place differs from the canonical one.
    fn form(&self, at: usize) -> Option<Oddity> {
        const SIMPLE: u8 = 7;
        let head = self.decoder.input().get(at..).unwrap_or_default();
        let (first, rest) = head.split_first()?;
        if first >> 5 == SIMPLE {
            return None;
        }
        match (first & 31, rest) {
            (31, _) => Some(Oddity::Indefinite),
            (24, [..24, ..]) | (25, [0, ..]) | (26, [0, 0, ..]) | (27, [0, 0, 0, 0, ..]) => {
                Some(Oddity::Padded)
            }
            _ => None,
        }
    }
}

impl OpenItem {
    fn is_map(&self) -> bool {
        self.shape == Container::Map
    }

    /// Counts an item; tells whether it is a key.
    fn count(&mut self) -> bool {
        let is_key = self.is_key;
        self.left = self.left.map(|left| left.saturating_sub(1));
        self.is_key = self.is_map() && !is_key;
        is_key
    }
}

/// Whether a text is not UTF-8. The decoder is behind it then.
fn is_utf8(error: &Error) -> bool {
    error.source().is_some_and(|source| source.is::<Utf8Error>())
}

fn refusal(error: &Error, at: usize) -> Refusal {
    if error.is_end_of_input() { Refusal::Ended { at } } else { Refusal::NoItem { at } }
}
