//! The walk over a tree: every rule checked, top-down, without recursion.
//!
//! The stack has at most as many frames as the root has layers, and one more.

use core::fmt;

use super::ahead::{self, Ahead, ReadNode};
use super::completeness::{Completeness, Gaps};
use super::digests::Digests;
use super::event::{Entry, EntryAndRecord, Event};
use super::frame::{Buffers, Frame, Order, Place, Spare};
use super::key::Layer;
use super::lookup::{Gap, Lookup};
use super::range::KeyRange;
use super::window::{Side, Window};
use crate::budget;
use crate::cid::Cid;
use crate::error::{Error, ErrorKind, KeyInterval, LimitName, Malformed, Result, Structure};
use crate::store::trust::Trust;
use crate::store::{BlockStore, Form, Found};

/// A walk over a tree in key order, or in reverse.
///
/// Goes through a [`BlockStore`] from a root node down, and gives one [`Event`] after the other.
/// Every node is checked by all rules of the tree before anything of it comes out; every block is
/// hashed, unless the store's blocks were hashed when they were loaded. By default the walk is
/// complete: a block that is missing is an error.
///
/// A complete walk that has come by some entries reads the next few nodes under the same one
/// together, which is faster; it asks the store for each node once all the same.
///
/// Allocates nothing per node or record once its buffers have grown, but for the digests of blocks
/// from 1 KiB on, if it hashes: no such block is hashed for each of many links, unless a
/// [`memory_limit`](Walker::memory_limit) leaves no room for its digest. After an error or the end,
/// every later call gives `None`.
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
    /// The keys that the walk is about.
    window: Window,
    root: Cid,
    /// Whether the root was visited, or never will be.
    begun: bool,
    frames: Vec<Frame<S::Block<'s>>>,
    /// Nodes that were read before the walk came to them.
    ahead: Ahead<S::Block<'s>>,
    /// Entries until nodes are.
    reserve: u32,
    spare: Spare,
    /// What the store is told to prefetch.
    soon: Vec<Cid>,
    /// The digests that large blocks were found to have, so that none of these is hashed for each
    /// of its links.
    digests: Digests,
    /// The record at hand.
    record: Option<Found<S::Block<'s>>>,
}

#[derive(Clone, Copy, Debug)]
struct Options {
    nodes: bool,
    records: bool,
    partial: bool,
    order: Order,
    trust: Trust,
    memory_limit: u64,
}

/// What one step came to. Owns what it tells; an event is built from it.
enum Step {
    Done,
    Node,
    Entry { cid: Cid },
    Record { cid: Cid },
    MissingRecord { cid: Cid },
    BadRecord { cid: Cid, error: Error },
    MissingSubtree { cid: Cid, place: Place },
    BadSubtree { cid: Cid, place: Place, error: Error },
}

impl<'s, S: BlockStore> Walker<'s, S> {
    /// A complete walk over the tree under the node `root`, records looked up and every block
    /// hashed that is reached.
    pub fn new(store: &'s S, root: Cid) -> Self {
        let options = Options {
            nodes: false,
            records: true,
            partial: false,
            order: Order::Ascending,
            trust: Trust::HashWhenReached,
            memory_limit: u64::MAX,
        };
        Walker::begin(store, root, options, Window::all())
    }

    fn begin(store: &'s S, root: Cid, options: Options, window: Window) -> Self {
        Walker {
            store,
            options,
            window,
            root,
            begun: false,
            frames: Vec::new(),
            ahead: Ahead::default(),
            reserve: ahead::RESERVE,
            spare: Spare::default(),
            soon: Vec::new(),
            digests: Digests::default(),
            record: None,
        }
    }

    /// Sets whether nodes are events of their own; they are not by default.
    pub fn nodes(mut self, yes: bool) -> Self {
        self.options.nodes = yes;
        self
    }

    /// Sets whether records are looked up, as by default, or only named: then their blocks are
    /// never asked for.
    pub fn records(mut self, yes: bool) -> Self {
        self.options.records = yes;
        self
    }

    /// Sets whether the walk goes on where blocks are missing or nodes are bad: then these are
    /// events.
    ///
    /// However bad the tree is, a partial walk looks up at most as many nodes as there are links to
    /// nodes, times the root's layer and one, and reads no node beyond its first key for more than
    /// one of its links.
    pub fn partial(mut self, yes: bool) -> Self {
        self.options.partial = yes;
        self
    }

    /// Sets whether the walk goes from the last key to the first; it does not by default.
    ///
    /// A node is still an event before anything in it. Costs four bytes more for each entry of an
    /// open node.
    pub fn reverse(mut self, yes: bool) -> Self {
        self.options.order = if yes { Order::Descending } else { Order::Ascending };
        let window = self.window.clone();
        self.over(window)
    }

    /// Leaves out the keys that are not in a range. The walk begins anew.
    ///
    /// Subtrees that can have none of the others are not looked at, whether they are there or not:
    /// so the walk begins by going straight down to the first key. If it is complete and ends
    /// without an error, nothing in the range is missing.
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

    /// Leaves out the keys that do not begin with `prefix`: as [`range`](Walker::range).
    pub fn prefix(self, prefix: impl AsRef<[u8]>) -> Self {
        self.range(KeyRange::prefix(prefix))
    }

    /// Leaves out the keys that are not in a collection, like `app.bsky.feed.post`: as
    /// [`range`](Walker::range).
    pub fn collection(self, collection: &str) -> Self {
        self.range(KeyRange::collection(collection))
    }

    /// Sets that the walk is about the keys in any of the ranges.
    pub(crate) fn ranges(self, ranges: Vec<KeyRange>) -> Self {
        self.over(Window::of(ranges))
    }

    /// Sets that the walk is about one key.
    pub(crate) fn one(self, key: &[u8]) -> Self {
        self.over(Window::one(key))
    }

    /// The same walk from the beginning, over other keys: what it passed by may be wanted now.
    fn over(self, window: Window) -> Self {
        Walker::begin(self.store, self.root, self.options, window)
    }

    /// A walk like this one that was just begun, but from the last key down.
    pub(crate) fn in_reverse(&self) -> Self {
        let options = Options { order: Order::Descending, ..self.options };
        Walker::begin(self.store, self.root, options, self.window.clone())
    }

    /// Leaves out what another walk, which goes the other way round, came by already.
    pub(crate) fn stop_before(&mut self, other: &Self) {
        if other.frames.is_empty() {
            return;
        }
        match self.options.order {
            Order::Ascending => self.window.end_before(other.key()),
            Order::Descending => self.window.start_after(other.key()),
        }
    }

    /// Sets how many bytes of memory the walk may take; there is no limit by default, but for what
    /// nodes can be.
    ///
    /// Counted are the nodes from the root down to the one at hand: what is noted of their entries,
    /// and their blocks if these are copies; and the digests that a walk which hashes remembers,
    /// half of the limit at most. If there are more, the shorter blocks, or all, are hashed for
    /// each link. Real trees take some kilobytes. It is looked at after each node that was read.
    /// Nodes that are read ahead count too, and are done without where there is no room.
    pub fn memory_limit(mut self, bytes: u64) -> Self {
        self.options.memory_limit = bytes;
        self
    }

    /// Sets how far the store's blocks are trusted: whether those without a mark are hashed.
    pub(crate) fn trust(mut self, trust: Trust) -> Self {
        self.options.trust = trust;
        self
    }

    /// Goes on to the next event; `None` at the end.
    ///
    /// # Errors
    ///
    /// `Missing` for a node or record that is not in the store; `HashMismatch` for one that does
    /// not have its CID; `Tree`, `Malformed`, `NonCanonical` or `Limit` for a node that breaks a
    /// rule. In a partial walk these are events instead. `Store` or `Io` if the store fails, in
    /// every walk.
    pub fn next_event(&mut self) -> Result<Option<Event<'_>>> {
        let step = self.advance()?;
        Ok(self.event(step))
    }

    /// As [`next_event`](Walker::next_event), for the owned record adapters: the next entry, and
    /// its record if there is one. Only for complete walks without node events.
    pub(crate) fn next_entry(&mut self) -> Result<Option<EntryAndRecord<'_, S::Block<'s>>>> {
        match self.advance()? {
            Step::Entry { cid } | Step::Record { cid } => {
                let record = self.record.take();
                Ok(Some((self.entry(cid), record)))
            }
            Step::Done => Ok(None),
            _ => Err(Error::store("a complete walk over records came to something else")),
        }
    }

    /// What a partial walk about one key comes to.
    pub(crate) fn find(mut self) -> Result<Lookup<Found<S::Block<'s>>>> {
        match self.advance()? {
            Step::Record { cid } => Ok(Lookup::Present { cid, record: self.record.take() }),
            Step::Entry { cid } | Step::MissingRecord { cid } => {
                Ok(Lookup::Present { cid, record: None })
            }
            Step::Done => Ok(Lookup::Absent),
            Step::MissingSubtree { cid, place } => {
                let interval = self.interval(place).to_owned();
                Ok(Lookup::Unknown(Gap { cid, interval, layer: place.layer }))
            }
            Step::BadRecord { error, .. } | Step::BadSubtree { error, .. } => Err(error),
            Step::Node => Err(Error::store("a walk without nodes came to one")),
        }
    }

    /// Goes through all of it, from the beginning, and tells how much of it is at hand.
    ///
    /// # Errors
    ///
    /// Those of a complete walk, but `Missing`.
    ///
    /// ```
    /// use carwalk::Repo;
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// let repo = Repo::from_slice(bytes)?;
    /// let posts = repo.walk().collection("app.bsky.feed.post").completeness()?;
    /// assert!(posts.is_complete());
    /// # assert!(posts.entries > 0);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn completeness(self) -> Result<Completeness> {
        let records = self.options.records;
        Completeness::of(self.nodes(false).anew(), records)
    }

    /// The nodes that are missing in it, from the beginning: an iterator.
    ///
    /// Its errors are those of a complete walk over entries, but `Missing`.
    pub fn gaps(self) -> Gaps<'s, S> {
        Gaps::of(self.nodes(false).records(false).anew())
    }

    /// A partial walk like this one from the beginning.
    fn anew(self) -> Self {
        let options = Options { partial: true, ..self.options };
        Walker::begin(self.store, self.root, options, self.window)
    }

    /// One step; after an error there is no other.
    fn advance(&mut self) -> Result<Step> {
        let step = self.step();
        if step.is_err() {
            self.frames.clear();
        }
        step
    }

    fn step(&mut self) -> Result<Step> {
        self.record = None;
        if !self.begun {
            self.begun = true;
            if self.may_hold(Place::ROOT)
                && let Some(step) = self.descend(self.root, Place::ROOT)?
            {
                return Ok(step);
            }
        }
        loop {
            let depth = self.frames.len().wrapping_sub(1);
            let Some(frame) = self.frames.last_mut() else {
                return Ok(Step::Done);
            };
            if let Some((link, place)) = frame.next_gap(depth)? {
                if self.may_hold(place)
                    && let Some(step) = self.descend(link, place)?
                {
                    return Ok(step);
                }
            } else if let Some(record) = frame.next_entry()? {
                match (self.window.side(self.key()), self.options.order) {
                    (Side::Inside, _) => return self.look_up(record),
                    // Nothing that is further up can be in the window either.
                    (Side::After, Order::Ascending) | (Side::Before, Order::Descending) => {
                        self.frames.clear()
                    }
                    _ => {}
                }
            } else if let Some(left) = self.frames.pop() {
                self.spare.put(left.buffers);
            }
        }
    }

    /// Whether a node at a place, or any below it, can have a key that the walk is about.
    #[inline]
    fn may_hold(&self, place: Place) -> bool {
        self.window.is_all() || self.window.touches(self.interval(place), place.layer)
    }

    /// Goes down a link, unless its node is missing or bad.
    fn descend(&mut self, cid: Cid, place: Place) -> Result<Option<Step>> {
        let (found, read) = match self.read_ahead(cid, place) {
            Some(ReadNode { found, buffers, .. }) => (found, buffers),
            None => (self.store.get(&cid), None),
        };
        let found = found.map_err(|error| error.in_structure(Structure::Node).of_cid(cid))?;
        let Some(found) = found else {
            if self.options.partial {
                return Ok(Some(Step::MissingSubtree { cid, place }));
            }
            let interval = Some(self.interval(place).to_owned());
            return Err(Error::new(ErrorKind::Missing { interval })
                .in_structure(Structure::Node)
                .of_cid(cid));
        };
        let offset = found.offset;
        match self.enter(cid, found, place, read) {
            Ok(()) => Ok(self.options.nodes.then_some(Step::Node)),
            Err(error) => {
                let error = error.in_structure(Structure::Node).at(offset).of_cid(cid);
                if self.options.partial {
                    Ok(Some(Step::BadSubtree { cid, place, error }))
                } else {
                    Err(error)
                }
            }
        }
    }

    /// The node of the link at hand, if it could be read with those that come after it.
    #[inline]
    fn read_ahead(&mut self, cid: Cid, place: Place) -> Option<ReadNode<S::Block<'s>>> {
        let depth = self.frames.len().checked_sub(1)?;
        let node = self.ahead.take(depth, &cid, &mut self.spare);
        if node.is_some()
            || self.reserve > 0
            || self.options.partial
            || !self.frames.last()?.is_covered
        {
            return node;
        }
        self.look_ahead(depth, cid, place.layer?);
        self.ahead.take(depth, &cid, &mut self.spare)
    }

    /// Reads the node of a link, and some of those that come after it under the same node.
    #[inline(never)]
    fn look_ahead(&mut self, depth: usize, first: Cid, layer: Layer) {
        let (options, max) = (self.options, self.options.memory_limit);
        if max < u64::MAX
            && self.held().saturating_add(self.held_ahead()).saturating_add(ahead::COST) > max
        {
            return;
        }
        let others = self.frames.last().into_iter().flat_map(Frame::links_to_come);
        self.soon.clear();
        self.soon.extend(core::iter::once(first).chain(others).take(ahead::MAX_NODES));
        let found = self.soon.iter().map(|cid| {
            let mut found = self.store.get(cid);
            let mut may_be_good = false;
            if let Ok(Some(found)) = &mut found {
                let is_node = cid.into_dag_cbor().is_ok() && found.form == Form::Raw;
                let is_short = found.bytes.as_ref().len() <= ahead::MAX_LEN;
                may_be_good =
                    is_node && is_short && verify(options, &mut self.digests, *cid, found).is_ok();
                if may_be_good {
                    found.verified = Some(*cid);
                }
            }
            (*cid, found, may_be_good)
        });
        self.ahead.read(found, layer, depth, &mut self.spare);
        if max < u64::MAX && self.held().saturating_add(self.held_ahead()) > max {
            self.ahead.clear();
        }
        self.soon.clear();
        for (block, layout) in self.ahead.good(depth) {
            ahead::links(block, layout, options.order, options.records, &mut self.soon);
        }
        self.store.prefetch(&self.soon);
    }

    /// Checks a node whole, unless it was read ahead and is good, and opens a frame for it.
    fn enter(
        &mut self,
        cid: Cid,
        found: Found<S::Block<'s>>,
        place: Place,
        read: Option<Buffers>,
    ) -> Result<()> {
        if let Some(buffers) = read {
            if buffers.are_within(found.bytes.as_ref(), &self.interval(place)) {
                let layer = place.layer.unwrap_or(Layer::BOTTOM);
                return self.open(Frame::new(
                    cid,
                    found,
                    layer,
                    place,
                    buffers,
                    true,
                    self.options.order,
                ));
            }
            self.spare.put(buffers);
        }
        cid.into_dag_cbor()?;
        if found.form == Form::Reduced {
            return Err(Error::malformed(Malformed::ReducedNode));
        }
        verify(self.options, &mut self.digests, cid, &found)?;
        let mut buffers = self.spare.take();
        let layer = match buffers.check(found.bytes.as_ref(), self.interval(place), place.layer) {
            Ok(layer) => layer,
            Err(error) => {
                self.spare.put(buffers);
                return Err(error);
            }
        };
        // At the border of a range most links lead out of it.
        let is_covered = self.window.is_all() || self.window.covers(self.interval(place));
        if is_covered {
            let Options { records, order, .. } = self.options;
            self.soon.clear();
            ahead::links(found.bytes.as_ref(), &buffers.layout, order, records, &mut self.soon);
            self.store.prefetch(&self.soon);
        }
        self.open(Frame::new(cid, found, layer, place, buffers, is_covered, self.options.order))
    }

    fn open(&mut self, frame: Frame<S::Block<'s>>) -> Result<()> {
        self.frames.push(frame);
        if self.options.memory_limit < u64::MAX { self.check_memory() } else { Ok(()) }
    }

    /// Bytes of memory that open nodes and digests take.
    fn held(&self) -> u64 {
        let cost = |frame: &Frame<S::Block<'s>>| self.store.block_cost(&frame.block);
        let frames =
            self.frames.iter().map(|frame| frame.buffers.held().saturating_add(cost(frame)));
        frames.fold(self.digests.held(), u64::saturating_add)
    }

    /// Bytes of memory that could be done without.
    fn held_ahead(&self) -> u64 {
        self.ahead.held(|block| self.store.block_cost(block)).saturating_add(self.spare.held())
    }

    /// Gives the node up that was entered last, if all nodes together take too much memory.
    fn check_memory(&mut self) -> Result<()> {
        let (held, max) = (self.held(), self.options.memory_limit);
        if held.saturating_add(self.held_ahead()) <= max {
            return Ok(());
        }
        self.ahead.clear();
        self.spare.clear();
        if held <= max {
            return Ok(());
        }
        self.frames.pop();
        Err(Error::limit(LimitName::WalkMemory, max, held))
    }

    fn look_up(&mut self, cid: Cid) -> Result<Step> {
        self.reserve = self.reserve.saturating_sub(1);
        if !self.options.records {
            return Ok(Step::Entry { cid });
        }
        let found = self.store.get(&cid).map_err(|error| self.of_record(error, cid, None))?;
        let Some(found) = found else {
            if self.options.partial {
                return Ok(Step::MissingRecord { cid });
            }
            return Err(self.of_record(
                Error::new(ErrorKind::Missing { interval: None }),
                cid,
                None,
            ));
        };
        if let Err(error) = verify(self.options, &mut self.digests, cid, &found) {
            let error = self.of_record(error, cid, found.offset);
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
    fn of_record(&self, error: Error, cid: Cid, offset: Option<u64>) -> Error {
        error.in_structure(Structure::Record).at(offset).of_cid(cid).of_key(self.key())
    }

    /// The key of the entry at hand.
    #[inline]
    fn key(&self) -> &[u8] {
        self.frames.last().map_or(&[], |frame| frame.buffers.key.as_bytes())
    }

    #[inline]
    fn entry(&self, cid: Cid) -> Entry<'_> {
        Entry::new(self.key(), cid, self.frames.len().saturating_sub(1))
    }

    fn interval(&self, place: Place) -> KeyInterval<&[u8]> {
        let frame = |depth: Option<usize>| depth.and_then(|depth| self.frames.get(depth));
        let behind = frame(place.behind).map(|frame| frame.buffers.key.as_bytes());
        let ahead = frame(place.ahead).map(|frame| frame.buffers.ahead.as_bytes());
        match self.options.order {
            Order::Ascending => KeyInterval { lower: behind, upper: ahead },
            Order::Descending => KeyInterval { lower: ahead, upper: behind },
        }
    }

    fn event(&self, step: Step) -> Option<Event<'_>> {
        Some(match step {
            Step::Done => return None,
            Step::Node => {
                let Frame { block, cid, offset, layer, .. } = self.frames.last()?;
                let depth = self.frames.len().saturating_sub(1);
                Event::Node {
                    cid: *cid,
                    layer: *layer,
                    depth,
                    block: block.as_ref(),
                    offset: *offset,
                }
            }
            Step::Entry { cid } => Event::Entry { entry: self.entry(cid) },
            Step::Record { cid } => {
                let Found { bytes, form, offset, .. } = self.record.as_ref()?;
                Event::Record {
                    entry: self.entry(cid),
                    block: bytes.as_ref(),
                    form: *form,
                    offset: *offset,
                }
            }
            Step::MissingRecord { cid } => Event::MissingRecord { entry: self.entry(cid) },
            Step::BadRecord { cid, error } => Event::BadRecord { entry: self.entry(cid), error },
            Step::MissingSubtree { cid, place } => {
                Event::MissingSubtree { cid, interval: self.interval(place), layer: place.layer }
            }
            Step::BadSubtree { cid, place, error } => {
                Event::BadSubtree { cid, interval: self.interval(place), layer: place.layer, error }
            }
        })
    }
}

/// Checks a block against its CID, if the walk hashes.
#[inline]
fn verify<B: AsRef<[u8]>>(
    options: Options,
    digests: &mut Digests,
    cid: Cid,
    found: &Found<B>,
) -> Result<()> {
    if options.trust.hashes_when_reached() {
        digests.check(cid, found, budget::digests(options.memory_limit))
    } else {
        Ok(())
    }
}

impl<S: BlockStore> fmt::Debug for Walker<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Walker")
            .field("options", &self.options)
            .field("depth", &self.frames.len().checked_sub(1))
            .field("key", &format_args!("\"{}\"", self.key().escape_ascii()))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Repo;

    /// Iterators and lookups never begin such walks; if one did, it would be told.
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
