//! The report, and reading it back.

use std::fs;

use carwalk_batch::{Input, Inputs, Line, Outcome, Reason, Report, ReportError, Skip};

use crate::common::Folder;

fn line(input: &Input, outcome: Outcome) -> Line {
    let mut line = Line::of(input);
    line.outcome = outcome;
    line
}

#[test]
fn keys_stand_in_their_order_and_unknown_ones_are_null() {
    let folder = Folder::new();
    let path = folder.write("re\"po.car", b"123");
    let mut line = line(&Input::new(path), Outcome::Failed(Reason::Invalid));
    line.path = "re\"po\u{1f}.car".to_owned();
    line.modified = Some("2026-01-02T03:04:05.000006Z".to_owned());
    line.error = Some("2 paths are invalid".to_owned());
    line.did = Some("did:plc:a".to_owned());
    line.records = Some(40);
    line.invalid_paths = Some(2);
    line.seconds = Some(0.012_345_678);
    let mut text = Vec::new();
    line.write_to(&mut text).unwrap();
    let expected = "{\"path\":\"re\\\"po\\u001f.car\",\"bytes\":3,\
        \"modified\":\"2026-01-02T03:04:05.000006Z\",\"outcome\":\"failed\",\
        \"reason\":\"invalid\",\"error\":\"2 paths are invalid\",\"did\":\"did:plc:a\",\
        \"rev\":null,\"commit\":null,\"records\":40,\"invalid_paths\":2,\"output\":null,\
        \"run\":null,\"seconds\":0.012346}\n";
    assert_eq!(String::from_utf8(text.clone()).unwrap(), expected);
    let read = Line::parse(&text).unwrap();
    assert_eq!(read.seconds, Some(0.012_346));
    line.seconds = read.seconds;
    assert_eq!(read, line);
}

#[test]
fn other_lines_are_refused() {
    let of = |outcome: &str, reason: &str| {
        format!("{{\"path\":\"a\",\"outcome\":\"{outcome}\",\"reason\":{reason}}}")
    };
    assert!(Line::parse(of("done", "null").as_bytes()).is_ok());
    assert!(Line::parse(of("failed", "\"io\"").as_bytes()).is_ok());
    for text in [of("gone", "null"), of("failed", "\"rain\""), of("done", "\"io\""), "{}".into()] {
        assert!(Line::parse(text.as_bytes()).is_err(), "{text}");
    }
}

#[test]
fn inputs_are_finished_if_they_are_done_and_did_not_change() {
    let folder = Folder::new();
    let inputs = ["a.car", "b.car", "c.car", "d.car"]
        .map(|name| Input::new(folder.write(name, name.as_bytes())));
    let [done, failed, skipped, later] = &inputs;
    let path = folder.path().join("report");
    let (mut report, history) = Report::open(&path, "run").unwrap();
    assert_eq!(history.iter().count(), 0);
    report.append([line(done, Outcome::Done), line(failed, Outcome::Done)]).unwrap();
    report.append([line(failed, Outcome::Failed(Reason::Io))]).unwrap();
    report.append([line(skipped, Outcome::Skipped(Skip::NotSelected))]).unwrap();
    report.append([line(later, Outcome::Failed(Reason::Io))]).unwrap();
    let mut last = line(later, Outcome::Done);
    last.output = Some("part-00007.jsonl".to_owned());
    last.records = Some(3);
    report.append([last, line(later, Outcome::Skipped(Skip::Finished))]).unwrap();
    report.sync().unwrap();
    drop(report);
    let (_, mut history) = Report::open(&path, "run").unwrap();
    // A failure that passed does not undo what is done.
    let found = inputs.each_ref().map(|input| history.finished(input).is_some());
    assert_eq!(found, [true, true, false, true]);
    let last = history.finished(later).unwrap();
    assert_eq!((last.output.as_deref(), last.records), (Some("part-00007.jsonl"), Some(3)));
    history.retain(|_, finished| finished.output.is_some());
    assert!(history.finished(done).is_none() && history.finished(later).is_some());
    folder.write("d.car", b"longer");
    assert!(history.finished(&Input::new(later.path())).is_none());
}

#[test]
fn a_line_that_was_not_written_to_its_end_is_removed() {
    let folder = Folder::new();
    let input = Input::new(folder.write("a.car", b"123"));
    let path = folder.path().join("report");
    let (mut report, _) = Report::open(&path, "run").unwrap();
    report.append([line(&input, Outcome::Done)]).unwrap();
    drop(report);
    let whole = fs::read(&path).unwrap();
    for len in 1..whole.len() - 1 {
        fs::write(&path, [&whole[..], &whole[..len]].concat()).unwrap();
        let (mut report, history) = Report::open(&path, "run").unwrap();
        assert!(history.finished(&input).is_some());
        assert_eq!(fs::read(&path).unwrap(), whole);
        report.append([line(&input, Outcome::Done)]).unwrap();
        drop(report);
        assert_eq!(fs::read(&path).unwrap(), [&whole[..], &whole[..]].concat());
    }
    // After a failure of the system, its end may be zero bytes.
    for len in [0, 1, 9, 50, whole.len() - 1] {
        fs::write(&path, [&whole[..], &whole[..len], &[0; 100]].concat()).unwrap();
        assert!(Report::open(&path, "run").unwrap().1.finished(&input).is_some());
        assert_eq!(fs::read(&path).unwrap(), whole);
    }
    // Alone, it leaves nothing.
    fs::write(&path, &whole[..9]).unwrap();
    assert_eq!(Report::open(&path, "run").unwrap().1.iter().count(), 0);
    assert_eq!(fs::read(&path).unwrap(), b"");
    // Of a whole line, only the line break may be missing.
    fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    assert!(Report::open(&path, "run").unwrap().1.finished(&input).is_some());
    assert_eq!(fs::read(&path).unwrap(), whole);
}

#[test]
fn other_bad_lines_are_refused_by_number() {
    let folder = Folder::new();
    let input = Input::new(folder.write("a.car", b"123"));
    let path = folder.path().join("report");
    let (mut report, _) = Report::open(&path, "run").unwrap();
    report.append([line(&input, Outcome::Done)]).unwrap();
    drop(report);
    let whole = fs::read(&path).unwrap();
    let bad = [&whole[..], &whole[..20], b"\n", &whole[..]].concat();
    fs::write(&path, &bad).unwrap();
    let error = Report::open(&path, "run").unwrap_err();
    assert!(matches!(error, ReportError::Line { line: 2, .. }), "{error}");
    let start = format!("report {path:?}: line 2: not a line of a report: ");
    assert!(error.to_string().starts_with(&start), "{error}");
    // Nothing was removed.
    assert_eq!(fs::read(&path).unwrap(), bad);
    // A file that is something else is not cut.
    let long = vec![b'x'; (1 << 20) + 7];
    fs::write(&path, &long).unwrap();
    let error = Report::open(&path, "run").unwrap_err();
    assert!(matches!(error, ReportError::Line { line: 1, .. }), "{error}");
    assert_eq!(fs::read(&path).unwrap(), long);
}

#[test]
fn files_that_are_not_reports_stay_as_they_are() {
    let folder = Folder::new();
    let car = crate::common::car(3);
    for (number, text) in [
        &b"{\"name\": \"package\"}"[..],
        b"{\"name\": \"package\"}\n",
        b"{\n  \"path\": \"a.car\"\n}\n",
        b"{\"path\":\"a.car\"}",
        b"{\"path\":\"a.car\",\"bytes\":\n",
        b"note",
        b"a note\n",
        b"\n",
        b"{\"path\": \"a",
        b"\0\0x",
        &car,
    ]
    .into_iter()
    .enumerate()
    {
        let path = folder.write(&number.to_string(), text);
        let error = Report::open(&path, "run").unwrap_err();
        assert!(matches!(error, ReportError::Line { line: 1, .. }), "{number}: {error}");
        assert_eq!(fs::read(&path).unwrap(), text, "{number}");
    }
    let empty = folder.write("empty", b"");
    assert_eq!(Report::open(&empty, "run").unwrap().1.iter().count(), 0);
}

#[test]
fn a_new_report_can_be_discarded_and_others_stay() {
    let folder = Folder::new();
    let path = folder.path().join("report");
    Report::open(&path, "run").unwrap().0.discard();
    assert!(!path.exists());
    let (mut report, _) = Report::open(&path, "run").unwrap();
    report.append([line(&Input::new("a.car"), Outcome::Done)]).unwrap();
    report.discard();
    assert!(path.exists());
    let empty = folder.write("empty", b"");
    Report::open(&empty, "run").unwrap().0.discard();
    assert!(empty.exists());
}

#[test]
fn equal_inputs_need_a_line_each_and_spellings_of_a_path_are_equal() {
    let folder = Folder::new();
    let file = folder.write("a.car", b"123");
    let spelled = folder.path().join("./").join("a.car");
    let doubled = format!("{}//a.car", folder.path().display());
    let mut inputs = Inputs::new();
    inputs.add(&file).unwrap();
    inputs.add(&spelled).unwrap();
    inputs.add(&doubled).unwrap();
    let path = folder.path().join("report");
    for expected in 0..=3 {
        let (mut report, history) = Report::open(&path, "run").unwrap();
        let finished = inputs.as_slice().iter().map(|input| history.finished(input).is_some());
        let finished: Vec<_> = finished.collect();
        assert_eq!(finished, [0, 1, 2].map(|number| number < expected));
        assert_eq!(history.iter().count(), expected);
        report.append([line(&inputs.as_slice()[0], Outcome::Done)]).unwrap();
    }
    // The file was changed between: its older lines count for the older file.
    let (mut report, _) = Report::open(&path, "run").unwrap();
    folder.write("a.car", b"1234");
    report.append([line(&Input::new(&file), Outcome::Done)]).unwrap();
    drop(report);
    let (_, history) = Report::open(&path, "run").unwrap();
    assert_eq!(history.finished(&Input::new(&file)).unwrap().bytes, Some(4));
    assert_eq!(history.finished(&inputs.as_slice()[2]).unwrap().bytes, Some(3));
}

#[test]
fn a_report_of_other_options_is_refused() {
    let folder = Folder::new();
    let input = Input::new(folder.write("a.car", b"123"));
    let path = folder.path().join("report");
    let (mut report, _) = Report::open(&path, "run").unwrap();
    report.append([line(&input, Outcome::Done)]).unwrap();
    drop(report);
    assert!(Report::open(&path, "run").is_ok());
    let error = Report::open(&path, "other").unwrap_err();
    assert!(matches!(error, ReportError::OtherRun { line: 1, .. }), "{error}");
    let expected =
        format!("report {path:?}: line 1: it is of a run with other options: use another report");
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_report_has_one_writer() {
    let folder = Folder::new();
    let path = folder.path().join("report");
    let first = Report::open(&path, "run").unwrap();
    let error = Report::open(&path, "run").unwrap_err();
    assert!(matches!(error, ReportError::Locked { .. }), "{error}");
    drop(first);
    assert!(Report::open(&path, "run").is_ok());
}

#[test]
fn a_report_that_cannot_be_opened_is_named() {
    let folder = Folder::new();
    let path = folder.path().join("none/report");
    let error = Report::open(&path, "run").unwrap_err().to_string();
    assert!(error.starts_with(&format!("report {path:?}: ")), "{error}");
}
