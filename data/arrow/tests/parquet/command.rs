//! The command line of `carwalk-parquet`.

use std::fs;

use crate::tools::{DEFAULT, Folder, car, expected, export, rows, run};

#[test]
fn help_is_that_of_the_export() {
    let run = run(&["--help"]);
    assert_eq!((run.code, &*run.stderr), (Some(0), ""));
    let help = String::from_utf8(run.stdout).unwrap();
    assert!(
        help.starts_with("Writes the records of many CARs as Parquet\n\nUsage: carwalk-parquet ")
    );
    assert!(help.lines().count() <= 60, "{help}");
    assert!(help.lines().all(|line| line.chars().count() <= 100), "{help}");
    for part in
        ["\nRanges:\n", "--report <FILE>", "\nExample:\n  carwalk-parquet repo.car -o rows/"]
    {
        assert!(help.contains(part), "{part}: {help}");
    }
    assert!(!help.contains("--as") && !help.contains("--compress"), "{help}");
    let version = String::from_utf8(export(&["--version"])).unwrap();
    assert_eq!(version, format!("carwalk-parquet {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn the_arguments_of_the_export_as_parquet_are_accepted() {
    let folder = Folder::new();
    let car = folder.write("a.car", &car(["a.b.c/1", "a.b.d/2"]));
    let expected = expected(&[&car], DEFAULT);
    assert_eq!(rows(export(&["--as", "parquet", &car])), expected);
    assert_eq!(rows(export(&["--as=parquet", &car, "--collection=a.b.d"])), expected[1..]);
    let list = folder.write("list", format!("{car}\n").as_bytes());
    assert_eq!(rows(export(&["--files-from", &list, "--to=a.b.d/"])), expected[..1]);
    let other = run(&[&car, "--did=did:web:b.example"]);
    assert_eq!(other.code, Some(0));
    assert!(other.stderr.starts_with("no input is known to be of did:web:b.example"));
    assert!(rows(other.stdout).is_empty());
}

#[test]
fn wrong_usage_is_refused_before_anything_is_read() {
    let folder = Folder::new();
    let car = folder.write("a.car", &car(["a.b.c/1"]));
    for (args, message) in [
        (&["--as=jsonl", &*car][..], "[possible values: parquet]"),
        (
            &[&car, "--compress=gzip"],
            "error: --compress is for jsonl and csv: Parquet is always compressed, leave it out\n",
        ),
        (&[&car, "--part-size=1M"], "--part-size needs a folder"),
        (&[&car, "--columns=uri"], "unknown column"),
        (&["-"], "standard input cannot be one of several inputs"),
        (&[], "INPUT"),
    ] {
        let run = run(args);
        assert_eq!((run.code, &*run.stdout), (Some(2), &b""[..]), "{args:?}");
        assert!(run.stderr.contains(message), "{args:?}: {}", run.stderr);
    }
}

#[test]
fn a_file_gets_its_name_when_it_is_complete() {
    let folder = Folder::new();
    let good = folder.write("a.car", &car(["a.b.c/1"]));
    let bad = folder.write("b.car", b"");
    let out = folder.name("rows.parquet");
    let ended = run(&[&good, &bad, "-o", &out, "--fail-fast"]);
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    assert!(!folder.path("rows.parquet").exists());
    assert_eq!(run(&[&good, &bad, "-o", &out]).code, Some(3));
    assert_eq!(rows(fs::read(&out).unwrap()).len(), 1);
    let error = run(&[&good, "-o", &out]).one_line(2);
    assert!(error.contains("it exists already (see --force)"), "{error}");
    assert_eq!(run(&[&good, "-o", &out, "--force"]).code, Some(0));
    assert_eq!(fs::read_dir(folder.path("")).unwrap().count(), 3);
}

#[test]
fn a_stream_has_its_end_only_if_it_is_complete() {
    let folder = Folder::new();
    let good = folder.write("a.car", &car(["a.b.c/1"]));
    let bad = folder.write("b.car", b"");
    let ended = run(&[&good, &bad, "--fail-fast"]);
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    // The beginning, and nothing else.
    assert_eq!(ended.stdout, b"PAR1");
    let complete = run(&[&good, &bad]);
    assert_eq!(complete.code, Some(3), "{}", complete.stderr);
    assert_eq!(rows(complete.stdout).len(), 1);
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_ends_it() {
    use crate::tools::tool;
    let folder = Folder::new();
    let car = folder.write("a.car", &car(["a.b.c/1"]));
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let output = tool().arg(&car).stdout(full).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(stderr, "error: cannot write the output: No space left on device\n");
    assert_eq!(output.status.code(), Some(5));
    let error = run(&[&car, "-o", "/dev/full"]).one_line(5);
    assert_eq!(error, "error: cannot write \"/dev/full\": No space left on device");
    assert_eq!(run(&[&car, "-o", "/dev/null"]).code, Some(0));
}

#[test]
#[cfg(unix)]
fn a_closed_pipe_is_a_failure() {
    use crate::tools::tool;
    use std::process::Stdio;
    let folder = Folder::new();
    let paths = (0..40_000).map(|number| format!("a.b.c/{number:05}"));
    let car = folder.write("a.car", &car(paths));
    let mut child = tool().arg(&car).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(5), "{output:?}");
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(stderr, "error: cannot write the output: Broken pipe\n");
}

#[test]
#[cfg(unix)]
fn nothing_is_written_to_a_terminal() {
    use crate::tools::tool;
    use rustix::fs::{Mode, OFlags};
    use rustix::pty::{self, OpenptFlags};
    let master = pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    pty::grantpt(&master).unwrap();
    pty::unlockpt(&master).unwrap();
    let name = pty::ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
    let flags = OFlags::RDWR | OFlags::NOCTTY;
    let slave = rustix::fs::open(name.as_str(), flags, Mode::empty()).unwrap();
    let message =
        "error: the output is binary, and goes to a terminal: redirect it to a file or pipe\n";
    let output = tool().arg("no/such.car").stdout(slave).output().unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), message);
    assert_eq!(output.status.code(), Some(2));
    // Nor to one that is given by its name.
    let folder = Folder::new();
    let car = folder.write("a.car", &car(["a.b.c/1"]));
    assert_eq!(run(&[&car, "-o", &name]).one_line(2), message.trim_end());
}
