//! `ls --one-pass` and `verify --one-pass`: what a load says, or an error that names the option.

use carwalk_testkit::breakage::sample;
use carwalk_testkit::key;
use carwalk_testkit::repo::{Order, Record, Repo};
use serde_json::json;

use crate::harness::run_on;

/// A repository in which every third key has the record of the first.
fn repeating() -> Repo {
    let keys = key::ascending(&[0; 20]);
    let first = keys[0].clone();
    Repo::new(keys.into_iter().enumerate().map(|(number, key)| {
        let record = Record::sample(if number % 3 == 0 { &first } else { &key });
        (key, record)
    }))
}

#[test]
fn listings_are_those_of_a_load() {
    for repo in [sample(), repeating(), Repo::new([])] {
        for order in [Order::Preorder, Order::PreorderRepeating, Order::Pds] {
            let car = repo.to_bytes(order);
            let ranges: [&[&str]; 4] = [
                &[],
                &["-l"],
                &["--records"],
                &["--json", "-l", "--from", "com.example.test/0000005"],
            ];
            for options in ranges {
                let args = |one_pass: &[&'static str]| {
                    let fixed = ["ls"].iter().chain(options).chain(one_pass);
                    fixed.map(ToString::to_string).collect::<Vec<_>>()
                };
                let expected = run_on(args(&[]), &car).quiet_success();
                assert_eq!(run_on(args(&["--one-pass"]), &car).quiet_success(), expected);
            }
        }
    }
}

#[test]
fn verify_does_not_count_blocks_in_one_pass() {
    for repo in [sample(), repeating()] {
        let car = repo.to_bytes(Order::Preorder);
        let mut expected = run_on(["verify", "--json", "--records"], &car).json().remove(0);
        for name in ["distinct_blocks", "repeated_blocks", "unreached_blocks"] {
            assert!(expected[name].is_number());
            expected[name] = json!(null);
        }
        let found = run_on(["verify", "--json", "--records", "--one-pass"], &car).json().remove(0);
        assert_eq!(found, expected);
        let text = run_on(["verify", "--one-pass"], &car).quiet_success();
        assert!(text.contains(" sections\nhashes: "), "{text}");
        // Loaded.
        let car = repo.to_bytes(Order::Pds);
        let expected = run_on(["verify", "--json"], &car).json();
        assert_eq!(run_on(["verify", "--json", "--one-pass"], &car).json(), expected);
    }
}

#[test]
fn another_order_after_the_first_record_is_an_error_that_names_the_option() {
    let mut car = sample().to_car(Order::Preorder);
    let end = car.sections.len();
    car.sections.swap(end - 1, end - 2);
    for command in ["ls", "verify"] {
        let run = run_on([command, "--one-pass"], &car.to_bytes());
        assert_eq!(run.code, Some(3), "{run:?}");
        let error = run.stderr.lines().last().unwrap();
        assert!(error.contains("came too early") && error.ends_with("(see --one-pass)"), "{error}");
        run_on([command], &car.to_bytes()).quiet_success();
    }
}

#[test]
fn errors_after_the_first_record_have_their_exit_codes() {
    let mut car = sample().to_car(Order::Preorder);
    let bytes = car.to_bytes();
    let run = run_on(["ls", "--one-pass"], &bytes[..bytes.len() - 1]);
    assert_eq!(run.code, Some(3), "{run:?}");
    assert!(run.stderr.contains("the input ends in the middle"), "{run:?}");
    assert_eq!(run.stdout.lines().count(), 10);
    car.sections.pop();
    let run = run_on(["ls", "--one-pass"], &car.to_bytes());
    assert_eq!((run.code, run.stdout.lines().count()), (Some(4), 10), "{run:?}");
}

#[test]
fn options_that_need_a_load_are_refused() {
    let car = sample().to_bytes(Order::Preorder);
    for args in [
        &["ls", "--one-pass", "--partial"][..],
        &["verify", "--one-pass", "--partial"],
        &["ls", "--one-pass", "--kept"],
        &["ls", "--one-pass", "--keep", "file"],
    ] {
        assert_eq!(run_on(args, &car).code, Some(2), "{args:?}");
    }
}
