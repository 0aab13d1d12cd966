//! Files that are not CARs: bytes that a text layer destroyed or encoded, archives, and answers of
//! servers with more than the CAR.

use data_encoding::{BASE64_NOPAD, HEXLOWER_PERMISSIVE};

use super::header::{ROOTS_KEY, begins_like_car};
use super::{LEAST_CUT, http, json};
use crate::escape::{Quoted, is_harmful};
use crate::input::Format;

/// Bytes that the key is looked for in.
const START_LEN: usize = 128;

/// Digits of base64 text that are decoded.
const LEAST_ENCODED: usize = 24;

/// Most characters of unknown text that are printed.
const EXCERPT_LEN: usize = 60;

const UTF8_BOM: &[u8] = b"\xef\xbb\xbf";

/// Names an input by its first bytes.
type Rule = fn(&[u8]) -> Option<String>;

const RULES: [Rule; 8] =
    [archive, utf16, http::what, python_literal, hex, base64, decoded_text, plain_text];

/// Returns what an input is that begins with `head` and not with the header of a CAR.
pub(super) fn what(head: &[u8]) -> Option<String> {
    if let Some(rest) = head.strip_prefix(UTF8_BOM) {
        return Some(after_mark(rest));
    }
    by_rule(head)
}

fn by_rule(head: &[u8]) -> Option<String> {
    RULES.iter().find_map(|rule| rule(head))
}

fn after_mark(rest: &[u8]) -> String {
    if begins_like_car(rest) {
        return "a UTF-8 byte order mark stands before the CAR: `tail -c +4` removes its 3 bytes"
            .to_owned();
    }
    let len = UTF8_BOM.len();
    let encoded = hex_after(rest, len).or_else(|| base64_after(rest, len));
    let named = encoded.or_else(|| decoded_after(rest, len)).or_else(|| by_rule(rest));
    named.unwrap_or_else(|| {
        "this begins with a UTF-8 byte order mark, as text does; download it again as bytes"
            .to_owned()
    })
}

fn has_near_start(bytes: &[u8], part: &[u8]) -> bool {
    let start = bytes.get(..START_LEN).unwrap_or(bytes);
    start.windows(part.len()).any(|window| window == part)
}

fn archive(head: &[u8]) -> Option<String> {
    const KNOWN: [(&[u8], &str, &str); 4] = [
        (b"PK\x03\x04", "a zip archive", "unzip"),
        (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "7z x"),
        (b"\xfd7zXZ\0", "xz data", "xz -d"),
        (b"BZh", "bzip2 data", "bzip2 -d"),
    ];
    if head.starts_with(b"PK\x05\x06") {
        return Some("this is a zip archive with nothing in it".to_owned());
    }
    let (_, what, command) = KNOWN.into_iter().find(|(mark, ..)| head.starts_with(mark))?;
    Some(format!("this is {what}: extract the CAR with `{command}` first"))
}

/// Text in units of two bytes. Most of it is ASCII, so every other byte is zero.
fn utf16(head: &[u8]) -> Option<String> {
    let has_mark = head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff");
    let start = head.get(..START_LEN).unwrap_or(head);
    let zeros = |parity: usize| {
        start.iter().enumerate().filter(|(at, byte)| at % 2 == parity && **byte == 0).count()
    };
    let (even, odd) = (zeros(0), zeros(1));
    let most = start.len() / 2;
    let is_alternating = start.len() >= 8 && even.max(odd) > most / 2 && even.min(odd) <= most / 8;
    let spaced: Vec<u8> = ROOTS_KEY.iter().flat_map(|&byte| [byte, 0]).collect();
    let has_key = spaced.strip_suffix(b"\0").is_some_and(|spaced| has_near_start(head, spaced));
    (has_mark || has_key || is_alternating).then(|| {
        utf16_of_ascii(head, even > odd || head.starts_with(b"\xfe\xff")).unwrap_or_else(|| {
            "this is UTF-16 text: PowerShell's `>` writes text, and bytes are lost; download it again \
         with `curl -o FILE` or `-OutFile FILE`"
                .to_owned()
        })
    })
}

/// UTF-16 that is all printable ASCII, so that nothing is lost.
fn utf16_of_ascii(head: &[u8], is_big_endian: bool) -> Option<String> {
    let rest = [b"\xff\xfe", b"\xfe\xff"].iter().find_map(|mark| head.strip_prefix(*mark));
    let order = match (rest, is_big_endian) {
        (Some(_), _) => "",
        (None, true) => "BE",
        (None, false) => "LE",
    };
    let ascii = |pair: &[u8]| match (is_big_endian, pair) {
        (false, &[byte, 0]) | (true, &[0, byte]) => {
            (byte.is_ascii_graphic() || byte.is_ascii_whitespace()).then_some(byte)
        }
        _ => None,
    };
    let text: Vec<u8> = rest.unwrap_or(head).chunks_exact(2).map(ascii).collect::<Option<_>>()?;
    if text.trim_ascii_start().starts_with(b"{") {
        return json::what(&text);
    }
    let then = hex(&text).or_else(|| base64(&text))?;
    Some(format!("this is UTF-16: `iconv -f UTF-16{order} -t ASCII` converts it; then, {then}"))
}

fn python_literal(head: &[u8]) -> Option<String> {
    let literal = head.trim_ascii_start();
    let literal = literal.strip_prefix(b"bytearray(").unwrap_or(literal);
    let is_literal = literal.starts_with(b"b'") || literal.starts_with(b"b\"");
    (is_literal && literal.is_ascii()).then(|| {
        "this is the text of a Python bytes literal: write the bytes themselves, with open(FILE, \
         \"wb\").write(..)"
            .to_owned()
    })
}

fn hex(head: &[u8]) -> Option<String> {
    hex_after(head, 0)
}

/// Hex text after so many bytes that `xxd` does not skip.
fn hex_after(head: &[u8], skipped: usize) -> Option<String> {
    let text = head.trim_ascii_start();
    if let Some(dump) = hex_dump(text) {
        return Some(dump);
    }
    // Databases write such prefixes.
    let prefixed = text.strip_prefix(b"0x").or_else(|| text.strip_prefix(b"\\x"));
    let digits: Vec<u8> = prefixed
        .unwrap_or(text)
        .iter()
        .copied()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    let start = digits.get(..digits.len().min(START_LEN) & !1)?;
    let bytes = HEXLOWER_PERMISSIVE.decode(start).ok()?;
    let is_hex = digits.iter().all(u8::is_ascii_hexdigit)
        && (begins_like_car(&bytes) || Format::of(&bytes).is_some());
    let before = head.len().saturating_sub(text.len()).saturating_add(skipped);
    let skipped = prefixed.map_or(0, |_| before.saturating_add(2));
    let whole = head.len() < LEAST_CUT && digits.len() % 2 == 1;
    let end = if whole { "; a digit is missing at the end" } else { "" };
    is_hex.then(|| {
        let command = from_byte(skipped, "xxd -r -p");
        format!("this is hex text: `{command}` converts it to bytes{end}")
    })
}

/// Lines of addresses, bytes in hex, and their text.
fn hex_dump(text: &[u8]) -> Option<String> {
    let (address, rest) = text.split_at_checked(8)?;
    if !address.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let command = if rest.starts_with(b": ") {
        "xxd -r"
    } else if rest.starts_with(b"  ") {
        // `xxd -r` stops at the gap in the middle of these lines.
        "cut -c 11-58 | xxd -r -p"
    } else {
        return None;
    };
    Some(format!("this is a hex dump: `{command}` converts it to bytes"))
}

/// A command that is to read from behind so many bytes on.
fn from_byte(skipped: usize, command: &str) -> String {
    match skipped {
        0 => command.to_owned(),
        skipped => format!("tail -c +{} | {command}", skipped.saturating_add(1)),
    }
}

fn base64(head: &[u8]) -> Option<String> {
    base64_after(head, 0)
}

/// Base64 text after so many bytes.
fn base64_after(head: &[u8], skipped: usize) -> Option<String> {
    let text = head.trim_ascii();
    let inner = text.strip_prefix(b"\"").unwrap_or(text);
    let inner = inner.strip_suffix(b"\"").unwrap_or(inner);
    let digits = inner.trim_suffix_of(b'=');
    let is_digit = |byte: u8| byte.is_ascii_alphanumeric() || b"+/-_".contains(&byte);
    if !consists_of(digits, is_digit) || !is_worth_decoding(digits) {
        return None;
    }
    let (name, decode) = match digits.iter().any(|byte| b"-_".contains(byte)) {
        true => ("base64url", "basenc --base64url -d"),
        false => ("base64", "base64 -d"),
    };
    let delete = match (head.contains(&b'\r'), inner.len() < text.len()) {
        (true, true) => "tr -d '\\r\"' | ",
        (true, false) => "tr -d '\\r' | ",
        (false, true) => "tr -d '\"' | ",
        (false, false) => "",
    };
    let command = from_byte(skipped, &format!("{delete}{decode}"));
    Some(format!("this is {name} text: `{command}` converts it to bytes"))
}

/// Whether base64 text begins with a CAR, or with compressed data: single words are base64 too.
fn is_worth_decoding(digits: &[u8]) -> bool {
    let standard = |&byte: &u8| match byte {
        b'-' => b'+',
        b'_' => b'/',
        byte => byte,
    };
    let start: Vec<u8> = digits.iter().take(LEAST_ENCODED).map(standard).collect();
    BASE64_NOPAD
        .decode(&start)
        .is_ok_and(|bytes| begins_like_car(&bytes) || Format::of(&bytes).is_some())
}

trait TrimSuffix {
    /// The bytes without all of this byte at the end.
    fn trim_suffix_of(&self, byte: u8) -> &[u8];
}

impl TrimSuffix for [u8] {
    fn trim_suffix_of(&self, byte: u8) -> &[u8] {
        let mut rest = self;
        while let [front @ .., last] = rest
            && *last == byte
        {
            rest = front;
        }
        rest
    }
}

/// Whether bytes are digits in lines: no spaces inside a line, which words have.
fn consists_of(bytes: &[u8], is_digit: impl Fn(u8) -> bool) -> bool {
    bytes.iter().all(|&byte| is_digit(byte) || byte == b'\r' || byte == b'\n')
}

/// A CAR that was decoded as text and stored as UTF-8.
fn decoded_text(head: &[u8]) -> Option<String> {
    decoded_after(head, 0)
}

fn decoded_after(head: &[u8], skipped: usize) -> Option<String> {
    let text = utf8(head).filter(|text| !text.is_ascii() && has_near_start(head, ROOTS_KEY))?;
    Some(if text.contains(char::REPLACEMENT_CHARACTER) {
        "this was decoded as UTF-8 text: U+FFFD stands where bytes were, and they are lost; \
         download it again as bytes, not as text"
            .to_owned()
    } else if text.chars().all(|char| u32::from(char) < 0x100) {
        let command = from_byte(skipped, "iconv -f UTF-8 -t LATIN1");
        format!(
            "this was decoded as Latin-1 text and stored as UTF-8: `{command}` restores the bytes"
        )
    } else {
        "this was decoded as text and stored as UTF-8: download it again as bytes, not as text"
            .to_owned()
    })
}

fn plain_text(head: &[u8]) -> Option<String> {
    let text = utf8(head).filter(|text| text.len() >= 4)?;
    let is_shown = |char: char| !is_harmful(char) || matches!(char, '\t' | '\r' | '\n');
    let line = text.trim_start().lines().next()?;
    text.chars().all(is_shown).then(|| {
        format!("this is text, not a CAR; it begins with {}", Quoted(line.trim(), EXCERPT_LEN))
    })
}

/// The text that bytes are, but for a character that is cut at the end.
fn utf8(bytes: &[u8]) -> Option<&str> {
    match core::str::from_utf8(bytes) {
        Ok(text) => Some(text),
        Err(error) if error.error_len().is_none() => {
            core::str::from_utf8(bytes.get(..error.valid_up_to())?).ok()
        }
        Err(_) => None,
    }
}
