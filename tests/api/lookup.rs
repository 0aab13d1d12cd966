//! Lookups of one key: each answer is what the present blocks prove, no more and no less.

use crate::common;
use crate::common::MapStore;
use crate::common::keys::parts;
use crate::common::part::{self, Answer, Part, PlainTree, Removal};
use carwalk::ErrorClass;
use carwalk::error::{KeyInterval, Structure};
use carwalk::mst::{Event, Layer};
use carwalk::store::BlockStore;
use carwalk::{Cid, ErrorKind, Loader, Lookup, Repo, Tree, Verification};
use carwalk_testkit::breakage::{self, Fault};
use carwalk_testkit::cases;
use carwalk_testkit::key::is_between;
use carwalk_testkit::oracle;
use carwalk_testkit::repo::{Order, Repo as KitRepo};
use carwalk_testkit::rng::Rng;
use carwalk_testkit::tree::{Link, Node};

fn seeds() -> u64 {
    cases(40)
}

/// What a repository says of a key.
#[track_caller]
fn asked<S: BlockStore>(repo: &Repo<S>, key: &[u8]) -> Answer<Vec<u8>> {
    part::answer(repo.tree().get_key(key).unwrap()).map(|_, block| block.as_ref().to_vec())
}

/// What a tree in a map says of a key.
#[track_caller]
fn asked_map(tree: &Tree<&MapStore>, key: &[u8]) -> Answer<Vec<u8>> {
    part::answer(tree.get_key(key).unwrap()).map(|_, block| block.as_ref().to_vec())
}

#[test]
fn every_answer_is_that_of_a_plain_descent_with_few_reads() {
    let (mut present, mut without_record, mut absent, mut unknown) = (0, 0, 0, 0);
    for part in parts(seeds()) {
        let store = MapStore::new(&part.car);
        let tree = Tree::new(&store, part.tree.root());
        let most = u64::from(part.tree.height()) + 2;
        for key in part::probes(&part.tree, &mut Rng::new(part.car.len() as u64)) {
            let before = store.gets();
            let found = asked_map(&tree, &key);
            let reads = store.gets() - before;
            assert_eq!(found, part.answer(&key), "{}: {}", part.name, key.escape_ascii());
            assert!(reads <= most, "{}: {reads} reads for {}", part.name, key.escape_ascii());
            match found {
                Answer::Present { record: Some(_), .. } => present += 1,
                Answer::Present { .. } => without_record += 1,
                Answer::Absent => absent += 1,
                Answer::Unknown(_) => unknown += 1,
            }
        }
    }
    assert!([present, without_record, absent, unknown].iter().all(|&count| count > 2 * seeds()));
}

#[test]
fn the_reads_are_the_nodes_of_the_path_and_the_record() {
    for part in parts(seeds()) {
        let store = MapStore::new(&part.car);
        let tree = Tree::new(&store, part.tree.root());
        for key in part.tree.keys() {
            let (path, _) = part.tree.path(&key);
            let missing = path.iter().position(|&number| !part.is_there(&part.tree.0[number].cid));
            let expected = missing.map_or(path.len() + 1, |number| number + 1);
            let before = store.gets();
            tree.get_key(&key).unwrap();
            assert_eq!(
                store.gets() - before,
                expected as u64,
                "{}: {}",
                part.name,
                key.escape_ascii()
            );
        }
    }
}

#[test]
fn every_store_gives_the_same_answers() {
    for seed in 0..seeds() {
        let part = Part::of(seed, Removal::ALL[seed as usize % 5]);
        let slice = Repo::from_slice(&part.car).unwrap();
        let reached =
            Loader::new().verification(Verification::ReachedBlocks).from_slice(&part.car).unwrap();
        let memory = Repo::from_reader(&part.car[..]).unwrap();
        let map =
            Repo::from_store(MapStore::new(&part.car), common::cid(&part.random.repo.commit_cid()))
                .unwrap();
        #[cfg(feature = "redb")]
        let file = redb::spilled(&part.car);
        for key in part::probes(&part.tree, &mut Rng::new(seed)) {
            let expected = part.answer(&key);
            assert_eq!(asked(&slice, &key), expected, "{}, slice", part.name);
            assert_eq!(asked(&reached, &key), expected, "{}, slice hashed when reached", part.name);
            assert_eq!(asked(&memory, &key), expected, "{}, memory", part.name);
            assert_eq!(asked(&map, &key), expected, "{}, map", part.name);
            #[cfg(feature = "redb")]
            assert_eq!(asked(&file, &key), expected, "{}, file", part.name);
            let record = slice.tree().get_key(&key).unwrap().record().map(<[u8]>::to_vec);
            let expected =
                if let Answer::Present { record, .. } = expected { record } else { None };
            assert_eq!(record, expected, "{}, the record alone", part.name);
        }
    }
}

#[test]
fn a_process_function_makes_the_record_of_the_answer() {
    for seed in 0..seeds() {
        let part = Part::of(seed, Removal::ALL[seed as usize % 5]);
        let loader = || common::summarizing(Loader::new());
        let slice = loader().from_slice(&part.car).unwrap();
        let memory = loader().from_reader(&part.car[..]).unwrap();
        #[cfg(feature = "redb")]
        let file = redb::summarized(&part.car);
        for key in part::probes(&part.tree, &mut Rng::new(seed)) {
            let expected = part.answer(&key).map(|_, record| common::summary(&record));
            assert_eq!(
                part::answer(slice.tree().get_key(&key).unwrap()),
                expected,
                "{}, slice",
                part.name
            );
            assert_eq!(
                part::answer(memory.tree().get_key(&key).unwrap()),
                expected,
                "{}, memory",
                part.name
            );
            #[cfg(feature = "redb")]
            assert_eq!(
                part::answer(file.tree().get_key(&key).unwrap()),
                expected,
                "{}, file",
                part.name
            );
        }
    }
}

#[cfg(feature = "redb")]
mod redb {
    use carwalk::store::{RedbStore, SpillFile};
    use carwalk::{Loader, Repo};

    use crate::common;

    pub(super) fn spilled(car: &[u8]) -> Repo<RedbStore> {
        common::spill::all_into(Loader::new(), car, SpillFile::temporary()).unwrap()
    }

    pub(super) fn summarized(car: &[u8]) -> Repo<RedbStore, common::Summarize> {
        common::spill::all_into(common::summarizing(Loader::new()), car, SpillFile::temporary())
            .unwrap()
    }
}

#[test]
fn a_key_of_the_whole_tree_is_never_absent_from_a_part() {
    for part in parts(seeds()) {
        let repo = Repo::from_slice(&part.car).unwrap();
        for key in part.random.records.keys() {
            let found = repo.tree().get_key(key).unwrap();
            assert!(found != Lookup::Absent, "{}: {}", part.name, key.escape_ascii());
        }
    }
}

#[test]
fn a_key_that_is_not_in_the_whole_tree_is_never_present_in_a_part() {
    for part in parts(seeds()) {
        let repo = Repo::from_slice(&part.car).unwrap();
        for key in part::probes(&part.tree, &mut Rng::new(7)) {
            if !part.random.records.contains_key(&key) {
                let found = repo.tree().get_key(&key).unwrap();
                assert!(
                    !matches!(found, Lookup::Present { .. }),
                    "{}: {}",
                    part.name,
                    key.escape_ascii()
                );
            }
        }
    }
}

#[test]
fn dropping_one_node_makes_unknown_what_is_below_it_and_changes_nothing_else() {
    for seed in (0..seeds()).step_by(4) {
        let part = Part::of(seed, Removal::None);
        let mut store = MapStore::new(&part.car);
        let mut keys = part.tree.keys();
        keys.extend(keys.clone().iter().map(|key| [key, &b"0"[..]].concat()));
        let tree = Tree::new(&store, part.tree.root());
        let keys: Vec<_> = keys
            .into_iter()
            .map(|key| {
                let (path, value) = part.tree.path(&key);
                (asked_map(&tree, &key), path, value, key)
            })
            .collect();
        for (number, node) in part.tree.0.iter().enumerate() {
            let block = store.blocks.remove(&common::cid(&node.cid)).unwrap();
            let tree = Tree::new(&store, part.tree.root());
            for (whole, path, value, key) in &keys {
                let found = asked_map(&tree, key);
                if path.contains(&number) {
                    assert_eq!(found, Answer::Unknown(part.tree.hidden(number)), "{}", part.name);
                } else if *value == Some(node.cid) {
                    assert_eq!(
                        found,
                        Answer::Present { cid: common::cid(&node.cid), record: None },
                        "{}",
                        part.name
                    );
                } else {
                    assert_eq!(found, *whole, "{}", part.name);
                }
            }
            store.insert(&node.cid, block);
        }
    }
}

#[test]
fn lookups_in_any_order_and_again_give_the_same() {
    for part in parts(seeds()).step_by(3) {
        let repo = Repo::from_slice(&part.car).unwrap();
        let mut rng = Rng::new(part.car.len() as u64);
        let mut asked_for: Vec<_> = part::probes(&part.tree, &mut rng)
            .into_iter()
            .map(|key| (asked(&repo, &key), key))
            .collect();
        for _ in 0..2 {
            rng.shuffle(&mut asked_for);
            for (first, key) in &asked_for {
                assert_eq!(asked(&repo, key), *first, "{}", part.name);
                if rng.chance(1, 10) {
                    assert_eq!(asked(&repo, key), *first, "{}", part.name);
                }
            }
        }
    }
}

#[test]
fn a_node_with_a_flipped_byte_is_an_error_on_the_path_and_has_no_effect_off_it() {
    let mut errors = 0;
    for seed in 0..seeds() {
        let part = Part::of(seed, Removal::None);
        let mut rng = Rng::new(seed);
        let number = rng.below(part.tree.0.len());
        let bad = part.tree.0[number].cid;
        let mut store = MapStore::new(&part.car);
        let block = store.blocks.get_mut(&common::cid(&bad)).unwrap();
        let at = rng.below(block.len());
        block[at] ^= 1 << rng.below(8);
        let tree = Tree::new(&store, part.tree.root());
        for key in part::probes(&part.tree, &mut rng) {
            let (path, value) = part.tree.path(&key);
            let structure = match path.contains(&number) {
                true => Structure::Node,
                false if value == Some(bad) => Structure::Record,
                false => {
                    assert_eq!(asked_map(&tree, &key), part.answer(&key), "{}", part.name);
                    continue;
                }
            };
            errors += 1;
            let error = tree.get_key(&key).unwrap_err();
            assert!(
                matches!(error.kind(), ErrorKind::HashMismatch { .. }),
                "{}: {error}",
                part.name
            );
            assert_eq!(error.cid(), Some(&common::cid(&bad)));
            assert_eq!(error.position().structure(), structure);
        }
    }
    assert!(errors > 5 * seeds(), "{errors}");
}

#[test]
fn a_record_with_a_flipped_byte_is_an_error_for_its_keys_alone() {
    for seed in 0..seeds() {
        let part = Part::of(seed, Removal::None);
        let mut rng = Rng::new(seed);
        let mut records: Vec<_> =
            part.random.repo.records.values().filter(|record| !record.bytes.is_empty()).collect();
        records.retain(|record| part.tree.0.iter().all(|node| node.cid != record.cid));
        if records.is_empty() {
            continue;
        }
        let bad = rng.pick(&records).cid;
        let mut store = MapStore::new(&part.car);
        store.blocks.get_mut(&common::cid(&bad)).unwrap()[0] ^= 1;
        let tree = Tree::new(&store, part.tree.root());
        for key in part.tree.keys() {
            if part.random.records[&key].cid != bad {
                assert_eq!(asked_map(&tree, &key), part.answer(&key), "{}", part.name);
                continue;
            }
            let error = tree.get_key(&key).unwrap_err();
            assert!(
                matches!(error.kind(), ErrorKind::HashMismatch { .. }),
                "{}: {error}",
                part.name
            );
            assert_eq!((error.cid(), error.key()), (Some(&common::cid(&bad)), Some(&key[..])));
            assert_eq!(error.position().structure(), Structure::Record);
        }
    }
}

/// Breaks a rule in a node of any tree.
fn break_node(node: &mut Node, rng: &mut Rng) {
    match (rng.below(4), node.entries.last().cloned()) {
        (0, Some(mut entry)) => {
            entry.tree = Link::None;
            node.entries.push(entry);
        }
        (1, Some(_)) => node.entries[0].prefix_len = Some(1),
        (2, _) => node.edit(|value| *value.at_mut("e") = carwalk_testkit::cbor::Value::Null),
        _ => node.rewrite(|value| [value.encode(), vec![0]].concat()),
    }
}

#[test]
fn a_node_that_breaks_a_rule_is_an_error_on_the_path_and_has_no_effect_off_it() {
    let mut errors = 0;
    for seed in 0..seeds() {
        let part = Part::of(seed, Removal::None);
        let mut rng = Rng::new(seed);
        let number = rng.below(part.tree.0.len());
        let mut repo: KitRepo = part.random.repo.clone();
        let node = part::nth_mut(&mut repo.root, number);
        break_node(node, &mut rng);
        let bad = common::cid(&node.cid());
        let car = repo.to_bytes(Order::Preorder);
        let broken = Repo::from_slice(&car).unwrap();
        for key in part::probes(&part.tree, &mut rng) {
            if !part.tree.path(&key).0.contains(&number) {
                assert_eq!(asked(&broken, &key), part.answer(&key), "{}", part.name);
                continue;
            }
            errors += 1;
            let error = broken.tree().get_key(&key).unwrap_err();
            assert_eq!(error.class(), ErrorClass::Invalid, "{}: {error}", part.name);
            assert_eq!(error.cid(), Some(&bad), "{}: {error}", part.name);
            assert_eq!(error.position().structure(), Structure::Node);
        }
    }
    assert!(errors > 5 * seeds(), "{errors}");
}

#[test]
fn each_broken_rule_of_nodes_is_an_error_exactly_for_the_keys_below_the_node() {
    let mut judged = 0;
    for breakage in breakage::all() {
        if !matches!(breakage.fault, Fault::Tree | Fault::Malformed | Fault::NonCanonical) {
            continue;
        }
        let case = breakage.make();
        let Ok(repo) = Repo::from_slice(&case.broken) else { continue };
        let mut bad = Vec::new();
        let mut walk = repo.walk().partial(true).records(false).start();
        while let Some(event) = walk.next_event().unwrap() {
            if let Event::BadSubtree { cid, interval, layer, .. } = event {
                bad.push((cid, interval.to_owned(), layer));
            }
        }
        let entries = oracle::walk_any_keys(&case.valid).unwrap().entries;
        for entry in &entries {
            let is_below = |(_, interval, layer): &&(Cid, KeyInterval, Option<Layer>)| {
                is_between(&entry.key, interval.lower.as_deref(), interval.upper.as_deref())
                    && layer.is_none_or(|layer| Layer::of(&entry.key) <= layer)
            };
            match (bad.iter().find(is_below), repo.tree().get_key(&entry.key)) {
                (Some((cid, ..)), Err(error)) => {
                    assert!(
                        error.class() == ErrorClass::Invalid && error.cid() == Some(cid),
                        "{breakage:?}: {error}"
                    );
                    judged += 1;
                }
                (None, Ok(Lookup::Present { record: Some(record), .. })) => {
                    assert_eq!(Some(record), entry.record.as_deref(), "{breakage:?}");
                }
                (expected, found) => {
                    panic!("{breakage:?}, {}: {expected:?}, {found:?}", entry.key.escape_ascii())
                }
            }
        }
    }
    assert!(judged > 50, "{judged}");
}

#[test]
fn in_an_empty_tree_every_key_is_absent_even_without_its_root() {
    let whole = KitRepo::new([]);
    let tree = PlainTree::of(&whole.root);
    let mut store = MapStore::new(&whole.to_bytes(Order::Preorder));
    for key in [&b""[..], b"a", b"com.example.test/a", &[0xff; 2000]] {
        assert_eq!(Tree::new(&store, tree.root()).get_key(key).unwrap(), Lookup::Absent);
    }
    store.blocks.remove(&tree.root());
    for key in [&b""[..], b"a", b"com.example.test/a", &[0xff; 2000]] {
        assert_eq!(Tree::new(&store, tree.root()).get_key(key).unwrap(), Lookup::Absent);
    }
    // Any other root that is missing may have the key.
    let other = KitRepo::sample(["com.example.test/a"]).root.cid();
    let Lookup::Unknown(gap) = Tree::new(&store, common::cid(&other)).get_key("a").unwrap() else {
        panic!()
    };
    assert_eq!((gap.cid, gap.layer), (common::cid(&other), None));
    assert_eq!((&gap.interval.lower, &gap.interval.upper), (&None, &None));
    assert_eq!(gap.to_string(), format!("the node {} is missing, which hides all keys", gap.cid));
}

#[test]
fn a_key_of_a_higher_layer_than_the_root_is_absent_whatever_is_missing_below() {
    for part in parts(seeds()) {
        let root = part.tree.0[0].cid;
        if part.tree.keys().is_empty() || !part.is_there(&root) {
            continue;
        }
        let mut rng = Rng::new(3);
        let higher = (0..).map(|_| carwalk_testkit::random::path(&mut rng));
        let repo = Repo::from_slice(&part.car).unwrap();
        let height = part.tree.height();
        for key in higher.take(20).filter(|key| Layer::of(key).get() > height) {
            assert_eq!(repo.tree().get_key(key).unwrap(), Lookup::Absent, "{}", part.name);
        }
        let low: Vec<_> =
            part.tree.keys().into_iter().filter(|key| Layer::of(key).get() == height).collect();
        for key in low {
            assert!(
                matches!(repo.tree().get_key(key).unwrap(), Lookup::Present { .. }),
                "{}",
                part.name
            );
        }
    }
}
