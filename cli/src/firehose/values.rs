//! JSON values one after the other, found without parsing them.

/// Finds the end of each value in a sequence of JSON values.
///
/// Only texts and nesting are followed, so a value that is found may still be malformed. Each byte
/// is looked at once, however it arrives.
pub(super) struct Values {
    /// The longest accepted value, in bytes.
    max: usize,
    place: Place,
    /// Bytes of the value that were looked at.
    scanned: usize,
    depth: usize,
    /// Whether the rest of a value is skipped, because it is too long.
    is_skipping: bool,
    /// The number of line breaks before the unread bytes.
    lines: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Between,
    /// In an array or object, or at the start of a value.
    Structure,
    Text,
    /// After a backslash in a text.
    Escape,
    /// In a number or word.
    Word,
}

/// What comes next.
pub(super) enum Found {
    /// More bytes are needed.
    More,
    /// So many bytes are skipped.
    Skip(usize),
    /// A value of so many bytes, which begins in this line, counted from 1.
    Value {
        len: usize,
        line: u64,
    },
    /// So many bytes of a value that is longer than the limit. The rest of it will be skipped.
    TooLong {
        len: usize,
        line: u64,
    },
    End,
}

impl Values {
    pub(super) fn new(max: usize) -> Self {
        let place = Place::Between;
        Values { max, place, scanned: 0, depth: 0, is_skipping: false, lines: 0 }
    }

    /// Looks at the bytes that are not used yet. The caller uses as many as the answer says before
    /// the next call.
    pub(super) fn step(&mut self, bytes: &[u8], is_at_end: bool) -> Found {
        if self.place == Place::Between {
            let is_space = |byte: &&u8| b" \t\r\n".contains(byte);
            match (bytes.iter().take_while(is_space).count(), bytes.first()) {
                (0, None) if is_at_end => return Found::End,
                (0, None) => return Found::More,
                (0, Some(b'{' | b'[' | b'"')) => self.place = Place::Structure,
                (0, Some(_)) => self.place = Place::Word,
                (space, _) => return self.skip(bytes, space),
            }
        }
        let is_whole = self.scan(bytes) || is_at_end;
        let (len, is_skipping) = (self.scanned, self.is_skipping);
        let is_long = len > self.max;
        if !is_whole && !is_long && !is_skipping {
            return Found::More;
        }
        if is_skipping && len == 0 && !is_whole {
            return Found::More;
        }
        (self.scanned, self.is_skipping) = (0, !is_whole);
        if is_whole {
            (self.place, self.depth) = (Place::Between, 0);
        }
        let line = self.lines.saturating_add(1);
        match self.skip(bytes, len) {
            skipped if is_skipping => skipped,
            _ if is_long => Found::TooLong { len, line },
            _ => Found::Value { len, line },
        }
    }

    fn skip(&mut self, bytes: &[u8], len: usize) -> Found {
        let skipped = bytes.iter().take(len);
        let breaks = skipped.filter(|byte| **byte == b'\n').count();
        self.lines = self.lines.saturating_add(breaks as u64);
        Found::Skip(len)
    }

    /// Looks at bytes up to the end of the value. Returns whether that was found.
    fn scan(&mut self, bytes: &[u8]) -> bool {
        let rest = bytes.get(self.scanned..).unwrap_or_default();
        for (count, &byte) in rest.iter().enumerate() {
            // White space ends a word and is not part of it.
            let is_space = b" \t\r\n".contains(&byte);
            let is_done = self.place == Place::Word && is_space;
            if is_done || self.takes(byte) {
                let len = count.saturating_add(usize::from(!is_done));
                self.scanned = self.scanned.saturating_add(len);
                return true;
            }
        }
        self.scanned = bytes.len();
        false
    }

    /// Takes a byte. Returns whether it is the last one of the value.
    fn takes(&mut self, byte: u8) -> bool {
        match (self.place, byte) {
            (Place::Escape, _) => self.place = Place::Text,
            (Place::Text, b'\\') => self.place = Place::Escape,
            (Place::Text, b'"') => self.place = Place::Structure,
            (Place::Structure, b'"') => self.place = Place::Text,
            (Place::Structure, b'{' | b'[') => self.depth = self.depth.saturating_add(1),
            (Place::Structure, b'}' | b']') => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        self.place == Place::Structure && self.depth == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values and the lines in which they begin. `None` is a value that is too long.
    fn values(text: &str, piece: usize) -> Vec<(Option<&str>, u64)> {
        let (mut values, mut found) = (Values::new(20), Vec::new());
        let (mut start, mut end) = (0, 0);
        loop {
            match values.step(&text.as_bytes()[start..end], end == text.len()) {
                Found::More => {
                    assert!(end < text.len());
                    end = text.len().min(end.saturating_add(piece));
                }
                Found::Skip(len) => start = start.saturating_add(len),
                Found::Value { len, line } => {
                    found.push((Some(&text[start..][..len]), line));
                    start = start.saturating_add(len);
                }
                Found::TooLong { len, line } => {
                    found.push((None, line));
                    start = start.saturating_add(len);
                }
                Found::End => {
                    assert_eq!(start, text.len());
                    return found;
                }
            }
        }
    }

    #[test]
    fn values_are_found_in_pieces_of_any_length() {
        let long = format!(r#"{{"a":"}}\"{}"}}"#, "\n".repeat(20));
        let text = " {}\n[1,\n{}]{\"}\\\"]\":1}\n\n".to_owned() + &long + "\r1 \"a b\" {[ \"";
        let expected = [
            (Some("{}"), 1),
            (Some("[1,\n{}]"), 2),
            (Some("{\"}\\\"]\":1}"), 3),
            (None, 5),
            (Some("1"), 25),
            (Some("\"a b\""), 25),
            (Some("{[ \""), 25),
        ];
        for piece in 1..=text.len() {
            assert_eq!(values(&text, piece), expected, "{piece}");
        }
    }
}
