//! The command line: commands, and what every command takes.

use std::env;
use std::ffi::OsString;

use clap::builder::styling::{AnsiColor, Styles};
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};

use crate::blobs::Blobs;
use crate::escape;
use crate::get::Get;
use crate::inspect::Inspect;
use crate::ls::Ls;
use crate::prove::Prove;
use crate::verify::Verify;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

const EXIT_CODES: &str = "\
Exit codes:
  0  done; also if the reader of text closed the pipe
  1  the answer is no: there is no such record, it is another account's repository, or its signature
     does not hold
  2  the command line is wrong, or binary output would go to a terminal
  3  the CAR is invalid, truncated, or beyond a limit; a key is not a repo path; a kept file is
     damaged; the CAR is of another account than the AT URI; a record is no CBOR, and was to be
     printed as JSON or searched; a record is odd, with --strict
  4  the CAR is incomplete: a block that the command needs is missing
  5  reading, mapping or writing failed, also of a temporary or kept file; more would be stored than
     --max-spill; the reader of binary output (`prove`, `get --raw`) closed the pipe

The signal SIGBUS ends carwalk if another process truncates a mapped file, or if the system cannot
read a part of it. Then there is no exit code; shells show 128 and the signal's number, which is 135
on Linux. See --no-mmap.

Control characters are printed escaped, and so are characters that change the direction of text.
NO_COLOR turns colours off.";

/// Reads AT Protocol repository exports (CAR files).
///
/// Everything is checked on the way: the framing of the CAR, every block against its CID, the form
/// of the commit, and every rule of the Merkle Search Tree. The commit's signature is checked by
/// `verify --key`, for it needs the account's key.
#[derive(Debug, Parser)]
#[command(name = "carwalk", version, styles = STYLES, after_long_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Commands,
}

impl Cli {
    /// Reads the command line of this process; ends it if that is wrong, or asks for help.
    pub(crate) fn of_process() -> Self {
        let args: Vec<_> = env::args_os().collect();
        Self::try_parse_from(&args).unwrap_or_else(|error| harmless(&args, error).exit())
    }
}

/// The same error with arguments that do nothing to a terminal: it quotes them.
fn harmless(args: &[OsString], error: clap::Error) -> clap::Error {
    let escaped: Vec<_> = args.iter().map(escape).collect();
    if escaped == args {
        return error;
    }
    match Cli::try_parse_from(escaped) {
        Err(error) => error,
        // No escaped text is taken where the plain one is not; but if one were, this is still no
        // good command line.
        Ok(_) => {
            Cli::command().error(ErrorKind::InvalidValue, "an argument has control characters")
        }
    }
}

/// Escapes all that is no plain character. An argument without such stays as it is, even if it is
/// no text.
fn escape(arg: &OsString) -> OsString {
    let text = arg.to_string_lossy();
    let escaped = escape::escaped(&text);
    if escaped == text { arg.clone() } else { escaped.into() }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Commands {
    #[command(visible_alias = "list", after_long_help = EXIT_CODES)]
    Ls(Ls),
    #[command(after_long_help = EXIT_CODES)]
    Get(Get),
    #[command(visible_alias = "info", after_long_help = EXIT_CODES)]
    Inspect(Inspect),
    #[command(after_long_help = EXIT_CODES)]
    Blobs(Blobs),
    #[command(after_long_help = EXIT_CODES)]
    Prove(Prove),
    #[command(after_long_help = EXIT_CODES)]
    Verify(Verify),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
