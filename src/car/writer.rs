//! CARs written to any output.

use core::fmt;
use std::io::{self, Write};

use crate::cbor::{ItemHead, put_link};
use crate::cid::{self, Cid};
use crate::varint;

/// Writes a CAR: the header first, then one section for each block.
///
/// What it writes, [`SliceReader`](super::SliceReader) and [`Reader`](super::Reader) read, as far
/// as their limits allow. Blocks are taken as they are: that they hash to their CIDs, and which of
/// them belong into the CAR, is the caller's to know. Each section is two writes, a short one and
/// the block: put a `BufWriter` around files.
///
/// ```
/// use carwalk::car::{SliceReader, Writer};
/// use carwalk::cid::{Cid, Codec};
///
/// let block = b"\xa0";
/// let cid = Cid::of(Codec::DagCbor, block);
/// let mut writer = Writer::new(Vec::new(), &[cid])?;
/// writer.write(cid, block)?;
/// let car = writer.finish()?;
///
/// let mut sections = SliceReader::new(&car)?;
/// assert_eq!(sections.next().transpose()?.map(|section| section.block()), Some(&block[..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Writer<W> {
    output: W,
    /// What stands before a block, made anew for each.
    head: Vec<u8>,
    bytes: u64,
    sections: u64,
}

impl<W: Write> Writer<W> {
    /// Begins a CAR with these roots; the first is the commit, if it is to hold a repository.
    ///
    /// # Errors
    ///
    /// Those of the output; `InvalidInput` without a root, which no reader would accept.
    pub fn new(output: W, roots: &[Cid]) -> io::Result<Self> {
        if roots.is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a CAR needs a root"));
        }
        let header = header(roots);
        let mut head = Vec::new();
        varint::encode(header.len() as u64, &mut head);
        head.extend_from_slice(&header);
        let mut writer = Writer { output, head, bytes: 0, sections: 0 };
        writer.put(&[])?;
        Ok(writer)
    }

    /// Writes one section.
    ///
    /// # Errors
    ///
    /// Those of the output. What was written is no CAR then.
    pub fn write(&mut self, cid: Cid, block: &[u8]) -> io::Result<()> {
        self.head.clear();
        varint::encode((block.len() as u64).saturating_add(cid::LEN as u64), &mut self.head);
        self.head.extend_from_slice(cid.as_bytes());
        self.put(block)?;
        self.sections = self.sections.saturating_add(1);
        Ok(())
    }

    /// Writes the head and a block after it.
    fn put(&mut self, block: &[u8]) -> io::Result<()> {
        self.output.write_all(&self.head)?;
        self.output.write_all(block)?;
        let len = (self.head.len() as u64).saturating_add(block.len() as u64);
        self.bytes = self.bytes.saturating_add(len);
        Ok(())
    }

    /// Bytes written so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Sections written so far.
    #[must_use]
    pub fn sections(&self) -> u64 {
        self.sections
    }

    /// Flushes the output and gives it back. Without this the last bytes may be lost in a buffer.
    ///
    /// # Errors
    ///
    /// Those of the output.
    pub fn finish(mut self) -> io::Result<W> {
        self.output.flush()?;
        Ok(self.output)
    }
}

impl<W> fmt::Debug for Writer<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer")
            .field("bytes", &self.bytes)
            .field("sections", &self.sections)
            .finish_non_exhaustive()
    }
}

/// `{ roots: [link, ..], version: 1 }`, canonical.
fn header(roots: &[Cid]) -> Vec<u8> {
    let mut header = b"\xa2\x65roots".to_vec();
    header.extend_from_slice(ItemHead::array(roots.len()).as_bytes());
    for root in roots {
        put_link(root, &mut header);
    }
    header.extend_from_slice(b"\x67version\x01");
    header
}

#[cfg(test)]
mod tests {
    use super::super::SliceReader;
    use super::*;
    use crate::cid::Codec;

    #[test]
    fn headers_of_any_length_are_read_back() {
        for count in [1, 2, 23, 24, 255, 256, 300] {
            let roots: Vec<Cid> =
                (0..count).map(|n: u32| Cid::of(Codec::DagCbor, &n.to_be_bytes())).collect();
            let car = Writer::new(Vec::new(), &roots).unwrap().finish().unwrap();
            let sections = SliceReader::new(&car).unwrap();
            assert_eq!(sections.header().roots(), roots);
            assert_eq!(sections.count(), 0);
        }
    }

    #[test]
    fn a_car_without_a_root_is_not_begun() {
        let mut output = Vec::new();
        assert_eq!(Writer::new(&mut output, &[]).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert!(output.is_empty());
    }

    #[test]
    fn what_was_written_is_counted() {
        let block = [7; 300];
        let cid = Cid::of(Codec::Raw, &block[..]);
        let mut writer = Writer::new(Vec::new(), &[cid]).unwrap();
        writer.write(cid, &block).unwrap();
        writer.write(cid, &[]).unwrap();
        assert_eq!(writer.sections(), 2);
        let bytes = writer.bytes();
        assert_eq!(writer.finish().unwrap().len() as u64, bytes);
    }
}
