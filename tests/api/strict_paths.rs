//! Strict paths: demanded of all items, whichever are asked for and from whichever end.

use crate::common;
use crate::common::MapStore;
use carwalk::KeyRange;
use carwalk::error::PathFault;
use carwalk::store::BlockStore;
use carwalk::{ErrorKind, Loader, Record, Repo, RepoEntry, Result, Tree};
use carwalk_testkit::repo::{Order, Repo as KitRepo};

/// Its collections; the second has a record key that is none, and the third is no NSID.
const KEYS: [&str; 7] = [
    "app.bsky.feed.post/a",
    "app.bsky.feed.post/b",
    "com.example.test/..",
    "com.example.test/b",
    "example/a",
    "net.example.test/a",
    "net.example.test/b",
];

/// What items have in common.
trait Item {
    fn path(&self) -> String;
}

impl<V> Item for Record<V> {
    fn path(&self) -> String {
        self.path().to_string()
    }
}

impl Item for RepoEntry {
    fn path(&self) -> String {
        self.path().to_string()
    }
}

/// The items are these keys; if they are strict, they end at the first from that end which is not.
#[track_caller]
fn assert_items<T: Item>(items: impl Iterator<Item = Result<T>>, keys: Vec<&str>, strict: bool) {
    let mut items = items;
    for key in keys {
        let fault = match key {
            "com.example.test/.." => Some(PathFault::RecordKey),
            "example/a" => Some(PathFault::Nsid),
            _ => None,
        };
        let item = items.next().unwrap();
        let Some(fault) = fault.filter(|_| strict) else {
            assert_eq!(item.unwrap().path(), key);
            continue;
        };
        let Err(error) = item else { panic!("{key} came") };
        assert!(matches!(error.kind(), ErrorKind::Path(found) if *found == fault), "{error}");
        assert_eq!(error.key(), Some(key.as_bytes()));
        break;
    }
    assert!(items.next().is_none() && items.next().is_none());
}

/// All of them, in each way that leaves some out, and from both ends.
macro_rules! assert_each_way {
    ($items_in:expr, $strict:expr) => {
        let pick =
            |test: fn(&str) -> bool| KEYS.into_iter().filter(|key| test(key)).collect::<Vec<_>>();
        macro_rules! assert_way {
            ($ways:expr, $test:expr) => {
                let keys = pick($test);
                assert_items($ways, keys.clone(), $strict);
                assert_items($ways.rev(), keys.into_iter().rev().collect(), $strict);
            };
        }
        assert_way!(($items_in)(KeyRange::all()), |_| true);
        assert_way!(($items_in)(("app.bsky.feed.post/b".."d").into()), |key| key
            > "app.bsky.feed.post/a"
            && key < "d");
        assert_way!(($items_in)(("d"..).into()), |key| key > "d");
        assert_way!(($items_in)(KeyRange::prefix("com.ex")), |key| key.starts_with("com.ex"));
        assert_way!(($items_in)(KeyRange::prefix("example/")), |key| key.starts_with("example/"));
        assert_way!(($items_in)(KeyRange::prefix("net.")), |key| key.starts_with("net."));
        assert_way!(($items_in)(KeyRange::collection("com.example.test").unwrap()), |key| key
            .starts_with("com.example.test/"));
        assert_way!(($items_in)(KeyRange::collection("example").unwrap()), |key| key
            .starts_with("example/"));
        assert_way!(
            ($items_in)(KeyRange::prefix("com.").and(&("com.example.test/".."x").into())),
            |key| key.starts_with("com.")
        );
        assert_way!(
            ($items_in)(
                KeyRange::from(.."com.example.test/a")
                    .and(&KeyRange::collection("com.example.test").unwrap())
            ),
            |key| { key == "com.example.test/.." }
        );
    };
}

fn assert_strict<S: BlockStore>(tree: &Tree<S>, strict: bool) {
    assert_each_way!(|range: KeyRange| tree.records_in(range), strict);
    assert_each_way!(|range: KeyRange| tree.entries_in(range), strict);
}

#[test]
fn paths_are_strict_in_every_range_and_from_both_ends_if_they_are_to_be() {
    let kit = KitRepo::sample(KEYS);
    let car = kit.to_bytes(Order::Preorder);
    for strict in [true, false] {
        let loader = || Loader::new().strict_paths(strict);
        assert_strict(loader().from_slice(&car).unwrap().tree(), strict);
        assert_strict(loader().from_reader(&car[..]).unwrap().tree(), strict);
        let store = MapStore::new(&car);
        assert_strict(
            &Tree::new(&store, common::cid(&kit.root.cid())).strict_paths(strict),
            strict,
        );
    }
    assert_strict(Repo::from_slice(&car).unwrap().tree(), false);
}

/// Each end by itself, and one after the other.
#[test]
fn a_path_that_is_not_strict_ends_items_from_the_end_that_comes_to_it() {
    let car = KitRepo::sample(KEYS).to_bytes(Order::Preorder);
    let repo = Loader::new().strict_paths(true).from_slice(&car).unwrap();
    for last_back in [true, false] {
        let mut records = repo.records();
        let mut entries = repo.entries();
        for _ in 0..2 {
            assert!(records.next().unwrap().is_ok() && records.next_back().unwrap().is_ok());
            assert!(entries.next().unwrap().is_ok() && entries.next_back().unwrap().is_ok());
        }
        let error =
            if last_back { records.next_back() } else { records.next() }.unwrap().unwrap_err();
        let key = if last_back { "example/a" } else { "com.example.test/.." };
        assert_eq!(error.key(), Some(key.as_bytes()));
        let error =
            if last_back { entries.next_back() } else { entries.next() }.unwrap().unwrap_err();
        assert_eq!(error.key(), Some(key.as_bytes()));
        assert!(records.next().is_none() && records.next_back().is_none());
        assert!(entries.next().is_none() && entries.next_back().is_none());
    }
}
