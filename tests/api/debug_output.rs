//! What types show of themselves: little, and nothing that moves a cursor, whatever they were made
//! from.

use crate::common;
use carwalk::ErrorClass;
use std::fmt::{Debug, Display};
use std::io;
use std::ops::ControlFlow;

use carwalk::car::{Reader, Section, SectionHead, SliceReader, Writer};
use carwalk::cid::Codec;
use carwalk::error::{KeyInterval, Structure, TreeRule};
use carwalk::mst::{Event, KeyRange, Layer, Node};
use carwalk::process::Cbor;
use carwalk::store::{Block, CarStore, MemoryStore, Reached, SliceStore};
use carwalk::{
    Cid, CommitRules, Error, ErrorKind, Keep, Limits, Loaded, Loader, Repo, RepoPath, Result, Tree,
    Verification,
};
use carwalk_testkit::car::Car;
use carwalk_testkit::cid::Cid as KitCid;
use carwalk_testkit::repo::{Order, Record, Repo as KitRepo};
use carwalk_testkit::{breakage, car};

/// Longest text of one value: three keys of 1,024 bytes, each byte escaped twice, and some words.
const MAX_TEXT: usize = 20 << 10;

/// Bytes that do something to a terminal, and are no text.
const HOSTILE: &[u8] = b"\x1b[2J\r\n\x07\x00\x7f\x9b\xff";

#[track_caller]
fn check(text: &str, breaks: bool) {
    assert!(text.len() <= MAX_TEXT, "{} bytes: {text:.300}", text.len());
    let odd = text.chars().find(|&char| char.is_control() && !(breaks && char == '\n'));
    assert_eq!(odd, None, "{text}");
    assert!(!text.is_empty());
}

#[track_caller]
fn shown(value: &dyn Debug) -> String {
    check(&format!("{value:#?}"), true);
    let text = format!("{value:?}");
    check(&text, false);
    text
}

#[track_caller]
fn displayed<T: Debug + Display>(value: T) -> String {
    shown(&value);
    let text = value.to_string();
    check(&text, false);
    text
}

/// Keys as long as they may be, of bytes that are no text. No path is among them.
fn hostile_keys() -> Vec<Vec<u8>> {
    (0..40u8).map(|number| [&[number][..], &HOSTILE.repeat(93)[..1023]].concat()).collect()
}

/// Such keys, records of half a megabyte each, and as many roots as a header may have.
fn hostile() -> (KitRepo, Car) {
    let records = (0u8..).zip(hostile_keys());
    let repo = KitRepo::new(records.map(|(number, key)| {
        let len = if number < 3 { 500_000 } else { 10 };
        (key, Record::raw([&[number; 8][..], &HOSTILE.repeat(len / HOSTILE.len())].concat()))
    }));
    let mut car = repo.to_car(Order::Preorder);
    let mut roots = vec![repo.commit_cid()];
    roots.extend((0..20_000u32).map(|number| KitCid::raw(&number.to_le_bytes())));
    car.set_header(car::header(&roots));
    (repo, car)
}

#[test]
fn repositories_stores_and_readers() {
    let (kit, car) = hostile();
    let bytes = car.to_bytes();
    let repo = Repo::from_slice(&bytes).unwrap();
    let text = displayed(&repo);
    assert_eq!(text, format!("{} at {}", repo.commit().did(), repo.commit().rev()));
    shown(repo.commit());
    shown(repo.store());
    shown(&repo.stats());
    shown(&repo.prove().range(KeyRange::key(&hostile_keys()[0])).range(KeyRange::prefix(HOSTILE)));
    shown(&repo.writer().range(KeyRange::key(&hostile_keys()[0])));
    shown(&carwalk::store::Union::new(vec![repo.store()]));
    shown(&repo.reached().unwrap());
    let memory = Repo::from_reader(&bytes[..]).unwrap();
    shown(&memory);
    shown(memory.store().header());
    shown(&MemoryStore::new(&bytes[..]).unwrap());
    shown(&SliceStore::new(&bytes).unwrap());
    shown(&Tree::new(SliceStore::new(&bytes).unwrap(), repo.commit().data()));
    shown(
        &Loader::new()
            .process(|record: &[u8]| record.len() as u64)
            .from_reader(&bytes[..])
            .unwrap(),
    );

    let mut reader = Reader::new(&bytes[..]).unwrap();
    let section: Section<'_> = reader.read_section().unwrap().unwrap();
    shown(&section);
    shown(&reader);
    // The buffer is ahead of the sections.
    assert!(reader.get_ref().len() as u64 + reader.position() <= bytes.len() as u64);
    assert_eq!(reader.get_ref().len(), reader.into_inner().len());
    let mut sections = SliceReader::new(&bytes).unwrap();
    shown(&sections);
    let long = sections
        .find(|section| section.as_ref().unwrap().block().len() > 400_000)
        .unwrap()
        .unwrap();
    shown(&long);
    let heads: Vec<SectionHead> = repo.store().sections().take(3).map(Result::unwrap).collect();
    shown(&heads);
    shown(&Block::new(long.block()).at(7));
    let mut writer = Writer::new(Vec::new(), &[repo.commit().cid()]).unwrap();
    writer.write(long.cid(), long.block()).unwrap();
    shown(&writer);
    assert!(kit.entries().len() == hostile_keys().len());
}

#[test]
fn walks_and_what_they_come_to() {
    let (kit, mut car) = hostile();
    let whole = car.to_bytes();
    let layer_of_root = hostile_keys().iter().map(|key| Layer::of(key)).max().unwrap();
    assert_eq!(
        displayed(layer_of_root),
        format!("Layer({layer_of_root})").replace("Layer(", "").replace(')', "")
    );
    // One record and one node are damaged, others are not there.
    let records = kit.entries();
    let nodes = kit.root.blocks();
    car.remove(&records[5].1);
    car.remove(&nodes.last().unwrap().0);
    for cid in [&records[1].1, &nodes[1].0] {
        let index = car.index_of(cid);
        *car.sections[index].data.last_mut().unwrap() ^= 1;
    }
    let part = car.to_bytes();
    let repo = Loader::new().verification(Verification::ReachedBlocks).from_slice(&part).unwrap();
    let intact = Repo::from_slice(&whole).unwrap();
    let mut kinds = Vec::new();
    for walk in [
        repo.walk().partial(true).nodes(true),
        intact.walk().partial(true).nodes(true),
        intact.walk().records(false),
        repo.walk().partial(true).reverse(),
    ] {
        shown(&walk);
        let mut walk = walk.start();
        shown(&walk);
        while let Some(event) = walk.next_event().unwrap() {
            kinds.push(shown(&event).split(' ').next().unwrap().to_owned());
            let is_missing =
                matches!(event, Event::MissingRecord { .. } | Event::MissingSubtree { .. });
            assert_eq!(
                event.offset().is_none(),
                is_missing || matches!(event, Event::Entry { .. })
            );
            if let Event::Node { block, layer, depth, .. } = event {
                let node = Node::parse(block).unwrap();
                assert_eq!(layer.get() as usize + depth, layer_of_root.get() as usize);
                shown(&node);
                node.entries().for_each(|entry| drop(shown(&entry)));
                shown(&node.entries());
            }
            if let Event::Entry { entry, .. } | Event::Record { entry, .. } = event {
                shown(&entry);
            }
        }
        shown(&walk);
    }
    kinds.sort();
    kinds.dedup();
    let all =
        ["BadRecord", "BadSubtree", "Entry", "MissingRecord", "MissingSubtree", "Node", "Record"];
    assert_eq!(kinds, all);

    let one = &hostile_keys()[7];
    shown(&repo.records());
    shown(&repo.entries());
    shown(&repo.walk().gaps());
    shown(&intact.walk().completeness().unwrap());
    shown(&KeyRange::key(one));
    shown(&KeyRange::of(&one[..]..));
    for key in hostile_keys() {
        if let Ok(carwalk::Lookup::Unknown(gap)) = repo.tree().get_key(&key) {
            shown(&carwalk::Lookup::<()>::Unknown(gap.clone()));
            displayed(gap);
        }
    }
    displayed(KeyInterval { lower: Some(one), upper: Some(one) });
}

#[test]
fn records_paths_and_cids() {
    let long = format!("a.b.{}/{}", "c".repeat(500), "d".repeat(500));
    let repo = KitRepo::new([(long.clone().into_bytes(), Record::raw(HOSTILE.repeat(50_000)))]);
    let car = repo.to_bytes(Order::Preorder);
    let repo = Repo::from_slice(&car).unwrap();
    let record = repo.records().next().unwrap().unwrap();
    assert!(shown(&record).len() < 1500);
    shown(&repo.entries().next().unwrap().unwrap());
    let path: RepoPath<'_> = record.path();
    assert_eq!(displayed(path), long);
    assert!(
        path == *long
            && AsRef::<str>::as_ref(&path) == long
            && AsRef::<[u8]>::as_ref(&path) == long.as_bytes()
    );
    let owned = path.to_owned();
    assert_eq!((displayed(&owned), owned.as_path()), (long.clone(), path));
    assert_eq!(AsRef::<[u8]>::as_ref(&owned), long.as_bytes());
    let cid: Cid = record.cid();
    let text = cid.to_text();
    assert_eq!((displayed(cid), displayed(text)), (cid.to_string(), text.as_str().to_owned()));
    assert_eq!(
        (text.as_str(), &text.as_bytes()[..]),
        (&*cid.to_string(), cid.to_string().as_bytes())
    );
    assert_eq!(text.as_str().parse::<Cid>().unwrap(), cid);
    shown(&Codec::Raw);
}

#[test]
fn settings_and_loads() {
    let (_, car) = hostile();
    let bytes = car.to_bytes();
    shown(&Loader::new().progress(|_| ControlFlow::Continue(())));
    let loader = || Loader::new().process(|record: &[u8]| record.len() as u64).memory_limit(0);
    shown(&loader());
    shown(&(Keep, Limits::default(), CommitRules::Legacy, Verification::ReachedBlocks));
    shown(&(Cbor(7u8), Reached::new(1 << 40)));
    let processed = loader().from_reader(&bytes[..]).unwrap();
    shown(&processed);
    let Loaded::Suspended(load) =
        Loader::new().memory_limit(1 << 20).from_reader(&bytes[..]).unwrap()
    else {
        panic!()
    };
    shown(&load);
    shown(&load.resume(u64::MAX).unwrap());
}

#[test]
fn errors_of_all_that_is_broken() {
    for breakage in breakage::all() {
        let refused =
            Repo::from_slice(&breakage.make().broken).and_then(|repo| common::rows(&repo));
        if let Err(error) = refused {
            displayed(&error);
            displayed(error.position().structure());
            shown(&error.position());
            displayed(error.into_kind());
        }
    }
    let all = [
        (Structure::Value, "value"),
        (Structure::Header, "CAR header"),
        (Structure::Section, "section"),
        (Structure::Commit, "commit"),
        (Structure::Node, "node"),
        (Structure::Record, "record"),
    ];
    for (structure, text) in all {
        assert_eq!(displayed(structure), text);
    }
}

#[test]
fn errors_that_tell_hostile_texts() {
    let (kit, mut car) = hostile();
    let key = HOSTILE.repeat(93)[..1023].to_vec();
    let interval =
        || KeyInterval { lower: Some(Box::from(&key[..])), upper: Some(Box::from(&key[..])) };
    displayed(ErrorKind::Tree(TreeRule::KeyOutside { interval: interval() }));
    displayed(ErrorKind::Missing { interval: Some(interval()) });
    let text = String::from_utf8_lossy(HOSTILE).into_owned();
    let whole = car.to_bytes();
    let repo = Repo::from_slice(&whole).unwrap();
    displayed(Repo::from_store(repo.store(), common::cid(&kit.root.cid())).unwrap_err());
    displayed(repo.commit().verify_account(&text).unwrap_err());
    displayed(repo.records().find_map(Result::err).unwrap());
    displayed(Error::store(text.clone()));
    displayed(Error::from(io::Error::other(text.clone())));
    displayed(RepoPath::parse(&key).unwrap_err());
    displayed(RepoPath::parse(HOSTILE).unwrap_err());
    displayed(text.parse::<Cid>().unwrap_err());
    displayed(Cid::parse(HOSTILE).unwrap_err());
    car.remove(&kit.entries()[3].1);
    let part = car.to_bytes();
    let part = Repo::from_slice(&part).unwrap();
    let mut walk = part.walk().start();
    let error = loop {
        match walk.next_event() {
            Ok(event) => assert!(event.is_some()),
            Err(error) => break error,
        }
    };
    assert_eq!(error.class(), ErrorClass::Missing);
    displayed(error);
}

#[cfg(feature = "redb")]
#[test]
fn files_and_what_is_in_them() {
    use carwalk::store::{BlockStore, RedbStore, SpillFile};

    let (kit, car) = hostile();
    let bytes = car.to_bytes();
    let folder = tempfile::tempdir().unwrap();
    let odd = folder.path().join("a\x1b[2J\nb");
    for file in [SpillFile::temporary(), SpillFile::keep(&odd), SpillFile::temporary_in(&odd)] {
        shown(&file.cache_size(7));
    }
    let refused = Loader::new().memory_limit(0).from_reader(&bytes[..]).unwrap();
    let Loaded::Suspended(load) = refused else { panic!() };
    let error = load.spill(SpillFile::temporary_in(&odd)).unwrap_err();
    displayed(&error);
    let mut repo =
        common::spill::all_into(Loader::new(), &bytes[..], SpillFile::temporary()).unwrap();
    shown(&repo);
    let long = repo.store().get(&common::cid(&kit.entries()[0].1)).unwrap().unwrap();
    assert!(long.bytes.as_ref().len() > 400_000);
    shown(&long);
    shown(&long.bytes);
    drop(long);
    shown(&repo.records());
    let store: RedbStore = repo.into_store();
    let again = store.reset();
    shown(&again);
    repo = common::spill::all_into(Loader::new(), &bytes[..], SpillFile::keep(&odd)).unwrap();
    drop(repo);
    shown(&RedbStore::open(&odd, 0).unwrap());
    let store = SliceStore::with_index_in(&bytes, SpillFile::temporary()).unwrap();
    shown(&store);
}

#[cfg(feature = "mmap")]
#[test]
fn mapped_files() {
    let (_, car) = hostile();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), car.to_bytes()).unwrap();
    #[allow(unsafe_code, reason = "a file can be mapped in no other way")]
    // SAFETY: the file is this test's own, and nothing writes it while it is mapped.
    let repo = unsafe { Repo::map(&std::fs::File::open(file.path()).unwrap()) }.unwrap();
    shown(&repo);
}

#[cfg(feature = "signature")]
#[test]
fn keys_that_sign() {
    use carwalk::VerifyingKey;
    use carwalk_testkit::signing::SigningKey;

    let key: VerifyingKey = SigningKey::p256(&[7; 32]).did_key().parse().unwrap();
    assert!(displayed(&key).starts_with("did:key:z"));
    shown(&key.curve());
    let text = String::from_utf8_lossy(HOSTILE).into_owned();
    for bad in [text.clone(), format!("did:key:z{text}"), format!("did:key:{}", text.repeat(1000))]
    {
        displayed(bad.parse::<VerifyingKey>().unwrap_err());
        displayed(VerifyingKey::from_verification_method(&bad, &bad).unwrap_err());
    }
    let (_, car) = hostile();
    let car = car.to_bytes();
    displayed(Repo::from_slice(&car).unwrap().commit().verify_signature(&key).unwrap_err());
}
