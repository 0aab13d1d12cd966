//! Characters that change what a terminal shows: nothing prints them, wherever they stand.

use carwalk_testkit::cbor::Value;
use carwalk_testkit::repo::{Order, Record, Repo};

use crate::escape::is_harmful;
use crate::harness::{Run, TempCar, run, run_on};

/// Some of each kind, among others that are shown as they are.
const TEXT: &str = "a\u{7f}\u{9b}\u{61c}\u{200b}\u{200e}\u{200f}\u{2028}\u{202a}\u{202e}\u{2066}\
                    \u{2069}\u{2060}\u{feff}\u{ad}\u{e0041}é漢👩\u{200d}👧";

#[track_caller]
fn assert_harmless(run: &Run) {
    for text in [&run.stdout, &run.stderr] {
        let harmful: Vec<_> =
            text.chars().filter(|&char| is_harmful(char) && !"\n\t".contains(char)).collect();
        assert!(harmful.is_empty(), "{harmful:?} in {text}");
    }
}

#[test]
fn texts_of_records_and_keys_in_them() {
    let record = Record::new(Value::map([(TEXT, Value::text(TEXT))]).encode());
    let car = Repo::new([(b"com.example.test/a".to_vec(), record)]).to_bytes(Order::Preorder);
    for args in [&["get", "com.example.test/a"][..], &["get", "--compact", "com.example.test/a"]] {
        let run = run_on(args, &car);
        assert_harmless(&run);
        for part in ["\\u202e", "\\udb40\\udc41", "é漢👩\u{200d}👧"] {
            assert!(run.stdout.contains(part), "{}", run.stdout);
        }
        let json: serde_json::Value = serde_json::from_str(&run.quiet_success()).unwrap();
        assert_eq!(json[TEXT], TEXT);
    }
}

#[test]
fn keys_of_the_tree() {
    let key = format!("com.example.test/{TEXT}");
    let car = Repo::sample([key.as_bytes()]).to_bytes(Order::Preorder);
    for args in [&["ls"][..], &["ls", "--partial"], &["ls", "--partial", "--json"], &["verify"]] {
        let run = run_on(args, &car);
        assert_harmless(&run);
        let shown = format!("{}{}", run.stdout, run.stderr);
        assert!(shown.contains("xe2") && shown.contains("xae"), "{shown}");
    }
}

#[test]
fn names_of_files_and_arguments() {
    let file = TempCar::named(&format!("{TEXT}.car"), b"{}");
    for args in [&["ls"][..], &["ls", "--no-mmap"], &["verify", "--kept"]] {
        let run = file.run(args);
        assert_harmless(&run);
        assert!(run.stderr.contains("\\u{202e}"), "{}", run.stderr);
    }
    for (args, byte) in
        [(["get", "a.b.c/\u{1b}[2J"], "0x1b at position 6"), (["verify", "--key=z\u{1b}"], "0x1b")]
    {
        let run = run(args);
        assert_harmless(&run);
        assert!(run.stderr.contains(byte) && run.stderr.contains("\\u{1b}"), "{}", run.stderr);
    }
    for args in [&["ls", "--spill-dir", TEXT][..], &["ls", "a", TEXT], &["get", "a", TEXT]] {
        let run = run(args);
        assert_harmless(&run);
        assert!(run.stderr.contains("\\u{202e}"), "{}", run.stderr);
    }
}
