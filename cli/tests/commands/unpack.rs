//! `carwalk unpack`: a file for each record.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use carwalk_testkit::cbor::Value;
use carwalk_testkit::export::Order as ExportOrder;
use carwalk_testkit::repo::{Order, Record, Repo};

use crate::harness::{Run, TempCar, export, run, run_on};

/// Returns the files below a folder, with their names from there on.
fn files(folder: &Path) -> BTreeMap<String, String> {
    let (mut found, mut folders) = (BTreeMap::new(), vec![folder.to_owned()]);
    while let Some(inner) = folders.pop() {
        for file in fs::read_dir(inner).unwrap() {
            let path = file.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(folder).unwrap().to_str().unwrap().replace('\\', "/");
            found.insert(name, fs::read_to_string(path).unwrap());
        }
    }
    found
}

fn unpack(car: &[u8], more: &[&str]) -> (Run, BTreeMap<String, String>) {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("new/records");
    let args = [&["unpack", "-", "-o", out.to_str().unwrap()], more].concat();
    let piped = run_on(&args, car);
    let (found, file) = (files(&out), TempCar::new(car));
    let name = format!("{:?}", file.name());
    for option in [&[][..], &["--no-mmap"]] {
        let again = folder.path().join(format!("again{}", option.len()));
        let args = [&["-o", again.to_str().unwrap()], option, more].concat();
        let run = file.run_with(&["unpack"], &args);
        let stderr = run.stderr.replace(&name, "standard input");
        assert_eq!(Run { stderr, ..run }, piped);
        assert_eq!(files(&again), found);
    }
    assert_eq!(piped.stdout, "");
    (piped, found)
}

fn car<'a>(records: impl IntoIterator<Item = (&'a str, Record)>) -> Vec<u8> {
    let records = records.into_iter().map(|(path, record)| (path.as_bytes().to_vec(), record));
    Repo::new(records).to_bytes(Order::Preorder)
}

fn record(text: &str) -> Record {
    Record::new(Value::map([("text", Value::text(text))]).encode())
}

#[test]
fn each_record_is_what_get_prints() {
    let car = export(30, ExportOrder::Pds);
    let (run, files) = unpack(&car, &[]);
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), "written: 30 records\n"));
    assert_eq!(files.len(), 30);
    let input = TempCar::new(&car);
    for line in input.run(&["ls"]).quiet_success().lines() {
        let path = line.split('\t').next().unwrap();
        let printed = input.run_with(&["get"], &[path]).quiet_success();
        assert_eq!(files[&format!("{path}.json")], printed);
    }
}

#[test]
fn only_records_of_the_range_are_written() {
    let car = car([("a.b.c/1", record("1")), ("a.b.d/1", record("2")), ("a.b.d/2", record("3"))]);
    let (run, files) = unpack(&car, &["--collection", "a.b.d"]);
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), "written: 2 records\n"));
    assert_eq!(files.keys().collect::<Vec<_>>(), ["a.b.d/1.json", "a.b.d/2.json"]);
    let (run, files) = unpack(&car, &["--prefix", "a.b.c/"]);
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), "written: 1 record\n"));
    assert_eq!(files["a.b.c/1.json"], "{\n  \"text\": \"1\"\n}\n");
}

#[test]
fn names_are_safe_and_differ_without_case() {
    let long = format!("a.b.c/{}", "k".repeat(500));
    let paths = ["../..", "CON/aux", "a.b.c/A", "a.b.c/a", "a.b.c/a:b", "con/nul", &long];
    let (run, files) = unpack(&car(paths.map(|path| (path, record(path)))), &[]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let k = |len| "k".repeat(len);
    let cut = format!("a.b.c/{}+/{}+/{}.json", k(199), k(199), k(102));
    let expected = [
        "%43%4F%4E/%61ux.json",
        "%63on/%6Eul.json",
        ".%2E/.%2E.json",
        "a.b.c/%41.json",
        "a.b.c/a%3Ab.json",
        "a.b.c/a.json",
        &cut,
    ];
    assert_eq!(files.keys().collect::<Vec<_>>(), expected);
    assert_eq!(files[&cut], format!("{{\n  \"text\": \"{long}\"\n}}\n"));
}

#[test]
fn records_without_json_and_invalid_paths_are_named() {
    let car = car([
        ("a.b.c/1", record("1")),
        ("a.b.c/2", Record::new(b"\xa1".to_vec())),
        ("a.b.c/3", Record::raw(b"\xa0".to_vec())),
        ("a.b.c/4", Record::new(b"\xa1\x61v\xf7".to_vec())),
        ("no path", record("5")),
    ]);
    let (run, files) = unpack(&car, &[]);
    assert_eq!(run.code, Some(3));
    assert_eq!(files.keys().collect::<Vec<_>>(), ["a.b.c/1.json", "a.b.c/4.json"]);
    assert_eq!(files["a.b.c/4.json"], "{\n  \"v\": {\n    \"$cbor\": \"9w\"\n  }\n}\n");
    let lines: Vec<_> = run.stderr.lines().collect();
    assert!(lines[0].contains("byte 1: the record ends inside the item"), "{run:?}");
    assert!(lines[1].contains("raw bytes, not CBOR, key \"a.b.c/3\""), "{run:?}");
    assert!(lines[2].starts_with("invalid path: "), "{run:?}");
    assert_eq!(lines[3], "written: 2 records");
    assert_eq!(
        lines[4],
        "error: standard input: 1 key is not a repo path, 2 records cannot be read as CBOR (see \
         `carwalk get --raw`)"
    );
}

#[test]
fn a_missing_record_ends_it() {
    let paths = ["a.b.c/1", "a.b.c/2", "a.b.c/3"];
    let mut repo = Repo::new(paths.map(|path| (path.as_bytes().to_vec(), record(path))));
    let missing = record(paths[1]).cid;
    repo.records.retain(|_, record| record.cid != missing);
    let (run, files) = unpack(&repo.to_bytes(Order::Preorder), &[]);
    assert_eq!(run.code, Some(4), "{run:?}");
    assert_eq!(files.keys().collect::<Vec<_>>(), ["a.b.c/1.json"]);
}

#[test]
fn only_a_new_or_empty_folder_is_written_into() {
    let folder = tempfile::tempdir().unwrap();
    let name = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let car = TempCar::new(&car([("a.b.c/1", record("1"))]));
    let unpack = |out: &str| car.run_with(&["unpack"], &["-o", out]);

    fs::create_dir(name("empty")).unwrap();
    assert_eq!(unpack(&name("empty")).code, Some(0));
    // Now it is not.
    let error = unpack(&name("empty")).one_error(2);
    let expected = "it is not empty: name a new folder";
    assert_eq!(error, format!("error: cannot write into {:?}: {expected}\n", name("empty")));

    fs::write(name("file"), "").unwrap();
    let error = unpack(&name("file")).one_error(2);
    let expected = "it is not a folder";
    assert_eq!(error, format!("error: cannot write into {:?}: {expected}\n", name("file")));
    // Nothing is read before: there is no such CAR.
    run(["unpack", "no.car", "-o", &name("empty")]).one_error(2);
    // A folder that was refused is as it was, and a bad CAR makes none.
    assert_eq!(files(&folder.path().join("empty")).len(), 1);
    assert_eq!(run(["unpack", "no.car", "-o", &name("new")]).code, Some(5));
    assert!(!folder.path().join("new").exists());
    run(["unpack", car.name()]).code.filter(|code| *code == 2).unwrap();
}

#[test]
#[cfg(unix)]
fn what_cannot_be_written_is_named() {
    let car = TempCar::new(&car([("a.b.c/1", record("1"))]));
    let error = car.run_with(&["unpack"], &["-o", "/dev/null/x"]).one_error(2);
    assert!(error.contains("\"/dev/null/x\": it is not a folder"), "{error}");
    let error = car.run_with(&["unpack"], &["-o", "/proc/carwalk"]).one_error(5);
    assert!(error.starts_with("error: cannot write \"/proc/carwalk\": "), "{error}");
}
