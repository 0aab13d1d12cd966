//! Runs all readers in turn for several rounds, and prints a table of medians.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use carwalk_compare::machine::Machine;
use carwalk_compare::measure::{self, Run};
use carwalk_compare::readers::{self, Input, Mode, READERS, Reader, Work};
use carwalk_compare::record::{LeftOut, Line, Record, Round, Setting};
use carwalk_compare::{Result, bars, table};
use clap::Parser;

/// Files up to this length are timed in memory: starting a process takes longer than reading them.
const SMALL: u64 = 16 << 20;

/// Runs all readers in turn for several rounds, each run in a process of its own, and prints a
/// table of medians.
///
/// Before the first round, each reader is checked: all must return the same records, byte for byte,
/// in the same order.
#[derive(Parser)]
struct Args {
    /// Number of rounds. Each reader is timed once per round and file.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Run only these readers.
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    only: Vec<String>,
    /// Measure small files like large ones: each run is a process that reads the file once. The
    /// results then include memory and the fixed cost of a process.
    #[arg(long)]
    once: bool,
    /// Write all runs to this file, as JSON Lines.
    #[arg(long, value_name = "OUT")]
    json: Option<PathBuf>,
    /// Print the table of the runs in this file. No reader is run.
    #[arg(long, value_name = "RECORD", conflicts_with_all = ["rounds", "only", "once", "json", "files"])]
    from: Option<PathBuf>,
    /// Print a shorter table of the first file: times, ratios and memory.
    #[arg(long)]
    short: bool,
    /// Draw the times of the first file into this SVG file.
    #[arg(long, value_name = "SVG")]
    chart: Option<PathBuf>,
    /// The CARs. A file of at most 16 MiB is loaded into memory, then read repeatedly in each run.
    /// All files in a folder are read as one, both ways.
    #[arg(required_unless_present = "from", value_name = "FILE")]
    files: Vec<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "compare: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<()> {
    let record = match &args.from {
        Some(file) => Record::open(file)?,
        None => compare(args)?,
    };
    if let Some(chart) = &args.chart {
        fs::write(chart, bars::svg(&record)?)?;
    }
    let table = if args.short { table::short(&record) } else { table::markdown(&record) };
    Ok(write!(io::stdout(), "{table}")?)
}

fn compare(args: &Args) -> Result<Record> {
    let program = std::env::current_exe()?.with_file_name("reader");
    let mut readers: Vec<&'static Reader> = READERS.iter().collect();
    if !args.only.is_empty() {
        readers = args.only.iter().map(|name| readers::find(name)).collect::<Result<_>>()?;
    }
    let command = ["compare".to_owned()]
        .into_iter()
        .chain(std::env::args().skip(1))
        .collect::<Vec<_>>()
        .join(" ");
    let mut record =
        Record::begin(Setting { command, machine: Machine::this()? }, args.json.as_deref())?;
    let mut jobs = Vec::new();
    for file in &args.files {
        let modes: &[Mode] = if args.once || !file.is_dir() && fs::metadata(file)?.len() > SMALL {
            &[Mode::Once]
        } else if file.is_dir() {
            &[Mode::Repeat, Mode::Once]
        } else {
            &[Mode::Repeat]
        };
        jobs.extend(check(&mut record, &program, &readers, file, modes)?);
    }
    for round in 1..=args.rounds {
        for &(reader, file, mode) in &jobs {
            print_progress(round, reader, file)?;
            add_run(&mut record, round, measure::run(&program, reader, file, mode)?)?;
        }
    }
    Ok(record)
}

/// A reader to time, the file, and the mode.
type Job<'a> = (&'a Reader, &'a Path, Mode);

/// Checks every reader on the file or folder, and returns those to time on it.
fn check<'a>(
    record: &mut Record,
    program: &Path,
    readers: &[&'static Reader],
    file: &'a Path,
    modes: &'a [Mode],
) -> Result<Vec<Job<'a>>> {
    let mut jobs = Vec::new();
    for &reader in readers.iter().filter(|reader| can_run(reader, file, modes)) {
        print_progress(0, reader, file)?;
        match measure::run(program, reader, file, Mode::Check) {
            Ok(run) => {
                add_run(record, 0, run)?;
                let modes = modes.iter().filter(|&&mode| can_run(reader, file, &[mode]));
                jobs.extend(modes.map(|&mode| (reader, file, mode)));
            }
            Err(error) => {
                let file = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
                record.add(Line::LeftOut(LeftOut {
                    reader: reader.name.to_owned(),
                    file,
                    why: error.to_string(),
                }))?;
            }
        }
    }
    Ok(jobs)
}

/// Returns whether a reader can be timed on a file or folder in one of the modes. Scripts and
/// readers on a pipe read single files.
fn can_run(reader: &Reader, file: &Path, modes: &[Mode]) -> bool {
    let reads_folders = reader.input == Input::File && matches!(reader.work, Work::Rust(_));
    (reads_folders || !file.is_dir()) && (reader.repeats || modes.contains(&Mode::Once))
}

/// Adds a run. Fails if it does not agree with an earlier run on the same file.
fn add_run(record: &mut Record, round: u32, run: Run) -> Result<()> {
    for line in &record.lines {
        if let Line::Run(other) = line
            && other.run.file == run.file
            && !run.agrees(&other.run)
        {
            return Err(format!(
                "{} and {} return different items of {}",
                run.reader, other.run.reader, run.file
            )
            .into());
        }
    }
    record.add(Line::Run(Round { round, run }))
}

fn print_progress(round: u32, reader: &Reader, file: &Path) -> Result<()> {
    let what = if round == 0 { "check".to_owned() } else { format!("round {round}") };
    Ok(writeln!(io::stderr(), "{what}: {} {}", reader.name, file.display())?)
}
