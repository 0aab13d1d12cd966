//! `carwalk verify` over many inputs: one line for each.

use std::convert::Infallible;
use std::io::{self, IsTerminal, Write};
use std::ops::ControlFlow;
use std::path::Path;

use carwalk_batch::{
    Check, Delivery, History, Input, Inputs, Line, Outcome, Report, Sender, Skip, Stop, Summary,
    Worker, run_digest,
};

use super::Verify;
use crate::batch::{OfAccount, code_of_line, may_wait};
use crate::failure::{Cause, Failure};
use crate::interrupt::Interrupt;
use crate::output::Output;
use crate::progress::SharedProgress;

impl Verify {
    /// Returns whether there is more than one input, or a folder, or a list.
    pub(super) fn is_of_many(&self) -> bool {
        let is_folder = !self.input.is_kept() && self.input.file().is_some_and(Path::is_dir);
        is_folder || !self.more.is_empty() || self.batch.is_asked()
    }

    /// Verifies many inputs.
    pub(super) fn run_many(&self) -> Result<(), Failure> {
        self.verify_many().map_err(|cause| Failure {
            input: "inputs".to_owned(),
            cause,
            has_partial: false,
            is_binary: false,
        })
    }

    fn verify_many(&self) -> Result<(), Cause> {
        self.check_many()?;
        let paths = self.input.file().into_iter().chain(self.more.iter().map(AsRef::as_ref));
        let inputs = self.batch.inputs(paths)?;
        let (report, history) = self.batch.report(&self.run_digest())?;
        let interrupt = Interrupt::watch();
        let mut lines = Lines::new(self, &inputs, report);
        let done = self.verify_each(&inputs, &history, &interrupt.stop(), &mut lines);
        let flushed = lines.out.flush();
        interrupt.end();
        done?;
        flushed?;
        lines.finish()
    }

    /// Refuses options that need a single CAR.
    fn check_many(&self) -> Result<(), Cause> {
        if self.account.has_keys() {
            return Err(Cause::Usage(
                "--key and --did-doc need a single CAR: each account has its own keys",
            ));
        }
        let is_report = self.partial || self.records || self.json;
        if self.one_pass || is_report || self.input.is_of_one_car() {
            return Err(Cause::Usage(
                "--partial, --one-pass, --records, --json, --kept, --keep, --commit, \
                 --memory-limit, --max-spill, --spill-dir and --verbose need a single CAR, \
                 without --report and --files-from",
            ));
        }
        Ok(())
    }

    /// Returns the digest of the options that shape the lines.
    fn run_digest(&self) -> String {
        let shape = self.input.shape();
        let shape = shape.iter().map(|(name, value)| (*name, value.as_str()));
        let did = self.account.did().map(|did| ("did", did));
        run_digest([("command", "verify")].into_iter().chain(shape).chain(did))
    }

    fn verify_each(
        &self,
        inputs: &Inputs,
        history: &History,
        stop: &Stop,
        lines: &mut Lines,
    ) -> Result<(), Cause> {
        let progress = SharedProgress::over_inputs(inputs.bytes(), true);
        let settings = self.input.settings();
        let settings = match self.account.did() {
            Some(did) => settings.dids([did]),
            None => settings,
        };
        let mut fault = None;
        self.batch.threads(stop.clone()).run(
            inputs.as_slice(),
            || Worker::new(settings.clone(), stop.clone(), progress.advance()),
            |worker, input, _: &Sender<'_, Infallible, Line>| verify(worker, input, history, stop),
            |delivery| match lines.take(delivery) {
                Ok(flow) => flow,
                Err(cause) => {
                    fault = Some(cause);
                    ControlFlow::Break(())
                }
            },
        );
        fault.map_or(Ok(()), Err)
    }
}

/// Verifies one input.
fn verify(worker: &mut Worker, input: &Input, history: &History, stop: &Stop) -> Line {
    if history.finished(input).is_some() {
        let mut line = Line::of(input);
        line.outcome = Outcome::Skipped(Skip::Finished);
        return line;
    }
    worker.process(input, &mut Check::new(stop))
}

/// The output: lines, the report, and the sums.
struct Lines {
    out: Output,
    report: Option<Report>,
    summary: Summary,
    /// The largest exit code of an input.
    code: u8,
    is_quiet: bool,
    ends_at_failure: bool,
    of_account: OfAccount,
    /// Whether each line is flushed: somebody watches, the report has the input too, or the next
    /// input may take forever.
    flushes: bool,
}

impl Lines {
    fn new(verify: &Verify, inputs: &Inputs, report: Option<Report>) -> Self {
        Lines {
            flushes: io::stdout().is_terminal() || report.is_some() || may_wait(inputs),
            out: Output::without_progress(),
            report,
            summary: Summary::default(),
            code: 0,
            is_quiet: verify.quiet,
            ends_at_failure: verify.batch.fail_fast,
            of_account: OfAccount::new(verify.account.did()),
        }
    }

    fn take(
        &mut self,
        delivery: Delivery<'_, Input, Infallible, Line>,
    ) -> Result<ControlFlow<()>, Cause> {
        let Delivery::Result { result: line, .. } = delivery;
        self.summary.add(&line);
        self.of_account.add(&line);
        self.code = self.code.max(code_of_line(&line));
        if line.is_failed() || !self.is_quiet {
            write_line(&line, &mut self.out)?;
            if self.flushes {
                self.out.flush()?;
            }
        }
        let is_last = line.is_failed() && self.ends_at_failure;
        if let Some(report) = &mut self.report {
            report.append([line]).map_err(Cause::Report)?;
        }
        Ok(if is_last { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    }

    /// Prints the sums.
    fn finish(mut self) -> Result<(), Cause> {
        if let Some(note) = self.of_account.note() {
            self.out.note(format_args!("{note}"))?;
        }
        if self.code != 0 || !self.is_quiet {
            self.out.note(format_args!("{}", self.summary))?;
        }
        if self.code == 0 { Ok(()) } else { Err(Cause::Inputs(self.code)) }
    }
}

/// Writes the columns of an input, `-` for what is not known.
fn write_line(line: &Line, out: &mut Output) -> io::Result<()> {
    let text = |field: &Option<String>| field.clone().unwrap_or_else(|| "-".to_owned());
    let (did, rev) = (text(&line.did), text(&line.rev));
    let records = text(&line.records.map(|records| records.to_string()));
    let (path, outcome) = (&line.path, line.outcome.name());
    write!(out, "{path}\t{outcome}\t{did}\t{rev}\t{records}\t")?;
    match (line.outcome.reason(), &line.error) {
        (None, _) => writeln!(out, "-"),
        (Some(reason), None) => writeln!(out, "{reason}"),
        (Some(reason), Some(message)) => writeln!(out, "{reason}: {message}"),
    }
}
