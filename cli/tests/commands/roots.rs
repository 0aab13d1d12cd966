//! Roots that are not the commit of a repository: each has a sentence of its own.

use carwalk_testkit::car::{self, Car};
use carwalk_testkit::cbor::Value;
use carwalk_testkit::cid::Cid;
use carwalk_testkit::repo::{Order, Record, Repo};

use crate::harness::{COMMANDS, each_way, run_on};

fn repo() -> Repo {
    Repo::sample(["com.example.test/one", "com.example.test/two"])
}

/// The repository's blocks under other roots.
fn with_roots(roots: &[Cid]) -> Vec<u8> {
    let mut car = repo().to_car(Order::Preorder);
    car.set_header(car::header(roots));
    car.to_bytes()
}

/// A CAR with this block as its first root, and the repository's blocks before it.
fn with_root(block: &[u8]) -> (Vec<u8>, String) {
    let root = Cid::dag_cbor(block);
    let mut car = repo().to_car(Order::Preorder);
    car.set_header(car::header(&[root, repo().commit_cid()]));
    car.push(root, block);
    let place = format!("commit {root} at byte {}", car.offset_of(&root));
    (car.to_bytes(), place)
}

#[track_caller]
fn assert_says(code: i32, car: &[u8], message: &str) {
    for command in COMMANDS {
        for more in [&[][..], &["--memory-limit=0"]] {
            let run = each_way(&[command, more].concat(), car);
            let stderr = run.stderr.lines().filter(|line| !line.starts_with("warning: the folder"));
            let stderr = stderr.map(|line| format!("{line}\n")).collect();
            let error = crate::harness::Run { stderr, ..run }.one_error(code);
            assert_eq!(error, format!("error: standard input: {message}\n"), "{command:?}");
        }
    }
}

#[test]
fn the_repository_itself_is_read() {
    assert_eq!(run_on(["verify", "-q"], &repo().to_bytes(Order::Preorder)).code, Some(0));
}

#[test]
fn a_record_is_named_with_its_type() {
    let says = |name: &str| {
        format!(
            "the root is a record of type {name}, not a commit: this CAR proves nothing; \
             com.atproto.sync.getRecord returns a record with its proof"
        )
    };
    for (name, told) in [
        ("app.bsky.feed.post", "\"app.bsky.feed.post\""),
        ("a\u{202e}\u{1b}[31m\"", "\"a\\u{202e}\\u{1b}[31m\\\"\""),
    ] {
        let fields = [("text", Value::text("hello")), ("$type", Value::text(name))];
        let (car, place) = with_root(&Value::map(fields).encode());
        assert_says(3, &car, &format!("{place}: {}", says(told)));
    }
}

#[test]
fn other_blocks_are_not_a_commit() {
    let says = |place: &str, what: &str| {
        format!(
            "{place}: the root is not a commit, but {what}: this CAR proves nothing; \
             com.atproto.sync.getRepo returns a repository"
        )
    };
    for (block, what) in [
        (
            Value::map([("text", Value::text("hello"))]).encode(),
            "a map without the fields of a commit",
        ),
        (b"\xa0".to_vec(), "a map without the fields of a commit"),
        (b"\x82\x01\x02".to_vec(), "a list"),
        (b"\x65hello".to_vec(), "a value that is not a map"),
    ] {
        let (car, place) = with_root(&block);
        assert_says(3, &car, &says(&place, what));
    }
    // With one of the fields it is a commit without the others.
    let (car, place) =
        with_root(&Value::map([("did", Value::text("did:plc:aaaaaaaaaaaaaaaaaaaaaaaa"))]).encode());
    assert_says(3, &car, &format!("{place}: field `version` is missing"));
    let root = Cid::raw(b"hello");
    let mut car = repo().to_car(Order::Preorder);
    car.set_header(car::header(&[root]));
    car.push(root, b"hello");
    assert_says(3, &car.to_bytes(), &says("CAR header at byte 0", "a raw block"));
}

#[test]
fn a_node_is_a_bare_tree() {
    let repo = repo();
    let root = repo.root.cid();
    let car = with_roots(&[root]);
    let at = repo.to_car(Order::Preorder).offset_of(&root);
    let message = format!(
        "commit {root} at byte {at}: the root is a node of a tree, not a commit: the CAR holds a \
         bare tree, which no account signed (see `carwalk ls --bare-tree`); \
         com.atproto.sync.getRepo returns the repository"
    );
    assert_says(3, &car, &message);
}

#[test]
fn a_commit_of_a_permissioned_space_is_not_supported() {
    let fields = |names: &[&str]| {
        Value::map(names.iter().map(|&name| (name, Value::Bytes(vec![7; 32])))).encode()
    };
    let (car, place) = with_root(&fields(&["ikm", "rev", "sig", "ver", "hash"]));
    let error = each_way(&["ls"], &car).one_error(3);
    let message = "the root is the commit of the repository of a permissioned space, which needs \
                   another tool: carwalk reads public repositories only";
    assert_eq!(error, format!("error: standard input: {place}: {message}\n"));
    let (car, _) = with_root(&fields(&["ikm", "ver", "hash"]));
    assert!(each_way(&["ls"], &car).one_error(3).contains(message));
    // As the second root.
    let (first, second) =
        (Value::map([("a", Value::text("b"))]).encode(), fields(&["ikm", "ver", "hash"]));
    let blocks = [first, second].map(|block| (Cid::dag_cbor(&block), block));
    let roots = [blocks[0].0, blocks[1].0];
    let mut swapped = Car::new(&roots);
    for (cid, block) in &blocks {
        swapped.push(*cid, block);
    }
    let place = format!("commit {} at byte {}", roots[0], swapped.offset_of(&roots[0]));
    assert_says(3, &swapped.to_bytes(), &format!("{place}: {message}"));
    swapped.set_header(car::header(&roots[..1]));
    let error = each_way(&["ls"], &swapped.to_bytes()).one_error(3);
    assert!(error.contains("a map without the fields of a commit"), "{error}");
    let (car, _) = with_root(&fields(&["ikm", "ver"]));
    assert!(!each_way(&["ls"], &car).one_error(3).contains("permissioned"));
}

#[test]
fn no_root_is_a_response_of_get_blocks() {
    let message = "CAR header at byte 0: the header names no root: this is usually a response \
                   of com.atproto.sync.getBlocks, which proves nothing; com.atproto.sync.getRepo \
                   and getRecord return CARs with a commit";
    assert_says(3, &with_roots(&[]), message);
    assert_says(3, &Car::new(&[]).to_bytes(), message);
}

#[test]
fn a_header_without_blocks() {
    let root = repo().commit_cid();
    let header = Car::new(&[root]).to_bytes();
    let message = format!(
        "commit {root}: the CAR has a header and no blocks: it was cut, or nothing is newer than \
         the revision asked for with `since`; download it again without `since`"
    );
    assert_says(4, &header, &message);
    assert_says(4, &crate::compressed::gzip(&header), &message);
    // With blocks, but not the commit's.
    let other = with_roots(&[Record::sample(b"other").cid]);
    let error = each_way(&["ls"], &other).one_error(4);
    assert!(error.ends_with(": its block is missing: not a repository, or only a part of one\n"));
}
