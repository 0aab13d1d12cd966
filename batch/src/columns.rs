//! The columns of a row, and sets of them.

use core::fmt;
use core::str::FromStr;

/// A column.
///
/// Displays as its name and parses from it. Ordered as in a row.
///
/// # Examples
///
/// ```
/// use carwalk_batch::columns::Column;
///
/// assert_eq!("created_at".parse(), Ok(Column::CreatedAt));
/// assert_eq!(Column::Rkey.to_string(), "rkey");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Column {
    /// The account, from the commit. Text.
    Did,
    /// The revision, from the commit. Text.
    Rev,
    /// The first half of the path. Text.
    Collection,
    /// The second half of the path: the record key. Text.
    Rkey,
    /// The CID of the record. Text.
    Cid,
    /// The length of the record's block, in bytes.
    Size,
    /// The time in the record key if that is a TID; null otherwise.
    Time,
    /// The time in the record's `createdAt`; null if it has another form than
    /// [`datetime_micros`](crate::row::datetime_micros) accepts.
    CreatedAt,
    /// The record's `subject` if that is a text, or its `subject.uri`; null if it has neither, or
    /// an empty one.
    Subject,
    /// The record as JSON; null if it is not CBOR.
    Record,
    /// The record's block as it is: bytes. Text formats write them as base64 without padding. CSV
    /// does not tell an empty block from null.
    RecordCbor,
}

impl Column {
    /// All columns, in their order.
    pub const ALL: [Column; 11] = [
        Column::Did,
        Column::Rev,
        Column::Collection,
        Column::Rkey,
        Column::Cid,
        Column::Size,
        Column::Time,
        Column::CreatedAt,
        Column::Subject,
        Column::Record,
        Column::RecordCbor,
    ];

    /// Returns the name: lower-case letters and `_`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Column::Did => "did",
            Column::Rev => "rev",
            Column::Collection => "collection",
            Column::Rkey => "rkey",
            Column::Cid => "cid",
            Column::Size => "size",
            Column::Time => "time",
            Column::CreatedAt => "created_at",
            Column::Subject => "subject",
            Column::Record => "record",
            Column::RecordCbor => "record_cbor",
        }
    }

    /// Returns whether the column is read from the record's block. The others need only the entry
    /// in the tree.
    #[must_use]
    pub const fn needs_block(self) -> bool {
        matches!(
            self,
            Column::Size
                | Column::CreatedAt
                | Column::Subject
                | Column::Record
                | Column::RecordCbor
        )
    }

    /// The bit of the column in a set.
    const fn bit(self) -> u16 {
        1_u16.wrapping_shl(self as u32)
    }
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Column {
    type Err = UnknownColumn;

    /// Parses a name.
    ///
    /// # Errors
    ///
    /// [`UnknownColumn`] if no column has the name.
    fn from_str(name: &str) -> Result<Self, UnknownColumn> {
        let named = Column::ALL.into_iter().find(|column| column.name() == name);
        named.ok_or_else(|| UnknownColumn { name: name.into() })
    }
}

/// A set of columns, in their order.
///
/// Displays as its names with commas between them and parses from that, in any order. Default:
/// [`DEFAULT`](Columns::DEFAULT).
///
/// # Examples
///
/// ```
/// use carwalk_batch::columns::{Column, Columns};
///
/// let columns: Columns = "rkey,did".parse()?;
/// assert!(columns.iter().eq([Column::Did, Column::Rkey]));
/// assert_eq!(columns.to_string(), "did,rkey");
/// assert!(!columns.needs_block());
/// # Ok::<(), carwalk_batch::columns::UnknownColumn>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Columns(u16);

impl Columns {
    /// The set of all columns.
    pub const ALL: Columns = Columns((1 << Column::ALL.len()) - 1);

    /// The default columns: all but `record_cbor`, which has the same content as `record`.
    pub const DEFAULT: Columns = Columns(Columns::ALL.0 & !Column::RecordCbor.bit());

    /// The empty set. Rows without columns can only be counted.
    pub const NONE: Columns = Columns(0);

    /// Returns whether the set has a column.
    #[must_use]
    pub const fn contains(self, column: Column) -> bool {
        self.0 & column.bit() != 0
    }

    /// Returns an iterator over the columns, in their order.
    pub fn iter(self) -> impl Iterator<Item = Column> + Clone + use<> {
        Column::ALL.into_iter().filter(move |column| self.contains(*column))
    }

    /// Returns whether the set has a column that is read from the record's block.
    #[must_use]
    pub fn needs_block(self) -> bool {
        self.iter().any(Column::needs_block)
    }
}

impl Default for Columns {
    fn default() -> Self {
        Columns::DEFAULT
    }
}

impl FromStr for Columns {
    type Err = UnknownColumn;

    /// Parses names with commas between them, in any order. A repeated name counts once.
    ///
    /// # Errors
    ///
    /// [`UnknownColumn`] for the first name that no column has. An empty list has an empty name.
    fn from_str(list: &str) -> Result<Self, UnknownColumn> {
        let columns = list.split(',').map(Column::from_str);
        columns
            .map(|column| column.map(Column::bit))
            .try_fold(Columns(0), |Columns(bits), bit| Ok(Columns(bits | bit?)))
    }
}

impl fmt::Display for Columns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, column) in self.iter().enumerate() {
            write!(f, "{}{column}", if number > 0 { "," } else { "" })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Columns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// The error of a name that no column has.
///
/// Displays with the name, escaped, and the names of all columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownColumn {
    name: Box<str>,
}

impl UnknownColumn {
    /// Returns the name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for UnknownColumn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.name {
            "" => f.write_str("an empty name of a column")?,
            name => write!(f, "unknown column {name:?}")?,
        }
        f.write_str("; the columns are ")?;
        for (number, column) in Column::ALL.into_iter().enumerate() {
            write!(f, "{}{column}", if number > 0 { ", " } else { "" })?;
        }
        Ok(())
    }
}

impl core::error::Error for UnknownColumn {}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(list: &str) -> Result<String, String> {
        list.parse().map(|columns: Columns| columns.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn sets_keep_the_order_of_columns() {
        let default = "did,rev,collection,rkey,cid,size,time,created_at,subject,record";
        assert_eq!(Columns::default().to_string(), default);
        assert_eq!(default.parse(), Ok(Columns::DEFAULT));
        assert_eq!(format!("{default},record_cbor").parse(), Ok(Columns::ALL));
        assert!(Columns::NONE.iter().next().is_none() && !Columns::NONE.needs_block());
        assert_eq!(parsed("record,did,size").unwrap(), "did,size,record");
        assert_eq!(parsed("did,did").unwrap(), "did");
        let mut names = Column::ALL.map(|column| (column, column.name()));
        names.sort();
        assert_eq!(names.map(|(column, _)| column), Column::ALL);
    }

    #[test]
    fn unknown_names_are_refused_with_the_known_ones() {
        let known = "the columns are did, rev, collection, rkey, cid, size, time, created_at, subject, record, record_cbor";
        assert_eq!(parsed("did,uri").unwrap_err(), format!("unknown column \"uri\"; {known}"));
        assert_eq!(parsed("DID").unwrap_err(), format!("unknown column \"DID\"; {known}"));
        assert_eq!(parsed("did, rev").unwrap_err(), format!("unknown column \" rev\"; {known}"));
        assert!(parsed("\u{1b}").unwrap_err().starts_with("unknown column \"\\u{1b}\""));
        for list in ["", ",", "did,", ",did", "did,,rev"] {
            assert_eq!(parsed(list).unwrap_err(), format!("an empty name of a column; {known}"));
        }
    }

    #[test]
    fn columns_of_the_block_need_it() {
        let (of_block, others): (Vec<_>, _) =
            Column::ALL.into_iter().partition(|column| column.needs_block());
        use Column::{CreatedAt, Record, RecordCbor, Size, Subject};
        assert_eq!(of_block, [Size, CreatedAt, Subject, Record, RecordCbor]);
        assert_eq!(parsed("did,rev,collection,rkey,cid,time").unwrap().split(',').count(), 6);
        for column in others {
            assert!(!column.name().parse::<Columns>().unwrap().needs_block());
        }
        for column in of_block {
            assert!(format!("did,{column}").parse::<Columns>().unwrap().needs_block());
        }
    }
}
