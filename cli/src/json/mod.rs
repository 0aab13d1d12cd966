//! Records as JSON, in the form of the [data
//! model](https://atproto.com/specs/data-model#json-representation).
//!
//! | in the record | in JSON |
//! |---|---|
//! | link | `{"$link": "b.."}` |
//! | bytes | `{"$bytes": ".."}`, base64 without padding |
//! | text, integer, boolean, null, array, map | the JSON form; members in the record's order |
//! | finite float, which the data model does not have | a number with a point or an exponent |
//! | any other item | `{"$cbor": ".."}`: the item's own bytes, base64 without padding |
//!
//! A map with one of these three names as a key is such an item itself, so that what looks like a
//! link, bytes or an item in the output is one; so is a map with a repeated key, of which readers
//! of JSON would take one value or the other. The outermost item may be one. A record is looked
//! through once for whatever is odd about it, and written after that. Both go over its items one by
//! one, without recursion: what is remembered grows with the record, never by a length that it
//! declares.

mod items;
mod oddity;
mod survey;
mod write;

pub(crate) use self::survey::Survey;
pub(crate) use self::write::Layout;

/// Arrays, maps and tags that may lie in each other: many times what real records have, and less
/// than parsers of JSON take.
const MAX_NESTING: usize = 100;

const LINK: &str = "$link";
const BYTES: &str = "$bytes";
const CBOR: &str = "$cbor";
