//! The header, the counts and the fault of a loaded CAR.

use core::fmt;

use crate::car::{Header, Placement};
use crate::error::Error;

/// Counts of a loaded CAR.
///
/// # Examples
///
/// ```
/// use carwalk::car::Writer;
/// use carwalk::cid::{Cid, Codec};
/// use carwalk::store::{CarStore, SliceStore};
///
/// let block = b"\xa0";
/// let cid = Cid::of(Codec::DagCbor, block);
/// let mut writer = Writer::new(Vec::new(), &[cid])?;
/// writer.write(cid, block)?;
/// writer.write(cid, block)?;
/// let stats = SliceStore::new(writer.finish()?)?.stats();
/// // A header of 59 bytes, two sections of 38.
/// assert_eq!(stats.bytes, 59 + 2 * 38);
/// assert_eq!((stats.sections, stats.distinct_blocks), (2, 1));
/// assert_eq!(stats.repeated_blocks(), 1);
/// # Ok::<(), carwalk::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct CarStats {
    /// Length of the CAR up to the end of its last section, in bytes.
    pub bytes: u64,
    /// Number of sections.
    pub sections: u64,
    /// Number of distinct CIDs: sections that do not repeat the CID of an earlier one.
    pub distinct_blocks: u64,
}

impl CarStats {
    /// Returns the number of repeated blocks: sections that repeat the CID of an earlier one.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::Repo;
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// let twice = [bytes, &bytes[59..]].concat();
    /// // All sections once more, after those of a whole CAR.
    /// assert_eq!(Repo::from_slice(twice)?.stats().repeated_blocks(), 50);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    #[must_use]
    pub fn repeated_blocks(&self) -> u64 {
        self.sections.saturating_sub(self.distinct_blocks)
    }
}

/// The header, the counts and the fault of a loaded CAR.
pub(crate) struct Contents {
    pub(crate) header: Header,
    /// The placement of the first section.
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
