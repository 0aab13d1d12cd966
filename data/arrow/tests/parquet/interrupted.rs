//! Runs that end in the middle.

use std::cell::Cell;
use std::fs::{self, File};
use std::io;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;

use carwalk_arrow::parquet::ParquetEncoding;
use carwalk_batch::columns::Columns;
use carwalk_batch::parts::{Parts, PartsError, Step};
use carwalk_batch::staging::{Encode, Exporter, Selection};
use carwalk_batch::{Delivery, Inputs, Order, Report, Settings, Stop, Threads, Worker};

#[cfg(target_os = "linux")]
use crate::tools::parts;
use crate::tools::{DEFAULT, Folder, expected, sorted, sorted_parts};

/// Exports the network into `rows` with a report, on two threads. `watch` is called after each
/// step.
fn export(
    folder: &Folder,
    watch: impl FnMut(Step) -> io::Result<()> + 'static,
) -> Result<(), PartsError> {
    let columns: Columns = DEFAULT.parse().unwrap();
    let encoding = ParquetEncoding::new(columns).threads(NonZeroUsize::new(2).unwrap());
    let mut inputs = Inputs::new();
    inputs.add(folder.path("network")).unwrap();
    let (report, mut history) = Report::open(folder.path("report"), "digest").unwrap();
    let open = move |file: File| encoding.sheet(file);
    let rows = folder.path("rows");
    let parts = Parts::open(rows, "parquet", Some(report), &mut history, open).unwrap();
    let mut parts = parts.size(20_000).watch(watch);
    let (stop, selection, mut fault) = (Stop::new(), Selection::new(columns), None);
    Threads::new(NonZeroUsize::new(2).unwrap()).order(Order::Finished).stop(stop.clone()).run(
        inputs.as_slice(),
        || {
            let worker = Worker::new(Settings::new(), stop.clone(), |_bytes| {});
            Exporter::new(worker, encoding.rows(), &selection, &history, &stop)
        },
        |exporter, input, sender| exporter.export(input, sender),
        |delivery| {
            let done = match delivery {
                Delivery::Piece { piece, .. } => parts.write(piece),
                Delivery::Result { result, .. } => parts.take(result),
            };
            match done {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    fault = Some(error);
                    ControlFlow::Break(())
                }
            }
        },
    );
    fault.map_or_else(|| parts.finish(), Err)
}

#[test]
fn a_run_that_fails_after_any_step_goes_on_to_the_same_rows() {
    let folder = Folder::new();
    let network = folder.network(12);
    let expected = sorted(expected(&[&network], DEFAULT));
    for last in 0.. {
        let left = Cell::new(last);
        let full = move |_| {
            if left.get() == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            left.set(left.get() - 1);
            Ok(())
        };
        let is_whole = export(&folder, full).is_ok();
        export(&folder, |_| Ok(())).unwrap();
        assert!(sorted_parts(&folder.path("rows")) == expected, "{last}");
        if is_whole {
            assert!(last > 20, "{last}");
            return;
        }
        fs::remove_dir_all(folder.path("rows")).unwrap();
        fs::remove_file(folder.path("report")).unwrap();
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_run_that_a_signal_ended_goes_on_to_the_same_rows() {
    use crate::tools::{car, run, tool};
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;
    for (signal, number) in [("-KILL", 9), ("-INT", 2)] {
        let folder = Folder::new();
        let cars = ["a", "b", "c"].map(|name| folder.name(&format!("{name}.car")));
        for path in &cars[..2] {
            fs::write(path, car(["a.b.c/1"])).unwrap();
        }
        // The third input is a pipe that never gets its bytes.
        mknodat(CWD, &*cars[2], FileType::Fifo, Mode::RWXU, 0).unwrap();
        let (rows, log) = (folder.name("rows/"), folder.name("report"));
        let inputs: Vec<_> = cars.iter().map(String::as_str).collect();
        let args = [&inputs[..], &["-o", &rows, "--report", &log, "--part-size=1", "-j1"]].concat();
        let mut child = tool().args(&args).spawn().unwrap();
        // This waits until the program opens the pipe, and then for the parts of the others.
        let pipe = File::options().write(true).open(&cars[2]).unwrap();
        while !folder.path("rows/part-00001.parquet").exists() {
            std::thread::yield_now();
        }
        let sent = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
        assert!(sent.success());
        assert_eq!(child.wait().unwrap().signal(), Some(number));
        drop(pipe);
        fs::remove_file(&cars[2]).unwrap();
        fs::write(&cars[2], car(["a.b.c/2", "a.b.c/3"])).unwrap();
        let summary = "3 inputs: 1 done, 2 skipped, 0 failed; 2 records";
        assert_eq!(run(&args).one_line(0), summary);
        assert_eq!(parts(&folder.path("rows")).len(), 3);
        assert!(sorted_parts(&folder.path("rows")) == sorted(expected(&inputs, DEFAULT)));
    }
}
