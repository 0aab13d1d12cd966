//! Medians over the rounds of a comparison.

use crate::measure::Run;
use crate::readers::{Mode, Reader};
use crate::record::{Line, Record};

/// Medians of the timed runs of one reader on one file.
#[derive(Debug)]
pub struct Medians {
    /// The reader.
    pub reader: &'static Reader,
    /// Purpose of the runs: [`Mode::Once`] or [`Mode::Repeat`].
    pub mode: Mode,
    /// Number of rounds.
    pub rounds: u32,
    /// Time of one reading in seconds.
    pub seconds: f64,
    /// Processor time of all threads divided by the time.
    pub busy: f64,
    /// Number of records, entries or blocks.
    pub items: f64,
    /// Number of files.
    pub files: f64,
    /// Length of all files in bytes.
    pub file_bytes: f64,
    /// [`Report::peak_rss`](crate::worker::Report::peak_rss).
    pub peak_rss: f64,
    /// [`Run::peak_anonymous`].
    pub peak_anonymous: f64,
}

impl Medians {
    /// Computes the medians of `reader` on the file and in the mode of `like`. `None` if it was not
    /// timed so.
    #[must_use]
    pub fn of(record: &Record, like: &Run, reader: &'static Reader) -> Option<Self> {
        let timed =
            || record.runs(&like.file, reader.name).filter(|round| round.run.mode == like.mode);
        let first = &timed().next()?.run;
        let of = |value: fn(&Run) -> f64| median(timed().map(|round| value(&round.run)).collect());
        Some(Self {
            reader,
            mode: first.mode,
            rounds: timed().map(|round| round.round).max()?,
            seconds: of(|run| run.report.seconds),
            busy: of(|run| {
                (run.report.user_seconds + run.report.system_seconds) / run.report.seconds
            }),
            items: first.report.items as f64,
            files: first.report.files as f64,
            file_bytes: first.file_bytes as f64,
            peak_rss: of(|run| run.report.peak_rss as f64),
            peak_anonymous: of(|run| run.peak_anonymous as f64),
        })
    }
}

/// Returns one timed run for each file and mode, in the order of the runs.
#[must_use]
pub fn files(record: &Record) -> Vec<&Run> {
    let mut files: Vec<&Run> = Vec::new();
    for line in &record.lines {
        if let Line::Run(round) = line
            && round.run.mode != Mode::Check
            && !files.iter().any(|run| run.file == round.run.file && run.mode == round.run.mode)
        {
            files.push(&round.run);
        }
    }
    files
}

/// Returns the median; the upper one of an even count, and 0 without numbers.
#[must_use]
pub fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or_default()
}
