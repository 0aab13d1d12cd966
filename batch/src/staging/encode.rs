//! Formats of rows.

use std::io::{self, Write};

use super::Rows;
use crate::parts::Sheet;

/// A format of rows: how each thread collects them, and how a file of them is written.
///
/// [`Encoding`](super::Encoding) is one for text.
pub trait Encode: Sync {
    /// The rows of a thread.
    type Rows: Rows;

    /// The contents of a file.
    type Sheet<W: Write + Send>: Sheet<Piece = <Self::Rows as Rows>::Piece>;

    /// Returns the extension of files, without a dot.
    fn extension(&self) -> String;

    /// Creates the rows of a thread.
    fn rows(&self) -> Self::Rows;

    /// Begins a file.
    ///
    /// # Errors
    ///
    /// Those of the writer and of encoding.
    fn sheet<W: Write + Send>(&self, out: W) -> io::Result<Self::Sheet<W>>;
}
