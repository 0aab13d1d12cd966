//! Runs one reader over one file, and prints what came of it as a line of JSON.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use carwalk_compare::readers::{self, Mode};
use carwalk_compare::{Result, measure, worker};
use clap::Parser;

/// Runs one reader over one file, in a process of its own, and prints what came of it as a line of
/// JSON.
#[derive(Parser)]
struct Args {
    /// The reader; another name shows which there are.
    reader: String,
    /// The CAR. Readers on a pipe have it written into one.
    file: PathBuf,
    /// What the run is for.
    #[arg(long, value_enum, default_value = "once")]
    mode: Mode,
    /// Do the work in this process, which has nothing else to do; a reader on a pipe reads standard
    /// input.
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
