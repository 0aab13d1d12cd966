//! Commands over many inputs: their options, the inputs, and the report.

use std::fs::File;
use std::io;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::thread;

use carwalk_batch::{
    History, Input, Inputs, Line, ListError, Outcome, Reason, Report, Skip, Stop, Threads,
};
use clap::Args;

use crate::failure::{Cause, code_of};

/// Most threads. The system may refuse some of them.
const MAX_JOBS: u16 = 1024;

/// Options of commands over many inputs.
#[derive(Args, Debug)]
pub(crate) struct Batch {
    /// Read paths of inputs from this file, one per line; `-` is standard input
    #[arg(long, value_name = "LIST")]
    files_from: Option<PathBuf>,

    /// Inputs that are read at a time, at most 1024 [default: all cores]
    #[arg(
        short,
        long,
        value_name = "N",
        value_parser = clap::value_parser!(u16).range(1..=i64::from(MAX_JOBS))
    )]
    jobs: Option<u16>,

    /// End at the first input that fails
    #[arg(long)]
    pub(crate) fail_fast: bool,

    /// Append a JSON line per input; inputs that it has as done are skipped
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

impl Batch {
    /// Returns whether an option asks for a line per input, also if there is only one.
    pub(crate) fn is_asked(&self) -> bool {
        self.files_from.is_some() || self.report.is_some()
    }

    /// Lists the inputs: the arguments, then those of the list.
    pub(crate) fn inputs<'a>(
        &self,
        paths: impl IntoIterator<Item = &'a Path>,
    ) -> Result<Inputs, Cause> {
        let mut inputs = Inputs::new();
        for path in paths {
            if path == Path::new("-") {
                return Err(Cause::Usage("standard input cannot be one of several inputs"));
            }
            inputs.add_one_of(path);
        }
        match self.files_from.as_deref() {
            None => {}
            Some(path) if path == Path::new("-") => {
                inputs.add_list(io::stdin().lock(), "standard input").map_err(refused)?;
            }
            Some(path) => {
                let name = format!("{path:?}");
                let file =
                    File::open(path).map_err(|error| Cause::Read { name: name.clone(), error })?;
                inputs.add_list(file, &name).map_err(refused)?;
            }
        }
        inputs.check().map_err(refused)?;
        if inputs.as_slice().is_empty() {
            return Err(Cause::Usage(match self.files_from {
                Some(_) => "no inputs: the list is empty",
                None => "no inputs: give files or folders, or --files-from",
            }));
        }
        Ok(inputs)
    }

    /// Returns whether a path is that of the report. Neither need exist.
    pub(crate) fn is_report(&self, path: &Path) -> bool {
        let real = |path: &Path| {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            let folder = folder.unwrap_or(Path::new(".")).canonicalize();
            path.canonicalize().ok().or_else(|| Some(folder.ok()?.join(path.file_name()?)))
        };
        let same = |report: &PathBuf| {
            report == path || (real(report).is_some() && real(report) == real(path))
        };
        self.report.as_ref().is_some_and(same)
    }

    /// Opens the report, if there is one. `run` is the digest of the options.
    pub(crate) fn report(&self, run: &str) -> Result<(Option<Report>, History), Cause> {
        let Some(path) = &self.report else {
            return Ok((None, History::default()));
        };
        let (report, history) = Report::open(path, run).map_err(Cause::Report)?;
        Ok((Some(report), history))
    }

    /// Returns the number of threads.
    pub(crate) fn jobs(&self) -> NonZeroUsize {
        let jobs = self.jobs.and_then(|jobs| usize::from(jobs).try_into().ok());
        let cores = || thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        jobs.unwrap_or_else(cores)
    }

    /// Returns the threads.
    pub(crate) fn threads(&self, stop: Stop) -> Threads {
        Threads::new(self.jobs()).stop(stop)
    }
}

/// Returns whether an input may be a pipe, whose next bytes may never come. Output that waits in a
/// buffer would then wait too.
pub(crate) fn may_wait(inputs: &Inputs) -> bool {
    let is_pipe = |input: &Input| input.bytes().is_none() && input.problem().is_none();
    inputs.as_slice().iter().any(is_pipe)
}

/// Whether any input is of the account that `--did` selects.
pub(crate) struct OfAccount {
    did: Option<String>,
    is_found: bool,
}

impl OfAccount {
    pub(crate) fn new(did: Option<&str>) -> Self {
        OfAccount { did: did.map(str::to_owned), is_found: false }
    }

    /// Takes in the line of an input.
    pub(crate) fn add(&mut self, line: &Line) {
        // What an earlier run finished was of the account.
        let is_finished = line.outcome == Outcome::Skipped(Skip::Finished);
        self.is_found |= is_finished || line.did == self.did;
    }

    /// Returns the note that no input is of the account: then a check of the account was probably
    /// meant, or another account.
    pub(crate) fn note(&self) -> Option<String> {
        let did = self.did.as_deref().filter(|_| !self.is_found)?;
        Some(format!(
            "no input is known to be of {did}: --did selects inputs, and skips the others"
        ))
    }
}

/// Returns the exit code for the outcome of one input.
pub(crate) fn code_of_line(line: &Line) -> u8 {
    match line.outcome {
        // Its other records are done.
        Outcome::Done if line.invalid_paths.is_some_and(|paths| paths > 0) => {
            code_of(Reason::Invalid)
        }
        Outcome::Done | Outcome::Skipped(_) => 0,
        Outcome::Failed(reason) => code_of(reason),
    }
}

fn refused(error: ListError) -> Cause {
    match error {
        ListError::Read { list, error } => Cause::Read { name: list, error },
        ListError::Line { list, line, fault } => {
            Cause::Document { name: list, message: format!("line {line}: {fault}") }
        }
        error => Cause::NoInputs(error.to_string()),
    }
}
