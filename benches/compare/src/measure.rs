//! One run: starts the worker, feeds its pipe, and samples its memory from outside.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use clap::ValueEnum;
use nix::unistd::{SysconfVar, sysconf};
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::readers::{Input, Items, Mode, Reader, Work};
use crate::source;
use crate::worker::Report;

/// Longest interval between two samples of the worker's memory.
const EVERY: Duration = Duration::from_millis(1);

/// First interval. It is shorter because a worker may end soon.
const AT_FIRST: Duration = Duration::from_micros(50);

/// A run of one reader on one file.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Run {
    /// Name of the reader.
    pub reader: String,
    /// Name of the file or folder, without its parent.
    pub file: String,
    /// Length of the file, or of all files in the folder, in bytes.
    pub file_bytes: u64,
    /// Purpose of the run.
    pub mode: Mode,
    /// Kind of items that the reader returns.
    pub gives: Items,
    /// The worker's report.
    #[serde(flatten)]
    pub report: Report,
    /// Peak of the worker's anonymous memory in bytes: memory that it allocated and wrote to,
    /// without pages of mapped files. Sampled from outside at least once per millisecond, so a
    /// shorter peak can be missed.
    pub peak_anonymous: u64,
}

impl Run {
    /// Returns whether two runs on one file read the same items, as far as both reports show. A run
    /// that returns blocks is compared only with others that do.
    #[must_use]
    pub fn agrees(&self, other: &Self) -> bool {
        let blocks = |run: &Self| run.gives == Items::Blocks;
        let (one, two) = (&self.report, &other.report);
        blocks(self) != blocks(other)
            || one.items == two.items
                && (self.gives != other.gives || one.bytes == two.bytes)
                && (one.digest.is_none() || two.digest.is_none() || one.digest == two.digest)
    }
}

/// Runs a reader in a worker and waits for it. `program` is the path of the binary `reader`.
///
/// # Errors
///
/// If the worker cannot be started, fails, or prints no report. If it fails, the message contains
/// the last line of its standard error.
pub fn run(program: &Path, reader: &Reader, file: &Path, mode: Mode) -> Result<Run> {
    let mut command = match reader.work {
        Work::Rust(_) => rust_worker(program, reader, file, mode),
        Work::Script(script) => script.command(file, mode),
    };
    let piped = reader.input == Input::Pipe && mode != Mode::Repeat;
    command.stdin(if piped { Stdio::piped() } else { Stdio::null() });
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let feeder = child.stdin.take().map(|pipe| feed(file, pipe)).transpose()?;
    let peak_anonymous = watch(&mut child)?;
    let output = child.wait_with_output()?;
    if let Some(feeder) = feeder {
        feeder.join().map_err(|_| "the thread that writes into the pipe panicked")?;
    }
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        let last =
            stderr.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("no error message");
        return Err(format!("{}: {}", output.status, last.trim()).into());
    }
    Ok(Run {
        reader: reader.name.to_owned(),
        file: file.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        file_bytes: source::total_len(file)?,
        mode,
        gives: reader.items,
        report: serde_json::from_slice(&output.stdout)?,
        peak_anonymous,
    })
}

fn rust_worker(program: &Path, reader: &Reader, file: &Path, mode: Mode) -> Command {
    let mut command = Command::new(program);
    command
        .arg("--worker")
        .args(mode.to_possible_value().map(|mode| format!("--mode={}", mode.get_name())));
    command.arg(reader.name).arg(file);
    command
}

/// Writes the file into the pipe on another thread, until the file ends or the worker stops
/// reading.
fn feed(file: &Path, mut pipe: ChildStdin) -> io::Result<JoinHandle<()>> {
    let mut file = File::open(file)?;
    Ok(thread::spawn(move || {
        // A worker that stops reading reports the reason itself.
        let _ = io::copy(&mut file, &mut pipe);
    }))
}

/// Waits until the process ends. Returns the largest sample of its anonymous memory, in bytes.
fn watch(child: &mut Child) -> Result<u64> {
    let page = sysconf(SysconfVar::PAGE_SIZE)?
        .and_then(|len| u64::try_from(len).ok())
        .ok_or("the system does not report its page size")?;
    let mut statm = File::open(format!("/proc/{}/statm", child.id()))?;
    let (mut peak, start) = (0, Instant::now());
    while child.try_wait()?.is_none() {
        peak = peak.max(anonymous_pages(&mut statm).unwrap_or(0) * page);
        thread::sleep((start.elapsed() / 50).clamp(AT_FIRST, EVERY));
    }
    Ok(peak)
}

/// Number of resident pages without a file behind them: the second field of `statm` minus the
/// third. `None` after the end of the process.
fn anonymous_pages(statm: &mut File) -> Option<u64> {
    let mut text = String::new();
    statm.rewind().ok()?;
    statm.read_to_string(&mut text).ok()?;
    let mut fields = text.split(' ').map(|field| field.parse::<u64>().unwrap_or(0));
    let (resident, of_files) = (fields.nth(1)?, fields.next()?);
    resident.checked_sub(of_files)
}
