//! Exports that look odd but break no rule: every way of loading accepts them and finds all
//! records.

use crate::common;
use carwalk::Loader;
use carwalk_testkit::legal::{self, Oddity};
use libtest_mimic::Trial;

pub(crate) fn trials() -> Vec<Trial> {
    let trials = legal::all().map(|oddity| {
        let check = move || {
            is_accepted(oddity);
            Ok(())
        };
        Trial::test(format!("oddities::{}::is_accepted", oddity.name), check)
    });
    trials.collect()
}

fn is_accepted(oddity: &Oddity) {
    let car = oddity.make();
    let rows = common::rows_each_way(&car, Loader::new).unwrap();
    assert!(rows == common::oracle_rows(&car));
}
