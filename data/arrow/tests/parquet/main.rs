//! Parquet files and the program `carwalk-parquet`. One program, so that there is one to link.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "tests fail by panicking"
)]

mod command;
mod contents;
mod folders;
mod interrupted;
mod rows;
mod tools;
