//! Runs one reader on one file, and prints the measurements as a line of JSON.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use carwalk_compare::readers::{self, Mode};
use carwalk_compare::{Result, measure, worker};
use clap::Parser;

/// Runs one reader on one file, in a process of its own, and prints the measurements as a line of
/// JSON.
#[derive(Parser)]
struct Args {
    /// Name of the reader. An unknown name lists all readers.
    reader: String,
    /// The CAR. A reader on a pipe receives it through a pipe.
    file: PathBuf,
    /// Purpose of the run.
    #[arg(long, value_enum, default_value = "once")]
    mode: Mode,
    /// Run the reader in this process, and print only its own report. A reader on a pipe reads
    /// standard input.
    #[arg(long)]
    worker: bool,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "reader: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<()> {
    let reader = readers::find(&args.reader)?;
    let line = if args.worker {
        serde_json::to_string(&worker::run(reader, &args.file, args.mode)?)?
    } else {
        serde_json::to_string(&measure::run(
            &std::env::current_exe()?,
            reader,
            &args.file,
            args.mode,
        )?)?
    };
    Ok(writeln!(io::stdout(), "{line}")?)
}
