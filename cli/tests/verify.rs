//! `carwalk verify`: what it says of sound CARs, and how it tells of odd paths.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]

mod harness;

use carwalk_testkit::breakage::sample;
use carwalk_testkit::commit::{DID, REV};
use carwalk_testkit::repo::{Order, Repo};
use harness::run_on;
use serde_json::json;

#[test]
fn success_says_what_was_checked() {
    let repo = sample();
    let car = repo.to_bytes(Order::Pds);
    let text = run_on(["verify"], &car).quiet_success();
    for part in [&format!("ok: {DID} at {REV}\n"), "\ntree: 10 nodes, height 3\n", "\nrecords: 11 with ", "not checked"]
    {
        assert!(text.contains(part), "{text}");
    }
    assert_eq!(run_on(["verify", "-q"], &car).quiet_success(), "");
    let object = run_on(["verify", "--json"], &car).json().remove(0);
    assert_eq!((&object["ok"], &object["signature_checked"]), (&json!(true), &json!(false)));
    assert_eq!((&object["nodes"], &object["records"], &object["sections"]), (&json!(10), &json!(11), &json!(22)));
    assert_eq!((&object["path_problems"], &object["unreached_blocks"]), (&json!(0), &json!(0)));
    assert_eq!(object["commit"], json!(repo.commit_cid().to_string()));
}

#[test]
fn hashes_of_blocks_that_nothing_reaches_are_checked() {
    let mut car = sample().to_car(Order::Pds);
    car.push_block(b"\xf6");
    assert!(run_on(["verify"], &car.to_bytes()).quiet_success().contains("23 blocks, 1 of them unreached"));
    car.sections.last_mut().unwrap().data = b"\xf5".to_vec();
    let error = run_on(["verify"], &car.to_bytes()).one_error(3);
    assert!(error.contains("its bytes hash to"), "{error}");
}

#[test]
fn path_problems_are_told_one_by_one() {
    let odd: [&[u8]; 4] = [b"com.example.test/..", b"com.example.test/\x1b[31m", b"noslash", b"Odd/self"];
    let repo = Repo::sample(odd.into_iter().chain([&b"com.example.test/sound"[..]]));
    let run = run_on(["verify"], &repo.to_bytes(Order::Pds));
    assert_eq!((run.code, run.stdout.as_str()), (Some(3), ""));
    let lines: Vec<_> = run.stderr.lines().collect();
    let cids = repo.entries();
    assert_eq!(lines.len(), 5);
    assert_eq!(
        lines[0],
        format!("bad path: record {}: collection is not a normalized NSID, key \"Odd/self\"", cids[0].1)
    );
    assert!(lines[1].ends_with("key \"com.example.test/\\x1b[31m\""), "{lines:?}");
    assert!(lines[2].ends_with("key \"com.example.test/..\""), "{lines:?}");
    assert_eq!(lines[4], "error: standard input: 4 keys are not of the syntax of repo paths");
    let object = run_on(["verify", "--json"], &repo.to_bytes(Order::Pds)).json().remove(0);
    assert_eq!((&object["ok"], &object["path_problems"]), (&json!(false), &json!(4)));
}

#[test]
fn many_path_problems_are_counted() {
    let repo = Repo::sample((0..50).map(|number| format!("odd/{number}")));
    let run = run_on(["verify"], &repo.to_bytes(Order::Preorder));
    let lines: Vec<_> = run.stderr.lines().collect();
    assert_eq!((run.code, lines.len(), lines[20]), (Some(3), 22, "and 30 more"));
    assert!(lines[21].contains("50 keys"), "{lines:?}");
}
