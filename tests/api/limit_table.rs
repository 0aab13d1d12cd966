//! Every limit on input by every way in: one below and at the limit all is well, one above it is
//! told with both numbers.
//!
//! What is not here: the memory of walks is in `limits.rs`; stored bytes in `kept.rs`; key texts in
//! `public_keys.rs`; and the number of segments, which takes gigabytes to reach, beside the code,
//! in `store/spill/writer.rs`.

use crate::common;
use crate::common::MapStore;
use carwalk::ErrorClass;
use carwalk::car::{Reader, SliceReader};
use carwalk::error::{LimitName, Malformed, Structure};
use carwalk::limits::{MAX_COMMIT_FIELDS, MAX_KEY_LEN, MAX_NESTING};
use carwalk::store::BlockStore;
use carwalk::{Cid, Error, ErrorKind, Limits, Loader, Repo, Result};
use carwalk_testkit::car::{Car, header_value};
use carwalk_testkit::cbor::Value;
use carwalk_testkit::cid::Cid as KitCid;
use carwalk_testkit::readers::OneByte;
use carwalk_testkit::repo::{Order, Repo as KitRepo};
use carwalk_testkit::{breakage, key, varint};

/// What a way in comes by.
#[derive(Clone, Copy, PartialEq)]
enum Part {
    /// The framing: header and sections.
    Frame,
    /// The length of a stream.
    Stream,
    Commit,
    Tree,
}

struct Way {
    name: &'static str,
    parts: &'static [Part],
    run: fn(&[u8], Limits) -> Result<()>,
}

fn walk<S: BlockStore>(repo: Repo<S>) -> Result<()> {
    let rows = common::rows(&repo)?;
    assert_eq!(repo.entries().count(), rows.len());
    Ok(())
}

fn loader(limits: Limits) -> Loader {
    Loader::new().limits(limits)
}

const SLICE: &[Part] = &[Part::Frame, Part::Commit, Part::Tree];
const STREAM: &[Part] = &[Part::Frame, Part::Stream, Part::Commit, Part::Tree];

fn ways() -> Vec<Way> {
    let way = |name, parts, run| Way { name, parts, run };
    #[allow(unused_mut, reason = "features add to it")]
    let mut ways = vec![
        way("slice", SLICE, |car, limits| loader(limits).from_slice(car).and_then(walk)),
        way("reader", STREAM, |car, limits| loader(limits).from_reader(car).and_then(walk)),
        way("one byte at a time", STREAM, |car, limits| {
            loader(limits).from_reader(OneByte(car)).and_then(walk)
        }),
        way("process function", STREAM, |car, limits| {
            common::summarizing(loader(limits))
                .from_reader(car)
                .and_then(|repo| common::summaries(&repo))
                .map(drop)
        }),
        way("peek", &[Part::Frame, Part::Stream, Part::Commit], |car, limits| {
            loader(limits).peek_commit(car).map(drop)
        }),
        way("sections of a slice", &[Part::Frame], |car, limits| {
            SliceReader::with_limits(car, limits)?.try_for_each(|section| section.map(drop))
        }),
        way("sections of a stream", &[Part::Frame, Part::Stream], |car, limits| {
            let mut reader = Reader::with_limits(car, limits)?;
            while reader.read_section()?.is_some() {}
            Ok(())
        }),
        way("store of one's own", &[Part::Commit, Part::Tree], |car, _| {
            let root = Car::parse(car).unwrap().sections.iter().find_map(|section| {
                section
                    .data
                    .windows(4)
                    .any(|at| at == b"\x63did")
                    .then(|| Cid::parse(&section.cid).unwrap())
            });
            Repo::from_store(MapStore::new(car), root.unwrap()).and_then(walk)
        }),
    ];
    #[cfg(feature = "mmap")]
    ways.push(way("map", SLICE, |car, limits| mapped::load(car, limits).and_then(walk)));
    #[cfg(feature = "redb")]
    ways.extend(spilled::ways());
    ways
}

#[cfg(feature = "mmap")]
#[allow(unsafe_code, reason = "mapping is unsafe")]
mod mapped {
    use std::io::Write;

    use carwalk::store::{MappedFile, SliceStore};
    use carwalk::{Limits, Loader, Repo, Result};

    pub(super) fn load(car: &[u8], limits: Limits) -> Result<Repo<SliceStore<MappedFile>>> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(car).unwrap();
        // SAFETY: the file has no name, and nothing writes it while it is mapped.
        unsafe { Loader::new().limits(limits).map(&file) }
    }
}

#[cfg(feature = "redb")]
mod spilled {
    use carwalk::Loader;
    use carwalk::store::SpillFile;
    use carwalk_testkit::readers::OneByte;

    use super::{SLICE, STREAM, Way, common, loader, walk};
    use common::spill;

    pub(super) fn ways() -> Vec<Way> {
        let way = |name, parts, run| Way { name, parts, run };
        vec![
            way("spilled", STREAM, |car, limits| {
                spill::all_into(loader(limits), car, SpillFile::temporary()).and_then(walk)
            }),
            way("spilled, with a process function", STREAM, |car, limits| {
                let loader = common::summarizing(loader(limits));
                let repo = spill::all_into(loader, OneByte(car), SpillFile::temporary());
                repo.and_then(|repo| common::summaries(&repo)).map(drop)
            }),
            way("stopped and gone on with", STREAM, |car, limits| {
                let stopped = common::suspended(loader(limits).memory_limit(0).from_reader(car)?);
                walk(common::complete(stopped.resume(u64::MAX)?))
            }),
            way("kept and opened again", STREAM, |car, limits| {
                let folder = tempfile::tempdir().unwrap();
                let path = folder.path().join("kept");
                drop(spill::all_into(loader(limits), car, SpillFile::keep(&path))?);
                Loader::new().from_spill_file(&path).and_then(walk)
            }),
            way("slice, index in a file", SLICE, |car, limits| {
                loader(limits)
                    .memory_limit(0)
                    .from_slice(car, SpillFile::temporary())
                    .and_then(walk)
            }),
        ]
    }
}

/// The index of a slice in a file; spilled blocks are in `kept.rs`.
#[test]
#[cfg(feature = "redb")]
fn stored_bytes_of_an_index() {
    use carwalk::store::SpillFile;

    let car = breakage::sample().to_bytes(Order::Preorder);
    let load = |file: SpillFile| Loader::new().memory_limit(0).from_slice(&car[..], file);
    let needed = load(SpillFile::temporary()).unwrap().store().index_stored().unwrap();
    for max in [needed, needed + 1] {
        load(SpillFile::temporary().max_stored(max)).and_then(walk).unwrap();
    }
    let error = load(SpillFile::temporary().max_stored(needed - 1)).unwrap_err();
    assert_limit("index", &error, LimitName::Stored, needed - 1, needed);
}

/// Input that asks for `asked` where `max` is allowed.
struct Case {
    car: Vec<u8>,
    limits: Limits,
    asked: u64,
    max: u64,
}

struct Row {
    name: &'static str,
    limit: LimitName,
    part: Part,
    /// What the error is told of.
    within: Structure,
    /// Makes input that asks for so many more than the limit.
    case: fn(i64) -> Case,
}

/// A case whose limit is not set: the input is made to measure.
fn fixed(max: u64, above: i64, car: impl Fn(usize) -> Vec<u8>) -> Case {
    let asked = max.saturating_add_signed(above);
    Case { car: car(asked as usize), limits: Limits::default(), asked, max }
}

/// A case whose limit is set to measure.
fn set(asked: usize, above: i64, car: Vec<u8>, limits: impl Fn(u64) -> Limits) -> Case {
    let asked = asked as u64;
    let max = asked.saturating_add_signed(-above);
    Case { car, limits: limits(max), asked, max }
}

/// Returns a CAR whose header has so many bytes.
pub(crate) fn with_header_of(len: usize) -> Vec<u8> {
    let repo = breakage::sample();
    let mut car = repo.to_car(Order::Preorder);
    let mut header = header_value(&[repo.commit_cid()]);
    let others = header.encode().len() + 5 + 5;
    header.pairs_mut().insert(0, (Value::text("note"), Value::Bytes(vec![0; len - others])));
    car.set_header(header.encode());
    assert_eq!(car.header.len(), len);
    car.to_bytes()
}

/// Returns a CAR with a block of so many bytes, which comes before the commit so that every way in
/// reads it.
pub(crate) fn with_block_of(len: usize) -> Vec<u8> {
    let mut car = breakage::sample().to_car(Order::Preorder);
    let block = vec![0; len];
    car.push(KitCid::raw(&block), &block);
    car.sections.rotate_right(1);
    car.to_bytes()
}

fn with_key_of(len: usize) -> Vec<u8> {
    let key = [key::PREFIX.as_bytes(), &vec![b'a'; len - key::PREFIX.len()]].concat();
    KitRepo::sample([key]).to_bytes(Order::Preorder)
}

fn nested(head: u8, depth: usize) -> Value {
    // A map needs a key for each value.
    let head = if head == 0xa1 { vec![0xa1, 0x60] } else { vec![head] };
    Value::Raw([head.repeat(depth), vec![0]].concat())
}

fn with_header_nested(head: u8, depth: usize) -> Vec<u8> {
    let repo = breakage::sample();
    let mut car = repo.to_car(Order::Preorder);
    let mut header = header_value(&[repo.commit_cid()]);
    header.pairs_mut().insert(0, (Value::text("note"), nested(head, depth)));
    car.set_header(header.encode());
    car.to_bytes()
}

fn with_commit_nested(head: u8, depth: usize) -> Vec<u8> {
    let mut repo = breakage::sample();
    repo.commit = repo.commit.set("x", nested(head, depth)).sorted();
    repo.to_bytes(Order::Preorder)
}

fn with_commit_fields(count: usize) -> Vec<u8> {
    let mut repo = breakage::sample();
    for number in 6..count {
        repo.commit = repo.commit.set(&format!("field-{number}"), Value::Null);
    }
    repo.commit = repo.commit.sorted();
    repo.to_bytes(Order::Preorder)
}

const ROWS: &[Row] = &[
    Row {
        name: "header",
        limit: LimitName::HeaderLen,
        part: Part::Frame,
        within: Structure::Header,
        case: |above| {
            set(70_000, above, with_header_of(70_000), |max| {
                Limits::default().max_header_len(max as u32)
            })
        },
    },
    Row {
        name: "block",
        limit: LimitName::BlockLen,
        part: Part::Frame,
        within: Structure::Section,
        case: |above| {
            set(70_000, above, with_block_of(70_000), |max| {
                Limits::default().max_block_len(max as u32)
            })
        },
    },
    Row {
        name: "header by default",
        limit: LimitName::HeaderLen,
        part: Part::Frame,
        within: Structure::Header,
        case: |above| fixed(1 << 20, above, with_header_of),
    },
    Row {
        name: "block by default",
        limit: LimitName::BlockLen,
        part: Part::Frame,
        within: Structure::Section,
        case: |above| fixed(2 << 20, above, with_block_of),
    },
    Row {
        name: "stream",
        limit: LimitName::StreamLen,
        part: Part::Stream,
        within: Structure::Section,
        case: |above| {
            let car = breakage::sample().to_bytes(Order::CommitLast);
            set(car.len(), above, car, |max| Limits::default().max_stream_len(max))
        },
    },
    Row {
        name: "arrays in the header",
        limit: LimitName::Nesting,
        part: Part::Frame,
        within: Structure::Header,
        case: |above| fixed(MAX_NESTING as u64, above, |depth| with_header_nested(0x81, depth)),
    },
    Row {
        name: "maps in the header",
        limit: LimitName::Nesting,
        part: Part::Frame,
        within: Structure::Header,
        case: |above| fixed(MAX_NESTING as u64, above, |depth| with_header_nested(0xa1, depth)),
    },
    Row {
        name: "arrays in the commit",
        limit: LimitName::Nesting,
        part: Part::Commit,
        within: Structure::Commit,
        case: |above| fixed(MAX_NESTING as u64, above, |depth| with_commit_nested(0x81, depth)),
    },
    Row {
        name: "maps in the commit",
        limit: LimitName::Nesting,
        part: Part::Commit,
        within: Structure::Commit,
        case: |above| fixed(MAX_NESTING as u64, above, |depth| with_commit_nested(0xa1, depth)),
    },
    Row {
        name: "fields of the commit",
        limit: LimitName::CommitFields,
        part: Part::Commit,
        within: Structure::Commit,
        case: |above| fixed(MAX_COMMIT_FIELDS as u64, above, with_commit_fields),
    },
    Row {
        name: "key",
        limit: LimitName::KeyLen,
        part: Part::Tree,
        within: Structure::Node,
        case: |above| fixed(MAX_KEY_LEN as u64, above, with_key_of),
    },
];

/// Asserts that an error is of this limit, with both numbers.
#[track_caller]
pub(crate) fn assert_limit(what: &str, error: &Error, name: LimitName, max: u64, asked: u64) {
    match *error.kind() {
        ErrorKind::Limit { limit, max: told, found } => {
            assert_eq!((limit, told, found), (name, max, asked), "{what}")
        }
        _ => panic!("{what}: {error}"),
    }
    assert_eq!(error.class(), ErrorClass::Limit, "{what}");
}

#[test]
fn each_limit_holds_at_its_number_by_each_way_in() {
    let ways = ways();
    for row in ROWS {
        let mut held = 0;
        for above in -1..=1 {
            let Case { car, limits, asked, max } = (row.case)(above);
            for way in &ways {
                let what = format!("{}, {}, {above:+}", row.name, way.name);
                let outcome = (way.run)(&car, limits.clone());
                if above > 0 && way.parts.contains(&row.part) {
                    let error = outcome.unwrap_err();
                    assert_limit(&what, &error, row.limit, max, asked);
                    assert_eq!(error.position().structure(), row.within, "{what}");
                    held += 1;
                } else {
                    outcome.unwrap_or_else(|error| panic!("{what}: {error}"));
                }
            }
        }
        assert!(held >= 4, "{}", row.name);
    }
}

/// A varint of nine bytes is a number, which asks for too much; one of ten is none.
#[test]
fn varints_have_nine_bytes_at_most() {
    let head = breakage::sample().to_car(Order::Preorder).to_bytes()[..59].to_vec();
    for (before, of) in [(&[][..], LimitName::HeaderLen), (&head, LimitName::BlockLen)] {
        for len in 8..=10 {
            let number = [vec![0xff; len - 1], vec![0x01]].concat();
            let car = [before, &number, &[0; 60]].concat();
            for way in ways().iter().filter(|way| way.parts.contains(&Part::Frame)) {
                let error = (way.run)(&car, Limits::default()).unwrap_err();
                if len <= 9 {
                    assert!(
                        matches!(error.kind(), ErrorKind::Limit { limit, .. } if *limit == of),
                        "{error}"
                    );
                } else {
                    assert!(
                        matches!(error.kind(), ErrorKind::Malformed(Malformed::VarintTooLong)),
                        "{error}"
                    );
                }
            }
        }
    }
    assert_eq!(varint::encode(u64::MAX >> 1).len(), 9);
}

/// What is longer than names may be is no name, which is another kind of error.
#[test]
fn names_have_a_length_at_most() {
    use carwalk::syntax::{is_did, is_nsid, is_record_key};

    let nsid = |len: usize| {
        let segments = ["a".repeat(63), "b".repeat(63), "c".repeat(63), "d".repeat(63)].join(".");
        format!("{segments}.{}", "e".repeat(len - segments.len() - 1))
    };
    let did = |len: usize| format!("did:web:{}", "a".repeat(len - 8));
    for above in -1..=1 {
        let of = |most: usize| most.saturating_add_signed(above);
        assert_eq!(is_did(&did(of(2048))), above <= 0);
        assert_eq!(is_nsid(&nsid(of(317))), above <= 0);
        assert_eq!(is_nsid(&format!("com.{}.name", "a".repeat(of(63)))), above <= 0);
        assert_eq!(is_nsid(&format!("com.example.{}", "a".repeat(of(63)))), above <= 0);
        assert_eq!(is_record_key(&"a".repeat(of(512))), above <= 0);
        let mut repo = breakage::sample();
        repo.commit = repo.commit.set("did", Value::text(did(of(2048))));
        let car = repo.to_bytes(Order::Preorder);
        for way in ways().iter().filter(|way| way.parts.contains(&Part::Commit)) {
            match (way.run)(&car, Limits::default()) {
                Ok(()) => assert!(above <= 0, "{}", way.name),
                Err(error) => {
                    assert!(
                        above > 0 && matches!(error.kind(), ErrorKind::Malformed(Malformed::Did)),
                        "{error}"
                    );
                }
            }
        }
    }
}

/// Lengths that no memory here has: files without content that are mapped.
#[cfg(all(feature = "mmap", target_pointer_width = "64"))]
#[allow(unsafe_code, reason = "mapping is unsafe")]
mod out_of_reach {
    use std::fs::File;
    use std::io::Write;

    use carwalk::limits::MAX_CAR_LEN;
    use carwalk::mst::Node;
    use carwalk::store::{CarStore, SliceStore};

    use super::*;

    /// `None` where the file system has no such files.
    fn sparse(start: &[u8], len: u64) -> Option<File> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(start).unwrap();
        file.set_len(len).ok()?;
        Some(file)
    }

    /// The CAR ends with its first zero byte, which is the length of no section: `salvage` takes it
    /// as far as that.
    #[test]
    fn a_slice_of_a_tebibyte() {
        let car = breakage::sample().to_bytes(Order::Preorder);
        for above in -1..=1 {
            let asked = MAX_CAR_LEN.saturating_add_signed(above);
            let Some(file) = sparse(&car, asked) else { return };
            // SAFETY: the file has no name, and nothing writes it while it is mapped.
            let repo: Result<Repo<SliceStore<_>>> =
                unsafe { Loader::new().salvage(true).map(&file) };
            match repo {
                Ok(repo) => {
                    assert!(above <= 0 && repo.store().fault().is_some());
                    walk(repo).unwrap();
                }
                // The system maps less.
                Err(error) if error.class() == ErrorClass::Io => return,
                Err(error) => {
                    assert!(above > 0, "{error}");
                    assert_limit("map", &error, LimitName::CarLen, MAX_CAR_LEN, asked);
                }
            }
        }
    }

    /// Places in a node are numbers of 32 bits.
    #[test]
    fn a_node_of_four_gibibytes() {
        let max = u64::from(u32::MAX);
        for above in -1..=1 {
            let asked = max.saturating_add_signed(above);
            let Some(file) = sparse(b"", asked) else { return };
            // SAFETY: as above.
            let Ok(map) = (unsafe { memmap2::Mmap::map(&file) }) else { return };
            let error = Node::parse(&map).unwrap_err();
            if above > 0 {
                assert_limit("node", &error, LimitName::BlockLen, max, asked);
            } else {
                assert_eq!(error.class(), ErrorClass::Invalid, "{error}");
            }
        }
    }
}
