//! How much of a range a partial tree has.

use core::fmt;
use core::iter::FusedIterator;

use super::event::Event;
use super::walk::Walker;
use crate::error::Result;
use crate::lookup::Gap;
use crate::store::BlockStore;

/// How much is at hand of the keys that a walk is about, and of their records: see
/// [`Walker::completeness`](super::Walker::completeness).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Completeness {
    /// Entries that are known.
    pub entries: u64,
    /// Those of them whose records are not at hand. None if the walk was not to look records up.
    pub missing_records: u64,
    /// Nodes that are not at hand, each of which may hide entries: [`Walker::gaps`](super::Walker::gaps) tells which.
    pub gaps: u64,
}

impl Completeness {
    /// Whether every key is known: any tree with this root has these and no others.
    #[must_use]
    pub fn has_all_keys(&self) -> bool {
        self.gaps == 0
    }

    /// Whether every key is known and every record at hand.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.has_all_keys() && self.missing_records == 0
    }

    pub(super) fn of<S: BlockStore>(mut walk: Walker<'_, S>) -> Result<Self> {
        let mut found = Completeness::default();
        while let Some(event) = walk.next_event()? {
            let (entries, missing_records, gaps) = match event {
                Event::Node { .. } => (0, 0, 0),
                Event::Entry { .. } | Event::Record { .. } => (1, 0, 0),
                Event::MissingRecord { .. } => (1, 1, 0),
                Event::MissingSubtree { .. } => (0, 0, 1),
                Event::BadRecord { error, .. } | Event::BadSubtree { error, .. } => return Err(error),
            };
            found.entries = found.entries.saturating_add(entries);
            found.missing_records = found.missing_records.saturating_add(missing_records);
            found.gaps = found.gaps.saturating_add(gaps);
        }
        Ok(found)
    }
}

/// The nodes that are missing where a walk is about: see [`Walker::gaps`](super::Walker::gaps).
///
/// A plain iterator. After an error, every later call gives `None`.
#[must_use]
pub struct Gaps<'s, S: BlockStore> {
    walk: Option<Walker<'s, S>>,
}

impl<'s, S: BlockStore> Gaps<'s, S> {
    pub(super) fn of(walk: Walker<'s, S>) -> Self {
        Gaps { walk: Some(walk) }
    }

    fn try_next(&mut self) -> Result<Option<Gap>> {
        let Some(walk) = &mut self.walk else {
            return Ok(None);
        };
        while let Some(event) = walk.next_event()? {
            match event {
                Event::MissingSubtree { cid, interval, layer } => {
                    return Ok(Some(Gap { cid, interval: interval.to_owned(), layer }));
                }
                Event::BadSubtree { error, .. } => return Err(error),
                _ => {}
            }
        }
        Ok(None)
    }
}

impl<S: BlockStore> Iterator for Gaps<'_, S> {
    type Item = Result<Gap>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.try_next();
        if next.is_err() {
            self.walk = None;
        }
        next.transpose()
    }
}

impl<S: BlockStore> FusedIterator for Gaps<'_, S> {}

impl<S: BlockStore> fmt::Debug for Gaps<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Gaps").field(&self.walk).finish()
    }
}
