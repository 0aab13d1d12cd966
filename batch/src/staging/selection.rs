//! The selected rows of a repository, and their columns.

use carwalk::mst::Walk;
use carwalk::store::CarStore;
use carwalk::{KeyRange, Repo};

use crate::columns::Columns;

/// The selected rows of a repository, and their selected columns.
///
/// # Examples
///
/// ```
/// use carwalk::{KeyRange, Repo};
/// use carwalk_batch::staging::Selection;
///
/// # let bytes: &[u8] = include_bytes!("../../../samples/repo.car");
/// let repo = Repo::from_slice(bytes)?;
/// let selection = Selection::new("rkey".parse().unwrap())
///     .ranges(vec![KeyRange::collection("app.bsky.feed.post")?])
///     .range(KeyRange::from("app.bsky.feed.post/3l4o"..));
/// assert_eq!(selection.walk(&repo).completeness()?.entries, 6);
/// # Ok::<(), carwalk::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Selection {
    columns: Columns,
    ranges: Option<Vec<KeyRange>>,
    range: KeyRange,
    limit: Option<u64>,
    is_whole: bool,
}

impl Selection {
    /// Creates the selection of all rows.
    pub fn new(columns: Columns) -> Self {
        Selection { columns, ranges: None, range: KeyRange::all(), limit: None, is_whole: true }
    }

    /// Selects the keys that are in any of several ranges. Default: all keys.
    pub fn ranges(mut self, ranges: Vec<KeyRange>) -> Self {
        self.ranges = Some(ranges);
        self
    }

    /// Selects only keys that are also in this range. Default: all keys.
    pub fn range(mut self, range: KeyRange) -> Self {
        self.range = range;
        self
    }

    /// Sets the most rows of each repository: the first in key order. What follows is not read, so
    /// faults in it are not found. Default: no limit.
    pub fn limit(mut self, rows: Option<u64>) -> Self {
        self.limit = rows;
        self
    }

    /// Sets whether the rows of a repository are passed on all or none. On by default. If off, they
    /// are passed on as they are made, also if the visit fails later.
    pub fn whole(mut self, yes: bool) -> Self {
        self.is_whole = yes;
        self
    }

    /// Returns whether not all rows are selected.
    #[must_use]
    pub fn is_narrow(&self) -> bool {
        self.ranges.is_some() || self.range != KeyRange::all() || self.limit.is_some()
    }

    /// Returns the most rows of a repository.
    pub(super) fn most_rows(&self) -> u64 {
        self.limit.unwrap_or(u64::MAX)
    }

    /// Returns whether the rows of a repository are passed on all or none.
    pub(super) fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// Returns the columns.
    #[must_use]
    pub fn columns(&self) -> Columns {
        self.columns
    }

    /// Returns the walk over the selected keys. It looks records up only if a column needs their
    /// blocks.
    pub fn walk<'r, S: CarStore>(&self, repo: &'r Repo<S>) -> Walk<'r, S> {
        let walk = repo.walk().records(self.columns.needs_block());
        let walk = match &self.ranges {
            Some(ranges) => walk.ranges(ranges),
            None => walk,
        };
        walk.range(&self.range)
    }
}
