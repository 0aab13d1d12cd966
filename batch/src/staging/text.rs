//! Rows as text, also compressed.

use std::fmt;
use std::io::{self, Write};
use std::mem;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::{Encode, Rows};
use crate::columns::Columns;
use crate::parts::TextSheet;
use crate::row::Row;
use crate::text::{Format, RowWriter};

/// How rows are written as text: format, columns, and compression.
///
/// With compression, the header and the rows of each repository are gzip members of their own.
/// Members one after another are a gzip file, so repositories are compressed on many threads, and
/// the bytes of one do not depend on those of others.
///
/// # Examples
///
/// ```
/// use carwalk_batch::staging::{Encode, Encoding};
/// use carwalk_batch::text::Format;
///
/// let columns = "did,rkey".parse().unwrap();
/// let encoding = Encoding::new(Format::Csv, columns);
/// assert_eq!(encoding.header()?, b"did,rkey\n");
/// assert_eq!(encoding.extension(), "csv");
/// assert_eq!(encoding.gzip(true).extension(), "csv.gz");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Encoding {
    format: Format,
    columns: Columns,
    is_gzip: bool,
}

impl Encoding {
    /// Creates an encoding without compression.
    pub fn new(format: Format, columns: Columns) -> Self {
        Encoding { format, columns, is_gzip: false }
    }

    /// Sets whether the text is compressed with gzip. Off by default.
    pub fn gzip(mut self, yes: bool) -> Self {
        self.is_gzip = yes;
        self
    }

    /// Returns the bytes before the first row of a file: the header of CSV. None for JSON Lines,
    /// unless they are compressed: a gzip file has at least one member.
    ///
    /// # Errors
    ///
    /// Those of the encoder.
    pub fn header(self) -> io::Result<Vec<u8>> {
        let mut header = Vec::new();
        RowWriter::new(self.format, self.columns).header(&mut header);
        if !self.is_gzip {
            return Ok(header);
        }
        let mut encoder = encoder();
        encoder.write_all(&header)?;
        encoder.finish()
    }
}

impl Encode for Encoding {
    type Rows = TextRows;
    type Sheet<W: Write + Send> = TextSheet<W>;

    /// Returns the extension of files: `jsonl`, `csv`, `jsonl.gz` or `csv.gz`.
    fn extension(&self) -> String {
        format!("{}{}", self.format, if self.is_gzip { ".gz" } else { "" })
    }

    fn rows(&self) -> TextRows {
        let writer = RowWriter::new(self.format, self.columns);
        TextRows { writer, text: Vec::new(), gzip: None, is_gzip: self.is_gzip }
    }

    fn sheet<W: Write + Send>(&self, out: W) -> io::Result<TextSheet<W>> {
        TextSheet::begin(out, &self.header()?)
    }
}

fn encoder() -> GzEncoder<Vec<u8>> {
    GzEncoder::new(Vec::new(), Compression::fast())
}

/// Rows as text. [`Encoding`] creates it.
pub struct TextRows {
    writer: RowWriter,
    text: Vec<u8>,
    /// The member of the current repository.
    gzip: Option<GzEncoder<Vec<u8>>>,
    is_gzip: bool,
}

impl Rows for TextRows {
    type Piece = Vec<u8>;

    #[inline]
    fn push(&mut self, row: &Row<'_>) {
        self.writer.row(row, &mut self.text);
    }

    #[inline]
    fn bytes(&self) -> usize {
        self.text.len()
    }

    fn take(&mut self, is_end: bool) -> io::Result<Option<(Vec<u8>, u64)>> {
        let piece = if self.is_gzip {
            self.compress(is_end)?
        } else {
            // A copy of the right length: the buffer is used again, and may have grown.
            self.text.as_slice().to_vec()
        };
        self.text.clear();
        let bytes = piece.capacity() as u64;
        Ok(Some((piece, bytes)).filter(|(piece, _)| !piece.is_empty()))
    }

    fn clear(&mut self) {
        self.text.clear();
        self.gzip = None;
    }
}

impl TextRows {
    fn compress(&mut self, is_end: bool) -> io::Result<Vec<u8>> {
        if self.text.is_empty() && self.gzip.is_none() {
            return Ok(Vec::new());
        }
        let gzip = self.gzip.get_or_insert_with(encoder);
        gzip.write_all(&self.text)?;
        match self.gzip.take_if(|_| is_end) {
            Some(gzip) => gzip.finish(),
            None => {
                Ok(self.gzip.as_mut().map(|gzip| mem::take(gzip.get_mut())).unwrap_or_default())
            }
        }
    }
}

/// Omits the buffers.
impl fmt::Debug for TextRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TextRows")
            .field("writer", &self.writer)
            .field("is_gzip", &self.is_gzip)
            .finish_non_exhaustive()
    }
}
