//! The library's tests, by behaviour. One program, so that there is one to link.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "tests fail by panicking"
)]

#[path = "../common/mod.rs"]
mod common;

#[cfg(feature = "redb")]
mod bad_copies;
mod bombs;
mod car_sections;
mod car_writer;
mod chunks;
mod completeness;
mod debug_output;
#[cfg(feature = "serde")]
mod decode;
mod errors;
mod hostile_reader;
mod hostile_store;
#[cfg(feature = "redb")]
mod kept;
#[cfg(feature = "redb")]
mod kept_damage;
#[cfg(feature = "redb")]
mod kept_forgery;
#[cfg(feature = "redb")]
mod kept_offsets;
mod layers;
mod limit_table;
mod limits;
mod look_ahead;
mod look_alikes;
mod lookup;
#[cfg(feature = "mmap")]
mod map;
mod peek;
mod prefetch;
mod process;
mod processable;
mod proof;
mod properties;
#[cfg(feature = "signature")]
mod public_keys;
mod ranges;
mod reverse;
mod reverse_bombs;
mod reverse_damage;
mod sample;
mod send_sync;
#[cfg(feature = "signature")]
mod signature;
#[cfg(feature = "redb")]
mod spill;
#[cfg(feature = "redb")]
mod spill_errors;
#[cfg(feature = "redb")]
mod spill_groups;
mod store_contract;
mod strict_paths;
mod threads;
mod truncation;
mod verification;
mod work_bounds;
