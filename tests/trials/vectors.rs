//! External data: exports, trees, proofs, CBOR and syntax. There is a trial for each file or list.
//!
//! The data is in the folder that `CARWALK_VECTORS` names, or in `shared/vectors` beside the
//! repository. Without it the trials are ignored, and one fails if `CARWALK_REQUIRE_VECTORS` is 1.

use crate::{common, lookup_vectors, mst_suite};
use carwalk::ErrorClass;
use std::collections::{BTreeMap, HashSet};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use carwalk::cid::Codec;
use carwalk::error::{LimitName, LookAlike, Malformed};
use carwalk::mst::{Event, Layer, Node};
use carwalk::store::{CarStore, SliceStore};
use carwalk::{Cid, ErrorKind, Loader, Repo, Tree, syntax};
use carwalk_testkit::car::{Car, header_value};
use carwalk_testkit::cbor::Value as Cbor;
use carwalk_testkit::cid::{Cid as KitCid, sha256};
use carwalk_testkit::readers::{OneByte, Ragged};
use carwalk_testkit::tree::{self, Entry};
use carwalk_testkit::vectors;
use libtest_mimic::Trial;
use serde_json::Value;

const CARS: [&str; 7] = [
    "empty.car",
    "little.car",
    "midsize.car",
    "prev-not-null.car",
    "slice-one.car",
    "slice-proving-absence.car",
    "tiny.car",
];

const CONTAINERS: [&str; 4] =
    ["badheaderlength.car", "badsectionlength.car", "carv1-basic.car", "carv2-basic.car"];

const DASL: [&str; 11] = [
    "cid.json",
    "concat.json",
    "floats.json",
    "indefinite.json",
    "integer_range.json",
    "map_keys.json",
    "numeric_reduction.json",
    "short_form.json",
    "simple.json",
    "tags.json",
    "utf8.json",
];

const PROOFS: &str = "proofs/get-record-proofs.json";

/// The number of bare trees.
const TREES: usize = 128;

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = Trials { folder: vectors::folder(), list: Vec::new() };
    if trials.folder.is_none() {
        eprintln!("the vectors are missing: their trials are ignored");
    }
    exports(&mut trials);
    bare_trees(&mut trials);
    #[cfg(feature = "redb")]
    spilled::trials(&mut trials);
    #[cfg(feature = "sync")]
    inversions(&mut trials);
    encodings(&mut trials);
    syntax_of_texts(&mut trials);
    proofs_and_lookups(&mut trials);
    #[cfg(feature = "signature")]
    signatures(&mut trials);
    completeness(&mut trials);
    trials.list
}

/// Trials of external data.
struct Trials {
    /// The folder of the data. If it is missing, the trials are ignored.
    folder: Option<PathBuf>,
    list: Vec<Trial>,
}

impl Trials {
    /// Adds a trial of the file or folder at a path below the folder of the data.
    fn add(&mut self, name: &str, below: &str, check: fn(&Path)) {
        let is_ignored = self.folder.is_none();
        self.push(format!("vectors::{name}"), self.path(below), is_ignored, check);
    }

    /// Adds a trial for each of some files in a folder.
    fn add_files(&mut self, group: &str, folder: &str, names: &[&str], check: fn(&Path)) {
        for name in names {
            self.add(&format!("{group}::{name}"), &format!("{folder}/{name}"), check);
        }
    }

    /// Adds a trial for each bare tree.
    fn add_trees(&mut self, group: &str, check: fn(&Path)) {
        for number in 0..TREES {
            let name = format!("exhaustive_{number:03}.car");
            self.add_files(group, "mst-suite/cars", &[&name], check);
        }
    }

    fn path(&self, below: &str) -> PathBuf {
        self.folder.clone().unwrap_or_default().join(below)
    }

    fn push(&mut self, name: String, path: PathBuf, is_ignored: bool, check: fn(&Path)) {
        let check = move || {
            check(&path);
            Ok(())
        };
        self.list.push(Trial::test(name, check).with_ignored_flag(is_ignored));
    }
}

fn exports(trials: &mut Trials) {
    trials.add_files("cars", "cars", &CARS, export_agrees);
    trials.add_files("containers", "containers", &CONTAINERS, container_is_refused);
}

fn bare_trees(trials: &mut Trials) {
    trials.add_trees("mst_suite", bare_tree_walks);
    trials.add_trees("mst_suite::rebuilt", mst_suite::tree_is_rebuilt);
    trials.add("mst_suite::differences", "mst-suite", mst_suite::differences_agree);
    trials.add("mst_suite::proof_nodes", "mst-suite", mst_suite::proof_nodes_never_mislead);
}

#[cfg(feature = "sync")]
fn inversions(trials: &mut Trials) {
    use crate::inversion::{fixtures_are_proven, suite_is_inverted, suite_is_proven};
    let fixtures = "interop/firehose/commit-proof-fixtures.json";
    trials.add("inversion::mst_suite", "mst-suite", suite_is_inverted);
    trials.add("inversion::proofs_of_mst_suite", "mst-suite", suite_is_proven);
    trials.add("inversion::fixtures", fixtures, fixtures_are_proven);
}

fn encodings(trials: &mut Trials) {
    let records = "interop/data-model/data-model-fixtures.json";
    trials.add_files("dasl", "dasl", &DASL, cbor_is_judged);
    trials.add("mst::key_heights", "interop/mst/key_heights.json", key_heights);
    trials.add("mst::example_keys", "interop/mst/example_keys.txt", example_keys);
    trials.add("mst::common_prefix", "interop/mst/common_prefix.json", common_prefix);
    trials.add("data_model::cids", records, cids_of_records);
}

fn syntax_of_texts(trials: &mut Trials) {
    let mut add = |name: &str, check: fn(&Path)| {
        trials.add(&format!("syntax::{name}"), "interop/syntax", check);
    };
    add("did", |folder| syntax_lists(folder, "did", syntax::is_did));
    add("tid", |folder| syntax_lists(folder, "tid", syntax::is_tid));
    add("nsid", |folder| syntax_lists(folder, "nsid", syntax::is_nsid));
    add("recordkey", |folder| syntax_lists(folder, "recordkey", syntax::is_record_key));
    add("cid", cid_syntax);
}

fn proofs_and_lookups(trials: &mut Trials) {
    use lookup_vectors::{SLICES, inductive_proofs_answer, proofs_answer, slice_answers};
    trials.add("proofs", PROOFS, proofs);
    trials.add("lookups::proof_nodes", "mst-suite", proofs_answer);
    trials.add("lookups::inductive_proof_nodes", "mst-suite", inductive_proofs_answer);
    for (name, _) in SLICES {
        let path = trials.path("cars").join(name);
        // Not every copy of the vectors has all slices.
        let is_absent = !path.is_file();
        trials.push(format!("lookups::{name}"), path, is_absent, slice_answers);
    }
}

#[cfg(feature = "signature")]
fn signatures(trials: &mut Trials) {
    use crate::signature_vectors::{commits, did_keys, record_proofs, signatures};
    let messages = "interop/crypto/signature-fixtures.json";
    trials.add("signatures::messages", messages, signatures);
    trials.add("signatures::did_keys", "interop/crypto", did_keys);
    trials.add("signatures::commits", PROOFS, commits);
    trials.add("signatures::record_proofs", PROOFS, record_proofs);
}

fn completeness(trials: &mut Trials) {
    trials.add("every_file_has_a_trial", "", every_file_has_a_trial);
    let is_absent = trials.folder.is_none();
    let are_present = move || {
        assert!(!is_absent, "set CARWALK_VECTORS to the folder of the vectors");
        Ok(())
    };
    let is_ignored = is_absent && !vectors::are_required();
    let trial = Trial::test("vectors_are_present", are_present).with_ignored_flag(is_ignored);
    trials.list.push(trial);
}

pub(crate) fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

pub(crate) fn unbase64(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let (mut held, mut bits) = (0u32, 0);
    for letter in text.trim_end_matches('=').bytes() {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            other => panic!("not base64: {other:#x}"),
        };
        held = held << 6 & 0xffff | u32::from(value);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits).to_le_bytes()[0]);
        }
    }
    bytes
}

fn export_agrees(path: &Path) {
    let name = path.file_name().unwrap().to_str().unwrap();
    let expected = &json(&path.with_file_name("expected.json"))[name];
    let bytes = fs::read(path).unwrap();
    repo_agrees(&Repo::from_slice(&bytes).unwrap(), expected);
    repo_agrees(&Repo::from_slice(bytes.clone()).unwrap(), expected);
    repo_agrees(&Repo::from_reader(fs::File::open(path).unwrap()).unwrap(), expected);
    repo_agrees(&Repo::from_reader(OneByte(&bytes[..])).unwrap(), expected);
    repo_agrees(&Repo::from_reader(Ragged::new(&bytes[..], 2)).unwrap(), expected);
    #[cfg(feature = "mmap")]
    #[allow(unsafe_code)]
    // SAFETY: nobody changes the vectors.
    repo_agrees(&unsafe { Repo::map(&fs::File::open(path).unwrap()) }.unwrap(), expected);

    let is_whole = expected["missing_nodes"] == 0 && expected["missing_records"] == 0;
    let rows = common::rows_each_way(&bytes, Loader::new);
    assert_eq!(rows.is_ok(), is_whole);
    match rows {
        Ok(rows) => assert!(rows == common::oracle_rows(&bytes)),
        Err(error) => assert_eq!(error.class(), ErrorClass::Missing, "{error}"),
    }
}

fn repo_agrees<S: CarStore>(repo: &Repo<S>, expected: &Value) {
    let commit = repo.commit();
    assert_eq!(expected["did"], commit.did());
    assert_eq!(expected["rev"], commit.rev());
    assert_eq!(expected["version"], commit.version());
    assert_eq!(expected["commit"], commit.cid().to_string());
    assert_eq!(expected["data"], commit.data().to_string());
    assert_eq!(
        expected["prev"].as_str().map(str::to_owned),
        commit.prev().map(|prev| prev.to_string())
    );
    assert_eq!(expected["sections"], repo.stats().sections);
    assert_eq!(expected["distinct_blocks"], repo.stats().distinct_blocks);
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut lines = String::new();
    let mut reached = HashSet::from([commit.cid()]);
    let mut walk = repo.walk().partial(true).nodes(true).start();
    while let Some(event) = walk.next_event().unwrap() {
        let (kind, entry) = match event {
            Event::Node { cid, .. } => {
                reached.insert(cid);
                ("nodes", None)
            }
            Event::MissingSubtree { .. } => ("missing_nodes", None),
            Event::Record { entry, block, .. } => {
                reached.insert(entry.cid());
                *counts.entry("record_bytes").or_default() += block.len();
                ("records_present", Some(entry))
            }
            Event::MissingRecord { entry, .. } => ("missing_records", Some(entry)),
            other => panic!("{other:?}"),
        };
        *counts.entry(kind).or_default() += 1;
        if let Some(entry) = entry {
            *counts.entry("entries").or_default() += 1;
            writeln!(lines, "{}\t{}", entry.path().unwrap(), entry.cid()).unwrap();
        }
    }
    for name in
        ["nodes", "missing_nodes", "entries", "records_present", "missing_records", "record_bytes"]
    {
        assert_eq!(expected[name], counts.get(name).copied().unwrap_or(0), "{name}");
    }
    assert_eq!(expected["ls_sha256"], hex(&sha256(lines.as_bytes())));
    let is_whole = expected["missing_nodes"] == 0 && expected["missing_records"] == 0;
    match repo.unreached_blocks() {
        Ok(unreached) => assert_eq!(unreached + reached.len() as u64, repo.stats().distinct_blocks),
        Err(error) => assert!(error.class() == ErrorClass::Missing && !is_whole, "{error}"),
    }
}

fn container_is_refused(path: &Path) {
    let bytes = fs::read(path).unwrap();
    let error = common::rows_each_way(&bytes, Loader::new).unwrap_err();
    let kind = error.kind();
    let is_right = match path.file_name().unwrap().to_str().unwrap() {
        "badheaderlength.car" => {
            matches!(kind, ErrorKind::Limit { limit: LimitName::HeaderLen, .. })
        }
        "badsectionlength.car" => matches!(kind, ErrorKind::Malformed(Malformed::NoRoots)),
        "carv1-basic.car" => matches!(kind, ErrorKind::Malformed(Malformed::CidVersion0)),
        "carv2-basic.car" => matches!(kind, ErrorKind::LookAlike(LookAlike::CarV2)),
        _ => false,
    };
    assert!(is_right, "{error}");
}

/// The same data in spill files.
#[cfg(feature = "redb")]
mod spilled {
    use std::fs;
    use std::path::Path;

    use carwalk::mst::Event;
    use carwalk::store::{CarStore, RedbStore, SliceStore, SpillFile};
    use carwalk::{Loader, Process, Repo, Tree, Verification};
    use carwalk_testkit::readers::Ragged;
    use carwalk_testkit::rng::Rng;

    use super::{CARS, CONTAINERS, Trials, json, repo_agrees};
    use crate::common;
    use crate::common::spill::{self, with_repo};

    pub(super) fn trials(trials: &mut Trials) {
        trials.add_files("spilled_cars", "cars", &CARS, export_agrees);
        trials.add_files("spilled_containers", "containers", &CONTAINERS, container_is_refused);
        trials.add_trees("spilled_mst_suite", bare_tree_walks);
    }

    fn export_agrees(path: &Path) {
        let name = path.file_name().unwrap().to_str().unwrap();
        let expected = &json(&path.with_file_name("expected.json"))[name];
        let bytes = fs::read(path).unwrap();
        let slice = Repo::from_slice(&bytes[..]).unwrap();
        let whole = common::told(&slice).ok();
        let folder = tempfile::tempdir().unwrap();
        let is_large = bytes.len() > 1 << 20;
        for seed in 0..if is_large { 1 } else { 4 } {
            let mut rng = Rng::new(seed);
            // Random settings are slow for large CARs: long segments with no cache take long to
            // search.
            let settings =
                |file, rng: &mut Rng| if is_large { file } else { spill::any_settings(file, rng) };
            let file = settings(SpillFile::temporary(), &mut rng);
            let repo = spill::all_into(Loader::new(), Ragged::new(&bytes[..], seed), file).unwrap();
            repo_agrees(&repo, expected);
            assert_eq!(told(&repo), told(&slice));
            assert_eq!(common::told(&repo).ok(), whole);
            if !is_large {
                let any = spill::any_way(Loader::new(), &bytes, SpillFile::temporary(), &mut rng)
                    .unwrap();
                with_repo!(&any, repo => repo_agrees(repo, expected));
            }

            let path = folder.path().join(seed.to_string());
            drop(
                spill::all_into(
                    Loader::new(),
                    &bytes[..],
                    settings(SpillFile::keep(&path), &mut rng),
                )
                .unwrap(),
            );
            for verification in [Verification::EveryBlock, Verification::ReachedBlocks] {
                let loader = Loader::new().verification(verification);
                let loader = loader.memory_limit(rng.below(1 << 20) as u64);
                repo_agrees(&loader.from_spill_file(&path).unwrap(), expected);
            }
            let loader = || common::summarizing(Loader::new());
            let memory = loader().from_reader(&bytes[..]).unwrap();
            let processed =
                spill::all_into(loader(), &bytes[..], settings(SpillFile::temporary(), &mut rng))
                    .unwrap();
            assert_eq!(told(&processed), told(&memory));
            assert_eq!(
                common::told_summarized(&processed).ok(),
                common::told_summarized(&memory).ok()
            );
        }
    }

    /// Returns the events of a partial walk as text.
    fn told<S: CarStore, P: Process>(repo: &Repo<S, P>) -> Vec<String> {
        let mut told = Vec::new();
        let mut walk = repo.walk().partial(true).nodes(true).start();
        while let Some(event) = walk.next_event().unwrap() {
            told.push(match event {
                Event::Node { cid, offset, block, .. } => {
                    format!("node {cid} at {offset:?}: {}", block.len())
                }
                Event::Record { entry, form, block, offset, .. } => {
                    format!("{entry:?} at {offset:?}, {form:?}: {}", block.len())
                }
                other => format!("{other:?}"),
            });
        }
        told
    }

    fn container_is_refused(path: &Path) {
        let bytes = fs::read(path).unwrap();
        let expected = Repo::from_reader(&bytes[..]).unwrap_err();
        let found =
            Loader::new().memory_limit(0).spill(&bytes[..], SpillFile::temporary()).unwrap_err();
        assert_eq!(common::details(&found), common::details(&expected));
    }

    fn bare_tree_walks(path: &Path) {
        let bytes = fs::read(path).unwrap();
        let slice = SliceStore::new(&bytes[..]).unwrap();
        let store = RedbStore::new(&bytes[..], SpillFile::temporary().segment_len(300)).unwrap();
        assert_eq!(store.stats(), slice.stats());
        let root = slice.header().root();
        let (expected, found) = (Tree::new(slice, root), Tree::new(store, root));
        let mut walks = (
            expected.walk().records(false).nodes(true).start(),
            found.walk().records(false).nodes(true).start(),
        );
        loop {
            let (expected, found) = (walks.0.next_event().unwrap(), walks.1.next_event().unwrap());
            assert_eq!(format!("{found:?}"), format!("{expected:?}"));
            assert!(!matches!(found, Some(Event::BadSubtree { .. })));
            if found.is_none() {
                break;
            }
        }
    }
}

fn bare_tree_walks(path: &Path) {
    let bytes = fs::read(path).unwrap();
    let store = SliceStore::new(&bytes[..]).unwrap();
    let root = store.header().root();
    let sections = store.stats().sections;
    let tree = Tree::new(store, root);
    let mut walk = tree.walk().records(false).nodes(true).start();
    let (mut nodes, mut records) = (0, BTreeMap::new());
    while let Some(event) = walk.next_event().unwrap() {
        match event {
            Event::Node { .. } => nodes += 1,
            Event::Entry { entry, .. } => {
                let cid = KitCid::from_bytes(entry.cid().as_bytes()).unwrap();
                assert_eq!(records.insert(entry.key().to_vec(), cid), None);
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(nodes, sections);
    assert_eq!(common::cid(&tree::build(&records).cid()), root);
    let error = Repo::from_slice(&bytes[..]).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::LookAlike(LookAlike::BareTree)), "{error}");
}

/// Reads each case as the value of an unknown header field.
fn cbor_is_judged(path: &Path) {
    let mut judged = 0;
    for case in json(path).as_array().unwrap() {
        let tags = case["tags"].as_array().unwrap();
        let applies =
            |tag: &Value| ["basic", "dag-cbor", "dasl-cid"].iter().any(|ours| tag == ours);
        if !tags.iter().any(applies) {
            continue;
        }
        // "Big DASL CID" has a hash function that repositories do not use.
        let is_good = case["type"] == "roundtrip" && case["name"] != "Big DASL CID";
        let item = unhex(case["data"].as_str().unwrap());
        let mut header = header_value(&[KitCid::dag_cbor(b"")]);
        header.pairs_mut().push((Cbor::text("zzzzzzzz"), Cbor::Raw(item)));
        let mut car = Car::new(&[]);
        car.set_header(header.encode());
        let found = SliceStore::new(car.to_bytes());
        assert_eq!(found.is_ok(), is_good, "{case}: {found:?}");
        judged += 1;
    }
    assert!(judged > 0 || path.ends_with("numeric_reduction.json"));
}

fn key_heights(path: &Path) {
    for case in json(path).as_array().unwrap() {
        let key = case["key"].as_str().unwrap();
        assert_eq!(case["height"], Layer::of(key.as_bytes()).get(), "{key}");
    }
}

/// The second character of each key is its layer.
fn example_keys(path: &Path) {
    let text = fs::read_to_string(path).unwrap();
    for key in text.lines() {
        assert_eq!(key[1..2].parse(), Ok(Layer::of(key.as_bytes()).get()), "{key}");
    }
    assert_eq!(text.lines().count(), 156);
}

/// Two keys in one node share a prefix of the listed length. A shorter prefix is refused.
fn common_prefix(path: &Path) {
    for case in json(path).as_array().unwrap() {
        let mut keys = ["left", "right"].map(|side| case[side].as_str().unwrap().as_bytes());
        keys.sort_unstable();
        let node = |prefix_len: Option<u64>| {
            let mut entries = keys.map(|key| Entry::new(key, KitCid::raw(key)));
            entries[1].prefix_len = prefix_len;
            tree::Node::leaf(entries.into()).block()
        };
        let len = case["len"].as_u64().unwrap();
        let is_sound = keys[0] != keys[1] && !keys[0].is_empty();
        let block = node(None);
        let parsed =
            Node::parse(&block).map(|node| node.entries().last().unwrap().prefix_len() as u64);
        assert_eq!(parsed.ok(), is_sound.then_some(len), "{case}");
        for shorter in 0..len {
            assert!(Node::parse(&node(Some(shorter))).is_err(), "{case}, prefix of {shorter}");
        }
    }
}

fn lines(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with("# "));
    lines.map(str::to_owned).collect()
}

fn syntax_lists(folder: &Path, name: &str, is_valid: fn(&str) -> bool) {
    for (list, expected) in [("valid", true), ("invalid", false)] {
        let lines = lines(&folder.join(format!("{name}_syntax_{list}.txt")));
        assert!(!lines.is_empty());
        for line in lines {
            assert_eq!(is_valid(&line), expected, "{line:?}");
        }
    }
}

/// Of both lists, only CIDs of version 1 in base32 with the codec raw or dag-cbor are accepted.
fn cid_syntax(folder: &Path) {
    for line in lines(&folder.join("cid_syntax_invalid.txt")) {
        assert!(line.parse::<Cid>().is_err(), "{line:?}");
    }
    for line in lines(&folder.join("cid_syntax_valid.txt")) {
        let is_of_the_form =
            line.len() == 59 && (line.starts_with("bafyrei") || line.starts_with("bafkrei"));
        assert_eq!(line.parse::<Cid>().is_ok(), is_of_the_form, "{line:?}");
    }
}

fn cids_of_records(path: &Path) {
    for case in json(path).as_array().unwrap() {
        let record = unbase64(case["cbor_base64"].as_str().unwrap());
        let cid = Cid::of(Codec::DagCbor, &record);
        assert_eq!(case["cid"], cid.to_string());
        assert_eq!(case["cid"].as_str().unwrap().parse::<Cid>().unwrap(), cid);
        cid.verify(&record).unwrap();
    }
}

fn proofs(path: &Path) {
    let file = json(path);
    let collection = file["collection"].as_str().unwrap();
    let mut judged = 0;
    for case in file["cases"].as_array().unwrap().iter().filter(|case| case["expect"] != "error") {
        let car = unbase64(case["proof"].as_str().unwrap());
        let repo = Repo::from_slice(&car).unwrap();
        assert_eq!(case["did"], repo.commit().did());
        assert_eq!(case["dataCid"], repo.commit().data().to_string());
        let path = format!("{collection}/{}", case["rkey"].as_str().unwrap());
        let mut found = None;
        let mut walk = repo.walk().partial(true).start();
        while let Some(event) = walk.next_event().unwrap() {
            match event {
                Event::Record { entry, .. } | Event::MissingRecord { entry, .. }
                    if entry.path().unwrap() == path.as_str() =>
                {
                    found = Some(entry.cid().to_string());
                }
                Event::BadSubtree { error, .. } | Event::BadRecord { error, .. } => {
                    panic!("{case}: {error}")
                }
                _ => {}
            }
        }
        assert_eq!(case["expect"].as_str().map(str::to_owned), found, "{case}");
        judged += 1;
    }
    assert_eq!(judged, 25);
}

fn every_file_has_a_trial(folder: &Path) {
    let names = |below: &str| -> Vec<PathBuf> {
        let files = fs::read_dir(folder.join(below)).unwrap();
        let mut names: Vec<_> =
            files.map(|file| PathBuf::from(file.unwrap().file_name())).collect();
        names.retain(|name| {
            name.extension().is_some_and(|extension| extension == "car" || extension == "json")
        });
        names.sort();
        names
    };
    let mut cars = CARS.map(PathBuf::from).to_vec();
    cars.push("expected.json".into());
    cars.sort();
    assert_eq!(names("cars"), cars);
    assert_eq!(names("containers"), CONTAINERS.map(PathBuf::from));
    assert_eq!(names("dasl"), DASL.map(PathBuf::from));
    assert_eq!(names("mst-suite/cars").len(), TREES);
}
