//! Rows into one file, or standard output.

use std::io::Write;
use std::mem;

use carwalk_batch::parts::{PartsError, Sheet, TextSheet};
use carwalk_batch::staging::Selection;
use carwalk_batch::{Delivery, Ending, History, Inputs, Line, Order, Report, Stop};

use super::tally::Tally;
use super::{Delivered, Export};
use crate::batch::may_wait;
use crate::failure::Cause;
use crate::interrupt::Interrupt;
use crate::out_file::OutFile;
use crate::output::Output;

impl Export {
    /// Writes the rows in the order of the inputs. Never continues an earlier run.
    pub(super) fn to_stream(&self, selection: &Selection, out: &OutFile) -> Result<(), Cause> {
        let inputs = self.inputs()?;
        // Lines of earlier runs stay in the report, and mean nothing here.
        let (report, _) = self.batch.report(&self.run_digest())?;
        let temporary = out.temporary();
        let interrupt = Interrupt::watch_with(move || temporary.delete());
        let (stop, mut tally) = (interrupt.stop(), self.tally(&inputs, out.is_stdout()));
        let mut output = Output::without_progress();
        let mut rows = Rows::new(report, self.output_name(out), may_wait(&inputs));
        let written = out.write(&mut output, |file| {
            self.write_rows(&inputs, selection, &stop, &mut tally, &mut rows, file)
        });
        let flushed = output.flush();
        // Without a complete file, no input is done.
        let reported = if written.is_ok() { rows.finish() } else { Ok(()) };
        interrupt.end();
        match written {
            // Rows that were written before stay on standard output; a file gets no name.
            Err(Cause::Inputs(_)) if tally.is_over() => {}
            written => written?,
        }
        flushed?;
        reported?;
        tally.finish()
    }

    /// Returns the output as the report names it.
    fn output_name(&self, out: &OutFile) -> Option<String> {
        (!out.is_stdout()).then(|| carwalk_batch::path_name(&self.output))
    }

    fn write_rows(
        &self,
        inputs: &Inputs,
        selection: &Selection,
        stop: &Stop,
        tally: &mut Tally,
        rows: &mut Rows,
        file: &mut dyn Write,
    ) -> Result<(), Cause> {
        let mut sheet = TextSheet::begin(file, &self.encoding().header()?)?;
        let (what, how) = ((selection, &History::default()), (Order::Inputs, stop));
        let ending = self.export_each(inputs, what, how, tally, |delivery, tally| {
            rows.take(delivery, tally, &mut sheet)
        })?;
        sheet.end()?;
        // An output that does not have all inputs is not complete.
        if ending == Ending::Complete { Ok(()) } else { Err(UNFINISHED) }
    }
}

/// The batch ended before the last input.
const UNFINISHED: Cause = Cause::Inputs(5);

/// Lines that are written at once. All of them as text would take as much memory again.
const APPENDED: usize = 256;

/// Where the lines of inputs go.
struct Rows {
    report: Option<Report>,
    output: Option<String>,
    /// The lines of done inputs, which wait until the file has its name. About 500 bytes each.
    held: Vec<Line>,
    /// Whether the rows of each input are flushed, because the next may take forever.
    flushes: bool,
    /// Whether pieces of an input were written whose line has not come.
    has_pieces: bool,
}

impl Rows {
    fn new(report: Option<Report>, output: Option<String>, flushes: bool) -> Self {
        Rows { report, output, held: Vec::new(), flushes, has_pieces: false }
    }

    fn take<W: Write>(
        &mut self,
        delivery: Delivered<'_>,
        tally: &mut Tally,
        sheet: &mut TextSheet<W>,
    ) -> Result<(), Cause> {
        match delivery {
            Delivery::Piece { piece, .. } => {
                self.has_pieces = true;
                Ok(sheet.write(piece)?)
            }
            Delivery::Result { result: line, .. } => {
                if mem::take(&mut self.has_pieces) && line.is_failed() {
                    let error = line.error.unwrap_or_default();
                    return Err(PartsError::Torn { path: line.path, error }.into());
                }
                tally.add(&line);
                self.append(line, sheet)
            }
        }
    }

    /// Appends a line to the report, after the rows of the input. If these go to a file, the line
    /// waits for the file's name.
    fn append<W: Write>(&mut self, mut line: Line, sheet: &mut TextSheet<W>) -> Result<(), Cause> {
        let is_told = self.report.is_some() && self.output.is_none();
        if line.is_done() && (self.flushes || is_told) {
            sheet.flush()?;
        }
        let Some(report) = &mut self.report else { return Ok(()) };
        if line.is_done()
            && let Some(output) = &self.output
        {
            line.output = Some(output.clone());
            self.held.push(line);
            return Ok(());
        }
        report.append([line]).map_err(Cause::Report)
    }

    /// Appends the lines that wait, after the output got its name.
    fn finish(mut self) -> Result<(), Cause> {
        let Some(report) = &mut self.report else { return Ok(()) };
        let mut lines = self.held.into_iter();
        loop {
            let some: Vec<_> = lines.by_ref().take(APPENDED).collect();
            if some.is_empty() {
                return Ok(());
            }
            report.append(some).map_err(Cause::Report)?;
        }
    }
}
