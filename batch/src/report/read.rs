//! Reading a report back.

use std::io::{self, BufRead, BufReader, Read, Write};

use super::line::Line;
use super::{History, Report, ReportError};

/// Longest accepted line, in bytes. The longest parts are a path and a message.
const MAX_LINE: u64 = 1 << 20;

/// Reads all lines of a report. Removes a last line that was not written to its end.
pub(super) fn lines(report: &mut Report, history: &mut History) -> Result<(), ReportError> {
    let file = report.file.try_clone().map_err(|error| report.failed(error))?;
    let mut bytes = BufReader::new(file);
    let (mut text, mut end, mut is_ended) = (Vec::new(), 0_u64, true);
    for number in 1.. {
        text.clear();
        let read = bytes.by_ref().take(MAX_LINE).read_until(b'\n', &mut text);
        let len = read.map_err(|error| report.failed(error))?;
        if len == 0 {
            break;
        }
        match Line::parse(&text) {
            Ok(line) => {
                end = end.saturating_add(len as u64);
                is_ended = text.ends_with(b"\n");
                check_run(report, &line, number)?;
                history.take(line);
            }
            Err(error) if !is_end(&mut bytes).map_err(|error| report.failed(error))? => {
                let fault = format!("not a line of a report: {error}");
                return Err(ReportError::Line { path: report.path.clone(), line: number, fault });
            }
            Err(_) => {
                let cut = report.file.set_len(end);
                return cut.map_err(|error| report.failed(error));
            }
        }
    }
    end_last_line(report, is_ended)
}

/// Adds the line break to a last line that has all but that.
fn end_last_line(report: &mut Report, is_ended: bool) -> Result<(), ReportError> {
    let written = if is_ended { Ok(()) } else { report.file.write_all(b"\n") };
    written.map_err(|error| report.failed(error))
}

fn is_end(bytes: &mut impl BufRead) -> io::Result<bool> {
    Ok(bytes.fill_buf()?.is_empty())
}

/// Refuses a line of a run with other options.
fn check_run(report: &Report, line: &Line, number: u64) -> Result<(), ReportError> {
    match &line.run {
        Some(run) if *run == report.run => Ok(()),
        _ => Err(ReportError::OtherRun { path: report.path.clone(), line: number }),
    }
}
