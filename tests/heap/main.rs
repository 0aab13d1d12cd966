//! Tests of heap use. They are one program and run one after the other, because the allocator
//! counts for the whole process.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    reason = "tests fail by panicking"
)]

use libtest_mimic::{Arguments, Trial};

/// The tests of a module.
macro_rules! tests {
    ($($(#[$if:meta])* $name:ident,)*) => {
        pub(crate) const TESTS: &[(&str, fn())] = &[
            $($(#[$if])* (stringify!($name), $name),)*
        ];
    };
}

#[path = "../common/mod.rs"]
mod common;
mod heap;
mod hostile;
mod limit;
mod load;
mod process;
mod record;
#[cfg(feature = "redb")]
mod spill;
mod twelve_holes;
mod walk;

fn main() {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(1);
    let modules = [
        ("hostile", hostile::TESTS),
        ("limit", limit::TESTS),
        ("load", load::TESTS),
        ("process", process::TESTS),
        ("record", record::TESTS),
        #[cfg(feature = "redb")]
        ("spill", spill::TESTS),
        ("twelve_holes", twelve_holes::TESTS),
        ("walk", walk::TESTS),
    ];
    let trials = modules.into_iter().flat_map(|(module, tests)| {
        tests.iter().map(move |&(name, test)| {
            Trial::test(format!("{module}::{name}"), move || {
                test();
                Ok(())
            })
        })
    });
    libtest_mimic::run(&arguments, trials.collect()).exit();
}
