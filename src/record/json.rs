//! Records as JSON: in one pass if a record is of the data model, in two otherwise.

mod layout;
mod plain;
mod text;
mod two_passes;

use std::io::{self, Write};

pub use self::layout::Layout;
pub use self::text::{append_json_text, is_harmful};
use super::origin::Origin;
use crate::error::{Error, Result};

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
/// Reads a record without oddities once, and allocates only the JSON. Another record is read three
/// times at most, and takes at most 64 bytes of memory for each of its bytes, plus the JSON. The
/// JSON is at most 20 times as long as the record. [`append_json`](super::append_json()) writes
/// into a buffer that can be used again.
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
    let mut out = Vec::new();
    append_json_of(record, origin, &mut out)?;
    let json = String::from_utf8(out);
    debug_assert!(json.is_ok(), "texts are UTF-8, and the rest is ASCII");
    json.map_err(|error| Error::output(io::Error::other(error)))
}

/// Appends a record to `out` as compact JSON in the [data model's
/// form](https://atproto.com/specs/data-model#json-representation), without a line break at the
/// end.
///
/// The form and the cost are those of [`to_json`](super::to_json()). A record without oddities
/// allocates nothing unless `out` has to grow. After an error, `out` is what it was before.
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
/// use carwalk::{Repo, record};
///
/// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
/// let repo = Repo::from_slice(bytes)?;
/// // JSON Lines in one buffer.
/// let mut lines = Vec::new();
/// for record in repo.records() {
///     record::append_json(record?.bytes(), &mut lines)?;
///     lines.push(b'\n');
/// }
/// assert!(lines.starts_with(br#"{"$type":"app.bsky.actor.profile","#));
/// # Ok::<(), carwalk::Error>(())
/// ```
pub fn append_json(record: &[u8], out: &mut Vec<u8>) -> Result<()> {
    append_json_of(record, Origin::default(), out)
}

pub(super) fn append_json_of(record: &[u8], origin: Origin<'_>, out: &mut Vec<u8>) -> Result<()> {
    // Raw bytes could look like CBOR by chance. The second way refuses them.
    if origin.check_codec().is_ok() && plain::append(record, out) {
        return Ok(());
    }
    two_passes::write(record, origin, out, Layout::Compact)
}

/// Writes a record as JSON in the [data model's
/// form](https://atproto.com/specs/data-model#json-representation), without a line break at the
/// end.
///
/// The form is that of [`to_json`](super::to_json()). Errors of the record are returned before the
/// first byte is written. May write in small pieces: wrap files and sockets in a
/// [`BufWriter`](std::io::BufWriter). For many records,
/// [`append_json`](super::append_json()) is faster.
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
    let mut json = Vec::new();
    let is_plain = layout == Layout::Compact && origin.check_codec().is_ok();
    if is_plain && plain::append(record, &mut json) {
        return out.write_all(&json).map_err(Error::output);
    }
    // Freed before the two passes allocate.
    drop(json);
    two_passes::write(record, origin, out, layout)
}
