//! Keys that are not repo paths: none hides another record, from `ls` or `inspect`.

use crate::harness::each_way;
use carwalk_testkit::repo::{Order, Repo};
use serde_json::json;

const VALID: [&str; 3] = ["com.example.b/1", "com.example.b/2", "com.example.c/1"];

/// Keys that come before, between and after the valid ones.
const INVALID: [&str; 3] = ["a", "com.example.b/1 2", "z/z/z"];

fn repo(invalid: &[&str]) -> Repo {
    Repo::sample(VALID.iter().chain(invalid))
}

fn first_column(stdout: &str) -> Vec<&str> {
    stdout.lines().filter_map(|line| line.split('\t').next()).collect()
}

#[test]
fn an_invalid_path_hides_no_other_record() {
    for invalid in INVALID {
        let car = repo(&[invalid]).to_bytes(Order::Preorder);
        let lines = each_way(&["ls"], &car);
        assert_eq!((lines.code, first_column(&lines.stdout)), (Some(3), VALID.to_vec()));
        let (note, error) = lines.stderr.split_once('\n').unwrap();
        assert!(note.starts_with("invalid path: record "), "{note}");
        assert!(note.ends_with(&format!("key \"{invalid}\"")), "{note}");
        assert_eq!(error, "error: standard input: 1 key is not a repo path\n");

        let objects = each_way(&["ls", "--json"], &car);
        assert_eq!(objects.stderr, lines.stderr);
        let paths: Vec<_> = objects.json_and(3).iter().map(|line| line["path"].clone()).collect();
        assert_eq!(paths, VALID);
    }
    for args in [["ls"].as_slice(), &["ls", "--json"]] {
        let listed = each_way(args, &repo(&[]).to_bytes(Order::Preorder)).quiet_success();
        assert_eq!(listed.lines().count(), 3);
    }
}

#[test]
fn every_invalid_path_is_named_in_key_order() {
    let run = each_way(&["ls"], &repo(&INVALID).to_bytes(Order::Pds));
    assert_eq!((run.code, first_column(&run.stdout)), (Some(3), VALID.to_vec()));
    let lines: Vec<_> = run.stderr.lines().collect();
    assert_eq!((lines.len(), lines[3]), (4, "error: standard input: 3 keys are not repo paths"));
    for (line, key) in lines.iter().zip(INVALID) {
        assert!(line.ends_with(&format!("key \"{key}\"")), "{lines:?}");
    }
}

#[test]
fn invalid_paths_outside_the_range_are_not_named() {
    let car = repo(&INVALID).to_bytes(Order::Pds);
    let kept = each_way(&["ls", "--collection", "com.example.c"], &car).quiet_success();
    assert_eq!(first_column(&kept), [VALID[2]]);
    let run = each_way(&["ls", "--collection", "com.example.b"], &car);
    assert_eq!((run.code, first_column(&run.stdout)), (Some(3), VALID[..2].to_vec()));
    assert_eq!(run.stderr.lines().count(), 2);
}

#[test]
fn inspect_counts_invalid_paths() {
    for (invalid, count) in [(&INVALID[..], 3), (&INVALID[1..2], 1), (&[], 0)] {
        let car = repo(invalid).to_bytes(Order::Preorder);
        let object = each_way(&["inspect", "--json"], &car).json().remove(0);
        assert_eq!(
            (&object["invalid_paths"], &object["records"]),
            (&json!(count), &json!(3 + count))
        );
        let text = each_way(&["inspect"], &car).quiet_success();
        let line = format!("\nInvalid Repo Paths: {count}\n");
        assert_eq!(text.contains(&line), count > 0, "{text}");

        // Without their records they are still keys.
        let repo = repo(invalid);
        let mut car = repo.to_car(Order::Preorder);
        repo.entries().iter().for_each(|(_, record)| car.remove(record));
        let object = each_way(&["inspect", "--json"], &car.to_bytes()).json().remove(0);
        assert_eq!((&object["invalid_paths"], &object["records"]), (&json!(count), &json!(0)));
    }
}
