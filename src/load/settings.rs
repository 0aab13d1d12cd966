//! The settings of a load.

use core::fmt;

use crate::limits::Limits;
use crate::store::trust::Trust;

/// Which blocks are hashed and compared with their CIDs.
///
/// The tree's rules are checked under each of these; only blocks that do not hash to their CID go
/// unnoticed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verification {
    /// Every block, while loading.
    #[default]
    EveryBlock,
    /// The commit, and each block when a walk reaches it. Damaged blocks that nothing links to go
    /// unnoticed; a CAR with a damaged block opens, and the damage shows where a walk meets it.
    ReachedBlocks,
    /// No block at all. Gives up everything that the signature could prove: whoever made the CAR
    /// can have put any bytes under any CID. For CARs that were verified before and that nobody
    /// could change since.
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

/// Called with the number of bytes loaded so far.
pub(super) type ProgressFn<'p> = Box<dyn FnMut(u64) + Send + 'p>;

/// The settings of one load.
pub(super) struct Settings<'p> {
    pub(super) limits: Limits,
    /// How far blocks are verified.
    pub(super) trust: Trust,
    /// Whether sections before malformed or truncated framing are loaded.
    pub(super) salvage: bool,
    pub(super) progress: Option<ProgressFn<'p>>,
    /// Threads that may hash, including the calling thread.
    pub(super) threads: usize,
}

impl Default for Settings<'_> {
    fn default() -> Self {
        Settings {
            limits: Limits::default(),
            trust: Verification::default().trust(),
            salvage: false,
            progress: None,
            threads: 0,
        }
    }
}

impl Settings<'_> {
    pub(super) fn report(&mut self, position: u64) {
        if let Some(progress) = &mut self.progress {
            progress(position);
        }
    }
}

impl fmt::Debug for Settings<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("limits", &self.limits)
            .field("trust", &self.trust)
            .finish_non_exhaustive()
    }
}
