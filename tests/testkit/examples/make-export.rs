//! Writes a large export: `cargo run --release -p carwalk-testkit --example make-export --
//! --records N OUT`.

use std::fs::File;
use std::process::ExitCode;

use carwalk_testkit::export::{Export, Order};

const USAGE: &str = "usage: make-export [--records N] [--seed S] [--order pds|preorder|random] OUT";

fn main() -> ExitCode {
    match run(std::env::args().skip(1)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("make-export: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run(mut args: impl Iterator<Item = String>) -> Result<(), String> {
    let mut export = Export { records: 100_000, seed: 1, order: Order::Pds };
    let mut out = None;
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--records" => export.records = value(args.next())?,
            "--seed" => export.seed = value(args.next())?,
            "--order" => export.order = value(args.next())?,
            _ if arg.starts_with('-') || out.is_some() => return Err(USAGE.into()),
            _ => out = Some(arg),
        }
    }
    let out = out.ok_or(USAGE)?;
    let mut file = File::create(&out).map_err(|error| format!("{out}: {error}"))?;
    let written = export.write_to(&mut file).map_err(|error| format!("{out}: {error}"))?;
    println!("{out}: {} bytes, {} blocks, {} nodes", written.bytes, written.blocks, written.nodes);
    println!("records of {} bytes in all, commit {}", written.record_bytes, written.commit);
    Ok(())
}

fn value<T: std::str::FromStr>(arg: Option<String>) -> Result<T, String> {
    arg.and_then(|arg| arg.parse().ok()).ok_or(USAGE.into())
}
