//! Reading a report back.

use std::io::{self, BufRead, BufReader, Read, Write};

use super::line::Line;
use super::{History, Report, ReportError};

/// Longest accepted line, in bytes. The longest parts are a path and a message.
const MAX_LINE: u64 = 1 << 20;

/// What every line of a report begins with.
const BEGINNING: &[u8] = br#"{"path":""#;

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
                take(report, history, line, number)?;
            }
            Err(_)
                if is_unfinished(&text)
                    && is_end(&mut bytes).map_err(|error| report.failed(error))? =>
            {
                let cut = report.file.set_len(end);
                return cut.map_err(|error| report.failed(error));
            }
            Err(error) => {
                let fault = format!("not a line of a report: {error}");
                return Err(ReportError::Line { path: report.path.clone(), line: number, fault });
            }
        }
    }
    end_last_line(report, is_ended)
}

/// Returns whether a text is what is left of a line whose writing did not end: its beginning, then
/// zero bytes, which a file system may leave after a power failure.
///
/// All else was written by something else, and is not deleted.
fn is_unfinished(text: &[u8]) -> bool {
    let zeros = text.iter().rev().take_while(|byte| **byte == 0).count();
    let written = text.get(..text.len().saturating_sub(zeros)).unwrap_or_default();
    if written.len() <= BEGINNING.len() {
        return BEGINNING.starts_with(written);
    }
    let is_begun = written.starts_with(BEGINNING) && !written.ends_with(b"\n");
    is_begun
        && match Line::parse(written) {
            // Only zeros follow.
            Ok(_) => true,
            Err(error) => error.kind() == io::ErrorKind::UnexpectedEof,
        }
}

/// Adds the line break to a last line that has all but that.
fn end_last_line(report: &mut Report, is_ended: bool) -> Result<(), ReportError> {
    let written = if is_ended { Ok(()) } else { report.file.write_all(b"\n") };
    written.map_err(|error| report.failed(error))
}

fn is_end(bytes: &mut impl BufRead) -> io::Result<bool> {
    Ok(bytes.fill_buf()?.is_empty())
}

/// Takes in a line. Refuses one of a run with other options.
fn take(
    report: &Report,
    history: &mut History,
    line: Line,
    number: u64,
) -> Result<(), ReportError> {
    let run = line.run.clone().unwrap_or_default();
    let identity = match run.strip_prefix(&report.run) {
        Some("") => None,
        Some(rest) if rest.starts_with('-') => rest.get(1..),
        _ => return Err(ReportError::OtherRun { path: report.path.clone(), line: number }),
    };
    history.take(line, identity);
    Ok(())
}
