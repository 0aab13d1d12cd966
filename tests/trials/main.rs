//! Tests that are generated from data: a trial for each broken rule, each oddity, and each file of
//! external data.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::print_stderr,
    reason = "tests fail by panicking"
)]

#[path = "../common/mod.rs"]
mod common;
#[cfg(feature = "sync")]
mod inversion;
mod lookup_vectors;
mod mst_suite;
mod oddities;
#[cfg(feature = "signature")]
mod signature_vectors;
mod vectors;
mod violations;

use libtest_mimic::Arguments;

fn main() {
    let mut trials = violations::trials();
    trials.extend(oddities::trials());
    trials.extend(vectors::trials());
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}
