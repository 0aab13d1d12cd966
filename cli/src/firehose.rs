//! `carwalk firehose`: checks the messages of the live stream.

mod batch;
mod buffer;
mod check;
mod format;
mod json;
mod judged;
mod keys;
mod now;
mod settings;
mod source;
mod split;
mod state;
mod values;

use std::io::{self, IsTerminal, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::SystemTime;

use carwalk::sync::Verifier;
use clap::Args;

use self::check::{Check, Counts, Sink};
use self::format::Format;
use self::keys::Keys;
use self::source::Source;
use self::state::States;
use crate::failure::{Cause, Failure, INVALID, IO, MISSING, NO};
use crate::out_file::OutFile;

/// Longest accepted frame, in bytes.
const MAX_FRAME_LEN: usize = 5_000_000;

/// Most threads. Each may have a few messages of the longest kind in memory.
const MAX_JOBS: u16 = 256;

/// Check messages of the live stream: whether each commit proves what it says
#[derive(Args, Debug)]
pub(crate) struct Firehose {
    /// The files with messages; standard input if none is given, or for `-`
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,

    /// The format of each file, if its first bytes do not tell
    #[arg(long, value_name = "FORMAT", hide_possible_values = true)]
    format: Option<Format>,

    /// Print JSON Lines, with all fields
    #[arg(long)]
    json: bool,

    /// Check signatures with these keys: {"did":"..","key":"did:key:.."}, or DID documents
    #[arg(long, value_name = "FILE")]
    keys: Option<PathBuf>,

    /// Begin with the states in this file, and replace it at the end
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,

    /// The current time, which revisions are compared with: an AT Protocol datetime, like
    /// 2026-11-27T20:00:00Z [default: that of the system]
    #[arg(long, value_name = "DATETIME", value_parser = now::parse)]
    now: Option<SystemTime>,

    /// Threads that check messages, at most 256 [default: all cores]
    #[arg(
        short,
        long,
        value_name = "N",
        value_parser = clap::value_parser!(u16).range(1..=i64::from(MAX_JOBS))
    )]
    jobs: Option<u16>,
}

impl Firehose {
    /// Checks the messages.
    pub(crate) fn run(self) -> Result<(), Failure> {
        self.check().map_err(|cause| Failure {
            input: "firehose".to_owned(),
            cause,
            has_partial: false,
            is_binary: false,
        })
    }

    fn check(self) -> Result<(), Cause> {
        let files = self.files()?;
        let keys = self.keys.as_deref().map(Keys::read).transpose()?.unwrap_or_default();
        let state_file = self.state_file()?;
        let states = self.state.as_deref().map(States::read).transpose()?.unwrap_or_default();
        let verifier = match self.now {
            Some(now) => Verifier::new(move || now),
            None => Verifier::new(SystemTime::now),
        };
        let check = Arc::new(Check {
            source: Mutex::new(Source::new(files, self.format)),
            verifier: verifier.max_frame_len(MAX_FRAME_LEN),
            keys,
            sink: Mutex::new(Sink::new(states, self.json)),
            turn: Condvar::new(),
        });
        let cores = || thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let jobs = self.jobs.map_or_else(|| cores().min(MAX_JOBS.into()), usize::from);
        check.run(jobs)?;
        let sink = check.sink.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = state_file {
            sink.states.write(&file)?;
        }
        sink.counts.tell();
        sink.counts.into_result()
    }

    /// Returns the inputs, of which one may be standard input.
    fn files(&self) -> Result<Vec<PathBuf>, Cause> {
        let mut files = self.files.clone();
        if files.is_empty() {
            if io::stdin().is_terminal() {
                return Err(Cause::Usage(
                    "no FILE given, and standard input is a terminal; see --help",
                ));
            }
            files.push("-".into());
        }
        if files.iter().filter(|file| *file == Path::new("-")).count() > 1 {
            return Err(Cause::STDIN_TWICE);
        }
        Ok(files)
    }

    /// Checks that the states can be written, before anything is read.
    fn state_file(&self) -> Result<Option<OutFile>, Cause> {
        let Some(path) = &self.state else { return Ok(None) };
        let file = OutFile::new(path.clone(), true);
        if file.is_stdout() {
            return Err(Cause::Usage("--state needs the name of a file (./- for one named -)"));
        }
        file.check()?;
        Ok(Some(file))
    }
}

impl Counts {
    /// Prints the counts. A closed stderr is no reason to fail.
    fn tell(&self) {
        let Counts { valid, invalid, unverifiable, out_of_sync, stale, passed, .. } = self;
        let _ = writeln!(
            anstream::stderr().lock(),
            "valid {valid}, invalid {invalid}, unverifiable {unverifiable}, \
             out_of_sync {out_of_sync}, stale {stale}, passed {passed}"
        );
    }

    /// Fails with the exit code of the worst verdict. If an input could not be read, the verdicts
    /// are not all there, which is worse.
    fn into_result(self) -> Result<(), Cause> {
        let code = match self {
            Counts { unreadable: 1.., .. } => IO,
            Counts { invalid: 1.., .. } => INVALID,
            Counts { unverifiable: 1.., .. } => MISSING,
            Counts { out_of_sync: 1.., .. } => NO,
            _ => return Ok(()),
        };
        Err(Cause::Inputs(code))
    }
}
