//! A walk over a tree that has not begun: what is wanted of it.

use core::fmt;

use super::descent::Manner;
use super::frame::Order;
use super::range::KeyRange;
use super::window::Window;
use crate::cid::Cid;
use crate::error::Error;
use crate::store::BlockStore;
use crate::store::trust::Trust;

/// Configures a walk over a tree, in key order or in reverse; [`start`](Walk::start) begins it.
///
/// The walk starts at a root node, looks blocks up in a [`BlockStore`], and returns
/// [`Event`](super::Event)s. Every node is checked by all rules of the tree before its first entry
/// is returned. Blocks are verified, unless the store verified them while loading. By default the
/// walk is complete: a missing block is an error. Keys need not be repo paths: an invalid path does
/// not end the walk, and [`Entry::path`](super::Entry::path) returns the error.
///
/// After the first few entries, a complete walk reads up to eight sibling nodes together. A walk
/// that hashes also reads up to 128 nodes on each of the two lowest layers ahead, requests up to
/// 384 records ahead, and hashes them together. Every node, and the record of every entry, is still
/// requested exactly once, unless the memory limit leaves no room for what was read ahead. Errors
/// are the same, and come in the same order.
///
/// Once its buffers have grown, a walk allocates nothing per node or record, with one exception: a
/// walk that verifies remembers the digests of blocks of 1 KiB or more, so that a block with many
/// links is hashed only once. [`memory_limit`](Walk::memory_limit) bounds these digests.
///
/// ```
/// use carwalk::Repo;
/// use carwalk::mst::Event;
///
/// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
/// let repo = Repo::from_slice(bytes)?;
/// let mut walk = repo.walk().range("app.bsky.feed.like/".."app.bsky.feed.post/").start();
/// let (mut likes, mut len) = (0, 0);
/// while let Some(event) = walk.next_event()? {
///     if let Event::Record { block, .. } = event {
///         likes += 1;
///         len += block.len();
///     }
/// }
/// assert_eq!((likes, len), (16, 3392));
/// # Ok::<(), carwalk::Error>(())
/// ```
#[must_use = "a walk begins with `start`"]
pub struct Walk<'s, S> {
    pub(super) store: &'s S,
    pub(super) root: Cid,
    pub(super) options: WalkOptions,
    pub(super) manner: Manner,
    /// The keys that are wanted.
    pub(super) window: Window,
    /// An argument that was refused. No key is wanted then.
    pub(super) refused: Option<Error>,
}

/// What a walk shows, and whether it continues where something is missing or bad.
#[derive(Clone, Copy, Debug)]
pub(super) struct WalkOptions {
    pub(super) nodes: bool,
    pub(super) records: bool,
    pub(super) partial: bool,
}

impl<'s, S: BlockStore> Walk<'s, S> {
    /// Creates a complete walk over the tree below the node `root`, which looks records up and
    /// verifies every block that it reaches.
    pub fn new(store: &'s S, root: Cid) -> Self {
        let options = WalkOptions { nodes: false, records: true, partial: false };
        let manner = Manner {
            order: Order::Ascending,
            trust: Trust::HashWhenReached,
            memory_limit: u64::MAX,
        };
        Walk { store, root, options, manner, window: Window::all(), refused: None }
    }

    /// Sets whether nodes are events of their own. Off by default.
    pub fn nodes(mut self, yes: bool) -> Self {
        self.options.nodes = yes;
        self
    }

    /// Sets whether records are looked up. On by default; otherwise the walk returns their CIDs and
    /// never requests their blocks.
    pub fn records(mut self, yes: bool) -> Self {
        self.options.records = yes;
        self
    }

    /// Sets whether the walk continues where blocks are missing or nodes are bad, and returns these
    /// as events. Off by default.
    ///
    /// On any input, a partial walk makes at most `links * (height + 1)` node lookups. If several
    /// links lead to the same node, the node is parsed beyond its first key for only one of them.
    pub fn partial(mut self, yes: bool) -> Self {
        self.options.partial = yes;
        self
    }

    /// Sets the walk to go from the last key to the first.
    ///
    /// A node's event still comes before those of its entries. A reverse walk holds four bytes more
    /// for each entry of an open node.
    pub fn reverse(mut self) -> Self {
        self.manner.order = Order::Descending;
        self
    }

    /// Restricts the walk to the keys in a range. Several ranges narrow each other.
    ///
    /// Subtrees that cannot have such a key are not requested, whether they are present or not, so
    /// the walk goes straight down to the first key of the range. If a complete walk ends without
    /// an error, nothing in the range is missing.
    ///
    /// If a range ends before it starts, the walk returns an error of kind `Argument` and no events.
    pub fn range(self, range: impl Into<KeyRange>) -> Self {
        let range = range.into();
        let window = self.window.and(&range);
        self.over(window, range.check().err())
    }

    /// Sets the wanted keys to those in any of the ranges, which the caller has checked.
    pub(crate) fn ranges(self, ranges: Vec<KeyRange>) -> Self {
        debug_assert!(ranges.iter().all(|range| range.check().is_ok()));
        self.over(Window::of(ranges), None)
    }

    /// Sets the wanted keys to one.
    pub(crate) fn one(self, key: &[u8]) -> Self {
        self.over(Window::one(key), None)
    }

    fn over(mut self, window: Window, refused: Option<Error>) -> Self {
        self.refused = self.refused.or(refused);
        self.window = if self.refused.is_some() { Window::of(Vec::new()) } else { window };
        self
    }

    /// Sets the memory limit of the walk in bytes. Default: an eighth of the loader's memory limit,
    /// at least 1 MiB; no limit if the loader has none.
    ///
    /// The limit covers the open nodes, from the root down to the current one: their tables of
    /// entries, and their blocks if these are copies. It also covers nodes and records that were
    /// read ahead, which are dropped if there is no room, and the digests of a walk that verifies,
    /// which take at most half of the limit; blocks without a remembered digest are hashed once per
    /// link. The open nodes of real trees take a few kilobytes; what is read ahead takes more. The
    /// limit is checked after each node.
    pub fn memory_limit(mut self, bytes: u64) -> Self {
        self.manner.memory_limit = bytes;
        self
    }

    /// Sets how far the store's blocks are trusted: whether those without a mark are hashed.
    pub(crate) fn trust(mut self, trust: Trust) -> Self {
        self.manner.trust = trust;
        self
    }

    /// Returns a walk with the same settings.
    pub(crate) fn anew(&self) -> Self {
        debug_assert!(self.refused.is_none(), "a walk that was refused begins anew");
        Walk { window: self.window.clone(), refused: None, ..*self }
    }
}

impl<S> fmt::Debug for Walk<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Walk")
            .field("root", &self.root)
            .field("options", &self.options)
            .field("manner", &self.manner)
            .field("window", &self.window)
            .finish_non_exhaustive()
    }
}
