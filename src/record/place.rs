//! The path of an item in a record, as text: `embed.images[2].size`.

use core::fmt::Write;

/// The number of characters of a key that are written.
const MAX_NAME_CHARS: usize = 64;

/// The length in bytes after which no more segments are written. Otherwise the paths of a deep
/// record with long keys would cost the square of its length.
const MAX_TEXT_LEN: usize = 1024;

/// Replaces the rest of a key or path. Outside quotes it is not ambiguous.
const CUT: char = '\u{2026}';

/// One step from a container to its content.
pub(super) enum Segment<'k> {
    /// The member of a map with this key.
    Name(&'k str),
    /// The item of an array with this index.
    Index(usize),
    /// The member of a map with this index, whose key is not a text.
    OddKey(usize),
}

/// A path under construction.
pub(super) struct PlaceText {
    text: String,
    is_cut: bool,
}

impl PlaceText {
    pub(super) fn new() -> Self {
        PlaceText { text: String::new(), is_cut: false }
    }

    pub(super) fn push(&mut self, segment: Segment<'_>) {
        if self.is_cut {
            return;
        }
        if self.text.len() >= MAX_TEXT_LEN {
            self.is_cut = true;
            return self.text.push(CUT);
        }
        // Writing to a `String` does not fail.
        let _: Result<(), core::fmt::Error> = match segment {
            Segment::Index(index) => write!(self.text, "[{index}]"),
            Segment::OddKey(number) => write!(self.text, "{{{number}}}"),
            Segment::Name(name) if is_plain(name) => {
                let dot = if self.text.is_empty() { "" } else { "." };
                write!(self.text, "{dot}{name}")
            }
            Segment::Name(name) => match name.char_indices().nth(MAX_NAME_CHARS) {
                Some((end, _)) => {
                    let start = name.get(..end).unwrap_or_default();
                    write!(self.text, "[{start:?}{CUT}]")
                }
                None => write!(self.text, "[{name:?}]"),
            },
        };
    }

    pub(super) fn finish(self) -> Box<str> {
        self.text.into()
    }
}

/// Returns whether a key needs no quotes: letters, digits, `_`, `-` and `$` only.
fn is_plain(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'$');
    !name.is_empty() && name.len() <= MAX_NAME_CHARS && name.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(segments: impl IntoIterator<Item = Segment<'static>>) -> String {
        let mut place = PlaceText::new();
        segments.into_iter().for_each(|segment| place.push(segment));
        place.finish().into()
    }

    #[test]
    fn members_have_dots_and_items_brackets() {
        use Segment::{Index, Name, OddKey};
        assert_eq!(text([]), "");
        assert_eq!(text([Name("$type")]), "$type");
        assert_eq!(
            text([Name("embed"), Name("images"), Index(2), Name("size")]),
            "embed.images[2].size"
        );
        assert_eq!(text([Index(0), Index(7)]), "[0][7]");
        assert_eq!(text([Name("a"), OddKey(3), Name("b")]), "a{3}.b");
    }

    #[test]
    fn keys_that_look_like_paths_are_quoted() {
        use Segment::Name;
        for (key, expected) in [
            ("a.b", r#"["a.b"]"#),
            ("a[0]", r#"["a[0]"]"#),
            ("", r#"[""]"#),
            ("\"]", r#"["\"]"]"#),
            ("\u{1b}\u{202e}", r#"["\u{1b}\u{202e}"]"#),
            ("\u{2026}", "[\"\u{2026}\"]"),
        ] {
            assert_eq!(text([Name(key)]), expected);
        }
        assert_eq!(text([Name("v"), Name("a b")]), r#"v["a b"]"#);
    }

    #[test]
    fn long_keys_and_long_paths_are_cut() {
        let long: &str = Box::leak("a".repeat(1 << 20).into_boxed_str());
        let cut = format!("[\"{}\"\u{2026}]", "a".repeat(64));
        assert_eq!(text([Segment::Name(long)]), cut);
        assert_eq!(text([Segment::Name(&long[..64])]), &long[..64]);
        let deep = text((0..100).map(|_| Segment::Name(long)));
        assert!(deep.len() < MAX_TEXT_LEN + 100, "{}", deep.len());
        assert!(deep.ends_with(CUT));
    }
}
