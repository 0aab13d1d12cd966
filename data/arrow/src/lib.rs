//! AT Protocol repository exports as Arrow record batches.
//!
//! A repository export is a CAR file with the records of one account. Each record is a row.
//!
//! - A [`Scan`] reads many CARs: files, which may be compressed, and folders. [`Scan::batches`]
//!   returns its rows as an iterator of record batches, [`Batches`], which other threads fill.
//! - The columns are those of `carwalk export`: [`carwalk_batch::columns`] describes them, and
//!   [`schema()`] returns their types.
//! - [`Scan::files`] returns a table of the files: whether each is valid, its account and revision.
//! - [`ArrowRows`] converts the rows of single repositories, for programs with their own threads.
//! - The module `parquet` (feature `parquet`) writes Parquet files.
//!
//! # Examples
//!
//! Counts the likes and reposts of each subject in a folder:
//!
//! ```
//! use std::collections::HashMap;
//!
//! use arrow_array::cast::AsArray;
//! use carwalk_arrow::Scan;
//! use carwalk_batch::Inputs;
//!
//! let mut inputs = Inputs::new();
//! inputs.add("../../samples")?;
//! let scan = Scan::new(inputs)
//!     .columns("subject".parse()?)
//!     .collections(["app.bsky.feed.like", "app.bsky.feed.repost"])?;
//! let mut counts = HashMap::new();
//! for batch in scan.batches() {
//!     for subject in batch?["subject"].as_string::<i32>().iter().flatten() {
//!         *counts.entry(subject.to_owned()).or_insert(0) += 1;
//!     }
//! }
//! println!("{} subjects", counts.len());
//! assert_eq!(counts.values().sum::<u32>(), 16);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod batches;
mod error;
mod files;
mod gather;
mod groups;
mod job;
mod meter;
mod on_failure;
#[cfg(feature = "parquet")]
pub mod parquet;
mod rows;
mod scan;
mod schema;

pub use self::batches::{BatchReader, Batches};
pub use self::error::{Failures, InputFailure, ScanError};
pub use self::on_failure::OnFailure;
pub use self::rows::ArrowRows;
pub use self::scan::Scan;
pub use self::schema::{files_schema, schema};
