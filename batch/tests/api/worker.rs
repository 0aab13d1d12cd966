//! Opening inputs one after the other.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use carwalk::store::CarStore;
use carwalk::{CommitRules, Limits, Repo};
use carwalk_batch::{
    Check, Failure, Input, Line, Outcome, Reason, Settings, Skip, Stop, Visit, Worker,
};
use carwalk_testkit::cid::Cid;
use carwalk_testkit::commit::{Commit, DID, REV};
use carwalk_testkit::export::{Export, Order};
use carwalk_testkit::repo;

use crate::common::{Count, Folder, car, count, gzip, worker, zstd};

/// The CAR of a repository of 9 MiB or more, which is mapped.
fn large() -> Vec<u8> {
    let mut car = Vec::new();
    Export { records: 40_000, seed: 1, order: Order::Preorder }.write_to(&mut car).unwrap();
    assert!(car.len() > 8 << 20, "{}", car.len());
    car
}

#[test]
fn a_worker_opens_what_comes_whatever_came_before() {
    let folder = Folder::new();
    let plain = car(300);
    let cases = [
        ("one.car", plain.clone(), Ok(300)),
        ("cut.car", plain[..plain.len() - 5].to_vec(), Err(Reason::Truncated)),
        ("two.car.gz", gzip(&plain), Ok(300)),
        ("three.car.zst", zstd(&plain), Ok(300)),
        ("empty.car", Vec::new(), Err(Reason::Truncated)),
        ("json.car", b"{\"error\":\"RepoNotFound\"}".to_vec(), Err(Reason::NotACar)),
        ("four.car", car(7), Ok(7)),
    ];
    let mut worker = worker(Settings::new());
    for (name, bytes, expected) in cases {
        let line = worker.process(&Input::new(folder.write(name, &bytes)), &mut Count);
        match expected {
            Ok(records) => {
                assert_eq!((line.outcome, line.records), (Outcome::Done, Some(records)), "{name}");
                assert_eq!((line.did.as_deref(), line.rev.as_deref()), (Some(DID), Some(REV)));
                assert_eq!(line.error, None);
            }
            Err(reason) => {
                assert_eq!(line.outcome, Outcome::Failed(reason), "{name}");
                assert_eq!((line.did, line.records), (None, None));
            }
        }
        assert_eq!(line.bytes, Some(bytes.len() as u64));
        assert!(line.modified.unwrap().ends_with('Z') && line.seconds.unwrap() >= 0.0);
    }
}

#[test]
fn large_files_are_mapped_or_read_and_compressed_ones_read() {
    let folder = Folder::new();
    let plain = large();
    let cases = [("a.car", plain.clone()), ("a.car.zst", zstd(&plain)), ("a.car.gz", gzip(&plain))];
    for (name, bytes) in cases {
        let path = folder.write(name, &bytes);
        for maps in [true, false] {
            let line = count(Settings::new().map(maps), &path);
            assert_eq!((line.outcome, line.records), (Outcome::Done, Some(40_000)), "{name}");
        }
        // Only streams have a limit for their length, in decompressed bytes.
        let limits = Limits::new().max_stream_len(plain.len() as u64 - 1);
        for maps in [true, false] {
            let line = count(Settings::new().limits(limits.clone()).map(maps), &path);
            let is_mapped = maps && name == "a.car";
            let expected = if is_mapped { Outcome::Done } else { Outcome::Failed(Reason::Limit) };
            assert_eq!(line.outcome, expected, "{name} {maps}");
        }
    }
}

#[test]
fn the_limit_of_streams_holds_for_small_files() {
    let folder = Folder::new();
    let plain = car(20);
    let path = folder.write("a.car", &plain);
    for (max, expected) in
        [(plain.len(), Outcome::Done), (plain.len() - 1, Outcome::Failed(Reason::Limit))]
    {
        let settings = Settings::new().limits(Limits::new().max_stream_len(max as u64));
        let line = count(settings, &path);
        assert_eq!(line.outcome, expected);
        if let Some(error) = line.error {
            assert_eq!(error, format!("the stream exceeds the limit of {max} bytes"));
        }
    }
}

#[test]
fn repositories_of_other_accounts_are_skipped() {
    let folder = Folder::new();
    let (small, large) = (folder.write("a.car", &car(20)), folder.write("b.car", &large()));
    let packed = folder.write("c.car.gz", &gzip(&car(20)));
    for path in [small, large, packed] {
        let line = count(Settings::new().dids([DID]), &path);
        assert_eq!(line.outcome, Outcome::Done);
        let line = count(Settings::new().dids(["did:plc:other"]), &path);
        assert_eq!(line.outcome, Outcome::Skipped(Skip::NotSelected), "{path:?}");
        assert_eq!((line.did.as_deref(), line.records), (Some(DID), None));
    }
    // A damaged one that may be of the account is a failure.
    let cut = folder.write("d.car", &car(20)[..60]);
    let line = count(Settings::new().dids(["did:plc:other"]), &cut);
    assert_eq!(line.outcome, Outcome::Failed(Reason::Truncated));
}

#[test]
fn legacy_commits_are_a_reason_of_their_own_unless_they_are_accepted() {
    let folder = Folder::new();
    let mut repo = repo::Repo::sample(["com.example.test/one"]);
    repo.commit = Commit::version_2(Cid::dag_cbor(b"\xf6"));
    let path = folder.write("a.car", &repo.to_bytes(repo::Order::Pds));
    let line = count(Settings::new(), &path);
    assert_eq!(line.outcome, Outcome::Failed(Reason::Legacy), "{line:?}");
    let line = count(Settings::new().commits(CommitRules::Legacy), &path);
    assert_eq!((line.outcome, line.records), (Outcome::Done, Some(1)), "{line:?}");
}

#[test]
fn the_meter_adds_up_to_the_lengths_of_the_inputs() {
    let folder = Folder::new();
    let plain = large();
    let paths = [
        folder.write("a.car", &car(20)),
        folder.write("b.car", &plain),
        folder.write("c.car.gz", &gzip(&plain)),
        folder.write("d.car", &plain[..(9 << 20)]),
        folder.write("e.car", b"{}"),
        folder.path().join("none.car"),
    ];
    let total = Arc::new(AtomicU64::new(0));
    let meter = Arc::clone(&total);
    let add = move |bytes| _ = meter.fetch_add(bytes, Ordering::Relaxed);
    let mut worker = Worker::new(Settings::new(), Stop::new(), add);
    let mut expected = 0;
    for path in paths {
        let input = Input::new(path);
        worker.process(&input, &mut Count);
        expected += input.bytes().unwrap_or(0);
        assert_eq!(total.load(Ordering::Relaxed), expected, "{input:?}");
    }
}

#[test]
fn a_stopped_worker_gives_up() {
    let folder = Folder::new();
    let (plain, packed) =
        (folder.write("a.car", &large()), folder.write("b.car.gz", &gzip(&large())));
    for path in [plain, packed] {
        for maps in [true, false] {
            let stop = Stop::new();
            stop.set();
            let mut worker = Worker::new(Settings::new().map(maps), stop, |_bytes| {});
            let line = worker.process(&Input::new(&path), &mut Count);
            assert!(line.is_failed(), "{line:?}");
        }
    }
}

#[test]
fn counts_of_a_visit_that_fails_are_kept() {
    struct Fails;
    impl Visit for Fails {
        fn visit<S: CarStore>(&mut self, _: &Repo<S>, line: &mut Line) -> Result<(), Failure> {
            (line.records, line.invalid_paths) = (Some(5), Some(2));
            Err(Failure::new(Reason::Invalid, "2 paths are invalid"))
        }
    }
    let folder = Folder::new();
    let path = folder.write("a.car", &car(5));
    let line = worker(Settings::new()).process(&Input::new(path), &mut Fails);
    assert_eq!(line.outcome, Outcome::Failed(Reason::Invalid));
    assert_eq!((line.records, line.invalid_paths), (Some(5), Some(2)));
    assert_eq!(line.error.as_deref(), Some("2 paths are invalid"));
    assert!(line.commit.is_some());
}

#[test]
fn a_file_that_was_not_there_when_it_was_listed_is_read() {
    let folder = Folder::new();
    let input = Input::new(folder.path().join("a.car"));
    let check = |input: &Input| {
        let stop = Stop::new();
        worker(Settings::new()).process(input, &mut Check::new(&stop))
    };
    assert_eq!(check(&input).outcome, Outcome::Failed(Reason::Io));
    folder.write("a.car", &car(5));
    let line = check(&input);
    assert_eq!((line.outcome, line.records, line.bytes), (Outcome::Done, Some(5), None));
}

#[test]
#[cfg(unix)]
fn files_that_cannot_be_read_fail() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    let path = folder.write("a.car", &car(5));
    let none = count(Settings::new(), &folder.path().join("none.car"));
    assert_eq!(none.outcome, Outcome::Failed(Reason::Io));
    assert_eq!(none.error.as_deref(), Some("reading failed: No such file or directory"));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o0)).unwrap();
    // Permissions do not bind the superuser.
    if std::fs::File::open(&path).is_err() {
        let line = count(Settings::new(), &path);
        assert_eq!(line.outcome, Outcome::Failed(Reason::Io));
        assert_eq!(line.error.as_deref(), Some("reading failed: Permission denied"));
    }
}
