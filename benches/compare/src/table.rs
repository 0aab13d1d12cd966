//! Tables of a record in Markdown.

use std::fmt::{self, Write};

use crate::measure::Run;
use crate::medians::{self, Medians};
use crate::readers::{BATCH_REFERENCE, Items, Mode, READERS, REFERENCE, YARDSTICK};
use crate::record::{LeftOut, Line, Record};

/// Renders a table for each file, and the checks of each reader in the tables.
#[must_use]
pub fn markdown(record: &Record) -> String {
    let mut text = String::new();
    // Writing into a string does not fail.
    let _ = write(&mut text, record);
    text
}

/// Renders a short table of the first file: times, ratios and memory. For a folder: repositories
/// per second and ratios.
#[must_use]
pub fn short(record: &Record) -> String {
    let mut text = String::new();
    // Writing into a string does not fail.
    let _ = write_short(&mut text, record);
    text
}

fn write_short(out: &mut String, record: &Record) -> fmt::Result {
    let Some(file) = medians::files(record).first().copied() else { return Ok(()) };
    let rows = rows(record, file);
    let reference = seconds(&rows, reference(file));
    let shown = |row: &&Medians| row.reader.items != Items::Blocks;
    if is_folder(file) {
        writeln!(out, "| | repositories/s | to carwalk |\n|---|--:|--:|")?;
        for row in rows.iter().filter(|row| shown(row) || row.reader.name == YARDSTICK) {
            let ratio = ratio(row, reference);
            writeln!(out, "| {} | {} | {ratio} |", row.reader.title, files_each_second(row))?;
        }
    } else {
        writeln!(out, "| | time | to carwalk | peak memory |\n|---|--:|--:|--:|")?;
        for row in rows.iter().filter(shown) {
            let (title, time, ratio) = (row.reader.title, time(row.seconds), ratio(row, reference));
            writeln!(out, "| {title} | {time} | {ratio} | {} |", mebibytes(row.peak_anonymous))?;
        }
    }
    Ok(())
}

fn files_each_second(row: &Medians) -> String {
    format!("{:.0}", row.files / row.seconds)
}

/// Returns the medians of each reader that was timed on a file.
fn rows(record: &Record, file: &Run) -> Vec<Medians> {
    READERS.iter().filter_map(|reader| Medians::of(record, file, reader)).collect()
}

fn is_folder(file: &Run) -> bool {
    file.report.files > 1
}

/// Returns the name of the reader with which the others are compared.
fn reference(file: &Run) -> &'static str {
    if is_folder(file) { BATCH_REFERENCE } else { REFERENCE }
}

fn seconds(rows: &[Medians], name: &str) -> Option<f64> {
    rows.iter().find(|row| row.reader.name == name).map(|row| row.seconds)
}

/// Formats the reader's time divided by `to`. Empty if there is no time to divide by.
fn ratio(row: &Medians, to: Option<f64>) -> String {
    to.map_or_else(String::new, |to| format!("{:.2}", row.seconds / to))
}

fn write(out: &mut String, record: &Record) -> fmt::Result {
    for line in &record.lines {
        if let Line::Setting(setting) = line {
            writeln!(out, "`{}` on {}.", setting.command, setting.machine)?;
        }
    }
    let mut shown = Vec::new();
    for file in medians::files(record) {
        let rows = rows(record, file);
        table(out, record, file, &rows)?;
        shown.extend(rows.iter().map(|row| row.reader.name));
    }
    writeln!(out, "\nWhat is checked:\n")?;
    for reader in READERS.iter().filter(|reader| shown.contains(&reader.name)) {
        writeln!(out, "- {}: {}", reader.title, reader.checks)?;
    }
    Ok(())
}

fn table(out: &mut String, record: &Record, file: &Run, rows: &[Medians]) -> fmt::Result {
    let once = file.mode == Mode::Once;
    let rounds = rows.iter().map(|row| row.rounds).max().unwrap_or(0);
    let how =
        if once { "a process for each run" } else { "in memory, read repeatedly in one process" };
    let files = match file.report.files {
        1 => String::new(),
        files => format!("{files} files, "),
    };
    writeln!(
        out,
        "\n{}: {files}{} bytes, {how}, medians of {rounds} rounds.\n",
        file.file, file.file_bytes
    )?;
    let memory = if once { " peak RSS | peak anonymous |" } else { "" };
    let unit = if is_folder(file) { "repositories/s" } else { "records/s" };
    writeln!(out, "| | time | to carwalk | to hashing | {unit} | MB/s | CPU |{memory}")?;
    writeln!(out, "|---|--:|--:|--:|--:|--:|--:|{}", if once { "--:|--:|" } else { "" })?;
    let (reference, yardstick) = (seconds(rows, reference(file)), seconds(rows, YARDSTICK));
    for row in rows {
        let each_second = match row.reader.items {
            _ if is_folder(file) => files_each_second(row),
            Items::Blocks => String::new(),
            Items::Records | Items::Entries => format!("{:.0}", row.items / row.seconds),
        };
        let (title, time, busy) = (row.reader.title, time(row.seconds), row.busy);
        let (to_carwalk, to_hashing) = (ratio(row, reference), ratio(row, yardstick));
        let speed = row.file_bytes / row.seconds / 1e6;
        write!(
            out,
            "| {title} | {time} | {to_carwalk} | {to_hashing} | {each_second} | {speed:.0} | {busy:.2} |"
        )?;
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
