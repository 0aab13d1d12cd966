//! All readers return the same items. Otherwise their times could not be compared.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::fs::File;
use std::path::{Path, PathBuf};

use carwalk_compare::measure::{self, Run};
use carwalk_compare::readers::{self, Input, Items, Mode, READERS, Work};
use carwalk_testkit::export::{Export, Network, Order, Written};

/// Checks a file with every reader in Rust, each in its own process.
fn checked(file: &Path) -> Vec<Run> {
    let rust = READERS.iter().filter(|reader| matches!(reader.work, Work::Rust(_)));
    rust.map(|reader| run(reader.name, file, Mode::Check)).collect()
}

fn run(reader: &str, file: &Path, mode: Mode) -> Run {
    let program = Path::new(env!("CARGO_BIN_EXE_reader"));
    measure::run(program, readers::find(reader).unwrap(), file, mode)
        .unwrap_or_else(|error| panic!("{reader}: {error}"))
}

fn all_agree(runs: &[Run]) {
    for run in runs {
        assert!(run.report.digest.is_some());
        assert!(runs.iter().all(|other| run.agrees(other)), "{run:?}");
    }
}

fn export(folder: &Path, records: usize, order: Order) -> (PathBuf, Written) {
    let path = folder.join(format!("{order:?}.car"));
    let written =
        Export { records, seed: 7, order }.write_to(&mut File::create(&path).unwrap()).unwrap();
    (path, written)
}

#[test]
fn all_readers_agree_on_the_sample() {
    let runs = checked(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples/repo.car"));
    assert!(runs.iter().all(|run| run.report.items > 0));
    all_agree(&runs);
}

#[test]
fn all_readers_agree_on_exports_in_every_order() {
    let folder = tempfile::tempdir().unwrap();
    let mut digests = Vec::new();
    for order in [Order::Pds, Order::Preorder, Order::Random] {
        let (file, written) = export(folder.path(), 4_000, order);
        let runs = checked(&file);
        all_agree(&runs);
        for run in &runs {
            let (items, bytes) = (run.report.items, run.report.bytes);
            match run.gives {
                Items::Records => {
                    assert_eq!((items, bytes), (4_000, written.record_bytes), "{}", run.reader)
                }
                Items::Entries => assert_eq!(items, 4_000, "{}", run.reader),
                Items::Blocks => assert_eq!(items, written.blocks as u64, "{}", run.reader),
            }
        }
        digests.push(runs[0].report.digest.clone());
    }
    // The order of the blocks does not change the records.
    assert!(digests.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn readers_of_folders_agree_on_a_network() {
    let folder = tempfile::tempdir().unwrap();
    let network = Network::new(8, 2);
    let mut records = 0;
    for number in 0..network.len() {
        let mut file = File::create(folder.path().join(format!("{number}.car"))).unwrap();
        network.write_to(number, Order::Pds, &mut file).unwrap();
        records += network.records(number) as u64;
    }
    let of_folders = READERS
        .iter()
        .filter(|reader| matches!(reader.work, Work::Rust(_)) && reader.input == Input::File);
    let runs: Vec<_> =
        of_folders.map(|reader| run(reader.name, folder.path(), Mode::Check)).collect();
    all_agree(&runs);
    for run in &runs {
        assert_eq!(run.report.files, 8, "{}", run.reader);
        assert!(run.gives == Items::Blocks || run.report.items == records, "{}", run.reader);
    }
    // In memory, and from the folder, the same items are read.
    for mode in [Mode::Repeat, Mode::Once] {
        let run = run("carwalk-scratch", folder.path(), mode);
        assert!(run.agrees(&runs[0]) && run.file_bytes == runs[0].file_bytes);
    }
    let empty = tempfile::tempdir().unwrap();
    assert!(carwalk_compare::source::files(empty.path()).is_err());
}

#[test]
fn spilled_readers_agree_beyond_their_limit() {
    let folder = tempfile::tempdir().unwrap();
    let (file, _) = export(folder.path(), 80_000, Order::Pds);
    assert!(file.metadata().unwrap().len() > 24 << 20);
    let runs = ["carwalk-mapped", "carwalk-spilled", "repo-stream-0.5-spilled"]
        .map(|name| run(name, &file, Mode::Check));
    all_agree(&runs);
}

#[test]
fn readers_that_return_other_items_do_not_agree() {
    let folder = tempfile::tempdir().unwrap();
    let (file, _) = export(folder.path(), 300, Order::Pds);
    let one = run("carwalk-mapped", &file, Mode::Check);
    let mut other = one.clone();
    other.report.digest = other.report.digest.map(|digest| digest.replace('a', "b"));
    assert!(!one.agrees(&other));
    other = one.clone();
    other.report.items -= 1;
    assert!(!one.agrees(&other));
    other = one.clone();
    other.report.bytes += 1;
    assert!(!one.agrees(&other));
    assert!(one.agrees(&run("carwalk-mapped", &file, Mode::Once)));
    assert!(one.agrees(&run("carwalk-entries", &file, Mode::Check)));
}

#[test]
fn readers_that_are_said_to_hash_records_refuse_a_forged_one() {
    let folder = tempfile::tempdir().unwrap();
    // In this order, the last block of the file is the record of the last key.
    let (file, _) = export(folder.path(), 300, Order::Preorder);
    let sound = run("carwalk-mapped", &file, Mode::Check);
    let mut car = std::fs::read(&file).unwrap();
    *car.last_mut().unwrap() ^= 1;
    std::fs::write(&file, car).unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_reader"));
    let rust = READERS.iter().filter(|reader| matches!(reader.work, Work::Rust(_)));
    let accepted = rust.filter(|reader| measure::run(program, reader, &file, Mode::Once).is_ok());
    let accepted: Vec<_> = accepted.map(|reader| reader.name).collect();
    assert_eq!(
        accepted,
        ["carwalk-entries", "repo-stream-0.2", "jacquard-repo", "iroh-car", "sha2"]
    );
    // The check finds the forged record even if the reader accepts it.
    for name in accepted.iter().filter(|name| readers::find(name).unwrap().items == Items::Records)
    {
        let check = measure::run(program, readers::find(name).unwrap(), &file, Mode::Check);
        assert!(check.is_err() || !check.unwrap().agrees(&sound), "{name}");
    }
}

#[test]
fn small_files_are_read_repeatedly() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples/repo.car");
    for reader in
        READERS.iter().filter(|reader| reader.repeats && matches!(reader.work, Work::Rust(_)))
    {
        let once = run(reader.name, &file, Mode::Check);
        let often = run(reader.name, &file, Mode::Repeat);
        assert!(once.agrees(&often), "{}", reader.name);
        assert!(often.report.iterations > 5, "{}", reader.name);
    }
}

#[test]
fn a_reader_that_fails_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("short.car");
    std::fs::write(&file, b"\x05nope").unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_reader"));
    for reader in READERS.iter().filter(|reader| matches!(reader.work, Work::Rust(_))) {
        let error = measure::run(program, reader, &file, Mode::Once).unwrap_err();
        assert!(error.to_string().contains("reader: "), "{}: {error}", reader.name);
    }
}
