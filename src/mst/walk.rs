//! The walk over a tree: every rule checked, top-down, without recursion.
//!
//! Each node is checked whole when it is entered, against its place: the layer below its parent's, and the keys around
//! the link that led to it. A place refers to the keys of the frames above, so bounds are never copied. The stack has at
//! most as many frames as the root has layers, and one more.

use core::fmt;
use std::collections::HashMap;

use super::key::{Key, Layer};
use super::node::{Layout, cid_at};
use crate::cid::{Cid, sha256};
use crate::error::{Error, ErrorKind, KeyInterval, Result, Structure, TreeRule};
use crate::path::RepoPath;
use crate::store::{BlockStore, Found};

/// Entries of a node whose links are prefetched; chance makes no node longer.
const MAX_PREFETCH: usize = 64;

/// Length from which on a block's digest is remembered. Below, hashing costs little more than the link that leads there.
const LARGE_BLOCK: usize = 4096;

/// A walk over a tree in key order.
///
/// Goes through a [`BlockStore`] from a root node down, and gives one [`Event`] after the other. Every node is checked by
/// all rules of the tree before anything of it comes out; every block is hashed, unless the store's blocks were hashed
/// when they were loaded. By default the walk is complete: a block that is missing is an error.
///
/// Allocates nothing per node or record once its buffers have grown. After an error or the end, every later call gives
/// `None`.
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
    /// The root, as long as it was not visited.
    root: Option<Cid>,
    frames: Vec<Frame<S::Block<'s>>>,
    /// Buffers of frames that were left, for those to come.
    spare: Vec<Buffers>,
    /// What the store is told to prefetch.
    soon: Vec<Cid>,
    /// The digests that large blocks were found to have, so that none is hashed for each of its links.
    digests: HashMap<Cid, [u8; 32]>,
    /// The record at hand.
    record: Option<Found<S::Block<'s>>>,
}

#[derive(Clone, Copy, Debug)]
struct Options {
    nodes: bool,
    records: bool,
    partial: bool,
    /// Whether blocks are hashed when they are reached.
    hash: bool,
}

/// An open node.
struct Frame<B> {
    block: B,
    cid: Cid,
    offset: Option<u64>,
    layer: Layer,
    place: Place,
    buffers: Buffers,
    /// The number of the entry that comes next.
    next: usize,
    /// The link that is followed before that entry.
    link: Option<u32>,
    /// Whether the key of that entry stands in `buffers.ahead`.
    is_ahead: bool,
}

#[derive(Default)]
struct Buffers {
    layout: Layout,
    /// The key of the entry that came last.
    key: Key,
    /// The key of the next entry, while the subtree before it is walked.
    ahead: Key,
}

/// What is known of a node before it is read.
#[derive(Clone, Copy)]
struct Place {
    /// `None` for the root, which has the layer of its first key.
    layer: Option<Layer>,
    /// The frame whose last key is below all keys of the node.
    lower: Option<usize>,
    /// The frame whose next key is above all keys of the node.
    upper: Option<usize>,
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

/// One thing that a walk meets. Borrows from the walk: it lasts until the next call.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'w> {
    /// A node, before anything in it. Only after [`Walker::nodes`].
    #[non_exhaustive]
    Node {
        /// The node's CID.
        cid: Cid,
        /// Its layer. The root of an empty repository has layer 0.
        layer: Layer,
        /// The number of links from the root to it.
        depth: usize,
        /// Its block.
        block: &'w [u8],
        /// Where its section begins in the CAR, if the store knows.
        offset: Option<u64>,
    },
    /// An entry of the tree whose record was not looked up. Only after [`Walker::records`] with `false`.
    #[non_exhaustive]
    Entry {
        /// Key and record CID.
        entry: Entry<'w>,
    },
    /// A record.
    #[non_exhaustive]
    Record {
        /// Key and record CID.
        entry: Entry<'w>,
        /// The record: DAG-CBOR, unless its CID's codec says otherwise. Not looked into.
        block: &'w [u8],
        /// Where its section begins in the CAR, if the store knows.
        offset: Option<u64>,
    },
    /// An entry whose record is not in the store. Only in a partial walk.
    #[non_exhaustive]
    MissingRecord {
        /// Key and record CID.
        entry: Entry<'w>,
    },
    /// An entry whose record does not have its CID. Only in a partial walk over blocks that were not hashed before.
    #[non_exhaustive]
    BadRecord {
        /// Key and record CID.
        entry: Entry<'w>,
        /// What is wrong with it.
        error: Error,
    },
    /// A node that is not in the store, and all under it. Only in a partial walk.
    #[non_exhaustive]
    MissingSubtree {
        /// The node's CID.
        cid: Cid,
        /// The keys that the subtree can have.
        interval: KeyInterval<&'w [u8]>,
        /// The node's layer, unless it is the root.
        layer: Option<Layer>,
    },
    /// A node that breaks a rule, and all under it. Only in a partial walk.
    #[non_exhaustive]
    BadSubtree {
        /// The node's CID.
        cid: Cid,
        /// The keys that the subtree can have.
        interval: KeyInterval<&'w [u8]>,
        /// The layer that the node should have, unless it is the root.
        layer: Option<Layer>,
        /// What is wrong with it.
        error: Error,
    },
}

impl Event<'_> {
    /// Where the section of the block at hand begins in the CAR: a node's or a record's, if the store knows.
    #[must_use]
    pub fn offset(&self) -> Option<u64> {
        match self {
            Event::Node { offset, .. } | Event::Record { offset, .. } => *offset,
            _ => None,
        }
    }
}

/// An entry, and its record if it was looked up.
pub(crate) type EntryAndRecord<'w, B> = (Entry<'w>, Option<Found<B>>);

/// A key of the tree and the CID of its record.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Entry<'w> {
    key: &'w [u8],
    cid: Cid,
    depth: usize,
}

impl<'w> Entry<'w> {
    /// The key: 1 to 1,024 bytes of any kind. [`path`](Entry::path) reads it.
    #[must_use]
    pub fn key(&self) -> &'w [u8] {
        self.key
    }

    /// The CID of the record.
    #[must_use]
    pub fn cid(&self) -> Cid {
        self.cid
    }

    /// The number of links from the root to the node that the entry is in.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// The key as a repo path.
    ///
    /// # Errors
    ///
    /// `Path`, with key and CID, if it has not the form of one.
    pub fn path(&self) -> Result<RepoPath<'w>> {
        RepoPath::parse(self.key).map_err(|error| self.locate(error))
    }

    /// The key as a repo path whose halves have the full syntax: see [`RepoPath::check_syntax`].
    ///
    /// # Errors
    ///
    /// `Path`, with key and CID, if it is none.
    pub fn strict_path(&self) -> Result<RepoPath<'w>> {
        let path = self.path()?;
        path.check_syntax().map_err(|error| self.locate(error))?;
        Ok(path)
    }

    #[cold]
    fn locate(&self, error: Error) -> Error {
        error.in_structure(Structure::Record).of_cid(self.cid)
    }
}

impl fmt::Debug for Entry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("key", &format_args!("\"{}\"", self.key.escape_ascii()))
            .field("cid", &self.cid)
            .finish()
    }
}

impl<'s, S: BlockStore> Walker<'s, S> {
    /// A complete walk over the tree under the node `root`, records looked up and every block hashed that is reached.
    pub fn new(store: &'s S, root: Cid) -> Self {
        let options = Options { nodes: false, records: true, partial: false, hash: true };
        Walker {
            store,
            options,
            root: Some(root),
            frames: Vec::new(),
            spare: Vec::new(),
            soon: Vec::new(),
            digests: HashMap::new(),
            record: None,
        }
    }

    /// Sets whether nodes are events of their own; they are not by default.
    pub fn nodes(mut self, yes: bool) -> Self {
        self.options.nodes = yes;
        self
    }

    /// Sets whether records are looked up, as by default, or only named: then their blocks are never asked for.
    pub fn records(mut self, yes: bool) -> Self {
        self.options.records = yes;
        self
    }

    /// Sets whether the walk goes on where blocks are missing or nodes are bad: then these are events.
    ///
    /// However bad the tree is, a partial walk looks up at most as many nodes as there are links to nodes, times the
    /// root's layer and one, and reads no node beyond its first key for more than one of its links.
    pub fn partial(mut self, yes: bool) -> Self {
        self.options.partial = yes;
        self
    }

    /// Sets whether blocks are hashed when they are reached. The store's blocks must have been hashed if not.
    pub(crate) fn hash(mut self, yes: bool) -> Self {
        self.options.hash = yes;
        self
    }

    /// Goes on to the next event; `None` at the end.
    ///
    /// # Errors
    ///
    /// `Missing` for a node or record that is not in the store; `HashMismatch`, `Tree`, `Malformed`, `NonCanonical`
    /// or `Limit` for a node that breaks a rule. In a partial walk these are events instead. `Store` or `Io`
    /// if the store fails, in every walk.
    pub fn next_event(&mut self) -> Result<Option<Event<'_>>> {
        let step = self.advance()?;
        Ok(self.event(step))
    }

    /// As [`next_event`](Walker::next_event), for the owned record adapters: the next entry, and its record if there is
    /// one. Only for complete walks without node events.
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

    /// One step; after an error there is no other.
    fn advance(&mut self) -> Result<Step> {
        let step = self.step();
        if step.is_err() {
            self.root = None;
            self.frames.clear();
        }
        step
    }

    fn step(&mut self) -> Result<Step> {
        self.record = None;
        if let Some(root) = self.root.take() {
            let place = Place { layer: None, lower: None, upper: None };
            if let Some(step) = self.descend(root, place)? {
                return Ok(step);
            }
        }
        loop {
            let depth = self.frames.len().wrapping_sub(1);
            let Some(frame) = self.frames.last_mut() else {
                return Ok(Step::Done);
            };
            if let Some((link, place)) = frame.next_gap(depth)? {
                if let Some(step) = self.descend(link, place)? {
                    return Ok(step);
                }
            } else if let Some(record) = frame.next_entry()? {
                return self.look_up(record);
            } else if let Some(left) = self.frames.pop() {
                self.spare.push(left.buffers);
            }
        }
    }

    /// Goes down a link, unless its node is missing or bad.
    fn descend(&mut self, cid: Cid, place: Place) -> Result<Option<Step>> {
        let found = self.store.get(&cid).map_err(|error| error.in_structure(Structure::Node).of_cid(cid))?;
        let Some(found) = found else {
            if self.options.partial {
                return Ok(Some(Step::MissingSubtree { cid, place }));
            }
            let interval = Some(self.interval(place).to_owned());
            return Err(Error::new(ErrorKind::Missing { interval }).in_structure(Structure::Node).of_cid(cid));
        };
        let offset = found.offset;
        match self.enter(cid, found, place) {
            Ok(()) => Ok(self.options.nodes.then_some(Step::Node)),
            Err(error) => {
                let error = error.in_structure(Structure::Node).at(offset).of_cid(cid);
                if self.options.partial { Ok(Some(Step::BadSubtree { cid, place, error })) } else { Err(error) }
            }
        }
    }

    /// Checks a node whole, and opens a frame for it.
    fn enter(&mut self, cid: Cid, found: Found<S::Block<'s>>, place: Place) -> Result<()> {
        let Found { bytes: block, offset } = found;
        let bytes = block.as_ref();
        self.verify(cid, bytes)?;
        let mut buffers = self.spare.pop().unwrap_or_default();
        let layer = match buffers.check(bytes, self.interval(place), place.layer) {
            Ok(layer) => layer,
            Err(error) => {
                self.spare.push(buffers);
                return Err(error);
            }
        };
        let link = buffers.layout.left_at();
        self.prefetch(block.as_ref(), &buffers.layout);
        self.frames.push(Frame { block, cid, offset, layer, place, buffers, next: 0, link, is_ahead: false });
        Ok(())
    }

    /// Checks a block against its CID, if this walk hashes.
    #[inline]
    fn verify(&mut self, cid: Cid, block: &[u8]) -> Result<()> {
        if !self.options.hash {
            return Ok(());
        }
        if block.len() < LARGE_BLOCK {
            return cid.verify(block);
        }
        let digest = self.digests.entry(cid).or_insert_with(|| sha256(block));
        cid.verify_digest(digest)
    }

    /// Tells the store which blocks a node leads to, the first of them only if it is a huge one.
    fn prefetch(&mut self, block: &[u8], layout: &Layout) {
        self.soon.clear();
        let left = layout.left_at();
        let records = self.options.records;
        let entries = layout.entries().iter().take(MAX_PREFETCH);
        let links = entries.flat_map(|entry| [records.then_some(entry.value_at()), entry.tree_at()]);
        let links = core::iter::once(left).chain(links).flatten();
        self.soon.extend(links.filter_map(|at| cid_at(block, at)));
        self.store.prefetch(&self.soon);
    }

    fn look_up(&mut self, cid: Cid) -> Result<Step> {
        if !self.options.records {
            return Ok(Step::Entry { cid });
        }
        let found = self.store.get(&cid).map_err(|error| self.of_record(error, cid, None))?;
        let Some(found) = found else {
            if self.options.partial {
                return Ok(Step::MissingRecord { cid });
            }
            return Err(self.of_record(Error::new(ErrorKind::Missing { interval: None }), cid, None));
        };
        if let Err(error) = self.verify(cid, found.bytes.as_ref()) {
            let error = self.of_record(error, cid, found.offset);
            return if self.options.partial { Ok(Step::BadRecord { cid, error }) } else { Err(error) };
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
        Entry { key: self.key(), cid, depth: self.frames.len().saturating_sub(1) }
    }

    fn interval(&self, place: Place) -> KeyInterval<&[u8]> {
        let frame = |depth: Option<usize>| depth.and_then(|depth| self.frames.get(depth));
        KeyInterval {
            lower: frame(place.lower).map(|frame| frame.buffers.key.as_bytes()),
            upper: frame(place.upper).map(|frame| frame.buffers.ahead.as_bytes()),
        }
    }

    fn event(&self, step: Step) -> Option<Event<'_>> {
        Some(match step {
            Step::Done => return None,
            Step::Node => {
                let Frame { block, cid, offset, layer, .. } = self.frames.last()?;
                let depth = self.frames.len().saturating_sub(1);
                Event::Node { cid: *cid, layer: *layer, depth, block: block.as_ref(), offset: *offset }
            }
            Step::Entry { cid } => Event::Entry { entry: self.entry(cid) },
            Step::Record { cid } => {
                let Found { bytes, offset } = self.record.as_ref()?;
                Event::Record { entry: self.entry(cid), block: bytes.as_ref(), offset: *offset }
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

impl<B: AsRef<[u8]>> Frame<B> {
    /// The link to follow before the next entry, and the place of its node. `depth` is this frame's own.
    #[inline]
    fn next_gap(&mut self, depth: usize) -> Result<Option<(Cid, Place)>> {
        let Some(link) = self.link.take() else {
            return Ok(None);
        };
        let block = self.block.as_ref();
        let cid = cid_at(block, link).ok_or_else(|| self.changed())?;
        let lower = if self.next > 0 { Some(depth) } else { self.place.lower };
        let Buffers { layout, key, ahead } = &mut self.buffers;
        let upper = match layout.entries().get(self.next) {
            Some(entry) => {
                ahead.follow(key, entry.prefix_len(), entry.suffix(block));
                self.is_ahead = true;
                Some(depth)
            }
            None => self.place.upper,
        };
        Ok(Some((cid, Place { layer: self.layer.below(), lower, upper })))
    }

    /// Moves on to the next entry and gives the CID of its record.
    #[inline]
    fn next_entry(&mut self) -> Result<Option<Cid>> {
        let Buffers { layout, key, ahead } = &mut self.buffers;
        let Some(entry) = layout.entries().get(self.next) else {
            return Ok(None);
        };
        let block = self.block.as_ref();
        if self.is_ahead {
            core::mem::swap(key, ahead);
            self.is_ahead = false;
        } else {
            key.advance(entry.prefix_len(), entry.suffix(block));
        }
        self.link = entry.tree_at();
        self.next = self.next.saturating_add(1);
        let cid = cid_at(block, entry.value_at()).ok_or_else(|| self.changed())?;
        Ok(Some(cid))
    }

    /// `AsRef` gave other bytes than before.
    #[cold]
    fn changed(&self) -> Error {
        let error = Error::store("the block's bytes changed while it was held");
        error.in_structure(Structure::Node).at(self.offset).of_cid(self.cid)
    }
}

impl Buffers {
    /// Checks a node by all rules, lays out its parts, and tells its layer.
    fn check(&mut self, block: &[u8], interval: KeyInterval<&[u8]>, place_layer: Option<Layer>) -> Result<Layer> {
        let KeyInterval { lower, upper } = interval;
        let outside = || Error::tree(TreeRule::KeyOutside { interval: interval.to_owned() });
        let mut layer = place_layer;
        self.layout.parse(block, &mut self.key, |entry, key| {
            check_layer(entry, Layer::of(key), &mut layer, place_layer)?;
            // Held against both bounds, the first key tells all links but one of a node that has many.
            let is_outside = || lower.is_some_and(|lower| key <= lower) || upper.is_some_and(|upper| key >= upper);
            if entry == 0 && is_outside() { Err(outside()) } else { Ok(()) }
        })?;
        let last = self.key.as_bytes();
        if !self.layout.entries().is_empty() && upper.is_some_and(|upper| last >= upper) {
            return Err(outside().of_key(last));
        }
        self.key.clear();
        let is_root = place_layer.is_none();
        if self.layout.entries().is_empty() {
            match (is_root, self.layout.has_links()) {
                (true, true) => return Err(Error::tree(TreeRule::RootWithoutEntry)),
                (false, false) => return Err(Error::tree(TreeRule::EmptyNode)),
                _ => {}
            }
        }
        let layer = layer.unwrap_or(Layer::BOTTOM);
        if layer == Layer::BOTTOM && self.layout.has_links() {
            return Err(Error::tree(TreeRule::LinkBelowLayer0));
        }
        Ok(layer)
    }
}

/// Holds a key's layer against its node's. The root has none until its first key gives it one.
#[inline]
fn check_layer(entry: usize, found: Layer, layer: &mut Option<Layer>, place_layer: Option<Layer>) -> Result<()> {
    let expected = *layer.get_or_insert(found);
    if found == expected {
        return Ok(());
    }
    let (expected, found) = (expected.get(), found.get());
    Err(Error::tree(match (entry, place_layer) {
        (0, Some(_)) => TreeRule::ChildLayer { expected, found },
        _ => TreeRule::KeyLayer { entry, expected, found },
    }))
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
