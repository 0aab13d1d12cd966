//! What the tool exits with, and that it says why in one line.

use std::fs::File;
use std::process::Stdio;

use crate::escape::is_harmful;
use crate::harness::{TempCar, export, run, run_on, tool};
use carwalk_testkit::breakage::{self, Fault};
use carwalk_testkit::legal;
use carwalk_testkit::repo::{Order, Repo};
use carwalk_testkit::step;

fn small() -> Vec<u8> {
    Repo::sample(["com.example.test/one", "com.example.test/two"]).to_bytes(Order::Preorder)
}

#[test]
fn help_and_version_are_successes() {
    let help = run(["--help"]).quiet_success();
    for part in
        ["ls", "get", "inspect", "prove", "verify", "Exit codes:", "  4  the CAR is partial"]
    {
        assert!(help.contains(part), "{help}");
    }
    let proves = run(["prove", "--help"]).quiet_success();
    for part in
        ["`-` is standard input", ".carwalk-", "only if the exit code is 0", "Invalid repo paths"]
    {
        assert!(proves.contains(part), "{proves}");
    }
    assert!(!proves.contains("standard input if it is left out"), "{proves}");
    for command in ["ls", "get", "inspect", "prove", "verify"] {
        let help = run([command, "--help"]).quiet_success();
        assert!(help.contains("Exit codes:") && help.contains("--no-mmap"), "{help}");
    }
    assert!(run(["--version"]).quiet_success().starts_with("carwalk "));
}

#[test]
fn wrong_command_lines_are_usage_errors() {
    let lines: [&[&str]; 13] = [
        &[],
        &["frobnicate"],
        &["ls", "--frobnicate"],
        &["ls", "a.car", "b.car"],
        &["ls", "--max-block", "many", "a.car"],
        &["ls", "--max-block", "4GiB", "a.car"],
        &["ls", "--collection"],
        &["ls", "--from=b", "--to=a"],
        &["verify", "--quiet", "--json"],
        &["verify", "--did"],
        &["verify", "--key", "did:plc:abc"],
        &["get"],
        &["get", "a.car", "self"],
    ];
    for line in lines {
        let run = run(line);
        assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""), "{line:?}");
        assert!(!run.stderr.is_empty());
    }
}

#[test]
fn hostile_arguments_are_escaped_whatever_is_wrong_with_them() {
    let hostile = "\u{1b}[31m\n\u{9b}2J\u{7}\u{202e}\u{7f}";
    let lines: [&[&str]; 18] = [
        &[hostile],
        &[&format!("ls{hostile}")],
        &[&format!("--{hostile}")],
        &[&format!("--help{hostile}")],
        &["ls", &format!("--partial{hostile}")],
        &["ls", &format!("--partial={hostile}")],
        &["ls", &format!("-l{hostile}")],
        &["ls", "a.car", hostile],
        &["ls", "--max-block", hostile],
        &["ls", &format!("--max-spill=1{hostile}")],
        &["ls", "--collection", hostile],
        &["get", "a.car", hostile],
        &["get", "a.car", &format!("at://{hostile}/a/b")],
        &["tree", "a.car", &format!("at://{hostile}/a/b")],
        &["prove", "-o", "-", "a.car", "a/b", hostile],
        &["verify", "--did", &format!("did:plc:abc{hostile}")],
        &["verify", "--key", hostile],
        &["verify", "--quiet", "--json", hostile],
    ];
    for line in lines {
        let run = run(line);
        assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""), "{line:?}");
        assert!(
            run.stderr.starts_with("error: ") && !run.stderr.replace('\n', "").contains(is_harmful),
            "{line:?}: {}",
            run.stderr
        );
        // Short options are told one by one, and in the last line something else is wrong.
        let is_told = run.stderr.contains("\\u{1b}[31m\\n\\u{9b}2J");
        assert!(is_told || line[1].starts_with("-l") || line.contains(&"--json"), "{}", run.stderr);
    }
    // Without such characters nothing is escaped.
    let error = run(["get", "a.car", "it's \"a\\b\""]).stderr;
    assert!(error.contains("'it's \"a\\b\"'"), "{error}");
}

#[test]
#[cfg(unix)]
fn hostile_names_of_the_tool_are_escaped_too() {
    use std::os::unix::process::CommandExt;

    for args in [&["ls", "--help"][..], &["--help"], &["ls", "--frobnicate"]] {
        let output = tool().arg0("\u{1b}[31m").args(args).output().unwrap();
        assert!(!output.stdout.contains(&0x1b) && !output.stderr.contains(&0x1b), "{output:?}");
        assert_eq!(output.status.code(), Some(if args.contains(&"--help") { 0 } else { 2 }));
    }
}

#[test]
fn missing_file_is_an_io_error() {
    let error = run(["ls", "no/such.car"]).one_error(5);
    assert!(error.starts_with("error: cannot open \"no/such.car\": "), "{error}");
    assert_eq!(run(["inspect", "no/such.car"]), run(["verify", "no/such.car"]));
}

#[test]
#[cfg(unix)]
fn errors_of_the_system_are_told_in_its_words() {
    let error = run(["ls", "no/such.car"]).one_error(5);
    assert_eq!(error, "error: cannot open \"no/such.car\": No such file or directory\n");
    let escaped = run(["ls", "no/\u{1b}[31m.car"]).one_error(5);
    assert!(escaped.contains("\\u{1b}[31m"), "{escaped}");
    for args in [&["ls", "."][..], &["ls", "--no-mmap", "."], &["verify", "--kept", "."]] {
        assert_eq!(run(args).one_error(5), "error: cannot read \".\": Is a directory\n");
    }
}

#[test]
fn legal_oddities_are_successes() {
    for oddity in legal::all() {
        let car = oddity.make();
        let listed = run_on(["ls"], &car);
        assert_eq!((listed.code, listed.stderr.as_str()), (Some(0), ""), "{oddity:?}");
        assert_eq!(run_on(["inspect"], &car).code, Some(0), "{oddity:?}");
        let verified = run_on(["verify"], &car);
        // Their keys are no full repo paths, and that is what `verify` is for.
        let has_odd_path = ["paths_of_every_character", "key_of_1024_bytes"].contains(&oddity.name);
        let code = if has_odd_path { 3 } else { 0 };
        assert_eq!(verified.code, Some(code), "{oddity:?} {verified:?}");
    }
}

#[test]
fn breakages_are_invalid_and_gaps_are_missing_blocks() {
    for breakage in breakage::all() {
        let run = run_on(["verify"], &breakage.make().broken);
        let code = if breakage.fault == Fault::Missing { 4 } else { 3 };
        assert_eq!(
            (run.code, run.stdout.as_str()),
            (Some(code), ""),
            "{breakage:?}\n{}",
            run.stderr
        );
        let last = run.stderr.lines().last().unwrap_or_default();
        let is_helped =
            last.contains(", which hides ") || last.starts_with("error: standard input: record ");
        assert_eq!(
            last.ends_with("(see --partial)"),
            code == 4 && is_helped,
            "{breakage:?}\n{}",
            run.stderr
        );
        assert!(last.starts_with("error: standard input: "), "{breakage:?}\n{}", run.stderr);
        assert!(!run.stderr.replace('\n', "").contains(is_harmful), "{breakage:?}\n{}", run.stderr);
    }
}

#[test]
fn look_alikes_have_messages_of_their_own() {
    let car_v2 = [b"\x0a\xa1\x67version\x02".as_slice(), &[0; 40]].concat();
    let cases: [(&[u8], &str); 5] = [
        (b"", "the input is empty"),
        (b"{\"error\":\"RepoNotFound\",\"message\":\"\"}", "this is JSON"),
        (b"\n<!DOCTYPE html><html></html>", "this is HTML"),
        (&car_v2, "this is a CAR of version 2"),
        (&bare_tree(), "the CAR holds a bare tree"),
    ];
    for (bytes, message) in cases {
        let piped = run_on(["ls"], bytes).one_error(3);
        assert!(piped.contains(message), "{piped}");
        let file = TempCar::new(bytes);
        let mapped = file.run(&["ls"]).one_error(3);
        assert!(mapped.contains(message) && mapped.contains("test.car"), "{mapped}");
    }
}

fn bare_tree() -> Vec<u8> {
    let repo = Repo::sample(["com.example.test/one"]);
    let mut car = repo.to_car(Order::Preorder);
    car.set_header(carwalk_testkit::car::header(&[repo.root.cid()]));
    car.to_bytes()
}

#[test]
fn cut_short_anywhere_is_never_a_success() {
    let car = small();
    assert_eq!(run_on(["verify"], &car).code, Some(0));
    for len in (0..car.len()).step_by(step(5)) {
        for command in [&["ls"][..], &["verify"], &["get", "com.example.test/two"]] {
            let run = run_on(command, &car[..len]);
            assert!(matches!(run.code, Some(3 | 4)), "{command:?} of {len} bytes: {run:?}");
            assert!(run.stderr.starts_with("error: "), "{command:?} of {len} bytes: {run:?}");
        }
        assert_ne!(run_on(["verify", "--quiet"], &car[..len]).code, Some(0));
    }
}

#[test]
fn closed_pipe_is_quiet() {
    let file = TempCar::new(&export(20_000, carwalk_testkit::export::Order::Preorder));
    for args in [&["ls"][..], &["ls", "--json"], &["ls", "--partial"], &["tree"]] {
        let mut tool = tool();
        tool.args(args)
            .arg(file.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = tool.spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!(
            (output.status.code(), output.stderr.as_slice()),
            (Some(0), &b""[..]),
            "{args:?}"
        );
    }
}

#[test]
#[cfg(target_os = "linux")]
fn full_disk_is_an_io_error() {
    let one = "com.example.test/one";
    let commands: [&[&str]; 7] = [
        &["ls"],
        &["tree"],
        &["inspect"],
        &["verify"],
        &["get"],
        &["get", "--raw"],
        &["get", "--cid"],
    ];
    for args in commands {
        let file = TempCar::new(&small());
        let full = File::options().write(true).open("/dev/full").unwrap();
        let path = (args[0] == "get").then_some(one);
        let output = tool().args(args).arg(file.path()).args(path).stdout(full).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(stderr, "error: cannot write the output: No space left on device\n");
        assert_eq!(output.status.code(), Some(5));
    }
}

#[test]
fn error_has_no_colour_unless_on_a_terminal() {
    let error = run(["ls", "no/such.car"]).one_error(5);
    assert!(!error.contains('\u{1b}'));
}
