//! `carwalk inspect`: what a CAR holds.

use std::io::Write;

use carwalk::mst::{Entry, Event};
use carwalk::store::CarStore;
use carwalk::{Repo, Result};
use clap::Args;
use serde::Serializer;

use crate::failure::Cause;
use crate::input::{Command, Input};
use crate::order::{self, BlockOrder, Reach};
use crate::output::Output;

/// Print the commit and what is counted in CAR and tree
///
/// Prints what is there even if the CAR is incomplete: then it counts what is missing too, and the
/// exit code is 0. Blocks are hashed when the walk reaches them, all others are not.
///
/// The block order is `pre-order` (commit, root, and after each node its subtrees and records from
/// left to right; what comes after the last block of the tree is disregarded), `PDS order` (as the
/// reference PDS exports: newest revision first, in a revision by CID text, descending), or
/// `other`.
///
/// Of more than 10,000 collections the first in key order are told one by one, and how many more
/// there are.
#[derive(Args, Debug)]
pub(crate) struct Inspect {
    #[command(flatten)]
    pub(crate) input: Input,

    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// What is printed.
#[derive(serde::Serialize)]
struct Summary<'a> {
    version: u64,
    did: &'a str,
    commit: String,
    data: String,
    prev: Option<String>,
    rev: &'a str,
    bytes: u64,
    roots: usize,
    sections: u64,
    distinct_blocks: u64,
    duplicates: u64,
    unreached_blocks: u64,
    #[serde(flatten)]
    tree: TreeCounts,
    block_order: &'static str,
    /// What is wrong with the rest of a damaged CAR.
    fault: Option<String>,
}

/// What is counted in the tree.
#[derive(Default, serde::Serialize)]
struct TreeCounts {
    /// None if the root is missing or bad.
    height: Option<u8>,
    nodes: u64,
    missing_nodes: u64,
    bad_subtrees: u64,
    records: u64,
    record_bytes: u64,
    missing_records: u64,
    bad_records: u64,
    /// Records whose keys are no repo paths: they have no collection.
    not_paths: u64,
    #[serde(flatten)]
    collections: Collections,
}

/// Collections that are counted one by one: far more than real accounts have, whose names memory
/// can hold.
const COLLECTIONS_TOLD: usize = 10_000;

/// Collections and the numbers of their records.
#[derive(Default, serde::Serialize)]
struct Collections {
    #[serde(rename = "collections", serialize_with = "as_map")]
    told: Vec<(String, u64)>,
    /// How many there are beyond those.
    #[serde(rename = "more_collections", skip_serializing_if = "is_zero")]
    more: u64,
    /// The last of these.
    #[serde(skip)]
    last: String,
}

impl Command for Inspect {
    fn salvages(&self) -> bool {
        true
    }

    fn run<S: CarStore>(&self, repo: &Repo<S>, out: &mut Output) -> Result<(), Cause> {
        let (tree, order, reached) = count(repo, out)?;
        let (commit, stats) = (repo.commit(), repo.stats());
        let summary = Summary {
            version: commit.version(),
            did: commit.did(),
            commit: commit.cid().to_string(),
            data: commit.data().to_string(),
            prev: commit.prev().map(|prev| prev.to_string()),
            rev: commit.rev(),
            bytes: stats.bytes,
            roots: repo.store().header().roots().len(),
            sections: stats.sections,
            distinct_blocks: stats.distinct_blocks,
            duplicates: stats.duplicates(),
            unreached_blocks: stats.distinct_blocks.saturating_sub(reached),
            tree,
            block_order: order.as_str(),
            fault: repo.store().fault().map(|fault| fault.to_string()),
        };
        if self.json {
            serde_json::to_writer(&mut *out, &summary)?;
            Ok(out.write_all(b"\n")?)
        } else {
            Ok(summary.write_to(out)?)
        }
    }
}

/// Walks what is there. Gives the counts, the order of the blocks, and the number of blocks
/// reached.
fn count<S: CarStore>(repo: &Repo<S>, out: &mut Output) -> Result<(TreeCounts, BlockOrder, u64)> {
    let mut tree = TreeCounts::default();
    let mut reached = repo.reached()?;
    let mut order = order::check(repo.store(), repo.commit().cid())?;
    let mut walk = repo.walk().nodes(true).partial(true);
    while let Some(event) = walk.next_event()? {
        out.step();
        tree.count(&event);
        let Some(offset) = event.offset() else {
            continue;
        };
        let is_new = reached.insert(offset);
        match event {
            Event::Node { cid, depth, .. } => order.node(Reach { cid, offset, is_new }, depth)?,
            Event::Record { entry, .. } => {
                order.record(Reach { cid: entry.cid(), offset, is_new }, entry.depth())?
            }
            _ => {}
        }
    }
    tree.collections.told.sort_unstable();
    Ok((tree, order.finish(), reached.len()))
}

impl TreeCounts {
    fn count(&mut self, event: &Event<'_>) {
        match event {
            Event::Node { layer, .. } => {
                self.height.get_or_insert(layer.get());
                add(&mut self.nodes, 1);
            }
            Event::Record { entry, block, .. } => {
                add(&mut self.records, 1);
                add(&mut self.record_bytes, block.len() as u64);
                self.entry(entry);
            }
            Event::MissingRecord { .. } => add(&mut self.missing_records, 1),
            Event::BadRecord { .. } => add(&mut self.bad_records, 1),
            Event::MissingSubtree { .. } => add(&mut self.missing_nodes, 1),
            Event::BadSubtree { .. } => add(&mut self.bad_subtrees, 1),
            _ => {}
        }
    }

    fn entry(&mut self, entry: &Entry<'_>) {
        match entry.path() {
            Ok(path) => self.collections.add(path.collection()),
            Err(_) => add(&mut self.not_paths, 1),
        }
    }
}

impl Collections {
    /// Counts a record. In key order the records of one collection come in a row.
    fn add(&mut self, collection: &str) {
        let is_full = self.told.len() >= COLLECTIONS_TOLD;
        match self.told.last_mut() {
            Some((last, count)) if last == collection => add(count, 1),
            Some(_) if is_full => {
                if self.last != collection {
                    self.last.clear();
                    self.last.push_str(collection);
                    add(&mut self.more, 1);
                }
            }
            _ => self.told.push((collection.to_owned(), 1)),
        }
    }

    fn len(&self) -> u64 {
        self.more.saturating_add(self.told.len() as u64)
    }
}

fn as_map<S: Serializer>(counts: &[(String, u64)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(counts.iter().map(|(collection, count)| (collection, count)))
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

fn add(count: &mut u64, more: u64) {
    *count = count.saturating_add(more);
}

impl Summary<'_> {
    fn write_to(&self, out: &mut Output) -> std::io::Result<()> {
        writeln!(out, "ATProto Repo Spec Version: {}", self.version)?;
        writeln!(out, "DID: {}", self.did)?;
        writeln!(out, "Data CID: {}", self.data)?;
        writeln!(out, "Prev CID: {}", self.prev.as_deref().unwrap_or("<nil>"))?;
        writeln!(out, "Revision: {}", self.rev)?;
        writeln!(out, "Commit CID: {}", self.commit)?;
        writeln!(out, "CAR Bytes: {}", self.bytes)?;
        writeln!(out, "Roots: {}", self.roots)?;
        writeln!(out, "Sections: {}", self.sections)?;
        writeln!(out, "Distinct Blocks: {}", self.distinct_blocks)?;
        writeln!(out, "Duplicates: {}", self.duplicates)?;
        writeln!(out, "Unreached Blocks: {}", self.unreached_blocks)?;
        writeln!(out, "Block Order: {}", self.block_order)?;
        if let Some(fault) = &self.fault {
            writeln!(out, "Damaged From Here On: {fault}")?;
        }
        self.tree.write_to(out)
    }
}

impl TreeCounts {
    fn write_to(&self, out: &mut Output) -> std::io::Result<()> {
        match self.height {
            Some(height) => writeln!(out, "Tree Height: {height}")?,
            None => writeln!(out, "Tree Height: unknown")?,
        }
        writeln!(out, "Nodes: {}", self.nodes)?;
        writeln!(out, "Records: {}", self.records)?;
        writeln!(out, "Record Bytes: {}", self.record_bytes)?;
        let faults = [
            ("Missing Nodes", self.missing_nodes),
            ("Missing Records", self.missing_records),
            ("Bad Subtrees", self.bad_subtrees),
            ("Bad Records", self.bad_records),
            ("Keys That Are No Repo Paths", self.not_paths),
        ];
        for (name, count) in faults.into_iter().filter(|(_, count)| *count > 0) {
            writeln!(out, "{name}: {count}")?;
        }
        writeln!(out, "Collections: {}", self.collections.len())?;
        for (collection, count) in &self.collections.told {
            writeln!(out, "  {collection}: {count}")?;
        }
        match self.collections.more {
            0 => Ok(()),
            more => writeln!(out, "  and {more} more"),
        }
    }
}
