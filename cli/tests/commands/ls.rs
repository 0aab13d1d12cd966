//! `carwalk ls`: lines, JSON, and what it does about gaps and odd keys.

use crate::harness;
use std::iter;

use crate::harness::{TempCar, contains, run_on, tool};
use carwalk_testkit::breakage::{sample, sample_keys};
use carwalk_testkit::car::Car;
use carwalk_testkit::cases;
use carwalk_testkit::random;
use carwalk_testkit::repo::{Order, Repo};
use carwalk_testkit::rng::Rng;
use serde_json::json;

const HOSTILE: &[u8] = b"com.example.test/\x1b[31m\n\xff\"";

#[test]
fn lines_are_path_tab_cid_in_key_order() {
    for seed in 0..cases(5) {
        let random = random::repo(seed, 60);
        let lines = random.records.iter().map(|(path, record)| {
            let path = String::from_utf8(path.clone()).unwrap();
            (format!("{path}\t{}", record.cid), record.bytes.len())
        });
        let lines: Vec<_> = lines.collect();
        let short: String = lines.iter().map(|(line, _)| format!("{line}\n")).collect();
        let long: String = lines.iter().map(|(line, len)| format!("{line}\t{len}\n")).collect();
        assert_eq!(run_on(["ls"], &random.car).quiet_success(), short);
        assert_eq!(run_on(["ls", "-l"], &random.car).quiet_success(), long);
        assert_eq!(run_on(["ls", "--long", "--partial"], &random.car).quiet_success(), long);
    }
}

#[test]
fn one_collection_can_be_kept() {
    let paths = ["com.example.a/1", "com.example.a/2", "com.example.ab/1", "com.example.b/1"];
    let repo = Repo::sample(paths);
    let car = repo.to_bytes(Order::Pds);
    let listed =
        |nsid: &str| run_on(["ls", "--collection", nsid], &car).quiet_success().lines().count();
    assert_eq!(listed("com.example.a"), 2);
    assert_eq!(listed("com.example.ab"), 1);
    assert_eq!(listed("com.example.abc"), 0);
}

#[test]
fn what_is_no_collection_is_a_usage_error() {
    for name in [
        "",
        "com.example",
        "com.example.a/",
        "com.example.a/1",
        "com..a",
        "com.example.\u{e9}",
        "*",
        "1.a.b",
    ] {
        let run = harness::run(["ls", "no/such.car", "--collection", name]);
        assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""), "{name}");
        assert!(run.stderr.contains("expected an NSID such as app.bsky.feed.post; "), "{run:?}");
    }
}

/// The keys of a listing.
fn keys(listing: &str) -> Vec<&str> {
    listing.lines().map(|line| line.split('\t').next().unwrap()).collect()
}

/// The parts of a range: `--from`, `--to`, `--prefix`, `--collection`.
type Parts<'a> = [Option<&'a str>; 4];

/// The command line for a range.
fn ls(parts: Parts<'_>) -> Vec<String> {
    let names = ["--from", "--to", "--prefix", "--collection"];
    let given =
        names.iter().zip(parts).filter_map(|(name, part)| Some(format!("{name}={}", part?)));
    iter::once("ls".to_owned()).chain(given).collect()
}

/// Whether the parts keep a key.
fn keeps([from, to, prefix, collection]: Parts<'_>, key: &str) -> bool {
    from.is_none_or(|from| key >= from)
        && to.is_none_or(|to| key < to)
        && prefix.is_none_or(|prefix| key.starts_with(prefix))
        && collection.is_none_or(|nsid| key.split('/').next() == Some(nsid))
}

#[test]
fn ranges_list_what_all_parts_keep() {
    let paths = [
        "com.example.a/1",
        "com.example.a/12",
        "com.example.a/2",
        "com.example.ab/1",
        "com.example.b/1",
    ];
    let bounds = [
        "",
        "com.example.a",
        "com.example.a/",
        "com.example.a/1",
        "com.example.a/12",
        "com.example.a0",
        "d",
    ];
    let bounds: Vec<_> = [None].into_iter().chain(bounds.map(Some)).collect();
    let car = Repo::sample(paths).to_bytes(Order::Pds);
    let mut random = Rng::new(1);
    let mut refused = 0;
    let rounds = cases(40);
    for _ in 0..rounds {
        let collection = *random.pick(&[None, Some("com.example.a"), Some("com.example.c")]);
        let parts =
            [*random.pick(&bounds), *random.pick(&bounds), *random.pick(&bounds), collection];
        let run = run_on(ls(parts), &car);
        if is_empty(parts) {
            let error = run.one_error(2);
            assert_eq!(
                error,
                "error: no key can be in the range: its options contradict each other\n"
            );
            refused += 1;
            continue;
        }
        let expected: Vec<_> = paths.iter().copied().filter(|key| keeps(parts, key)).collect();
        assert_eq!(keys(&run.quiet_success()), expected, "{parts:?}");
    }
    assert!((rounds / 8..rounds).contains(&refused), "{refused} of {rounds}");
    // It is told before anything is read.
    for range in [["--from=b", "--to=a"], ["--from=a", "--to=a"], ["--prefix=a", "--prefix=b"]] {
        assert_eq!(harness::run([&["ls", "no/such.car"], &range[..]].concat()).code, Some(2));
    }
}

/// Whether no key at all is kept, be it in the repository or not. If any is, so is the last of
/// those bounds that keys begin at.
fn is_empty(parts: Parts<'_>) -> bool {
    let collection = parts[3].map(|nsid| format!("{nsid}/"));
    let bounds = [parts[0], parts[2], collection.as_deref()].into_iter().flatten();
    !keeps(parts, bounds.max().unwrap_or(""))
}

#[test]
fn ranges_need_only_what_is_in_them() {
    let (repo, paths) = (sample(), sample_keys());
    let paths: Vec<_> = paths.into_iter().map(|key| String::from_utf8(key).unwrap()).collect();
    // The leaf with keys 6 and 7 hangs below two empty nodes; the record is that of key 2.
    let leaf = repo
        .root
        .blocks()
        .into_iter()
        .find(|(_, block)| contains(block, paths[6].as_bytes()))
        .unwrap()
        .0;
    let mut car = repo.to_car(Order::Preorder);
    car.remove(&leaf);
    car.remove(&repo.entries()[2].1);
    let car = car.to_bytes();
    let (mut complete, mut gaps) = (0, 0);
    for from in 0..paths.len() {
        for to in from + 1..paths.len() {
            let parts = [Some(&*paths[from]), Some(&*paths[to]), None, None];
            let run = run_on(ls(parts), &car);
            let has_record = (from..to).contains(&2);
            // What the leaf hides lies between keys 5 and 8.
            let has_gap = from < 8 && to > 5;
            if !has_record && !has_gap {
                assert_eq!(keys(&run.quiet_success()), paths[from..to]);
                complete += 1;
                continue;
            }
            let first = if has_record { 2 } else { 6.max(from) };
            assert_eq!(keys(&run.stdout), paths[from..first]);
            let error = run.one_error(4);
            assert!(
                error.contains(if has_record { &*paths[2] } else { "hides keys between" }),
                "{error}"
            );
            let partial = run_on([ls(parts), vec!["--partial".to_owned()]].concat(), &car);
            assert_eq!(partial.code, Some(0));
            assert_eq!(
                partial.stderr.contains("missing subtree"),
                has_gap,
                "{from} {to} {partial:?}"
            );
            assert_eq!(partial.stderr.contains("missing records: 1"), has_record);
            gaps += 1;
        }
    }
    assert_eq!((complete, gaps), (9, 46));
}

#[test]
fn json_is_one_object_a_line() {
    let repo = Repo::sample(["com.example.test/self"]);
    let (car, cid) = (repo.to_bytes(Order::Pds), repo.entries()[0].1);
    let len = repo.records[&cid].bytes.len();
    let line = |more: serde_json::Value| {
        let mut line = json!({
            "path": "com.example.test/self", "collection": "com.example.test", "rkey": "self", "cid": cid.to_string(),
        });
        line.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        vec![line]
    };
    assert_eq!(run_on(["ls", "--json"], &car).json(), line(json!({})));
    assert_eq!(run_on(["ls", "--json", "-l"], &car).json(), line(json!({ "size": len })));
    assert_eq!(
        run_on(["ls", "--json", "--partial"], &car).json(),
        line(json!({ "present": true }))
    );
    let mut gap = Car::parse(&car).unwrap();
    gap.remove(&cid);
    let listed = run_on(["ls", "--json", "--partial", "-l"], &gap.to_bytes());
    assert_eq!(listed.stderr, "missing records: 1\n");
    assert_eq!(listed.json(), line(json!({ "size": null, "present": false })));
}

#[test]
fn missing_record_ends_the_listing_with_its_key() {
    let (repo, keys) = (sample(), sample_keys());
    let mut car = repo.to_car(Order::Pds);
    car.remove(&repo.entries()[4].1);
    let run = run_on(["ls"], &car.to_bytes());
    assert_eq!(run.stdout.lines().count(), 4);
    let error = run.one_error(4);
    let key = String::from_utf8(keys[4].clone()).unwrap();
    assert!(error.contains("its block is missing") && error.contains(&key), "{error}");
    assert!(error.ends_with(" (see --partial)\n"), "{error}");

    let partial = run_on(["ls", "-l", "--partial"], &car.to_bytes());
    assert_eq!((partial.code, partial.stderr.as_str()), (Some(0), "missing records: 1\n"));
    let sizes: Vec<_> =
        partial.stdout.lines().map(|line| line.rsplit('\t').next().unwrap()).collect();
    assert_eq!(sizes.iter().filter(|size| **size == "-").count(), 1);
    assert_eq!((sizes.len(), sizes[4]), (11, "-"));
}

#[test]
fn missing_node_ends_the_listing_with_its_interval() {
    let (repo, keys) = (sample(), sample_keys());
    let key = |number: usize| String::from_utf8(keys[number].clone()).unwrap();
    // The leaf with keys 6 and 7 hangs below two empty nodes.
    let leaf = repo.root.blocks().into_iter().find(|(_, block)| contains(block, &keys[6])).unwrap();
    let mut car = repo.to_car(Order::Preorder);
    car.remove(&leaf.0);
    let hidden = format!("keys between \"{}\" and \"{}\"", key(5), key(8));
    let run = run_on(["ls"], &car.to_bytes());
    assert_eq!(run.stdout.lines().count(), 6);
    let error = run.one_error(4);
    assert!(error.contains(&hidden), "{error}");

    let partial = run_on(["ls", "--partial"], &car.to_bytes());
    assert_eq!(partial.code, Some(0));
    assert_eq!(partial.stderr, format!("missing subtree: node {} hides {hidden}\n", leaf.0));
    assert_eq!(partial.stdout.lines().count(), 9);
}

#[test]
fn damaged_blocks_are_passed_over_on_request() {
    let (repo, keys) = (sample(), sample_keys());
    let leaf =
        repo.root.blocks().into_iter().find(|(_, block)| contains(block, &keys[6])).unwrap().0;
    let record = repo.entries()[10].1;
    let mut car = repo.to_car(Order::Preorder);
    for cid in [leaf, record] {
        let index = car.index_of(&cid);
        *car.sections[index].data.last_mut().unwrap() ^= 1;
    }
    let whole = run_on(["ls"], &car.to_bytes());
    assert_eq!(whole.stdout, "");
    assert!(whole.one_error(3).contains("its bytes hash to"));
    let partial = run_on(["ls", "--partial", "--json"], &car.to_bytes());
    let notes: Vec<_> = partial.stderr.lines().collect();
    assert!(notes[0].starts_with(&format!("bad subtree: node {leaf} at byte ")), "{notes:?}");
    assert!(notes[0].contains("; hides keys between "), "{notes:?}");
    assert!(notes[1].starts_with(&format!("bad record: record {record} at byte ")), "{notes:?}");
    assert_eq!(notes.len(), 2);
    let lines = partial.json();
    assert_eq!((lines.len(), &lines[8]["present"]), (9, &json!(false)));
}

#[test]
fn hostile_keys_are_refused_or_escaped() {
    let car = Repo::sample([&b"com.example.test/a"[..], HOSTILE]).to_bytes(Order::Preorder);
    let escaped = "com.example.test/\\x1b[31m\\n\\xff\\\"";
    let file = TempCar::new(&car);
    let run = file.run(&["ls"]);
    assert_eq!(run.code, Some(3));
    assert!(run.stdout.starts_with("com.example.test/a\t") && run.stdout.lines().count() == 1);
    let notes: Vec<&str> = run.stderr.lines().collect();
    assert!(notes[0].starts_with("invalid path: ") && notes[0].contains(escaped), "{notes:?}");
    assert!(notes[1].ends_with(": 1 key is not a repo path") && notes.len() == 2, "{notes:?}");

    let listed = file.run(&["ls", "--partial"]).quiet_success();
    assert!(listed.lines().next().unwrap().starts_with(escaped), "{listed}");
    assert_eq!(listed.lines().count(), 2);
    let lines = file.run(&["ls", "--partial", "--json"]).json();
    assert_eq!((&lines[0]["path"], &lines[0]["collection"]), (&json!(escaped), &json!(null)));
    assert_eq!(
        file.run(&["ls", "--partial", "--collection", "com.example.test"])
            .quiet_success()
            .lines()
            .count(),
        1
    );
}

#[test]
#[cfg(unix)]
fn hostile_file_names_are_escaped() {
    let file = TempCar::named("odd \u{1b}[2J\n.car", b"");
    let error = file.run(&["ls"]).one_error(3);
    assert!(
        error.contains("/odd \\u{1b}[2J\\n.car\": CAR header at byte 0: the input is empty"),
        "{error}"
    );
}

#[test]
fn a_cut_car_is_listed_up_to_the_cut_and_the_rest_is_named() {
    let car = sample().to_car(Order::Preorder);
    let (bytes, offsets) = (car.to_bytes(), car.offsets());
    let whole = run_on(["ls"], &bytes).quiet_success();
    let last = offsets[offsets.len() - 1];
    let cut = &bytes[..last + 10];
    run_on(["ls"], cut).one_error(3);
    for args in [["ls", "--partial"], ["inspect", "--json"]] {
        let run = run_on(args, cut);
        assert_eq!(run.code, Some(0));
        let fault =
            format!("damaged from here on: section at byte {last}: the input ends in the middle: ");
        assert!(run.stderr.starts_with(&fault), "{}", run.stderr);
        let file = TempCar::new(cut);
        let by_file = tool().args(args).arg(file.path()).output().unwrap();
        assert_eq!(String::from_utf8(by_file.stdout).unwrap(), run.stdout);
        assert_eq!(String::from_utf8(by_file.stderr).unwrap(), run.stderr);
    }
    let inspected = run_on(["inspect", "--json"], cut).json();
    assert!(inspected[0]["fault"].as_str().unwrap().starts_with("section at byte"));
    let run = run_on(["ls", "--partial"], cut);
    assert_eq!(run.stdout, whole);
    assert!(run.stderr.ends_with("missing records: 1\n"), "{}", run.stderr);
}

#[test]
fn a_file_that_cannot_be_mapped_is_read() {
    // The length of such a file is known, but its system maps nothing.
    let path = "/sys/kernel/mm/transparent_hugepage/enabled";
    if std::fs::metadata(path).is_ok_and(|metadata| metadata.len() > 0) {
        let output = tool().args(["ls", path]).output().unwrap();
        assert_eq!(output.status.code(), Some(3), "{output:?}");
    }
}
