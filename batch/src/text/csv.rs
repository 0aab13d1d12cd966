//! Rows as CSV.

use super::value::{Value, Values, append_base64};
use crate::columns::Columns;
use crate::row::append_time;

pub(super) fn header(columns: Columns, out: &mut Vec<u8>) {
    for (number, column) in columns.iter().enumerate() {
        if number > 0 {
            out.push(b',');
        }
        out.extend_from_slice(column.name().as_bytes());
    }
    out.push(b'\n');
}

/// Appends a row. `json` is a buffer for the record.
pub(super) fn row(values: &Values<'_>, columns: Columns, json: &mut Vec<u8>, out: &mut Vec<u8>) {
    let start = out.len();
    for (number, column) in columns.iter().enumerate() {
        if number > 0 {
            out.push(b',');
        }
        value(&values.get(column), json, out);
    }
    // Many readers skip empty lines.
    if out.len() == start {
        out.extend_from_slice(b"\"\"");
    }
    out.push(b'\n');
}

#[inline]
fn value(value: &Value<'_>, json: &mut Vec<u8>, out: &mut Vec<u8>) {
    match value {
        Value::Null => {}
        Value::Text(text) => append_text(text.as_bytes(), out),
        Value::Cid(cid) => out.extend_from_slice(cid.as_bytes()),
        Value::Number(number) => {
            out.extend_from_slice(itoa::Buffer::new().format(*number).as_bytes());
        }
        Value::Time(micros) => append_time(*micros, out),
        Value::Record(row) => {
            json.clear();
            if row.append_record(json) {
                append_text(json, out);
            }
        }
        Value::Bytes(bytes) => append_base64(bytes, out),
    }
}

/// Appends a text, in quotes if it needs them.
fn append_text(text: &[u8], out: &mut Vec<u8>) {
    // Without branches, so that the bytes are compared together.
    let needs_quotes =
        |byte: u8| (byte == b'"') | (byte == b',') | (byte == b'\n') | (byte == b'\r');
    if !text.iter().fold(false, |needs, &byte| needs | needs_quotes(byte)) {
        return out.extend_from_slice(text);
    }
    out.push(b'"');
    for part in text.split_inclusive(|&byte| byte == b'"') {
        out.extend_from_slice(part);
        if part.last() == Some(&b'"') {
            out.push(b'"');
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_texts_that_need_quotes_have_them() {
        for (text, expected) in [
            ("a b", "a b"),
            ("it's", "it's"),
            (" a ", " a "),
            ("NULL", "NULL"),
            ("a\0b\t", "a\0b\t"),
            ("\u{feff}", "\u{feff}"),
            ("a,b", "\"a,b\""),
            ("\"", "\"\"\"\""),
            ("\"a\"\"b\"", "\"\"\"a\"\"\"\"b\"\"\""),
            ("a\nb", "\"a\nb\""),
            ("a\r", "\"a\r\""),
        ] {
            let mut out = Vec::new();
            append_text(text.as_bytes(), &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }
}
