//! Escaping of text from the input. [`is_harmful`] decides which characters may reach a terminal.

use core::fmt::{self, Write as _};

pub(crate) use carwalk::record::is_harmful;
pub(crate) use carwalk_batch::message::escaped;

/// Returns whether text is printable ASCII, which needs no escapes. Nearly all text is.
pub(crate) fn is_printable_ascii(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

/// An escape in a key that [`unescape_key`] does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InvalidEscape;

impl fmt::Display for InvalidEscape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            r#"a backslash that begins none of \\ \" \' \t \n \r and \x with two hex digits"#,
        )
    }
}

/// Appends the bytes of a key that was escaped by `<[u8]>::escape_ascii`, as `ls --partial` prints
/// it. All bytes but backslashes stand for themselves. Repo paths have no backslashes.
pub(crate) fn unescape_key(text: &[u8], key: &mut Vec<u8>) -> Result<(), InvalidEscape> {
    let mut rest = text;
    while let Some(len) = rest.iter().position(|&byte| byte == b'\\') {
        let (plain, escape) = rest.split_at_checked(len).unwrap_or_default();
        let (byte, more) = unescape_byte(escape).ok_or(InvalidEscape)?;
        key.extend_from_slice(plain);
        key.push(byte);
        rest = more;
    }
    key.extend_from_slice(rest);
    Ok(())
}

/// Returns the byte of an escape, and what follows it.
fn unescape_byte(text: &[u8]) -> Option<(u8, &[u8])> {
    match text {
        [b'\\', b't', rest @ ..] => Some((b'\t', rest)),
        [b'\\', b'n', rest @ ..] => Some((b'\n', rest)),
        [b'\\', b'r', rest @ ..] => Some((b'\r', rest)),
        [b'\\', byte @ (b'\\' | b'"' | b'\''), rest @ ..] => Some((*byte, rest)),
        [b'\\', b'x', high, low, rest @ ..] => {
            let digit = |byte: &u8| char::from(*byte).to_digit(16);
            let byte = u8::try_from(digit(high)? << 4 | digit(low)?).ok()?;
            Some((byte, rest))
        }
        _ => None,
    }
}

/// Text in quotes, with harmful characters, quotes and backslashes escaped. The number is the
/// maximum of characters; longer text is cut.
pub(crate) struct Quoted<'a>(pub(crate) &'a str, pub(crate) usize);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Quoted(text, most) = *self;
        let mut chars = text.chars();
        f.write_char('"')?;
        for char in chars.by_ref().take(most) {
            match char {
                '"' | '\\' => write!(f, "\\{char}")?,
                char if is_harmful(char) => write!(f, "{}", char.escape_default())?,
                char => f.write_char(char)?,
            }
        }
        f.write_str(if chars.next().is_some() { "\".." } else { "\"" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn harmful_characters_are_escaped_and_others_are_not() {
        let harmful = "\u{1b}\n\u{9b}\u{202e}\u{2066}\u{200e}\u{61c}\u{feff}\u{e0041}";
        assert!(harmful.chars().all(is_harmful));
        assert!(is_printable_ascii(" a~") && !is_printable_ascii("\u{7f}"));
        assert!(!is_printable_ascii("\n") && !is_printable_ascii("é"));
        assert!(!"aé漢👩\u{200d}👧\u{200c}~ ".chars().any(is_harmful));
        assert_eq!(Quoted("a\u{202e}\u{1b}\"\\é", 9).to_string(), "\"a\\u{202e}\\u{1b}\\\"\\\\é\"");
    }

    /// File names and some texts of the library are printed with `Debug`.
    #[test]
    fn what_is_harmful_is_escaped_by_the_standard_library_too() {
        for char in (0..=0x10_ffff).filter_map(char::from_u32).filter(|&char| is_harmful(char)) {
            let text = char.to_string();
            let path = std::path::Path::new(&text);
            for escaped in [escaped(&text), format!("{text:?}"), format!("{path:?}")] {
                assert!(!escaped.contains(char), "{escaped}");
            }
        }
    }

    fn unescaped(text: &[u8]) -> Result<Vec<u8>, InvalidEscape> {
        let mut key = b"before ".to_vec();
        unescape_key(text, &mut key).map(|()| key.split_off(7))
    }

    #[test]
    fn keys_are_what_they_were_before_they_were_escaped() {
        let all: Vec<u8> = (0..=u8::MAX).chain((0..=u8::MAX).rev()).collect();
        assert_eq!(unescaped(all.escape_ascii().to_string().as_bytes()).unwrap(), all);
        for byte in 0..=u8::MAX {
            assert_eq!(unescaped(&byte.escape_ascii().collect::<Vec<_>>()).unwrap(), [byte]);
        }
        let plain: Vec<u8> = all.into_iter().filter(|&byte| byte != b'\\').collect();
        assert_eq!(unescaped(&plain).unwrap(), plain);
        assert_eq!(unescaped(br"\x1B").unwrap(), b"\x1b");
    }

    #[test]
    fn other_escapes_are_refused() {
        for text in [r"\", r"a\", r"\x", r"\x1", r"\xg0", r"\x+1", r"\0", r"\u{1b}", r"a\\\"] {
            assert_eq!(unescaped(text.as_bytes()), Err(InvalidEscape), "{text}");
        }
    }

    #[test]
    fn long_text_is_cut() {
        assert_eq!(Quoted("abcd", 3).to_string(), "\"abc\"..");
        assert_eq!(Quoted("abc", 3).to_string(), "\"abc\"");
    }
}
