//! How much of a range a partial tree has.

use core::fmt;
use core::iter::FusedIterator;

use super::event::Event;
use super::lookup::Gap;
use super::walk::Walker;
use crate::error::Result;
use crate::store::BlockStore;

/// How much is at hand of the keys that a walk is about, and of their records: see
/// [`Walker::completeness`](super::Walker::completeness).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Completeness {
    /// Entries that are known.
    pub entries: u64,
    /// Those of them whose records are not at hand. `None` if the walk was not to look records up.
    pub missing_records: Option<u64>,
    /// Nodes that are not at hand, each of which may hide entries:
    /// [`Walker::gaps`](super::Walker::gaps) tells which.
    pub gaps: u64,
}

impl Completeness {
    /// Whether every key is known: any tree with this root has these and no others.
    #[must_use]
    pub fn has_all_keys(&self) -> bool {
        self.gaps == 0
    }

    /// Whether every key is known and every record at hand. Never if records were not looked up.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.has_all_keys() && self.missing_records == Some(0)
    }

    /// What a partial walk without nodes comes to, which looks records up or does not.
    pub(super) fn of<S: BlockStore>(mut walk: Walker<'_, S>, records: bool) -> Result<Self> {
        let (mut entries, mut missing_records, mut gaps) = (0_u64, 0_u64, 0_u64);
        while let Some(event) = walk.next_event()? {
            match event {
                Event::Node { .. } => {}
                Event::Entry { .. } | Event::Record { .. } => entries = entries.saturating_add(1),
                Event::MissingRecord { .. } => {
                    entries = entries.saturating_add(1);
                    missing_records = missing_records.saturating_add(1);
                }
                Event::MissingSubtree { .. } => gaps = gaps.saturating_add(1),
                Event::BadRecord { error, .. } | Event::BadSubtree { error, .. } => {
                    return Err(error);
                }
            }
        }
        Ok(Completeness { entries, missing_records: records.then_some(missing_records), gaps })
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
