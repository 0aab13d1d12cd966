//! The command-line tool `carwalk`: lists, inspects and verifies AT Protocol repository exports,
//! and prints, proves or rewrites their records.

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
mod map;
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

fn main() -> ExitCode {
    let done = match Cli::of_process().command {
        Commands::Ls(ls) => ls.input.run_tree(&ls),
        Commands::Get(get) => get.input.run(&get),
        Commands::Unpack(unpack) => unpack.input.run(&unpack),
        Commands::Export(export) => export.run(),
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
