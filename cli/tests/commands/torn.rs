//! Torn snapshots: the tree of the root's commit is missing in part, an older one is complete.

use crate::harness::{TempCar, each_way, run_on};
use carwalk_testkit::car::Car;
use carwalk_testkit::cbor::Value;
use carwalk_testkit::cid::Cid;
use carwalk_testkit::repo::{Order, Repo};
use serde_json::json;

const OLD: &str = "3l4zyhoqkbk2c";
const NEW: &str = "3l4zyhoqkbk2d";
const PATHS: [&str; 3] = ["com.example.a/1", "com.example.a/2", "com.example.b/1"];

fn at(rev: &str, paths: &[&str]) -> Repo {
    let mut repo = Repo::sample(paths);
    repo.commit = repo.commit.set("rev", Value::text(rev));
    repo
}

fn old() -> Repo {
    at(OLD, &PATHS[..2])
}

fn new() -> Repo {
    at(NEW, &PATHS)
}

/// The CAR of a repository with all blocks of others.
fn with(repo: &Repo, others: &[Repo]) -> Car {
    let mut car = repo.to_car(Order::Preorder);
    for (cid, block) in others.iter().flat_map(|other| other.blocks(Order::Preorder)) {
        if !car.sections.iter().any(|section| section.cid == cid.as_bytes()) {
            car.push(cid, &block);
        }
    }
    car
}

/// The new repository without its root node, and the old one.
fn torn() -> Vec<u8> {
    let mut car = with(&new(), &[old()]);
    car.remove(&new().root.cid());
    car.to_bytes()
}

fn commit_of(repo: &Repo) -> String {
    repo.commit_cid().to_string()
}

#[test]
fn inspect_lists_the_commits_of_a_torn_snapshot() {
    let text = each_way(&["inspect"], &torn()).quiet_success();
    let lines = format!(
        "\nCommits: 2\n  {}: revision {NEW}, opened, partial, 0 records; missing: 1 node, 0 records\n  \
         {}: revision {OLD}, complete, 2 records\n",
        commit_of(&new()),
        commit_of(&old())
    );
    assert!(text.contains(&lines), "{text}");
    let object = each_way(&["inspect", "--json"], &torn()).json().remove(0);
    let found = [0, 1].map(|at| {
        let commit = &object["commits"][at];
        ["commit", "rev", "opened", "complete", "missing_nodes"].map(|name| commit[name].clone())
    });
    let expected = [
        [json!(commit_of(&new())), json!(NEW), json!(true), json!(false), json!(1)],
        [json!(commit_of(&old())), json!(OLD), json!(false), json!(true), json!(0)],
    ];
    assert_eq!(found, expected);
}

#[test]
fn commits_are_listed_where_there_are_several_or_the_tree_is_partial() {
    let several = with(&new(), &[old()]).to_bytes();
    let text = each_way(&["inspect"], &several).quiet_success();
    assert!(text.contains(&format!("revision {NEW}, opened, complete, 3 records\n")), "{text}");
    let mut partial = new().to_car(Order::Preorder);
    partial.remove(&new().entries()[1].1);
    let text = each_way(&["inspect"], &partial.to_bytes()).quiet_success();
    let line = "opened, partial, 2 records; missing: 0 nodes, 1 record\n";
    assert!(text.contains("\nCommits: 1\n") && text.contains(line), "{text}");
    let mut stray = new().to_car(Order::Preorder);
    stray.push_block(b"\xf6");
    for car in [new().to_bytes(Order::Pds), stray.to_bytes()] {
        let text = each_way(&["inspect"], &car).quiet_success();
        assert!(!text.contains("Commits"), "{text}");
    }
}

#[test]
fn errors_name_the_commit_whose_tree_is_complete() {
    let hint = format!(
        "; the tree of another commit, revision {OLD}, is complete (see --commit {})\n",
        commit_of(&old())
    );
    let commands: [&[&str]; 4] =
        [&["ls"], &["verify"], &["verify", "--json"], &["ls", "--prefix=com.example.a"]];
    for args in commands {
        let error = each_way(args, &torn()).one_error(4);
        assert!(error.starts_with("error: standard input: node "), "{error}");
        assert!(error.ends_with(&hint), "{error}");
    }
    let file = TempCar::new(&torn());
    let error = file.run_with(&["get"], &[PATHS[0]]).one_error(4);
    assert!(error.contains("cannot tell") && error.ends_with(&hint), "{error}");
    let proof = format!("{}.proof", file.name());
    let error = file.run_with(&["prove", "-o", &proof], &[PATHS[0]]).one_error(4);
    assert!(error.ends_with(&hint), "{error}");
    let error = file.run_with(&["pack", "-o", &proof], &[]).one_error(4);
    assert!(error.ends_with(&hint), "{error}");
    let error = file.run_with(&["pack", "-o", &proof], &[file.name()]).one_error(4);
    assert!(error.contains(" and 1 more: node ") && error.ends_with(&hint), "{error}");
    for command in ["ls", "verify"] {
        let partial = each_way(&[command, "--partial"], &torn());
        assert_eq!(partial.code, Some(0), "{partial:?}");
        assert!(partial.stderr.contains(&format!("--commit {}", commit_of(&old()))), "{partial:?}");
    }
}

#[test]
fn errors_name_no_commit_that_does_not_help() {
    let mut missing = vec![at(OLD, &PATHS[..2])];
    missing[0].commit = missing[0].commit.clone().set("did", Value::text("did:web:example.com"));
    let mut both = with(&new(), &[old()]);
    both.remove(&new().root.cid());
    both.remove(&old().entries()[0].1);
    let mut alone = new().to_car(Order::Preorder);
    alone.remove(&new().root.cid());
    let mut stranger = with(&new(), &missing);
    stranger.remove(&new().root.cid());
    for car in [both, alone, stranger] {
        let error = each_way(&["ls"], &car.to_bytes()).one_error(4);
        assert!(!error.contains("--commit"), "{error}");
    }
}

#[test]
fn a_commit_can_be_chosen() {
    let chosen = commit_of(&old());
    for args in [&["ls"][..], &["ls", "--json"], &["ls", "--partial"]] {
        let of_old = each_way(args, &old().to_bytes(Order::Preorder)).quiet_success();
        let listed = each_way(&[args, &["--commit", &chosen]].concat(), &torn()).quiet_success();
        assert_eq!(listed, of_old);
    }
    let text = each_way(&["verify", "--commit", &chosen], &torn()).quiet_success();
    assert!(text.contains(&format!(" at {OLD}\n")), "{text}");
    let text = each_way(&["inspect", "--commit", &chosen], &torn()).quiet_success();
    assert!(text.contains(&format!("{chosen}: revision {OLD}, opened, complete")), "{text}");
    let file = TempCar::new(&torn());
    file.run_with(&["get", "--commit", &chosen], &[PATHS[0]]).quiet_success();
    file.run_with(&["get", "--commit", &chosen], &[PATHS[2]]).one_error(1);

    let kept = format!("{}.kept", file.name());
    file.run(&["ls", "--keep", &kept, "--commit", &chosen]).quiet_success();
    let listed = run_on(["ls", "--kept", &kept, "--commit", &chosen], b"").quiet_success();
    assert_eq!(listed.lines().count(), 2);
}

#[test]
fn what_is_no_commit_of_the_car_is_refused() {
    let other = Cid::dag_cbor(b"another commit").to_string();
    let error = each_way(&["ls", "--commit", &other], &torn()).one_error(4);
    let message =
        "the CAR does not have this block (`carwalk inspect` prints the CID of each commit)";
    assert_eq!(error, format!("error: standard input: commit {other}: {message}\n"));
    let (node, record) = (old().root.cid().to_string(), old().entries()[0].1.to_string());
    for cid in [node, record] {
        let error = each_way(&["ls", "--commit", &cid], &torn()).one_error(3);
        assert!(error.contains(&cid) && error.contains("`carwalk inspect` prints"), "{error}");
        assert!(!error.contains("the root is") && !error.contains("bare tree"), "{error}");
    }
    let raw = Cid::raw(b"").to_string();
    for malformed in ["", "3l4zyhoqkbk2c", &other[1..], &raw] {
        let run = run_on(["ls", "--commit", malformed], &torn());
        assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""), "{malformed}");
    }
}

#[test]
fn many_commits_are_counted_and_a_few_walked() {
    let olds: Vec<_> = (0..40_u8)
        .map(|number| at(&format!("3l4zyhoqkb{}2c", char::from(b'a' + number % 26)), &PATHS[..2]))
        .zip(0_u8..)
        .map(|(mut repo, number)| {
            repo.commit = repo.commit.set("prev", Value::Link(Cid::dag_cbor(&[number])));
            repo
        })
        .collect();
    let mut car = with(&new(), &olds);
    car.remove(&new().root.cid());
    let text = each_way(&["inspect"], &car.to_bytes()).quiet_success();
    assert!(text.contains("\nCommits: 41\n") && text.contains("\n  and 25 more\n"), "{text}");
    assert_eq!(text.matches(": revision ").count(), 16);
    let object = each_way(&["inspect", "--json"], &car.to_bytes()).json().remove(0);
    assert_eq!(object["more_commits"], json!(25));
}

/// Revision `number` with a tree of its own.
fn numbered(number: u8) -> Repo {
    let [high, low] = [number / 26, number % 26].map(|number| char::from(b'a' + number));
    let rev = format!("3l4zyhoqk{high}{low}2c");
    at(&rev, &[PATHS[0], &format!("com.example.c/{number}")])
}

#[test]
fn the_newest_complete_commit_is_named_wherever_it_is() {
    let newest = 39;
    for order in [(0..40).collect::<Vec<_>>(), (0..40).rev().collect()] {
        let repos: Vec<_> = order.into_iter().map(numbered).collect();
        let mut car = with(&new(), &repos);
        car.remove(&new().root.cid());
        let error = each_way(&["ls"], &car.to_bytes()).one_error(4);
        let name = format!("(see --commit {})\n", commit_of(&numbered(newest)));
        assert!(error.ends_with(&name), "{error}");
    }
}

/// A hundred commits with one tree, which is partial, do not hide an older one.
#[test]
fn commits_with_the_same_tree_count_once() {
    let partial: Vec<_> = (0..100_u8)
        .map(|number| {
            let mut repo = at("3l4zyhoqkbk2e", &PATHS[1..]);
            repo.commit = repo.commit.set("prev", Value::Link(Cid::dag_cbor(&[number])));
            repo
        })
        .collect();
    for others in [[&partial[..], &[old()]].concat(), [&[old()], &partial[..]].concat()] {
        let mut car = with(&new(), &others);
        car.remove(&new().root.cid());
        car.remove(&partial[0].root.cid());
        let error = each_way(&["ls"], &car.to_bytes()).one_error(4);
        assert!(error.ends_with(&format!("(see --commit {})\n", commit_of(&old()))), "{error}");
    }
}

#[test]
fn the_opened_commit_is_listed_wherever_it_is() {
    let mut car = with(&new(), &(0..40).map(numbered).collect::<Vec<_>>());
    let opened = car.index_of(&new().commit_cid());
    let section = car.sections.remove(opened);
    car.sections.push(section);
    let text = each_way(&["inspect"], &car.to_bytes()).quiet_success();
    let line = format!("\n  {}: revision {NEW}, opened, complete, 3 records\n", commit_of(&new()));
    assert!(text.contains("\nCommits: 41\n") && text.contains(&line), "{text}");
    assert!(text.contains("\n  and 24 more\n"), "{text}");
    let object = each_way(&["inspect", "--json"], &car.to_bytes()).json().remove(0);
    assert_eq!(object["commits"][16]["opened"], json!(true));
    assert_eq!(object["more_commits"], json!(24));
}

#[test]
fn a_complete_commit_is_named_if_records_are_missing() {
    let mut car = with(&new(), &[old()]);
    car.remove(&new().entries()[2].1);
    let bytes = car.to_bytes();
    let hint = format!(
        "the tree of another commit, revision {OLD}, is complete (see --commit {})\n",
        commit_of(&old())
    );
    for command in ["ls", "verify"] {
        let error = each_way(&[command], &bytes).one_error(4);
        assert!(error.starts_with("error: standard input: record ") && error.ends_with(&hint));
        let partial = each_way(&[command, "--partial"], &bytes);
        assert_eq!(partial.code, Some(0));
        assert!(partial.stderr.ends_with(&hint), "{partial:?}");
    }
    let error = TempCar::new(&bytes).run_with(&["get"], &[PATHS[2]]).one_error(4);
    assert!(error.contains("its block") && error.ends_with(&hint), "{error}");
}
