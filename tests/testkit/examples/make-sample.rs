//! Writes the sample export: `cargo run -p carwalk-testkit --features signing --example make-sample
//! -- samples/repo.car`.

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let (Some(out), None) = (args.next(), args.next()) else {
        eprintln!("usage: make-sample OUT");
        return ExitCode::FAILURE;
    };
    match std::fs::write(&out, carwalk_testkit::sample::car()) {
        Ok(()) => {
            println!("signed with {}", carwalk_testkit::sample::signing_key().did_key());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("make-sample: {out}: {error}");
            ExitCode::FAILURE
        }
    }
}
