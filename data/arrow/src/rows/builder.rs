//! A column that is built.

use std::ops::Range;

use arrow_array::ArrayRef;
use arrow_array::types::{BinaryType, Utf8Type};
use arrow_schema::ArrowError;
use carwalk_batch::columns::Column;
use carwalk_batch::row::{Fields, Row};

use super::values::{Numbers, Strings};

/// A column, and its values.
pub(super) enum Builder {
    Text(Column, Strings),
    Binary(Column, Strings),
    Number(Column, Numbers),
    Time(Column, Numbers),
}

impl Builder {
    pub(super) fn new(column: Column) -> Self {
        match column {
            Column::Size => Builder::Number(column, Numbers::default()),
            Column::Time | Column::CreatedAt => Builder::Time(column, Numbers::default()),
            Column::RecordCbor => Builder::Binary(column, Strings::new()),
            _ => Builder::Text(column, Strings::new()),
        }
    }

    pub(super) fn column(&self) -> Column {
        let (Builder::Text(column, _)
        | Builder::Binary(column, _)
        | Builder::Number(column, _)
        | Builder::Time(column, _)) = self;
        *column
    }

    /// Adds the value of a row. Returns its bytes of memory.
    #[inline]
    pub(super) fn push(&mut self, row: &Row<'_>, fields: &Fields<'_>) -> usize {
        match self {
            Builder::Text(column, texts) => push_text(texts, *column, row, fields),
            Builder::Binary(_, blocks) => match row.block() {
                Some(block) => blocks.push(block),
                None => blocks.push_null(),
            },
            Builder::Number(_, numbers) => {
                numbers.push(row.size().and_then(|size| i64::try_from(size).ok()))
            }
            Builder::Time(Column::Time, times) => times.push(row.time()),
            Builder::Time(_, times) => times.push(fields.created_at()),
        }
    }

    pub(super) fn is_over(&self) -> bool {
        match self {
            Builder::Text(_, strings) | Builder::Binary(_, strings) => strings.is_over(),
            Builder::Number(..) | Builder::Time(..) => false,
        }
    }

    pub(super) fn take(&mut self) -> Result<ArrayRef, ArrowError> {
        match self {
            Builder::Text(_, texts) => texts.take::<Utf8Type>(),
            Builder::Binary(_, blocks) => blocks.take::<BinaryType>(),
            Builder::Number(_, numbers) => numbers.take(),
            Builder::Time(_, times) => times.take_times(),
        }
    }

    /// Adds the values of some rows of another builder of the same column.
    pub(super) fn append(&mut self, other: &Builder, rows: Range<usize>) {
        match (self, other) {
            (
                Builder::Text(_, to) | Builder::Binary(_, to),
                Builder::Text(_, from) | Builder::Binary(_, from),
            ) => {
                to.append(from, rows);
            }
            (
                Builder::Number(_, to) | Builder::Time(_, to),
                Builder::Number(_, from) | Builder::Time(_, from),
            ) => {
                to.append(from, rows);
            }
            _ => debug_assert!(false, "the tables of a scan have the same columns"),
        }
    }

    /// Drops the values after the first `rows`.
    pub(super) fn truncate(&mut self, rows: usize) {
        match self {
            Builder::Text(_, strings) | Builder::Binary(_, strings) => strings.truncate(rows),
            Builder::Number(_, numbers) | Builder::Time(_, numbers) => numbers.truncate(rows),
        }
    }

    pub(super) fn capacity(&self) -> usize {
        match self {
            Builder::Text(_, strings) | Builder::Binary(_, strings) => strings.capacity(),
            Builder::Number(_, numbers) | Builder::Time(_, numbers) => numbers.capacity(),
        }
    }
}

#[inline]
fn push_text(texts: &mut Strings, column: Column, row: &Row<'_>, fields: &Fields<'_>) -> usize {
    match column {
        Column::Did => texts.push_text(Some(row.did())),
        Column::Rev => texts.push_text(Some(row.rev())),
        Column::Collection => texts.push_text(Some(row.path().collection())),
        Column::Rkey => texts.push_text(Some(row.path().record_key())),
        Column::Cid => texts.push(row.cid().to_text().as_bytes()),
        Column::Subject => texts.push_text(fields.subject()),
        Column::Record => texts.push_with(|json| row.append_record(json)),
        _ => texts.push_null(),
    }
}
