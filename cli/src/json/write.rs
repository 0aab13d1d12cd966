//! Writing JSON item by item.

use core::iter::Peekable;
use core::ops::Range;
use std::io::{self, Write};
use std::slice::Iter;

use data_encoding::BASE64_NOPAD;
use serde::Serializer as _;
use serde_json::Serializer;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter};

use super::items::{Container, Item, Items, Refusal, What};
use super::survey::Survey;
use super::{BYTES, CBOR, LINK};

/// How JSON is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// Lines with two spaces for each level.
    Indented,
    /// One line.
    Compact,
}

impl Survey<'_> {
    /// Writes the record as JSON, without a line break at the end.
    pub(crate) fn write(&self, out: &mut impl Write, layout: Layout) -> io::Result<()> {
        match layout {
            Layout::Indented => self.write_by(out, PrettyFormatter::new()),
            Layout::Compact => self.write_by(out, CompactFormatter),
        }
    }

    fn write_by(&self, out: &mut impl Write, format: impl Formatter) -> io::Result<()> {
        let mut writer = JsonWriter { out, format, open: Vec::new() };
        let mut items = Items::new(self.record);
        let mut formless = self.formless.iter().peekable();
        while let Some(item) = items.next().map_err(went_through)? {
            match due(&mut formless, &item) {
                Some(range) => {
                    items.pass_over(&item, range.end);
                    let bytes = self.record.get(range).unwrap_or_default();
                    writer
                        .leaf(&item, |writer| writer.wrapped(CBOR, &BASE64_NOPAD.encode(bytes)))?;
                }
                None => writer.item(&item)?,
            }
        }
        Ok(())
    }
}

/// The formless item that begins here, if one does.
fn due(formless: &mut Peekable<Iter<'_, Range<usize>>>, item: &Item<'_>) -> Option<Range<usize>> {
    if matches!(item.what, What::End) {
        return None;
    }
    formless.next_if(|range| range.start == item.at).cloned()
}

/// A record that was looked through has no such items any more.
fn went_through(refusal: Refusal) -> io::Error {
    io::Error::other(refusal.to_string())
}

struct JsonWriter<'o, W, F> {
    out: &'o mut W,
    format: F,
    open: Vec<OpenOutput>,
}

/// An array or map that is being written.
struct OpenOutput {
    is_map: bool,
    is_empty: bool,
}

impl<W: Write, F: Formatter> JsonWriter<'_, W, F> {
    fn item(&mut self, item: &Item<'_>) -> io::Result<()> {
        match &item.what {
            What::Begin(shape) => self.begin(item, *shape == Container::Map),
            What::End => self.end(),
            what => self.leaf(item, |writer| writer.value(what)),
        }
    }

    fn begin(&mut self, item: &Item<'_>, is_map: bool) -> io::Result<()> {
        self.before(item.is_key)?;
        self.open.push(OpenOutput { is_map, is_empty: true });
        if is_map { self.format.begin_object(self.out) } else { self.format.begin_array(self.out) }
    }

    fn end(&mut self) -> io::Result<()> {
        if self.open.pop().is_some_and(|open| open.is_map) {
            self.format.end_object(self.out)?;
        } else {
            self.format.end_array(self.out)?;
        }
        self.after(false)
    }

    fn leaf(
        &mut self,
        item: &Item<'_>,
        write: impl FnOnce(&mut Self) -> io::Result<()>,
    ) -> io::Result<()> {
        self.before(item.is_key)?;
        write(self)?;
        self.after(item.is_key)
    }

    fn value(&mut self, what: &What<'_>) -> io::Result<()> {
        match what {
            What::Bool(value) => self.format.write_bool(self.out, *value),
            What::Integer(value) => self.format.write_i128(self.out, *value),
            What::Float(value) => self.format.write_f64(self.out, *value),
            What::Text(text) => self.text(text),
            What::Bytes(bytes) => self.wrapped(BYTES, &BASE64_NOPAD.encode(bytes)),
            What::Link(cid) => self.wrapped(LINK, cid.to_text().as_str()),
            What::Null | What::Formless(_) | What::Begin(_) | What::End => {
                self.format.write_null(self.out)
            }
        }
    }

    /// Writes a map of one name and a text.
    fn wrapped(&mut self, name: &str, text: &str) -> io::Result<()> {
        self.format.begin_object(self.out)?;
        self.format.begin_object_key(self.out, true)?;
        self.text(name)?;
        self.format.end_object_key(self.out)?;
        self.format.begin_object_value(self.out)?;
        self.text(text)?;
        self.format.end_object_value(self.out)?;
        self.format.end_object(self.out)
    }

    fn text(&mut self, text: &str) -> io::Result<()> {
        Ok(Serializer::with_formatter(&mut *self.out, Harmless).serialize_str(text)?)
    }

    fn before(&mut self, is_key: bool) -> io::Result<()> {
        let Some(open) = self.open.last_mut() else {
            return Ok(());
        };
        let is_first = core::mem::take(&mut open.is_empty);
        match open.is_map {
            true if is_key => self.format.begin_object_key(self.out, is_first),
            true => self.format.begin_object_value(self.out),
            false => self.format.begin_array_value(self.out, is_first),
        }
    }

    fn after(&mut self, is_key: bool) -> io::Result<()> {
        match self.open.last() {
            Some(OpenOutput { is_map: true, .. }) if is_key => self.format.end_object_key(self.out),
            Some(OpenOutput { is_map: true, .. }) => self.format.end_object_value(self.out),
            Some(_) => self.format.end_array_value(self.out),
            None => Ok(()),
        }
    }
}

/// Writes texts so that they do nothing to a terminal: what controls one is escaped, beyond what
/// JSON asks for.
struct Harmless;

impl Formatter for Harmless {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        out: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(is_control) {
            let (plain, from) = rest.split_at(at);
            out.write_all(plain.as_bytes())?;
            let mut chars = from.chars();
            if let Some(control) = chars.next() {
                write!(out, "\\u{:04x}", u32::from(control))?;
            }
            rest = chars.as_str();
        }
        out.write_all(rest.as_bytes())
    }
}

/// Control characters, line separators, and what changes the direction of text. All of them take
/// four digits.
fn is_control(char: char) -> bool {
    char.is_control()
        || matches!(char, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
