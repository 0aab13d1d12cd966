//! A folder of parts: the order of writing, and going on after a kill at any step.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use carwalk_batch::columns::Columns;
use carwalk_batch::parts::{Parts, PartsError, Sheet, Step, TextSheet};
use carwalk_batch::staging::{Encode, Encoding, Exporter, Selection};
use carwalk_batch::text::Format;
use carwalk_batch::{
    Delivery, Failure, History, Input, Inputs, Line, Order, Outcome, Reason, Report, Settings,
    Stop, Threads, Worker, run_digest,
};
use carwalk_testkit::repo;

use crate::common::Folder;

const IDENTITY: &str = ".carwalk-run";

type Watch = Box<dyn FnMut(Step) -> io::Result<()>>;

/// Inputs, a report and a folder of parts, all in one folder.
struct Run {
    folder: PathBuf,
}

impl Run {
    fn new(folder: &Path) -> Self {
        Run { folder: folder.to_owned() }
    }

    fn rows(&self) -> PathBuf {
        self.folder.join("rows")
    }

    fn report(&self) -> PathBuf {
        self.folder.join("report.jsonl")
    }

    fn open_report(&self) -> (Report, History) {
        Report::open(self.report(), &run_digest([("test", "parts")])).unwrap()
    }

    /// Opens the parts, with a small size.
    fn open(&self) -> (Parts<TextSheet<File>>, History) {
        let (report, mut history) = self.open_report();
        let open = |file| TextSheet::begin(file, b"rkey\n");
        let parts = Parts::open(self.rows(), "csv", Some(report), &mut history, open).unwrap();
        (parts.size(40), history)
    }

    /// Exports the inputs.
    fn export(&self, inputs: &Inputs, watch: Watch) -> Result<Vec<Line>, PartsError> {
        let (parts, history) = self.open();
        let mut parts = parts.watch(watch);
        let (lines, fault) = each(inputs, &history, &mut parts);
        fault.map_or_else(|| parts.finish().map(|()| lines), Err)
    }

    /// The rows of all parts, in order.
    fn sorted(&self) -> Vec<String> {
        let mut rows = Vec::new();
        for name in names(&self.rows()) {
            assert!(name.starts_with("part-"), "{name}");
            let text = fs::read_to_string(self.rows().join(name)).unwrap();
            let mut lines = text.lines();
            assert_eq!(lines.next(), Some("rkey"));
            rows.extend(lines.map(str::to_owned));
        }
        rows.sort();
        rows
    }
}

/// Passes the rows of inputs to parts.
fn each<S: Sheet<Piece = Vec<u8>>>(
    inputs: &Inputs,
    history: &History,
    parts: &mut Parts<S>,
) -> (Vec<Line>, Option<PartsError>) {
    let columns: Columns = "rkey".parse().unwrap();
    let (selection, encoding) = (Selection::new(columns), Encoding::new(Format::Csv, columns));
    let (stop, mut lines, mut fault) = (Stop::new(), Vec::new(), None);
    Threads::new(NonZeroUsize::MIN).order(Order::Finished).stop(stop.clone()).run(
        inputs.as_slice(),
        || {
            let worker = Worker::new(Settings::new(), stop.clone(), |_bytes| {});
            Exporter::new(worker, encoding.rows(), &selection, history, &stop)
        },
        |exporter, input, sender| exporter.export(input, sender),
        |delivery| {
            let done = match delivery {
                Delivery::Piece { piece, .. } => parts.write(piece),
                Delivery::Result { result, .. } => {
                    lines.push(result.clone());
                    parts.take(result)
                }
            };
            fault = done.err();
            if fault.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        },
    );
    (lines, fault)
}

/// Writes some inputs, two of them bad, one without records.
fn inputs(folder: &Folder) -> Inputs {
    for number in 0..9 {
        let records = [3, 1, 0, 7, 2, 4, 1, 5, 2][number];
        let paths = (0..records).map(|record| format!("a.b.c/{number}-{record}"));
        let car = repo::Repo::sample(paths).to_bytes(repo::Order::Preorder);
        let len = if [1, 6].contains(&number) { car.len() / 2 } else { car.len() };
        folder.write(&format!("inputs/{number}.car"), &car[..len]);
    }
    let mut inputs = Inputs::new();
    inputs.add(folder.path().join("inputs")).unwrap();
    inputs
}

/// The names of the files in a folder, but not that of its identity.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name != IDENTITY);
    names.sort();
    names
}

/// Copies the report and the rows: what is left if the process is killed now.
fn copy(run: &Run, to: &Path) {
    fs::create_dir_all(to.join("rows")).unwrap();
    fs::copy(run.report(), to.join("report.jsonl")).unwrap();
    let identity = run.rows().join(IDENTITY).exists().then(|| IDENTITY.to_owned());
    for name in names(&run.rows()).into_iter().chain(identity) {
        fs::copy(run.rows().join(&name), to.join("rows").join(name)).unwrap();
    }
}

/// Runs to the end, and keeps what a kill after each step would leave.
fn run_with_copies(folder: &Folder, inputs: &Inputs) -> (Run, Vec<(Step, PathBuf)>) {
    let run = Run::new(&folder.path().join("whole"));
    fs::create_dir(&run.folder).unwrap();
    let copies = Rc::new(RefCell::new(Vec::new()));
    let (watched, source, base) =
        (Rc::clone(&copies), Run::new(&run.folder), folder.path().join("copies"));
    let watch = move |step| {
        let to = base.join(watched.borrow().len().to_string());
        copy(&source, &to);
        watched.borrow_mut().push((step, to));
        Ok(())
    };
    run.export(inputs, Box::new(watch)).unwrap();
    let copies = copies.borrow().clone();
    (run, copies)
}

#[test]
fn a_run_killed_after_any_step_goes_on_to_the_same_rows() {
    let folder = Folder::new();
    let inputs = inputs(&folder);
    let (whole, copies) = run_with_copies(&folder, &inputs);
    let expected = whole.sorted();
    assert_eq!(expected.len(), 23);
    let mut steps = BTreeMap::new();
    for (step, path) in copies {
        *steps.entry(step).or_insert(0) += 1;
        let run = Run::new(&path);
        let lines = run.export(&inputs, Box::new(|_| Ok(()))).unwrap();
        assert_eq!(run.sorted(), expected, "{step:?} {path:?}");
        assert_eq!(lines.len(), inputs.as_slice().len());
        // A third run has nothing to do but the failed inputs.
        let lines = run.export(&inputs, Box::new(|_| Ok(()))).unwrap();
        assert_eq!(lines.iter().filter(|line| line.is_skipped()).count(), 7, "{step:?}");
        assert_eq!(run.sorted(), expected, "{step:?}");
    }
    let whole = [Step::Written, Step::Synced, Step::Reported, Step::ReportSynced, Step::Named];
    assert!(whole.iter().all(|step| steps[step] >= 3), "{steps:?}");
    assert!(steps[&Step::Piece] > 5 && steps[&Step::FolderSynced] == steps[&Step::Named]);
}

#[test]
fn a_run_killed_while_it_writes_the_report_goes_on_to_the_same_rows() {
    let folder = Folder::new();
    let inputs = inputs(&folder);
    let (whole, copies) = run_with_copies(&folder, &inputs);
    let (_, path) = copies.iter().find(|(step, _)| *step == Step::Reported).unwrap();
    let report = fs::read(path.join("report.jsonl")).unwrap();
    for (number, len) in (0..=report.len()).step_by(29).enumerate() {
        let to = folder.path().join(format!("cut/{number}"));
        copy(&Run::new(path), &to);
        fs::write(to.join("report.jsonl"), &report[..len]).unwrap();
        let run = Run::new(&to);
        run.export(&inputs, Box::new(|_| Ok(()))).unwrap();
        assert_eq!(run.sorted(), whole.sorted(), "{len}");
    }
}

#[test]
fn steps_come_in_their_order() {
    let folder = Folder::new();
    let inputs = inputs(&folder);
    let (_, copies) = run_with_copies(&folder, &inputs);
    let closing: Vec<_> = copies
        .iter()
        .map(|(step, _)| *step)
        .filter(|step| !matches!(step, Step::Created | Step::Piece))
        .collect();
    let expected = [
        Step::Written,
        Step::Synced,
        Step::Reported,
        Step::ReportSynced,
        Step::Named,
        Step::FolderSynced,
    ];
    assert!(closing.len() > 12 && closing.chunks(6).all(|steps| steps == expected), "{closing:?}");
    // No name of a part before its lines, no line before its rows.
    for (step, path) in copies {
        let report = fs::read_to_string(path.join("report.jsonl")).unwrap();
        let last = names(&path.join("rows")).pop().unwrap();
        let part = last.trim_start_matches(".carwalk-").trim_end_matches(".tmp");
        if step == Step::Named {
            assert!(report.contains(&format!("\"output\":\"{part}\"")), "{report}");
        }
    }
}

#[test]
fn a_step_that_fails_ends_the_run_and_the_next_one_completes_it() {
    let folder = Folder::new();
    let inputs = inputs(&folder);
    let (whole, copies) = run_with_copies(&folder, &inputs);
    for number in 0..copies.len() {
        let path = folder.path().join(format!("failed/{number}"));
        fs::create_dir_all(&path).unwrap();
        let (run, count) = (Run::new(&path), Cell::new(0));
        let watch = move |_| {
            count.set(count.get() + 1);
            if count.get() > number { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
        };
        let error = run.export(&inputs, Box::new(watch)).unwrap_err();
        assert!(matches!(error, PartsError::Io { .. }), "{error}");
        // No file with a temporary name is left.
        assert!(names(&run.rows()).iter().all(|name| name.starts_with("part-")));
        run.export(&inputs, Box::new(|_| Ok(()))).unwrap();
        assert_eq!(run.sorted(), whole.sorted(), "{number}");
    }
}

/// Text that fails as on a full disk.
struct Full {
    sheet: TextSheet<File>,
    left: Rc<Cell<usize>>,
}

impl Sheet for Full {
    type Piece = Vec<u8>;

    fn write(&mut self, piece: Vec<u8>) -> io::Result<()> {
        let fits = piece.len().min(self.left.get());
        self.left.set(self.left.get() - fits);
        self.sheet.write(piece[..fits].to_vec())?;
        if fits < piece.len() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sheet.flush()
    }

    fn len(&self) -> u64 {
        self.sheet.len()
    }

    fn end(&mut self) -> io::Result<()> {
        if self.left.get() == 0 { Err(io::ErrorKind::StorageFull.into()) } else { self.sheet.end() }
    }
}

#[test]
fn a_disk_that_is_full_in_the_middle_leaves_whole_parts_and_a_valid_report() {
    let folder = Folder::new();
    let inputs = inputs(&folder);
    let (whole, _) = run_with_copies(&folder, &inputs);
    for room in 0..40 {
        let path = folder.path().join(format!("full/{room}"));
        fs::create_dir_all(&path).unwrap();
        let run = Run::new(&path);
        let (report, mut history) = run.open_report();
        let left = Rc::new(Cell::new(room));
        let begin = move |file| {
            let sheet = TextSheet::begin(file, b"rkey\n")?;
            Ok(Full { sheet, left: Rc::clone(&left) })
        };
        let parts = Parts::open(run.rows(), "csv", Some(report), &mut history, begin).unwrap();
        let mut parts = parts.size(12);
        let (_, fault) = each(&inputs, &history, &mut parts);
        let error = fault.unwrap();
        assert!(error.to_string().starts_with("cannot write \""), "{error}");
        drop(parts);
        assert!(names(&run.rows()).iter().all(|name| name.starts_with("part-")));
        let (_, history) = run.open_report();
        assert_eq!(history.iter().count() > 0, !run.sorted().is_empty());
        run.export(&inputs, Box::new(|_| Ok(()))).unwrap();
        assert_eq!(run.sorted(), whole.sorted(), "{room}");
    }
}

/// A line about an input that is done.
fn done(name: &str) -> Line {
    let mut line = Line::of(&Input::new(name));
    line.outcome = Outcome::Done;
    line
}

#[test]
fn parts_have_about_the_wished_size_and_whole_inputs() {
    let folder = Folder::new();
    let run = Run::new(folder.path());
    let (mut parts, _) = run.open();
    for number in 0..10 {
        parts.write(vec![b'a'; 9]).unwrap();
        parts.write(vec![b'\n']).unwrap();
        parts.take(done(&number.to_string())).unwrap();
    }
    parts.finish().unwrap();
    let parts = names(&run.rows());
    assert_eq!(parts, ["part-00000.csv", "part-00001.csv", "part-00002.csv"]);
    let lens = parts.iter().map(|name| fs::metadata(run.rows().join(name)).unwrap().len());
    assert_eq!(lens.collect::<Vec<_>>(), [45, 45, 25]);
}

#[test]
fn inputs_whose_part_is_gone_are_not_finished_and_numbers_go_on() {
    let folder = Folder::new();
    let inputs = inputs(&folder);
    let (run, _) = run_with_copies(&folder, &inputs);
    let expected = run.sorted();
    let parts = names(&run.rows());
    fs::remove_file(run.rows().join("part-00000.csv")).unwrap();
    let rest = run.sorted();
    assert!(rest.len() < expected.len());
    fs::write(run.rows().join(".carwalk-part-00009.csv.tmp"), "left").unwrap();
    fs::write(run.rows().join("notes.txt"), "mine").unwrap();
    let (parts_open, history) = run.open();
    drop(parts_open);
    let left = history.iter().count();
    assert!((1..7).contains(&left), "{left}");
    assert_eq!(names(&run.rows()).len(), parts.len());
    fs::remove_file(run.rows().join("notes.txt")).unwrap();
    run.export(&inputs, Box::new(|_| Ok(()))).unwrap();
    assert_eq!(run.sorted(), expected);
    let after = names(&run.rows());
    assert_eq!(after.len(), parts.len());
    assert_eq!(after.last().unwrap(), &format!("part-{:05}.csv", parts.len()));
}

#[test]
fn folders_of_other_runs_are_refused_and_stay_as_they_are() {
    let folder = Folder::new();
    let run = Run::new(folder.path());
    folder.write("rows/part-00003.csv", b"rkey\n");
    folder.write("rows/.carwalk-part-00004.csv.tmp", b"rkey\n");
    let begin = |file| TextSheet::begin(file, b"rkey\n");
    let (report, mut history) = run.open_report();
    for report in [None, Some(report)] {
        let error = Parts::open(run.rows(), "csv", report, &mut history, begin).unwrap_err();
        let expected = "part-00003.csv\" is of another run: name a new folder, or the report of \
                        that run";
        assert!(error.to_string().ends_with(expected), "{error}");
    }
    assert_eq!(names(&run.rows()), [".carwalk-part-00004.csv.tmp", "part-00003.csv"]);
    // Without parts, the folder may have other files.
    fs::remove_file(run.rows().join("part-00003.csv")).unwrap();
    folder.write("rows/other.txt", b"");
    Parts::open(run.rows(), "csv", None, &mut history, begin).unwrap().finish().unwrap();
    assert_eq!(names(&run.rows()), ["other.txt"]);
}

#[test]
fn a_folder_that_another_process_writes_is_refused() {
    let folder = Folder::new();
    let run = Run::new(folder.path());
    let (parts, _) = run.open();
    let begin = |file| TextSheet::begin(file, b"rkey\n");
    let other = Parts::open(run.rows(), "csv", None, &mut History::default(), begin);
    // Some file systems have no locks.
    if let Err(error) = other {
        assert!(error.to_string().ends_with("another process is writing it"), "{error}");
    }
    drop(parts);
    Parts::open(run.rows(), "csv", None, &mut History::default(), begin).unwrap();
}

#[test]
fn the_highest_number_has_no_next() {
    let folder = Folder::new();
    let run = Run::new(folder.path());
    let (mut parts, _) = run.open();
    parts.write(b"a\n".to_vec()).unwrap();
    parts.take(done("a.car")).unwrap();
    parts.finish().unwrap();
    let name = format!("part-{}.csv", u64::MAX);
    let report = fs::read_to_string(run.report()).unwrap();
    fs::write(run.report(), report.replace("part-00000.csv", &name)).unwrap();
    fs::remove_file(run.rows().join("part-00000.csv")).unwrap();
    // The report names the part, whether it exists or not.
    for exists in [false, true] {
        if exists {
            folder.write(&format!("rows/{name}"), b"");
        }
        let (report, mut history) = run.open_report();
        let begin = |file| TextSheet::begin(file, b"");
        let error = Parts::open(run.rows(), "csv", Some(report), &mut history, begin).unwrap_err();
        assert!(error.to_string().starts_with("no number is left"), "{error}");
    }
}

#[test]
fn an_input_that_fails_after_its_rows_were_written_ends_the_run() {
    let folder = Folder::new();
    let run = Run::new(folder.path());
    let (mut parts, _) = run.open();
    parts.write(b"a\n".to_vec()).unwrap();
    parts.take(done("a.car")).unwrap();
    let mut line = done("b.car");
    line.fail(Failure::new(Reason::Invalid, "block 7 does not hash to its CID"));
    // Without rows, it is only reported.
    parts.take(line.clone()).unwrap();
    parts.write(b"b\n".to_vec()).unwrap();
    let error = parts.take(line).unwrap_err();
    let expected = "b.car: it was changed while it was read: block 7 does not hash to its CID";
    assert_eq!(error.to_string(), expected);
    drop(parts);
    assert!(names(&run.rows()).is_empty());
    assert_eq!(run.open_report().1.iter().count(), 0);
}

#[test]
fn an_existing_part_is_never_replaced() {
    let folder = Folder::new();
    let run = Run::new(folder.path());
    let (mut parts, _) = run.open();
    parts.write(b"a\n".to_vec()).unwrap();
    parts.take(done("a.car")).unwrap();
    folder.write("rows/part-00000.csv", b"theirs");
    assert!(matches!(parts.finish(), Err(PartsError::Io { .. })));
    assert_eq!(fs::read(run.rows().join("part-00000.csv")).unwrap(), b"theirs");
}

#[test]
fn folders_that_cannot_be_written_are_known_at_once() {
    let folder = Folder::new();
    let begin = |file| TextSheet::begin(file, b"");
    let file = folder.write("file", b"");
    for path in [file.clone(), file.join("below")] {
        let error = Parts::open(path, "csv", None, &mut History::default(), begin).unwrap_err();
        assert!(matches!(error, PartsError::Io { .. }), "{error}");
    }
}
