//! `carwalk inspect`: prints a summary of a CAR.

use std::io::Write;
use std::time::SystemTime;

use carwalk::mst::Event;
use carwalk::store::CarStore;
use carwalk::{Repo, Result};
use clap::Args;
use serde::Serializer;

use crate::commits::Commits;
use crate::counts::{SectionCounts, TreeCounts, add};
use crate::failure::Cause;
use crate::input::{Command, Input};
use crate::json;
use crate::order::{self, BlockOrder, Reach};
use crate::output::Output;
use crate::tid::Time;

/// Print the commit, and counts of blocks, nodes, records and collections
#[derive(Args, Debug)]
pub(crate) struct Inspect {
    #[command(flatten)]
    pub(crate) input: Input,

    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// The summary.
#[derive(serde::Serialize)]
struct Summary<'a> {
    version: u64,
    did: &'a str,
    commit: String,
    data: String,
    prev: Option<String>,
    rev: &'a str,
    /// `None` if the revision is not a TID.
    #[serde(serialize_with = "as_text")]
    rev_date: Option<Time>,
    #[serde(skip_serializing_if = "is_false")]
    rev_in_future: bool,
    bytes: u64,
    roots: usize,
    #[serde(flatten)]
    sections: SectionCounts,
    #[serde(flatten, serialize_with = "as_fields")]
    tree: TreeCounts,
    #[serde(flatten)]
    collections: Collections,
    block_order: &'static str,
    #[serde(flatten)]
    commits: Commits,
    /// The message about the damaged part of the CAR.
    fault: Option<String>,
}

/// Writes the counts under the names that they have in the JSON of this command.
fn as_fields<S: Serializer>(tree: &TreeCounts, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map([
        ("height", tree.height.map(u64::from)),
        ("nodes", Some(tree.nodes)),
        ("missing_nodes", Some(tree.missing_nodes)),
        ("bad_subtrees", Some(tree.bad_subtrees)),
        ("records", Some(tree.records)),
        ("record_bytes", Some(tree.record_bytes)),
        ("missing_records", Some(tree.missing_records)),
        ("bad_records", Some(tree.bad_records)),
        ("invalid_paths", Some(tree.invalid_paths)),
    ])
}

/// Most collections that are counted one by one. Real accounts have far fewer, and this many names
/// still fit in memory.
const COLLECTIONS_TOLD: usize = 10_000;

/// Collections and the numbers of their records.
#[derive(Default, serde::Serialize)]
struct Collections {
    #[serde(rename = "collections", serialize_with = "as_map")]
    told: Vec<(String, u64)>,
    /// The number of further collections.
    #[serde(rename = "more_collections", skip_serializing_if = "is_zero")]
    more: u64,
    /// The last of the further collections.
    #[serde(skip)]
    last: String,
}

impl Command for Inspect {
    fn salvages(&self) -> bool {
        true
    }

    fn run<S: CarStore>(&self, repo: &Repo<S>, out: &mut Output) -> Result<(), Cause> {
        let Walked { tree, collections, order, reached } = count(repo, out)?;
        let (commit, stats) = (repo.commit(), repo.stats());
        let sections = SectionCounts::of(stats, reached);
        let commits = self.commits(repo, &tree, &sections)?;
        let rev_date = Time::of_tid(commit.rev());
        let summary = Summary {
            version: commit.version(),
            did: commit.did(),
            commit: commit.cid().to_string(),
            data: commit.data().to_string(),
            prev: commit.prev().map(|prev| prev.to_string()),
            rev: commit.rev(),
            rev_date,
            rev_in_future: rev_date.is_some_and(|date| date.is_future(SystemTime::now())),
            bytes: stats.bytes,
            roots: repo.store().header().roots().len(),
            sections,
            tree,
            collections,
            block_order: order.as_str(),
            commits,
            fault: out.fault().map(str::to_owned),
        };
        if self.json { Ok(json::write_line(&summary, out)?) } else { Ok(summary.write_to(out)?) }
    }
}

impl Inspect {
    /// Returns the commits, if there are several or the tree of the opened one is not complete.
    fn commits<S: CarStore>(
        &self,
        repo: &Repo<S>,
        tree: &TreeCounts,
        sections: &SectionCounts,
    ) -> Result<Commits> {
        let is_complete = tree.is_complete();
        // Another commit would be an unreached block.
        if is_complete && sections.unreached_blocks == 0 {
            return Ok(Commits::default());
        }
        let commits = Commits::of(repo, self.input.commit_rules())?;
        Ok(if is_complete && commits.is_single() { Commits::default() } else { commits })
    }
}

/// The result of a walk.
struct Walked {
    tree: TreeCounts,
    collections: Collections,
    order: BlockOrder,
    /// Number of blocks that were reached.
    reached: u64,
}

/// Walks the blocks that are present, and counts them.
fn count<S: CarStore>(repo: &Repo<S>, out: &mut Output) -> Result<Walked> {
    let (mut tree, mut collections) = (TreeCounts::default(), Collections::default());
    let mut reached = repo.reached()?;
    let mut order = order::check(repo.store(), repo.commit().cid())?;
    let mut walk = repo.walk().nodes(true).partial(true).start();
    while let Some(event) = walk.next_event()? {
        out.step();
        tree.count(&event);
        match &event {
            Event::Record { entry, .. } => match entry.path() {
                Ok(path) => collections.add(path.collection()),
                Err(_) => add(&mut tree.invalid_paths, 1),
            },
            Event::MissingRecord { entry, .. } | Event::BadRecord { entry, .. } => {
                add(&mut tree.invalid_paths, u64::from(entry.path().is_err()));
            }
            _ => {}
        }
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
    collections.told.sort_unstable();
    Ok(Walked { tree, collections, order: order.finish(), reached: reached.len() })
}

impl Collections {
    /// Counts a record. Records are in key order, so those of a collection are adjacent.
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

fn as_text<S: Serializer>(time: &Option<Time>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => serializer.collect_str(time),
        None => serializer.serialize_none(),
    }
}

fn is_false(flag: &bool) -> bool {
    !flag
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl Summary<'_> {
    fn write_to(&self, out: &mut Output) -> std::io::Result<()> {
        let SectionCounts { sections, distinct_blocks, repeated_blocks, unreached_blocks } =
            self.sections;
        writeln!(out, "ATProto Repo Spec Version: {}", self.version)?;
        writeln!(out, "DID: {}", self.did)?;
        writeln!(out, "Data CID: {}", self.data)?;
        writeln!(out, "Prev CID: {}", self.prev.as_deref().unwrap_or("<nil>"))?;
        writeln!(out, "Revision: {}", self.rev)?;
        writeln!(out, "Commit CID: {}", self.commit)?;
        if let Some(date) = self.rev_date {
            let note = if self.rev_in_future { " (in the future)" } else { "" };
            writeln!(out, "Revision Date: {date}{note}")?;
        }
        writeln!(out, "CAR Bytes: {}", self.bytes)?;
        writeln!(out, "Roots: {}", self.roots)?;
        writeln!(out, "Sections: {sections}")?;
        writeln!(out, "Distinct Blocks: {distinct_blocks}")?;
        writeln!(out, "Repeated Blocks: {repeated_blocks}")?;
        writeln!(out, "Unreached Blocks: {unreached_blocks}")?;
        writeln!(out, "Block Order: {}", self.block_order)?;
        self.commits.write_to(self.did, out)?;
        if let Some(fault) = &self.fault {
            writeln!(out, "Damaged From Here On: {fault}")?;
        }
        self.write_tree_to(out)?;
        self.collections.write_to(out)
    }

    fn write_tree_to(&self, out: &mut Output) -> std::io::Result<()> {
        let tree = &self.tree;
        match tree.height {
            Some(height) => writeln!(out, "Tree Height: {height}")?,
            None => writeln!(out, "Tree Height: unknown")?,
        }
        writeln!(out, "Nodes: {}", tree.nodes)?;
        writeln!(out, "Records: {}", tree.records)?;
        writeln!(out, "Record Bytes: {}", tree.record_bytes)?;
        let faults = [
            ("Missing Nodes", tree.missing_nodes),
            ("Missing Records", tree.missing_records),
            ("Bad Subtrees", tree.bad_subtrees),
            ("Bad Records", tree.bad_records),
            ("Invalid Repo Paths", tree.invalid_paths),
        ];
        for (name, count) in faults.into_iter().filter(|(_, count)| *count > 0) {
            writeln!(out, "{name}: {count}")?;
        }
        Ok(())
    }
}

impl Collections {
    fn write_to(&self, out: &mut Output) -> std::io::Result<()> {
        writeln!(out, "Collections: {}", self.len())?;
        for (collection, count) in &self.told {
            writeln!(out, "  {collection}: {count}")?;
        }
        match self.more {
            0 => Ok(()),
            more => writeln!(out, "  and {more} more"),
        }
    }
}
