//! The record file of a comparison, as JSON Lines: a line for its setting, and one for each run.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::Result;
use crate::machine::Machine;
use crate::measure::Run;

/// A line of a record file.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// The command and the machine. Always the first line.
    Setting(Setting),
    /// A reader whose check of a file failed. It is left out for this file.
    LeftOut(LeftOut),
    /// A run. Runs are in the order in which they were made; checks are round 0.
    Run(Round),
}

/// The command and the machine of a comparison.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Setting {
    /// Command line of the comparison.
    pub command: String,
    /// Machine on which it ran.
    pub machine: Machine,
}

/// A reader that is left out for a file.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct LeftOut {
    /// Name of the reader.
    pub reader: String,
    /// Name of the file.
    pub file: String,
    /// Error message of the check.
    pub why: String,
}

/// A run with its round.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Round {
    /// Number of the round, from 1. Checks have 0.
    pub round: u32,
    /// The run.
    #[serde(flatten)]
    pub run: Run,
}

/// A comparison, finished or in progress.
#[derive(Debug)]
pub struct Record {
    /// All lines, in order.
    pub lines: Vec<Line>,
    file: Option<File>,
}

impl Record {
    /// Begins a comparison. If there is a `file`, each added line is also written to it.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn begin(setting: Setting, file: Option<&Path>) -> Result<Self> {
        let mut record = Self { lines: Vec::new(), file: file.map(File::create).transpose()? };
        record.add(Line::Setting(setting))?;
        Ok(record)
    }

    /// Adds a line.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn add(&mut self, line: Line) -> Result<()> {
        if let Some(file) = &mut self.file {
            let mut text = serde_json::to_vec(&line)?;
            text.push(b'\n');
            file.write_all(&text)?;
        }
        self.lines.push(line);
        Ok(())
    }

    /// Reads a record file.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or is not a record file.
    pub fn open(file: &Path) -> Result<Self> {
        let lines = BufReader::new(File::open(file)?).lines();
        let lines = lines.map(|line| Ok(serde_json::from_str(&line?)?)).collect::<Result<_>>()?;
        Ok(Self { lines, file: None })
    }

    /// Returns the runs of `reader` on `file`, in order.
    pub fn runs<'r>(&'r self, file: &'r str, reader: &'r str) -> impl Iterator<Item = &'r Round> {
        let runs = self.lines.iter().filter_map(|line| match line {
            Line::Run(run) => Some(run),
            _ => None,
        });
        runs.filter(move |run| run.run.file == file && run.run.reader == reader)
    }
}
