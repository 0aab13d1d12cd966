//! Paths as text.

use std::borrow::Cow;
use std::path::{Component, Path, PathBuf};

/// Returns a path as one line of text: as it is if it is UTF-8 without control and format
/// characters and does not begin with a quote, else quoted and escaped.
///
/// Different paths have different names, so a report can be searched for one.
///
/// # Examples
///
/// ```
/// use carwalk_batch::path_name;
///
/// assert_eq!(path_name("repos/é.car".as_ref()), "repos/é.car");
/// assert_eq!(path_name("a\nb.car".as_ref()), "\"a\\nb.car\"");
/// ```
#[must_use]
pub fn path_name(path: &Path) -> String {
    match path.to_str().filter(|text| is_plain(text)) {
        Some(text) => text.to_owned(),
        None => format!("{path:?}"),
    }
}

/// Returns whether a text is printed as it is. Quotes and backslashes inside are.
fn is_plain(text: &str) -> bool {
    let is_escaped = |char: char| {
        !matches!(char, '"' | '\'' | '\\') && !char.is_ascii_graphic() && char != ' ' && {
            let mut escape = char.escape_debug();
            escape.next() != Some(char) || escape.next().is_some()
        }
    };
    !text.starts_with('"') && !text.chars().any(is_escaped)
}

/// Returns the key by which names of inputs are compared: without repeated slashes and components
/// `.`. Links are not resolved, and names that are quoted are compared as they are.
pub(crate) fn key(name: &str) -> Cow<'_, str> {
    if name.starts_with('"') {
        return Cow::Borrowed(name);
    }
    let components = Path::new(name).components();
    let path: PathBuf = components.filter(|part| *part != Component::CurDir).collect();
    match path.to_str() {
        // Such a key could be that of a quoted name.
        Some(text) if text.starts_with('"') => Cow::Owned(format!("./{text}")),
        Some("") | None => Cow::Borrowed(name),
        Some(text) if text == name => Cow::Borrowed(name),
        Some(text) => Cow::Owned(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain_unless_they_would_harm_a_terminal_or_a_line() {
        for plain in ["a b.car", "it's \"x\"\\y.car", "漢/é.car", "-", ""] {
            assert_eq!(path_name(plain.as_ref()), plain);
        }
        for (path, name) in [
            ("\u{1b}[2J", r#""\u{1b}[2J""#),
            ("a\tb", r#""a\tb""#),
            ("\u{202e}", r#""\u{202e}""#),
            ("\"a\\tb\"", r#""\"a\\tb\"""#),
        ] {
            assert_eq!(path_name(path.as_ref()), name);
        }
    }

    #[test]
    #[cfg(unix)]
    fn names_of_other_bytes_differ() {
        use std::os::unix::ffi::OsStrExt;
        let name = |bytes: &[u8]| path_name(Path::new(std::ffi::OsStr::from_bytes(bytes)));
        assert_eq!(name(b"\xff.car"), "\"\\xFF.car\"");
        assert_ne!(name(b"\xff.car"), name(b"\xfe.car"));
        assert_ne!(name(b"\xff.car"), name(b"\"\\xFF.car\""));
    }

    #[test]
    fn keys_do_not_depend_on_the_spelling() {
        for same in ["a/b.car", "./a/b.car", "a//b.car", "a/./b.car", "././/a/b.car"] {
            assert_eq!(key(same), "a/b.car");
        }
        assert_eq!(key("//a/./b.car"), key("/a/b.car"));
        for other in ["/a/b.car", "a/../a/b.car", "a/b.car.gz", "A/b.car", "", "."] {
            assert_ne!(key(other), "a/b.car");
        }
        assert_eq!(key("../a"), "../a");
        // A quoted name is that of another path than the same characters after `./`.
        assert_ne!(key(r#"./"a\tb""#), key(&path_name("a\tb".as_ref())));
    }
}
