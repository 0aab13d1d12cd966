//! `carwalk prove`: what it writes answers like the whole repository, and half a proof is never
//! left.

use crate::harness;
use std::fs;
use std::io::Write;
use std::process::Stdio;

use crate::harness::{TempCar, run, run_bytes, run_on, tool};
use carwalk_testkit::breakage::{sample, sample_keys};
use carwalk_testkit::car::Car;
use carwalk_testkit::cbor::Value;
use carwalk_testkit::commit::DID;
use carwalk_testkit::repo::{Order, Repo};
use carwalk_testkit::signing::SigningKey;

fn keys() -> Vec<String> {
    sample_keys().into_iter().map(|key| String::from_utf8(key).unwrap()).collect()
}

/// A repository in a file, and a folder for what is made of it.
struct Place {
    car: TempCar,
    folder: tempfile::TempDir,
}

impl Place {
    fn of(repo: &Repo) -> Self {
        Place {
            car: TempCar::new(&repo.to_bytes(Order::Pds)),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn out(&self) -> String {
        self.folder.path().join("proof.car").to_str().unwrap().to_owned()
    }

    fn prove(&self, more: &[&str]) -> harness::Run {
        self.car.run_with(&["prove", "-o", &self.out()], more)
    }

    fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

#[test]
fn each_record_and_each_absence_has_a_proof_of_its_own() {
    let key = SigningKey::p256(&[3; 32]);
    let mut repo = sample();
    repo.sign(&key);
    let place = Place::of(&repo);
    let out = place.out();
    for path in keys() {
        let other = format!("{path}x");
        assert_eq!(place.prove(&["--force", &path, &other]).quiet_success(), "");
        for options in [&["get"][..], &["get", "--compact"], &["get", "--cid"]] {
            let whole = place.car.run_with(options, &[&path]).quiet_success();
            assert_eq!(
                run(options.iter().copied().chain([&out[..], &path])).quiet_success(),
                whole
            );
        }
        run(["get", &out, &other]).one_error(1);
        run(["verify", "-q", "--partial", "--did", DID, "--key", &key.did_key(), &out])
            .quiet_success();
    }
    assert_eq!(place.files(), ["proof.car"]);
}

#[test]
fn a_range_is_listed_from_its_proof_as_from_the_whole() {
    let place = Place::of(&sample());
    let out = place.out();
    let keys = keys();
    let collection = keys[0].split('/').next().unwrap().to_owned();
    let ranges: [&[&str]; 4] = [
        &["--collection", &collection],
        &["--prefix", "com."],
        &["--from", &keys[2], "--to", &keys[5]],
        &["--prefix", "com.", "--to", &keys[4]],
    ];
    for range in ranges {
        place.prove(&[&["--force"], range].concat()).quiet_success();
        let listed = |car: &str| run([&["ls", "-l"], range, &[car]].concat());
        let whole = listed(place.car.name()).quiet_success();
        assert!(!whole.is_empty());
        assert_eq!(listed(&out).quiet_success(), whole);

        place.prove(&[&["--force", "--no-records"], range].concat()).quiet_success();
        let run = listed(&out);
        assert!(run.code == Some(4) && run.stderr.contains("its block is missing"), "{run:?}");
        let first = whole.split('\t').next().unwrap();
        assert!(run_on(["get", "--cid", &out, first], b"").quiet_success().starts_with("baf"));
        run_on(["get", &out, first], b"").one_error(4);
    }
}

#[test]
fn a_proof_may_go_to_standard_output_and_come_from_standard_input() {
    let car = sample().to_bytes(Order::Preorder);
    let path = &keys()[0];
    let proof = run_bytes(["prove", "-", path, "-o", "-"], &car);
    assert_eq!((proof.code, proof.stderr.as_str()), (Some(0), ""));
    assert!(proof.stdout.len() < car.len());
    let whole = run_on(["get", path], &car).quiet_success();
    assert_eq!(run_on(["get", path], &proof.stdout).quiet_success(), whole);
}

#[test]
fn a_proof_of_a_proof_is_the_same() {
    let place = Place::of(&sample());
    let path = &keys()[3];
    place.prove(&[path]).quiet_success();
    let first = fs::read(place.out()).unwrap();
    let second = run_bytes(["prove", &place.out(), path, "-o", "-"], b"");
    assert!(second.stdout == first);
}

#[test]
fn an_existing_file_stays_unless_forced() {
    let place = Place::of(&sample());
    fs::write(place.out(), "mine").unwrap();
    let path = &keys()[0];
    let error = place.prove(&[path]).one_error(2);
    assert!(
        error.contains("cannot write") && error.ends_with(": it exists already (see --force)\n"),
        "{error}"
    );
    // It is told before anything is read.
    assert_eq!(run(["prove", "-o", &place.out(), "no/such.car", path]).one_error(2), error);
    assert_eq!(fs::read(place.out()).unwrap(), b"mine");
    assert_eq!(place.files(), ["proof.car"]);
    place.prove(&["--force", path]).quiet_success();
    assert_ne!(fs::read(place.out()).unwrap(), b"mine");
    let folder = place.folder.path().to_str().unwrap();
    for force in [&[][..], &["--force"]] {
        let error =
            run([&["prove", "-o", folder, "no/such.car", path], force].concat()).one_error(5);
        assert!(
            error.starts_with("error: cannot write ") && error.ends_with(": is a directory\n"),
            "{error}"
        );
    }
}

#[test]
fn a_file_that_came_to_be_meanwhile_stays() {
    let place = Place::of(&sample());
    let mut tool = tool();
    tool.args(["prove", "-o", &place.out(), "-", &keys()[0]]);
    let mut child =
        tool.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let car = fs::read(place.car.path()).unwrap();
    // More than a pipe holds in all, so that it has been looked at before the rest is given.
    let padding = padded(&car);
    stdin.write_all(&padding[..padding.len() - 1]).unwrap();
    fs::write(place.out(), "theirs").unwrap();
    stdin.write_all(&padding[padding.len() - 1..]).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("it exists already"), "{stderr}");
    assert_eq!(fs::read(place.out()).unwrap(), b"theirs");
    assert_eq!(place.files(), ["proof.car"]);
}

/// The CAR with a megabyte of blocks that nothing links to.
fn padded(car: &[u8]) -> Vec<u8> {
    let mut car = Car::parse(car).unwrap();
    for number in 0..8_u8 {
        car.push_block(&Value::Bytes(vec![number; 1 << 17]).encode());
    }
    car.to_bytes()
}

#[test]
#[cfg(unix)]
fn a_file_that_is_replaced_keeps_its_permissions() {
    use std::os::unix::fs::PermissionsExt;

    let place = Place::of(&sample());
    let path = &keys()[0];
    let mode = || fs::metadata(place.out()).unwrap().permissions().mode() & 0o777;
    place.prove(&[path]).quiet_success();
    let (usual, proof) = (mode(), fs::read(place.out()).unwrap());
    fs::write(place.folder.path().join("other"), "").unwrap();
    assert_eq!(
        usual,
        fs::metadata(place.folder.path().join("other")).unwrap().permissions().mode() & 0o777
    );
    for kept in [0o600, 0o640, 0o666, 0o400] {
        fs::remove_file(place.out()).unwrap();
        fs::write(place.out(), "old").unwrap();
        fs::set_permissions(place.out(), fs::Permissions::from_mode(kept)).unwrap();
        place.prove(&["--force", path]).quiet_success();
        assert_eq!((mode(), fs::read(place.out()).unwrap() == proof), (kept, true));
    }
}

#[test]
#[cfg(unix)]
fn links_are_followed_and_never_replaced() {
    use std::os::unix::fs::symlink;

    let place = Place::of(&sample());
    let path = &keys()[0];
    let target = place.folder.path().join("target");
    symlink(&target, place.out()).unwrap();
    for force in [&[][..], &["--force"]] {
        let error = place.prove(&[force, &[path]].concat()).one_error(5);
        assert!(error.ends_with(": No such file or directory\n"), "{error}");
        assert!(place.folder.path().join("proof.car").is_symlink() && !target.exists());
    }
    fs::write(&target, "old").unwrap();
    place.prove(&[path]).one_error(2);
    place.prove(&["--force", path]).quiet_success();
    assert!(place.folder.path().join("proof.car").is_symlink());
    run(["get", target.to_str().unwrap(), path]).quiet_success();
    assert_eq!(place.files().len(), 2);
}

#[test]
#[cfg(target_os = "linux")]
fn dev_stdout_gets_the_proof_and_nothing_else() {
    let place = Place::of(&sample());
    let path = &keys()[0];
    let expected = run_bytes(["prove", "-o", "-", place.car.name(), path], b"");
    assert!(!expected.stdout.is_empty());
    assert_eq!(run_bytes(["prove", "-o", "/dev/stdout", place.car.name(), path], b""), expected);
}

#[test]
fn half_a_proof_is_not_left() {
    let mut repo = sample();
    let key = &keys()[0];
    let mut car = repo.to_car(Order::Preorder);
    car.remove(&repo.root.with_key(key.as_bytes()).cid());
    let place = Place { car: TempCar::new(&car.to_bytes()), folder: tempfile::tempdir().unwrap() };
    let error = place.prove(&[key]).one_error(4);
    assert!(error.contains("its block is missing"), "{error}");
    assert!(place.files().is_empty());

    let missing_folder = place.folder.path().join("none/proof.car");
    let error =
        place.car.run_with(&["prove", "-o", missing_folder.to_str().unwrap()], &[key]).one_error(5);
    assert!(error.contains("No such file"), "{error}");
    assert!(place.files().is_empty());
}

#[cfg(target_os = "linux")]
#[test]
fn a_device_is_written_into_and_not_replaced() {
    let place = Place::of(&sample());
    let key = &keys()[0];
    let error = place.car.run_with(&["prove", "-o", "/dev/full"], &[key]).one_error(5);
    assert!(error.contains("/dev/full") && error.contains("No space left"), "{error}");
    for options in [&["prove", "-o", "/dev/null"][..], &["prove", "--force", "-o", "/dev/null"]] {
        place.car.run_with(options, &[key]).quiet_success();
    }
    assert!(!fs::metadata("/dev/null").unwrap().is_file());
}

#[test]
fn what_makes_no_sense_is_refused_before_the_work() {
    let place = Place::of(&sample());
    let path = &keys()[0];
    let error = place.prove(&[]).one_error(2);
    assert!(error.contains("nothing to prove"), "{error}");
    place.prove(&["--from", "b", "--to", "a"]).one_error(2);
    place
        .prove(&["--collection", "com.example.test", "--prefix", "com.example.testing", path])
        .one_error(2);
    assert_eq!(place.prove(&["--collection", "com.example"]).code, Some(2));
    assert_eq!(place.prove(&["no-path"]).code, Some(2));
    assert_eq!(place.car.run_with(&["prove"], &[path]).code, Some(2));
    place.prove(&[&format!("at://did:web:example.com/{path}")]).one_error(3);
    assert!(place.files().is_empty());
    place.prove(&[&format!("at://{DID}/{path}")]).quiet_success();
}
