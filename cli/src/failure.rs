//! Errors of a command: the message on stderr, and the exit code.

use std::error::Error;
use std::io::{self, ErrorKind, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use carwalk::ErrorKind as Kind;
use carwalk::error::{LimitName, LookAlike, Malformed};
use carwalk_batch::compressed::Undecodable;
use carwalk_batch::parts::PartsError;
use carwalk_batch::{Reason, ReportError, message};

use crate::escape::escaped;
use crate::output::Counted;

const RED: Style = AnsiColor::Red.on_default().bold();

pub(crate) const YELLOW: Style = AnsiColor::Yellow.on_default().bold();

pub(crate) const NO: u8 = 1;
const USAGE: u8 = 2;
pub(crate) const INVALID: u8 = 3;
pub(crate) const MISSING: u8 = 4;
pub(crate) const IO: u8 = 5;

/// An error of a command, by kind.
#[derive(Debug)]
pub(crate) enum Cause {
    /// The command line is invalid here.
    Usage(&'static str),
    /// The file could not be opened.
    Open(io::Error),
    /// The file could not be mapped.
    Map(io::Error),
    /// The library refused the CAR, or could not read it.
    Car(carwalk::Error),
    /// The library refused the input. `message` replaces the library's message, and is safe to
    /// print.
    Explained { error: carwalk::Error, message: String },
    /// A spill file cannot be created, read or written.
    SpillFile {
        /// The operation that failed, safe to print.
        use_of_file: String,
        error: carwalk::Error,
    },
    /// The answer is no: the message, safe to print.
    No(String),
    /// The two sides of a comparison differ, as the output says.
    Different,
    /// The answer depends on missing blocks: the message, safe to print.
    Missing(String),
    /// The content of the CAR is invalid for the command: the message, safe to print.
    Invalid(String),
    /// The output could not be written.
    Output(io::Error),
    /// Another input than the CAR could not be read. Its name is safe to print.
    Read { name: String, error: io::Error },
    /// The content of another input is invalid: its name and the message, safe to print.
    Document { name: String, message: String },
    /// A file with settings has a fault: its name and the message, safe to print.
    Settings { name: String, message: String },
    /// There are no inputs: the message, safe to print.
    NoInputs(String),
    /// The report of a batch cannot be used.
    Report(ReportError),
    /// The folder of the rows cannot be used.
    Parts(PartsError),
    /// Inputs of a batch failed, or messages are not valid, as the output says: the exit code.
    Inputs(u8),
    /// The output file of a command could not be written.
    File { path: PathBuf, error: io::Error },
    /// The output file of a command exists: the remedy besides `--force`, if there is one.
    Taken { path: PathBuf, remedy: &'static str },
    /// Another program could not be run.
    Program { program: &'static str, error: io::Error },
    /// The output folder of a command cannot be used.
    Folder { path: PathBuf, reason: &'static str },
}

impl From<carwalk::Error> for Cause {
    fn from(error: carwalk::Error) -> Self {
        if let Some(fault) = Undecodable::of(&error) {
            return Cause::Invalid(fault.to_string());
        }
        if !matches!(error.kind(), Kind::Output(_)) {
            return Cause::Car(error);
        }
        match error.into_kind() {
            Kind::Output(error) => Cause::Output(error),
            kind => Cause::Invalid(kind.to_string()),
        }
    }
}

impl From<io::Error> for Cause {
    fn from(error: io::Error) -> Self {
        Cause::Output(error)
    }
}

impl Cause {
    /// Binary output to a terminal, which would interpret some bytes as commands.
    pub(crate) const TERMINAL: Self =
        Cause::Usage("the output is binary, and goes to a terminal: redirect it to a file or pipe");

    /// Two inputs that are both standard input.
    pub(crate) const STDIN_TWICE: Self = Cause::Usage("standard input can be read only once");

    /// Turns an I/O error of the store into an error of its spill file.
    pub(crate) fn of_spill_file(self, use_of_file: String) -> Self {
        match self {
            Cause::Car(error)
                if matches!(error.kind(), Kind::Store(_)) && io_cause(&error).is_some() =>
            {
                Cause::SpillFile { use_of_file, error }
            }
            cause => cause,
        }
    }

    /// Returns whether the reader of standard output closed the pipe.
    fn is_closed_pipe(&self) -> bool {
        matches!(self, Cause::Output(error) if error.kind() == ErrorKind::BrokenPipe)
    }
}

/// An error with the name of the input.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The input's name, safe to print.
    pub(crate) input: String,
    pub(crate) cause: Cause,
    /// Whether the command has the option `--partial`.
    pub(crate) has_partial: bool,
    /// Whether an output that its reader cut short is a failure: bytes, or rows.
    pub(crate) is_binary: bool,
}

impl Failure {
    /// Prints the error, and returns the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        // Text may be cut by a reader that has seen enough. Half a record, a proof or the rows of
        // some inputs are a failure.
        if self.cause.is_closed_pipe() && !self.is_binary {
            return ExitCode::SUCCESS;
        }
        if let Cause::Different | Cause::Inputs(_) = self.cause {
            return ExitCode::from(self.exit_code());
        }
        // If stderr is closed, the exit code still reports the failure.
        let _ = self.write_to(&mut anstream::stderr().lock());
        ExitCode::from(self.exit_code())
    }

    fn exit_code(&self) -> u8 {
        match &self.cause {
            Cause::Usage(_)
            | Cause::Settings { .. }
            | Cause::Folder { .. }
            | Cause::Taken { .. }
            | Cause::NoInputs(_)
            | Cause::Parts(PartsError::OtherParts { .. } | PartsError::OtherFolder { .. }) => USAGE,
            Cause::SpillFile { error, .. } if is_taken(error) => USAGE,
            Cause::No(_) | Cause::Different => NO,
            Cause::Missing(_) => MISSING,
            Cause::Open(_)
            | Cause::Map(_)
            | Cause::SpillFile { .. }
            | Cause::Output(_)
            | Cause::Read { .. }
            | Cause::Program { .. }
            | Cause::File { .. } => IO,
            Cause::Invalid(_) | Cause::Document { .. } => INVALID,
            Cause::Car(error) | Cause::Explained { error, .. } => code_of(Reason::of(error)),
            Cause::Report(error) => code_of_report(error),
            Cause::Parts(_) => IO,
            Cause::Inputs(code) => *code,
        }
    }

    fn write_to(&self, out: &mut impl Write) -> io::Result<()> {
        let input = &self.input;
        write!(out, "{RED}error:{RED:#} ")?;
        match &self.cause {
            Cause::Usage(message) => writeln!(out, "{message}"),
            Cause::NoInputs(message) => writeln!(out, "{message}"),
            // Nothing is printed for these: the output says it.
            Cause::Different | Cause::Inputs(_) => Ok(()),
            Cause::Report(error) => writeln!(out, "{}", report_message(error)),
            Cause::Parts(error) => writeln!(out, "{}", parts_message(error)),
            Cause::No(message)
            | Cause::Missing(message)
            | Cause::Invalid(message)
            | Cause::Explained { message, .. } => writeln!(out, "{input}: {message}"),
            Cause::Open(error) => writeln!(out, "cannot open {input}: {}", reason(error)),
            Cause::Map(error) => {
                writeln!(out, "cannot map {input} into memory: {} (see --no-mmap)", reason(error))
            }
            Cause::SpillFile { use_of_file, error } => match io_cause(error) {
                Some(error) => writeln!(out, "{use_of_file}: {}", reason(error)),
                None => writeln!(out, "{use_of_file}: {error}"),
            },
            Cause::Output(error) => writeln!(out, "cannot write the output: {}", reason(error)),
            Cause::Read { name, error } => {
                writeln!(out, "cannot read {name}: {}", reason(error))
            }
            Cause::Document { name, message } | Cause::Settings { name, message } => {
                writeln!(out, "{name}: {message}")
            }
            Cause::File { path, error } => {
                writeln!(out, "cannot write {path:?}: {}", reason(error))
            }
            Cause::Taken { path, remedy } => {
                writeln!(out, "cannot write {path:?}: it exists already (see --force){remedy}")
            }
            Cause::Program { program, error } => {
                writeln!(out, "cannot run {program}: {}", reason(error))
            }
            Cause::Folder { path, reason } => {
                writeln!(out, "cannot write into {path:?}: {reason}")
            }
            Cause::Car(error) => self.write_car_error(error, out),
        }
    }

    fn write_car_error(&self, error: &carwalk::Error, out: &mut impl Write) -> io::Result<()> {
        let input = &self.input;
        if let Kind::Io(error) = error.kind() {
            return writeln!(out, "cannot read {input}: {}", reason(error));
        }
        // The library's message names a setting of the library.
        if let Kind::Limit { limit: LimitName::StreamLen, max, .. } = error.kind() {
            let message = format!("the stream exceeds the limit of {}", Counted(*max, "byte"));
            return writeln!(out, "{input}: {message} (see --max-stream)");
        }
        // If the library opened the file by name, its message begins with the name.
        if error.path().is_none() {
            write!(out, "{input}: ")?;
        }
        let message = error.to_string();
        // The name of the CAR takes the place of its number.
        let number = error.input().map(|number| format!("input {number}: "));
        let message = number.and_then(|number| message.strip_prefix(&number)).unwrap_or(&message);
        match self.remedy(error) {
            Some(option) => writeln!(out, "{message} (see {option})")?,
            None => writeln!(out, "{message}")?,
        }
        write_causes(error, out)
    }

    /// Returns the option that may make the CAR readable.
    fn remedy(&self, error: &carwalk::Error) -> Option<&'static str> {
        // The options accept no larger values.
        let most = u64::from(u32::MAX);
        match error.kind() {
            Kind::LookAlike(LookAlike::SpillFile) => Some("--kept"),
            Kind::Malformed(Malformed::LegacyCommit(_)) => Some("--legacy"),
            Kind::Limit { limit: LimitName::BlockLen, found, .. } if *found <= most => {
                Some("--max-block")
            }
            Kind::Limit { limit: LimitName::HeaderLen, found, .. } if *found <= most => {
                Some("--max-header")
            }
            Kind::OutOfOrder { .. } => Some("--one-pass"),
            Kind::Missing { .. } if self.has_partial => Some("--partial"),
            _ if is_full(error) => Some("--max-spill"),
            _ => None,
        }
    }
}

/// Returns the exit code for the failure of an input.
pub(crate) fn code_of(reason: Reason) -> u8 {
    match reason {
        Reason::Missing => MISSING,
        Reason::Io => IO,
        Reason::NotACar | Reason::Truncated | Reason::Invalid | Reason::Legacy | Reason::Limit => {
            INVALID
        }
    }
}

fn code_of_report(error: &ReportError) -> u8 {
    match error {
        ReportError::OtherRun { .. } => USAGE,
        ReportError::Line { .. } => INVALID,
        _ => IO,
    }
}

/// Returns the message about a report, without the number of a system error.
fn report_message(error: &ReportError) -> String {
    match error {
        ReportError::Io { path, error } => format!("report {path:?}: {}", reason(error)),
        error => escaped(&error.to_string()),
    }
}

/// Returns the message about the folder of the rows, without the number of a system error.
fn parts_message(error: &PartsError) -> String {
    match error {
        PartsError::Io { path, error } => format!("cannot write {path:?}: {}", reason(error)),
        PartsError::Report(error) => report_message(error),
        error => escaped(&error.to_string()),
    }
}

/// Returns whether `--max-spill` is reached. Like a full disk, that is not a fault of the CAR.
fn is_full(error: &carwalk::Error) -> bool {
    matches!(error.kind(), Kind::Limit { limit: LimitName::Stored, .. })
}

fn write_causes(error: &carwalk::Error, out: &mut impl Write) -> io::Result<()> {
    let mut cause = error.source();
    while let Some(error) = cause {
        match error.downcast_ref::<io::Error>() {
            Some(error) => writeln!(out, "  caused by: {}", reason(error))?,
            None => writeln!(out, "  caused by: {}", escaped(&error.to_string()))?,
        }
        cause = error.source();
    }
    Ok(())
}

/// Returns the I/O error among the causes of an error.
fn io_cause(error: &carwalk::Error) -> Option<&io::Error> {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref() {
            return Some(error);
        }
        cause = error.source();
    }
    None
}

/// Returns whether the file of `--keep` exists.
fn is_taken(error: &carwalk::Error) -> bool {
    io_cause(error).is_some_and(|error| error.kind() == ErrorKind::AlreadyExists)
}

/// Returns the message of an I/O error.
fn reason(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::AlreadyExists => "it exists already".to_owned(),
        _ => message::of_io(error),
    }
}
