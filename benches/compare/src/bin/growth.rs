//! Draws how time and memory grow with the number of records, from comparisons on files of
//! different lengths.

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use carwalk_compare::growth::Growth;
use carwalk_compare::record::Record;
use carwalk_compare::{Result, plot};
use clap::Parser;

/// Draws how time and memory grow with the number of records, from comparisons on files of
/// different lengths.
///
/// The comparisons are those that `compare --once --json` wrote.
#[derive(Parser)]
struct Args {
    /// Write the CSV from the measurements in this file. Can be given several times. Without it,
    /// the existing CSV is read.
    #[arg(long, value_name = "RECORD")]
    from: Vec<PathBuf>,
    /// Write nothing, and fail if the SVG does not match the CSV.
    #[arg(long, conflicts_with = "from")]
    check: bool,
    /// The CSV with the measurements.
    csv: PathBuf,
    /// The SVG with the chart.
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
        return Err(format!("{} does not match {}", args.svg.display(), args.csv.display()).into());
    }
    Ok(())
}
