//! The settings of a load.

use core::fmt;
use core::ops::ControlFlow;
use std::sync::Arc;

use crate::car::Header;
use crate::cid::{Cid, Codec};
use crate::error::{ArgumentFault, Error, ErrorKind, Result};
use crate::limits::Limits;
use crate::store::trust::Trust;

/// Which blocks are hashed and compared with their CIDs. Default: `EveryBlock`.
///
/// The encoding of the CAR, the commit and the nodes is always checked, and so are all rules of the
/// tree. `ReachedBlocks` is for damaged files, not for speed: it costs about as much as
/// `EveryBlock` if the whole tree is walked. An entries-only walk costs less, because records are
/// not hashed.
///
/// # Examples
///
/// Reading what is intact in a CAR with a damaged block:
///
/// ```
/// use carwalk::{KeyRange, Loader, Repo, Verification};
///
/// # let mut damaged = include_bytes!("../../samples/repo.car").to_vec();
/// # *damaged.last_mut().unwrap() ^= 1;
/// // One block of `damaged` has a wrong byte: the profile, the first record in key order.
/// assert!(Repo::from_slice(&damaged).is_err());
/// let loader = Loader::new().verification(Verification::ReachedBlocks);
/// let repo = loader.from_slice(&damaged)?;
/// assert!(repo.records().next().unwrap().is_err());
/// let posts = repo.records_in(KeyRange::collection("app.bsky.feed.post")?);
/// assert_eq!(posts.try_count()?, 14);
/// # Ok::<(), carwalk::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verification {
    /// Every block, while loading. A damaged block is an error of the opener. With
    /// [`Loader::from_store`](crate::Loader::from_store), which loads nothing, the same as
    /// `ReachedBlocks`.
    #[default]
    EveryBlock,
    /// The commit when the repository is opened, and each other block when a walk reaches it. A
    /// damaged block is an error of that walk. Blocks that are copied into a spill file or given to
    /// a process function are hashed before that. Of several blocks with one CID, an intact one is
    /// used.
    ReachedBlocks,
    /// No block while loading and walking. A block may have any bytes, so the signature of the
    /// commit proves nothing. For CARs that were verified before and cannot have changed since, and
    /// for fuzzing: the guide to [fuzzing](crate::guide::fuzzing) has a harness.
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
    /// Which blocks are verified.
    pub(super) trust: Trust,
    /// Whether sections before malformed or truncated framing are loaded.
    pub(super) salvage: bool,
    /// The commit to open; `None` for the first root of the CAR.
    pub(super) commit: Option<Cid>,
    pub(super) progress: Option<Arc<ProgressFn>>,
    /// Threads that may hash, including the calling thread; 0 is the same as 1.
    pub(super) threads: usize,
    /// Bytes of records that a one-pass walk keeps.
    pub(super) keep_repeats: u64,
}

impl Settings {
    pub(super) const fn new() -> Self {
        Settings {
            limits: Limits::new(),
            trust: Trust::Hashed,
            salvage: false,
            commit: None,
            progress: None,
            threads: 1,
            keep_repeats: 0,
        }
    }

    /// Checks the caller's settings, before anything is read.
    pub(super) fn check(&self) -> Result<()> {
        self.commit.map_or(Ok(()), check_commit_cid)
    }

    /// Checks the settings of a one-pass walk, before anything is read.
    pub(super) fn check_one_pass(&self) -> Result<()> {
        let setting = match (self.salvage, self.trust) {
            (true, _) => "salvage",
            (false, Trust::HashWhenReached) => "Verification::ReachedBlocks",
            _ => return self.check(),
        };
        Err(Error::argument(ArgumentFault::OnePass { setting }))
    }

    /// Returns the CID of the commit to open in a CAR with this header.
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

/// Checks that a CID from the caller can be that of a commit.
pub(super) fn check_commit_cid(found: Cid) -> Result<()> {
    match found.codec() {
        Codec::DagCbor => Ok(()),
        Codec::Raw => Err(Error::argument(ArgumentFault::CommitCid { found })),
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
