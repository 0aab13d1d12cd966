//! How the sections of a CAR come into a store: each checked, each entered in the index.

use core::fmt;

use super::index::{Index, Match};
use crate::car::{Advance, Header, Section, Source};
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
    /// The commit, and the blocks that a walk reaches, when it does. Gives up noticing bad blocks that nothing
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
        let mut loading = Loading::new();
        loading.go_on(source, self, u64::MAX)?;
        loading.finish(source)
    }

    /// Checks the section at a place by the settings.
    #[inline]
    fn check<'a>(&self, source: &'a impl Source, place: u64) -> Result<Section<'a>> {
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
        Ok(section)
    }

    fn tell(&mut self, position: u64) {
        if let Some(progress) = &mut self.progress {
            progress(position);
        }
    }
}

/// A load that can be interrupted between two sections.
pub(crate) struct Loading {
    index: Index,
    stats: CarStats,
    /// The place of the first section.
    first: Option<u64>,
    /// The place of the section that names the CID of the commit, of several the first.
    commit: Option<u64>,
    /// What comes next; `Full` as long as the source was not asked, or had no room to tell.
    next: Advance,
    fault: Option<Error>,
    /// The position that was told last.
    told: u64,
}

impl Loading {
    pub(crate) fn new() -> Self {
        Loading {
            index: Index::new(),
            stats: CarStats::default(),
            first: None,
            commit: None,
            next: Advance::Full,
            fault: None,
            told: 0,
        }
    }

    /// Takes in sections until there are no more, or more than `memory_limit` bytes would be held; true if there are no
    /// more.
    pub(crate) fn go_on(
        &mut self,
        source: &mut impl Source,
        settings: &mut Intake<'_>,
        memory_limit: u64,
    ) -> Result<bool> {
        loop {
            let is_due = self.index.is_due() || matches!(self.next, Advance::End);
            if is_due && !self.settle(source, settings.verification, memory_limit) {
                return Ok(false);
            }
            let held = self.index.held();
            match self.next {
                Advance::Section(place) => {
                    let allowance = || memory_limit.saturating_sub(source.held()).saturating_sub(held);
                    if !self.index.can_note(allowance) {
                        return Ok(false);
                    }
                    source.allow(memory_limit.saturating_sub(self.index.held()));
                    self.take_in(source, settings, place)?;
                }
                Advance::End => break,
                Advance::Full => {
                    source.allow(memory_limit.saturating_sub(held));
                    self.next = self.advance(source, settings)?;
                }
            }
            let position = source.position();
            if position.saturating_sub(self.told) >= PROGRESS_STEP {
                self.told = position;
                settings.tell(position);
            }
            if matches!(self.next, Advance::Full) {
                return Ok(false);
            }
        }
        settings.tell(source.position());
        Ok(true)
    }

    #[inline]
    fn take_in(&mut self, source: &mut impl Source, settings: &Intake<'_>, place: u64) -> Result<()> {
        // The next header is fetched while this block is hashed.
        let next = self.advance(source, settings);
        let section = settings.check(source, place)?;
        self.first = self.first.or(Some(place));
        if self.commit.is_none() && section.cid() == source.header().root() {
            self.commit = Some(place);
        }
        self.stats.sections = self.stats.sections.saturating_add(1);
        self.index.note(&section.cid(), place);
        self.next = next?;
        Ok(())
    }

    /// The next section. Bad framing is taken for the end, if that is wanted.
    #[inline]
    fn advance(&mut self, source: &mut impl Source, settings: &Intake<'_>) -> Result<Advance> {
        match source.advance() {
            Err(error) if settings.salvage && (error.is_truncated() || error.is_invalid()) => {
                self.fault = Some(error);
                Ok(Advance::End)
            }
            next => next,
        }
    }

    /// Enters what was noted in the index; false if that takes too much memory.
    fn settle(&mut self, source: &impl Source, verification: Verification, memory_limit: u64) -> bool {
        let held = source.held().saturating_add(self.index.held()).saturating_add(self.index.growth());
        let fits = held <= memory_limit;
        if fits {
            self.index.settle(|one, other| compare(source, verification, one, other));
        }
        fits
    }

    /// Bytes of memory that the index takes.
    pub(crate) fn held(&self) -> u64 {
        self.index.held()
    }

    /// The place of the section that should be the commit's, if it was seen.
    pub(crate) fn commit(&self) -> Option<u64> {
        self.commit
    }

    /// What was loaded. Of a CAR that is bad before its commit nothing can be saved: then its fault is the error.
    pub(super) fn finish(self, source: &impl Source) -> Result<Contents> {
        let Loading { index, mut stats, first, commit, fault, .. } = self;
        let fault = match (fault, commit) {
            (Some(fault), None) => return Err(fault),
            (fault, _) => fault,
        };
        let index = index.finish();
        stats.bytes = source.position();
        stats.distinct_blocks = index.len() as u64;
        Ok(Contents { header: source.header().clone(), index, first, stats, fault })
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

impl fmt::Debug for Loading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loading").field("index", &self.index).field("stats", &self.stats).finish_non_exhaustive()
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
