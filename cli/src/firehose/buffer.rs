//! Input that is read ahead as far as a message needs.

use std::io::{self, ErrorKind, Read};

/// Most bytes that are read at once.
const PIECE_LEN: usize = 1 << 16;

/// A source and the bytes of it that are read and not used yet. Grows with the bytes that arrive.
pub(super) struct Buffer {
    source: Box<dyn Read + Send>,
    bytes: Vec<u8>,
    /// The number of bytes that are used.
    used: usize,
    is_at_end: bool,
}

impl Buffer {
    pub(super) fn new(source: impl Read + Send + 'static) -> Self {
        Buffer { source: Box::new(source), bytes: Vec::new(), used: 0, is_at_end: false }
    }

    /// Returns the bytes that are not used yet.
    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes.get(self.used..).unwrap_or_default()
    }

    /// Returns whether the source has no more bytes.
    pub(super) fn is_at_end(&self) -> bool {
        self.is_at_end
    }

    /// Marks bytes as used.
    pub(super) fn consume(&mut self, len: usize) {
        self.used = self.used.saturating_add(len).min(self.bytes.len());
    }

    /// Reads more bytes: waits until the source has some, or ends.
    pub(super) fn fill(&mut self) -> io::Result<()> {
        self.bytes.drain(..self.used);
        self.used = 0;
        let len = self.bytes.len();
        self.bytes.resize(len.saturating_add(PIECE_LEN), 0);
        let room = self.bytes.get_mut(len..).unwrap_or_default();
        let read = loop {
            match self.source.read(room) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        let count = *read.as_ref().unwrap_or(&0);
        self.bytes.truncate(len.saturating_add(count));
        read?;
        self.is_at_end = count == 0;
        Ok(())
    }
}
