//! Rows as text: JSON Lines and CSV.

mod csv;
mod json_lines;
mod value;

use core::fmt;

use self::value::Values;
use crate::columns::Columns;
use crate::row::Row;

/// A text format.
///
/// Displays as its name: `jsonl`, `csv`. The names are also the extensions of files.
///
/// # Examples
///
/// ```
/// use carwalk_batch::text::Format;
///
/// assert_eq!(Format::JsonLines.to_string(), "jsonl");
/// let format = Format::ALL.into_iter().find(|format| format.name() == "csv");
/// assert_eq!(format, Some(Format::Csv));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// One compact JSON object for each row, with a line break after it. Every chosen column is
    /// present, `record` as JSON itself.
    ///
    /// Control characters and characters that change how text is shown are escaped, as in
    /// [`to_json`](carwalk::record::to_json()). A record whose CBOR is null is `null`, like a
    /// record without JSON; that is the only value which stands for both.
    JsonLines,
    /// RFC 4180 with a header, and `\n` as line break. A value is quoted only if it has a comma, a
    /// quote or a line break.
    ///
    /// Null is an empty value. No text is empty, so an empty value is always null, or the
    /// `record_cbor` of an empty block; if it is the only value of a row, it is quoted, because
    /// many readers skip empty lines. A text such as `NULL` or `\N` is written as it is: readers
    /// must not take it for null. Texts are written as they are, also control characters, and NUL
    /// among them; `record` is JSON, in which they are escaped.
    Csv,
}

impl Format {
    /// All formats.
    pub const ALL: [Format; 2] = [Format::JsonLines, Format::Csv];

    /// Returns the name, which is also the extension of files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Format::JsonLines => "jsonl",
            Format::Csv => "csv",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Writes rows of chosen columns in one format.
///
/// Appends to a buffer of the caller. Nothing allocates for a row once the buffers have grown,
/// except for records that are odd: see [`append_json`](carwalk::record::append_json()).
///
/// # Examples
///
/// ```
/// use carwalk::Repo;
/// use carwalk_batch::row::Row;
/// use carwalk_batch::text::{Format, RowWriter};
///
/// # let bytes: &[u8] = include_bytes!("../../../samples/repo.car");
/// let repo = Repo::from_slice(bytes)?;
/// let profile = repo.records().next().unwrap()?;
/// let (did, rev) = (repo.commit().did(), repo.commit().rev());
/// let row = Row::new(did, rev, profile.path(), profile.cid(), Some(profile.bytes()));
///
/// let columns = "collection,rkey,size,time".parse()?;
/// let (mut csv, mut json) = (Vec::new(), Vec::new());
/// let mut writer = RowWriter::new(Format::Csv, columns);
/// writer.header(&mut csv);
/// writer.row(&row, &mut csv);
/// assert_eq!(csv, b"collection,rkey,size,time\napp.bsky.actor.profile,self,128,\n");
/// RowWriter::new(Format::JsonLines, columns).row(&row, &mut json);
/// assert!(json.ends_with(b"\"rkey\":\"self\",\"size\":128,\"time\":null}\n"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct RowWriter {
    format: Format,
    columns: Columns,
    /// The JSON of a record before it is quoted.
    json: Vec<u8>,
}

impl RowWriter {
    /// Creates a writer.
    #[must_use]
    pub fn new(format: Format, columns: Columns) -> Self {
        RowWriter { format, columns, json: Vec::new() }
    }

    /// Returns the columns.
    #[must_use]
    pub fn columns(&self) -> Columns {
        self.columns
    }

    /// Appends what stands before the first row: the header in CSV, nothing in JSON Lines.
    pub fn header(&self, out: &mut Vec<u8>) {
        if self.format == Format::Csv {
            csv::header(self.columns, out);
        }
    }

    /// Appends a row, with its line break.
    pub fn row(&mut self, row: &Row<'_>, out: &mut Vec<u8>) {
        let values = Values::new(row, self.columns);
        match self.format {
            Format::JsonLines => json_lines::row(&values, self.columns, out),
            Format::Csv => csv::row(&values, self.columns, &mut self.json, out),
        }
    }
}

/// Omits the buffer.
impl fmt::Debug for RowWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RowWriter")
            .field("format", &self.format)
            .field("columns", &self.columns)
            .finish_non_exhaustive()
    }
}
