//! Reasons why compressed input is not decoded, and their messages.

use std::error::Error;
use std::fmt;
use std::io;

use carwalk::ErrorKind;

use super::{Format, MAX_WINDOW};
use crate::counted::Counted;
use crate::outcome::Reason;

/// Largest window that `zstd -d --long=31` decodes, in bytes.
const MAX_WINDOW_OF_TOOL: u64 = 2 << 30;

/// Why a decoder stopped.
#[derive(Debug)]
pub(super) enum DecodeError {
    /// The source failed.
    Source(io::Error),
    /// The source ended in the middle of the data.
    Cut,
    Fault(Fault),
}

/// What is wrong with compressed data.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It ends in the middle, after `read` compressed bytes.
    Cut { read: u64 },
    /// Other bytes follow its end.
    Trailing(Trailing),
    /// It does not decode, or its checksum or length does not match.
    Damaged,
    /// `read` compressed bytes have next to no content.
    Empty { read: u64 },
    /// A zstd frame has a window of this many bytes, which exceeds the limit.
    Window(u64),
    /// A zstd frame needs a dictionary.
    Dictionary,
}

impl Fault {
    /// Returns whether the content before the fault is worth reading.
    pub(super) fn has_content_before(&self) -> bool {
        match self {
            Fault::Cut { .. } | Fault::Trailing(_) | Fault::Damaged => true,
            Fault::Empty { .. } | Fault::Window(_) | Fault::Dictionary => false,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Cut { read } => {
                let verb = if *read == 1 { "is" } else { "are" };
                let read = Counted(*read, "compressed byte");
                write!(
                    f,
                    "the input ends in the middle: {read} {verb} there; the download was probably \
                     cut"
                )
            }
            Fault::Trailing(trailing) => trailing.fmt(f),
            Fault::Damaged => f.write_str("it is damaged: download it again as binary"),
            Fault::Empty { read } => write!(
                f,
                "{read} compressed bytes have next to no content: it is probably damaged; \
                 download it again as binary"
            ),
            Fault::Window(window) => write_window(*window, f),
            Fault::Dictionary => f.write_str(
                "it was compressed with a dictionary: decompress it first, with `zstd -d -D \
                 DICTIONARY`",
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

/// Bytes after the end of compressed data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Trailing {
    /// The number of compressed bytes before them.
    pub(super) offset: u64,
    pub(super) len: u64,
    /// Whether there are more bytes, which were not read.
    pub(super) has_more: bool,
    pub(super) is_zero: bool,
}

impl fmt::Display for Trailing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = if self.is_zero { "zero byte" } else { "byte" };
        let more = if self.has_more { "more than " } else { "" };
        let (are, them) = if self.len == 1 { ("is", "it") } else { ("are", "them") };
        let (bytes, offset) = (Counted(self.len, unit), self.offset);
        write!(
            f,
            "{more}{bytes} after its end {are} not part of it; `head -c {offset}` removes {them}"
        )
    }
}

/// Why compressed input is not decoded. The message is one line without control characters.
///
/// # Examples
///
/// ```
/// use carwalk::Loader;
/// use carwalk_batch::compressed::{Decompressed, Undecodable};
///
/// let cut = Decompressed::new(&b"\x1f\x8b\x08"[..], false).map_err(carwalk::Error::from);
/// let error = cut.unwrap_err();
/// let message = Undecodable::of(&error).unwrap().to_string();
/// assert!(message.starts_with("gzip data: the input ends in the middle: 3 compressed bytes"));
/// ```
#[derive(Debug)]
pub struct Undecodable(Kind);

#[derive(Debug)]
enum Kind {
    /// The data has a fault after `decoded` decoded bytes.
    Data { format: Format, decoded: u64, fault: Fault },
    /// The content is compressed again.
    Twice { outer: Format, inner: Format },
}

impl Undecodable {
    /// Returns why compressed input was not decoded, if that is the error.
    #[must_use]
    pub fn of(error: &carwalk::Error) -> Option<&Self> {
        match error.kind() {
            ErrorKind::Io(error) => error.get_ref()?.downcast_ref(),
            _ => None,
        }
    }

    pub(super) fn data(format: Format, decoded: u64, fault: Fault) -> Self {
        Undecodable(Kind::Data { format, decoded, fault })
    }

    pub(super) fn twice(outer: Format, inner: Format) -> Self {
        Undecodable(Kind::Twice { outer, inner })
    }

    /// Returns the reason of the failure of an input.
    pub(crate) fn reason(&self) -> Reason {
        match &self.0 {
            Kind::Data { fault: Fault::Cut { .. }, .. } => Reason::Truncated,
            Kind::Data { fault: Fault::Window(_), .. } => Reason::Limit,
            Kind::Data { .. } | Kind::Twice { .. } => Reason::Invalid,
        }
    }
}

impl Error for Undecodable {}

impl fmt::Display for Undecodable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Data { format, decoded: 0, fault } => write!(f, "{format} data: {fault}"),
            Kind::Data { format, decoded, fault } => {
                let decoded = Counted(*decoded, "decompressed byte");
                write!(f, "{format} data after {decoded}: {fault}")
            }
            Kind::Twice { outer, inner } => write!(
                f,
                "{outer} data: the input is compressed twice, there is {inner} data inside: \
                 decompress it once first, with `{outer} -d`"
            ),
        }
    }
}
