//! The contents of a file of rows.

use std::fmt;
use std::io::{self, Write};

/// The contents of a file of rows while it is written.
///
/// [`TextSheet`] is one for text; formats with a footer write it at the end.
#[expect(clippy::len_without_is_empty, reason = "a sheet may have a header")]
pub trait Sheet {
    /// Rows of an input: see [`Rows`](crate::staging::Rows).
    type Piece;

    /// Writes a piece.
    ///
    /// # Errors
    ///
    /// Those of the file.
    fn write(&mut self, piece: Self::Piece) -> io::Result<()>;

    /// Writes what can be written before the end, so that the reader of a pipe has it.
    ///
    /// # Errors
    ///
    /// Those of the file.
    fn flush(&mut self) -> io::Result<()>;

    /// Returns how many bytes were written.
    fn len(&self) -> u64;

    /// Writes all that follows the last row. Nothing is written after that.
    ///
    /// # Errors
    ///
    /// Those of the file.
    fn end(&mut self) -> io::Result<()>;
}

/// Rows as text: a header, and pieces that are written as they are.
///
/// # Examples
///
/// ```
/// use carwalk_batch::parts::{Sheet, TextSheet};
///
/// let mut text = Vec::new();
/// let mut sheet = TextSheet::begin(&mut text, b"did,rkey\n")?;
/// sheet.write(b"did:web:a.example,self\n".to_vec())?;
/// assert_eq!(sheet.len(), 32);
/// sheet.end()?;
/// assert_eq!(text, b"did,rkey\ndid:web:a.example,self\n");
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct TextSheet<W> {
    out: W,
    len: u64,
}

impl<W: Write> TextSheet<W> {
    /// Writes the header: see [`Encoding::header`](crate::staging::Encoding::header). Pieces are
    /// written in one call each.
    ///
    /// # Errors
    ///
    /// Those of the writer.
    pub fn begin(mut out: W, header: &[u8]) -> io::Result<Self> {
        out.write_all(header)?;
        Ok(TextSheet { out, len: header.len() as u64 })
    }
}

impl<W: Write> Sheet for TextSheet<W> {
    type Piece = Vec<u8>;

    fn write(&mut self, piece: Vec<u8>) -> io::Result<()> {
        self.out.write_all(&piece)?;
        self.len = self.len.saturating_add(piece.len() as u64);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn len(&self) -> u64 {
        self.len
    }

    fn end(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl<W> fmt::Debug for TextSheet<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TextSheet").field("len", &self.len).finish_non_exhaustive()
    }
}
