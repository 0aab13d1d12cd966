//! Building a tree from its entries in key order, and from subtrees of which only the CID is known.
//!
//! ```text
//! layer 2   [ k .. open              one open node per layer: its entries so far
//! layer 1   [ m .. open
//! layer 0   [ p q .. open            closed: a subtree that was passed and nothing after it
//! ```
//!
//! An entry finishes the open nodes below its layer: each becomes the link before the entry. A node
//! has only the keys that lie between two entries of higher layers, its span. So a subtree whose
//! nodes are not known can stay as it is only if nothing else lies in its span.

mod buffers;

use core::fmt;

pub(crate) use self::buffers::BuilderBuffers;
use super::key::Layer;
use crate::cid::{Cid, Codec};
use crate::error::{ArgumentFault, Error, ErrorKind, KeyInterval, LimitName, Result, Structure};
use crate::limits::{Limits, MAX_KEY_LEN};

/// Builds a tree from its entries in key order, node by node.
///
/// Each finished node is passed to the sink, a function that gets its CID, its layer and its block:
/// children before their parent, the root last. The nodes are a tree only if
/// [`finish`](Builder::finish) returns the root.
///
/// Instead of all entries below a node, [`subtree`](Builder::subtree) takes the CID of the node, if
/// nothing changes below it. Memory: one open node for each layer, and two keys. The cost of an
/// entry is hashing it, and comparing it with the entry before it. Nothing is allocated once the
/// buffers have grown.
///
/// # Examples
///
/// ```
/// use carwalk::mst::Builder;
/// use carwalk::Repo;
///
/// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
/// let repo = Repo::from_slice(bytes)?;
/// let mut nodes = 0;
/// let mut tree = Builder::new(|_, _, _| {
///     nodes += 1;
///     Ok(())
/// });
/// for entry in repo.entries() {
///     let entry = entry?;
///     tree.entry(entry.path().as_str().as_bytes(), entry.cid())?;
/// }
/// assert_eq!(tree.finish()?, repo.commit().data());
/// assert_eq!(nodes, 9);
/// # Ok::<(), carwalk::Error>(())
/// ```
pub struct Builder<F> {
    sink: F,
    /// A subtree that was passed, with nothing after it.
    closed: Option<Closed>,
    max_block_len: u32,
    has_failed: bool,
    buffers: BuilderBuffers,
}

/// A subtree of which only the CID is known.
#[derive(Clone, Copy)]
struct Closed {
    cid: Cid,
    layer: Layer,
    /// Whether the interval of its keys has an upper bound.
    is_bounded: bool,
}

impl<F: FnMut(&Cid, Layer, &[u8]) -> Result<()>> Builder<F> {
    /// Creates a builder without entries. `sink` is called once for each finished node.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::cid::{Cid, Codec};
    /// use carwalk::mst::Builder;
    ///
    /// let mut blocks = Vec::new();
    /// let tree = Builder::new(|cid, layer, block| {
    ///     blocks.push((*cid, layer.get(), block.to_vec()));
    ///     Ok(())
    /// });
    /// // The node of an empty tree.
    /// let root = tree.finish()?;
    /// assert_eq!(blocks, [(root, 0, b"\xa2\x61e\x80\x61l\xf6".to_vec())]);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn new(sink: F) -> Self {
        Builder::in_buffers(sink, BuilderBuffers::default())
    }

    /// Creates a builder in the buffers of one that has finished.
    pub(crate) fn in_buffers(sink: F, buffers: BuilderBuffers) -> Self {
        debug_assert!(buffers.is_empty(), "the other builder has not finished");
        let max_block_len = Limits::new().block_len();
        Builder { sink, closed: None, max_block_len, has_failed: false, buffers }
    }

    /// Sets the maximum length of a node, in bytes. Default: 2 MiB, as for readers. A node that
    /// would be longer is an error of kind `Limit`.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::ErrorClass;
    /// use carwalk::cid::{Cid, Codec};
    /// use carwalk::mst::Builder;
    ///
    /// let record = Cid::of(Codec::DagCbor, b"\xa0");
    /// let mut tree = Builder::new(|_, _, _| Ok(())).max_block_len(1000);
    /// let key = [b'a'; 1024];
    /// let error = tree.entry(&key, record).unwrap_err();
    /// assert_eq!(error.class(), ErrorClass::Limit);
    /// ```
    #[must_use]
    pub fn max_block_len(mut self, bytes: u32) -> Self {
        self.max_block_len = bytes;
        self
    }

    /// Adds an entry. Its layer is computed from the key.
    ///
    /// # Errors
    ///
    /// - `Argument` if the key is empty or not above everything before it, or if an earlier call
    ///   failed
    /// - `NeedsNode` if the entry is in the interval of the last subtree, or belongs into its root
    ///   node or a node below
    /// - `Limit` if the key is longer than [`MAX_KEY_LEN`] bytes, or a node longer than
    ///   [`max_block_len`](Builder::max_block_len)
    /// - those of the sink
    ///
    /// After an error, every further call fails.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::ErrorKind;
    /// use carwalk::cid::{Cid, Codec};
    /// use carwalk::mst::Builder;
    ///
    /// let record = Cid::of(Codec::DagCbor, b"\xa0");
    /// let mut tree = Builder::new(|_, _, _| Ok(()));
    /// tree.entry(b"com.example.post/2", record)?;
    /// let error = tree.entry(b"com.example.post/1", record).unwrap_err();
    /// assert!(matches!(error.kind(), ErrorKind::Argument(_)));
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn entry(&mut self, key: &[u8], record: Cid) -> Result<()> {
        self.entry_of_layer(key, Layer::of(key), record)
    }

    /// Adds an entry whose layer is known: that of the node in which a walk found it.
    #[inline]
    pub(crate) fn entry_of_layer(&mut self, key: &[u8], layer: Layer, record: Cid) -> Result<()> {
        debug_assert!(layer == Layer::of(key), "another layer than that of the key");
        let added = self.check_state().and_then(|()| self.add_entry(key, layer, record));
        self.note(added.map_err(|error| error.in_structure(Structure::Record).of_key(key)))
    }

    /// Adds a subtree of which only the root's CID is known: it stays as it is.
    ///
    /// `layer` is that of its root, and `interval` the keys that it can have:
    /// [`Event::MissingSubtree`](super::Event::MissingSubtree) reports both. The caller has to make
    /// sure that they are right.
    ///
    /// # Errors
    ///
    /// - `Argument` if the interval begins before the end of the interval before it, or lies before
    ///   the last entry, or is empty, or if an earlier call failed
    /// - `NeedsNode` if the node cannot stay as it is: something else is in its interval, or
    ///   belongs into the node or below it. Of several such subtrees, the error names the one of
    ///   the highest layer, and of these the first in key order
    /// - `Malformed` if the CID is not that of a dag-cbor block
    ///
    /// After an error, every further call fails.
    ///
    /// # Examples
    ///
    /// Replaces the record of one entry, without reading the nodes beside its search path:
    ///
    /// ```
    /// use carwalk::cid::{Cid, Codec};
    /// use carwalk::mst::{Builder, Event};
    /// use carwalk::Repo;
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// let (repo, mut car) = (Repo::from_slice(bytes)?, Vec::new());
    /// let key = "app.bsky.actor.profile/self";
    /// repo.prove().key(key).write(&mut car)?;
    /// // The commit, the root and the record: all other nodes are missing.
    /// let part = Repo::from_slice(&car)?;
    /// let (mut walk, mut nodes) = (part.walk().records(false).partial(true).start(), 0);
    /// let mut tree = Builder::new(|_, _, _| {
    ///     nodes += 1;
    ///     Ok(())
    /// });
    /// let new = Cid::of(Codec::DagCbor, b"\xa0");
    /// while let Some(event) = walk.next_event()? {
    ///     match event {
    ///         Event::Entry { entry, .. } if entry.key() == key.as_bytes() => {
    ///             tree.entry(entry.key(), new)?;
    ///         }
    ///         Event::Entry { entry, .. } => tree.entry(entry.key(), entry.cid())?,
    ///         Event::MissingSubtree { cid, interval, layer: Some(layer), .. } => {
    ///             tree.subtree(cid, layer, interval)?;
    ///         }
    ///         other => panic!("{other:?}"),
    ///     }
    /// }
    /// let root = tree.finish()?;
    /// assert_ne!(root, repo.commit().data());
    /// assert_eq!(nodes, 1);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn subtree(&mut self, cid: Cid, layer: Layer, interval: KeyInterval<&[u8]>) -> Result<()> {
        let added = self.check_state().and_then(|()| self.add_subtree(cid, layer, interval));
        self.note(added.map_err(|error| error.in_structure(Structure::Node).of_cid(cid)))
    }

    /// Finishes all open nodes and returns the CID of the root.
    ///
    /// Without any call before it, the root is the node of the empty tree. If the only call was
    /// [`subtree`](Builder::subtree) with a node of layer 0, that node is the root.
    ///
    /// # Errors
    ///
    /// - `Argument` if an earlier call failed
    /// - `NeedsNode` if the only call was `subtree` with a node of a higher layer: a root must have
    ///   an entry, and that node may have none
    /// - `Limit` if a node is longer than [`max_block_len`](Builder::max_block_len)
    /// - those of the sink
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::cid::{Cid, Codec};
    /// use carwalk::mst::{Builder, Layer};
    ///
    /// let record = Cid::of(Codec::DagCbor, b"\xa0");
    /// let mut layers = Vec::new();
    /// let mut tree = Builder::new(|_, layer, _| {
    ///     layers.push(layer.get());
    ///     Ok(())
    /// });
    /// tree.entry(b"app.bsky.feed.post/9adeb165882c", record)?;
    /// tree.entry(b"blue", record)?;
    /// tree.finish()?;
    /// // The root is of layer 8. Below it are nodes that have a link and no entry, down to `blue`.
    /// assert_eq!(layers, [1, 2, 3, 4, 5, 6, 7, 8]);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn finish(mut self) -> Result<Cid> {
        self.finish_root()
    }

    /// Finishes like [`finish`](Builder::finish), and leaves the buffers to another builder.
    #[cfg(feature = "sync")]
    pub(crate) fn finish_into(mut self, buffers: &mut BuilderBuffers) -> Result<Cid> {
        let root = self.finish_root()?;
        self.buffers.reset();
        *buffers = self.buffers;
        Ok(root)
    }

    fn finish_root(&mut self) -> Result<Cid> {
        self.check_state()?;
        let top = self.buffers.open.iter().rposition(|open| !open.node.is_empty());
        match (top, self.closed) {
            (Some(top), _) => {
                let subtree = self.finish_below(top)?;
                self.emit(top, subtree.as_ref())
            }
            (None, Some(closed)) if closed.layer == Layer::BOTTOM => Ok(closed.cid),
            (None, Some(closed)) => Err(closed.needed()),
            (None, None) => {
                self.buffers.open_up_to(0);
                self.emit(0, None)
            }
        }
    }

    fn check_state(&self) -> Result<()> {
        if self.has_failed {
            return Err(Error::argument(ArgumentFault::BuilderFailed));
        }
        Ok(())
    }

    fn note(&mut self, added: Result<()>) -> Result<()> {
        self.has_failed |= added.is_err();
        added
    }

    fn add_entry(&mut self, key: &[u8], layer: Layer, record: Cid) -> Result<()> {
        if key.is_empty() {
            return Err(Error::argument(ArgumentFault::EmptyKey));
        }
        if key.len() > MAX_KEY_LEN {
            return Err(Error::limit(LimitName::KeyLen, MAX_KEY_LEN as u64, key.len() as u64));
        }
        if key <= self.buffers.key.as_slice() {
            return Err(Error::argument(ArgumentFault::KeyOrder));
        }
        if let Some(closed) = self.closed {
            if !self.buffers.lower.is_empty() && key <= self.buffers.lower.as_slice() {
                return Err(Error::argument(ArgumentFault::KeyOrder));
            }
            let is_inside = !closed.is_bounded || key < self.buffers.upper.as_slice();
            if is_inside || layer <= closed.layer {
                return Err(closed.needed());
            }
        }
        let number = usize::from(layer.get());
        let subtree = self.finish_below(number)?;
        self.append(number, subtree.as_ref(), key, &record)
    }

    /// Appends an entry to the open node of its layer. All nodes below are finished.
    fn append(
        &mut self,
        number: usize,
        subtree: Option<&Cid>,
        key: &[u8],
        record: &Cid,
    ) -> Result<()> {
        let shared = common_prefix(&self.buffers.key, key);
        for open in self.buffers.open.iter_mut().skip(number) {
            open.shared = open.shared.min(shared);
        }
        let Some(open) = self.buffers.open.get_mut(number) else {
            debug_assert!(false, "the node of the layer is not open");
            return Ok(());
        };
        let prefix_len = if open.node.is_empty() { 0 } else { open.shared };
        let suffix = key.get(prefix_len..).unwrap_or_default();
        open.node.entry(subtree, prefix_len, suffix, record);
        open.shared = key.len();
        // The exact length is checked when the node is finished.
        check_len(self.max_block_len, open.node.entries_len())?;
        self.buffers.key.clear();
        self.buffers.key.extend_from_slice(key);
        Ok(())
    }

    fn add_subtree(&mut self, cid: Cid, layer: Layer, interval: KeyInterval<&[u8]>) -> Result<()> {
        cid.into_dag_cbor()?;
        self.check_interval(&interval)?;
        let new = Closed { cid, layer, is_bounded: interval.upper.is_some() };
        if let Some(closed) = self.closed {
            let highest = if layer > closed.layer { new } else { closed };
            return Err(highest.needed());
        }
        let is_inside = interval.contains(&self.buffers.key) && !self.buffers.key.is_empty();
        let span = self.buffers.open.iter().take(usize::from(layer.get()).saturating_add(1));
        if is_inside || span.into_iter().any(|open| !open.node.is_empty()) {
            return Err(new.needed());
        }
        self.closed = Some(new);
        for (bound, new) in
            [(&mut self.buffers.lower, interval.lower), (&mut self.buffers.upper, interval.upper)]
        {
            bound.clear();
            bound.extend_from_slice(new.unwrap_or_default());
        }
        Ok(())
    }

    /// Checks that an interval is not empty, and not before what was passed.
    fn check_interval(&self, interval: &KeyInterval<&[u8]>) -> Result<()> {
        let KeyInterval { lower, upper } = *interval;
        let is_empty = upper.is_some_and(|upper| lower.unwrap_or_default() >= upper);
        let is_before_key = upper.is_some_and(|upper| upper <= self.buffers.key.as_slice());
        // An unbounded subtree and an entry after it are a conflict, so it is the last one here.
        let overlaps = lower.unwrap_or_default() < self.buffers.upper.as_slice()
            || self.closed.is_some_and(|closed| !closed.is_bounded);
        if is_empty || is_before_key || overlaps {
            return Err(Error::argument(ArgumentFault::Interval { found: interval.to_owned() }));
        }
        Ok(())
    }

    /// Finishes the nodes below a layer. Returns the link to the highest one, if there is one.
    fn finish_below(&mut self, number: usize) -> Result<Option<Cid>> {
        self.buffers.open_up_to(number);
        let mut subtree = None;
        for below in 0..number {
            let is_empty = self.buffers.open.get(below).is_none_or(|open| open.node.is_empty());
            match self.closed.take_if(|closed| usize::from(closed.layer.get()) == below) {
                Some(closed) => {
                    debug_assert!(subtree.is_none() && is_empty, "the span has something else");
                    subtree = Some(closed.cid);
                }
                None if is_empty && subtree.is_none() => {}
                None => subtree = Some(self.emit(below, subtree.as_ref())?),
            }
        }
        debug_assert!(self.closed.is_none(), "a closed subtree was passed over");
        Ok(subtree)
    }

    /// Finishes the open node of a layer, with `subtree` after its last entry.
    fn emit(&mut self, number: usize, subtree: Option<&Cid>) -> Result<Cid> {
        let Some(open) = self.buffers.open.get_mut(number) else {
            debug_assert!(false, "the node of the layer is not open");
            return Err(Error::argument(ArgumentFault::BuilderFailed));
        };
        open.node.finish(subtree, &mut self.buffers.block);
        check_len(self.max_block_len, self.buffers.block.len())?;
        let cid = Cid::of(Codec::DagCbor, &self.buffers.block);
        (self.sink)(&cid, Layer::from_number(number), &self.buffers.block)?;
        Ok(cid)
    }
}

impl<F> fmt::Debug for Builder<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("key", &format_args!("\"{}\"", self.buffers.key.escape_ascii()))
            .field("has_failed", &self.has_failed)
            .finish_non_exhaustive()
    }
}

impl Closed {
    #[cold]
    fn needed(&self) -> Error {
        Error::new(ErrorKind::NeedsNode).in_structure(Structure::Node).of_cid(self.cid)
    }
}

fn check_len(max: u32, len: usize) -> Result<()> {
    if len as u64 > u64::from(max) {
        return Err(Error::limit(LimitName::BlockLen, u64::from(max), len as u64)
            .in_structure(Structure::Node));
    }
    Ok(())
}

/// Returns the number of bytes with which both keys begin.
fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    // Keys are mostly paths of one collection, which share most of their bytes.
    const PART: usize = 8;
    let parts = a.chunks_exact(PART).zip(b.chunks_exact(PART));
    let whole = parts.take_while(|(a, b)| a == b).count().saturating_mul(PART);
    let (a, b) = (a.get(whole..).unwrap_or_default(), b.get(whole..).unwrap_or_default());
    whole.saturating_add(a.iter().zip(b).take_while(|(a, b)| a == b).count())
}
