//! Rows as Parquet files.
//!
//! [`ParquetEncoding`] is the format for exports of
//! [`carwalk_batch::staging`](carwalk_batch::staging::Exporter), and [`ParquetSheet`] writes one
//! file. The program `carwalk-parquet` is made of them.
//!
//! # Contents of a file
//!
//! - The columns have the types of [`schema`](crate::schema()). All pages are compressed with zstd,
//!   level 1.
//! - Encodings: dictionaries for `did`, `rev` and `collection`, `DELTA_BYTE_ARRAY` for `rkey`,
//!   `DELTA_BINARY_PACKED` for `size`, `time` and `created_at`. All other columns are plain.
//! - Statistics (minimum and maximum): none for `record` and `record_cbor`, by row group for `cid`
//!   and `subject`, by row group and page for all other columns.
//! - `did` has a bloom filter in each row group.
//! - A row group has at most 1,048,576 rows and 32 MiB of values, about 70,000 rows with all
//!   columns. A single batch may exceed this. A page ends at 1 MiB or 20,000 rows.
//!
//! The metadata entry `carwalk.rows` is the version of the columns and their meaning: `1`.

mod encode;
mod group;
mod properties;
mod sheet;

use std::io::{self, Write};
use std::num::NonZeroUsize;

use carwalk_batch::columns::Columns;
use carwalk_batch::staging::Encode;

pub use self::sheet::ParquetSheet;
use crate::ArrowRows;

/// Most row groups that are encoded at the same time.
const MOST_LANES: usize = 8;

/// Parquet as a format of rows.
///
/// Rows are encoded on the thread that writes, or with several
/// [`threads`](ParquetEncoding::threads) on others. Memory:
///
/// - about 30 MiB of encoded pages and buffers (with all columns) for each row group that is
///   encoded, and with several threads up to 32 MiB of its rows
/// - for each thread that reads, besides its [`Worker`](carwalk_batch::Worker), 8 MiB of rows and
///   [`WAITING`](ParquetEncoding::WAITING)
/// - about 10 KiB of metadata for each row group, until the end of the file
///
/// # Examples
///
/// ```
/// use carwalk_arrow::parquet::ParquetEncoding;
/// use carwalk_batch::parts::Sheet;
/// use carwalk_batch::staging::{Encode, Selection, Staging};
/// use carwalk_batch::{Input, Settings, Stop, Worker};
/// use parquet::file::reader::{FileReader, SerializedFileReader};
///
/// let columns = "did,rkey".parse()?;
/// let encoding = ParquetEncoding::new(columns);
/// let (stop, selection, mut rows) = (Stop::new(), Selection::new(columns), encoding.rows());
/// let mut file = Vec::new();
/// let mut sheet = encoding.sheet(&mut file)?;
/// let mut staging = Staging::new(&mut rows, &selection, &stop, |batch, _bytes| {
///     sheet.write(batch).unwrap();
///     Ok(())
/// });
/// let mut worker = Worker::new(Settings::new(), stop.clone(), |_bytes| {});
/// assert!(worker.process(&Input::new("../../samples/repo.car"), &mut staging).is_done());
/// drop(staging);
/// sheet.end()?;
/// drop(sheet);
///
/// let reader = SerializedFileReader::new(bytes::Bytes::from(file))?;
/// assert_eq!(reader.metadata().file_metadata().num_rows(), 40);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct ParquetEncoding {
    columns: Columns,
    lanes: usize,
}

impl ParquetEncoding {
    /// The bytes of rows that may wait to be written, for each thread that reads: 8 MiB, the
    /// largest piece of rows that is sent at once. For
    /// [`Threads::waiting`](carwalk_batch::Threads::waiting).
    pub const WAITING: u64 = 8 << 20;

    /// Creates the format of files with these columns, for one thread.
    pub fn new(columns: Columns) -> Self {
        ParquetEncoding { columns, lanes: 0 }
    }

    /// Sets the number of threads that read. For every two of them, one more thread encodes row
    /// groups, at most 8. With 1, there is no such thread. The file does not depend on this number.
    /// Default: 1.
    pub fn threads(mut self, threads: NonZeroUsize) -> Self {
        // A thread that encodes takes about as long as one that reads.
        self.lanes = threads.get().div_euclid(2).min(MOST_LANES);
        self
    }
}

impl Encode for ParquetEncoding {
    type Rows = ArrowRows;
    type Sheet<W: Write + Send> = ParquetSheet<W>;

    /// Returns `parquet`.
    fn extension(&self) -> String {
        "parquet".to_owned()
    }

    fn rows(&self) -> ArrowRows {
        ArrowRows::new(self.columns)
    }

    /// Begins a file.
    ///
    /// # Errors
    ///
    /// - those of `out`
    /// - `InvalidInput` if there are no columns
    fn sheet<W: Write + Send>(&self, out: W) -> io::Result<ParquetSheet<W>> {
        ParquetSheet::begin(out, self.columns, self.lanes)
    }
}
