//! The output of a command: lines on stdout, notes and a progress bar on stderr.

use std::fmt;
use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};

pub(crate) use carwalk_batch::Counted;

use crate::progress::{ProgressLine, Unit};

/// Bytes of a buffer for output.
pub(crate) const BUFFER_LEN: usize = 1 << 16;

/// Buffered stdout, and stderr.
pub(crate) struct Output {
    stdout: BufWriter<StdoutLock<'static>>,
    progress: ProgressLine,
    fault: Option<String>,
}

impl Output {
    /// Creates the output. `fault` is the message about the damaged part of a CAR, if there is one.
    pub(crate) fn new(fault: Option<String>) -> Self {
        let stdout = io::stdout().lock();
        // A bar among the lines of a listing would spoil both.
        let progress = if stdout.is_terminal() {
            ProgressLine::none()
        } else {
            ProgressLine::new(Unit::Blocks, None)
        };
        Output { stdout: BufWriter::with_capacity(BUFFER_LEN, stdout), progress, fault }
    }

    /// Creates the output of a command that has another progress bar, or none.
    pub(crate) fn without_progress() -> Self {
        let stdout = BufWriter::with_capacity(BUFFER_LEN, io::stdout().lock());
        Output { stdout, progress: ProgressLine::none(), fault: None }
    }

    /// Counts a block that was walked.
    #[inline]
    pub(crate) fn step(&mut self) {
        self.progress.step();
    }

    /// Returns the message about the damaged part of the CAR, safe to print.
    pub(crate) fn fault(&self) -> Option<&str> {
        self.fault.as_deref()
    }

    /// Prints a note of one line on stderr, after flushing stdout.
    pub(crate) fn note(&mut self, note: fmt::Arguments<'_>) -> io::Result<()> {
        self.stdout.flush()?;
        self.progress.note(note);
        Ok(())
    }
}

impl Write for Output {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stdout.write(bytes)
    }

    #[inline]
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stdout.write_all(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stdout.flush()
    }
}
