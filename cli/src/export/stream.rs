//! Rows into one file, or standard output.

use std::io::{self, BufWriter, Write};
use std::mem;

use carwalk_batch::parts::{PartsError, Sheet};
use carwalk_batch::staging::{Encode, Selection};
use carwalk_batch::{Delivery, Ending, History, Input, Inputs, Line, Order, Report, Stop};

use super::tally::Tally;
use super::task::Task;
use crate::batch::may_wait;
use crate::failure::{Cause, IO};
use crate::interrupt::Interrupt;
use crate::out_file::OutFile;
use crate::output::BUFFER_LEN;

impl<E: Encode + 'static> Task<'_, E> {
    /// Writes the rows in the order of the inputs. Never continues an earlier run.
    pub(super) fn to_stream(&self, selection: &Selection, out: &OutFile) -> Result<(), Cause> {
        let options = self.options;
        let inputs = options.inputs()?;
        // Lines of earlier runs stay in the report, and mean nothing here.
        let (report, _) = options.batch.report(&self.run_digest())?;
        let temporary = out.temporary();
        let interrupt = Interrupt::watch_with(move || temporary.delete());
        let (stop, mut tally) = (interrupt.stop(), options.tally(&inputs, out.is_stdout()));
        let mut sink = Sink::new(report, self.output_name(out), may_wait(&inputs));
        let write = |file: &mut (dyn Write + Send)| {
            self.write_rows(&inputs, selection, &stop, &mut tally, &mut sink, file)
        };
        let written = if out.is_stdout() { to_stdout(write) } else { out.write_file(write) };
        // Without a complete file, no input is done.
        let reported = if written.is_ok() { sink.finish() } else { Ok(()) };
        interrupt.end();
        match written {
            // Rows that were written before stay on standard output; a file gets no name.
            Err(Cause::Inputs(_)) if tally.is_over() => {}
            written => written?,
        }
        reported?;
        tally.finish()
    }

    /// Returns the output as the report names it.
    fn output_name(&self, out: &OutFile) -> Option<String> {
        (!out.is_stdout()).then(|| carwalk_batch::path_name(&self.options.output))
    }

    fn write_rows(
        &self,
        inputs: &Inputs,
        selection: &Selection,
        stop: &Stop,
        tally: &mut Tally,
        sink: &mut Sink,
        file: &mut (dyn Write + Send),
    ) -> Result<(), Cause> {
        let mut sheet = self.encoding.sheet(file)?;
        let (what, how) = ((selection, &History::default()), (Order::Inputs, stop));
        let ending = self.export_each(inputs, what, how, tally, |delivery, tally| {
            sink.take(delivery, tally, &mut sheet)
        })?;
        // An output that does not have all inputs is not complete. A format with a footer must not
        // look as if it were.
        if ending != Ending::Complete {
            sheet.flush()?;
            return Err(UNFINISHED);
        }
        Ok(sheet.end()?)
    }
}

/// Writes standard output with a function, and what is left in the buffer if that fails.
fn to_stdout(
    write: impl FnOnce(&mut (dyn Write + Send)) -> Result<(), Cause>,
) -> Result<(), Cause> {
    let mut stdout = BufWriter::with_capacity(BUFFER_LEN, io::stdout());
    let written = write(&mut stdout);
    // After an error of writing, this is the same error.
    stdout.flush()?;
    written
}

/// The batch ended before the last input.
const UNFINISHED: Cause = Cause::Inputs(IO);

/// Lines that are written at once. All of them as text would take as much memory again.
const APPENDED: usize = 256;

/// Takes what the threads deliver: pieces go into the sheet, lines into the report.
struct Sink {
    report: Option<Report>,
    output: Option<String>,
    /// The lines of done inputs, which wait until the file has its name. About 500 bytes each.
    held: Vec<Line>,
    /// Whether the rows of each input are flushed, because the next may take forever.
    flushes: bool,
    /// Whether pieces of an input were written whose line has not come.
    has_pieces: bool,
}

impl Sink {
    fn new(report: Option<Report>, output: Option<String>, flushes: bool) -> Self {
        Sink { report, output, held: Vec::new(), flushes, has_pieces: false }
    }

    fn take<S: Sheet>(
        &mut self,
        delivery: Delivery<'_, Input, S::Piece, Line>,
        tally: &mut Tally,
        sheet: &mut S,
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
    fn append<S: Sheet>(&mut self, mut line: Line, sheet: &mut S) -> Result<(), Cause> {
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
