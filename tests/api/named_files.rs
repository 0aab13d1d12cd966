//! Errors name the file at fault: the spill file, or else the file that is read.

use std::fs;
use std::path::{Path, PathBuf};

use carwalk::car::Writer;
use carwalk::cid::Codec;
use carwalk::store::{RedbStore, SliceStore, SpillFile};
use carwalk::{Cid, Error, ErrorClass, Loaded, Loader, Suspended};
use tempfile::TempDir;

use crate::sample::SAMPLE;

type Way = fn(SpillFile) -> Result<(), Error>;

/// Ways to load the sample into a spill file.
const BLOCKS: [Way; 3] = [
    |file| Loader::new().memory_limit(0).spill(SAMPLE, file).map(drop),
    |file| match Loader::new().memory_limit(0).from_reader(SAMPLE)? {
        Loaded::Complete(_) => panic!("no memory was allowed"),
        Loaded::Suspended(load) => load.spill(file).map(drop),
    },
    |file| RedbStore::new(SAMPLE, file).map(drop),
];

/// Ways to put the sample's index into a spill file, which is always a temporary one.
const INDEX: [Way; 2] = [
    |file| Loader::new().memory_limit(0).from_slice(SAMPLE, file).map(drop),
    |file| SliceStore::with_index_in(SAMPLE, file).map(drop),
];

/// A spill file, with the path by which errors name it.
type File = fn(&Path) -> (SpillFile, PathBuf);

const KEPT: [File; 2] = [
    |folder| (SpillFile::keep(folder.join("kept")), folder.join("kept")),
    |folder| (SpillFile::keep(folder.join("kept")).create().unwrap(), folder.join("kept")),
];

const TEMPORARY: [File; 2] = [
    |folder| (SpillFile::temporary_in(folder), folder.into()),
    |folder| (SpillFile::temporary_in(folder).create().unwrap(), folder.into()),
];

#[test]
fn a_limit_on_what_is_stored_names_the_file_or_its_folder() {
    let blocks =
        BLOCKS.iter().flat_map(|way| KEPT.iter().chain(&TEMPORARY).map(move |file| (way, file)));
    let index = INDEX.iter().flat_map(|way| TEMPORARY.iter().map(move |file| (way, file)));
    for (number, (way, file)) in blocks.chain(index).enumerate() {
        let folder = TempDir::new().unwrap();
        let (refused, path) = file(folder.path());
        let error = way(refused.max_stored(0)).unwrap_err();
        let found = (error.class(), error.path());
        assert_eq!(found, (ErrorClass::Limit, Some(&*path)), "{number}: {error}");
        way(file(folder.path()).0.max_stored(1 << 20)).unwrap();
    }
}

#[test]
fn a_reset_file_is_named_by_its_folder() {
    let folder = TempDir::new().unwrap();
    let store = RedbStore::new(SAMPLE, SpillFile::temporary_in(folder.path())).unwrap();
    let error = RedbStore::new(SAMPLE, store.reset().unwrap().max_stored(0)).unwrap_err();
    assert_eq!((error.class(), error.path()), (ErrorClass::Limit, Some(folder.path())), "{error}");
}

/// Writes the sample without its last byte.
fn cut_sample(folder: &TempDir) -> Box<Path> {
    let path = folder.path().join("cut.car");
    fs::write(&path, &SAMPLE[..SAMPLE.len() - 1]).unwrap();
    path.into()
}

fn suspended(loaded: Loaded<fs::File>) -> Suspended<fs::File> {
    let Loaded::Suspended(load) = loaded else { panic!("no memory was allowed") };
    load
}

#[test]
fn a_fault_after_the_load_was_suspended_names_the_car() {
    let folder = TempDir::new().unwrap();
    let path = cut_sample(&folder);
    let loader = Loader::new().memory_limit(4 << 10);
    let begin = || suspended(loader.from_path(&path).unwrap());
    let spill_file = || SpillFile::temporary_in(folder.path());
    let errors = [
        begin().resume(1 << 20).err().unwrap(),
        suspended(begin().resume(5 << 10).unwrap()).resume(1 << 20).err().unwrap(),
        suspended(begin().resume(5 << 10).unwrap()).spill(spill_file()).unwrap_err(),
        begin().spill(spill_file()).unwrap_err(),
        loader.from_path(&path).unwrap().or_spill(spill_file()).err().unwrap(),
    ];
    for error in errors {
        let found = (error.class(), error.path());
        assert_eq!(found, (ErrorClass::Truncated, Some(&*path)), "{error}");
        assert!(error.position().offset().is_some(), "{error}");
    }
    // A stream has no name.
    let Loaded::Suspended(load) = loader.from_reader(&SAMPLE[..9000]).unwrap() else { panic!() };
    assert_eq!(load.resume(1 << 20).err().unwrap().path(), None);
}

#[test]
fn a_suspended_load_whose_root_is_no_commit_names_the_car() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("odd.car");
    let record = b"\xa1\x65$type\x63a.b";
    let root = Cid::of(Codec::DagCbor, record);
    let mut car = Writer::new(Vec::new(), &[root]).unwrap();
    car.write(root, record).unwrap();
    for number in 0..60 {
        let block = [number; 20_000];
        car.write(Cid::of(Codec::Raw, &block), &block).unwrap();
    }
    fs::write(&path, car.finish().unwrap()).unwrap();
    let load = suspended(Loader::new().memory_limit(1 << 19).from_path(&path).unwrap());
    let error = load.commit().unwrap_err();
    assert_eq!((error.class(), error.path()), (ErrorClass::Invalid, Some(&*path)), "{error}");
}

#[test]
fn a_fault_of_the_spill_file_names_the_spill_file_and_not_the_car() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("whole.car");
    fs::write(&path, SAMPLE).unwrap();
    let loader = Loader::new().memory_limit(4 << 10);
    let begin = || suspended(suspended(loader.from_path(&path).unwrap()).resume(5 << 10).unwrap());
    let spill_file = SpillFile::temporary_in(folder.path());
    let error = begin().spill(spill_file.max_stored(0)).unwrap_err();
    assert_eq!((error.class(), error.path()), (ErrorClass::Limit, Some(folder.path())), "{error}");
    let repo = begin().spill(SpillFile::temporary_in(folder.path())).unwrap();
    assert_eq!(repo.records().try_count().unwrap(), 40);
}
