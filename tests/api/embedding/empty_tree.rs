//! The empty repository whose node is missing. Its CID determines the node, so nothing is missing.

use carwalk::mst::{Event, Node};
use carwalk::store::{CarStore, MemoryStore};
use carwalk::{ErrorClass, Lookup, Repo};
use carwalk_testkit::repo::{Order, Repo as KitRepo};

use crate::common::cid;

/// The CAR of a repository, without the root node of its tree.
fn without_root(kit: &KitRepo) -> Vec<u8> {
    let mut car = kit.to_car(Order::Preorder);
    car.remove(&kit.root.cid());
    car.to_bytes()
}

#[track_caller]
fn is_empty_in_every_walk<S: CarStore>(repo: &Repo<S>) {
    assert!(!repo.store().contains(&repo.commit().data()).unwrap());
    assert_eq!(repo.records().try_count().unwrap(), 0);
    assert!(repo.records().next_back().is_none() && repo.collections().next().is_none());
    assert!(repo.walk().completeness().unwrap().is_complete());
    assert!(repo.walk().gaps().next().is_none());
    assert_eq!(repo.unreached_blocks().unwrap(), 0);
    assert!(matches!(repo.get("a.b/c"), Ok(Lookup::Absent)));
    assert!(matches!(repo.tree().get_key("no path"), Ok(Lookup::Absent)));
    for partial in [false, true] {
        let mut walk = repo.walk().nodes(true).partial(partial).start();
        let Some(Event::Node { cid, layer, depth, block, offset, .. }) = walk.next_event().unwrap()
        else {
            panic!("the node is shown")
        };
        assert_eq!((cid, layer.get(), depth, offset), (repo.commit().data(), 0, 0, None));
        assert!(cid.verify(block).is_ok() && Node::parse(block).is_ok());
        assert!(walk.next_event().unwrap().is_none());
    }
    // So a proof from it is a proof.
    let mut proof = Vec::new();
    repo.prove().key("a.b/c").write(&mut proof).unwrap();
    assert!(matches!(Repo::from_slice(&proof).unwrap().get("a.b/c"), Ok(Lookup::Absent)));
}

#[test]
fn an_empty_repository_without_its_node_is_empty_in_every_walk() {
    let kit = KitRepo::new([]);
    let bytes = without_root(&kit);
    is_empty_in_every_walk(&Repo::from_slice(&bytes).unwrap());
    is_empty_in_every_walk(&Repo::from_reader(&bytes[..]).unwrap());
    let store = MemoryStore::new(&bytes[..]).unwrap();
    is_empty_in_every_walk(&Repo::from_store(store, cid(&kit.commit_cid())).unwrap());
}

#[cfg(feature = "redb")]
#[test]
fn it_is_empty_in_a_file_too() {
    use carwalk::Loader;
    use carwalk::store::SpillFile;

    let bytes = without_root(&KitRepo::new([]));
    let loader = Loader::new().memory_limit(0);
    is_empty_in_every_walk(&loader.spill(&bytes[..], SpillFile::temporary()).unwrap());
    let loaded = loader.from_reader(&bytes[..]).unwrap();
    is_empty_in_every_walk(&loaded.or_spill(SpillFile::temporary()).unwrap());
    is_empty_in_every_walk(&loader.from_slice(&bytes, SpillFile::temporary()).unwrap());
}

#[test]
fn any_other_missing_root_hides_everything() {
    let repo = Repo::from_slice(without_root(&KitRepo::sample(["a.b/c"]))).unwrap();
    assert_eq!(repo.records().try_count().unwrap_err().class(), ErrorClass::Missing);
    assert!(matches!(repo.get("a.b/c"), Ok(Lookup::Unknown(_))));
}
