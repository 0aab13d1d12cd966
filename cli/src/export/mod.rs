//! `carwalk export`: writes the records of many CARs as rows.

mod digest;
mod folder;
mod options;
mod passed_on;
mod program;
mod ranges;
mod stream;
mod tally;
mod task;

use std::process::ExitCode;

use carwalk_batch::staging::Encoding;
use carwalk_batch::text::Format;
use clap::{Args, ValueEnum};

use self::options::Options;
pub use self::program::{ExportProgram, export_main};
use self::task::Task;
use crate::failure::{Cause, Failure};

/// Write the records of many CARs as rows: JSON Lines, CSV or Parquet
#[derive(Args, Debug)]
pub(crate) struct Export {
    /// The format; for Parquet, the program carwalk-parquet is run
    #[arg(long = "as", value_name = "FORMAT")]
    format: As,

    /// Compress the rows
    #[arg(long, value_name = "METHOD")]
    compress: Option<Compression>,

    #[command(flatten)]
    options: Options,
}

/// The formats.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum As {
    Jsonl,
    Csv,
    Parquet,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Compression {
    Gzip,
}

/// Parquet files are compressed page by page. Compressed as a whole, they could not be queried.
const COMPRESSED: Cause =
    Cause::Usage("--compress is for jsonl and csv: Parquet is always compressed, leave it out");

impl Export {
    /// Exports the inputs, or runs the program that does.
    pub(crate) fn run(&self) -> Result<ExitCode, Failure> {
        let format = match self.format {
            As::Jsonl => Format::JsonLines,
            As::Csv => Format::Csv,
            As::Parquet => return self.pass_on().map_err(failure),
        };
        let is_gzip = self.compress.is_some();
        let encoding = Encoding::new(format, self.options.columns).gzip(is_gzip);
        let done = Task::new(&self.options, encoding).binary(is_gzip).run();
        done.map(|()| ExitCode::SUCCESS).map_err(failure)
    }

    fn pass_on(&self) -> Result<ExitCode, Cause> {
        if self.compress.is_some() {
            return Err(COMPRESSED);
        }
        passed_on::run("carwalk-parquet", MISSING)
    }
}

/// The message if the program for Parquet is not installed.
const MISSING: &str = "Parquet needs the program carwalk-parquet, which is not in PATH; to install \
                       it: cargo install carwalk-arrow --features parquet";

fn failure(cause: Cause) -> Failure {
    Failure {
        input: "inputs".to_owned(),
        cause,
        has_partial: false,
        // Rows are data: a reader that misses some must not take them for all.
        is_binary: true,
    }
}
