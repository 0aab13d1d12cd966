//! Rows into one file, or standard output.

use std::io::Write;
use std::mem;

use carwalk_batch::parts::{PartsError, Sheet, TextSheet};
use carwalk_batch::staging::Selection;
use carwalk_batch::{Delivery, Ending, History, Inputs, Line, Order, Report, Stop};

use super::tally::Tally;
use super::{Delivered, Export};
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
        let interrupt = Interrupt::watch();
        let (stop, mut tally) = (interrupt.stop(), self.tally(&inputs, out.is_stdout()));
        let mut output = Output::without_progress();
        let mut rows = Rows { report, output: self.output_name(out), has_pieces: false };
        let written = out.write(&mut output, |file| {
            self.write_rows(&inputs, selection, &stop, &mut tally, &mut rows, file)
        });
        let flushed = output.flush();
        interrupt.end();
        match written {
            // Rows that were written before stay on standard output; a file gets no name.
            Err(Cause::Inputs(_)) if tally.is_over() => {}
            written => written?,
        }
        flushed?;
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

/// Where the lines of inputs go.
struct Rows {
    report: Option<Report>,
    output: Option<String>,
    /// Whether pieces of an input were written whose line has not come.
    has_pieces: bool,
}

impl Rows {
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

    /// Appends a line to the report, after the rows of the input.
    fn append<W: Write>(&mut self, mut line: Line, sheet: &mut TextSheet<W>) -> Result<(), Cause> {
        let Some(report) = &mut self.report else { return Ok(()) };
        if line.is_done() {
            sheet.flush()?;
            line.output.clone_from(&self.output);
        }
        report.append([line]).map_err(Cause::Report)
    }
}
