//! What programs that embed the library write, as they would write it.

use std::io;
use std::sync::{Arc, LazyLock};

use carwalk::error::PathFault;
use carwalk::mst::Walk;
use carwalk::store::{Block, BlockStore, CarStore, MemoryStore, SliceStore};
use carwalk::{
    BoundedLoader, Cid, ErrorClass, ErrorKind, KeyRange, Loader, Lookup, Repo, RepoPath,
    RepoPathBuf, Verification,
};

use crate::sample::SAMPLE;

mod empty_tree;
mod several_commits;
mod skipped_subtrees;
#[cfg(feature = "redb")]
mod spilled;

static LOADER: LazyLock<BoundedLoader> = LazyLock::new(|| Loader::new().memory_limit(4 << 10));

#[test]
fn one_loader_in_a_static_serves_all_threads() {
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let commit = LOADER.peek_commit(SAMPLE).unwrap();
                let store = MemoryStore::new(SAMPLE).unwrap();
                let repo = LOADER.from_store(store, commit.cid()).unwrap();
                assert_eq!(repo.records().try_count().unwrap(), 40);
            });
        }
    });
}

/// One program must not ban a server for its own struct, its own typo, or its own disk.
#[test]
fn the_class_of_an_error_says_whom_to_blame() {
    let repo = Repo::from_slice(SAMPLE).unwrap();
    let class = |error: carwalk::Error| error.class();
    #[cfg(feature = "serde")]
    {
        #[derive(serde::Deserialize, Debug)]
        #[allow(dead_code, reason = "decoding fails")]
        struct Other {
            no_record_has_this: String,
        }
        let record = repo.records().next().unwrap().unwrap();
        assert_eq!(class(record.decode::<Other>().unwrap_err()), ErrorClass::Caller);
    }
    assert_eq!(class(repo.get("a typo").unwrap_err()), ErrorClass::Caller);
    assert_eq!(class("no cid".parse::<Cid>().unwrap_err()), ErrorClass::Caller);
    assert_eq!(class(Repo::from_path("no/such.car").unwrap_err()), ErrorClass::Environment);
    assert_eq!(class(Repo::from_path(std::env::temp_dir()).unwrap_err()), ErrorClass::Environment);
    assert_eq!(class(Repo::from_slice(&SAMPLE[..2000]).unwrap_err()), ErrorClass::Truncated);
    assert_eq!(class(Repo::from_slice(b"").unwrap_err()), ErrorClass::Truncated);
    assert_eq!(class(Repo::from_slice(b"{}").unwrap_err()), ErrorClass::Invalid);
    let other = repo.commit().verify_account("did:web:example.com").unwrap_err();
    assert_eq!(class(other), ErrorClass::Invalid);
    let no_did = repo.commit().verify_account("example.com").unwrap_err();
    assert_eq!(no_did.to_string(), "not a DID: \"example.com\"");
    assert_eq!(class(no_did), ErrorClass::Caller);
    let refused = carwalk::Error::store(io::Error::from(io::ErrorKind::PermissionDenied));
    assert_eq!(refused.io_kind(), Some(io::ErrorKind::PermissionDenied));
    assert_eq!(class(refused), ErrorClass::Io, "a store of the caller's");
    let reset = io::Error::from(io::ErrorKind::ConnectionReset);
    assert_eq!(class(reset.into()), ErrorClass::Io);
}

/// The same fault in a tree is that of whoever made the tree.
#[test]
fn an_invalid_path_is_the_callers_as_an_argument_and_the_inputs_in_a_tree() {
    use carwalk_testkit::repo::{Order, Repo as KitRepo};

    let car = KitRepo::sample([&b"com.example.test/a b"[..]]).to_bytes(Order::Preorder);
    let repo = Repo::from_slice(&car).unwrap();
    let in_tree = repo.records().next().unwrap().unwrap_err();
    let argument = repo.get("com.example.test/a b").unwrap_err();
    assert_eq!((in_tree.class(), argument.class()), (ErrorClass::Invalid, ErrorClass::Caller));
    assert_eq!(in_tree.key(), argument.key());
    assert!(matches!(repo.tree().get_key("com.example.test/a b"), Ok(Lookup::Present { .. })));

    // So it is with the full syntax.
    let car = KitRepo::sample(["posts/a"]).to_bytes(Order::Preorder);
    let repo = Loader::new().strict_paths(true).from_slice(&car).unwrap();
    let in_tree = repo.records().next().unwrap().unwrap_err();
    let argument = RepoPath::try_from("posts/a").unwrap().check_syntax().unwrap_err();
    assert_eq!((in_tree.class(), argument.class()), (ErrorClass::Invalid, ErrorClass::Caller));
    assert_eq!(in_tree.key(), argument.key());
}

#[test]
fn what_is_not_a_path_is_an_error_that_says_how_to_write_one() {
    let repo = Repo::from_slice(SAMPLE).unwrap();
    let uri = "at://did:plc:ewvi7nxzyoun6zhxrhs64oiz/app.bsky.actor.profile/self";
    for (path, fault) in [
        (uri, PathFault::AtUri),
        ("/app.bsky.actor.profile/self", PathFault::Slashes { found: 2 }),
        ("app.bsky.feed.post", PathFault::Slashes { found: 0 }),
        ("app.bsky.actor.profile/", PathFault::NoRecordKey),
        ("", PathFault::Slashes { found: 0 }),
    ] {
        #[cfg_attr(not(feature = "signature"), expect(unused_mut, reason = "one more with it"))]
        let mut refused = vec![
            repo.get(path).map(drop).unwrap_err(),
            RepoPath::try_from(path).map(drop).unwrap_err(),
            path.parse::<RepoPathBuf>().map(drop).unwrap_err(),
            repo.prove().key(path).write(Vec::new()).map(drop).unwrap_err(),
        ];
        #[cfg(feature = "signature")]
        {
            let did = repo.commit().did();
            let key = carwalk_testkit::signing::SigningKey::k256(&[7; 32]).did_key();
            let key = key.parse().unwrap();
            refused.push(carwalk::verify_record_proof(SAMPLE, did, &key, path).unwrap_err());
        }
        for error in refused {
            assert!(matches!(error.kind(), ErrorKind::Path(found) if *found == fault), "{error}");
            assert_eq!((error.class(), error.key()), (ErrorClass::Caller, Some(path.as_bytes())));
        }
    }
    let told = repo.get(uri).unwrap_err().to_string();
    assert!(told.contains("the part after the account, `collection/record-key`"), "{told}");
    // A refused path is not made good by others, and nothing is written.
    let mut out = Vec::new();
    let builder = repo.prove().key(uri).key("app.bsky.actor.profile/self");
    assert!(builder.write(&mut out).is_err() && out.is_empty());
}

#[test]
fn an_error_is_never_counted_as_a_record() {
    let case = carwalk_testkit::breakage::case("record_absent");
    let repo = Repo::from_slice(&case.broken).unwrap();
    assert_eq!(repo.records().try_count().unwrap_err().class(), ErrorClass::Missing);
    assert!(repo.records().count() > 0);
    assert!(repo.entries().try_count().unwrap() > 0);
    let case = carwalk_testkit::breakage::case("leaf_absent");
    let repo = Repo::from_slice(&case.broken).unwrap();
    assert_eq!(repo.entries().try_count().unwrap_err().class(), ErrorClass::Missing);
    // The missing leaf may hide the first collection.
    let error = repo.collections().next().unwrap().unwrap_err();
    assert_eq!(error.class(), ErrorClass::Missing);
    let ErrorKind::Missing { interval: Some(interval) } = error.kind() else { panic!("{error}") };
    assert!(interval.contains(b"a.b/c") && !interval.contains(b"com.example.test/00000002"));
}

#[cfg(feature = "signature")]
#[test]
fn a_proof_comes_with_the_commit_that_it_rests_on() {
    let expected = Repo::from_slice(SAMPLE).unwrap();
    let (did, key) = (expected.commit().did(), carwalk_testkit::sample::signing_key().did_key());
    for (path, is_there) in [("app.bsky.actor.profile/self", true), ("a.b/c", false)] {
        let key = key.parse().unwrap();
        let proof = carwalk::verify_record_proof(SAMPLE, did, &key, path).unwrap();
        assert_eq!(proof.commit, *expected.commit());
        assert_eq!(proof.lookup.into_result().unwrap().is_some(), is_there);
    }
}

#[test]
fn what_a_lookup_shows_of_itself_has_no_bytes() {
    let repo = Repo::from_slice(SAMPLE).unwrap();
    let found = repo.tree().get_key("app.bsky.actor.profile/self").unwrap();
    let Lookup::Present { cid, record: Some(bytes) } = &found else { panic!() };
    assert_eq!(bytes.len(), 128);
    assert_eq!(format!("{found:?}"), format!("Present {{ cid: {cid:?}, has_record: true }}"));
    assert!(format!("{:?}", repo.get("a.b/c").unwrap()) == "Absent");
}

/// A store that wraps a store, as an enum or a cache would be, keeps what is known of its blocks.
struct Wrapping<S>(S);

enum Wrapped<B> {
    Bytes(B),
}

impl<B: AsRef<[u8]>> AsRef<[u8]> for Wrapped<B> {
    fn as_ref(&self) -> &[u8] {
        let Wrapped::Bytes(bytes) = self;
        bytes.as_ref()
    }
}

impl<S: BlockStore> BlockStore for Wrapping<S> {
    type Bytes<'a>
        = Wrapped<S::Bytes<'a>>
    where
        Self: 'a;

    fn get(&self, cid: &Cid) -> carwalk::Result<Option<Block<Self::Bytes<'_>>>> {
        Ok(self.0.get(cid)?.map(|block| block.map(Wrapped::Bytes)))
    }
}

#[test]
fn a_wrapped_store_keeps_offsets_and_marks() {
    let plain = SliceStore::new(SAMPLE).unwrap();
    let wrapping = Wrapping(SliceStore::new(SAMPLE).unwrap());
    for head in plain.sections() {
        let cid = head.unwrap().cid();
        let (one, other) =
            (plain.get(&cid).unwrap().unwrap(), wrapping.get(&cid).unwrap().unwrap());
        assert_eq!(
            (one.bytes, one.offset, one.form),
            (other.bytes.as_ref(), other.offset, other.form)
        );
        assert!(wrapping.contains(&cid).unwrap());
    }
    let commit = plain.header().root();
    assert!(!wrapping.contains(&Cid::of(carwalk::cid::Codec::Raw, b"none")).unwrap());
    let repo = Repo::from_store(wrapping, commit).unwrap();
    assert_eq!(repo.records().try_count().unwrap(), 40);
}

#[test]
fn pointers_to_stores_are_stores() {
    let store = Arc::new(MemoryStore::new(SAMPLE).unwrap());
    let commit = store.header().root();
    let repo: Repo<Arc<MemoryStore>> = Repo::from_store(Arc::clone(&store), commit).unwrap();
    let boxed: Repo<Box<Arc<MemoryStore>>> = Repo::from_store(Box::new(store), commit).unwrap();
    // What needs the sections of a CAR works through a pointer, too.
    assert_eq!(repo.unreached_blocks().unwrap(), 0);
    assert_eq!(boxed.stats(), repo.stats());
    let thread = std::thread::spawn(move || repo.records().try_count());
    assert_eq!(thread.join().unwrap().unwrap(), 40);
}

#[test]
fn ranges_and_order_are_set_before_iteration_starts() {
    let repo = Repo::from_slice(SAMPLE).unwrap();
    let posts = KeyRange::collection("app.bsky.feed.post").unwrap();
    let newest: Vec<String> = repo
        .records_in(&posts)
        .rev()
        .take(10)
        .map(|record| Ok(record?.path().to_string()))
        .collect::<carwalk::Result<_>>()
        .unwrap();
    assert_eq!(newest.len(), 10);
    assert!(newest.is_sorted_by(|one, other| one > other));
    // A page after a cursor.
    let cursor = newest.last().unwrap().clone();
    let page = (std::ops::Bound::Unbounded, std::ops::Bound::Excluded(cursor));
    let rest = repo.records_in(posts.and(&page.into()));
    assert_eq!(rest.try_count().unwrap(), 4);
    let walk: Walk<'_, _> = repo.walk().nodes(true).range(&posts).reverse();
    assert!(format!("{walk:?}").contains("app.bsky.feed.post"));
    assert!(walk.start().next_event().unwrap().is_some());
    let names: Vec<String> = repo.collections().collect::<carwalk::Result<_>>().unwrap();
    let all = repo.entries().map(|entry| entry.unwrap().path().collection().to_owned());
    let mut all: Vec<String> = all.collect();
    all.dedup();
    assert_eq!(names, all);
}

/// A struct can name its repository without parameters, and own it.
struct Account {
    repo: Repo,
}

#[test]
fn a_repository_can_be_named_without_parameters() {
    let account = Account { repo: Repo::from_reader(SAMPLE).unwrap() };
    let mut count = 0;
    for record in &account.repo {
        record.unwrap();
        count += 1;
    }
    assert_eq!(count, 40);
    let (store, commit) = (account.repo.store(), account.repo.commit().cid());
    let loader = Loader::new().verification(Verification::DangerouslyNone);
    assert_eq!(loader.from_store(store, commit).unwrap().entries().try_count().unwrap(), 40);
    // The loader is not used up.
    assert!(loader.from_slice(SAMPLE).is_ok() && loader.clone().from_reader(SAMPLE).is_ok());
}

#[test]
fn a_load_is_cancelled_by_its_progress_function() {
    use std::ops::ControlFlow;

    let loader = Loader::new().progress(|_| ControlFlow::Break(()));
    for error in [loader.from_slice(SAMPLE).err(), loader.from_reader(SAMPLE).err()] {
        let error = error.unwrap();
        assert_eq!(error.class(), ErrorClass::Cancelled);
        assert_eq!(error.to_string(), "the load was cancelled");
    }
}

#[test]
fn paths_are_compared_as_texts_and_found_by_them() {
    use std::collections::{BTreeMap, HashMap};

    let path: RepoPathBuf = "app.bsky.feed.post/a".parse().unwrap();
    assert!(path == "app.bsky.feed.post/a" && path.as_path() == *"app.bsky.feed.post/a");
    let (tree, hash) = (BTreeMap::from([(path.clone(), 1)]), HashMap::from([(path.clone(), 1)]));
    assert_eq!(
        (tree.get("app.bsky.feed.post/a"), hash.get("app.bsky.feed.post/a")),
        (Some(&1), Some(&1))
    );
    // '-' is below '/', so the order of texts is not that of collections.
    let other: RepoPathBuf = "app.bsky.feed.post-x/a".parse().unwrap();
    assert!(other < path && other.as_str() < path.as_str() && other.as_path() < path.as_path());
    assert_eq!((path.collection(), path.record_key()), ("app.bsky.feed.post", "a"));
    assert_eq!(String::from(path), "app.bsky.feed.post/a");
}

#[test]
fn a_walk_continues_past_keys_that_are_not_paths() {
    use carwalk::mst::Event;
    use carwalk_testkit::repo::{Order, Repo as KitRepo};

    let keys = ["a.b/c", "no path", "z.y/x"];
    let car = KitRepo::sample(keys).to_bytes(Order::Preorder);
    let repo = Repo::from_slice(&car).unwrap();
    let (mut paths, mut invalid) = (0, 0);
    let mut walk = repo.walk().start();
    while let Some(event) = walk.next_event().unwrap() {
        let Event::Record { entry, .. } = event else { panic!("{event:?}") };
        match entry.path() {
            Ok(_) => paths += 1,
            Err(error) => {
                assert_eq!((error.class(), error.key()), (ErrorClass::Invalid, Some(entry.key())));
                invalid += 1;
            }
        }
    }
    assert_eq!((paths, invalid), (2, 1));
    assert_eq!(repo.records().try_count().unwrap_err().class(), ErrorClass::Invalid);
}
