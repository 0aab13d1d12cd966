//! The settings of a load, and what it counts.

use core::fmt;

use super::loading::changed;
use crate::car::{Section, Source};
use crate::error::{Error, LimitName, Result, Structure};
use crate::limits::{Limits, MAX_CAR_LEN};

/// Which blocks are hashed against their CIDs.
///
/// The tree's rules are checked under each of these; only blocks that do not hash to their CID go
/// unnoticed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verification {
    /// Every block, while loading.
    #[default]
    EveryBlock,
    /// The commit, and the blocks that a walk reaches, when it does. Gives up noticing bad blocks
    /// that nothing links to; a CAR with a damaged block opens, and the damage shows where the walk
    /// meets it.
    ReachedBlocks,
    /// No block at all. Gives up everything that the signature could prove: whoever made the CAR
    /// can have put any bytes under any CID. For CARs that were verified before and have been out
    /// of reach since.
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
    /// Threads that may hash, the caller's included.
    pub(crate) threads: usize,
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
    /// Checks the section at a place, but for the block's hash.
    #[inline]
    pub(super) fn check_frame<'a>(
        &self,
        source: &'a impl Source,
        place: u64,
    ) -> Result<Section<'a>> {
        let section = source.section_at(place).ok_or_else(changed)?;
        check_place(place, || Some(section.offset()))?;
        Ok(section)
    }

    pub(super) fn tell(&mut self, position: u64) {
        if let Some(progress) = &mut self.progress {
            progress(position);
        }
    }
}

/// Refuses a place that the index has no room for, which the section that begins at `offset` would
/// have.
#[inline]
pub(super) fn check_place(place: u64, offset: impl FnOnce() -> Option<u64>) -> Result<()> {
    if place < MAX_CAR_LEN {
        return Ok(());
    }
    let limit = Error::limit(LimitName::CarLen, MAX_CAR_LEN, place.saturating_add(1));
    Err(limit.in_structure(Structure::Section).at(offset()))
}

impl fmt::Debug for Intake<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Intake")
            .field("limits", &self.limits)
            .field("verification", &self.verification)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::car::{Advance, Header, SliceReader};
    use crate::error::ErrorKind;

    /// A CAR of which nothing is there but one section, wherever it is asked for.
    struct Far<'a>(SliceReader<'a>, u64);

    impl<'a> Source for Far<'a> {
        type Lent = &'a [u8];

        const FINDS_LENT: bool = true;

        fn header(&self) -> &Header {
            self.0.header()
        }

        fn advance(&mut self) -> Result<Advance> {
            Ok(Advance::Section(self.1, self.0.header().root()))
        }

        fn section_at(&self, _: u64) -> Option<Section<'_>> {
            self.0.clone().next()?.ok()
        }

        fn are_joined(&self, _: u64, _: u64) -> bool {
            true
        }

        fn bytes_from(&self, place: u64) -> &[u8] {
            self.0.bytes_from(place)
        }

        fn lend(&mut self, place: u64) -> Option<(&'a [u8], usize)> {
            self.0.lend(place)
        }

        fn take_back(&mut self, _: u64, _: &'a [u8]) {}

        fn position(&self) -> u64 {
            self.1
        }
    }

    /// A reader would have to give a tebibyte to come there.
    #[test]
    fn a_section_that_the_index_has_no_place_for_is_a_limit() {
        let car = include_bytes!("../../samples/repo.car");
        let intake = Intake::default();
        let check = |place| {
            intake.check_frame(&Far(SliceReader::new(car).unwrap(), place), place).map(drop)
        };
        check(MAX_CAR_LEN - 1).unwrap();
        for place in [MAX_CAR_LEN, MAX_CAR_LEN + 1, u64::MAX] {
            let error = check(place).unwrap_err();
            let ErrorKind::Limit { limit: LimitName::CarLen, max, found } = *error.kind() else {
                panic!("{error}")
            };
            assert!(max == MAX_CAR_LEN && found > max, "{error}");
        }
    }

    /// As of a mapped file that somebody else wrote.
    #[test]
    fn a_section_that_is_there_no_more_is_an_error_of_the_store() {
        let car = include_bytes!("../../samples/repo.car");
        let (intake, source) = (Intake::default(), SliceReader::new(car).unwrap());
        let first = SliceReader::new(car).unwrap().next().unwrap().unwrap().offset();
        intake.check_frame(&source, first).unwrap();
        for place in [car.len() as u64 - 1, car.len() as u64, MAX_CAR_LEN, u64::MAX] {
            let error = intake.check_frame(&source, place).unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Store(_)), "{error}");
            assert_eq!(error.position().structure(), Structure::Section);
        }
    }
}
