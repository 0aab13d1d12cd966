//! Streams that are decompressed if they begin like compressed data.

use std::cell::OnceCell;
use std::fmt;
use std::fs::File;
use std::io::{self, Cursor, Read, Seek};
use std::rc::Rc;

use super::{Decoder, Format, Undecodable};

/// The bytes of a source, decompressed if it begins like gzip or zstd data.
///
/// Memory: one window of at most 8 MiB for zstd, 32 KiB for gzip, and a buffer of 64 KiB. Bytes
/// that have next to no content end the stream with an error: at most 16 MiB may be read beyond
/// twice the number of decoded bytes.
///
/// # Examples
///
/// ```
/// use carwalk_batch::compressed::{Decompressed, Format};
///
/// # let car: &[u8] = include_bytes!("../../../samples/repo.car");
/// let plain = Decompressed::new(car, false)?;
/// assert_eq!(plain.format(), None);
/// assert_eq!(carwalk::Repo::from_reader(plain).unwrap().records().try_count().unwrap(), 40);
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Decompressed<'a> {
    bytes: Box<dyn Read + 'a>,
    head: Vec<u8>,
    format: Option<Format>,
    fault: Rc<OnceCell<Undecodable>>,
}

impl<'a> Decompressed<'a> {
    /// Reads the first bytes of a source, and detects compression.
    ///
    /// With `salvages`, damaged compression ends the stream as if it were complete:
    /// [`fault`](Decompressed::fault) returns the damage.
    ///
    /// # Errors
    ///
    /// Those of the source. If compressed data cannot be decoded or is compressed twice, an error
    /// whose inner error is [`Undecodable`]; reading returns such errors too.
    pub fn new(source: impl Read + 'a, salvages: bool) -> io::Result<Self> {
        let fault = Rc::default();
        let (head, bytes) = peek(Box::new(source))?;
        let Some(format) = Format::of(&head) else {
            return Ok(Decompressed { bytes, head, format: None, fault });
        };
        let decoder = Decoder::new(format, bytes, salvages, Rc::clone(&fault));
        let (head, bytes) = peek(Box::new(decoder))?;
        match Format::of(&head) {
            Some(inner) => Err(Decoder::twice(format, inner)),
            None => Ok(Decompressed { bytes, head, format: Some(format), fault }),
        }
    }

    /// Returns the format of the source; `None` if it is not compressed.
    #[must_use]
    pub fn format(&self) -> Option<Format> {
        self.format
    }

    /// Returns the first bytes, at most 4, decompressed.
    #[must_use]
    pub fn head(&self) -> &[u8] {
        &self.head
    }

    /// Returns the fault that ended compressed data, with `salvages`.
    #[must_use]
    pub fn fault(&self) -> Option<&Undecodable> {
        self.fault.get()
    }
}

impl Read for Decompressed<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        self.bytes.read(room)
    }
}

impl fmt::Debug for Decompressed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decompressed").field("format", &self.format).finish_non_exhaustive()
    }
}

/// Reads the bytes of a magic number, and returns them with a source that still begins with them.
fn peek<'a>(mut bytes: Box<dyn Read + 'a>) -> io::Result<(Vec<u8>, Box<dyn Read + 'a>)> {
    let mut magic = Vec::with_capacity(Format::MAGIC_LEN);
    bytes.by_ref().take(Format::MAGIC_LEN as u64).read_to_end(&mut magic)?;
    Ok((magic.clone(), Box::new(Cursor::new(magic).chain(bytes))))
}

/// Returns whether a file is compressed. The file must be at its beginning, and is afterwards.
///
/// # Errors
///
/// Those of reading and of moving to the beginning.
///
/// # Examples
///
/// ```
/// let file = std::fs::File::open("../samples/repo.car")?;
/// assert!(!carwalk_batch::compressed::is_compressed(&file)?);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn is_compressed(mut file: &File) -> io::Result<bool> {
    let mut magic = Vec::new();
    file.take(Format::MAGIC_LEN as u64).read_to_end(&mut magic)?;
    file.rewind()?;
    Ok(Format::of(&magic).is_some())
}
