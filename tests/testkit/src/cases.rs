//! How many random cases tests try: few by default, more if `CARWALK_TEST_CASES` says so.

use std::env;
use std::sync::LazyLock;

static FACTOR: LazyLock<u64> = LazyLock::new(|| {
    env::var("CARWALK_TEST_CASES").map_or(1, |value| match value.parse() {
        Ok(factor @ 1..) => factor,
        _ => panic!("CARWALK_TEST_CASES is {value:?}, expected a number from 1"),
    })
});

/// Returns the number that `CARWALK_TEST_CASES` multiplies the number of random cases with.
/// Default: 1.
///
/// # Panics
///
/// Panics if the variable is not a number from 1.
pub fn factor() -> u64 {
    *FACTOR
}

/// Returns the number of random cases of a test that tries `default` of them by default.
pub fn cases(default: u64) -> u64 {
    default.saturating_mul(factor())
}

/// Returns the step with which a test goes through a list of which it tries every `default`th item
/// by default, and every item if [`factor`] is `default` or more.
pub fn step(default: usize) -> usize {
    default.div_ceil(usize::try_from(factor()).unwrap_or(usize::MAX))
}
