//! Pipes: text may end anywhere, half a record or proof is a failure, and a writer may stall.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Output, Stdio};

use crate::harness::{TempCar, run, run_bytes, run_on, tool};
use carwalk_testkit::cbor::Value;
use carwalk_testkit::repo::{Order, Record, Repo};

const PATH: &str = "com.example.test/large";

/// A repository whose one record is longer than a pipe and every buffer hold.
fn car() -> TempCar {
    let text = Value::text("a".repeat(1 << 20));
    let record = Record::new(Value::map([("text", text)]).encode());
    TempCar::new(&Repo::new([(PATH.into(), record)]).to_bytes(Order::Preorder))
}

/// Runs the tool with a reader that takes one byte and closes the pipe.
fn cut_short(args: &[&str]) -> Output {
    let mut tool = tool();
    tool.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = tool.spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    // Opened by its name, a pipe that nobody reads any more waits for a reader.
    stdout.read_exact(&mut [0]).unwrap();
    drop(stdout);
    child.wait_with_output().unwrap()
}

#[track_caller]
fn assert_failed(args: &[&str], message: &str) {
    let output = cut_short(args);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), stderr.as_str()), (Some(5), message), "{args:?}");
}

#[test]
fn half_a_proof_is_a_failure_and_a_whole_one_is_not() {
    let car = car();
    for what in [&[PATH][..], &["--prefix", "com."]] {
        let args = [&["prove", "-o", "-", car.name()], what].concat();
        assert_failed(&args, "error: cannot write the output: Broken pipe\n");
        let whole = run_bytes(args, b"");
        assert_eq!((whole.code, whole.stderr.as_str()), (Some(0), ""));
        assert!(whole.stdout.len() > 1 << 20);
    }
}

#[test]
fn half_a_pack_is_a_failure() {
    let car = car();
    let args = ["pack", "-o", "-", car.name()];
    assert_failed(&args, "error: cannot write the output: Broken pipe\n");
    assert_eq!(run_bytes(args, b"").code, Some(0));
}

#[test]
#[cfg(target_os = "linux")]
fn half_a_proof_in_a_pipe_with_a_name_is_a_failure() {
    let car = car();
    let args = ["prove", "-o", "/dev/stdout", car.name(), PATH];
    assert_failed(&args, "error: cannot write \"/dev/stdout\": Broken pipe\n");
}

#[test]
fn half_a_record_is_a_failure_if_it_is_bytes() {
    let car = car();
    let args = ["get", "--raw", car.name(), PATH];
    assert_failed(&args, "error: cannot write the output: Broken pipe\n");
    assert_eq!(run_bytes(args, b"").code, Some(0));
}

#[test]
fn half_a_text_is_none() {
    let car = car();
    for options in [&["get"][..], &["get", "--compact"]] {
        let output = cut_short(&[options, &[car.name(), PATH]].concat());
        assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
    }
}

#[test]
fn standard_output_is_no_file_to_keep() {
    let car = car();
    for args in [["ls", "--keep", "-"], ["verify", "-q", "--keep=-"]] {
        // It is told before anything is read.
        let error = run([&args[..], &["no/such.car"]].concat()).one_error(2);
        assert_eq!(error, "error: --keep needs the name of a file (./- for one named -)\n");
    }
    assert!(!std::fs::exists("-").unwrap());
    let folder = tempfile::tempdir().unwrap();
    let mut tool = tool();
    tool.current_dir(&folder).args(["ls", "--keep", "./-", car.name()]);
    crate::harness::run_command(&mut tool).quiet_success();
    let kept = folder.path().join("-");
    let listed = run(["ls", "--kept", kept.to_str().unwrap()]).quiet_success();
    assert_eq!(run_on(["ls", car.name()], b"").quiet_success(), listed);
}

#[test]
fn help_tells_which_output_may_end_early() {
    let help = run(["--help"]).quiet_success();
    for part in ["text output, other than rows of `export`, ended early", "binary output"] {
        assert!(help.contains(part), "{help}");
    }
}

#[test]
fn a_pipe_that_stalls_after_an_error_is_not_waited_for_in_silence() {
    let mut tool = tool();
    tool.arg("ls").stdin(Stdio::piped()).stderr(Stdio::piped());
    let mut child = tool.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"\x80\x80\x80\x01 not a CAR").unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut note = String::new();
    stderr.read_line(&mut note).unwrap();
    assert_eq!(
        note,
        "warning: waiting for more of the input, to explain this error: CAR header at byte 0: \
         header length of 2097152 exceeds the limit of 1048576\n"
    );
    drop(stdin);
    let mut error = String::new();
    stderr.read_to_string(&mut error).unwrap();
    assert_eq!(
        error,
        "error: standard input: CAR header at byte 0: header length of 2097152 exceeds the limit \
         of 1048576, and the input has only 14 bytes: this is not a CAR\n"
    );
    assert_eq!(child.wait().unwrap().code(), Some(3));
}
