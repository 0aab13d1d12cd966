//! `carwalk export --as parquet`: another program in PATH gets the arguments.

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use crate::export::{Folder, sample};
use crate::harness::{Run, run, run_command, tool};
use carwalk_testkit::repo::Order;

/// The tool with a folder as its only PATH.
fn tool_with_path(folder: &Folder, args: &[&str]) -> Command {
    let mut tool = tool();
    tool.args(args).env("PATH", folder.path("bin"));
    tool
}

/// Writes a program `carwalk-parquet`, and returns the folder.
fn with_program(script: &str) -> Folder {
    let folder = Folder::new();
    let path = folder.write("bin/carwalk-parquet", format!("#!/bin/sh\n{script}").as_bytes());
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

fn run_with(folder: &Folder, args: &[&str]) -> Run {
    run_command(&mut tool_with_path(folder, args))
}

const PRINT: &str = "for arg in \"$@\"; do echo \"[$arg]\"; done; echo told >&2; exit 7\n";

#[test]
fn the_program_gets_the_arguments_after_export() {
    let folder = with_program(PRINT);
    let args = ["export", "a b.car", "--as", "parquet", "-o", "rows/", "--columns=did,cid", "--"];
    let run = run_with(&folder, &args);
    let stdout = "[a b.car]\n[--as]\n[parquet]\n[-o]\n[rows/]\n[--columns=did,cid]\n[--]\n";
    assert_eq!((run.code, &*run.stdout, &*run.stderr), (Some(7), stdout, "told\n"));
    let args = ["export", "--as=parquet", "--did=did:web:a.example", "-j2", "--fail-fast", "x"];
    let run = run_with(&folder, &args);
    assert_eq!(run.stdout, args[1..].iter().map(|arg| format!("[{arg}]\n")).collect::<String>());
    // They need not be UTF-8.
    let mut tool = tool_with_path(&folder, &args[..2]);
    let output = tool.arg(OsStr::from_bytes(b"\xff.car")).output().unwrap();
    assert_eq!(output.stdout, b"[--as=parquet]\n[\xff.car]\n");
}

#[test]
fn exit_codes_and_standard_input_are_those_of_the_program() {
    for code in 0..=5 {
        let folder = with_program(&format!("exit {code}\n"));
        let run = run_with(&folder, &["export", "--as=parquet", "x.car"]);
        assert_eq!((run.code, &*run.stdout, &*run.stderr), (Some(code), "", ""));
    }
    let folder = with_program("while read -r line; do echo \"[$line]\"; done\n");
    let mut tool = tool_with_path(&folder, &["export", "--as=parquet", "--files-from=-"]);
    let mut child = tool.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"a.car\nb.car\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), &*output.stdout), (Some(0), &b"[a.car]\n[b.car]\n"[..]));
}

#[test]
fn a_missing_program_is_named_before_anything_is_read_or_written() {
    let folder = Folder::new();
    fs::create_dir(folder.path("bin")).unwrap();
    let (rows, log) = (folder.name("rows/"), folder.name("report"));
    let args = ["export", "--as=parquet", "no/such.car", "-o", &rows, "--report", &log];
    let error = run_with(&folder, &args).one_error(2);
    assert_eq!(
        error,
        "error: Parquet needs the program carwalk-parquet, which is not in PATH; to install it: \
         cargo install carwalk-arrow --features parquet\n"
    );
    assert!(!folder.path("rows").exists() && !folder.path("report").exists());
    // Nor is PATH.
    assert_eq!(run_command(tool().args(args).env_remove("PATH")).one_error(2), error);
    // A program that cannot be run is another fault.
    folder.write("bin/carwalk-parquet", b"");
    let error = run_with(&folder, &args).one_error(5);
    assert_eq!(error, "error: cannot run carwalk-parquet: Permission denied\n");
}

#[test]
fn wrong_usage_does_not_reach_the_program() {
    let folder = with_program("echo run\n");
    for (args, message) in [
        (&["--as=parquet", "x.car", "--compress=gzip"][..], "--compress is for jsonl and csv"),
        (&["--as=parquet", "x.car", "--columns=uri"], "unknown column"),
        (&["--as=parquet", "x.car", "--no-such"], "--no-such"),
        (&["--as=parquet"], "INPUT"),
        (&["--as=Parquet", "x.car"], "[possible values: jsonl, csv, parquet]"),
    ] {
        let run = run_with(&folder, &[&["export"], args].concat());
        assert_eq!((run.code, &*run.stdout), (Some(2), ""), "{args:?}");
        assert!(run.stderr.contains(message), "{args:?}: {}", run.stderr);
    }
    // The other formats do not need it.
    let car = folder.write("a.car", &sample().to_bytes(Order::Pds));
    let rows = run_with(&folder, &["export", "--as=csv", "--columns=rkey", &car]);
    assert_eq!((rows.code, &*rows.stdout), (Some(0), "rkey\n1\n2\n"));
}

#[test]
fn completions_have_the_formats() {
    for shell in ["bash", "zsh", "fish"] {
        let script = run(["completions", shell]).quiet_success();
        let formats = script
            .lines()
            .any(|line| ["jsonl", "csv", "parquet"].iter().all(|format| line.contains(format)));
        let listed = ["jsonl", "csv", "parquet"].iter().all(|format| script.contains(format));
        assert!(formats || (shell == "fish" && listed), "{shell}: {script}");
    }
}
