//! `carwalk pack`: one CAR in pre-order, from one or several, and what was left out of it.

use std::collections::HashSet;
use std::fs;

use crate::compressed::gzip;
use crate::harness::{Run, TempCar, export, run, run_bytes, run_on};
use carwalk_testkit::breakage::{sample, sample_keys};
use carwalk_testkit::car::Car;
use carwalk_testkit::cbor::Value;
use carwalk_testkit::cid::Cid;
use carwalk_testkit::export::Order as ExportOrder;
use carwalk_testkit::repo::{Order, Record, Repo};
use carwalk_testkit::{breakage, tid};

const NOTHING: &str = "left out: 0 blocks (0 bytes), 0 repeats\n";

/// Packs CARs to standard output.
fn pack<S: AsRef<str>>(args: &[S]) -> Run<Vec<u8>> {
    let args = args.iter().map(AsRef::as_ref);
    run_bytes(["pack", "-o", "-"].into_iter().chain(args), b"")
}

#[track_caller]
fn assert_packed(run: Run<Vec<u8>>, expected: &[u8], left_out: &str) {
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), left_out));
    assert!(run.stdout == expected);
}

/// Asserts an error that names this file, and an output that is not a whole CAR.
#[track_caller]
fn assert_refused(run: Run<Vec<u8>>, code: i32, file: &str) -> String {
    assert_eq!(run.code, Some(code), "{}", run.stderr);
    assert!(run.stderr.starts_with(&format!("error: {file:?}")), "{}", run.stderr);
    assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
    run.stderr
}

#[test]
fn every_order_of_blocks_is_packed_the_same() {
    let repo = sample();
    let expected = repo.to_bytes(Order::Preorder);
    for order in Order::ALL {
        let file = TempCar::new(&repo.to_bytes(order));
        assert_packed(pack(&[file.name()]), &expected, NOTHING);
        for options in [&["--no-mmap"][..], &["--memory-limit", "0"], &["--repeats"]] {
            assert_packed(pack(&[options, &[file.name()]].concat()), &expected, NOTHING);
        }
    }
    let piped = run_bytes(["pack", "-o", "-"], &repo.to_bytes(Order::Reversed));
    assert_packed(piped, &expected, NOTHING);
    let compressed = TempCar::new(&gzip(&repo.to_bytes(Order::Reversed)));
    assert_packed(pack(&[compressed.name()]), &expected, NOTHING);
    let packed = TempCar::new(&expected);
    assert_packed(pack(&[packed.name()]), &expected, NOTHING);
    assert!(packed.run(&["inspect"]).quiet_success().contains("pre-order"));
}

#[test]
fn what_was_left_out_is_counted() {
    let shared = Record::sample(b"com.example.test/shared");
    let mut records: Vec<_> =
        sample_keys().into_iter().map(|key| (key.clone(), Record::sample(&key))).collect();
    records[1].1 = shared.clone();
    records[4].1 = shared.clone();
    records[7].1 = shared;
    let repo = Repo::new(records);
    let expected = repo.to_bytes(Order::Preorder);
    let mut car = repo.to_car(Order::PreorderRepeating);
    let repeated = run_bytes(["pack", "-o", "-"], &car.to_bytes());
    assert_packed(repeated, &expected, "left out: 0 blocks (0 bytes), 2 repeats\n");
    let all = run_bytes(["pack", "-o", "-", "--repeats"], &car.to_bytes());
    assert_packed(all, &car.to_bytes(), NOTHING);

    let before = car.to_bytes().len();
    for len in [0, 10, 300] {
        car.push_block(&Value::Bytes(vec![7; len]).encode());
    }
    let bytes = car.to_bytes().len() - before;
    // A repeated block is the same block, whether it is needed or not.
    car.sections.push(car.sections[0].clone());
    car.sections.push(car.sections[car.sections.len() - 2].clone());
    car.shuffle(3);
    let left_out = format!("left out: 3 blocks ({bytes} bytes), 2 repeats\n");
    let file = TempCar::new(&car.to_bytes());
    for options in
        [&[][..], &["--no-mmap"], &["--memory-limit=0"], &["--no-mmap", "--memory-limit=0"]]
    {
        assert_packed(pack(&[options, &[file.name()]].concat()), &expected, &left_out);
    }
}

#[test]
fn a_range_is_listed_from_its_pack_as_from_the_whole() {
    let repo = sample();
    let file = TempCar::new(&repo.to_bytes(Order::Pds));
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("part.car").to_str().unwrap().to_owned();
    let keys: Vec<String> =
        sample_keys().into_iter().map(|key| String::from_utf8(key).unwrap()).collect();
    let collection = keys[0].split('/').next().unwrap().to_owned();
    let ranges: [&[&str]; 3] = [
        &["--collection", &collection],
        &["--from", &keys[2], "--to", &keys[5]],
        &["--prefix", "com.", "--to", &keys[4]],
    ];
    for range in ranges {
        let made = run([&["pack", file.name(), "-o", &out, "--force"], range].concat());
        assert_eq!((made.code, made.stdout.as_str()), (Some(0), ""), "{made:?}");
        let (listed, whole) = (
            run([&["ls", "-l", &out], range].concat()).quiet_success(),
            run([&["ls", "-l", file.name()], range].concat()).quiet_success(),
        );
        assert!(!whole.is_empty() && listed == whole);
        // The blocks that were not written, with their sections.
        let (all, part) = (fs::read(file.path()).unwrap(), fs::read(&out).unwrap());
        let sections = |car: &[u8]| Car::parse(car).unwrap().sections.len();
        let (blocks, bytes) = (sections(&all) - sections(&part), all.len() - part.len());
        let plural = |count: usize| if count == 1 { "" } else { "s" };
        let expected = format!(
            "left out: {blocks} block{} ({bytes} byte{}), 0 repeats\n",
            plural(blocks),
            plural(bytes)
        );
        assert_eq!(made.stderr, expected);
    }
    run(["pack", file.name(), "-o", &out, "--from", "b", "--to", "a"]).one_error(2);
}

/// Blocks that a walk requests before it needs them are needed later.
#[test]
fn the_counts_are_exact_where_blocks_are_requested_ahead() {
    let car = export(8_000, ExportOrder::Pds);
    let file = TempCar::new(&car);
    let whole = Car::parse(&car).unwrap();
    let cids = |car: &Car| car.sections.iter().map(|section| section.cid.clone()).collect();
    let all: HashSet<Vec<u8>> = cids(&whole);
    for options in [
        &["--collection", "app.bsky.feed.post"][..],
        &["--collection", "app.bsky.feed.like", "--no-mmap"],
        &["--from", "app.bsky.feed.like/", "--to", "app.bsky.feed.post/3l", "--memory-limit=0"],
        &["--prefix", "app.bsky.feed.post/3"],
        &["--no-records"],
        &[],
    ] {
        let packed = pack(&[options, &[file.name()]].concat());
        let part = Car::parse(&packed.stdout).unwrap();
        let written: HashSet<Vec<u8>> = cids(&part);
        assert!(written.is_subset(&all) && part.sections.len() == written.len());
        let bytes = |car: &Car, cids: &HashSet<Vec<u8>>| -> usize {
            let sections = car.sections.iter().filter(|section| cids.contains(&section.cid));
            sections.map(carwalk_testkit::car::Section::len).sum()
        };
        let (blocks, bytes) =
            (all.len() - written.len(), bytes(&whole, &all) - bytes(&whole, &written));
        let start = format!("left out: {blocks} blocks ({bytes} bytes), ");
        assert!(packed.stderr.starts_with(&start), "{options:?}: {}{start}", packed.stderr);
    }
}

#[test]
fn records_are_not_needed_without_them() {
    let repo = sample();
    let mut nodes = repo.to_car(Order::Preorder);
    nodes.sections.retain(|section| !repo.records.keys().any(|cid| section.cid == cid.as_bytes()));
    let nodes = nodes.to_bytes();
    let file = TempCar::new(&nodes);
    assert_packed(pack(&["--no-records", file.name()]), &nodes, NOTHING);
    assert_refused(pack(&[file.name()]), 4, file.name());
    let whole = TempCar::new(&repo.to_bytes(Order::Pds));
    assert!(pack(&["--no-records", whole.name()]).stdout == nodes);
}

#[test]
fn a_bare_tree_is_packed_without_a_commit() {
    let repo = sample();
    let mut car = Car::new(&[repo.root.cid()]);
    car.sections = repo.to_car(Order::Preorder).sections.split_off(1);
    let expected = car.to_bytes();
    car.shuffle(5);
    let file = TempCar::new(&car.to_bytes());
    assert_packed(pack(&["--bare-tree", file.name()]), &expected, NOTHING);
    let error = assert_refused(pack(&[file.name()]), 3, file.name());
    assert!(error.contains("node of a tree, not a commit"), "{error}");
    // Nor is a commit a node.
    let whole = TempCar::new(&repo.to_bytes(Order::Pds));
    assert_refused(pack(&["--bare-tree", whole.name()]), 3, whole.name());
    // Another CAR adds blocks.
    let mut half = Car::parse(&expected).unwrap();
    let mut rest = half.clone();
    rest.sections = half.sections.split_off(7);
    let (half, rest) = (TempCar::new(&half.to_bytes()), TempCar::new(&rest.to_bytes()));
    let both = pack(&["--bare-tree", half.name(), rest.name()]);
    assert_packed(both, &expected, NOTHING);
}

/// A revision of a repository.
fn revision(paths: &[&str], number: u64) -> Repo {
    let mut repo = Repo::sample(paths);
    let rev = tid::text(tid::number(1_700_000_000_000_000 + number, 0));
    repo.commit = repo.commit.set("rev", Value::text(rev));
    repo
}

/// The blocks of a revision that an older one does not have.
fn since(old: &Repo, new: &Repo) -> Car {
    let known: HashSet<Cid> = old.blocks(Order::Preorder).into_iter().map(|(cid, _)| cid).collect();
    let mut car = new.to_car(Order::Pds);
    car.sections.retain(|section| !known.contains(&Cid::from_bytes(&section.cid).unwrap()));
    car
}

const OLD: [&str; 3] = ["com.example.a/1", "com.example.b/1", "com.example.b/2"];
const NEW: [&str; 3] = ["com.example.a/1", "com.example.b/2", "com.example.c/1"];

#[test]
fn a_snapshot_and_later_answers_are_packed_as_the_newest_revision() {
    let (old, new) = (revision(&OLD, 0), revision(&NEW, 1));
    let newest = revision(&NEW[..2], 2);
    let car = |car: Car| TempCar::new(&car.to_bytes());
    let snapshot = TempCar::new(&old.to_bytes(Order::Pds));
    let (one, two) = (car(since(&old, &new)), car(since(&new, &newest)));
    let expected = newest.to_bytes(Order::Preorder);
    for files in [[&snapshot, &one, &two], [&snapshot, &two, &one]] {
        let names = files.map(|file| file.name());
        let packed = pack(&names);
        let sections = |bytes: &[u8]| Car::parse(bytes).unwrap().sections.len();
        let all: usize = files.iter().map(|file| sections(&fs::read(file.path()).unwrap())).sum();
        let blocks = all - sections(&expected);
        assert!(packed.stderr.starts_with(&format!("left out: {blocks} blocks (")), "{packed:?}");
        assert!(packed.code == Some(0) && packed.stdout == expected);
        for options in [&["--no-mmap"][..], &["--memory-limit=0"]] {
            assert!(pack(&[options, &names].concat()).stdout == expected);
        }
    }
    // One of them may come from standard input.
    for names in [["-", one.name()], [snapshot.name(), "-"]] {
        let input = fs::read(if names[0] == "-" { snapshot.path() } else { one.path() }).unwrap();
        let packed = run_bytes([&["pack", "-o", "-"][..], &names].concat(), &input);
        assert!(packed.stdout == new.to_bytes(Order::Preorder), "{}", packed.stderr);
    }
    let error = run(["pack", "-o", "-", "-", one.name(), "-"]).one_error(2);
    assert_eq!(error, "error: standard input can be read only once\n");
    // An older commit, by its CID.
    let commit = old.commit_cid().to_string();
    let packed = pack(&["--commit", &commit, snapshot.name(), one.name()]);
    assert!(packed.stdout == old.to_bytes(Order::Preorder), "{}", packed.stderr);
}

#[test]
fn a_later_car_may_have_only_a_header() {
    let old = revision(&OLD, 0);
    let snapshot = TempCar::new(&old.to_bytes(Order::Pds));
    let unchanged = TempCar::new(&Car::new(&[old.commit_cid()]).to_bytes());
    let packed = pack(&[snapshot.name(), unchanged.name()]);
    assert_packed(packed, &old.to_bytes(Order::Preorder), NOTHING);
    let unknown = TempCar::new(&Car::new(&[revision(&NEW, 1).commit_cid()]).to_bytes());
    let error = assert_refused(pack(&[snapshot.name(), unknown.name()]), 4, unknown.name());
    assert!(error.contains(": commit baf") && error.contains("its block is missing"), "{error}");
    let error = assert_refused(pack(&[unknown.name()]), 4, unknown.name());
    assert!(error.contains("the CAR has a header and no blocks"), "{error}");
}

#[test]
fn cars_that_are_not_one_repository_are_refused_by_name() {
    let (old, new) = (revision(&OLD, 0), revision(&NEW, 1));
    let mut other = revision(&NEW, 1);
    other.commit = other.commit.set("did", Value::text("did:web:example.com"));
    let fork = revision(&NEW[..1], 1);
    let [old, new, other, fork] =
        [old, new, other, fork].map(|repo| TempCar::new(&repo.to_bytes(Order::Pds)));
    assert_eq!(pack(&[old.name(), new.name(), new.name()]).code, Some(0));
    let refused = |files: [&TempCar; 3], input: usize| {
        let name = files[input].name();
        let error = assert_refused(pack(&files.map(|file| file.name())), 3, name);
        assert!(!error.contains("input "), "{error}");
        error
    };
    let error = refused([&old, &new, &other], 2);
    assert!(error.contains("the commit is by did:web:example.com, expected did:plc:"), "{error}");
    let error = refused([&new, &old, &new], 1);
    assert!(error.contains("the commit has revision") && error.contains("before"), "{error}");
    let error = refused([&old, &new, &fork], 2);
    assert!(error.contains("and so has commit baf"), "{error}");
}

#[test]
fn a_bad_car_is_refused_by_name_and_leaves_no_file() {
    let (old, new) = (revision(&OLD, 0), revision(&NEW, 1));
    let snapshot = TempCar::new(&old.to_bytes(Order::Pds));
    let answer = since(&old, &new);
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.car").to_str().unwrap().to_owned();
    let refused = |name: &str, code: i32| {
        let error = run(["pack", "-o", &out, snapshot.name(), name]).one_error(code);
        assert!(fs::read_dir(&folder).unwrap().next().is_none(), "{error}");
        error
    };
    let whole = answer.to_bytes();
    for cut in [10, 61, whole.len() - 1] {
        let file = TempCar::new(&whole[..cut]);
        assert!(refused(file.name(), 3).contains(file.name()), "{cut}");
    }
    let mut damaged = whole.clone();
    *damaged.last_mut().unwrap() ^= 1;
    let file = TempCar::new(&damaged);
    assert!(refused(file.name(), 3).contains(file.name()));
    assert!(refused("no/such.car", 5).starts_with("error: cannot open \"no/such.car\""));
    // Without one of its blocks, which no other CAR has either.
    let mut partial = answer;
    partial.remove(&new.root.cid());
    let file = TempCar::new(&partial.to_bytes());
    let error = refused(file.name(), 4);
    let both = format!("error: {:?} and 1 more: node {}", snapshot.name(), new.root.cid());
    assert!(error.starts_with(&both), "{error}");
    let usage = run(["pack", "-o", &out, "--keep", &out, snapshot.name(), file.name()]);
    assert_eq!(usage.one_error(2), "error: --keep needs a single CAR\n");
}

#[test]
fn trees_that_break_a_rule_are_not_packed() {
    for name in ["key_twice", "leaf_absent", "hash_of_record", "prefix_not_maximal"] {
        let case = breakage::case(name);
        assert_eq!(run_bytes(["pack", "-o", "-"], &case.valid).code, Some(0), "{name}");
        let code = if name == "leaf_absent" { 4 } else { 3 };
        let broken = run_bytes(["pack", "-o", "-"], &case.broken);
        assert_eq!(broken.code, Some(code), "{name}: {}", broken.stderr);
    }
}

#[test]
fn an_existing_file_stays_unless_forced_also_if_it_is_the_input() {
    let repo = sample();
    let (before, after) = (repo.to_bytes(Order::Reversed), repo.to_bytes(Order::Preorder));
    let file = TempCar::new(&before);
    let error = run(["pack", file.name(), "-o", file.name()]).one_error(2);
    assert!(error.ends_with(": it exists already (see --force)\n"), "{error}");
    assert!(fs::read(file.path()).unwrap() == before);
    // The mapped file stays until the new one has its name.
    let made = run(["pack", file.name(), "-o", file.name(), "--force"]);
    assert_eq!((made.code, made.stderr.as_str()), (Some(0), NOTHING));
    assert!(fs::read(file.path()).unwrap() == after);
    assert_eq!(
        fs::read_dir(file.path().to_str().map(std::path::Path::new).unwrap().parent().unwrap())
            .unwrap()
            .count(),
        1
    );
}

#[test]
fn kept_spill_files_are_packed_too() {
    let repo = sample();
    let file = TempCar::new(&repo.to_bytes(Order::Pds));
    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().join("kept").to_str().unwrap().to_owned();
    run(["ls", "--keep", &kept, file.name()]).quiet_success();
    assert_packed(pack(&["--kept", &kept]), &repo.to_bytes(Order::Preorder), NOTHING);
    // And made.
    let other = folder.path().join("other").to_str().unwrap().to_owned();
    let packed = pack(&["--keep", &other, file.name()]);
    assert_packed(packed, &repo.to_bytes(Order::Preorder), NOTHING);
    assert_eq!(
        run(["ls", "--kept", &other]).quiet_success(),
        run_on(["ls", file.name()], b"").quiet_success()
    );
}

#[test]
fn spilled_cars_are_named_on_request() {
    let file = TempCar::new(&sample().to_bytes(Order::Pds));
    for (options, what) in [(&["--no-mmap"][..], "the CAR"), (&[], "the index")] {
        let packed = pack(&[options, &["-v", "--memory-limit=0", file.name()]].concat());
        assert!(packed.stderr.contains(&format!("spilled {what}: ")), "{}", packed.stderr);
    }
}
