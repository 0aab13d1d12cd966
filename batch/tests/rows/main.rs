//! Rows of repositories, in both text formats.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "tests fail by panicking"
)]

mod allocations;
mod fields;
mod formats;
#[path = "../../../tests/api/random_record.rs"]
mod random_record;
