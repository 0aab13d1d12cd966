//! Writing CARs.

use core::fmt;
use std::io::{self, Write};

use crate::cbor::{ItemHead, put_link};
use crate::cid::{self, Cid};
use crate::varint;

/// Writes a CAR: the header first, then one section for each block.
///
/// Within their limits, [`SliceReader`](super::SliceReader) and [`Reader`](super::Reader) accept
/// every CAR that it writes. Blocks are written as they are: the writer neither hashes them nor
/// looks for repeated ones. Each section takes two writes, a short one and the block, so wrap files
/// in a `BufWriter`.
///
/// # Examples
///
/// ```
/// use carwalk::car::{SliceReader, Writer};
/// use carwalk::cid::{Cid, Codec};
///
/// let block = b"\xa0";
/// let cid = Cid::of(Codec::DagCbor, block);
/// let mut writer = Writer::new(Vec::new(), &[cid])?;
/// writer.write(cid, block)?;
/// // A header of 59 bytes, a length of 1, a CID of 36, a block of 1.
/// assert_eq!((writer.sections(), writer.bytes()), (1, 97));
/// let car = writer.finish()?;
///
/// let section = SliceReader::new(&car)?.next().unwrap()?;
/// assert_eq!((section.cid(), section.block()), (cid, &block[..]));
/// # Ok::<(), carwalk::Error>(())
/// ```
pub struct Writer<W> {
    output: W,
    /// The bytes before a block: its section's length and CID, or the header.
    head: Vec<u8>,
    bytes: u64,
    sections: u64,
}

impl<W: Write> Writer<W> {
    /// Writes the header of a CAR with these roots. In a CAR with a repository, the first root is
    /// the commit.
    ///
    /// # Errors
    ///
    /// Those of the output; `InvalidInput` if `roots` is empty, because no reader accepts that.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::ErrorKind;
    ///
    /// use carwalk::car::Writer;
    /// use carwalk::cid::{Cid, Codec};
    ///
    /// let writer = Writer::new(Vec::new(), &[Cid::of(Codec::Raw, b"")])?;
    /// assert_eq!((writer.sections(), writer.bytes()), (0, 59));
    /// assert_eq!(Writer::new(Vec::new(), &[]).unwrap_err().kind(), ErrorKind::InvalidInput);
    /// # Ok::<(), std::io::Error>(())
    /// ```
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

    /// Writes one section. `block` is not checked against `cid`.
    ///
    /// # Errors
    ///
    /// Those of the output, which may then hold a truncated CAR.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::car::{SliceReader, Writer};
    /// use carwalk::{ErrorClass, Repo};
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// // Copies a CAR without its last section, the block of a record.
    /// let sections = SliceReader::new(bytes)?;
    /// let mut writer = Writer::new(Vec::new(), sections.header().roots())?;
    /// for section in sections.take(49) {
    ///     let section = section?;
    ///     writer.write(section.cid(), section.block())?;
    /// }
    /// let repo = Repo::from_slice(writer.finish()?)?;
    /// let error = repo.records().try_count().unwrap_err();
    /// assert_eq!(error.class(), ErrorClass::Missing);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
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

    /// Returns how many bytes were written, including the header.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns how many sections were written.
    #[must_use]
    pub fn sections(&self) -> u64 {
        self.sections
    }

    /// Flushes and returns the output. Without this, the last bytes may be lost in its buffer.
    ///
    /// # Errors
    ///
    /// Those of flushing the output.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::fs::File;
    /// use std::io::BufWriter;
    ///
    /// use carwalk::car::Writer;
    /// use carwalk::cid::{Cid, Codec};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("empty.car");
    /// let root = Cid::of(Codec::DagCbor, b"");
    /// let output = Writer::new(BufWriter::new(File::create(&path)?), &[root])?.finish()?;
    /// // The flushed file has all bytes.
    /// assert_eq!(output.get_ref().metadata()?.len(), 59);
    /// # Ok::<(), std::io::Error>(())
    /// ```
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

/// Returns `{ roots: [link, ..], version: 1 }` in canonical form.
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
