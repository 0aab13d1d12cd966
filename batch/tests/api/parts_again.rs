//! Runs that follow each other in one folder: other inputs, lost parts, other folders, other files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use carwalk_batch::parts::{Parts, PartsError, Step, TextSheet};
use carwalk_batch::{History, Input, Inputs, Line, Outcome, Report, ReportError};

use crate::common::Folder;

/// A run with rows that are the names of the inputs, so that it needs no CARs.
struct Run {
    report: PathBuf,
    rows: PathBuf,
}

impl Run {
    fn new(folder: &Path) -> Self {
        Run { report: folder.join("report"), rows: folder.join("rows") }
    }

    fn open_report(&self) -> (Report, History) {
        Report::open(&self.report, "run").unwrap()
    }

    /// Writes the rows of the inputs that are not finished. With `kill`, ends like a process that
    /// is killed after so many steps. Returns how many inputs were skipped.
    fn export(&self, inputs: &Inputs, size: u64, kill: Option<usize>) -> Result<usize, PartsError> {
        let (report, mut history) = self.open_report();
        let begin = |file| TextSheet::begin(file, b"");
        let parts = Parts::open(&self.rows, "csv", Some(report), &mut history, begin)?;
        let mut left = kill;
        let (rows, killed) = (self.rows.clone(), self.rows.with_extension("killed"));
        let watch = move |_step: Step| match &mut left {
            Some(0) => {
                // A process that is killed deletes no files.
                copy(&rows, &killed);
                Err(io::ErrorKind::Interrupted.into())
            }
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        };
        let written = write(parts.size(size).watch(watch), inputs, &history);
        let killed = self.rows.with_extension("killed");
        if killed.exists() {
            fs::remove_dir_all(&self.rows).unwrap();
            fs::rename(killed, &self.rows).unwrap();
        }
        written
    }

    fn parts(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.rows).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.filter(|name| name.starts_with("part-")).collect();
        names.sort();
        names
    }

    fn sorted(&self) -> Vec<String> {
        let parts = self.parts().into_iter().map(|name| self.rows.join(name));
        let texts = parts.map(|part| fs::read_to_string(part).unwrap());
        let mut rows: Vec<_> =
            texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()).collect();
        rows.sort();
        rows
    }
}

fn write(
    mut parts: Parts<TextSheet<fs::File>>,
    inputs: &Inputs,
    history: &History,
) -> Result<usize, PartsError> {
    let mut skipped = 0;
    for input in inputs.as_slice() {
        if history.finished(input).is_some() {
            skipped += 1;
            continue;
        }
        let name = input.path().file_name().unwrap().to_str().unwrap();
        let mut line = Line::of(input);
        line.outcome = Outcome::Done;
        parts.write(format!("{name}\n").into_bytes())?;
        parts.take(line)?;
    }
    parts.finish().map(|()| skipped)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

fn inputs(folder: &Folder, names: &[&str]) -> Inputs {
    let mut inputs = Inputs::new();
    for name in names {
        let path = folder.path().join("cars").join(name);
        // A file that is written again has another time.
        if !path.exists() {
            folder.write(&format!("cars/{name}"), name.as_bytes());
        }
        inputs.add(path).unwrap();
    }
    inputs
}

/// Steps of a part of one input, and of the creation of the next.
const STEPS: usize = 9;

#[test]
fn runs_with_other_inputs_killed_at_any_step_lose_and_repeat_nothing() {
    let folder = Folder::new();
    // The same input twice is two inputs.
    let all = inputs(&folder, &["a", "b", "c", "c", "d"]);
    let (first, second) =
        (inputs(&folder, &["a", "b", "c"]), inputs(&folder, &["d", "c", "c", "b"]));
    let all_at = |path: PathBuf, kills: [usize; 2], size: u64| {
        fs::create_dir_all(&path).unwrap();
        let run = Run::new(&path);
        let _ = run.export(&first, 1, Some(kills[0]));
        let _ = run.export(&second, size, Some(kills[1]));
        run.export(&all, 1, None).unwrap();
        assert_eq!(run.sorted(), ["a", "b", "c", "c", "d"], "{kills:?} {size}");
        assert_eq!(run.export(&all, 1, None).unwrap(), 5, "{kills:?} {size}");
        assert_eq!(run.sorted(), ["a", "b", "c", "c", "d"], "{kills:?} {size}");
    };
    for one in 0..STEPS {
        for two in 0..2 * STEPS {
            for size in [1, 1 << 20] {
                let path = folder.path().join(format!("{one}-{two}-{size}"));
                all_at(path, [one, two], size);
            }
        }
    }
}

#[test]
fn the_name_of_a_part_is_never_used_again() {
    let folder = Folder::new();
    let (all, run) = (inputs(&folder, &["a", "b", "c"]), Run::new(folder.path()));
    run.export(&all, 1, None).unwrap();
    for (name, next) in [("part-00002.csv", "part-00003.csv"), ("part-00000.csv", "part-00004.csv")]
    {
        fs::remove_file(run.rows.join(name)).unwrap();
        assert_eq!(run.export(&all, 1, None).unwrap(), 2);
        assert_eq!(run.parts().last().unwrap(), next);
        assert_eq!(run.sorted(), ["a", "b", "c"]);
    }
    // All parts may go, but not the identity.
    for name in run.parts() {
        fs::remove_file(run.rows.join(name)).unwrap();
    }
    assert_eq!(run.export(&all, 1, None).unwrap(), 0);
    assert_eq!(run.parts(), ["part-00005.csv", "part-00006.csv", "part-00007.csv"]);
    // A part that comes back counts again, for an input that is listed as often.
    assert_eq!(run.export(&all, 1, None).unwrap(), 3);
}

#[test]
fn a_report_belongs_to_one_folder_which_can_be_moved() {
    let folder = Folder::new();
    let (all, run) = (inputs(&folder, &["a", "b"]), Run::new(folder.path()));
    run.export(&inputs(&folder, &["a"]), 1, None).unwrap();
    let other = Run { report: run.report.clone(), rows: folder.path().join("other") };
    let refused = || {
        let error = other.export(&all, 1, None).unwrap_err();
        assert!(matches!(error, PartsError::OtherFolder { .. }), "{error}");
        let expected = format!(
            "{:?} is not the folder of the report's parts: name that folder, or a new report",
            other.rows
        );
        assert_eq!(error.to_string(), expected);
    };
    refused();
    assert!(!other.rows.exists());
    // A folder of another report.
    let third = Run { report: folder.path().join("third"), rows: other.rows.clone() };
    third.export(&all, 1, None).unwrap();
    refused();
    fs::remove_dir_all(&other.rows).unwrap();
    fs::rename(&run.rows, &other.rows).unwrap();
    assert_eq!(other.export(&all, 1, None).unwrap(), 1);
    assert_eq!(other.sorted(), ["a", "b"]);
}

#[test]
fn a_report_without_parts_can_go_into_any_folder() {
    let folder = Folder::new();
    let (all, run) = (inputs(&folder, &["a"]), Run::new(folder.path()));
    let (report, mut history) = run.open_report();
    let begin = |file| TextSheet::begin(file, b"");
    let mut parts = Parts::open(&run.rows, "csv", Some(report), &mut history, begin).unwrap();
    parts.take(Line::of(&Input::new("none.car"))).unwrap();
    parts.finish().unwrap();
    let other = Run { report: run.report.clone(), rows: folder.path().join("other") };
    assert_eq!(other.export(&all, 1, None).unwrap(), 0);
    assert!(matches!(run.export(&all, 1, None), Err(PartsError::OtherFolder { .. })));
}

#[test]
fn an_identity_that_was_not_written_to_its_end_is_written_again() {
    let folder = Folder::new();
    let (all, run) = (inputs(&folder, &["a"]), Run::new(folder.path()));
    for torn in [&b""[..], b"0123", b"0123456789abcdef", &[0; 17]] {
        fs::create_dir_all(&run.rows).unwrap();
        fs::write(run.rows.join(".carwalk-run"), torn).unwrap();
        assert_eq!(run.export(&all, 1, None).unwrap(), 0);
        assert_eq!(run.export(&all, 1, None).unwrap(), 1);
        assert_eq!(fs::read(run.rows.join(".carwalk-run")).unwrap().len(), 17);
        fs::remove_dir_all(&run.rows).unwrap();
        fs::remove_file(&run.report).unwrap();
    }
    fs::create_dir_all(&run.rows).unwrap();
    for foreign in [&b"a note"[..], b"0123456789abcdef\n\n", &[b'0'; 1 << 16]] {
        fs::write(run.rows.join(".carwalk-run"), foreign).unwrap();
        let error = run.export(&all, 1, None).unwrap_err();
        assert!(error.to_string().ends_with("not the identity of a folder of parts"), "{error}");
        assert_eq!(fs::read(run.rows.join(".carwalk-run")).unwrap(), foreign);
        assert!(!run.report.exists());
    }
}

#[test]
fn a_failure_that_passes_repeats_nothing() {
    let folder = Folder::new();
    let (all, run) = (inputs(&folder, &["a", "b"]), Run::new(folder.path()));
    run.export(&all, 1, None).unwrap();
    // The disk with the inputs is not there for one run.
    let (mut report, _) = run.open_report();
    report.append([Line::of(&Input::new(folder.path().join("cars/a/gone")))]).unwrap();
    let mut line = Line::of(&all.as_slice()[0]);
    report.append([line.clone()]).unwrap();
    (line.bytes, line.modified) = (None, None);
    report.append([line]).unwrap();
    drop(report);
    assert_eq!(run.export(&all, 1, None).unwrap(), 2);
    assert_eq!(run.sorted(), ["a", "b"]);
}

#[test]
fn a_refused_run_leaves_no_report() {
    let folder = Folder::new();
    let (all, run) = (inputs(&folder, &["a"]), Run::new(folder.path()));
    folder.write("rows/part-00000.csv", b"theirs\n");
    assert!(matches!(run.export(&all, 1, None), Err(PartsError::OtherParts { .. })));
    assert!(!run.report.exists());
    assert_eq!(run.sorted(), ["theirs"]);
    assert!(!run.rows.join(".carwalk-run").exists());
    // A report that is something else.
    folder.write("report", b"a note");
    let error = Report::open(&run.report, "run").unwrap_err();
    assert!(matches!(error, ReportError::Line { line: 1, .. }), "{error}");
}

#[test]
#[cfg(unix)]
fn pipes_with_our_names_are_refused_at_once() {
    use std::process::Command;
    let folder = Folder::new();
    let (all, run) = (inputs(&folder, &["a"]), Run::new(folder.path()));
    fs::create_dir(&run.rows).unwrap();
    for name in [".carwalk-part-00000.csv.tmp", ".carwalk-run"] {
        let pipe = run.rows.join(name);
        if !Command::new("mkfifo").arg(&pipe).status().is_ok_and(|status| status.success()) {
            return;
        }
        let error = run.export(&all, 1, None).unwrap_err();
        assert!(matches!(&error, PartsError::Io { path, .. } if *path == pipe), "{error}");
        fs::remove_file(pipe).unwrap();
        assert!(!run.report.exists());
    }
    assert_eq!(run.export(&all, 1, None).unwrap(), 0);
}
