//! Writes the exports of a network of accounts into a folder: `cargo run --release -p
//! carwalk-testkit --example make-network -- --accounts N FOLDER`.

use std::fs::{self, File};
use std::path::Path;
use std::process::ExitCode;

use carwalk_testkit::export::{Network, Order};

const USAGE: &str =
    "usage: make-network [--accounts N] [--seed S] [--order pds|preorder|random] FOLDER";

fn main() -> ExitCode {
    match run(std::env::args().skip(1)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("make-network: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run(mut args: impl Iterator<Item = String>) -> Result<(), String> {
    let (mut accounts, mut seed, mut order) = (3_000, 1, Order::Pds);
    let mut folder = None;
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--accounts" => accounts = value(args.next())?,
            "--seed" => seed = value(args.next())?,
            "--order" => order = value(args.next())?,
            _ if arg.starts_with('-') || folder.is_some() => return Err(USAGE.into()),
            _ => folder = Some(arg),
        }
    }
    let folder = folder.ok_or(USAGE)?;
    let network = Network::new(accounts, seed);
    let (records, bytes) =
        write(&network, order, Path::new(&folder)).map_err(|error| format!("{folder}: {error}"))?;
    println!("{folder}: {} files, {records} records, {bytes} bytes", network.len());
    Ok(())
}

fn write(network: &Network, order: Order, folder: &Path) -> std::io::Result<(usize, u64)> {
    fs::create_dir_all(folder)?;
    let (mut records, mut bytes) = (0, 0);
    for number in 0..network.len() {
        let mut file = File::create(folder.join(format!("{number:06}.car")))?;
        bytes += network.write_to(number, order, &mut file)?.bytes;
        records += network.records(number);
    }
    Ok((records, bytes))
}

fn value<T: std::str::FromStr>(arg: Option<String>) -> Result<T, String> {
    arg.and_then(|arg| arg.parse().ok()).ok_or(USAGE.into())
}
