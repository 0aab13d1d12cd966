//! Texts for messages: one line without control characters.

use std::io;

/// Escapes control characters and characters that change how text is shown, as
/// [`char::escape_debug`] does. Quotes and backslashes stay.
///
/// # Examples
///
/// ```
/// use carwalk_batch::message::escaped;
///
/// assert_eq!(escaped("\"é\\\"\n\u{1b}[2J\u{202e}"), "\"é\\\"\\n\\u{1b}[2J\\u{202e}");
/// ```
#[must_use]
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '\\' | '"' | '\'' => out.push(char),
            char => out.extend(char.escape_debug()),
        }
    }
    out
}

/// Returns the message of an I/O error, [escaped](escaped()), without the number that the standard
/// library adds to those of the system.
///
/// # Examples
///
/// ```
/// use carwalk_batch::message;
///
/// let error = std::fs::File::open("no/such.car").unwrap_err();
/// let number = error.raw_os_error().unwrap();
/// assert_eq!(error.to_string(), format!("{} (os error {number})", message::of_io(&error)));
/// ```
#[must_use]
pub fn of_io(error: &io::Error) -> String {
    let text = error.to_string();
    escaped(text.rsplit_once(" (os error ").map_or(text.as_str(), |(words, _)| words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_backslashes_stay() {
        assert_eq!(escaped("it's \"a\\b\" é"), "it's \"a\\b\" é");
    }

    #[test]
    fn messages_of_io_errors_have_no_number() {
        let error = io::Error::from_raw_os_error(2);
        assert!(!of_io(&error).contains("os error"));
        assert_eq!(of_io(&io::Error::other("a\nb")), "a\\nb");
    }
}
