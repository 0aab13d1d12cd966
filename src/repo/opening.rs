//! Finding the commit of a repository.

use std::sync::Arc;

use crate::cid::Cid;
use crate::commit::{Commit, CommitRules};
use crate::error::{Error, ErrorKind, Malformed, Result, Structure};
use crate::mst::WalkBuffers;
use crate::reuse::Shelf;
use crate::store::trust::Trust;
use crate::store::{BlockStore, Form, look_up};

/// The settings that opening a repository needs besides its store.
#[derive(Debug)]
pub(crate) struct Opening<P> {
    pub(crate) trust: Trust,
    pub(crate) commits: CommitRules,
    pub(crate) strict_paths: bool,
    /// Bytes of memory that a walk may take.
    pub(crate) walk_memory: u64,
    /// Where walks take their buffers from.
    pub(crate) buffers: Option<Arc<Shelf<WalkBuffers>>>,
    pub(crate) process: P,
}

impl<P> Opening<P> {
    /// Finds the commit in a store.
    pub(crate) fn commit<S: BlockStore>(&self, store: &S, cid: Cid) -> Result<Commit<'static>> {
        let find = || {
            let cid = cid.into_dag_cbor()?;
            let found = look_up(store, &cid)?;
            let found = found.ok_or_else(|| Error::new(ErrorKind::MissingCommit))?;
            if found.form == Form::Value {
                return Err(Error::malformed(Malformed::ProcessedNode).at(found.offset));
            }
            let trusted = self.trust == Trust::Unchecked || found.verified == Some(cid);
            read_commit(cid, found.bytes.as_ref(), self.commits, !trusted)
                .map_err(|error| error.at(found.offset))
        };
        find().map_err(|error| error.in_structure(Structure::Commit).of_cid(cid))
    }
}

/// Parses a commit. If `hash` is set, verifies it first. Errors name the commit.
pub(crate) fn read_commit(
    cid: Cid,
    block: &[u8],
    rules: CommitRules,
    hash: bool,
) -> Result<Commit<'static>> {
    if hash {
        cid.verify(block).map_err(|error| error.in_structure(Structure::Commit))?;
    }
    let commit = Commit::parse(cid, block, rules).map_err(|error| error.of_block(block))?;
    Ok(commit.into_owned())
}
