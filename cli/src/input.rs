//! Where the CAR comes from, and by which settings it is read.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use carwalk::store::CarStore;
use carwalk::{CommitRules, Limits, Loader, Repo, Verification};
use clap::Args;

use crate::failure::{Cause, Failure};
use crate::output::Output;
use crate::progress::{Progress, Unit};
use crate::{map, size};

/// A command over one repository, whatever store that lies in.
pub(crate) trait Command {
    /// Whether a damaged CAR is opened, and only what is reached is hashed.
    fn salvages(&self) -> bool {
        false
    }

    /// Does the work.
    fn run<S: CarStore>(&self, repo: &Repo<S>, out: &mut Output) -> Result<(), Cause>;
}

/// What every command takes.
#[derive(Args, Debug)]
pub(crate) struct Input {
    /// The CAR file; standard input if it is left out or `-`
    #[arg(value_name = "CAR")]
    file: Option<PathBuf>,

    /// Accept legacy commits: version 2, and version 3 without `prev`
    #[arg(long, help_heading = "Input options")]
    legacy: bool,

    /// Read the file into memory instead of mapping it
    ///
    /// A mapped file must not be truncated or written by another process meanwhile.
    #[arg(long, help_heading = "Input options")]
    no_mmap: bool,

    /// Longest block that is accepted, like 16MiB [default: 2MiB]
    #[arg(long, value_name = "SIZE", value_parser = size::parse_u32, help_heading = "Input options")]
    max_block: Option<u32>,

    /// Longest CAR header that is accepted [default: 1MiB]
    #[arg(long, value_name = "SIZE", value_parser = size::parse_u32, help_heading = "Input options")]
    max_header: Option<u32>,

    /// Most bytes that are taken from standard input, a pipe, or a file that is not mapped [default: no limit]
    #[arg(long, value_name = "SIZE", value_parser = size::parse, help_heading = "Input options")]
    max_stream: Option<u64>,
}

impl Input {
    /// Opens the repository and runs a command over it.
    pub(crate) fn run<C: Command>(&self, command: &C) -> Result<(), Failure> {
        self.dispatch(command).map_err(|cause| Failure { input: self.name(), cause })
    }

    /// The one place that knows all stores.
    fn dispatch<C: Command>(&self, command: &C) -> Result<(), Cause> {
        match self.open()? {
            Source::Mapped { file, len } => {
                match self.load(command, Some(len), |loader| map::open(loader, &file)) {
                    // Some file systems cannot map.
                    Err(Cause::Car(error)) if error.is_io() => {}
                    repo => return finish(command, &repo?),
                }
                let repo = self.load(command, Some(len), |loader| loader.read(file))?;
                finish(command, &repo)
            }
            Source::File(file) => {
                let len = file.metadata().ok().map(|metadata| metadata.len()).filter(|&len| len > 0);
                let repo = self.load(command, len, |loader| loader.read(file))?;
                finish(command, &repo)
            }
            Source::Stdin => {
                let repo = self.load(command, None, |loader| loader.read(io::stdin().lock()))?;
                finish(command, &repo)
            }
        }
    }

    fn open(&self) -> Result<Source, Cause> {
        let Some(path) = self.file.as_deref().filter(|path| *path != Path::new("-")) else {
            if io::stdin().is_terminal() {
                return Err(Cause::Usage("no CAR given, and standard input is a terminal; see --help"));
            }
            return Ok(Source::Stdin);
        };
        let file = File::open(path).map_err(Cause::Open)?;
        let metadata = file.metadata().map_err(Cause::Open)?;
        // Some systems show files of length 0 whose bytes come only with reading.
        let can_map = metadata.is_file() && metadata.len() > 0;
        if can_map && !self.no_mmap {
            return Ok(Source::Mapped { file, len: metadata.len() });
        }
        Ok(Source::File(file))
    }

    fn load<C: Command, S>(
        &self,
        command: &C,
        len: Option<u64>,
        open: impl FnOnce(Loader<'_>) -> carwalk::Result<Repo<S>>,
    ) -> Result<Repo<S>, Cause> {
        let mut progress = Progress::new(Unit::Bytes, len);
        let commits = if self.legacy { CommitRules::Legacy } else { CommitRules::Current };
        let loader = Loader::new()
            .limits(self.limits())
            .commits(commits)
            .verification(if command.salvages() { Verification::ReachedBlocks } else { Verification::EveryBlock })
            .salvage(command.salvages())
            .progress(|position| progress.set(position));
        Ok(open(loader)?)
    }

    fn limits(&self) -> Limits {
        // Who pipes a CAR in wants it read, however long it is.
        let mut limits = Limits::default().max_stream_len(self.max_stream.unwrap_or(u64::MAX));
        if let Some(len) = self.max_block {
            limits = limits.max_block_len(len);
        }
        if let Some(len) = self.max_header {
            limits = limits.max_header_len(len);
        }
        limits
    }

    fn name(&self) -> String {
        match &self.file {
            Some(path) if path != Path::new("-") => format!("{path:?}"),
            _ => "standard input".to_owned(),
        }
    }
}

/// Says what was given up of a damaged CAR.
fn tell_fault<S: CarStore>(repo: &Repo<S>, out: &mut Output) -> Result<(), Cause> {
    match repo.store().fault() {
        Some(fault) => Ok(out.note(format_args!("damaged from here on: {fault}"))?),
        None => Ok(()),
    }
}

/// Where the bytes come from.
enum Source {
    Mapped { file: File, len: u64 },
    File(File),
    Stdin,
}

/// Runs the command. What it wrote before an error is printed before the error is.
fn finish<C: Command, S: CarStore>(command: &C, repo: &Repo<S>) -> Result<(), Cause> {
    let mut out = Output::new();
    let done = tell_fault(repo, &mut out).and_then(|()| command.run(repo, &mut out));
    let flushed = out.flush();
    done?;
    Ok(flushed?)
}
