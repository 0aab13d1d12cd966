//! Files that are often saved under the name of a CAR, and how they begin.

use crate::error::{Error, LookAlike, Structure};

/// The first bytes of redb's files, and so of all spill files.
pub(crate) const SPILL_SIGNATURE: [u8; 9] = *b"redb\x1a\n\xa9\r\n";

/// Returns a `LookAlike` error if `bytes` begin like a well-known format; otherwise `error`. Sets
/// the position of both.
///
/// Called only for bytes that are not a header, because a header may begin with any of these marks.
#[cold]
pub(super) fn explain(bytes: &[u8], error: Error) -> Error {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start();
    let error = match bytes {
        [] => Error::look_alike(LookAlike::Empty),
        [0x1f, 0x8b] | [0x1f, 0x8b, 0x08, ..] => Error::look_alike(LookAlike::Gzip),
        _ if bytes.starts_with(&SPILL_SIGNATURE) => Error::look_alike(LookAlike::SpillFile),
        _ if bytes.starts_with(b"\x0a\xa1\x67version\x02") => Error::look_alike(LookAlike::CarV2),
        _ if is_text_after(text, b"{[") => Error::look_alike(LookAlike::Json),
        _ if is_text_after(text, b"<") => Error::look_alike(LookAlike::Html),
        _ => error,
    };
    error.in_structure(Structure::Header).at(Some(0))
}

/// Returns whether `bytes` begin with one of `marks` and continue as text. In a header, the same
/// byte is followed by the head of a map, which is not ASCII.
fn is_text_after(bytes: &[u8], marks: &[u8]) -> bool {
    let second = bytes.get(1).copied().unwrap_or(b' ');
    bytes.first().is_some_and(|first| marks.contains(first)) && second.is_ascii()
}
