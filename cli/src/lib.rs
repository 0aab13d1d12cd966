//! The command line of carwalk, for the programs of this project.
//!
//! [`run`] is the program `carwalk`. [`export_main`] is a program that does what `carwalk export`
//! does, and writes the rows in a format of its own: `carwalk-parquet` is one. Nothing else is
//! public, and both may change with any release. To read repositories in a program, use
//! [`carwalk`] or [`carwalk_batch`].

mod account;
mod args;
mod batch;
mod blobs;
mod changes;
mod commits;
mod completions;
mod contents;
mod counts;
mod did_doc;
mod diff;
mod escape;
mod export;
mod failure;
mod firehose;
mod get;
mod help;
mod hints;
mod input;
mod inspect;
mod interrupt;
mod json;
mod keys;
mod ls;
mod order;
mod out_file;
mod output;
mod pack;
mod progress;
mod prove;
mod records;
mod remembered;
mod rows;
mod size;
mod skipped;
mod target;
#[cfg(test)]
mod testing;
mod tid;
mod tree;
mod unpack;
mod verify;
mod walking;

use std::process::ExitCode;

use clap::CommandFactory;

use crate::args::{Cli, Commands};
pub use crate::export::{ExportProgram, export_main};

/// Runs the program `carwalk` with the arguments of this process, and returns its exit code.
///
/// Ends the process if the arguments are wrong or ask for help.
///
/// # Examples
///
/// ```no_run
/// fn main() -> std::process::ExitCode {
///     carwalk_cli::run()
/// }
/// ```
#[must_use]
pub fn run() -> ExitCode {
    let done = match args::of_process::<Cli>(Cli::command()).command {
        Commands::Ls(ls) => ls.input.run_tree(&ls),
        Commands::Get(get) => get.input.run(&get),
        Commands::Unpack(unpack) => unpack.input.run(&unpack),
        Commands::Export(export) => {
            return export.run().unwrap_or_else(|failure| failure.report());
        }
        Commands::Tree(tree) => tree.input.run_tree(&tree),
        Commands::Inspect(inspect) => inspect.input.run(&inspect),
        Commands::Blobs(blobs) => blobs.input.run(&blobs),
        Commands::Prove(prove) => prove.input.run(&prove),
        Commands::Diff(diff) => diff.run(),
        Commands::Pack(pack) => pack.run(),
        Commands::Verify(verify) => verify.run(),
        Commands::Firehose(firehose) => firehose.run(),
        Commands::Completions(completions) => completions.run(Cli::command()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
