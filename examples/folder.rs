//! Walks all CARs in a folder on all cores: `cargo run --release --example folder -- [FOLDER]`.
//!
//! carwalk starts no threads by default. Repositories are independent of each other, so one thread
//! per core keeps all cores busy. Each thread reads one file after another into its own buffer, and
//! borrows the records from there.

use std::error::Error;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::mpsc::{self, Sender};
use std::thread::{self, available_parallelism};

use carwalk::Repo;

/// The outcome for one CAR.
struct Outcome {
    path: PathBuf,
    result: carwalk::Result<Summary>,
}

struct Summary {
    did: String,
    records: u64,
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let folder = std::env::args_os().nth(1).unwrap_or_else(|| "samples".into());
    let paths = Mutex::new(cars(Path::new(&folder))?.into_iter());
    let (outcomes, results) = mpsc::channel();
    let all_good = thread::scope(|scope| {
        for _ in 0..available_parallelism()?.get() {
            let (paths, outcomes) = (&paths, outcomes.clone());
            scope.spawn(move || walk_all(paths, &outcomes));
        }
        // The loop below ends when the last sender is dropped.
        drop(outcomes);
        let mut all_good = true;
        for Outcome { path, result } in results {
            match result {
                Ok(Summary { did, records }) => writeln!(io::stdout(), "{did}\t{records} records")?,
                Err(error) => {
                    all_good = false;
                    writeln!(io::stderr(), "{}: {}", path.display(), chain(&error))?;
                }
            }
        }
        io::Result::Ok(all_good)
    })?;
    Ok(if all_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Returns the paths of the `.car` files in a folder, sorted by name.
fn cars(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let paths =
        fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    let mut cars: Vec<_> =
        paths.into_iter().filter(|path| path.extension().is_some_and(|end| end == "car")).collect();
    cars.sort();
    Ok(cars)
}

/// The work of one thread: walks CARs until no path is left.
fn walk_all(paths: &Mutex<impl Iterator<Item = PathBuf>>, outcomes: &Sender<Outcome>) {
    let mut bytes = Vec::new();
    while let Some(path) = next_path(paths) {
        let result = walk(&path, &mut bytes);
        if outcomes.send(Outcome { path, result }).is_err() {
            return;
        }
    }
}

/// Takes the next path. The lock is released before the file is read.
fn next_path(paths: &Mutex<impl Iterator<Item = PathBuf>>) -> Option<PathBuf> {
    paths.lock().ok()?.next()
}

/// Reads a CAR into `bytes`, a reused buffer, and counts its records.
fn walk(path: &Path, bytes: &mut Vec<u8>) -> carwalk::Result<Summary> {
    bytes.clear();
    File::open(path)?.read_to_end(bytes)?;
    let repo = Repo::from_slice(&bytes[..])?;
    let records = repo.records().try_count()?;
    Ok(Summary { did: repo.commit().did().to_owned(), records })
}

/// Formats an error with its sources.
fn chain(error: &dyn Error) -> String {
    let sources = std::iter::successors(error.source(), |&error| error.source());
    sources.fold(error.to_string(), |text, source| format!("{text}: {source}"))
}
