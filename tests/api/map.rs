//! Mapped files give what slices give.
#![allow(unsafe_code, reason = "mapping is unsafe")]

use crate::common;
use std::fs::File;
use std::path::PathBuf;
use std::{env, fs, process};

use carwalk::error::LookAlike;
#[cfg(feature = "redb")]
use carwalk::store::SpillFile;
use carwalk::store::{MappedFile, SliceStore};
use carwalk::{CommitRules, ErrorKind, Loader, Repo, Result};
#[cfg(feature = "redb")]
use carwalk_testkit::random;
use carwalk_testkit::{breakage, legal};

/// A file of this test's own that goes when this does.
struct TempFile(PathBuf);

impl TempFile {
    fn new(name: &str, bytes: &[u8]) -> Self {
        let path = env::temp_dir().join(format!("carwalk-{}-{name}.car", process::id()));
        fs::write(&path, bytes).unwrap();
        TempFile(path)
    }

    fn open(&self) -> File {
        File::open(&self.0).unwrap()
    }

    fn map(&self) -> Result<Repo<SliceStore<MappedFile>>> {
        // SAFETY: the file is this test's own, and nothing writes it while it is mapped.
        unsafe { Repo::map(&self.open()) }
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[test]
fn the_records_are_those_of_the_slice() {
    for oddity in legal::all() {
        let car = oddity.make();
        let file = TempFile::new(oddity.name, &car);
        let repo = file.map().unwrap();
        assert!(common::rows(&repo).unwrap() == common::oracle_rows(&car), "{oddity:?}");
        assert_eq!(repo.store().bytes(), car);
    }
}

#[test]
fn the_errors_are_those_of_the_slice() {
    for breakage in breakage::all() {
        let broken = breakage.make().broken;
        let file = TempFile::new(breakage.name, &broken);
        let by_map = file.map().and_then(|repo| common::rows(&repo));
        let by_slice = Repo::from_slice(&broken).and_then(|repo| common::rows(&repo));
        let details = |rows: Result<_>| rows.map_err(|error| common::details(&error));
        assert!(details(by_map) == details(by_slice), "{breakage:?}");
    }
}

#[test]
fn the_settings_of_a_loader_hold() {
    let file = TempFile::new("legacy", &breakage::case("commit_version_2").broken);
    file.map().unwrap_err();
    // SAFETY: as above.
    unsafe { Loader::new().commits(CommitRules::Legacy).map(&file.open()) }.unwrap();
}

#[test]
fn an_empty_file_is_told() {
    let error = TempFile::new("empty", b"").map().unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::LookAlike(LookAlike::Empty)), "{error}");
}

#[test]
fn a_file_that_cannot_be_mapped_is_an_io_error() {
    let folder = File::open(env::temp_dir()).unwrap();
    // SAFETY: nothing is mapped.
    let error = unsafe { Repo::map(&folder) }.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Io(_)), "{error}");
}

#[cfg(feature = "redb")]
#[test]
fn with_a_memory_limit_the_index_is_in_a_file_if_it_must_be() {
    let car = random::repo(3, 300).car;
    let file = TempFile::new("limited", &car);
    let rows = common::oracle_rows(&car);
    for (limit, is_in_file) in [(0, true), (u64::MAX, false)] {
        // SAFETY: as above.
        let repo =
            unsafe { Loader::new().memory_limit(limit).map(&file.open(), SpillFile::temporary()) }
                .unwrap();
        assert_eq!(repo.store().index_stored().is_some(), is_in_file);
        assert!(common::rows(&repo).unwrap() == rows);
    }
    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().join("kept");
    // SAFETY: as above.
    let error = unsafe { Loader::new().memory_limit(0).map(&file.open(), SpillFile::keep(&kept)) }
        .unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::Argument(carwalk::error::ArgumentFault::KeptIndex))
            && !kept.exists(),
        "{error}"
    );
    assert_eq!((error.class(), error.path()), (carwalk::ErrorClass::Caller, Some(&*kept)));
}
