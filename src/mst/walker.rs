//! A started walk over a tree.
//!
//! [`Descent`] traverses the tree and checks it. This file decides which subtrees are entered,
//! looks up blocks, and turns each step into an [`Event`].

use core::fmt;

use super::ahead::ReadAhead;
use super::buffers::WalkBuffers;
use super::descent::{Descent, Fetched, Manner, Next};
use super::event::{EntryAndRecord, Event};
use super::frame::{Link, Order};
use super::lookup::{Gap, Lookup};
use super::walk::{Walk, WalkOptions};
use super::window::{Side, Window};
use crate::cid::Cid;
use crate::error::{Error, ErrorKind, Result, Structure};
use crate::reuse::Shelf;
use crate::store::{Block, BlockStore};

/// A started walk over a tree: [`Walk::start`](super::Walk::start) returns it.
///
/// [`next_event`](Walker::next_event) returns one [`Event`] after another. Events borrow from the
/// walk, so `Walker` is not an `Iterator`; [`Records`](crate::Records) and
/// [`Entries`](crate::Entries) are. After an error or the end, every later call returns
/// `Ok(None)`.
///
/// # Examples
///
/// ```
/// use carwalk::Repo;
/// use carwalk::mst::{Event, Walker};
/// use carwalk::store::BlockStore;
///
/// /// Returns the length of the longest record.
/// fn longest<S: BlockStore>(mut walk: Walker<'_, S>) -> carwalk::Result<usize> {
///     let mut longest = 0;
///     while let Some(event) = walk.next_event()? {
///         if let Event::Record { block, .. } = event {
///             longest = longest.max(block.len());
///         }
///     }
///     Ok(longest)
/// }
///
/// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
/// let repo = Repo::from_slice(bytes)?;
/// assert_eq!(longest(repo.walk().start())?, 441);
/// # Ok::<(), carwalk::Error>(())
/// ```
#[must_use]
pub struct Walker<'s, S: BlockStore> {
    store: &'s S,
    options: WalkOptions,
    /// The wanted keys.
    window: Window,
    root: Cid,
    /// Where the buffers go at the end of the walk.
    shelf: Option<&'s Shelf<WalkBuffers>>,
    descent: Descent<S::Bytes<'s>>,
    ahead: ReadAhead<'s, S>,
    /// The record of the last step.
    record: Option<Block<S::Bytes<'s>>>,
    /// Whether the last step was into a node.
    at_node: bool,
    /// The error of an invalid argument. No key is wanted then, so it is returned at the end.
    refused: Option<Error>,
}

/// The result of one step, which borrows nothing. An event is built from it.
enum Step {
    Done,
    Node,
    /// The missing node of an empty tree, whose CID fixes its bytes.
    EmptyTree,
    Entry {
        cid: Cid,
    },
    Record {
        cid: Cid,
    },
    MissingRecord {
        cid: Cid,
    },
    BadRecord {
        cid: Cid,
        error: Error,
    },
    MissingSubtree {
        link: Link,
    },
    BadSubtree {
        link: Link,
        error: Error,
    },
}

impl<'s, S: BlockStore> Walk<'s, S> {
    /// Begins the walk. Reads nothing before the first event is requested.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::cid::{Cid, Codec};
    /// use carwalk::mst::Walk;
    /// use carwalk::{ErrorKind, Repo};
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// let repo = Repo::from_slice(bytes)?;
    /// // The store has no such node. Only the first event requests it.
    /// let mut walk = Walk::new(repo.store(), Cid::of(Codec::DagCbor, b"other")).start();
    /// let error = walk.next_event().unwrap_err();
    /// assert!(matches!(error.kind(), ErrorKind::Missing { .. }));
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn start(self) -> Walker<'s, S> {
        Walker::begin(self)
    }
}

impl<'s, S: BlockStore> Walker<'s, S> {
    fn begin(walk: Walk<'s, S>) -> Self {
        let Walk { store, root, shelf, options, manner, window, refused } = walk;
        debug_assert!(refused.is_none() || window.is_empty(), "a refused walk wants a key");
        // What an earlier walk left would count against a limit.
        let shelf = shelf.filter(|_| manner.memory_limit == u64::MAX);
        let buffers = shelf.map(Shelf::take).unwrap_or_default();
        Walker {
            store,
            options,
            window,
            root,
            shelf,
            descent: Descent::new(root, manner, buffers.descent),
            ahead: ReadAhead::new(store, buffers.ahead),
            record: None,
            at_node: false,
            refused,
        }
    }

    /// Returns a new walk with the same settings in the other order.
    pub(crate) fn in_reverse(&mut self) -> Self {
        debug_assert!(self.descent.manner.order == Order::Ascending);
        let manner = Manner { order: Order::Descending, ..self.descent.manner };
        Walker::begin(Walk {
            store: self.store,
            root: self.root,
            shelf: self.shelf,
            options: self.options,
            manner,
            window: self.window.clone(),
            refused: self.refused.take(),
        })
    }

    /// Excludes the keys that `other`, a walk in the other order, has passed.
    pub(crate) fn stop_before(&mut self, other: &Self) {
        if other.descent.depth().is_none() {
            return;
        }
        // The other walk would request the same records again.
        self.ahead.stop_queueing();
        match self.descent.manner.order {
            Order::Ascending => self.window.end_before(other.descent.key()),
            Order::Descending => self.window.start_after(other.descent.key()),
        }
    }

    /// Advances to the next event and returns it, or `None` at the end.
    ///
    /// # Errors
    ///
    /// - `Missing` if a node or record is missing
    /// - `HashMismatch` if a block does not hash to its CID
    /// - `Tree`, `Malformed`, `NonCanonical` or `Limit` if a node breaks a rule
    /// - `Limit` if the open nodes exceed the memory limit of the walk
    /// - `Argument` if a range ends before it starts
    /// - `Store`, `Io` or `InvalidSpillFile` if the store fails
    ///
    /// A partial walk returns only the last two as errors, and events for the others.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::Repo;
    /// use carwalk::mst::Event;
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// let repo = Repo::from_slice(bytes)?;
    /// let mut walk = repo.walk().range("app.bsky.feed.post/"..).start();
    /// let Some(Event::Record { entry, block, .. }) = walk.next_event()? else { panic!() };
    /// assert_eq!(entry.key(), b"app.bsky.feed.post/3l4nmdewke22l");
    /// assert_eq!(block.len(), 101);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn next_event(&mut self) -> Result<Option<Event<'_>>> {
        let step = self.advance()?;
        Ok(self.event(step))
    }

    /// Skips the node of the last event: its entries and the subtrees below it. Does nothing if the
    /// last event was not an [`Event::Node`], which [`Walk::nodes`](super::Walk::nodes) turns on.
    ///
    /// The blocks below the node are not requested, unless a walk that verifies blocks has already
    /// read them ahead. After the first call of `skip_subtree`, such a walk requests blocks below a
    /// node only after the node's event.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::Repo;
    /// use carwalk::mst::Event;
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// let repo = Repo::from_slice(bytes)?;
    /// // Counts all nodes, and the entries above layer 0.
    /// let mut walk = repo.walk().nodes(true).records(false).start();
    /// let (mut nodes, mut entries) = (0, 0);
    /// while let Some(event) = walk.next_event()? {
    ///     match event {
    ///         Event::Node { layer, .. } => {
    ///             nodes += 1;
    ///             if layer.get() == 0 {
    ///                 walk.skip_subtree();
    ///             }
    ///         }
    ///         _ => entries += 1,
    ///     }
    /// }
    /// assert_eq!((nodes, entries), (9, 9));
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn skip_subtree(&mut self) {
        if core::mem::take(&mut self.at_node) {
            self.ahead.stop_reading_below();
            self.descent.leave();
        }
    }

    /// Advances to the next entry and returns it, with its record if that was looked up. Only for
    /// complete walks without node events.
    pub(crate) fn next_entry(&mut self) -> Result<Option<EntryAndRecord<'_, S::Bytes<'s>>>> {
        match self.advance()? {
            Step::Entry { cid } | Step::Record { cid } => {
                let record = self.record.take();
                Ok(Some((self.descent.entry(cid), record)))
            }
            Step::Done => Ok(None),
            _ => Err(Error::store("a complete walk without node events returned another event")),
        }
    }

    /// Returns the answer of a lookup: the first event of a partial walk over one key.
    pub(crate) fn find(mut self) -> Result<Lookup<Block<S::Bytes<'s>>>> {
        let step = self.advance()?;
        let answer = self.answer(step);
        self.end();
        answer
    }

    fn answer(&mut self, step: Step) -> Result<Lookup<Block<S::Bytes<'s>>>> {
        match step {
            Step::Record { cid } => Ok(Lookup::Present { cid, record: self.record.take() }),
            Step::Entry { cid } | Step::MissingRecord { cid } => {
                Ok(Lookup::Present { cid, record: None })
            }
            Step::Done | Step::EmptyTree => Ok(Lookup::Absent),
            Step::MissingSubtree { link } => {
                let interval = self.descent.interval(&link).to_owned();
                Ok(Lookup::Unknown(Gap { cid: link.cid, interval, layer: link.layer }))
            }
            Step::BadRecord { error, .. } | Step::BadSubtree { error, .. } => Err(error),
            Step::Node => Err(Error::store("a lookup without node events returned a node")),
        }
    }

    /// Takes one step. An error ends the walk.
    fn advance(&mut self) -> Result<Step> {
        let step = self.step();
        if matches!(step, Ok(Step::Done) | Err(_)) {
            self.end();
        }
        step
    }

    /// Returns the buffers to the shelf. A walk that is dropped before its end frees them; a lookup
    /// always returns them.
    #[inline(never)]
    fn end(&mut self) {
        self.descent.stop();
        if let Some(shelf) = self.shelf.take() {
            let (descent, ahead) = (self.descent.take_buffers(), self.ahead.take_buffers());
            shelf.put(WalkBuffers { descent, ahead });
        }
    }

    fn step(&mut self) -> Result<Step> {
        self.record = None;
        self.at_node = false;
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
                        // All further keys are outside of the window, too.
                        (Side::After, Order::Ascending) | (Side::Before, Order::Descending) => {
                            self.descent.stop();
                        }
                        _ => {}
                    }
                }
                Next::End => return self.refused.take().map_or(Ok(Step::Done), Err),
            }
        }
    }

    /// Returns whether a subtree can have a wanted key.
    #[inline]
    fn may_have(&self, link: &Link) -> bool {
        self.window.is_all() || self.window.touches(self.descent.interval(link), link.layer)
    }

    /// Enters the node of a link, unless it is missing or bad.
    fn enter(&mut self, link: Link) -> Result<Option<Step>> {
        let WalkOptions { nodes, partial, .. } = self.options;
        let Some(fetched) = self.fetch(&link)? else {
            if link.is_empty_tree() {
                return Ok(nodes.then_some(Step::EmptyTree));
            }
            if partial {
                return Ok(Some(Step::MissingSubtree { link }));
            }
            return Err(self.descent.missing(&link));
        };
        let was_read_ahead = fetched.read.is_some();
        match self.descent.enter(&link, fetched) {
            Ok(()) => {
                self.prepare(&link, was_read_ahead);
                self.at_node = nodes;
                Ok(nodes.then_some(Step::Node))
            }
            Err(error) if partial => Ok(Some(Step::BadSubtree { link, error })),
            Err(error) => Err(error),
        }
    }

    /// Looks up the node of a link, unless it was read ahead.
    #[inline]
    fn fetch(&mut self, link: &Link) -> Result<Option<Fetched<S::Bytes<'s>>>> {
        let WalkOptions { records, partial, .. } = self.options;
        // A partial walk continues after a bad node, which must cost no more than its first key.
        let wants_all = !partial && self.descent.top().is_some_and(|frame| frame.is_covered);
        self.ahead.fetch(link, &mut self.descent, wants_all, records)
    }

    /// Prefetches the blocks that a newly entered node links to, unless reading ahead did that.
    #[inline]
    fn prepare(&mut self, link: &Link, was_read_ahead: bool) {
        self.ahead.make_room(&self.descent);
        let is_covered = was_read_ahead
            || self.window.is_all()
            || self.window.covers(self.descent.interval(link));
        if let Some(frame) = self.descent.top_mut() {
            frame.is_covered = is_covered;
        }
        // At the border of a range, most links lead out of it.
        if is_covered && !was_read_ahead {
            self.ahead.prefetch(&self.descent, self.options.records);
        }
    }

    fn look_up(&mut self, cid: Cid) -> Result<Step> {
        self.ahead.count_entry();
        if !self.options.records {
            return Ok(Step::Entry { cid });
        }
        let found = self.ahead.record(cid, &mut self.descent);
        let found = found.map_err(|error| self.in_record(error, cid, None))?;
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

    /// Returns the event of a step, or `None` at the end.
    fn event(&self, step: Step) -> Option<Event<'_>> {
        debug_assert!(!matches!(step, Step::Node) || self.descent.top().is_some());
        debug_assert!(!matches!(step, Step::Record { .. }) || self.record.is_some());
        Some(match step {
            Step::Done => return None,
            Step::Node => self.descent.node_event()?,
            Step::EmptyTree => Event::empty_tree(self.root),
            Step::Entry { cid } => Event::Entry { entry: self.descent.entry(cid) },
            Step::Record { cid } => {
                let Block { bytes, form, offset, .. } = self.record.as_ref()?;
                let (form, offset) = (*form, *offset);
                Event::Record {
                    entry: self.descent.entry(cid),
                    block: bytes.as_ref(),
                    form,
                    offset,
                }
            }
            Step::MissingRecord { cid } => Event::MissingRecord { entry: self.descent.entry(cid) },
            Step::BadRecord { cid, error } => {
                Event::BadRecord { entry: self.descent.entry(cid), error }
            }
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

    /// Iterators and lookups never start such walks. If one did, it would return an error.
    #[test]
    fn a_walk_of_another_kind_than_was_wanted_is_an_error() {
        let repo = Repo::from_slice(include_bytes!("../../samples/repo.car")).unwrap();
        let walk = || repo.walk().nodes(true);
        assert!(matches!(walk().start().next_entry().err().unwrap().kind(), ErrorKind::Store(_)));
        let of_key = walk().key(b"key").start();
        assert!(matches!(of_key.find().err().unwrap().kind(), ErrorKind::Store(_)));
        assert!(repo.walk().start().next_entry().unwrap().is_some());
        assert!(matches!(repo.walk().key(b"key").start().find().unwrap(), Lookup::Absent));
    }
}
