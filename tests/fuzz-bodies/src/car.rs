use carwalk::ErrorClass;
use std::io::Read;

use carwalk::error::{LimitName, LookAlike};
use carwalk::mst::Event;
use carwalk::store::CarStore;
use carwalk::{ErrorKind, Limits, Loaded, Loader, Repo, Result, Verification};
use carwalk_testkit::car::Car;
use carwalk_testkit::cbor::Value;
use carwalk_testkit::cid::Cid as KitCid;
use carwalk_testkit::readers::{OneByte, Pieces};
use carwalk_testkit::varint;

use crate::choices::Choices;
use crate::common;
use crate::export::Export;
use crate::framing::Frames;
use crate::judge::{canonical, parts_agree, too_nested};
use crate::seen::{Seen, assert_same};

const VERIFICATIONS: [Verification; 3] =
    [Verification::EveryBlock, Verification::ReachedBlocks, Verification::DangerouslyNone];

/// A header is accepted exactly if it is canonical, has version 1 and names a root. Slice and
/// stream return the same roots or the same error.
pub fn car_header(data: &[u8]) {
    let limits = Limits::default().max_header_len(4096);
    // The bytes as a whole CAR, and as a header with a correct length prefix.
    let _ = Frames::of(data, &limits);
    let framed = [&varint::encode(data.len() as u64)[..], data].concat();
    let frames = Frames::of(&framed, &limits);
    let roots = canonical(data).and_then(|value| roots(&value).ok_or("no header".to_owned()));
    match (&frames, &roots) {
        (Ok(frames), Ok(roots)) => {
            assert_eq!(frames.roots, *roots);
            assert!(frames.sections.is_empty() && frames.error.is_none());
        }
        (Ok(_), Err(error)) => assert!(too_nested(error), "accepted, but: {error}"),
        (Err(error), Ok(_)) => {
            assert!(error.class() == ErrorClass::Limit && data.len() > 4096, "{error}")
        }
        (Err(error), Err(_)) => assert_eq!(error.position().offset(), Some(0), "{error}"),
    }
}

fn roots(header: &Value) -> Option<Vec<carwalk::Cid>> {
    let Some(Value::Array(roots)) = header.get("roots") else { return None };
    let link =
        |root: &Value| if let Value::Link(cid) = root { Some(common::cid(cid)) } else { None };
    let roots: Option<Vec<_>> = roots.iter().map(link).collect();
    roots.filter(|roots| !roots.is_empty() && header.get("version") == Some(&Value::Uint(1)))
}

/// Sections after a valid header are those that the testkit finds, from a slice and from a stream.
/// Anything that it refuses is an error, as is a block beyond the limit that the first byte sets.
pub fn section(data: &[u8]) {
    let Some((&first, sections)) = data.split_first() else { return };
    let max = if first < 128 { u32::from(first) } else { 2 << 20 };
    let header = Car::new(&[KitCid::dag_cbor(b"")]).to_bytes();
    let car = [&header[..], sections].concat();
    let frames = Frames::of(&car, &Limits::default().max_block_len(max)).unwrap();
    let expected = Car::parse(&car);
    let whole = expected
        .as_ref()
        .is_ok_and(|car| car.sections.iter().all(|section| section.data.len() <= max as usize));
    assert_eq!(frames.error.is_none(), whole, "{:?}", frames.error);
    if let Ok(expected) = expected {
        let offsets = expected.offsets();
        for (found, (section, offset)) in
            frames.sections.iter().zip(expected.sections.iter().zip(offsets))
        {
            assert_eq!((found.0, &found.2), (offset as u64, &section.data));
            assert_eq!(found.1.as_bytes()[..], section.cid);
        }
        assert!(!whole || frames.sections.len() == expected.sections.len());
    }
}

/// Any bytes as a CAR, with any verification and with or without salvage: no panic and no endless
/// walk. A complete walk succeeds exactly if a partial walk finds nothing missing.
pub fn car(data: &[u8]) {
    for verification in VERIFICATIONS {
        for salvage in [false, true] {
            let loader =
                Loader::new().verification(verification).salvage(salvage).strict_paths(salvage);
            match loader.from_slice(data) {
                Ok(repo) => walked(&repo, data.len()),
                Err(error) => {
                    let by_system =
                        matches!(error.class(), ErrorClass::Io | ErrorClass::Environment);
                    let whole = !by_system && !error.to_string().is_empty();
                    assert!(
                        whole && error.position().offset().is_none_or(|at| at <= data.len() as u64),
                        "{error:?}"
                    );
                    let empty = matches!(error.kind(), ErrorKind::LookAlike(LookAlike::Empty));
                    assert_eq!(empty, data.is_empty());
                    assert!(!matches!(
                        error.kind(),
                        ErrorKind::Limit { limit: LimitName::StreamLen, .. }
                    ));
                }
            }
        }
    }
    let _ = carwalk::peek_commit(data);
}

fn walked<B: AsRef<[u8]>>(repo: &Repo<carwalk::store::SliceStore<B>>, len: usize) {
    let is_complete = {
        let mut walk = repo.walk().start();
        std::iter::from_fn(|| walk.next_event().map(|event| event.map(drop)).transpose())
            .all(|event| event.is_ok())
    };
    parts_agree(repo, is_complete);
    let mut walk = repo.walk().partial(true).nodes(true).start();
    let mut steps = 0;
    while let Some(event) = walk.next_event().unwrap() {
        steps += usize::from(matches!(event, Event::Node { .. }));
        assert!(steps <= len * 129, "an endless walk");
    }
    let sections = repo.store().sections().filter(Result::is_ok).count();
    assert_eq!(sections as u64, repo.stats().sections);
    let _ = repo.unreached_blocks();
    let _ = repo.entries().count();
    let _ = format!("{repo} {:?} {:?}", repo.store(), repo.commit());
}

/// Slice, stream, single bytes, any pieces, and loads that are suspended at any limit and resumed:
/// the same records and counts, or the same error at the same position. The CAR is built from
/// choices and damaged, or is the rest of the bytes.
pub fn chunk_independence(data: &[u8]) {
    let mut choices = Choices::new(data);
    let verification = *choices.pick(&VERIFICATIONS);
    let salvage = choices.flag();
    let block_len = if choices.flag() { 2 << 20 } else { 400 };
    let limits = Limits::default().max_block_len(block_len);
    let loader =
        || Loader::new().verification(verification).salvage(salvage).limits(limits.clone());
    let pieces = choices.bytes(8);
    let steps = choices.bytes(4);
    let car = if choices.flag() {
        choices.rest().to_vec()
    } else {
        Export::any(&mut choices, 24).damaged(&mut choices)
    };
    let expected = loader().from_slice(&car).map(|repo| Seen::of(&repo));
    let streams: [(&str, Box<dyn Read + '_>); 3] = [
        ("reader", Box::new(&car[..])),
        ("one byte", Box::new(OneByte(&car[..]))),
        ("pieces", Box::new(Pieces::new(&car[..], lens(pieces)))),
    ];
    for (way, stream) in streams {
        assert_same(way, &expected, &loader().from_reader(stream).map(|repo| Seen::of(&repo)));
    }
    assert_same(
        "resumed",
        &expected,
        &resumed(loader(), Pieces::new(&car[..], lens(pieces)), steps),
    );
}

/// Loads with a memory limit that grows by the given steps.
fn resumed(loader: Loader, stream: impl Read, steps: &[u8]) -> Result<Seen> {
    let mut steps = steps.iter().map(|&step| u64::from(step) * 512 + 1);
    let mut loaded = loader.memory_limit(steps.next().unwrap_or(1) - 1).from_reader(stream)?;
    loop {
        loaded = match loaded {
            Loaded::Complete(repo) => return Ok(Seen::of(&repo)),
            Loaded::Suspended(load) => {
                let _ = load.commit();
                let limit =
                    load.memory_limit().max(load.bytes_held()) + steps.next().unwrap_or(1 << 20);
                load.resume(limit)?
            }
        };
    }
}

/// Turns bytes into an endless sequence of read lengths. Some are long; 0 is an interruption, and
/// never occurs twice in a row.
fn lens(bytes: &[u8]) -> impl Iterator<Item = usize> {
    let mut was_interrupted = false;
    bytes.iter().cycle().map(move |&len| {
        was_interrupted = len == 0 && !was_interrupted;
        match usize::from(len) {
            0 if was_interrupted => 0,
            len if len > 200 => len * 100,
            len => len.max(1),
        }
    })
}
