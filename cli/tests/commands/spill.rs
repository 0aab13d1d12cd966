//! CARs that memory is not to hold: the same output with a memory limit, where blocks are spilled,
//! and what is left behind.

use std::ffi::OsStr;
use std::path::Path;
use std::{env, fs};

use crate::harness::{self, COMMANDS, Run, TempCar, run, run_on, tool};
use carwalk_testkit::breakage;
use carwalk_testkit::export::Order;
use carwalk_testkit::random;

fn export(records: usize) -> Vec<u8> {
    harness::export(records, Order::Pds)
}

/// Runs a command in each way that a file can be read, and asserts that all say what `expected`
/// does.
#[track_caller]
fn assert_each_way(command: &[&str], limit: &str, car: &[u8], expected: &Run) {
    let args = [command, &["--memory-limit", limit]].concat();
    let file = TempCar::new(car);
    let named = format!("{:?}", Path::new(file.path()));
    let runs =
        [file.run(&args), file.run(&[&args[..], &["--no-mmap"]].concat()), run_on(&args, car)];
    for (way, run) in ["mapped", "read", "piped"].iter().zip(runs) {
        let run = Run { stderr: run.stderr.replace(&named, "standard input"), ..run };
        assert!(run == *expected, "{command:?} {way}, limit {limit}: {run:?}, not {expected:?}");
    }
}

#[test]
fn output_is_the_same_whatever_the_memory_limit() {
    let cars = [export(3000), random::repo(7, 300).car, random::repo(8, 300).car];
    for car in &cars {
        for command in COMMANDS {
            let expected = run_on(command, car);
            for limit in ["0", "100K", "1G"] {
                assert_each_way(command, limit, car, &expected);
            }
        }
    }
}

#[test]
fn errors_and_salvage_are_the_same_with_blocks_in_a_file() {
    for breakage in breakage::each_rule() {
        let car = breakage.make().broken;
        for command in [&["verify"][..], &["inspect", "--json"]] {
            assert_each_way(command, "0", &car, &run_on(command, &car));
        }
    }
    let car = export(300);
    for cut in [car.len() / 3, car.len() - 10] {
        for command in [&["ls"][..], &["ls", "--partial"], &["inspect", "--json"]] {
            assert_each_way(command, "70K", &car[..cut], &run_on(command, &car[..cut]));
        }
    }
}

#[test]
fn verbose_says_how_much_was_spilled_and_where() {
    let car = export(3000);
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().to_str().unwrap();
    let run = run_on(["ls", "-v", "--memory-limit", "100K", "--spill-dir", dir], &car);
    assert_eq!(run.code, Some(0));
    let line = told(&run);
    let (read, stored) =
        line.strip_prefix("spilled after ").unwrap().split_once(" bytes: ").unwrap();
    let (stored, place) = stored.split_once(" bytes are stored in ").unwrap();
    assert_eq!(place, format!("the folder {dir:?}"));
    let (read, stored): (usize, usize) = (read.parse().unwrap(), stored.parse().unwrap());
    assert!((1..=200_000).contains(&read) && stored > car.len() / 2, "{line}");

    let quiet = run_on(["ls", "--memory-limit", "100K", "--spill-dir", dir], &car);
    assert_eq!(quiet.stdout, run.stdout);
    assert!(!quiet.stderr.contains("spilled"), "{quiet:?}");
    run_on(["ls", "-v", "--memory-limit", "1G", "--spill-dir", dir], &car).quiet_success();
    assert_eq!(run_on(["verify", "-q", "-v"], &car).code, Some(2));
}

/// What was said on stderr, but for a warning that the folder is in memory: it may be, where tests
/// run.
fn told(run: &Run) -> String {
    let lines: Vec<_> =
        run.stderr.lines().filter(|line| !line.starts_with("warning: the folder")).collect();
    assert_eq!(lines.len(), 1, "{run:?}");
    lines[0].to_owned()
}

#[test]
#[cfg(unix)]
fn folder_for_temporary_files_can_be_set_by_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    let file = TempCar::new(&export(100));
    let mut tool = tool();
    tool.args(["ls", "-v", "--no-mmap", "--memory-limit=0"])
        .arg(file.path())
        .env("TMPDIR", folder.path());
    let stderr = String::from_utf8(tool.output().unwrap().stderr).unwrap();
    assert!(
        stderr.contains(&format!("are stored in the folder {:?}\n", folder.path())),
        "{stderr}"
    );
}

#[test]
fn folder_that_is_none_is_refused_before_anything_is_read() {
    let file = TempCar::new(&export(10));
    for command in ["ls", "inspect", "verify"] {
        for limit in [&["--memory-limit", "0"][..], &[]] {
            let args = [&[command, "--spill-dir", "no/such/folder"], limit].concat();
            let error = file.run(&args).one_error(5);
            assert!(
                error.starts_with("error: cannot spill into the folder \"no/such/folder\": "),
                "{error}"
            );
        }
    }
    let not_a_folder = [OsStr::new("ls"), OsStr::new("--spill-dir"), file.path(), file.path()];
    let error = run(not_a_folder).one_error(5);
    assert!(error.ends_with("test.car\": not a directory\n"), "{error}");
}

#[test]
fn no_more_is_stored_than_allowed() {
    let car = export(3000);
    let file = TempCar::new(&car);
    for command in ["ls", "inspect", "verify"] {
        let args = [command, "--memory-limit", "100K", "--max-spill", "200K"];
        for run in [run_on(args, &car), file.run(&[&args[..], &["--no-mmap"]].concat())] {
            let error = harmless_warning_aside(run).one_error(5);
            assert!(error.contains(" exceeds the limit of 204800 (see --max-spill)"), "{error}");
        }
        // Of a mapped file only the index is stored.
        let args = [command, "--memory-limit", "0", "--max-spill", "1K"];
        let error = harmless_warning_aside(file.run(&args)).one_error(5);
        assert!(error.contains(" exceeds the limit of 1024 (see --max-spill)"), "{error}");
        assert_eq!(
            run_on([command, "--memory-limit", "100K", "--max-spill", "1G"], &car).code,
            Some(0)
        );
    }
}

fn harmless_warning_aside(run: Run) -> Run {
    let lines = run.stderr.lines().filter(|line| !line.starts_with("warning: the folder"));
    Run { stderr: lines.map(|line| format!("{line}\n")).collect(), ..run }
}

#[test]
#[cfg(target_os = "linux")]
fn spilling_into_memory_is_warned_of() {
    let folder = Path::new("/dev/shm");
    let Ok(folder) = tempfile::tempdir_in(folder) else {
        eprintln!("no folder in memory here: nothing to test");
        return;
    };
    let dir = folder.path().to_str().unwrap();
    let car = export(100);
    let run = run_on(["ls", "--memory-limit=0", "--spill-dir", dir], &car);
    let warning =
        format!("warning: the folder {dir:?} is in memory: spilled data takes memory too\n");
    assert_eq!((run.code, run.stderr), (Some(0), warning));
    run_on(["ls", "--memory-limit=1G", "--spill-dir", dir], &car).quiet_success();
}

#[test]
#[cfg(target_os = "linux")]
fn killed_while_it_spills_it_leaves_nothing() {
    use std::io::Write;
    use std::process::Stdio;

    let car = export(20_000);
    assert!(car.len() > 4 << 20);
    let folder = tempfile::tempdir().unwrap();
    let mut tool = tool();
    tool.args(["ls", "--memory-limit=100K", "--spill-dir"]).arg(folder.path());
    let mut child =
        tool.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // Returns when all but what the pipe holds was taken: far more than may be in memory, so the
    // rest is in the file.
    stdin.write_all(&car[..car.len() / 2]).unwrap();
    let fds = fs::read_dir(format!("/proc/{}/fd", child.id())).unwrap();
    let mut targets = fds.filter_map(|fd| fs::read_link(fd.unwrap().path()).ok());
    assert!(
        targets.any(|target| {
            target.starts_with(folder.path()) && target.to_string_lossy().ends_with(" (deleted)")
        }),
        "no spill file is open"
    );
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    drop(stdin);
}

/// Runs the tool in a namespace of its own where `folder` is a file system of 1 MiB. None if that
/// is not permitted here.
#[cfg(target_os = "linux")]
fn run_on_small_disk(folder: &Path, args: &[&str], file: &OsStr) -> Option<Run> {
    use std::process::Command;

    const MOUNT: &str = "mount -t tmpfs -o size=1m none \"$0\"";
    let unshare = |script: &str| {
        let mut unshare = Command::new("unshare");
        unshare.args(["-rm", "sh", "-c", script]).arg(folder);
        unshare
    };
    if !unshare(MOUNT).output().is_ok_and(|output| output.status.success()) {
        eprintln!("no file system can be mounted here: nothing to test");
        return None;
    }
    // What is left behind is told too.
    let script = format!("{MOUNT} && {{ \"$@\"; code=$?; ls -A \"$0\"; exit $code; }}");
    let output =
        unshare(&script).arg(env!("CARGO_BIN_EXE_carwalk")).args(args).arg(file).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Some(Run {
        code: output.status.code(),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    })
}

#[test]
#[cfg(target_os = "linux")]
fn full_disk_is_told_with_the_folder_or_file() {
    let file = TempCar::new(&export(20_000));
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().to_str().unwrap();
    let kept = format!("{dir}/kept");
    let spill = ["ls", "--no-mmap", "--memory-limit=100K", "--spill-dir", dir];
    let Some(run) = run_on_small_disk(folder.path(), &spill, file.path()) else {
        return;
    };
    let error = harmless_warning_aside(run).one_error(5);
    assert_eq!(
        error,
        format!("error: cannot spill into the folder {dir:?}: No space left on device\n")
    );

    let run = run_on_small_disk(folder.path(), &["ls", "--keep", &kept], file.path()).unwrap();
    assert_eq!(run.stdout, "");
    let error = run.one_error(5);
    assert_eq!(
        error,
        format!("error: cannot keep the blocks in {kept:?}: No space left on device\n")
    );
}
