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
mod blobs;
mod bombs;
mod builder;
mod car_sections;
mod car_writer;
mod cars;
mod chunks;
mod completeness;
#[cfg(feature = "json")]
mod data_model;
mod debug_output;
#[cfg(feature = "serde")]
mod decode;
mod diff;
mod embedding;
mod errors;
mod examples;
mod hostile_reader;
mod hostile_store;
#[cfg(all(feature = "json", feature = "serde"))]
mod ipld;
#[cfg(feature = "json")]
mod json_properties;
#[cfg(feature = "json")]
mod json_values;
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
mod links;
mod look_ahead;
mod look_alikes;
mod lookup;
#[cfg(feature = "mmap")]
mod map;
#[cfg(feature = "redb")]
mod named_files;
mod oddities;
mod one_pass;
mod pages;
mod peek;
mod prefetch;
mod process;
mod processable;
mod proof;
mod properties;
#[cfg(feature = "signature")]
mod public_keys;
mod random_record;
mod ranges;
mod records_ahead;
mod reverse;
mod reverse_bombs;
mod reverse_damage;
mod sample;
mod scratch;
mod send_sync;
#[cfg(feature = "serde")]
mod serde_cid;
#[cfg(feature = "serde")]
mod serde_types;
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
#[cfg(feature = "sync")]
mod sync;
mod threads;
mod trees;
mod truncation;
mod verification;
mod work_bounds;
mod writer;
