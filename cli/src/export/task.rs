//! An export in one format. All formats go this way.

use std::io::{self, IsTerminal};
use std::ops::ControlFlow;
use std::sync::Arc;

use carwalk_batch::staging::{Encode, Exporter, Rows, Selection};
use carwalk_batch::{Delivery, Ending, History, Input, Inputs, Line, Order, Stop, Worker};

use super::options::Options;
use super::tally::Tally;
use crate::failure::Cause;
use crate::out_file::OutFile;

/// The pieces of a format.
pub(super) type Piece<E> = <<E as Encode>::Rows as Rows>::Piece;

/// What comes from the threads.
pub(super) type Delivered<'i, E> = Delivery<'i, Input, Piece<E>, Line>;

/// An export: its options, and the format.
pub(super) struct Task<'o, E> {
    pub(super) options: &'o Options,
    pub(super) encoding: Arc<E>,
    is_binary: bool,
    waiting: Option<u64>,
}

impl<'o, E: Encode + 'static> Task<'o, E> {
    pub(super) fn new(options: &'o Options, encoding: E) -> Self {
        Task { options, encoding: Arc::new(encoding), is_binary: false, waiting: None }
    }

    /// Sets whether the output is not text, and so does not go to a terminal.
    pub(super) fn binary(mut self, yes: bool) -> Self {
        self.is_binary = yes;
        self
    }

    /// Sets how many bytes of pieces may wait for each thread. Default: that of `Threads`.
    pub(super) fn waiting(mut self, bytes: u64) -> Self {
        self.waiting = Some(bytes);
        self
    }

    /// Exports the inputs.
    pub(super) fn run(&self) -> Result<(), Cause> {
        let options = self.options;
        let selection = options.ranges.select(options.columns)?;
        if options.is_folder() {
            return self.to_folder(&selection);
        }
        if options.part_size.is_some() {
            return Err(Cause::Usage("--part-size needs a folder: -o FOLDER/"));
        }
        let out = OutFile::new(options.output.clone(), options.force);
        // Devices such as `/dev/null` take both.
        let is_file = !out.is_stdout() && (options.output.is_file() || !options.output.exists());
        if is_file && options.batch.is_report(&options.output) {
            return Err(Cause::Usage("--report and -o are the same file"));
        }
        out.check().map_err(taken)?;
        if self.is_binary && out.is_stdout() && io::stdout().is_terminal() {
            return Err(Cause::TERMINAL);
        }
        self.to_stream(&selection, &out)
    }

    /// Makes the rows of all inputs on threads, and passes them to `sink`. Returns whether all
    /// inputs were delivered.
    pub(super) fn export_each(
        &self,
        inputs: &Inputs,
        (selection, history): (&Selection, &History),
        (order, stop): (Order, &Stop),
        tally: &mut Tally,
        mut sink: impl FnMut(Delivered<'_, E>, &mut Tally) -> Result<(), Cause>,
    ) -> Result<Ending, Cause> {
        let settings = self.options.settings();
        let (encoding, progress) = (&*self.encoding, tally.progress.clone());
        let threads = self.options.batch.threads(stop.clone()).order(order);
        let threads = match self.waiting {
            Some(bytes) => threads.waiting(bytes),
            None => threads,
        };
        let mut fault = None;
        let ending = threads.run(
            inputs.as_slice(),
            || {
                let worker = Worker::new(settings.clone(), stop.clone(), progress.advance());
                Exporter::new(worker, encoding.rows(), selection, history, stop)
            },
            |exporter, input, sender| exporter.export(input, sender),
            |delivery| match sink(delivery, tally) {
                Ok(()) => tally.flow(),
                Err(cause) => {
                    fault = Some(cause);
                    ControlFlow::Break(())
                }
            },
        );
        fault.map_or(Ok(ending), Err)
    }
}

/// Returns the cause for an output that exists: perhaps a folder was meant.
fn taken(cause: Cause) -> Cause {
    match cause {
        Cause::Taken { path, .. } => {
            Cause::Taken { path, remedy: "; a folder of parts ends with a slash" }
        }
        cause => cause,
    }
}
