//! Files that are not CARs: bytes that were destroyed or encoded as text, archives, and HTTP
//! responses.

use carwalk_batch::header::{ROOTS_KEY, begins_like_car};

use super::encoded::{Base64, base64, hex};
use super::{http, json};
use crate::escape::{Quoted, is_harmful};

/// Bytes at the beginning in which the key is searched.
const START_LEN: usize = 128;

/// Most characters of unknown text that are printed.
const EXCERPT_LEN: usize = 60;

const UTF8_BOM: &[u8] = b"\xef\xbb\xbf";

/// The beginning of an input, or of the text that it encodes.
pub(super) struct Text<'t> {
    pub(super) bytes: &'t [u8],
    /// The number of bytes of the input before `bytes`.
    pub(super) skipped: usize,
    /// Reads the whole input as base64 text.
    pub(super) whole: &'t dyn Fn() -> Base64,
}

impl Text<'_> {
    /// Returns a command line that passes the input from byte `from` of the text on to `command`.
    pub(super) fn command(&self, from: usize, command: &str) -> String {
        match self.skipped.saturating_add(from) {
            0 => command.to_owned(),
            skipped => format!("tail -c +{} | {command}", skipped.saturating_add(1)),
        }
    }
}

/// Names an input by its first bytes.
type Rule = fn(&Text<'_>) -> Option<String>;

const RULES: [Rule; 8] = [
    |text| archive(text.bytes),
    utf16,
    |text| http::what(text.bytes),
    |text| python_literal(text.bytes),
    hex,
    base64,
    decoded_text,
    |text| plain_text(text.bytes),
];

/// Names an input that does not begin with the header of a CAR.
pub(super) fn what(text: &Text<'_>) -> Option<String> {
    match text.bytes.strip_prefix(UTF8_BOM) {
        Some(rest) => Some(after_mark(&Text { bytes: rest, skipped: UTF8_BOM.len(), ..*text })),
        None => by_rule(text),
    }
}

fn by_rule(text: &Text<'_>) -> Option<String> {
    RULES.iter().find_map(|rule| rule(text))
}

fn after_mark(text: &Text<'_>) -> String {
    if begins_like_car(text.bytes) {
        return "a UTF-8 byte order mark stands before the CAR: `tail -c +4` removes its 3 bytes"
            .to_owned();
    }
    by_rule(text).unwrap_or_else(|| {
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

/// Explains UTF-16: with a byte order mark, or a CAR or ASCII text without one.
fn utf16(text: &Text<'_>) -> Option<String> {
    let units = Units::of(text.bytes);
    let ascii = units.ascii();
    let converted = ascii.as_deref().map(|bytes| Text { bytes, skipped: 0, ..*text });
    if let Some(message) = converted.and_then(|text| lossless(&text, units.name)) {
        return Some(message);
    }
    let is_marked = units.has_mark() && units.are_text();
    let is_text = is_marked || ascii.is_some() || has_near_start(&units.low(), ROOTS_KEY);
    is_text.then(|| {
        "this is UTF-16 text: PowerShell's `>` writes text, and bytes are lost; download it again \
         with `curl -o FILE` or `-OutFile FILE`"
            .to_owned()
    })
}

/// Explains UTF-16 text that is all printable ASCII: it can be converted without loss.
fn lossless(text: &Text<'_>, encoding: &str) -> Option<String> {
    if text.bytes.trim_ascii_start().starts_with(b"{") {
        return json::what(text.bytes);
    }
    let then = hex(text).or_else(|| base64(text))?;
    Some(format!("this is UTF-16: `iconv -f {encoding} -t ASCII` converts it; then, {then}"))
}

/// Bytes as UTF-16 code units.
struct Units {
    units: Vec<u16>,
    /// The encoding, as `iconv` names it. With a byte order mark, the name has no byte order.
    name: &'static str,
}

impl Units {
    const MARKED: &'static str = "UTF-16";

    fn of(head: &[u8]) -> Self {
        let (pairs, _) = head.as_chunks::<2>();
        let zeros = |at: usize| pairs.iter().filter(|pair| pair.get(at) == Some(&0)).count();
        let is_big_endian = zeros(0) > zeros(1);
        let (bytes, decode, name) = match head {
            [0xff, 0xfe, rest @ ..] => {
                (rest, u16::from_le_bytes as fn([u8; 2]) -> u16, Self::MARKED)
            }
            [0xfe, 0xff, rest @ ..] => (rest, u16::from_be_bytes as _, Self::MARKED),
            _ if is_big_endian => (head, u16::from_be_bytes as _, "UTF-16BE"),
            _ => (head, u16::from_le_bytes as _, "UTF-16LE"),
        };
        let (pairs, _) = bytes.as_chunks();
        Units { units: pairs.iter().copied().map(decode).collect(), name }
    }

    fn has_mark(&self) -> bool {
        self.name == Self::MARKED
    }

    /// Returns whether all units are characters. The last character may be truncated.
    fn are_text(&self) -> bool {
        let is_first_half = |unit: &u16| (0xd800..0xdc00).contains(unit);
        let whole = match self.units.split_last() {
            Some((last, front)) if is_first_half(last) => front,
            _ => &self.units,
        };
        char::decode_utf16(whole.iter().copied()).all(|char| char.is_ok())
    }

    /// Returns the text, if it is all printable ASCII. Returns `None` for fewer than 4 units, which
    /// may be anything.
    fn ascii(&self) -> Option<Vec<u8>> {
        let is_text = |byte: &u8| byte.is_ascii_graphic() || byte.is_ascii_whitespace();
        let text = self.units.iter().map(|&unit| u8::try_from(unit).ok().filter(is_text));
        text.collect::<Option<Vec<_>>>().filter(|text| text.len() >= 4)
    }

    /// Encodes the text as Latin-1, with 0xff for other characters.
    fn low(&self) -> Vec<u8> {
        self.units.iter().map(|&unit| u8::try_from(unit).unwrap_or(0xff)).collect()
    }
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

/// Explains a CAR that was decoded as text and stored as UTF-8.
fn decoded_text(text: &Text<'_>) -> Option<String> {
    let chars = utf8(text.bytes)
        .filter(|chars| !chars.is_ascii() && has_near_start(text.bytes, ROOTS_KEY))?;
    Some(if chars.contains(char::REPLACEMENT_CHARACTER) {
        "this was decoded as UTF-8 text: U+FFFD stands where bytes were, and they are lost; \
         download it again as bytes, not as text"
            .to_owned()
    } else if chars.chars().all(|char| u32::from(char) < 0x100) {
        let command = text.command(0, "iconv -f UTF-8 -t LATIN1");
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

/// Returns the bytes as text. The last character may be truncated.
fn utf8(bytes: &[u8]) -> Option<&str> {
    match core::str::from_utf8(bytes) {
        Ok(text) => Some(text),
        Err(error) if error.error_len().is_none() => {
            core::str::from_utf8(bytes.get(..error.valid_up_to())?).ok()
        }
        Err(_) => None,
    }
}
