//! carwalk, with several inputs and settings.

use std::fs::File;

use carwalk::mst::{Event, Walk};
use carwalk::store::{BlockStore, SpillFile};
use carwalk::{Limits, LoadScratch, Loaded, Loader, Repo, Streamed, Verification};

use super::{Input, Items, Reader, Work};
use crate::Result;
use crate::source::Source;
use crate::tally::Tally;

const EVERYTHING: &str =
    "Everything: framing, the hash of every block, the form of the commit, every rule of the tree.";

pub(super) const MAPPED: Reader = Reader {
    name: "carwalk-mapped",
    title: "carwalk, mapped",
    input: Input::File,
    items: Items::Records,
    repeats: true,
    checks: EVERYTHING,
    work: Work::Rust(|| Box::new(mapped)),
};

pub(super) const SCRATCH: Reader = Reader {
    name: "carwalk-scratch",
    title: "carwalk, in a scratch",
    work: Work::Rust(|| {
        let (loader, mut scratch) = (Loader::new(), LoadScratch::new());
        Box::new(move |source, tally| {
            walk(loader.from_slice_in(&mut scratch, &*source.bytes()?)?.walk(), tally)
        })
    }),
    ..MAPPED
};

pub(super) const RECORDS: Reader = Reader {
    name: "carwalk-records",
    title: "carwalk, by records()",
    work: Work::Rust(|| Box::new(records)),
    ..MAPPED
};

pub(super) const READER: Reader = Reader {
    name: "carwalk-reader",
    title: "carwalk, stream from the file",
    repeats: true,
    work: Work::Rust(|| Box::new(reader)),
    ..MAPPED
};

pub(super) const PIPE: Reader = Reader {
    name: "carwalk-pipe",
    title: "carwalk, stream from a pipe",
    input: Input::Pipe,
    repeats: false,
    ..READER
};

pub(super) const SPILLED: Reader = Reader {
    name: "carwalk-spilled",
    title: "carwalk, spilled at 16 MiB, from a pipe",
    work: Work::Rust(|| Box::new(spilled)),
    ..PIPE
};

pub(super) const ONE_PASS: Reader = Reader {
    name: "carwalk-one-pass",
    title: "carwalk, in one pass from a pipe, if in pre-order",
    work: Work::Rust(|| Box::new(one_pass)),
    ..PIPE
};

pub(super) const ENTRIES: Reader = Reader {
    name: "carwalk-entries",
    title: "carwalk, entries only, mapped",
    items: Items::Entries,
    checks: "The framing, and the hashes and rules of the commit and the nodes. Records are neither hashed nor looked \
             up, so damaged and missing records go unnoticed.",
    work: Work::Rust(|| Box::new(entries)),
    ..MAPPED
};

#[expect(unsafe_code, reason = "mapping a file is always unsafe")]
fn mapped(source: &Source<'_>, tally: &mut Tally) -> Result<()> {
    match source {
        // SAFETY: whoever compares readers does not modify the file meanwhile.
        Source::File(path) => walk(unsafe { Repo::map(&File::open(path)?) }?.walk(), tally),
        _ => walk(Repo::from_slice(&*source.bytes()?)?.walk(), tally),
    }
}

fn records(source: &Source<'_>, tally: &mut Tally) -> Result<()> {
    for record in &Repo::from_slice(&*source.bytes()?)? {
        let record = record?;
        let cid = record.cid();
        tally.record(record.path().as_str().as_bytes(), record.bytes(), || *cid.as_bytes());
    }
    Ok(())
}

fn reader(source: &Source<'_>, tally: &mut Tally) -> Result<()> {
    walk(Loader::new().limits(unlimited()).from_reader(source.stream()?)?.walk(), tally)
}

fn spilled(source: &Source<'_>, tally: &mut Tally) -> Result<()> {
    match Loader::new().limits(unlimited()).memory_limit(16 << 20).from_reader(source.stream()?)? {
        Loaded::Complete(repo) => walk(repo.walk(), tally),
        Loaded::Suspended(load) => walk(load.spill(SpillFile::temporary())?.walk(), tally),
    }
}

/// Other orders than pre-order are loaded. Records that were left out because they are repeated come
/// from memory.
fn one_pass(source: &Source<'_>, tally: &mut Tally) -> Result<()> {
    let loader = Loader::new().limits(unlimited()).keep_repeats(16 << 20);
    let mut walk = match loader.stream(source.stream()?)? {
        Streamed::PreOrder(walk) => walk,
        Streamed::Loaded(repo) => return self::walk(repo.walk(), tally),
    };
    while let Some(event) = walk.next_event()? {
        tell(event, tally)?;
    }
    Ok(())
}

#[expect(unsafe_code, reason = "mapping a file is always unsafe")]
fn entries(source: &Source<'_>, tally: &mut Tally) -> Result<()> {
    let loader = Loader::new().verification(Verification::ReachedBlocks);
    match source {
        Source::File(path) => {
            // SAFETY: whoever compares readers does not modify the file meanwhile.
            let repo = unsafe { loader.map(&File::open(path)?) }?;
            walk(repo.walk().records(false), tally)
        }
        _ => walk(loader.from_slice(&*source.bytes()?)?.walk().records(false), tally),
    }
}

/// Limits that allow files longer than the default of 1 GiB.
fn unlimited() -> Limits {
    Limits::new().max_stream_len(u64::MAX)
}

/// Walks with `next_event`, which allocates nothing per record.
fn walk<S: BlockStore>(walk: Walk<'_, S>, tally: &mut Tally) -> Result<()> {
    let mut walk = walk.start();
    while let Some(event) = walk.next_event()? {
        tell(event, tally)?;
    }
    Ok(())
}

fn tell(event: Event<'_>, tally: &mut Tally) -> Result<()> {
    match event {
        Event::Record { entry, block, .. } => {
            tally.record(entry.path()?.as_str().as_bytes(), block, || *entry.cid().as_bytes());
        }
        Event::Entry { entry, .. } => {
            tally.entry(entry.path()?.as_str().as_bytes(), || *entry.cid().as_bytes())
        }
        other => return Err(format!("unexpected event: {other:?}").into()),
    }
    Ok(())
}
