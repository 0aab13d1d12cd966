//! The compressed bytes, and the bytes that follow them.

use std::io::{self, BufRead, BufReader, Read};

use super::fault::{DecodeError, Fault, Trailing};
use super::{Format, MAX_EMPTY};

/// Most bytes after the end of the data that are counted.
const MOST_TRAILING: u64 = 1 << 30;

/// The compressed bytes, with lookahead for the next magic number.
pub(super) struct Source<'a> {
    format: Format,
    /// Bytes that were peeked at but not consumed.
    peeked: Vec<u8>,
    bytes: BufReader<Raw<'a>>,
}

impl<'a> Source<'a> {
    pub(super) fn new(format: Format, bytes: Box<dyn Read + 'a>) -> Self {
        Self::with_buffer(format, bytes, 1 << 16)
    }

    /// Returns an empty source. Allocates nothing.
    pub(super) fn empty() -> Self {
        Self::with_buffer(Format::Gzip, Box::new(io::empty()), 0)
    }

    fn with_buffer(format: Format, bytes: Box<dyn Read + 'a>, len: usize) -> Self {
        let raw = Raw { bytes, read: 0, allowed: MAX_EMPTY, error: None };
        Source { format, peeked: Vec::new(), bytes: BufReader::with_capacity(len, raw) }
    }

    /// Returns why the source stopped the decoder, if it did.
    pub(super) fn error(&mut self) -> Option<DecodeError> {
        self.bytes.get_mut().error.take()
    }

    /// Raises the number of compressed bytes that may be read, after `decoded` decoded bytes.
    pub(super) fn allow(&mut self, decoded: u64) {
        self.bytes.get_mut().allowed = decoded.saturating_mul(2).saturating_add(MAX_EMPTY);
    }

    /// Returns the number of compressed bytes that were read, decoded or not.
    pub(super) fn read_len(&self) -> u64 {
        self.bytes.get_ref().read
    }

    /// Returns whether another member or frame begins here; false at the end.
    pub(super) fn has_next(&mut self) -> Result<bool, DecodeError> {
        let missing = Format::MAGIC_LEN.saturating_sub(self.peeked.len());
        let more = self.bytes.by_ref().take(missing as u64).read_to_end(&mut self.peeked);
        more.map_err(DecodeError::Source)?;
        if self.peeked.is_empty() {
            return Ok(false);
        }
        if Format::of(&self.peeked) == Some(self.format) {
            return Ok(true);
        }
        if self.format.is_cut_magic(&self.peeked) {
            return Err(DecodeError::Cut);
        }
        Err(match self.trailing() {
            Ok(found) => DecodeError::Fault(Fault::Trailing(found)),
            Err(error) => DecodeError::Source(error),
        })
    }

    /// Counts the remaining bytes.
    fn trailing(&mut self) -> io::Result<Trailing> {
        let ahead = self.peeked.len().saturating_add(self.bytes.buffer().len());
        let offset = self.read_len().saturating_sub(ahead as u64);
        // Trailing bytes have a limit of their own.
        self.bytes.get_mut().allowed = u64::MAX;
        let (mut len, mut is_zero) = (0_u64, true);
        while len < MOST_TRAILING {
            let piece = self.fill_buf()?;
            if piece.is_empty() {
                return Ok(Trailing { offset, len, has_more: false, is_zero });
            }
            is_zero &= piece.iter().all(|&byte| byte == 0);
            let piece_len = piece.len();
            len = len.saturating_add(piece_len as u64);
            self.consume(piece_len);
        }
        Ok(Trailing { offset, len, has_more: true, is_zero })
    }
}

impl BufRead for Source<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.peeked.is_empty() { self.bytes.fill_buf() } else { Ok(&self.peeked) }
    }

    fn consume(&mut self, len: usize) {
        match self.peeked.len() {
            0 => self.bytes.consume(len),
            peeked => drop(self.peeked.drain(..len.min(peeked))),
        }
    }
}

impl Read for Source<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        if self.peeked.is_empty() {
            return self.bytes.read(room);
        }
        let len = self.peeked.as_slice().read(room)?;
        self.consume(len);
        Ok(len)
    }
}

/// The underlying source. Keeps its errors, because decoders replace them by their own.
struct Raw<'a> {
    bytes: Box<dyn Read + 'a>,
    /// Bytes that were read.
    read: u64,
    /// Bytes that may be read.
    allowed: u64,
    error: Option<DecodeError>,
}

impl Raw<'_> {
    fn fail(&mut self, error: DecodeError, kind: io::ErrorKind) -> io::Error {
        self.error = Some(error);
        kind.into()
    }
}

impl Read for Raw<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.allowed.saturating_sub(self.read)).unwrap_or(usize::MAX);
        if left == 0 {
            let error = DecodeError::Fault(Fault::Empty { read: self.read });
            return Err(self.fail(error, io::ErrorKind::InvalidData));
        }
        let most = room.len().min(left);
        let room = room.get_mut(..most).unwrap_or_default();
        loop {
            match self.bytes.read(room) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    let kind = error.kind();
                    return Err(self.fail(DecodeError::Source(error), kind));
                }
                Ok(len) => {
                    self.read = self.read.saturating_add(len as u64);
                    return Ok(len);
                }
            }
        }
    }
}
