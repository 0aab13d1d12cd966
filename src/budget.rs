//! The shares of a memory limit.
//!
//! All shares follow from the limit `L` of a load, in bytes:
//!
//! | share | of `L` | at least | at most |
//! |---|---|---|---|
//! | a load before it is suspended | all | | |
//! | a walk over the loaded repository | 1/8 | 1 MiB | |
//! | of the walk, digests of verified blocks | 1/2 | | |
//! | redb's cache | 1/4 | 256 KiB | 4 MiB |
//! | of redb's cache, values of one transaction | 1/4 | | |
//! | sorting the index of a spill file | 1/8 | 1 MiB | 64 MiB |
//! | segments being filled, one for each group of collections | 1/32 | one segment | 16 segments |
//! | caches of a finished spill file | `L` minus redb's cache minus 1/8 | 256 KiB | |
//! | of the caches, pages of the index | all pages | | min(3/4, all but 1 MiB), but at least 1/4 |
//! | of the caches, segments | the rest | | |
//! | of the segments, the table of their blocks | 1/16 | 64 bytes | 32 MiB |
//!
//! Sorting and segments that are not full take memory only while a spill file is written, caches
//! only afterwards. Merging sorted runs of the index has the same share as sorting. A merge and the
//! pages of the index are written in one transaction, whatever their size.
//!
//! One share does not follow from the limit. redb writes to a kept spill file when it opens it, and
//! these writes are held in memory: at most 16 MiB plus 1/16 of the file's length.

/// Minimum limit of a walk, in bytes: enough for every tree that was not crafted to need more.
const MIN_WALK: u64 = 1 << 20;

/// The share of walks: one part in so many.
const WALK_PART: u64 = 8;

/// Memory of one cached index page, in bytes. Very few pages take more.
#[cfg(feature = "redb")]
const INDEX_PAGE_COST: u64 = 4096 + 128;

/// Cache memory that segments get before index pages, in bytes: in most block orders, a walk moves
/// between a few segments at a time.
#[cfg(feature = "redb")]
const MIN_OPEN_SEGMENTS: u64 = 1 << 20;

/// Maximum number of groups of blocks, each with its own segments.
#[cfg(feature = "redb")]
pub(crate) const MAX_GROUPS: usize = 16;

/// Maximum size of the table of blocks, in bytes.
#[cfg(feature = "redb")]
const MAX_BLOCK_TABLE: u64 = 32 << 20;

/// Cache size of a spilled store without a memory limit, in bytes.
#[cfg(feature = "redb")]
pub(crate) const DEFAULT_CACHE: u64 = 16 << 20;

/// A memory limit and its shares. `u64::MAX` means no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Budget {
    limit: u64,
}

impl Budget {
    pub(crate) const fn new(limit: u64) -> Self {
        Budget { limit }
    }

    /// Returns the memory limit of a walk, in bytes.
    pub(crate) fn walk(self) -> u64 {
        if self.limit == u64::MAX { u64::MAX } else { (self.limit / WALK_PART).max(MIN_WALK) }
    }
}

#[cfg(feature = "redb")]
impl Budget {
    /// Returns the size of redb's own cache, in bytes. It is small because blocks and index pages
    /// are cached outside of redb.
    pub(crate) fn redb(self) -> u64 {
        (self.limit / 4).clamp(1 << 18, 1 << 22)
    }

    /// Returns how many bytes one transaction may write. When half of its cache is dirty, redb
    /// writes pages early, and reads them again at the end of the transaction to compute checksums.
    pub(crate) fn transaction(self) -> u64 {
        self.redb() / 4
    }

    /// Returns the size of one sorted run of index entries, in bytes.
    pub(crate) fn sorting(self) -> u64 {
        (self.limit / 8).clamp(1 << 20, 1 << 26)
    }

    /// Returns how many segments of `len` bytes may be open for writing at the same time.
    pub(crate) fn filling_segments(self, len: usize) -> usize {
        let count = (self.limit / 32).checked_div(len as u64).unwrap_or(u64::MAX);
        usize::try_from(count).unwrap_or(usize::MAX).clamp(1, MAX_GROUPS)
    }

    /// Returns the size of the caches over a finished spill file, in bytes.
    pub(crate) fn caches(self) -> u64 {
        let rest = self.limit.saturating_sub(self.redb()).saturating_sub(self.limit / WALK_PART);
        rest.max(1 << 18)
    }

    /// Returns the cache sizes of index pages and of segments, in bytes, for an index of
    /// `index_pages` pages.
    ///
    /// Pages are requested in random order, so their cache is of use only if it holds nearly all of
    /// them. Segments are mostly requested one after the other.
    pub(crate) fn share_caches(self, index_pages: u32) -> (u64, u64) {
        let caches = self.caches();
        let all_pages = u64::from(index_pages).saturating_mul(INDEX_PAGE_COST);
        let fourth = caches / 4;
        let segments = fourth.max(MIN_OPEN_SEGMENTS.min(caches.saturating_sub(fourth)));
        let pages = all_pages.min(caches.saturating_sub(segments));
        (pages, caches.saturating_sub(pages))
    }
}

/// Returns the share of a walk's memory for digests, in bytes.
pub(crate) fn digests(walk: u64) -> u64 {
    walk / 2
}

/// Returns the share of the segments' memory for the table of their blocks, in bytes: an entry of 8
/// bytes for each 128 bytes of segments, about two entries for each block.
#[cfg(feature = "redb")]
pub(crate) fn block_table(segments: u64) -> u64 {
    (segments / 16).min(MAX_BLOCK_TABLE)
}

/// Returns the limit on writes to a kept spill file that are held in memory, in bytes. When redb
/// opens a file, it writes only its list of free pages.
#[cfg(feature = "redb")]
pub(crate) fn overlay(file_len: u64) -> u64 {
    (16_u64 << 20).saturating_add(file_len / 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(feature = "redb")]
    fn the_shares_of_a_store_and_a_walk_together_stay_within_the_limit() {
        for limit in [16 << 20, 100 << 20, 1 << 30, 1 << 40] {
            let budget = Budget::new(limit);
            assert!(budget.redb() + budget.caches() + budget.walk() <= limit, "{limit}");
            let filling = budget.filling_segments(16_372) as u64 * 16_372;
            assert!(budget.redb() + budget.sorting() + filling <= limit, "{limit}");
            for pages in [0, 1, 1000, u32::MAX] {
                let (pages, segments) = budget.share_caches(pages);
                assert_eq!(pages + segments, budget.caches());
                assert!(segments >= MIN_OPEN_SEGMENTS);
            }
        }
    }

    #[test]
    fn the_table_is_the_one_that_users_read() {
        let page = include_str!("guide/limits_and_stores.md");
        let rows = include_str!("budget.rs").lines().filter_map(|line| line.strip_prefix("//! |"));
        let mut count = 0;
        for row in rows {
            assert!(page.contains(&format!("\n|{row}\n")), "{row}");
            count += 1;
        }
        assert!(count > 10);
    }

    #[test]
    fn every_share_has_a_floor() {
        let budget = Budget::new(0);
        assert_eq!(budget.walk(), 1 << 20);
        #[cfg(feature = "redb")]
        assert_eq!([budget.redb(), budget.caches(), budget.sorting()], [1 << 18, 1 << 18, 1 << 20]);
        assert_eq!(Budget::new(u64::MAX).walk(), u64::MAX);
    }
}
