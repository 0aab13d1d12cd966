//! What the rounds of a comparison come to.

use crate::measure::Run;
use crate::readers::{Mode, Reader};
use crate::record::{Line, Record};

/// The medians of what was measured of one reader over one file.
#[derive(Debug)]
pub struct Medians {
    /// The reader.
    pub reader: &'static Reader,
    /// Whether the file was read once in each process, or often.
    pub mode: Mode,
    /// Of how many rounds.
    pub rounds: u32,
    /// The time of one reading.
    pub seconds: f64,
    /// What the processors were used, by the time.
    pub busy: f64,
    /// Records, entries or blocks, whatever the reader gives.
    pub items: f64,
    /// The file's length.
    pub file_bytes: f64,
    /// [`Report::peak_rss`](crate::worker::Report::peak_rss).
    pub peak_rss: f64,
    /// [`Run::peak_anonymous`].
    pub peak_anonymous: f64,
}

impl Medians {
    /// Of that reader over that file, if it was timed.
    #[must_use]
    pub fn of(record: &Record, file: &str, reader: &'static Reader) -> Option<Self> {
        let timed = || record.runs(file, reader.name).filter(|round| round.run.mode != Mode::Check);
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
            file_bytes: first.file_bytes as f64,
            peak_rss: of(|run| run.report.peak_rss as f64),
            peak_anonymous: of(|run| run.peak_anonymous as f64),
        })
    }
}

/// One run over each file that was timed, in the order of the files.
#[must_use]
pub fn files(record: &Record) -> Vec<&Run> {
    let mut files: Vec<&Run> = Vec::new();
    for line in &record.lines {
        if let Line::Run(round) = line
            && round.run.mode != Mode::Check
            && !files.iter().any(|run| run.file == round.run.file)
        {
            files.push(&round.run);
        }
    }
    files
}

/// The middle one of some numbers, 0 of none.
#[must_use]
pub fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or_default()
}
