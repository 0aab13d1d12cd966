//! The tool's tests, by command and by behaviour. One program, so that there is one to link.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::print_stderr,
    reason = "tests fail by panicking"
)]

mod data_model;
mod harness;
#[path = "../../src/json/mod.rs"]
mod json;

mod block_order;
mod exit_codes;
mod forged_kept;
mod get;
mod inputs;
mod inspect;
mod json_properties;
mod json_values;
mod keep;
mod ls;
#[cfg(unix)]
mod mapping;
mod pipes;
mod prove;
mod spill;
mod stream_limit;
#[cfg(unix)]
mod terminals;
mod vectors;
mod verify;
