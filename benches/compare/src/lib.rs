//! Times readers of AT Protocol repository exports. Each run is a process of its own. In each
//! round, all readers run in turn.
//!
//! `README.md` describes what is measured and how. [`readers::READERS`] is the list of readers.

pub mod bars;
mod drawing;
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
pub mod traffic;
pub mod worker;

/// An error of any kind. The programs only print it.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// A result with this package's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;
