//! The commits among the blocks of a CAR. A torn snapshot has several: the newest with a partial
//! tree, and an older one with a complete tree.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::io::{self, Write};

use carwalk::cid::Codec;
use carwalk::store::{BlockStore, CarStore, commits};
use carwalk::{Cid, Commit, CommitRules, ErrorKind, Loader, Repo, Result};
use serde::Serialize;

use crate::failure::Cause;
use crate::output::{Counted, Output};

/// Most commits that are listed besides the opened one, and most trees that are walked for a hint.
/// A CAR can have a commit every hundred bytes.
const MAX_WALKED: usize = 16;

/// Memory limit of one walk: --memory-limit does not cover it. Real trees take a few kilobytes.
const WALK_MEMORY: u64 = 16 << 20;

/// The first commits of a CAR and the opened one, in the order of the CAR.
#[derive(Default, Serialize)]
pub(crate) struct Commits {
    #[serde(rename = "commits", skip_serializing_if = "Vec::is_empty")]
    told: Vec<Listed>,
    /// The number of further commits.
    #[serde(rename = "more_commits", skip_serializing_if = "Option::is_none")]
    more: Option<u64>,
}

/// A commit and the state of its tree.
#[derive(Serialize)]
struct Listed {
    #[serde(rename = "commit", serialize_with = "as_text")]
    cid: Cid,
    did: String,
    rev: String,
    /// Whether it is the opened commit.
    opened: bool,
    #[serde(flatten)]
    tree: Tree,
}

/// The state of a tree: how much of it is present.
#[derive(Clone, Serialize)]
struct Tree {
    complete: bool,
    records: u64,
    missing_nodes: u64,
    missing_records: u64,
    /// The error that ended the walk of the tree.
    fault: Option<String>,
}

impl Commits {
    /// Reads every block once, and walks the trees of the commits that are listed.
    pub(crate) fn of<S: CarStore>(repo: &Repo<S>, rules: CommitRules) -> Result<Self> {
        let mut trees = HashMap::<Cid, Tree>::new();
        let (mut told, mut more) = (Vec::new(), 0_u64);
        for commit in commits(repo.store(), rules) {
            let commit = commit?;
            let opened = commit.cid() == repo.commit().cid();
            if told.len() >= MAX_WALKED && !opened {
                more = more.saturating_add(1);
                continue;
            }
            let tree = match trees.entry(commit.data()) {
                Entry::Occupied(known) => known.get().clone(),
                Entry::Vacant(room) => room.insert(Tree::of(repo, commit.cid(), rules)?).clone(),
            };
            let (did, rev) = (commit.did().to_owned(), commit.rev().to_owned());
            told.push(Listed { cid: commit.cid(), did, rev, opened, tree });
        }
        Ok(Commits { told, more: (more > 0).then_some(more) })
    }

    /// Returns whether there is at most one commit.
    pub(crate) fn is_single(&self) -> bool {
        self.told.len() < 2
    }

    /// Writes one line for each commit. `account` is the account of the opened commit.
    pub(crate) fn write_to(&self, account: &str, out: &mut Output) -> io::Result<()> {
        if self.told.is_empty() {
            return Ok(());
        }
        let more = self.more.unwrap_or_default();
        writeln!(out, "Commits: {}", more.saturating_add(self.told.len() as u64))?;
        for commit in &self.told {
            let by = if commit.did == account { "" } else { " by " };
            let did = if commit.did == account { "" } else { &commit.did };
            writeln!(out, "  {}{by}{did}: {commit}", commit.cid)?;
        }
        if more > 0 { writeln!(out, "  and {more} more") } else { Ok(()) }
    }
}

impl Tree {
    /// Walks the tree of a commit. Fails if the commit cannot be opened.
    fn of<S: BlockStore>(repo: &Repo<S>, commit: Cid, rules: CommitRules) -> Result<Self> {
        let repo = Loader::new().commits(rules).from_store(repo.store(), commit)?;
        Ok(match repo.walk().memory_limit(WALK_MEMORY).completeness() {
            Ok(found) => {
                let missing_records = found.missing_records.unwrap_or_default();
                Tree {
                    complete: found.is_complete(),
                    records: found.entries.saturating_sub(missing_records),
                    missing_nodes: found.gaps,
                    missing_records,
                    fault: None,
                }
            }
            Err(error) => Tree {
                complete: false,
                records: 0,
                missing_nodes: 0,
                missing_records: 0,
                fault: Some(error.to_string()),
            },
        })
    }
}

impl fmt::Display for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.rev.is_empty() {
            write!(f, "revision {}, ", self.rev)?;
        }
        if self.opened {
            f.write_str("opened, ")?;
        }
        self.tree.fmt(f)
    }
}

impl fmt::Display for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let records = Counted(self.records, "record");
        match &self.fault {
            Some(fault) => write!(f, "damaged: {fault}"),
            None if self.complete => write!(f, "complete, {records}"),
            None => {
                let nodes = Counted(self.missing_nodes, "node");
                let missing = Counted(self.missing_records, "record");
                write!(f, "partial, {records}; missing: {nodes}, {missing}")
            }
        }
    }
}

/// A commit whose tree may be complete.
struct Candidate {
    cid: Cid,
    rev: String,
    data: Cid,
}

/// The commits of an account with the greatest revisions, in descending order. No two of them have
/// the same tree.
#[derive(Default)]
struct Newest(Vec<Candidate>);

impl Newest {
    /// Finds the newest other commits of the account of `repo` among all commits in its store.
    fn of<S: BlockStore>(
        repo: &Repo<S>,
        all: impl Iterator<Item = Result<Commit<'static>>>,
    ) -> Self {
        let (mut newest, opened) = (Newest::default(), repo.commit());
        // An error here is less important than the one that is being explained. The commits before
        // it are valid.
        for commit in all.map_while(Result::ok) {
            // The tree of the opened commit is known to be partial.
            if commit.did() == opened.did() && commit.data() != opened.data() {
                newest.add(&commit);
            }
        }
        newest
    }

    fn add(&mut self, commit: &Commit<'_>) {
        let Newest(newest) = self;
        let (cid, rev, data) = (commit.cid(), commit.rev(), commit.data());
        let at = newest.partition_point(|other| *other.rev >= *rev);
        if at >= MAX_WALKED || newest.iter().take(at).any(|other| other.data == data) {
            return;
        }
        newest.retain(|other| other.data != data);
        newest.insert(at, Candidate { cid, rev: rev.to_owned(), data });
        newest.truncate(MAX_WALKED);
    }

    /// Returns the newest commit whose tree is complete.
    fn complete<S: BlockStore>(self, repo: &Repo<S>, rules: CommitRules) -> Option<Candidate> {
        let is_complete =
            |commit: &Candidate| Tree::of(repo, commit.cid, rules).is_ok_and(|tree| tree.complete);
        self.0.into_iter().find(is_complete)
    }
}

fn as_text<S: serde::Serializer>(cid: &Cid, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    serializer.collect_str(cid)
}

/// Appends another commit with a complete tree to the message for a missing block.
pub(crate) fn hint<S: CarStore>(cause: Cause, repo: &Repo<S>, rules: CommitRules) -> Cause {
    hint_among(cause, repo, commits(repo.store(), rules), rules)
}

/// Appends another commit with a complete tree, among all commits in the store, to the message for
/// a missing block.
pub(crate) fn hint_among<S: BlockStore>(
    cause: Cause,
    repo: &Repo<S>,
    all: impl Iterator<Item = Result<Commit<'static>>>,
    rules: CommitRules,
) -> Cause {
    let is_missing = match &cause {
        Cause::Missing(_) => true,
        Cause::Car(error) => matches!(error.kind(), ErrorKind::Missing { .. }),
        _ => false,
    };
    if !is_missing {
        return cause;
    }
    let Some(more) = complete_among(repo, all, rules) else {
        return cause;
    };
    match cause {
        Cause::Missing(message) => Cause::Missing(format!("{message}; {more}")),
        Cause::Car(error) => Cause::Explained { message: format!("{error}; {more}"), error },
        cause => cause,
    }
}

/// Returns a message with the newest other commit of the account whose tree is complete, for a
/// commit with missing blocks.
pub(crate) fn complete<S: CarStore>(repo: &Repo<S>, rules: CommitRules) -> Option<String> {
    complete_among(repo, commits(repo.store(), rules), rules)
}

fn complete_among<S: BlockStore>(
    repo: &Repo<S>,
    all: impl Iterator<Item = Result<Commit<'static>>>,
    rules: CommitRules,
) -> Option<String> {
    let Candidate { cid, rev, .. } = Newest::of(repo, all).complete(repo, rules)?;
    let revision = if rev.is_empty() { String::new() } else { format!(", revision {rev},") };
    Some(format!("the tree of another commit{revision} is complete (see --commit {cid})"))
}

/// Parses the CID of a commit.
pub(crate) fn cid(text: &str) -> std::result::Result<Cid, String> {
    match text.parse::<Cid>() {
        Ok(cid) if cid.codec() == Codec::DagCbor => Ok(cid),
        Ok(_) => Err("the CID of raw bytes, not of a commit".to_owned()),
        Err(_) => Err("not a CID such as `carwalk inspect` prints".to_owned()),
    }
}
