//! Compressed input, gzip and zstd: recognized by its first bytes, decoded while it is read.

mod decompressed;
mod fault;
mod gzip;
mod source;
mod zstd;

use std::cell::OnceCell;
use std::error::Error;
use std::fmt;
use std::io::{self, Read};
use std::rc::Rc;

pub use self::decompressed::{Decompressed, is_compressed};
pub use self::fault::Undecodable;
use self::fault::{DecodeError, Fault};
use self::source::Source;

/// Largest accepted window of a zstd frame, in bytes: level 19 uses it, and RFC 8878 asks decoders
/// to support it.
const MAX_WINDOW: u64 = 8 << 20;

/// Compressed bytes that may be read beyond twice the number of decoded bytes, because members,
/// frames and blocks can be empty. Larger than a window: zstd decodes a whole window before it
/// returns a byte.
const MAX_EMPTY: u64 = 2 * MAX_WINDOW;

/// A format of compressed data.
///
/// # Examples
///
/// ```
/// use carwalk_batch::compressed::Format;
///
/// assert_eq!(Format::of(b"\x1f\x8b\x08\x00"), Some(Format::Gzip));
/// assert_eq!(Format::of(b"\x3a\xa2eroots"), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// gzip: RFC 1952.
    Gzip,
    /// zstd: RFC 8878.
    Zstd,
}

impl Format {
    /// Length of the longest magic number, in bytes.
    pub(super) const MAGIC_LEN: usize = 4;

    /// Returns the format of data that begins with `head`. No CAR header begins like these formats.
    ///
    /// Four bytes are enough.
    #[must_use]
    pub fn of(head: &[u8]) -> Option<Self> {
        match head {
            [0x1f, 0x8b, ..] => Some(Format::Gzip),
            // A frame, or a skippable frame.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => {
                Some(Format::Zstd)
            }
            _ => None,
        }
    }

    /// Returns whether `rest` is a truncated magic number of this format.
    fn is_cut_magic(self, rest: &[u8]) -> bool {
        match self {
            Format::Gzip => rest == [0x1f],
            Format::Zstd => match rest.split_first() {
                Some((0x28, more)) => more.len() < 3 && b"\xb5\x2f\xfd".starts_with(more),
                Some((0x50..=0x5f, more)) => more.len() < 3 && b"\x2a\x4d\x18".starts_with(more),
                _ => false,
            },
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Format::Gzip => "gzip",
            Format::Zstd => "zstd",
        })
    }
}

/// The decoded bytes of compressed data.
pub(super) struct Decoder<'a> {
    codec: Codec<'a>,
    format: Format,
    decoded: u64,
    /// Whether the bytes that were decoded before a fault are used.
    salvages: bool,
    /// Whether the data has ended or failed.
    done: bool,
    /// The fault that ended the data, if `salvages` is set.
    fault: Rc<OnceCell<Undecodable>>,
}

enum Codec<'a> {
    Gzip(Box<gzip::Members<Source<'a>>>),
    Zstd(Box<zstd::Frames<Source<'a>>>),
}

impl<'a> Decoder<'a> {
    /// Decodes `source`. With `salvages`, a fault in the data ends it without an error and is
    /// stored in the cell.
    pub(super) fn new(
        format: Format,
        source: Box<dyn Read + 'a>,
        salvages: bool,
        fault: Rc<OnceCell<Undecodable>>,
    ) -> Self {
        let source = Source::new(format, source);
        let codec = match format {
            Format::Gzip => Codec::Gzip(Box::new(gzip::Members::new(source))),
            Format::Zstd => Codec::Zstd(Box::new(zstd::Frames::new(source))),
        };
        Decoder { codec, format, decoded: 0, salvages, done: false, fault }
    }

    /// Returns the error for data that is compressed twice.
    pub(super) fn twice(outer: Format, inner: Format) -> io::Error {
        io::Error::other(Undecodable::twice(outer, inner))
    }

    fn end(&mut self, error: DecodeError) -> io::Result<usize> {
        self.done = true;
        let source = self.codec.source();
        let read = source.read_len();
        // Decoders replace errors of the source by their own.
        let fault = match source.error().unwrap_or(error) {
            DecodeError::Source(error) => return Err(error),
            DecodeError::Cut => Fault::Cut { read },
            DecodeError::Fault(fault) => fault,
        };
        let is_salvaged = self.salvages && fault.has_content_before();
        let undecodable = Undecodable::data(self.format, self.decoded, fault);
        if !is_salvaged {
            return Err(io::Error::other(undecodable));
        }
        // Nothing is read after a fault, so there is no second one.
        let set = self.fault.set(undecodable);
        debug_assert!(set.is_ok(), "a second fault");
        Ok(0)
    }
}

impl<'a> Codec<'a> {
    fn read(&mut self, room: &mut [u8]) -> Result<usize, DecodeError> {
        match self {
            Codec::Gzip(members) => members.read(room),
            Codec::Zstd(frames) => frames.read(room),
        }
    }

    fn source(&mut self) -> &mut Source<'a> {
        match self {
            Codec::Gzip(members) => members.get_mut(),
            Codec::Zstd(frames) => frames.get_mut(),
        }
    }
}

impl Read for Decoder<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        if self.done || room.is_empty() {
            return Ok(0);
        }
        match self.codec.read(room) {
            Ok(len) => {
                self.done = len == 0;
                self.decoded = self.decoded.saturating_add(len as u64);
                self.codec.source().allow(self.decoded);
                Ok(len)
            }
            Err(error) => self.end(error),
        }
    }
}

/// Returns whether a decoder's error, or one of its causes, means that the source ended too early.
fn is_cut(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let error_of_source = error.downcast_ref::<io::Error>();
        if error_of_source.is_some_and(|error| error.kind() == io::ErrorKind::UnexpectedEof) {
            return true;
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_known_by_their_first_bytes() {
        assert_eq!(Format::of(b"\x1f\x8b"), Some(Format::Gzip));
        assert_eq!(Format::of(b"\x28\xb5\x2f\xfd\0"), Some(Format::Zstd));
        for first in 0x50..=0x5f {
            assert_eq!(Format::of(&[first, 0x2a, 0x4d, 0x18]), Some(Format::Zstd));
        }
        for other in [&b""[..], b"\x1f", b"\x28\xb5\x2f", b"\x60\x2a\x4d\x18", b"\x3a\xa2eroots"] {
            assert_eq!(Format::of(other), None, "{other:x?}");
        }
    }

    #[test]
    fn errors_of_the_source_are_told_as_they_are() {
        struct Fails;
        impl Read for Fails {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::ErrorKind::ConnectionReset.into())
            }
        }
        for format in [Format::Gzip, Format::Zstd] {
            let mut decoder = Decoder::new(format, Box::new(Fails), true, Rc::default());
            let error = decoder.read(&mut [0; 9]).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        }
    }
}
