//! Programs that are `carwalk export` with a format of their own.

use std::num::NonZeroUsize;
use std::process::ExitCode;

use carwalk_batch::columns::Columns;
use carwalk_batch::staging::Encode;
use clap::{Args, Command, Parser};

use super::options::Options;
use super::task::Task;
use super::{COMPRESSED, failure};
use crate::{args, help};

/// A program that does what `carwalk export` does, in one format. [`export_main`] runs it.
#[derive(Clone, Copy, Debug)]
pub struct ExportProgram {
    /// The name of the program, such as `carwalk-parquet`.
    pub name: &'static str,
    /// What `--version` prints.
    pub version: &'static str,
    /// What the program does, in the first line of `--help`.
    pub about: &'static str,
    /// The only value of `--as`, which the program accepts because `carwalk export --as parquet`
    /// passes its arguments on.
    pub format: &'static str,
    /// Bytes of rows that may wait to be written, for each thread that reads inputs.
    pub waiting: u64,
}

/// Runs a program that is `carwalk export` in one format, with the arguments of this process, and
/// returns its exit code.
///
/// Inputs, options, messages, report, parts and exit codes are those of `carwalk export`. The
/// output is treated as binary: it is not written to a terminal. `encoding` creates the format from
/// the columns and the number of threads that read inputs. If the arguments are wrong or request
/// help, the function ends the process.
///
/// # Examples
///
/// ```no_run
/// use carwalk_batch::staging::Encoding;
/// use carwalk_batch::text::Format;
/// use carwalk_cli::ExportProgram;
///
/// fn main() -> std::process::ExitCode {
///     let program = ExportProgram {
///         name: "carwalk-csv",
///         version: "1.0.0",
///         about: "Writes the records of many CARs as CSV",
///         format: "csv",
///         waiting: 32 << 20,
///     };
///     carwalk_cli::export_main(&program, |columns, _threads| Encoding::new(Format::Csv, columns))
/// }
/// ```
#[must_use]
pub fn export_main<E: Encode + 'static>(
    program: &ExportProgram,
    encoding: impl FnOnce(Columns, NonZeroUsize) -> E,
) -> ExitCode {
    let Alone { compress, options, .. } = args::of_process(program.command());
    let done = if compress.is_some() {
        Err(COMPRESSED)
    } else {
        let encoding = encoding(options.columns, options.jobs());
        Task::new(&options, encoding).binary(true).waiting(program.waiting).run()
    };
    match done.map_err(failure) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

/// The command line of a program with one format.
#[derive(Debug, Parser)]
#[command(styles = args::STYLES, max_term_width = args::WIDTH)]
struct Alone {
    /// The format: the program has only one
    #[arg(long = "as", value_name = "FORMAT", hide = true)]
    format: Option<String>,

    /// Refused with a message of its own
    #[arg(long, value_name = "METHOD", hide = true)]
    compress: Option<String>,

    #[command(flatten)]
    options: Options,
}

impl ExportProgram {
    fn command(&self) -> Command {
        let format = self.format;
        Alone::augment_args(Command::new(self.name))
            .bin_name(self.name)
            .version(self.version)
            .about(self.about)
            .after_help(help::export(self.name))
            .mut_arg("format", |arg| arg.value_parser([format]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::FromArgMatches;

    const PROGRAM: ExportProgram = ExportProgram {
        name: "carwalk-test",
        version: "1.2.3",
        about: "Writes tests",
        format: "test",
        waiting: 1,
    };

    fn parse(args: &[&str]) -> Result<Alone, clap::Error> {
        let args = [&["program"], args].concat();
        let mut matches = PROGRAM.command().try_get_matches_from(args)?;
        Alone::from_arg_matches_mut(&mut matches)
    }

    #[test]
    fn the_command_line_is_that_of_export_without_other_formats() {
        PROGRAM.command().debug_assert();
        assert_eq!(parse(&["a.car"]).unwrap().format, None);
        assert_eq!(parse(&["--as=test", "a.car"]).unwrap().format.as_deref(), Some("test"));
        assert!(parse(&["--as=test", "a.car", "--compress=gzip"]).unwrap().compress.is_some());
        let error = parse(&["--as=csv", "a.car"]).unwrap_err().to_string();
        assert!(error.contains("[possible values: test]"), "{error}");
        assert!(parse(&[]).unwrap_err().to_string().contains("<INPUT>"));
    }

    #[test]
    fn help_is_that_of_export() {
        let help = parse(&["--help"]).unwrap_err().to_string();
        assert!(
            help.starts_with("Writes tests\n\nUsage: carwalk-test [OPTIONS] [INPUT]"),
            "{help}"
        );
        assert!(help.contains("\nExample:\n  carwalk-test repo.car -o rows/ "), "{help}");
        assert!(!help.contains("--as") && !help.contains("--compress"), "{help}");
        assert!(help.lines().count() <= 60, "{help}");
        let version = parse(&["--version"]).unwrap_err().to_string();
        assert_eq!(version, "carwalk-test 1.2.3\n");
    }
}
