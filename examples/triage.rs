//! Prints for each CAR what a crawler should do about it: `cargo run --example triage -- CAR..`.

use std::error::Error;
use std::io::{self, Write};

use carwalk::{ErrorClass, Repo};

fn main() -> Result<(), Box<dyn Error>> {
    let paths: Vec<String> = std::env::args().skip(1).collect();
    run(&paths, &mut io::stdout().lock())
}

pub(crate) fn run(paths: &[String], out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    for path in paths {
        match check(path) {
            Ok(records) => writeln!(out, "{path}: {records} records")?,
            Err(error) => writeln!(out, "{}: {}", advice(&error), chain(&error))?,
        }
    }
    Ok(())
}

/// Opens a repository and walks all of it. Returns the number of records.
fn check(path: &str) -> carwalk::Result<u64> {
    Repo::from_path(path)?.records().try_count()
}

/// Returns what to do about an error.
fn advice(error: &carwalk::Error) -> &'static str {
    match error.class() {
        ErrorClass::Invalid => "report the server",
        ErrorClass::Truncated => "download again",
        ErrorClass::Missing => "fetch what is missing",
        ErrorClass::Limit => "raise the limit or give up",
        ErrorClass::Caller => "fix this program",
        ErrorClass::Environment => "look at this machine",
        ErrorClass::Io => "try again",
        ErrorClass::Cancelled => "nothing to do",
    }
}

/// Formats an error with its sources.
fn chain(error: &dyn Error) -> String {
    let sources = std::iter::successors(error.source(), |&error| error.source());
    sources.fold(error.to_string(), |text, source| format!("{text}: {source}"))
}
