//! Real exports and containers from elsewhere, one test or two for each file.
//!
//! They lie in the folder that `CARWALK_VECTORS` names, or beside the repository. Without them the
//! tests do nothing but say so, unless `CARWALK_REQUIRE_VECTORS` is 1: then they fail.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use crate::compressed::{gzip, zstd};
use crate::data_model::Parsed;
use crate::harness::{Run, TempCar, run, run_bytes, run_on};
use carwalk::Repo;
use carwalk::mst::Event;
use carwalk::record::{self, Layout};
use carwalk_testkit::repo::{Order, Record, Repo as Made};
use carwalk_testkit::vectors;
use data_encoding::{BASE64, BASE64_NOPAD, HEXLOWER};
use serde_json::Value;
use sha2::{Digest, Sha256};

type Failed = Box<dyn std::error::Error>;

/// Runs a check on a file or folder below that of the vectors.
fn with(below: &str, check: impl FnOnce(&Path) -> Result<(), Failed>) -> Result<(), Failed> {
    match vectors::folder() {
        Some(folder) => check(&folder.join(below)),
        None if vectors::are_required() => Err("the vectors are not there".into()),
        None => {
            // Not by `eprintln`, which nobody sees of a test that passes.
            let told = "the vectors are not there: a test is left out, see docs/design.md";
            Ok(writeln!(io::stderr(), "{told}")?)
        }
    }
}

/// The repositories, and the block orders that they are in.
macro_rules! cars {
    ($($test:ident: $name:literal, $order:literal;)*) => {
        const CARS: &[&str] = &[$($name),*];

        mod cars {
            $(#[test]
            fn $test() -> Result<(), super::Failed> {
                super::with("cars", |folder| super::car(folder, $name, $order))
            })*
        }

        mod records {
            $(#[test]
            fn $test() -> Result<(), super::Failed> {
                super::with(concat!("cars/", $name), super::records)
            })*
        }
    };
}

cars! {
    empty: "empty.car", "pre-order";
    little: "little.car", "PDS order";
    midsize: "midsize.car", "PDS order";
    prev_not_null: "prev-not-null.car", "other";
    slice_one: "slice-one.car", "other";
    slice_proving_absence: "slice-proving-absence.car", "pre-order";
    tiny: "tiny.car", "PDS order";
}

/// CARs that are no repositories, and what is said of each.
macro_rules! containers {
    ($($test:ident: $name:literal, $message:literal;)*) => {
        const CONTAINERS: &[&str] = &[$($name),*];

        mod containers {
            $(#[test]
            fn $test() -> Result<(), super::Failed> {
                super::with(concat!("containers/", $name), |path| super::container(path, $message))
            })*
        }
    };
}

containers! {
    badheaderlength: "badheaderlength.car",
        "header length of 216830324832 exceeds the limit of 1048576";
    badsectionlength: "badsectionlength.car", "the header names no root";
    carv1_basic: "carv1-basic.car", "CID of version 0, expected version 1";
    carv2_basic: "carv2-basic.car",
        "this is a CAR of version 2; repositories are exported as version 1";
}

#[test]
fn compressed_midsize() -> Result<(), Failed> {
    with("cars/midsize.car", compressed)
}

#[test]
fn interop_data_model() -> Result<(), Failed> {
    with("interop/data-model/data-model-fixtures.json", data_model_fixtures)
}

#[test]
fn dasl_cases() -> Result<(), Failed> {
    with("dasl", dasl)
}

#[test]
fn lookups_in_slices() -> Result<(), Failed> {
    with("cars", lookups)
}

#[test]
fn get_record_proofs() -> Result<(), Failed> {
    with("proofs/get-record-proofs.json", proofs)
}

#[test]
fn every_file_has_a_test() -> Result<(), Failed> {
    with("", |folder| {
        for file in ["cars", "containers"].map(|name| fs::read_dir(folder.join(name))) {
            for file in file? {
                let name = file?.file_name();
                let mut known = CARS.iter().chain(CONTAINERS).chain(&["expected.json"]);
                assert!(known.any(|known| name == **known), "{name:?} has no test");
            }
        }
        Ok(())
    })
}

/// Runs a command on a file in each way that a file can be read; all must give the same.
fn run_each_way(args: &[&str], path: &Path) -> Result<Run, Failed> {
    let bytes = fs::read(path)?;
    let path = path.to_str().ok_or("path is not UTF-8")?;
    let mapped = run([args, &[path]].concat());
    let read = run([args, &["--no-mmap", path]].concat());
    let piped = run_on(args, &bytes);
    let named = format!("{path:?}");
    let renamed = Run { stderr: mapped.stderr.replace(&named, "standard input"), ..mapped };
    assert_eq!(renamed.stderr, read.stderr.replace(&named, "standard input"));
    assert!(renamed.stdout == read.stdout && renamed.code == read.code);
    assert!(renamed == piped);
    Ok(piped)
}

fn car(folder: &Path, name: &str, order: &str) -> Result<(), Failed> {
    let expected = fs::read_to_string(folder.join("expected.json"))?;
    let expected: Value = serde_json::from_str(&expected)?;
    let expected = expected.get(name).ok_or("not in expected.json")?;
    let path = folder.join(name);
    let is_whole = expected["missing_nodes"] == 0 && expected["missing_records"] == 0;
    let listed = run_each_way(if is_whole { &["ls"] } else { &["ls", "--partial"] }, &path)?;
    assert_eq!(listed.code, Some(0));
    assert_eq!(expected["ls_sha256"], hex(&Sha256::digest(&listed.stdout)));
    assert_eq!(expected["entries"], listed.stdout.lines().count());
    if is_whole {
        assert_eq!(listed.stderr, "");
        assert_eq!(run_each_way(&["verify"], &path)?.code, Some(0));
    } else {
        first_gap_is_named(&path, &listed.stderr, expected)?;
    }
    inspected(&path, expected, order)
}

fn inspected(path: &Path, expected: &Value, order: &str) -> Result<(), Failed> {
    let summary = run_each_way(&["inspect", "--json"], path)?;
    assert_eq!((summary.code, summary.stderr.as_str()), (Some(0), ""));
    let summary = summary.json().remove(0);
    let same =
        ["did", "version", "rev", "commit", "data", "prev", "sections", "distinct_blocks", "nodes"];
    for field in same.into_iter().chain(["missing_nodes", "missing_records", "record_bytes"]) {
        assert_eq!(summary[field], expected[field], "{field}");
    }
    assert_eq!(summary["records"], expected["records_present"]);
    assert_eq!(summary["block_order"], order);
    assert_eq!(summary["bytes"], fs::metadata(path)?.len());
    Ok(())
}

/// Without `--partial` the listing ends where the first thing is missing; `notes` name all that
/// are.
fn first_gap_is_named(path: &Path, notes: &str, expected: &Value) -> Result<(), Failed> {
    let missing: Vec<_> = notes.lines().filter_map(|note| note.split_once(" hides ")).collect();
    assert_eq!(expected["missing_nodes"], missing.len());
    let (_, interval) = missing.first().ok_or("no note")?;
    let error = run_each_way(&["ls"], path)?.one_error(4);
    assert!(
        error.contains(&format!("its block is missing, which hides {interval} (see --partial)\n")),
        "{error}"
    );
    assert_eq!(run_each_way(&["verify"], path)?.code, Some(4));
    Ok(())
}

fn container(path: &Path, message: &str) -> Result<(), Failed> {
    for command in ["ls", "inspect", "verify"] {
        let run = run_each_way(&[command], path)?;
        assert_eq!(run.stdout, "");
        let error = run.one_error(3);
        assert!(error.contains(message), "{error}");
    }
    Ok(())
}

/// Compressed, a CAR gives what it gives as it is.
fn compressed(path: &Path) -> Result<(), Failed> {
    let plain = fs::read(path)?;
    let file = path.to_str().ok_or("path is not UTF-8")?;
    let listed = run(["ls", file]).quiet_success();
    let first = listed.split('\t').next().ok_or("no record")?.to_owned();
    for packed in [gzip(&plain), zstd(&plain)] {
        assert!(packed.len() < plain.len());
        let packed = TempCar::new(&packed);
        for command in [&["ls"][..], &["verify"], &["inspect", "--json"]] {
            assert!(packed.run(command) == run([command, &[file]].concat()), "{command:?}");
        }
        assert!(packed.run_with(&["get"], &[&first]) == run(["get", file, &first]));
    }
    Ok(())
}

/// Each record is JSON, has nothing odd about it, and made CBOR again is what it was. `get` gives
/// the first and the last.
fn records(path: &Path) -> Result<(), Failed> {
    let car = fs::read(path)?;
    let repo = Repo::from_slice(&car[..])?;
    let mut walk = repo.walk().partial(true).start();
    let mut ends: Vec<(String, Vec<u8>)> = Vec::new();
    while let Some(event) = walk.next_event()? {
        let Event::Record { entry, block, .. } = event else { continue };
        for layout in [Layout::Indented, Layout::Compact] {
            assert_eq!(block, encode(&json_of(block, layout)?));
        }
        ends.truncate(1);
        ends.push((entry.path()?.to_string(), block.to_vec()));
    }
    let file = path.to_str().ok_or("path is not UTF-8")?;
    for (key, block) in ends {
        assert!(
            run(["get", file, &key]).quiet_success() == json_of(&block, Layout::Indented)? + "\n"
        );
        assert!(
            run(["get", "--compact", file, &key]).quiet_success()
                == json_of(&block, Layout::Compact)? + "\n"
        );
        assert_eq!(run_bytes(["get", "--raw", file, &key], b"").stdout, block);
    }
    Ok(())
}

fn json_of(record: &[u8], layout: Layout) -> Result<String, Failed> {
    assert_eq!(record::oddities(record).next().transpose()?, None);
    let mut json = Vec::new();
    record::write_json(record, &mut json, layout)?;
    Ok(String::from_utf8(json)?)
}

fn encode(json: &str) -> Vec<u8> {
    let Parsed(item) = serde_json::from_str(json).unwrap();
    item.encode()
}

/// What was written in JSON by others is what `get` makes of their CBOR.
fn data_model_fixtures(path: &Path) -> Result<(), Failed> {
    let fixtures: Vec<Value> = serde_json::from_slice(&fs::read(path)?)?;
    assert_eq!(fixtures.len(), 3);
    for fixture in fixtures {
        let record =
            BASE64_NOPAD.decode(fixture["cbor_base64"].as_str().ok_or("no CBOR")?.as_bytes())?;
        let record = Record::new(record);
        assert_eq!(record.cid.to_string(), fixture["cid"].as_str().ok_or("no CID")?);
        let car =
            Made::new([(b"com.example.test/self".to_vec(), record.clone())]).to_bytes(Order::Pds);
        let json = run_on(["get", "com.example.test/self"], &car).quiet_success();
        assert_eq!(serde_json::from_str::<Value>(&json)?, fixture["json"]);
        assert_eq!(encode(&json), record.bytes);
    }
    Ok(())
}

/// Of items that no DAG-CBOR has, something is told; of those that every kind of CBOR has, nothing.
fn dasl(folder: &Path) -> Result<(), Failed> {
    let (mut sound, mut odd) = (0, 0);
    for file in fs::read_dir(folder)? {
        let path = file?.path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let cases: Vec<Value> = serde_json::from_slice(&fs::read(&path)?)?;
        for case in cases {
            let has = |tag: &str| {
                case["tags"].as_array().is_some_and(|tags| tags.iter().any(|own| own == tag))
            };
            let item = HEXLOWER.decode(case["data"].as_str().ok_or("no data")?.as_bytes())?;
            // In a map, so that an item of any kind makes a record.
            let record = [b"\xa1\x61v", &item[..]].concat();
            let is_refused = record::oddities(&record).any(|odd| odd.is_err());
            let told = record::oddities(&record).map_while(Result::ok);
            let mut told: Vec<_> = told.map(|odd| odd.oddity().to_string()).collect();
            if case["type"] == "roundtrip" && has("basic") {
                // DAG-CBOR has these, the data model of records does not.
                told.retain(|oddity| {
                    !oddity.starts_with("float") && !oddity.ends_with("takes more than 53 bits")
                });
                assert!(!is_refused && told.is_empty(), "{case} {told:?}");
                sound += 1;
            } else if case["type"] != "roundtrip" && has("dag-cbor") {
                assert!(is_refused || !told.is_empty(), "{case}");
                odd += 1;
            }
        }
    }
    assert_eq!((sound, odd), (11, 57));
    Ok(())
}

/// What two slices of one repository say of keys, as far as they prove it.
fn lookups(folder: &Path) -> Result<(), Failed> {
    let (one, first) = ("app.bsky.feed.like/3mcg72x6bi32z", "app.bsky.feed.like/3lohfzs6qea24");
    let (before, later) = ("app.bsky.feed.like/3lohfzs6qea23", "app.bsky.feed.like/3mcqqwzsc7x26");
    let cases = [
        ("slice-one.car", one, 0),
        // A node hides keys around this one, but is of a lower layer than it.
        ("slice-one.car", later, 1),
        ("slice-one.car", "app.bsky.feed.like/3mcqqwzsc7x27", 4),
        ("slice-proving-absence.car", before, 1),
        ("slice-proving-absence.car", later, 4),
        // The key is there, its record is not.
        ("slice-proving-absence.car", first, 4),
    ];
    for (name, key, code) in cases {
        let path = folder.join(name);
        let path = path.to_str().ok_or("path is not UTF-8")?;
        let found = run(["get", path, key]);
        assert_eq!(found.code, Some(code), "{name} {key} {found:?}");
        let of_another = run(["get", path, &format!("at://did:plc:a/{key}")]);
        assert_eq!(of_another.code, Some(3), "{of_another:?}");
        let cid = run(["get", "--cid", path, key]);
        assert_eq!(cid.code, Some(if key == first { 0 } else { code }), "{cid:?}");
    }
    Ok(())
}

/// Answers of com.atproto.sync.getRecord. `get` says what they prove, `verify` whether they are
/// whose they should be.
fn proofs(path: &Path) -> Result<(), Failed> {
    let proofs: Value = serde_json::from_slice(&fs::read(path)?)?;
    let text = |value: &Value| value.as_str().map(str::to_owned).ok_or("not a text");
    let collection = text(&proofs["collection"])?;
    let mut counts = [0; 3];
    for case in proofs["cases"].as_array().ok_or("no cases")? {
        let (did, key) = (text(&case["did"])?, text(&case["signingKey"])?);
        let path = format!("{collection}/{}", text(&case["rkey"])?);
        let file = TempCar::new(&BASE64.decode(text(&case["proof"])?.as_bytes())?);
        let verified = file.run(&["verify", "--partial", "--did", &did, "--key", &key]);
        let found = file.run_with(&["get", "--cid"], &[&format!("at://{did}/{path}")]);
        let record = file.run_with(&["get"], &[&path]);
        if case["expect"] == "error" {
            let is_of_did = found.code != Some(3);
            verified.one_error(1);
            // `get` knows of the wrong account, but not of the wrong key.
            assert_eq!(is_of_did, text(&case["name"])?.ends_with("wrong_key"), "{case} {found:?}");
            counts[0] += 1;
            continue;
        }
        let lines = verified.quiet_success();
        assert!(lines.contains(&format!("signed with {key}\n")), "{lines}");
        if let Some(cid) = case["expect"].as_str() {
            assert_eq!(found.quiet_success(), format!("{cid}\n"));
            let json = record.quiet_success();
            assert_eq!(cid, Record::new(encode(&json)).cid.to_string());
            counts[1] += 1;
        } else {
            assert_eq!(found.one_error(1), record.one_error(1));
            counts[2] += 1;
        }
    }
    assert_eq!(counts, [50, 10, 15]);
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
