//! The walk over a tree: what is wanted of it, and what it meets.
//!
//! [`Descent`] goes through the tree and checks it; this file decides which subtrees are entered,
//! looks up blocks, and turns each step into an [`Event`].

use core::fmt;

use super::ahead::ReadAhead;
use super::descent::{Descent, Fetched, Manner, Next};
use super::event::{Entry, EntryAndRecord, Event};
use super::frame::{Frame, Link, Order};
use super::lookup::{Gap, Lookup};
use super::range::KeyRange;
use super::window::{Side, Window};
use crate::cid::Cid;
use crate::error::{Error, ErrorKind, Result, Structure};
use crate::store::trust::Trust;
use crate::store::{Block, BlockStore};

/// A walk over a tree in key order, or in reverse.
///
/// Starts at a root node, looks blocks up in a [`BlockStore`], and returns one [`Event`] after the
/// other. Every node is checked by all rules of the tree before its first entry is returned. Blocks
/// are verified, unless the store verified them while loading. By default the walk is complete: a
/// missing block is an error.
///
/// After the first few entries, a complete walk reads sibling nodes in small batches. Every node is
/// still requested exactly once.
///
/// Once its buffers have grown, a walk allocates nothing per node or record, with one exception: a
/// walk that hashes remembers the digests of blocks from 1 KiB on, so that no such block is hashed
/// for each of many links. A [`memory_limit`](Walker::memory_limit) bounds them. After an error or
/// the end, every later call returns `None`.
///
/// ```
/// use carwalk::Repo;
/// use carwalk::mst::Event;
///
/// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
/// let repo = Repo::from_slice(bytes)?;
/// let mut walk = repo.walk();
/// let (mut records, mut len) = (0, 0);
/// while let Some(event) = walk.next_event()? {
///     if let Event::Record { block, .. } = event {
///         records += 1;
///         len += block.len();
///     }
/// }
/// assert_eq!(records, repo.records().count());
/// # assert!(len > 0);
/// # Ok::<(), carwalk::Error>(())
/// ```
#[must_use]
pub struct Walker<'s, S: BlockStore> {
    store: &'s S,
    options: Options,
    /// The keys that are wanted.
    window: Window,
    root: Cid,
    descent: Descent<S::Bytes<'s>>,
    ahead: ReadAhead<'s, S>,
    /// The record of the last step.
    record: Option<Block<S::Bytes<'s>>>,
}

#[derive(Clone, Copy, Debug)]
struct Options {
    nodes: bool,
    records: bool,
    partial: bool,
}

/// The result of one step. Owns what it says; an event is built from it.
enum Step {
    Done,
    Node,
    Entry { cid: Cid },
    Record { cid: Cid },
    MissingRecord { cid: Cid },
    BadRecord { cid: Cid, error: Error },
    MissingSubtree { link: Link },
    BadSubtree { link: Link, error: Error },
}

impl<'s, S: BlockStore> Walker<'s, S> {
    /// Creates a complete walk over the tree below the node `root`, which looks records up and
    /// verifies every block that it reaches.
    pub fn new(store: &'s S, root: Cid) -> Self {
        let options = Options { nodes: false, records: true, partial: false };
        let manner = Manner {
            order: Order::Ascending,
            trust: Trust::HashWhenReached,
            memory_limit: u64::MAX,
        };
        Walker::begin(store, root, options, manner, Window::all())
    }

    fn begin(store: &'s S, root: Cid, options: Options, manner: Manner, window: Window) -> Self {
        Walker {
            store,
            options,
            window,
            root,
            descent: Descent::new(root, manner),
            ahead: ReadAhead::new(store),
            record: None,
        }
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
    /// On any input, a partial walk makes at most `links * (height + 1)` node lookups. Of a node
    /// with several links, it reads no more than the first key, except at one of them.
    pub fn partial(mut self, yes: bool) -> Self {
        self.options.partial = yes;
        self
    }

    /// Sets whether the walk goes from the last key to the first. Off by default. The walk starts
    /// again from its beginning.
    ///
    /// A node's event still comes before those of its entries. A reverse walk holds four bytes more
    /// for each entry of an open node.
    pub fn reverse(mut self, yes: bool) -> Self {
        self.descent.manner.order = if yes { Order::Descending } else { Order::Ascending };
        let window = self.window.clone();
        self.over(window)
    }

    /// Restricts the walk to the keys in a range. The walk starts again from its beginning.
    ///
    /// Subtrees that cannot have such a key are not requested, whether they are present or not, so
    /// the walk goes straight down to the first key of the range. If a complete walk ends without
    /// an error, nothing in the range is missing.
    ///
    /// ```
    /// use carwalk::Repo;
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// let repo = Repo::from_slice(bytes)?;
    /// let mut walk = repo.walk().range("app.bsky.feed.like/".."app.bsky.feed.post/");
    /// # let mut likes = 0;
    /// while let Some(event) = walk.next_event()? {
    ///     println!("{event:?}");
    /// #   likes += 1;
    /// }
    /// # assert!(likes > 0 && likes < repo.records().count());
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn range(self, range: impl Into<KeyRange>) -> Self {
        let window = self.window.and(&range.into());
        self.over(window)
    }

    /// Restricts the walk to the keys that begin with `prefix`, as [`range`](Walker::range) does.
    pub fn prefix(self, prefix: impl AsRef<[u8]>) -> Self {
        self.range(KeyRange::prefix(prefix))
    }

    /// Restricts the walk to the keys of a collection, such as `app.bsky.feed.post`, as
    /// [`range`](Walker::range) does.
    pub fn collection(self, collection: &str) -> Self {
        self.range(KeyRange::collection(collection))
    }

    /// Sets the wanted keys to those in any of the ranges.
    pub(crate) fn ranges(self, ranges: Vec<KeyRange>) -> Self {
        self.over(Window::of(ranges))
    }

    /// Sets the wanted keys to one.
    pub(crate) fn one(self, key: &[u8]) -> Self {
        self.over(Window::one(key))
    }

    /// Returns the same walk over other keys. It starts again: what it passed over may be wanted.
    fn over(self, window: Window) -> Self {
        Walker::begin(self.store, self.root, self.options, self.descent.manner, window)
    }

    /// Returns a walk like this one from its beginning, in the other order.
    pub(crate) fn in_reverse(&self) -> Self {
        debug_assert!(self.descent.manner.order == Order::Ascending);
        let manner = Manner { order: Order::Descending, ..self.descent.manner };
        Walker::begin(self.store, self.root, self.options, manner, self.window.clone())
    }

    /// Returns a partial walk like this one from its beginning.
    pub(super) fn anew_in_part(mut self) -> Self {
        self.options.partial = true;
        let window = self.window.clone();
        self.over(window)
    }

    /// Returns whether records are looked up.
    pub(super) fn has_records(&self) -> bool {
        self.options.records
    }

    /// Leaves out the keys that another walk, in the other order, has passed.
    pub(crate) fn stop_before(&mut self, other: &Self) {
        if other.descent.depth().is_none() {
            return;
        }
        match self.descent.manner.order {
            Order::Ascending => self.window.end_before(other.descent.key()),
            Order::Descending => self.window.start_after(other.descent.key()),
        }
    }

    /// Sets the memory limit of the walk in bytes. No limit by default, except that nodes have a
    /// maximum length.
    ///
    /// The limit covers open nodes, from the root down to the current one: what is noted of their
    /// entries, and their blocks if these are copies. It also covers the digests that a walk
    /// remembers if it hashes; they take at most half of the limit. If there are more, the shorter
    /// blocks, or all, are hashed for each link. Real trees take a few kilobytes. The limit is
    /// checked after each node that was read. Nodes that were read ahead count too; they are
    /// dropped if there is no room for them.
    pub fn memory_limit(mut self, bytes: u64) -> Self {
        self.descent.manner.memory_limit = bytes;
        self
    }

    /// Sets how far the store's blocks are trusted: whether those without a mark are hashed.
    pub(crate) fn trust(mut self, trust: Trust) -> Self {
        self.descent.manner.trust = trust;
        self
    }

    /// Advances to the next event; `None` at the end.
    ///
    /// # Errors
    ///
    /// - `Missing` if a node or record is not in the store
    /// - `HashMismatch` if a block does not have its CID
    /// - `Tree`, `Malformed`, `NonCanonical` or `Limit` if a node breaks a rule
    /// - `Store` or `Io` if the store fails
    ///
    /// A partial walk returns events for all of these but the last.
    pub fn next_event(&mut self) -> Result<Option<Event<'_>>> {
        let step = self.advance()?;
        Ok(self.event(step))
    }

    /// Advances to the next entry, and returns it with its record if that was looked up. Only for
    /// complete walks without node events.
    pub(crate) fn next_entry(&mut self) -> Result<Option<EntryAndRecord<'_, S::Bytes<'s>>>> {
        match self.advance()? {
            Step::Entry { cid } | Step::Record { cid } => {
                let record = self.record.take();
                Ok(Some((self.entry(cid), record)))
            }
            Step::Done => Ok(None),
            _ => Err(Error::store("a complete walk over records came to something else")),
        }
    }

    /// Returns the answer that a partial walk over one key comes to: its first event.
    pub(crate) fn find(mut self) -> Result<Lookup<Block<S::Bytes<'s>>>> {
        match self.advance()? {
            Step::Record { cid } => Ok(Lookup::Present { cid, record: self.record.take() }),
            Step::Entry { cid } | Step::MissingRecord { cid } => {
                Ok(Lookup::Present { cid, record: None })
            }
            Step::Done => Ok(Lookup::Absent),
            Step::MissingSubtree { link } => {
                let interval = self.descent.interval(&link).to_owned();
                Ok(Lookup::Unknown(Gap { cid: link.cid, interval, layer: link.layer }))
            }
            Step::BadRecord { error, .. } | Step::BadSubtree { error, .. } => Err(error),
            Step::Node => Err(Error::store("a walk without nodes came to one")),
        }
    }

    /// Takes one step. No other follows an error.
    fn advance(&mut self) -> Result<Step> {
        let step = self.step();
        if step.is_err() {
            self.descent.stop();
        }
        step
    }

    fn step(&mut self) -> Result<Step> {
        self.record = None;
        loop {
            match self.descent.next()? {
                Next::Link(link) => {
                    if self.may_have(&link)
                        && let Some(step) = self.enter(link)?
                    {
                        return Ok(step);
                    }
                }
                Next::Entry(record) => {
                    match (self.window.side(self.descent.key()), self.descent.manner.order) {
                        (Side::Inside, _) => return self.look_up(record),
                        // All keys to come are outside of the window, too.
                        (Side::After, Order::Ascending) | (Side::Before, Order::Descending) => {
                            self.descent.stop();
                        }
                        _ => {}
                    }
                }
                Next::End => return Ok(Step::Done),
            }
        }
    }

    /// Returns whether a subtree can have a key that is wanted.
    #[inline]
    fn may_have(&self, link: &Link) -> bool {
        self.window.is_all() || self.window.touches(self.descent.interval(link), link.layer)
    }

    /// Enters the node of a link, unless it is missing or bad.
    fn enter(&mut self, link: Link) -> Result<Option<Step>> {
        let Options { nodes, partial, .. } = self.options;
        let Some(fetched) = self.fetch(&link)? else {
            if partial {
                return Ok(Some(Step::MissingSubtree { link }));
            }
            return Err(self.descent.missing(&link));
        };
        let was_read_ahead = fetched.read.is_some();
        match self.descent.enter(&link, fetched) {
            Ok(()) => {
                self.prepare(&link, was_read_ahead);
                Ok(nodes.then_some(Step::Node))
            }
            Err(error) if partial => Ok(Some(Step::BadSubtree { link, error })),
            Err(error) => Err(error),
        }
    }

    /// Looks the node of a link up, unless it was read ahead.
    #[inline]
    fn fetch(&mut self, link: &Link) -> Result<Option<Fetched<S::Bytes<'s>>>> {
        let Options { records, partial, .. } = self.options;
        // A partial walk goes on after a bad node, which must cost no more than its first key.
        let wants_all = !partial && self.descent.top().is_some_and(|frame| frame.is_covered);
        self.ahead.fetch(link, &mut self.descent, wants_all, records)
    }

    /// Prefetches what a node links to that was just entered, unless that was done.
    #[inline]
    fn prepare(&mut self, link: &Link, was_read_ahead: bool) {
        self.ahead.make_room(&self.descent);
        let is_covered = was_read_ahead
            || self.window.is_all()
            || self.window.covers(self.descent.interval(link));
        if let Some(frame) = self.descent.top_mut() {
            frame.is_covered = is_covered;
        }
        // At the border of a range most links lead out of it.
        if is_covered && !was_read_ahead {
            self.ahead.prefetch(&self.descent, self.options.records);
        }
    }

    fn look_up(&mut self, cid: Cid) -> Result<Step> {
        self.ahead.count_entry();
        if !self.options.records {
            return Ok(Step::Entry { cid });
        }
        let found = self.store.get(&cid).map_err(|error| self.in_record(error, cid, None))?;
        let Some(mut found) = found else {
            if self.options.partial {
                return Ok(Step::MissingRecord { cid });
            }
            let error = Error::new(ErrorKind::Missing { interval: None });
            return Err(self.in_record(error, cid, None));
        };
        if let Err(error) = self.descent.verify(cid, &mut found) {
            let error = self.in_record(error, cid, found.offset);
            return if self.options.partial {
                Ok(Step::BadRecord { cid, error })
            } else {
                Err(error)
            };
        }
        self.record = Some(found);
        Ok(Step::Record { cid })
    }

    #[cold]
    fn in_record(&self, error: Error, cid: Cid, offset: Option<u64>) -> Error {
        error.in_structure(Structure::Record).at(offset).of_cid(cid).of_key(self.descent.key())
    }

    #[inline]
    fn entry(&self, cid: Cid) -> Entry<'_> {
        debug_assert!(self.descent.depth().is_some(), "an entry without a node");
        Entry::new(self.descent.key(), cid, self.descent.depth().unwrap_or(0))
    }

    /// Returns the event of a step; `None` at the end.
    fn event(&self, step: Step) -> Option<Event<'_>> {
        debug_assert!(!matches!(step, Step::Node) || self.descent.top().is_some());
        debug_assert!(!matches!(step, Step::Record { .. }) || self.record.is_some());
        Some(match step {
            Step::Done => return None,
            Step::Node => {
                let Frame { block, link, offset, layer, .. } = self.descent.top()?;
                let depth = self.descent.depth()?;
                let (cid, layer, offset) = (link.cid, *layer, *offset);
                Event::Node { cid, layer, depth, block: block.as_ref(), offset }
            }
            Step::Entry { cid } => Event::Entry { entry: self.entry(cid) },
            Step::Record { cid } => {
                let Block { bytes, form, offset, .. } = self.record.as_ref()?;
                let (form, offset) = (*form, *offset);
                Event::Record { entry: self.entry(cid), block: bytes.as_ref(), form, offset }
            }
            Step::MissingRecord { cid } => Event::MissingRecord { entry: self.entry(cid) },
            Step::BadRecord { cid, error } => Event::BadRecord { entry: self.entry(cid), error },
            Step::MissingSubtree { link } => {
                let interval = self.descent.interval(&link);
                Event::MissingSubtree { cid: link.cid, interval, layer: link.layer }
            }
            Step::BadSubtree { link, error } => {
                let interval = self.descent.interval(&link);
                Event::BadSubtree { cid: link.cid, interval, layer: link.layer, error }
            }
        })
    }
}

impl<S: BlockStore> fmt::Debug for Walker<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Walker")
            .field("options", &self.options)
            .field("manner", &self.descent.manner)
            .field("depth", &self.descent.depth())
            .field("key", &format_args!("\"{}\"", self.descent.key().escape_ascii()))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Repo;

    /// Iterators and lookups never begin such walks; if one did, that would be an error.
    #[test]
    fn a_walk_of_another_kind_than_was_wanted_is_an_error() {
        let repo = Repo::from_slice(include_bytes!("../../samples/repo.car")).unwrap();
        let walk = || repo.walk().nodes(true);
        assert!(matches!(walk().next_entry().err().unwrap().kind(), ErrorKind::Store(_)));
        assert!(matches!(walk().one(b"key").find().err().unwrap().kind(), ErrorKind::Store(_)));
        assert!(repo.walk().next_entry().unwrap().is_some());
        assert!(matches!(repo.walk().one(b"key").find().unwrap(), Lookup::Absent));
    }
}
