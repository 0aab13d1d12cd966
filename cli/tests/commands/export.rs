//! `carwalk export` into a stream: the rows, their selection, and bad inputs.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use carwalk_testkit::breakage::{self, Fault};
use carwalk_testkit::cbor::Value as Cbor;
use carwalk_testkit::cid::Cid;
use carwalk_testkit::commit::{Commit, DID, REV};
use carwalk_testkit::export::{Network, Order as ExportOrder};
use carwalk_testkit::repo::{Order, Record, Repo};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::compressed::{gzip, zstd};
use crate::harness::{Run, run, run_on};

/// A folder that goes when this does.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Folder(tempfile::tempdir().unwrap())
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn name(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }
}

/// Runs `export --as`.
pub(crate) fn export(args: &[&str]) -> Run {
    run([&["export", "--as"], args].concat())
}

pub(crate) fn sample() -> Repo {
    Repo::sample(["app.bsky.feed.post/1", "app.bsky.feed.post/2"])
}

/// Returns the number of accounts of a network: with the bad files, 2,000 inputs at full depth.
pub(crate) fn accounts() -> usize {
    if carwalk_testkit::factor() >= 5 { 1980 } else { 24 }
}

/// Writes the CARs of a network into `network/`, two of them compressed, and bad files into it.
/// Returns the reasons of the bad ones.
pub(crate) fn write_network(folder: &Folder, accounts: usize) -> BTreeMap<String, String> {
    let network = Network::new(accounts, 21);
    for number in 0..accounts {
        let mut car = Vec::new();
        network.write_to(number, ExportOrder::Pds, &mut car).unwrap();
        match number {
            3 => folder.write("network/00003.car.gz", &gzip(&car)),
            8 => folder.write("network/00008.car.zst", &zstd(&car)),
            _ => folder.write(&format!("network/{number:05}.car"), &car),
        };
    }
    write_bad(folder)
}

/// Writes files that fail. Returns their reasons by path.
fn write_bad(folder: &Folder) -> BTreeMap<String, String> {
    let good = sample().to_bytes(Order::Preorder);
    let mut forged = good.clone();
    *forged.last_mut().unwrap() ^= 1;
    let mut legacy = sample();
    legacy.commit = Commit::version_2(Cid::dag_cbor(b"\xf6"));
    let mut partial = sample().to_car(Order::Preorder);
    partial.sections.pop();
    let long = breakage::all().find(|breakage| breakage.fault == Fault::Limit).unwrap();
    let mut bad = BTreeMap::new();
    for (name, bytes, reason) in [
        ("cut", good[..good.len() - 3].to_vec(), "truncated"),
        ("empty", Vec::new(), "truncated"),
        ("forged", forged, "invalid"),
        ("json", b"{\"error\":\"RepoNotFound\"}".to_vec(), "not_a_car"),
        ("legacy", legacy.to_bytes(Order::Pds), "legacy"),
        ("long", long.make().broken, "limit"),
        ("partial", partial.to_bytes(), "missing"),
        ("text", b"Not Found".to_vec(), "not_a_car"),
    ] {
        bad.insert(folder.write(&format!("network/00005-{name}.car"), &bytes), reason.to_owned());
        bad.insert(folder.write(&format!("network/zz/{name}.car"), &bytes), reason.to_owned());
    }
    bad.insert(folder.write("network/a.car.gz", &gzip(&good)[..40]), "truncated".to_owned());
    bad.insert(folder.write("network/a.car.zst", &zstd(&good)[..20]), "truncated".to_owned());
    #[cfg(unix)]
    for name in ["network/dangling.car", "network/zz/dangling.car"] {
        std::os::unix::fs::symlink("none", folder.path(name)).unwrap();
        bad.insert(folder.name(name), "io".to_owned());
    }
    bad
}

/// What `ls` lists of all good CARs in the network: path and CID.
pub(crate) fn listed(folder: &Folder, bad: &BTreeMap<String, String>) -> Vec<String> {
    let mut paths: Vec<_> = fs::read_dir(folder.path("network"))
        .unwrap()
        .map(|entry| entry.unwrap().path().to_str().unwrap().to_owned())
        .filter(|path| path.contains(".car") && !bad.contains_key(path))
        .collect();
    paths.sort();
    let listed = paths.iter().map(|path| run(["ls", path]).quiet_success());
    listed.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// Path and CID of each row of JSON Lines.
pub(crate) fn paths_of(text: &str) -> Vec<String> {
    let rows = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    rows.map(|row| {
        let text = |name: &str| row[name].as_str().unwrap().to_owned();
        format!("{}/{}\t{}", text("collection"), text("rkey"), text("cid"))
    })
    .collect()
}

/// The lines of a report.
pub(crate) fn report(path: &str) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Path and reason of the failed inputs in a report.
pub(crate) fn failed(report: &[Value]) -> BTreeMap<String, String> {
    let failed = report.iter().filter(|line| line["outcome"] == "failed");
    failed.map(|line| (text(&line["path"]), text(&line["reason"]))).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

#[test]
fn rows_are_those_of_ls_in_the_order_of_the_inputs_whatever_the_number_of_jobs() {
    let folder = Folder::new();
    let bad = write_network(&folder, accounts());
    let expected = listed(&folder, &bad);
    let (network, log) = (folder.name("network"), folder.name("report"));
    let one = export(&["jsonl", "--jobs=1", &network, "--report", &log]);
    assert_eq!(one.code, Some(if cfg!(unix) { 5 } else { 4 }), "{}", one.stderr);
    assert!(paths_of(&one.stdout) == expected);
    let lines = report(&log);
    let reasons = failed(&lines);
    assert_eq!(reasons, bad);
    let (inputs, done) = (lines.len(), lines.len() - bad.len());
    let summary = format!(
        "{inputs} inputs: {done} done, 0 skipped, {} failed; {} records",
        bad.len(),
        expected.len()
    );
    assert_eq!(one.stderr.lines().last(), Some(&*summary));
    // Each failure has a line.
    assert_eq!(one.stderr.lines().count(), bad.len() + 1, "{}", one.stderr);
    for jobs in ["--jobs=2", "-j5", "--no-mmap"] {
        assert!(export(&["jsonl", jobs, &network]) == one, "{jobs}");
    }
    assert_csv_is_equal(&network, &one.stdout);
}

/// Asserts that CSV has the rows of JSON Lines.
fn assert_csv_is_equal(network: &str, json: &str) {
    let csv = export(&["csv", network]).stdout;
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let names = reader.headers().unwrap().clone();
    let mut rows = json.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    for record in reader.records() {
        let (record, row) = (record.unwrap(), rows.next().unwrap());
        for (name, value) in names.iter().zip(&record) {
            match &row[name] {
                Value::Null => assert!(value.is_empty() || value == "null"),
                Value::String(text) => assert_eq!(text, value),
                other if name == "record" => {
                    assert_eq!(*other, serde_json::from_str::<Value>(value).unwrap());
                }
                other => assert_eq!(other.to_string(), value),
            }
        }
    }
    assert_eq!(rows.next(), None);
}

#[test]
fn a_row_has_the_columns_of_its_record() {
    let folder = Folder::new();
    let record = Cbor::map([
        ("text", Cbor::text("a\0b")),
        ("subject", Cbor::map([("cid", Cbor::text("c")), ("uri", Cbor::text("at://x"))])),
        ("createdAt", Cbor::text("2026-01-02T03:04:05.0000069+00:00")),
    ])
    .encode();
    let size = record.len();
    let repo = Repo::new([(b"a.b.c/3l4nm7hmk2222".to_vec(), Record::new(record))]);
    let file = folder.write("a.car", &repo.to_bytes(Order::Pds));
    let row = export(&["jsonl", &file]);
    assert_eq!(
        (row.code, &*row.stderr),
        (Some(0), "1 input: 1 done, 0 skipped, 0 failed; 1 record\n")
    );
    let cid = text(&serde_json::from_str::<Value>(&row.stdout).unwrap()["cid"]);
    let expected = format!(
        "{{\"did\":\"{DID}\",\"rev\":\"{REV}\",\"collection\":\"a.b.c\",\"rkey\":\"3l4nm7hmk2222\",\
         \"cid\":\"{cid}\",\"size\":{size},\"time\":\"2024-09-21T08:00:00.000000Z\",\
         \"created_at\":\"2026-01-02T03:04:05.000006Z\",\"subject\":\"at://x\",\
         \"record\":{{\"text\":\"a\\u0000b\",\"subject\":{{\"cid\":\"c\",\"uri\":\"at://x\"}},\
         \"createdAt\":\"2026-01-02T03:04:05.0000069+00:00\"}}}}\n"
    );
    assert_eq!(row.stdout, expected);
    let csv = export(&["csv", &file, "--columns=record,rkey,size"]);
    let expected = format!(
        "rkey,size,record\n3l4nm7hmk2222,{size},\"{{\"\"text\"\":\"\"a\\u0000b\"\",\"\"subject\"\":\
         {{\"\"cid\"\":\"\"c\"\",\"\"uri\"\":\"\"at://x\"\"}},\
         \"\"createdAt\"\":\"\"2026-01-02T03:04:05.0000069+00:00\"\"}}\"\n"
    );
    assert_eq!(csv.stdout, expected);
}

#[test]
fn odd_records_have_rows_with_nulls() {
    let folder = Folder::new();
    let created = |time: &str| Record::new(Cbor::map([("createdAt", Cbor::text(time))]).encode());
    let repo = Repo::new([
        (b"a.b.c/0".to_vec(), created("0000-01-01T00:00:00Z")),
        (b"a.b.c/1".to_vec(), created("0001-01-01T00:00:00Z")),
        (b"a.b.c/2".to_vec(), created("99999-01-01T00:00:00Z")),
        (b"a.b.c/3".to_vec(), created("9999-12-31T23:59:59.9999999Z")),
        (b"a.b.c/4".to_vec(), Record::raw(b"raw".to_vec())),
        (b"a.b.c/5".to_vec(), Record::new(b"\xff".to_vec())),
        (b"noslash".to_vec(), created("0001-01-01T00:00:00Z")),
    ]);
    let file = folder.write("a.car", &repo.to_bytes(Order::Pds));
    let log = folder.name("report");
    let run = export(&["jsonl", &file, "--columns=rkey,size,created_at,record", "--report", &log]);
    let expected = [
        r#"{"rkey":"0","size":32,"created_at":null,"record":{"createdAt":"0000-01-01T00:00:00Z"}}"#,
        r#"{"rkey":"1","size":32,"created_at":"0001-01-01T00:00:00.000000Z","record":{"createdAt":"0001-01-01T00:00:00Z"}}"#,
        r#"{"rkey":"2","size":33,"created_at":null,"record":{"createdAt":"99999-01-01T00:00:00Z"}}"#,
        r#"{"rkey":"3","size":41,"created_at":"9999-12-31T23:59:59.999999Z","record":{"createdAt":"9999-12-31T23:59:59.9999999Z"}}"#,
        r#"{"rkey":"4","size":3,"created_at":null,"record":null}"#,
        r#"{"rkey":"5","size":1,"created_at":null,"record":null}"#,
    ];
    assert_eq!(run.stdout.lines().collect::<Vec<_>>(), expected);
    // The path is counted and reported, and the input is done.
    assert_eq!(run.code, Some(3));
    let (note, summary) = run.stderr.split_once('\n').unwrap();
    assert!(note.starts_with(&format!("{file}: 1 path is invalid, the first: ")), "{note}");
    assert_eq!(summary, "1 input: 1 done, 0 skipped, 0 failed; 6 records\n");
    let line = &report(&log)[0];
    assert_eq!((&line["outcome"], &line["reason"]), (&json!("done"), &Value::Null));
    assert_eq!((&line["records"], &line["invalid_paths"]), (&json!(6), &json!(1)));
}

#[test]
fn records_that_no_column_needs_may_be_missing() {
    let folder = Folder::new();
    let mut car = sample().to_car(Order::Preorder);
    car.sections.pop();
    let file = folder.write("a.car", &car.to_bytes());
    let rows = export(&["csv", &file, "--columns", "rkey,collection"]);
    assert_eq!(
        (rows.code, &*rows.stdout),
        (Some(0), "collection,rkey\napp.bsky.feed.post,1\napp.bsky.feed.post,2\n")
    );
    let none = export(&["csv", &file, "--columns", "rkey,size"]);
    assert_eq!((none.code, &*none.stdout), (Some(4), "rkey,size\n"));
}

#[test]
fn ranges_and_collections_select_rows() {
    let folder = Folder::new();
    let paths = ["a.b.c/1", "a.b.c/2", "a.b.c/3", "a.b.d/1", "a.b.d/2", "a.b.e/1"];
    let file = folder.write("a.car", &Repo::sample(paths).to_bytes(Order::Pds));
    for (args, expected) in [
        (&["--collection=a.b.c"][..], &paths[..3]),
        (
            &["--collection=a.b.e", "--collection=a.b.c"],
            &["a.b.c/1", "a.b.c/2", "a.b.c/3", "a.b.e/1"],
        ),
        (
            &["--collection=a.b.d", "--collection=a.b.c", "--from=a.b.c/3", "--to=a.b.d/2"],
            &["a.b.c/3", "a.b.d/1"],
        ),
        (&["--prefix=a.b.d"], &paths[3..5]),
        (&["--collection=x.y.z"], &[]),
    ] {
        let rows = export(&[&["jsonl", &file, "--columns=collection,rkey,cid"], args].concat());
        let found: Vec<_> = paths_of(&rows.stdout)
            .iter()
            .map(|row| row.split('\t').next().unwrap().to_owned())
            .collect();
        assert_eq!(
            (rows.code, &found[..]),
            (Some(0), &expected.iter().map(|path| (*path).to_owned()).collect::<Vec<_>>()[..]),
            "{args:?}"
        );
    }
    for args in [&["--collection=a.b.c", "--from=a.b.d/"][..], &["--from=b", "--to=a"]] {
        let error = export(&[&["jsonl", &*file], args].concat()).one_error(2);
        assert!(error.contains("no key can be in the range"), "{error}");
    }
}

#[test]
fn ten_thousand_collections_are_one_walk() {
    let folder = Folder::new();
    let paths = (0..10_000).map(|number| format!("a.b.c{number:05}/self"));
    let file = folder.write("a.car", &Repo::sample(paths).to_bytes(Order::Pds));
    let all = export(&["csv", &file, "--columns=collection"]);
    assert_eq!((all.code, all.stdout.lines().count()), (Some(0), 10_001));
    let wanted: Vec<_> =
        (0..10_000).step_by(2).map(|number| format!("--collection=a.b.c{number:05}")).collect();
    let wanted: Vec<_> = wanted.iter().map(String::as_str).collect();
    let some = export(&[&["csv", &*file, "--columns=collection"], &wanted[..]].concat());
    assert_eq!((some.code, some.stdout.lines().count()), (Some(0), 5_001));
    assert_eq!(some.stdout.lines().nth(2), Some("a.b.c00002"));
}

#[test]
fn other_accounts_are_skipped() {
    let folder = Folder::new();
    let file = folder.write("a.car", &sample().to_bytes(Order::Pds));
    let none = export(&["jsonl", &file, "--did=did:web:b.example"]);
    assert_eq!((none.code, &*none.stdout), (Some(0), ""));
    assert!(none.stderr.ends_with("\n1 input: 0 done, 1 skipped, 0 failed; 0 records\n"));
    assert_eq!(export(&["jsonl", &file, "--did", DID]).stdout.lines().count(), 2);
}

#[test]
fn legacy_commits_and_long_blocks_need_their_options() {
    let folder = Folder::new();
    let mut repo = sample();
    repo.commit = Commit::version_2(Cid::dag_cbor(b"\xf6"));
    let file = folder.write("a.car", &repo.to_bytes(Order::Pds));
    assert_eq!(export(&["jsonl", &file]).code, Some(3));
    let run = export(&["csv", &file, "--legacy", "--columns=rev,rkey"]);
    assert_eq!((run.code, &*run.stdout), (Some(0), "rev,rkey\n,1\n,2\n"));
    let file = folder.write("b.car", &sample().to_bytes(Order::Pds));
    let run = export(&["jsonl", &file, "--max-block=10"]);
    assert_eq!(run.code, Some(3));
    assert!(run.stderr.contains(": limit: "), "{}", run.stderr);
}

#[test]
fn with_fail_fast_the_first_failure_is_the_last_input() {
    let folder = Folder::new();
    for number in 0..9 {
        let car = sample().to_bytes(Order::Pds);
        folder.write(&format!("cars/{number}.car"), if number == 4 { b"" } else { &car });
    }
    let (cars, out) = (folder.name("cars"), folder.name("rows.jsonl"));
    for jobs in ["-j1", "-j3"] {
        let run = export(&["jsonl", &cars, "--fail-fast", jobs]);
        assert_eq!((run.code, run.stdout.lines().count()), (Some(3), 8));
        assert!(run.stderr.ends_with("5 inputs: 4 done, 0 skipped, 1 failed; 8 records\n"));
        // A file without the other inputs is not complete.
        assert_eq!(export(&["jsonl", &cars, "--fail-fast", "-o", &out]).code, Some(3));
        assert!(!folder.path("rows.jsonl").exists());
    }
    let log = folder.name("report");
    let args = ["jsonl", &*cars, "-o", &out, "--force", "--report", &log];
    for old in [false, true] {
        if old {
            fs::write(&out, "old").unwrap();
        }
        assert_eq!(export(&[&args[..], &["--fail-fast", "-j1"]].concat()).code, Some(3));
        // The report has the failure, and nothing as done whose rows are nowhere.
        let [failed] = &report(&log)[..] else { panic!("{:?}", report(&log)) };
        assert_eq!((&failed["outcome"], &failed["output"]), (&json!("failed"), &Value::Null));
        fs::remove_file(&log).unwrap();
    }
    assert_eq!(export(&args).code, Some(3));
    let outputs: Vec<_> = report(&log).iter().map(|line| line["output"].clone()).collect();
    // Lines about rows wait until the file has its name.
    let expected = (0..9).map(|number| if number == 0 { Value::Null } else { json!(out) });
    assert_eq!(outputs, expected.collect::<Vec<_>>());
    assert_eq!(fs::read_to_string(&out).unwrap().lines().count(), 16);
}

#[test]
fn streams_never_resume_and_their_lines_are_appended() {
    let folder = Folder::new();
    let car = folder.write("a.car", &sample().to_bytes(Order::Pds));
    let log = folder.name("report");
    let args = ["jsonl", &*car, "--report", &log];
    let first = export(&args);
    assert_eq!(export(&args), first);
    assert_eq!(first.stdout.lines().count(), 2);
    assert_eq!(report(&log).len(), 2);
    assert!(report(&log).iter().all(|line| line["outcome"] == "done" && line["output"].is_null()));
    // Other rows need another report.
    for more in
        [&["--columns=rkey"][..], &["--collection=a.b.c"], &["-o", "rows/"], &["--compress=gzip"]]
    {
        let error = export(&[&args[..], more].concat()).one_error(2);
        assert!(error.contains("it is of a run with other options"), "{error}");
    }
    // Limits do not shape rows.
    assert_eq!(export(&[&args[..], &["--legacy", "--max-block=1M"]].concat()), first);
    let out = folder.name("rows.jsonl");
    assert_eq!(export(&[&args[..], &["-o", &out]].concat()).code, Some(0));
    assert_eq!(report(&log).last().unwrap()["output"], json!(out));
}

#[test]
fn wrong_usage_is_refused_before_anything_is_read() {
    let folder = Folder::new();
    let car = folder.write("a.car", &sample().to_bytes(Order::Pds));
    for (args, message) in [
        (&["jsonl", &car, "--part-size=1M"][..], "--part-size needs a folder"),
        (&["jsonl", "-"], "standard input cannot be one of several inputs"),
        (&["json", &car], "[possible values: jsonl, csv, parquet]"),
        (&["csv", &car, "--columns=uri"], "unknown column"),
        (&["csv", &car, "--did=alice"], "not a DID"),
        (&["csv", &car, "--collection=a"], "expected an NSID"),
        (&["csv", &car, "--compress=zstd"], "gzip"),
        (&["csv"], "INPUT"),
    ] {
        let run = export(args);
        assert_eq!((run.code, &*run.stdout), (Some(2), ""), "{args:?}");
        assert!(run.stderr.contains(message), "{args:?}: {}", run.stderr);
    }
    folder.write("none/readme.txt", b"");
    assert!(export(&["csv", &folder.name("none")]).one_error(2).contains("no CARs in"));
}

#[test]
fn lists_of_paths_are_inputs() {
    let folder = Folder::new();
    let car = folder.write("a.car", &sample().to_bytes(Order::Pds));
    let run = run_on(
        ["export", "--as=csv", "--columns=rkey", "--files-from=-"],
        format!("{car}\n{car}\n").as_bytes(),
    );
    // Nothing is removed.
    assert_eq!((run.code, &*run.stdout), (Some(0), "rkey\n1\n2\n1\n2\n"));
}
