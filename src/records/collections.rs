//! The iterator over the names of collections.

use core::fmt;
use core::iter::FusedIterator;

use super::entries::Entries;
use crate::error::Result;
use crate::mst::{KeyRange, Walk};
use crate::store::BlockStore;

/// An iterator over the names of the collections of a tree in key order.
///
/// [`Repo::collections`](crate::Repo::collections) returns it. If it ends without an error, it has
/// returned every collection. Makes at most `height + 1` node lookups for each collection, and as
/// many at the end. The [height](crate::mst) is the layer of the root node. Records are not
/// requested.
///
/// # Errors
///
/// - `Missing` if a node on the way to the first key of a collection is missing
/// - `HashMismatch` if such a node does not hash to its CID
/// - `Tree`, `Malformed`, `NonCanonical` or `Limit` if such a node breaks a rule
/// - `Limit` if the open nodes exceed the memory limit of the walk
/// - `Path` if the first key of a collection is not a repo path or, with `strict_paths`, breaks the
///   full syntax
/// - `Store`, `Io` or `InvalidSpillFile` if the store fails
///
/// After an error, every later call returns `None`.
///
/// # Examples
///
/// The number of records in each collection:
///
/// ```
/// use carwalk::{KeyRange, Repo};
///
/// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
/// let repo = Repo::from_slice(bytes)?;
/// let mut counts = Vec::new();
/// for collection in repo.collections() {
///     counts.push(repo.entries_in(KeyRange::collection(&collection?)?).try_count()?);
/// }
/// assert_eq!(counts, [1, 16, 14, 9]);
/// # Ok::<(), carwalk::Error>(())
/// ```
#[must_use]
pub struct Collections<'s, S: BlockStore> {
    walk: Walk<'s, S>,
    strict_paths: bool,
    /// The keys of the collections to come; `None` at the end.
    rest: Option<KeyRange>,
}

impl<'s, S: BlockStore> Collections<'s, S> {
    pub(crate) fn new(walk: Walk<'s, S>, strict_paths: bool) -> Self {
        Collections { walk, strict_paths, rest: Some(KeyRange::all()) }
    }

    fn first_of(&self, range: KeyRange) -> Result<Option<String>> {
        let mut entries = Entries::new(self.walk.anew().range(range).start(), self.strict_paths);
        let first = entries.next().transpose()?;
        Ok(first.map(|entry| entry.path().collection().to_owned()))
    }
}

impl<S: BlockStore> Iterator for Collections<'_, S> {
    type Item = Result<String>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.rest.take()?;
        let name = self.first_of(rest);
        if let Ok(Some(name)) = &name {
            self.rest = Some(KeyRange::after_collection(name));
        }
        name.transpose()
    }
}

impl<S: BlockStore> FusedIterator for Collections<'_, S> {}

impl<S: BlockStore> fmt::Debug for Collections<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collections").field("rest", &self.rest).finish_non_exhaustive()
    }
}
