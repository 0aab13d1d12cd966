//! The command-line tool `carwalk`: lists, inspects and verifies AT Protocol repository exports,
//! and prints, proves or rewrites their records.

use std::process::ExitCode;

fn main() -> ExitCode {
    carwalk_cli::run()
}
