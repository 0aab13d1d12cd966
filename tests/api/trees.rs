//! CARs without a commit, and walks over one key.

use crate::common::keys::parts;
use crate::common::part;
use crate::common::{MapStore, cid};
use carwalk::error::Structure;
use carwalk::mst::{Event, Walk};
use carwalk::store::{BlockStore, CarStore};
use carwalk::{ErrorClass, KeyRange, Limits, Loader, Result, Tree, Verification};
use carwalk_testkit::breakage::sample;
use carwalk_testkit::car::{self, Car};
use carwalk_testkit::cases;
use carwalk_testkit::cid::Cid as KitCid;
use carwalk_testkit::random;
use carwalk_testkit::readers::OneByte;
use carwalk_testkit::repo::{Order, Record};
use carwalk_testkit::rng::Rng;

/// A CAR with another root.
fn with_root(bytes: &[u8], root: KitCid) -> Vec<u8> {
    let mut car = Car::parse(bytes).unwrap();
    car.set_header(car::header(&[root]));
    car.to_bytes()
}

fn keys<S: BlockStore>(tree: &Tree<S>) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let records = tree.records();
    records.map(|record| record.map(|r| (r.path().as_str().into(), r.bytes().to_vec()))).collect()
}

#[test]
fn a_bare_tree_has_the_records_of_the_repository() {
    for seed in 0..cases(20) {
        let random = random::repo(seed, 40);
        let bare = with_root(&random.car, random.repo.root.cid());
        let expected: Vec<_> = random
            .records
            .iter()
            .map(|(key, record)| (key.clone(), record.bytes.clone()))
            .collect();
        let loader = Loader::new();
        assert_eq!(keys(&loader.tree_from_slice(&bare[..]).unwrap()).unwrap(), expected);
        assert_eq!(keys(&loader.tree_from_reader(&bare[..]).unwrap()).unwrap(), expected);
        assert_eq!(keys(&loader.tree_from_reader(OneByte(&bare[..])).unwrap()).unwrap(), expected);
        let (store, root) = (MapStore::new(&bare), cid(&random.repo.root.cid()));
        assert_eq!(keys(&loader.tree_from_store(&store, root)).unwrap(), expected);
        let bounded = loader.clone().memory_limit(0);
        assert_eq!(keys(&bounded.tree_from_store(&store, root)).unwrap(), expected);
        let reached = loader.verification(Verification::ReachedBlocks);
        assert_eq!(keys(&reached.tree_from_slice(&bare[..]).unwrap()).unwrap(), expected);
    }
}

#[test]
#[cfg(feature = "redb")]
fn a_bare_tree_is_the_same_under_every_memory_limit() {
    use carwalk::ErrorKind;
    use carwalk::store::{AnyStore, SpillFile};

    for seed in 0..cases(6) {
        let random = random::repo(seed, 40);
        let bare = with_root(&random.car, random.repo.root.cid());
        let expected = keys(&Loader::new().tree_from_slice(&bare[..]).unwrap()).unwrap();
        for limit in [0, u64::MAX] {
            let loader = Loader::new().memory_limit(limit);
            let tree = loader.tree_from_reader(&bare[..], SpillFile::temporary()).unwrap();
            assert_eq!(matches!(tree.store(), AnyStore::File(_)), limit == 0);
            assert_eq!(keys(&tree).unwrap(), expected);
            let tree = loader.tree_from_slice(&bare[..], SpillFile::temporary()).unwrap();
            assert_eq!(tree.store().index_stored().is_some(), limit == 0);
            assert_eq!(keys(&tree).unwrap(), expected);
        }
    }
    // A kept file cannot be the index, and gets its name only if the CAR is whole.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kept");
    let bare = with_root(&sample().to_bytes(Order::Preorder), sample().root.cid());
    let loader = Loader::new().memory_limit(0);
    let error = loader.tree_from_slice(&bare[..], SpillFile::keep(&path)).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Argument(_)), "{error}");
    let cut = &bare[..bare.len() - 1];
    let error = loader.tree_from_reader(cut, SpillFile::keep(&path)).unwrap_err();
    assert!(error.class() == ErrorClass::Truncated && !path.exists(), "{error}");
    loader.tree_from_reader(&bare[..], SpillFile::keep(&path)).unwrap();
    assert!(path.exists());
}

#[test]
fn a_root_that_is_not_a_node_is_an_error_of_the_walk() {
    let repo = sample();
    let car = repo.to_bytes(Order::Preorder);
    let open = |root| Loader::new().tree_from_slice(with_root(&car, root)).unwrap();
    assert_eq!(open(repo.root.cid()).entries().try_count().unwrap(), 11);
    for root in [repo.commit_cid(), repo.entries()[0].1] {
        let error = open(root).entries().try_count().unwrap_err();
        assert_eq!((error.class(), error.cid()), (ErrorClass::Invalid, Some(&cid(&root))));
        assert_eq!(error.position().structure(), Structure::Node);
    }
    let missing = Record::sample(b"missing").cid;
    let error = open(missing).entries().try_count().unwrap_err();
    assert_eq!((error.class(), error.cid()), (ErrorClass::Missing, Some(&cid(&missing))));
    // The same blocks under a CID that says that they are raw.
    let mut raw = Car::parse(&car).unwrap();
    let root = KitCid::raw(&repo.root.block());
    raw.set_header(car::header(&[root]));
    raw.push(root, &repo.root.block());
    let tree = Loader::new().tree_from_slice(raw.to_bytes()).unwrap();
    let error = tree.entries().try_count().unwrap_err();
    assert_eq!((error.class(), error.cid()), (ErrorClass::Invalid, Some(&cid(&root))));
}

#[test]
fn settings_of_the_loader_apply_to_bare_trees() {
    let repo = sample();
    let bare = with_root(&repo.to_bytes(Order::Preorder), repo.root.cid());
    let short = Loader::new().limits(Limits::new().max_block_len(40));
    assert_eq!(short.tree_from_slice(&bare[..]).unwrap_err().class(), ErrorClass::Limit);
    assert_eq!(short.tree_from_reader(&bare[..]).unwrap_err().class(), ErrorClass::Limit);
    let cut = &bare[..bare.len() - 3];
    assert_eq!(Loader::new().tree_from_slice(cut).unwrap_err().class(), ErrorClass::Truncated);
    let salvaged = Loader::new().salvage(true).tree_from_slice(cut).unwrap();
    assert!(salvaged.store().fault().is_some());
    assert_eq!(salvaged.entries().try_count().unwrap(), 11);
    let total = repo.records.values().map(|record| record.bytes.len()).sum::<usize>();
    let lens = Loader::new().process(<[u8]>::len);
    let tree = lens.tree_from_reader(&bare[..]).unwrap();
    assert_eq!(tree.records().map(|record| record.unwrap().into_value()).sum::<usize>(), total);
    let mut store = MapStore::new(&bare);
    let root = cid(&repo.root.cid());
    let tree = lens.tree_from_store(&store, root);
    assert_eq!(tree.records().map(|record| record.unwrap().into_value()).sum::<usize>(), total);
    // Blocks of a store are verified when they are reached, unless that is off.
    let record = cid(&repo.entries()[0].1);
    store.blocks.get_mut(&record).unwrap().push(0);
    let count = |loader: Loader| loader.tree_from_store(&store, root).records().try_count();
    assert_eq!(count(Loader::new()).unwrap_err().class(), ErrorClass::Invalid);
    assert_eq!(count(Loader::new().verification(Verification::DangerouslyNone)).unwrap(), 11);
}

/// The CIDs of the nodes of a partial walk, and whether an entry came.
fn nodes<S: BlockStore>(walk: Walk<'_, S>) -> (Vec<carwalk::Cid>, bool) {
    let mut walk = walk.nodes(true).records(false).partial(true).start();
    let (mut nodes, mut found) = (Vec::new(), false);
    while let Some(event) = walk.next_event().unwrap() {
        match event {
            Event::Node { cid, .. } => nodes.push(cid),
            Event::Entry { .. } => found = true,
            _ => {}
        }
    }
    (nodes, found)
}

#[test]
fn a_walk_over_one_key_reads_the_nodes_on_its_way() {
    let mut shorter = 0;
    for part in parts(cases(20)) {
        let store = MapStore::new(&part.car);
        let tree = Tree::new(&store, part.tree.root());
        for key in part::probes(&part.tree, &mut Rng::new(part.car.len() as u64)) {
            let (way, _) = part.tree.path(&key);
            let way = way.into_iter().map(|number| part.tree.0[number].cid);
            let way: Vec<_> = way.take_while(|node| part.is_there(node)).map(|c| cid(&c)).collect();
            let before = store.gets();
            let (found, has) = nodes(tree.walk().key(&key));
            let gets = store.gets() - before;
            assert_eq!(found, way, "{}: {}", part.name, key.escape_ascii());
            assert!(gets <= found.len() as u64 + 1);
            assert_eq!(has, tree.get_key(&key).unwrap().cid().is_some());
            // A range of one key goes on below the key's layer.
            let of_range = nodes(tree.walk().range(KeyRange::key(&key)));
            assert!(of_range.1 == has && of_range.0.starts_with(&way));
            shorter += usize::from(of_range.0.len() > way.len());
        }
    }
    assert!(shorter > 10, "{shorter}");
}

#[test]
fn a_key_and_a_range_intersect() {
    let repo = sample();
    let car = repo.to_bytes(Order::Preorder);
    let tree = Loader::new().tree_from_slice(&car[..]).unwrap();
    let tree = Tree::new(tree.store(), cid(&repo.root.cid()));
    let key = repo.entries()[6].0.clone();
    let (above, below) = ([&key[..], b"\0"].concat(), key[..key.len() - 1].to_vec());
    let alone = nodes(tree.walk().key(&key));
    assert_eq!((alone.0.len(), alone.1), (4, true));
    for walk in [
        tree.walk().range(&key[..]..).key(&key),
        tree.walk().key(&key).range(&key[..]..),
        tree.walk().key(&key).range(..&above[..]).key(&key),
        tree.walk().range(&below[..]..&above[..]).key(&key),
    ] {
        assert_eq!(nodes(walk), alone);
    }
    for walk in [
        tree.walk().range(&above[..]..).key(&key),
        tree.walk().key(&key).range(..&key[..]),
        tree.walk().key(&key).key(&above),
    ] {
        assert_eq!(nodes(walk), (Vec::new(), false));
    }
}
