//! Trees without a commit (`--bare-tree`), and listings without records (`--no-records`).

use crate::compressed::{gzip, zstd};
use crate::harness::{TempCar, contains, each_way, run, run_on};
use carwalk_testkit::breakage::{sample, sample_keys};
use carwalk_testkit::car::{self, Car};
use carwalk_testkit::cases;
use carwalk_testkit::cid::Cid;
use carwalk_testkit::random;
use carwalk_testkit::repo::{Order, Repo};
use serde_json::json;

/// Commands that read a tree.
const COMMANDS: [&[&str]; 8] = [
    &["ls"],
    &["ls", "-l", "--partial"],
    &["ls", "--json"],
    &["ls", "--records"],
    &["ls", "--no-records"],
    &["ls", "--prefix", "app."],
    &["tree"],
    &["tree", "--depth=1"],
];

/// A CAR with another root.
fn with_root(bytes: &[u8], root: Cid) -> Vec<u8> {
    let mut car = Car::parse(bytes).unwrap();
    car.set_header(car::header(&[root]));
    car.to_bytes()
}

/// The repository's CAR without its commit, with the root of the tree as its root.
fn bare(repo: &Repo, bytes: &[u8]) -> Vec<u8> {
    let mut car = Car::parse(&with_root(bytes, repo.root.cid())).unwrap();
    car.remove(&repo.commit_cid());
    car.to_bytes()
}

#[test]
fn a_bare_tree_is_read_like_that_of_a_commit() {
    for seed in 0..cases(4) {
        let random = random::repo(seed, 60);
        let bare = bare(&random.repo, &random.car);
        for command in COMMANDS {
            let expected = run_on(command, &random.car);
            // Some records are raw bytes, which `ls --records` reports.
            let code = if command.contains(&"--records") { expected.code } else { Some(0) };
            assert!(expected.code == code && !expected.stdout.is_empty(), "{command:?}");
            let args = [command, &["--bare-tree"]].concat();
            assert_eq!(each_way(&args, &bare), expected, "{command:?}");
            assert_eq!(run_on(&args, &gzip(&bare)), expected, "{command:?}");
            assert_eq!(run_on(&args, &zstd(&bare)), expected, "{command:?}");
            let spilled = each_way(&[&args[..], &["--memory-limit=0"]].concat(), &bare);
            assert_eq!((spilled.code, &spilled.stdout), (code, &expected.stdout));
        }
    }
}

#[test]
fn a_key_is_sought_in_a_bare_tree() {
    let (repo, keys) = (sample(), sample_keys());
    let car = repo.to_bytes(Order::Preorder);
    let bare = TempCar::new(&bare(&repo, &car));
    let whole = TempCar::new(&car);
    for key in &keys {
        let key = std::str::from_utf8(key).unwrap();
        let found = bare.run_with(&["tree", "--bare-tree"], &[key]);
        assert_eq!(found, whole.run_with(&["tree"], &[key]));
        assert_eq!(found.code, Some(0));
    }
    assert!(bare.run_with(&["tree", "--bare-tree"], &["a/b"]).one_error(1).contains("no record"));
}

#[test]
fn the_message_about_a_bare_tree_names_the_option() {
    let repo = sample();
    let car = repo.to_bytes(Order::Preorder);
    let bare = TempCar::new(&bare(&repo, &car));
    for command in [&["ls"][..], &["pack", "-o", "-"]] {
        let error = bare.run(command).one_error(3);
        let command = error.split('`').nth(1).unwrap();
        let args: Vec<_> = command.strip_prefix("carwalk ").unwrap().split(' ').collect();
        assert_eq!(bare.run(&args).quiet_success(), run_on(["ls"], &car).quiet_success());
    }
}

#[test]
fn a_commit_is_not_a_bare_tree() {
    let repo = sample();
    let car = repo.to_bytes(Order::Preorder);
    for command in COMMANDS {
        let error = each_way(&[command, &["--bare-tree"]].concat(), &car).one_error(3);
        let told = format!(
            "the first root {} is a commit, not a node of a tree: leave out --bare-tree\n",
            repo.commit_cid()
        );
        assert!(error.ends_with(&told), "{error}");
    }
    // Other blocks are not nodes either.
    for (key, cid) in &repo.entries()[..1] {
        let other = with_root(&car, *cid);
        let error = each_way(&["ls", "--bare-tree"], &other).one_error(3);
        assert!(error.contains(&format!(": node {cid} at byte ")), "{key:?} {error}");
        let printed = each_way(&["tree", "--bare-tree"], &other);
        assert_eq!((printed.code, printed.stdout), (Some(0), format!("? {cid} (bad)\n")));
    }
    let raw = with_root(&car, Cid::raw(b"raw"));
    let error = each_way(&["ls", "--bare-tree"], &raw);
    assert!(matches!(error.code, Some(3 | 4)), "{error:?}");
}

#[test]
fn a_missing_root_is_a_missing_block() {
    let repo = sample();
    let mut car = Car::parse(&bare(&repo, &repo.to_bytes(Order::Preorder))).unwrap();
    let root = repo.root.cid();
    car.remove(&root);
    for bytes in [car.to_bytes(), Car::new(&[root]).to_bytes()] {
        let error = each_way(&["ls", "--bare-tree"], &bytes).one_error(4);
        assert!(error.contains(&format!("node {root}: its block is missing")), "{error}");
        let printed = each_way(&["tree", "--bare-tree"], &bytes).quiet_success();
        assert_eq!(printed, format!("? {root} (missing)\n"));
    }
    let none = each_way(&["ls", "--bare-tree"], &Car::new(&[]).to_bytes()).one_error(3);
    assert!(none.contains("the header names no root"), "{none}");
}

#[test]
fn a_cut_bare_tree_is_never_a_complete_listing() {
    let repo = sample();
    let bytes = bare(&repo, &repo.to_bytes(Order::Preorder));
    let whole = run_on(["ls", "--bare-tree"], &bytes).quiet_success();
    for len in (0..bytes.len()).step_by(carwalk_testkit::step(31)) {
        let run = run_on(["ls", "--bare-tree"], &bytes[..len]);
        assert!(matches!(run.code, Some(3 | 4)) && run.stdout.len() < whole.len(), "{len} {run:?}");
    }
    let cut = each_way(&["ls", "--bare-tree", "--partial"], &bytes[..bytes.len() - 3]);
    assert_eq!((cut.code, &cut.stdout), (Some(0), &whole));
    assert!(cut.stderr.starts_with("damaged from here on: "), "{cut:?}");
}

#[test]
fn limits_and_blocks_are_checked_in_bare_trees_too() {
    let repo = sample();
    let mut car = Car::parse(&bare(&repo, &repo.to_bytes(Order::Preorder))).unwrap();
    let error = each_way(&["ls", "--bare-tree", "--max-block=40"], &car.to_bytes()).one_error(3);
    assert!(error.ends_with(" (see --max-block)\n"), "{error}");
    let error = run_on(["ls", "--bare-tree", "--max-stream=100"], &car.to_bytes()).one_error(3);
    assert!(error.ends_with(" (see --max-stream)\n"), "{error}");
    let last = car.sections.last_mut().unwrap().data.last_mut().unwrap();
    *last ^= 1;
    let error = each_way(&["ls", "--bare-tree"], &car.to_bytes()).one_error(3);
    assert!(error.contains("its bytes hash to"), "{error}");
    let error = each_way(&["ls", "--bare-tree"], b"{\"error\":\"x\"}").one_error(3);
    assert!(error.contains("this is JSON"), "{error}");
}

#[test]
fn options_that_need_a_commit_are_refused() {
    let cid = sample().commit_cid().to_string();
    for command in [&["ls"][..], &["tree"], &["pack", "-o", "no/out.car"]] {
        for option in ["--legacy", "--kept", "--keep=x", &format!("--commit={cid}")] {
            let error = run([command, &["--bare-tree", option, "no/such.car"]].concat());
            let error = error.one_error(2);
            assert_eq!(
                error,
                "error: --bare-tree cannot be combined with --commit, --legacy, --keep or --kept\n"
            );
        }
    }
}

/// The sample without its records.
fn without_records() -> (Car, String) {
    let repo = sample();
    let listed = run_on(["ls"], &repo.to_bytes(Order::Preorder)).quiet_success();
    let mut car = repo.to_car(Order::Preorder);
    repo.entries().iter().for_each(|(_, cid)| car.remove(cid));
    (car, listed)
}

#[test]
fn records_are_not_required_without_them() {
    let (car, listed) = without_records();
    let bytes = car.to_bytes();
    assert!(run_on(["ls"], &bytes).one_error(4).contains("its block is missing"));
    for more in [&[][..], &["--partial"]] {
        let args = [&["ls", "--no-records"], more].concat();
        assert_eq!(each_way(&args, &bytes).quiet_success(), listed);
        let lines = run_on([&args[..], &["--json"]].concat(), &bytes).json();
        let (path, cid) = listed.lines().next().unwrap().split_once('\t').unwrap();
        let (collection, rkey) = path.split_once('/').unwrap();
        let first = json!({ "path": path, "collection": collection, "rkey": rkey, "cid": cid });
        assert_eq!((lines.len(), &lines[0]), (listed.lines().count(), &first));
    }
    // Damaged records are not read either, once the CAR is opened.
    let repo = sample();
    let mut damaged = repo.to_car(Order::Preorder);
    let index = damaged.index_of(&repo.entries()[3].1);
    *damaged.sections[index].data.last_mut().unwrap() ^= 1;
    let partial = run_on(["ls", "--no-records", "--partial"], &damaged.to_bytes());
    assert_eq!(partial.quiet_success(), listed);
    assert_eq!(run_on(["ls", "--no-records"], &damaged.to_bytes()).code, Some(3));
}

#[test]
fn nodes_and_valid_paths_are_required_without_records() {
    let (mut car, listed) = without_records();
    let keys = sample_keys();
    let nodes = sample().root.blocks();
    let leaf = nodes.iter().find(|(_, block)| contains(block, &keys[6])).unwrap().0;
    car.remove(&leaf);
    let run = run_on(["ls", "--no-records"], &car.to_bytes());
    assert!(listed.starts_with(&run.stdout) && run.stdout.lines().count() == 6, "{run:?}");
    assert!(run.one_error(4).contains("which hides keys between "));
    let partial = run_on(["ls", "--no-records", "--partial"], &car.to_bytes());
    assert_eq!((partial.code, partial.stdout.lines().count()), (Some(0), 9));
    assert!(partial.stderr.starts_with(&format!("missing subtree: node {leaf} hides ")));
    assert_eq!(partial.stderr.lines().count(), 1);

    let invalid = Repo::sample(["com.example.test/a", "no path"]).to_bytes(Order::Preorder);
    let run = run_on(["ls", "--no-records"], &invalid);
    assert_eq!(run, run_on(["ls"], &invalid));
    assert_eq!(run.code, Some(3));
}

#[test]
fn options_that_print_records_are_refused_without_them() {
    for option in ["-l", "--long", "--records"] {
        let run = run(["ls", "--no-records", option, "no/such.car"]);
        assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""), "{option}");
        assert!(run.stderr.contains("--no-records"), "{run:?}");
    }
}
