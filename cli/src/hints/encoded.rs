//! Hex and base64 text, and the commands that decode it.

use std::io::{self, Write};

use carwalk_batch::compressed::Format;
use carwalk_batch::header::begins_like_car;
use data_encoding::{BASE64_NOPAD, HEXLOWER_PERMISSIVE};

use super::LEAST_CUT;
use super::text::Text;

/// Most digits that are decoded: enough for the header's first key.
const MOST_DECODED: usize = 64;

/// Joins the lines of base64 text, and pads it if it has no padding: `base64 -d` refuses such text.
const PAD: &str = "tr -d '\\r\\n\"=' | awk '{while (length($0) % 4) $0 = $0 \"=\"; print}' | ";

/// Explains hex text: digits alone, or a dump.
pub(super) fn hex(text: &Text<'_>) -> Option<String> {
    let trimmed = text.bytes.trim_ascii_start();
    if let Some(command) = undump(trimmed) {
        let command = text.command(0, command);
        return Some(format!("this is a hex dump: `{command}` converts it to bytes"));
    }
    // Databases write these prefixes, and `xxd` does not skip them.
    let prefixed = trimmed.strip_prefix(b"0x").or_else(|| trimmed.strip_prefix(b"\\x"));
    let digits = prefixed.unwrap_or(trimmed);
    let is_digit = |byte: &u8| byte.is_ascii_hexdigit() || byte.is_ascii_whitespace();
    if !digits.iter().all(is_digit) || !is_worth_decoding(&hex_bytes(digits)?) {
        return None;
    }
    let count = digits.iter().filter(|byte| !byte.is_ascii_whitespace()).count();
    let is_odd = text.bytes.len() < LEAST_CUT && count % 2 == 1;
    let end = if is_odd { "; a digit is missing at the end" } else { "" };
    let command = match prefixed {
        Some(_) => text.command(text.bytes.len().saturating_sub(digits.len()), "xxd -r -p"),
        // `xxd` skips white space before the digits.
        None => "xxd -r -p".to_owned(),
    };
    Some(format!("this is hex text: `{command}` converts it to bytes{end}"))
}

/// Returns the command for lines of addresses, bytes in hex, and their text.
fn undump(text: &[u8]) -> Option<&'static str> {
    let line = text.split(|&byte| byte == b'\n').next()?;
    let (address, rest) = line.split_at_checked(8)?;
    if !address.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let (end, command) = match rest {
        [b':', b' ', ..] => (&b"  "[..], "xxd -r"),
        // `xxd -r` stops at the gap in the middle of these lines.
        [b' ', b' ', ..] => (&b"|"[..], "cut -c 11-58 | xxd -r -p"),
        _ => return None,
    };
    let digits = rest.get(2..)?;
    let len = digits.windows(end.len()).position(|window| window == end);
    let digits = digits.get(..len.unwrap_or(digits.len()))?;
    is_worth_decoding(&hex_bytes(digits)?).then_some(command)
}

/// Returns the first bytes of hex digits with white space among them.
fn hex_bytes(text: &[u8]) -> Option<Vec<u8>> {
    let digits = text.iter().copied().filter(|byte| !byte.is_ascii_whitespace());
    let digits: Vec<u8> = digits.take(MOST_DECODED).collect();
    HEXLOWER_PERMISSIVE.decode(digits.get(..digits.len() & !1)?).ok()
}

/// Returns whether decoded bytes begin like a CAR or compressed data. Other text may consist of the
/// same digits.
fn is_worth_decoding(bytes: &[u8]) -> bool {
    begins_like_car(bytes) || Format::of(bytes).is_some()
}

/// Explains base64 text: digits in lines, maybe with quotes around them.
pub(super) fn base64(text: &Text<'_>) -> Option<String> {
    let trimmed = text.bytes.trim_ascii();
    let inner = trimmed.strip_prefix(b"\"").unwrap_or(trimmed);
    let inner = inner.strip_suffix(b"\"").unwrap_or(inner).trim_ascii_end();
    let padding = inner.iter().rev().take_while(|&&byte| byte == b'=').count();
    let digits = inner.get(..inner.len().saturating_sub(padding))?;
    // Spaces are not accepted: they occur in ordinary text.
    let is_any = |byte: &u8| is_base64(*byte) || matches!(byte, b'\r' | b'\n');
    if !digits.iter().all(is_any) || !is_worth_decoding(&base64_bytes(digits)?) {
        return None;
    }
    let whole = (text.whole)();
    let is_url = whole.has_url || digits.iter().any(|byte| b"-_".contains(byte));
    let name = if is_url { "base64url" } else { "base64" };
    let joined = match whole.padding() {
        Padding::Impossible => {
            return Some(format!("this is {name} text, cut in the middle: download it again"));
        }
        Padding::Missing => PAD,
        Padding::Whole => match (whole.has_return, whole.has_quote) {
            (true, true) => "tr -d '\\r\"' | ",
            (true, false) => "tr -d '\\r' | ",
            (false, true) => "tr -d '\"' | ",
            (false, false) => "",
        },
    };
    let translated = if is_url { "tr '_-' '/+' | " } else { "" };
    let command = text.command(0, &format!("{joined}{translated}base64 -d"));
    Some(format!("this is {name} text: `{command}` converts it to bytes"))
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+/-_".contains(&byte)
}

/// Returns the first bytes of base64 text.
fn base64_bytes(text: &[u8]) -> Option<Vec<u8>> {
    let digits = text.iter().filter(|&&byte| is_base64(byte)).map(|&byte| match byte {
        b'-' => b'+',
        b'_' => b'/',
        byte => byte,
    });
    let digits: Vec<u8> = digits.take(MOST_DECODED).collect();
    BASE64_NOPAD.decode(digits.get(..digits.len() & !3)?).ok()
}

/// Whether base64 text has the padding that its length needs.
#[derive(Debug, PartialEq, Eq)]
enum Padding {
    Whole,
    /// The padding is missing, or the end of the text is unknown.
    Missing,
    /// No base64 text has this number of digits.
    Impossible,
}

/// Counts over a whole base64 text, in any encoding that keeps ASCII bytes.
#[derive(Default)]
pub(super) struct Base64 {
    digits: u64,
    padding: u64,
    has_return: bool,
    has_quote: bool,
    /// Whether there are digits that only base64url has.
    has_url: bool,
    /// Whether only a part was read.
    pub(super) is_part: bool,
}

impl Base64 {
    fn padding(&self) -> Padding {
        match (self.digits % 4, self.padding) {
            _ if self.is_part => Padding::Missing,
            (0, 0) | (2, 2) | (3, 1) => Padding::Whole,
            (1, _) => Padding::Impossible,
            _ => Padding::Missing,
        }
    }
}

/// Counts the bytes of the text that is written to it.
impl Write for Base64 {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        let count = |is_one: fn(u8) -> bool| piece.iter().filter(|&&byte| is_one(byte)).count();
        self.digits = self.digits.saturating_add(count(is_base64) as u64);
        self.padding = self.padding.saturating_add(count(|byte| byte == b'=') as u64);
        self.has_return |= piece.contains(&b'\r');
        self.has_quote |= piece.contains(&b'"');
        self.has_url |= piece.iter().any(|byte| b"-_".contains(byte));
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_is_known_by_the_number_of_digits() {
        for (text, padding) in [
            ("YWJj", Padding::Whole),
            ("YW\r\nI=", Padding::Whole),
            ("\"YQ==\"", Padding::Whole),
            ("Y-_", Padding::Missing),
            ("YQ=", Padding::Missing),
            ("YWJj=", Padding::Missing),
            ("YWJjY", Padding::Impossible),
        ] {
            for text in [text.to_owned(), text.replace("Y", "Y\0")] {
                let mut whole = Base64::default();
                whole.write_all(text.as_bytes()).unwrap();
                assert_eq!(whole.padding(), padding, "{text:?}");
                whole.is_part = true;
                assert_eq!(whole.padding(), Padding::Missing);
            }
        }
    }
}
