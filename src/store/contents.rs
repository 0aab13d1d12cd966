//! What is known of a loaded CAR besides its blocks.

use core::fmt;

use crate::car::{Header, Placement};
use crate::error::Error;

/// Counts of a loaded CAR.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct CarStats {
    /// Length of the CAR up to the end of its last section, in bytes.
    pub bytes: u64,
    /// Number of sections.
    pub sections: u64,
    /// Number of distinct blocks: sections without those that repeat the CID of an earlier one.
    pub distinct_blocks: u64,
}

impl CarStats {
    /// Returns the number of sections that repeat the CID of an earlier one.
    #[must_use]
    pub fn duplicates(&self) -> u64 {
        self.sections.saturating_sub(self.distinct_blocks)
    }
}

/// The header, the counts and the fault of a loaded CAR.
pub(crate) struct Contents {
    pub(crate) header: Header,
    /// Where the first section is.
    pub(crate) first: Option<Placement>,
    pub(crate) stats: CarStats,
    /// The error that ended a salvaged load.
    pub(crate) fault: Option<Error>,
}

impl fmt::Debug for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Contents")
            .field("header", &self.header)
            .field("stats", &self.stats)
            .finish_non_exhaustive()
    }
}
