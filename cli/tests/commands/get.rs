//! `carwalk get`: the four answers, what it takes for a record's name, and what it prints.

use crate::harness::{Run, TempCar, contains, run, run_bytes, run_on};
use carwalk_testkit::breakage::{sample, sample_keys};
use carwalk_testkit::cbor::Value;
use carwalk_testkit::commit::DID;
use carwalk_testkit::repo::{Order, Record, Repo};
use serde_json::json;

const PATH: &str = "com.example.test/self";

fn one(record: Record) -> Repo {
    Repo::new([(PATH.as_bytes().to_vec(), record)])
}

fn texts(keys: Vec<Vec<u8>>) -> Vec<String> {
    keys.into_iter().map(|key| String::from_utf8(key).unwrap()).collect()
}

#[test]
fn every_record_is_found_and_no_other() {
    let (repo, keys) = (sample(), texts(sample_keys()));
    let file = TempCar::new(&repo.to_bytes(Order::Pds));
    for (key, (_, cid)) in keys.iter().zip(repo.entries()) {
        let text = file.run_with(&["get"], &[key]).quiet_success();
        let collection = key.split('/').next().unwrap();
        let expected = json!({ "text": format!("the record at {key}"), "$type": collection });
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), expected);
        assert_eq!(file.run_with(&["get", "--cid"], &[key]).quiet_success(), format!("{cid}\n"));
        let raw = run_bytes(["get", "--raw", file.name(), key], b"");
        assert_eq!((raw.code, raw.stderr.as_str()), (Some(0), ""));
        assert_eq!(raw.stdout, repo.records[&cid].bytes);

        let other = format!("{key}x");
        let run = file.run_with(&["get"], &[&other]);
        assert_eq!(run.stdout, "");
        let error = run.one_error(1);
        assert_eq!(
            error,
            format!("error: {:?}: there is no record {other}: the tree proves it\n", file.name())
        );
        for option in ["--raw", "--cid", "--compact"] {
            file.run_with(&["get", option], &[&other]).one_error(1);
        }
    }
}

#[test]
fn layout_is_two_spaces_or_one_line() {
    let inner = Value::map([
        ("a", Value::Array(vec![Value::Uint(1), Value::Null])),
        ("b", Value::Map(vec![])),
    ]);
    let record = Value::map([("x", inner), ("yy", Value::Array(vec![]))]);
    let car = one(Record::new(record.encode())).to_bytes(Order::Preorder);
    let indented = run_on(["get", "-", PATH], &car).quiet_success();
    let lines = [
        "{",
        "  \"x\": {",
        "    \"a\": [",
        "      1,",
        "      null",
        "    ],",
        "    \"b\": {}",
        "  },",
        "  \"yy\": []",
        "}\n",
    ];
    assert_eq!(indented, lines.join("\n"));
    let compact = run_on(["get", "--compact", "-", PATH], &car).quiet_success();
    assert_eq!(compact, "{\"x\":{\"a\":[1,null],\"b\":{}},\"yy\":[]}\n");
}

#[test]
fn the_car_may_come_from_anywhere() {
    let car = one(Record::sample(PATH.as_bytes())).to_bytes(Order::Pds);
    let file = TempCar::new(&car);
    let expected = file.run_with(&["get"], &[PATH]).quiet_success();
    assert_eq!(run_on(["get", PATH], &car).quiet_success(), expected);
    assert_eq!(run_on(["get", "-", PATH], &car).quiet_success(), expected);
    for options in [&["--no-mmap"][..], &["--no-mmap", "--memory-limit=1"], &["--memory-limit=1"]] {
        assert_eq!(file.run_with(&[&["get"], options].concat(), &[PATH]).quiet_success(), expected);
    }
    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().join("kept");
    let kept = kept.to_str().unwrap();
    assert_eq!(file.run_with(&["get", "--keep", kept], &[PATH]).quiet_success(), expected);
    assert_eq!(run(["get", "--kept", kept, PATH]).quiet_success(), expected);
    assert_eq!(
        run(["get", "--kept", kept, "com.example.test/other"]).one_error(1).lines().count(),
        1
    );
}

#[test]
fn at_uris_are_of_the_account_of_the_commit() {
    let car = one(Record::sample(PATH.as_bytes())).to_bytes(Order::Pds);
    let expected = run_on(["get", PATH], &car).quiet_success();
    assert_eq!(run_on(["get", &format!("at://{DID}/{PATH}")], &car).quiet_success(), expected);
    for path in [PATH, "com.example.test/other"] {
        let run = run_on(["get", &format!("at://did:web:example.com/{path}")], &car);
        assert_eq!(run.stdout, "");
        let error = run.one_error(3);
        assert!(
            error.ends_with(&format!(": the commit is by {DID}, expected did:web:example.com\n")),
            "{error}"
        );
    }
}

#[test]
fn what_names_no_record_is_a_usage_error() {
    let car = one(Record::sample(PATH.as_bytes())).to_bytes(Order::Pds);
    let odd = [
        "self",
        "a/b/c",
        "/self",
        "com.example.test/",
        "com.example.test/a b",
        "com.example.test/\u{e9}",
        "",
    ];
    let uris = [
        "at://example.com/com.example.test/self",
        "at://did:plc/a/b",
        "at://did:plc:a",
        "at://did:plc:a/b",
    ];
    for name in odd.into_iter().chain(uris) {
        let run = run_on(["get", "-", name], &car);
        assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""), "{name}");
        assert!(run.stderr.starts_with("error: invalid value"), "{run:?}");
        assert!(run.stderr.matches("expected").count() <= 1, "{run:?}");
    }
    for options in [["--raw", "--cid"], ["--raw", "--compact"], ["--cid", "--compact"]] {
        assert_eq!(run_on(["get", options[0], options[1], "-", PATH], &car).code, Some(2));
    }
    assert_eq!(run_on(["get"], &car).code, Some(2));
}

/// A name that `verify` would not pass is a key of the tree like any other.
#[test]
fn odd_names_are_looked_up() {
    for path in ["odd/..", "Odd/self", "com.example.test/."] {
        let car = Repo::sample([path]).to_bytes(Order::Pds);
        run_on(["get", path], &car).quiet_success();
        run_on(["get", PATH], &car).one_error(1);
    }
}

/// The CAR without these blocks.
fn without(repo: &Repo, cids: &[carwalk_testkit::cid::Cid]) -> Vec<u8> {
    let mut car = repo.to_car(Order::Preorder);
    cids.iter().for_each(|cid| car.remove(cid));
    car.to_bytes()
}

#[test]
fn a_missing_record_is_an_error_but_its_cid_is_known() {
    let (repo, keys) = (sample(), texts(sample_keys()));
    let cid = repo.entries()[4].1;
    let car = without(&repo, &[cid]);
    for option in ["--raw", "--compact"] {
        let error = run_on(["get", option, "-", &keys[4]], &car).one_error(4);
        assert!(
            error.ends_with(&format!(
                "the record {} exists, but its block {cid} is missing\n",
                keys[4]
            )),
            "{error}"
        );
    }
    assert_eq!(run_on(["get", "--cid", &keys[4]], &car).quiet_success(), format!("{cid}\n"));
    run_on(["get", &keys[5]], &car).quiet_success();
    run_on(["get", &format!("{}x", keys[4])], &car).one_error(1);
}

#[test]
fn missing_node_is_never_taken_for_absence() {
    let (repo, keys) = (sample(), texts(sample_keys()));
    // The leaf with keys 6 and 7 hangs below two empty nodes.
    let leaf = repo
        .root
        .blocks()
        .into_iter()
        .find(|(_, block)| contains(block, keys[6].as_bytes()))
        .unwrap()
        .0;
    let car = without(&repo, &[leaf]);
    for key in [&keys[6], &keys[7], &format!("{}0", keys[6])] {
        for option in ["--raw", "--cid", "--compact"] {
            let run = run_on(["get", option, "-", key], &car);
            assert_eq!(run.stdout, "");
            let error = run.one_error(4);
            let hidden = format!("hides keys between \"{}\" and \"{}\"", keys[5], keys[8]);
            assert!(
                error.contains(&format!("cannot tell whether there is a record {key}")),
                "{error}"
            );
            assert!(error.contains(&leaf.to_string()) && error.contains(&hidden), "{error}");
        }
    }
    for key in keys.iter().filter(|key| ![&keys[6], &keys[7]].contains(key)) {
        run_on(["get", key], &car).quiet_success();
    }
    let commit_only =
        without(&repo, &repo.root.blocks().iter().map(|(cid, _)| *cid).collect::<Vec<_>>());
    let error = run_on(["get", &keys[0]], &commit_only).one_error(4);
    assert!(error.contains("hides all keys"), "{error}");
}

#[test]
fn damage_anywhere_in_the_car_is_an_error() {
    let (repo, keys) = (sample(), texts(sample_keys()));
    for cid in [repo.entries()[4].1, repo.entries()[9].1, repo.root.cid()] {
        let mut car = repo.to_car(Order::Preorder);
        let index = car.index_of(&cid);
        *car.sections[index].data.last_mut().unwrap() ^= 1;
        let error = run_on(["get", &keys[4]], &car.to_bytes()).one_error(3);
        assert!(error.contains("its bytes hash to"), "{error}");
    }
    let car = repo.to_bytes(Order::Preorder);
    let cut: Run = run_on(["get", &keys[4]], &car[..car.len() - 1]);
    assert!(cut.one_error(3).contains("the input ends in the middle"));
}

#[test]
fn nodes_that_break_a_rule_count_on_the_way_to_the_record_only() {
    let (mut repo, keys) = (sample(), texts(sample_keys()));
    let node = repo.root.with_key(keys[7].as_bytes());
    node.entries[1].prefix_len = Some(0);
    let bad = node.cid();
    let car = repo.to_bytes(Order::Pds);
    for key in [&keys[6], &keys[7], &format!("{}0", keys[6])] {
        for option in ["--raw", "--cid"] {
            let run = run_on(["get", option, "-", key], &car);
            assert_eq!(run.stdout, "");
            let error = run.one_error(3);
            assert!(error.contains(&bad.to_string()) && error.contains("prefix"), "{error}");
        }
    }
    run_on(["get", &keys[5]], &car).quiet_success();
    run_on(["verify"], &car).one_error(3);
}
