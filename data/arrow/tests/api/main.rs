//! The tests of the package, by behaviour. One program, so that there is one to link.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests fail by panicking"
)]

mod batches;
mod common;
mod failures;
mod files;
mod large;
mod limits;
mod narrow;
mod rows;
