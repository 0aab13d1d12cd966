//! The differences between two trees, or between a tree and sorted rows.
//!
//! ```text
//! old   [ a  .  m  .  ]      both sides go through their items in key order:
//!            |     |         an entry, or a link to a subtree
//! new   [ a  .  n  .  ]
//!            |     |
//!       equal CIDs: skipped unread
//! ```
//!
//! Of two links that differ, the one of the higher layer is opened, so that equal subtrees meet. Of
//! a link and an entry, the link is opened, unless the entry comes before it.

mod change;
mod rows;
mod side;
mod tree;

use core::cmp::Ordering;
use core::fmt;

pub use self::change::{Change, DiffSide};
pub use self::rows::RowSide;
pub(crate) use self::side::Side;
use self::side::{Item, Opened};
pub use self::tree::TreeSide;
use super::Layer;
use super::read_node::{Keys, MAX_PREFETCH};
use crate::cid::Cid;
use crate::error::{KeyInterval, Result};

/// An iterator over the differences between two trees, or between sorted rows and a tree, in key
/// order: see [`Repo::diff`](crate::Repo::diff) and [`Repo::diff_rows`](crate::Repo::diff_rows).
///
/// Subtrees whose roots have equal CIDs are skipped, even if their blocks are missing, so the cost
/// depends on the size of the change and not on the size of the trees. Records are never read. All
/// rules of the tree are checked in each node that is read. Memory: one open node for each layer
/// and side, and an allocation for each change.
///
/// After an error, every later call returns `None`.
///
/// # Examples
///
/// ```
/// use carwalk::Repo;
/// use carwalk::mst::Change;
///
/// # let bytes: &[u8] = include_bytes!("../../../samples/repo.car");
/// # let mut rows = Vec::new();
/// let repo = Repo::from_slice(bytes)?;
/// // What a database has: all entries but the first.
/// for entry in repo.entries().skip(1) {
///     let entry = entry?;
///     rows.push((entry.path().as_str().as_bytes().to_vec(), entry.cid()));
/// }
/// let changes: Vec<Change> = repo.diff_rows(rows.into_iter().map(Ok)).collect::<Result<_, _>>()?;
/// let [Change::Created { key, cid, .. }] = &changes[..] else { panic!() };
/// assert_eq!(&key[..], b"app.bsky.actor.profile/self");
/// assert_eq!(repo.get("app.bsky.actor.profile/self")?.cid(), Some(*cid));
/// # Ok::<(), carwalk::Error>(())
/// ```
#[must_use = "an iterator does nothing unless it is used"]
pub struct Diff<O, N> {
    old: O,
    new: N,
    partial: bool,
    /// Where keys of the old side are unknown on the new side, and the other way round.
    old_hidden: Hidden,
    new_hidden: Hidden,
    /// The keys of two nodes that are read together.
    keys: Keys,
    has_ended: bool,
    is_complete: bool,
}

/// How far a missing node of one side hides keys of the other. All keys up to the current position
/// were passed, so an upper bound is enough.
#[derive(Debug)]
enum Hidden {
    Below(Vec<u8>),
    All,
}

/// The next step of a diff.
#[derive(Clone, Copy, Debug)]
enum Action {
    /// Passes the items of both sides: equal links, or entries with equal keys.
    PassBoth,
    PassOld,
    PassNew,
    OpenOld,
    OpenNew,
    /// Opens the links of both sides, which are on this layer and have the same bounds.
    OpenBoth(Layer),
    End,
}

impl<O: Side, N: Side> Diff<O, N> {
    pub(crate) fn new(old: O, new: N) -> Self {
        Diff {
            old,
            new,
            partial: false,
            old_hidden: Hidden::NONE,
            new_hidden: Hidden::NONE,
            keys: Keys::default(),
            has_ended: false,
            is_complete: true,
        }
    }

    /// Sets whether the diff continues where a node is missing. Off by default: a missing node that
    /// is needed is an error. If on, the iterator returns [`Change::Unknown`] for it.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::Repo;
    /// use carwalk::mst::Change;
    ///
    /// # let bytes: &[u8] = include_bytes!("../../../samples/repo.car");
    /// let (repo, mut car) = (Repo::from_slice(bytes)?, Vec::new());
    /// repo.prove().key("app.bsky.actor.profile/self").write(&mut car)?;
    /// // The root and one record, and all other nodes missing: compared with no rows.
    /// let part = Repo::from_slice(&car)?;
    /// let rows = || std::iter::empty::<carwalk::Result<(Vec<u8>, carwalk::Cid)>>();
    /// assert!(part.diff_rows(rows()).any(|change| change.is_err()));
    /// let changes: Vec<_> = part.diff_rows(rows()).partial(true).collect::<Result<_, _>>()?;
    /// let unknown = changes.iter().filter(|change| matches!(change, Change::Unknown { .. }));
    /// assert_eq!((changes.len(), unknown.count()), (17, 8));
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn partial(mut self, yes: bool) -> Self {
        self.partial = yes;
        self
    }

    /// Sets whether the CIDs of the nodes that are read are kept, for
    /// [`created_nodes`](Diff::created_nodes) and [`deleted_nodes`](Diff::deleted_nodes). Off by
    /// default. Takes up to 100 bytes of memory for each node.
    ///
    /// # Examples
    ///
    /// See [`created_nodes`](Diff::created_nodes).
    pub fn nodes(mut self, yes: bool) -> Self {
        self.old.keep_opened(yes);
        self.new.keep_opened(yes);
        self
    }

    /// Returns the CIDs of the nodes that only the new tree has, in any order. Needs
    /// [`nodes(true)`](Diff::nodes); empty without it. All are known when the iterator has ended
    /// and [`is_complete`](Diff::is_complete) is true.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::Repo;
    ///
    /// # let bytes: &[u8] = include_bytes!("../../../samples/repo.car");
    /// let repo = Repo::from_slice(bytes)?;
    /// let empty = std::iter::empty::<carwalk::Result<(Vec<u8>, carwalk::Cid)>>();
    /// let mut diff = repo.diff_rows(empty).nodes(true);
    /// assert_eq!(diff.by_ref().count(), 40);
    /// assert_eq!(diff.created_nodes().count(), 9);
    /// assert_eq!(diff.deleted_nodes().count(), 0);
    /// assert!(diff.is_complete());
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn created_nodes(&self) -> impl Iterator<Item = Cid> {
        self.new.opened().filter(|cid| !self.old.has_opened(cid))
    }

    /// Returns the CIDs of the nodes that only the old tree has, under the same conditions as
    /// [`created_nodes`](Diff::created_nodes). Rows have no nodes.
    ///
    /// # Examples
    ///
    /// See [`created_nodes`](Diff::created_nodes).
    pub fn deleted_nodes(&self) -> impl Iterator<Item = Cid> {
        self.old.opened().filter(|cid| !self.new.has_opened(cid))
    }

    /// Returns whether no [`Change::Unknown`] was returned so far.
    ///
    /// # Examples
    ///
    /// See [`created_nodes`](Diff::created_nodes).
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.is_complete
    }

    fn next_change(&mut self) -> Result<Option<Change>> {
        loop {
            let change = match self.next_action()? {
                Action::PassBoth => self.pass_both(),
                Action::PassOld => Self::pass(&mut self.old, &self.old_hidden, deleted),
                Action::PassNew => Self::pass(&mut self.new, &self.new_hidden, created),
                Action::OpenOld => self.open_old()?,
                Action::OpenNew => self.open_new()?,
                Action::OpenBoth(layer) => {
                    self.read_both(layer);
                    // The new side is next, because its layer is higher then.
                    self.open_old()?
                }
                Action::End => return Ok(None),
            };
            if change.is_some() {
                return Ok(change);
            }
        }
    }

    fn next_action(&mut self) -> Result<Action> {
        let Diff { old, new, old_hidden, new_hidden, .. } = self;
        if let (Some(old), Some(new)) = (old.node(), new.node()) {
            old.pass_equal(new);
        }
        old.advance()?;
        new.advance()?;
        Ok(match (old.item(), new.item()) {
            (Item::End, Item::End) => Action::End,
            (Item::Entry { key: old, .. }, Item::Entry { key: new, .. }) => match old.cmp(new) {
                Ordering::Less => Action::PassOld,
                Ordering::Equal => Action::PassBoth,
                Ordering::Greater => Action::PassNew,
            },
            (
                Item::Link { cid: old, layer: old_layer, .. },
                Item::Link { cid: new, layer: new_layer, .. },
            ) if old == new && may_be_equal(old_layer, new_layer) => Action::PassBoth,
            (Item::Link { interval, .. }, _) if old_hidden.hides(&interval) => Action::PassOld,
            (_, Item::Link { interval, .. }) if new_hidden.hides(&interval) => Action::PassNew,
            (
                Item::Link { layer: old, interval: old_interval, .. },
                Item::Link { layer: new, interval: new_interval, .. },
            ) => open_higher(old, new, old_interval == new_interval),
            (Item::Link { cid, layer, interval }, Item::Entry { key, .. }) => {
                let is_first =
                    begins_after(&interval, key) || leads_to(new.next_link(), cid, layer);
                if is_first { Action::PassNew } else { Action::OpenOld }
            }
            (Item::Entry { key, .. }, Item::Link { cid, layer, interval }) => {
                let is_first =
                    begins_after(&interval, key) || leads_to(old.next_link(), cid, layer);
                if is_first { Action::PassOld } else { Action::OpenNew }
            }
            (Item::Link { .. }, Item::End) => Action::OpenOld,
            (Item::End, Item::Link { .. }) => Action::OpenNew,
            (Item::Entry { .. }, Item::End) => Action::PassOld,
            (Item::End, Item::Entry { .. }) => Action::PassNew,
        })
    }

    /// Passes equal links, or entries of one key, and returns the update if their records differ.
    fn pass_both(&mut self) -> Option<Change> {
        let change = match (self.old.item(), self.new.item()) {
            (Item::Entry { key, cid: old }, Item::Entry { cid: new, .. }) if old != new => {
                Some(Change::Updated { key: key.into(), old: *old, new: *new })
            }
            _ => None,
        };
        self.old.pass();
        self.new.pass();
        change
    }

    /// Passes an item that only one side has: a hidden link, or an entry, which is a change unless
    /// the other side may have it, too.
    fn pass(
        side: &mut impl Side,
        hidden: &Hidden,
        change: fn(Box<[u8]>, Cid) -> Change,
    ) -> Option<Change> {
        let change = match side.item() {
            Item::Entry { key, cid } if !hidden.has(key) => Some(change(key.into(), *cid)),
            _ => None,
        };
        side.pass();
        change
    }

    /// Reads the nodes of both sides, so that their keys are hashed together.
    fn read_both(&mut self, layer: Layer) {
        let Diff { old, new, keys, .. } = self;
        keys.clear();
        old.read(keys);
        let of_old = keys.len();
        new.read(keys);
        // Most nodes differ in one link.
        let pairs = old.links().zip(new.links()).filter(|(a, b)| a != b);
        for (old_cid, new_cid) in pairs.take(MAX_PREFETCH) {
            old.prefetch(&old_cid);
            new.prefetch(&new_cid);
        }
        let good = keys.count_of(layer);
        old.judge(good >= of_old);
        new.judge(good >= keys.len());
    }

    fn open_old(&mut self) -> Result<Option<Change>> {
        let missing = Self::open(&mut self.old, DiffSide::Old, self.partial)?;
        Ok(self.note_missing(missing))
    }

    fn open_new(&mut self) -> Result<Option<Change>> {
        let missing = Self::open(&mut self.new, DiffSide::New, self.partial)?;
        Ok(self.note_missing(missing))
    }

    /// Opens the link of a side. Returns what is unknown if its node is missing.
    fn open(side: &mut impl Side, name: DiffSide, partial: bool) -> Result<Option<Change>> {
        let missing = match (side.open(partial)?, side.item()) {
            (Opened::Missing, Item::Link { cid, layer, interval }) => {
                Change::Unknown { side: name, node: *cid, layer, interval: interval.to_owned() }
            }
            _ => return Ok(None),
        };
        side.pass();
        Ok(Some(missing))
    }

    fn note_missing(&mut self, missing: Option<Change>) -> Option<Change> {
        if let Some(Change::Unknown { side, interval, .. }) = &missing {
            self.is_complete = false;
            let hidden = match side {
                DiffSide::Old => &mut self.new_hidden,
                DiffSide::New => &mut self.old_hidden,
            };
            hidden.extend(interval);
        }
        missing
    }
}

fn created(key: Box<[u8]>, cid: Cid) -> Change {
    Change::Created { key, cid }
}

fn deleted(key: Box<[u8]>, old: Cid) -> Change {
    Change::Deleted { key, old }
}

/// Returns whether one node can be on these layers. If not, one of the trees breaks a rule, which
/// is found when the node is opened.
fn may_be_equal(old: Option<Layer>, new: Option<Layer>) -> bool {
    old.zip(new).is_none_or(|(old, new)| old == new)
}

/// Returns which of two different links is opened: the one of the higher layer, so that equal
/// subtrees meet. A root of unknown layer is opened first.
fn open_higher(old: Option<Layer>, new: Option<Layer>, have_same_bounds: bool) -> Action {
    match (old, new) {
        // Neither node can come again: a later subtree has other keys.
        (Some(old), Some(new)) if old == new && have_same_bounds => Action::OpenBoth(old),
        (None, _) => Action::OpenOld,
        (old, new) if old >= new && new.is_some() => Action::OpenOld,
        _ => Action::OpenNew,
    }
}

/// Returns whether the link after an entry leads to the same subtree as a link of the other side.
/// Then the entry comes before all keys of the subtree, so it need not be opened.
fn leads_to(next: Option<(Cid, Layer)>, cid: &Cid, layer: Option<Layer>) -> bool {
    next.is_some_and(|(next_cid, next_layer)| next_cid == *cid && layer == Some(next_layer))
}

/// Returns whether all keys of an interval are above a key.
fn begins_after(interval: &KeyInterval<&[u8]>, key: &[u8]) -> bool {
    interval.lower.is_some_and(|lower| key <= lower)
}

impl Hidden {
    const NONE: Self = Hidden::Below(Vec::new());

    /// Returns whether a key that was not passed yet is hidden.
    fn has(&self, key: &[u8]) -> bool {
        match self {
            Hidden::Below(bound) => key < bound.as_slice(),
            Hidden::All => true,
        }
    }

    /// Returns whether all keys of an interval are hidden.
    fn hides(&self, interval: &KeyInterval<&[u8]>) -> bool {
        match self {
            Hidden::Below(bound) => interval.upper.is_some_and(|upper| upper <= bound.as_slice()),
            Hidden::All => true,
        }
    }

    fn extend(&mut self, interval: &KeyInterval) {
        match (&interval.upper, &mut *self) {
            (None, _) | (_, Hidden::All) => *self = Hidden::All,
            (Some(upper), Hidden::Below(bound)) => {
                if bound.as_slice() < &upper[..] {
                    bound.clear();
                    bound.extend_from_slice(upper);
                }
            }
        }
    }
}

impl<O: Side, N: Side> Iterator for Diff<O, N> {
    type Item = Result<Change>;

    fn next(&mut self) -> Option<Result<Change>> {
        if self.has_ended {
            return None;
        }
        let change = self.next_change().transpose();
        self.has_ended = !matches!(change, Some(Ok(_)));
        change
    }
}

impl<O: Side, N: Side> core::iter::FusedIterator for Diff<O, N> {}

impl<O, N> fmt::Debug for Diff<O, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Diff")
            .field("partial", &self.partial)
            .field("is_complete", &self.is_complete)
            .finish_non_exhaustive()
    }
}
