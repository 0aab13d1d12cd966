//! Draws how cost grows with the number of records, from what `compare --once` kept of files of
//! different lengths.

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use carwalk_compare::growth::Growth;
use carwalk_compare::record::Record;
use carwalk_compare::{Result, plot};
use clap::Parser;

/// Draws how cost grows with the number of records, from what `compare --once --json` kept.
#[derive(Parser)]
struct Args {
    /// What was kept, to make the CSV of; more than once for more than one file. Without, the CSV
    /// is there.
    #[arg(long, value_name = "RECORD")]
    from: Vec<PathBuf>,
    /// Write nothing, but fail if the SVG is not what the CSV gives.
    #[arg(long, conflicts_with = "from")]
    check: bool,
    /// The numbers.
    csv: PathBuf,
    /// The picture of them.
    svg: PathBuf,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "growth: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<()> {
    if !args.from.is_empty() {
        let records =
            args.from.iter().map(|file| Record::open(file)).collect::<Result<Vec<_>>>()?;
        Growth::of(&records)?.write(&args.csv)?;
    }
    let svg = plot::svg(&Growth::open(&args.csv)?)?;
    if !args.check {
        return Ok(fs::write(&args.svg, svg)?);
    }
    if fs::read_to_string(&args.svg)? != svg {
        return Err(
            format!("{} is not what {} gives", args.svg.display(), args.csv.display()).into()
        );
    }
    Ok(())
}
