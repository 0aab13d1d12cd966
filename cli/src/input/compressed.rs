//! Compressed input: gzip and zstd, decoded while it is read.

mod zstd;

use std::cell::OnceCell;
use std::error::Error;
use std::fmt;
use std::io::{self, BufReader, Read};
use std::rc::Rc;

use flate2::bufread::MultiGzDecoder;

/// Largest window of a zstd frame that is decoded, in bytes: what level 19 uses, and what RFC 8878
/// asks decoders to support.
const MAX_WINDOW: u64 = 8 << 20;

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

/// Compressed input that is not decoded, with its message.
#[derive(Debug)]
pub(crate) struct Undecodable {
    format: Format,
    /// Bytes that were decoded before.
    decoded: u64,
    fault: Fault,
}

impl Error for Undecodable {}

impl fmt::Display for Undecodable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Undecodable { format, decoded, fault } = self;
        write!(f, "{format} data after {decoded} decompressed bytes: ")?;
        match fault {
            Fault::Cut => {
                f.write_str("the input ends in the middle; the download was probably cut")
            }
            Fault::Damaged | Fault::Source(_) => {
                f.write_str("it is damaged: download it again as binary")
            }
            Fault::Checksum => f.write_str("it is damaged, its checksum does not hold"),
            Fault::Window(window) => write!(
                f,
                "a window of {window} bytes exceeds the limit of {MAX_WINDOW}: decompress it first, with `zstd -d --long=31`"
            ),
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
    Gzip(Box<MultiGzDecoder<BufReader<Source<'a>>>>),
    Zstd(Box<zstd::Frames<BufReader<Source<'a>>>>),
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
        let source = BufReader::with_capacity(1 << 16, Source { bytes: source, failed: None });
        let codec = match format {
            Format::Gzip => Codec::Gzip(Box::new(MultiGzDecoder::new(source))),
            Format::Zstd => Codec::Zstd(Box::new(zstd::Frames::new(source))),
        };
        Decoder { codec, format, decoded: 0, salvages, done: false, fault }
    }

    /// The error of decoded bytes that are compressed data again.
    pub(super) fn twice(outer: Format, inner: Format) -> io::Error {
        let fault = Fault::Twice(inner);
        io::Error::other(Undecodable { format: outer, decoded: 0, fault })
    }

    fn end(&mut self, fault: Fault) -> io::Result<usize> {
        self.done = true;
        let fault = match (self.codec.failed(), fault) {
            (Some(error), _) | (None, Fault::Source(error)) => return Err(error),
            (None, fault) => fault,
        };
        let is_end = matches!(fault, Fault::Cut | Fault::Damaged | Fault::Checksum);
        let undecodable = Undecodable { format: self.format, decoded: self.decoded, fault };
        if !(self.salvages && is_end) {
            return Err(io::Error::other(undecodable));
        }
        // Nothing is read after a fault, so there is no other.
        let set = self.fault.set(undecodable);
        debug_assert!(set.is_ok(), "a second fault");
        Ok(0)
    }
}

impl Codec<'_> {
    fn read(&mut self, room: &mut [u8]) -> Result<usize, Fault> {
        match self {
            Codec::Gzip(decoder) => decoder.read(room).map_err(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof => Fault::Cut,
                _ if error.to_string().contains("checksum") => Fault::Checksum,
                _ => Fault::Damaged,
            }),
            Codec::Zstd(frames) => frames.read(room),
        }
    }

    /// The error that the source had, if it was that.
    fn failed(&mut self) -> Option<io::Error> {
        let source = match self {
            Codec::Gzip(decoder) => decoder.get_mut(),
            Codec::Zstd(frames) => frames.get_mut(),
        };
        source.get_mut().failed.take()
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

/// The compressed bytes. Errors of their source are kept here: decoders make others of them.
struct Source<'a> {
    bytes: Box<dyn Read + 'a>,
    failed: Option<io::Error>,
}

impl Read for Source<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.bytes.read(room) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    let kind = error.kind();
                    self.failed = Some(error);
                    return Err(kind.into());
                }
                read => return read,
            }
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
