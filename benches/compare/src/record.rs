//! The file that keeps a comparison: a line of JSON for what it ran on, and one for each run.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::Result;
use crate::machine::Machine;
use crate::measure::Run;

/// A line of the file.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// The first line.
    Setting(Setting),
    /// A reader that could not be run on a file, and is left out.
    LeftOut(LeftOut),
    /// A run, in order. Checks are in round 0.
    Run(Round),
}

/// What a comparison ran on.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Setting {
    /// The command that made it.
    pub command: String,
    /// Where.
    pub machine: Machine,
}

/// Why a reader is left out.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct LeftOut {
    /// The reader's name.
    pub reader: String,
    /// The file's name.
    pub file: String,
    /// What it said.
    pub why: String,
}

/// A run and its round.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Round {
    /// From 1; 0 for checks.
    pub round: u32,
    /// The run.
    #[serde(flatten)]
    pub run: Run,
}

/// A comparison, as far as it went.
#[derive(Debug)]
pub struct Record {
    /// All lines.
    pub lines: Vec<Line>,
    file: Option<File>,
}

impl Record {
    /// Begins a comparison. What is added goes into the file as well, if there is one, line by
    /// line.
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

    /// Reads a file that [`begin`](Record::begin) wrote.
    ///
    /// # Errors
    ///
    /// If it is not such a file.
    pub fn open(file: &Path) -> Result<Self> {
        let lines = BufReader::new(File::open(file)?).lines();
        let lines = lines.map(|line| Ok(serde_json::from_str(&line?)?)).collect::<Result<_>>()?;
        Ok(Self { lines, file: None })
    }

    /// The runs of that reader over that file.
    pub fn runs<'r>(&'r self, file: &'r str, reader: &'r str) -> impl Iterator<Item = &'r Round> {
        let runs = self.lines.iter().filter_map(|line| match line {
            Line::Run(run) => Some(run),
            _ => None,
        });
        runs.filter(move |run| run.run.file == file && run.run.reader == reader)
    }
}
