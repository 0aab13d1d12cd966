//! Loads that go into a spill file.

use std::error::Error as StdError;
use std::io::Read;

use carwalk::error::ArgumentFault;
use carwalk::store::{AnyStore, RedbStore, SpillFile};
use carwalk::{Loaded, Processed};

use super::*;

/// The error type of most programs: `anyhow::Error` and the like convert from no less.
type AnyError = Box<dyn StdError + Send + Sync>;

/// Compiles with any error type that takes `Send + Sync` errors, whatever the stream is.
fn count<R: Read>(stream: R) -> Result<u64, AnyError> {
    match LOADER.from_reader(stream)? {
        Loaded::Complete(repo) => Ok(repo.records().try_count()?),
        Loaded::Suspended(load) => Ok(load.spill(SpillFile::temporary())?.records().try_count()?),
    }
}

#[test]
fn the_question_mark_after_spill_makes_any_error() {
    let boxed: Box<dyn Read + Send> = Box::new(SAMPLE);
    assert_eq!(count(boxed).unwrap(), 40);
    let mut borrowed = SAMPLE;
    let borrowed: &mut dyn Read = &mut borrowed;
    assert_eq!(count(borrowed).unwrap(), 40);

    #[derive(Debug)]
    struct Mine(#[allow(dead_code, reason = "only made")] carwalk::Error);
    impl From<carwalk::Error> for Mine {
        fn from(error: carwalk::Error) -> Self {
            Mine(error)
        }
    }
    fn mine(stream: &[u8]) -> Result<u64, Mine> {
        let loaded = LOADER.from_reader(stream)?;
        Ok(loaded.or_spill(SpillFile::temporary())?.records().try_count()?)
    }
    assert_eq!(mine(SAMPLE).unwrap(), 40);
}

#[test]
fn one_type_of_store_is_in_memory_or_in_a_file_and_hashes_no_block_again() {
    for limit in [0, 1 << 20] {
        let loaded = Loader::new().memory_limit(limit).from_reader(SAMPLE).unwrap();
        let repo: Repo<AnyStore> = loaded.or_spill(SpillFile::temporary()).unwrap();
        assert_eq!(matches!(repo.store(), AnyStore::File(_)), limit == 0);
        assert_eq!(repo.records().try_count().unwrap(), 40);
        assert_eq!(repo.unreached_blocks().unwrap(), 0);
        let heads = repo.store().sections().collect::<carwalk::Result<Vec<_>>>().unwrap();
        assert_eq!(heads.len(), 50);
    }
}

#[test]
fn a_repository_of_processed_values_has_a_type_that_can_be_named() {
    type Len = Processed<fn(&[u8]) -> u64, u64>;
    struct Held {
        repo: Repo<RedbStore, Len>,
    }
    let loader = Loader::new().process((|record| record.len() as u64) as fn(&[u8]) -> u64);
    let repo = loader.memory_limit(0).spill(SAMPLE, SpillFile::temporary()).unwrap();
    let held = Held { repo };
    let total = held.repo.records().map(|record| record.unwrap().into_value()).sum::<u64>();
    assert_eq!(total, 7338);
}

#[test]
fn a_file_that_cannot_be_created_is_named_and_so_is_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let absent = folder.path().join("absent").join("kept");
    let taken = folder.path().join("taken");
    std::fs::write(&taken, b"precious").unwrap();
    let cases = [
        (SpillFile::keep(&absent), &absent, io::ErrorKind::NotFound),
        (SpillFile::temporary_in(&absent), &absent, io::ErrorKind::NotFound),
        (SpillFile::keep(&taken), &taken, io::ErrorKind::AlreadyExists),
    ];
    for (file, path, kind) in cases {
        let error = file.create().unwrap_err();
        assert_eq!(error.class(), ErrorClass::Environment, "{error}");
        assert_eq!((error.path(), error.io_kind()), (Some(&**path), Some(kind)), "{error}");
        assert!(error.to_string().starts_with(&format!("{path:?}: ")), "{error}");
    }
    assert_eq!(std::fs::read(&taken).unwrap(), b"precious");
    for file in [&absent, &taken] {
        let error = Repo::from_spill_file(file).unwrap_err();
        assert_eq!(error.path(), Some(&**file), "{error}");
    }
    // It is the program's own file: nobody else is to blame.
    let error = Repo::from_spill_file(&taken).unwrap_err();
    assert_eq!(error.class(), ErrorClass::Environment, "{error}");
    assert_eq!(io::Error::from(error).kind(), io::ErrorKind::InvalidData);
}

#[test]
fn names_that_no_file_can_have_are_refused_before_a_load_is_given_away() {
    let folder = tempfile::tempdir().unwrap();
    let nul = folder.path().join("a\0b");
    for file in [SpillFile::keep(&nul), SpillFile::temporary_in(&nul)] {
        let error = file.create().unwrap_err();
        assert_eq!((error.class(), error.path()), (ErrorClass::Caller, Some(&*nul)), "{error}");
    }
    for error in [Repo::from_path(&nul).err(), Repo::from_spill_file(&nul).map(drop).err()] {
        assert_eq!(error.unwrap().class(), ErrorClass::Caller);
    }
    let long = folder.path().join("y".repeat(300));
    let error = SpillFile::keep(&long).create().unwrap_err();
    assert_eq!((error.class(), error.path()), (ErrorClass::Environment, Some(&*long)), "{error}");
}

#[test]
fn a_limit_on_what_is_stored_names_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kept");
    let error = LOADER.spill(SAMPLE, SpillFile::keep(&path).max_stored(100)).unwrap_err();
    assert_eq!((error.class(), error.path()), (ErrorClass::Limit, Some(&*path)), "{error}");
    assert!(!path.exists());
    // The stream's faults are not the file's.
    let error = LOADER.spill(&SAMPLE[..9000], SpillFile::keep(&path)).unwrap_err();
    assert_eq!((error.class(), error.path()), (ErrorClass::Truncated, None), "{error}");
}

/// Whatever a value's own code returns.
#[test]
fn a_value_that_cannot_be_encoded_is_the_callers() {
    struct Odd;
    impl carwalk::Value for Odd {
        fn encode(&self, _: &mut Vec<u8>) -> carwalk::Result<()> {
            "x/y z".parse::<RepoPathBuf>().map(drop)
        }

        fn decode(_: &mut &[u8]) -> Option<Self> {
            None
        }
    }
    let error = Loader::new().process(|_| Odd).from_reader(SAMPLE).unwrap_err();
    assert_eq!(error.class(), ErrorClass::Caller, "{error}");
    assert!(matches!(error.kind(), ErrorKind::Encode(_)), "{error}");
    assert!(StdError::source(&error).unwrap().to_string().contains("x/y z"));
}

#[test]
fn a_cid_of_raw_bytes_is_no_commits_in_any_opener() {
    let raw = Cid::of(carwalk::cid::Codec::Raw, b"raw");
    let loader = Loader::new().commit(raw);
    let bounded = loader.clone().memory_limit(4 << 10);
    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().join("kept");
    drop(LOADER.spill(SAMPLE, SpillFile::keep(&kept)).unwrap());
    let errors = [
        bounded.from_reader(SAMPLE).map(drop).err(),
        loader.from_spill_file(&kept).map(drop).err(),
        loader.from_slice(SAMPLE).map(drop).err(),
        // It is told before the input's faults.
        loader.from_reader(&b"no CAR"[..]).map(drop).err(),
        loader.peek_commit(SAMPLE).map(drop).err(),
        bounded.spill(SAMPLE, SpillFile::temporary()).map(drop).err(),
        Repo::from_store(MemoryStore::new(SAMPLE).unwrap(), raw).map(drop).err(),
    ];
    for error in errors {
        let error = error.unwrap();
        assert_eq!(error.class(), ErrorClass::Caller, "{error}");
        assert!(error.to_string().contains(&raw.to_string()), "{error}");
    }
}

#[test]
fn wrong_settings_of_a_file_are_the_callers_and_repeated() {
    let file = SpillFile::temporary_in("folder").segment_len(65_525);
    let error = file.create().unwrap_err();
    assert_eq!(error.class(), ErrorClass::Caller);
    let told = "\"folder\": segment length of 65525, expected at most 65524";
    assert_eq!(error.to_string(), told);
    assert!(SpillFile::temporary().segment_len(65_524).create().is_ok());
    // With 16 MiB, no file is needed. The error is the same.
    for limit in [0, 16 << 20] {
        let file = || SpillFile::temporary_in("folder").segment_len(65_525);
        let loader = Loader::new().memory_limit(limit);
        let errors = [
            loader.from_slice(SAMPLE, file()).map(drop).unwrap_err(),
            loader.from_reader(SAMPLE).unwrap().or_spill(file()).map(drop).unwrap_err(),
            loader.spill(SAMPLE, file()).map(drop).unwrap_err(),
        ];
        for error in errors {
            assert_eq!((error.class(), error.to_string().as_str()), (ErrorClass::Caller, told));
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kept");
    let error = LOADER.from_slice(SAMPLE, SpillFile::keep(&path)).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Argument(ArgumentFault::KeptIndex)), "{error}");
    assert_eq!((error.class(), error.path()), (ErrorClass::Caller, Some(&*path)));
}

#[test]
fn a_file_that_was_created_before_takes_the_load() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kept");
    let file = SpillFile::keep(&path).create().unwrap();
    assert!(!path.exists());
    let repo = LOADER.spill(SAMPLE, file).unwrap();
    assert!(path.exists());
    drop(repo);
    assert_eq!(Repo::from_spill_file(&path).unwrap().records().try_count().unwrap(), 40);
}

/// The function knows nothing of the file that another one made.
#[test]
fn values_without_their_function_are_the_fault_of_the_caller() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kept");
    let loader = Loader::new().process(|record| record.len() as u64).memory_limit(0);
    drop(loader.spill(SAMPLE, SpillFile::keep(&path)).unwrap());
    let error = Repo::from_spill_file(&path).unwrap_err();
    assert_eq!((error.class(), error.path()), (ErrorClass::Caller, Some(&*path)), "{error}");
}
