//! Compressed input: gzip and zstd, decoded while it is read.

mod gzip;
mod source;
mod zstd;

use std::cell::OnceCell;
use std::error::Error;
use std::fmt;
use std::io::{self, Read};
use std::rc::Rc;

use crate::output::Counted;
use source::Source;

/// Largest window of a zstd frame that is decoded, in bytes: what level 19 uses, and what RFC 8878
/// asks decoders to support.
const MAX_WINDOW: u64 = 8 << 20;

/// Largest window that `zstd -d --long=31` decodes, in bytes.
const MAX_WINDOW_OF_TOOL: u64 = 2 << 30;

/// A format of compressed data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Gzip,
    Zstd,
}

impl Format {
    /// Length of the longest magic number.
    pub(super) const MAGIC_LEN: usize = 4;

    /// Returns the format of data that begins so. No header of a CAR does.
    pub(crate) fn of(head: &[u8]) -> Option<Self> {
        match head {
            [0x1f, 0x8b, ..] => Some(Format::Gzip),
            // A frame, or one that is to be skipped.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => {
                Some(Format::Zstd)
            }
            _ => None,
        }
    }
}

impl Format {
    /// Whether data ended in the middle of a magic number of this format.
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

/// Why compressed data is not decoded.
#[derive(Debug)]
pub(super) enum Fault {
    /// The data ends in the middle.
    Cut,
    /// Other bytes follow the end of the data.
    Trailing(Trailing),
    Damaged,
    Checksum,
    /// A zstd frame with a window of so many bytes.
    Window(u64),
    /// A zstd frame that needs a dictionary.
    Dictionary,
    /// Compressed data in this format inside.
    Twice(Format),
    /// The source failed.
    Source(io::Error),
}

/// Bytes after the end of compressed data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Trailing {
    /// Compressed bytes before them.
    offset: u64,
    len: u64,
    /// Whether there are more, which were not read.
    has_more: bool,
    is_zero: bool,
}

impl fmt::Display for Trailing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = if self.is_zero { "zero byte" } else { "byte" };
        let more = if self.has_more { "more than " } else { "" };
        let (follow, them) = if self.len == 1 { ("follows", "it") } else { ("follow", "them") };
        let (bytes, offset) = (Counted(self.len, unit), self.offset);
        write!(
            f,
            "{more}{bytes} {follow} its end, not part of it: `head -c {offset}` cuts {them} \
             off"
        )
    }
}

/// Compressed input that is not decoded, with its message.
#[derive(Debug)]
pub(crate) struct Undecodable {
    format: Format,
    /// Compressed bytes that were read.
    read: u64,
    /// Bytes that were decoded before.
    decoded: u64,
    fault: Fault,
}

impl Error for Undecodable {}

impl fmt::Display for Undecodable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Undecodable { format, read, decoded, fault } = self;
        match decoded {
            0 => write!(f, "{format} data: ")?,
            _ => write!(f, "{format} data after {}: ", Counted(*decoded, "decompressed byte"))?,
        }
        match fault {
            Fault::Cut => {
                let verb = if *read == 1 { "is" } else { "are" };
                let read = Counted(*read, "compressed byte");
                write!(
                    f,
                    "the input ends in the middle: {read} {verb} there; the download was probably \
                     cut"
                )
            }
            Fault::Trailing(trailing) => trailing.fmt(f),
            Fault::Damaged | Fault::Source(_) => {
                f.write_str("it is damaged: download it again as binary")
            }
            Fault::Checksum => f.write_str("it is damaged, its checksum does not hold"),
            Fault::Window(window) => write_window(*window, f),
            Fault::Dictionary => {
                f.write_str("it was compressed with a dictionary: decompress it first, with that")
            }
            Fault::Twice(inner) => write!(
                f,
                "the input is compressed twice, there is {inner} data inside: decompress it once first"
            ),
        }
    }
}

fn write_window(window: u64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "a window of {window} bytes exceeds the limit of {MAX_WINDOW}")?;
    match window {
        ..=MAX_WINDOW_OF_TOOL => f.write_str(": decompress it first, with `zstd -d --long=31`"),
        _ => write!(
            f,
            ", and the {MAX_WINDOW_OF_TOOL} of `zstd -d --long=31`: it is probably damaged; \
             download it again as binary"
        ),
    }
}

/// The decoded bytes of compressed data.
pub(super) struct Decoder<'a> {
    codec: Codec<'a>,
    format: Format,
    decoded: u64,
    /// Whether what was decoded before a fault counts.
    salvages: bool,
    /// Nothing comes any more.
    done: bool,
    /// The fault that ended the data, if `salvages` is set.
    fault: Rc<OnceCell<Undecodable>>,
}

enum Codec<'a> {
    Gzip(Box<gzip::Members<Source<'a>>>),
    Zstd(Box<zstd::Frames<Source<'a>>>),
}

impl<'a> Decoder<'a> {
    /// Decodes `source`. With `salvages`, a fault in the data ends it, and is told by the cell
    /// alone.
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

    /// The error of decoded bytes that are compressed data again.
    pub(super) fn twice(outer: Format, inner: Format) -> io::Error {
        let fault = Fault::Twice(inner);
        io::Error::other(Undecodable { format: outer, read: 0, decoded: 0, fault })
    }

    fn end(&mut self, fault: Fault) -> io::Result<usize> {
        self.done = true;
        let read = self.codec.source().map_or(0, |source| source.read_len());
        let fault = match (self.codec.source().and_then(Source::failed), fault) {
            (Some(error), _) | (None, Fault::Source(error)) => return Err(error),
            (None, fault) => fault,
        };
        let is_end =
            matches!(fault, Fault::Cut | Fault::Trailing(_) | Fault::Damaged | Fault::Checksum);
        let undecodable = Undecodable { format: self.format, read, decoded: self.decoded, fault };
        if !(self.salvages && is_end) {
            return Err(io::Error::other(undecodable));
        }
        // Nothing is read after a fault, so there is no other.
        let set = self.fault.set(undecodable);
        debug_assert!(set.is_ok(), "a second fault");
        Ok(0)
    }
}

impl<'a> Codec<'a> {
    fn read(&mut self, room: &mut [u8]) -> Result<usize, Fault> {
        match self {
            Codec::Gzip(members) => members.read(room),
            Codec::Zstd(frames) => frames.read(room),
        }
    }

    fn source(&mut self) -> Option<&mut Source<'a>> {
        match self {
            Codec::Gzip(members) => members.get_mut(),
            Codec::Zstd(frames) => Some(frames.get_mut()),
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
                Ok(len)
            }
            Err(fault) => self.end(fault),
        }
    }
}

/// Returns whether the source ended too early, by an error of a decoder and its causes.
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
