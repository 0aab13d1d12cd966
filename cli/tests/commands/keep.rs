//! `--keep`: a file that is read in place of the CAR, and is there only if all went well.

use std::fs;
use std::path::PathBuf;

use crate::harness::{self, COMMANDS, TempCar, run, run_on};
use carwalk_testkit::breakage;
use carwalk_testkit::cases;
use carwalk_testkit::cid::Cid;
use carwalk_testkit::commit::Commit;
use carwalk_testkit::export::Order;
use carwalk_testkit::random;
use carwalk_testkit::repo::{self, Repo};
use carwalk_testkit::rng::Rng;
use tempfile::TempDir;

/// A folder, and a name in it that nothing has yet.
fn new_name() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kept");
    (folder, path)
}

#[track_caller]
fn assert_empty(folder: &TempDir) {
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

fn export(records: usize) -> Vec<u8> {
    harness::export(records, Order::Random)
}

#[test]
fn kept_file_gives_what_the_car_gave() {
    for car in [export(2000), random::repo(3, 100).car, random::repo(4, 100).car] {
        let file = TempCar::new(&car);
        for maker in ["ls", "inspect", "verify"] {
            let (_folder, path) = new_name();
            let kept = path.to_str().unwrap();
            let expected = run_on([maker], &car).quiet_success();
            assert_eq!(file.run(&[maker, "--keep", kept]).quiet_success(), expected);
            let (_folder, path) = new_name();
            assert_eq!(
                run_on([maker, "--keep", path.to_str().unwrap()], &car).quiet_success(),
                expected
            );
            let before = fs::read(kept).unwrap();
            for command in COMMANDS {
                let expected = run_on(command, &car).quiet_success();
                assert_eq!(run([command, &["--kept", kept]].concat()).quiet_success(), expected);
                let options = [
                    "--memory-limit=0",
                    "--no-mmap",
                    "-v",
                    "--max-spill=1",
                    "--max-stream=1",
                    "--max-block=1",
                ];
                assert_eq!(
                    run([command, &options, &["--kept", kept]].concat()).quiet_success(),
                    expected
                );
            }
            assert!(fs::read(kept).unwrap() == before, "the kept file was changed");
        }
    }
}

#[test]
fn kept_file_of_a_legacy_commit_is_read_on_request() {
    let mut legacy = Repo::sample(["com.example.test/self"]);
    legacy.commit = Commit::version_2(Cid::dag_cbor(b"the commit before")).sorted();
    let file = TempCar::new(&legacy.to_bytes(repo::Order::Preorder));
    let (_folder, path) = new_name();
    let kept = path.to_str().unwrap();
    let listed = file.run(&["ls", "--legacy", "--keep", kept]).quiet_success();
    assert_eq!(run(["ls", "--legacy", "--kept", kept]).quiet_success(), listed);
    let error = run(["ls", "--kept", kept]).one_error(3);
    assert!(error.contains("legacy commit") && error.ends_with("(see --legacy)\n"), "{error}");
}

#[test]
fn file_that_exists_is_refused_and_left_alone() {
    let file = TempCar::named("some\u{1b}thing", b"something");
    let path = file.path().to_str().unwrap();
    for args in [&["ls"][..], &["inspect", "--memory-limit=1G"], &["verify", "--no-mmap"]] {
        let error = run_on([args, &["--keep", path]].concat(), &export(10)).one_error(2);
        assert!(error.starts_with("error: cannot keep the blocks in \""), "{error}");
        assert!(error.ends_with("/some\\u{1b}thing\": it exists already\n"), "{error}");
        assert_eq!(fs::read(path).unwrap(), b"something");
    }
}

#[test]
fn folder_that_does_not_exist_is_told() {
    let error = run_on(["ls", "--keep", "no/such/folder/kept"], &export(10)).one_error(5);
    assert!(
        error.starts_with("error: cannot keep the blocks in \"no/such/folder/kept\": "),
        "{error}"
    );
}

#[test]
fn car_is_kept_if_it_opens_and_nothing_is_left_if_not() {
    let whole = export(300);
    let cut = whole[..whole.len() - 10].to_vec();
    let cars = breakage::each_rule().map(|breakage| breakage.make().broken).chain([
        cut,
        b"{}".to_vec(),
        Vec::new(),
    ]);
    let (mut kept, mut refused) = (0, 0);
    for car in cars {
        let (folder, path) = new_name();
        let found = run_on(["verify", "--keep", path.to_str().unwrap()], &car);
        assert_eq!(found, run_on(["verify"], &car));
        assert!(matches!(found.code, Some(3 | 4)), "{found:?}");
        if path.exists() {
            kept += 1;
            assert_eq!(
                run(["verify".as_ref(), "--kept".as_ref(), path.as_os_str()]).code,
                found.code
            );
        } else {
            refused += 1;
            assert_empty(&folder);
        }
    }
    assert!(kept > 20 && refused > 20, "{kept} kept, {refused} refused");
    for command in [&["inspect"][..], &["ls", "--partial"]] {
        let (folder, path) = new_name();
        let error = run_on(
            [command, &["--keep", path.to_str().unwrap()]].concat(),
            &whole[..whole.len() - 10],
        );
        assert!(error.one_error(3).contains("the input ends in the middle"));
        assert_empty(&folder);
    }
}

#[test]
fn nothing_is_left_when_more_would_be_stored_than_allowed() {
    let (folder, path) = new_name();
    let error = run_on(["ls", "--max-spill=50K", "--keep", path.to_str().unwrap()], &export(2000))
        .one_error(5);
    assert!(error.contains(" exceeds the limit of 51200 (see --max-spill)"), "{error}");
    assert_empty(&folder);
}

#[test]
fn car_without_its_commit_is_not_kept() {
    let mut repo = Repo::sample(["com.example.test/self"]);
    let whole = repo.to_bytes(repo::Order::Preorder);
    repo.commit = Commit::version_2(Cid::dag_cbor(b"the commit before")).sorted();
    for (car, code) in [(repo.to_bytes(repo::Order::Preorder), 3), (whole[..59].to_vec(), 4)] {
        let (folder, path) = new_name();
        run_on(["ls", "--keep", path.to_str().unwrap()], &car).one_error(code);
        assert_empty(&folder);
    }
}

#[test]
fn verbose_names_the_file() {
    let (_folder, path) = new_name();
    let run = run_on(["ls", "-v", "--keep", path.to_str().unwrap()], &export(100));
    assert!(run.stderr.starts_with("spilled after "), "{run:?}");
    assert!(run.stderr.ends_with(&format!(" bytes are stored in {path:?}\n")), "{run:?}");
}

#[test]
fn options_that_contradict_are_usage_errors() {
    let (_folder, path) = new_name();
    let kept = path.to_str().unwrap();
    run_on(["ls", "--keep", kept], &export(10)).quiet_success();
    assert_eq!(run(["ls", "--keep", &format!("{kept}2"), "--kept", kept]).code, Some(2));
    assert!(!fs::exists(format!("{kept}2")).unwrap());
    assert_eq!(run(["ls", "--keep", "kept", "--spill-dir", "."]).code, Some(2));
    assert_eq!(run(["ls", "--memory-limit", "many"]).code, Some(2));
    for stdin in [&["ls", "--kept"][..], &["ls", "--kept", "-"]] {
        let error = run_on(stdin, &fs::read(kept).unwrap()).one_error(2);
        assert_eq!(error, "error: --kept needs the name of a file\n");
    }
}

#[test]
fn kept_file_that_nobody_vouches_for_is_refused_whatever_is_in_it() {
    let (_folder, path) = new_name();
    let kept = path.to_str().unwrap();
    run_on(["ls", "--keep", kept], &export(100)).quiet_success();
    let sound = fs::read(kept).unwrap();
    for bytes in [&sound[..], &sound[..9], b"redb\x1a\n\xa9\r\nand more"] {
        let file = TempCar::new(bytes);
        for args in [
            &["ls"][..],
            &["ls", "--partial"],
            &["ls", "--no-mmap"],
            &["inspect"],
            &["verify", "--keep", "no"],
        ] {
            for run in [file.run(args), run_on(args, bytes)] {
                assert_eq!(run.stdout, "");
                let error = run.one_error(3);
                assert!(
                    error.contains("this is a spill file") && error.ends_with("(see --kept)\n"),
                    "{error}"
                );
            }
        }
    }
    let car = TempCar::new(&export(10));
    let error = car.run(&["ls", "--kept"]).one_error(3);
    assert!(error.contains("this is not a carwalk spill file"), "{error}");
    let error = run(["ls", "--kept", "no/such.file"]).one_error(5);
    assert!(error.starts_with("error: cannot open \"no/such.file\": "), "{error}");
}

#[test]
fn files_that_only_begin_as_kept_ones_are_refused() {
    let magic = b"redb\x1a\n\xa9\r\n".to_vec();
    for rest in [vec![0; 400], vec![0; 5000], vec![0xff; 2 << 20]] {
        let bytes = [&magic[..], &rest].concat();
        for command in ["ls", "inspect", "verify"] {
            let error = TempCar::new(&bytes).run(&[command, "--kept"]).one_error(3);
            assert!(error.contains("spill file"), "{error}");
        }
    }
}

#[test]
fn damaged_kept_file_is_refused_or_gives_the_same() {
    let (_folder, path) = new_name();
    let kept = path.to_str().unwrap();
    let car = export(500);
    let expected = run_on(["ls", "-l", "--keep", kept], &car).quiet_success();
    let sound = fs::read(kept).unwrap();
    let mut rng = Rng::new(5);
    let mut refused = 0;
    let rounds = cases(30);
    for round in 0..rounds {
        let mut damaged = sound.clone();
        match round % 3 {
            0 => damaged.truncate(rng.range(9, sound.len() - 1)),
            1 => (0..4).for_each(|_| damaged[rng.range(9, sound.len() - 1)] ^= 1 << rng.below(8)),
            // The head of the file says where everything is.
            _ => damaged[rng.range(9, 320)] ^= 1 << rng.below(8),
        }
        let run = TempCar::new(&damaged).run(&["ls", "-l", "--kept"]);
        if run.code == Some(0) {
            assert_eq!(run.stdout, expected, "round {round}");
        } else {
            refused += 1;
            assert!(run.one_error(3).contains("spill file"), "round {round}");
        }
    }
    assert!(3 * refused >= rounds, "{refused} of {rounds}");
}
