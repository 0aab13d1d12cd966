//! `carwalk export` into a folder of parts, and how it goes on.

use std::fs;

use carwalk_testkit::repo::{Order, Repo};
use serde_json::json;

use crate::export::{
    Folder, accounts, export, failed, listed, paths_of, report, sample, write_network,
};

/// The names of the files in the folder of rows, but not that of its identity.
fn names(folder: &Folder) -> Vec<String> {
    let entries = fs::read_dir(folder.path("rows")).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name != ".carwalk-run");
    names.sort();
    names
}

/// The rows of all parts, sorted.
fn sorted(folder: &Folder) -> Vec<String> {
    let parts = names(folder).into_iter().map(|name| folder.path(&format!("rows/{name}")));
    let texts = parts.map(|part| fs::read_to_string(part).unwrap());
    let mut rows: Vec<_> = texts.flat_map(|text| paths_of(&text)).collect();
    rows.sort();
    rows
}

#[test]
fn parts_have_the_rows_of_all_good_inputs_whatever_the_number_of_jobs() {
    let folder = Folder::new();
    let bad = write_network(&folder, accounts());
    let mut expected = listed(&folder, &bad);
    expected.sort();
    let (network, log) = (folder.name("network"), folder.name("report"));
    for jobs in ["-j1", "-j2"] {
        let rows = folder.name("rows/");
        let args = ["jsonl", &*network, "--report", &log, "-o", &rows, "--part-size=100K", jobs];
        let run = export(&args);
        assert_eq!((run.code, &*run.stdout), (Some(if cfg!(unix) { 5 } else { 4 }), ""));
        assert!(sorted(&folder) == expected);
        assert!(names(&folder).len() > 2 && names(&folder)[0] == "part-00000.jsonl");
        let lines = report(&log);
        let reasons = failed(&lines);
        assert_eq!(reasons, bad);
        let done = lines.iter().filter(|line| line["outcome"] == "done");
        assert!(
            done.clone().count() > 0
                && done.clone().all(|line| {
                    names(&folder).iter().any(|name| line["output"] == json!(name))
                })
        );
        // What is done is skipped, what failed is tried again.
        let again = export(&args);
        let skipped =
            format!(" 0 done, {} skipped, {} failed; 0 records\n", done.count(), bad.len());
        assert!(again.stderr.ends_with(&skipped), "{}", again.stderr);
        assert!(sorted(&folder) == expected);
        fs::remove_dir_all(folder.path("rows")).unwrap();
        fs::remove_file(&log).unwrap();
    }
}

#[test]
fn repaired_and_new_inputs_are_added() {
    let folder = Folder::new();
    let car = |name: &str| Repo::sample([format!("a.b.c/{name}")]).to_bytes(Order::Pds);
    folder.write("cars/a.car", &car("a"));
    folder.write("cars/b.car", &car("b")[..50]);
    let (cars, rows, log) = (folder.name("cars"), folder.name("rows"), folder.name("report"));
    fs::create_dir(&rows).unwrap();
    // A folder that exists needs no slash.
    let args = ["jsonl", &*cars, "-o", &rows, "--report", &log];
    assert_eq!(export(&args).code, Some(3));
    folder.write("cars/b.car", &car("b"));
    folder.write("cars/c.car", &car("c"));
    let run = export(&args);
    assert_eq!(
        (run.code, &*run.stderr),
        (Some(0), "3 inputs: 2 done, 1 skipped, 0 failed; 2 records\n")
    );
    assert_eq!(names(&folder), ["part-00000.jsonl", "part-00001.jsonl"]);
    let rkeys: Vec<_> = sorted(&folder).iter().map(|row| row[..7].to_owned()).collect();
    assert_eq!(rkeys, ["a.b.c/a", "a.b.c/b", "a.b.c/c"]);
    // Without rows to write, there is no part.
    assert_eq!(export(&args).stderr, "3 inputs: 0 done, 3 skipped, 0 failed; 0 records\n");
    assert_eq!(names(&folder).len(), 2);
}

#[test]
fn a_folder_of_another_run_is_refused() {
    let folder = Folder::new();
    let car = folder.write("a.car", &sample().to_bytes(Order::Pds));
    let (rows, log) = (folder.name("rows/"), folder.name("report"));
    assert_eq!(export(&["jsonl", &car, "-o", &rows]).code, Some(0));
    for more in [&[][..], &["--report", &log]] {
        let error = export(&[&["jsonl", &*car, "-o", &rows], more].concat()).one_error(2);
        assert!(
            error.ends_with("is of another run: name a new folder, or the report of that run\n"),
            "{error}"
        );
    }
    assert_eq!(sorted(&folder).len(), 2);
    let error = export(&["jsonl", &car, "-o", &format!("{car}/")]).one_error(5);
    assert!(error.starts_with("error: cannot write "), "{error}");
}

#[test]
fn parts_are_compressed_and_have_a_header_each() {
    use flate2::read::MultiGzDecoder;
    use std::io::Read;
    let folder = Folder::new();
    let car = folder.write("a.car", &sample().to_bytes(Order::Pds));
    let rows = folder.name("rows/");
    let args =
        ["csv", &*car, &car, "-o", &rows, "--columns=rkey", "--compress=gzip", "--part-size=1"];
    assert_eq!(export(&args).code, Some(0));
    assert_eq!(names(&folder), ["part-00000.csv.gz", "part-00001.csv.gz"]);
    for name in names(&folder) {
        let mut text = String::new();
        let bytes = fs::read(folder.path(&format!("rows/{name}"))).unwrap();
        MultiGzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap();
        assert_eq!(text, "rkey\n1\n2\n");
    }
}

#[test]
fn with_fail_fast_the_inputs_before_the_failure_are_complete() {
    let folder = Folder::new();
    let car = folder.write("a.car", &sample().to_bytes(Order::Pds));
    let bad = folder.write("b.car", b"");
    let (rows, log) = (folder.name("rows/"), folder.name("report"));
    let args = ["jsonl", &*car, &bad, &car, "-o", &rows, "--report", &log, "-j1", "--fail-fast"];
    assert_eq!(export(&args).code, Some(3));
    assert_eq!((sorted(&folder).len(), report(&log).len()), (2, 2));
    folder.write("b.car", &sample().to_bytes(Order::Pds));
    // The list has the first input twice, and it is finished once.
    let run = export(&args);
    assert_eq!((run.code, sorted(&folder).len()), (Some(0), 6), "{run:?}");
    let run = export(&args);
    assert_eq!((run.code, sorted(&folder).len()), (Some(0), 6), "{run:?}");
}

#[test]
fn a_report_with_two_folders_is_refused_and_a_folder_can_be_moved() {
    let folder = Folder::new();
    let car = |name: &str| {
        let car = Repo::sample([format!("a.b.c/{name}")]).to_bytes(Order::Pds);
        folder.write(&format!("{name}.car"), &car)
    };
    let (one, two) = (car("one"), car("two"));
    let (rows, other, log) = (folder.name("rows/"), folder.name("other/"), folder.name("report"));
    assert_eq!(export(&["jsonl", &one, "-o", &rows, "--report", &log]).code, Some(0));
    let before = fs::read(&log).unwrap();
    let error = export(&["jsonl", &one, &two, "-o", &other, "--report", &log]).one_error(2);
    let reason = "is not the folder of the report's parts: name that folder, or a new report";
    assert_eq!(error, format!("error: {other:?} {reason}\n"));
    assert!(!folder.path("other").exists() && fs::read(&log).unwrap() == before);
    fs::rename(folder.path("rows"), folder.path("other")).unwrap();
    let run = export(&["jsonl", &one, &two, "-o", &other, "--report", &log]);
    assert_eq!(run.stderr, "2 inputs: 1 done, 1 skipped, 0 failed; 1 record\n");
    // `run` is the digest, and the identity of the folder.
    let identity = fs::read_to_string(folder.path("other/.carwalk-run")).unwrap();
    assert_eq!(identity.len(), 17);
    for line in report(&log) {
        let run = line["run"].as_str().unwrap();
        assert_eq!((run.len(), &run[33..]), (49, identity.trim_end()), "{run}");
    }
}

#[test]
fn other_spellings_of_a_path_are_the_same_input() {
    let folder = Folder::new();
    folder.write("cars/a.car", &sample().to_bytes(Order::Pds));
    let (rows, log, name) = (folder.name("rows/"), folder.name("report"), folder.name(""));
    let name = name.trim_end_matches('/');
    for (cars, expected) in
        [("cars", "1 done, 0 skipped"), ("./cars", "0 done, 1 skipped"), ("/cars/", "0 done, 1")]
    {
        let run = export(&["jsonl", &format!("{name}/{cars}"), "-o", &rows, "--report", &log]);
        assert!(run.stderr.contains(expected), "{cars}: {}", run.stderr);
    }
    assert_eq!(sorted(&folder).len(), 2);
    // If nothing is known, standard error says so.
    fs::rename(folder.path("cars"), folder.path("moved")).unwrap();
    let run = export(&["jsonl", &folder.name("moved"), "-o", &rows, "--report", &log]);
    let start = "the folder has the rows of 1 input, none of which is among these.";
    assert!(run.code == Some(0) && run.stderr.starts_with(start), "{run:?}");
    assert_eq!(sorted(&folder).len(), 4);
}

#[test]
fn a_run_that_is_refused_creates_and_changes_nothing() {
    let folder = Folder::new();
    let car = folder.write("a.car", &sample().to_bytes(Order::Pds));
    let (log, note) = (folder.name("r.jsonl"), folder.write("note", b"mine"));
    let error = export(&["jsonl", &car, "-o", &log, "--report", &log]).one_error(2);
    assert_eq!(error, "error: --report and -o are the same file\n");
    let spelled = folder.name("./r.jsonl");
    let error = export(&["jsonl", &car, "-o", &spelled, "--report", &log]).one_error(2);
    assert_eq!(error, "error: --report and -o are the same file\n");
    folder.write("rows/part-00000.jsonl", b"");
    let rows = folder.name("rows/");
    export(&["jsonl", &car, "-o", &rows, "--report", &log]).one_error(2);
    assert!(!folder.path("r.jsonl").exists());
    for report in [&note, &car] {
        let before = fs::read(report).unwrap();
        for out in [&rows[..], "-"] {
            let error = export(&["jsonl", &car, "-o", out, "--report", report]).one_error(3);
            assert!(error.contains("line 1: not a line of a report: "), "{error}");
        }
        assert_eq!(fs::read(report).unwrap(), before);
    }
}

#[test]
fn a_folder_without_cars_among_others_fails_alone() {
    let folder = Folder::new();
    let car = folder.write("a.car", &sample().to_bytes(Order::Pds));
    fs::create_dir(folder.path("empty")).unwrap();
    let (empty, rows, log) = (folder.name("empty"), folder.name("rows/"), folder.name("report"));
    let list = folder.write("list", format!("{empty}\r\n{car}\r\n").as_bytes());
    let listed = ["jsonl", "--files-from", &list, "-o", &rows, "--report", &log];
    for args in [&["jsonl", &*empty, &car, "-o", &rows, "--report", &log][..], &listed] {
        let run = export(args);
        assert_eq!(run.code, Some(5), "{run:?}");
        let expected = format!("{empty}: io: reading failed: the folder has no CARs\n2 inputs: ");
        assert!(run.stderr.starts_with(&expected), "{}", run.stderr);
    }
    assert_eq!(sorted(&folder).len(), 2);
    let list = folder.write("list", b"-\n");
    let error = export(&["jsonl", "--files-from", &list]).one_error(2);
    let reason = "line 1: standard input cannot be one of several inputs";
    assert_eq!(error, format!("error: {list:?}: {reason}\n"));
    assert!(export(&["jsonl", &empty, &empty]).one_error(2).contains("no CARs in "));
}

#[test]
#[cfg(unix)]
fn an_unwritable_folder_is_known_before_anything_is_read() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    let car = folder.write("a.car", &sample().to_bytes(Order::Pds));
    fs::create_dir(folder.path("rows")).unwrap();
    fs::set_permissions(folder.path("rows"), fs::Permissions::from_mode(0o500)).unwrap();
    // Permissions do not bind the superuser.
    if fs::write(folder.path("rows/a"), b"").is_err() {
        let error = export(&["jsonl", &car, "-o", &folder.name("rows/")]).one_error(5);
        assert!(error.ends_with(": Permission denied\n"), "{error}");
    }
    fs::set_permissions(folder.path("rows"), fs::Permissions::from_mode(0o700)).unwrap();
}

/// A run of `export` whose last input never ends: a pipe that the test keeps open.
#[cfg(unix)]
mod endless {
    use std::fs::{File, OpenOptions};
    use std::io::{BufRead, BufReader};
    use std::process::{Child, Command, Stdio};

    use super::Folder;
    use crate::harness::tool;

    pub(super) struct Endless {
        pub(super) child: Child,
        _pipe: File,
    }

    /// Starts a run and waits until an input is reported as failed, after `done` others. Returns
    /// `None` if the system has no pipes with names.
    pub(super) fn start(folder: &Folder, args: &[&str]) -> Option<Endless> {
        let fifo = folder.path("z.fifo");
        if !fifo.exists()
            && !Command::new("mkfifo").arg(&fifo).status().is_ok_and(|status| status.success())
        {
            return None;
        }
        let mut child = tool()
            .args(["export", "--as=jsonl", "-j1"])
            .args(args)
            .arg(&fifo)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let pipe = OpenOptions::new().read(true).write(true).open(&fifo).unwrap();
        // The failure of the input before the pipe is printed at once.
        let mut line = String::new();
        BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.contains("bad.car: truncated"), "{line}");
        Some(Endless { child, _pipe: pipe })
    }

    pub(super) fn signal(endless: &mut Endless, name: &str) -> std::process::ExitStatus {
        let pid = endless.child.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
        endless.child.wait().unwrap()
    }
}

#[test]
#[cfg(unix)]
fn after_a_kill_or_ctrl_c_the_next_run_completes_the_rows() {
    use std::os::unix::process::ExitStatusExt;
    let folder = Folder::new();
    let mut cars = Vec::new();
    for number in 0..7 {
        let paths = (0..=number).map(|record| format!("a.b.c/{number}-{record}"));
        cars.push(
            folder.write(&format!("{number}.car"), &Repo::sample(paths).to_bytes(Order::Pds)),
        );
    }
    let bad = folder.write("bad.car", b"");
    cars.push(bad.clone());
    let cars: Vec<_> = cars.iter().map(String::as_str).collect();
    let (rows, log) = (folder.name("rows/"), folder.name("report"));
    // Parts of about two, of all, and of single inputs.
    for size in ["700", "1G", "1"] {
        let out = ["-o", &*rows, "--report", &log, "--part-size", size];
        for (signal, number) in [("-KILL", 9), ("-INT", 2), ("-KILL", 9)] {
            let Some(mut run) = endless::start(&folder, &[&cars[..], &out].concat()) else {
                return;
            };
            assert_eq!(endless::signal(&mut run, signal).signal(), Some(number));
            let unnamed = names(&folder).iter().filter(|name| !name.starts_with("part-")).count();
            assert!(unnamed <= 1, "{:?}", names(&folder));
        }
        let run = export(&[&["jsonl"], &cars[..], &out].concat());
        assert_eq!(run.code, Some(3), "{run:?}");
        assert!(names(&folder).iter().all(|name| name.starts_with("part-")));
        let found = sorted(&folder);
        let mut once = found.clone();
        once.dedup();
        assert_eq!((found.len(), once.len()), (28, 28), "{size}");
        fs::remove_dir_all(folder.path("rows")).unwrap();
        fs::remove_file(&log).unwrap();
    }
}

#[test]
#[cfg(unix)]
fn ctrl_c_leaves_no_file_with_its_final_name() {
    use std::os::unix::process::ExitStatusExt;
    let folder = Folder::new();
    let car = folder.write("a.car", &sample().to_bytes(Order::Pds));
    let bad = folder.write("bad.car", b"");
    let (out, log) = (folder.name("rows.jsonl"), folder.name("report"));
    let args = [&*car, &bad, "-o", &out, "--report", &log];
    let Some(mut run) = endless::start(&folder, &args) else { return };
    assert_eq!(endless::signal(&mut run, "-INT").signal(), Some(2));
    assert!(!folder.path("rows.jsonl").exists());
    // The first input is not done: its rows are nowhere.
    let outcomes: Vec<_> = report(&log).iter().map(|line| line["outcome"].clone()).collect();
    assert_eq!(outcomes, ["failed"]);
}
