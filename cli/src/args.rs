//! The command line: commands, and what every command takes.

use std::env;
use std::ffi::OsString;

use clap::builder::styling::{AnsiColor, Styles};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, FromArgMatches, Parser, Subcommand};

use crate::blobs::Blobs;
use crate::completions::Completions;
use crate::diff::PrintDiff;
use crate::escape;
use crate::export::Export;
use crate::firehose::Firehose;
use crate::get::Get;
use crate::help;
use crate::inspect::Inspect;
use crate::ls::Ls;
use crate::pack::Pack;
use crate::prove::Prove;
use crate::tree::PrintTree;
use crate::unpack::Unpack;
use crate::verify::Verify;

/// Most columns of a line of help.
pub(crate) const WIDTH: usize = 100;

/// Colours of help and errors.
pub(crate) const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

/// Reads AT Protocol repository exports (CAR files)
#[derive(Debug, Parser)]
#[command(
    name = "carwalk",
    version,
    styles = STYLES,
    max_term_width = WIDTH,
    after_help = help::TOP
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Commands,
}

/// Reads the command line of this process; ends it if that is wrong, or asks for help.
pub(crate) fn of_process<P: FromArgMatches>(command: Command) -> P {
    let args: Vec<_> = env::args_os().collect();
    parse(&command, &args).unwrap_or_else(|error| harmless(&command, &args, error).exit())
}

fn parse<P: FromArgMatches>(command: &Command, args: &[OsString]) -> Result<P, clap::Error> {
    let mut matches = command.clone().try_get_matches_from(args)?;
    P::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut command.clone()))
}

/// Returns the error with its quoted arguments escaped: they may contain control characters.
fn harmless(command: &Command, args: &[OsString], mut error: clap::Error) -> clap::Error {
    let escaped: Vec<_> = args.iter().map(escape).collect();
    if escaped == args {
        return error;
    }
    // The reason is about the value as it was given.
    if let (ErrorKind::ValueValidation, Some(ContextValue::String(value))) =
        (error.kind(), error.get(ContextKind::InvalidValue))
    {
        let value = ContextValue::String(escape::escaped(value));
        error.insert(ContextKind::InvalidValue, value);
        return error;
    }
    match command.clone().try_get_matches_from(escaped) {
        Err(error) => error,
        // Escaping never makes a refused command line valid; if it did, it would still be refused.
        Ok(_) => {
            command.clone().error(ErrorKind::InvalidValue, "an argument has control characters")
        }
    }
}

/// Escapes the control and format characters of an argument. Returns an argument without any
/// unchanged, even if it is not UTF-8.
fn escape(arg: &OsString) -> OsString {
    let text = arg.to_string_lossy();
    let escaped = escape::escaped(&text);
    if escaped == text { arg.clone() } else { escaped.into() }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Commands {
    #[command(visible_alias = "list", after_help = help::LS)]
    Ls(Ls),
    #[command(after_help = help::GET)]
    Get(Get),
    #[command(after_help = help::UNPACK)]
    Unpack(Unpack),
    #[command(after_help = help::export("carwalk export --as jsonl"))]
    Export(Export),
    #[command(after_help = help::TREE)]
    Tree(PrintTree),
    #[command(after_help = help::DIFF)]
    Diff(PrintDiff),
    #[command(visible_alias = "info", after_help = help::INSPECT)]
    Inspect(Inspect),
    #[command(after_help = help::BLOBS)]
    Blobs(Blobs),
    #[command(after_help = help::PROVE)]
    Prove(Prove),
    #[command(after_help = help::PACK)]
    Pack(Pack),
    #[command(after_help = help::VERIFY)]
    Verify(Verify),
    #[command(after_help = help::FIREHOSE)]
    Firehose(Firehose),
    #[command(after_help = help::COMPLETIONS)]
    Completions(Completions),
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
