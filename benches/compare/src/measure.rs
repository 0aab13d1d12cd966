//! One run: a worker's process, what feeds it, and what can be seen of it from outside.

use std::fs::{self, File};
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
use crate::worker::Report;

/// How long the worker is left alone between two looks at its memory, at most.
const EVERY: Duration = Duration::from_millis(1);

/// The same at the beginning, as the worker may soon be done.
const AT_FIRST: Duration = Duration::from_micros(50);

/// One reader over one file, once.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Run {
    /// The reader's name.
    pub reader: String,
    /// The file's name, without folder.
    pub file: String,
    /// The file's length.
    pub file_bytes: u64,
    /// What the run was for.
    pub mode: Mode,
    /// What the reader gives.
    pub gives: Items,
    /// What the worker told.
    #[serde(flatten)]
    pub report: Report,
    /// The most anonymous memory that the process was seen with, looked at each millisecond or more
    /// often, from outside: what it allocated and wrote to, and no page of a mapped file.
    pub peak_anonymous: u64,
}

impl Run {
    /// Whether two runs over one file met the same, as far as both tell.
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

/// Starts a worker for the reader and waits for it. `program` is the binary `reader`.
///
/// # Errors
///
/// If the worker does not start or fails: then with the last line that it wrote to standard error.
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
        feeder.join().map_err(|_| "the thread that fed the pipe failed")?;
    }
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
        return Err(format!("{}: {}", output.status, last.trim()).into());
    }
    Ok(Run {
        reader: reader.name.to_owned(),
        file: file.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        file_bytes: fs::metadata(file)?.len(),
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

/// Writes the file into the pipe, until it ends or nobody reads any more.
fn feed(file: &Path, mut pipe: ChildStdin) -> io::Result<JoinHandle<()>> {
    let mut file = File::open(file)?;
    Ok(thread::spawn(move || {
        // A worker that stopped reading says why itself.
        let _ = io::copy(&mut file, &mut pipe);
    }))
}

/// Waits for the process to end, and gives the most anonymous memory that it had at any time that
/// one looked.
fn watch(child: &mut Child) -> Result<u64> {
    let page = sysconf(SysconfVar::PAGE_SIZE)?
        .and_then(|len| u64::try_from(len).ok())
        .ok_or("no page size")?;
    let mut statm = File::open(format!("/proc/{}/statm", child.id()))?;
    let (mut peak, start) = (0, Instant::now());
    while child.try_wait()?.is_none() {
        peak = peak.max(anonymous_pages(&mut statm).unwrap_or(0) * page);
        thread::sleep((start.elapsed() / 50).clamp(AT_FIRST, EVERY));
    }
    Ok(peak)
}

/// Resident pages that no file is behind: the second field of `statm` without the third. None once
/// the process ended.
fn anonymous_pages(statm: &mut File) -> Option<u64> {
    let mut text = String::new();
    statm.rewind().ok()?;
    statm.read_to_string(&mut text).ok()?;
    let mut fields = text.split(' ').map(|field| field.parse::<u64>().unwrap_or(0));
    let (resident, of_files) = (fields.nth(1)?, fields.next()?);
    resident.checked_sub(of_files)
}
