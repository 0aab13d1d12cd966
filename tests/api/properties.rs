//! Random repositories in random order: the oracle's records, whichever way they are asked for.

use crate::common;
use crate::common::keys::{Told, assert_names, told_by};
use crate::common::part::{Hidden, PlainTree};
use crate::common::{MapStore, Row};
use carwalk::mst::{Event, Node};
use carwalk::store::{BlockStore, Reached};
use carwalk::{Loader, Repo, Tree};
use carwalk_testkit::car::Car;
use carwalk_testkit::cases;
use carwalk_testkit::oracle::{self, PartialWalk};
use carwalk_testkit::random::{self, Random};
use carwalk_testkit::rng::Rng;
use carwalk_testkit::{cid::Cid as KitCid, key};

fn seeds() -> u64 {
    cases(40)
}

fn random_repos() -> impl Iterator<Item = (u64, Random)> {
    (0..seeds()).map(|seed| (seed, random::repo(seed, 60)))
}

fn expected(random: &Random) -> Vec<Row> {
    let records = random.records.iter();
    records
        .map(|(key, record)| (key.clone(), common::cid(&record.cid), record.bytes.clone()))
        .collect()
}

#[test]
fn every_order_and_every_way_gives_the_same_records() {
    for (seed, random) in random_repos() {
        let rows = common::rows_each_way(&random.car, Loader::new).unwrap();
        assert!(rows == expected(&random), "seed {seed}");
    }
}

#[test]
fn a_map_as_store_gives_the_same_records() {
    for (seed, random) in random_repos() {
        let store = MapStore::new(&random.car);
        let tree = Tree::new(&store, common::cid(&random.repo.root.cid()));
        assert_eq!(tree.root(), common::cid(&random.repo.root.cid()));
        assert_eq!(tree.store().blocks.len(), store.blocks.len());
        let rows: Vec<Row> = tree
            .records()
            .map(|record| record.unwrap())
            .map(|record| (record.path().as_str().into(), record.cid(), record.bytes().to_vec()))
            .collect();
        assert!(rows == expected(&random), "seed {seed}");
        let repo = Repo::from_store(&store, common::cid(&random.repo.commit_cid())).unwrap();
        assert!(common::rows(&repo).unwrap() == rows, "seed {seed}");
    }
}

#[test]
fn entries_and_walk_events_agree_with_records() {
    for (seed, random) in random_repos() {
        let repo = Repo::from_slice(&random.car).unwrap();
        let expected = expected(&random);
        let entries = repo.entries().map(|entry| entry.unwrap());
        let entries: Vec<_> =
            entries.map(|entry| (entry.path().as_str().as_bytes().to_vec(), entry.cid())).collect();
        assert!(entries.iter().eq(
            expected.iter().map(|(key, cid, _)| (key.clone(), *cid)).collect::<Vec<_>>().iter()
        ));

        let mut nodes = random.repo.root.blocks().into_iter();
        let mut rows = Vec::new();
        let mut walk = repo.walk().nodes(true).start();
        while let Some(event) = walk.next_event().unwrap() {
            match event {
                Event::Node { cid, block, .. } => {
                    let (next, bytes) = nodes.next().unwrap();
                    assert_eq!((common::cid(&next), &bytes[..]), (cid, block), "seed {seed}");
                }
                Event::Record { entry, block, .. } => {
                    rows.push((entry.key().to_vec(), entry.cid(), block.to_vec()))
                }
                other => panic!("seed {seed}: {other:?}"),
            }
        }
        assert!(rows == expected, "seed {seed}");
        assert_eq!(nodes.next(), None, "seed {seed}");
        assert!(walk.next_event().unwrap().is_none());
    }
}

#[test]
fn the_depth_of_nodes_and_entries_is_that_of_their_layer_below_the_root() {
    for (seed, random) in random_repos() {
        let repo = Repo::from_slice(&random.car).unwrap();
        let height = height(&random);
        let mut walk = repo.walk().nodes(true).records(false).start();
        while let Some(event) = walk.next_event().unwrap() {
            let (layer, depth) = match event {
                Event::Node { layer, depth, .. } => (layer.get(), depth),
                Event::Entry { entry, .. } => (key::layer(entry.key()), entry.depth()),
                other => panic!("seed {seed}: {other:?}"),
            };
            assert_eq!(usize::from(layer) + depth, height, "seed {seed}");
        }
    }
}

#[test]
fn chunks_of_every_length_give_the_same_records() {
    for (seed, random) in random_repos() {
        let repo = Repo::from_slice(&random.car).unwrap();
        for len in [1, 2, 7, 1000] {
            let mut records = repo.records();
            let mut rows = Vec::new();
            loop {
                let chunk = records.next_chunk(len).unwrap();
                if chunk.is_empty() {
                    break;
                }
                let chunk = chunk.into_iter().map(carwalk::Record::into_parts);
                rows.extend(chunk.map(|(path, cid, bytes)| {
                    (path.to_string().into_bytes(), cid, bytes.to_vec())
                }));
            }
            assert!(rows == expected(&random), "seed {seed}, chunks of {len}");
            assert!(records.next_chunk(len).unwrap().is_empty());
        }
    }
}

#[test]
fn unreached_blocks_are_those_that_are_neither_commit_nor_node_nor_record() {
    for (seed, random) in random_repos() {
        let repo = Repo::from_slice(&random.car).unwrap();
        let car = Car::parse(&random.car).unwrap();
        let mut cids: Vec<_> = car.sections.iter().map(|section| section.cid.clone()).collect();
        assert_eq!(repo.stats().sections, cids.len() as u64);
        cids.sort();
        cids.dedup();
        assert_eq!(repo.stats().distinct_blocks, cids.len() as u64, "seed {seed}");
        assert_eq!(repo.stats().repeated_blocks(), (car.sections.len() - cids.len()) as u64);
        assert_eq!(repo.stats().bytes, random.car.len() as u64);
        let linked = random.repo.blocks(carwalk_testkit::repo::Order::Preorder);
        cids.retain(|cid| !linked.iter().any(|(linked, _)| linked.as_bytes()[..] == cid[..]));
        assert_eq!(repo.unreached_blocks().unwrap(), cids.len() as u64, "seed {seed}");
    }
}

/// An empty block takes 37 bytes of a CAR; no section is shorter.
#[test]
fn reached_sections_are_told_apart_however_short_they_are() {
    for first in 0..40 {
        let mut reached = Reached::new(first + 1000 * 37);
        assert!((0..1000).all(|number| reached.insert(first + number * 37)));
        assert!(!(0..1000).any(|number| reached.insert(first + number * 37)));
        assert_eq!(reached.len(), 1000);
    }
}

/// The layer of the root.
fn height(random: &Random) -> usize {
    random.records.keys().map(|key| usize::from(key::layer(key))).max().unwrap_or(0)
}

/// The same repository with some of its blocks taken out, but the commit.
fn drop_some(seed: u64, random: &Random) -> Vec<u8> {
    let mut rng = Rng::new(seed ^ 0xd709);
    let mut car = Car::parse(&random.car).unwrap();
    let part = rng.range(1, 30);
    let dropped = random.repo.blocks(carwalk_testkit::repo::Order::Preorder).into_iter().skip(1);
    let dropped: Vec<KitCid> =
        dropped.map(|(cid, _)| cid).filter(|_| rng.chance(part, 60)).collect();
    car.sections.retain(|section| !dropped.iter().any(|cid| cid.as_bytes()[..] == section.cid[..]));
    car.to_bytes()
}

fn told_by_oracle(walk: PartialWalk, height: usize) -> Vec<Told> {
    let entries = walk.entries.into_iter();
    let mut told: Vec<_> = entries
        .map(|entry| Told::Entry {
            key: entry.key,
            cid: common::cid(&entry.cid),
            record: entry.record,
        })
        .collect();
    for missing in walk.missing {
        let at = told.iter().position(|told| match (told, &missing.low) {
            (Told::Entry { key, .. }, low) => low.as_ref().is_none_or(|low| key > low),
            _ => false,
        });
        let layer = (missing.depth > 0).then(|| (height - missing.depth) as u8);
        let cid = common::cid(&missing.cid);
        let missing = Told::Missing(Hidden { cid, lower: missing.low, upper: missing.high, layer });
        told.insert(at.unwrap_or(told.len()), missing);
    }
    told
}

#[test]
fn a_partial_walk_tells_what_the_oracle_does() {
    for (seed, random) in random_repos() {
        let car = drop_some(seed, &random);
        let expected = told_by_oracle(oracle::walk_partial(&car).unwrap(), height(&random));
        let by_slice = Repo::from_slice(&car).unwrap();
        assert_eq!(told_by(by_slice.walk().partial(true)), expected, "seed {seed}");
        let by_reader = Repo::from_reader(&car[..]).unwrap();
        assert_eq!(told_by(by_reader.walk().partial(true)), expected, "seed {seed}");
    }
}

#[test]
fn a_complete_walk_names_the_first_gap_and_never_ends_well_before_it() {
    let mut gaps = 0;
    for (seed, random) in random_repos() {
        let car = drop_some(seed, &random);
        let told = told_by_oracle(oracle::walk_partial(&car).unwrap(), height(&random));
        let Some(first) = told.iter().position(Told::is_gap) else {
            assert!(
                common::rows_each_way(&car, Loader::new).unwrap() == expected(&random),
                "seed {seed}"
            );
            continue;
        };
        gaps += 1;
        let error = common::rows_each_way(&car, Loader::new).unwrap_err();
        assert_names(&error, &told[first]);
        let repo = Repo::from_slice(&car).unwrap();
        let mut records = repo.records();
        assert_eq!(records.by_ref().take_while(Result::is_ok).count(), first, "seed {seed}");
        assert!(records.next().is_none());
    }
    assert!(gaps > seeds() / 3, "{gaps}");
}

#[test]
fn entries_are_complete_without_their_records_but_not_without_nodes() {
    for (seed, random) in random_repos() {
        let car = drop_some(seed, &random);
        let has_all_nodes = oracle::walk_partial(&car).unwrap().missing.is_empty();
        let repo = Repo::from_slice(&car).unwrap();
        let entries: carwalk::Result<Vec<_>> = repo.entries().collect();
        assert_eq!(entries.is_ok(), has_all_nodes, "seed {seed}");
        if let Ok(entries) = entries {
            assert_eq!(entries.len(), random.records.len(), "seed {seed}");
        }
    }
}

/// What is encoded in a node, put together by hand, is the node.
#[test]
fn nodes_by_themselves_have_the_keys_and_links_of_the_tree() {
    for (seed, random) in random_repos() {
        let store = MapStore::new(&random.car);
        let tree = PlainTree::of(&random.repo.root);
        let cid_of = |link: Option<usize>| link.map(|number| common::cid(&tree.0[number].cid));
        for plain in &tree.0 {
            let block = store.get(&common::cid(&plain.cid)).unwrap().unwrap();
            let node = Node::parse(block.bytes).unwrap();
            assert_eq!(node.left(), cid_of(plain.links[0]), "seed {seed}");
            assert_eq!(node.entries().len(), plain.entries.len());
            let mut key = Vec::new();
            for ((entry, (expected, value)), &link) in
                node.entries().zip(&plain.entries).zip(&plain.links[1..])
            {
                key.truncate(entry.prefix_len());
                key.extend_from_slice(entry.key_suffix());
                assert_eq!(&key, expected, "seed {seed}");
                assert_eq!((entry.value(), entry.tree()), (common::cid(value), cid_of(link)));
            }
        }
    }
}
