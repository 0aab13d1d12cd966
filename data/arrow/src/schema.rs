//! Schemas of tables.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use carwalk_batch::columns::{Column, Columns};

/// The time zone of all times.
pub(crate) const UTC: &str = "UTC";

/// Returns the schema of rows with these columns, in their order.
///
/// All fields are nullable. The types are:
///
/// | columns | type |
/// |---|---|
/// | `did`, `rev`, `collection`, `rkey`, `cid`, `subject`, `record` | `Utf8` |
/// | `size` | `Int64`, in bytes |
/// | `time`, `created_at` | `Timestamp(Microsecond, "UTC")` |
/// | `record_cbor` | `Binary` |
///
/// # Examples
///
/// ```
/// use carwalk_batch::columns::Columns;
///
/// let schema = carwalk_arrow::schema("rkey,size".parse()?);
/// assert_eq!(schema.field(1).name(), "size");
/// assert_eq!(carwalk_arrow::schema(Columns::NONE).fields().len(), 0);
/// # Ok::<(), carwalk_batch::columns::UnknownColumn>(())
/// ```
#[must_use]
pub fn schema(columns: Columns) -> SchemaRef {
    let field = |column: Column| Field::new(column.name(), data_type(column), true);
    Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()))
}

fn data_type(column: Column) -> DataType {
    match column {
        Column::Size => DataType::Int64,
        Column::Time | Column::CreatedAt => {
            DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into()))
        }
        Column::RecordCbor => DataType::Binary,
        _ => DataType::Utf8,
    }
}

/// Returns the schema of [`Scan::files`](crate::Scan::files): a row for each input.
///
/// All fields are nullable:
///
/// | columns | type | |
/// |---|---|---|
/// | `path` | `Utf8` | see [`path_name`](carwalk_batch::path_name) |
/// | `bytes` | `Int64` | the length of the file |
/// | `outcome` | `Utf8` | `done`, `failed` or `skipped`: see [`Outcome`](carwalk_batch::Outcome) |
/// | `reason`, `error` | `Utf8` | why the input failed or was skipped, and the message; else null |
/// | `did`, `rev`, `commit` | `Utf8` | account, revision and CID of the commit, as far as known |
/// | `records` | `Int64` | the number of records |
///
/// # Examples
///
/// ```
/// let schema = carwalk_arrow::files_schema();
/// let names: Vec<_> = schema.fields().iter().map(|field| field.name().as_str()).collect();
/// assert_eq!(names.join(","), "path,bytes,outcome,reason,error,did,rev,commit,records");
/// ```
#[must_use]
pub fn files_schema() -> SchemaRef {
    let field = |name, data_type: &DataType| Field::new(name, data_type.clone(), true);
    let (text, number) = (&DataType::Utf8, &DataType::Int64);
    Arc::new(Schema::new(vec![
        field("path", text),
        field("bytes", number),
        field("outcome", text),
        field("reason", text),
        field("error", text),
        field("did", text),
        field("rev", text),
        field("commit", text),
        field("records", number),
    ]))
}
