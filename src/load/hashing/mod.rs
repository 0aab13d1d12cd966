//! Verifies blocks while they are loaded, many at a time.

mod batch;
mod workers;

pub(super) use self::batch::Verdicts;
pub(super) use self::workers::{Hashers, Queue};
