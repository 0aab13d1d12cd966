//! How the sections of a CAR come into a store: each checked, each entered in the index.

use core::fmt;

use super::index::{Index, Match};
use crate::car::{Header, Source};
use crate::cid::Cid;
use crate::error::{Error, LimitName, Result, Structure};
use crate::limits::{Limits, MAX_CAR_LEN};

/// Progress is told each time about this many bytes have come.
const PROGRESS_STEP: u64 = 1 << 20;

/// Which blocks are hashed against their CIDs.
///
/// The tree's rules are checked under each of these; only blocks that do not hash to their CID go unnoticed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verification {
    /// Every block, while loading.
    #[default]
    EveryBlock,
    /// The commit, and the blocks that a walk reaches, each time it does. Gives up noticing bad blocks that nothing
    /// links to; a CAR with a damaged block opens, and the damage shows where the walk meets it.
    ReachedBlocks,
    /// No block at all. Gives up everything that the signature could prove: whoever made the CAR can have put any bytes
    /// under any CID. For CARs that were verified before and have been out of reach since.
    DangerouslyNone,
}

/// Told the bytes loaded so far.
pub(crate) type Progress<'p> = Box<dyn FnMut(u64) + Send + 'p>;

/// The settings of one load.
#[derive(Default)]
pub(crate) struct Intake<'p> {
    pub(crate) limits: Limits,
    pub(crate) verification: Verification,
    /// Whether what came before bad framing is kept.
    pub(crate) salvage: bool,
    pub(crate) progress: Option<Progress<'p>>,
}

/// What a load came to, besides the bytes.
pub(super) struct Contents {
    pub(super) header: Header,
    pub(super) index: Index,
    /// The place of the first section.
    pub(super) first: Option<u64>,
    pub(super) stats: CarStats,
    /// What is wrong with the rest of the CAR, if that was given up.
    pub(super) fault: Option<Error>,
}

/// What a CAR holds, counted while it was loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CarStats {
    /// Bytes of the CAR up to the end of its last section.
    pub bytes: u64,
    /// Sections.
    pub sections: u64,
    /// Distinct blocks: sections less those that repeat the CID of an earlier one.
    pub distinct_blocks: u64,
}

impl CarStats {
    /// Sections that repeat the CID of an earlier one.
    #[must_use]
    pub fn duplicates(&self) -> u64 {
        self.sections.saturating_sub(self.distinct_blocks)
    }
}

impl Intake<'_> {
    /// Takes in all sections of `source`.
    pub(super) fn load(&mut self, source: &mut impl Source) -> Result<Contents> {
        let header = source.header().clone();
        let mut stats = CarStats::default();
        let mut told = 0u64;
        let mut index = Index::new();
        let mut fault = None;
        let mut ahead = source.advance().or_else(|error| self.give_up(error, &mut fault))?;
        let first = ahead;
        while let Some(place) = ahead {
            // The next header is fetched while this block is hashed.
            let next = source.advance();
            stats.sections = stats.sections.saturating_add(1);
            let cid = self.check(source, place)?;
            index.note(&cid, place);
            if index.is_due() {
                index.settle(|one, other| compare(source, self.verification, one, other));
            }
            ahead = next.or_else(|error| self.give_up(error, &mut fault))?;
            let position = source.position();
            if position.saturating_sub(told) >= PROGRESS_STEP {
                told = position;
                self.tell(position);
            }
        }
        let index = index.finish(|one, other| compare(source, self.verification, one, other));
        stats.bytes = source.position();
        stats.distinct_blocks = index.len() as u64;
        self.tell(stats.bytes);
        Ok(Contents { header, index, first, stats, fault })
    }

    /// Checks the section at a place by the settings, and tells its CID.
    #[inline]
    fn check(&self, source: &impl Source, place: u64) -> Result<Cid> {
        let Some(section) = source.section_at(place) else {
            let changed = Error::store("the input's bytes changed while they were read");
            return Err(changed.in_structure(Structure::Section));
        };
        if place >= MAX_CAR_LEN {
            let limit = Error::limit(LimitName::CarLen, MAX_CAR_LEN, place);
            return Err(limit.in_structure(Structure::Section).at(Some(section.offset())));
        }
        if self.verification == Verification::EveryBlock {
            section.verify()?;
        }
        Ok(section.cid())
    }

    /// Takes an error of the framing for the end, if that is wanted.
    #[cold]
    fn give_up(&self, error: Error, fault: &mut Option<Error>) -> Result<Option<u64>> {
        if !self.salvage || error.is_io() {
            return Err(error);
        }
        *fault = Some(error);
        Ok(None)
    }

    fn tell(&mut self, position: u64) {
        if let Some(progress) = &mut self.progress {
            progress(position);
        }
    }
}

/// How the section at `new` stands to that at `old`, which came before.
///
/// Sections that were not hashed may not have the CIDs that they name. Of two that name the same, the good one is kept. The
/// later one is hashed first: it pays for that with its own bytes, however often the earlier one is repeated.
fn compare(source: &impl Source, verification: Verification, old: u64, new: u64) -> Match {
    let (Some(old), Some(new)) = (source.section_at(old), source.section_at(new)) else {
        return Match::Other;
    };
    if old.cid() != new.cid() {
        Match::Other
    } else if verification == Verification::ReachedBlocks && new.verify().is_ok() && old.verify().is_err() {
        Match::Better
    } else {
        Match::Repeat
    }
}

impl fmt::Debug for Intake<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Intake")
            .field("limits", &self.limits)
            .field("verification", &self.verification)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Contents").field("header", &self.header).field("stats", &self.stats).finish_non_exhaustive()
    }
}
