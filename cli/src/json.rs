//! JSON that is safe to print on a terminal.

use std::io::{self, Write};

use carwalk::record::append_json_text;
use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::Formatter;

use crate::escape::is_printable_ascii;

/// Writes a value as JSON in one line, with a line break, and with harmful characters escaped.
pub(crate) fn write_line(value: &impl Serialize, mut out: impl Write) -> io::Result<()> {
    write(value, &mut out)?;
    out.write_all(b"\n")
}

/// Writes a value as JSON without a line break, and with harmful characters escaped.
pub(crate) fn write(value: &impl Serialize, out: impl Write) -> io::Result<()> {
    Ok(value.serialize(&mut Serializer::with_formatter(out, Harmless))?)
}

/// Escapes harmful characters. They occur in strings only.
struct Harmless;

impl Formatter for Harmless {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        out: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        if is_printable_ascii(fragment) {
            return out.write_all(fragment.as_bytes());
        }
        // Nothing in a fragment needs an escape of JSON's own. The quotes are written elsewhere.
        let mut text = Vec::new();
        append_json_text(fragment, &mut text);
        out.write_all(text.get(1..text.len().saturating_sub(1)).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use carwalk::minicbor::Encoder;
    use carwalk::record;

    use super::*;
    use crate::escape::is_harmful;

    fn json(text: &str) -> String {
        let mut json = Vec::new();
        write(&text, &mut json).unwrap();
        String::from_utf8(json).unwrap()
    }

    #[test]
    fn every_character_is_written_as_in_the_json_of_records() {
        let all: Vec<_> = (0..=0x10_ffff).filter_map(char::from_u32).collect();
        for chars in all.chunks(0x400) {
            let text: String = chars.iter().collect();
            let mut record = Vec::new();
            Encoder::new(&mut record).str(&text).unwrap();
            let json = json(&text);
            assert_eq!(json, record::to_json(&record).unwrap(), "from {:?}", chars.first());
            assert!(!json.contains(is_harmful), "{json:?}");
            assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
        }
    }

    #[test]
    fn harmless_characters_are_not_escaped() {
        let is_plain = |char: &char| !is_harmful(*char) && !matches!(char, '"' | '\\');
        let text: String = ('\0'..=char::MAX).filter(is_plain).collect();
        assert_eq!(json(&text), format!("\"{text}\""));
    }

    #[test]
    fn keys_are_escaped_like_values() {
        let mut line = Vec::new();
        write_line(&std::collections::HashMap::from([("\u{202e}", "\u{e0041}")]), &mut line)
            .unwrap();
        assert_eq!(line, b"{\"\\u202e\":\"\\udb40\\udc41\"}\n");
    }
}
