//! `carwalk diff`: two CARs, and rows with a CAR.

use std::collections::{BTreeMap, BTreeSet};

use crate::compressed::{gzip, zstd};
use crate::harness::{Run, TempCar, contains, run, run_on};
use carwalk_testkit::breakage::{self, Fault};
use carwalk_testkit::car;
use carwalk_testkit::cbor::Value;
use carwalk_testkit::cid::Cid;
use carwalk_testkit::repo::{Order, Record, Repo};
use carwalk_testkit::rng::Rng;
use carwalk_testkit::{cases, key, random};

/// A key on layer 1, with keys on layer 0 on both sides of it.
const MIDDLE: &str = "com.example.m/13";
const BEFORE: [&str; 2] = ["com.example.a/1", "com.example.b/2"];
const AFTER: [&str; 2] = ["com.example.x/3", "com.example.x/4"];

/// A repository with records whose content is their path and a number.
fn repo(records: &[(&str, u8)]) -> Repo {
    Repo::new(records.iter().map(|(path, number)| {
        let content = format!("{path} {number}");
        (path.as_bytes().to_vec(), Record::sample(content.as_bytes()))
    }))
}

fn file(repo: &Repo) -> TempCar {
    TempCar::new(&repo.to_bytes(Order::Pds))
}

fn cid_of(repo: &Repo, path: &str) -> Cid {
    repo.entries().into_iter().find(|(key, _)| key == path.as_bytes()).unwrap().1
}

/// The two versions of the example: one record created, one updated, one deleted, two unchanged.
fn versions() -> (Repo, Repo) {
    let [a, b] = BEFORE;
    let [x, z] = AFTER;
    let old = repo(&[(a, 0), (MIDDLE, 0), (x, 0), (z, 0)]);
    let new = repo(&[(a, 0), (b, 0), (MIDDLE, 1), (z, 0)]);
    (old, new)
}

/// The old and the new CAR of a run: files, mapped and read, or one of them in a pipe.
#[track_caller]
fn each_way(args: &[&str], old: &[u8], new: &[u8]) -> Run {
    let (old_file, new_file) = (TempCar::new(old), TempCar::new(new));
    let names = [old_file.name(), new_file.name()];
    let renamed = |run: Run| Run {
        stderr: run
            .stderr
            .replace(&format!("{:?}", names[0]), "OLD")
            .replace(&format!("{:?}", names[1]), "NEW"),
        ..run
    };
    let args = [&["diff"], args].concat();
    let files = renamed(run([&args[..], &names].concat()));
    let read = renamed(run([&args[..], &["--no-mmap"], &names].concat()));
    assert_eq!(read, files);
    let spilled = renamed(run([&args[..], &["--memory-limit=0"], &names].concat()));
    assert_eq!((spilled.code, &spilled.stdout), (files.code, &files.stdout));
    for (piped, input, name) in [(0, old, "OLD"), (1, new, "NEW")] {
        let mut names = names;
        names[piped] = "-";
        let run = renamed(run_on([&args[..], &names].concat(), input));
        let run = Run { stderr: run.stderr.replace("standard input", name), ..run };
        assert_eq!(run, files);
    }
    files
}

/// `diff` of two repositories, each way.
#[track_caller]
fn diff(args: &[&str], old: &Repo, new: &Repo) -> Run {
    each_way(args, &old.to_bytes(Order::Pds), &new.to_bytes(Order::Preorder))
}

/// The lines of text, from the definition.
fn expected(old: &Repo, new: &Repo) -> String {
    let [old, new] = [old, new].map(|repo| repo.entries().into_iter().collect::<BTreeMap<_, _>>());
    let keys: BTreeSet<_> = old.keys().chain(new.keys()).collect();
    let lines = keys.into_iter().filter_map(|key| {
        let path = key.escape_ascii();
        match (old.get(key), new.get(key)) {
            (None, Some(new)) => Some(format!("+\t{path}\t{new}\n")),
            (Some(old), None) => Some(format!("-\t{path}\t{old}\n")),
            (Some(old), Some(new)) if old != new => Some(format!("~\t{path}\t{old}\t{new}\n")),
            _ => None,
        }
    });
    lines.collect()
}

/// Another version of a repository, with some records removed, updated and added.
fn edited(rng: &mut Rng, old: &Repo) -> Repo {
    let mut records: BTreeMap<Vec<u8>, Record> =
        old.entries().into_iter().map(|(key, cid)| (key, old.records[&cid].clone())).collect();
    for _ in 0..rng.below(8) {
        let key = match records.keys().nth(rng.below(records.len() + 1)) {
            Some(key) if rng.chance(2, 3) => key.clone(),
            _ => random::path(rng),
        };
        if rng.chance(1, 3) {
            records.remove(&key);
        } else {
            records.insert(key, Record::sample(&rng.next_u64().to_be_bytes()));
        }
    }
    Repo::new(records)
}

#[test]
fn the_example_has_two_layers() {
    let layers = |keys: &[&str]| keys.iter().map(|path| key::layer(path.as_bytes())).max().unwrap();
    assert_eq!((layers(&BEFORE), layers(&[MIDDLE]), layers(&AFTER)), (0, 1, 0));
}

#[test]
fn changes_are_printed_in_key_order() {
    let (old, new) = versions();
    let ([_, created], [deleted, _]) = (BEFORE, AFTER);
    let (old_middle, new_middle) = (cid_of(&old, MIDDLE), cid_of(&new, MIDDLE));
    let text = format!(
        "+\tcom.example.b/2\t{}\n~\tcom.example.m/13\t{old_middle}\t{new_middle}\n\
         -\tcom.example.x/3\t{}\n",
        cid_of(&new, created),
        cid_of(&old, deleted),
    );
    let found = diff(&[], &old, &new);
    assert_eq!((found.code, found.stderr.as_str()), (Some(1), ""));
    assert_eq!(found.stdout, text);
    assert_eq!(found.stdout, expected(&old, &new));

    let found = diff(&["--json"], &old, &new);
    let json = format!(
        r#"{{"change":"create","path":"com.example.b/2","collection":"com.example.b","rkey":"2","old":null,"new":"{}"}}
{{"change":"update","path":"com.example.m/13","collection":"com.example.m","rkey":"13","old":"{old_middle}","new":"{new_middle}"}}
{{"change":"delete","path":"com.example.x/3","collection":"com.example.x","rkey":"3","old":"{}","new":null}}
"#,
        cid_of(&new, created),
        cid_of(&old, deleted),
    );
    assert_eq!(found, Run { code: Some(1), stdout: json, stderr: String::new() });
}

#[test]
fn equal_trees_have_no_changes() {
    let (old, _) = versions();
    assert_eq!(diff(&[], &old, &old).quiet_success(), "");
    assert_eq!(diff(&["--json"], &old, &old).quiet_success(), "");
    let nodes = r#"{"created_nodes":[],"deleted_nodes":[],"complete":true}"#;
    assert_eq!(diff(&["--json", "--nodes"], &old, &old).quiet_success(), format!("{nodes}\n"));
    let empty = repo(&[]);
    assert_eq!(diff(&[], &empty, &empty).quiet_success(), "");
    assert_eq!(diff(&[], &empty, &old).stdout, expected(&empty, &old));
    // Without the blocks that both have.
    let mut commit = old.to_car(Order::Pds);
    commit.sections.retain(|section| section.cid == old.commit_cid().as_bytes());
    assert_eq!(each_way(&[], &commit.to_bytes(), &commit.to_bytes()).quiet_success(), "");
}

#[test]
fn changes_of_random_repositories_are_those_of_the_definition() {
    for seed in 0..cases(6) {
        let mut rng = Rng::new(seed);
        let old = random::repo(seed, 120).repo;
        let new = edited(&mut rng, &old);
        let lines = expected(&old, &new);
        let found = diff(&[], &old, &new);
        assert_eq!(found.code, Some(i32::from(!lines.is_empty())));
        assert_eq!((found.stdout, found.stderr.as_str()), (lines, ""));
        let nodes = diff(&["--json", "--nodes"], &old, &new);
        let nodes = nodes.stdout.lines().last().unwrap().to_owned();
        let [old, new] = [&old, &new].map(|repo| {
            let blocks = repo.root.blocks();
            blocks.iter().map(|(cid, _)| cid.to_string()).collect::<BTreeSet<_>>()
        });
        let list = |nodes: BTreeSet<String>| {
            let quoted: Vec<_> = nodes.iter().map(|node| format!("\"{node}\"")).collect();
            quoted.join(",")
        };
        let expected = format!(
            r#"{{"created_nodes":[{}],"deleted_nodes":[{}],"complete":true}}"#,
            list(&new - &old),
            list(&old - &new),
        );
        assert_eq!(nodes, expected, "seed {seed}");
    }
}

/// A repository without some of its blocks.
fn without(repo: &Repo, missing: &[Cid]) -> Vec<u8> {
    let mut car = repo.to_car(Order::Pds);
    missing.iter().for_each(|cid| car.remove(cid));
    car.to_bytes()
}

/// The node with a key.
fn node_of(repo: &Repo, path: &str) -> Cid {
    let blocks = repo.root.blocks();
    let has = |block: &[u8]| contains(block, path.as_bytes());
    blocks.iter().find(|(_, block)| has(block)).unwrap().0
}

#[test]
fn a_missing_node_makes_its_keys_unknown() {
    let (old, new) = versions();
    let [created, _] = [BEFORE[1], BEFORE[0]];
    let whole = old.to_bytes(Order::Pds);
    let left = node_of(&new, BEFORE[0]);
    let (middle, deleted) = (
        format!("~\t{MIDDLE}\t{}\t{}\n", cid_of(&old, MIDDLE), cid_of(&new, MIDDLE)),
        format!("-\t{}\t{}\n", AFTER[0], cid_of(&old, AFTER[0])),
    );
    assert!(expected(&old, &new).contains(created));

    let found = each_way(&[], &whole, &without(&new, &[left]));
    assert_eq!(found.stdout, format!("?\t\t{MIDDLE}\t{left}\tnew\n{middle}{deleted}"));
    let error = found.one_error(4);
    assert_eq!(error, "error: NEW: missing: 1 node, whose keys cannot be compared\n");

    let json = each_way(&["--json", "--nodes"], &whole, &without(&new, &[left]));
    let line = format!(
        r#"{{"change":"unknown","side":"new","node":"{left}","layer":0,"after":null,"before":"{MIDDLE}"}}"#
    );
    assert_eq!(json.stdout.lines().next().unwrap(), line);
    assert!(json.stdout.ends_with(",\"complete\":false}\n"), "{json:?}");
    assert_eq!(json.code, Some(4));

    // On the old side, and on both.
    let right = node_of(&old, AFTER[0]);
    let new_bytes = new.to_bytes(Order::Pds);
    let found = each_way(&[], &without(&old, &[right]), &new_bytes);
    let created = format!("+\t{}\t{}\n", BEFORE[1], cid_of(&new, BEFORE[1]));
    assert_eq!(found.stdout, format!("{created}{middle}?\t{MIDDLE}\t\t{right}\told\n"));
    assert!(found.one_error(4).starts_with("error: OLD: missing: 1 node, "));
    let (old_file, new_file) =
        (TempCar::new(&without(&old, &[right])), TempCar::new(&without(&new, &[left])));
    let error = run(["diff", old_file.name(), new_file.name()]).one_error(4);
    let names = format!("error: {:?} and 1 more: missing: 2 nodes, ", old_file.name());
    assert!(error.starts_with(&names), "{error}");

    // A root has no layer.
    let root = new.root.cid();
    let found = each_way(&["--json"], &whole, &without(&new, &[root]));
    let line = format!(
        r#"{{"change":"unknown","side":"new","node":"{root}","layer":null,"after":null,"before":null}}"#
    );
    assert_eq!((found.code, found.stdout), (Some(4), line + "\n"));
}

#[test]
fn records_and_common_nodes_are_not_needed() {
    let (old, new) = versions();
    let nodes_only = |repo: &Repo| {
        let cids: Vec<_> = repo.entries().into_iter().map(|(_, cid)| cid).collect();
        without(repo, &cids)
    };
    let found = each_way(&[], &nodes_only(&old), &nodes_only(&new));
    assert_eq!((found.stdout, found.stderr.as_str()), (expected(&old, &new), ""));
    // One path changed: the other leaf is in neither CAR.
    let [a, b] = BEFORE;
    let [x, z] = AFTER;
    let one = repo(&[(a, 0), (MIDDLE, 0), (x, 0), (z, 0)]);
    let other = repo(&[(a, 0), (b, 0), (MIDDLE, 0), (x, 0), (z, 0)]);
    let common = node_of(&one, x);
    assert_eq!(common, node_of(&other, x));
    let found = each_way(&[], &without(&one, &[common]), &without(&other, &[common]));
    assert_eq!((found.code, found.stdout), (Some(1), expected(&one, &other)));
}

#[test]
fn keys_that_are_not_paths_are_escaped() {
    let keys: [&[u8]; 4] = [b"\x01\t\n", b"com.example.b/1 2", b"com.example.b/a\xff", b"z\"\\"];
    let (old, new) = (repo(&[]), Repo::sample(keys));
    let found = diff(&[], &old, &new);
    assert_eq!((found.code, &found.stdout), (Some(1), &expected(&old, &new)));
    let lines = diff(&["--json"], &old, &new).json_and(1);
    for (line, key) in lines.iter().zip(keys) {
        assert_eq!(line["path"], key.escape_ascii().to_string());
        assert!(line["collection"].is_null() && line["rkey"].is_null());
    }
    // They are read back as they were written.
    let rows = run_on(["ls", "--partial"], &new.to_bytes(Order::Pds)).stdout;
    let (rows, car) = (TempCar::new(rows.as_bytes()), file(&new));
    assert_eq!(run(["diff", "--rows", rows.name(), car.name()]).quiet_success(), "");
    let none = file(&old);
    let found = run(["diff", "--rows", rows.name(), none.name()]);
    assert_eq!((found.code, found.stdout), (Some(1), expected(&new, &old)));
}

/// The rows that `ls` prints with these options.
fn rows_of(args: &[&str], repo: &Repo) -> String {
    let listed = run_on([&["ls"], args].concat(), &repo.to_bytes(Order::Pds));
    assert_eq!(listed.code, Some(0));
    listed.stdout
}

#[test]
fn rows_that_ls_prints_are_the_old_tree() {
    for seed in 0..cases(6) {
        let mut rng = Rng::new(seed);
        let old = random::repo(seed, 120).repo;
        let new = edited(&mut rng, &old);
        let (old_file, new_file) = (file(&old), file(&new));
        for more in [&[][..], &["--json"]] {
            let trees = run([&["diff"], more, &[old_file.name(), new_file.name()]].concat());
            for listing in [&[][..], &["-l"], &["--no-records"], &["--partial"]] {
                let text = rows_of(listing, &old);
                let rows = TempCar::new(text.as_bytes());
                let args = [&["diff", "--rows", rows.name()], more, &[new_file.name()]].concat();
                assert_eq!(run(args), trees, "{listing:?}");
                let args = [&["diff", "--rows", "-"], more, &[new_file.name()]].concat();
                assert_eq!(run_on(args, text.as_bytes()), trees, "{listing:?}");
                let args = [&["diff", "--rows", rows.name()], more].concat();
                assert_eq!(run_on(args, &new.to_bytes(Order::Pds)), trees, "{listing:?}");
            }
        }
        let rows = TempCar::new(rows_of(&[], &old).as_bytes());
        let found = run(["diff", "--json", "--nodes", "--rows", rows.name(), new_file.name()]);
        let mut nodes: Vec<_> =
            new.root.blocks().iter().map(|(cid, _)| format!("\"{cid}\"")).collect();
        nodes.sort_unstable();
        nodes.dedup();
        let line = format!(
            r#"{{"created_nodes":[{}],"deleted_nodes":[],"complete":true}}"#,
            nodes.join(",")
        );
        assert_eq!(found.stdout.lines().last().unwrap(), line);
    }
}

#[test]
fn rows_and_a_partial_tree() {
    let (old, new) = versions();
    let left = node_of(&new, BEFORE[0]);
    let (rows, car) =
        (TempCar::new(rows_of(&[], &old).as_bytes()), TempCar::new(&without(&new, &[left])));
    let found = run(["diff", "--rows", rows.name(), car.name()]);
    let line = format!("?\t\t{MIDDLE}\t{left}\tnew\n");
    assert!(found.stdout.starts_with(&line), "{found:?}");
    let error = found.one_error(4);
    let told = format!("error: {:?}: missing: 1 node, whose keys cannot be compared\n", car.name());
    assert_eq!(error, told);
}

/// Asserts that rows are refused with this message, and are accepted with another third line.
#[track_caller]
fn refused(third: &str, message: &str) {
    let (old, _) = versions();
    let text = rows_of(&[], &old);
    let lines: Vec<_> = text.split_inclusive('\n').collect();
    let car = file(&old);
    let with = |third: &str| [lines[0], lines[1], third, lines[3]].concat();
    let rows = TempCar::new(with(third).as_bytes());
    let found = run(["diff", "--rows", rows.name(), car.name()]);
    assert_eq!(found.stdout, "", "{third}");
    assert_eq!(found.one_error(3), format!("error: {:?}: line 3: {message}\n", rows.name()));
    let found = run_on(["diff", "--rows", "-", car.name()], with(third).as_bytes());
    assert_eq!(found.one_error(3), format!("error: standard input: line 3: {message}\n"));
    let rows = TempCar::new(with(lines[2]).as_bytes());
    assert_eq!(run(["diff", "--rows", rows.name(), car.name()]).quiet_success(), "");
}

#[test]
fn an_error_of_a_row_names_the_line() {
    let cid = cid_of(&versions().0, MIDDLE);
    let repeated = "the path is the same as in the line before";
    refused(&format!("{MIDDLE}\t{cid}\n"), repeated);
    refused(&format!("com.example.m/\\x313\t{cid}\n"), repeated);
    refused(
        &format!("com.example.b/1\t{cid}\n"),
        "the path is below that of the line before: rows must be in ascending order of their bytes",
    );
    refused(
        &format!("com.example.x/3\t{}\n", &cid.to_string()[..20]),
        "the second column is not a CID",
    );
    refused("com.example.x/3\n", "no tab: expected path, tab, CID, as `ls` prints them");
    refused(&format!("\t{cid}\n"), "the path is empty");
}

#[test]
fn changes_before_a_wrong_row_are_printed() {
    let (old, new) = versions();
    let text = rows_of(&[], &old);
    let rows = TempCar::new(format!("{text}wrong\n").as_bytes());
    let car = file(&new);
    let found = run(["diff", "--rows", rows.name(), car.name()]);
    assert!(!found.stdout.is_empty() && expected(&old, &new).starts_with(&found.stdout));
    assert!(found.one_error(3).contains(": line 5: no tab: "));
}

#[test]
fn trees_that_break_a_rule_are_refused() {
    let mut count = 0;
    for breakage in breakage::each_rule() {
        if matches!(breakage.fault, Fault::Missing | Fault::Path) {
            continue;
        }
        let case = breakage.make();
        let valid = TempCar::new(&case.valid);
        let broken = TempCar::new(&case.broken);
        let listed = run(["ls", valid.name()]);
        let rows = TempCar::new(listed.stdout.as_bytes());
        assert_eq!(
            run(["diff", "--rows", rows.name(), valid.name()]).code,
            Some(0),
            "{breakage:?}"
        );
        let name = format!("{:?}", broken.name());
        let error = run(["diff", "--rows", rows.name(), broken.name()]).one_error(3);
        assert!(error.starts_with(&format!("error: {name}: ")), "{breakage:?}: {error}");
        let error = run(["diff", valid.name(), broken.name()]).one_error(3);
        assert!(error.starts_with(&format!("error: {name}: ")), "{breakage:?}: {error}");
        let error = run(["diff", broken.name(), valid.name()]).one_error(3);
        assert!(error.starts_with(&format!("error: {name}: ")), "{breakage:?}: {error}");
        count += 1;
    }
    assert!(count > 30, "{count}");
}

#[test]
fn a_damaged_or_cut_car_is_refused() {
    let (old, new) = versions();
    let whole = new.to_bytes(Order::Preorder);
    let mut damaged = new.to_car(Order::Preorder);
    let index = damaged.index_of(&node_of(&new, BEFORE[0]));
    *damaged.sections[index].data.last_mut().unwrap() ^= 1;
    let error = each_way(&[], &old.to_bytes(Order::Pds), &damaged.to_bytes()).one_error(3);
    assert!(error.contains("NEW: ") && error.contains("its bytes hash to"), "{error}");
    for len in (0..whole.len()).step_by(carwalk_testkit::step(29)) {
        let cut = TempCar::new(&whole[..len]);
        let found = run(["diff", file(&old).name(), cut.name()]);
        assert!(matches!(found.code, Some(3 | 4)), "{len}: {found:?}");
    }
}

#[test]
fn compressed_cars_are_compared() {
    let (old, new) = versions();
    let (old_bytes, new_bytes) = (old.to_bytes(Order::Pds), new.to_bytes(Order::Pds));
    let (gzip, zstd) = (gzip(&old_bytes), zstd(&new_bytes));
    let found = each_way(&[], &gzip, &zstd);
    assert_eq!((found.code, found.stdout), (Some(1), expected(&old, &new)));
}

/// A repository's CAR with the root of the tree as its root, and without the commit.
fn bare(repo: &Repo) -> Vec<u8> {
    let mut car = repo.to_car(Order::Preorder);
    car.remove(&repo.commit_cid());
    car.set_header(car::header(&[repo.root.cid()]));
    car.to_bytes()
}

#[test]
fn bare_trees_are_compared() {
    let (old, new) = versions();
    for more in [&[][..], &["--json", "--nodes"]] {
        let trees = diff(more, &old, &new);
        let found = each_way(&[more, &["--bare-tree"]].concat(), &bare(&old), &bare(&new));
        assert_eq!(found, trees);
    }
    let (rows, car) = (TempCar::new(rows_of(&[], &old).as_bytes()), TempCar::new(&bare(&new)));
    let found = run(["diff", "--bare-tree", "--rows", rows.name(), car.name()]);
    assert_eq!((found.code, found.stdout), (Some(1), expected(&old, &new)));
    // One of them has a commit, or both have.
    let error = each_way(&["--bare-tree"], &bare(&old), &new.to_bytes(Order::Pds)).one_error(3);
    assert!(error.starts_with(&format!("error: NEW: the first root {} is a", new.commit_cid())));
    let error = each_way(&[], &bare(&old), &new.to_bytes(Order::Pds)).one_error(3);
    assert!(error.starts_with("error: OLD: ") && error.contains("ls --bare-tree"), "{error}");
}

#[test]
fn different_accounts_are_noted() {
    let (old, mut new) = versions();
    let plain = diff(&[], &old, &new);
    new.commit = new.commit.set("did", Value::text("did:web:example.com"));
    let found = diff(&[], &old, &new);
    assert_eq!((found.code, found.stdout), (Some(1), plain.stdout));
    let note = found.stderr.strip_prefix("different accounts: did:plc:").unwrap();
    assert!(note.ends_with(" and did:web:example.com\n") && note.lines().count() == 1, "{note}");
    let mut same = old.clone();
    same.commit = same.commit.set("did", Value::text("did:web:example.com"));
    let equal = diff(&[], &old, &same);
    assert_eq!((equal.code, equal.stdout.as_str()), (Some(0), ""));
    assert_eq!(equal.stderr, found.stderr);
}

#[test]
fn kept_spill_files_are_compared() {
    let (old, new) = versions();
    let folder = tempfile::tempdir().unwrap();
    let [a, b] = ["a", "b"].map(|name| folder.path().join(name).to_str().unwrap().to_owned());
    for (kept, repo) in [(&a, &old), (&b, &new)] {
        run(["ls", "--keep", kept, file(repo).name()]);
    }
    let found = run(["diff", "--kept", &a, &b]);
    assert_eq!((found.code, found.stdout), (Some(1), expected(&old, &new)));
}

#[test]
fn another_commit_is_compared_with_rows_only() {
    let (old, new) = versions();
    let mut car = new.to_car(Order::Pds);
    for section in old.to_car(Order::Pds).sections {
        car.sections.push(section);
    }
    let (rows, car) = (TempCar::new(rows_of(&[], &new).as_bytes()), TempCar::new(&car.to_bytes()));
    let commit = old.commit_cid().to_string();
    let found = run(["diff", "--commit", &commit, "--rows", rows.name(), car.name()]);
    assert_eq!((found.code, found.stdout), (Some(1), expected(&new, &old)));
    let found = run(["diff", "--commit", &commit, car.name(), car.name()]);
    assert_eq!((found.code, found.stdout.as_str()), (Some(2), ""));
}

#[test]
fn wrong_usage() {
    let (old, _) = versions();
    let old = file(&old);
    let name = old.name();
    let twice = "error: standard input can be read only once\n";
    for args in [&["-", "-"][..], &["--rows", "-"], &["--rows", "-", "-"]] {
        assert_eq!(run([&["diff"], args].concat()).one_error(2), twice, "{args:?}");
    }
    let error = run(["diff", "--keep", "kept", name, name]).one_error(2);
    assert_eq!(error, "error: --keep needs a single CAR\n");
    for args in [
        &[][..],
        &[name],
        &["--rows", name, name, name],
        &["--nodes", name, name],
        &[name, name, name],
    ] {
        let found = run([&["diff"], args].concat());
        assert_eq!((found.code, found.stdout.as_str()), (Some(2), ""), "{args:?}");
    }
    for option in ["--legacy", "--kept"] {
        let error = run(["diff", "--bare-tree", option, name, name]).one_error(2);
        assert!(error.starts_with("error: --bare-tree cannot be combined with "), "{error}");
    }
    // Files that are not there.
    let error = run(["diff", name, "no/such.car"]).one_error(5);
    assert!(error.starts_with("error: cannot open \"no/such.car\": "), "{error}");
    let error = run(["diff", "--rows", "no/such.rows", name]).one_error(5);
    assert!(error.starts_with("error: cannot read \"no/such.rows\": "), "{error}");
}
