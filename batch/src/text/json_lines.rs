//! Rows as JSON Lines.

use carwalk::record::append_json_text;

use super::value::{Value, Values, append_base64};
use crate::columns::{Column, Columns};
use crate::row::append_time;

pub(super) fn row(values: &Values<'_>, columns: Columns, out: &mut Vec<u8>) {
    let mut before = b'{';
    for column in columns.iter() {
        out.push(before);
        before = b',';
        out.extend_from_slice(member(column));
        value(&values.get(column), out);
    }
    out.extend_from_slice(b"}\n");
}

#[inline]
fn value(value: &Value<'_>, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Text(text) => append_json_text(text, out),
        Value::Cid(cid) => {
            out.push(b'"');
            out.extend_from_slice(cid.as_bytes());
            out.push(b'"');
        }
        Value::Number(number) => {
            out.extend_from_slice(itoa::Buffer::new().format(*number).as_bytes());
        }
        Value::Time(micros) => {
            out.push(b'"');
            append_time(*micros, out);
            out.push(b'"');
        }
        Value::Record(row) => {
            if !row.append_record(out) {
                out.extend_from_slice(b"null");
            }
        }
        Value::Bytes(bytes) => {
            out.push(b'"');
            append_base64(bytes, out);
            out.push(b'"');
        }
    }
}

/// Returns the name of a column as a member of an object begins.
const fn member(column: Column) -> &'static [u8] {
    match column {
        Column::Did => b"\"did\":",
        Column::Rev => b"\"rev\":",
        Column::Collection => b"\"collection\":",
        Column::Rkey => b"\"rkey\":",
        Column::Cid => b"\"cid\":",
        Column::Size => b"\"size\":",
        Column::Time => b"\"time\":",
        Column::CreatedAt => b"\"created_at\":",
        Column::Subject => b"\"subject\":",
        Column::Record => b"\"record\":",
        Column::RecordCbor => b"\"record_cbor\":",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_have_the_names_of_columns() {
        for column in Column::ALL {
            assert_eq!(member(column), format!("\"{column}\":").as_bytes());
        }
    }
}
