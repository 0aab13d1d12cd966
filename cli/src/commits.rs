//! The commits among the blocks of a CAR. A snapshot that was torn has several: the newest, whose
//! tree is missing in part, and an older one that is complete.

use std::fmt;
use std::io::{self, Write};

use carwalk::cid::Codec;
use carwalk::store::{CarStore, commits};
use carwalk::{Cid, Commit, CommitRules, ErrorKind, Loader, Repo, Result};
use serde::Serialize;

use crate::failure::Cause;
use crate::output::{Counted, Output};

/// Most commits whose trees are walked: a CAR can have a commit in every hundred bytes, all with
/// the same tree.
const MAX_WALKED: usize = 16;

/// The first commits of a CAR, in its order.
#[derive(Default, Serialize)]
pub(crate) struct Commits {
    #[serde(rename = "commits", skip_serializing_if = "Vec::is_empty")]
    told: Vec<Listed>,
    /// How many there are beyond those.
    #[serde(rename = "more_commits", skip_serializing_if = "Option::is_none")]
    more: Option<u64>,
}

/// A commit and what is there of its tree.
#[derive(Serialize)]
struct Listed {
    #[serde(rename = "commit", serialize_with = "as_text")]
    cid: Cid,
    did: String,
    rev: String,
    /// Whether it is the one that was opened.
    opened: bool,
    complete: bool,
    records: u64,
    missing_nodes: u64,
    missing_records: u64,
    /// What is wrong with the tree.
    fault: Option<String>,
}

impl Commits {
    /// Reads every block once, and walks the trees of the first few commits.
    pub(crate) fn of<S: CarStore>(repo: &Repo<S>, rules: CommitRules) -> Result<Self> {
        let (mut told, mut more) = (Vec::new(), 0_u64);
        for commit in commits(repo.store(), rules) {
            let commit = commit?;
            if told.len() < MAX_WALKED {
                told.push(Listed::of(repo, &commit, rules)?);
            } else {
                more = more.saturating_add(1);
            }
        }
        Ok(Commits { told, more: (more > 0).then_some(more) })
    }

    /// Whether there is one commit only.
    pub(crate) fn is_single(&self) -> bool {
        self.told.len() < 2
    }

    /// The newest other commit of the account whose tree is complete.
    fn complete(&self, account: &str) -> Option<&Listed> {
        let others = self.told.iter().filter(|commit| !commit.opened && commit.did == account);
        others.filter(|commit| commit.complete).max_by(|a, b| a.rev.cmp(&b.rev))
    }

    /// Writes one line for each commit; the account is that of the opened one.
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

impl Listed {
    fn of<S: CarStore>(repo: &Repo<S>, commit: &Commit<'_>, rules: CommitRules) -> Result<Self> {
        let tree = Loader::new().commits(rules).from_store(repo.store(), commit.cid())?;
        let mut listed = Listed {
            cid: commit.cid(),
            did: commit.did().to_owned(),
            rev: commit.rev().to_owned(),
            opened: commit.cid() == repo.commit().cid(),
            complete: false,
            records: 0,
            missing_nodes: 0,
            missing_records: 0,
            fault: None,
        };
        match tree.walk().completeness() {
            Ok(found) => {
                listed.complete = found.is_complete();
                listed.missing_records = found.missing_records.unwrap_or_default();
                listed.records = found.entries.saturating_sub(listed.missing_records);
                listed.missing_nodes = found.gaps;
            }
            Err(error) => listed.fault = Some(error.to_string()),
        }
        Ok(listed)
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

fn as_text<S: serde::Serializer>(cid: &Cid, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    serializer.collect_str(cid)
}

/// Adds to the message for a missing block which other commit has a complete tree.
pub(crate) fn hint<S: CarStore>(cause: Cause, repo: &Repo<S>, rules: CommitRules) -> Cause {
    let is_missing = match &cause {
        Cause::Incomplete(_) => true,
        Cause::Car(error) => matches!(error.kind(), ErrorKind::Missing { .. }),
        _ => false,
    };
    if !is_missing {
        return cause;
    }
    let Some(more) = complete(repo, rules) else {
        return cause;
    };
    match cause {
        Cause::Incomplete(message) => Cause::Incomplete(format!("{message}; {more}")),
        Cause::Car(error) => Cause::Explained { message: format!("{error}; {more}"), error },
        cause => cause,
    }
}

/// Names the newest other commit of the account whose tree is complete, if blocks of the opened one
/// are missing.
pub(crate) fn complete<S: CarStore>(repo: &Repo<S>, rules: CommitRules) -> Option<String> {
    // An error here says less than the one that is to be explained.
    let commits = Commits::of(repo, rules).unwrap_or_default();
    let Listed { cid, rev, .. } = commits.complete(repo.commit().did())?;
    let revision = if rev.is_empty() { String::new() } else { format!(", revision {rev},") };
    Some(format!("the tree of another commit{revision} is complete (see --commit {cid})"))
}

/// Reads the CID of a commit.
pub(crate) fn cid(text: &str) -> std::result::Result<Cid, String> {
    match text.parse::<Cid>() {
        Ok(cid) if cid.codec() == Codec::DagCbor => Ok(cid),
        Ok(_) => Err("the CID of raw bytes, not of a commit".to_owned()),
        Err(_) => Err("not a CID, like those that `carwalk inspect` prints".to_owned()),
    }
}
