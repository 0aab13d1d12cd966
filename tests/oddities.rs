//! Exports that look odd and break no rule: accepted, and all of their records found, however they
//! are read.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod common;

use carwalk::Loader;
use carwalk_testkit::legal::{self, Oddity};
use libtest_mimic::{Arguments, Trial};

fn main() {
    let trials = legal::all().map(|oddity| {
        let check = move || {
            is_accepted(oddity);
            Ok(())
        };
        Trial::test(format!("{}::is_accepted", oddity.name), check)
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit();
}

fn is_accepted(oddity: &Oddity) {
    let car = oddity.make();
    let rows = common::rows_each_way(&car, Loader::new).unwrap();
    assert!(rows == common::oracle_rows(&car));
}
