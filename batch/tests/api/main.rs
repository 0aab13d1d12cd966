//! The tests of the package, by behaviour. One program, so that there is one to link.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    reason = "tests fail by panicking"
)]

mod common;
mod inputs;
mod outcomes;
mod parts;
mod parts_again;
mod report;
mod staging;
mod threads;
mod worker;
