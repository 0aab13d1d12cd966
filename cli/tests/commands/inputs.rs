//! Where a CAR can come from, and the limits that it is read by.

use crate::harness::{TempCar, run_on};
use carwalk_testkit::cbor::Value;
use carwalk_testkit::cid::Cid;
use carwalk_testkit::commit::Commit;
use carwalk_testkit::key;
use carwalk_testkit::repo::{Order, Record, Repo};
use carwalk_testkit::varint;

fn repo() -> Repo {
    Repo::sample(key::at_layer(0).take(40).chain(key::at_layer(1).take(9)))
}

#[test]
fn file_map_and_stdin_give_the_same() {
    for order in Order::ALL {
        let car = repo().to_bytes(order);
        let file = TempCar::new(&car);
        for command in [
            &["ls", "-l"][..],
            &["ls", "--json"],
            &["inspect"],
            &["inspect", "--json"],
            &["verify"],
        ] {
            let mapped = file.run(command).quiet_success();
            assert!(!mapped.is_empty());
            assert_eq!(file.run(&[command, &["--no-mmap"]].concat()).quiet_success(), mapped);
            assert_eq!(run_on(command, &car).quiet_success(), mapped);
            assert_eq!(run_on([command, &["-"]].concat(), &car).quiet_success(), mapped);
        }
    }
}

#[test]
#[cfg(target_os = "linux")]
fn device_of_stdin_is_read_as_a_stream() {
    let car = repo().to_bytes(Order::Pds);
    let piped = run_on(["ls"], &car).quiet_success();
    assert_eq!(run_on(["ls", "/dev/stdin"], &car).quiet_success(), piped);
}

#[test]
fn aliases_are_the_same_commands() {
    let file = TempCar::new(&repo().to_bytes(Order::Pds));
    assert_eq!(file.run(&["list"]), file.run(&["ls"]));
    assert_eq!(file.run(&["info"]), file.run(&["inspect"]));
}

#[test]
fn legacy_commits_are_read_on_request() {
    let mut legacy = repo();
    legacy.commit = Commit::version_2(Cid::dag_cbor(b"the commit before")).sorted();
    let file = TempCar::new(&legacy.to_bytes(Order::Preorder));
    for command in ["ls", "inspect", "verify"] {
        let error = file.run(&[command]).one_error(3);
        assert!(error.contains("legacy commit") && error.ends_with("(see --legacy)\n"), "{error}");
        file.run(&[command, "--legacy"]).quiet_success();
    }
    let summary = file.run(&["inspect", "--legacy"]).quiet_success();
    assert!(summary.starts_with("ATProto Repo Spec Version: 2\n"), "{summary}");
}

#[test]
fn block_limit_can_be_moved() {
    let large = Record::new(Value::Bytes(vec![7; 3 << 20]).encode());
    let file = TempCar::new(
        &Repo::new([(b"com.example.test/large".to_vec(), large)]).to_bytes(Order::Preorder),
    );
    let error = file.run(&["ls"]).one_error(3);
    assert!(error.contains("exceeds the limit of 2097152 (see --max-block)"), "{error}");
    file.run(&["ls", "--max-block", "4MiB"]).quiet_success();
    file.run(&["ls", "--max-block", "4M", "--no-mmap"]).quiet_success();
    let error = file.run(&["ls", "--max-block=100"]).one_error(3);
    assert!(error.contains("exceeds the limit of 100"), "{error}");
    let error = file.run(&["ls", "--max-header=10"]).one_error(3);
    assert!(
        error.contains("header length of 58 exceeds the limit of 10 (see --max-header)"),
        "{error}"
    );
}

#[test]
fn lengths_that_no_limit_allows_have_no_option_named() {
    // For headers, see `look_alikes`.
    for len in [u64::from(u32::MAX), u64::from(u32::MAX) + 1, 1 << 31] {
        let header = repo().to_car(Order::Pds).to_bytes()[..59].to_vec();
        let error = run_on(["ls"], &[header, varint::encode(len + 36)].concat()).one_error(3);
        let message = format!(
            "block length of {len} exceeds the limit of 2097152, and the input has only 64 bytes: "
        );
        assert!(error.contains(&message), "{error}");
        assert!(!error.contains("--max-block"), "{error}");
    }
}

#[test]
fn stream_limit_is_for_streams() {
    let car = repo().to_bytes(Order::Preorder);
    let file = TempCar::new(&car);
    file.run(&["ls", "--max-stream=1K"]).quiet_success();
    for refused in
        [run_on(["ls", "--max-stream=1K"], &car), file.run(&["ls", "--no-mmap", "--max-stream=1K"])]
    {
        let error = refused.one_error(3);
        assert!(error.contains("exceeds the limit of 1024"), "{error}");
    }
}
