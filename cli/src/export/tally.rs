//! What an export prints beside its rows: failures, and the sums.

use std::ops::ControlFlow;

use carwalk_batch::{Line, Summary};

use crate::batch::{OfAccount, code_of_line};
use crate::failure::Cause;
use crate::progress::SharedProgress;

/// The sums of an export, and the progress bar.
pub(super) struct Tally {
    pub(super) progress: SharedProgress,
    summary: Summary,
    /// The largest exit code of an input.
    code: u8,
    of_account: OfAccount,
    ends_at_failure: bool,
    has_failed: bool,
}

impl Tally {
    pub(super) fn new(
        progress: SharedProgress,
        of_account: OfAccount,
        ends_at_failure: bool,
    ) -> Self {
        let summary = Summary::default();
        Tally { progress, summary, code: 0, of_account, ends_at_failure, has_failed: false }
    }

    /// Counts an input. One line on stderr says why it failed, or which of its paths are invalid.
    pub(super) fn add(&mut self, line: &Line) {
        self.summary.add(line);
        self.of_account.add(line);
        self.code = self.code.max(code_of_line(line));
        self.has_failed |= line.is_failed();
        let path = &line.path;
        match (line.outcome.reason(), &line.error) {
            (_, None) => {}
            (None, Some(message)) => self.progress.note(format_args!("{path}: {message}")),
            (Some(reason), Some(message)) => {
                self.progress.note(format_args!("{path}: {reason}: {message}"));
            }
        }
    }

    /// Returns whether the batch goes on.
    pub(super) fn flow(&self) -> ControlFlow<()> {
        if self.is_over() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// Returns whether an input failed and that ends the batch.
    pub(super) fn is_over(&self) -> bool {
        self.has_failed && self.ends_at_failure
    }

    /// Prints the sums. Fails if an input did.
    pub(super) fn finish(self) -> Result<(), Cause> {
        if let Some(note) = self.of_account.note() {
            self.progress.note(format_args!("{note}"));
        }
        self.progress.note(format_args!("{}", self.summary));
        if self.code == 0 { Ok(()) } else { Err(Cause::Inputs(self.code)) }
    }
}
