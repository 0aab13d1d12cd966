//! The values of a row, for both formats.

use carwalk::cid::CidText;
use data_encoding::BASE64_NOPAD;

use crate::columns::{Column, Columns};
use crate::row::{Fields, Row};

/// A value of a row.
pub(super) enum Value<'v> {
    Null,
    /// A text that is not empty.
    Text(&'v str),
    /// A text of letters and digits.
    Cid(CidText),
    Number(usize),
    /// Microseconds since 1970.
    Time(i64),
    /// The record, which may have no JSON.
    Record(&'v Row<'v>),
    Bytes(&'v [u8]),
}

impl<'v> From<Option<&'v str>> for Value<'v> {
    fn from(text: Option<&'v str>) -> Self {
        text.filter(|text| !text.is_empty()).map_or(Value::Null, Value::Text)
    }
}

/// Appends bytes as base64 without padding.
pub(super) fn append_base64(bytes: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start.saturating_add(BASE64_NOPAD.encode_len(bytes.len())), 0);
    BASE64_NOPAD.encode_mut(bytes, out.get_mut(start..).unwrap_or_default());
}

/// A row, and the fields of its record if they are needed.
pub(super) struct Values<'r> {
    row: &'r Row<'r>,
    fields: Fields<'r>,
}

impl<'r> Values<'r> {
    pub(super) fn new(row: &'r Row<'r>, columns: Columns) -> Self {
        let has_fields = columns.contains(Column::CreatedAt) || columns.contains(Column::Subject);
        Values { row, fields: if has_fields { row.fields() } else { Fields::default() } }
    }

    #[inline]
    pub(super) fn get(&self, column: Column) -> Value<'_> {
        let Values { row, fields } = self;
        match column {
            Column::Did => Some(row.did()).into(),
            Column::Rev => Some(row.rev()).into(),
            Column::Collection => Some(row.path().collection()).into(),
            Column::Rkey => Some(row.path().record_key()).into(),
            Column::Cid => Value::Cid(row.cid().to_text()),
            Column::Size => row.size().map_or(Value::Null, Value::Number),
            Column::Time => row.time().map_or(Value::Null, Value::Time),
            Column::CreatedAt => fields.created_at().map_or(Value::Null, Value::Time),
            Column::Subject => fields.subject().into(),
            Column::Record => Value::Record(row),
            Column::RecordCbor => row.block().map_or(Value::Null, Value::Bytes),
        }
    }
}
