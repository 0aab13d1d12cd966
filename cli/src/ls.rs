//! `carwalk ls`: lists the records in key order.

use std::io::{Read, Write};

use carwalk::cid::CidText;
use carwalk::mst::{Entry, Event};
use carwalk::record;
use carwalk::store::{BlockStore, CarStore};
use carwalk::{Repo, RepoPath, StreamWalk, Tree};
use clap::Args;
use serde::Serialize;

use crate::commits;
use crate::counts::add;
use crate::failure::Cause;
use crate::input::{Command, Input, OnePass, TreeCommand, repeated};
use crate::json;
use crate::keys::Keys;
use crate::output::Output;
use crate::skipped::{Skipped, Unreadable};
use crate::walking::Walking;

/// List the records in key order: path, tab, CID
#[derive(Args, Debug)]
pub(crate) struct Ls {
    #[command(flatten)]
    pub(crate) input: Input,

    /// Add each record's size in bytes
    #[arg(short, long)]
    long: bool,

    /// Print JSON Lines with the fields path, collection, rkey, cid; also `size` with -l, `present`
    /// with --partial if records are looked up
    #[arg(long)]
    json: bool,

    /// Print JSON Lines with the record itself in the field `record`
    #[arg(long)]
    records: bool,

    /// List the records that can be reached in a partial or damaged CAR
    #[arg(long)]
    partial: bool,

    /// Read a CAR in pre-order in constant memory. Lines are printed before later blocks are
    /// verified: only exit code 0 means that all are valid
    #[arg(long, conflicts_with_all = ["partial", "kept", "keep", "bare_tree"])]
    one_pass: bool,

    /// Read only nodes: the records need not be present
    #[arg(long, conflicts_with_all = ["long", "records"])]
    no_records: bool,

    /// The first root of the CAR is a node of the tree, not a commit
    #[arg(long)]
    bare_tree: bool,

    #[command(flatten)]
    keys: Keys,
}

/// A line of JSON.
#[derive(Serialize)]
struct Line<'a> {
    path: &'a str,
    collection: Option<&'a str>,
    rkey: Option<&'a str>,
    cid: &'a str,
    /// The outer `Option` says whether the line has this field.
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<Option<usize>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    present: Option<bool>,
}

/// A record that is present: its block, or its length if an equal record was read before.
#[derive(Clone, Copy)]
enum Present<'a> {
    Block(&'a [u8]),
    Repeated(usize),
}

impl Present<'_> {
    fn len(self) -> usize {
        match self {
            Present::Block(block) => block.len(),
            Present::Repeated(len) => len,
        }
    }
}

/// What a listing could not show.
#[derive(Default)]
struct Unlisted {
    missing_records: u64,
    missing_subtrees: u64,
    skipped: Skipped,
}

impl Command for Ls {
    const HAS_PARTIAL: bool = true;

    fn salvages(&self) -> bool {
        self.partial
    }

    fn check(&self) -> Result<(), Cause> {
        self.keys.check()
    }

    fn one_pass(&self) -> Option<OnePass> {
        self.one_pass.then_some(OnePass { needs_records: self.records })
    }

    fn pass<R: Read>(&self, walk: StreamWalk<R>, out: &mut Output) -> Result<(), Cause> {
        let range = self.keys.range()?;
        let is_wanted = |entry: &Entry<'_>| range.contains(entry.key());
        let mut walk = walk.records(!self.no_records);
        self.list_all(&mut walk, is_wanted, out)?.skipped.into_result()
    }

    fn run<S: CarStore>(&self, repo: &Repo<S>, out: &mut Output) -> Result<(), Cause> {
        let unlisted = self.list_tree(repo.tree(), out)?;
        if unlisted.missing_subtrees.max(unlisted.missing_records) > 0
            && let Some(other) = commits::complete(repo, self.input.commit_rules())
        {
            out.note(format_args!("{other}"))?;
        }
        unlisted.skipped.into_result()
    }
}

impl TreeCommand for Ls {
    fn is_bare(&self) -> bool {
        self.bare_tree
    }

    fn run_bare<S: BlockStore>(&self, tree: &Tree<S>, out: &mut Output) -> Result<(), Cause> {
        self.list_tree(tree, out)?.skipped.into_result()
    }
}

impl Ls {
    fn list_tree<S: BlockStore>(
        &self,
        tree: &Tree<S>,
        out: &mut Output,
    ) -> Result<Unlisted, Cause> {
        let walk = tree.walk().partial(self.partial).records(!self.no_records);
        let mut walk = walk.range(self.keys.range()?).start();
        self.list_all(&mut walk, |_| true, out)
    }

    /// Lists the records of a walk that are wanted.
    fn list_all(
        &self,
        walk: &mut impl Walking,
        is_wanted: impl Fn(&Entry<'_>) -> bool,
        out: &mut Output,
    ) -> Result<Unlisted, Cause> {
        let mut unlisted = Unlisted::default();
        while let Some(event) = walk.next()? {
            out.step();
            let (entry, block) = match event {
                Event::Record { entry, block, .. } => (entry, Some(Present::Block(block))),
                Event::RepeatedRecord { entry, len, .. } => (entry, Some(Present::Repeated(len))),
                Event::Entry { entry, .. } => (entry, None),
                event => {
                    self.list_rest(event, &mut unlisted, out)?;
                    continue;
                }
            };
            if !is_wanted(&entry) {
                continue;
            }
            match entry.path() {
                Err(error) if !self.partial => unlisted.skipped.path(&error, out)?,
                path => {
                    if let Some(why) = self.list(entry, path.ok(), block, out)? {
                        unlisted.skipped.record(entry, &why, out)?;
                    }
                }
            }
        }
        if unlisted.missing_records > 0 {
            out.note(format_args!("missing records: {}", unlisted.missing_records))?;
        }
        Ok(unlisted)
    }

    /// Handles the events that only a partial walk returns.
    #[cold]
    fn list_rest(
        &self,
        event: Event<'_>,
        unlisted: &mut Unlisted,
        out: &mut Output,
    ) -> Result<(), Cause> {
        match event {
            Event::MissingRecord { entry, .. } => {
                add(&mut unlisted.missing_records, 1);
                self.list(entry, entry.path().ok(), None, out)?;
            }
            Event::BadRecord { entry, error, .. } => {
                out.note(format_args!("bad record: {error}"))?;
                self.list(entry, entry.path().ok(), None, out)?;
            }
            Event::MissingSubtree { cid, interval, .. } => {
                add(&mut unlisted.missing_subtrees, 1);
                out.note(format_args!("missing subtree: node {cid} hides {interval}"))?;
            }
            Event::BadSubtree { interval, error, .. } => {
                out.note(format_args!("bad subtree: {error}; hides {interval}"))?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Lists an entry. It has a path unless its key is invalid, and a block if its record was
    /// looked up and is present. Returns the reason if the record should be printed but has no
    /// JSON.
    #[inline]
    fn list(
        &self,
        entry: Entry<'_>,
        path: Option<RepoPath<'_>>,
        block: Option<Present<'_>>,
        out: &mut Output,
    ) -> Result<Option<Unreadable>, Cause> {
        if path.is_none() && self.keys.collection.is_some() {
            return Ok(None);
        }
        let escaped = path.is_none().then(|| entry.key().escape_ascii().to_string());
        let text = path.map(|path| path.as_str()).or(escaped.as_deref()).unwrap_or_default();
        let (cid, size) = (entry.cid().to_text(), block.map(Present::len));
        if !self.json && !self.records {
            self.write(text, &cid, size, out)?;
            return Ok(None);
        }
        let line = Line {
            path: text,
            collection: path.map(|path| path.collection()),
            rkey: path.map(|path| path.record_key()),
            cid: cid.as_str(),
            size: self.long.then_some(size),
            present: (self.partial && !self.no_records).then_some(size.is_some()),
        };
        if self.records {
            let block = match block {
                Some(Present::Repeated(_)) => return Err(repeated(entry)),
                Some(Present::Block(block)) => Some(block),
                None => None,
            };
            return write_with_record(&line, entry, block, out);
        }
        json::write_line(&line, out)?;
        Ok(None)
    }

    #[inline]
    fn write(
        &self,
        text: &str,
        cid: &CidText,
        size: Option<usize>,
        out: &mut Output,
    ) -> Result<(), Cause> {
        out.write_all(text.as_bytes())?;
        out.write_all(b"\t")?;
        out.write_all(cid.as_bytes())?;
        match size {
            Some(size) if self.long => write!(out, "\t{size}")?,
            None if self.long => out.write_all(b"\t-")?,
            _ => {}
        }
        Ok(out.write_all(b"\n")?)
    }
}

/// Writes a line of JSON with the record as its last field. Returns the reason if the record has no
/// JSON.
fn write_with_record(
    line: &Line<'_>,
    entry: Entry<'_>,
    block: Option<&[u8]>,
    out: &mut Output,
) -> Result<Option<Unreadable>, Cause> {
    let mut object = Vec::new();
    json::write(line, &mut object)?;
    let end = object.pop();
    debug_assert_eq!(end, Some(b'}'), "a line is an object");
    object.extend_from_slice(b",\"record\":");
    let unreadable = block.and_then(|block| append_record(entry, block, &mut object).err());
    if block.is_none() || unreadable.is_some() {
        object.extend_from_slice(b"null");
    }
    object.extend_from_slice(b"}\n");
    out.write_all(&object)?;
    Ok(unreadable)
}

/// Appends a record as JSON. Fails and appends nothing if it has none.
fn append_record(entry: Entry<'_>, block: &[u8], object: &mut Vec<u8>) -> Result<(), Unreadable> {
    Unreadable::check(entry)?;
    record::append_json(block, object).map_err(|error| Unreadable::of(&error))
}
