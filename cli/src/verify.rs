//! `carwalk verify`: everything that can be checked without the account's key.

use std::io::{self, Write};

use carwalk::mst::Event;
use carwalk::store::CarStore;
use carwalk::{Error, Repo};
use clap::Args;
use serde::Serialize;

use crate::failure::Cause;
use crate::input::{Command, Input};
use crate::output::Output;

/// Path problems that are told one by one; the rest are only counted.
const PROBLEMS_TOLD: u64 = 20;

/// Check everything: framing, hashes, commit, tree, paths, completeness
///
/// Checks the framing of the CAR, every block against its CID, the form of the commit, every rule of the tree, that each
/// node and record is there, and that each key has the full syntax of a repo path. The signature is not checked.
///
/// The first error ends the work, but for keys that are no repo paths: each is told on stderr, the first 20 of them with
/// CID and key, and the exit code is 3.
#[derive(Args, Debug)]
pub(crate) struct Verify {
    #[command(flatten)]
    pub(crate) input: Input,

    /// Print nothing on success
    #[arg(short, long, conflicts_with_all = ["json", "verbose"])]
    quiet: bool,

    /// Print one JSON object
    ///
    /// It is printed if the walk came to its end, path problems or not; other errors are told on stderr only.
    #[arg(long)]
    json: bool,
}

/// What was checked.
#[derive(Default, Serialize)]
struct Checked<'a> {
    ok: bool,
    did: &'a str,
    rev: &'a str,
    commit: String,
    signature_checked: bool,
    bytes: u64,
    sections: u64,
    distinct_blocks: u64,
    duplicates: u64,
    unreached_blocks: u64,
    height: u8,
    nodes: u64,
    records: u64,
    record_bytes: u64,
    path_problems: u64,
}

impl Command for Verify {
    fn run<S: CarStore>(&self, repo: &Repo<S>, out: &mut Output) -> Result<(), Cause> {
        let checked = check(repo, out)?;
        if self.json {
            serde_json::to_writer(&mut *out, &checked)?;
            out.write_all(b"\n")?;
        } else if checked.ok && !self.quiet {
            checked.write_to(out)?;
        }
        if checked.ok { Ok(()) } else { Err(Cause::Paths(checked.path_problems)) }
    }
}

/// Walks everything. Framing, hashes and commit were checked when the repository was opened.
fn check<'r, S: CarStore>(repo: &'r Repo<S>, out: &mut Output) -> Result<Checked<'r>, Cause> {
    let (commit, stats) = (repo.commit(), repo.stats());
    let mut checked = Checked {
        did: commit.did(),
        rev: commit.rev(),
        commit: commit.cid().to_string(),
        bytes: stats.bytes,
        sections: stats.sections,
        distinct_blocks: stats.distinct_blocks,
        duplicates: stats.duplicates(),
        ..Checked::default()
    };
    let mut reached = repo.reached()?;
    let mut walk = repo.walk().nodes(true);
    while let Some(event) = walk.next_event()? {
        out.step();
        event.offset().map(|offset| reached.insert(offset));
        checked.take_in(&event, out)?;
    }
    checked.unreached_blocks = stats.distinct_blocks.saturating_sub(reached.len());
    checked.ok = checked.path_problems == 0;
    if checked.path_problems > PROBLEMS_TOLD {
        out.note(format_args!("and {} more", checked.path_problems.saturating_sub(PROBLEMS_TOLD)))?;
    }
    Ok(checked)
}

impl Checked<'_> {
    fn take_in(&mut self, event: &Event<'_>, out: &mut Output) -> io::Result<()> {
        match event {
            Event::Node { layer, .. } => {
                self.height = self.height.max(layer.get());
                self.nodes = self.nodes.saturating_add(1);
            }
            Event::Record { entry, block, .. } => {
                self.records = self.records.saturating_add(1);
                self.record_bytes = self.record_bytes.saturating_add(block.len() as u64);
                if let Err(error) = entry.strict_path() {
                    self.path_problem(&error, out)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    #[cold]
    fn path_problem(&mut self, error: &Error, out: &mut Output) -> io::Result<()> {
        self.path_problems = self.path_problems.saturating_add(1);
        if self.path_problems > PROBLEMS_TOLD {
            return Ok(());
        }
        out.note(format_args!("bad path: {error}"))
    }

    fn write_to(&self, out: &mut Output) -> io::Result<()> {
        let Checked { did, rev, commit, bytes, sections, duplicates, .. } = self;
        // A legacy commit may have no revision.
        let at = if rev.is_empty() { "" } else { " at " };
        writeln!(out, "ok: {did}{at}{rev}")?;
        writeln!(out, "framing: {bytes} bytes, {sections} sections, {duplicates} of them repeated")?;
        writeln!(out, "hashes: {} blocks, {} of them unreached", self.distinct_blocks, self.unreached_blocks)?;
        writeln!(out, "commit: {commit}, its signature not checked")?;
        writeln!(out, "tree: {} nodes, height {}", self.nodes, self.height)?;
        writeln!(out, "records: {} with {} bytes, all there, all paths sound", self.records, self.record_bytes)
    }
}
