//! The compressed bytes, and what follows them.

use std::io::{self, BufRead, BufReader, Read};

use super::{Fault, Format, Trailing};

/// Most bytes after the end of the data that are counted.
const MOST_TRAILING: u64 = 1 << 30;

/// The compressed bytes. Those of the next magic number can be looked at.
pub(super) struct Source<'a> {
    format: Format,
    /// Bytes that were looked at, and are not consumed.
    peeked: Vec<u8>,
    bytes: BufReader<Raw<'a>>,
}

impl<'a> Source<'a> {
    pub(super) fn new(format: Format, bytes: Box<dyn Read + 'a>) -> Self {
        let raw = Raw { bytes, read: 0, failed: None };
        Source { format, peeked: Vec::new(), bytes: BufReader::with_capacity(1 << 16, raw) }
    }

    /// The error that the source had, if it had one.
    pub(super) fn failed(&mut self) -> Option<io::Error> {
        self.bytes.get_mut().failed.take()
    }

    /// Bytes that were read, whether or not they were decoded.
    pub(super) fn read_len(&self) -> u64 {
        self.bytes.get_ref().read
    }

    /// Returns whether another member or frame begins here; false at the end.
    pub(super) fn has_next(&mut self) -> Result<bool, Fault> {
        let missing = Format::MAGIC_LEN.saturating_sub(self.peeked.len());
        let more = self.bytes.by_ref().take(missing as u64).read_to_end(&mut self.peeked);
        more.map_err(Fault::Source)?;
        if self.peeked.is_empty() {
            return Ok(false);
        }
        if Format::of(&self.peeked) == Some(self.format) {
            return Ok(true);
        }
        if self.format.is_cut_magic(&self.peeked) {
            return Err(Fault::Cut);
        }
        Err(self.trailing().map_or_else(Fault::Source, Fault::Trailing))
    }

    /// Counts the bytes from here on.
    fn trailing(&mut self) -> io::Result<Trailing> {
        let ahead = self.peeked.len().saturating_add(self.bytes.buffer().len());
        let offset = self.read_len().saturating_sub(ahead as u64);
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

/// The source. Its errors are kept here: decoders make others of them.
struct Raw<'a> {
    bytes: Box<dyn Read + 'a>,
    /// Bytes that were read.
    read: u64,
    failed: Option<io::Error>,
}

impl Read for Raw<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.bytes.read(room) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    let kind = error.kind();
                    self.failed = Some(error);
                    return Err(kind.into());
                }
                Ok(len) => {
                    self.read = self.read.saturating_add(len as u64);
                    return Ok(len);
                }
            }
        }
    }
}
