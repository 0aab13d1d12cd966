//! The envelope of a message: what it says of its commit, and the CAR in it.

use super::{Reason, Rule};
use crate::car::block_at_offset;
use crate::cid::Cid;
use crate::commit::Commit;
use crate::error::{Error, ErrorKind, LimitName, MessageFault, Structure};
use crate::load::{LoadScratch, Loader};
use crate::repo::Repo;
use crate::store::{BlockStore, SliceStore};
use crate::syntax::{is_did, is_tid};

/// The fields about the commit that both kinds of message have.
pub(super) struct Envelope<'m> {
    pub(super) did: &'m str,
    pub(super) rev: &'m str,
    /// The commit, if the message names it.
    pub(super) commit: Option<Cid>,
    pub(super) blocks: &'m [u8],
}

impl<'m> Envelope<'m> {
    /// Loads the CAR and verifies all of its blocks.
    pub(super) fn load(
        &self,
        loader: &Loader,
        scratch: &mut LoadScratch,
    ) -> Result<Repo<SliceStore<&'m [u8]>>, Reason> {
        let loaded = loader.from_slice_in(scratch, self.blocks);
        loaded.map_err(|error| Reason::new(rule_of_load(&error), error))
    }

    /// Compares the commit with the message.
    pub(super) fn check_commit(&self, commit: &Commit<'_>) -> Result<(), Reason> {
        if let Some(expected) = self.commit.filter(|expected| *expected != commit.cid()) {
            let fault = MessageFault::OtherCommit { expected, found: commit.cid() };
            return Err(Reason::fault(Rule::CommitCid, fault));
        }
        let account = commit.verify_account(self.did);
        account.map_err(|error| Reason::new(Rule::CommitDid, error))?;
        if commit.rev() != self.rev {
            let (expected, found) = (self.rev.into(), commit.rev().into());
            return Err(Reason::fault(Rule::CommitRev, MessageFault::OtherRev { expected, found }));
        }
        Ok(())
    }
}

pub(super) fn check_account(field: &'static str, did: &str, rev: &str) -> Result<(), Reason> {
    if !is_did(did) {
        let fault = MessageFault::Field { name: field, expected: "a DID" };
        return Err(Reason::fault(Rule::Field, fault));
    }
    check_tid("rev", Some(rev))
}

pub(super) fn check_tid(name: &'static str, tid: Option<&str>) -> Result<(), Reason> {
    if tid.is_none_or(is_tid) {
        return Ok(());
    }
    Err(Reason::fault(Rule::Field, MessageFault::Field { name, expected: "a TID" }))
}

pub(super) fn check_len(limit: LimitName, max: usize, found: usize) -> Result<(), Reason> {
    if found <= max {
        return Ok(());
    }
    Err(Reason::new(Rule::Limit, Error::limit(limit, max as u64, found as u64)))
}

/// Returns the rule that a CAR breaks whose load failed.
fn rule_of_load(error: &Error) -> Rule {
    match error.kind() {
        ErrorKind::HashMismatch { .. } => Rule::BlockHash,
        ErrorKind::MissingCommit => Rule::CommitMissing,
        _ if error.position().structure() == Structure::Commit => Rule::CommitForm,
        _ => Rule::Car,
    }
}

/// Returns the record with a CID, borrowed from the message.
pub(super) fn record_in<'m>(
    repo: &Repo<SliceStore<&'m [u8]>>,
    blocks: &'m [u8],
    cid: &Cid,
) -> Result<&'m [u8], Error> {
    let offset = repo.store().get(cid)?.and_then(|found| found.offset);
    offset
        .and_then(|offset| block_at_offset(blocks, offset, cid))
        .ok_or_else(|| Error::new(ErrorKind::Missing { interval: None }))
}
