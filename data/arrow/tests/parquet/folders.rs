//! Parts, and how a run continues an earlier one.

use std::fs;

use serde_json::{Value, json};

use crate::tools::{DEFAULT, Folder, car, expected, parts, rows, run, sorted, sorted_parts};

/// The lines of a report.
fn report(path: &str) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn parts_have_the_rows_of_all_inputs() {
    let folder = Folder::new();
    let network = folder.network(40);
    let expected = sorted(expected(&[&network], DEFAULT));
    for jobs in ["-j1", "-j2", "-j5"] {
        let (out, log) = (folder.name("rows/"), folder.name("report"));
        let args = [&*network, "-o", &out, "--report", &log, "--part-size=30K", jobs];
        assert_eq!(
            run(&args).one_line(0).split(';').next(),
            Some("40 inputs: 40 done, 0 skipped, 0 failed")
        );
        let found = parts(&folder.path("rows"));
        assert!(found.len() > 3 && found[0].ends_with("part-00000.parquet"), "{found:?}");
        assert!(sorted_parts(&folder.path("rows")) == expected);
        // Each part is about as large as it should be, and has whole inputs.
        for path in &found[..found.len() - 1] {
            let len = fs::metadata(path).unwrap().len();
            assert!((15_000..1_000_000).contains(&len), "{len}");
        }
        for line in report(&log) {
            assert_eq!(line["outcome"], "done");
            let part = folder.path("rows").join(line["output"].as_str().unwrap());
            let of_account = |row: &Value| row["did"] == line["did"];
            let count = rows(fs::read(part).unwrap()).iter().filter(|row| of_account(row)).count();
            assert_eq!(json!(count), line["records"]);
        }
        fs::remove_dir_all(folder.path("rows")).unwrap();
        fs::remove_file(&log).unwrap();
    }
}

#[test]
fn a_later_run_adds_what_is_new_or_was_lost() {
    let folder = Folder::new();
    for name in ["a", "b"] {
        folder.write(&format!("cars/{name}.car"), &car([format!("a.b.c/{name}")]));
    }
    folder.write("cars/c.car", b"not yet");
    let (cars, out, log) = (folder.name("cars"), folder.name("rows/"), folder.name("report"));
    let args = [&*cars, "-o", &out, "--report", &log, "--part-size=1"];
    assert_eq!(run(&args).code, Some(3));
    folder.write("cars/c.car", &car(["a.b.c/c"]));
    let summary = "3 inputs: 1 done, 2 skipped, 0 failed; 1 record";
    assert_eq!(run(&args).one_line(0), summary);
    let all = sorted(expected(&[&cars], DEFAULT));
    assert!(sorted_parts(&folder.path("rows")) == all);
    fs::remove_file(folder.path("rows/part-00001.parquet")).unwrap();
    assert_eq!(run(&args).one_line(0), summary);
    assert!(sorted_parts(&folder.path("rows")) == all);
    assert!(!folder.path("rows/part-00001.parquet").exists());
    // Other columns are another run.
    let error = run(&[&args[..], &["--columns=did"]].concat()).one_line(2);
    assert!(error.ends_with("it is of a run with other options: use another report"), "{error}");
}

#[test]
fn a_report_of_another_format_is_of_another_run() {
    let folder = Folder::new();
    let car = folder.write("a.car", &car(["a.b.c/1"]));
    let log = folder.name("report");
    assert_eq!(run(&[&car, "-o", &folder.name("rows/"), "--report", &log]).code, Some(0));
    let run = report(&log)[0]["run"].as_str().unwrap().to_owned();
    let digest = |format: &str| {
        let options = [
            ("command", "export"),
            ("as", format),
            ("columns", DEFAULT),
            ("folder", "true"),
            ("did", ""),
        ];
        carwalk_batch::run_digest(options)
    };
    assert!(run.starts_with(&digest("parquet")), "{run}");
    assert!(!run.starts_with(&digest("jsonl")), "{run}");
}
