//! Binary output is not written to a terminal.

use std::fs::{self, File};
use std::io::Read;
use std::os::fd::OwnedFd;
use std::process::Stdio;

use crate::harness::{Run, TempCar, run, tool};
use carwalk_testkit::repo::{Order, Repo};
use rustix::fs::{Mode, OFlags};
use rustix::pty::{self, OpenptFlags};

const PATH: &str = "com.example.test/one";

fn car() -> TempCar {
    TempCar::new(&Repo::sample([PATH]).to_bytes(Order::Preorder))
}

/// A pseudo-terminal: where its text comes out, what programs write to, and the name of that.
fn terminal() -> (File, OwnedFd, String) {
    let master = pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    pty::grantpt(&master).unwrap();
    pty::unlockpt(&master).unwrap();
    let name = pty::ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
    let slave =
        rustix::fs::open(name.as_str(), OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
    (File::from(master), slave, name)
}

/// Runs the tool with its standard output, but not its standard error, on a terminal.
fn run_there(args: impl FnOnce(&str) -> Vec<String>) -> Run {
    let (mut master, slave, name) = terminal();
    let mut tool = tool();
    tool.args(args(&name)).stdin(Stdio::null()).stdout(slave).stderr(Stdio::piped());
    let output = tool.spawn().unwrap().wait_with_output().unwrap();
    // The last one who could write goes with this, and reading ends, on some systems with an error.
    drop(tool);
    let mut stdout = Vec::new();
    let _ = master.read_to_end(&mut stdout);
    Run {
        code: output.status.code(),
        // The terminal adds the carriage returns.
        stdout: String::from_utf8(stdout).unwrap().replace("\r\n", "\n"),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

fn run_args(args: &[&str]) -> Run {
    run_there(|_| args.iter().copied().map(str::to_owned).collect())
}

#[track_caller]
fn assert_refused(run: Run) {
    assert_eq!(run.stdout, "");
    let error = run.one_error(2);
    assert_eq!(
        error,
        "error: the output is binary, and goes to a terminal: redirect it to a file or pipe\n"
    );
}

#[test]
fn bytes_of_a_record_are_not_written_to_a_terminal() {
    let car = car();
    assert_refused(run_args(&["get", "--raw", car.name(), PATH]));
    // It is told before anything is read.
    assert_refused(run_args(&["get", "--raw", "no/such.car", PATH]));
}

#[test]
fn text_is_written_to_a_terminal() {
    let car = car();
    for args in [&["get"][..], &["get", "--cid"], &["get", "--compact"]] {
        let args = [args, &[car.name(), PATH]].concat();
        let plain = run(&args).quiet_success();
        assert_eq!(run_args(&args).quiet_success(), plain);
    }
    let listed = run_args(&["ls", car.name()]).quiet_success();
    assert!(listed.starts_with(PATH), "{listed}");
}

#[test]
fn cars_are_not_written_to_a_terminal() {
    let car = car();
    assert_refused(run_args(&["prove", "-o", "-", car.name(), PATH]));
    assert_refused(run_args(&["prove", "-o", "-", "no/such.car", PATH]));
    assert_refused(run_args(&["pack", "-o", "-", "no/such.car"]));
    let named = |name: &str| ["pack", "-o", name, car.name()].map(str::to_owned).to_vec();
    assert_refused(run_there(named));
    // Nor to one that is given by its name.
    let named = |name: &str| ["prove", "-o", name, car.name(), PATH].map(str::to_owned).to_vec();
    assert_refused(run_there(named));
    if cfg!(target_os = "linux") {
        assert_refused(run_args(&["prove", "-o", "/dev/stdout", car.name(), PATH]));
    }
}

#[test]
fn compressed_rows_are_not_written_to_a_terminal() {
    let car = car();
    let args = ["export", "--as=jsonl", car.name()];
    assert_refused(run_args(&[&args[..], &["--compress=gzip"]].concat()));
    let rows = run_args(&args);
    assert_eq!(rows.code, Some(0), "{rows:?}");
    assert!(rows.stdout.starts_with("{\"did\":"), "{rows:?}");
}

#[test]
fn a_proof_is_written_to_a_file_from_a_terminal() {
    let car = car();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("proof.car");
    let written = run_args(&["prove", "-o", out.to_str().unwrap(), car.name(), PATH]);
    assert_eq!(written.quiet_success(), "");
    assert!(fs::metadata(out).unwrap().len() > 0);
}
