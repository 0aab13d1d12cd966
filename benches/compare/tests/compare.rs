//! The program `compare`, from its arguments to its tables.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;
use std::process::{Command, Output};

use carwalk_compare::readers::Mode;
use carwalk_compare::record::{Line, Record};

fn compare(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_compare")).args(args).output().unwrap()
}

fn sample() -> String {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../samples/repo.car")
        .to_string_lossy()
        .into_owned()
}

#[test]
fn table_of_a_record_file_is_the_table_of_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().join("record.jsonl");
    let kept = kept.to_str().unwrap();
    let only = "--only=sha2,carwalk-mapped,repo-stream-0.5-keys,carwalk-spilled";
    let ran = compare(&["--rounds", "2", only, "--json", kept, &sample()]);
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let shown = compare(&["--from", kept]);
    assert!(shown.status.success());
    assert_eq!(ran.stdout, shown.stdout);

    let table = String::from_utf8(ran.stdout).unwrap();
    assert!(table.contains("| carwalk, mapped |"), "{table}");
    assert!(table.contains("| 1.00 |"), "{table}");
    assert!(!table.contains("| carwalk, spilled"), "small files are not spilled: {table}");
    let runs = Record::open(Path::new(kept))
        .unwrap()
        .lines
        .into_iter()
        .filter(|line| matches!(line, Line::Run(_)));
    assert_eq!(runs.count(), 3 * 3, "three readers, each checked and timed twice");
}

#[test]
fn short_table_and_chart_have_a_line_for_each_reader() {
    let folder = tempfile::tempdir().unwrap();
    let [kept, chart] =
        ["record.jsonl", "chart.svg"].map(|name| folder.path().join(name).display().to_string());
    let only = "--only=sha2,carwalk-mapped,repo-stream-0.5-keys";
    let ran = compare(&["--once", "--rounds=2", only, "--json", &kept, &sample()]);
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let shown = compare(&["--from", &kept, "--short", "--chart", &chart]);
    assert!(shown.status.success(), "{}", String::from_utf8_lossy(&shown.stderr));
    let table = String::from_utf8(shown.stdout).unwrap();
    assert_eq!(table.lines().count(), 2 + 2, "no line for a reader of blocks: {table}");
    assert!(table.contains("| carwalk, mapped | "), "{table}");
    let svg = std::fs::read_to_string(&chart).unwrap();
    for name in ["sha2, the hashing alone", "carwalk, mapped", "repo-stream 0.5.0-alpha.10"] {
        assert!(svg.contains(name), "{name}: {svg}");
    }
    std::fs::write(&kept, "").unwrap();
    assert!(!compare(&["--from", &kept, "--chart", &chart]).status.success());
}

#[test]
fn small_files_are_read_once_on_request() {
    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().join("record.jsonl");
    let ran = compare(&[
        "--once",
        "--rounds=2",
        "--only=sha2,carwalk-spilled",
        "--json",
        kept.to_str().unwrap(),
        &sample(),
    ]);
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let table = String::from_utf8(ran.stdout).unwrap();
    assert!(table.contains("| carwalk, spilled"), "{table}");
    assert!(table.contains("| peak anonymous |"), "{table}");
    let lines = Record::open(&kept).unwrap().lines;
    let timed: Vec<_> = lines
        .iter()
        .filter_map(|line| if let Line::Run(run) = line { Some(run) } else { None })
        .collect();
    assert_eq!(timed.len(), 2 * 3, "two readers, each checked and timed twice");
    for round in timed.iter().filter(|round| round.round > 0) {
        assert_eq!((round.run.mode, round.run.report.iterations), (Mode::Once, 1));
        assert!(round.run.peak_anonymous > 0);
    }
}

#[test]
fn missing_reader_is_left_out_with_a_note() {
    let missing = Command::new(env!("CARGO_BIN_EXE_compare"))
        .env("COMPARE_PYTHON", "/nonexistent")
        .args(["--rounds=1", "--only=sha2,python-libipld", &sample()])
        .output()
        .unwrap();
    assert!(missing.status.success());
    let table = String::from_utf8(missing.stdout).unwrap();
    assert!(table.contains("\npython-libipld is left out: "), "{table}");
    assert!(table.contains("| sha2, the hashing alone |"), "{table}");
}

#[test]
fn unknown_reader_is_refused() {
    let refused = compare(&["--only=carwalk", &sample()]);
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("carwalk-mapped"), "{refused:?}");
}
