//! A progress bar for work that takes longer than half a second. It is shown only if stderr is a
//! terminal.

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// Time after which the bar is shown.
const PATIENCE: Duration = Duration::from_millis(500);

/// Steps between two checks of the clock.
const STRIDE: u64 = 1 << 12;

/// The unit of progress.
#[derive(Clone, Copy)]
pub(crate) enum Unit {
    /// Bytes of the CAR that were read.
    Bytes,
    /// Nodes and records that were walked.
    Blocks,
}

/// A progress bar that a load updates.
#[derive(Clone)]
pub(crate) struct SharedProgress(Arc<Mutex<ProgressLine>>);

impl SharedProgress {
    pub(crate) fn new(unit: Unit, len: Option<u64>) -> Self {
        SharedProgress(Arc::new(Mutex::new(ProgressLine::new(unit, len))))
    }

    /// Returns the progress function of a load.
    pub(crate) fn follow(&self) -> impl Fn(u64) -> ControlFlow<()> + Send + Sync + use<> {
        let line = Arc::clone(&self.0);
        move |position| {
            line.lock().unwrap_or_else(PoisonError::into_inner).set(position);
            ControlFlow::Continue(())
        }
    }

    /// Creates a bar over the bytes of many inputs, unless the output goes to a terminal: a bar
    /// among the lines of a listing would spoil both.
    pub(crate) fn over_inputs(bytes: u64, writes_stdout: bool) -> Self {
        let line = if writes_stdout && io::stdout().is_terminal() {
            ProgressLine::none()
        } else {
            ProgressLine::new(Unit::Bytes, Some(bytes))
        };
        SharedProgress(Arc::new(Mutex::new(line)))
    }

    /// Returns a function that advances the bar by a number of bytes.
    pub(crate) fn advance(&self) -> impl Fn(u64) + Send + Sync + use<> {
        let line = Arc::clone(&self.0);
        move |bytes| line.lock().unwrap_or_else(PoisonError::into_inner).advance(bytes)
    }

    /// Prints a line on stderr.
    pub(crate) fn note(&self, note: fmt::Arguments<'_>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).note(note);
    }
}

/// A progress bar. It is removed from the terminal on drop.
pub(crate) struct ProgressLine {
    unit: Unit,
    len: Option<u64>,
    position: u64,
    /// When the bar is due; `None` if it is never shown.
    due: Option<Instant>,
    bar: Option<ProgressBar>,
}

impl ProgressLine {
    /// Creates a bar that is shown if the work takes long.
    pub(crate) fn new(unit: Unit, len: Option<u64>) -> Self {
        let due =
            if io::stderr().is_terminal() { Instant::now().checked_add(PATIENCE) } else { None };
        ProgressLine { unit, len, position: 0, due, bar: None }
    }

    /// Creates a line that never shows a bar.
    pub(crate) fn none() -> Self {
        ProgressLine { unit: Unit::Blocks, len: None, position: 0, due: None, bar: None }
    }

    /// Advances the bar by one step.
    #[inline]
    pub(crate) fn step(&mut self) {
        self.position = self.position.wrapping_add(1);
        if self.position.is_multiple_of(STRIDE) {
            self.set(self.position);
        }
    }

    /// Advances the bar by some steps.
    fn advance(&mut self, steps: u64) {
        self.position = self.position.saturating_add(steps);
        self.set(self.position);
    }

    /// Moves the bar to a position.
    pub(crate) fn set(&mut self, position: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(position);
        } else if self.due.is_some_and(|due| Instant::now() >= due) {
            let bar = self.unit.bar(self.len);
            bar.set_position(position);
            self.bar = Some(bar);
        }
    }

    /// Prints a line on stderr. Errors are ignored: a closed stderr is no reason to stop.
    pub(crate) fn note(&self, note: fmt::Arguments<'_>) {
        self.suspend(|| {
            let _ = writeln!(anstream::stderr().lock(), "{note}");
        });
    }

    /// Hides the bar while something else is printed on stderr.
    fn suspend(&self, print: impl FnOnce()) {
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Unit {
    fn bar(self, len: Option<u64>) -> ProgressBar {
        let bar = len.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
        let template = match (self, len) {
            (Unit::Bytes, Some(_)) => "reading [{bar:40}] {bytes} of {total_bytes}",
            (Unit::Bytes, None) => "reading {spinner} {bytes}",
            (Unit::Blocks, _) => "walking {spinner} {human_pos} blocks",
        };
        match ProgressStyle::with_template(template) {
            Ok(style) => bar.with_style(style.progress_chars("=> ").tick_chars("|/-\\ ")),
            Err(_) => bar,
        }
    }
}
