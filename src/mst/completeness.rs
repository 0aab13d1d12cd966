//! Sums over partial walks: how much of a range is present, and which nodes are missing.

use core::fmt;
use core::iter::FusedIterator;

use super::event::Event;
use super::lookup::Gap;
use super::walk::Walk;
use super::walker::Walker;
use crate::error::Result;
use crate::store::BlockStore;

impl<'s, S: BlockStore> Walk<'s, S> {
    /// Walks the whole range and reports how much of it is present.
    ///
    /// The walk is partial, whether [`partial`](Walk::partial) is set or not. With
    /// [`records(false)`](Walk::records), it looks up nodes only.
    ///
    /// # Errors
    ///
    /// - `HashMismatch` if a block does not hash to its CID
    /// - `Tree`, `Malformed`, `NonCanonical` or `Limit` if a node breaks a rule
    /// - `Limit` if the open nodes exceed the memory limit
    /// - `Argument` if a range ends before it starts
    /// - `Store`, `Io` or `InvalidSpillFile` if the store fails
    ///
    /// A missing node or record is not an error.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::{KeyRange, Repo};
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// let repo = Repo::from_slice(bytes)?;
    /// let posts = KeyRange::collection("app.bsky.feed.post")?;
    /// let posts = repo.walk().range(posts).completeness()?;
    /// assert!(posts.is_complete());
    /// assert_eq!(posts.entries, 14);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn completeness(self) -> Result<Completeness> {
        let records = self.options.records;
        Completeness::of(self.nodes(false).partial(true).start(), records)
    }

    /// Returns an iterator over the missing nodes of the range, in the order of the walk.
    ///
    /// The walk is partial, whether [`partial`](Walk::partial) is set or not. Records are not
    /// looked up.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::Repo;
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// # let repo = Repo::from_slice(bytes)?;
    /// # let mut bytes = Vec::new();
    /// # repo.prove().key("app.bsky.actor.profile/self").write(&mut bytes)?;
    /// // A proof of one record: the nodes beside its search path are missing.
    /// let repo = Repo::from_slice(&bytes)?;
    /// let gaps = repo.walk().gaps().collect::<Result<Vec<_>, _>>()?;
    /// assert_eq!(gaps.len(), 8);
    /// // They may hide other keys, but not the proven one.
    /// assert!(gaps.iter().any(|gap| gap.interval.contains(b"app.bsky.feed.post/3l4ozvargq22l")));
    /// assert!(!gaps.iter().any(|gap| gap.interval.contains(b"app.bsky.actor.profile/self")));
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn gaps(self) -> Gaps<'s, S> {
        Gaps { walk: Some(self.nodes(false).records(false).partial(true).start()) }
    }
}

/// The number of entries, missing records and gaps in a range: see
/// [`Walk::completeness`](super::Walk::completeness).
///
/// With the feature `serde`, it is serialized as
/// `{"entries": 40, "missing_records": 40, "gaps": 0}`.
///
/// # Examples
///
/// ```
/// use carwalk::Repo;
///
/// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
/// # let repo = Repo::from_slice(bytes)?;
/// # let mut bytes = Vec::new();
/// # repo.prove().range(..).records(false).write(&mut bytes)?;
/// // A CAR with all nodes and no records.
/// let repo = Repo::from_slice(&bytes)?;
/// let whole = repo.walk().completeness()?;
/// assert_eq!((whole.entries, whole.missing_records, whole.gaps), (40, Some(40), 0));
/// assert!(whole.has_all_keys());
/// assert!(!whole.is_complete());
/// # #[cfg(feature = "serde")]
/// assert_eq!(serde_json::to_value(&whole).unwrap()["missing_records"], 40);
/// # Ok::<(), carwalk::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Completeness {
    /// The number of known entries.
    pub entries: u64,
    /// The number of known entries whose records are missing, or `None` if records were not looked
    /// up.
    pub missing_records: Option<u64>,
    /// The number of missing nodes, each of which may hide entries.
    /// [`Walk::gaps`](super::Walk::gaps) lists them.
    pub gaps: u64,
}

impl Completeness {
    /// Returns whether every key in the range is known, because there is no gap.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::Repo;
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// # let repo = Repo::from_slice(bytes)?;
    /// # let mut bytes = Vec::new();
    /// # repo.prove().key("app.bsky.actor.profile/self").write(&mut bytes)?;
    /// // A proof of one record, the first: no key is before it, but keys after it are hidden.
    /// let repo = Repo::from_slice(&bytes)?;
    /// let until_first = ..="app.bsky.actor.profile/self";
    /// assert!(repo.walk().range(until_first).completeness()?.has_all_keys());
    /// assert!(!repo.walk().completeness()?.has_all_keys());
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    #[must_use]
    pub fn has_all_keys(&self) -> bool {
        self.gaps == 0
    }

    /// Returns whether every key in the range is known and every record is present. False if
    /// records were not looked up.
    ///
    /// # Examples
    ///
    /// ```
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// let repo = carwalk::Repo::from_slice(bytes)?;
    /// assert!(repo.walk().completeness()?.is_complete());
    /// // Not known, because the records were not looked up.
    /// assert!(!repo.walk().records(false).completeness()?.is_complete());
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.has_all_keys() && self.missing_records == Some(0)
    }

    /// Sums up a partial walk without nodes.
    fn of<S: BlockStore>(mut walk: Walker<'_, S>, records: bool) -> Result<Self> {
        let (mut entries, mut missing_records, mut gaps) = (0_u64, 0_u64, 0_u64);
        while let Some(event) = walk.next_event()? {
            match event {
                Event::Node { .. } => {}
                Event::Entry { .. } | Event::Record { .. } | Event::RepeatedRecord { .. } => {
                    entries = entries.saturating_add(1);
                }
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

/// An iterator over the missing nodes in the range of a walk: see
/// [`Walk::gaps`](super::Walk::gaps).
///
/// # Errors
///
/// - `HashMismatch` if a node does not hash to its CID
/// - `Tree`, `Malformed`, `NonCanonical` or `Limit` if a node breaks a rule
/// - `Limit` if the open nodes exceed the memory limit
/// - `Argument` if a range ends before it starts
/// - `Store`, `Io` or `InvalidSpillFile` if the store fails
///
/// After an error, every later call returns `None`.
///
/// # Examples
///
/// ```
/// use carwalk::Repo;
///
/// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
/// # let repo = Repo::from_slice(bytes)?;
/// # let mut bytes = Vec::new();
/// # repo.prove().key("app.bsky.actor.profile/self").write(&mut bytes)?;
/// // A proof of one record: the nodes beside its search path are missing.
/// let repo = Repo::from_slice(&bytes)?;
/// // The nodes to fetch before all likes are known.
/// let mut cids = Vec::new();
/// for gap in repo.walk().range("app.bsky.feed.like/".."app.bsky.feed.post/").gaps() {
///     cids.push(gap?.cid);
/// }
/// assert_eq!(cids.len(), 3);
/// # Ok::<(), carwalk::Error>(())
/// ```
#[must_use]
pub struct Gaps<'s, S: BlockStore> {
    walk: Option<Walker<'s, S>>,
}

impl<S: BlockStore> Gaps<'_, S> {
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
