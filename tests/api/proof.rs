//! Proofs: the blocks that are needed and no others, in order, and what they prove.

use crate::common;
use carwalk::ErrorClass;
use carwalk::KeyRange;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::error::Error as _;
use std::io::{self, Write};
use std::ops::Bound;

use crate::common::keys::{Keys, any_key, any_keys, assert_names, expected, parts};
use crate::common::pack::packed;
use crate::common::part::{self, Part, PlainTree, Range, Removal};
use carwalk::error::{SpillFileFault, Structure};
use carwalk::store::BlockStore;
use carwalk::{Cid, ErrorKind, Loader, Lookup, ProofBuilder, Repo, Result, WriteStats};
use carwalk_testkit::car::Car;
use carwalk_testkit::cases;
use carwalk_testkit::cid::Cid as KitCid;
use carwalk_testkit::repo::{Order, Record, Repo as KitRepo};
use carwalk_testkit::rng::Rng;
use carwalk_testkit::{breakage, legal, random};

fn seeds() -> u64 {
    cases(10)
}

/// Names what a proof is to be about.
fn about<'r, S: BlockStore>(proof: ProofBuilder<'r, S>, sets: &[Keys]) -> ProofBuilder<'r, S> {
    sets.iter().fold(proof, |proof, keys| match keys {
        Keys::One(key) => proof.range(KeyRange::key(key)),
        Keys::Range(range) => proof.range(range.clone()),
        Keys::Prefix(prefix) => proof.range(KeyRange::prefix(prefix)),
    })
}

/// A proof of some keys. What it tells of itself is so.
#[track_caller]
fn proved<S: BlockStore>(repo: &Repo<S>, sets: &[Keys], records: bool) -> Result<Vec<u8>> {
    let mut car = Vec::new();
    let WriteStats { bytes, sections, .. } =
        about(repo.prove(), sets).records(records).write(&mut car)?;
    let parsed = Car::parse(&car).unwrap();
    assert_eq!((bytes, sections), (car.len() as u64, parsed.sections.len() as u64));
    Ok(car)
}

/// Keys that are there or not, their neighbours, ranges and prefixes: one to six of them.
fn any_sets(part: &Part, rng: &mut Rng) -> Vec<Keys> {
    let mut sets: Vec<Keys> = Vec::new();
    for _ in 0..rng.range(1, 4) {
        if rng.chance(1, 2) {
            sets.push(Keys::One(any_key(part, rng)));
        } else {
            sets.push(any_keys(part, rng));
        }
    }
    if rng.chance(1, 3) {
        let key = any_key(part, rng);
        sets.extend(part::neighbours(&key).into_iter().take(2).map(Keys::One));
        sets.push(Keys::One(key));
    }
    sets
}

/// The nodes on the way to a key, down to where it stands or to the null link in its gap.
fn path_to_the_end(tree: &PlainTree, key: &[u8]) -> Vec<usize> {
    let (mut path, mut at) = (Vec::new(), 0);
    loop {
        path.push(at);
        let node = &tree.0[at];
        let gap = node.entries.iter().take_while(|(own, _)| &own[..] < key).count();
        if node.entries.get(gap).is_some_and(|(own, _)| own == key) {
            return path;
        }
        match node.links[gap] {
            Some(below) => at = below,
            None => return path,
        }
    }
}

/// The nodes that any of the sets needs.
fn needed_nodes(tree: &PlainTree, sets: &[Keys]) -> Vec<usize> {
    let mut nodes = HashSet::new();
    for keys in sets {
        match keys {
            Keys::One(key) => nodes.extend(path_to_the_end(tree, key)),
            _ => nodes.extend((0..tree.0.len()).filter(|&number| keys.touches(&tree.0[number]))),
        }
    }
    let mut nodes: Vec<usize> = nodes.into_iter().collect();
    nodes.sort_unstable();
    nodes
}

/// The blocks that are needed, in pre-order: each node at its place, each record once.
fn needed(repo: &KitRepo, tree: &PlainTree, sets: &[Keys], records: bool) -> Vec<KitCid> {
    let nodes: HashSet<usize> = needed_nodes(tree, sets).into_iter().collect();
    let mut cids = vec![repo.commit_cid()];
    add_needed(
        tree,
        0,
        &nodes,
        &|key| records && sets.iter().any(|keys| keys.contains(key)),
        (&mut cids, &mut HashSet::new()),
    );
    cids
}

fn add_needed(
    tree: &PlainTree,
    number: usize,
    nodes: &HashSet<usize>,
    is_named: &dyn Fn(&[u8]) -> bool,
    (cids, written): (&mut Vec<KitCid>, &mut HashSet<KitCid>),
) {
    if !nodes.contains(&number) {
        return;
    }
    let node = &tree.0[number];
    cids.push(node.cid);
    for (gap, link) in node.links.iter().enumerate() {
        if let Some(below) = link {
            add_needed(tree, *below, nodes, is_named, (cids, written));
        }
        if let Some((_, value)) = node.entries.get(gap).filter(|(key, _)| is_named(key)) {
            cids.extend(written.insert(*value).then_some(*value));
        }
    }
}

/// The CIDs of a CAR's sections, each of which has its block.
#[track_caller]
fn sections(car: &[u8]) -> Vec<KitCid> {
    let sections = Car::parse(car).unwrap().sections.into_iter().map(|section| {
        let cid = KitCid::from_bytes(&section.cid).unwrap();
        assert!(cid.fits(&section.data));
        cid
    });
    sections.collect()
}

#[test]
fn a_proof_has_the_blocks_that_are_needed_in_pre_order_and_each_record_once() {
    let mut absent = 0;
    for seed in 0..seeds() {
        let part = Part::of(seed, Removal::None);
        let slice = Repo::from_slice(&part.car).unwrap();
        let memory = Repo::from_reader(&part.car[..]).unwrap();
        let mut rng = Rng::new(seed);
        for _ in 0..12 {
            let sets = any_sets(&part, &mut rng);
            for records in [true, false] {
                let car = proved(&slice, &sets, records).unwrap();
                let expected = needed(&part.random.repo, &part.tree, &sets, records);
                assert_eq!(sections(&car), expected, "{}: {sets:?}", part.name);
                assert_eq!(proved(&memory, &sets, records).unwrap(), car, "{}", part.name);
                assert_eq!(Repo::from_slice(&car).unwrap().commit(), slice.commit());
            }
            let is_there = |keys: &Keys| part.random.records.keys().any(|key| keys.contains(key));
            absent += sets.iter().filter(|keys| !is_there(keys)).count();
        }
    }
    assert!(absent as u64 > 4 * seeds(), "{absent}");
}

#[cfg(feature = "redb")]
#[test]
fn a_proof_from_a_file_is_the_same() {
    use carwalk::store::SpillFile;

    for seed in 0..cases(10) {
        let part = Part::of(seed, Removal::None);
        let slice = Repo::from_slice(&part.car).unwrap();
        let file =
            common::spill::all_into(Loader::new(), &part.car[..], SpillFile::temporary()).unwrap();
        let sets = any_sets(&part, &mut Rng::new(seed));
        assert_eq!(
            proved(&file, &sets, true).unwrap(),
            proved(&slice, &sets, true).unwrap(),
            "{}",
            part.name
        );
    }
}

/// What was named is known from the proof alone, and is as in the whole repository.
#[test]
fn all_that_was_named_can_be_told_from_the_proof() {
    for seed in 0..seeds() {
        let part = Part::of(seed, Removal::None);
        let repo = Repo::from_slice(&part.car).unwrap();
        let mut rng = Rng::new(seed);
        for _ in 0..8 {
            let sets = any_sets(&part, &mut rng);
            let car = proved(&repo, &sets, true).unwrap();
            let proof = Repo::from_slice(&car).unwrap();
            for keys in &sets {
                let name = format!("{}: {keys:?} of {sets:?}", part.name);
                let found = keys.of_walk(proof.walk()).completeness().unwrap();
                assert!(found.is_complete(), "{name}");
                assert_eq!(found, keys.of_walk(repo.walk()).completeness().unwrap(), "{name}");
                if let Keys::One(key) = keys {
                    let found = proof.tree().get_key(key).unwrap();
                    assert!(
                        !matches!(found, Lookup::Unknown(_) | Lookup::Present { record: None, .. }),
                        "{name}"
                    );
                    assert_eq!(found, repo.tree().get_key(key).unwrap(), "{name}");
                }
            }
            let car = proved(&repo, &sets, false).unwrap();
            let proof = Repo::from_slice(&car).unwrap();
            for keys in &sets {
                assert!(
                    keys.of_walk(proof.walk()).completeness().unwrap().has_all_keys(),
                    "{}",
                    part.name
                );
            }
        }
    }
}

/// Of other keys it may say nothing, but nothing false.
#[test]
fn a_proof_says_nothing_false_of_any_key() {
    let (mut known, mut unknown) = (0, 0);
    for seed in 0..seeds() {
        let part = Part::of(seed, Removal::None);
        let repo = Repo::from_slice(&part.car).unwrap();
        let mut rng = Rng::new(seed);
        for _ in 0..3 {
            let car = proved(&repo, &any_sets(&part, &mut rng), rng.chance(1, 2)).unwrap();
            let proof = Repo::from_slice(&car).unwrap();
            for key in part::probes(&part.tree, &mut rng) {
                let expected = part.random.records.get(&key);
                let name = || format!("{}: {}", part.name, key.escape_ascii());
                match proof.tree().get_key(&key).unwrap() {
                    Lookup::Present { cid, record } => {
                        let expected = expected.unwrap_or_else(|| panic!("{}", name()));
                        assert_eq!(cid, common::cid(&expected.cid), "{}", name());
                        assert!(record.is_none_or(|record| record == expected.bytes), "{}", name());
                        known += 1;
                    }
                    Lookup::Absent => {
                        assert!(expected.is_none(), "{}", name());
                        known += 1;
                    }
                    Lookup::Unknown(_) => unknown += 1,
                }
            }
        }
    }
    assert!(known > 10 * seeds() && unknown > 10 * seeds(), "{known}, {unknown}");
}

#[test]
fn without_any_one_of_its_blocks_a_proof_proves_less() {
    let mut removed = 0;
    for seed in 0..seeds() {
        let part = Part::of(seed, Removal::None);
        // The node of an empty tree is known by its CID, so a proof does not need it.
        if part.tree.keys().is_empty() {
            continue;
        }
        let repo = Repo::from_slice(&part.car).unwrap();
        let mut rng = Rng::new(seed);
        for records in [true, false] {
            let sets = any_sets(&part, &mut rng);
            let car = proved(&repo, &sets, records).unwrap();
            for cid in sections(&car).into_iter().skip(1) {
                let mut car = Car::parse(&car).unwrap();
                car.remove(&cid);
                let car = car.to_bytes();
                let proof = Repo::from_slice(&car).unwrap();
                let is_proved = |keys: &Keys| {
                    let found = keys.of_walk(proof.walk().records(records)).completeness().unwrap();
                    if records { found.is_complete() } else { found.has_all_keys() }
                };
                assert!(!sets.iter().all(is_proved), "{}: {cid} of {sets:?}", part.name);
                removed += 1;
            }
        }
    }
    assert!(removed > 10 * seeds(), "{removed}");
}

#[test]
fn a_proof_of_a_proof_is_the_proof() {
    for seed in 0..seeds() {
        let part = Part::of(seed, Removal::None);
        let repo = Repo::from_slice(&part.car).unwrap();
        let sets = any_sets(&part, &mut Rng::new(seed));
        let car = proved(&repo, &sets, true).unwrap();
        assert_eq!(
            proved(&Repo::from_slice(&car).unwrap(), &sets, true).unwrap(),
            car,
            "{}",
            part.name
        );
    }
}

/// From a part of a repository there is a proof if it has what the proof needs, and else the name
/// of what it lacks.
#[test]
fn a_proof_from_a_part_is_that_from_the_whole_or_names_what_is_missing() {
    let (mut made, mut refused) = (0, 0);
    for part in parts(seeds()) {
        let repo = Repo::from_slice(&part.car).unwrap();
        let whole = Repo::from_slice(&part.random.car).unwrap();
        let mut rng = Rng::new(part.car.len() as u64);
        for _ in 0..6 {
            let sets = any_sets(part, &mut rng);
            for records in [true, false] {
                let name = format!("{}: {sets:?}", part.name);
                let needed = needed(&part.random.repo, &part.tree, &sets, records);
                let missing = needed.iter().find(|cid| !part.is_there(cid));
                match (proved(&repo, &sets, records), missing) {
                    (Ok(car), None) => {
                        assert_eq!(car, proved(&whole, &sets, records).unwrap(), "{name}");
                        made += 1;
                    }
                    (Err(error), Some(cid)) => {
                        assert!(
                            matches!(error.kind(), ErrorKind::Missing { .. }),
                            "{name}: {error}"
                        );
                        assert_eq!(error.cid(), Some(&common::cid(cid)), "{name}");
                        refused += 1;
                    }
                    (made, missing) => panic!("{name}: {made:?}, missing: {missing:?}"),
                }
            }
        }
        // The first gap in what a walk comes to is the one that is named, with its keys.
        let keys = any_keys(part, &mut rng);
        if let Some(gap) = expected(part, &keys).iter().find(|told| told.is_gap()) {
            assert_names(&proved(&repo, &[keys], true).unwrap_err(), gap);
        }
    }
    assert!(made > 6 * seeds() && refused > 6 * seeds(), "{made}, {refused}");
}

fn everything() -> [Keys; 3] {
    [
        Keys::all(),
        Keys::Prefix(Vec::new()),
        Keys::Range((Bound::Included(Vec::new()), Bound::Unbounded)),
    ]
}

#[test]
fn a_proof_of_everything_is_the_export_in_pre_order_byte_for_byte() {
    for seed in 0..seeds() {
        let random = random::repo(seed, 60);
        let export = packed(&random.repo, false).to_bytes();
        let repo = Repo::from_slice(&random.car).unwrap();
        for keys in everything() {
            assert!(proved(&repo, &[keys], true).unwrap() == export, "seed {seed}");
        }
        // In as many pieces as there are keys.
        let mut sets: Vec<Keys> = random.records.keys().cloned().map(Keys::One).collect();
        Rng::new(seed).shuffle(&mut sets);
        if !sets.is_empty() {
            assert!(proved(&repo, &sets, true).unwrap() == export, "seed {seed}");
        }
    }
}

/// Records that are nodes or commits, that are raw, empty or shared; records of the same bytes by
/// two codecs.
#[test]
fn odd_exports_are_proved_whole() {
    for oddity in legal::all() {
        let car = oddity.make();
        let repo = Repo::from_slice(&car).unwrap();
        let rows = common::oracle_rows(&car);
        let proof = proved(&repo, &[Keys::all()], true).unwrap();
        // Only a record that is also a node is there twice.
        let mut count = HashMap::new();
        sections(&proof).into_iter().for_each(|cid| *count.entry(cid).or_insert(0) += 1);
        assert!(count.values().all(|&count| count <= 2), "{oddity:?}");
        assert!(common::rows(&Repo::from_slice(&proof).unwrap()).unwrap() == rows, "{oddity:?}");
        for (key, cid, bytes) in &rows {
            let proof = proved(&repo, &[Keys::One(key.clone())], true).unwrap();
            let proof = Repo::from_slice(&proof).unwrap();
            let expected = Lookup::Present { cid: *cid, record: Some(&bytes[..]) };
            assert_eq!(proof.tree().get_key(key).unwrap(), expected, "{oddity:?}");
        }
    }
}

#[test]
fn a_record_of_two_keys_is_in_the_proof_once() {
    let record = Record::sample(b"com.example.test/shared");
    let kit = KitRepo::new(breakage::sample_keys().into_iter().map(|key| (key, record.clone())));
    let car = kit.to_bytes(Order::PreorderRepeating);
    let repo = Repo::from_slice(&car).unwrap();
    let sets: Vec<Keys> = breakage::sample_keys().into_iter().map(Keys::One).collect();
    for sets in [&sets[..], &sets[..2], &sets[3..6]] {
        let proof = proved(&repo, sets, true).unwrap();
        assert_eq!(sections(&proof).iter().filter(|cid| **cid == record.cid).count(), 1);
    }
}

/// A leaf that is a record further to the left as well comes first as the record, and again at its
/// own place, where a reader of pre-order needs it.
#[test]
fn a_record_that_is_a_later_node_is_in_the_proof_as_both() {
    let keys = breakage::sample_keys();
    let last = KitRepo::sample(&keys).root.blocks().pop().unwrap();
    let mut records: BTreeMap<_, _> =
        keys.iter().map(|key| (key.clone(), Record::sample(key))).collect();
    records.insert(keys[0].clone(), Record::new(last.1));
    let kit = KitRepo::new(records);
    assert_eq!(kit.root.blocks().last().unwrap().0, last.0, "the last leaf does not change");
    let car = kit.to_bytes(Order::Preorder);
    let repo = Repo::from_slice(&car).unwrap();
    let tree = PlainTree::of(&kit.root);
    for sets in
        [vec![Keys::One(keys[0].clone())], vec![Keys::One(keys[10].clone())], vec![Keys::all()]]
    {
        for records in [true, false] {
            let proof = proved(&repo, &sets, records).unwrap();
            assert_eq!(sections(&proof), needed(&kit, &tree, &sets, records), "{sets:?}");
        }
    }
}

#[test]
fn a_proof_of_nothing_is_the_commit() {
    let car = breakage::sample().to_bytes(Order::Preorder);
    let repo = Repo::from_slice(&car).unwrap();
    let empty: Range = (Bound::Included(b"a".to_vec()), Bound::Excluded(b"a".to_vec()));
    for sets in [vec![], vec![Keys::Range(empty)]] {
        let proof = proved(&repo, &sets, true).unwrap();
        assert_eq!(sections(&proof), [breakage::sample().commit_cid()]);
        assert!(matches!(
            Repo::from_slice(&proof).unwrap().get("a/b").unwrap(),
            Lookup::Unknown(_)
        ));
    }
}

#[test]
fn a_collection_is_proved_and_none_whose_name_goes_on() {
    let names =
        ["com.example.test/a", "com.example.test/b", "com.example.testing/a", "com.example.tes/a"];
    let kit = KitRepo::sample(names);
    let car = kit.to_bytes(Order::Preorder);
    let repo = Repo::from_slice(&car).unwrap();
    let mut proof = Vec::new();
    repo.prove()
        .range(KeyRange::collection("com.example.test").unwrap())
        .write(&mut proof)
        .unwrap();
    assert_eq!(proof, proved(&repo, &[Keys::Prefix(b"com.example.test/".to_vec())], true).unwrap());
    let found = sections(&proof);
    for name in names {
        let is_in = found.contains(&Record::sample(name.as_bytes()).cid);
        assert_eq!(is_in, name.starts_with("com.example.test/"), "{name}");
    }
}

/// Takes so many bytes, then fails. Some at a time, so that a write may be taken in part.
struct Failing {
    left: usize,
    taken: Vec<u8>,
    flush_fails: bool,
}

impl Write for Failing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.left == 0 && !bytes.is_empty() {
            return Err(io::Error::new(io::ErrorKind::StorageFull, "the disk is full"));
        }
        let len = bytes.len().min(self.left).min(50);
        self.left -= len;
        self.taken.extend_from_slice(&bytes[..len]);
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.flush_fails {
            Err(io::Error::new(io::ErrorKind::StorageFull, "the disk is full"))
        } else {
            Ok(())
        }
    }
}

#[track_caller]
fn assert_is_output(error: carwalk::Error) {
    assert!(matches!(error.kind(), ErrorKind::Output(_)), "{error:?}");
    assert_eq!(error.class(), ErrorClass::Environment);
    let source = error.source().unwrap().downcast_ref::<io::Error>().unwrap();
    assert_eq!(
        (source.kind(), source.to_string().as_str()),
        (io::ErrorKind::StorageFull, "the disk is full")
    );
    assert_eq!(io::Error::from(error).kind(), io::ErrorKind::StorageFull);
}

#[test]
fn an_output_that_fails_anywhere_is_an_output_error() {
    let car = breakage::sample().to_bytes(Order::Preorder);
    let repo = Repo::from_slice(&car).unwrap();
    let key = breakage::sample_keys().remove(4);
    let whole = proved(&repo, &[Keys::One(key.clone())], true).unwrap();
    for left in 0..whole.len() {
        let mut output = Failing { left, taken: Vec::new(), flush_fails: false };
        assert_is_output(repo.prove().range(KeyRange::key(&key)).write(&mut output).unwrap_err());
        assert_eq!(output.taken, whole[..left]);
    }
    let mut output = Failing { left: whole.len(), taken: Vec::new(), flush_fails: false };
    repo.prove().range(KeyRange::key(&key)).write(&mut output).unwrap();
    assert_eq!(output.taken, whole);
    let mut output = Failing { left: whole.len(), taken: Vec::new(), flush_fails: true };
    assert_is_output(repo.prove().range(KeyRange::key(&key)).write(&mut output).unwrap_err());
}

/// A proof must not be made of what is no tree.
#[test]
fn a_bad_node_or_record_on_the_way_ends_a_proof() {
    let mut refused = 0;
    for breakage in breakage::all() {
        let case = breakage.make();
        let Ok(repo) = Repo::from_slice(&case.broken) else { continue };
        let Err(error) = repo.walk().completeness() else { continue };
        let found = proved(&repo, &[Keys::all()], true).unwrap_err();
        assert_eq!(common::details(&found), common::details(&error), "{breakage:?}");
        refused += 1;
    }
    assert!(refused > 20, "{refused}");
}

#[test]
fn a_store_that_has_only_what_was_made_of_records_proves_only_keys() {
    let car = breakage::sample().to_bytes(Order::Preorder);
    let repo = common::summarizing(Loader::new()).from_reader(&car[..]).unwrap();
    let whole = Repo::from_slice(&car).unwrap();
    // `prove` is for repositories without a process function; their stores may be opened without
    // it.
    let commit: Cid = repo.commit().cid();
    let repo = Repo::from_store(repo.into_store(), commit).unwrap();
    let error = proved(&repo, &[Keys::all()], true).unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::InvalidSpillFile(SpillFileFault::Processed)),
        "{error}"
    );
    assert_eq!(error.position().structure(), Structure::Record);
    assert!(error.key().is_some() && error.cid().is_some());
    assert_eq!(
        proved(&repo, &[Keys::all()], false).unwrap(),
        proved(&whole, &[Keys::all()], false).unwrap()
    );
}
