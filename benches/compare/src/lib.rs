//! Times readers of AT Protocol repository exports beside each other: one process a run, all rounds interleaved.
//!
//! `README.md` says what is measured how; [`readers::READERS`] is the list of readers.

pub mod machine;
pub mod measure;
pub mod readers;
pub mod record;
pub mod source;
pub mod table;

pub mod tally;
pub mod worker;

/// Whatever went wrong: nothing here is told apart.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// What may go wrong.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The middle one of some numbers, 0 of none.
#[must_use]
pub fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or_default()
}
