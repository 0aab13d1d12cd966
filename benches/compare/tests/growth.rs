//! The CSV and the chart of growth, made from record files.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use carwalk_compare::growth::{Growth, Point};
use carwalk_compare::machine::Machine;
use carwalk_compare::measure::Run;
use carwalk_compare::plot;
use carwalk_compare::readers::{self, Mode};
use carwalk_compare::record::{LeftOut, Line, Record, Round, Setting};
use carwalk_compare::worker::Report;
use carwalk_testkit::export::{Export, Order};

fn docs(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(file)
}

fn growth(args: &[&Path]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_growth")).args(args).output().unwrap()
}

fn machine(cores: usize) -> Machine {
    let name = |name: &str| name.to_owned();
    Machine {
        cpu: name("cpu"),
        sha_extension: true,
        cores,
        kernel: name("kernel"),
        rustc: name("rustc"),
    }
}

fn record(cores: usize, lines: Vec<Line>) -> Record {
    let mut record =
        Record::begin(Setting { command: "compare --once".into(), machine: machine(cores) }, None)
            .unwrap();
    lines.into_iter().for_each(|line| record.add(line).unwrap());
    record
}

/// Creates a run on a file of `records` records.
fn run(reader: &str, records: u64, round: u32, seconds: f64, peak_anonymous: u64) -> Line {
    let report = Report {
        items: records,
        bytes: records * 200,
        digest: None,
        files: 1,
        iterations: 1,
        seconds,
        user_seconds: seconds,
        system_seconds: 0.0,
        peak_rss: peak_anonymous,
    };
    let run = Run {
        reader: reader.to_owned(),
        file: format!("{records}.car"),
        file_bytes: records * 300,
        mode: if round == 0 { Mode::Check } else { Mode::Once },
        gives: readers::find(reader).unwrap().items,
        report,
        peak_anonymous,
    };
    Line::Run(Round { round, run })
}

fn point(reader: &str, records: u64, microseconds: f64, bytes: f64) -> Point {
    Point {
        reader: reader.to_owned(),
        records,
        file_bytes: records * 300,
        rounds: 1,
        median_seconds: microseconds * records as f64 / 1e6,
        microseconds_per_record: microseconds,
        peak_anonymous_bytes: (bytes * records as f64) as u64,
        bytes_per_record: bytes,
    }
}

/// Draws the chart of `points`.
fn drawn(points: Vec<Point>) -> carwalk_compare::Result<String> {
    plot::svg(&Growth { notes: vec!["machine: of <some> kind".into()], points })
}

#[test]
fn committed_chart_matches_the_committed_numbers() {
    let checked =
        growth(&[Path::new("--check"), &docs("cost-growth.csv"), &docs("cost-growth.svg")]);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
}

#[test]
fn chart_of_other_numbers_fails_the_check_and_is_not_changed() {
    let folder = tempfile::tempdir().unwrap();
    let (csv, svg) = (folder.path().join("a.csv"), folder.path().join("a.svg"));
    let numbers = |bytes| Growth {
        notes: Vec::new(),
        points: vec![point("carwalk-mapped", 1_000, 1.0, bytes)],
    };
    numbers(1.0).write(&csv).unwrap();
    assert!(growth(&[&csv, &svg]).status.success());
    let before = fs::read(&svg).unwrap();
    assert!(growth(&[Path::new("--check"), &csv, &svg]).status.success());
    numbers(1.5).write(&csv).unwrap();
    assert!(!growth(&[Path::new("--check"), &csv, &svg]).status.success());
    assert_eq!(fs::read(&svg).unwrap(), before);
}

#[test]
fn comparison_becomes_numbers_and_a_chart() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let mut args = vec![
        "--once".to_owned(),
        "--rounds=3".into(),
        "--only=repo-stream-0.5,carwalk-mapped".into(),
    ];
    args.extend(["--json".into(), at("kept.jsonl").to_str().unwrap().to_owned()]);
    for records in [2_000, 1_000] {
        let file = at(&format!("{records}.car"));
        Export { records, seed: 7, order: Order::Pds }
            .write_to(&mut File::create(&file).unwrap())
            .unwrap();
        args.push(file.to_str().unwrap().to_owned());
    }
    let compared = Command::new(env!("CARGO_BIN_EXE_compare")).args(args).output().unwrap();
    assert!(compared.status.success(), "{}", String::from_utf8_lossy(&compared.stderr));

    let made = growth(&[Path::new("--from"), &at("kept.jsonl"), &at("a.csv"), &at("a.svg")]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let Growth { notes, points } = Growth::open(&at("a.csv")).unwrap();
    assert_eq!(notes.len(), 2, "machine and command: {notes:?}");
    let rows: Vec<_> =
        points.iter().map(|point| (point.reader.as_str(), point.records, point.rounds)).collect();
    let sizes = |reader| [(reader, 1_000, 3), (reader, 2_000, 3)];
    assert_eq!(rows, [sizes("carwalk-mapped"), sizes("repo-stream-0.5")].concat());
    for point in &points {
        assert!(point.microseconds_per_record > 0.0 && point.bytes_per_record > 0.0, "{point:?}");
    }
    assert!(growth(&[Path::new("--check"), &at("a.csv"), &at("a.svg")]).status.success());
}

#[test]
fn points_are_medians_by_the_number_of_records() {
    let rounds = [(0, 99.0, 9_999), (1, 0.9, 5_000), (2, 0.004, 3_000), (3, 0.003, 1)];
    let lines =
        rounds.map(|(round, seconds, peak)| run("carwalk-pipe", 1_000, round, seconds, peak));
    let few = record(2, lines.into());
    let many = record(
        2,
        vec![run("carwalk-pipe", 500, 1, 0.001, 100), run("carwalk-mapped", 9_000, 1, 1.0, 9)],
    );
    let growth = Growth::of(&[few, many]).unwrap();
    let mut expected = vec![point("carwalk-mapped", 9_000, 111.1111, 0.0)];
    expected[0] = Point { median_seconds: 1.0, peak_anonymous_bytes: 9, ..expected[0].clone() };
    expected.push(point("carwalk-pipe", 500, 2.0, 0.2));
    expected.push(Point { rounds: 3, ..point("carwalk-pipe", 1_000, 4.0, 3.0) });
    assert_eq!(growth.points, expected);

    let folder = tempfile::tempdir().unwrap();
    let csv = folder.path().join("a.csv");
    growth.write(&csv).unwrap();
    assert_eq!(Growth::open(&csv).unwrap(), growth);
}

#[test]
fn measurements_that_cannot_be_compared_are_refused() {
    let one = || record(2, vec![run("carwalk-mapped", 1_000, 1, 1.0, 1)]);
    let refused = |records: &[Record], why: &str| {
        let error = Growth::of(records).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    };
    assert!(Growth::of(&[one()]).is_ok());
    refused(&[one(), one()], "twice");
    refused(&[one(), record(4, Vec::new())], "machine");
    refused(&[record(2, vec![run("sha2", 1_000, 1, 1.0, 1)])], "blocks");
    let Line::Run(mut repeated) = run("carwalk-mapped", 1_000, 1, 1.0, 1) else { return };
    repeated.run.mode = Mode::Repeat;
    refused(&[record(2, vec![Line::Run(repeated)])], "--once");
}

#[test]
fn left_out_reader_is_noted_in_csv_and_chart() {
    let left = LeftOut {
        reader: "carwalk-pipe".into(),
        file: "9000.car".into(),
        why: "signal:\n9".into(),
    };
    let growth = Growth::of(&[record(
        2,
        vec![Line::LeftOut(left), run("carwalk-pipe", 1_000, 1, 1.0, 1_000)],
    )])
    .unwrap();
    let note = "left out: carwalk-pipe, 9000.car: signal: 9";
    assert!(growth.notes.contains(&note.to_owned()), "{:?}", growth.notes);
    let folder = tempfile::tempdir().unwrap();
    let csv = folder.path().join("a.csv");
    growth.write(&csv).unwrap();
    assert!(plot::svg(&Growth::open(&csv).unwrap()).unwrap().contains(note));
}

#[test]
fn axes_hold_all_points_between_labelled_ticks() {
    let svg = drawn(vec![
        point("carwalk-mapped", 1_000, 0.6, 2_100.0),
        point("carwalk-mapped", 3_000_000, 8.0, 12.0),
    ]);
    let svg = svg.unwrap();
    for tick in ["1,000", "10,000,000", "0.5", "10", "5,000"] {
        assert!(svg.contains(&format!(">\n{tick}\n<")), "{tick}");
    }
    for beyond in ["0.2", "100,000,000"] {
        assert!(!svg.contains(&format!(">\n{beyond}\n<")), "{beyond}");
    }
    assert!(svg.contains("of &lt;some&gt; kind"));
    let numbers = |name: &str| -> Vec<i32> {
        svg.split(&format!(" {name}=\""))
            .skip(1)
            .map(|rest| rest.split('"').next().unwrap().parse().unwrap())
            .collect()
    };
    // Two panels with two points each, all within the frame.
    let (xs, ys) = (numbers("cx"), numbers("cy"));
    assert_eq!(xs.len(), 4);
    assert!(xs.iter().all(|x| (54..=624).contains(x)), "{xs:?}");
    assert!(ys[0] > ys[1] && ys[2] < ys[3] && ys[1] > 0, "more is higher: {ys:?}");
}

#[test]
fn names_of_lines_that_end_at_one_point_lie_beside_each_other() {
    let names = [
        "carwalk-mapped",
        "carwalk-pipe",
        "carwalk-spilled",
        "repo-stream-0.5",
        "repo-stream-0.5-spilled",
    ];
    let lines = |microseconds| names.map(|name| point(name, 1_000, microseconds, 1.0)).to_vec();
    // With the second value, the lines end at the bottom of the panel, without room below.
    for microseconds in [3.0, 1.0] {
        let svg = drawn(lines(microseconds)).unwrap();
        let height = |name: &str| -> i32 {
            let before =
                svg.split(&format!(">\n{name}\n")).next().unwrap().rsplit(" y=\"").next().unwrap();
            before.split('"').next().unwrap().parse().unwrap()
        };
        let mut heights = names.map(height);
        heights.sort_unstable();
        assert!(heights.windows(2).all(|pair| pair[1] - pair[0] >= 14), "{heights:?}");
        assert!(heights[0] > 0 && heights[4] < 380, "{heights:?}");
    }
}

#[test]
fn points_that_cannot_be_drawn_are_refused() {
    assert!(drawn(Vec::new()).is_err());
    assert!(drawn(vec![point("carwalk-mapped", 1_000, 1.0, 0.0)]).is_err(), "no logarithm");
    let readers = ["a", "b", "c", "d", "e", "f", "g"].map(|name| point(name, 1_000, 1.0, 1.0));
    assert!(drawn(readers[..6].to_vec()).is_ok());
    assert!(drawn(readers.to_vec()).is_err(), "not as many colours");
}
