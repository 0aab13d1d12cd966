//! Any record as JSON, item by item in a second pass. The first pass finds the items without a JSON
//! form.

use core::iter::Peekable;
use core::ops::Range;
use std::io::{self, Write};
use std::slice::Iter;

use data_encoding::BASE64_NOPAD;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter};

use super::layout::Layout;
use super::text::append_json_text;
use crate::error::{Error, Result};
use crate::record::items::{Container, Item, Items, What};
use crate::record::oddity::{BYTES, CBOR, LINK};
use crate::record::origin::Origin;
use crate::record::survey::Survey;

/// Writes a record. Errors of the record are returned before the first byte is written.
pub(super) fn write(
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
    /// The last text as a JSON string.
    text: Vec<u8>,
}

/// An array or map that is being written.
struct OpenOutput {
    is_map: bool,
    is_empty: bool,
}

impl<'o, W: Write, F: Formatter> JsonWriter<'o, W, F> {
    fn new(out: &'o mut W, format: F) -> Self {
        JsonWriter { out, format, open: Vec::new(), text: Vec::new() }
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
                debug_assert!(matches!(what, What::Null), "the caller writes the others");
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
        self.text.clear();
        append_json_text(text, &mut self.text);
        self.out.write_all(&self.text)
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
