//! `--help` of every command, and `carwalk completions`.

use std::fs;
use std::process::{Command, Stdio};

use crate::harness::{run, run_command, tool};
use carwalk_testkit::repo::{Order, Repo};

/// The commands that the help of the tool lists.
fn commands() -> Vec<String> {
    let help = run(["--help"]).quiet_success();
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let names = listed.take_while(|line| !line.is_empty());
    let names = names.filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

fn help_of(command: &str) -> String {
    run_command(tool().args([command, "--help"]).env_remove("COLUMNS")).quiet_success()
}

#[test]
fn all_commands_are_listed() {
    let commands = commands();
    let names = [
        "ls",
        "get",
        "unpack",
        "export",
        "tree",
        "diff",
        "inspect",
        "blobs",
        "prove",
        "pack",
        "verify",
        "firehose",
        "completions",
    ];
    for name in names {
        assert!(commands.iter().any(|command| command == name), "{commands:?}");
    }
}

#[test]
fn help_is_short_and_has_one_example() {
    let top = run_command(tool().arg("--help").env_remove("COLUMNS")).quiet_success();
    let texts = commands().into_iter().map(|command| (help_of(&command), format!(" {command} ")));
    for (help, command) in texts.chain([(top, " ".to_owned())]) {
        assert!(help.lines().count() <= 60, "{} lines:\n{help}", help.lines().count());
        assert!(help.lines().all(|line| line.chars().count() <= 100), "{help}");
        let (_, example) = help.split_once("\nExample:\n").unwrap();
        assert!(example.starts_with(&format!("  carwalk{command}")), "{help}");
        assert_eq!(help.matches("Example").count(), 1, "{help}");
        assert!(help.contains("\n\nExit codes:"), "{help}");
    }
}

/// The words of a text without its Markdown.
fn words(text: &str) -> Vec<String> {
    text.replace('`', "").split_whitespace().map(str::to_owned).collect()
}

#[test]
fn exit_codes_are_those_of_the_readme() {
    let top = run_command(tool().arg("--help").env_remove("COLUMNS")).quiet_success();
    let (_, codes) = top.split_once("\nExit codes:\n").unwrap();
    let codes = words(codes.split_once("\n\n").unwrap().0);
    let readme = include_str!("../../README.md");
    let rows = (0..=5).map(|code| {
        let row = format!("| {code} |");
        readme.lines().find(|line| line.starts_with(&row)).unwrap().replace('|', "")
    });
    assert_eq!(codes, rows.flat_map(|row| words(&row)).collect::<Vec<_>>());
}

#[test]
fn only_commands_that_answer_questions_have_exit_code_1() {
    for command in commands() {
        let help = help_of(&command);
        let (_, codes) = help.split_once("\nExit codes:").unwrap();
        assert_eq!(
            codes.contains(" 1 "),
            ["get", "tree", "diff", "verify", "firehose"].contains(&&*command),
            "{help}"
        );
    }
}

/// The words of the example in a help text, without those after a pipe or a redirection.
fn example(help: &str) -> Vec<&str> {
    let (_, example) = help.split_once("\nExample:\n  carwalk ").unwrap();
    let words = example.lines().next().unwrap().split_whitespace();
    words.take_while(|word| !["|", ">"].contains(word)).collect()
}

#[test]
fn examples_are_command_lines() {
    let folder = tempfile::tempdir().unwrap();
    let car = Repo::sample(["app.bsky.actor.profile/self", "app.bsky.feed.post/1"]);
    for name in ["repo.car", "old.car", "new.car"] {
        fs::write(folder.path().join(name), car.to_bytes(Order::Pds)).unwrap();
    }
    // A frame: {"t": "#info", "op": 1}, then {"name": "OutdatedCursor"}.
    let frame = b"\xa2at\x65#infobop\x01\xa1dnamenOutdatedCursor";
    fs::write(folder.path().join("frames.bin"), frame).unwrap();
    for command in commands() {
        let help = help_of(&command);
        let args = example(&help);
        let run = run_command(tool().args(&args).current_dir(&folder));
        // There is no DID document.
        let code = if args.contains(&"did.json") { 5 } else { 0 };
        assert_eq!(run.code, Some(code), "{args:?}: {run:?}");
    }
    assert!(folder.path().join("proof.car").exists());
    assert!(folder.path().join("packed.car").exists());
    assert!(folder.path().join("rows/part-00000.jsonl").exists());
    assert!(folder.path().join("records/app.bsky.feed.post/1.json").exists());
}

/// The long options that a help text lists.
fn options(help: &str) -> Vec<&str> {
    let lines = help.lines().map(str::trim_start).filter(|line| line.starts_with('-'));
    // Their descriptions, which name options too, stand after more space.
    let words = lines.filter_map(|line| line.split("  ").next()).flat_map(|line| line.split(' '));
    words.filter_map(|word| word.strip_prefix("--")).collect()
}

#[test]
fn options_are_grouped() {
    let reads_cars = |command: &&String| !["completions", "firehose"].contains(&command.as_str());
    for command in commands().iter().filter(reads_cars) {
        let help = help_of(command);
        for heading in ["\nOptions:\n", "\nInput options:\n"] {
            assert!(help.contains(heading), "{help}");
        }
        assert_eq!(help.contains("\nMemory options:\n"), command != "export", "{help}");
        let has = |text: &str| help.contains(text);
        assert_eq!(has("\nAccount:\n"), has("--did-doc <FILE>"), "{help}");
        assert_eq!(has("\nRanges:\n"), has("--prefix <PREFIX>"), "{help}");
    }
}

#[test]
fn both_flags_and_the_command_print_the_same_help() {
    for command in commands() {
        let help = help_of(&command);
        for args in [[&*command, "-h"], ["help", &*command]] {
            let same = run_command(tool().args(args).env_remove("COLUMNS")).quiet_success();
            assert_eq!(same, help);
        }
    }
}

#[test]
fn shells_have_completions() {
    for (shell, mark) in [
        ("bash", "complete -F _carwalk"),
        ("zsh", "#compdef carwalk"),
        ("fish", "complete -c carwalk"),
    ] {
        let script = run(["completions", shell]).quiet_success();
        assert!(script.contains(mark), "{script}");
        for part in commands().iter().map(String::as_str).chain(["did-doc", "commit"]) {
            assert!(script.contains(part), "{part}: {script}");
        }
    }
    for args in [&["completions"][..], &["completions", "tcsh"], &["completions", "\u{1b}[2J"]] {
        let run = run(args);
        assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""), "{args:?}");
        assert!(!run.stderr.contains('\u{1b}'), "{run:?}");
    }
}

#[test]
fn completions_have_every_option() {
    let helps: Vec<_> = commands().iter().map(|command| help_of(command)).collect();
    // What follows an option, with or without a value.
    for (shell, before, after) in
        [("bash", " --", [" ", "\""]), ("zsh", "--", ["[", "=["]), ("fish", " -l ", [" ", "\n"])]
    {
        let script = run(["completions", shell]).quiet_success();
        for option in helps.iter().flat_map(|help| options(help)) {
            let has = |after: &&str| script.contains(&format!("{before}{option}{after}"));
            assert!(after.iter().any(has), "{shell}: {option}");
        }
    }
    for name in ["help", "did-doc", "max-stream", "cids"] {
        assert!(helps.iter().any(|help| options(help).contains(&name)), "{name}");
    }
}

#[test]
fn shells_can_read_their_scripts() {
    let folder = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let path = folder.path().join(shell);
        fs::write(&path, run(["completions", shell]).quiet_success()).unwrap();
        // Not every machine has all of them.
        let checked = Command::new(shell).arg("-n").arg(&path).stdin(Stdio::null()).output();
        if let Ok(output) = checked {
            assert!(output.status.success() && output.stderr.is_empty(), "{shell}: {output:?}");
        }
    }
}

#[test]
#[cfg(target_os = "linux")]
fn completions_tell_of_a_full_disk() {
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let output = tool().args(["completions", "zsh"]).stdout(full).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(stderr, "error: cannot write the output: No space left on device\n");
    assert_eq!(output.status.code(), Some(5));
}

#[test]
#[cfg(unix)]
fn bash_completes_commands_and_options() {
    let script = run(["completions", "bash"]).quiet_success();
    let complete = |words: &str| {
        let ask = format!(
            "{script}\nCOMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); \
             _carwalk carwalk \"${{COMP_WORDS[-1]}}\" \"${{COMP_WORDS[-2]}}\"; echo ${{COMPREPLY[@]}}"
        );
        let output = Command::new("bash").args(["-c", &ask]).stdin(Stdio::null()).output();
        output.ok().map(|output| String::from_utf8(output.stdout).unwrap())
    };
    // Not every machine has this shell.
    let Some(found) = complete("carwalk ver") else { return };
    assert_eq!(found, "verify\n");
    assert_eq!(complete("carwalk verify --did-").unwrap(), "--did-doc\n");
    assert_eq!(complete("carwalk completions f").unwrap(), "fish\n");
}
