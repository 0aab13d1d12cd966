//! Markdown from a record.

use std::fmt::{self, Write};

use crate::measure::Run;
use crate::median;
use crate::readers::{Items, Mode, READERS, REFERENCE, Reader, YARDSTICK};
use crate::record::{LeftOut, Line, Record};

/// The medians of what was measured of one reader over one file.
struct Row {
    reader: &'static Reader,
    seconds: f64,
    busy: f64,
    items: f64,
    file_bytes: f64,
    peak_rss: f64,
    peak_anonymous: f64,
}

/// A table for each file, and what each reader in them checks.
#[must_use]
pub fn markdown(record: &Record) -> String {
    let mut text = String::new();
    // Writing into a string does not fail.
    let _ = write(&mut text, record);
    text
}

fn write(out: &mut String, record: &Record) -> fmt::Result {
    for line in &record.lines {
        if let Line::Setting(setting) = line {
            writeln!(out, "`{}` on {}.", setting.command, setting.machine)?;
        }
    }
    let mut shown = Vec::new();
    for file in files(record) {
        let rows: Vec<_> = READERS.iter().filter_map(|reader| row(record, &file.file, reader)).collect();
        table(out, record, file, &rows)?;
        shown.extend(rows.iter().map(|row| row.reader.name));
    }
    writeln!(out, "\nWhat is checked:\n")?;
    for reader in READERS.iter().filter(|reader| shown.contains(&reader.name)) {
        writeln!(out, "- {}: {}", reader.title, reader.checks)?;
    }
    Ok(())
}

/// One run over each file, in the order of the files.
fn files(record: &Record) -> Vec<&Run> {
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

fn row(record: &Record, file: &str, reader: &'static Reader) -> Option<Row> {
    let runs: Vec<_> =
        record.runs(file, reader.name).map(|round| &round.run).filter(|run| run.mode != Mode::Check).collect();
    let first = runs.first()?;
    let of = |value: fn(&Run) -> f64| median(runs.iter().map(|run| value(run)).collect());
    Some(Row {
        reader,
        seconds: of(|run| run.report.seconds),
        busy: of(|run| (run.report.user_seconds + run.report.system_seconds) / run.report.seconds),
        items: first.report.items as f64,
        file_bytes: first.file_bytes as f64,
        peak_rss: of(|run| run.report.peak_rss as f64),
        peak_anonymous: of(|run| run.peak_anonymous as f64),
    })
}

fn table(out: &mut String, record: &Record, file: &Run, rows: &[Row]) -> fmt::Result {
    let once = file.mode == Mode::Once;
    let rounds = rows.iter().map(|row| record.runs(&file.file, row.reader.name).map(|round| round.round).max());
    let rounds = rounds.flatten().max().unwrap_or(0);
    let how = if once { "a process for each run" } else { "in memory, read again and again in one process" };
    writeln!(out, "\n{}: {} bytes, {how}, medians of {rounds} rounds.\n", file.file, file.file_bytes)?;
    let memory = if once { " peak RSS | peak anonymous |" } else { "" };
    writeln!(out, "| | time | to carwalk | to hashing | records/s | MB/s | CPU |{memory}")?;
    writeln!(out, "|---|--:|--:|--:|--:|--:|--:|{}", if once { "--:|--:|" } else { "" })?;
    let of = |name| rows.iter().find(|row| row.reader.name == name).map(|row| row.seconds);
    for row in rows {
        let ratio = |to: Option<f64>| to.map_or_else(String::new, |to| format!("{:.2}", row.seconds / to));
        let each_second = match row.reader.items {
            Items::Blocks => String::new(),
            Items::Records | Items::Entries => format!("{:.0}", row.items / row.seconds),
        };
        let (title, time, busy) = (row.reader.title, time(row.seconds), row.busy);
        let (to_carwalk, to_hashing) = (ratio(of(REFERENCE)), ratio(of(YARDSTICK)));
        let speed = row.file_bytes / row.seconds / 1e6;
        write!(out, "| {title} | {time} | {to_carwalk} | {to_hashing} | {each_second} | {speed:.0} | {busy:.2} |")?;
        if once {
            write!(out, " {} | {} |", mebibytes(row.peak_rss), mebibytes(row.peak_anonymous))?;
        }
        writeln!(out)?;
    }
    left_out(out, record, &file.file)
}

fn left_out(out: &mut String, record: &Record, of: &str) -> fmt::Result {
    for line in &record.lines {
        if let Line::LeftOut(LeftOut { reader, file, why }) = line
            && file == of
        {
            writeln!(out, "\n{reader} is left out: {why}")?;
        }
    }
    Ok(())
}

fn time(seconds: f64) -> String {
    match seconds {
        1e-1.. => format!("{seconds:.3} s"),
        1e-3.. => format!("{:.3} ms", seconds * 1e3),
        _ => format!("{:.3} us", seconds * 1e6),
    }
}

fn mebibytes(bytes: f64) -> String {
    format!("{:.0} MiB", bytes / f64::from(1 << 20))
}
