//! Records as JSON, written item by item in a second pass: the first finds the items without a
//! JSON form.

use core::iter::Peekable;
use core::ops::Range;
use std::io::{self, Write};
use std::slice::Iter;

use data_encoding::BASE64_NOPAD;
use serde::Serializer as _;
use serde_json::Serializer;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter};

use super::items::{Container, Item, Items, What};
use super::oddity::{BYTES, CBOR, LINK};
use super::origin::Origin;
use super::survey::Survey;
use crate::error::{Error, Result};

/// The layout of JSON that [`write_json`](super::write_json()) writes. Default: `Compact`.
///
/// # Examples
///
/// ```
/// use carwalk::record::{Layout, write_json};
///
/// // {"v": [1]}
/// let mut out = Vec::new();
/// write_json(b"\xa1\x61v\x81\x01", &mut out, Layout::Compact)?;
/// assert_eq!(out, b"{\"v\":[1]}");
/// out.clear();
/// write_json(b"\xa1\x61v\x81\x01", &mut out, Layout::Indented)?;
/// assert_eq!(out, b"{\n  \"v\": [\n    1\n  ]\n}");
/// # Ok::<(), carwalk::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "JSON is on one line or on several")]
pub enum Layout {
    /// One line without spaces between items.
    #[default]
    Compact,
    /// One line for each member and item, indented by two spaces a level.
    Indented,
}

/// Returns a record as compact JSON in the [data model's
/// form](https://atproto.com/specs/data-model#json-representation).
///
/// | in the record | in JSON |
/// |---|---|
/// | link | `{"$link": "b.."}` |
/// | bytes | `{"$bytes": ".."}`, base64 without padding |
/// | text, integer, boolean, null, array, map | the JSON form; members in the record's order |
/// | finite float, which the data model does not have | a number with a point or an exponent |
/// | any other item | `{"$cbor": ".."}`: the item's own bytes, base64 without padding |
///
/// The record may be any CBOR. Every item without a JSON form becomes `$cbor`, even if it is the
/// whole record. This includes maps with a repeated key, of which JSON parsers keep only one value,
/// and maps with a key that is not a text or is `$link`, `$bytes` or `$cbor`. So no record can
/// imitate a link, bytes or CBOR in JSON. Bytes after the record's end are left out.
/// [`oddities`](super::oddities()) reports all of these. The JSON of a record without oddities
/// converts back to the same bytes.
///
/// Control characters and characters that change how text is shown, such as its direction, are
/// escaped, so the JSON can be printed to a terminal.
///
/// Reads the record twice. Takes at most 64 bytes of memory for each byte of the record, plus the
/// JSON, which is at most 20 times as long as the record.
///
/// # Errors
///
/// - `Malformed` if the bytes are not CBOR: `RecordEnd` or `RecordItem`, with the position in the
///   record
/// - `Limit` if arrays, maps and tags are nested more than
///   [`MAX_RECORD_NESTING`](crate::limits::MAX_RECORD_NESTING) deep
///
/// # Examples
///
/// ```
/// use carwalk::record;
///
/// // {"v": [1, h'ff', undefined]}
/// let json = record::to_json(b"\xa1\x61v\x83\x01\x41\xff\xf7")?;
/// assert_eq!(json, r#"{"v":[1,{"$bytes":"/w"},{"$cbor":"9w"}]}"#);
/// # Ok::<(), carwalk::Error>(())
/// ```
pub fn to_json(record: &[u8]) -> Result<String> {
    to_json_of(record, Origin::default())
}

pub(super) fn to_json_of(record: &[u8], origin: Origin<'_>) -> Result<String> {
    let mut out = Vec::with_capacity(record.len());
    write_json_of(record, origin, &mut out, Layout::Compact)?;
    let json = String::from_utf8(out);
    debug_assert!(json.is_ok(), "texts are UTF-8, and the rest is ASCII");
    json.map_err(|error| Error::output(io::Error::other(error)))
}

/// Writes a record as JSON in the [data model's
/// form](https://atproto.com/specs/data-model#json-representation), without a line break at the
/// end.
///
/// The form is that of [`to_json`](super::to_json()). Errors of the record are returned before the
/// first byte is written. Writes in small pieces: wrap files and sockets in a
/// [`BufWriter`](std::io::BufWriter).
///
/// # Errors
///
/// - `Malformed` if the bytes are not CBOR: `RecordEnd` or `RecordItem`, with the position in the
///   record
/// - `Limit` if arrays, maps and tags are nested more than
///   [`MAX_RECORD_NESTING`](crate::limits::MAX_RECORD_NESTING) deep
/// - `Output` if writing fails
///
/// # Examples
///
/// ```
/// use carwalk::record::{self, Layout};
///
/// // {"text": "hello"}
/// let mut out = Vec::new();
/// record::write_json(b"\xa1\x64text\x65hello", &mut out, Layout::Indented)?;
/// assert_eq!(out, b"{\n  \"text\": \"hello\"\n}");
/// # Ok::<(), carwalk::Error>(())
/// ```
pub fn write_json(record: &[u8], out: impl Write, layout: Layout) -> Result<()> {
    write_json_of(record, Origin::default(), out, layout)
}

pub(super) fn write_json_of(
    record: &[u8],
    origin: Origin<'_>,
    mut out: impl Write,
    layout: Layout,
) -> Result<()> {
    let mut survey = Survey::new(record, origin);
    while survey.next()?.is_some() {}
    let formless = survey.into_formless();
    let items = Items::new(record, origin);
    match layout {
        Layout::Compact => JsonWriter::new(&mut out, CompactFormatter).write(items, &formless),
        Layout::Indented => {
            JsonWriter::new(&mut out, PrettyFormatter::new()).write(items, &formless)
        }
    }
}

/// Returns the formless item that begins here, if one does.
fn due(formless: &mut Peekable<Iter<'_, Range<usize>>>, item: &Item<'_>) -> Option<Range<usize>> {
    if matches!(item.what, What::End) {
        return None;
    }
    formless.next_if(|range| range.start == item.at).cloned()
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

impl<'o, W: Write, F: Formatter> JsonWriter<'o, W, F> {
    fn new(out: &'o mut W, format: F) -> Self {
        JsonWriter { out, format, open: Vec::new() }
    }

    fn write(mut self, mut items: Items<'_>, formless: &[Range<usize>]) -> Result<()> {
        let mut formless = formless.iter().peekable();
        while let Some(item) = items.next()? {
            match due(&mut formless, &item) {
                Some(range) => {
                    items.pass_over(&item, range.end);
                    let bytes = items.record().get(range).unwrap_or_default();
                    self.leaf(&item, |writer| writer.wrapped(CBOR, &BASE64_NOPAD.encode(bytes)))
                }
                None => self.item(&item),
            }
            .map_err(Error::output)?;
        }
        debug_assert!(formless.next().is_none(), "every formless item was met");
        Ok(())
    }

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

/// Writes texts that are harmless to terminals: also escapes the control characters that JSON
/// allows.
struct Harmless;

impl Formatter for Harmless {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        out: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        // Of ASCII, JSON itself escapes all controls but DEL. Most texts are ASCII.
        if fragment.is_ascii() && !fragment.contains('\u{7f}') {
            return out.write_all(fragment.as_bytes());
        }
        for part in fragment.split_inclusive(is_control) {
            let (plain, control) = part.split_at(part.trim_end_matches(is_control).len());
            out.write_all(plain.as_bytes())?;
            for unit in control.encode_utf16() {
                write!(out, "\\u{unit:04x}")?;
            }
        }
        Ok(())
    }
}

/// Returns whether a character controls a terminal or changes how other text is shown: control
/// characters, line separators and format characters, including those of writing direction. The two
/// joiners are not among them, because words and emoji need them.
fn is_control(char: char) -> bool {
    char.is_control()
        || matches!(char,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}
