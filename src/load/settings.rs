//! The settings of a load.

use core::fmt;
use core::ops::ControlFlow;
use std::sync::Arc;

use crate::car::Header;
use crate::cid::{Cid, Codec};
use crate::error::{ArgumentFault, Error, ErrorKind, Result};
use crate::limits::Limits;
use crate::store::trust::Trust;

/// Which blocks are hashed and compared with their CIDs.
///
/// The form of blocks and the tree rules are always checked. `EveryBlock` and `ReachedBlocks` cost
/// about the same: `ReachedBlocks` is for damaged files, not for speed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verification {
    /// Every block, while loading.
    #[default]
    EveryBlock,
    /// The commit, and each block when a walk reaches it. A CAR with damaged blocks opens, and the
    /// error is returned where a walk meets the damage. Unreached blocks are not verified.
    ReachedBlocks,
    /// No block is verified: a block may have any bytes, so the signature proves nothing. For
    /// fuzzing, and for CARs that were verified before and cannot have changed since.
    DangerouslyNone,
}

impl Verification {
    pub(crate) fn trust(self) -> Trust {
        match self {
            Verification::EveryBlock => Trust::Hashed,
            Verification::ReachedBlocks => Trust::HashWhenReached,
            Verification::DangerouslyNone => Trust::Unchecked,
        }
    }
}

/// Called with the number of bytes loaded so far. `Break` ends the load.
type ProgressFn = dyn Fn(u64) -> ControlFlow<()> + Send + Sync;

/// The settings of one load.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) limits: Limits,
    /// How far blocks are verified.
    pub(super) trust: Trust,
    /// Whether sections before malformed or truncated framing are loaded.
    pub(super) salvage: bool,
    /// The commit to open; `None` for the first root of the CAR.
    pub(super) commit: Option<Cid>,
    pub(super) progress: Option<Arc<ProgressFn>>,
    /// Threads that may hash, including the calling thread.
    pub(super) threads: usize,
}

impl Settings {
    pub(super) const fn new() -> Self {
        Settings {
            limits: Limits::new(),
            trust: Trust::Hashed,
            salvage: false,
            commit: None,
            progress: None,
            threads: 0,
        }
    }

    /// Checks the arguments, before anything is read.
    pub(super) fn check(&self) -> Result<()> {
        self.commit.map_or(Ok(()), check_commit_cid)
    }

    /// Returns the commit to open of a CAR with this header.
    pub(super) fn commit(&self, header: &Header) -> Result<Cid> {
        self.commit.map_or_else(|| header.commit(), Ok)
    }

    /// Calls the progress function.
    pub(super) fn report(&self, position: u64) -> Result<()> {
        match &self.progress {
            Some(progress) if progress(position).is_break() => {
                Err(Error::new(ErrorKind::Cancelled))
            }
            _ => Ok(()),
        }
    }
}

/// Checks that a CID that the caller named can be that of a commit.
pub(super) fn check_commit_cid(found: Cid) -> Result<()> {
    match found.codec() {
        Codec::DagCbor => Ok(()),
        Codec::Raw => Err(Error::new(ErrorKind::Argument(ArgumentFault::CommitCid { found }))),
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("limits", &self.limits)
            .field("trust", &self.trust)
            .finish_non_exhaustive()
    }
}
