//! Times readers of AT Protocol repository exports beside each other: one process a run, all rounds
//! interleaved.
//!
//! `README.md` says what is measured how; [`readers::READERS`] is the list of readers.

pub mod bars;
pub mod growth;
pub mod machine;
pub mod measure;
pub mod medians;
pub mod plot;
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
