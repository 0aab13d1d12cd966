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

#[cfg(feature = "redb")]
mod spilled {
    use std::error::Error as StdError;
    use std::io::Read;

    use carwalk::error::ArgumentFault;
    use carwalk::store::{AnyStore, RedbStore, SpillFile};
    use carwalk::{Loaded, Processed};

    use super::*;

    /// The error type of most programs: `anyhow::Error` and the like convert from no less.
    type AnyError = Box<dyn StdError + Send + Sync>;

    /// Compiles with any error type that takes `Send + Sync` errors, whatever the stream is.
    fn count<R: Read>(stream: R) -> Result<u64, AnyError> {
        match LOADER.from_reader(stream)? {
            Loaded::Complete(repo) => Ok(repo.records().try_count()?),
            Loaded::Suspended(load) => {
                Ok(load.spill(SpillFile::temporary())?.records().try_count()?)
            }
        }
    }

    #[test]
    fn the_question_mark_after_spill_makes_any_error() {
        let boxed: Box<dyn Read + Send> = Box::new(SAMPLE);
        assert_eq!(count(boxed).unwrap(), 40);
        let mut borrowed = SAMPLE;
        let borrowed: &mut dyn Read = &mut borrowed;
        assert_eq!(count(borrowed).unwrap(), 40);

        #[derive(Debug)]
        struct Mine(#[allow(dead_code, reason = "only made")] carwalk::Error);
        impl From<carwalk::Error> for Mine {
            fn from(error: carwalk::Error) -> Self {
                Mine(error)
            }
        }
        fn mine(stream: &[u8]) -> Result<u64, Mine> {
            let loaded = LOADER.from_reader(stream)?;
            Ok(loaded.or_spill(SpillFile::temporary())?.records().try_count()?)
        }
        assert_eq!(mine(SAMPLE).unwrap(), 40);
    }

    #[test]
    fn one_type_of_store_is_in_memory_or_in_a_file_and_hashes_no_block_again() {
        for limit in [0, 1 << 20] {
            let loaded = Loader::new().memory_limit(limit).from_reader(SAMPLE).unwrap();
            let repo: Repo<AnyStore> = loaded.or_spill(SpillFile::temporary()).unwrap();
            assert_eq!(matches!(repo.store(), AnyStore::File(_)), limit == 0);
            assert_eq!(repo.records().try_count().unwrap(), 40);
            assert_eq!(repo.unreached_blocks().unwrap(), 0);
            let heads = repo.store().sections().collect::<carwalk::Result<Vec<_>>>().unwrap();
            assert_eq!(heads.len(), 50);
        }
    }

    #[test]
    fn a_repository_of_processed_values_has_a_type_that_can_be_named() {
        type Len = Processed<fn(&[u8]) -> u64, u64>;
        struct Held {
            repo: Repo<RedbStore, Len>,
        }
        let loader = Loader::new().process((|record| record.len() as u64) as fn(&[u8]) -> u64);
        let repo = loader.memory_limit(0).spill(SAMPLE, SpillFile::temporary()).unwrap();
        let held = Held { repo };
        let total = held.repo.records().map(|record| record.unwrap().into_value()).sum::<u64>();
        assert_eq!(total, 7338);
    }

    #[test]
    fn a_file_that_cannot_be_created_is_named_and_so_is_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let absent = folder.path().join("absent").join("kept");
        let taken = folder.path().join("taken");
        std::fs::write(&taken, b"precious").unwrap();
        let cases = [
            (SpillFile::keep(&absent), &absent, io::ErrorKind::NotFound),
            (SpillFile::temporary_in(&absent), &absent, io::ErrorKind::NotFound),
            (SpillFile::keep(&taken), &taken, io::ErrorKind::AlreadyExists),
        ];
        for (file, path, kind) in cases {
            let error = file.create().unwrap_err();
            assert_eq!(error.class(), ErrorClass::Environment, "{error}");
            assert_eq!((error.path(), error.io_kind()), (Some(&**path), Some(kind)), "{error}");
            assert!(error.to_string().starts_with(&format!("{path:?}: ")), "{error}");
        }
        assert_eq!(std::fs::read(&taken).unwrap(), b"precious");
        for file in [&absent, &taken] {
            let error = Repo::from_spill_file(file).unwrap_err();
            assert_eq!(error.path(), Some(&**file), "{error}");
        }
        // It is the program's own file: nobody else is to blame.
        let error = Repo::from_spill_file(&taken).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Environment, "{error}");
        assert_eq!(io::Error::from(error).kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn names_that_no_file_can_have_are_refused_before_a_load_is_given_away() {
        let folder = tempfile::tempdir().unwrap();
        let nul = folder.path().join("a\0b");
        for file in [SpillFile::keep(&nul), SpillFile::temporary_in(&nul)] {
            let error = file.create().unwrap_err();
            assert_eq!((error.class(), error.path()), (ErrorClass::Caller, Some(&*nul)), "{error}");
        }
        for error in [Repo::from_path(&nul).err(), Repo::from_spill_file(&nul).map(drop).err()] {
            assert_eq!(error.unwrap().class(), ErrorClass::Caller);
        }
        let long = folder.path().join("y".repeat(300));
        let error = SpillFile::keep(&long).create().unwrap_err();
        assert_eq!(
            (error.class(), error.path()),
            (ErrorClass::Environment, Some(&*long)),
            "{error}"
        );
    }

    #[test]
    fn a_limit_on_what_is_stored_names_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kept");
        let error = LOADER.spill(SAMPLE, SpillFile::keep(&path).max_stored(100)).unwrap_err();
        assert_eq!((error.class(), error.path()), (ErrorClass::Limit, Some(&*path)), "{error}");
        assert!(!path.exists());
        // The stream's faults are not the file's.
        let error = LOADER.spill(&SAMPLE[..9000], SpillFile::keep(&path)).unwrap_err();
        assert_eq!((error.class(), error.path()), (ErrorClass::Truncated, None), "{error}");
    }

    /// Whatever a value's own code returns.
    #[test]
    fn a_value_that_cannot_be_encoded_is_the_callers() {
        struct Odd;
        impl carwalk::Value for Odd {
            fn encode(&self, _: &mut Vec<u8>) -> carwalk::Result<()> {
                "x/y z".parse::<RepoPathBuf>().map(drop)
            }

            fn decode(_: &mut &[u8]) -> Option<Self> {
                None
            }
        }
        let error = Loader::new().process(|_| Odd).from_reader(SAMPLE).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Caller, "{error}");
        assert!(matches!(error.kind(), ErrorKind::Encode(_)), "{error}");
        assert!(StdError::source(&error).unwrap().to_string().contains("x/y z"));
    }

    #[test]
    fn a_cid_of_raw_bytes_is_no_commits_in_any_opener() {
        let raw = Cid::of(carwalk::cid::Codec::Raw, b"raw");
        let loader = Loader::new().commit(raw);
        let bounded = loader.clone().memory_limit(4 << 10);
        let folder = tempfile::tempdir().unwrap();
        let kept = folder.path().join("kept");
        drop(LOADER.spill(SAMPLE, SpillFile::keep(&kept)).unwrap());
        let errors = [
            bounded.from_reader(SAMPLE).map(drop).err(),
            loader.from_spill_file(&kept).map(drop).err(),
            loader.from_slice(SAMPLE).map(drop).err(),
            // It is told before the input's faults.
            loader.from_reader(&b"no CAR"[..]).map(drop).err(),
            loader.peek_commit(SAMPLE).map(drop).err(),
            bounded.spill(SAMPLE, SpillFile::temporary()).map(drop).err(),
            Repo::from_store(MemoryStore::new(SAMPLE).unwrap(), raw).map(drop).err(),
        ];
        for error in errors {
            let error = error.unwrap();
            assert_eq!(error.class(), ErrorClass::Caller, "{error}");
            assert!(error.to_string().contains(&raw.to_string()), "{error}");
        }
    }

    #[test]
    fn wrong_settings_of_a_file_are_the_callers_and_repeated() {
        let file = SpillFile::temporary_in("folder").segment_len(65_525);
        let error = file.create().unwrap_err();
        assert_eq!(error.class(), ErrorClass::Caller);
        let told = "\"folder\": segment length of 65525, expected at most 65524";
        assert_eq!(error.to_string(), told);
        assert!(SpillFile::temporary().segment_len(65_524).create().is_ok());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kept");
        let error = LOADER.from_slice(SAMPLE, SpillFile::keep(&path)).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Argument(ArgumentFault::KeptIndex)), "{error}");
        assert_eq!((error.class(), error.path()), (ErrorClass::Caller, Some(&*path)));
    }

    #[test]
    fn a_file_that_was_created_before_takes_the_load() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kept");
        let file = SpillFile::keep(&path).create().unwrap();
        assert!(!path.exists());
        let repo = LOADER.spill(SAMPLE, file).unwrap();
        assert!(path.exists());
        drop(repo);
        assert_eq!(Repo::from_spill_file(&path).unwrap().records().try_count().unwrap(), 40);
    }

    /// The function knows nothing of the file that another one made.
    #[test]
    fn values_without_their_function_are_the_fault_of_the_caller() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kept");
        let loader = Loader::new().process(|record| record.len() as u64).memory_limit(0);
        drop(loader.spill(SAMPLE, SpillFile::keep(&path)).unwrap());
        let error = Repo::from_spill_file(&path).unwrap_err();
        assert_eq!((error.class(), error.path()), (ErrorClass::Caller, Some(&*path)), "{error}");
    }
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
    assert!(told.contains("the part after the account, `collection/rkey`"), "{told}");
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
    let names: carwalk::Result<Vec<String>> = repo.collections().collect();
    assert!(names.is_err() || names.is_ok_and(|names| names.len() == 1));
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
fn a_commit_among_several_can_be_listed_and_opened() {
    use carwalk::CommitRules;
    use carwalk::store::commits;
    use carwalk_testkit::car::Car;
    use carwalk_testkit::repo::{Order, Repo as KitRepo};

    let (old, new) = (KitRepo::sample(["a.b/c"]), KitRepo::sample(["a.b/c", "a.b/d"]));
    let mut car: Car = new.to_car(Order::Preorder);
    car.sections.extend(old.to_car(Order::Preorder).sections);
    // Twice, and once with other bytes.
    car.sections.extend(old.to_car(Order::Preorder).sections);
    let bytes = car.to_bytes();
    let store = SliceStore::new(&bytes).unwrap();
    let found = commits(&store, CommitRules::Current).collect::<carwalk::Result<Vec<_>>>().unwrap();
    let cids: Vec<Cid> = found.iter().map(|commit| commit.cid()).collect();
    let of = |kit: &KitRepo| Cid::parse(kit.commit_cid().as_bytes()).unwrap();
    assert_eq!(cids, [of(&new), of(&old)]);
    for (cid, records) in [(of(&new), 2), (of(&old), 1)] {
        let loader = Loader::new().commit(cid);
        assert_eq!(loader.from_slice(&bytes).unwrap().records().try_count().unwrap(), records);
        assert_eq!(loader.from_reader(&bytes[..]).unwrap().commit().cid(), cid);
        assert_eq!(loader.peek_commit(&bytes[..]).unwrap().cid(), cid);
    }
    // However often it is repeated, it is read once.
    let repeated: Vec<_> = car.sections.iter().cycle().take(5000).cloned().collect();
    car.sections.extend(repeated);
    let many = SliceStore::new(car.to_bytes()).unwrap();
    assert_eq!(commits(&many, CommitRules::Current).count(), 2);
    let none = Cid::of(carwalk::cid::Codec::DagCbor, b"none");
    let error = Loader::new().commit(none).from_slice(&bytes).unwrap_err();
    assert_eq!((error.class(), error.cid()), (ErrorClass::Missing, Some(&none)));
}

#[test]
fn an_empty_repository_without_its_node_is_empty_in_every_walk() {
    use carwalk::mst::{Event, Node};
    use carwalk_testkit::repo::{Order, Repo as KitRepo};

    let kit = KitRepo::new([]);
    let mut car = kit.to_car(Order::Preorder);
    car.remove(&kit.root.cid());
    let bytes = car.to_bytes();
    for repo in [Repo::from_slice(&bytes).unwrap()] {
        assert_eq!(repo.records().try_count().unwrap(), 0);
        assert!(repo.records().next_back().is_none() && repo.collections().next().is_none());
        assert!(repo.walk().completeness().unwrap().is_complete());
        assert_eq!(repo.unreached_blocks().unwrap(), 0);
        for partial in [false, true] {
            let mut walk = repo.walk().nodes(true).partial(partial).start();
            let Some(Event::Node { cid, layer, depth, block, offset, .. }) =
                walk.next_event().unwrap()
            else {
                panic!()
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
    // Any other missing root hides everything.
    let kit = KitRepo::sample(["a.b/c"]);
    let mut car = kit.to_car(Order::Preorder);
    car.remove(&kit.root.cid());
    let repo = Repo::from_slice(car.to_bytes()).unwrap();
    assert_eq!(repo.records().try_count().unwrap_err().class(), ErrorClass::Missing);
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

#[test]
fn a_subtree_is_skipped_without_reading_it() {
    use carwalk::mst::Event;
    use carwalk_testkit::random;

    let car = random::repo(3, 2000).car;
    let repo = Repo::from_slice(&car).unwrap();
    let all: Vec<Vec<u8>> =
        repo.entries().map(|entry| entry.unwrap().path().as_str().as_bytes().to_vec()).collect();
    for (reverse, skips) in [(false, 3), (true, 3), (false, 2), (true, 7)] {
        let walk = repo.walk().nodes(true).records(false);
        let mut walk = if reverse { walk.reverse() } else { walk }.start();
        let (mut keys, mut nodes, mut skipped) = (Vec::new(), 0, 0);
        while let Some(event) = walk.next_event().unwrap() {
            match event {
                Event::Node { depth, .. } => {
                    nodes += 1;
                    if depth > 0 && nodes % skips == 0 {
                        walk.skip_subtree();
                        // Once is enough.
                        walk.skip_subtree();
                        skipped += 1;
                    }
                }
                Event::Entry { entry, .. } => {
                    keys.push(entry.key().to_vec());
                    walk.skip_subtree();
                }
                other => panic!("{other:?}"),
            }
        }
        assert!(skipped > 0 && keys.len() < all.len() && !keys.is_empty());
        if reverse {
            keys.reverse();
        }
        assert!(keys.is_sorted() && keys.iter().all(|key| all.contains(key)));
    }
}

/// A walk that verifies blocks reads ahead, but not once it skips subtrees.
#[test]
fn a_walk_that_skips_subtrees_requests_little_of_them() {
    use carwalk::mst::Event;
    use carwalk_testkit::random;

    let car = random::repo(3, 6000).car;
    let plain = Repo::from_slice(&car).unwrap();
    let blocks = plain.stats().distinct_blocks;
    let store = crate::common::MapStore::new(&car);
    let repo = Repo::from_store(&store, plain.commit().cid()).unwrap();
    let before = store.gets();
    let (mut shown, mut walk) = (0, repo.walk().nodes(true).start());
    while let Some(event) = walk.next_event().unwrap() {
        shown += 1;
        if matches!(event, Event::Node { layer, .. } if layer.get() <= 1) {
            walk.skip_subtree();
        }
    }
    let requested = store.gets() - before;
    // Siblings are read together, and the first ones with what is below them.
    assert!(shown * 3 < blocks && requested < shown + 1000, "{requested} for {shown} of {blocks}");
}
