//! Texts as JSON strings that can be printed to a terminal.

/// Bytes that are examined together.
const CHUNK: usize = 16;

/// Whether a byte may begin a character that is escaped.
///
/// The characters of [`is_harmful`] beyond ASCII begin with one of six bytes. So do others:
/// therefore each is decoded.
const STOPS: [bool; 256] = {
    let mut stops = [false; 256];
    let (mut rest, mut byte) = (stops.as_mut_slice(), 0_u8);
    while let [stop, others @ ..] = rest {
        *stop = match byte {
            0..0x80 => !is_plain_byte(byte),
            0xc2 | 0xd8 | 0xe1 | 0xe2 | 0xef | 0xf3 => true,
            _ => false,
        };
        (rest, byte) = (others, byte.wrapping_add(1));
    }
    stops
};

/// Appends a text to `out` as a JSON string, in quotes.
///
/// The string is the same as in [`to_json`](super::to_json()): JSON's own escapes, and `\u` escapes
/// for control characters and for characters that change how text is shown. Costs one pass over
/// printable ASCII, and two over other text. Allocates only if `out` has to grow.
///
/// # Examples
///
/// ```
/// let mut line = b"{\"text\":".to_vec();
/// carwalk::record::append_json_text("a \"b\"\u{1b}", &mut line);
/// line.push(b'}');
/// assert_eq!(line, br#"{"text":"a \"b\"\u001b"}"#);
/// ```
pub fn append_json_text(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    if is_plain(text.as_bytes()) {
        out.extend_from_slice(text.as_bytes());
    } else {
        escape(text, out);
    }
    out.push(b'"');
}

/// Appends the bytes of a text as a JSON string, in quotes. Returns `None` if they are not UTF-8.
#[inline]
pub(super) fn append_utf8(bytes: &[u8], out: &mut Vec<u8>) -> Option<()> {
    out.push(b'"');
    if is_plain(bytes) {
        out.extend_from_slice(bytes);
    } else {
        escape(core::str::from_utf8(bytes).ok()?, out);
    }
    out.push(b'"');
    Some(())
}

/// Returns whether all bytes are printable ASCII that JSON does not escape, as in most texts.
#[inline]
fn is_plain(bytes: &[u8]) -> bool {
    let (chunks, rest) = bytes.as_chunks::<CHUNK>();
    chunks.iter().all(is_plain_chunk) && rest.iter().all(|&byte| is_plain_byte(byte))
}

/// Without branches, so that the bytes are compared together.
#[inline]
fn is_plain_chunk(chunk: &[u8; CHUNK]) -> bool {
    chunk.iter().fold(true, |is_plain, &byte| is_plain & is_plain_byte(byte))
}

#[inline]
const fn is_plain_byte(byte: u8) -> bool {
    (byte >= b' ') & (byte <= b'~') & (byte != b'"') & (byte != b'\\')
}

fn escape(text: &str, out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some((plain, from)) = next_stop(rest).and_then(|at| rest.split_at_checked(at)) {
        out.extend_from_slice(plain.as_bytes());
        let mut chars = from.chars();
        if let Some(char) = chars.next() {
            append_char(char, out);
        }
        rest = chars.as_str();
    }
    out.extend_from_slice(rest.as_bytes());
}

/// Returns the position of the next character that may have to be escaped.
fn next_stop(text: &str) -> Option<usize> {
    let (chunks, _) = text.as_bytes().as_chunks::<CHUNK>();
    let plain = chunks.iter().take_while(|chunk| is_plain_chunk(chunk)).count();
    let skipped = plain.checked_mul(CHUNK)?;
    let rest = text.as_bytes().get(skipped..)?;
    let stops = |&byte: &u8| STOPS.get(usize::from(byte)).copied().unwrap_or(true);
    rest.iter().position(stops)?.checked_add(skipped)
}

fn append_char(char: char, out: &mut Vec<u8>) {
    let mut utf8 = [0; 4];
    let escape: &[u8] = match char {
        '"' => b"\\\"",
        '\\' => b"\\\\",
        '\u{8}' => b"\\b",
        '\u{c}' => b"\\f",
        '\n' => b"\\n",
        '\r' => b"\\r",
        '\t' => b"\\t",
        char if is_harmful(char) => return append_units(char, out),
        char => char.encode_utf8(&mut utf8).as_bytes(),
    };
    out.extend_from_slice(escape);
}

/// Appends the escapes of a character's UTF-16.
#[cold]
fn append_units(char: char, out: &mut Vec<u8>) {
    for unit in char.encode_utf16(&mut [0; 2]) {
        out.extend_from_slice(b"\\u");
        out.extend([12, 8, 4, 0].map(|shift: u16| digit(*unit >> shift & 0xf)));
    }
}

/// Returns a hexadecimal digit.
fn digit(value: u16) -> u8 {
    b"0123456789abcdef".get(usize::from(value)).copied().unwrap_or(b'0')
}

/// Returns whether a character controls a terminal or changes how other text is shown: control
/// characters, line separators and format characters, including those of writing direction.
///
/// The JSON of records has such characters as `\u` escapes. The two joiners U+200C and U+200D are
/// not among them, because words and emoji need them, and they hide nothing.
///
/// # Examples
///
/// ```
/// use carwalk::record::is_harmful;
///
/// // An escape code, and an override of the writing direction.
/// assert!(is_harmful('\u{1b}') && is_harmful('\u{202e}'));
/// assert!(!is_harmful('\u{200d}') && !is_harmful('"'));
/// ```
#[must_use]
pub fn is_harmful(char: char) -> bool {
    char.is_control()
        || matches!(char,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> String {
        let mut out = Vec::new();
        append_json_text(text, &mut out);
        let mut same = Vec::new();
        assert_eq!(append_utf8(text.as_bytes(), &mut same), Some(()));
        assert_eq!(out, same);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_character_is_escaped_as_it_should_be() {
        for char in '\0'..=char::MAX {
            let json = json(char.encode_utf8(&mut [0; 4]));
            let inner = &json[1..json.len() - 1];
            let short = ('\u{8}'..='\r').contains(&char) && char != '\u{b}';
            match char {
                '"' | '\\' => assert_eq!(inner, format!("\\{char}")),
                _ if short => assert_eq!(inner.len(), 2),
                _ if is_harmful(char) => {
                    let mut units = [0; 2];
                    let units = char.encode_utf16(&mut units).iter();
                    assert_eq!(
                        inner,
                        units.map(|unit| format!("\\u{unit:04x}")).collect::<String>()
                    );
                }
                _ => assert_eq!(inner, char.to_string()),
            }
            assert_eq!(serde_json::from_str::<String>(&json).unwrap(), char.to_string());
        }
    }

    /// At each place of a text, before and after the bytes that are examined together.
    #[test]
    fn a_character_is_escaped_wherever_it_is() {
        for char in ["\"", "\u{7f}", "\u{202e}", "\u{2019}", "\u{e9}"] {
            for around in 0..40 {
                let text = format!("{}{char}{}", "a".repeat(around), "b".repeat(40 - around));
                assert_eq!(serde_json::from_str::<String>(&json(&text)).unwrap(), text);
                assert_eq!(json(&text).len(), 40 + json(char).len());
            }
        }
    }

    #[test]
    fn what_is_not_utf8_is_no_text() {
        let mut out = Vec::new();
        assert_eq!(append_utf8(b"a\xff", &mut out), None);
        assert_eq!(append_utf8(b"\xc3", &mut out), None);
    }
}
