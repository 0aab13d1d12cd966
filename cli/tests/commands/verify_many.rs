//! `carwalk verify` over several files, folders and lists.

use std::fs;
use std::path::{Path, PathBuf};

use carwalk_testkit::breakage::{self, Fault};
use carwalk_testkit::cid::Cid;
use carwalk_testkit::commit::{Commit, DID, REV};
use carwalk_testkit::export::{Network, Order as ExportOrder};
use carwalk_testkit::repo::{Order, Repo};
use carwalk_testkit::signing::SigningKey;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::compressed::{gzip, zstd};
use crate::harness::{Run, run, run_on};

/// The number of accounts of the network.
const ACCOUNTS: usize = 12;

/// A folder of CARs that goes when this does.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Folder(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn name(&self) -> &str {
        self.0.path().to_str().unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs `verify` on the folder. The name of the folder is removed from the lines.
    fn verify(&self, args: &[&str]) -> Run {
        let run = run([&["verify", self.name()], args].concat());
        Run { stdout: run.stdout.replace(&format!("{}/", self.name()), ""), ..run }
    }
}

/// The columns of the lines.
fn rows(run: &Run) -> Vec<Vec<&str>> {
    let rows: Vec<Vec<_>> = run.stdout.lines().map(|line| line.split('\t').collect()).collect();
    assert!(rows.iter().all(|row| row.len() == 6), "{run:?}");
    rows
}

fn sample() -> Repo {
    Repo::sample(["app.bsky.feed.post/1", "app.bsky.feed.post/2"])
}

/// Writes a network, some of it compressed. Returns the number of its records.
fn write_network(folder: &Folder) -> usize {
    let network = Network::new(ACCOUNTS, 3);
    (0..ACCOUNTS)
        .map(|number| {
            let mut car = Vec::new();
            network.write_to(number, ExportOrder::Pds, &mut car).unwrap();
            match number {
                4 => folder.write("network/04.car.gz", &gzip(&car)),
                9 => folder.write("network/09.car.zst", &zstd(&car)),
                _ => folder.write(&format!("network/{number:02}.car"), &car),
            };
            network.records(number)
        })
        .sum()
}

/// Writes a bad CAR for each reason. Returns their names and reasons, in the order of the names.
fn write_bad(folder: &Folder) -> Vec<(&'static str, &'static str)> {
    let good = sample().to_bytes(Order::Preorder);
    let mut flipped = good.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let mut legacy = sample();
    legacy.commit = Commit::version_2(Cid::dag_cbor(b"\xf6"));
    let mut partial = sample().to_car(Order::Preorder);
    partial.sections.pop();
    let long = breakage::all().find(|breakage| breakage.fault == Fault::Limit).unwrap();
    let odd = Repo::sample(["app.bsky.feed.post/1", "noslash", "Odd/self"]);
    let bad = [
        ("bad/cut.car", good[..good.len() - 3].to_vec(), "truncated"),
        ("bad/cut.car.gz", gzip(&good)[..40].to_vec(), "truncated"),
        ("bad/empty.car", Vec::new(), "truncated"),
        ("bad/flipped.car", flipped, "invalid"),
        ("bad/json.car", b"{\"error\":\"RepoNotFound\"}".to_vec(), "not_a_car"),
        ("bad/legacy.car", legacy.to_bytes(Order::Pds), "legacy"),
        ("bad/long.car", long.make().broken, "limit"),
        ("bad/odd.car", odd.to_bytes(Order::Pds), "invalid"),
        ("bad/partial.car", partial.to_bytes(), "missing"),
        ("bad/text.car", b"Not Found".to_vec(), "not_a_car"),
    ];
    let mut names: Vec<_> = bad
        .iter()
        .map(|(name, bytes, reason)| {
            folder.write(name, bytes);
            (*name, *reason)
        })
        .collect();
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("none", folder.path("bad/dangling.car")).unwrap();
        names.insert(2, ("bad/dangling.car", "io"));
    }
    names.sort_unstable();
    names
}

#[test]
fn every_input_has_a_line_in_the_order_of_the_inputs_whatever_the_number_of_jobs() {
    let folder = Folder::new();
    let (records, bad) = (write_network(&folder), write_bad(&folder));
    let one = folder.verify(&["--jobs=1"]);
    assert_eq!(one.code, Some(if cfg!(unix) { 5 } else { 4 }), "{one:?}");
    let rows = rows(&one);
    let (failed, done) = rows.split_at(bad.len());
    assert_eq!(done.len(), ACCOUNTS);
    let mut sum = 0;
    for row in done {
        let [path, outcome, did, rev, records, reason] = row[..] else { panic!("{row:?}") };
        assert!(path.starts_with("network/") && did.starts_with("did:plc:"), "{row:?}");
        assert_eq!((outcome, rev.len(), reason), ("done", 13, "-"));
        sum += records.parse::<usize>().unwrap();
    }
    assert_eq!(sum, records);
    for (row, (name, reason)) in failed.iter().zip(&bad) {
        assert_eq!((row[0], row[1]), (*name, "failed"));
        assert!(row[5].starts_with(&format!("{reason}: ")), "{row:?}");
    }
    let summary = format!(
        "{} inputs: {ACCOUNTS} done, 0 skipped, {} failed; {records} records\n",
        rows.len(),
        bad.len()
    );
    assert_eq!(one.stderr, summary);
    for jobs in ["--jobs=2", "-j7", "--no-mmap"] {
        assert_eq!(folder.verify(&[jobs]), one, "{jobs}");
    }
}

#[test]
fn lines_say_what_is_known_of_an_input() {
    let folder = Folder::new();
    write_bad(&folder);
    let run = folder.verify(&[]);
    let rows = rows(&run);
    let row = |name: &str| rows.iter().find(|row| row[0] == format!("bad/{name}")).unwrap();
    let odd = row("odd.car");
    assert_eq!(odd[1..5], ["failed", DID, REV, "3"]);
    assert!(odd[5].starts_with("invalid: 2 paths are invalid, the first: record "), "{odd:?}");
    assert_eq!(row("partial.car")[1..5], ["failed", DID, REV, "-"]);
    assert_eq!(row("cut.car")[1..5], ["failed", "-", "-", "-"]);
    let not_a_car = "not_a_car: CAR header at byte 0: this does not begin like a CAR";
    assert_eq!(row("text.car")[5], not_a_car);
    #[cfg(unix)]
    assert_eq!(row("dangling.car")[5], "io: reading failed: No such file or directory");
}

#[test]
fn the_largest_exit_code_is_that_of_the_command() {
    let folder = Folder::new();
    let good = folder.write("good.car", &sample().to_bytes(Order::Pds));
    let cut = folder.write("cut.car", &sample().to_bytes(Order::Pds)[..90]);
    let mut car = sample().to_car(Order::Preorder);
    car.sections.pop();
    let partial = folder.write("partial.car", &car.to_bytes());
    let none = folder.path("none.car");
    let none = none.to_str().unwrap();
    for (paths, code) in [
        (&[&*good, &*good][..], 0),
        (&[&*good, &*cut], 3),
        (&[&*partial, &*cut, &*good], 4),
        (&[&*cut, none, &*partial], 5),
    ] {
        let run = run([&["verify"], paths].concat());
        assert_eq!((run.code, rows(&run).len()), (Some(code), paths.len()), "{run:?}");
    }
}

#[test]
fn one_file_is_verified_as_ever() {
    let folder = Folder::new();
    let car = sample().to_bytes(Order::Pds);
    let file = folder.write("good.car", &car);
    let expected = run_on(["verify"], &car);
    for args in [&[][..], &["--jobs=1"], &["--fail-fast"]] {
        assert_eq!(run([&["verify", &file], args].concat()), expected);
    }
    // A folder with one is a folder.
    assert_eq!(folder.verify(&[]).stdout, format!("good.car\tdone\t{DID}\t{REV}\t2\t-\n"));
}

#[test]
fn quiet_prints_only_failures() {
    let folder = Folder::new();
    folder.write("a.car", &sample().to_bytes(Order::Pds));
    assert_eq!(folder.verify(&["--quiet"]).quiet_success(), "");
    folder.write("b.car", b"");
    let run = folder.verify(&["-q"]);
    assert_eq!(
        run.stdout,
        "b.car\tfailed\t-\t-\t-\ttruncated: CAR header at byte 0: the input is empty\n"
    );
    assert_eq!(run.stderr, "2 inputs: 1 done, 0 skipped, 1 failed; 2 records\n");
    assert_eq!(run.code, Some(3));
}

#[test]
fn lists_of_paths_come_after_the_arguments() {
    let folder = Folder::new();
    let car = sample().to_bytes(Order::Pds);
    let [a, b, c] = ["a.car", "b.car", "sub/c.car"].map(|name| folder.write(name, &car));
    let paths = |run: &Run| rows(run).iter().map(|row| row[0].to_owned()).collect::<Vec<_>>();
    let sub = folder.path("sub");
    let list = folder.write("list.txt", format!("{b}\n{}\n", sub.display()).as_bytes());
    let run_list = run(["verify", "--files-from", &list, &a]);
    assert_eq!((run_list.code, paths(&run_list)), (Some(0), vec![a.clone(), b, c]));
    let piped = run_on(["verify", "--files-from=-"], format!("{a}\n").as_bytes());
    assert_eq!((piped.code, paths(&piped)), (Some(0), vec![a]));
}

#[test]
fn lists_that_cannot_be_used_are_named() {
    let folder = Folder::new();
    let none = folder.path("none.txt");
    let error = run(["verify", "--files-from", none.to_str().unwrap()]).one_error(5);
    assert_eq!(error, format!("error: cannot read {none:?}: No such file or directory\n"));
    let error = run_on(["verify", "--files-from=-"], b"\n\n").one_error(2);
    assert_eq!(error, "error: no inputs: the list is empty\n");
    let error = run(["verify", "--report=/dev/null"]).one_error(2);
    assert_eq!(error, "error: no inputs: give files or folders, or --files-from\n");
    let long = "x".repeat(1 << 20);
    let error = run_on(["verify", "--files-from=-"], long.as_bytes()).one_error(3);
    assert_eq!(error, "error: standard input: line 1: it is too long for a path\n");
}

#[test]
fn a_folder_without_cars_is_wrong_usage() {
    let folder = Folder::new();
    folder.write("readme.txt", b"");
    let error = folder.verify(&[]).one_error(2);
    let reason = "it has no files named *.car, *.car.gz or *.car.zst";
    assert_eq!(error, format!("error: no CARs in {:?}: {reason}\n", folder.name()));
}

#[test]
fn options_of_a_single_car_are_refused() {
    let folder = Folder::new();
    let file = folder.write("a.car", &sample().to_bytes(Order::Pds));
    let key = SigningKey::k256(&[7; 32]).did_key();
    let cid = sample().commit_cid().to_string();
    for args in [
        &["--key", &*key][..],
        &["--did-doc", &file],
        &["--partial"],
        &["--one-pass"],
        &["--records"],
        &["--json"],
        &["--commit", &cid],
        &["--memory-limit=1M"],
    ] {
        for inputs in [&[folder.name()][..], &[&*file, &*file], &[&*file, "--report=/dev/null"]] {
            let error = run([&["verify"], inputs, args].concat()).one_error(2);
            let name = args[0].split('=').next().unwrap();
            assert!(error.contains(name), "{error}");
        }
    }
    let error = run(["verify", "-", &file]).one_error(2);
    assert_eq!(error, "error: standard input cannot be one of several inputs\n");
}

#[test]
fn repositories_of_other_accounts_are_skipped() {
    let folder = Folder::new();
    folder.write("a.car", &sample().to_bytes(Order::Pds));
    let mut other = sample();
    other.commit = other.commit.set("did", carwalk_testkit::cbor::Value::text("did:web:b.example"));
    folder.write("b.car", &other.to_bytes(Order::Pds));
    let run = folder.verify(&["--did", DID]);
    assert_eq!((run.code, rows(&run)[0][1]), (Some(0), "done"));
    assert_eq!(rows(&run)[1], ["b.car", "skipped", "did:web:b.example", REV, "-", "not_selected"]);
    assert_eq!(run.stderr, "2 inputs: 1 done, 1 skipped, 0 failed; 2 records\n");
}

#[test]
fn with_fail_fast_the_first_failure_is_the_last_line() {
    let folder = Folder::new();
    let car = sample().to_bytes(Order::Pds);
    for number in 0..50 {
        folder.write(&format!("{number:02}.car"), if number == 7 { b"" } else { &car });
    }
    for jobs in ["--jobs=1", "--jobs=3"] {
        let run = folder.verify(&["--fail-fast", jobs]);
        assert_eq!(run.code, Some(3));
        let found = rows(&run);
        assert_eq!((found.len(), found[7][1]), (8, "failed"), "{found:?}");
        assert_eq!(run.stderr, "8 inputs: 7 done, 0 skipped, 1 failed; 14 records\n");
        assert_eq!(rows(&folder.verify(&[jobs])).len(), 50);
    }
}

/// The lines of a report.
fn report(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.ends_with('\n'));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_report_has_a_line_per_input_with_all_keys() {
    let folder = Folder::new();
    let good = folder.write("good.car", &sample().to_bytes(Order::Pds));
    folder.write("json.car", b"{\"error\":\"RepoNotFound\"}");
    let path = folder.path("report");
    let run = folder.verify(&["--report", path.to_str().unwrap()]);
    assert_eq!((run.code, rows(&run).len()), (Some(3), 2));
    let text = fs::read_to_string(&path).unwrap();
    let keys = [
        "path",
        "bytes",
        "modified",
        "outcome",
        "reason",
        "error",
        "did",
        "rev",
        "commit",
        "records",
        "invalid_paths",
        "output",
        "run",
        "seconds",
    ];
    for line in text.lines() {
        let places = keys.map(|key| line.find(&format!("\"{key}\":")).unwrap());
        assert!(places.is_sorted(), "{line}");
    }
    let lines = report(&path);
    let [done, failed] = &lines[..] else { panic!("{lines:?}") };
    assert_eq!(done.as_object().unwrap().len(), keys.len());
    let expected = json!({
        "path": good, "outcome": "done", "reason": null, "error": null, "did": DID, "rev": REV,
        "commit": sample().commit_cid().to_string(), "records": 2, "invalid_paths": 0,
        "output": null,
    });
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(&done[key], value, "{key}");
    }
    assert_eq!(done["bytes"], json!(sample().to_bytes(Order::Pds).len()));
    assert!(done["seconds"].as_f64().is_some_and(|seconds| seconds > 0.0), "{done}");
    let modified = done["modified"].as_str().unwrap();
    assert!(modified.len() == 27 && modified.ends_with('Z'), "{modified}");
    assert_eq!((&failed["outcome"], &failed["reason"]), (&json!("failed"), &json!("not_a_car")));
    assert!(failed["error"].as_str().unwrap().contains("this is JSON"), "{failed}");
    assert_eq!((&failed["did"], &failed["records"]), (&json!(null), &json!(null)));
    assert_eq!(done["run"], failed["run"]);
}

#[test]
fn what_a_report_has_as_done_is_skipped_unless_it_changed() {
    let folder = Folder::new();
    let car = sample().to_bytes(Order::Pds);
    for name in ["a.car", "b.car"] {
        folder.write(name, &car);
    }
    folder.write("c.car", b"");
    let path = folder.path("report");
    let args = ["--report", path.to_str().unwrap()];
    assert_eq!(folder.verify(&args).code, Some(3));
    // The process was killed while it wrote the next line.
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("{text}{}", &text[..30])).unwrap();
    // A file was repaired, and another one changed.
    folder.write("c.car", &car);
    folder.write("b.car", &Repo::sample(["app.bsky.feed.post/1"]).to_bytes(Order::Pds));
    let run = folder.verify(&args);
    assert_eq!(run.code, Some(0), "{run:?}");
    let outcomes: Vec<_> =
        rows(&run).iter().map(|row| (row[1].to_owned(), row[5].to_owned())).collect();
    let [a, b, c] = &outcomes[..] else { panic!("{outcomes:?}") };
    assert_eq!((a.0.as_str(), a.1.as_str()), ("skipped", "finished"));
    assert_eq!((b.0.as_str(), c.0.as_str()), ("done", "done"));
    assert_eq!(run.stderr, "3 inputs: 2 done, 1 skipped, 0 failed; 3 records\n");
    assert_eq!(report(&path).len(), 6);
    let run = folder.verify(&args);
    assert_eq!(run.stderr, "3 inputs: 0 done, 3 skipped, 0 failed; 0 records\n");
    assert_eq!(report(&path).len(), 9);
}

#[test]
fn reports_that_cannot_be_used_are_refused_before_anything_is_read() {
    let folder = Folder::new();
    folder.write("a.car", &sample().to_bytes(Order::Pds));
    let path = folder.path("report");
    let args = ["--report", path.to_str().unwrap()];
    assert_eq!(folder.verify(&args).code, Some(0));
    let error = folder.verify(&[&args[..], &["--legacy"]].concat()).one_error(2);
    let expected = "line 1: it is of a run with other options: use another report";
    assert_eq!(error, format!("error: report {path:?}: {expected}\n"));
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("{text}odd\n{text}")).unwrap();
    let error = folder.verify(&args).one_error(3);
    let start = format!("error: report {path:?}: line 2: not a line of a report: ");
    assert!(error.starts_with(&start), "{error}");
    let none = folder.path("none/report");
    let error = folder.verify(&["--report", none.to_str().unwrap()]).one_error(5);
    assert_eq!(error, format!("error: report {none:?}: No such file or directory\n"));
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_under_the_report_or_the_output_ends_it() {
    use crate::harness::{run_command, tool};
    let folder = Folder::new();
    folder.write("a.car", &sample().to_bytes(Order::Pds));
    let error = folder.verify(&["--report=/dev/full"]);
    assert_eq!(error.code, Some(5), "{error:?}");
    assert_eq!(error.stderr, "error: report \"/dev/full\": No space left on device\n");
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let output = tool().args(["verify", folder.name()]).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(5));
    let report = run_command(tool().args(["verify", folder.name(), "--report=/dev/null"]));
    assert_eq!(report.code, Some(0), "{report:?}");
}

#[test]
#[cfg(unix)]
fn names_with_control_characters_are_escaped() {
    let folder = Folder::new();
    folder.write("a\tb\u{1b}[2J.car", b"");
    let run = folder.verify(&["-q"]);
    let name = rows(&run)[0][0];
    assert!(name.starts_with('"') && name.ends_with(r#"a\tb\u{1b}[2J.car""#), "{name}");
}

#[test]
#[cfg(unix)]
fn ctrl_c_ends_it_at_once() {
    use std::io::{BufRead, BufReader};
    use std::os::unix::process::ExitStatusExt;
    use std::process::{Command, Stdio};

    let folder = Folder::new();
    let car = sample().to_bytes(Order::Pds);
    folder.write("a.car", &car);
    let fifo = folder.path("b.fifo");
    if !Command::new("mkfifo").arg(&fifo).status().is_ok_and(|status| status.success()) {
        return;
    }
    // The second input never ends: this process keeps the pipe open, and writes nothing.
    let list = folder.write("list", format!("{}\n", fifo.display()).as_bytes());
    let mut child = crate::harness::tool()
        .args(["verify", "--jobs=1", "--fail-fast", &folder.path("a.car").display().to_string()])
        .args(["--files-from", &list, "--report=/dev/stderr"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let pipe = fs::OpenOptions::new().read(true).write(true).open(&fifo).unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    // The report shows that the first input is done.
    stderr.read_line(&mut line).unwrap();
    assert!(line.contains("\"outcome\":\"done\""), "{line}");
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let status = child.wait().unwrap();
    assert_eq!(status.signal(), Some(2), "{status:?}");
    drop(pipe);
}
