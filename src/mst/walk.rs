//! The settings of a walk over a tree.

use core::fmt;

use super::buffers::WalkBuffers;
use super::descent::Manner;
use super::frame::Order;
use super::range::KeyRange;
use super::window::Window;
use crate::cid::Cid;
use crate::error::Error;
use crate::reuse::Shelf;
use crate::store::BlockStore;
use crate::store::trust::Trust;

/// Configures a walk over a tree. [`start`](Walk::start) begins the walk.
///
/// The walk starts at a root node, looks blocks up in a [`BlockStore`], and returns
/// [`Event`](super::Event)s in key order. Before the first entry of a node is returned, all rules
/// of the tree are checked in the node. Blocks are verified, unless the store verified them while
/// loading, or the repository was opened with
/// [`Verification::DangerouslyNone`](crate::Verification::DangerouslyNone).
///
/// By default the walk is complete: a missing block is an error. Keys may be invalid paths, which
/// do not end the walk: [`Entry::path`](super::Entry::path) returns the error.
///
/// After the first 32 entries, or from the start if the blocks are [in the CPU's
/// cache](BlockStore::is_cached), a complete walk reads up to 8 sibling nodes together. A walk that
/// verifies blocks also reads up to 128 nodes ahead on each of the two lowest layers, requests up
/// to 384 records ahead, and hashes them together. Every node, and the record of every entry, is
/// still requested exactly once, unless the memory limit leaves no room for what was read ahead.
/// Reading ahead changes neither the errors nor their order.
///
/// Once its buffers have grown, a walk allocates nothing per node or record, with one exception: a
/// walk that verifies blocks remembers the digests of blocks of 1 KiB or more, so that a block with
/// many links is hashed only once. [`memory_limit`](Walk::memory_limit) bounds these digests.
///
/// # Examples
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
    pub(super) shelf: Option<&'s Shelf<WalkBuffers>>,
    pub(super) options: WalkOptions,
    pub(super) manner: Manner,
    /// The wanted keys.
    pub(super) window: Window,
    /// The error of an invalid argument. No key is wanted then.
    pub(super) refused: Option<Error>,
}

/// What a walk returns, and whether it continues where a block is missing or has a fault.
#[derive(Clone, Copy, Debug)]
pub(super) struct WalkOptions {
    pub(super) nodes: bool,
    pub(super) records: bool,
    pub(super) partial: bool,
}

impl<'s, S: BlockStore> Walk<'s, S> {
    /// Creates a complete walk over the tree below the node `root`. It looks records up, verifies
    /// every block that it reaches, and has no memory limit.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::mst::Walk;
    /// use carwalk::store::SliceStore;
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// # let data = carwalk::Repo::from_slice(bytes)?.commit().data();
    /// let store = SliceStore::new(bytes)?;
    /// let mut walk = Walk::new(&store, data).start();
    /// let mut records = 0;
    /// while walk.next_event()?.is_some() {
    ///     records += 1;
    /// }
    /// assert_eq!(records, 40);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn new(store: &'s S, root: Cid) -> Self {
        let options = WalkOptions { nodes: false, records: true, partial: false };
        let manner = Manner {
            order: Order::Ascending,
            trust: Trust::HashWhenReached,
            memory_limit: u64::MAX,
        };
        Walk { store, root, shelf: None, options, manner, window: Window::all(), refused: None }
    }

    /// Sets whether the walk returns an [`Event::Node`](super::Event::Node) for each node, before
    /// its entries and subtrees. Off by default.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::Repo;
    /// use carwalk::mst::Event;
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// let repo = Repo::from_slice(bytes)?;
    /// let mut walk = repo.walk().nodes(true).start();
    /// let Some(Event::Node { layer, depth, block, .. }) = walk.next_event()? else { panic!() };
    /// assert_eq!((layer.get(), depth, block.len()), (1, 0, 949));
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn nodes(mut self, yes: bool) -> Self {
        self.options.nodes = yes;
        self
    }

    /// Sets whether records are looked up. On by default. If off, the walk is an entries-only walk:
    /// it returns [`Event::Entry`](super::Event::Entry) and never requests records.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::Repo;
    /// use carwalk::mst::Event;
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// let repo = Repo::from_slice(bytes)?;
    /// let mut walk = repo.walk().records(false).start();
    /// let Some(Event::Entry { entry, .. }) = walk.next_event()? else { panic!() };
    /// assert_eq!(entry.key(), b"app.bsky.actor.profile/self");
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn records(mut self, yes: bool) -> Self {
        self.options.records = yes;
        self
    }

    /// Sets whether the walk continues where blocks are missing or damaged or break a rule, and
    /// returns an event for each of them. Off by default.
    ///
    /// On any input, a partial walk makes at most `links * (height + 1)` node lookups, where
    /// `links` is the number of links to nodes, including the one to the root. If several links
    /// lead to one node, the walk stops at the node's first key for all but one of them. A partial
    /// walk does not read nodes ahead.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::Repo;
    /// use carwalk::mst::Event;
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// # let repo = Repo::from_slice(bytes)?;
    /// # let mut bytes = Vec::new();
    /// # repo.prove().range(..).records(false).write(&mut bytes)?;
    /// // A CAR with all nodes and no records.
    /// let repo = Repo::from_slice(&bytes)?;
    /// assert!(repo.walk().start().next_event().is_err());
    /// let mut walk = repo.walk().partial(true).start();
    /// let Some(Event::MissingRecord { entry, .. }) = walk.next_event()? else { panic!() };
    /// assert_eq!(entry.key(), b"app.bsky.actor.profile/self");
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn partial(mut self, yes: bool) -> Self {
        self.options.partial = yes;
        self
    }

    /// Reverses the walk: it goes from the last key to the first.
    ///
    /// The event of a node still comes before those of its entries. A reverse walk takes 4 more
    /// bytes of memory per entry of an open node.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::Repo;
    /// use carwalk::mst::Event;
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// let repo = Repo::from_slice(bytes)?;
    /// let mut walk = repo.walk().reverse().start();
    /// let Some(Event::Record { entry, .. }) = walk.next_event()? else { panic!() };
    /// assert_eq!(entry.key(), b"app.bsky.graph.follow/3l4ojejn3g22l");
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn reverse(mut self) -> Self {
        self.manner.order = Order::Descending;
        self
    }

    /// Restricts the walk to the keys in a range. Several ranges intersect: the walk returns the
    /// keys that are in all of them. Those of [`ranges`](Walk::ranges) and
    /// [`ProofBuilder::range`](crate::ProofBuilder::range) add up instead.
    ///
    /// Subtrees that cannot have such a key are not requested, whether they are present or not. So
    /// the first event costs at most `height + 1` node lookups. If a complete walk ends without an
    /// error, nothing in the range is missing.
    ///
    /// If a range ends before it starts, the walk returns an error of kind `Argument` and no
    /// events.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::{KeyRange, Repo};
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// let repo = Repo::from_slice(bytes)?;
    /// let posts = KeyRange::collection("app.bsky.feed.post")?;
    /// let since = "app.bsky.feed.post/3l4o"..;
    /// assert_eq!(repo.walk().range(posts).range(since).completeness()?.entries, 6);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn range(self, range: impl Into<KeyRange>) -> Self {
        let range = range.into();
        let window = self.window.and(&range);
        self.over(window, range.check().err())
    }

    /// Restricts the walk to the keys in any of several ranges. They may overlap, and come in any
    /// order: the walk returns each key once, in key order.
    ///
    /// Subtrees that cannot have a key in any of the ranges are not requested. Like that of
    /// [`range`](Walk::range), the restriction is added to those before: if other ranges were set,
    /// only keys that are in them too are returned. Without any range in `ranges`, the walk returns
    /// no keys. Each step of the walk takes time in proportion to the logarithm of the number of
    /// ranges.
    ///
    /// If a range ends before it starts, the walk returns an error of kind `Argument` and no
    /// events.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::{KeyRange, Repo};
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// let repo = Repo::from_slice(bytes)?;
    /// let collections = ["app.bsky.feed.post", "app.bsky.feed.like"].map(KeyRange::collection);
    /// let ranges = collections.into_iter().collect::<Result<Vec<_>, _>>()?;
    /// assert_eq!(repo.walk().ranges(&ranges).completeness()?.entries, 30);
    /// // Of those, the ones from a record key on.
    /// let new = "app.bsky.feed.post/3l4o"..;
    /// assert_eq!(repo.walk().ranges(ranges).range(new).completeness()?.entries, 6);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn ranges<R: Into<KeyRange>>(self, ranges: impl IntoIterator<Item = R>) -> Self {
        let ranges: Vec<KeyRange> = ranges.into_iter().map(Into::into).collect();
        let refused = ranges.iter().find_map(|range| range.check().err());
        let window = self.window.and_any(ranges);
        self.over(window, refused)
    }

    /// Restricts the walk to one key. Only the nodes on its [search path](super), at most
    /// `height + 1`, and its record are requested.
    ///
    /// A [`range`](Walk::range) with one key also requests the nodes below the key's layer, which
    /// cannot have it. If the key is not in the ranges that were set before, no key is wanted.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::Repo;
    /// use carwalk::mst::Event;
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// let repo = Repo::from_slice(bytes)?;
    /// let mut walk = repo.walk().nodes(true).key("app.bsky.feed.post/3l4ozvargq22l").start();
    /// let mut layers = Vec::new();
    /// while let Some(event) = walk.next_event()? {
    ///     match event {
    ///         Event::Node { layer, .. } => layers.push(layer.get()),
    ///         Event::Record { block, .. } => assert_eq!((block.len(), layers.len()), (89, 2)),
    ///         _ => {}
    ///     }
    /// }
    /// assert_eq!(layers, [1, 0]);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn key(self, key: impl AsRef<[u8]>) -> Self {
        let window = self.window.and_key(key.as_ref());
        self.over(window, None)
    }

    fn over(mut self, window: Window, refused: Option<Error>) -> Self {
        self.refused = self.refused.or(refused);
        self.window = if self.refused.is_some() { Window::of(Vec::new()) } else { window };
        self
    }

    /// Sets the memory limit of the walk in bytes. Default: an eighth of the loader's memory limit,
    /// at least 1 MiB; no limit if the loader has none.
    ///
    /// The limit covers:
    ///
    /// - the open nodes, from the root down to the current one: their tables of entries, and their
    ///   blocks if these are copies. In real trees they take a few kilobytes. If they exceed the
    ///   limit, the walk returns an error of kind `Limit`.
    /// - nodes and records that were read ahead. They are dropped if there is no room for them.
    /// - the digests of a walk that verifies blocks, at most half of the limit. A block whose
    ///   digest is not remembered is hashed once per link.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::{ErrorClass, Repo};
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// let repo = Repo::from_slice(bytes)?;
    /// assert_eq!(repo.walk().memory_limit(64 << 10).completeness()?.entries, 40);
    /// let error = repo.walk().memory_limit(100).completeness().unwrap_err();
    /// assert_eq!(error.class(), ErrorClass::Limit);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn memory_limit(mut self, bytes: u64) -> Self {
        self.manner.memory_limit = bytes;
        self
    }

    /// Takes the buffers of the walk from a shelf, and puts them back at its end.
    pub(crate) fn buffers(mut self, shelf: Option<&'s Shelf<WalkBuffers>>) -> Self {
        self.shelf = shelf;
        self
    }

    /// Sets whether blocks that the store has not verified are hashed.
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
