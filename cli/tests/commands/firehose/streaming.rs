//! Verdicts come in the order of the input and as soon as they can, on any number of threads.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Stdio};

use super::{Message, identity, message, message_of, varints};
use crate::harness::{TempCar, run_on, tool};

fn spawn(args: &[&str]) -> Child {
    let mut tool = tool();
    tool.arg("firehose").args(args);
    tool.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Many messages of many accounts, in the order of each account, with others between.
fn stream() -> Vec<u8> {
    let accounts: Vec<Vec<_>> = (0..20)
        .map(|number| {
            let did = format!("did:web:{number}.example");
            (0..4).map(|commit| message_of(commit, &did).frame()).collect()
        })
        .collect();
    let mut frames = Vec::new();
    for commit in [0, 1, 3, 2, 1, 3] {
        for (number, account) in accounts.iter().enumerate() {
            frames.push(account[commit].clone());
            frames.push(identity(number as u64));
        }
        frames.push(b"\xa0".to_vec());
    }
    varints(frames)
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let stream = stream();
    let one = run_on(["firehose", "--json", "--jobs", "1"], &stream);
    assert_eq!(one.stdout.lines().count(), 246);
    assert!(
        one.stderr.ends_with(
            "valid 80, invalid 6, unverifiable 0, out_of_sync 20, stale 20, passed 120\n"
        ),
        "{}",
        one.stderr
    );
    for jobs in ["2", "7"] {
        assert!(run_on(["firehose", "--json", "--jobs", jobs], &stream) == one, "{jobs}");
    }
    let file = TempCar::new(&stream);
    let renamed = file.run(&["firehose", "--json"]).stdout.replace(file.name(), "-");
    assert!(renamed == one.stdout);
}

#[test]
fn a_verdict_does_not_wait_for_the_next_message() {
    for jobs in ["1", "2"] {
        for is_json in [false, true] {
            let mut child = spawn(&["--jobs", jobs]);
            let mut stdin = child.stdin.take().unwrap();
            let mut stdout = BufReader::new(child.stdout.take().unwrap());
            for message in (0..4).map(message) {
                // With JSON, the bracket that closes a value ends it.
                let bytes = if is_json {
                    message.body().to_string().into_bytes()
                } else {
                    varints([message.frame()])
                };
                stdin.write_all(&bytes).unwrap();
                let mut line = String::new();
                stdout.read_line(&mut line).unwrap();
                assert_eq!(line, message.valid_line());
            }
            drop(stdin);
            assert_eq!(child.wait().unwrap().code(), Some(0));
        }
    }
}

#[test]
fn a_reader_that_has_seen_enough_ends_the_check() {
    for jobs in ["1", "4"] {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state.json");
        let mut child = spawn(&["--jobs", jobs, "--state", state.to_str().unwrap()]);
        let mut stdin = child.stdin.take().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        stdin.write_all(&varints([message(0).frame()])).unwrap();
        stdout.read_exact(&mut [0]).unwrap();
        drop(stdout);
        // Standard input stays open: the next verdict ends the program all the same.
        stdin.write_all(&varints([message(1).frame()])).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0));
        let mut stderr = String::new();
        child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        assert_eq!(stderr, "");
        assert!(!state.exists());
        drop(stdin);
    }
}

#[test]
fn a_pipe_of_any_length_is_checked() {
    let frames: Vec<_> = [0, 1].map(message).iter().map(Message::frame).collect();
    let piece = varints(frames.iter().cycle().take(200));
    let mut child = spawn(&["--jobs", "2"]);
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || {
        for _ in 0..20 {
            stdin.write_all(&piece).unwrap();
        }
    });
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert_eq!(output.stdout.iter().filter(|byte| **byte == b'\n').count(), 4000);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        stderr.starts_with("valid 2, invalid 0, ") && stderr.contains("stale 3998"),
        "{stderr}"
    );
}
