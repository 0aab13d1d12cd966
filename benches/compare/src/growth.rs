//! How cost grows with the number of records: what a row of files of different lengths came to.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::Result;
use crate::medians::{self, Medians};
use crate::readers::{Items, Mode, READERS};
use crate::record::{Line, Record};

/// What begins a line of the CSV that is no row.
const NOTE: u8 = b'#';

/// A row of measurements, and what they belong to.
#[derive(Clone, PartialEq, Debug)]
pub struct Growth {
    /// A line each: the machine, the commands, and what was left out.
    pub notes: Vec<String>,
    /// In the order of [`READERS`], and from few records to many.
    pub points: Vec<Point>,
}

/// One reader over one file: a row of the CSV.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Point {
    /// The reader's name.
    pub reader: String,
    /// The records in the file.
    pub records: u64,
    /// The file's length.
    pub file_bytes: u64,
    /// How many runs there were, in a process each.
    pub rounds: u32,
    /// The median time of a run.
    pub median_seconds: f64,
    /// The same by the number of records.
    pub microseconds_per_record: f64,
    /// The median of the runs' most anonymous memory.
    pub peak_anonymous_bytes: u64,
    /// The same by the number of records.
    pub bytes_per_record: f64,
}

impl Growth {
    /// All that was measured in some comparisons on one machine.
    ///
    /// # Errors
    ///
    /// If the comparisons cannot be put beside each other: if they were made on different machines,
    /// have a reader twice over as many records, or a file that was read again and again.
    pub fn of(records: &[Record]) -> Result<Self> {
        let mut points = Vec::new();
        for reader in READERS {
            let of_reader = |record| {
                let files = medians::files(record).into_iter();
                files.filter_map(move |file| Medians::of(record, &file.file, reader))
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
                    "{} was measured twice over {} records",
                    reader.name, twice.records
                )
                .into());
            }
            points.extend(row);
        }
        Ok(Self { notes: notes(records)?, points })
    }

    /// Reads a file that [`write`](Growth::write) wrote.
    ///
    /// # Errors
    ///
    /// If it is not such a file.
    pub fn open(file: &Path) -> Result<Self> {
        let text = fs::read_to_string(file)?;
        let notes = text.lines().filter_map(|line| line.strip_prefix(char::from(NOTE)));
        let mut rows = csv::ReaderBuilder::new().comment(Some(NOTE)).from_reader(text.as_bytes());
        Ok(Self {
            notes: notes.map(|note| note.trim().to_owned()).collect(),
            points: rows.deserialize().collect::<Result<_, _>>()?,
        })
    }

    /// Writes it as CSV: the notes before the rows, each after a `#`.
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
            return Err(format!("{name} gives blocks and not records").into());
        }
        if found.mode != Mode::Once {
            return Err(format!("{name} read a file again and again: compare with --once").into());
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
        return Err(format!("not on one machine: {}", machines.join("; ")).into());
    }
    machines.append(&mut notes);
    Ok(machines.into_iter().map(|note| note.replace('\n', " ")).collect())
}
