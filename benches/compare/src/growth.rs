//! Growth of time and memory with the number of records: measurements on files of different
//! lengths.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::Result;
use crate::medians::{self, Medians};
use crate::readers::{Items, Mode, READERS};
use crate::record::{Line, Record};

/// First byte of a note in the CSV.
const NOTE: u8 = b'#';

/// Measurements on files with different numbers of records.
#[derive(Clone, PartialEq, Debug)]
pub struct Growth {
    /// The machine, the commands, and the readers that were left out. Each note is one line.
    pub notes: Vec<String>,
    /// The measurements, in the order of [`READERS`] and then by number of records.
    pub points: Vec<Point>,
}

/// A row of the CSV: the measurements of one reader on one file.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Point {
    /// The reader's name.
    pub reader: String,
    /// Number of records in the file.
    pub records: u64,
    /// Length of the file in bytes.
    pub file_bytes: u64,
    /// Number of runs, each in its own process.
    pub rounds: u32,
    /// Median time of a run in seconds.
    pub median_seconds: f64,
    /// Median time divided by the number of records, in microseconds.
    pub microseconds_per_record: f64,
    /// Median peak of the runs' anonymous memory, in bytes.
    pub peak_anonymous_bytes: u64,
    /// Median peak of anonymous memory divided by the number of records, in bytes.
    pub bytes_per_record: f64,
}

impl Growth {
    /// Combines the measurements of comparisons on one machine.
    ///
    /// # Errors
    ///
    /// If the comparisons ran on different machines, if a reader was measured twice with the same
    /// number of records, if a reader returns blocks, or if a file was read repeatedly
    /// ([`Mode::Repeat`]).
    pub fn of(records: &[Record]) -> Result<Self> {
        let mut points = Vec::new();
        for reader in READERS {
            let of_reader = |record| {
                let files = medians::files(record).into_iter();
                files.filter_map(move |file| Medians::of(record, file, reader))
            };
            let mut row = records
                .iter()
                .flat_map(of_reader)
                .map(|found| Point::of(&found))
                .collect::<Result<Vec<_>>>()?;
            row.sort_by_key(|point| point.records);
            if let Some([twice, _]) = row
                .windows(2)
                .find(|pair| matches!(pair, [one, other] if one.records == other.records))
            {
                return Err(format!(
                    "{} was measured twice with {} records",
                    reader.name, twice.records
                )
                .into());
            }
            points.extend(row);
        }
        Ok(Self { notes: notes(records)?, points })
    }

    /// Reads a CSV that [`write`](Growth::write) wrote.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or is not such a CSV.
    pub fn open(file: &Path) -> Result<Self> {
        let text = fs::read_to_string(file)?;
        let notes = text.lines().filter_map(|line| line.strip_prefix(char::from(NOTE)));
        let mut rows = csv::ReaderBuilder::new().comment(Some(NOTE)).from_reader(text.as_bytes());
        Ok(Self {
            notes: notes.map(|note| note.trim().to_owned()).collect(),
            points: rows.deserialize().collect::<Result<_, _>>()?,
        })
    }

    /// Writes the notes, each after a `#`, and then the measurements as CSV.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn write(&self, file: &Path) -> Result<()> {
        let mut file = File::create(file)?;
        for note in &self.notes {
            writeln!(file, "{} {note}", char::from(NOTE))?;
        }
        let mut rows = csv::Writer::from_writer(file);
        for point in &self.points {
            rows.serialize(point)?;
        }
        Ok(rows.flush()?)
    }
}

impl Point {
    fn of(found: &Medians) -> Result<Self> {
        let name = found.reader.name;
        if found.reader.items == Items::Blocks {
            return Err(format!("{name} returns blocks, not records").into());
        }
        if found.mode != Mode::Once {
            return Err(format!("{name} read a file repeatedly: run compare with --once").into());
        }
        Ok(Self {
            reader: name.to_owned(),
            records: found.items as u64,
            file_bytes: found.file_bytes as u64,
            rounds: found.rounds,
            median_seconds: rounded(found.seconds, 1e6),
            microseconds_per_record: rounded(found.seconds * 1e6 / found.items, 1e4),
            peak_anonymous_bytes: found.peak_anonymous as u64,
            bytes_per_record: rounded(found.peak_anonymous / found.items, 1e2),
        })
    }
}

fn rounded(number: f64, parts: f64) -> f64 {
    (number * parts).round() / parts
}

fn notes(records: &[Record]) -> Result<Vec<String>> {
    let (mut machines, mut notes) = (Vec::new(), Vec::new());
    for line in records.iter().flat_map(|record| &record.lines) {
        match line {
            Line::Setting(setting) => {
                machines.push(format!("machine: {}", setting.machine));
                notes.push(format!("command: {}", setting.command));
            }
            Line::LeftOut(left) => {
                notes.push(format!("left out: {}, {}: {}", left.reader, left.file, left.why))
            }
            Line::Run(_) => {}
        }
    }
    machines.dedup();
    if machines.len() > 1 {
        return Err(format!("measured on more than one machine: {}", machines.join("; ")).into());
    }
    machines.append(&mut notes);
    Ok(machines.into_iter().map(|note| note.replace('\n', " ")).collect())
}
