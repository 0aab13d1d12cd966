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

#[path = "../../../tests/api/data_model.rs"]
mod data_model;
#[path = "../../src/escape.rs"]
mod escape;
mod harness;

mod account;
mod bare_tree;
mod batches;
mod blobs;
mod block_order;
mod compressed;
mod declared_lengths;
mod diff;
mod escapes;
mod exit_codes;
mod export;
mod export_folder;
mod export_output;
#[cfg(unix)]
mod export_passed_on;
mod firehose;
mod forged_kept;
mod get;
mod get_json;
mod help;
mod inputs;
mod inspect;
mod invalid_paths;
mod keep;
mod look_alikes;
mod ls;
mod ls_records;
#[cfg(unix)]
mod mapping;
mod one_pass;
mod pack;
mod pipes;
mod prove;
mod record_column;
mod revision_dates;
mod roots;
mod spill;
mod stream_limit;
#[cfg(unix)]
mod suggested_commands;
mod tails;
#[cfg(unix)]
mod terminals;
mod torn;
mod tree;
mod unpack;
mod vectors;
mod verify;
mod verify_many;
mod verify_records;
