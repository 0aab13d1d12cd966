//! The `error` and `message` of a server's JSON answer. The JSON may be cut, contain raw control
//! characters, or not be UTF-8.

use crate::escape::Quoted;

/// Most characters of a server's text that are printed.
const TEXT_LEN: usize = 200;

/// The strings of an answer's top level that describe an error.
#[derive(Default)]
struct Answer {
    error: Option<Text>,
    message: Option<Text>,
}

/// A string of JSON, without its escapes.
struct Text {
    text: String,
    is_cut: bool,
}

/// Returns the server's error and message, if `json` is the beginning of an object with any of
/// them.
pub(crate) fn told(json: &[u8]) -> Option<String> {
    let Answer { error, message } = scan(json)?;
    match (error, message) {
        (Some(error), Some(message)) => {
            let (error, message) = (error.quoted(), message.quoted());
            Some(format!("the server's error {error} with the message {message}"))
        }
        (Some(error), None) => Some(format!("the server's error {}", error.quoted())),
        (None, Some(message)) => Some(format!("the server's message {}", message.quoted())),
        (None, None) => None,
    }
}

fn scan(json: &[u8]) -> Option<Answer> {
    let json = json.strip_prefix(b"\xef\xbb\xbf").unwrap_or(json);
    let mut rest = json.trim_ascii_start().strip_prefix(b"{")?;
    let mut answer = Answer::default();
    let mut depth = 1_usize;
    let (mut last, mut key): (Option<String>, Option<String>) = (None, None);
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'"' => {
                let (text, after) = string(rest);
                rest = after;
                match key.take() {
                    _ if depth != 1 => {}
                    Some(name) => answer.set(&name, text),
                    None => last = Some(text.text),
                }
            }
            b':' if depth == 1 => key = last.take(),
            b',' if depth == 1 => (last, key) = (None, None),
            b'{' | b'[' => (depth, key) = (depth.saturating_add(1), None),
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    Some(answer)
}

impl Answer {
    /// Sets a value. Of repeated names, the first value stays.
    fn set(&mut self, name: &str, value: Text) {
        match name {
            "error" => self.error.get_or_insert(value),
            "message" => self.message.get_or_insert(value),
            _ => return,
        };
    }
}

impl Text {
    fn quoted(&self) -> String {
        let quoted = Quoted(&self.text, TEXT_LEN).to_string();
        match self.is_cut && !quoted.ends_with("..") {
            true => format!("{quoted}.."),
            false => quoted,
        }
    }
}

/// Reads a string after its opening quote. Returns it with the bytes after its closing quote.
fn string(bytes: &[u8]) -> (Text, &[u8]) {
    let mut is_escaped = false;
    let end = bytes.iter().position(|&byte| {
        let is_end = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        is_end
    });
    let content = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default();
    let rest = end.and_then(|end| bytes.get(end.saturating_add(1)..)).unwrap_or_default();
    let is_cut = end.is_none();
    let mut text = unescaped(&String::from_utf8_lossy(content));
    if is_cut && text.ends_with(char::REPLACEMENT_CHARACTER) {
        text.pop();
    }
    (Text { text, is_cut }, rest)
}

/// Replaces escapes. Lone surrogates become U+FFFD, and a truncated escape is dropped. Other
/// sequences with a backslash stay.
fn unescaped(text: &str) -> String {
    let mut units = Vec::new();
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        let char = match char {
            '\\' => match chars.next() {
                None => break,
                Some('u') => match unit(chars.as_str()) {
                    Digits::Unit(unit, rest) => {
                        units.push(unit);
                        chars = rest.chars();
                        continue;
                    }
                    Digits::Cut => break,
                    Digits::None => {
                        units.push(u16::from(b'\\'));
                        'u'
                    }
                },
                Some('n') => '\n',
                Some('t') => '\t',
                Some('r') => '\r',
                Some('b') => '\u{8}',
                Some('f') => '\u{c}',
                Some(char) => char,
            },
            char => char,
        };
        units.extend_from_slice(char.encode_utf16(&mut [0; 2]));
    }
    String::from_utf16_lossy(&units)
}

/// The text after `\u`.
enum Digits<'t> {
    /// A unit of UTF-16, and the text after its four digits.
    Unit(u16, &'t str),
    /// Digits to the end of the text, but fewer than four.
    Cut,
    /// No escape.
    None,
}

fn unit(text: &str) -> Digits<'_> {
    let is_hex = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    match text.split_at_checked(4) {
        Some((digits, rest)) if is_hex(digits) => {
            u16::from_str_radix(digits, 16).map_or(Digits::None, |unit| Digits::Unit(unit, rest))
        }
        None if is_hex(text) => Digits::Cut,
        _ => Digits::None,
    }
}
