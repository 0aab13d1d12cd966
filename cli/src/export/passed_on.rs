//! Running the program that writes a format.

use std::env;
use std::io::{self, ErrorKind};
use std::process::{Command, ExitCode};

use crate::failure::Cause;

/// Runs a program from PATH with the arguments after `export`, in place of this process where
/// the system can do that. Returns its exit code. `missing` is the message if it is not there.
pub(super) fn run(program: &'static str, missing: &'static str) -> Result<ExitCode, Cause> {
    let mut command = Command::new(program);
    // The first two are this program and `export`, which takes no options before it.
    command.args(env::args_os().skip(2));
    replace(&mut command).map_err(|error| match error.kind() {
        ErrorKind::NotFound => Cause::Usage(missing),
        _ => Cause::Program { program, error },
    })
}

/// Becomes the program. Signals then go to it, and its exit code to the caller.
#[cfg(unix)]
fn replace(command: &mut Command) -> io::Result<ExitCode> {
    use std::os::unix::process::CommandExt;
    Err(command.exec())
}

#[cfg(not(unix))]
fn replace(command: &mut Command) -> io::Result<ExitCode> {
    use crate::failure::IO;
    let code = command.status()?.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.unwrap_or(IO).into())
}
