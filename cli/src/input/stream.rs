//! Decompressed streams whose first and last bytes are kept for messages.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use carwalk_batch::compressed::{Decompressed, Undecodable};

use crate::hints::Evidence;

/// Bytes of the beginning that are kept: several lines of any text.
const HEAD_LEN: usize = 4 << 10;

/// Most bytes that are read at once: the last piece is kept.
const PIECE_LEN: usize = 1 << 16;

/// Bytes before the last piece that are kept too: the beginning of a section, which a reader needs
/// before it can refuse the section.
const MARGIN: usize = 64;

/// A stream of a CAR's bytes, decompressed. Keeps the first and last bytes.
pub(super) struct Stream<'a> {
    bytes: Decompressed<'a>,
    head: Vec<u8>,
    /// The last piece that was read, and some bytes before it.
    last: Vec<u8>,
    len: u64,
    /// The limit for streams.
    max: u64,
}

impl<'a> Stream<'a> {
    /// Detects compression by the first bytes of a source. At most `max` bytes may be read. With
    /// `salvages`, damaged compression ends the stream.
    pub(super) fn new(source: impl Read + 'a, max: u64, salvages: bool) -> io::Result<Self> {
        let bytes = Decompressed::new(source, salvages)?;
        Ok(Stream { bytes, head: Vec::new(), last: Vec::new(), len: 0, max })
    }

    /// Returns whether the source is compressed.
    pub(super) fn is_compressed(&self) -> bool {
        self.bytes.format().is_some()
    }

    /// Returns the fault that ended compressed data, with `salvages`.
    pub(super) fn fault(&self) -> Option<&Undecodable> {
        self.bytes.fault()
    }
}

impl Read for Stream<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let most = room.len().min(PIECE_LEN);
        let room = room.get_mut(..most).unwrap_or_default();
        let len = self.bytes.read(room)?;
        let piece = room.get(..len).unwrap_or_default();
        self.len = self.len.saturating_add(len as u64);
        let missing = HEAD_LEN.saturating_sub(self.head.len()).min(len);
        self.head.extend_from_slice(piece.get(..missing).unwrap_or_default());
        // At the end of the stream, the last piece stays.
        if len > 0 {
            self.last.drain(..self.last.len().saturating_sub(MARGIN));
            self.last.extend_from_slice(piece);
        }
        Ok(len)
    }
}

impl Evidence for Stream<'_> {
    fn head(&mut self) -> Vec<u8> {
        // The input may have been refused after fewer bytes. If the others cannot be read, the
        // message says less.
        let missing = HEAD_LEN.saturating_sub(self.head.len());
        let _ = io::copy(&mut self.take(missing as u64), &mut io::sink());
        self.head.clone()
    }

    fn from(&mut self, offset: u64) -> Option<Box<dyn Read + '_>> {
        let start = self.len.saturating_sub(self.last.len() as u64);
        let skipped = usize::try_from(offset.checked_sub(start)?).ok()?;
        let last = self.last.get(skipped..)?;
        Some(Box::new(last.chain(Rest { bytes: &mut self.bytes, len: &mut self.len })))
    }

    fn most(&self) -> u64 {
        self.max
    }

    fn len_within(&mut self, most: u64) -> Option<u64> {
        let most = most.min(self.max);
        let more = most.saturating_add(1).saturating_sub(self.len);
        let found = io::copy(&mut self.bytes.by_ref().take(more), &mut io::sink()).ok()?;
        self.len = self.len.saturating_add(found);
        self.last.clear();
        (self.len <= most).then_some(self.len)
    }

    fn is_compressed(&self) -> bool {
        Stream::is_compressed(self)
    }
}

/// The unread bytes of a stream. Adds those that are read to its length.
struct Rest<'s> {
    bytes: &'s mut dyn Read,
    len: &'s mut u64,
}

impl Read for Rest<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let len = self.bytes.read(room)?;
        *self.len = self.len.saturating_add(len as u64);
        Ok(len)
    }
}

/// A mapped file.
impl Evidence for &File {
    fn head(&mut self) -> Vec<u8> {
        let mut head = Vec::new();
        if let Some(bytes) = self.from(0) {
            // Bytes that cannot be read give no hint.
            let _ = bytes.take(HEAD_LEN as u64).read_to_end(&mut head);
        }
        head
    }

    fn from(&mut self, offset: u64) -> Option<Box<dyn Read + '_>> {
        self.seek(SeekFrom::Start(offset)).ok()?;
        Some(Box::new(*self))
    }

    fn most(&self) -> u64 {
        u64::MAX
    }

    fn len_within(&mut self, most: u64) -> Option<u64> {
        self.metadata().ok().map(|metadata| metadata.len()).filter(|&len| len <= most)
    }

    fn is_compressed(&self) -> bool {
        false
    }
}
