//! The number of random cases of a test: few by default, more with `CARWALK_TEST_CASES`.

use std::env;
use std::sync::LazyLock;

static FACTOR: LazyLock<u64> = LazyLock::new(|| {
    env::var("CARWALK_TEST_CASES").map_or(1, |value| match value.parse() {
        Ok(factor @ 1..) => factor,
        _ => panic!("CARWALK_TEST_CASES is {value:?}, expected a number from 1"),
    })
});

/// Returns the factor for the number of random cases, from `CARWALK_TEST_CASES`. Default: 1.
///
/// # Panics
///
/// Panics if the variable is not a number of at least 1.
pub fn factor() -> u64 {
    *FACTOR
}

/// Returns the number of random cases of a test whose default number is `default`.
pub fn cases(default: u64) -> u64 {
    default.saturating_mul(factor())
}

/// Returns the step of a test that tries every `default`th item of a list by default, and every
/// item if [`factor`] is `default` or more.
pub fn step(default: usize) -> usize {
    default.div_ceil(usize::try_from(factor()).unwrap_or(usize::MAX))
}
