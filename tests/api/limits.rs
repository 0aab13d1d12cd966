//! What limits count, and where they do not hold; `limit_table.rs` has each at its number.

use crate::common::ReverseIf as _;
use crate::common::{self, end};
use crate::limit_table::{assert_limit, with_block_of, with_header_of};
use carwalk::ErrorClass;
use carwalk::KeyRange;
use std::io::Read;
use std::sync::{Arc, Mutex};

use carwalk::error::{LimitName, Structure};
use carwalk::limits::MAX_KEY_LEN;
use carwalk::mst::Event;
#[cfg(feature = "redb")]
use carwalk::store::SpillFile;
use carwalk::{Error, ErrorKind, Limits, Loader, Repo, Verification};
use carwalk_testkit::car::Car;
use carwalk_testkit::cbor::Value;
use carwalk_testkit::cid::Cid as KitCid;
use carwalk_testkit::readers::{OneByte, Ragged};
use carwalk_testkit::repo::{Order, Record, Repo as KitRepo};
use carwalk_testkit::{breakage, key};

fn with_limits(limits: Limits) -> impl Fn() -> Loader {
    move || Loader::new().limits(limits.clone())
}

#[test]
fn a_limit_can_be_raised_above_its_default() {
    let long = with_block_of((2 << 20) + 1);
    assert_eq!(Repo::from_reader(&long[..]).unwrap_err().class(), ErrorClass::Limit);
    with_limits(Limits::default().max_block_len(4 << 20))().from_reader(&long[..]).unwrap();
    let long = with_header_of((1 << 20) + 1);
    assert_eq!(Repo::from_reader(&long[..]).unwrap_err().class(), ErrorClass::Limit);
    with_limits(Limits::default().max_header_len(2 << 20))().from_reader(&long[..]).unwrap();
}

#[test]
fn stream_length_holds_for_streams_only() {
    let car = breakage::sample().to_bytes(Order::Preorder);
    let len = car.len() as u64;
    let read = |max: u64, input: &mut dyn Read| {
        Loader::new().limits(Limits::default().max_stream_len(max)).from_reader(input)
    };
    for max in [len, len + 1, u64::MAX] {
        read(max, &mut &car[..]).unwrap();
        read(max, &mut OneByte(&car[..])).unwrap();
    }
    for max in [len - 1, len / 2, 59, 1, 0] {
        for error in
            [read(max, &mut &car[..]).unwrap_err(), read(max, &mut OneByte(&car[..])).unwrap_err()]
        {
            assert_limit("stream", &error, LimitName::StreamLen, max, max + 1);
        }
        Loader::new().limits(Limits::default().max_stream_len(max)).from_slice(&car).unwrap();
    }
}

/// Where a stream is too long does not depend on how large the pieces are that it comes in.
#[test]
fn a_stream_that_is_too_long_is_so_at_one_place() {
    let car = breakage::sample().to_bytes(Order::Preorder);
    let loader = || Loader::new().limits(Limits::default().max_stream_len(1000));
    let error = common::details(&loader().from_reader(&car[..]).unwrap_err());
    assert_eq!(common::details(&loader().from_reader(OneByte(&car[..])).unwrap_err()), error);
    assert_eq!(
        common::details(&loader().from_reader(Ragged::new(&car[..], 4)).unwrap_err()),
        error
    );
}

#[test]
fn no_more_than_the_limit_and_one_byte_is_taken_from_a_stream() {
    let car = breakage::sample().to_bytes(Order::Preorder);
    let mut rest = &car[..];
    Loader::new()
        .limits(Limits::default().max_stream_len(1000))
        .from_reader(&mut rest)
        .unwrap_err();
    assert_eq!(car.len() - rest.len(), 1001);
}

/// The limit is on the whole key, not on what an entry says of it.
#[test]
fn key_length_counts_the_prefix() {
    let keys = |last: usize| {
        let long = vec![b'a'; MAX_KEY_LEN - key::PREFIX.len() - 1];
        let first = [key::PREFIX.as_bytes(), &long].concat();
        let second = [&first[..], &vec![b'b'; last]].concat();
        let repo = KitRepo::sample([first, second]);
        repo.to_bytes(Order::Preorder)
    };
    common::rows_each_way(&keys(1), Loader::new).unwrap();
    assert_eq!(
        common::rows_each_way(&keys(2), Loader::new).unwrap_err().class(),
        ErrorClass::Limit
    );
}

/// The signed bytes are the commit without `sig`, whatever the number of fields.
#[test]
fn signed_bytes_of_any_number_of_fields() {
    for count in [6, 7, 23, 24, 25, 255] {
        let mut repo = breakage::sample();
        for number in 6..count {
            repo.commit = repo.commit.set(&format!("field-{number}"), Value::Uint(number));
        }
        repo.commit = repo.commit.sorted();
        let car = repo.to_bytes(Order::Preorder);
        let parsed = Repo::from_slice(&car).unwrap();
        let unsigned = repo.commit.clone().remove("sig").to_value(&repo.root.cid()).encode();
        assert!(parsed.commit().signed_bytes().concat() == unsigned, "{count} fields");
        assert_eq!(parsed.commit().signature()[..], carwalk_testkit::commit::signature());
        assert_eq!(parsed.commit().bytes(), repo.commit_block());
    }
}

#[test]
fn progress_ascends_and_ends_with_the_length() {
    let records = (0..5u8).map(|number| {
        let path = format!("com.example.test/{number}").into_bytes();
        (path, Record::new(Value::Bytes(vec![number; 900_000]).encode()))
    });
    for car in [
        KitRepo::new(records).to_bytes(Order::Preorder),
        KitRepo::new([]).to_bytes(Order::Preorder),
    ] {
        let by_slice = Arc::new(Mutex::new(Vec::new()));
        Loader::new().progress(common::collect(&by_slice)).from_slice(&car).unwrap();
        let by_reader = Arc::new(Mutex::new(Vec::new()));
        Loader::new().progress(common::collect(&by_reader)).from_reader(&car[..]).unwrap();
        let told = by_slice.lock().unwrap();
        assert_eq!(*told, *by_reader.lock().unwrap());
        assert_eq!(told.last(), Some(&(car.len() as u64)));
        let steps = told.iter().scan(0, |last, &told| Some(told - std::mem::replace(last, told)));
        let steps: Vec<u64> = steps.collect();
        // A step is told at the end of the section that it falls into.
        assert!(steps.iter().all(|&step| step <= (1 << 20) + 901_000), "{told:?}");
        assert!(steps[..steps.len() - 1].iter().all(|&step| step >= 1 << 20), "{told:?}");
    }
}

#[test]
fn a_huge_length_is_no_reason_to_wait_for_more_than_there_is() {
    let limits = Limits::default().max_block_len(u32::MAX).max_header_len(u32::MAX);
    let mut car = Car::new(&[KitCid::dag_cbor(b"")]);
    car.trailing =
        [carwalk_testkit::varint::encode(2 << 30), KitCid::raw(b"").as_bytes().to_vec()].concat();
    let error = common::rows_each_way(&car.to_bytes(), with_limits(limits.clone())).unwrap_err();
    assert_eq!(error.class(), ErrorClass::Truncated, "{error}");
    let header = [carwalk_testkit::varint::encode(1 << 31), vec![0xa2; 10]].concat();
    let error = common::rows_each_way(&header, with_limits(limits)).unwrap_err();
    assert_eq!(error.class(), ErrorClass::Truncated, "{error}");
}

/// Bytes of memory that the walk over a repository takes at least, found out by trying.
fn walk_memory(walks: impl Fn(u64) -> carwalk::Result<usize>) -> u64 {
    let (mut low, mut high) = (0, 1 << 30);
    while low < high {
        let middle = (low + high) / 2;
        if walks(middle).is_ok() { high = middle } else { low = middle + 1 }
    }
    low
}

#[test]
fn memory_of_a_walk() {
    // One node of many entries; the usual repository.
    let huge = KitRepo::new(key::at_layer(0).take(8000).map(|key| (key, Record::new(vec![0x80]))));
    for (repo, least) in [(huge, 8000 * 16), (breakage::sample(), 100)] {
        let car = repo.to_bytes(Order::Preorder);
        let repo = Repo::from_slice(&car[..]).unwrap();
        let whole = end(repo.walk()).unwrap();
        let walks = |limit| end(repo.walk().memory_limit(limit));
        let needed = walk_memory(walks);
        assert!((least..4 * least + 4096).contains(&needed), "{needed}");
        for limit in [needed, needed + 1] {
            assert_eq!(walks(limit).unwrap(), whole);
        }
        let error = walks(needed - 1).unwrap_err();
        assert_limit("walk", &error, LimitName::WalkMemory, needed - 1, needed);
        assert_eq!(error.position().structure(), Structure::Node);
        assert!(error.cid().is_some() && error.position().offset().is_some());
    }
}

/// However a walk goes, and whoever asks for it, it is held to its limit at the same number.
#[test]
fn memory_of_walks_of_all_kinds() {
    let car = KitRepo::sample(key::ascending(&[0, 1, 0, 2, 0, 1, 0, 3, 0, 1, 0, 2, 0]))
        .to_bytes(Order::Preorder);
    let repo = Repo::from_slice(&car[..]).unwrap();
    let key = repo.entries().nth(6).unwrap().unwrap().path().to_string();
    let walk = || repo.walk();
    type Ask<'a> = &'a dyn Fn(u64) -> carwalk::Result<usize>;
    let asks: [(&str, Ask<'_>); 8] = [
        ("forward", &|limit| end(walk().memory_limit(limit))),
        ("in reverse", &|limit| end(walk().reverse().memory_limit(limit))),
        ("nodes only", &|limit| end(walk().nodes(true).records(false).memory_limit(limit))),
        ("range", &|limit| end(walk().range(key.as_str()..).memory_limit(limit))),
        ("range in reverse", &|limit| {
            end(walk().reverse().range(..key.as_str()).memory_limit(limit))
        }),
        ("limit before the range", &|limit| {
            end(walk().memory_limit(limit).reverse().range(KeyRange::prefix("com.")))
        }),
        ("completeness", &|limit| {
            walk().memory_limit(limit).completeness().map(|found| found.entries as usize)
        }),
        ("gaps", &|limit| walk().memory_limit(limit).gaps().map(|gap| gap.map(|_| 1)).sum()),
    ];
    for (name, ask) in asks {
        let needed = walk_memory(ask);
        assert!((100..4096).contains(&needed), "{name}: {needed}");
        assert_eq!(ask(needed + 1).unwrap(), ask(u64::MAX).unwrap(), "{name}");
        assert_limit(
            name,
            &ask(needed - 1).unwrap_err(),
            LimitName::WalkMemory,
            needed - 1,
            needed,
        );
    }
}

/// Two keys of each open node are held; here it is one, before and after the walk came to it.
#[test]
fn memory_of_a_walk_over_long_keys() {
    let needed = |len: usize| {
        let keys =
            (0..).map(|number: u32| format!("com.example.test/{number:0width$}", width = len - 17));
        let key = keys.map(String::into_bytes).find(|key| key::layer(key) == 0).unwrap();
        assert_eq!(key.len(), len);
        let car = KitRepo::new([(key, Record::new(vec![0x80]))]).to_bytes(Order::Preorder);
        let repo = Repo::from_slice(&car[..]).unwrap();
        walk_memory(|limit| end(repo.walk().memory_limit(limit)))
    };
    let more = needed(1024) - needed(24);
    assert!((1000..=2000).contains(&more), "{more}");
}

/// What large blocks hashed to is remembered until the end, and counts whenever a node is entered.
#[test]
fn memory_of_a_walk_that_hashes() {
    let leaf = |collection: &'static str| {
        let keys = (0u32..).map(move |number| format!("{collection}/{number:06}").into_bytes());
        keys.filter(|key| key::layer(key) == 0)
    };
    let small = leaf("com.example.first").take(600).chain([key::key_at_layer(1, 0)]);
    let small = small.chain(leaf("net.example.second").take(700)).zip([1023; 1301]);
    let large = leaf("com.example.large").take(10).zip([1024; 10]);
    let record =
        |(key, len): (Vec<u8>, usize)| (key.clone(), Record::raw(key.repeat(100)[..len].to_vec()));
    let kit = KitRepo::new(small.chain(large).map(record));
    assert_eq!(kit.root.blocks().len(), 3);
    let car = kit.to_bytes(Order::Preorder);
    let needed = |verification| {
        let repo = Loader::new().verification(verification).from_slice(&car[..]).unwrap();
        walk_memory(|limit| end(repo.walk().memory_limit(limit)))
    };
    let (hashing, hashed) = (needed(Verification::ReachedBlocks), needed(Verification::EveryBlock));
    assert!((10 * 100..10 * 400).contains(&(hashing - hashed)), "{hashing}, {hashed}");
}

/// What does not fit is told like a bad node, and the rest of the tree comes all the same.
#[test]
fn memory_of_a_partial_walk() {
    let car = KitRepo::new(key::at_layer(0).take(50).map(|key| (key, Record::new(vec![0x80]))))
        .to_bytes(Order::Pds);
    let repo = Repo::from_slice(&car[..]).unwrap();
    let mut walk = repo.walk().partial(true).memory_limit(10).start();
    match walk.next_event().unwrap() {
        Some(Event::BadSubtree { error, .. }) => {
            assert_eq!(error.class(), ErrorClass::Limit, "{error}")
        }
        other => panic!("{other:?}"),
    }
    assert!(walk.next_event().unwrap().is_none());
}

/// Memory that the blocks themselves take counts where they are copies.
#[test]
#[cfg(feature = "redb")]
fn memory_of_a_walk_over_a_file() {
    let repo = KitRepo::new(key::at_layer(0).take(3000).map(|key| (key, Record::new(vec![0x80]))));
    let car = repo.to_bytes(Order::Preorder);
    let in_memory = Repo::from_slice(&car[..]).unwrap();
    let in_file = Loader::new().memory_limit(0).spill(&car[..], SpillFile::temporary()).unwrap();
    let borrowed = walk_memory(|limit| end(in_memory.walk().memory_limit(limit)));
    let copied = walk_memory(|limit| end(in_file.walk().memory_limit(limit)));
    // A long block takes the pages that it was read in.
    let len = repo.root.block().len() as u64;
    assert!((len..2 * len).contains(&(copied - borrowed)), "{copied} - {borrowed} for {len}");
}

/// Keys of three layers, each before all of those below: a walk has a node of each layer open at
/// once, from either end.
fn three_nested_nodes(counts: [usize; 3]) -> KitRepo {
    let keys = counts.into_iter().zip([2, 1, 0]).flat_map(|(count, layer)| {
        let keys = (0u32..)
            .map(move |number| format!("com.example.of{}/{number:06}", 2 - layer).into_bytes());
        keys.filter(move |key| key::layer(key) == layer).take(count)
    });
    KitRepo::new(keys.map(|key| (key, Record::new(vec![0x80]))))
}

/// What a load leaves to walks is the same for both ends. In reverse each entry takes four bytes
/// more.
#[test]
fn memory_of_items_in_reverse() {
    // Room for 16,384, 8,192 and 32,768 entries: 896 KiB, and in reverse 1,120.
    let kit = three_nested_nodes([8_200, 4_100, 16_400]);
    let car = kit.to_bytes(Order::Preorder);
    assert_eq!(kit.root.blocks().len(), 3);
    let load =
        |limit| common::complete(Loader::new().memory_limit(limit).from_reader(&car[..]).unwrap());
    let repo = load(8 << 20);
    let count = 8_200 + 4_100 + 16_400;
    assert_eq!(repo.entries().filter(Result::is_ok).count(), count);
    assert_eq!(repo.records().filter(Result::is_ok).count(), count);
    let assert_memory = |error: &Error| {
        let ErrorKind::Limit { limit: LimitName::WalkMemory, max, .. } = error.kind() else {
            panic!("{error}")
        };
        assert_eq!(*max, 1 << 20);
    };
    assert_memory(&repo.entries().next_back().unwrap().unwrap_err());
    assert_memory(&repo.records().rev().find_map(Result::err).unwrap());
    // The one end does not pay for the other.
    let mut entries = repo.entries();
    assert!(entries.next().unwrap().is_ok());
    assert_memory(&entries.next_back().unwrap().unwrap_err());
    assert!(entries.next().is_none() && entries.next_back().is_none());

    let repo = load(10 << 20);
    assert_eq!(repo.entries().rev().filter(Result::is_ok).count(), count);
    let mut entries = repo.entries();
    assert!(entries.next().unwrap().is_ok() && entries.next_back().unwrap().is_ok());
}

/// A walk over a kept file may take what a walk over a CAR may: only a memory limit bounds it.
#[cfg(feature = "redb")]
#[test]
fn memory_of_a_walk_over_a_kept_file() {
    // Room for 65,536 entries in each of three nodes: 9 MiB.
    let kit = three_nested_nodes([33_000, 33_000, 33_000]);
    let car = kit.to_bytes(Order::Preorder);
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("kept");
    let file = carwalk::store::SpillFile::keep(&path);
    drop(Loader::new().memory_limit(u64::MAX).spill(&car[..], file).unwrap());
    let entries = |repo: carwalk::Result<Repo<_>>| repo.and_then(|repo| end(repo.walk()));
    assert_eq!(entries(Repo::from_spill_file(&path)).unwrap(), 99_000);
    let loader = |limit| Loader::new().memory_limit(limit).from_spill_file(&path);
    assert_eq!(entries(loader(128 << 20)).unwrap(), 99_000);
    let error = entries(loader(16 << 20)).unwrap_err();
    let ErrorKind::Limit { limit: LimitName::WalkMemory, max, .. } = error.kind() else {
        panic!("{error}")
    };
    assert_eq!(*max, 2 << 20);
}

/// Two leaves of 20,000 entries, one after the other: the limit is between what they take from
/// either end.
#[test]
fn memory_of_a_walk_in_reverse() {
    let leaf = |collection: &'static str| {
        let keys = (0u32..).map(move |number| format!("{collection}/{number:06}").into_bytes());
        keys.filter(|key| key::layer(key) == 0).take(20_000)
    };
    let keys = leaf("com.example.first")
        .chain([key::key_at_layer(1, 0)])
        .chain(leaf("net.example.second"));
    let kit = KitRepo::new(keys.map(|key| (key, Record::new(vec![0x80]))));
    assert_eq!(kit.root.blocks().len(), 3);
    let car = kit.to_bytes(Order::Preorder);
    let repo = Repo::from_slice(&car).unwrap();
    let walks =
        |limit, reverse| end(repo.walk().records(false).memory_limit(limit).reverse_if(reverse));
    assert_eq!(walks(600_000, false).unwrap(), 40_001);
    let error = walks(600_000, true).unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::Limit { limit: LimitName::WalkMemory, .. }),
        "{error}"
    );
    assert_eq!(walks(700_000, true).unwrap(), 40_001);
}
