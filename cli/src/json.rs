//! JSON that does nothing to a terminal.

use std::io::{self, Write};

use serde::Serialize;

use crate::escape::is_harmful;

/// Writes a value as JSON in one line, with a line break, and with harmful characters escaped.
pub(crate) fn write_line(value: &impl Serialize, mut out: impl Write) -> io::Result<()> {
    // Harmful characters stand in texts only, where they can be escaped.
    let json = serde_json::to_string(value)?;
    let mut rest = &json[..];
    while let Some(at) = rest.find(is_harmful) {
        let (plain, from) = rest.split_at(at);
        out.write_all(plain.as_bytes())?;
        let mut chars = from.chars();
        if let Some(char) = chars.next() {
            for unit in char.encode_utf16(&mut [0; 2]) {
                write!(out, "\\u{unit:04x}")?;
            }
        }
        rest = chars.as_str();
    }
    out.write_all(rest.as_bytes())?;
    out.write_all(b"\n")
}
