//! Options for the keys that are exported.

use carwalk::KeyRange;
use carwalk_batch::columns::Columns;
use carwalk_batch::staging::Selection;
use clap::Args;

use crate::failure::Cause;
use crate::keys::{self, Bounds};

/// Ranges of keys: several collections, and bounds.
#[derive(Args, Debug)]
pub(super) struct Ranges {
    /// Only the keys of this collection; can be repeated
    #[arg(
        long = "collection",
        value_name = "NSID",
        value_parser = keys::nsid,
        help_heading = "Ranges"
    )]
    pub(super) collections: Vec<String>,

    #[command(flatten)]
    pub(super) bounds: Bounds,
}

impl Ranges {
    /// Returns the keys that are in any of the collections and within the bounds.
    pub(super) fn select(&self, columns: Columns) -> Result<Selection, Cause> {
        let bounds = self.bounds.range();
        let collections = self.collections.iter().map(|name| KeyRange::collection(name));
        let collections = collections.collect::<carwalk::Result<Vec<_>>>()?;
        let is_empty = |range: &KeyRange| range.and(&bounds).is_empty();
        let is_contradiction =
            bounds.is_empty() || (!collections.is_empty() && collections.iter().all(is_empty));
        if is_contradiction {
            return Err(keys::CONTRADICTION);
        }
        let selection = Selection::new(columns).range(bounds);
        Ok(if collections.is_empty() { selection } else { selection.ranges(collections) })
    }
}
