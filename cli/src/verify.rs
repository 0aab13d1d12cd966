//! `carwalk verify`: checks everything, including the signature if a key is given.

mod many;

use std::fmt;
use std::io::{self, Read, Write};
use std::path::PathBuf;

use carwalk::mst::{Entry, Event};
use carwalk::store::CarStore;
use carwalk::{Commit, Repo, StreamWalk};
use clap::Args;
use serde::{Serialize, Serializer};

use crate::account::{Account, Signer};
use crate::batch::Batch;
use crate::commits;
use crate::counts::{SectionCounts, StreamCounts, TreeCounts, add};
use crate::failure::{Cause, Failure};
use crate::input::{Command, Input, NO_MMAP_OF_MANY, OnePass, repeated};
use crate::json;
use crate::output::{Counted, Output};
use crate::records::OddRecords;
use crate::walking::Walking;

/// Most problems that are printed one by one. The others are counted.
const PROBLEMS_TOLD: u64 = 20;

// Shorter than elsewhere: `verify` has more options than other commands.
const INPUT: &str = "A CAR, also compressed with gzip or zstd, or a folder; else standard input";
const DID: &str = "The required account; of several inputs, others are skipped";
const KEPT: &str = "INPUT is a file made with --keep, by somebody you trust";
const MEMORY_LIMIT: &str = "Memory limit; the rest goes into a temporary file [default: no limit]";

/// Check everything: framing, hashes, commit, tree, paths, completeness
#[derive(Args, Debug)]
#[command(
    mut_arg("file", |arg| arg.value_name("INPUT").help(INPUT)),
    mut_arg("did", |arg| arg.help(DID)),
    mut_arg("kept", |arg| arg.help(KEPT)),
    mut_arg("no_mmap", |arg| arg.help(NO_MMAP_OF_MANY)),
    mut_arg("memory_limit", |arg| arg.help(MEMORY_LIMIT)),
)]
pub(crate) struct Verify {
    #[command(flatten)]
    pub(crate) input: Input,

    /// Further files and folders
    #[arg(value_name = "INPUTS", index = 2)]
    more: Vec<PathBuf>,

    /// Check the blocks that are present in a partial CAR
    #[arg(long)]
    partial: bool,

    /// Read a CAR in pre-order in constant memory; prints oddities as it reads
    #[arg(long, conflicts_with_all = ["partial", "kept", "keep"])]
    one_pass: bool,

    #[command(flatten)]
    account: Account,

    /// Check every record too, and print one line for each oddity
    #[arg(long)]
    records: bool,

    /// With --records: exit code 3 if there is an oddity
    #[arg(long, requires = "records")]
    strict: bool,

    /// Print nothing on success, except the oddities of --records
    #[arg(short, long, conflicts_with_all = ["json", "verbose"])]
    quiet: bool,

    /// Print one JSON object, also about problems, but not about an error
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    batch: Batch,
}

/// The sections of a CAR, as far as they were counted.
#[derive(Serialize)]
#[serde(untagged)]
enum Sections {
    Loaded(SectionCounts),
    Streamed(StreamCounts),
}

impl Default for Sections {
    fn default() -> Self {
        Sections::Loaded(SectionCounts::default())
    }
}

/// The result of verification.
#[derive(Default, Serialize)]
struct Checked<'a> {
    ok: bool,
    /// Whether no block is missing and no node or record is bad.
    complete: bool,
    did: &'a str,
    rev: &'a str,
    commit: String,
    signature_checked: bool,
    /// The key that signed the commit.
    key: Option<String>,
    /// The position of the key in the list of keys, from 1 on.
    key_number: Option<usize>,
    /// The number of keys in the list.
    #[serde(skip)]
    keys: usize,
    bytes: u64,
    #[serde(flatten)]
    sections: Sections,
    #[serde(flatten, serialize_with = "as_fields")]
    tree: TreeCounts,
    /// The oddities of records, with `--records`.
    #[serde(flatten)]
    odd_records: Option<OddRecords>,
}

/// Writes the counts under the names that they have in the JSON of this command.
fn as_fields<S: Serializer>(tree: &TreeCounts, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map([
        ("height", tree.height.map_or(0, u64::from)),
        ("nodes", tree.nodes),
        ("missing_nodes", tree.missing_nodes),
        ("records", tree.records),
        ("record_bytes", tree.record_bytes),
        ("missing_records", tree.missing_records),
        ("path_problems", tree.invalid_paths),
        ("bad_subtrees", tree.bad_subtrees),
        ("bad_records", tree.bad_records),
    ])
}

impl Command for Verify {
    const HAS_PARTIAL: bool = true;

    fn check(&self) -> Result<(), Cause> {
        self.account.check()
    }

    fn one_pass(&self) -> Option<OnePass> {
        self.one_pass.then_some(OnePass { needs_records: self.records })
    }

    fn pass<R: Read>(&self, walk: StreamWalk<R>, out: &mut Output) -> Result<(), Cause> {
        let commit = walk.commit().clone();
        let mut checked = self.begin(&commit)?;
        let mut walk = walk.nodes(true);
        self.walk(&mut walk, &mut checked, |_| {}, out)?;
        let stats = walk.stats();
        checked.bytes = stats.bytes;
        checked.sections = Sections::Streamed(StreamCounts::of(stats));
        self.tell(&mut checked, out)?;
        self.outcome(&checked)
    }

    fn run<S: CarStore>(&self, repo: &Repo<S>, out: &mut Output) -> Result<(), Cause> {
        let mut checked = self.begin(repo.commit())?;
        let mut reached = repo.reached()?;
        let mut walk = repo.walk().nodes(true).partial(self.partial).start();
        self.walk(&mut walk, &mut checked, |offset| _ = reached.insert(offset), out)?;
        checked.bytes = repo.stats().bytes;
        checked.sections = Sections::Loaded(SectionCounts::of(repo.stats(), reached.len()));
        self.tell(&mut checked, out)?;
        if checked.tree.missing_nodes.max(checked.tree.missing_records) > 0
            && let Some(other) = commits::complete(repo, self.input.commit_rules())
        {
            out.note(format_args!("{other}"))?;
        }
        self.outcome(&checked)
    }
}

impl Verify {
    /// Verifies one CAR, or many.
    pub(crate) fn run(&self) -> Result<(), Failure> {
        if self.is_of_many() { self.run_many() } else { self.input.run(self) }
    }

    /// Checks the account and the signature of the commit.
    fn begin<'r>(&self, commit: &'r Commit<'_>) -> Result<Checked<'r>, Cause> {
        let signer: Option<Signer<'_>> = self.account.verify(commit).map_err(Cause::No)?;
        Ok(Checked {
            did: commit.did(),
            rev: commit.rev(),
            commit: commit.cid().to_string(),
            signature_checked: signer.is_some(),
            key: signer.as_ref().map(|signer| signer.key.to_string()),
            key_number: signer.as_ref().map(|signer| signer.number),
            keys: signer.as_ref().map_or(0, |signer| signer.of),
            odd_records: self.records.then(|| OddRecords::new(self.json)),
            ..Checked::default()
        })
    }

    /// Walks the whole tree. `reach` gets the section offset of each block.
    fn walk(
        &self,
        walk: &mut impl Walking,
        checked: &mut Checked<'_>,
        mut reach: impl FnMut(u64),
        out: &mut Output,
    ) -> Result<(), Cause> {
        while let Some(event) = walk.next()? {
            out.step();
            event.offset().map(&mut reach);
            if let (true, Event::RepeatedRecord { entry, .. }) = (self.records, &event) {
                return Err(repeated(*entry));
            }
            checked.take_in(&event, out)?;
        }
        Ok(())
    }

    /// Prints the result.
    fn tell(&self, checked: &mut Checked<'_>, out: &mut Output) -> Result<(), Cause> {
        let problems = checked.count_problems();
        checked.ok = problems == 0 && !(self.strict && checked.has_odd_records());
        checked.complete = checked.tree.is_complete();
        if problems > PROBLEMS_TOLD {
            out.note(format_args!("and {} more", problems.saturating_sub(PROBLEMS_TOLD)))?;
        }
        if self.json {
            json::write_line(&checked, &mut *out)?;
        } else if checked.ok && !self.quiet {
            checked.write_to(out)?;
        }
        Ok(())
    }

    fn outcome(&self, checked: &Checked<'_>) -> Result<(), Cause> {
        if checked.ok { Ok(()) } else { Err(Cause::Invalid(checked.problems(self.strict))) }
    }
}

impl Checked<'_> {
    fn take_in(&mut self, event: &Event<'_>, out: &mut Output) -> io::Result<()> {
        self.tree.count(event);
        match event {
            Event::Record { entry, block, .. } => {
                if let Some(odd_records) = &mut self.odd_records {
                    odd_records.check(*entry, block, out)?;
                }
                self.check_path(entry, out)
            }
            Event::MissingRecord { entry, .. } | Event::RepeatedRecord { entry, .. } => {
                self.check_path(entry, out)
            }
            Event::BadRecord { entry, error, .. } => {
                self.tell(format_args!("bad record: {error}"), out)?;
                self.check_path(entry, out)
            }
            Event::BadSubtree { interval, error, .. } => {
                self.tell(format_args!("bad subtree: {error}; hides {interval}"), out)
            }
            _ => Ok(()),
        }
    }

    fn check_path(&mut self, entry: &Entry<'_>, out: &mut Output) -> io::Result<()> {
        match entry.strict_path() {
            Ok(_) => Ok(()),
            Err(error) => {
                add(&mut self.tree.invalid_paths, 1);
                self.tell(format_args!("invalid path: {error}"), out)
            }
        }
    }

    /// Prints the problem that was just counted, unless too many were printed before.
    #[cold]
    fn tell(&self, problem: fmt::Arguments<'_>, out: &mut Output) -> io::Result<()> {
        if self.count_problems() > PROBLEMS_TOLD { Ok(()) } else { out.note(problem) }
    }

    fn count_problems(&self) -> u64 {
        let TreeCounts { invalid_paths, bad_subtrees, bad_records, .. } = self.tree;
        invalid_paths.saturating_add(bad_subtrees).saturating_add(bad_records)
    }

    fn has_odd_records(&self) -> bool {
        self.odd_records.as_ref().is_some_and(OddRecords::any)
    }

    /// Returns the message with the number of problems. Odd records are problems with `--strict`.
    fn problems(&self, is_strict: bool) -> String {
        let kinds = [
            (self.tree.invalid_paths, "path", "invalid"),
            (self.tree.bad_subtrees, "subtree", "bad"),
            (self.tree.bad_records, "record", "bad"),
        ];
        let told = kinds.into_iter().filter(|(count, ..)| *count > 0).map(|(count, noun, what)| {
            format!("{} {} {what}", Counted(count, noun), if count == 1 { "is" } else { "are" })
        });
        let odd = self.odd_records.as_ref().filter(|odd| is_strict && odd.any());
        told.chain(odd.map(ToString::to_string)).collect::<Vec<_>>().join(", ")
    }

    fn write_sections(&self, out: &mut Output) -> io::Result<()> {
        let bytes = Counted(self.bytes, "byte");
        let section = |count| Counted(count, "section");
        match &self.sections {
            Sections::Loaded(SectionCounts {
                sections,
                distinct_blocks,
                repeated_blocks,
                unreached_blocks,
            }) => {
                let (sections, blocks) = (section(*sections), Counted(*distinct_blocks, "block"));
                writeln!(out, "framing: {bytes}, {sections}, {repeated_blocks} of them repeated")?;
                writeln!(out, "hashes: {blocks}, {unreached_blocks} of them unreached")
            }
            Sections::Streamed(StreamCounts { sections, .. }) => {
                let sections = section(*sections);
                writeln!(out, "framing: {bytes}, {sections}\nhashes: {sections}")
            }
        }
    }

    fn write_to(&self, out: &mut Output) -> io::Result<()> {
        let Checked { did, rev, commit, tree, .. } = self;
        let nodes = Counted(tree.nodes, "node");
        // A legacy commit may have no revision.
        let at = if rev.is_empty() { "" } else { " at " };
        let part = if self.complete { "" } else { ", partial" };
        writeln!(out, "ok{part}: {did}{at}{rev}")?;
        self.write_sections(out)?;
        match (&self.key, self.key_number) {
            (Some(key), Some(number)) if self.keys > 1 => {
                writeln!(out, "commit: {commit}, signed with key {number} of {}: {key}", self.keys)?
            }
            (Some(key), _) => writeln!(out, "commit: {commit}, signed with {key}")?,
            (None, _) => writeln!(out, "commit: {commit}, its signature not checked")?,
        }
        writeln!(out, "tree: {nodes}, height {}", tree.height.unwrap_or(0))?;
        let there = if self.complete { " all present," } else { "" };
        let bytes = Counted(tree.record_bytes, "byte");
        writeln!(out, "records: {} with {bytes},{there} all paths valid", tree.records)?;
        if let Some(odd_records) = &self.odd_records {
            writeln!(out, "contents of records: {odd_records}")?;
        }
        if !self.complete {
            let nodes = Counted(tree.missing_nodes, "node");
            writeln!(out, "missing: {nodes}, {}", Counted(tree.missing_records, "record"))?;
        }
        Ok(())
    }
}
