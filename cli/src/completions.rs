//! `carwalk completions`: scripts that complete command lines in a shell.

use std::io::{self, Write};

use clap::{Args, Command, ValueEnum};
use clap_complete::{Shell, generate};

use crate::failure::{Cause, Failure};

/// Print a script that completes command lines in a shell
#[derive(Args, Debug)]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Supported,
}

/// The supported shells.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Supported {
    Bash,
    Zsh,
    Fish,
}

impl Completions {
    /// Prints the script for the whole command line.
    pub(crate) fn run(&self, mut command: Command) -> Result<(), Failure> {
        let shell = match self.shell {
            Supported::Bash => Shell::Bash,
            Supported::Zsh => Shell::Zsh,
            Supported::Fish => Shell::Fish,
        };
        // The generator panics if it cannot write.
        let mut script = Vec::new();
        generate(shell, &mut command, "carwalk", &mut script);
        let mut stdout = io::stdout().lock();
        let written = stdout.write_all(&script).and_then(|()| stdout.flush());
        written.map_err(|error| Failure {
            input: String::new(),
            cause: Cause::Output(error),
            has_partial: false,
            is_binary: false,
        })
    }
}
