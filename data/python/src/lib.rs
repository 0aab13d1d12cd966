//! The Python package `carwalk`: the rows of repositories as Arrow data, and single repositories.
//!
//! `python/carwalk/_carwalk.pyi` documents what Python sees. The scans are those of
//! [`carwalk_arrow`]; this crate checks arguments, hands batches over through the Arrow C data
//! interface, and keeps the interpreter free while Rust works.

mod arguments;
mod batch;
mod capsules;
mod errors;
mod interpreter;
mod iterator;
mod paths;
mod read;
mod record;
mod records;
mod repo;
mod running;
mod signals;
mod stream;

use pyo3::prelude::*;

/// Rows of AT Protocol repositories as Arrow data, in Rust.
#[pymodule]
mod _carwalk {
    #[pymodule_export]
    use crate::arguments::{is_did, is_nsid};
    #[pymodule_export]
    use crate::batch::Batch;
    #[pymodule_export]
    use crate::read::{files, inputs, read};
    #[pymodule_export]
    use crate::record::Record;
    #[pymodule_export]
    use crate::records::Records;
    #[pymodule_export]
    use crate::repo::Repo;
    #[pymodule_export]
    use crate::running::scans_begun;
}
