//! The sums of a batch.

use std::fmt;

use crate::counted::Counted;
use crate::outcome::Outcome;
use crate::report::Line;

/// The sums of a batch: how many inputs had which outcome, and how many records those have that are
/// done. Displays as the line for people.
///
/// # Examples
///
/// ```
/// use carwalk_batch::{Input, Line, Summary};
///
/// let mut summary = Summary::default();
/// summary.add(&Line::of(&Input::new("no/such.car")));
/// assert_eq!(summary.to_string(), "1 input: 0 done, 0 skipped, 1 failed; 0 records");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// Inputs that are done.
    pub done: u64,
    /// Inputs that were skipped.
    pub skipped: u64,
    /// Inputs that failed.
    pub failed: u64,
    /// The records of the inputs that are done.
    pub records: u64,
}

impl Summary {
    /// Adds an input.
    pub fn add(&mut self, line: &Line) {
        let count = match line.outcome {
            Outcome::Done => &mut self.done,
            Outcome::Skipped(_) => &mut self.skipped,
            Outcome::Failed(_) => &mut self.failed,
        };
        *count = count.saturating_add(1);
        if line.is_done() {
            self.records = self.records.saturating_add(line.records.unwrap_or(0));
        }
    }

    /// Returns the number of inputs.
    #[must_use]
    pub fn inputs(&self) -> u64 {
        self.done.saturating_add(self.skipped).saturating_add(self.failed)
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Summary { done, skipped, failed, records } = *self;
        let (inputs, records) = (Counted(self.inputs(), "input"), Counted(records, "record"));
        write!(f, "{inputs}: {done} done, {skipped} skipped, {failed} failed; {records}")
    }
}
