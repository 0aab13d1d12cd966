//! `carwalk verify`: what it says of sound and of partial CARs, whose they are, and how it tells of
//! what is wrong.

use crate::harness::{contains, run_on};
use carwalk_testkit::breakage::{self, Fault, sample, sample_keys};
use carwalk_testkit::cbor::Value;
use carwalk_testkit::cid::Cid;
use carwalk_testkit::commit::{Commit, DID, REV};
use carwalk_testkit::repo::{Order, Repo};
use carwalk_testkit::signing::SigningKey;
use serde_json::json;

#[test]
fn success_says_what_was_checked() {
    let repo = sample();
    let car = repo.to_bytes(Order::Pds);
    let text = run_on(["verify"], &car).quiet_success();
    for part in [
        &format!("ok: {DID} at {REV}\n"),
        "\ntree: 10 nodes, height 3\n",
        "\nrecords: 11 with ",
        "not checked",
    ] {
        assert!(text.contains(part), "{text}");
    }
    let empty = run_on(["verify"], &Repo::new([]).to_bytes(Order::Pds)).quiet_success();
    assert!(
        empty.contains(" bytes, 2 sections, 0 of them")
            && empty.contains("\ntree: 1 node, height 0\n"),
        "{empty}"
    );
    assert_eq!(run_on(["verify", "-q"], &car).quiet_success(), "");
    let object = run_on(["verify", "--json"], &car).json().remove(0);
    assert_eq!((&object["ok"], &object["signature_checked"]), (&json!(true), &json!(false)));
    assert_eq!(
        (&object["nodes"], &object["records"], &object["sections"]),
        (&json!(10), &json!(11), &json!(22))
    );
    assert_eq!((&object["path_problems"], &object["unreached_blocks"]), (&json!(0), &json!(0)));
    assert_eq!(object["commit"], json!(repo.commit_cid().to_string()));
}

#[test]
fn hashes_of_blocks_that_nothing_reaches_are_checked() {
    let mut car = sample().to_car(Order::Pds);
    car.push_block(b"\xf6");
    assert!(
        run_on(["verify"], &car.to_bytes())
            .quiet_success()
            .contains("23 blocks, 1 of them unreached")
    );
    car.sections.last_mut().unwrap().data = b"\xf5".to_vec();
    let error = run_on(["verify"], &car.to_bytes()).one_error(3);
    assert!(error.contains("its bytes hash to"), "{error}");
}

#[test]
fn path_problems_are_told_one_by_one() {
    let odd: [&[u8]; 4] =
        [b"com.example.test/..", b"com.example.test/\x1b[31m", b"noslash", b"Odd/self"];
    let repo = Repo::sample(odd.into_iter().chain([&b"com.example.test/sound"[..]]));
    let run = run_on(["verify"], &repo.to_bytes(Order::Pds));
    assert_eq!((run.code, run.stdout.as_str()), (Some(3), ""));
    let lines: Vec<_> = run.stderr.lines().collect();
    let cids = repo.entries();
    assert_eq!(lines.len(), 5);
    assert_eq!(
        lines[0],
        format!(
            "invalid path: record {}: collection is not a normalized NSID, key \"Odd/self\"",
            cids[0].1
        )
    );
    assert!(lines[1].ends_with("key \"com.example.test/\\x1b[31m\""), "{lines:?}");
    assert!(lines[2].ends_with("key \"com.example.test/..\""), "{lines:?}");
    assert_eq!(lines[4], "error: standard input: 4 paths are invalid");
    let run = run_on(["verify", "--json"], &repo.to_bytes(Order::Pds));
    let object = run.json_and(3).remove(0);
    assert_eq!((&object["ok"], &object["path_problems"]), (&json!(false), &json!(4)));
}

#[test]
fn many_path_problems_are_counted() {
    let repo = Repo::sample((0..50).map(|number| format!("odd/{number}")));
    let run = run_on(["verify"], &repo.to_bytes(Order::Preorder));
    let lines: Vec<_> = run.stderr.lines().collect();
    assert_eq!((run.code, lines.len(), lines[20]), (Some(3), 22, "and 30 more"));
    assert!(lines[21].ends_with(": 50 paths are invalid"), "{lines:?}");
}

#[test]
fn partial_counts_what_is_missing() {
    let (repo, keys) = (sample(), sample_keys());
    // The leaf with keys 6 and 7 hangs below two empty nodes.
    let leaf =
        repo.root.blocks().into_iter().find(|(_, block)| contains(block, &keys[6])).unwrap().0;
    let mut car = repo.to_car(Order::Preorder);
    let records = repo.entries();
    for cid in [leaf, records[2].1, records[3].1] {
        car.remove(&cid);
    }
    let car = car.to_bytes();
    run_on(["verify"], &car).one_error(4);
    let text = run_on(["verify", "--partial"], &car).quiet_success();
    assert!(text.starts_with(&format!("ok, partial: {DID} at {REV}\n")), "{text}");
    assert!(text.contains("\ntree: 9 nodes, height 3\nrecords: 7 with "), "{text}");
    assert!(text.ends_with(" bytes, all paths valid\nmissing: 1 node, 2 records\n"), "{text}");
    assert!(!text.contains("all present"), "{text}");
    assert_eq!(run_on(["verify", "--partial", "--quiet"], &car).quiet_success(), "");
    let object = run_on(["verify", "--partial", "--json"], &car).json().remove(0);
    let found =
        ["ok", "complete", "missing_nodes", "missing_records", "records"].map(|name| &object[name]);
    assert_eq!(found, [&json!(true), &json!(false), &json!(1), &json!(2), &json!(7)]);
    assert_eq!(object["unreached_blocks"], json!(2));
}

#[test]
fn partial_says_the_same_of_what_is_complete() {
    let car = sample().to_bytes(Order::Pds);
    for option in ["-v", "--json"] {
        assert_eq!(run_on(["verify", "--partial", option], &car), run_on(["verify", option], &car));
    }
    let object = run_on(["verify", "--json"], &car).json().remove(0);
    assert_eq!((&object["complete"], &object["missing_records"]), (&json!(true), &json!(0)));
}

#[test]
fn partial_lets_nothing_pass_but_gaps() {
    for breakage in breakage::all() {
        let run = run_on(["verify", "--partial"], &breakage.make().broken);
        let code = match breakage.fault {
            // Without the commit there is nothing to check.
            Fault::Missing if ["end_after_header", "commit_absent"].contains(&breakage.name) => 4,
            Fault::Missing => 0,
            _ => 3,
        };
        assert_eq!(run.code, Some(code), "{breakage:?}\n{}", run.stderr);
        let last = run.stderr.lines().last().unwrap_or_default();
        assert_eq!(
            last.starts_with("error: standard input: "),
            code != 0,
            "{breakage:?}\n{}",
            run.stderr
        );
    }
}

#[test]
fn bad_subtrees_do_not_keep_the_rest_from_being_checked() {
    let keys = sample_keys();
    let mut repo = Repo::sample(keys.iter().cloned().chain([b"odd/1".to_vec(), b"odd/2".to_vec()]));
    let node = repo.root.with_key(&keys[7]);
    let entry = node.entries.iter_mut().find(|entry| entry.key == keys[7]).unwrap();
    entry.prefix_len = Some(0);
    let bad = node.cid();
    let car = repo.to_bytes(Order::Pds);
    let whole = run_on(["verify"], &car);
    assert_eq!((whole.code, whole.stderr.lines().count()), (Some(3), 1), "{whole:?}");
    let partial = run_on(["verify", "--partial"], &car);
    assert_eq!((partial.code, partial.stdout.as_str()), (Some(3), ""));
    let lines: Vec<_> = partial.stderr.lines().collect();
    assert!(lines[0].starts_with(&format!("bad subtree: node {bad} at byte ")), "{lines:?}");
    assert!(lines[0].contains("; hides keys between "), "{lines:?}");
    assert!(
        lines[1].starts_with("invalid path: ") && lines[2].starts_with("invalid path: "),
        "{lines:?}"
    );
    let error = "error: standard input: 2 paths are invalid, 1 subtree is bad";
    assert_eq!((lines.len(), lines[3]), (4, error));
    let object = run_on(["verify", "--partial", "--json"], &car).json_and(3).remove(0);
    let found = ["ok", "complete", "bad_subtrees", "path_problems", "missing_nodes"]
        .map(|name| &object[name]);
    assert_eq!(found, [&json!(false), &json!(false), &json!(1), &json!(2), &json!(0)]);
}

const SECRET: &[u8; 32] = &[7; 32];

fn signed(key: &SigningKey) -> Repo {
    let mut repo = sample();
    repo.sign(key);
    repo
}

#[test]
fn the_account_can_be_demanded() {
    let car = sample().to_bytes(Order::Pds);
    let expected = run_on(["verify"], &car).quiet_success();
    assert_eq!(run_on(["verify", "--did", DID], &car).quiet_success(), expected);
    for other in [
        "did:web:example.com",
        &DID.to_uppercase().replace("DID:PLC", "did:plc"),
        &format!("{DID}z"),
    ] {
        for more in [&[][..], &["--partial"], &["--json"], &["--quiet"]] {
            let run = run_on([&["verify", "--did", other], more].concat(), &car);
            assert_eq!(run.stdout, "");
            let error = run.one_error(1);
            let commit = sample().commit_cid();
            let expected = format!("commit {commit}: the commit is by {DID}, expected {other}");
            assert_eq!(error, format!("error: standard input: {expected}\n"));
        }
    }
    for malformed in
        ["", "example.com", "did:plc", "DID:plc:abc", "did:plc:abc\n", "at://did:plc:abc"]
    {
        assert_eq!(run_on(["verify", "--did", malformed], &car).code, Some(2), "{malformed:?}");
    }
}

#[test]
fn signatures_are_checked_with_keys_of_both_curves() {
    for key in [SigningKey::p256(SECRET), SigningKey::k256(SECRET)] {
        let (repo, did_key) = (signed(&key), key.did_key());
        let car = repo.to_bytes(Order::Pds);
        let multibase = did_key.strip_prefix("did:key:").unwrap();
        for text in [&*did_key, multibase] {
            let lines = run_on(["verify", "--key", text, "--did", DID], &car).quiet_success();
            assert!(
                lines
                    .contains(&format!("\ncommit: {}, signed with {did_key}\n", repo.commit_cid())),
                "{lines}"
            );
            assert!(!lines.contains("not checked"), "{lines}");
            let object = run_on(["verify", "--key", text, "--json"], &car).json().remove(0);
            assert_eq!(
                (&object["signature_checked"], &object["key"]),
                (&json!(true), &json!(did_key))
            );
        }
        let object = run_on(["verify", "--json"], &car).json().remove(0);
        assert_eq!((&object["signature_checked"], &object["key"]), (&json!(false), &json!(null)));
        let mut part = repo.to_car(Order::Preorder);
        repo.root.blocks().iter().for_each(|(cid, _)| part.remove(cid));
        let lines =
            run_on(["verify", "--partial", "--key", &did_key], &part.to_bytes()).quiet_success();
        assert!(
            lines.contains("signed with") && lines.contains("missing: 1 node, 0 records"),
            "{lines}"
        );
    }
}

#[test]
fn a_signature_that_does_not_hold_is_an_answer_of_no() {
    let (key, other) = (SigningKey::k256(SECRET), SigningKey::k256(&[8; 32]));
    let repo = signed(&key);
    let no = |repo: &Repo, key: &SigningKey, reason: &str| {
        let car = repo.to_bytes(Order::Pds);
        for more in [&[][..], &["--partial"], &["--json"], &["--quiet"]] {
            let run = run_on([&["verify", "--key", &key.did_key()], more].concat(), &car);
            assert_eq!(run.stdout, "");
            let error = run.one_error(1);
            assert!(error.contains(reason) && error.contains(&key.did_key()), "{error}");
        }
    };
    no(&repo, &other, "the signature is not of this key and these bytes");
    no(&repo, &SigningKey::p256(SECRET), "the signature is not of this key and these bytes");
    // The made-up signature of the sample, and a commit that was changed after it was signed.
    no(&sample(), &key, "signature");
    let mut changed = repo.clone();
    changed.commit = changed.commit.set("rev", Value::text("3l4zyhoqkbk2d"));
    no(&changed, &key, "the signature is not of this key and these bytes");
    for key in [SigningKey::p256(SECRET), SigningKey::k256(SECRET)] {
        let mut twin = signed(&key);
        twin.commit = with_high_s(&key, twin.commit);
        no(&twin, &key, "signature with a high s");
    }
}

/// The other signature that says the same: (r, n - s) in place of (r, s).
fn with_high_s(key: &SigningKey, commit: Commit) -> Commit {
    let order: [u8; 32] = match key {
        SigningKey::P256(_) => {
            *b"\xff\xff\xff\xff\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\
            \xbc\xe6\xfa\xad\xa7\x17\x9e\x84\xf3\xb9\xca\xc2\xfc\x63\x25\x51"
        }
        SigningKey::K256(_) => {
            *b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe\
            \xba\xae\xdc\xe6\xaf\x48\xa0\x3b\xbf\xd2\x5e\x8c\xd0\x36\x41\x41"
        }
    };
    let fields = commit.to_value(&Cid::dag_cbor(b""));
    let Some(Value::Bytes(signature)) = fields.get("sig") else { panic!("no signature") };
    let (r, s) = signature.split_at(32);
    let mut borrow = 0;
    let mut high: Vec<u8> = order
        .iter()
        .zip(s)
        .rev()
        .map(|(order, s)| {
            let digit = i16::from(*order) - i16::from(*s) - borrow;
            borrow = i16::from(digit < 0);
            digit.rem_euclid(256) as u8
        })
        .collect();
    high.reverse();
    commit.set("sig", Value::Bytes([r, &high].concat()))
}

#[test]
fn malformed_keys_are_usage_errors() {
    let car = sample().to_bytes(Order::Pds);
    let key = SigningKey::k256(SECRET).did_key();
    let cut = &key[..key.len() - 1];
    for malformed in [
        "",
        "z",
        DID,
        cut,
        &format!("{key}1"),
        &key.replace(":z", ":m"),
        &format!("did:key:{key}"),
        "z6Mkf5rGM",
    ] {
        let run = run_on(["verify", "--key", malformed], &car);
        assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""), "{malformed}");
        assert!(run.stderr.starts_with("error: invalid value"), "{run:?}");
    }
}
