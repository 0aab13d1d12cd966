//! The formats of messages, and how the first bytes tell them.

use carwalk::varint;
use clap::ValueEnum;

/// The format of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// The whole input is one frame.
    Frame,
    /// Frames one after the other, each behind its length.
    Varint,
    /// JSON values with white space between.
    Json,
}

impl Format {
    /// Returns the format that these first bytes tell. `None` if more of them are needed.
    ///
    /// A frame begins with the head of a map, then the head of a text, then the text. Read as a
    /// length, the two heads are a varint of two bytes, and the text follows it. In `varint`, the
    /// head of a map follows the length. That head is never the first byte of a text in UTF-8, and
    /// JSON has no such byte outside of texts, so no input fits two formats. What fits none is
    /// taken for a frame, which it is not either.
    ///
    /// An empty input has no messages.
    pub(super) fn of(start: &[u8], is_at_end: bool) -> Option<Self> {
        match varint::decode(start) {
            Ok(Some((_, len))) => match start.get(len) {
                Some(0xa0..=0xbb) => return Some(Format::Varint),
                None if !is_at_end => return None,
                _ => {}
            },
            Ok(None) if !is_at_end => return None,
            Ok(None) | Err(_) => {}
        }
        let is_json = start.first().is_none_or(|byte| b" \t\r\n{".contains(byte));
        Some(if is_json { Format::Json } else { Format::Frame })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asserts the format of whole input, and that no shorter start tells another one.
    #[track_caller]
    fn assert_format(input: &[u8], format: Format) {
        assert_eq!(Format::of(input, true), Some(format));
        for len in 0..input.len() {
            assert!(Format::of(&input[..len], false).is_none_or(|told| told == format), "{len}");
        }
    }

    #[test]
    fn first_bytes_tell_the_format() {
        let frame = b"\xa2atg#commitbop\x01\xa0";
        assert_format(frame, Format::Frame);
        assert_format(b"\xa1bop\x20\xa0", Format::Frame);
        // Lengths that look like white space, a brace, the heads of a map and a text.
        for len in [b"\t" as &[u8], b"\n", b"\r", b" ", b"{", b"\xa2a", b"\xa1b", b"\x80\x80\x01"] {
            assert_format(&[len, frame].concat(), Format::Varint);
        }
        for json in [b"{}" as &[u8], b" {\"ops\":[]}", b"\r\n\t {", b"{", b"\n"] {
            assert_format(json, Format::Json);
        }
        assert_eq!(Format::of(b"", true), Some(Format::Json));
        assert_eq!(Format::of(b"", false), None);
    }

    #[test]
    fn other_bytes_are_taken_for_a_frame() {
        for other in [&b"\x00"[..], b"[1]", b"<html>", b"\xff\xff", &[0xff; 12], b"\xa2\x00\x00"] {
            assert_format(other, Format::Frame);
        }
    }
}
