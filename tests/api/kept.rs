//! Kept spill files: opened any number of times, never changed, and refused if they are not what
//! was written.

use crate::common;
use carwalk::ErrorClass;
use std::fs;
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;

use crate::common::kept::{DESCRIPTION, Kept, TABLES, change, open};
use crate::common::spill;
use carwalk::error::{LimitName, SpillFileFault};
use carwalk::store::{RedbStore, SpillFile};
use carwalk::{Error, ErrorKind, Loader, Result, Verification};
use carwalk_testkit::breakage;
use carwalk_testkit::cases;
use carwalk_testkit::random;
use carwalk_testkit::readers::{CallsAt, PanicsAt};
use carwalk_testkit::repo::Order;
use redb::{Database, MultimapTableDefinition, TableDefinition};
use tempfile::TempDir;

fn left_in(folder: &TempDir) -> usize {
    fs::read_dir(folder.path()).unwrap().count()
}

#[track_caller]
fn fault(error: &Error) -> &SpillFileFault {
    match error.kind() {
        ErrorKind::InvalidSpillFile(fault) => fault,
        _ => panic!("{error}"),
    }
}

#[track_caller]
fn assert_exists(error: &Error) {
    assert!(matches!(error.kind(), ErrorKind::Store(_)), "{error}");
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        if let Some(cause) = cause.downcast_ref::<io::Error>() {
            assert_eq!(cause.kind(), io::ErrorKind::AlreadyExists);
            return;
        }
        source = cause.source();
    }
    panic!("no cause: {error}");
}

#[test]
fn a_kept_file_is_opened_many_times_at_once() {
    let kept = Kept::new();
    let repos: Vec<_> = (0..4).map(|_| open(&kept.path).unwrap()).collect();
    for _ in 0..2 {
        repos.iter().for_each(|repo| assert!(common::rows(repo).unwrap() == kept.rows));
    }
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert!(common::rows(&open(&kept.path).unwrap()).unwrap() == kept.rows));
        }
    });
    drop(repos);
    assert!(common::rows(&open(&kept.path).unwrap()).unwrap() == kept.rows);
}

#[test]
fn the_repository_of_a_load_that_is_kept_reads_the_file_beside_others() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("kept");
    let car = random::repo(12, 300).car;
    let first = spill::all_into(Loader::new(), &car[..], SpillFile::keep(&path)).unwrap();
    let second = open(&path).unwrap();
    assert!(common::rows(&first).unwrap() == common::rows(&second).unwrap());
    assert_eq!(first.stats(), second.stats());
    assert_eq!(first.store().bytes_stored(), second.store().bytes_stored());
    drop(first);
    assert!(common::rows(&second).unwrap() == common::oracle_rows(&car));
}

#[test]
fn reading_a_kept_file_does_not_change_it() {
    let kept = Kept::new();
    let before = kept.bytes();
    for cache_size in [0, 1 << 20] {
        let repo = Loader::new().memory_limit(cache_size).from_spill_file(&kept.path).unwrap();
        assert!(common::rows(&repo).unwrap() == kept.rows);
        repo.unreached_blocks().unwrap();
        assert!(repo.into_store().reset().is_err());
    }
    assert!(kept.bytes() == before);
    assert_eq!(left_in(&kept.folder), 1);
}

#[test]
fn a_read_only_file_in_a_read_only_folder_is_read() {
    let kept = Kept::new();
    let before = kept.bytes();
    let modified = fs::metadata(&kept.path).unwrap().modified().unwrap();
    let mut rights = fs::metadata(&kept.path).unwrap().permissions();
    rights.set_readonly(true);
    fs::set_permissions(&kept.path, rights).unwrap();
    assert!(common::rows(&open(&kept.path).unwrap()).unwrap() == kept.rows);
    assert!(kept.bytes() == before);
    assert_eq!(fs::metadata(&kept.path).unwrap().modified().unwrap(), modified);
}

#[test]
fn a_kept_file_is_read_after_it_was_moved_and_copied() {
    let kept = Kept::new();
    let (copy, moved) = (kept.other("copy"), kept.other("moved"));
    fs::copy(&kept.path, &copy).unwrap();
    fs::rename(&kept.path, &moved).unwrap();
    for path in [copy, moved] {
        assert!(common::rows(&open(&path).unwrap()).unwrap() == kept.rows);
    }
}

#[test]
fn a_name_that_is_taken_is_refused_before_a_load_is_given_away() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("taken");
    fs::write(&path, b"precious").unwrap();
    let car = random::repo(5, 300).car;
    let load = common::suspended(Loader::new().memory_limit(0).from_reader(&car[..]).unwrap());
    let error = SpillFile::keep(&path).create().unwrap_err();
    assert_exists(&error);
    assert_eq!(fs::read(&path).unwrap(), b"precious");
    assert_eq!(left_in(&folder), 1);
    let repo = common::complete(load.resume(u64::MAX).unwrap());
    assert!(common::rows(&repo).unwrap() == common::oracle_rows(&car));
    let error = RedbStore::new(&car[..], SpillFile::keep(&path)).unwrap_err();
    assert_exists(&error);
    // So is a link, even one that leads nowhere.
    #[cfg(unix)]
    {
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("nowhere", &link).unwrap();
        assert_exists(
            &spill::all_into(Loader::new(), &car[..], SpillFile::keep(&link)).unwrap_err(),
        );
    }
}

#[test]
fn a_name_that_somebody_took_meanwhile_is_refused_and_their_file_unharmed() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("taken");
    let car = random::repo(5, 300).car;
    let run = || fs::write(&path, b"precious").unwrap();
    let stream = CallsAt::new(&car[..], car.len() / 2, run);
    let error = Loader::new().memory_limit(0).spill(stream, SpillFile::keep(&path)).unwrap_err();
    assert_exists(&error);
    assert_eq!(fs::read(&path).unwrap(), b"precious");
    assert_eq!(left_in(&folder), 1);
}

#[test]
fn nothing_has_the_name_before_the_file_is_complete() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("kept");
    let car = random::repo(5, 300).car;
    let mut was_read = false;
    let run = || {
        assert!(!path.exists());
        was_read = true;
    };
    let stream = CallsAt::new(&car[..], car.len(), run);
    Loader::new().memory_limit(0).spill(stream, SpillFile::keep(&path)).unwrap();
    assert!(was_read && path.exists() && left_in(&folder) == 1);
}

#[test]
fn a_load_that_fails_leaves_nothing_in_the_folder() {
    let mut failed = 0;
    for breakage in breakage::each_rule() {
        let folder = TempDir::new().unwrap();
        let case = breakage.make();
        let file = SpillFile::keep(folder.path().join("kept"));
        let repo = Loader::new().memory_limit(0).spill(&case.broken[..], file);
        failed += u32::from(repo.is_err());
        let expected = usize::from(repo.is_ok());
        assert_eq!(left_in(&folder), expected, "{}: {:?}", breakage.name, repo.err());
    }
    assert!(failed > 30, "{failed}");
}

#[test]
fn a_load_that_is_dropped_or_panics_leaves_nothing_in_the_folder() {
    let folder = TempDir::new().unwrap();
    let car = random::repo(5, 300).car;
    let stream = PanicsAt::new(&car[..], car.len() / 2);
    let file = SpillFile::keep(folder.path().join("kept"));
    let spill = AssertUnwindSafe(|| Loader::new().memory_limit(0).spill(stream, file).map(drop));
    assert!(panic::catch_unwind(spill).is_err());
    assert_eq!(left_in(&folder), 0);
    drop(SpillFile::keep(folder.path().join("kept")));
    assert_eq!(left_in(&folder), 0);
}

#[test]
fn a_folder_that_is_not_there_is_told_before_a_load_is_given_away() {
    let folder = TempDir::new().unwrap();
    let car = random::repo(5, 3000).car;
    for file in [
        SpillFile::keep(folder.path().join("absent/kept")),
        SpillFile::temporary_in(folder.path().join("absent")),
    ] {
        let load =
            common::suspended(Loader::new().memory_limit(70 << 10).from_reader(&car[..]).unwrap());
        let read = load.bytes_read();
        let error = file.create().unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Store(_)), "{error}");
        assert_eq!(error.io_kind(), Some(std::io::ErrorKind::NotFound));
        assert!(error.path().unwrap().starts_with(folder.path()), "{error}");
        assert_eq!(load.bytes_read(), read);
        // In memory for a while, then into another file.
        let load = common::suspended(load.resume(100 << 10).unwrap());
        let repo = load.spill(SpillFile::temporary()).unwrap();
        assert!(common::rows(&repo).unwrap() == common::oracle_rows(&car));
    }
}

#[test]
fn no_more_is_stored_than_may_be() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("kept");
    let car = random::repo(5, 300).car;
    let stored = spill::all_into(Loader::new(), &car[..], SpillFile::temporary())
        .unwrap()
        .store()
        .bytes_stored();
    let kept =
        |max: u64| spill::all_into(Loader::new(), &car[..], SpillFile::keep(&path).max_stored(max));
    let temporary =
        |max: u64| spill::all_into(Loader::new(), &car[..], SpillFile::temporary().max_stored(max));
    for max in [0, 1, 1000, stored / 2, stored - 1] {
        for error in [kept(max).unwrap_err(), temporary(max).unwrap_err()] {
            let ErrorKind::Limit { limit: LimitName::Stored, max: told, found } = *error.kind()
            else {
                panic!("{error}")
            };
            assert!(told == max && found > max && found <= stored, "{error}");
            assert_eq!(error.class(), ErrorClass::Limit);
        }
        assert_eq!(left_in(&folder), 0);
    }
    for max in [stored, stored + 1] {
        let repo = kept(max).unwrap();
        assert!(common::rows(&repo).unwrap() == common::oracle_rows(&car));
        assert_eq!(repo.store().bytes_stored(), stored);
        assert_eq!(temporary(max).unwrap().store().bytes_stored(), stored);
        fs::remove_file(&path).unwrap();
    }
}

#[test]
fn a_file_that_is_reset_is_used_again_and_a_kept_one_is_not() {
    let folder = TempDir::new().unwrap();
    let mut file = SpillFile::temporary_in(folder.path()).segment_len(700).cache_size(1000);
    for seed in 0..cases(2) {
        let car = random::repo(seed, 300).car;
        let repo = spill::all_into(Loader::new(), &car[..], file).unwrap();
        assert!(common::rows(&repo).unwrap() == common::oracle_rows(&car), "seed {seed}");
        file = repo.into_store().reset().unwrap();
        let loader = common::summarizing(Loader::new());
        let repo = spill::all_into(loader, &car[..], file).unwrap();
        assert_eq!(common::summaries(&repo).unwrap().len(), common::oracle_rows(&car).len());
        file = repo.into_store().reset().unwrap();
    }
    // It has nothing of what it held.
    let car = carwalk_testkit::repo::Repo::new([]).to_bytes(Order::Preorder);
    let repo = spill::all_into(Loader::new(), &car[..], file).unwrap();
    assert_eq!((repo.stats().sections, repo.records().count()), (2, 0));

    let path = folder.path().join("kept");
    let car = random::repo(5, 300).car;
    let repo = spill::all_into(Loader::new(), &car[..], SpillFile::keep(&path)).unwrap();
    let error = repo.into_store().reset().unwrap_err();
    assert_eq!(error.class(), ErrorClass::Caller, "{error}");
    assert!(common::rows(&open(&path).unwrap()).unwrap() == common::oracle_rows(&car));
}

/// A database, made and filled.
fn database(path: &Path, fill: impl FnOnce(&redb::WriteTransaction)) {
    let database = Database::create(path).unwrap();
    let txn = database.begin_write().unwrap();
    fill(&txn);
    txn.commit().unwrap();
}

#[test]
fn files_that_are_something_else_are_refused_as_what_they_are() {
    let kept = Kept::new();
    let write = |name: &str, bytes: &[u8]| {
        let path = kept.other(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    let car = breakage::sample().to_bytes(Order::Preorder);
    let signature = b"redb\x1a\n\xa9\r\n";
    for path in [
        write("empty", b""),
        write("short", b"redb"),
        write("car", &car),
        write("text", &b"redb is not carwalk. ".repeat(1000)),
        write("zeros", &[0; 100_000]),
    ] {
        let before = fs::read(&path).unwrap();
        assert_eq!(
            fault(&RedbStore::open(&path, 0).unwrap_err()),
            &SpillFileFault::NotOurs,
            "{}",
            path.display()
        );
        assert!(fs::read(&path).unwrap() == before);
    }
    for path in [
        write("signature", signature),
        write("signature_and_zeros", &[&signature[..], &[0; 9000]].concat()),
    ] {
        let before = fs::read(&path).unwrap();
        let error = RedbStore::open(&path, 0).unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::InvalidSpillFile(_) | ErrorKind::Store(_)),
            "{}: {error}",
            path.display()
        );
        assert!(fs::read(&path).unwrap() == before);
    }

    let foreign = kept.other("foreign");
    database(&foreign, |txn| {
        let mut table = txn.open_table(TableDefinition::<&str, u64>::new("table")).unwrap();
        table.insert("one", 1).unwrap();
    });
    assert_eq!(fault(&RedbStore::open(&foreign, 0).unwrap_err()), &SpillFileFault::NotOurs);
    let other_type = kept.other("other_type");
    database(&other_type, |txn| {
        txn.open_table(TableDefinition::<&str, u64>::new("carwalk"))
            .unwrap()
            .insert("one", 1)
            .unwrap();
    });
    assert_eq!(fault(&RedbStore::open(&other_type, 0).unwrap_err()), &SpillFileFault::NotOurs);
    let many_values = kept.other("many_values");
    database(&many_values, |txn| {
        let table = MultimapTableDefinition::<u32, &[u8]>::new("carwalk");
        txn.open_multimap_table(table).unwrap().insert(0, &b"description"[..]).unwrap();
    });
    assert!(matches!(
        fault(&RedbStore::open(&many_values, 0).unwrap_err()),
        SpillFileFault::Damaged(_)
    ));
    let half = kept.other("half");
    database(&half, |txn| {
        txn.open_table(TABLES[0]).unwrap().insert(0, &b"segment"[..]).unwrap();
        txn.open_table(TABLES[1]).unwrap().insert(0, &b"page"[..]).unwrap();
    });
    assert!(matches!(
        fault(&RedbStore::open(&half, 0).unwrap_err()),
        SpillFileFault::NotOurs | SpillFileFault::Incomplete
    ));
    let described = kept.other("without_description");
    database(&described, |txn| drop(TABLES.map(|table| txn.open_table(table).map(drop))));
    assert_eq!(fault(&RedbStore::open(&described, 0).unwrap_err()), &SpillFileFault::Incomplete);

    for (number, table) in TABLES.into_iter().enumerate() {
        let path = kept.other(&format!("without_table_{number}"));
        fs::copy(&kept.path, &path).unwrap();
        let database = Database::open(&path).unwrap();
        let txn = database.begin_write().unwrap();
        assert!(txn.delete_table(table).unwrap());
        txn.commit().unwrap();
        drop(database);
        let error = RedbStore::open(&path, 0).unwrap_err();
        assert!(
            matches!(fault(&error), SpillFileFault::NotOurs | SpillFileFault::Incomplete),
            "{error}"
        );
    }

    let error = RedbStore::open(kept.folder.path(), 0).unwrap_err();
    assert!(
        matches!(
            error.kind(),
            ErrorKind::Io(_) | ErrorKind::Store(_) | ErrorKind::InvalidSpillFile(_)
        ),
        "{error}"
    );
    let error = RedbStore::open(kept.other("absent"), 0).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Io(_)), "{error}");
    // The good one among them.
    assert!(common::rows(&open(&kept.path).unwrap()).unwrap() == kept.rows);
}

/// A type whose name does something to a terminal.
#[derive(Debug)]
struct Hostile;

impl redb::Value for Hostile {
    type SelfType<'a> = &'a [u8];
    type AsBytes<'a> = &'a [u8];

    fn fixed_width() -> Option<usize> {
        None
    }

    fn from_bytes<'a>(data: &'a [u8]) -> &'a [u8]
    where
        Self: 'a,
    {
        data
    }

    fn as_bytes<'a, 'b: 'a>(value: &'a &'b [u8]) -> &'a [u8]
    where
        Self: 'b,
    {
        value
    }

    fn type_name() -> redb::TypeName {
        redb::TypeName::new("\u{1b}[31m\n\u{9b}2J")
    }
}

#[test]
fn a_table_of_a_hostile_type_is_damage_whose_name_is_escaped() {
    for name in ["carwalk segments", "carwalk index"] {
        let kept = Kept::new();
        database(&kept.path, |txn| {
            assert!(txn.delete_table(TableDefinition::<u32, &[u8]>::new(name)).unwrap());
            let mut table = txn.open_table(TableDefinition::<u32, Hostile>::new(name)).unwrap();
            table.insert(0, &b"x"[..]).unwrap();
        });
        let error = RedbStore::open(&kept.path, 0).unwrap_err();
        let SpillFileFault::Damaged(text) = fault(&error) else { panic!("{error}") };
        assert!(text.contains("\\u{1b}[31m\\n\\u{9b}2J"), "{text}");
        assert!(!error.to_string().chars().any(char::is_control), "{error}");
    }
}

#[test]
fn a_file_of_another_version_is_refused_with_its_version() {
    let kept = Kept::new();
    // Nothing changed: the twin.
    change(&kept.path, DESCRIPTION, 0, |_| {});
    assert!(common::rows(&open(&kept.path).unwrap()).unwrap() == kept.rows);
    for version in [0u16, 1, 3, 0xffff] {
        change(&kept.path, DESCRIPTION, 0, |value| {
            value[16..18].copy_from_slice(&version.to_le_bytes())
        });
        assert_eq!(
            fault(&RedbStore::open(&kept.path, 0).unwrap_err()),
            &SpillFileFault::Version { found: version }
        );
    }
    change(&kept.path, DESCRIPTION, 0, |value| value[0] ^= 1);
    assert_eq!(fault(&RedbStore::open(&kept.path, 0).unwrap_err()), &SpillFileFault::NotOurs);
}

#[test]
fn a_file_of_processed_values_is_read_with_its_function_only() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("kept");
    let car = random::repo(5, 300).car;
    let loader = || common::summarizing(Loader::new());
    drop(spill::all_into(loader(), &car[..], SpillFile::keep(&path)).unwrap());
    assert!(RedbStore::open(&path, 0).unwrap().is_processed());
    for verification in
        [Verification::EveryBlock, Verification::ReachedBlocks, Verification::DangerouslyNone]
    {
        let error = Loader::new().verification(verification).from_spill_file(&path).unwrap_err();
        assert_eq!(fault(&error), &SpillFileFault::Processed);
        let loader = common::summarizing(Loader::new().verification(verification));
        let summaries = common::summaries(&loader.from_spill_file(&path).unwrap()).unwrap();
        let expected = common::oracle_rows(&car);
        assert!(summaries.into_iter().eq(expected.into_iter().map(|row| (
            row.0,
            row.1,
            common::summary(&row.2)
        ))));
    }
    // A function of another type is told so, at the first record at the latest that is no value of
    // it.
    let other = Loader::new().process(|_: &[u8]| [0u128; 9]).from_spill_file(&path).unwrap();
    let error = other.records().find_map(Result::err).unwrap();
    assert!(matches!(error.kind(), ErrorKind::Decode(_)), "{error}");
    assert!(error.key().is_some() && error.cid().is_some());
}

/// What was made of a record that may have been any bytes is no better for being in a file that is
/// whole.
#[test]
fn values_of_records_that_were_never_hashed_are_given_only_to_who_asks_for_no_hashes() {
    let folder = TempDir::new().unwrap();
    let car = random::repo(5, 300).car;
    let all =
        [Verification::EveryBlock, Verification::ReachedBlocks, Verification::DangerouslyNone];
    for (number, stored) in all.into_iter().enumerate() {
        let path = folder.path().join(number.to_string());
        let loader = common::summarizing(Loader::new().verification(stored));
        drop(spill::all_into(loader, &car[..], SpillFile::keep(&path)).unwrap());
        for opened in all {
            let loader = common::summarizing(Loader::new().verification(opened));
            let repo = loader.from_spill_file(&path);
            if stored == Verification::DangerouslyNone && opened != stored {
                assert_eq!(fault(&repo.unwrap_err()), &SpillFileFault::NotHashed);
            } else {
                assert!(common::summaries(&repo.unwrap()).is_ok());
            }
        }
    }
}
