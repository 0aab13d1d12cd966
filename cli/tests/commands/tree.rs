//! `carwalk tree`: every node once, closed subtrees, and the search path of one key.

use std::collections::HashSet;

use crate::escape::is_harmful;
use crate::harness::{Run, TempCar, each_way, run, run_on};
use carwalk_testkit::breakage::{self, sample, sample_keys};
use carwalk_testkit::car::Car;
use carwalk_testkit::cases;
use carwalk_testkit::cid::Cid;
use carwalk_testkit::key;
use carwalk_testkit::random;
use carwalk_testkit::repo::{Order, Repo};
use carwalk_testkit::tree::Node;

/// What is printed of a tree, by a plain recursion over its model.
struct Expected<'a> {
    /// Most links between the root and a node that is printed.
    depth: usize,
    /// The missing nodes.
    missing: &'a HashSet<Cid>,
    lines: String,
}

impl Expected<'_> {
    fn of(repo: &Repo, depth: usize, missing: &[Cid]) -> String {
        let missing = missing.iter().copied().collect();
        let mut expected = Expected { depth, missing: &missing, lines: String::new() };
        let height = repo.root.entries.first().map_or(0, |entry| key::layer(&entry.key));
        expected.add(&repo.root, height, 0);
        expected.lines
    }

    fn add(&mut self, node: &Node, layer: u8, depth: usize) {
        let line = |rest: &str| format!("{}{layer} {} {rest}\n", "  ".repeat(depth), node.cid());
        if depth > self.depth {
            self.lines += &line("(not shown)");
            return;
        }
        if self.missing.contains(&node.cid()) {
            self.lines += &line("(missing)");
            return;
        }
        self.lines += &line(&entries(node));
        for link in node.links().filter_map(|link| link.node()) {
            self.add(link, layer - 1, depth + 1);
        }
    }
}

fn entries(node: &Node) -> String {
    let keys: Vec<_> = node.entries.iter().map(|entry| entry.key.escape_ascii()).collect();
    match &keys[..] {
        [] => "0 entries".to_owned(),
        [key] => format!("1 entry {key}"),
        [first, .., last] => format!("{} entries {first} .. {last}", keys.len()),
    }
}

/// The nodes on the way to a key, from the root.
fn path<'r>(repo: &'r Repo, key: &[u8]) -> Vec<&'r Node> {
    let mut path = vec![&repo.root];
    let mut layer = key::layer(&repo.root.entries[0].key);
    while layer > key::layer(key) {
        let node = path[path.len() - 1];
        let before = node.entries.iter().take_while(|entry| entry.key[..] < *key).last();
        let Some(next) = before.map_or(&node.left, |entry| &entry.tree).node() else { break };
        path.push(next);
        layer -= 1;
    }
    path
}

fn path_lines(repo: &Repo, key: &[u8]) -> String {
    let height = usize::from(key::layer(&repo.root.entries[0].key));
    let nodes = path(repo, key).into_iter().enumerate();
    nodes
        .map(|(depth, node)| {
            format!("{}{} {} {}\n", "  ".repeat(depth), height - depth, node.cid(), entries(node))
        })
        .collect()
}

/// The sample without some blocks.
fn without(cids: &[Cid]) -> Vec<u8> {
    let mut car = sample().to_car(Order::Preorder);
    cids.iter().for_each(|cid| car.remove(cid));
    car.to_bytes()
}

/// Asks for a key in a file and in a pipe. Both must say the same.
#[track_caller]
fn sought(car: &[u8], key: &[u8]) -> Run {
    let piped = run_on(["tree", "-", text(key)], car);
    let file = TempCar::new(car);
    for more in [&["tree"][..], &["tree", "--no-mmap"]] {
        let run = file.run_with(more, &[text(key)]);
        let stderr = run.stderr.replace(&format!("{:?}", file.name()), "standard input");
        assert_eq!(Run { stderr, ..run }, piped);
    }
    piped
}

fn text(key: &[u8]) -> &str {
    std::str::from_utf8(key).unwrap()
}

#[test]
fn every_node_is_a_line() {
    let whole = each_way(&["tree"], &without(&[])).quiet_success();
    assert_eq!(whole, Expected::of(&sample(), 9, &[]));
    assert_eq!(whole.lines().count(), sample().root.blocks().len());
    assert!(whole.contains(" 0 entries\n") && whole.contains(" 1 entry "), "{whole}");
    for seed in 0..cases(5) {
        let random = random::repo(seed, 60);
        let expected = Expected::of(&random.repo, 99, &[]);
        assert_eq!(each_way(&["tree"], &random.car).quiet_success(), expected);
        assert_eq!(run_on(["tree", "--memory-limit=0"], &random.car).stdout, expected);
    }
    let empty = Repo::sample([b""; 0]);
    let line = format!("0 {} 0 entries\n", empty.root.cid());
    assert_eq!(each_way(&["tree"], &empty.to_bytes(Order::Preorder)).quiet_success(), line);
}

#[test]
fn depth_closes_subtrees() {
    let car = without(&[]);
    for depth in 0..5 {
        let printed = run_on(["tree", "--depth", &depth.to_string()], &car).quiet_success();
        assert_eq!(printed, Expected::of(&sample(), depth, &[]));
        assert_eq!(printed.contains("(not shown)"), depth < 3, "{printed}");
    }
    // A node that is not shown need not be there.
    let missing = sample().root.blocks()[1].0;
    let printed = run_on(["tree", "--depth", "0"], &without(&[missing])).quiet_success();
    assert_eq!(printed, Expected::of(&sample(), 0, &[]));
}

#[test]
fn missing_nodes_are_marked_and_records_are_not_needed() {
    let repo = sample();
    let records: Vec<_> = repo.entries().into_iter().map(|(_, cid)| cid).collect();
    let whole = each_way(&["tree"], &without(&records)).quiet_success();
    assert_eq!(whole, Expected::of(&repo, 9, &[]));
    let nodes: Vec<_> = repo.root.blocks().into_iter().map(|(cid, _)| cid).collect();
    for missing in &nodes[1..] {
        let printed = each_way(&["tree"], &without(&[*missing])).quiet_success();
        assert_eq!(printed, Expected::of(&repo, 9, &[*missing]));
        assert!(printed.contains(&format!("{missing} (missing)\n")));
    }
    let printed = each_way(&["tree"], &without(&nodes[..1])).quiet_success();
    assert_eq!(printed, format!("? {} (missing)\n", nodes[0]));
}

#[test]
fn bad_nodes_are_marked_and_named() {
    let (repo, keys) = (sample(), sample_keys());
    let leaf = path(&repo, &keys[6])[3].cid();
    let mut car = repo.to_car(Order::Preorder);
    let index = car.index_of(&leaf);
    *car.sections[index].data.last_mut().unwrap() ^= 1;
    let run = each_way(&["tree"], &car.to_bytes());
    assert_eq!(run.code, Some(0));
    let expected = Expected::of(&repo, 9, &[leaf]).replace("(missing)", "(bad)");
    assert_eq!(run.stdout, expected);
    assert!(run.stderr.starts_with(&format!("bad subtree: node {leaf} at byte ")), "{run:?}");
    assert!(run.stderr.contains("; hides keys between ") && run.stderr.lines().count() == 1);
    // On the way to a key it is an error.
    let run = sought(&car.to_bytes(), &keys[7]);
    assert!(run.stdout.ends_with(&format!("{leaf} (bad)\n")), "{run:?}");
    assert!(run.one_error(3).contains(&format!(": node {leaf} at byte ")));
    let found = sought(&car.to_bytes(), &keys[5]).quiet_success();
    assert!(found.contains("\npresent "), "{found}");
}

#[test]
fn a_cut_car_is_printed_up_to_the_cut() {
    let car = sample().to_car(Order::Preorder);
    let (bytes, last) = (car.to_bytes(), *car.offsets().last().unwrap());
    let run = each_way(&["tree"], &bytes[..last + 10]);
    assert_eq!((run.code, run.stdout), (Some(0), Expected::of(&sample(), 9, &[])));
    assert!(run.stderr.starts_with(&format!("damaged from here on: section at byte {last}: ")));
}

#[test]
fn breakages_end_nothing_but_the_car() {
    for breakage in breakage::each_rule() {
        let car = breakage.make().broken;
        let key = text(&sample_keys()[7]).to_owned();
        for args in [&["tree"][..], &["tree", "--depth=1"], &["tree", "-", &key]] {
            let run = run_on(args, &car);
            assert!(matches!(run.code, Some(0 | 1 | 3 | 4)), "{breakage:?} {run:?}");
            let all = [run.stdout, run.stderr].concat().replace('\n', "");
            assert!(!all.contains(is_harmful), "{breakage:?}: {all}");
        }
    }
}

#[test]
fn the_way_to_a_key_ends_with_its_cid() {
    let repo = sample();
    let records: Vec<_> = repo.entries().into_iter().map(|(_, cid)| cid).collect();
    let car = TempCar::new(&without(&records));
    for (key, cid) in repo.entries() {
        let printed = car.run_with(&["tree"], &[text(&key)]).quiet_success();
        assert_eq!(printed, format!("{}present {cid}\n", path_lines(&repo, &key)));
    }
    assert_eq!(path(&repo, &sample_keys()[7]).len(), 4);
}

#[test]
fn absent_keys_are_proven_by_the_nodes_on_the_way() {
    let (repo, keys) = (sample(), sample_keys());
    let mut lens = HashSet::new();
    for layer in 0..5 {
        for pair in keys.windows(2) {
            let absent = key::between(&pair[0], &pair[1], layer);
            let way: HashSet<_> = path(&repo, &absent).iter().map(|node| node.cid()).collect();
            lens.insert(way.len());
            // Only these nodes are in the CAR.
            let others = repo.root.blocks().into_iter().map(|(cid, _)| cid);
            let others: Vec<_> = others.filter(|cid| !way.contains(cid)).collect();
            let car = without(&others);
            let run = sought(&car, &absent);
            assert_eq!(run.stdout, format!("{}absent\n", path_lines(&repo, &absent)));
            let error = run.one_error(1);
            let key = text(&absent);
            assert!(error.ends_with(&format!(": there is no record {key}: the tree proves it\n")));
        }
    }
    assert!(lens.contains(&1) && lens.contains(&4), "{lens:?}");
}

#[test]
fn a_missing_node_on_the_way_is_unknown() {
    let (repo, keys) = (sample(), sample_keys());
    let way = path(&repo, &keys[6]);
    for (depth, node) in way.iter().enumerate() {
        let run = sought(&without(&[node.cid()]), &keys[6]);
        let lines = path_lines(&repo, &keys[6]);
        let before: String = lines.lines().take(depth).map(|line| format!("{line}\n")).collect();
        let layer = if depth == 0 { "?".to_owned() } else { (3 - depth).to_string() };
        let indent = "  ".repeat(depth);
        let expected = format!("{before}{indent}{layer} {} (missing)\nunknown\n", node.cid());
        assert_eq!(run.stdout, expected);
        let error = run.one_error(4);
        assert!(error.contains(": cannot tell whether there is a record "), "{error}");
        assert!(error.contains(&format!("{} is missing, which hides ", node.cid())), "{error}");
    }
}

#[test]
fn keys_that_are_no_paths_are_escaped_and_can_be_asked_for() {
    let hostile: &[u8] = b"com.example.test/\x1b[31m\n\xff\"";
    let repo = Repo::sample([b"com.example.test/a", hostile]);
    let car = TempCar::new(&repo.to_bytes(Order::Preorder));
    let printed = car.run(&["tree"]).quiet_success();
    assert_eq!(printed, Expected::of(&repo, 9, &[]));
    assert!(printed.contains(r#"com.example.test/\x1b[31m\n\xff\""#), "{printed}");
    let found = car.run_with(&["tree"], &[r#"com.example.test/\x1b[31m\n\xff\""#]).quiet_success();
    assert!(found.contains("\npresent "), "{found}");
    let error = car.run_with(&["tree"], &[r"no \x1b"]).one_error(1);
    assert!(error.contains(r"there is no record no \x1b: "), "{error}");
}

#[test]
fn an_at_uri_names_the_account() {
    let (repo, keys) = (sample(), sample_keys());
    let car = TempCar::new(&repo.to_bytes(Order::Preorder));
    let object = car.run(&["inspect", "--json"]).json().remove(0);
    let uri = |did: &str| format!("at://{did}/{}", text(&keys[0]));
    let own = uri(object["did"].as_str().unwrap());
    let found = car.run_with(&["tree"], &[&own]).quiet_success();
    assert_eq!(found, car.run_with(&["tree"], &[text(&keys[0])]).quiet_success());
    let other = car.run_with(&["tree"], &[&uri("did:plc:other")]);
    assert_eq!(other.stdout, "");
    assert!(other.one_error(3).contains("expected did:plc:other"));
    let bare = car.run_with(&["tree", "--bare-tree"], &[&own]).one_error(2);
    assert_eq!(bare, "error: a bare tree is of no account: give collection/rkey\n");
}

#[test]
fn wrong_keys_and_depths_are_usage_errors() {
    let long = "a".repeat(1025);
    for more in [
        &["", ""][..],
        &["a.car", ""],
        &["a.car", r"\q"],
        &["a.car", &long],
        &["a.car", "at://example.com/a/b"],
        &["a.car", "at://did:plc:a/b"],
        &["a.car", "a/b", "--depth=1"],
        &["a.car", "a/b", "c/d"],
        &["a.car", "--depth=-1"],
        &["a.car", "--depth=all"],
        &["a.car", "--collection=com.example.test"],
    ] {
        let run = run([&["tree"], more].concat());
        assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""), "{more:?} {run:?}");
    }
    // The longest key is asked for.
    let car = TempCar::new(&Car::parse(&without(&[])).unwrap().to_bytes());
    assert_eq!(car.run_with(&["tree"], &[&long[1..]]).code, Some(1));
}
