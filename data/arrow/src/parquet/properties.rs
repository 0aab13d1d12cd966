//! How each column is written.

use std::sync::Arc;

use carwalk_batch::columns::{Column, Columns};
use parquet::arrow::add_encoded_arrow_schema_to_metadata;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::Result;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{
    DEFAULT_CREATED_BY, EnabledStatistics, WriterProperties, WriterPropertiesBuilder,
    WriterPropertiesPtr,
};
use parquet::schema::types::ColumnPath;

use crate::schema::schema;

/// Level of zstd. Higher levels take much more time and save few bytes.
const ZSTD_LEVEL: i32 = 1;

/// Most bytes of a page before compression, unless a single value has more.
const PAGE: usize = 1 << 20;

/// Most rows of a page. A reader decodes a whole page to get one row.
const PAGE_ROWS: usize = 20_000;

/// Most bytes of a dictionary. A column with more becomes plain in this row group.
const DICTIONARY: usize = 1 << 20;

/// Most accounts that the bloom filter of a row group has room for. It is made smaller when the row
/// group is complete: about 10 bits for each account.
const MOST_ACCOUNTS: u64 = 1 << 17;

/// The target false-positive rate of bloom filters.
const WRONG: f64 = 0.01;

/// Name and value of the metadata entry for the version of the columns and their meaning.
const VERSION: (&str, &str) = ("carwalk.rows", "1");

/// Returns how a file with these columns is written.
pub(super) fn properties(columns: Columns) -> Result<WriterPropertiesPtr> {
    let created_by = concat!("carwalk version ", env!("CARGO_PKG_VERSION"));
    let builder = WriterProperties::builder()
        .set_created_by(format!("{created_by} ({DEFAULT_CREATED_BY})"))
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?))
        .set_data_page_size_limit(PAGE)
        .set_data_page_row_count_limit(PAGE_ROWS)
        .set_dictionary_page_size_limit(DICTIONARY)
        .set_dictionary_enabled(false)
        // Row groups end where the sheet ends them.
        .set_max_row_group_row_count(None)
        .set_key_value_metadata(Some(vec![KeyValue::new(VERSION.0.into(), VERSION.1.to_owned())]));
    let mut properties = columns.iter().fold(builder, column).build();
    add_encoded_arrow_schema_to_metadata(&schema(columns), &mut properties);
    Ok(Arc::new(properties))
}

fn column(builder: WriterPropertiesBuilder, column: Column) -> WriterPropertiesBuilder {
    let path = || ColumnPath::from(column.name());
    let builder = builder.set_column_statistics_enabled(path(), statistics(column));
    match column {
        Column::Did => builder
            .set_column_dictionary_enabled(path(), true)
            .set_column_bloom_filter_fpp(path(), WRONG)
            .set_column_bloom_filter_max_ndv(path(), MOST_ACCOUNTS),
        Column::Rev | Column::Collection => builder.set_column_dictionary_enabled(path(), true),
        Column::Rkey => builder.set_column_encoding(path(), Encoding::DELTA_BYTE_ARRAY),
        Column::Time | Column::CreatedAt | Column::Size => {
            builder.set_column_encoding(path(), Encoding::DELTA_BINARY_PACKED)
        }
        _ => builder,
    }
}

/// Returns which minima and maxima a column has. They are useless for random values, and large for
/// records.
fn statistics(column: Column) -> EnabledStatistics {
    match column {
        Column::Record | Column::RecordCbor => EnabledStatistics::None,
        Column::Cid | Column::Subject => EnabledStatistics::Chunk,
        _ => EnabledStatistics::Page,
    }
}
